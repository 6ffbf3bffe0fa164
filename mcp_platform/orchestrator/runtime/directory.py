"""The servers of a tenant, their approved tools and how they are used, as every call needs them: read from rows, believed for a moment."""

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from mcp_platform.orchestrator.core import routing
from mcp_platform.orchestrator.core.types import Approved, Policy, Upstream
from mcp_platform.orchestrator.errors import ServerDisabled, ServerNotFound, UpstreamToolNotFound
from mcp_platform.orchestrator.models import OrchestrationSettings, RemoteServer, UpstreamTool
from mcp_platform.orchestrator.runtime import rows
from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault.models import Secret

BELIEVED_SECONDS: Final = 1.0
TENANTS_KEPT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """`tools`: (server's slug, tool's name) -> what may be called, or None for what waits or was rejected. `secrets`: name -> which
    values are good."""

    tenant_slug: str
    allow_hosts: tuple[str, ...]
    servers: Mapping[str, Upstream]
    tools: Mapping[tuple[str, str], Approved | None]
    names: Mapping[str, tuple[str, str]]
    secrets: Mapping[str, str]
    policy: Policy

    def server(self, slug: str) -> Upstream:
        """Raises ServerNotFound, ServerDisabled."""
        found = self.servers.get(slug)
        if found is None:
            raise ServerNotFound(server=slug[:32])
        if not found.enabled:
            raise ServerDisabled(f"{slug} is switched off.", server=slug)
        return found

    def enabled(self) -> list[Upstream]:
        """In the order in which they are asked."""
        return routing.in_order(one for one in self.servers.values() if one.enabled)

    def place(self, offered_name: str) -> tuple[str, str]:
        """The server and the tool behind a name. Raises UpstreamToolNotFound."""
        found = self.names.get(offered_name)
        if found is None:
            raise UpstreamToolNotFound(f"There is no tool {offered_name[:100]}.", tool=offered_name[:100])
        return found

    def fingerprint(self, upstream: Upstream) -> str:
        """Of what we show this server: another one when a secret was rotated, when the time of the one before it is over, when the definition
        changed, or when the operator allows other hosts."""
        how = upstream.authentication
        secret = str(how.get("secret", ""))
        told = repr((sorted(how.items()), self.secrets.get(secret, ""), self.allow_hosts))
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(slots=True)
class _Known:
    """Read `at` a moment, believed `until` another: never longer than twice BELIEVED_SECONDS, whatever becomes of the next read."""

    directory: Directory
    at: float
    until: float


_known: dict[UUID, _Known] = {}
_lock = threading.Lock()


async def of(tenant_id: UUID, *, fresh: bool = False) -> Directory:
    found = _known.get(tenant_id)
    if found is not None and not fresh:
        if time.monotonic() < found.until:
            return found.directory
        found.until = found.at + 2 * BELIEVED_SECONDS  # one reads it anew, and those who come meanwhile go by what is known
    return await rows.within(tenant_id, lambda: load(tenant_id))


def load(tenant_id: UUID) -> Directory:
    """From the rows, now."""
    at = time.monotonic()
    tenant = Tenant.objects.get(pk=tenant_id)
    servers = {row.pk: _upstream(row) for row in RemoteServer.objects.for_tenant(tenant_id)}
    # A server that was made between the two reads comes with the next one.
    tools = [tool for tool in UpstreamTool.objects.for_tenant(tenant_id).filter(missing_since=None) if tool.server_id in servers]
    row = OrchestrationSettings.objects.for_tenant(tenant_id).first()
    made = Directory(
        tenant_slug=tenant.slug,
        allow_hosts=tuple(host for host in tenant.settings.get("outbound_allowed_hosts") or () if isinstance(host, str)),
        servers={one.slug: one for one in servers.values()},
        tools={(servers[tool.server_id].slug, tool.name): _approved(tool) for tool in tools},
        names={tool.offered_name: (servers[tool.server_id].slug, tool.name) for tool in tools if tool.offered_name},
        secrets=_secrets(tenant_id),
        policy=_policy(row) if row else Policy(),
    )
    with _lock:
        if len(_known) >= TENANTS_KEPT:
            _known.clear()
        _known[tenant_id] = _Known(made, at, at + BELIEVED_SECONDS)
    return made


def _secrets(tenant_id: UUID) -> dict[str, str]:
    now = timezone.now()
    rows = Secret.objects.for_tenant(tenant_id).values_list("name", "version", "previous_until")
    return {name: f"{version}+{version - 1}" if until is not None and until > now else f"{version}" for name, version, until in rows}


def forget(tenant_id: UUID | None = None) -> None:
    """Somebody has changed rows; without a tenant, everything (for tests)."""
    with _lock:
        if tenant_id is None:
            _known.clear()
        else:
            _known.pop(tenant_id, None)


def _upstream(row: RemoteServer) -> Upstream:
    return Upstream(
        id=row.pk,
        tenant_id=row.tenant_id,
        slug=row.slug,
        name=row.name,
        transport=row.transport,
        url=row.url,
        priority=row.priority,
        timeout=float(row.timeout),
        rev=row.rev,
        enabled=row.enabled,
        domains=tuple(row.domains),
        capabilities=tuple(row.capabilities),
        authentication=dict(row.authentication),
        allowed_tools=tuple(row.allowed_tools),
        denied_tools=tuple(row.denied_tools),
    )


def _approved(tool: UpstreamTool) -> Approved | None:
    """A changed tool is there, too: the caller is told that it has changed, by comparing."""
    if not tool.approved_hash or tool.status not in (UpstreamTool.Status.APPROVED, UpstreamTool.Status.CHANGED):
        return None
    return Approved(
        id=tool.pk, server_id=tool.server_id, name=tool.name, offered_name=tool.offered_name, hash=tool.approved_hash, definition=tool.definition
    )


def _policy(row: OrchestrationSettings) -> Policy:
    members: dict[str, Any] = {name: getattr(row, name) for name in Policy.__dataclass_fields__}
    return Policy(**members)
