"""How many units an experiment needs, what more or fewer would find, and how long that takes."""

from dataclasses import dataclass
from typing import Any, Final

from experiments.core import power
from experiments.core.metrics import Shape

Json = dict[str, Any]
PARTS: Final = tuple(n / 16 for n in range(1, 33))  # of the units that are needed: up to twice as many


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`baseline`: the primary metric as it is now. `deviation`: of a single unit, for what is no share; None: as of a count with that mean.

    `daily`: units that could take part on a day, before the coverage; 0 when nobody knows.
    """

    shape: Shape = Shape.SHARE
    baseline: float = 0.5
    deviation: float | None = None
    effect: float = 0.05
    alpha: float = 0.05
    power: float = 0.8
    arms: int = 2
    sequential: bool = True
    coverage: float = 1.0
    daily: float = 0.0
    higher_is_better: bool = True


def size(wanted: Wanted) -> Json:
    """Units in each arm to find the effect with that power; `curve` is the power of other numbers, with and without looks in between."""
    comparisons = max(wanted.arms - 1, 1)
    effect = _signed(wanted)
    variances = _variances(wanted, effect)
    options: Any = {"alpha": wanted.alpha, "power": wanted.power, "comparisons": comparisons}
    share = wanted.shape is Shape.SHARE
    fixed = _fixed(wanted, effect, variances[0] ** 0.5, options)
    possible = fixed < power.MOST
    needed = power.units_sequential(variances, effect, **options) if wanted.sequential and possible else fixed
    units = needed * wanted.arms
    a_day = wanted.daily * wanted.coverage
    return {
        "possible": possible,
        "units_per_arm": needed,
        "units": units,
        "units_per_arm_fixed": fixed,
        "days": units / a_day if a_day and possible else None,
        "daily": wanted.daily or None,
        "baseline": wanted.baseline,
        "deviation": None if share else variances[0] ** 0.5,
        "minimum_effect": wanted.effect,
        "power": wanted.power,
        "alpha": wanted.alpha,
        "curve": _curve(variances, effect, needed, wanted.alpha / comparisons, wanted.sequential) if possible else [],
    }


def _fixed(wanted: Wanted, effect: float, deviation: float, options: Any) -> int:
    if wanted.shape is not Shape.SHARE:
        return max(power.units_for_mean(deviation, effect, **options), 1)
    return power.units_for_share(wanted.baseline, effect, **options) if 0 <= wanted.baseline <= 1 else power.MOST


def _signed(wanted: Wanted) -> float:
    """The effect in the direction that has room: a share of 0.99 cannot grow by 0.05, and of two directions the better one is meant."""
    effect = abs(wanted.effect) if wanted.higher_is_better else -abs(wanted.effect)
    if wanted.shape is not Shape.SHARE or 0 <= wanted.baseline + effect <= 1:
        return effect
    return -effect


def _variances(wanted: Wanted, effect: float) -> tuple[float, float]:
    if wanted.shape is Shape.SHARE:
        return power.share_variances(min(max(wanted.baseline, 0.0), 1.0), effect)
    variance = wanted.deviation**2 if wanted.deviation is not None else abs(wanted.baseline) or 1.0
    return variance, variance


def _curve(variances: tuple[float, float], effect: float, needed: int, alpha: float, sequential: bool) -> list[Json]:
    sizes = sorted({max(round(needed * part), 1) for part in PARTS})
    found = power.curve(variances, effect, sizes, alpha=alpha, sequential=sequential)
    at_the_end = power.curve(variances, effect, sizes, alpha=alpha, sequential=False)
    return [{"units_per_arm": one.units, "power": one.power, "power_fixed": other.power} for one, other in zip(found, at_the_end, strict=True)]
