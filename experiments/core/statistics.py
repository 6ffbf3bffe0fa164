"""What the numbers say: tests, intervals, corrections. Everything is computed from sums; scipy is loaded where it is needed.

Names: `control` and `treatment` are arms, `lift` is relative (0.05 is 5 %), `alpha` is the chance of a false alarm that is allowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, exp, isfinite, lgamma, log, sqrt
from statistics import NormalDist
from typing import Any, Final

from experiments.core.sums import Sums

ALPHA: Final = 0.05
SRM_ALARM: Final = 0.001
SRM_CONCENTRATION: Final = 200.0  # units that the planned shares are worth: the larger, the finer and the later is what it finds
LEAST_SEQUENTIAL: Final = 100  # units in each arm before a confidence sequence says anything
TUNED_FOR: Final = 1000  # units of both arms together where a confidence sequence is narrowest
NEAR_ZERO: Final = 2.0  # standard errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A difference of treatment and control, and what it may be. `lower` and `upper` are None where nothing can be said."""

    value: float
    lower: float | None
    upper: float | None
    p_value: float | None = None
    method: str = ""

    @property
    def excludes_zero(self) -> bool:
        return self.lower is not None and self.upper is not None and (self.lower > 0 or self.upper < 0)


def normal_quantile(p: float) -> float:
    return NormalDist().inv_cdf(p)


def two_sided(z: float) -> float:
    return erfc(abs(z) / sqrt(2))


def proportions(control: Sums, treatment: Sums, alpha: float = ALPHA) -> Estimate:
    """Two shares: pooled z test, Fisher's exact one when a cell expects fewer than 5; Newcombe's interval of the difference (1998, method 10)."""
    value = treatment.mean - control.mean
    if not control.n or not treatment.n:
        return Estimate(value=0.0, lower=None, upper=None, method="none")
    lower, upper = newcombe(control, treatment, alpha)
    pooled = (control.y + treatment.y) / (control.n + treatment.n)
    least = min(control.n, treatment.n) * min(pooled, 1 - pooled)
    if least < 5:
        return Estimate(value=value, lower=lower, upper=upper, p_value=fisher(control, treatment), method="fisher")
    error = sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n))
    return Estimate(value=value, lower=lower, upper=upper, p_value=two_sided(value / error), method="z")


