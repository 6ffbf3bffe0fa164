"""What a building is judged on: its rulebook, where facts come from, what the project says, and its storeys. One place makes subjects of rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from validation.core import building as core
from validation.core import canonical, checks, facts, judge
from validation.core.building import BUILDING, STOREY, Facts
from validation.core.facts import Definitions
from validation.core.judge import NONE, Known, Runnable, Subject
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement, Kind
from validation.core.surroundings import Placed, of_building
from validation.models import Building, Element
from validation.queries import elements, situation
from validation.queries import facts as fact_rows
from validation.services import rulebook as law


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Of one building at one moment. The storeys are those that were handed in."""

    building: Building
    book: Rulebook
    definitions: Definitions
    situation: Facts
    storeys: Mapping[str, Element] = field(default_factory=dict)  # rows by global id
    house: Element | None = None  # the row of the building itself

    @cached_property
    def parameters(self) -> checks.Parameters:
        checked = (rule for rule in self.book.rules if rule.kind is Kind.PYTHON)
        return checks.parameters((rule.key, rule.check, {name: one.value for name, one in rule.params.items()}) for rule in checked)

    @cached_property
    def basis_sha256(self) -> str:
        """Of the rules and of what the project says: what `Building.basis_sha256` keeps of its last check."""
        return canonical.sha256([self.book.sha256, {name: [fact.value, fact.source] for name, fact in self.situation.items()}])

    @cached_property
    def b(self) -> Known:
        """Facts of the building: its own, what the project says, and the sums over its storeys."""
        sums = of_building((elements.facts_of({**row.facts, **row.around}) for row in self.storeys.values()), self.situation)
        own = elements.facts_of(self.house.facts) if self.house else {}
        return Known({**own, **self.situation, **sums})

    @cached_property
    def _st(self) -> dict[str, Known]:
        return {name: Known({**row.facts, **row.around}) for name, row in self.storeys.items()}

    def st(self, storey: str) -> Known:
        return self._st.get(storey, NONE)

    def subject(self, row: Element) -> Subject:
        """`row` with its own facts and those of its surroundings as they are stored."""
        e: Any = self.b if row.ifc_class == BUILDING else self._st.get(row.global_id) or {**row.facts, **row.around}
        return Subject(global_id=row.global_id, ifc_class=row.ifc_class, name=row.name, e=e, st=self.st(row.storey), b=self.b)


def of(building: Building, *, book: Rulebook | None = None) -> Ground:
    """As it is stored now."""
    rows = elements.at(building.tenant, building)
    found = list(rows.filter(ifc_class__in=(STOREY, BUILDING)))
    return Ground(
        building=building,
        book=book or law.rulebook_of(building),
        definitions=fact_rows.definitions(building),
        situation=situation.of(building),
        storeys={row.global_id: row for row in found if row.ifc_class == STOREY},
        house=next((row for row in found if row.ifc_class == BUILDING), None),
    )


def outcomes(ground: Ground, row: Element, runnables: Iterable[Runnable]) -> list[Judgement]:
    subject = ground.subject(row)
    return [judge.judge(runnable, subject) for runnable in runnables]


def counted(ground: Ground, row: Element) -> dict[str, str]:
    """rule key -> outcome that the element counts now: judged on what is stored, but for what waits for its storey and what its file has decided."""
    return counting(row, outcomes(ground, row, [one for one in ground.book.of_class(row.ifc_class) if one.key not in row.deferred]))


def counting(row: Element, judgements: Iterable[Judgement]) -> dict[str, str]:
    """The same where its judgements are known already."""
    judged = {one.rule: one.outcome.value for one in judgements}
    return {**row.of_file, **judged, **{key: outcome for key, outcome in row.deferred.items() if outcome}}


def placed(rows: Iterable[Element]) -> list[Placed]:
    return [Placed(element=elements.core_element(row), facts=elements.facts_of(row.facts)) for row in rows]


def derive(row: Element, definitions: Definitions, parts: Sequence[core.Element] = ()) -> dict[str, Any]:
    """The row's own facts, found again, as they are stored. `parts`: the flights of a stair."""
    return elements.stored_facts(facts.derive(elements.core_element(row), definitions, children=parts))
