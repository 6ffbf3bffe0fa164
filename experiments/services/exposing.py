"""Exposure outside turns: a unit met what its arm gives, such as a building whose findings the arm's model has ranked."""

from datetime import datetime
from uuid import UUID

from experiments.core.assign import Reason
from experiments.models import Assignment, Exposure
from experiments.queries import Trial
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy.models import Tenant

EXPOSED = "experiment.exposed"


def expose(tenant: Tenant, trial: Trial, *, unit: str, arm: str, met: UUID, where: str, at: datetime) -> bool:
    """Kept the first time only, and only if the unit has this arm; whether it is the first time. Inside the caller's transaction, with what the
    unit has met."""
    held = Assignment.objects.for_tenant(tenant).filter(experiment_id=trial.id, unit_type=trial.unit, unit_id=unit)
    row = held.filter(bucket_version=trial.bucket_version, variant_id=trial.rows[arm]).first()
    if row is None:
        return False
    analysed = row.reason != Reason.FORCED and row.at >= trial.opened
    values = {
        "tenant_id": tenant.pk,
        "experiment_id": trial.id,
        "variant_id": row.variant_id,
        "phase": trial.phase,
        "state": where,
        "analysed": analysed,
        "at": at,
    }
    _, first = Exposure.objects.get_or_create(assignment=row, conversation_id=met, defaults=values)
    if first:
        data = {"experiment": trial.key, "variant": arm, "phase": trial.phase, "unit": trial.unit, f"{trial.unit}_id": str(met), "state": where}
        outbox.emit(tenant, type=EXPOSED, subject=f"experiments/{trial.key}", data=data, key=f"experiment:{trial.key}")
    return first
