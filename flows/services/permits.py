"""What a security hub says to changes of flows; without one, nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from django.conf import settings

from flows import queries
from flows.queries import FlowKey
from mcp_platform.tenancy import access
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of


def require(tenant: Tenant, flow_id: FlowKey, action: access.Action, by: By) -> None:
    """Asks over the network: call it before the transaction. Raises Refused, HubAway, FlowNotFound."""
    if not settings.SECURITY_HUB_URL:
        return
    name = queries.flow(tenant, flow_id).flow_id if isinstance(flow_id, UUID) else flow_id
    access.require_flow(tenant, actor=actor_of(by), action=action, flow_id=name)


def ahead(tenant: Tenant, flow_id: str, actions: Sequence[access.Action], by: By) -> AbstractContextManager[None]:
    """Ask now, before a transaction; inside the block `require` knows the answers and raises what they are."""
    if not settings.SECURITY_HUB_URL:
        return nullcontext()
    return access.ahead(tenant, actor=actor_of(by), actions=actions, flow_id=flow_id)
