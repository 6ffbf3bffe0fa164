"""Outcomes counted by rule, and kept true while single subjects change: what a subject counted before goes, what it counts now comes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from validation.core.rules import Judgement, Outcome, Rule, Severity

Counts: TypeAlias = dict[str, dict[str, int]]  # rule key -> outcome -> subjects
Outcomes: TypeAlias = Mapping[str, str]  # of one subject: rule key -> outcome; a rule that is not about it is absent
OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)


def counted(judgements: Iterable[Judgement], rules: Iterable[str] = ()) -> Counts:
    """`rules` are there with zeros also when nothing was judged by them."""
    counts: Counts = {key: dict.fromkeys(OUTCOMES, 0) for key in rules}
    for one in judgements:
        counts.setdefault(one.rule, dict.fromkeys(OUTCOMES, 0))[one.outcome.value] += 1
    return counts


def shift(counts: Counts, before: Outcomes, after: Outcomes) -> None:
    """Change `counts` in place by what one subject counted before and counts now. "" counts nothing."""
    for key in before.keys() | after.keys():
        was, now = before.get(key, ""), after.get(key, "")
        if was == now:
            continue
        held = counts.setdefault(key, dict.fromkeys(OUTCOMES, 0))
        if was:
            held[was] = max(0, held.get(was, 0) - 1)
        if now:
            held[now] = held.get(now, 0) + 1


def grouped(counts: Mapping[str, Mapping[str, int]], rules: Mapping[str, Rule]) -> dict[str, dict[str, int]]:
    """{by_outcome, by_severity, by_category}, the last two of failures only."""
    outcomes = dict.fromkeys(OUTCOMES, 0)
    severity = dict.fromkeys((one.value for one in Severity), 0)
    category: dict[str, int] = {}
    for key, held in counts.items():
        for outcome, number in held.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + number
        rule, failed = rules.get(key), held.get(Outcome.FAIL.value, 0)
        if rule is not None and failed:
            severity[rule.severity.value] += failed
            category[rule.category] = category.get(rule.category, 0) + failed
    return {"by_outcome": outcomes, "by_severity": severity, "by_category": category}


def summary(counts: Mapping[str, Mapping[str, int]], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """As frames carry it: the outcomes, and the failures by severity."""
    found = grouped(counts, rules)
    return {**found["by_outcome"], "severity": found["by_severity"]}
