"""Virtual servers: which upstream tools stand behind our own endpoint, and under which names."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from mcp_platform import toolkit
from mcp_platform.orchestrator import queries
from mcp_platform.orchestrator.core.definition import Fault, fault
from mcp_platform.orchestrator.core.offering import Choice, Clash, clashes
from mcp_platform.orchestrator.errors import ConfigurationRefused, VirtualServerNotFound
from mcp_platform.orchestrator.models import UpstreamTool, VirtualServer, VirtualTool
from mcp_platform.orchestrator.models.virtual import SLUG_PATTERN, SLUG_RULE
from mcp_platform.orchestrator.services import offers
from mcp_platform.orchestrator.services.servers import check_rev, insert
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

FIELDS: Final = ("name", "description", "enabled", "at_main")
MOST_TOOLS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A tool as somebody chooses it: the server's slug and the tool's own name, perhaps another name and description."""

    server: str
    tool: str
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What clients would see: (name, server/tool) in the order of names, and every reason why it cannot be so."""

    names: tuple[tuple[str, str], ...]
    clashes: tuple[Clash, ...]


def preview(tenant: Tenant, *, chosen: Iterable[Chosen], at_main: bool = False, slug: str = "") -> Preview:
    """Raises ConfigurationRefused when a chosen tool is not known. `slug`: the virtual server that this would replace."""
    choices = [_choice(one, row) for one, row in _known(tenant, list(chosen))]
    found = clashes(choices, taken=_taken(tenant, but=slug) if at_main else ())
    return Preview(names=tuple(sorted((one.name, one.place) for one in choices)), clashes=tuple(found))


def save_virtual_server(
    tenant: Tenant,
    *,
    slug: str,
    fields: Mapping[str, Any],
    chosen: Sequence[Chosen] | None = None,
    create: bool = False,
    expected_rev: int | None = None,
    by: By,
) -> VirtualServer:
    """Create one, or change some of its members; `chosen` replaces all its tools, None leaves them.

    Raises ConfigurationRefused with every fault (names that collide too), SlugTaken, VirtualServerNotFound, StaleRevision.
    """
    with transaction.atomic():
        row = VirtualServer(tenant=tenant, slug=slug, name=slug, rev=0) if create else _locked(tenant, slug, expected_rev)
        before = _shown(row)
        for name in FIELDS:
            setattr(row, name, fields.get(name, getattr(row, name)))
        tools = list(chosen) if chosen is not None else [] if create else _chosen_of(row)
        _refuse(_faults(row, slug, fields, tools) or _clash_faults(tenant, row, tools))
        row.rev += 1
        insert(row, slug=slug)
        if chosen is not None:
            _replace(row, _known(tenant, tools))
        after = _shown(row)
        changes = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
        action = "virtual_server.create" if create else "virtual_server.save"
        audit(tenant, actor=actor_of(by), action=action, target=row, changes={"slug": slug, **changes})
        offers.changed(tenant)
    return queries.virtual_server(tenant, slug)


def delete_virtual_server(tenant: Tenant, *, slug: str, expected_rev: int | None = None, by: By) -> None:
    """Raises VirtualServerNotFound, StaleRevision."""
    with transaction.atomic():
        row = _locked(tenant, slug, expected_rev)
        audit(tenant, actor=actor_of(by), action="virtual_server.delete", target=row, changes={"slug": slug, **_shown(row)})
        row.delete()
        offers.changed(tenant)


def _locked(tenant: Tenant, slug: str, expected_rev: int | None) -> VirtualServer:
    row: VirtualServer | None = VirtualServer.objects.for_tenant(tenant).select_for_update().filter(slug=slug).first()
    if row is None:
        raise VirtualServerNotFound(virtual=slug[:63])
    check_rev(row.rev, expected_rev)
    return row


def _faults(row: VirtualServer, slug: str, fields: Mapping[str, Any], tools: Sequence[Chosen]) -> list[Fault]:
    import re

    texts: Any = (("name", row.name, 200, 1), ("description", row.description, 2000, 0))
    found = [
        fault(name, "bad_value", "is not valid", f"a text of {least} to {most} characters")
        for name, value, most, least in texts
        if not isinstance(value, str) or not least <= len(value.strip()) or len(value) > most or "\x00" in value
    ]
    flags: Any = (("enabled", row.enabled), ("at_main", row.at_main))
    found += [fault(name, "wrong_type", "is no boolean", "true or false") for name, value in flags if not isinstance(value, bool)]
    found += [fault(name[:100], "unknown_key", "is not known here", ", ".join((*FIELDS, "tools"))) for name in fields if name not in FIELDS]
    if not re.fullmatch(SLUG_PATTERN, slug):
        found.append(fault("slug", "bad_name", "is no valid short name", SLUG_RULE))
    if len(tools) > MOST_TOOLS:
        found.append(fault("tools", "too_many", "are too many", f"at most {MOST_TOOLS}"))
    return found


def _clash_faults(tenant: Tenant, row: VirtualServer, tools: Sequence[Chosen]) -> list[Fault]:
    known = _known(tenant, tools)
    found = clashes([_choice(one, tool) for one, tool in known], taken=_taken(tenant, but=row.slug) if row.at_main else ())
    at = {f"{one.server}/{one.tool}": index for index, one in enumerate(tools)}
    return [
        fault(f"tools[{at[one.places[-1]]}].name", "name_taken", f"{one.name}: {one.why} ({', '.join(one.places)})", "another name") for one in found
    ]


def _known(tenant: Tenant, tools: Sequence[Chosen]) -> list[tuple[Chosen, UpstreamTool]]:
    rows = {(row.server.slug, row.name): row for row in queries.tools(tenant).filter(server__slug__in={one.server for one in tools})}
    places = [(one.server, one.tool) for one in tools]
    faults = [
        fault(f"tools[{index}]", "unknown_tool", f"{server}/{tool} is not known", "a tool that a connected server has listed")
        for index, (server, tool) in enumerate(places)
        if (server, tool) not in rows
    ]
    faults += [
        fault(f"tools[{index}]", "twice", f"{'/'.join(place)} is chosen twice", "each tool once")
        for index, place in enumerate(places)
        if place in places[:index]
    ]
    _refuse(faults)
    return [(one, rows[one.server, one.tool]) for one in tools]


def _choice(one: Chosen, row: UpstreamTool) -> Choice:
    return Choice(server=one.server, tool=one.tool, made=row.offered_name, given=one.name)


def _taken(tenant: Tenant, *, but: str) -> Collection[str]:
    """Names at /mcp: the platform's own tools, and those of other virtual servers that are offered there."""
    others = queries.virtual_tools(tenant).filter(virtual__at_main=True).exclude(virtual__slug=but)
    return {*(tool.name for tool in toolkit.tools()), *(row.name or row.tool.offered_name for row in others)}


def _chosen_of(row: VirtualServer) -> list[Chosen]:
    rows = VirtualTool.objects.for_tenant(row.tenant_id).filter(virtual=row).select_related("tool__server")
    return [Chosen(server=one.tool.server.slug, tool=one.tool.name, name=one.name, description=one.description) for one in rows]


def _replace(row: VirtualServer, known: Iterable[tuple[Chosen, UpstreamTool]]) -> None:
    VirtualTool.objects.for_tenant(row.tenant_id).filter(virtual=row).delete()
    VirtualTool.objects.bulk_create(
        VirtualTool(tenant=row.tenant, virtual=row, tool=tool, name=one.name, description=one.description) for one, tool in known
    )


def _shown(row: VirtualServer) -> dict[str, Any]:
    """What the audit says of it."""
    tools = [] if row._state.adding else [f"{one.server}/{one.tool}{f' as {one.name}' if one.name else ''}" for one in _chosen_of(row)]
    return {**{name: getattr(row, name) for name in FIELDS}, "tools": sorted(tools)}


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise ConfigurationRefused("The virtual server cannot be taken; `errors` lists every fault.", errors=faults)
