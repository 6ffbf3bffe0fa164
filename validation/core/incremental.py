"""A whole building judged, and judged again after changes: only what the changes can have touched.

`full` judges everything. `recheck` changes elements of a standing and judges again

1. the changed elements, by all their rules;
2. the storeys whose surroundings they change (`surroundings.recheck`): of each element there the rules that read a fact which is another now;
3. the storey's own facts and then the building's: of every element that sees them the rules that read one of those that changed.

After any changes the standing is what `full` of the changed building would be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from validation.core import facts as own_facts
from validation.core import index, surroundings
from validation.core.building import BUILDING, STOREY, ZONE, Element, Facts
from validation.core.checks import Parameters, parameters
from validation.core.facts import Definitions
from validation.core.judge import NONE, Known, Runnable, Subject, judge
from validation.core.results import Results
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement, Kind
from validation.core.surroundings import Placed

Changes = Mapping[str, Element | None]  # global id -> what it is now; None: it is gone
EMPTY: Final[Facts] = {}
LINKS: Final = "stair_links"
ZONES: Final = (ZONE, "IfcSpatialZone")


@dataclass(slots=True, kw_only=True)
class Standing:
    """A building with all that is known and judged of it. `recheck` changes it in place."""

    book: Rulebook
    definitions: Definitions
    situation: Facts
    elements: dict[str, Element] = field(default_factory=dict)
    own: dict[str, Facts] = field(default_factory=dict)
    around: dict[str, Facts] = field(default_factory=dict)
    judgements: dict[str, dict[str, Judgement]] = field(default_factory=dict)  # subject -> rule -> judgement
    elsewhere: tuple[Judgement, ...] = ()  # of IDS rules, judged where the file is read
    members: dict[str, set[str]] = field(default_factory=dict)  # storey -> elements on it
    classes: dict[str, set[str]] = field(default_factory=dict)  # class -> its elements
    parts: dict[str, set[str]] = field(default_factory=dict)  # stair or ramp -> its flights
    b: Known = NONE
    judged: int = 0  # judgements made so far, for the counters

    def results(self) -> Results:
        found = Results(rules=(rule.key for rule in self.book.rules))
        for of_subject in self.judgements.values():
            found.extend(of_subject.values())
        found.extend(self.elsewhere)
        return found

    def facts(self, name: str) -> Facts:
        return {**self.own.get(name, EMPTY), **self.around.get(name, EMPTY)}

    def placed(self, name: str) -> Placed:
        return Placed(element=self.elements[name], facts=self.own[name])

    def storeys(self) -> list[str]:
        return sorted(self.classes.get(STOREY, ()))


def load_parameters(book: Rulebook) -> Parameters:
    """The numbers that the surroundings are computed with, from the python rules in force."""
    given = [(rule.key, rule.check, {name: one.value for name, one in rule.params.items()}) for rule in book.rules if rule.kind is Kind.PYTHON]
    return parameters(given)


def full(
    book: Rulebook,
    elements: Iterable[Element],
    *,
    definitions: Definitions,
    situation: Facts,
    elsewhere: Iterable[Judgement] = (),
) -> Standing:
    """Everything judged. elsewhere: judgements of rules that facts do not decide (IDS); they are counted with the others."""
    standing = Standing(book=book, definitions=definitions, situation=situation, elsewhere=tuple(elsewhere))
    for element in elements:
        put(standing, element)
    for name in standing.elements:
        derive(standing, name)
    every = [standing.placed(name) for name in sorted(standing.elements)]
    standing.around = dict(surroundings.around(every, parameters=load_parameters(book), situation=situation))
    standing.b = building_facts(standing)
    known = {name: Known(standing.facts(name)) for name in standing.storeys()}
    for name in standing.elements:
        judge_again(standing, name, known, None)
    return standing


def recheck(standing: Standing, changes: Changes, *, situation: Facts | None = None) -> set[str]:
    """The elements that were judged again. situation: what the project says now; it touches every storey."""
    changed = {name: element for name, element in changes.items() if element != standing.elements.get(name)}
    changed = {**wholes(standing, changed), **changed}
    if situation is not None:
        standing.situation = situation
    elif not changed:
        return set()
    order = levels(standing)
    storeys_before = set(order)
    dirty = dirty_storeys(standing, changed, order)
    before_b = standing.b
    for name, element in changed.items():
        remove(standing, name)
        if element is not None:
            put(standing, element)
    for name in changed:
        if name in standing.elements:
            derive(standing, name)
    order = levels(standing)
    dirty = set(order) if situation is not None else dirty | dirty_storeys(standing, changed, order)
    stale = look_around(standing, dirty & set(order), order)
    for name in homeless(standing, changed, storeys_before - set(order)):
        replace_around(standing, name, EMPTY, stale)
    stale |= look_at_zones(standing, order)
    standing.b = building_facts(standing)
    return judge_stale(standing, changed, stale, differing(before_b.facts, standing.b.facts))


def put(standing: Standing, element: Element) -> None:
    name = element.global_id
    standing.elements[name] = element
    standing.members.setdefault(element.storey, set()).add(name)
    standing.classes.setdefault(element.ifc_class, set()).add(name)
    if whole_of(element):
        standing.parts.setdefault(whole_of(element), set()).add(name)


def derive(standing: Standing, name: str) -> None:
    """The element's own facts; those of a stair are also those of its flights."""
    children = [standing.elements[part] for part in sorted(standing.parts.get(name, ()))]
    standing.own[name] = own_facts.derive(standing.elements[name], standing.definitions, children=children)


