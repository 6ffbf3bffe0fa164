"""What a tenant's virtual servers offer right now: approved tools of servers that are switched on, under the names that clients see."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from mcp_platform import jobs, realtime
from mcp_platform.orchestrator import queries
from mcp_platform.orchestrator.core import routing
from mcp_platform.orchestrator.errors import UpstreamToolNotFound, VirtualServerNotFound
from mcp_platform.orchestrator.models import UpstreamTool, VirtualServer, VirtualTool
from mcp_platform.orchestrator.runtime import directory
from mcp_platform.tenancy.models import Tenant

SCOPE: Final = "servers:use"  # what a caller of any of these tools needs
BELIEVED_SECONDS: Final = 5.0  # how long another process may still call a tool that was withdrawn
KEPT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One tool as clients see it. `server` and `tool` are where a call goes, `via` is the virtual server that offers it; `definition` is what was
    approved, in the keys of the protocol, and `hash` its hash."""

    name: str
    server: str
    tool: str
    tool_id: UUID
    via: str
    hash: str
    definition: Mapping[str, Any]
    description: str = ""
    scope: str = SCOPE

    def as_tool(self) -> dict[str, Any]:
        """The tool of the protocol."""
        own = {"description": self.description} if self.description else {}
        return {"name": self.name, "inputSchema": {"type": "object"}, **self.definition, **own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One address: `slug` of the virtual server, "" for /mcp."""

    slug: str
    name: str
    instructions: str
    tools: Mapping[str, Offered]


def offer(tenant: Tenant | UUID, slug: str | None = None) -> Offer:
    """What one address offers, read now. Raises VirtualServerNotFound when there is none, or it is switched off."""
    if not slug:
        return Offer(
            slug="", name="", instructions="", tools=_named(queries.virtual_tools(tenant).filter(virtual__enabled=True, virtual__at_main=True))
        )
    row = queries.virtual_server(tenant, slug)
    if not row.enabled:
        raise VirtualServerNotFound(virtual=slug[:63])
    tools = _named(queries.virtual_tools(tenant).filter(virtual=row))
    return Offer(slug=row.slug, name=row.name, instructions=row.description, tools=tools)


def offered(tenant: Tenant | UUID, slug: str | None = None) -> tuple[Offered, ...]:
    """In the order of their names. Raises VirtualServerNotFound."""
    found = offer(tenant, slug).tools
    return tuple(found[name] for name in sorted(found))


def find(tenant: Tenant | UUID, slug: str | None, name: str) -> Offered:
    """For calls: believed for a few seconds. Raises VirtualServerNotFound, UpstreamToolNotFound."""
    return named(recall(tenant, slug) or remember(tenant, slug), name)


def named(found: Offer, name: str) -> Offered:
    """Raises UpstreamToolNotFound."""
    tool = found.tools.get(name)
    if tool is None:
        raise UpstreamToolNotFound(f"There is no tool {name[:100]}.", tool=name[:100])
    return tool


def recall(tenant: Tenant | UUID, slug: str | None) -> Offer | None:
    """What is believed of this address, without asking anybody; None: nothing."""
    known = _known.get(_key(tenant, slug))
    return known[1] if known is not None and time.monotonic() - known[0] < BELIEVED_SECONDS else None


def remember(tenant: Tenant | UUID, slug: str | None) -> Offer:
    """Read now, and believed for a few seconds; of many who come at once one reads. Raises VirtualServerNotFound."""
    key, came = _key(tenant, slug), time.monotonic()
    with _reading[hash(key) % len(_reading)]:
        meanwhile = _known.get(key)
        if meanwhile is not None and meanwhile[0] >= came:
            return meanwhile[1]
        at = time.monotonic()  # before the read: what changes meanwhile is seen that much sooner
        found = offer(tenant, slug)
        with _lock:
            if len(_known) >= KEPT:
                _known.clear()
            _known[key] = (at, found)
        return found


def changed(tenant: Tenant | UUID) -> None:
    """After commit: forget what is believed here, and tell everybody who listens to the catalogue."""
    tenant_id = tenant.pk if isinstance(tenant, Tenant) else tenant
    jobs.after_commit(lambda: forget(tenant_id))
    jobs.after_commit(lambda: directory.forget(tenant_id))
    realtime.catalogue_changed(tenant_id, "tools")


def forget(tenant: Tenant | UUID) -> None:
    tenant_id = str(tenant.pk if isinstance(tenant, Tenant) else tenant)
    with _lock:
        for key in [key for key in _known if key[0] == tenant_id]:
            del _known[key]


def is_callable(tool: UpstreamTool) -> bool:
    """Approved, still there, and let through by the rules of its server, which is switched on."""
    server = tool.server
    approved = tool.status == UpstreamTool.Status.APPROVED and tool.missing_since is None
    return approved and server.enabled and routing.lets_through(tool.name, allowed=server.allowed_tools, denied=server.denied_tools)


def address_of(row: VirtualServer) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/mcp/v/{row.slug}"


_known: dict[tuple[str, str], tuple[float, Offer]] = {}
_lock = threading.Lock()
_reading = tuple(threading.Lock() for _ in range(16))


def _key(tenant: Tenant | UUID, slug: str | None) -> tuple[str, str]:
    return str(tenant.pk if isinstance(tenant, Tenant) else tenant), slug or ""


def _named(rows: Any) -> dict[str, Offered]:
    """Of two that have come to have one name, which services refuse, the older choice stays."""
    found: dict[str, Offered] = {}
    for one in _usable(rows):
        found.setdefault(one.name, one)
    return found


def _usable(rows: Any) -> Iterator[Offered]:
    good = rows.filter(tool__status=UpstreamTool.Status.APPROVED, tool__missing_since=None, tool__server__enabled=True).order_by("id")
    chosen: VirtualTool
    for chosen in good:
        tool, name = chosen.tool, chosen.name or chosen.tool.offered_name
        if name and is_callable(tool):
            yield Offered(
                name=name,
                server=tool.server.slug,
                tool=tool.name,
                tool_id=tool.pk,
                via=chosen.virtual.slug,
                hash=tool.approved_hash,
                definition=tool.definition,
                description=chosen.description,
            )
