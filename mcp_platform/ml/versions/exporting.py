"""Models told to the registry outside (MLflow), where one is configured. The rows say what is still to be told, so nothing is lost and nothing
hangs on it: a promotion never waits for the registry."""

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from mcp_platform import jobs, observability
from mcp_platform.errors import PlatformError
from mcp_platform.ml import queries
from mcp_platform.ml.core import comparison
from mcp_platform.ml.errors import ExportOff
from mcp_platform.ml.models import ModelExport, ModelVersion
from mcp_platform.ml.sinks import mlflow
from mcp_platform.ml.versions.registry import card
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

AT_ONCE: Final = 20
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
CLAIMED: Final = timedelta(minutes=10)  # longer than all the requests of one model may take: two dozen, each of mlflow.TIMEOUT_MS at most


def is_exporting() -> bool:
    return mlflow.is_configured()


def exported(row: ModelVersion) -> dict[str, Any] | None:
    """What the registry knows of it; None when nothing was told yet."""
    held = ModelExport.objects.for_tenant(row.tenant_id).filter(model=row).first()
    if held is None:
        return None
    return {
        "run_id": held.run_id,
        "registered_as": held.registered_as,
        "version": held.version,
        "status": held.status,
        "exported_at": held.exported_at,
        "error": held.error,
        "url": mlflow.page_of(held.run_id, held.registered_as, held.version) if held.version else "",
    }


def start_export(tenant: Tenant, *, model_id: UUID) -> None:
    """Have a worker tell it now, also what was told or has failed before. Raises ModelNotFound, ExportOff."""
    queries.model(tenant, model_id)
    if not is_exporting():
        raise ExportOff
    ModelExport.objects.for_tenant(tenant).filter(model_id=model_id).update(due_at=None, attempts=0, status="")
    jobs.enqueue("ml.export", tenant_id=str(tenant.pk), model_id=str(model_id))


def untold(now: datetime | None = None) -> list[ModelVersion]:
    """Models that the registry does not know, or not as what they are now, in every tenant. For the sweep."""
    if not is_exporting():
        return []
    now = now or timezone.now()
    news = Q(export=None) | (~Q(export__status=F("status")) & (Q(export__due_at=None) | Q(export__due_at__lte=now)))
    return list(ModelVersion.objects.filter(news, tenant__is_active=True).only("pk", "tenant_id").order_by("created_at", "pk")[:AT_ONCE])


def export(tenant: Tenant, *, model_id: UUID) -> ModelExport | None:
    """Tell it as it is now; None when another worker is at it, or it has been told. A registry that is away or refuses is noted and tried again
    later, ever more rarely. Raises ModelNotFound."""
    row = queries.model(tenant, model_id)
    name = mlflow.name_of(f"{tenant.slug}.{row.kind}.{row.subject}")
    held: ModelExport = ModelExport.objects.get_or_create(tenant=tenant, model=row, defaults={"registered_as": name})[0]
    now = timezone.now()
    due = ModelExport.objects.for_tenant(tenant).filter(Q(due_at=None) | Q(due_at__lte=now), model=row).exclude(status=row.status)
    if not due.update(due_at=now + CLAIMED):
        return None
    try:
        told = mlflow.tell(_parcel(tenant, row, held.registered_as or name))
    except PlatformError as fault:
        return _failed(held, fault)
    held.run_id, held.version, held.status = told.run_id, told.version, row.status
    held.exported_at, held.error, held.attempts, held.due_at = timezone.now(), "", 0, None
    held.save()
    log.info("model_exported", model_id=str(model_id), run_id=told.run_id, version=told.version)
    return held


def _failed(held: ModelExport, fault: PlatformError) -> ModelExport:
    pause = min(FIRST_PAUSE * 2 ** min(held.attempts, 10), LONGEST_PAUSE)
    held.attempts, held.due_at, held.error = held.attempts + 1, timezone.now() + pause, f"{fault.code}: {fault.message}"[:300]
    held.save(update_fields=("attempts", "due_at", "error"))
    log.warning("model_not_exported", model_id=str(held.pk), fault=held.error)
    return held


def _parcel(tenant: Tenant, row: ModelVersion, registered_as: str) -> mlflow.Parcel:
    facts = {"card.json": row.card, "metrics.json": row.metrics, "gates.json": row.gates}
    return mlflow.Parcel(
        model_id=str(row.pk),
        experiment=registered_as,
        registered_as=registered_as,
        name=f"v{row.number}",
        status=row.status,
        began_ms=int(row.created_at.timestamp() * 1000),
        metrics=dict(_numbers(row.metrics)),
        params={name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in row.card.items()},
        tags=_tags(tenant, row),
        description=card(row),
        files={"model/model.bin": queries.content(tenant, row.pk), "card.md": card(row).encode()}
        | {name: json.dumps(value, indent=1, default=str).encode() for name, value in facts.items()},
    )


def _tags(tenant: Tenant, row: ModelVersion) -> dict[str, str]:
    closed = [gate["name"] for gate in row.gates if not gate.get("passed")]
    return {
        "mcp.model_id": str(row.pk),
        "mcp.tenant": tenant.slug,
        "mcp.kind": row.kind,
        "mcp.subject": row.subject,
        "mcp.number": str(row.number),
        "mcp.sha256": row.sha256,
        "mcp.data_sha256": row.data_sha256,
        "mcp.gates": f"closed: {', '.join(closed)}" if closed else "open",
        "mcp.created_by": row.created_by,
    }


def _numbers(metrics: Any, before: str = "") -> list[tuple[str, float]]:
    """Every number of the metrics by its dotted path; lists are tables, which go along as a file."""
    found: list[tuple[str, float]] = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{before}{name}.")
        elif (number := comparison.value_of({"it": value}, "it")) is not None:
            found.append((mlflow.name_of(f"{before}{name}"), number))
    return found
