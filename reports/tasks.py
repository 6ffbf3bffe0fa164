"""Work of reports in the background."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from reports.services import making


def _page(row: Operation) -> str:
    return reverse("admin:reports_report_change", args=(row.arguments["report"],))


@operations.kind(making.KIND, reads="reports:read", opens=_page)
def render(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return making.render(tenant, report_id=UUID(arguments["report"]), progress=progress)
