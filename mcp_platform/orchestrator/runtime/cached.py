"""Answers of servers through those that are kept. Of many who miss the same one at the same time one asks the server."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from django.utils import timezone

from mcp_platform.errors import Kind, PlatformError
from mcp_platform.orchestrator import store
from mcp_platform.orchestrator.clients.connection import Connection
from mcp_platform.orchestrator.core import freshness
from mcp_platform.orchestrator.core.types import Asked, Upstream
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.runtime import calls, flights, ledger, rows
from mcp_platform.orchestrator.runtime.attending import Tries
from mcp_platform.orchestrator.runtime.directory import Directory

if TYPE_CHECKING:
    from mcp import Client

Fetch: TypeAlias = "Callable[[Client, str], Awaitable[tuple[Any, freshness.Hint]]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One answer. `cached`: the server was not asked for it; `stale`: and it is older than it should be. `audience`: the actor that it is for,
    empty for everybody of the tenant."""

    value: Any
    fetched_at: datetime
    cached: bool = False
    stale: bool = False
    audience: str = ""
    lasting: bool = True  # its server lets it be used again


async def read(directory: Directory, upstream: Upstream, asked: Asked, *, method: str, subject: str, fetch: Fetch, stale: bool = True) -> Read:
    """A kept answer while it is fresh, else the server's; an old one when the server fails and `stale` allows it.

    Counted as a miss is what the server is asked for, as a hit whatever else is answered, be it from an answer that was under way.
    """
    kept = await rows.within(upstream.tenant_id, lambda: _look(upstream, asked, method, subject))
    if kept is not None and kept.fresh:
        return _kept(kept)
    try:
        return await _joined(directory, upstream, asked, method, subject, fetch)
    except PlatformError as fault:
        if kept is None or not stale or fault.kind is not Kind.UNAVAILABLE:
            raise
        await _count(upstream, "stale")
        return replace(_kept(kept), stale=True)


def _look(upstream: Upstream, asked: Asked, method: str, subject: str) -> store.Kept | None:
    kept = store.read(upstream.tenant_id, upstream.id, actor=asked.actor, key=store.key_of(method, subject))
    if kept is not None and kept.fresh:
        store.count(upstream.tenant_id, upstream.id, "hits")
    return kept


def _kept(kept: store.Kept) -> Read:
    return Read(value=kept.value, fetched_at=kept.fetched_at, audience=kept.audience, cached=True)


async def _count(upstream: Upstream, what: str) -> None:
    await rows.within(upstream.tenant_id, lambda: store.count(upstream.tenant_id, upstream.id, what))


async def _joined(directory: Directory, upstream: Upstream, asked: Asked, method: str, subject: str, fetch: Fetch) -> Read:
    """An answer that turns out to be for the one who asked, or for once only, is not given to those who have waited: they ask for themselves."""

    async def work() -> Read:
        kept = await rows.within(upstream.tenant_id, lambda: _look(upstream, asked, method, subject))
        if kept is not None and kept.fresh:  # somebody was answered between our look and our asking
            return _kept(kept)
        await _count(upstream, "misses")
        return await _fetched(directory, upstream, asked, method, subject, fetch)

    place = (upstream.tenant_id, upstream.id, upstream.rev, method, subject)
    found, mine = await flights.shared(place, work)
    if not mine and found.audience not in ("", asked.actor):
        found, mine = await flights.shared((*place, asked.actor), work)
    if not mine and not found.lasting:
        found, mine = await work(), True
    if mine:
        return found
    await _count(upstream, "hits")
    return replace(found, cached=True)


async def _fetched(directory: Directory, upstream: Upstream, asked: Asked, method: str, subject: str, fetch: Fetch) -> Read:
    kind = ServerCall.Kind.RESOURCE if subject else ServerCall.Kind.LISTING
    entry = ledger.Entry(upstream, asked, kind=kind, name=subject or method)
    tries = Tries()

    async def once(connection: Connection, left: float) -> tuple[Any, freshness.Hint]:
        return await connection.request(lambda client: fetch(client, subject), timeout=left)

    async with calls.recorded(directory, entry, tries):
        value, hint = await calls.made(directory, upstream, once, repeatable=True, timeout=upstream.timeout, tries=tries)
        entry.ended(ledger.Outcome.OK, attempts=tries.count, result_bytes=len(json.dumps(value)))
    now = timezone.now()
    keeping = freshness.keeping(hint, actor=asked.actor, default_ttl=directory.policy.resource_cache_ttl, now=now)
    await rows.within(
        upstream.tenant_id, lambda: store.write(upstream.tenant_id, upstream.id, keeping=keeping, method=method, subject=subject, value=value)
    )
    return Read(value=value, fetched_at=now, audience=keeping.audience, lasting=keeping.fresh_until > now)
