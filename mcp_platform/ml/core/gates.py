"""What a trained model must fulfil before it may serve: a gate has a name, a verdict and a sentence that says why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Metrics: TypeAlias = Mapping[str, Any]  # what was measured when the model was trained; its members depend on the kind of model


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    name: str
    passed: bool
    why: str


Gates: TypeAlias = Callable[[Metrics, Metrics | None], list[Gate]]
"""From the candidate's metrics and the champion's (None: nothing serves yet) to the verdicts."""


def at_least(name: str, value: float, limit: float, *, what: str) -> Gate:
    return Gate(name=name, passed=value >= limit, why=f"{what}: {value:g}; at least {limit:g} are needed")


def not_worse(name: str, value: float, champion: float | None, *, margin: float, what: str) -> Gate:
    """Within `margin` below the champion counts as equal: cross-validation is not more exact than that."""
    if champion is None:
        return Gate(name=name, passed=True, why=f"{what}: {value:.1%}; nothing serves yet")
    return Gate(name=name, passed=value >= champion - margin, why=f"{what}: {value:.1%}; the champion has {champion:.1%} (margin {margin:.1%})")


APPROVAL: Final = "approval"
AUTOMATIC, PERSON, SECOND_PERSON = "automatic", "person", "second_person"
POLICIES: Final = (AUTOMATIC, PERSON, SECOND_PERSON)
PEOPLE: Final = "user:"  # how the actors of people begin


def approval(policy: str, *, actor: str, trainer: str) -> list[Gate]:
    """Whether `actor` may let a model serve that `trainer` has trained; no gate where open gates are enough."""
    if policy == AUTOMATIC:
        return []
    if not actor.startswith(PEOPLE):
        return [Gate(name=APPROVAL, passed=False, why="a person must let it serve")]
    if policy == SECOND_PERSON and actor == trainer:
        return [Gate(name=APPROVAL, passed=False, why="somebody else than who trained it must let it serve")]
    return [Gate(name=APPROVAL, passed=True, why=f"approved by {actor}")]


def calibration_error(bins: Sequence[Mapping[str, Any]]) -> float | None:
    """Expected calibration error: the mean distance of confidence and share of right answers over bins with `count`, `confidence` and `right`.

    None without answers. Source: Guo et al., "On Calibration of Modern Neural Networks" (2017).
    """
    whole = sum(one["count"] for one in bins)
    return round(sum(one["count"] * abs(one["confidence"] - one["right"]) for one in bins) / whole, 4) if whole else None


def at_most(name: str, value: float, limit: float, *, what: str) -> Gate:
    return Gate(name=name, passed=value <= limit, why=f"{what}: {value:g}; at most {limit:g} is accepted")
