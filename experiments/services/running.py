"""Run an experiment: start, pause, ramp, stop. What stops counts within half a second in every process."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from experiments import queries
from experiments.core import statistics
from experiments.core.assign import Reason
from experiments.errors import NotInThisState, Overlaps, PlanRefused, RampRefused, TestingIsOff, VariantNotFound
from experiments.models import Assignment, Experiment, Force
from experiments.services import challenging
from experiments.services.checking import fault
from experiments.services.counting import withdraw
from experiments.services.planning import require_base
from experiments.services.rows import Key, locked, note, require, saved, tell
from experiments.services.sizing import basis_of, frozen
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of

State = Experiment.State
RUNS = (State.RUNNING, State.PAUSED)


def start(tenant: Tenant, *, key: Key, expected_rev: int | None = None, by: By) -> Experiment:
    """Raises NotInThisState, BaseHasMoved, Overlaps, TestingIsOff; of models NotInThisStage, IsRejected, ArtifactRefused."""
    if not settings.ENABLE_AB_TESTING:
        raise TestingIsOff
    basis = basis_of(queries.experiment(tenant, key))  # from a thousand conversations: read before anything is locked
    with transaction.atomic():
        row = locked(tenant, key, expected_rev)
        require(row, (State.VALIDATED,), "started")
        require_base(row)
        require_alone(row)
        now = timezone.now()
        row.state, row.started_at, row.stepped_at, row.stopped_at, row.stop_reason = State.RUNNING, now, now, None, ""
        if row.ramp:
            row.ramp_step, row.coverage = 0, row.ramp[0]["coverage"]
        row.sized = frozen(row, basis)
        told = {"phase": row.phase, "coverage": row.coverage, "seed": row.seed, "units_per_arm": row.sized["units_per_arm"]}
        saved(row, by=by, deed="start", changes=told)
        challenging.begin(row, by)
        tell(row, "started", phase=row.phase, coverage=row.coverage)
    return row


def require_alone(row: Experiment) -> None:
    """Two experiments that meet the same unit in the same flow would measure each other. Raises Overlaps."""
    others = Experiment.objects.for_tenant(row.tenant_id).filter(state__in=RUNS, kind=row.kind).exclude(pk=row.pk)
    if row.kind != Experiment.Kind.RISK_MODEL:  # findings know no environments
        others = others.filter(environment=row.environment)
    others = others.filter(flow=row.flow) if row.kind == Experiment.Kind.FLOW else others.filter(subject=row.subject)
    for other in others:
        apart = row.namespace_end <= other.namespace_start or other.namespace_end <= row.namespace_start
        if row.namespace_id is None or row.namespace_id != other.namespace_id or not apart:
            raise Overlaps(f"{other.key} runs on the same flow and may meet the same people.", experiment=other.key)


def pause(tenant: Tenant, *, key: Key, by: By) -> Experiment:
    """Nobody new takes part; conversations that began in a variant go on in it, and their outcomes still count."""
    return _move(tenant, key, (State.RUNNING,), State.PAUSED, "paused", by)


def resume(tenant: Tenant, *, key: Key, by: By) -> Experiment:
    """What began during the pause ran in the base, whatever its unit's arm, and is never exposed."""
    return _move(tenant, key, (State.PAUSED,), State.RUNNING, "resumed", by)


def _move(tenant: Tenant, key: Key, before: tuple[str, ...], after: str, deed: str, by: By) -> Experiment:
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, before, deed)
        row.state = after
        if after == State.RUNNING:
            row.resumed_at = timezone.now()
        return saved(row, by=by, deed=deed, changes={"state": after})


def stop(tenant: Tenant, *, key: Key, reason: str = "", code: str = "asked", by: By) -> Experiment:
    """The kill switch: every flow begins in its current version again, and the champion understands and ranks for all. By itself when `by` is
    nobody; then `code` says why."""
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, RUNS, "stopped")
        row.state, row.stopped_at, row.stop_reason = State.STOPPED, timezone.now(), reason[:500]
        saved(row, by=by, deed="stop", changes={"reason": reason, "code": code, "automatic": by is None})
        challenging.end(row, by)
        note(row, "stop", reason=reason, by=by)
        tell(row, "stopped", reason=reason, automatic=by is None, code=code)
    return row


