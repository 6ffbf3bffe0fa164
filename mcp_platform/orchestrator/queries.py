"""Reads that more than one door needs: servers and their tools, settings, virtual servers, calls, what is cached."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from mcp_platform.orchestrator.errors import ServerNotFound, UpstreamToolNotFound, VirtualServerNotFound
from mcp_platform.orchestrator.models import CachedResource, OrchestrationSettings, RemoteServer, ServerCall, UpstreamTool, VirtualServer, VirtualTool
from mcp_platform.tenancy.models import Tenant

WAITING = (UpstreamTool.Status.NEW, UpstreamTool.Status.CHANGED)


def servers(tenant: Tenant | UUID) -> QuerySet[RemoteServer]:
    """In the order in which they are asked, with `tool_count` and `waiting_count`."""
    rows: QuerySet[RemoteServer] = RemoteServer.objects.for_tenant(tenant)
    return with_counts(rows)


def with_counts(rows: QuerySet[RemoteServer]) -> QuerySet[RemoteServer]:
    there = Q(tools__missing_since=None)
    waiting = there & Q(tools__status__in=WAITING)
    return rows.annotate(tool_count=Count("tools", filter=there), waiting_count=Count("tools", filter=waiting))


def server(tenant: Tenant | UUID, slug: str) -> RemoteServer:
    """Raises ServerNotFound."""
    found = servers(tenant).filter(slug=slug).first()
    if found is None:
        raise ServerNotFound(server=slug[:32])
    return found


def tools(tenant: Tenant | UUID) -> QuerySet[UpstreamTool]:
    rows: QuerySet[UpstreamTool] = UpstreamTool.objects.for_tenant(tenant)
    return rows.select_related("server").order_by("server__priority", "server__slug", "name")


def tool(tenant: Tenant | UUID, tool_id: UUID) -> UpstreamTool:
    """Raises UpstreamToolNotFound."""
    found = tools(tenant).filter(pk=tool_id).first()
    if found is None:
        raise UpstreamToolNotFound(tool=str(tool_id))
    return found


def known_tool(tenant: Tenant | UUID, slug: str, name: str) -> UpstreamTool | None:
    return tools(tenant).filter(server__slug=slug, name=name).first()


def settings_of(tenant: Tenant) -> OrchestrationSettings:
    """The tenant's, or the defaults in a row that is not stored."""
    found: OrchestrationSettings | None = OrchestrationSettings.objects.for_tenant(tenant).first()
    return found or OrchestrationSettings(tenant=tenant)


def virtual_servers(tenant: Tenant | UUID) -> QuerySet[VirtualServer]:
    rows: QuerySet[VirtualServer] = VirtualServer.objects.for_tenant(tenant)
    return rows.prefetch_related("tools__tool__server").order_by("name", "id")


def virtual_server(tenant: Tenant | UUID, slug: str) -> VirtualServer:
    """Raises VirtualServerNotFound."""
    found = virtual_servers(tenant).filter(slug=slug).first()
    if found is None:
        raise VirtualServerNotFound(virtual=slug[:63])
    return found


def virtual_tools(tenant: Tenant | UUID) -> QuerySet[VirtualTool]:
    rows: QuerySet[VirtualTool] = VirtualTool.objects.for_tenant(tenant)
    return rows.select_related("virtual", "tool__server")


def calls(tenant: Tenant | UUID) -> QuerySet[ServerCall]:
    rows: QuerySet[ServerCall] = ServerCall.objects.for_tenant(tenant)
    return rows


def cached(tenant: Tenant | UUID) -> QuerySet[CachedResource]:
    """Without the answers themselves."""
    rows: QuerySet[CachedResource] = CachedResource.objects.for_tenant(tenant)
    return rows.defer("value").select_related("server")


def users_of_secret(tenant: Tenant | UUID, name: str) -> list[str]:
    """For the vault: servers that authenticate with this secret."""
    rows = RemoteServer.objects.for_tenant(tenant).values_list("slug", "authentication")
    return [f"mcp-server:{slug}" for slug, how in rows if name in _secrets(how)]


def _secrets(how: object) -> Iterable[str]:
    return [value for key, value in how.items() if key.startswith("secret") and isinstance(value, str)] if isinstance(how, dict) else []
