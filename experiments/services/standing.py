"""How an experiment stands: everything that its live page shows besides the findings of the last count. Reads, and changes nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from experiments import queries
from experiments.core import analysis, funnel, statistics
from experiments.core.analysis import Asked
from experiments.core.metrics import is_ratio
from experiments.core.stopping import stopping
from experiments.core.sums import Sums
from experiments.models import Experiment, ExperimentMetric
from experiments.services.checking import MOST_OF_STEP
from experiments.services.counting import asked_of, due
from experiments.services.sizing import sizing

Json = dict[str, Any]
State = Experiment.State
LEAST_HOURS = 1.0  # before a rate is told


def standing(row: Experiment) -> Json:
    """The plan and how far it is, the funnel, exposures and the effect over time, what stopping now costs, and the ramp."""
    now = timezone.now()
    needed = sizing(row)
    return {
        "sizing": needed,
        "progress": progress(row, needed, now),
        "funnel_lift": funnel_lift(row),
        "exposure": queries.exposure_series(row, now),
        "effect": effect(row),
        "stopping": cost_of_stopping(row, needed, now),
        "ramp": ramp_of(row, now),
    }


def progress(row: Experiment, needed: Mapping[str, Any], now: datetime) -> Json:
    """Of the arm that has fewest units; `share` may pass 1. Without a rate nobody knows how many days are missing."""
    arms = [{"key": one["key"], "units": one["exposed"]} for one in (row.findings or {}).get("arms", ())]
    wanted = needed["units_per_arm"]
    fewest = min((one["units"] for one in arms), default=0)
    a_day = _a_day(row, sum(one["units"] for one in arms), now)
    missing = sum(max(wanted - one["units"], 0) for one in arms) if arms else needed["units"]
    return {
        "units_per_arm": wanted,
        "arms": arms,
        "share": fewest / wanted if wanted else None,
        "units_a_day": a_day,
        "days_running": _days(row, now),
        "days_missing": missing / a_day if a_day else None,
    }


def _days(row: Experiment, now: datetime) -> float | None:
    return ((row.stopped_at or now) - row.started_at) / timedelta(days=1) if row.started_at else None


def _a_day(row: Experiment, units: int, now: datetime) -> float | None:
    days = _days(row, now)
    return units / days if days and days * 24 >= LEAST_HOURS and units else None


def funnel_lift(row: Experiment) -> list[Json]:
    """State by state, in the order in which conversations meet them; `differs`: an arm acts differently there."""
    held = queries.state_funnel(row)
    if not held:
        return []
    states = [state for state in queries.funnel_states(row) if state in held]
    arms = [(one.key, one.is_control) for one in row.variants.all()]
    fewest = min((one["exposed"] for one in (row.findings or {}).get("arms", ())), default=0)
    readable = row.stats_mode == Experiment.Mode.SEQUENTIAL or due(row, fewest)
    found = funnel.lifts(states, arms, held, mode=row.stats_mode, alpha=row.alpha, many=row.many, due=readable)
    return [{**one, "differs": one["state"] in row.states} for one in found]


def primary_asked(row: Experiment) -> Asked | None:
    found = next((one for one in row.metrics.all() if one.role == ExperimentMetric.Role.PRIMARY), None)
    return asked_of(found) if found is not None else None


def effect(row: Experiment) -> Json | None:
    """The difference of the first primary metric as it was at the end of each day, with its interval."""
    asked = primary_asked(row)
    if asked is None:
        return None
    points = [{"day": day.isoformat(), "arms": _differences(row, asked, held)} for day, held in queries.sums_by_day(row, asked.metric.key)]
    return {"metric": asked.metric.key, "label": asked.label or asked.metric.kind.label, "higher_is_better": asked.metric.better_up, "points": points}


def _differences(row: Experiment, asked: Asked, held: Mapping[str, Sums]) -> Json:
    arms = list(row.variants.all())
    sums = [held.get(one.key, Sums()) for one in arms]
    if asked.cuped:
        sums = statistics.cuped(sums)
    control = next((mine for one, mine in zip(arms, sums, strict=True) if one.is_control), Sums())
    ratio = is_ratio(asked.metric, many=row.many)
    found = {
        one.key: statistics.plain(analysis.difference(control, mine, asked.metric, ratio, row.stats_mode, row.alpha))
        for one, mine in zip(arms, sums, strict=True)
        if not one.is_control and mine.n and control.n
    }
    return {key: {name: one[name] for name in ("value", "lower", "upper")} for key, one in found.items() if one}


def cost_of_stopping(row: Experiment, needed: Mapping[str, Any], now: datetime) -> Json | None:
    """None before anything was counted, without a primary metric, and for a bandit, which estimates nothing."""
    asked = primary_asked(row)
    days = queries.sums_by_day(row, asked.metric.key) if asked is not None else []
    if asked is None or not days or row.allocation == Experiment.Allocation.BANDIT:
        return None
    held = days[-1][1]
    arms = list(row.variants.all())
    control = next((one.key for one in arms if one.is_control), "")
    found = stopping(
        held.get(control, Sums()),
        [(one.key, held.get(one.key, Sums())) for one in arms if not one.is_control],
        ratio=is_ratio(asked.metric, many=row.many),
        higher_is_better=asked.metric.better_up,
        effect=row.minimum_effect,
        needed=needed["units_per_arm"],
        alpha=row.alpha,
        target=row.power,
        sequential=row.stats_mode == Experiment.Mode.SEQUENTIAL,
    )
    return {"metric": asked.metric.key, "label": asked.label or asked.metric.kind.label, **found}


def ramp_of(row: Experiment, now: datetime) -> list[Json]:
    """The steps, done, `now`, next and later; of the next one, since when it may be taken and how many units it still waits for."""
    steps = row.ramp or []
    started = row.started_at is not None and row.state not in (State.DRAFT, State.VALIDATED)
    return [_step(row, index, step, started, now) for index, step in enumerate(steps)]


def _step(row: Experiment, index: int, step: Mapping[str, Any], started: bool, now: datetime) -> Json:
    place = index - row.ramp_step if started else index + 1
    found: Json = {
        "coverage": step["coverage"],
        "min_hours": step.get("min_hours", 0),
        "min_units": step.get("min_units", 0),
        "state": "done" if place < 0 else "now" if place == 0 else "next" if place == 1 and started else "later",
        "due_at": None,
        "units_missing": None,
    }
    if found["state"] == "next":
        held = row.ramp[index - 1]
        found["due_at"] = (row.stepped_at or now) + timedelta(hours=min(held.get("min_hours", 0), MOST_OF_STEP["min_hours"]))
        found["units_missing"] = max(int(held.get("min_units", 0)) - int((row.findings or {}).get("exposed", 0)), 0)
    return found
