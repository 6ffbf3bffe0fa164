"""Whether a tool of an upstream may be used: somebody looks at what the server says that it does, and approves exactly that."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from mcp_platform.orchestrator import queries
from mcp_platform.orchestrator.core import drift, names
from mcp_platform.orchestrator.errors import ToolChanged, ToolGone, UpstreamToolNotFound
from mcp_platform.orchestrator.models import UpstreamTool
from mcp_platform.orchestrator.services import offers
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit


def approve(tenant: Tenant, *, tool_id: UUID, seen_hash: str = "", by: By) -> UpstreamTool:
    """What the server offers now becomes what is called. `seen_hash`: what the approver has looked at; "" for whatever it is now.

    Raises UpstreamToolNotFound, ToolGone, ToolChanged when it is not what was looked at.
    """
    with transaction.atomic():
        row = _locked(tenant, tool_id)
        server, tool = row.server.slug, row.name
        if seen_hash and seen_hash != row.seen_hash:
            raise ToolChanged("The server has changed this tool since you looked at it.", server=server, tool=tool, seen_hash=row.seen_hash)
        if row.missing_since is not None:
            raise ToolGone(server=server, tool=tool)
        if row.status == UpstreamTool.Status.APPROVED and row.approved_hash == row.seen_hash:
            return row
        changes = drift.changes(row.definition, row.seen_definition) if row.approved_hash else []
        row.definition, row.approved_hash, row.status = row.seen_definition, row.seen_hash, UpstreamTool.Status.APPROVED
        row.approved_by, row.approved_at = actor_of(by), timezone.now()
        _save_named(row)
        told = {"server": server, "tool": tool, "hash": row.approved_hash, "changed": [one["path"] for one in changes[:50]]}
        audit(tenant, actor=actor_of(by), action="mcp_tool.approve", target=row, changes=told)
        offers.changed(tenant)
    return row


def reject(tenant: Tenant, *, tool_id: UUID, by: By) -> UpstreamTool:
    """It is not called, also when it was approved before, until somebody approves it. Raises UpstreamToolNotFound."""
    with transaction.atomic():
        row = _locked(tenant, tool_id)
        if row.status != UpstreamTool.Status.REJECTED:
            row.status = UpstreamTool.Status.REJECTED
            row.save(update_fields=("status",))
            audit(tenant, actor=actor_of(by), action="mcp_tool.reject", target=row, changes={"server": row.server.slug, "tool": row.name})
            offers.changed(tenant)
    return row


def approve_all(tenant: Tenant, *, server: str, by: By) -> int:
    """Everything of a server that waits; how many. Raises ServerNotFound."""
    row = queries.server(tenant, server)
    waiting = queries.tools(tenant).filter(server=row, missing_since=None, status__in=queries.WAITING)
    return len([approve(tenant, tool_id=one.pk, seen_hash=one.seen_hash, by=by) for one in waiting])


def _locked(tenant: Tenant, tool_id: UUID) -> UpstreamTool:
    rows = UpstreamTool.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("server")
    found: UpstreamTool | None = rows.filter(pk=tool_id).first()
    if found is None:
        raise UpstreamToolNotFound(tool=str(tool_id))
    return found


def _save_named(row: UpstreamTool) -> None:
    """With the name that clients see. Where another tool has it already it stays without one, and can be offered under a name of its own only."""
    wanted = row.offered_name or names.offered_name(row.server.slug, row.name)
    try:
        with transaction.atomic():
            row.offered_name = wanted
            row.save()
    except IntegrityError:
        row.offered_name = ""
        row.save()
