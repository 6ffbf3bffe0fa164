"""Learning and ranking in workers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from validation.services import triage
from validation.triage import shadows


def _model_page(row: Operation) -> str:
    return reverse("admin:ml_modelversion_change", args=(row.result["model"],)) if row.result else ""


@operations.kind(triage.TRAIN, reads="models:read", opens=_model_page)
def train(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return triage.train(tenant, arguments, progress)


@operations.kind(triage.RESCORE, reads="validation:read")
def rescore(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return triage.rescore(tenant, arguments, progress)


@jobs.task("validation.score_findings", swept=True)
def score_findings(*, tenant_id: str, building_id: str) -> None:
    triage.score_new(Tenant.objects.get(pk=tenant_id), building_id=UUID(building_id))


@jobs.task("validation.shadow_ranking")
def shadow_ranking(*, tenant_id: str, building_id: str) -> None:
    """A lost one is a comparison less."""
    shadows.compare(Tenant.objects.get(pk=tenant_id), building_id=UUID(building_id))


@jobs.sweep(every_seconds=30.0, name="validation.unscored")
def score_forgotten() -> int:
    return triage.score_forgotten()


@jobs.sweep(every_seconds=60.0, name="validation.stale_scores")
def rescore_stale() -> int:
    return triage.rescore_stale()


@jobs.sweep(every_seconds=3600.0, name="validation.triage_readings")
def measure_due() -> int:
    return triage.measure_due()