def whole_of(element: Element) -> str:
    return str(element.properties.get(surroundings.PART_OF, ""))


def wholes(standing: Standing, changed: Changes) -> dict[str, Element | None]:
    """What the changed elements are or were parts of: its facts may be others now."""
    states = [state for name, after in changed.items() for state in (standing.elements.get(name), after) if state is not None]
    return {name: standing.elements[name] for name in map(whole_of, states) if name in standing.elements}


def remove(standing: Standing, name: str) -> None:
    """Its surroundings and judgements stay until they are found again, or are dropped with the element."""
    element = standing.elements.pop(name, None)
    if element is not None:
        standing.own.pop(name, None)
        standing.parts.get(whole_of(element), set()).discard(name)
        standing.members[element.storey].discard(name)
        standing.classes[element.ifc_class].discard(name)


def levels(standing: Standing) -> Mapping[str, surroundings.Level]:
    return surroundings.levels(standing.placed(name) for name in standing.storeys())


def dirty_storeys(standing: Standing, changed: Changes, order: Mapping[str, surroundings.Level]) -> set[str]:
    """Whose surroundings depend on the changed elements as they are in the standing now."""
    here = (standing.elements.get(name) for name in changed)
    return set[str]().union(*(surroundings.dirty_storeys(element, None, order) for element in here if element is not None))


def building_facts(standing: Standing) -> Known:
    """Of the building's own element, the project, and the sums over the storeys."""
    sums = surroundings.of_building([standing.facts(name) for name in standing.storeys()], standing.situation)
    house = next(iter(sorted(standing.classes.get(BUILDING, ()))), "")
    return Known({**standing.own.get(house, EMPTY), **standing.situation, **sums})


Stale = dict[str, set[str]]  # element -> names of its facts that are others now


def look_around(standing: Standing, dirty: set[str], order: Mapping[str, surroundings.Level]) -> Stale:
    """Find the surroundings of the dirty storeys again, and of those that they change."""
    everywhere = [standing.placed(name) for ifc_class in surroundings.EVERYWHERE for name in sorted(standing.classes.get(ifc_class, ()))]
    given = load_parameters(standing.book)

    def load(storey: str) -> surroundings.StoreyModel:
        here = {one.id: one for one in everywhere}
        here |= {name: standing.placed(name) for name in standing.members.get(storey, ())}
        return surroundings.storey_models(here.values(), parameters=given, situation=standing.situation, only=(storey,))[storey]

    links = {name: value_of(standing.around.get(name, EMPTY), LINKS) or {} for name in order}
    found = surroundings.recheck(sorted(dirty), order=order, load=load, links=links)
    stale: Stale = {}
    for storey, facts in found.items():
        for name in {*facts, *standing.members.get(storey, ())}:
            replace_around(standing, name, facts.get(name, EMPTY), stale)
    return stale


