"""Reads of runs: lists, one with its rules, the trend of a building."""

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from mcp_platform.tenancy.models import Tenant
from validation.errors import BuildingNotFound, RunNotFound
from validation.models import Building, ValidationRun

HEAVY: Final = ("results", "passes", "basis")
MOST_POINTS: Final = 100


def building(tenant: Tenant, building_id: UUID) -> Building:
    """Raises BuildingNotFound."""
    found: Building | None = Building.objects.for_tenant(tenant).select_related("project").filter(pk=building_id).first()
    if found is None:
        raise BuildingNotFound(id=str(building_id))
    return found


def runs(tenant: Tenant, building_id: UUID | None = None) -> QuerySet[ValidationRun]:
    """Newest first, without what is large."""
    rows: QuerySet[ValidationRun] = ValidationRun.objects.for_tenant(tenant).select_related("revision").defer(*HEAVY).order_by("-created_at", "id")
    return rows if building_id is None else rows.filter(building_id=building_id)


def run(tenant: Tenant, building_id: UUID, run_id: UUID) -> ValidationRun:
    """With everything. Raises RunNotFound."""
    rows = ValidationRun.objects.for_tenant(tenant).select_related("revision", "building")
    found: ValidationRun | None = rows.filter(building_id=building_id, pk=run_id).first()
    if found is None:
        raise RunNotFound(id=str(run_id))
    return found


def trend(tenant: Tenant, building_id: UUID, limit: int = 30) -> list[dict[str, Any]]:
    """The last full checks, oldest first: when, score, coverage, failures by severity."""
    rows = runs(tenant, building_id).filter(state="done", is_what_if=False)[: min(limit, MOST_POINTS)]
    return [
        {
            "run": str(row.pk),
            "at": row.created_at,
            "at_seq": row.at_seq,
            "trigger": row.trigger,
            "score": row.score,
            "coverage": row.coverage,
            "status": row.status,
            "by_outcome": row.counts.get("by_outcome", {}),
            "by_severity": row.counts.get("by_severity", {}),
        }
        for row in reversed(list(rows))
    ]
