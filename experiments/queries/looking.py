"""How an experiment came to where it is: exposures over time, sums by day, the states of its funnel."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import TruncHour, TruncMinute

from experiments.core.funnel import in_order
from experiments.core.sums import Sums
from experiments.models import Experiment, Exposure, MetricSnapshot
from flows import queries as flows
from flows.core.types import Flow

MOST_STATES: Final = 40  # of the funnel
# (younger than, step, truncation); older phases are told by their days, from what was counted
STEPS: Final = ((timedelta(hours=3), "minute", TruncMinute), (timedelta(days=4), "hour", TruncHour))
Point = dict[str, Any]


def funnel_states(row: Experiment) -> list[str]:
    """In the order in which conversations meet them. Where arms differ is always among them, however many there are."""
    programs = [flows.program_for(one.version_id).flow for one in row.variants.all() if one.version_id]
    if not programs:
        return list(row.states)[:MOST_STATES]
    onward: dict[str, list[str]] = {}
    for flow in programs:
        for name, targets in _onward(flow):
            onward.setdefault(name, []).extend(targets)
    met = in_order(dict.fromkeys(flow.initial_state for flow in programs), onward)
    kept = set(list(dict.fromkeys((*row.states, *met)))[:MOST_STATES])
    return [state for state in met if state in kept]


def _onward(flow: Flow) -> Iterable[tuple[str, list[str]]]:
    return ((name, [one.target_state for one in state.transitions]) for name, state in flow.states.items())


def exposure_series(row: Experiment, now: datetime) -> dict[str, Any]:
    """Units of each arm that were exposed until then, cumulative. `step` is minute, hour or day, the finer the younger the phase."""
    arms = {one.pk: one.key for one in row.variants.all()}
    if row.started_at is None:
        return {"step": "day", "points": []}
    end = min(row.stopped_at or now, now)
    for younger, step, truncate in STEPS:
        if end - row.started_at < younger:
            points = _exact(row, arms, truncate)
            return {"step": step, "points": _framed(points, row.started_at, end, arms.values())}
    return {"step": "day", "points": _framed(_by_day(row, end), row.started_at, end, arms.values())}


def _exact(row: Experiment, arms: Mapping[int, str], truncate: Any) -> list[Point]:
    """From the exposures; the first one of a unit counts."""
    rows: QuerySet[Exposure] = Exposure.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase, analysed=True)
    if row.many:
        earlier = Exposure.objects.filter(assignment=OuterRef("assignment"), phase=row.phase, analysed=True, at__lt=OuterRef("at"))
        rows = rows.filter(~Exists(earlier))
    found = (
        rows.annotate(then=truncate("at", tzinfo=UTC)).values_list("then", "variant").annotate(n=Count("assignment", distinct=True)).order_by("then")
    )
    total = dict.fromkeys(arms.values(), 0)
    points: list[Point] = []
    for then, variant, count in found:
        total[arms[variant]] += count
        if points and points[-1]["at"] == then:
            points[-1]["arms"] = dict(total)
        else:
            points.append({"at": then, "arms": dict(total)})
    return points


def _by_day(row: Experiment, end: datetime) -> list[Point]:
    """From what was counted, at the end of each day; of today, what there is."""
    rows = MetricSnapshot.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase, metric="").select_related("variant")
    days: dict[Any, dict[str, int]] = {}
    for one in rows.order_by("day"):
        days.setdefault(one.day, {})[one.variant.key] = int(one.sums.get("n", 0))
    midnight = timedelta(days=1)
    return [{"at": min(datetime.combine(day, time(), UTC) + midnight, end), "arms": arms} for day, arms in days.items()]


def _framed(points: list[Point], start: datetime, end: datetime, arms: Iterable[str]) -> list[Point]:
    """From nobody at the start to as many at the end as at the last point."""
    none = dict.fromkeys(arms, 0)
    last = points[-1]["arms"] if points else none
    inner = [{"at": min(max(one["at"], start), end), "arms": {**none, **one["arms"]}} for one in points]
    return [{"at": start, "arms": none}, *inner, {"at": end, "arms": {**none, **last}}]


def sums_by_day(row: Experiment, metric: str) -> list[tuple[Any, dict[str, Sums]]]:
    """(day, arm -> sums at the end of it) of one metric in this phase; an arm without news keeps those of the day before."""
    rows = MetricSnapshot.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase, metric=metric).select_related("variant")
    held: dict[str, Sums] = {}
    days: dict[Any, dict[str, Sums]] = {}
    for one in rows.order_by("day"):
        held = {**held, one.variant.key: Sums.from_json(one.sums)}
        days[one.day] = held
    return list(days.items())


def last_exposure(row: Experiment) -> datetime | None:
    """Asked arm by arm, which is how the index has them."""
    rows = Exposure.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase, variant=OuterRef("pk")).order_by("-at")
    found: datetime | None = row.variants.annotate(last=Subquery(rows.values("at")[:1])).aggregate(newest=Max("last"))["newest"]
    return found
