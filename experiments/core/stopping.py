"""What it costs to stop now: what could not be found yet, and what choosing an arm loses on average if it is the worse one."""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any

from experiments.core import power
from experiments.core.sums import Sums

Json = dict[str, Any]
NORMAL = NormalDist()


def expected_loss(difference: float, error: float) -> float:
    """The mean of what is lost below 0 by something that is `difference` with this standard error: the integral of max(-x, 0) over the normal."""
    if error <= 0:
        return max(-difference, 0.0)
    z = difference / error
    return error * NORMAL.pdf(z) - difference * NORMAL.cdf(-z)


def stopping(
    control: Sums,
    arms: Sequence[tuple[str, Sums]],
    *,
    ratio: bool,
    higher_is_better: bool,
    effect: float,
    needed: int,
    alpha: float,
    target: float,
    sequential: bool,
) -> Json:
    """`arms`: those besides the control. `needed`: planned units of an arm; `effect`: the smallest one worth knowing of; `target`: the power planned.

    Losses are in units of the metric, of one more unit served with that arm (a flat prior, so no promise for few units).
    """
    smallest = min([control.n, *(sums.n for _, sums in arms)])
    level = alpha / max(len(arms), 1)
    spreads = [(_variance(control, ratio), _variance(sums, ratio)) for _, sums in arms]
    variances = max(spreads, key=sum, default=(0.0, 0.0))
    chance = power.sequential_power if sequential else power.fixed_power
    reach = power.smallest_sequential if sequential else power.smallest_effect
    known = smallest >= 2 and sum(variances) > 0
    return {
        "units": smallest,
        "units_needed": needed,
        "units_missing": max(needed - int(smallest), 0),
        "power": chance(variances, effect, int(smallest), alpha=level) if known else None,
        "power_planned": target,
        "effect_planned": effect,
        "smallest_effect": reach(variances, int(smallest), alpha=level, power=target) if known else None,
        "choices": _choices(control, arms, ratio, higher_is_better) if known else [],
    }


def _choices(control: Sums, arms: Sequence[tuple[str, Sums]], ratio: bool, higher_is_better: bool) -> list[Json]:
    """What each choice loses against the best of the others; the control against the best arm, an arm against the control."""
    up = 1 if higher_is_better else -1
    found: list[Json] = []
    for key, sums in arms:
        difference = up * (_middle(sums, ratio) - _middle(control, ratio))
        error = sqrt(sum(_variance(one, ratio) / one.n for one in (control, sums) if one.n))
        found.append({"arm": key, "loss": expected_loss(difference, error), "kept": expected_loss(-difference, error)})
    kept = max((one["kept"] for one in found), default=0.0)
    return [{"arm": "", "loss": kept}, *({"arm": one["arm"], "loss": one["loss"]} for one in found)]


def _middle(sums: Sums, ratio: bool) -> float:
    return sums.ratio if ratio else sums.mean


def _variance(sums: Sums, ratio: bool) -> float:
    return max(sums.ratio_variance if ratio else sums.variance, 0.0)
