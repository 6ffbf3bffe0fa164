"""The record of every request to a server, on disk before its caller gets the answer. Records that come at the same time are written together."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone

from mcp_platform import observability
from mcp_platform.db.together import Together
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.orchestrator.core.types import Asked, Policy, Upstream
from mcp_platform.orchestrator.core.words import clean
from mcp_platform.orchestrator.errors import ArgumentsRefused, UpstreamTimedOut, UpstreamUnreachable
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.runtime import rows
from mcp_platform.tenancy import scope

log = observability.logger("mcp_platform.orchestrator.calls")
Outcome = ServerCall.Outcome


class Entry:
    """One request while it is under way: who asks what, then how it has ended."""

    def __init__(self, upstream: Upstream, asked: Asked, *, kind: str, name: str, arguments: Any = None) -> None:
        self._began = time.monotonic()
        told = b"" if arguments is None else json.dumps(arguments, sort_keys=True, default=str).encode()
        self.row = ServerCall(
            tenant_id=upstream.tenant_id,
            at=timezone.now(),
            server_id=upstream.id,
            server=upstream.slug,
            kind=kind,
            name=clean(name)[:500],
            via=clean(asked.via)[:80],
            actor=clean(asked.actor)[:200],
            correlation_id=clean(asked.correlation_id or observability.correlation_id())[:80],
            outcome=Outcome.OK,
            arguments_sha256=hashlib.sha256(told).hexdigest() if told else "",
            arguments_bytes=len(told),
        )

    def elapsed_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)

    def ended(self, outcome: str, *, result_bytes: int = 0, attempts: int = 1) -> None:
        self.row.outcome, self.row.result_bytes, self.row.attempts = outcome, result_bytes, attempts
        self.row.duration_ms = self.elapsed_ms()

    def failed(self, fault: PlatformError, *, attempts: int = 1) -> None:
        self.ended(_outcome_of(fault), attempts=attempts)
        self.row.error_code, self.row.error = fault.code[:60], clean(fault.message)[:300]


def _outcome_of(fault: PlatformError) -> str:
    if isinstance(fault, UpstreamTimedOut):
        return Outcome.TIMED_OUT
    if isinstance(fault, UpstreamUnreachable):
        return Outcome.UNREACHABLE
    if isinstance(fault, ArgumentsRefused) or fault.kind is Kind.UNAVAILABLE:
        return Outcome.FAILED
    return Outcome.REFUSED


async def keep(entry: Entry, policy: Policy) -> None:
    """Returns when it is stored. What cannot be stored is in the log, whole: the request has happened, and its answer is not lost for that."""
    _measure(entry.row)
    _log(entry.row, policy)
    await _rows.add(entry.row, kind=entry.row.tenant_id)


async def _store(tenant_id: Any, batch: list[ServerCall]) -> None:
    """Together; when that fails one by one, so that a row that cannot be stored takes no other with it."""
    try:
        await rows.within(tenant_id, lambda: ServerCall.objects.bulk_create(batch))
    except Exception as fault:  # noqa: BLE001  the request has happened
        if len(batch) == 1:
            log.error("server_call_not_stored", fault=repr(fault), **_facts(batch[0]))
            return
        for row in batch:
            await _store(tenant_id, [row])


_rows = Together(_store)
_LEVELS: Final[Mapping[str, int]] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def _log(row: ServerCall, policy: Policy) -> None:
    """Failures always; the rest when the tenant wants it, at the level that it wants."""
    well = row.outcome in (Outcome.OK, Outcome.TOOL_ERROR)
    if not well:
        log.warning("server_call", **_facts(row))
    elif policy.enable_logging:
        log.log(_LEVELS.get(policy.log_level, 20), "server_call", **_facts(row))


def _facts(row: ServerCall) -> dict[str, Any]:
    names = ("server", "kind", "name", "via", "actor", "outcome", "error_code", "error", "duration_ms", "attempts", "arguments_sha256")
    return {"tenant_id": str(row.tenant_id), "correlation_id": row.correlation_id, **{name: str(getattr(row, name)) for name in names}}


def _measure(row: ServerCall) -> None:
    tenant = observability.bounded(str(row.tenant_id), "tenants")
    known = observability.bounded(f"{row.tenant_id}/{row.server}", "upstreams")
    name = row.server if known != "other" else known
    observability.UPSTREAM_CALLS.labels(tenant, name, row.outcome).inc()
    observability.UPSTREAM_DURATION.labels(tenant, name).observe(row.duration_ms / 1000)


def forget_before(moment: Any) -> int:
    """Erase records from before `moment`; how many. Platform scope: nobody else may erase them."""
    with scope.platform_scope():
        count, _ = ServerCall.objects.filter(at__lt=moment).delete()
    return int(count)
