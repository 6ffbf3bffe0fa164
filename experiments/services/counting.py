"""Counting: what exposed conversations have come to is added to the sums, once, whoever does it and however often it is tried.

Each exposure remembers what of its conversation is in the sums already; a conversation that has moved on is read again and the difference
added. Units of several conversations are summed up before they count, because people were shared out, not conversations.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from experiments import queries
from experiments.core import analysis, metrics
from experiments.core.analysis import Arm, Asked, Question
from experiments.core.metrics import Metric, Outcome, Value
from experiments.core.sums import Sums
from experiments.models import Assignment, Experiment, ExperimentMetric, Exposure, MetricSnapshot, Variant
from experiments.queries import trial_of
from experiments.queries.rows import REACHED, exposed, newest
from experiments.services.sizing import planned_units
from mcp_platform.tenancy.models import Tenant

BATCH = 500
FRESH = timedelta(seconds=20)
QUIET = timedelta(days=14)  # a conversation that has not moved for so long is settled
# (of exposures that are younger than, every)
LOOKS = ((timedelta(hours=1), timedelta(0)), (timedelta(days=1), timedelta(minutes=10)), (timedelta(days=365), timedelta(hours=2)))
BEFORE_DAYS = 28  # CUPED looks back
COUNTED = (Experiment.State.RUNNING, Experiment.State.PAUSED, Experiment.State.STOPPED)
Contribution = Mapping[str, Value]

# What conversations came to, by conversation, of those that have moved beyond the event number given. The app above registers it.
Source = Callable[[Tenant, Mapping[UUID, int]], Mapping[UUID, Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A building whose findings a model ranks since a moment, and until one when the experiment has ended; `seq` is what was seen of it."""

    model: UUID | None
    since: datetime
    seq: int
    until: datetime | None = None

    def lasted(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


# The same of buildings: what people made of the findings that the model ranks there. `seq` of an outcome is any number that moves with it.
RankingSource = Callable[[Tenant, Mapping[UUID, Ranked]], Mapping[UUID, Outcome]]
# Outcomes of a user's conversations in the days before a moment.
History = Callable[[Tenant, str, Any, int], Iterable[Outcome]]


@dataclass(slots=True)
class _Sources:
    outcomes: Source | None = None
    history: History | None = None
    rankings: RankingSource | None = None


_sources = _Sources()


def use_source(outcomes: Source, history: History) -> None:
    """The app that has conversations says how to read them."""
    _sources.outcomes, _sources.history = outcomes, history


def use_rankings(rankings: RankingSource) -> None:
    """The app that has findings says what became of them."""
    _sources.rankings = rankings


def _outcomes(tenant: Tenant, row: Experiment, found: list[Exposure]) -> Mapping[UUID, Outcome]:
    if row.kind != Experiment.Kind.RISK_MODEL:
        return _sources.outcomes(tenant, {one.conversation_id: one.seq for one in found}) if _sources.outcomes is not None else {}
    models = dict(row.variants.values_list("pk", "model_id"))
    until = end_of(row)
    seen = {one.conversation_id: Ranked(model=models.get(one.variant_id), since=one.at, seq=one.seq, until=until) for one in found}
    return _sources.rankings(tenant, seen) if _sources.rankings is not None else {}


def end_of(row: Experiment) -> datetime | None:
    """When the arms' models ranked last; None while they do."""
    return row.stopped_at or (row.ends_at if row.ends_at and row.ends_at <= timezone.now() else None)


def is_closed(row: Experiment) -> bool:
    """Of rankings that have ended nothing more is counted than what was there then: the champion ranks these lists again, and whose they were is
    lost with that. A count after the end (`closing`) is the last."""
    if row.kind != Experiment.Kind.RISK_MODEL:
        return False
    end = end_of(row)
    return row.state not in COUNTED or (end is not None and row.counted_at is not None and row.counted_at >= end)


def experiments_behind() -> list[tuple[UUID, UUID]]:
    """(tenant, experiment) of those that may have something new."""
    rows = Experiment.objects.filter(state__in=COUNTED)
    stale = rows.filter(Q(counted_at=None) | Q(counted_at__lt=timezone.now() - FRESH)).filter(started_at__isnull=False)
    still = stale.exclude(state=Experiment.State.STOPPED, stopped_at__lt=timezone.now() - QUIET)
    still = still.exclude(kind=Experiment.Kind.RISK_MODEL, state=Experiment.State.STOPPED, counted_at__gte=F("stopped_at"))
    return list(still.order_by(F("counted_at").asc(nulls_first=True)).values_list("tenant_id", "pk")[:200])


def count(tenant: Tenant, *, key: str | UUID) -> dict[str, Any]:
    """Bring the sums and the findings up to date, and give the findings."""
    began = timezone.now()
    row = queries.experiment(tenant, key)
    while not is_closed(row) and _batch(tenant, row, began) == BATCH:
        pass
    return settle_findings(tenant, row, began)


def _batch(tenant: Tenant, row: Experiment, began: Any) -> int:
    """One batch of exposures that were not looked at since `began`; how many there were."""
    if _sources.outcomes is None:
        return 0
    open_ = Exposure.objects.for_tenant(tenant).filter(experiment=row, phase=row.phase, settled=False)
    last = row.kind == Experiment.Kind.RISK_MODEL and end_of(row) is not None
    wanted = Q(looked_at=None) | Q(looked_at__lt=began) if last else _due_for_a_look(began)
    due = open_.filter(wanted).order_by(F("looked_at").asc(nulls_first=True))[:BATCH]
    found = list(due.select_related("assignment"))
    if not found:
        return 0
    outcomes = _outcomes(tenant, row, found)
    moved = [one for one in found if one.conversation_id in outcomes]
    with transaction.atomic():
        if not Experiment.objects.filter(pk=row.pk, count_rev=row.count_rev).update(count_rev=F("count_rev") + 1):
            row.refresh_from_db(fields=["count_rev", "state", "stopped_at", "counted_at"])
            return BATCH  # somebody else has counted meanwhile: look again
        row.count_rev += 1
        _add(tenant, row, moved, outcomes)
        _mark(found, moved, outcomes)
    return len(found)


def _due_for_a_look(now: datetime) -> Q:
    """The older, the rarer: an exposure of today that says nothing new is asked again in ten minutes, one of yesterday in two hours."""
    rare = [Q(at__gte=now - since, looked_at__lt=now - every) for since, every in LOOKS]
    return Q(looked_at=None) | reduce(or_, rare)


def _mark(found: list[Exposure], moved: list[Exposure], outcomes: Mapping[UUID, Outcome]) -> None:
    now = timezone.now()
    for one in moved:
        one.seq, one.moved_at = outcomes[one.conversation_id].seq, now
    seen = Exposure.objects.filter(pk__in=[one.pk for one in found])
    Exposure.objects.bulk_update(moved, ["seq", "counted", "moved_at"], batch_size=200)
    seen.update(looked_at=timezone.now())  # by the clock that asks, or the loop might not end
    seen.filter(Q(moved_at__lt=now - QUIET) | Q(moved_at=None, at__lt=now - QUIET)).update(settled=True)


def _add(tenant: Tenant, row: Experiment, moved: list[Exposure], outcomes: Mapping[UUID, Outcome]) -> None:
    """The difference that these conversations make, by arm and metric. Sets `counted` of each."""
    asked = [asked_of(one) for one in row.metrics.select_related("metric")]
    states = queries.funnel_states(row)
    units = _units(tenant, moved)
    difference: dict[tuple[int, str], Sums] = defaultdict(Sums)
    counts: dict[int, dict[int, Contribution]] = {unit: {one.pk: _plain(one.counted) for one in mine} for unit, mine in units.items()}
    before = {unit: _covariates(tenant, row, asked, mine[0].assignment) for unit, mine in units.items()}
    for unit, mine in units.items():
        variant = mine[0].variant_id
        for name, sums in _unit_sums(counts[unit].values(), before[unit]).items():
            difference[variant, name] -= sums
    for one in moved:
        if not one.analysed:
            continue
        fresh = _contribution(asked, states, outcomes[one.conversation_id])
        counts[one.assignment_id][one.pk] = fresh
        one.counted = {name: list(value) for name, value in fresh.items()}
    for unit, mine in units.items():
        variant = mine[0].variant_id
        for name, sums in _unit_sums(counts[unit].values(), before[unit]).items():
            difference[variant, name] += sums
    _write(tenant, row, difference)


def withdraw(tenant: Tenant, row: Experiment, unit: str) -> None:
    """Take what a unit did out of the sums, and analyse it no more. Called with the experiment locked, which is saved afterwards."""
    exposures = Exposure.objects.for_tenant(tenant).filter(experiment=row, assignment__unit_id=unit, analysed=True)
    difference: dict[tuple[int, str], Sums] = defaultdict(Sums)
    for mine in _units(tenant, list(exposures.filter(phase=row.phase))).values():
        before = {name: float(value) for name, value in mine[0].assignment.before.items()}
        for name, sums in _unit_sums([_plain(one.counted) for one in mine], before).items():
            difference[mine[0].variant_id, name] -= sums
    exposures.update(analysed=False)
    row.count_rev += 1  # who counts at this moment begins again
    _write(tenant, row, difference)


def _units(tenant: Tenant, moved: list[Exposure]) -> dict[int, list[Exposure]]:
    """All exposures of the units that these belong to, by assignment."""
    ids = {one.assignment_id for one in moved if one.analysed}
    rows: QuerySet[Exposure] = Exposure.objects.for_tenant(tenant).filter(assignment_id__in=ids, analysed=True).select_related("assignment")
    found: dict[int, list[Exposure]] = defaultdict(list)
    for one in rows:
        found[one.assignment_id].append(one)
    return found


def _plain(counted: Mapping[str, Any]) -> Contribution:
    return {name: (float(value[0]), float(value[1])) for name, value in counted.items()}


def _contribution(asked: list[Asked], states: Iterable[str], outcome: Outcome) -> Contribution:
    found = {one.metric.key: value for one in asked if (value := metrics.value_of(one.metric, outcome)) is not None}
    return found | {f"{REACHED}{state}": (1.0 if state in outcome.states else 0.0, 1.0) for state in states}


def _unit_sums(conversations: Iterable[Contribution], before: Mapping[str, float]) -> dict[str, Sums]:
    """One unit's part in each metric."""
    values: dict[str, list[Value]] = defaultdict(list)
    for one in conversations:
        for name, value in one.items():
            values[name].append(value)
    return {name: metrics.unit_sums(held, before.get(name, 0.0)) for name, held in values.items()}


def _covariates(tenant: Tenant, row: Experiment, asked: list[Asked], unit: Assignment) -> Mapping[str, float]:
    """What the unit did in the weeks before, by metric; looked up once and kept with its row."""
    wanted = [one.metric for one in asked if one.cuped]
    if not wanted or not row.many or _sources.history is None:
        return {}
    missing = [metric for metric in wanted if metric.key not in unit.before]
    if missing:
        past = list(_sources.history(tenant, unit.unit_id, unit.at, BEFORE_DAYS))
        found = {metric.key: _mean([value for one in past if (value := metrics.value_of(metric, one)) is not None]) for metric in missing}
        unit.before = {**unit.before, **found}
        unit.save(update_fields=("before",))
    return {name: float(value) for name, value in unit.before.items()}


def _mean(values: list[Value]) -> float:
    of = sum(d for _, d in values)
    return sum(y for y, _ in values) / of if of else 0.0


def _write(tenant: Tenant, row: Experiment, difference: Mapping[tuple[int, str], Sums]) -> None:
    """Into today's rows; a day's first row begins with what the last one ended with."""
    today = timezone.now().date()
    held = _held(tenant, row, today)
    for (variant, name), sums in difference.items():
        day, last = held.get((variant, name), (None, Sums()))
        total = (last + sums).to_json()
        values = {"tenant_id": tenant.pk, "sums": total}
        keys: Any = {"experiment": row, "variant_id": variant, "metric": name, "phase": row.phase, "day": today}
        if day == today:
            MetricSnapshot.objects.filter(**keys).update(sums=total)
        else:
            MetricSnapshot.objects.update_or_create(**keys, defaults=values)


def _held(tenant: Tenant, row: Experiment, today: date) -> dict[tuple[int, str], tuple[date, Sums]]:
    """The last row of each arm and metric."""
    rows = MetricSnapshot.objects.for_tenant(tenant).filter(experiment=row, phase=row.phase, day__lte=today)
    return {(one.variant_id, one.metric): (one.day, Sums.from_json(one.sums)) for one in newest(rows)}


def settle_findings(tenant: Tenant, row: Experiment, began: datetime) -> dict[str, Any]:
    """Analyse the sums as they are, and keep what comes of it. `began`: when the count did."""
    found = analysed(tenant, row)
    today = timezone.now().date()
    for arm, variant in zip(found["arms"], row.variants.all(), strict=True):
        keys: Any = {"experiment": row, "variant": variant, "metric": "", "phase": row.phase, "day": today}
        MetricSnapshot.objects.update_or_create(**keys, defaults={"tenant_id": tenant.pk, "sums": {"n": arm["exposed"]}})
    found["as_of"] = timezone.now().isoformat()
    values: dict[str, Any] = {"counted_at": Now()}
    if row.kind == Experiment.Kind.RISK_MODEL:  # whoever counts at this moment looks whether it was the last time
        values = {"counted_at": max(began, end_of(row) or began), "count_rev": F("count_rev") + 1}
    Experiment.objects.filter(pk=row.pk).update(findings=found, **values)
    row.findings = found
    return found


def analysed(tenant: Tenant, row: Experiment) -> dict[str, Any]:
    variants: list[Variant] = list(row.variants.all())
    units = exposed(row)
    shares = trial_of(row).plan.arms
    arms = [
        Arm(key=one.key, control=one.is_control, share=arm.weight, exposed=units.get(one.pk, 0)) for one, arm in zip(variants, shares, strict=True)
    ]
    names = {one.pk: one.key for one in variants}
    held = {(metric, names[variant]): sums for (variant, metric), (_, sums) in _held(tenant, row, timezone.now().date()).items()}
    bandit = row.allocation == Experiment.Allocation.BANDIT
    fewest = min((arm.exposed for arm in arms), default=0)
    question = Question(mode=row.stats_mode, alpha=row.alpha, many=row.many, due=due(row, fewest), estimates=not bandit)
    asked = [asked_of(one) for one in row.metrics.select_related("metric")]
    found = analysis.analyse(arms, asked, held, question)
    if bandit:  # its shares move on purpose
        found["sample_ratio"] = {"p_value": None, "alarm": False, "threshold": found["sample_ratio"]["threshold"]}
        found["verdict"] = analysis.verdict(found["metrics"], found["sample_ratio"], found["breaches"], question)
    return {"experiment": row.key, "phase": row.phase, "allocation": row.allocation, **found}


def due(row: Experiment, fewest: int) -> bool:
    """Whether a test at the end may be read: the planned units are there (`fewest`: in the smallest arm), or it is over."""
    if row.state in (Experiment.State.STOPPED, Experiment.State.DECIDED) or (row.ends_at and timezone.now() >= row.ends_at):
        return True
    return row.stats_mode != Experiment.Mode.SEQUENTIAL and fewest >= planned_units(row)


def asked_of(one: ExperimentMetric) -> Asked:
    held = one.metric
    metric = Metric(key=held.key, measure=held.measure, of=held.of, cap=held.cap, higher_is_better=held.higher_is_better)
    cuped = held.cuped and metric.kind.shape is not metrics.Shape.RATIO
    return Asked(metric=metric, role=one.role, margin=one.margin, label=held.name, cuped=cuped)