def ramp(tenant: Tenant, *, key: Key, coverage: float, by: By) -> Experiment:
    """Let more take part (or fewer: whoever has a variant keeps it). More needs units that are shared out rightly and no broken guardrail.

    Raises RampRefused, NotInThisState, PlanRefused.
    """
    if not 0 <= coverage <= 1:
        raise PlanRefused(errors=[fault("$.coverage", "range", "is no share", "0 to 1")])
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, RUNS, "ramped")
        if coverage > row.coverage:
            _require_clean(row)
        before, row.coverage, row.stepped_at = row.coverage, coverage, timezone.now()
        saved(row, by=by, deed="ramp", changes={"coverage": [before, coverage], "automatic": by is None})
        tell(row, "ramped", coverage=coverage, automatic=by is None)
    return row


def step(tenant: Tenant, *, key: Key, by: By) -> Experiment:
    """Take the next step of the ramp now, whatever it still waits for. Raises RampRefused, NotInThisState."""
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, RUNS, "ramped")
        if row.ramp_step + 1 >= len(row.ramp or []):
            raise NotInThisState("The ramp has no step left.", state=row.state, expected=["a ramp with a next step"])
        _require_clean(row)
        Experiment.objects.filter(pk=row.pk).update(ramp_step=row.ramp_step + 1)
        return ramp(tenant, key=row.pk, coverage=float(row.ramp[row.ramp_step + 1]["coverage"]), by=by)


def _require_clean(row: Experiment) -> None:
    found = row.findings or {}
    if found.get("sample_ratio", {}).get("alarm"):
        raise RampRefused("Units are not shared out as planned.", p_value=found["sample_ratio"]["p_value"], threshold=statistics.SRM_ALARM)
    if found.get("breaches"):
        raise RampRefused("A guardrail is broken.", metrics=[one["metric"] for one in found["breaches"]])


def next_step(row: Experiment) -> Mapping[str, Any] | None:
    """The step of the ramp that is due now, if any."""
    steps = row.ramp or []
    if row.state != State.RUNNING or row.ramp_step + 1 >= len(steps):
        return None
    held = steps[row.ramp_step]
    hours = (timezone.now() - (row.stepped_at or timezone.now())) / timedelta(hours=1)
    enough = hours >= held.get("min_hours", 0) and (row.findings or {}).get("exposed", 0) >= held.get("min_units", 0)
    step: Mapping[str, Any] = steps[row.ramp_step + 1]
    return step if enough else None


def force(tenant: Tenant, *, key: Key, unit: str, variant: str, by: By) -> Force:
    """Let a unit (a user's or conversation's own name) see a variant. It is logged, and what it does and did is never analysed."""
    if not unit:
        raise PlanRefused(errors=[fault("$.unit", "missing", "is missing", "the name of a user or a conversation")])
    with transaction.atomic():
        row = locked(tenant, key)
        if row.state in (State.DECIDED, State.ARCHIVED):
            raise NotInThisState(state=row.state)
        chosen = row.variants.filter(key=variant).first()
        if chosen is None:
            raise VariantNotFound(variant=variant)
        values = {"tenant_id": row.tenant_id, "variant": chosen, "by": actor_of(by)[:200]}
        made, _ = Force.objects.update_or_create(experiment=row, unit_id=unit, defaults=values)
        withdraw(tenant, row, unit)
        saved(row, by=by, deed="force", changes={"unit": unit, "variant": variant})
    return made


def unforce(tenant: Tenant, *, key: Key, unit: str, by: By) -> None:
    """From now on the unit gets what everybody would get."""
    with transaction.atomic():
        row = locked(tenant, key)
        row.forces.filter(unit_id=unit).delete()
        Assignment.objects.for_tenant(tenant).filter(experiment=row, unit_id=unit, reason=Reason.FORCED).delete()
        saved(row, by=by, deed="unforce", changes={"unit": unit})
    queries.forget(tenant.pk)
