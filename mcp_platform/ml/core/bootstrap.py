"""Whether one model is really better than another: both told the same examples, so the examples are drawn again and again, in pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

RESAMPLED: Final = 400
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much more the first has than the second, with the percentile interval. Source: Efron and Tibshirani (1993), 13.3."""

    value: float
    low: float
    high: float
    examples: int


def macro_f1_gain(wanted: Sequence[str], first: Sequence[str], second: Sequence[str]) -> Gain | None:
    """Of the mean F1 over the classes in `wanted`. Seeded: the same answers give the same interval. None without examples."""
    import numpy as np

    if not wanted:
        return None
    classes = {name: place for place, name in enumerate(sorted(set(wanted)))}
    truth = np.array([classes[name] for name in wanted])
    answers = [np.array([classes.get(name, len(classes)) for name in told]) for told in (first, second)]
    whole = np.arange(len(truth))
    value = _difference(truth, answers, whole, len(classes))
    dice = np.random.default_rng(0)
    found = [_difference(truth, answers, dice.integers(0, len(truth), len(truth)), len(classes)) for _ in range(RESAMPLED)]
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Gain(value=round(value, 4), low=round(float(low), 4), high=round(float(high), 4), examples=len(truth))


def _difference(truth: Any, answers: Sequence[Any], chosen: Any, count: int) -> float:
    return _macro_f1(truth[chosen], answers[0][chosen], count) - _macro_f1(truth[chosen], answers[1][chosen], count)


def _macro_f1(truth: Any, told: Any, count: int) -> float:
    """Over the classes that this draw has."""
    import numpy as np

    wanted = np.bincount(truth, minlength=count)
    given = np.bincount(told, minlength=count + 1)[:count]
    right = np.bincount(truth[truth == told], minlength=count)
    there = wanted > 0
    return float((2 * right[there] / (wanted[there] + given[there])).mean())
