"""What happens with the catalogue outside of the protocol: a trial call from the admin, and the end of old rows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.mcp import calling, catalog, talking
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.calling import Done
from mcp_platform.mcp.catalog import Entry
from mcp_platform.mcp.models import Call
from mcp_platform.orchestrator.core.types import Asked as Sender
from mcp_platform.orchestrator.services import gateway
from mcp_platform.tenancy.scope import Principal
from mcp_platform.toolkit import ToolNotFound

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class _Admin:
    name: str = "admin"
    protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a trial call. `problem` is {} when it went well."""

    data: Any
    problem: Mapping[str, Any]
    milliseconds: int


def try_tool(by: Principal, *, name: str, arguments: Mapping[str, Any], virtual: str = "") -> Trial:
    """Call a tool as a client of this person would, for real. Raises ToolNotFound, Denied, VirtualServerNotFound."""
    entry = catalog.find(by.tenant, name, virtual)
    if entry is None:
        raise ToolNotFound(f"There is no tool {name[:100]}.", tool=name[:100])
    by.require(entry.scope)
    asked = Asked(
        principal=by,
        path="/admin",
        virtual=virtual,
        correlation_id=observability.correlation_id(),
        method="tools/call",
        params={"name": name},
        entry=entry,
    )
    began = time.monotonic()
    done = _done(asked, entry, arguments)
    code = done.error.code if done.error is not None else ""
    async_to_sync(calling.record)(asked, name=name, outcome=done.outcome, began=began, client=_Admin(), code=code, arguments=dict(arguments))
    problem = {"message": done.error.message, **calling.problem(done.error)} if done.error is not None else {}
    return Trial(data=_shown(done.data), problem=problem, milliseconds=int((time.monotonic() - began) * 1000))


def _done(asked: Asked, entry: Entry, arguments: Mapping[str, Any]) -> Done:
    try:
        if entry.upstream is not None:
            sender = Sender(actor=asked.actor, via="admin", correlation_id=asked.correlation_id)
            return Done(data=gateway.call(asked.tenant, virtual=asked.virtual or None, name=entry.name, arguments=arguments, asked=sender))
        if entry.flow is not None:
            return Done(data=_talk(asked, entry, dict(arguments)))
    except Exception as fault:  # noqa: BLE001  told by as_error
        return Done(error=calling.as_error(fault, f"The tool {entry.name}", asked.correlation_id))
    return async_to_sync(calling.perform)(asked, entry, arguments)


def _talk(asked: Asked, entry: Entry, arguments: dict[str, Any]) -> dict[str, Any]:
    assert entry.flow is not None
    calling.check(entry, arguments)
    return talking.talk(asked.tenant, flow=entry.flow, arguments=arguments, going_on=catalog.going_on(arguments), actor=asked.actor).as_json()


def _shown(data: Any) -> Any:
    return data.plain() if hasattr(data, "plain") else data


def erase_old_calls() -> int:
    """Rows older than MCP_CALLS_KEPT_DAYS, a batch at a time; how many."""
    before = timezone.now() - timedelta(days=settings.MCP_CALLS_KEPT_DAYS)
    old = Call.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:BATCH]
    count, _ = Call.objects.filter(pk__in=list(old)).delete()
    return count