def newcombe(control: Sums, treatment: Sums, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval of a difference of two shares from their Wilson intervals; it never leaves -1..1."""
    low_c, high_c = wilson(control, alpha)
    low_t, high_t = wilson(treatment, alpha)
    p_c, p_t = control.mean, treatment.mean
    difference = p_t - p_c
    return difference - sqrt((p_t - low_t) ** 2 + (high_c - p_c) ** 2), difference + sqrt((high_t - p_t) ** 2 + (p_c - low_c) ** 2)


def wilson(arm: Sums, alpha: float = ALPHA) -> tuple[float, float]:
    """The score interval of one share."""
    z = normal_quantile(1 - alpha / 2)
    n, p = arm.n, arm.mean
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def fisher(control: Sums, treatment: Sums) -> float:
    from scipy.stats import fisher_exact

    table = [[round(control.y), round(control.n - control.y)], [round(treatment.y), round(treatment.n - treatment.y)]]
    return float(fisher_exact(table)[1])


def welch(control: Sums, treatment: Sums, alpha: float = ALPHA) -> Estimate:
    """Two means with variances of their own."""
    value = treatment.mean - control.mean
    a, b = (max(arm.variance, 0.0) / arm.n if arm.n else 0.0 for arm in (control, treatment))
    if min(control.n, treatment.n) < 2 or a + b <= 0:
        return Estimate(value=value, lower=None, upper=None, method="none")
    from scipy.special import stdtr, stdtrit

    freedom = (a + b) ** 2 / (a * a / (control.n - 1) + b * b / (treatment.n - 1))
    error = sqrt(a + b)
    reach = float(stdtrit(freedom, 1 - alpha / 2)) * error
    p_value = float(2 * stdtr(freedom, -abs(value) / error))
    return Estimate(value=value, lower=value - reach, upper=value + reach, p_value=p_value, method="welch")


def ratios(control: Sums, treatment: Sums, alpha: float = ALPHA) -> Estimate:
    """Two ratios of sums over units (such as failed calls per call), by the delta method."""
    if min(control.n, treatment.n) < 2 or not control.d or not treatment.d:
        return Estimate(value=0.0, lower=None, upper=None, method="none")
    return normal(treatment.ratio - control.ratio, control.ratio_variance / control.n + treatment.ratio_variance / treatment.n, alpha, "delta")


def normal(value: float, variance: float, alpha: float, method: str) -> Estimate:
    if variance <= 0:
        return Estimate(value=value, lower=None, upper=None, method="none")
    error = sqrt(variance)
    reach = normal_quantile(1 - alpha / 2) * error
    return Estimate(value=value, lower=value - reach, upper=value + reach, p_value=two_sided(value / error), method=method)


def lift(control: Sums, treatment: Sums, alpha: float = ALPHA, *, ratio: bool = False) -> Estimate | None:
    """Treatment over control minus 1, by the delta method. None where the control is within two standard errors of 0: then nothing divides."""
    (base, base_variance), (value, variance) = (_located(arm, ratio) for arm in (control, treatment))
    if min(control.n, treatment.n) < 2 or abs(base) <= NEAR_ZERO * sqrt(base_variance) or base == 0:
        return None
    spread = variance / base**2 + value**2 * base_variance / base**4
    return normal(value / base - 1, spread, alpha, "delta")


def _located(arm: Sums, ratio: bool) -> tuple[float, float]:
    """(mean or ratio, variance of that)."""
    if not arm.n:
        return 0.0, 0.0
    return (arm.ratio, arm.ratio_variance / arm.n) if ratio else (arm.mean, max(arm.variance, 0.0) / arm.n)


def cuped_theta(arms: Sequence[Sums]) -> float:
    """How strongly the metric follows its covariate, pooled over the arms so that it cannot take part of the effect with it.

    Of a unit's linearised ratio (y - R d) / mean d, which is y - mean y where every d is 1.
    """
    weight = [max(arm.n - 1, 0.0) for arm in arms]
    spread = sum(w * arm.variance_x for w, arm in zip(weight, arms, strict=True))
    shared = sum(w * (arm.covariance_xy - arm.ratio * arm.covariance_xd) / _parts(arm) for w, arm in zip(weight, arms, strict=True))
    return shared / spread if spread > 0 else 0.0


def _parts(arm: Sums) -> float:
    """The mean denominator of a unit."""
    return arm.d / arm.n if arm.n and arm.d else 1.0


def cuped(arms: Sequence[Sums]) -> list[Sums]:
    """The same arms with what was known before the experiment taken out of their means and variances (Deng et al., 2013)."""
    theta = cuped_theta(arms)
    units = sum(arm.n for arm in arms)
    centre = sum(arm.x for arm in arms) / units if units else 0.0
    return [_adjusted(arm, theta, centre) for arm in arms]


def _adjusted(arm: Sums, theta: float, centre: float) -> Sums:
    """Every unit's y less `slope` times its distance from the centre: that takes theta times the distance of the means out of the ratio."""
    slope = theta * _parts(arm)
    y = arm.y - slope * (arm.x - arm.n * centre)
    yy = arm.yy - 2 * slope * (arm.xy - centre * arm.y) + slope**2 * (arm.xx - 2 * centre * arm.x + arm.n * centre**2)
    yd = arm.yd - slope * (arm.xd - centre * arm.d)
    xy = arm.xy - slope * (arm.xx - centre * arm.x)
    return Sums(n=arm.n, y=y, yy=yy, d=arm.d, dd=arm.dd, yd=yd, x=arm.x, xx=arm.xx, xy=xy, xd=arm.xd)


def sequence_reach(units: float, spread: float, alpha: float = ALPHA, tuned_for: float = TUNED_FOR) -> float:
    """Half the width of an asymptotic confidence sequence after `units`, each with a standard deviation of `spread`: it holds at every look at
    once (Waudby-Smith et al., arXiv:2103.06476, eq. 14, two-sided; rho is the one that is narrowest at `tuned_for` units)."""
    if units <= 0 or spread <= 0:
        return 0.0
    rho2 = sequence_rho2(alpha, tuned_for)
    return spread * sqrt(2 * (units * rho2 + 1) / (units**2 * rho2) * log(sqrt(units * rho2 + 1) / alpha))


def sequence_rho2(alpha: float, tuned_for: float) -> float:
    return (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / tuned_for


def sequential(
    control: Sums, treatment: Sums, alpha: float = ALPHA, *, ratio: bool = False, least: float = LEAST_SEQUENTIAL, tuned_for: float = TUNED_FOR
) -> Estimate:
    """The difference with an interval that may be looked at as often as one likes. Nothing is said before both arms have `least` units.

    The p value is always valid, too: the smallest alpha whose interval excludes 0.
    """
    (a, var_a), (b, var_b) = (_located(arm, ratio) for arm in (control, treatment))
    units, value = control.n + treatment.n, b - a
    if min(control.n, treatment.n) < least or var_a + var_b <= 0:
        return Estimate(value=value, lower=None, upper=None, method="sequential")
    spread = sqrt(units * (var_a + var_b))
    reach = sequence_reach(units, spread, alpha, tuned_for)
    p_value = _always_valid_p(value, units, spread, sequence_rho2(alpha, tuned_for))
    return Estimate(value=value, lower=value - reach, upper=value + reach, p_value=p_value, method="sequential")


def _always_valid_p(value: float, units: float, spread: float, rho2: float) -> float:
    """Solves reach(alpha) = |value| for alpha with rho held as it is."""
    grown = units * rho2 + 1
    power = (value / spread) ** 2 * units**2 * rho2 / (2 * grown)
    return min(sqrt(grown) * exp(-min(power, 700.0)), 1.0)


def sequential_lift(control: Sums, treatment: Sums, alpha: float = ALPHA, *, ratio: bool = False, least: float = LEAST_SEQUENTIAL) -> Estimate | None:
    """`lift` with an always-valid interval; None where `lift` is."""
    plain = lift(control, treatment, alpha, ratio=ratio)
    if plain is None or plain.upper is None:
        return None
    if min(control.n, treatment.n) < least:
        return Estimate(value=plain.value, lower=None, upper=None, method="sequential")
    units = control.n + treatment.n
    error = (plain.upper - plain.value) / normal_quantile(1 - alpha / 2)
    spread = error * sqrt(units)
    reach = sequence_reach(units, spread, alpha)
    p_value = _always_valid_p(plain.value, units, spread, sequence_rho2(alpha, TUNED_FOR))
    return Estimate(value=plain.value, lower=plain.value - reach, upper=plain.value + reach, p_value=p_value, method="sequential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Beta-binomial, with uniform priors. `loss` is what choosing the treatment costs on average if it is the worse one. Not made for peeking."""

    chance_to_win: float
    loss: float
    lower: float
    upper: float


def bayes(control: Sums, treatment: Sums, *, draws: int = 40_000, seed: int = 1, higher_is_better: bool = True) -> Belief:
    import numpy

    dice = numpy.random.default_rng(seed)
    a, b = (dice.beta(1 + arm.y, 1 + max(arm.n - arm.y, 0.0), draws) for arm in (control, treatment))
    difference = b - a if higher_is_better else a - b
    lower, upper = numpy.quantile(b - a, (0.025, 0.975))
    return Belief(
        chance_to_win=float((difference > 0).mean()),
        loss=float(numpy.maximum(-difference, 0).mean()),
        lower=float(lower),
        upper=float(upper),
    )


def sample_ratio_mismatch(counts: Sequence[float], weights: Sequence[float]) -> float:
    """p value of chi-square: how likely it is that units were shared out like that. Below `SRM_ALARM` something is broken, and nothing counts."""
    total, whole = sum(counts), sum(weights)
    expected = [total * weight / whole for weight in weights] if whole else []
    used = [(count, hoped) for count, hoped in zip(counts, expected, strict=False) if hoped > 0]
    if total <= 0 or len(used) < 2:
        return 1.0
    from scipy.special import chdtrc

    return float(chdtrc(len(used) - 1, sum((count - hoped) ** 2 / hoped for count, hoped in used)))


def sequential_sample_ratio(counts: Sequence[float], weights: Sequence[float], concentration: float = SRM_CONCENTRATION) -> float:
    """The same, however often one looks: 1 over the Bayes factor of shares drawn from a Dirichlet around the planned ones against these themselves.

    The chance that it ever falls below alpha is at most alpha (Lindon and Malek, arXiv:2011.03567).
    """
    whole = sum(weights)
    used = [(count, weight / whole) for count, weight in zip(counts, weights, strict=False) if weight > 0]
    total = sum(count for count, _ in used)
    if total <= 0 or len(used) < 2:
        return 1.0
    factor = lgamma(concentration) - lgamma(concentration + total)
    for count, share in used:
        prior = concentration * share
        factor += lgamma(prior + count) - lgamma(prior) - count * log(share)
    return min(exp(-max(min(factor, 700.0), -700.0)), 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false alarm below alpha (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = worst
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the share of false alarms among the alarms below alpha (Benjamini and Hochberg, 1995)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index], reverse=True)
    adjusted, best, count = [1.0] * len(p_values), 1.0, len(p_values)
    for rank, index in enumerate(order):
        best = min(best, p_values[index] * count / (count - rank))
        adjusted[index] = best
    return adjusted


def plain(estimate: Estimate | None) -> Mapping[str, Any] | None:
    """As JSON; numbers that are none become null."""
    if estimate is None:
        return None
    numbers = {"value": estimate.value, "lower": estimate.lower, "upper": estimate.upper, "p_value": estimate.p_value}
    return {**{name: value if value is not None and isfinite(value) else None for name, value in numbers.items()}, "method": estimate.method}