def homeless(standing: Standing, changed: Changes, lost: set[str]) -> set[str]:
    """What stands on no storey any more, because it was moved or its storey was lost, or is gone itself."""
    left = {name for name in changed if name not in standing.elements or standing.elements[name].storey not in standing.classes.get(STOREY, ())}
    return left.union(*(standing.members.get(storey, ()) for storey in lost))


def replace_around(standing: Standing, name: str, facts: Facts, stale: Stale) -> None:
    differs = differing(standing.around.get(name, EMPTY), facts)
    if differs:
        stale.setdefault(name, set()).update(differs)
        standing.around[name] = facts


def look_at_zones(standing: Standing, order: Mapping[str, surroundings.Level]) -> Stale:
    stale: Stale = {}
    discharge = {one for level in order.values() if level.discharge for one in standing.members.get(level.id, ())}
    for name in sorted(member for ifc_class in ZONES for member in standing.classes.get(ifc_class, ())):
        zone = standing.elements[name]
        spaces = {one: standing.facts(one) for one in zone.connects if one in standing.elements}
        facts = surroundings.of_zone(standing.placed(name), spaces, discharge)
        replace_around(standing, name, {fact: value for fact, value in facts.items() if fact not in zone.given}, stale)
    return stale


def value_of(facts: Facts, name: str) -> Any:
    fact = facts.get(name)
    return None if fact is None else fact.value


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Names of facts that are others now, or known in another way: evidence names its source."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def judge_stale(standing: Standing, changed: Changes, stale: Stale, of_building: set[str]) -> set[str]:
    """Judge what reads a fact that is another now. A changed storey counts for everything on it."""
    touched: dict[str, set[str] | None] = {name: {f"e.{fact}" for fact in facts} for name, facts in stale.items() if name in standing.elements}
    for name in {*changed, *stale}:
        of_storey = {f"st.{fact}" for fact in stale.get(name, ())}
        everything = name in changed
        for member in standing.members.get(name, ()) if everything or of_storey else ():
            widen(touched, member, None if everything else of_storey)
    if of_building:
        for member in readers(standing, {f"b.{fact}" for fact in of_building}):
            widen(touched, member, {f"b.{fact}" for fact in of_building})
        for member in standing.classes.get(BUILDING, ()):
            widen(touched, member, None)
    for name in changed:
        touched[name] = None
    known = {storey: Known(standing.facts(storey)) for storey in {standing.elements[name].storey for name in touched if name in standing.elements}}
    return {name for name, facts in touched.items() if judge_again(standing, name, known, facts)}


def widen(touched: dict[str, set[str] | None], name: str, facts: set[str] | None) -> None:
    """None: all rules of the element."""
    before = touched.get(name, set())
    touched[name] = None if before is None or facts is None else before | facts


def readers(standing: Standing, facts: set[str]) -> set[str]:
    """Elements of the classes that a rule which reads one of the facts is about."""
    rules = [standing.book.runnable[key].rule for key in standing.book.reading(facts)]
    about = {name for rule in rules for name in rule.applies_to}
    return set[str]().union(*(members for ifc_class, members in standing.classes.items() if index.is_a(ifc_class, about)))


def judge_again(standing: Standing, name: str, storeys: Mapping[str, Known], facts: set[str] | None) -> bool:
    """By all rules of the element (facts None), or by those that read one of the facts. Whether there was something to judge."""
    element = standing.elements.get(name)
    if element is None:
        return standing.judgements.pop(name, None) is not None
    rules = standing.book.of_class(element.ifc_class)
    if facts is not None:
        rules = tuple(one for one in rules if not facts.isdisjoint(one.needs | one.shows))
    before = {} if facts is None else standing.judgements.get(name, {})
    made = judged(standing, element, storeys, rules)
    standing.judged += len(made)
    standing.judgements[name] = {**before, **made}
    return bool(made)


def judged(standing: Standing, element: Element, storeys: Mapping[str, Known], rules: Iterable[Runnable]) -> dict[str, Judgement]:
    name = element.global_id
    e = standing.b if element.ifc_class == BUILDING else Known(standing.facts(name))
    st = storeys.get(element.storey) or (Known(standing.facts(element.storey)) if element.storey in standing.elements else NONE)
    subject = Subject(global_id=name, ifc_class=element.ifc_class, name=element.name, e=e, st=st, b=standing.b)
    return {one.key: judge(one, subject) for one in rules}
