"""Checks: full runs, storeys that are rechecked after live changes, and what the live protocol forgets."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from validation.services import checking, rechecking, retention, sessions


def _run_page(row: Operation) -> str:
    return reverse("admin:validation_validationrun_change", args=(row.arguments["run"],))


@operations.kind(checking.KIND, reads="validation:read", opens=_run_page)
def run(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return checking.work(tenant, arguments, progress)


@jobs.task("validation.recheck", swept=True)
def recheck(*, tenant_id: str, building_id: str) -> None:
    """A moment after the last change. Of several jobs for the same storeys the first one does it."""
    rechecking.recheck(Tenant.objects.get(pk=tenant_id), building_id=UUID(building_id))


@jobs.sweep(every_seconds=2.0, name="validation.dirty_storeys")
def find_dirty_storeys() -> int:
    return rechecking.sweep()


@jobs.sweep(every_seconds=30.0, name="validation.lost_runs")
def close_lost_runs() -> int:
    return checking.close_lost()


@jobs.sweep(every_seconds=60.0, name="validation.scheduled_runs")
def start_scheduled_runs() -> int:
    return checking.start_due()


@jobs.sweep(every_seconds=30.0, name="validation.silent_sessions")
def close_silent_sessions() -> int:
    return sessions.close_silent()


@jobs.sweep(every_seconds=600.0, name="validation.retention")
def forget_old_changes() -> int:
    retention.prune()
    return 0
