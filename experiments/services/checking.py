"""Everything that is wrong with the plan of an experiment, each fault with its path."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.core import targeting
from experiments.models import Experiment, ExperimentMetric

Fault = dict[str, Any]
CHECKED = ("targeting", "namespace_start", "namespace_end", "starts_at", "ends_at", "alpha", "power", "ramp")  # what `of_fields` looks at
TOLERANCE = 0.01  # of percentages
MOST_VARIANTS = 20
MOST_STEPS = 20  # of a ramp
MOST_OF_STEP: Mapping[str, int] = {"min_hours": 8_760, "min_units": 10**9}
LEAST_ALPHA, MOST_POWER = 0.0001, 0.9999  # beyond them no quantile can be told from infinity
REBASE, RAMP = "rebase it for another phase", "ramp it"
# Once somebody was assigned, what shares people out, where, and how the answer is read stay; with what to do instead.
FIXED_WHILE_RUNNING: Mapping[str, str] = dict.fromkeys(
    (
        "kind", "flow", "environment", "subject", "seed", "hash_version", "unit", "allocation", "targeting", "namespace", "namespace_start",
        "namespace_end", "holdout", "starts_at", "stats_mode", "alpha", "power", "minimum_effect", "baseline", "metrics",
    ),
    REBASE,
) | {"coverage": RAMP}  # fmt: skip


def fault(path: str, code: str, message: str, expected: str = "") -> Fault:
    return {"path": path, "code": code, "message": message, "expected": expected}


def of_fields(fields: Mapping[str, Any]) -> list[Fault]:
    """Of the experiment's own fields."""
    found = [fault(f"$.targeting{path[1:]}", "condition", message) for path, message in targeting.faults(fields.get("targeting") or {})]
    start, end = fields.get("namespace_start", 0.0), fields.get("namespace_end", 1.0)
    if not 0 <= start < end <= 1:
        found.append(fault("$.namespace_end", "range", "is no range", "0 <= start < end <= 1"))
    begins, ends = fields.get("starts_at"), fields.get("ends_at")
    if begins and ends and begins >= ends:
        found.append(fault("$.ends_at", "range", "is not after the start"))
    alpha, power = fields.get("alpha", 0.05), fields.get("power", 0.8)
    found += [] if LEAST_ALPHA <= alpha < 0.5 else [fault("$.alpha", "range", "is no level", f"from {LEAST_ALPHA} to below 0.5")]
    found += [] if 0.5 <= power <= MOST_POWER else [fault("$.power", "range", "is no power", f"from 0.5 to {MOST_POWER}")]
    return found + _of_ramp(fields.get("ramp") or [])


def _of_ramp(steps: list[Mapping[str, Any]]) -> list[Fault]:
    found, last = [], 0.0
    if len(steps) > MOST_STEPS:
        found.append(fault("$.ramp", "count", f"has {len(steps)} steps", f"at most {MOST_STEPS}"))
    for index, step in enumerate(steps):
        coverage = step.get("coverage", 0.0)
        if not last < coverage <= 1:
            found.append(fault(f"$.ramp[{index}].coverage", "range", "does not grow", f"above {last:g}, at most 1"))
        last = max(last, coverage)
        found += [
            fault(f"$.ramp[{index}].{name}", "range", "is out of range", f"0 to {most}")
            for name, most in MOST_OF_STEP.items()
            if not 0 <= step.get(name, 0) <= most
        ]
    return found


def of_variants(variants: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Percentages that sum to 100, one control, names of their own."""
    found = []
    if not 2 <= len(variants) <= MOST_VARIANTS:
        found.append(fault("$.variants", "count", f"are {len(variants)}", f"2 to {MOST_VARIANTS}"))
    total = sum(one.get("percentage", 0) for one in variants)
    if abs(total - 100) > TOLERANCE:
        found.append(fault("$.variants", "percentage", f"sum to {total:g}", "100"))
    controls = sum(bool(one.get("is_control")) for one in variants)
    if controls != 1:
        found.append(fault("$.variants", "control", f"have {controls} controls", "exactly one"))
    found += [
        fault(f"$.variants[{index}].key", "twice", "is there twice")
        for index, one in enumerate(variants)
        if one.get("key") in [other.get("key") for other in variants[:index]]
    ]
    return found + _of_controls(variants)


def _of_controls(variants: Iterable[Mapping[str, Any]]) -> list[Fault]:
    return [
        fault(f"$.variants[{index}].modifications", "control", "The control is the base as it is.", "none")
        for index, one in enumerate(variants)
        if one.get("is_control") and one.get("modifications")
    ]


def of_metrics(metrics: Sequence[Mapping[str, Any]]) -> list[Fault]:
    primary = sum(one["role"] == ExperimentMetric.Role.PRIMARY for one in metrics)
    keys = [one["metric"] for one in metrics]
    found = [fault("$.metrics", "primary", "have no primary one", "at least one")] if metrics and not primary else []
    return found + [fault(f"$.metrics[{index}]", "twice", "is there twice") for index, key in enumerate(keys) if key in keys[:index]]


def of_change(row: Experiment, fields: Mapping[str, Any]) -> list[Fault]:
    """What may not change any more once somebody has been assigned."""
    started = row.state not in (Experiment.State.DRAFT, Experiment.State.VALIDATED)
    found = [
        fault(f"$.{name}", "fixed", "is fixed once the experiment has run", instead)
        for name, instead in FIXED_WHILE_RUNNING.items()
        if started and name in fields and fields[name] != _held(row, name)
    ]
    if started and row.allocation not in (Experiment.Allocation.WEIGHTED, Experiment.Allocation.BANDIT) and "variants" in fields:
        found.append(fault("$.variants", "fixed", "are fixed once the experiment has run", "allocation `weighted` for weights that move"))
    return found


def _held(row: Experiment, name: str) -> Any:
    if name != "metrics":
        return getattr(row, name)
    return plain_metrics({"metric": one.metric.key, "role": one.role, "margin": one.margin} for one in row.metrics.select_related("metric"))


def plain_metrics(metrics: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, float]]:
    """So that two lists of them can be compared."""
    return sorted((one["metric"], str(one["role"]), float(one.get("margin", 0.0))) for one in metrics)
