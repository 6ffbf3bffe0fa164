"""What happens by itself: an end that has come, a guardrail that broke, the next step of a ramp, new weights of a bandit."""

import zlib
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from experiments import queries
from experiments.core import bandit
from experiments.core.metrics import Shape, is_ratio
from experiments.core.sums import Sums
from experiments.models import Experiment, ExperimentMetric, MetricSnapshot, Variant
from experiments.services.counting import asked_of, count
from experiments.services.rows import locked, saved
from experiments.services.running import next_step, ramp, stop
from mcp_platform.tenancy.models import Tenant

State = Experiment.State
LEAST_BANDIT = 50  # exposed units before weights move


def watch(tenant: Tenant, *, key: str | UUID) -> str:
    """Count, then do what the numbers ask for. What was done: mismatch, harm, ended, ramped, weights, or "" for nothing."""
    found = count(tenant, key=key)
    row = queries.experiment(tenant, key)
    if row.state not in (State.RUNNING, State.PAUSED):
        return ""
    code = found["verdict"]["code"]
    if row.auto_stop and code in ("mismatch", "harm"):
        stop(tenant, key=row.pk, reason=found["verdict"]["sentence"], code=code, by=None)
        return str(code)
    if row.ends_at and timezone.now() >= row.ends_at:
        stop(tenant, key=row.pk, reason="Its time is over.", code="ended", by=None)
        return "ended"
    if row.allocation == Experiment.Allocation.BANDIT and found["exposed"] >= LEAST_BANDIT:
        moved = _move_weights(tenant, row)
        return _step(tenant, row) or moved
    return _step(tenant, row)


def _step(tenant: Tenant, row: Experiment) -> str:
    step = next_step(row)
    if step is None or row.findings.get("breaches") or row.findings.get("sample_ratio", {}).get("alarm"):
        return ""
    with transaction.atomic():
        held = locked(tenant, row.pk)
        if held.ramp_step != row.ramp_step or held.state != State.RUNNING:
            return ""
        Experiment.objects.filter(pk=row.pk).update(ramp_step=row.ramp_step + 1)
        ramp(tenant, key=row.pk, coverage=float(step["coverage"]), by=None)
    return "ramped"


def _move_weights(tenant: Tenant, row: Experiment) -> str:
    """A batch of Thompson sampling over the primary metric. The same numbers give the same weights."""
    primary = row.metrics.filter(role=ExperimentMetric.Role.PRIMARY).select_related("metric").first()
    if primary is None:
        return ""
    asked = asked_of(primary)
    variants: list[Variant] = list(row.variants.all())
    arms = [_sums(row, one, asked.metric.key) for one in variants]
    seed = zlib.crc32(repr([arm.to_json() for arm in arms]).encode())
    ratio = is_ratio(asked.metric, many=row.many)
    share = asked.metric.kind.shape is Shape.SHARE and not ratio
    weights = bandit.thompson(arms, seed=seed, share=share, ratio=ratio, higher_is_better=asked.metric.better_up)
    if all(abs((one.weight or 0.0) - weight) < 0.005 for one, weight in zip(variants, weights, strict=True)):
        return ""
    with transaction.atomic():
        held = locked(tenant, row.pk)
        for one, weight in zip(variants, weights, strict=True):
            Variant.objects.filter(pk=one.pk).update(weight=weight)
        changes: dict[str, Any] = {one.key: round(weight, 4) for one, weight in zip(variants, weights, strict=True)}
        saved(held, by=None, deed="weights", changes=changes)
    return "weights"


def _sums(row: Experiment, variant: Variant, metric: str) -> Sums:
    rows = MetricSnapshot.objects.for_tenant(row.tenant_id).filter(experiment=row, variant=variant, metric=metric, phase=row.phase)
    last = rows.order_by("-day").first()
    return Sums.from_json(last.sums) if last else Sums()
