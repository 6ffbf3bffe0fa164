"""Metrics: what a conversation is worth in numbers, and what these say about an experiment.

A metric is a value of each conversation: a numerator and a denominator. Units (users, conversations) add theirs up; a share and a mean of units
that have one conversation each are tested as such, everything else as a ratio of sums, by the delta method.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from experiments.core.sums import Sums

FAILED: Final = frozenset({"failed", "cancelled", "stopped", "expired", "abandoned", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened in one conversation up to its event `seq`. Times are milliseconds, `csat` is 0..1.

    Of a building whose findings a model ranks, `verdicts` are what people made of them since, the highest first: True confirmed, False dismissed.
    """

    seq: int = 0
    ended: bool = False
    completion: str = ""
    turns: int = 0  # messages of the user
    confidence_sum: float = 0.0
    confidence_count: int = 0
    low_confidence: int = 0
    slots_refused: int = 0
    slots_filled: int = 0
    calls: int = 0
    call_faults: int = 0
    handoffs: int = 0
    failed_turns: int = 0
    latency_sum: float = 0.0
    latency_count: int = 0
    csat: float | None = None
    findings_fixed: int = 0
    states: frozenset[str] = frozenset()
    verdicts: tuple[bool | None, ...] = ()


class Shape(StrEnum):
    SHARE = "share"  # 0 or 1 of each conversation
    MEAN = "mean"
    RATIO = "ratio"  # of two sums


Value = tuple[float, float]  # numerator, denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One kind of metric. `read` gives None for a conversation that says nothing about it (yet). `ends`: only an ended conversation says it.
    `of_talks` and `of_rankings`: whether conversations say it, and buildings whose findings are ranked."""

    shape: Shape
    higher_is_better: bool
    label: str
    read: Callable[[Outcome, str], Value | None]
    takes: str = ""  # what the metric's `of` names, if anything
    ends: bool = False
    of_talks: bool = True
    of_rankings: bool = False


def _flag(held: bool) -> Value:
    return (1.0 if held else 0.0, 1.0)


def _completed(outcome: Outcome, of: str) -> Value:
    return _flag(outcome.completion == of if of else bool(outcome.completion) and outcome.completion not in FAILED)


def _dropped(outcome: Outcome, of: str) -> Value:
    return _flag(not outcome.completion or outcome.completion in FAILED)


def _turns(outcome: Outcome, of: str) -> Value | None:
    return (float(outcome.turns), 1.0) if outcome.completion and outcome.completion not in FAILED else None


def _rated(outcome: Outcome, of: str) -> Value | None:
    return (outcome.csat, 1.0) if outcome.csat is not None else None


DEPTH: Final = 10  # findings that a person looks at before lunch
DEEPEST: Final = 100


def depth_of(of: str) -> int | None:
    """How many places of a ranking a metric looks at; None for what is no such number."""
    if not of:
        return DEPTH
    return int(of) if of.isascii() and of.isdigit() and 1 <= int(of) <= DEEPEST else None


def _right_first(outcome: Outcome, of: str) -> Value:
    judged = [one for one in outcome.verdicts[: depth_of(of) or DEPTH] if one is not None]
    return (float(sum(judged)), float(len(judged)))


def _right(outcome: Outcome, of: str) -> Value:
    judged = [one for one in outcome.verdicts if one is not None]
    return (float(sum(judged)), float(len(judged)))


def _judged(outcome: Outcome, of: str) -> Value:
    return (float(sum(one is not None for one in outcome.verdicts)), 1.0)


MEASURES: Final[Mapping[str, Measure]] = {
    "completion": Measure(shape=Shape.SHARE, higher_is_better=True, label="Completed", read=_completed, takes="completion type"),
    "drop_off": Measure(shape=Shape.SHARE, higher_is_better=False, label="Dropped off", read=_dropped, ends=True),
    "turns_to_completion": Measure(shape=Shape.MEAN, higher_is_better=False, label="Messages until completion", read=_turns, ends=True),
    "intent_confidence": Measure(
        shape=Shape.RATIO, higher_is_better=True, label="Confidence of intents", read=lambda o, _: (o.confidence_sum, float(o.confidence_count))
    ),
    "low_confidence_rate": Measure(
        shape=Shape.RATIO, higher_is_better=False, label="Not understood", read=lambda o, _: (float(o.low_confidence), float(o.turns))
    ),
    "slot_retries": Measure(shape=Shape.MEAN, higher_is_better=False, label="Refused slot values", read=lambda o, _: (float(o.slots_refused), 1.0)),
    "integration_failures": Measure(
        shape=Shape.RATIO, higher_is_better=False, label="Failed integration calls", read=lambda o, _: (float(o.call_faults), float(o.calls))
    ),
    "handoff_rate": Measure(shape=Shape.SHARE, higher_is_better=False, label="Handed to a person", read=lambda o, _: _flag(o.handoffs > 0)),
    "turn_failures": Measure(
        shape=Shape.RATIO, higher_is_better=False, label="Failed turns", read=lambda o, _: (float(o.failed_turns), float(o.latency_count))
    ),
    "turn_latency": Measure(
        shape=Shape.RATIO, higher_is_better=False, label="Milliseconds of a turn", read=lambda o, _: (o.latency_sum, float(o.latency_count))
    ),
    "csat": Measure(shape=Shape.MEAN, higher_is_better=True, label="Satisfaction", read=_rated),
    "reached_state": Measure(
        shape=Shape.SHARE, higher_is_better=True, label="Reached a state", read=lambda o, of: _flag(of in o.states), takes="state"
    ),
    "findings_fixed": Measure(
        shape=Shape.MEAN, higher_is_better=True, label="Findings fixed", read=lambda o, _: (float(o.findings_fixed), 1.0), of_rankings=True
    ),
    "precision_at": Measure(
        shape=Shape.RATIO,
        higher_is_better=True,
        label="Right among the first",
        read=_right_first,
        takes="depth (10)",
        of_talks=False,
        of_rankings=True,
    ),
    "confirmed_share": Measure(
        shape=Shape.RATIO, higher_is_better=True, label="Confirmed of the judged", read=_right, of_talks=False, of_rankings=True
    ),
    "findings_judged": Measure(shape=Shape.MEAN, higher_is_better=True, label="Findings judged", read=_judged, of_talks=False, of_rankings=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A definition made ready. `cap`: larger values of one conversation count as this much (0: as they are)."""

    key: str
    measure: str
    of: str = ""
    cap: float = 0.0
    higher_is_better: bool | None = None
    kind: Measure = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", MEASURES[self.measure])

    @property
    def better_up(self) -> bool:
        return self.kind.higher_is_better if self.higher_is_better is None else self.higher_is_better


def value_of(metric: Metric, outcome: Outcome) -> Value | None:
    if metric.kind.ends and not outcome.ended:
        return None
    found = metric.kind.read(outcome, metric.of)
    if found is None or found[1] == 0:
        return None
    return (min(found[0], metric.cap), found[1]) if metric.cap and metric.kind.shape is not Shape.RATIO else found


def unit_sums(values: list[Value], covariate: float = 0.0) -> Sums:
    """One unit with these conversations; nothing when none of them says anything."""
    if not values:
        return Sums()
    return Sums.of(sum(value for value, _ in values), sum(of for _, of in values), covariate)


def is_ratio(metric: Metric, *, many: bool) -> bool:
    """Whether a metric is tested as a ratio. `many`: a unit may have more than one conversation."""
    return metric.kind.shape is Shape.RATIO or many
