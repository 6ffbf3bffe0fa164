"""Whether what a model hears has drifted from what it was trained on: one reading a day of what it makes of real inputs."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils import timezone

from mcp_platform import jobs, observability
from mcp_platform.ml import queries, services
from mcp_platform.ml.core.drift import Drift, drift
from mcp_platform.ml.errors import NothingToMeasure
from mcp_platform.ml.models import ModelReading, ModelVersion
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

Status = ModelVersion.Status
HEARD: Final = (Status.CHAMPION, Status.CHALLENGER, Status.SHADOW)  # what is run, and so is watched
DAYS: Final = 60  # of a curve


def drift_of(row: ModelVersion) -> Drift:
    """What it makes of real inputs, day by day, against its training. Nothing where the kind is not watched."""
    known = services.KINDS.get(row.kind)
    if known is not None and known.drift is not None:
        return known.drift(row)
    if known is None or known.watch is None:
        return Drift(points=(), shifts=())
    readings = list(ModelReading.objects.for_tenant(row.tenant_id).filter(model=row).order_by("-day")[:DAYS])[::-1]
    return drift(known.watch.features, known.watch.training(row.metrics), [(one.day, one.count, one.counts) for one in readings])


def is_watched(row: ModelVersion) -> bool:
    known = services.KINDS.get(row.kind)
    return known is not None and (known.watch is not None or known.drift is not None)


def measure(tenant: Tenant, *, model_id: UUID, again: bool = True, now: datetime | None = None) -> ModelReading | None:
    """Today's reading; a second one of a day takes the place of the first, or (without `again`) is not taken. None when there is nothing to look at,
    or the model cannot be run: an empty reading says that it was tried today. A job's work: it runs the model.

    Raises ModelNotFound, NothingToMeasure.
    """
    row = queries.model(tenant, model_id)
    known = services.KINDS.get(row.kind)
    if known is None or known.watch is None:
        raise NothingToMeasure(model_id=str(model_id))
    now = now or timezone.now()
    if not again and ModelReading.objects.for_tenant(tenant).filter(model=row, day=now.date()).exists():
        return None
    try:
        seen = known.watch.look(row)
    except Exception:
        log.exception("model_not_measured", model_id=str(model_id))
        ModelReading.objects.get_or_create(tenant=tenant, model=row, day=now.date(), defaults={"count": 0, "counts": {}, "at": now})
        return None
    values = {"count": seen.count if seen else 0, "counts": dict(seen.counts) if seen else {}, "at": now}
    reading: ModelReading = ModelReading.objects.update_or_create(tenant=tenant, model=row, day=now.date(), defaults=values)[0]
    log.info("model_measured", model_id=str(model_id), count=reading.count)
    return reading if seen else None


def start_measuring(tenant: Tenant, *, model_id: UUID) -> None:
    """Have a worker take today's reading. Raises ModelNotFound, NothingToMeasure."""
    row = queries.model(tenant, model_id)
    known = services.KINDS.get(row.kind)
    if known is None or known.watch is None:
        raise NothingToMeasure(model_id=str(model_id))
    jobs.enqueue("ml.measure", tenant_id=str(tenant.pk), model_id=str(model_id), again=True)


def unmeasured(now: datetime | None = None) -> list[ModelVersion]:
    """Models that are run and have no reading of today, in every tenant. For the sweep."""
    now = now or timezone.now()
    watched = [one.name for one in services.KINDS.values() if one.watch is not None]
    done = ModelReading.objects.filter(day=now.date()).values("model")
    rows = ModelVersion.objects.filter(kind__in=watched, status__in=HEARD, tenant__is_active=True).exclude(pk__in=done)
    return list(rows.only("pk", "tenant_id").order_by("pk")[:20])
