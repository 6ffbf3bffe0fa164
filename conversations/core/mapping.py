"""How conversations of one version become conversations of another: the mapping that an author writes, what is wrong with it, what to suggest.

The JSON form (docs/live_versions.md) has only what is not plain: states, slots and variables of the same name map to themselves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final

from conversations.core.plan import plan_of
from conversations.core.words import clean
from flows.core.diff import behaviour
from flows.core.expressions import Compiled, Environment
from flows.core.program import EXTRA, scope_types
from flows.core.types import Flow, Json, Problem, Program, SlotRule, StateType

MISSING: Final = ("refuse", "initial", "state")
MISFIT: Final = ("drop", "refuse")
MOST_ENTRIES: Final = 500
ALIKE: Final = 0.6  # how similar two states must be to be suggested for each other
_FIELDS: Final = ("states", "missing", "fallback", "slots", "variables", "misfit", "ask")
_CHANGE: Final = ("to", "drop", "convert", "default")
_WAITING: Final = frozenset({StateType.INTENT, StateType.SLOT_FILLING, StateType.WAIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a slot or variable. `to` is its new name; `convert` is CEL over `value` and everything that the old version knew;
    `default` is the value when there is none, None for no default."""

    to: str = ""
    drop: bool = False
    convert: str = ""
    default: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationMap:
    """The author's mapping. `missing` says what to do with a conversation in a state that has no counterpart: refuse it, or lead it to the
    initial state, or to the state `fallback`. `misfit`: what to do with a value that the new version does not take. `ask`: a conversation whose
    state has changed hears the new state's question at once."""

    states: Mapping[str, str] = field(default_factory=dict)
    missing: str = "refuse"
    fallback: str = ""
    slots: Mapping[str, Change] = field(default_factory=dict)
    variables: Mapping[str, Change] = field(default_factory=dict)
    misfit: str = "drop"
    ask: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A mapping made ready for two versions. `conversions` are compiled, by source."""

    before: Program
    after: Program
    mapping: MigrationMap
    conversions: Mapping[str, Compiled]

    @property
    def fallback(self) -> str:
        """Where a conversation goes whose state has no counterpart; "" when it is refused."""
        return {"initial": self.after.flow.initial_state, "state": self.mapping.fallback}.get(self.mapping.missing, "")


def read(document: Json) -> tuple[MigrationMap, list[Problem]]:
    """The mapping, and every fault of its shape. Never raises."""
    if not isinstance(document, dict):
        return MigrationMap(), [_wrong("$", "is no object", "an object")]
    found: list[Problem] = [_wrong(f"$.{name}", "is not known here", ", ".join(_FIELDS)) for name in document if name not in _FIELDS]
    mapping = MigrationMap(
        states=_names(document.get("states"), found),
        missing=_choice(document, "missing", MISSING, found),
        fallback=_text(document.get("fallback"), "$.fallback", found),
        slots=_changes(document.get("slots"), "$.slots", found),
        variables=_changes(document.get("variables"), "$.variables", found),
        misfit=_choice(document, "misfit", MISFIT, found),
        ask=_flag(document.get("ask"), "$.ask", found),
    )
    return mapping, found


def _wrong(path: str, message: str, expected: str, code: str = "invalid") -> Problem:
    return Problem(path=path, code=code, message=message, expected=expected)


def _object(value: Json, path: str, found: list[Problem]) -> dict[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        found.append(_wrong(path, "is no object", "an object"))
        return {}
    if len(value) > MOST_ENTRIES:
        found.append(_wrong(path, f"has {len(value)} members", f"at most {MOST_ENTRIES}", "too_long"))
        return {}
    return value


def _names(value: Json, found: list[Problem]) -> dict[str, str]:
    return {name: text for name, given in _object(value, "$.states", found).items() if (text := _text(given, f"$.states.{name}", found))}


def _text(value: Json, path: str, found: list[Problem], longest: int = 63) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        found.append(_wrong(path, "is no text" if not isinstance(value, str) else "is too long", f"a text of at most {longest} characters"))
        return ""
    return clean(value)


def _flag(value: Json, path: str, found: list[Problem]) -> bool:
    if not isinstance(value, bool | None):
        found.append(_wrong(path, "is no boolean", "true or false"))
    return value is True


def _choice(document: Mapping[str, Json], name: str, known: tuple[str, ...], found: list[Problem]) -> str:
    value = document.get(name, known[0])
    if value not in known:
        found.append(_wrong(f"$.{name}", "is not one of the known values", ", ".join(known)))
        return known[0]
    return str(value)


def _changes(value: Json, path: str, found: list[Problem]) -> dict[str, Change]:
    return {name: _change(given, f"{path}.{name}", found) for name, given in _object(value, path, found).items()}


def _change(value: Json, path: str, found: list[Problem]) -> Change:
    given = _object(value, path, found)
    found.extend(_wrong(f"{path}.{name}", "is not known here", ", ".join(_CHANGE)) for name in given if name not in _CHANGE)
    return Change(
        to=_text(given.get("to"), f"{path}.to", found),
        drop=_flag(given.get("drop"), f"{path}.drop", found),
        convert=_text(given.get("convert"), f"{path}.convert", found, 2_000),
        default=given.get("default"),
    )


def write(mapping: MigrationMap) -> dict[str, Json]:
    """The JSON form; what says nothing is left out."""
    plain: dict[str, Json] = {"states": dict(mapping.states), "missing": mapping.missing, "fallback": mapping.fallback, "misfit": mapping.misfit}
    plain |= {"ask": mapping.ask, "slots": _written(mapping.slots), "variables": _written(mapping.variables)}
    standard: dict[str, Any] = {"states": {}, "missing": "refuse", "fallback": "", "slots": {}, "variables": {}, "misfit": "drop", "ask": False}
    return {name: plain[name] for name in _FIELDS if plain[name] != standard[name]}


def _written(changes: Mapping[str, Change]) -> dict[str, Json]:
    found = {
        name: {part: getattr(change, part) for part in _CHANGE if getattr(change, part) not in ("", None, False)} for name, change in changes.items()
    }
    for name, change in changes.items():
        if change.default is not None:
            found[name]["default"] = change.default  # also when it is false, or an empty text
    return {name: change for name, change in found.items() if change}


def prepare(mapping: MigrationMap, before: Program, after: Program) -> tuple[Route, list[Problem]]:
    """The route, and what of the mapping does not fit the two versions. A route with problems must not be used."""
    found = [*_state_problems(mapping, before.flow, after), *_slot_problems(mapping, before.flow, after.flow)]
    conversions, faults = _compiled(mapping, before.flow)
    return Route(before=before, after=after, mapping=mapping, conversions=conversions), [*found, *faults]


def waits(program: Program, state: str) -> bool:
    """Whether a conversation can stand in this state and wait for its user."""
    here = plan_of(program).states.get(state)
    return here is not None and (here.type in _WAITING or (here.type is StateType.RESPONSE and here.wakes))


def waiting_states(program: Program) -> list[str]:
    return [name for name in program.flow.states if waits(program, name)]


def _state_problems(mapping: MigrationMap, before: Flow, after: Program) -> list[Problem]:
    found = [_unknown(f"$.states.{name}", "state", name, before.states) for name in mapping.states if name not in before.states]
    targets = {f"$.states.{name}": target for name, target in mapping.states.items()}
    if mapping.missing == "state":
        targets["$.fallback"] = mapping.fallback
    elif mapping.missing == "initial":
        targets["$.missing"] = after.flow.initial_state
    for path, target in targets.items():
        if target not in after.flow.states:
            found.append(_unknown(path, "state", target, after.flow.states))
        elif not waits(after, target):
            wanted = ", ".join(waiting_states(after)[:20]) or "a state that waits for its user"
            found.append(_wrong(path, f'the state "{target}" does not wait for its user', wanted, "does_not_wait"))
    return found


def _unknown(path: str, kind: str, name: str, known: Iterable[str]) -> Problem:
    return _wrong(path, f'there is no {kind} "{name}"', ", ".join(list(known)[:20]), f"unknown_{kind}")


def _slot_problems(mapping: MigrationMap, before: Flow, after: Flow) -> list[Problem]:
    found = []
    for name, change in mapping.slots.items():
        if name not in before.slots and name not in after.slots:
            found.append(_unknown(f"$.slots.{name}", "slot", name, before.slots))
        if change.to and change.to not in after.slots:
            found.append(_unknown(f"$.slots.{name}.to", "slot", change.to, after.slots))
    taken: dict[str, str] = {}
    for part, changes in (("slots", mapping.slots), ("variables", mapping.variables)):
        for name, change in changes.items():
            target = f"{part}.{change.to}"
            if change.to and not change.drop and taken.setdefault(target, name) != name:
                found.append(_wrong(f"$.{part}.{name}.to", f'"{taken[target]}" becomes "{change.to}" already', "a name of its own", "taken_twice"))
    return found


def _compiled(mapping: MigrationMap, before: Flow) -> tuple[dict[str, Compiled], list[Problem]]:
    sources = {
        f"$.{part}.{name}.convert": one.convert for part in ("slots", "variables") for name, one in getattr(mapping, part).items() if one.convert
    }
    if not sources:
        return {}, []
    environment = Environment({**scope_types(before), **EXTRA})
    compiled: dict[str, Compiled] = {}
    found: list[Problem] = []
    for path, source in sources.items():
        made, faults = environment.compile(source)
        found.extend(_wrong(path, f"column {column}: {message}", "a CEL expression over `value`", "bad_expression") for column, message in faults)
        if made is not None:
            compiled[source] = made
    return compiled, found


def suggested(before: Program, after: Program) -> MigrationMap:
    """A mapping to start from: states that only have another name, and slots that have another name and the same rule."""
    return MigrationMap(
        states=similar_states(before, after), slots={name: Change(to=to) for name, to in _similar_slots(before.flow, after.flow).items()}
    )


def similar_states(before: Program, after: Program) -> dict[str, str]:
    """For each waiting state that is gone (or does not wait any more): the new state that is most like it, when one is like it enough."""
    gone = [name for name in waiting_states(before) if not waits(after, name)]
    free = [name for name in waiting_states(after) if name not in before.flow.states]
    found: dict[str, str] = {}
    scores = sorted(((likeness(before.flow, old, after.flow, new), old, new) for old in gone for new in free), reverse=True)
    for score, old, new in scores:
        if score >= ALIKE and old not in found and new not in found.values():
            found[old] = new
    return found


def likeness(before: Flow, old: str, after: Flow, new: str) -> float:
    """0..1: how much two states are the same, by type, name and what they say and do."""
    one, other = before.states[old], after.states[new]
    if one.type is not other.type:
        return 0.0
    if (one.config, one.transitions, one.entry_actions) == (other.config, other.transitions, other.entry_actions):
        return 1.0
    name = SequenceMatcher(None, old.lower(), new.lower()).ratio()
    content = SequenceMatcher(None, str(behaviour(before, old))[:2_000], str(behaviour(after, new))[:2_000]).ratio()
    return 0.45 * name + 0.55 * content


def _similar_slots(before: Flow, after: Flow) -> dict[str, str]:
    free = [name for name in after.slots if name not in before.slots]
    found: dict[str, str] = {}
    for name in (name for name in before.slots if name not in after.slots):
        alike = [other for other in free if other not in found.values() and _same_rule(before.slots[name], after.slots[other])]
        best = max(alike, key=lambda other: SequenceMatcher(None, name, other).ratio(), default="")
        if best and (len(alike) == 1 or SequenceMatcher(None, name, best).ratio() >= ALIKE):
            found[name] = best
    return found


def _same_rule(one: SlotRule, other: SlotRule) -> bool:
    def content(rule: SlotRule) -> list[Any]:
        return [getattr(rule, name) for name in SlotRule.__dataclass_fields__ if name != "name"]

    return content(one) == content(other)


def inverse(mapping: MigrationMap, before: Flow) -> MigrationMap:
    """The way back, as far as there is one: names go back to names. What was converted or dropped is not known any more."""
    back: dict[str, str] = {}
    for old, new in mapping.states.items():
        if new not in before.states:  # else the state of the same name is the better counterpart
            back.setdefault(new, old)
    return MigrationMap(
        states=back,
        missing="refuse",
        slots={change.to: Change(to=name) for name, change in mapping.slots.items() if change.to and not change.convert},
        variables={change.to: Change(to=name) for name, change in mapping.variables.items() if change.to and not change.convert},
    )
