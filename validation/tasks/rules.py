"""Dry runs in workers."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from validation.services import dry_run


def _dry_run_page(row: Operation) -> str:
    return reverse("admin:validation_rule_dry_run", args=(row.arguments["rule"], row.pk))


@operations.kind(dry_run.KIND, reads="rules:read", opens=_dry_run_page)
def run_dry(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return dry_run.work(tenant, arguments, progress)
