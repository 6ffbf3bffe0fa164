"""How many units are needed before the start, and what a number of them can find."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import Final

from experiments.core.statistics import normal_quantile, sequence_reach

MOST: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a power curve: with `units` in each arm, the chance to find the effect."""

    units: int
    power: float


def share_variances(base: float, effect: float) -> tuple[float, float]:
    """Variances of a single unit in control and treatment, for shares: `base` and `base + effect`."""
    other = min(max(base + effect, 0.0), 1.0)
    return base * (1 - base), other * (1 - other)


def units_for_share(base: float, effect: float, *, alpha: float = 0.05, power: float = 0.8, comparisons: int = 1) -> int:
    """Units in each arm to find an absolute difference of two shares (Fleiss, without continuity correction)."""
    other = base + effect
    if effect == 0 or not 0 <= other <= 1:
        return MOST
    middle = (base + other) / 2
    z_alpha, z_power = normal_quantile(1 - alpha / (2 * comparisons)), normal_quantile(power)
    spread = z_alpha * sqrt(2 * middle * (1 - middle)) + z_power * sqrt(sum(share_variances(base, effect)))
    return min(ceil((spread / effect) ** 2), MOST)


def units_for_mean(deviation: float, effect: float, *, alpha: float = 0.05, power: float = 0.8, comparisons: int = 1) -> int:
    """Units in each arm to find an absolute difference of two means of equal standard deviation."""
    if effect == 0:
        return MOST
    reach = normal_quantile(1 - alpha / (2 * comparisons)) + normal_quantile(power)
    return min(ceil(2 * (deviation * reach / effect) ** 2), MOST)


def units_sequential(variances: tuple[float, float], effect: float, *, alpha: float = 0.05, power: float = 0.8, comparisons: int = 1) -> int:
    """Units in each arm until an always-valid interval excludes 0 with this chance: what looking at any time costs."""
    low, high = 1, 2
    while high < MOST and sequential_power(variances, effect, high, alpha=alpha / comparisons) < power:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if sequential_power(variances, effect, middle, alpha=alpha / comparisons) >= power else (middle, high)
    return min(high, MOST)


def sequential_power(variances: tuple[float, float], effect: float, units: int, *, alpha: float = 0.05) -> float:
    """The chance that the interval excludes 0 at `units` in each arm (earlier looks only add to it)."""
    error = sqrt(sum(variances) / units)
    if error <= 0:
        return 1.0
    reach = sequence_reach(2 * units, error * sqrt(2 * units), alpha)
    return NormalDist().cdf((abs(effect) - reach) / error)


def fixed_power(variances: tuple[float, float], effect: float, units: int, *, alpha: float = 0.05) -> float:
    """The chance that a test at the end finds the effect."""
    error = sqrt(sum(variances) / units)
    if error <= 0:
        return 1.0
    bound = normal_quantile(1 - alpha / 2)
    return NormalDist().cdf(abs(effect) / error - bound) + NormalDist().cdf(-abs(effect) / error - bound)


def curve(variances: tuple[float, float], effect: float, sizes: Sequence[int], *, alpha: float = 0.05, sequential: bool = True) -> list[Point]:
    chance = sequential_power if sequential else fixed_power
    return [Point(units=size, power=chance(variances, effect, size, alpha=alpha)) for size in sizes]


def smallest_effect(variances: tuple[float, float], units: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest absolute difference that `units` in each arm can find, at a single look."""
    return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * sqrt(sum(variances) / max(units, 1))


def smallest_sequential(variances: tuple[float, float], units: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest absolute difference that an always-valid interval of `units` in each arm finds with this chance."""
    error = sqrt(sum(variances) / max(units, 1))
    return sequence_reach(2 * units, error * sqrt(2 * units), alpha) + normal_quantile(power) * error
