"""The statistics of an experiment as one plain document: what the live page, the API, reports and automatic stops all read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.core import statistics
from experiments.core.metrics import Metric, Shape, is_ratio
from experiments.core.statistics import Estimate
from experiments.core.sums import Sums

PRIMARY, SECONDARY, GUARDRAIL = "primary", "secondary", "guardrail"
MODES: Final = ("sequential", "fixed", "bayes")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """`exposed`: units that came to where the arms differ. `share`: what part of them this arm should have."""

    key: str
    control: bool
    share: float
    exposed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    metric: Metric
    role: str
    margin: float = 0.0
    label: str = ""
    cuped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`many`: a unit may have several conversations. `due`: the planned number of units is there (for all but `sequential`)."""

    mode: str = "sequential"
    alpha: float = 0.05
    many: bool = False
    due: bool = False
    estimates: bool = True  # False for a bandit, which optimises


def analyse(arms: Sequence[Arm], asked: Sequence[Asked], sums: Mapping[tuple[str, str], Sums], question: Question) -> Json:
    """`sums` by (metric, arm). The document is plain JSON; numbers that cannot be said are null."""
    control = next((arm for arm in arms if arm.control), None)
    metrics = [_metric(one, arms, control, sums, question) for one in asked]
    if question.mode == "sequential" or question.due:  # a test at the end finds nothing before it
        _correct(metrics, PRIMARY, statistics.holm, question.alpha)
        _correct(metrics, SECONDARY, statistics.benjamini_hochberg, question.alpha)
    ratio = sample_ratio(arms)
    breaches = [breach for one in metrics for breach in _breaches(one)]
    return {
        "mode": question.mode,
        "alpha": question.alpha,
        "arms": [{"key": arm.key, "control": arm.control, "share": arm.share, "exposed": arm.exposed} for arm in arms],
        "exposed": sum(arm.exposed for arm in arms),
        "sample_ratio": ratio,
        "metrics": metrics,
        "breaches": breaches,
        "verdict": verdict(metrics, ratio, breaches, question),
    }


def sample_ratio(arms: Sequence[Arm]) -> Json:
    """`p_value` may be looked at all the time, and the alarm follows it; `fixed_p_value` is chi-square's, for a single look."""
    counts, shares = [arm.exposed for arm in arms], [arm.share for arm in arms]
    p_value = statistics.sequential_sample_ratio(counts, shares)
    return {
        "p_value": p_value,
        "fixed_p_value": statistics.sample_ratio_mismatch(counts, shares),
        "alarm": p_value < statistics.SRM_ALARM,
        "threshold": statistics.SRM_ALARM,
    }


def _metric(one: Asked, arms: Sequence[Arm], control: Arm | None, sums: Mapping[tuple[str, str], Sums], question: Question) -> Json:
    metric = one.metric
    held = [sums.get((metric.key, arm.key), Sums()) for arm in arms]
    if one.cuped:
        held = statistics.cuped(held)
    ratio = is_ratio(metric, many=question.many)
    base = next((found for arm, found in zip(arms, held, strict=True) if arm is control), Sums())
    return {
        "key": metric.key,
        "label": one.label or metric.kind.label,
        "role": one.role,
        "measure": metric.measure,
        "of": metric.of,
        "shape": metric.kind.shape.value,
        "higher_is_better": metric.better_up,
        "cuped": one.cuped,
        "margin": one.margin,
        "arms": [_arm(one, arm, found, base, ratio, question) for arm, found in zip(arms, held, strict=True)],
    }


def _arm(one: Asked, arm: Arm, found: Sums, base: Sums, ratio: bool, question: Question) -> Json:
    row: Json = {"key": arm.key, "control": arm.control, "units": found.n, "value": found.ratio if ratio else found.mean if found.n else None}
    if found.n and ratio and not found.d:
        row["value"] = None
    if arm.control:
        return row
    guarded = one.role == GUARDRAIL  # looked at all the time, whatever the mode of the rest
    estimate = difference(base, found, one.metric, ratio, "sequential" if guarded else question.mode, question.alpha)
    row["difference"] = statistics.plain(estimate)
    row["lift"] = statistics.plain(lift_of(base, found, ratio, "sequential" if guarded else question.mode, question.alpha))
    row["p_value"] = estimate.p_value if guarded or question.mode == "sequential" or question.due else None
    row["harm"] = _harm(estimate, one.metric.better_up, one.margin)
    row["significant"] = False
    if question.mode == "bayes" and one.metric.kind.shape is Shape.SHARE and not ratio:
        belief = statistics.bayes(base, found, higher_is_better=one.metric.better_up)
        row["bayes"] = {"chance_to_win": belief.chance_to_win, "loss": belief.loss, "lower": belief.lower, "upper": belief.upper}
    return row


