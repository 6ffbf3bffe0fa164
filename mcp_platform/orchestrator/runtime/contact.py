"""An open connection to a server, and what is seen on the way written into its row."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from mcp_platform import observability, realtime
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import records, store
from mcp_platform.orchestrator.clients import pool as pools
from mcp_platform.orchestrator.clients.connection import Connection
from mcp_platform.orchestrator.clients.plan import Plan
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.errors import CircuitOpen, UpstreamBusy
from mcp_platform.orchestrator.runtime import directory as directories
from mcp_platform.orchestrator.runtime import plans, rows
from mcp_platform.orchestrator.runtime.directory import Directory

log = observability.logger(__name__)
LISTED_FOR = 300.0  # seconds a list of tools is believed of a server that tells of no changes
APART = 1.0  # seconds between two follow-ups of what a server says again and again
MOST_SAYINGS = 50  # of one server at a time; more are taken for "everything has changed"
_behind: set[asyncio.Task[None]] = set()
_following: dict[tuple[Any, ...], bool] = {}  # what is followed up in which loop -> whether it was said again meanwhile


def pool() -> pools.Pool:
    return pools.of_this_loop(_heard)


async def connected(directory: Directory, upstream: Upstream) -> Connection:
    """Raises as `Connection.open`, and SecretNotFound, ProgramNotAllowed, CircuitOpen, UpstreamBusy; the server's row says so."""
    bare = plans.bare(directory, upstream)
    here = pool()
    found = here.held(bare)
    if found is None:
        try:
            plan = await rows.within(upstream.tenant_id, lambda: plans.opened(directory, upstream))
            found = await here.connection(plan)
        except PlatformError as fault:
            if not isinstance(fault, CircuitOpen | UpstreamBusy):
                message = fault.message
                await rows.within(upstream.tenant_id, lambda: records.note_failure(upstream.tenant_id, upstream.id, message))
            raise
    if found.suspect:
        await relisted(found)
        found.suspect = False
    elif not found.noted:
        await note(found)
    elif time.monotonic() - found.listed_at > LISTED_FOR:
        found.listed_at = time.monotonic()
        _in_background(_relist(found))
    return found


def why(upstream: Upstream, fault: Exception) -> str:
    """For whoever asked many servers: the fault of one is a sentence beside the answers of the others, also where it is none of ours."""
    if isinstance(fault, PlatformError):
        return fault.message
    log.error("upstream_answer_unusable", server=upstream.slug, fault=repr(fault))
    return f"What {upstream.slug} gave could not be used ({type(fault).__name__})."


async def doubt(connection: Connection, fault: PlatformError) -> None:
    """A request over it has failed, and not because of the request."""
    connection.suspect = True
    upstream, message = connection.plan.upstream, fault.message
    await rows.within(upstream.tenant_id, lambda: records.note_failure(upstream.tenant_id, upstream.id, message))


async def note(connection: Connection) -> None:
    """Write down what it is and what it offers; others who come meanwhile do not wait for that."""
    connection.noted = True
    upstream = connection.plan.upstream
    about, tools = connection.about, dict(connection.tools)
    try:
        if await rows.within(upstream.tenant_id, lambda: records.note_contact(upstream.tenant_id, upstream.id, about, tools)):
            directories.forget(upstream.tenant_id)
    except BaseException:
        connection.noted = False
        raise


async def relisted(connection: Connection) -> None:
    """The tools as they are now, and written down. Raises as `Connection.request`."""
    await connection.list_tools()
    await note(connection)


async def _relist(connection: Connection) -> None:
    try:
        await relisted(connection)
    except PlatformError as fault:
        log.info("upstream_not_relisted", server=connection.plan.upstream.slug, fault=fault.message)


def _heard(plan: Plan, changed: str, uri: str) -> None:
    """What a server says about itself: believed only so far as to ask it again, and not as often as it speaks."""
    server = (id(asyncio.get_running_loop()), *plan.key)
    saying = (*server, changed, uri)
    if saying not in _following and uri and sum(one[:-2] == server for one in list(_following)) >= MOST_SAYINGS:
        saying = (*server, changed, "")
    again = saying in _following
    _following[saying] = again
    if not again:
        _in_background(_follow_up(saying, plan, changed, saying[-1]))


async def _follow_up(saying: tuple[Any, ...], plan: Plan, changed: str, uri: str) -> None:
    try:
        again = True
        while again:
            _following[saying] = False
            await _follow(plan, changed, uri)
            await asyncio.sleep(APART)
            again = _following[saying]
    finally:
        del _following[saying]


async def _follow(plan: Plan, changed: str, uri: str) -> None:
    upstream = plan.upstream
    connection = pool().held(plan)
    if changed == "tools":
        if connection is not None:
            await _relist(connection)
        return
    method = "resources/list" if changed == "resources" else ""
    await rows.within(upstream.tenant_id, lambda: _forget(upstream.tenant_id, upstream.id, method, uri))


def _forget(tenant_id: UUID, server_id: UUID, method: str, uri: str) -> None:
    store.count(tenant_id, server_id, "evictions", store.invalidate(tenant_id, server_id=server_id, method=method, uri=uri))
    realtime.catalogue_changed(tenant_id, "resource" if uri else "resources", uri=uri)


def _in_background(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    _behind.add(task)
    task.add_done_callback(_ended)


def _ended(task: "asyncio.Task[None]") -> None:
    _behind.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.error("upstream_background_failed", fault=repr(task.exception()))
