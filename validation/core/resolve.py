"""Which rules and numbers are in force: rule < rule set < amendments from the root of the jurisdictions to the leaf < project.

Every step that changes something is kept with what it replaced, and every parameter names the step that gave its value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from validation.core import canonical
from validation.core.margins import Units
from validation.core.rulebook import Rulebook, Step
from validation.core.rules import Parameter, Rule
from validation.core.units import METRIC

Values = Mapping[str, Mapping[str, Any]]  # name -> {value, unit, display}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetBasis:
    """A published version of a rule set. overrides: rule key -> parameters that the version sets apart from the rules themselves."""

    slug: str
    version: str
    rules: tuple[Rule, ...]
    overrides: Mapping[str, Values] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentBasis:
    """What a jurisdiction does to a rule. action: override_params (with `values`) | replace | add (both with `rule`) | disable."""

    id: str
    jurisdiction: str  # its code
    rule_key: str
    action: str
    citation: str = ""
    effective_from: date
    effective_to: date | None = None  # the last day
    values: Values = field(default_factory=dict)
    rule: Rule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What the project sets, and why."""

    values: Values
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """All that decides the rules of one building.

    on: the permit's application date. amendments: of the jurisdictions from the root to the leaf, each with its own in order of date; those that
    are not in force on the day are left out here. rule_sets: a later one replaces rules of the same key.
    """

    on: date
    rule_sets: tuple[RuleSetBasis, ...] = ()
    amendments: tuple[tuple[AmendmentBasis, ...], ...] = ()
    overrides: Mapping[str, Override] = field(default_factory=dict)
    units: Units = field(default_factory=dict)
    system: str = METRIC
    around: frozenset[str] = frozenset()

    @property
    def sha256(self) -> str:
        return canonical.sha256(self)


def resolve(basis: Basis) -> Rulebook:
    """The rulebook. Steps that cannot be applied (no such rule or parameter, another unit) are left out and told in its `problems`."""
    state = Resolving()
    for rule_set in basis.rule_sets:
        bring(state, rule_set)
    for jurisdiction in basis.amendments:
        for amendment in in_force(jurisdiction, basis.on):
            ACTIONS[amendment.action](state, amendment)
    mark_amended(state)
    for key, override in sorted(basis.overrides.items()):
        by_project = Step(what="project", name="project", did="override_params", citation=override.reason)
        set_values(state, key, override.values, "project", by_project)
    return Rulebook(
        rules=tuple(state.rules[key] for key in sorted(state.rules)),
        units=basis.units,
        system=basis.system,
        around=basis.around,
        traces={key: tuple(steps) for key, steps in state.traces.items()},
        disabled=state.disabled,
        problems=tuple(state.problems),
    )


def in_force(amendments: tuple[AmendmentBasis, ...], on: date) -> tuple[AmendmentBasis, ...]:
    """Those of one jurisdiction on a day, in the order in which they came into force."""
    there = [one for one in amendments if one.effective_from <= on and (one.effective_to is None or on <= one.effective_to)]
    return tuple(sorted(there, key=lambda one: (one.effective_from, one.id)))


class Resolving:
    """Rules as far as the resolution has come."""

    __slots__ = ("disabled", "problems", "rules", "traces")

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.traces: dict[str, list[Step]] = {}
        self.disabled: dict[str, Step] = {}
        self.problems: list[str] = []

    def note(self, key: str, step: Step) -> None:
        self.traces.setdefault(key, []).append(step)


def bring(state: Resolving, rule_set: RuleSetBasis) -> None:
    name = f"{rule_set.slug}@{rule_set.version}"
    for rule in rule_set.rules:
        did = "replace" if rule.key in state.rules else "add"
        state.rules[rule.key] = with_origin(replace(rule, ruleset=rule_set.slug, version=rule_set.version), "rule")
        state.note(rule.key, Step(what="ruleset", name=name, did=did))
    for key, values in sorted(rule_set.overrides.items()):
        set_values(state, key, values, "ruleset", Step(what="ruleset", name=name, did="override_params"))


def with_origin(rule: Rule, origin: str) -> Rule:
    return replace(rule, params={name: replace(parameter, origin=origin) for name, parameter in rule.params.items()})


