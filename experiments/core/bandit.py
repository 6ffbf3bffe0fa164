"""A batch bandit: weights move towards the arms that seem best. It optimises; it does not estimate, and its page says so."""

from collections.abc import Sequence
from typing import Final

from experiments.core.sums import Sums

FLOOR: Final = 0.01
DRAWS: Final = 20_000


def thompson(arms: Sequence[Sums], *, seed: int, share: bool, higher_is_better: bool = True, floor: float = FLOOR, draws: int = DRAWS) -> list[float]:
    """Weights that sum to 1: how often each arm is the best one of draws from what is believed of it, none below `floor`.

    `share`: the metric is a share (beta posterior); else a mean (normal posterior). The same `seed` gives the same weights.
    """
    import numpy

    dice = numpy.random.default_rng(seed)
    drawn = numpy.stack([_draw(dice, arm, share, draws) for arm in arms])
    best = (drawn if higher_is_better else -drawn).argmax(axis=0)
    wins = numpy.bincount(best, minlength=len(arms)) / draws
    return with_floor([float(one) for one in wins], floor)


def _draw(dice: "numpy.random.Generator", arm: Sums, share: bool, draws: int) -> "numpy.ndarray":  # type: ignore[name-defined]  # noqa: F821
    if share:
        return dice.beta(1 + arm.y, 1 + max(arm.n - arm.y, 0.0), draws)
    if arm.n < 2:
        return dice.normal(arm.mean, 1e6, draws)  # nothing is known of it: it may be anything
    return dice.normal(arm.mean, arm.standard_error or 1e-9, draws)


def with_floor(weights: Sequence[float], floor: float = FLOOR) -> list[float]:
    """Every arm keeps `floor`; the rest is shared out as before."""
    floor = min(floor, 1 / len(weights))
    rest = 1 - floor * len(weights)
    total = sum(weights)
    if total <= 0:
        return [1 / len(weights)] * len(weights)
    return [floor + rest * weight / total for weight in weights]
