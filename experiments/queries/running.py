"""What runs: the experiments of an environment made ready for turns, believed for half a second.

Every turn asks, so the answer is kept; a stop counts at once in the process that made it and within half a second in all others.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from experiments.core.assign import Arm, Holdout, Namespace, Plan
from experiments.models import Experiment, Force, Variant

BELIEVED_SECONDS = 0.5  # the kill switch must work within one
EVERYWHERE = 0  # no environment has this number
_KEPT = 10_000
_running: dict[tuple[UUID, int], tuple[tuple["Trial", ...], float]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A running experiment as turns need it. `versions` by arm; `arms` by version; `states` is where an arm differs from the base."""

    id: UUID
    key: str
    kind: str
    plan: Plan
    flow_id: str
    subject: str
    unit: str
    bucket_version: int
    phase: int
    opened: datetime  # the phase
    since: datetime  # who takes part has been served without a break
    versions: Mapping[str, str]
    arms: Mapping[str, str]
    rows: Mapping[str, int]  # primary keys of variants, by arm
    models: Mapping[str, UUID]
    states: frozenset[str]
    forced: Mapping[str, str]  # unit -> arm


def running(tenant_id: UUID, environment_id: int) -> tuple[Trial, ...]:
    """The experiments that run there, the oldest first."""
    if not settings.ENABLE_AB_TESTING:
        return ()
    known = _running.get((tenant_id, environment_id))
    now = time.monotonic()
    if known is not None and now < known[1]:
        return known[0]
    found = _read(tenant_id, environment_id)
    if len(_running) >= _KEPT:
        _running.clear()
    # Also inside a transaction, where turns are on SQLite: what one sees of itself and takes back is believed for half a second at most.
    _running[tenant_id, environment_id] = (found, now + BELIEVED_SECONDS)
    return found


def running_rankings(tenant_id: UUID) -> tuple[Trial, ...]:
    """The experiments on models that rank findings: these know no environments. As cheap as `running`. Also those that pause (their plan does not
    run): buildings that have an arm keep its order, or what people do meanwhile would count for one arm alone."""
    return running(tenant_id, EVERYWHERE)


def forget(tenant_id: UUID) -> None:
    """An experiment of this tenant has changed."""
    for key in [key for key in list(_running) if key[0] == tenant_id]:
        _running.pop(key, None)


def _read(tenant_id: UUID, environment_id: int) -> tuple[Trial, ...]:
    rows = Experiment.objects.for_tenant(tenant_id)
    if environment_id == EVERYWHERE:
        rows = rows.filter(kind=Experiment.Kind.RISK_MODEL, state__in=(Experiment.State.RUNNING, Experiment.State.PAUSED))
    else:
        rows = rows.filter(environment_id=environment_id, state=Experiment.State.RUNNING)
    rows = rows.select_related("flow", "namespace", "holdout").prefetch_related("variants", "forces__variant").order_by("started_at", "pk")
    return tuple(trial_of(row) for row in rows)


def trial_of(row: Experiment) -> Trial:
    """Made ready from its row, whatever state it is in."""
    variants: list[Variant] = list(row.variants.all())
    forces: list[Force] = list(row.forces.all())
    opened = row.started_at or row.created_at
    return Trial(
        id=row.pk,
        key=row.key,
        kind=row.kind,
        plan=plan_of(row, variants),
        flow_id=row.flow.flow_id if row.flow else "",
        subject=row.subject,
        unit=row.unit,
        bucket_version=row.bucket_version,
        phase=row.phase,
        opened=opened,
        since=max(filter(None, (opened, row.starts_at, row.resumed_at))),
        versions={one.key: str(one.version_id) for one in variants if one.version_id},
        arms={str(one.version_id): one.key for one in variants if one.version_id},
        rows={one.key: one.pk for one in variants},
        models={one.key: one.model_id for one in variants if one.model_id},
        states=frozenset(row.states),
        forced={one.unit_id: one.variant.key for one in forces},
    )


def plan_of(row: Experiment, variants: list[Variant]) -> Plan:
    bandit = row.allocation == Experiment.Allocation.BANDIT
    weights = [one.weight if bandit and one.weight is not None else one.percentage / 100 for one in variants]
    namespace: Namespace | None = (row.namespace.key, row.namespace_start, row.namespace_end) if row.namespace else None
    held = row.holdout if row.holdout and row.holdout.active else None
    return Plan(
        key=row.key,
        arms=tuple(Arm(key=one.key, weight=weight) for one, weight in zip(variants, weights, strict=True)),
        seed=row.seed,
        running=row.state == Experiment.State.RUNNING,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        coverage=row.coverage,
        hash_version=row.hash_version,
        namespace=namespace,
        targeting=row.targeting,
        holdout=Holdout(seed=held.seed, share=held.share) if held else None,
        drawn=row.allocation == Experiment.Allocation.RANDOM,
    )
