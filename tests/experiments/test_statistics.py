"""Numbers against independent libraries, and what is promised of false alarms, simulated."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from experiments.core import analysis, bandit, power, statistics
from experiments.core.metrics import Metric
from experiments.core.sums import Sums

DIGITS = 1e-4


def share(successes: int, units: int) -> Sums:
    return Sums(n=units, y=successes, yy=successes, d=units, dd=units, yd=successes)


def of(values: np.ndarray, x: np.ndarray | None = None, d: np.ndarray | None = None) -> Sums:
    d = np.ones_like(values) if d is None else d
    x = np.zeros_like(values) if x is None else x
    parts = (values, values**2, d, d**2, values * d, x, x**2, x * values, x * d)
    return Sums(len(values), *(float(part.sum()) for part in parts))


@pytest.mark.parametrize(("a", "n", "b", "m"), [(120, 1000, 150, 1000), (3, 400, 12, 380), (500, 520, 480, 510)])
def test_proportions(a: int, n: int, b: int, m: int) -> None:
    found = statistics.proportions(share(a, n), share(b, m))
    assert found.p_value is not None
    expected = proportions_ztest([b, a], [m, n])[1] if found.method == "z" else stats.fisher_exact([[a, n - a], [b, m - b]])[1]
    assert found.p_value == pytest.approx(expected, abs=DIGITS)
    assert (found.lower, found.upper) == pytest.approx(confint_proportions_2indep(b, m, a, n, method="newcomb"), abs=DIGITS)
    assert statistics.wilson(share(a, n)) == pytest.approx(proportion_confint(a, n, method="wilson"), abs=DIGITS)


def test_a_small_cell_asks_fisher() -> None:
    assert statistics.proportions(share(1, 40), share(4, 40)).method == "fisher"


def test_welch() -> None:
    dice = np.random.default_rng(1)
    a, b = dice.normal(10, 3, 120), dice.normal(10.8, 5, 90)
    found = statistics.welch(of(a), of(b))
    assert found.p_value == pytest.approx(stats.ttest_ind(a, b, equal_var=False)[1], abs=DIGITS)
    assert (found.lower, found.upper) == pytest.approx(CompareMeans(DescrStatsW(b), DescrStatsW(a)).tconfint_diff(usevar="unequal"), abs=DIGITS)


def test_ratios_and_lifts_by_the_delta_method_agree_with_the_bootstrap() -> None:
    dice = np.random.default_rng(2)

    def arm(rate: float) -> tuple[np.ndarray, np.ndarray]:
        d = dice.poisson(4, 3000) + 1.0
        return dice.binomial(d.astype(int), rate).astype(float), d

    (ya, da), (yb, db) = arm(0.2), arm(0.24)
    found = statistics.ratios(of(ya, d=da), of(yb, d=db))
    picks = [(dice.integers(0, 3000, 3000), dice.integers(0, 3000, 3000)) for _ in range(800)]
    drawn = [(ya[i].sum() / da[i].sum(), yb[j].sum() / db[j].sum()) for i, j in picks]
    assert found.lower is not None
    assert found.value - found.lower == pytest.approx(1.96 * np.std([b - a for a, b in drawn]), rel=0.1)
    lift = statistics.lift(of(ya, d=da), of(yb, d=db), ratio=True)
    assert lift is not None
    assert lift.lower is not None
    assert lift.value - lift.lower == pytest.approx(1.96 * np.std([b / a for a, b in drawn]), rel=0.1)


def test_no_lift_over_a_control_near_nothing() -> None:
    dice = np.random.default_rng(3)
    assert statistics.lift(of(dice.normal(0, 1, 200)), of(dice.normal(1, 1, 200))) is None


def test_cuped_narrows_and_does_not_move() -> None:
    dice = np.random.default_rng(4)
    x, other = dice.normal(5, 2, 4000), dice.normal(5, 2, 4000)
    a, b = x + dice.normal(0, 1, 4000), other + dice.normal(0.2, 1, 4000)
    plain, adjusted = [of(a), of(b)], statistics.cuped([of(a, x), of(b, other)])
    theta = np.cov(np.concatenate([x - x.mean(), other - other.mean()]), np.concatenate([a - a.mean(), b - b.mean()]))
    assert statistics.cuped_theta([of(a, x), of(b, other)]) == pytest.approx(theta[0, 1] / theta[0, 0], abs=1e-3)
    direct = b - 1.0 * 0 - statistics.cuped_theta([of(a, x), of(b, other)]) * (other - np.concatenate([x, other]).mean())
    assert adjusted[1].mean == pytest.approx(direct.mean(), abs=DIGITS)
    assert adjusted[1].variance == pytest.approx(direct.var(ddof=1), rel=1e-6)
    assert adjusted[0].variance < 0.4 * plain[0].variance
    assert adjusted[1].mean - adjusted[0].mean == pytest.approx(0.2, abs=0.1)


def test_cuped_of_users_with_several_conversations_keeps_its_level() -> None:
    """600 experiments without any effect, whose users differ in how much they talk, and in what comes of it."""
    dice = np.random.default_rng(8)
    alarms, narrower = 0, 0.0

    def arm() -> Sums:
        skill = dice.beta(2, 2, 300)
        d = dice.poisson(1 + 6 * skill) + 1.0
        return of(dice.binomial(d.astype(int), skill).astype(float), skill + dice.normal(0, 0.1, 300), d)

    for _ in range(600):
        plain = [arm(), arm()]
        adjusted = statistics.cuped(plain)
        p_value = statistics.ratios(adjusted[0], adjusted[1]).p_value
        alarms += p_value is not None and p_value < 0.05
        narrower += adjusted[0].ratio_variance / plain[0].ratio_variance / 600
    assert 0.025 <= alarms / 600 <= 0.075
    assert narrower < 0.8


def test_corrections() -> None:
    found = [0.04, 0.001, 0.3, 0.02, 0.02]
    assert statistics.holm(found) == pytest.approx(list(multipletests(found, method="holm")[1]))
    assert statistics.benjamini_hochberg(found) == pytest.approx(list(multipletests(found, method="fdr_bh")[1]))


def test_sample_ratio_mismatch() -> None:
    assert statistics.sample_ratio_mismatch([480, 560], [0.5, 0.5]) == pytest.approx(stats.chisquare([480, 560])[1], abs=1e-9)
    assert statistics.sample_ratio_mismatch([900, 100], [0.9, 0.1]) == 1.0
    dice = np.random.default_rng(5)
    alarms = sum(
        statistics.sample_ratio_mismatch(list(dice.multinomial(5000, [0.5, 0.3, 0.2])), [0.5, 0.3, 0.2]) < statistics.SRM_ALARM for _ in range(2000)
    )
    assert alarms <= 10, "at most one in 200 of clean ones"


def test_sample_ratio_may_be_looked_at_all_the_time() -> None:
    dice = np.random.default_rng(9)
    shares = [0.5, 0.3, 0.2]
    looks = dice.multinomial(20, shares, (1500, 100)).cumsum(axis=1)
    alarms = sum(any(statistics.sequential_sample_ratio(look, shares) < statistics.SRM_ALARM for look in run) for run in looks)
    assert alarms / 1500 <= 0.002
    assert statistics.sequential_sample_ratio([4700, 5300], [0.5, 0.5]) < statistics.SRM_ALARM
    assert statistics.sequential_sample_ratio([0, 0], [0.5, 0.5]) == 1.0
    assert statistics.sequential_sample_ratio([0, 10**6], [0.5, 0.5]) < 1e-100


def test_sample_sizes() -> None:
    assert power.units_for_mean(2.0, 0.5) == pytest.approx(NormalIndPower().solve_power(0.25, power=0.8, alpha=0.05), abs=1.01)
    assert power.units_for_mean(2.0, 0.5) == pytest.approx(TTestIndPower().solve_power(0.25, power=0.8, alpha=0.05), abs=3)
    needed = power.units_for_share(0.2, 0.05)
    dice = np.random.default_rng(6)
    hits = [
        statistics.proportions(share(dice.binomial(needed, 0.2), needed), share(dice.binomial(needed, 0.25), needed)).p_value for _ in range(1000)
    ]
    assert 0.76 <= np.mean([p is not None and p < 0.05 for p in hits]) <= 0.84
    assert power.units_sequential(power.share_variances(0.2, 0.05), 0.05) > needed


def test_peeking_cries_wolf_and_the_confidence_sequence_does_not() -> None:
    """2,000 experiments without any effect, looked at on 28 days."""
    dice = np.random.default_rng(7)
    false, always_valid, runs, days, a_day = 0, 0, 2000, 28, 100
    counts = dice.binomial(a_day, 0.3, (runs, 2, days)).cumsum(axis=2)
    units = np.arange(1, days + 1) * a_day
    for run in counts:
        p, q = run[0] / units, run[1] / units
        pooled = (p + q) / 2
        z = np.abs(q - p) / np.sqrt(pooled * (1 - pooled) * 2 / units)
        false += bool((z > 1.96).any())
        variance = (p * (1 - p) + q * (1 - q)) / (units - 1)
        reach = [statistics.sequence_reach(float(2 * n), float(np.sqrt(2 * n * v))) for n, v in zip(units, variance, strict=True)]
        always_valid += bool((np.abs(q - p) > np.array(reach)).any())
    assert false / runs > 0.15
    assert always_valid / runs <= 0.05


def test_the_sequence_says_nothing_early_and_its_p_value_fits_its_interval() -> None:
    assert statistics.sequential(share(10, 99), share(90, 99)).lower is None
    found = statistics.sequential(share(300, 1000), share(360, 1000))
    again = statistics.sequential(share(300, 1000), share(360, 1000), alpha=found.p_value or 1)
    assert found.p_value is not None
    assert (found.p_value < 0.05) == found.excludes_zero
    del again


def test_bayes_against_integration() -> None:
    grid = np.linspace(0.0005, 0.9995, 2000)
    a, b = stats.beta(31, 171).pdf(grid), stats.beta(46, 156).pdf(grid)
    joint = np.outer(b, a) / (a.sum() * b.sum())
    chance = np.tril(joint, -1).sum() + np.trace(joint) / 2
    found = statistics.bayes(share(30, 200), share(45, 200))
    assert found.chance_to_win == pytest.approx(chance, abs=0.01)
    assert 0 <= found.loss < 0.01


def test_a_bandit_follows_the_better_arm_and_leaves_a_floor() -> None:
    agree, spread = of(np.full(2, 1.0)), of(np.tile([0.0, 3.0], 400))
    assert 0.05 < bandit.thompson([agree, spread], seed=1, share=False)[0] < 0.6, "two that agree by chance are not sure"
    often, seldom = of(np.full(200, 2.0), d=np.full(200, 10.0)), of(np.full(200, 1.0), d=np.full(200, 2.0))
    assert bandit.thompson([often, seldom], seed=1, share=False, ratio=True)[1] > 0.9
    weights = bandit.thompson([share(100, 1000), share(160, 1000), share(90, 1000)], seed=1, share=True)
    assert weights[1] > 0.9
    assert min(weights) >= bandit.FLOOR - 1e-9
    assert sum(weights) == pytest.approx(1)
    assert bandit.thompson([share(0, 0), share(0, 0)], seed=1, share=True) == pytest.approx([0.5, 0.5], abs=0.02)


def document(
    a: Sums, b: Sums, *, role: str = "primary", exposed: tuple[int, int] = (2000, 2000), measure: str = "completion", mode: str = "sequential"
) -> dict:  # type: ignore[type-arg]
    arms = [analysis.Arm(key="c", control=True, share=0.5, exposed=exposed[0]), analysis.Arm(key="t", control=False, share=0.5, exposed=exposed[1])]
    asked = [analysis.Asked(metric=Metric(key="m", measure=measure), role=role)]
    return analysis.analyse(arms, asked, {("m", "c"): a, ("m", "t"): b}, analysis.Question(mode=mode))


def test_verdicts() -> None:
    low, high = share(600, 2000), share(800, 2000)
    assert document(low, high)["verdict"]["code"] == "better"
    assert document(high, low)["verdict"]["code"] == "worse"
    assert document(low, low)["verdict"]["code"] == "undecided"
    assert document(low, high, exposed=(1500, 2500))["verdict"]["code"] == "mismatch"
    assert document(low, high, role="guardrail", measure="handoff_rate")["verdict"]["code"] == "harm"
    early = document(low, high, mode="fixed")
    assert early["verdict"]["code"] == "wait"
    assert [(arm["p_value"], arm["significant"]) for one in early["metrics"] for arm in one["arms"] if not arm["control"]] == [(None, False)]
    assert document(low, high, mode="bayes")["verdict"]["code"] == "wait"
    assert document(low, high, mode="bayes")["metrics"][0]["arms"][1]["bayes"]["chance_to_win"] > 0.99
