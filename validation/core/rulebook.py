"""All rules in force for one building, compiled and indexed. Made by `resolve`, shared by every check of the same basis, never changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from validation.core import canonical, index
from validation.core.judge import JUDGED_ELSEWHERE, Runnable
from validation.core.margins import Units
from validation.core.rules import Kind, Parameter, Rule
from validation.core.units import METRIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the resolution that touched a rule. what: "ruleset", "amendment", "project"; name: which; did: what it did to it.

    parameter: the name of the parameter that it set, "" when it was about the rule as a whole. replaced: the value before.
    """

    what: str
    name: str
    did: str
    parameter: str = ""
    value: Any = None
    replaced: Any = None
    citation: str = ""


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """units: of facts without prefix. around: facts of a class that more than the element itself decides ("IfcSpace.travel_distance").

    traces: how each rule came to be what it is; disabled: rules that a step took out, with that step. problems: steps that could not be applied.
    """

    rules: tuple[Rule, ...]
    units: Units = field(default_factory=dict)
    system: str = METRIC
    around: frozenset[str] = frozenset()
    traces: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    disabled: Mapping[str, Step] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @cached_property
    def by_key(self) -> Mapping[str, Rule]:
        return {rule.key: rule for rule in self.rules}

    @cached_property
    def runnables(self) -> tuple[Runnable, ...]:
        """Those that facts decide. IDS rules are judged where the file is read."""
        return tuple(Runnable(rule, units=self.units, system=self.system) for rule in self.rules if rule.kind not in JUDGED_ELSEWHERE)

    @cached_property
    def runnable(self) -> Mapping[str, Runnable]:
        return {runnable.key: runnable for runnable in self.runnables}

    @cached_property
    def ids_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.kind is Kind.IDS)

    @cached_property
    def _by_class(self) -> Mapping[str, tuple[Runnable, ...]]:
        return index.by_class(self.runnables)

    @cached_property
    def _of_class(self) -> dict[str, tuple[Runnable, ...]]:
        return {}

    @cached_property
    def by_fact(self) -> Mapping[str, frozenset[str]]:
        """Fact with prefix -> keys of the rules that read it."""
        return index.by_fact(self.runnables)

    def of_class(self, ifc_class: str) -> tuple[Runnable, ...]:
        """The rules about elements of a class, subtypes included."""
        if ifc_class not in self._of_class:
            self._of_class[ifc_class] = index.of_class(ifc_class, self._by_class)
        return self._of_class[ifc_class]

    def own_rules(self, ifc_class: str) -> tuple[Runnable, ...]:
        """Those that only the element itself decides: what a live edit rechecks at once."""
        return tuple(runnable for runnable in self.of_class(ifc_class) if not self.looks_around(runnable, ifc_class))

    def around_rules(self, ifc_class: str) -> tuple[Runnable, ...]:
        """Those that read surroundings, the storey or the building: rechecked with their storey."""
        return tuple(runnable for runnable in self.of_class(ifc_class) if self.looks_around(runnable, ifc_class))

    def looks_around(self, runnable: Runnable, ifc_class: str) -> bool:
        classes = index.lineage(ifc_class)
        read = runnable.needs | runnable.shows
        return any(not fact.startswith("e.") or any(f"{name}.{fact[2:]}" in self.around for name in classes) for fact in read)

    def reading(self, facts: Iterable[str]) -> frozenset[str]:
        """Keys of the rules that read one of the facts."""
        return frozenset().union(*(self.by_fact.get(fact, frozenset()) for fact in facts))

    def origin(self, key: str) -> Mapping[str, Parameter]:
        return self.by_key[key].params

    @cached_property
    def sha256(self) -> str:
        """Of everything that a judgement depends on. Messages and titles count too: findings carry them."""
        return canonical.sha256([[canonical.of(rule) for rule in self.rules], sorted(self.units.items()), self.system, sorted(self.around)])