def difference(control: Sums, treatment: Sums, metric: Metric, ratio: bool, mode: str, alpha: float) -> Estimate:
    """The test that fits the metric and the mode."""
    if mode == "sequential":
        return statistics.sequential(control, treatment, alpha, ratio=ratio)
    if ratio:
        return statistics.ratios(control, treatment, alpha)
    return (statistics.proportions if metric.kind.shape is Shape.SHARE else statistics.welch)(control, treatment, alpha)


def lift_of(control: Sums, treatment: Sums, ratio: bool, mode: str, alpha: float) -> Estimate | None:
    """The relative difference, in the mode's own interval; None where nothing divides."""
    find = statistics.sequential_lift if mode == "sequential" else statistics.lift
    return find(control, treatment, alpha, ratio=ratio)


def _harm(estimate: Estimate, better_up: bool, margin: float) -> bool:
    """Whether it is worse for sure, by more than what is accepted."""
    if estimate.lower is None or estimate.upper is None:
        return False
    return estimate.upper < -margin if better_up else estimate.lower > margin


def _correct(metrics: Sequence[Json], role: str, correction: Any, alpha: float) -> None:
    """Adjust p values over all comparisons of a role."""
    rows = [row for one in metrics if one["role"] == role for row in one["arms"] if row.get("p_value") is not None]
    for row, adjusted in zip(rows, correction([row["p_value"] for row in rows]), strict=True):
        row["adjusted_p_value"] = adjusted
        row["significant"] = adjusted < alpha


def _breaches(one: Json) -> list[Json]:
    if one["role"] != GUARDRAIL:
        return []
    return [{"metric": one["key"], "arm": row["key"], "difference": row["difference"]} for row in one["arms"] if row.get("harm")]


def verdict(metrics: Sequence[Json], ratio: Json, breaches: Sequence[Json], question: Question) -> Json:
    """What the numbers say should be done: `code`, `arm` and a sentence. A person decides."""
    if ratio["alarm"]:
        return _says("mismatch", "", "Units are not shared out as planned: something is broken, and no number here can be believed.")
    if breaches:
        worst = breaches[0]
        return _says("harm", worst["arm"], f"The guardrail {worst['metric']} is worse in {worst['arm']}.")
    if not question.estimates:
        return _says("optimises", "", "A bandit optimises and does not estimate: its numbers tell no effect.")
    primary = next((one for one in metrics if one["role"] == PRIMARY), None)
    if primary is None:
        return _says("undecided", "", "There is no primary metric.")
    if question.mode != "sequential" and not question.due:
        return _says("wait", "", "The planned number of units is not there yet; a test that is read early cries wolf.")
    return _of_primary(primary)


def _of_primary(primary: Json) -> Json:
    sure = [row for row in primary["arms"] if row.get("significant") and row["difference"]["value"] is not None]
    up = 1 if primary["higher_is_better"] else -1
    better = [row for row in sure if row["difference"]["value"] * up > 0]
    if better:
        best = max(better, key=lambda row: row["difference"]["value"] * up)
        return _says("better", best["key"], f"{best['key']} is better in {primary['label']}.")
    worse = [row for row in sure if row["difference"]["value"] * up < 0]
    if worse and len(worse) == sum(not row["control"] for row in primary["arms"]):
        return _says("worse", worse[0]["key"], f"{worse[0]['key']} is worse in {primary['label']}.")
    return _says("undecided", "", "No difference is certain yet.")


def _says(code: str, arm: str, sentence: str) -> Json:
    return {"code": code, "arm": arm, "sentence": sentence}
