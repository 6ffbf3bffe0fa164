"""Which flows use what: the users of a flow, of an integration."""

from collections.abc import Iterator
from uuid import UUID

from flows.core.program import integration_ids
from flows.core.types import Flow as Definition
from flows.models import Pointer
from flows.queries.programs import program_for
from flows.queries.reading import flows_used
from mcp_platform.tenancy.models import Tenant


def running(tenant: Tenant | UUID) -> Iterator[tuple[str, Definition]]:
    """(flow_id, definition) of every version that some environment runs, archived flows left out."""
    rows = Pointer.objects.for_tenant(tenant).filter(flow__archived_at=None).values_list("flow__flow_id", "version_id").distinct()
    for flow_id, version_id in rows:
        yield flow_id, program_for(version_id).flow


def users_of_flow(tenant: Tenant | UUID, flow_id: str) -> list[str]:
    """The other flows whose running versions can start this one."""
    return sorted({name for name, parsed in running(tenant) if name != flow_id and flow_id in flows_used(parsed)})


def users_of_integration(tenant: Tenant | UUID, integration_id: str) -> list[str]:
    return sorted({name for name, parsed in running(tenant) if integration_id in integration_ids(parsed)})
