"""All servers of a tenant together: connect them, look how they are, close them, forget what was kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import store
from mcp_platform.orchestrator.clients import pool as pools
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.errors import ConnectionFailed
from mcp_platform.orchestrator.models import RemoteServer
from mcp_platform.orchestrator.runtime import contact, plans
from mcp_platform.orchestrator.runtime import directory as directories
from mcp_platform.orchestrator.runtime.directory import Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One server, contacted now. `error` and `error_code` are empty when it is well; `latency_ms` is of listing its tools."""

    server: str
    connected: bool
    error: str = ""
    error_code: str = ""
    latency_ms: int = 0
    protocol_version: str = ""
    server_info: Mapping[str, Any] = field(default_factory=dict)
    tools: int = 0


async def initialize(tenant_id: UUID) -> dict[str, Checked]:
    """Connect all servers that are switched on, at the same time: it takes as long as the slowest, at most its timeout.

    With `fail_fast` raises ConnectionFailed, which names every server that failed; the others stay connected.
    """
    directory = await directories.of(tenant_id, fresh=True)
    checked = await asyncio.gather(*(_check(directory, one) for one in directory.enabled()))
    failed = {one.server: one.error for one in checked if not one.connected}
    if failed and directory.policy.fail_fast:
        told = "; ".join(f"{slug}: {why}" for slug, why in sorted(failed.items()))
        raise ConnectionFailed(f"Some MCP servers could not be connected: {told}", failed=failed)
    return {one.server: one for one in checked}


async def check(tenant_id: UUID, *, server: str, insist: bool = False) -> Checked:
    """Contact one server now and read its tools anew. A person may `insist`: whatever the breaker says. Raises ServerNotFound, ServerDisabled."""
    directory = await directories.of(tenant_id, fresh=True)
    upstream = directory.server(server)
    if insist:
        contact.pool().reset(upstream.id)
    return await _check(directory, upstream)


async def close(tenant_id: UUID | None = None, *, server_id: UUID | None = None) -> int:
    """Close the connections of this process: of one server, of a tenant, or all; how many. They open again when somebody asks."""
    here = asyncio.get_running_loop()
    count = 0
    for loop, pool in pools.all_pools():
        if loop is here:
            count += await pool.close(tenant_id=tenant_id, server_id=server_id)
        elif loop.is_running():
            elsewhere = asyncio.run_coroutine_threadsafe(pool.close(tenant_id=tenant_id, server_id=server_id), loop)
            count += await asyncio.wrap_future(elsewhere)
    return count


def status(tenant_id: UUID) -> dict[str, Any]:
    """Of all servers: what their rows say, how they stand in this process, and how much the kept answers have helped. Synchronous, no network."""
    servers = list(RemoteServer.objects.for_tenant(tenant_id).order_by("priority", "slug"))
    figures = store.statistics(tenant_id, [row.pk for row in servers])
    return {
        "initialized": any(row.state == RemoteServer.State.CONNECTED for row in servers),
        "servers": [_status_of(row, figures[row.pk]) for row in servers],
        "cache": _together(list(figures.values())).as_dict(),
    }


def invalidate(tenant_id: UUID, *, server_id: UUID | None = None, uri: str = "") -> int:
    """Forget kept answers: all, of one server, or of one resource; how many. Synchronous."""
    return store.invalidate(tenant_id, server_id=server_id, uri=uri)


async def _check(directory: Directory, upstream: Upstream) -> Checked:
    try:
        with contact.pool().place(upstream):
            known = contact.pool().held(plans.bare(directory, upstream))
            connection = await contact.connected(directory, upstream)
            if known is connection:
                await contact.relisted(connection)
    except Exception as fault:  # noqa: BLE001  one server that fails in a new way must not hide how the others are
        code = fault.code if isinstance(fault, PlatformError) else PlatformError.code
        return Checked(server=upstream.slug, connected=False, error=contact.why(upstream, fault), error_code=code)
    about = connection.about
    return Checked(
        server=upstream.slug,
        connected=True,
        latency_ms=about.latency_ms,
        protocol_version=about.protocol_version,
        server_info=about.server_info,
        tools=len(connection.tools),
    )


def _status_of(row: RemoteServer, figures: store.Statistics) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "name": row.name,
        "transport": row.transport,
        "enabled": row.enabled,
        "connected": row.enabled and row.state == RemoteServer.State.CONNECTED,
        "state": row.state,
        "priority": row.priority,
        "domains": row.domains,
        "capabilities": row.capabilities,
        "error": row.last_error if row.state == RemoteServer.State.FAILED else None,
        "last_error": row.last_error or None,
        "last_error_at": row.last_error_at,
        "checked_at": row.checked_at,
        "connected_at": row.connected_at,
        "latency_ms": row.latency_ms,
        "protocol_version": row.protocol_version,
        "server_info": row.server_info,
        "here": live(row.pk),
        "cache": figures.as_dict(),
    }


def live(server_id: UUID) -> dict[str, Any]:
    """How a server stands in this process: open connections and requests under way in all of its loops, and the worst of the breakers."""
    found = [pool.live(server_id) for _, pool in pools.all_pools()]
    worst = next((state for state in ("open", "half_open") if any(one["breaker"] == state for one in found)), "closed")
    return {"connections": sum(one["connections"] for one in found), "under_way": sum(one["under_way"] for one in found), "breaker": worst}


def _together(figures: list[store.Statistics]) -> store.Statistics:
    names = store.Statistics.__dataclass_fields__
    return store.Statistics(**{name: sum(getattr(one, name) for one in figures) for name in names})
