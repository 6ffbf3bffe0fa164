"""Work of reports in the background."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from reports.services import keeping, mailing, making, rendering, scheduling


def _page(row: Operation) -> str:
    return reverse("admin:reports_report_change", args=(row.arguments["report"],))


@operations.kind(making.KIND, reads="reports:read", opens=_page)
def render(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return rendering.render(tenant, report_id=UUID(arguments["report"]), progress=progress)


@operations.kind(scheduling.OPERATION, reads="reports:read")
def perform(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return scheduling.perform(tenant, occasion_id=UUID(arguments["occasion"]))


@jobs.task(mailing.JOB, swept=True)
def send_letter(*, tenant_id: str, letter_id: str) -> None:
    mailing.send(Tenant.objects.get(pk=tenant_id), letter_id=UUID(letter_id))


@jobs.sweep(every_seconds=10.0, name="reports.schedules")
def claim_due() -> int:
    return scheduling.claim_due()


@jobs.sweep(every_seconds=10.0, name="reports.letters")
def find_unsent() -> int:
    return mailing.find_unsent()


@jobs.sweep(every_seconds=5.0, name="reports.forsaken")
def find_forsaken() -> int:
    return rendering.find_forsaken()


@jobs.sweep(every_seconds=300.0, name="reports.retention")
def expire_due() -> int:
    return keeping.expire_due()