def set_values(state: Resolving, key: str, values: Values, origin: str, step: Step) -> None:
    """Parameters of one rule. Tables are replaced as a whole; a map of values ({"B": 60.96, …}) is merged row by row."""
    rule = state.rules.get(key)
    if rule is None:
        state.problems.append(f"{origin}: there is no rule {key} to set parameters of.")
        return
    params = dict(rule.params)
    for name, given in sorted(values.items()):
        fault = misfit(params.get(name), name, given)
        if fault:
            state.problems.append(f"{origin}: {key}: {fault}")
            continue
        before = params[name]
        value = merged(before.value, given["value"])
        params[name] = Parameter(value=value, unit=before.unit, display=str(given.get("display", "")), origin=origin)
        state.note(key, replace(step, parameter=name, value=value, replaced=before.value))
    state.rules[key] = replace(rule, params=params)


def misfit(parameter: Parameter | None, name: str, given: Any) -> str:
    if parameter is None:
        return f"it has no parameter {name}."
    if not isinstance(given, Mapping) or given.get("value") is None:
        return f"{name} has no value."
    if given.get("unit", "") not in ("", parameter.unit):
        return f'{name} is in "{parameter.unit}", not in "{given["unit"]}".'
    return "" if kind_of(parameter.value) == kind_of(given["value"]) else f"{name} is another kind of value."


KINDS: Final[tuple[tuple[Any, str], ...]] = ((bool, "boolean"), ((int, float), "number"), (str, "text"), ((list, tuple), "list"), (Mapping, "map"))


def kind_of(value: Any) -> str:
    return next((name for kind, name in KINDS if isinstance(value, kind)), "")


def merged(before: Any, after: Any) -> Any:
    if isinstance(before, Mapping) and isinstance(after, Mapping) and "rows" not in before and "rows" not in after:
        return {**before, **{key: merged(before.get(key), value) for key, value in after.items()}}
    return after


def origin_of(amendment: AmendmentBasis) -> str:
    return f"amendment {amendment.id} ({amendment.jurisdiction})"


def step_of(amendment: AmendmentBasis) -> Step:
    return Step(what="amendment", name=f"{amendment.id} ({amendment.jurisdiction})", did=amendment.action, citation=amendment.citation)


def override_params(state: Resolving, amendment: AmendmentBasis) -> None:
    set_values(state, amendment.rule_key, amendment.values, origin_of(amendment), step_of(amendment))


def disable(state: Resolving, amendment: AmendmentBasis) -> None:
    if state.rules.pop(amendment.rule_key, None) is None:
        state.problems.append(f"{origin_of(amendment)}: there is no rule {amendment.rule_key} to disable.")
        return
    state.disabled[amendment.rule_key] = step_of(amendment)
    state.note(amendment.rule_key, step_of(amendment))


def put(state: Resolving, amendment: AmendmentBasis) -> None:
    """Replace or add. A rule that somebody disabled before is in force again."""
    there = amendment.rule_key in state.rules
    if amendment.rule is None or there is not (amendment.action == "replace"):
        why = "there is none" if amendment.action == "replace" and not there else "it brings no whole rule"
        why = "there is one already" if amendment.action == "add" and there else why
        state.problems.append(f"{origin_of(amendment)}: cannot {amendment.action} {amendment.rule_key}: {why}.")
        return
    before = state.rules.get(amendment.rule_key)
    home = (before.ruleset, before.version) if before else (amendment.jurisdiction, amendment.id)
    rule = replace(amendment.rule, key=amendment.rule_key, ruleset=home[0], version=home[1])
    state.rules[amendment.rule_key] = with_origin(rule, origin_of(amendment))
    state.disabled.pop(amendment.rule_key, None)
    state.note(amendment.rule_key, step_of(amendment))


def mark_amended(state: Resolving) -> None:
    """The version of an amended rule says so ("1.0.0+4f1c09ab"): what people decided about the rule as it was before is compared with it."""
    for key, steps in state.traces.items():
        rule = state.rules.get(key)
        if rule is not None and any(step.what == "amendment" for step in steps):
            state.rules[key] = replace(rule, version=f"{rule.version}+{canonical.sha256(rule)[:8]}")


ACTIONS: Final[Mapping[str, Callable[[Resolving, AmendmentBasis], None]]] = {
    "override_params": override_params,
    "replace": put,
    "add": put,
    "disable": disable,
}
