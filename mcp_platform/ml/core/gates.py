"""What a trained model must fulfil before it may serve: a gate has a name, a verdict and a sentence that says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

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
