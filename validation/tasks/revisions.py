"""Models: reading an uploaded file, and making its meshes."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from validation.services import meshes, revisions


def _revision_page(row: Operation) -> str:
    return reverse("admin:validation_modelrevision_change", args=(row.arguments["revision"],))


@operations.kind(revisions.KIND, reads="validation:read", opens=_revision_page)
def ingest(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return revisions.ingest(tenant, arguments, progress)


@operations.kind(meshes.KIND, reads="validation:read", opens=_revision_page)
def triangles(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return meshes.make(tenant, arguments, progress)
