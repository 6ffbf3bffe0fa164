"""A batch bandit: weights move towards the arms that seem best. It optimises; it does not estimate, and its page says so."""

from collections.abc import Sequence
from math import sqrt
from typing import Final

from experiments.core.sums import Sums

FLOOR: Final = 0.01
DRAWS: Final = 20_000
BORROWED: Final = 10.0  # units


def thompson(
    arms: Sequence[Sums],
    *,
    seed: int,
    share: bool,
    ratio: bool = False,
    higher_is_better: bool = True,
    floor: float = FLOOR,
    draws: int = DRAWS,
) -> list[float]:
    """Weights that sum to 1: how often each arm is the best one of draws from what is believed of it, none below `floor`.

    `share`: the metric is a share (beta posterior); else a mean, or a `ratio` of sums (normal posterior). The same `seed` gives the same weights.
    """
    import numpy

    dice = numpy.random.default_rng(seed)
    spread = _variance(sum(arms, Sums()), ratio) or 1.0
    drawn = numpy.stack([_beta(dice, arm, draws) if share else _normal(dice, arm, ratio, spread, draws) for arm in arms])
    best = (drawn if higher_is_better else -drawn).argmax(axis=0)
    wins = numpy.bincount(best, minlength=len(arms)) / draws
    return with_floor([float(one) for one in wins], floor)


def _beta(dice: "numpy.random.Generator", arm: Sums, draws: int) -> "numpy.ndarray":  # type: ignore[name-defined]  # noqa: F821
    return dice.beta(1 + arm.y, 1 + max(arm.n - arm.y, 0.0), draws)


def _normal(
    dice: "numpy.random.Generator",  # type: ignore[name-defined]  # noqa: F821
    arm: Sums,
    ratio: bool,
    spread: float,
    draws: int,
) -> "numpy.ndarray":  # type: ignore[name-defined]  # noqa: F821
    """`spread`: the variance of all arms' units together; it counts as `BORROWED` units of this one, since the first few may agree by chance."""
    middle = arm.ratio if ratio else arm.mean
    if arm.n < 2:
        return dice.normal(middle, 1e6, draws)  # nothing is known of it: it may be anything
    variance = (arm.n * _variance(arm, ratio) + BORROWED * spread) / (arm.n + BORROWED)
    return dice.normal(middle, sqrt(variance / arm.n), draws)


def _variance(arm: Sums, ratio: bool) -> float:
    return max(arm.ratio_variance if ratio else arm.variance, 0.0)


def with_floor(weights: Sequence[float], floor: float = FLOOR) -> list[float]:
    """Every arm keeps `floor`; the rest is shared out as before."""
    floor = min(floor, 1 / len(weights))
    rest = 1 - floor * len(weights)
    total = sum(weights)
    if total <= 0:
        return [1 / len(weights)] * len(weights)
    return [floor + rest * weight / total for weight in weights]
