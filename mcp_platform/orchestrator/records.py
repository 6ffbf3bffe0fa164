"""What was seen of a server, written into its row and those of its tools: state, last error, what it offers, what of that has changed."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from mcp_platform import observability, realtime
from mcp_platform.orchestrator.clients.connection import About
from mcp_platform.orchestrator.core import names
from mcp_platform.orchestrator.core.words import clean
from mcp_platform.orchestrator.models import RemoteServer, UpstreamTool
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import audit

log = observability.logger(__name__)
Listed = Mapping[str, tuple[dict[str, Any], str]]  # name -> definition, its hash
LONGEST_NAME: Final = 200
NOTED_EVERY: Final = timedelta(seconds=15)  # of a server that keeps failing in the same way
SYSTEM: Final = "system"


def note_failure(tenant_id: UUID, server_id: UUID, message: str) -> None:
    now, message = timezone.now(), clean(message)[:500]
    row = RemoteServer.objects.for_tenant(tenant_id).filter(pk=server_id).only("state", "last_error", "checked_at").first()
    if row is None or (
        row.state == RemoteServer.State.FAILED and row.last_error == message and row.checked_at and now - row.checked_at < NOTED_EVERY
    ):
        return
    values = {"state": RemoteServer.State.FAILED, "last_error": message, "last_error_at": now, "checked_at": now}
    RemoteServer.objects.for_tenant(tenant_id).filter(pk=server_id).update(**values)
    log.warning("upstream_failed", server_id=str(server_id), error=message)


def note_contact(tenant_id: UUID, server_id: UUID, about: About, listed: Listed) -> bool:
    """Whether what may be called has changed by what the server offers now."""
    now = timezone.now()
    with transaction.atomic():
        row: RemoteServer | None = RemoteServer.objects.for_tenant(tenant_id).select_for_update(no_key=True).filter(pk=server_id).first()
        if row is None:
            return False
        row.state, row.checked_at, row.connected_at = RemoteServer.State.CONNECTED, now, now
        row.latency_ms, row.protocol_version = about.latency_ms, about.protocol_version[:20]
        row.server_info, row.features = dict(about.server_info), list(about.features)
        row.save(update_fields=("state", "checked_at", "connected_at", "latency_ms", "protocol_version", "server_info", "features"))
        changed = _note_tools(row, {name: found for name, found in listed.items() if name and len(name) <= LONGEST_NAME}, now)
        if changed:
            realtime.catalogue_changed(tenant_id, "tools")
    return changed


def _note_tools(server: RemoteServer, listed: Listed, now: datetime) -> bool:
    known = {row.name: row for row in UpstreamTool.objects.for_tenant(server.tenant_id).filter(server=server)}
    trusted = not known and server.trust == RemoteServer.Trust.FIRST
    fresh = [_first_seen(server, name, *listed[name], trusted=trusted, now=now) for name in sorted(listed) if name not in known]
    drifted = [row for name, row in known.items() if name in listed and _seen_again(row, *listed[name])]
    UpstreamTool.objects.for_tenant(server.tenant_id).filter(server=server, name__in=listed).update(last_seen_at=now)
    gone = [row for name, row in known.items() if name not in listed and row.missing_since is None]
    if gone:
        UpstreamTool.objects.for_tenant(server.tenant_id).filter(pk__in=[row.pk for row in gone]).update(missing_since=now)
    told = {"new": [row.name for row in fresh], "changed": [row.name for row in drifted], "gone": [row.name for row in gone]}
    found = {what: sorted(tools)[:100] for what, tools in told.items() if tools}
    if found:
        tenant = Tenant.objects.get(pk=server.tenant_id)
        changes = {"server": server.slug, "approved": trusted, **found}
        audit(tenant, actor=SYSTEM, action="mcp_tool.seen", target=server, changes=changes)
    return bool(found)


def _first_seen(server: RemoteServer, name: str, definition: dict[str, Any], digest: str, *, trusted: bool, now: datetime) -> UpstreamTool:
    row = UpstreamTool(
        tenant_id=server.tenant_id, server=server, name=name, seen_definition=definition, seen_hash=digest, first_seen_at=now, last_seen_at=now
    )
    if trusted:
        row.status, row.definition, row.approved_hash = UpstreamTool.Status.APPROVED, definition, digest
        row.approved_by, row.approved_at = f"{SYSTEM}: first contact", now
    row.offered_name = names.offered_name(server.slug, name)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:  # two servers, one name: the one that was first keeps it
        log.warning("tool_name_taken", server=server.slug, tool=name, name=row.offered_name)
        row.offered_name = ""
        row.save()
    return row


def _seen_again(row: UpstreamTool, definition: dict[str, Any], digest: str) -> bool:
    """Whether that changes what may be called."""
    if row.seen_hash == digest and row.missing_since is None:
        return False
    before = (row.status, row.missing_since is None)
    row.missing_since, row.seen_definition, row.seen_hash = None, definition, digest
    if row.status == UpstreamTool.Status.APPROVED and digest != row.approved_hash:
        row.status = UpstreamTool.Status.CHANGED
    elif row.status == UpstreamTool.Status.CHANGED and digest == row.approved_hash:
        row.status = UpstreamTool.Status.APPROVED
    row.save(update_fields=("missing_since", "seen_definition", "seen_hash", "status"))
    return before != (row.status, True)
