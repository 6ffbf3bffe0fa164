"""Score, coverage and status of a check, and which facts would make most of it evaluable.

    score    = 100 * sum(weight * passed) / sum(weight * (passed + failed))
    weight   = that of the rule times that of its severity: critical 10, major 3, minor 1, info 0
    coverage = (passed + failed) / (passed + failed + not evaluable)

What is not evaluable never counts as passed, and a waiver changes the status, not the score. Status, the first that holds: non-compliant, when a
critical failure is not waived; indeterminate, when the coverage is below the project's threshold, the model was read in part, or nothing was
judged; compliant to the rules checked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from validation.core.rules import MODEL_FILE, WEIGHTS, Judgement, Outcome, Rule, Severity

DIGITS: Final = 4
THRESHOLD: Final = 0.8
MAX_FACTS: Final = 5
FORMULA: Final = "100 * sum(weight * passed) / sum(weight * (passed + failed)); weights: critical 10, major 3, minor 1, info 0, times the rule's own"
OutcomeCounts = Mapping[str, Mapping[str, int]]  # rule key -> outcome -> subjects


class Status(StrEnum):
    """There is no bare "compliant": nobody has checked what has no rule."""

    NON_COMPLIANT = "non-compliant"
    INDETERMINATE = "indeterminate"
    COMPLIANT = "compliant to the rules checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """score and coverage are None when there was nothing to judge."""

    score: float | None
    coverage: float | None
    status: Status
    breakdown: Mapping[str, Any]


def of(
    counts: OutcomeCounts,
    rules: Mapping[str, Rule],
    *,
    waived: Mapping[str, int] | None = None,
    threshold: float = THRESHOLD,
    partial: bool = False,
) -> Score:
    """waived: rule key -> failures that are waived. partial: only a part of the model could be read."""
    counted = {key: held for key, held in counts.items() if key in rules}
    reached, possible = points(counted, rules)
    evaluated = sum(number(held, Outcome.PASS) + number(held, Outcome.FAIL) for held in counted.values())
    unknown = sum(number(held, Outcome.NOT_EVALUABLE) for held in counted.values())
    coverage = round(evaluated / (evaluated + unknown), DIGITS) if evaluated + unknown else None
    critical = unwaived_critical(counted, rules, waived or {})
    return Score(
        score=round(100 * reached / possible, DIGITS) if possible else None,
        coverage=coverage,
        status=status_of(critical, coverage, threshold, partial=partial),
        breakdown={
            "formula": FORMULA,
            "points": round(reached, DIGITS),
            "possible": round(possible, DIGITS),
            "evaluated": evaluated,
            "not_evaluable": unknown,
            "critical_unwaived": critical,
            "threshold": threshold,
            "partial": partial,
        },
    )


def groups(counts: OutcomeCounts, rules: Mapping[str, Rule]) -> dict[str, dict[str, dict[str, int]]]:
    """The rest of a breakdown, which only runs keep: outcomes by severity and by category."""
    counted = {key: held for key, held in counts.items() if key in rules}
    return {"by_severity": by(counted, rules, "severity"), "by_category": by(counted, rules, "category")}


def number(held: Mapping[str, int], outcome: Outcome) -> int:
    return held.get(outcome.value, 0)


def weight_of(rule: Rule) -> float:
    return WEIGHTS[rule.severity] * float(rule.weight)


def points(counts: OutcomeCounts, rules: Mapping[str, Rule]) -> tuple[float, float]:
    """Reached and possible."""
    reached = sum(weight_of(rules[key]) * number(held, Outcome.PASS) for key, held in sorted(counts.items()))
    lost = sum(weight_of(rules[key]) * number(held, Outcome.FAIL) for key, held in sorted(counts.items()))
    return reached, reached + lost


def unwaived_critical(counts: OutcomeCounts, rules: Mapping[str, Rule], waived: Mapping[str, int]) -> int:
    critical = (key for key in counts if rules[key].severity is Severity.CRITICAL)
    return sum(max(0, number(counts[key], Outcome.FAIL) - waived.get(key, 0)) for key in critical)


def status_of(critical: int, coverage: float | None, threshold: float, *, partial: bool) -> Status:
    if critical:
        return Status.NON_COMPLIANT
    if partial or coverage is None or coverage < threshold:
        return Status.INDETERMINATE
    return Status.COMPLIANT


def by(counts: OutcomeCounts, rules: Mapping[str, Rule], name: str) -> dict[str, dict[str, int]]:
    """Outcomes by an attribute of the rules."""
    found: dict[str, dict[str, int]] = {}
    for key, held in sorted(counts.items()):
        group = found.setdefault(str(getattr(rules[key], name)), dict.fromkeys((outcome.value for outcome in Outcome), 0))
        for outcome in Outcome:
            group[outcome.value] += number(held, outcome)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """A fact to fill in. subjects: of how many it is missing. unlocks: judgements that it makes evaluable after those before it; rules: theirs."""

    fact: str
    subjects: int
    unlocks: int
    rules: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        return {"fact": self.fact, "subjects": self.subjects, "unlocks": self.unlocks, "rules": list(self.rules)}


@dataclass(slots=True)
class Group:
    """Judgements that miss the same facts."""

    left: set[str]
    subjects: set[str]
    rules: dict[str, int]

    @property
    def size(self) -> int:
        return sum(self.rules.values())


def unlocks(judgements: Iterable[Judgement], *, most: int = MAX_FACTS) -> tuple[Unlock, ...]:
    """The facts to fill in first, best first: the next is the one that makes most judgements evaluable together with those before it.

    Judgements that wait for a model file are left out: no fact makes them evaluable.
    """
    groups = grouped(judgements)
    missing_of: dict[str, set[str]] = {}
    for group in groups:
        for fact in group.left:
            missing_of.setdefault(fact, set()).update(group.subjects)
    found = list[Unlock]()
    while len(found) < most and (fact := best(groups)):
        opened = [group for group in groups if group.left == {fact}]
        rules = sorted({key for group in opened for key in group.rules})
        found.append(Unlock(fact=fact, subjects=len(missing_of[fact]), unlocks=sum(group.size for group in opened), rules=tuple(rules)))
        for group in groups:
            group.left.discard(fact)
        groups = [group for group in groups if group.left]
    return tuple(found)


def grouped(judgements: Iterable[Judgement]) -> list[Group]:
    groups: dict[tuple[str, ...], Group] = {}
    for judgement in judgements:
        if judgement.outcome is Outcome.NOT_EVALUABLE and judgement.missing and MODEL_FILE not in judgement.missing:
            group = groups.setdefault(judgement.missing, Group(set(judgement.missing), set(), {}))
            group.subjects.add(judgement.subject)
            group.rules[judgement.rule] = group.rules.get(judgement.rule, 0) + 1
    return list(groups.values())


def best(groups: Iterable[Group]) -> str:
    """The fact that opens most now; where none opens anything alone, the one that brings most of them nearer. "" when nothing is missing."""
    opens: dict[str, int] = {}
    nears: dict[str, float] = {}
    for group in groups:
        for fact in sorted(group.left):
            opens[fact] = opens.get(fact, 0) + (group.size if len(group.left) == 1 else 0)
            nears[fact] = nears.get(fact, 0.0) + group.size / len(group.left)
    return min(nears, key=lambda fact: (-opens[fact], -nears[fact], fact), default="")


def sentence(found: Iterable[Unlock]) -> str:
    """ "Fill in 3 facts (clear_width, …) to unlock 41 judgements of 7 rules." """
    facts = list(found)
    if not facts:
        return ""
    rules = {key for one in facts for key in one.rules}
    names = ", ".join(one.fact for one in facts)
    total = sum(one.unlocks for one in facts)
    return f"Fill in {_some(len(facts), 'fact')} ({names}) to unlock {_some(total, 'judgement')} of {_some(len(rules), 'rule')}."


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
