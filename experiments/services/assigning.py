"""Who gets what, made to stick: one row for each unit, whoever comes first, and every process agrees."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from experiments.core.assign import Decision, Reason, decide
from experiments.models import Assignment
from experiments.queries import Trial
from mcp_platform import jobs

ABSENT_SECONDS = 30.0  # how long it is believed that a unit has no row
_KEPT = 50_000
_Key = tuple[UUID, int, str]  # experiment, bucket version, unit
_INSERT = (
    "INSERT INTO experiments_assignment (tenant_id, experiment_id, unit_type, unit_id, bucket_version, variant_id, reason, bucket, at, before)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '{}') ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Held:
    """An arm that sticks to a unit, and since when."""

    arm: str
    at: datetime


_arms: dict[_Key, Held] = {}
_absent: dict[_Key, float] = {}


def arm_for(tenant_id: UUID, trial: Trial, unit: str, attributes: Mapping[str, Any], now: datetime, *, fresh: bool = False) -> str:
    """The arm that this unit has, or gets now; "" when it takes no part. `fresh`: the unit was just made and cannot have a row."""
    found = holding(tenant_id, trial, unit, attributes, now, fresh=fresh)
    return found.arm if found is not None else ""


def holding(tenant_id: UUID, trial: Trial, unit: str, attributes: Mapping[str, Any], now: datetime, *, fresh: bool = False) -> Held | None:
    """As `arm_for`, with the moment at which the unit got its arm; None when it takes no part."""
    if not trial.plan.running or not settings.ENABLE_AB_TESTING:
        return None
    key = (trial.id, trial.bucket_version, unit)
    forced = trial.forced.get(unit, "")
    if forced:
        _arms.pop(key, None)  # its row is replaced, and goes when it is forced no longer
    known = _arms.get(key)
    if known is not None:
        still = decide(trial.plan, unit, attributes, now, sticky=known.arm).arm  # the dates and the kill switch still count
        return known if still == known.arm else None
    held = None if fresh or _is_absent(key) else stored(trial, unit)
    dice = random.random() if trial.plan.drawn else None  # noqa: S311  shares people out, keeps no secret
    chosen = decide(trial.plan, unit, attributes, now, forced=forced, sticky=held.arm if held is not None else "", dice=dice)
    if not chosen.arm:
        _remember(_absent, key, time.monotonic() + ABSENT_SECONDS)
        return None
    if held is not None and held.arm == chosen.arm and chosen.reason is not Reason.FORCED:
        found = held
    else:
        found = _keep(tenant_id, trial, unit, chosen, now, alone=fresh and not trial.plan.drawn)
    if chosen.reason is not Reason.FORCED:
        jobs.after_commit(lambda: _remember(_arms, key, found))  # a turn that is rolled back takes the row with it
    return found


def _is_absent(key: _Key) -> bool:
    until = _absent.get(key)
    return until is not None and time.monotonic() < until


def _remember(where: dict[_Key, Any], key: _Key, value: Any) -> None:
    if len(where) >= _KEPT:
        where.clear()
    where[key] = value


def forget_everything() -> None:
    """For a process that starts anew."""
    _arms.clear()
    _absent.clear()


def stored(trial: Trial, unit: str) -> Held | None:
    """What its row says, also while the experiment gives out no arms."""
    rows = Assignment.objects.filter(experiment_id=trial.id, unit_type=trial.unit, unit_id=unit, bucket_version=trial.bucket_version)
    found = rows.values_list("variant_id", "at").first()
    arm = _arm_of(trial, found[0]) if found is not None else ""
    return Held(arm, found[1]) if found is not None and arm else None


def _arm_of(trial: Trial, variant: int) -> str:
    return next((arm for arm, pk in trial.rows.items() if pk == variant), "")


def _keep(tenant_id: UUID, trial: Trial, unit: str, chosen: Decision, now: datetime, *, alone: bool) -> Held:
    """INSERT … ON CONFLICT DO NOTHING, and who was not the first reads back: of two that race, both get what the first one wrote.
    A forced arm replaces the row's.

    `alone`: whoever races for this unit hashes to the same arm, so that nothing needs to be read back.
    """
    variant = trial.rows[chosen.arm]
    if chosen.reason is Reason.FORCED:
        whom = {"experiment_id": trial.id, "unit_type": trial.unit, "unit_id": unit, "bucket_version": trial.bucket_version}
        row = Assignment(tenant_id=tenant_id, **whom, variant_id=variant, reason=chosen.reason.value, bucket=chosen.bucket, at=now)
        changed = ["variant", "reason", "bucket"]
        kept = ["experiment", "unit_type", "unit_id", "bucket_version"]
        Assignment.objects.bulk_create([row], update_conflicts=True, unique_fields=kept, update_fields=changed)
        return Held(chosen.arm, now)
    tenant, trial_id = (tenant_id.hex, trial.id.hex) if connection.vendor == "sqlite" else (tenant_id, trial.id)
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:  # in the hot path: to make a row of Django takes longer than to insert it
        cursor.execute(_INSERT, [tenant, trial_id, trial.unit, unit, trial.bucket_version, variant, chosen.reason.value, chosen.bucket, at])
        first = cursor.rowcount == 1
    written = Held(chosen.arm, now)
    return written if first or alone else stored(trial, unit) or written
