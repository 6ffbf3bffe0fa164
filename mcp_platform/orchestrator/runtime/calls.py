"""A request to a server, made well: approved, admitted by the breaker, repeated only where that is harmless, recorded, measured."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from uuid import UUID

from mcp_platform.errors import Kind, PlatformError
from mcp_platform.orchestrator.clients import faults, pool
from mcp_platform.orchestrator.clients.connection import Connection
from mcp_platform.orchestrator.core import drift, retries, routing
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.orchestrator.core.asking import Person, Resumed, Wanted
from mcp_platform.orchestrator.core.types import Approved, Asked, Upstream
from mcp_platform.orchestrator.core.words import cleaned
from mcp_platform.orchestrator.errors import (
    CircuitOpen,
    ToolChanged,
    ToolDenied,
    ToolGone,
    ToolNotApproved,
    UpstreamBusy,
    UpstreamTimedOut,
    UpstreamToolNotFound,
)
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.runtime import contact, ledger, rounds
from mcp_platform.orchestrator.runtime import directory as directories
from mcp_platform.orchestrator.runtime.attending import PATIENCE_SECONDS, Attended, Tries
from mcp_platform.orchestrator.runtime.directory import Directory

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult, InputRequiredResult

T = TypeVar("T")
NEVER_AGAIN: Final = (CircuitOpen, UpstreamBusy)
SLACK: Final = 0.5  # seconds in which a request may tell by itself that it is late, and what is known of it


class Progress(Protocol):
    """Called with what a tool reports while it works; without a `total` nobody knows how much there is to do."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


async def call_tool(
    tenant_id: UUID,
    *,
    server: str,
    tool: str,
    arguments: Mapping[str, Any],
    asked: Asked,
    progress: Progress | None = None,
    timeout: float | None = None,
) -> Answer:
    """`attended`, with nobody who could be asked: a tool that wants to know something is told that nothing is said to it."""
    answer = await attended(
        tenant_id, server=server, tool=tool, arguments=arguments, asked=asked, progress=progress, timeout=timeout, person=None, resumed=None
    )
    assert isinstance(answer, Answer)
    return answer


async def attended(
    tenant_id: UUID,
    *,
    server: str,
    tool: str,
    arguments: Mapping[str, Any],
    asked: Asked,
    person: Person | None,
    resumed: Resumed | None,
    progress: Progress | None = None,
    timeout: float | None = None,
) -> Answer | Wanted:
    """Call a tool by the server's slug and the server's own name for it. `timeout` in seconds for all tries together, without the time that
    `person` takes to answer; the server's without one. Wanted only for a person who is asked later, who then calls again with `resumed`.

    A tool that says that it has failed is an answer (`is_error`). Raises ServerNotFound, ServerDisabled, UpstreamToolNotFound, ToolDenied,
    ToolNotApproved, ToolChanged, ToolGone, ArgumentsRefused, QuestionGone, and what is Unavailable: UpstreamUnreachable, UpstreamTimedOut,
    UpstreamFailed, CircuitOpen; UpstreamBusy. Nothing of the caller's credentials goes along.
    """
    directory = await directories.of(tenant_id)
    upstream = directory.server(server)
    entry = ledger.Entry(upstream, asked, kind=ServerCall.Kind.TOOL, name=tool, arguments=dict(arguments))
    tries = Tries()
    attending = Attended(person, upstream, tries) if person is not None else None
    until = time.monotonic() + (timeout or upstream.timeout)
    async with recorded(directory, entry, tries):
        try:
            approved = await _approved(directory, upstream, tool, until)
            once, repeatable = _calling(approved, arguments, progress, attending, resumed), drift.may_repeat(approved.definition)
            result = await made(directory, upstream, once, repeatable=repeatable, timeout=until - time.monotonic(), tries=tries)
            return _ended(upstream, tool, result, entry, tries)
        finally:
            if attending is not None:
                attending.leave()


@asynccontextmanager
async def recorded(directory: Directory, entry: ledger.Entry, tries: Tries) -> AsyncIterator[None]:
    """However the block ends, it is on disk behind it."""
    try:
        yield
    except PlatformError as fault:
        entry.failed(fault, attempts=max(1, tries.count))
        raise
    except asyncio.CancelledError:
        entry.ended(ledger.Outcome.CANCELLED, attempts=max(1, tries.count))
        raise
    finally:
        await asyncio.shield(ledger.keep(entry, directory.policy))


def _calling(
    approved: Approved, arguments: Mapping[str, Any], progress: Progress | None, attending: Attended | None, resumed: Resumed | None
) -> Callable[[Connection, float], Awaitable["CallToolResult | InputRequiredResult"]]:
    async def once(connection: Connection, left: float) -> "CallToolResult | InputRequiredResult":
        _is_still(connection, approved)
        seconds = left + (PATIENCE_SECONDS if attending is not None else 0)

        async def ask(client: "Client") -> "CallToolResult | InputRequiredResult":
            how: dict[str, Any] = {"read_timeout_seconds": seconds, "progress_callback": progress}
            if attending is not None and attending.later:
                return await rounds.called(client, approved.name, arguments, resumed, how)
            return await client.call_tool(approved.name, dict(arguments), **how)

        return await connection.request(ask, timeout=seconds, person=attending)

    return once


def _ended(upstream: Upstream, tool: str, result: "CallToolResult | InputRequiredResult", entry: ledger.Entry, tries: Tries) -> Answer | Wanted:
    wanted = rounds.wanted(upstream, tool, result)
    if wanted is not None:
        entry.ended(ledger.Outcome.OK, attempts=tries.count)
        return wanted
    answer = _answer(upstream, tool, result, entry)
    outcome = ledger.Outcome.TOOL_ERROR if answer.is_error else ledger.Outcome.OK
    entry.ended(outcome, result_bytes=_size(answer), attempts=tries.count)
    return answer


async def made(
    directory: Directory,
    upstream: Upstream,
    once: Callable[[Connection, float], Awaitable[T]],
    *,
    repeatable: bool,
    timeout: float,
    tries: Tries | None = None,
) -> T:
    """Connect and ask, again where that is harmless: when the request has certainly not arrived, or when it may be `repeatable`."""
    until = time.monotonic() + timeout
    tries = tries or Tries()
    async with _place(upstream, until) as tries.limit:
        return await _repeated(directory, upstream, once, repeatable, until, tries)


@asynccontextmanager
async def _place(upstream: Upstream, until: float) -> AsyncIterator[asyncio.Timeout]:
    """A place at the server, left in time: connecting and listing have the server's own timeout, which may be longer than that of who asks."""
    with contact.pool().place(upstream):
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic()) + SLACK) as limit:
                yield limit
        except TimeoutError as late:
            raise _too_late(upstream) from late


def _too_late(upstream: Upstream) -> UpstreamTimedOut:
    return UpstreamTimedOut(f"{upstream.slug} did not answer in time.", server=upstream.slug)


async def _repeated(
    directory: Directory,
    upstream: Upstream,
    once: Callable[[Connection, float], Awaitable[T]],
    repeatable: bool,
    until: float,
    tries: Tries,
) -> T:
    lost = 0
    while True:
        tries.count += 1
        try:
            return await _once(directory, upstream, once, until, tries)
        except faults.SessionLost as fault:
            lost += 1  # it was started anew: the next connection begins a session
            if lost > 1 or not ((repeatable and not tries.asked) or fault.details.get("sent") is False):
                raise
        except PlatformError as fault:
            wait = retries.pause(tries.count, random.random())  # noqa: S311  not about secrets
            over = tries.count > directory.policy.max_retries or time.monotonic() + wait >= until
            if over or not _may_again(fault, repeatable and not tries.asked):
                raise
            await asyncio.sleep(wait)


async def _once(directory: Directory, upstream: Upstream, once: Callable[[Connection, float], Awaitable[T]], until: float, tries: Tries) -> T:
    connection = await contact.connected(directory, upstream)
    try:
        return await once(connection, max(0.1, until - time.monotonic()))
    except PlatformError as fault:
        if pool.health(fault) is False:
            await contact.doubt(connection, fault)
        raise
    except asyncio.CancelledError:
        if tries.limit is not None and tries.limit.expired():  # its caller is still there: it is the server that is late
            await contact.doubt(connection, _too_late(upstream))
        raise


def _may_again(fault: PlatformError, repeatable: bool) -> bool:
    if fault.kind is not Kind.UNAVAILABLE or isinstance(fault, NEVER_AGAIN) or fault.details.get("status") in (401, 403):
        return False
    if isinstance(fault, ToolGone) or (isinstance(fault, UpstreamTimedOut) and fault.details.get("sent") is False):
        return False  # the time for all tries is over, too
    return repeatable or fault.details.get("sent") is False


async def _approved(directory: Directory, upstream: Upstream, tool: str, until: float) -> Approved:
    if not routing.lets_through(tool, allowed=upstream.allowed_tools, denied=upstream.denied_tools):
        raise ToolDenied(f"The rules of {upstream.slug} do not let {tool[:100]} through.", server=upstream.slug, tool=tool[:100])
    place = (upstream.slug, tool)
    if place not in directory.tools:  # perhaps nobody has asked this server yet
        async with _place(upstream, until):
            await contact.connected(directory, upstream)
        directory = await directories.of(upstream.tenant_id, fresh=True)
    if place not in directory.tools:
        raise UpstreamToolNotFound(f"{upstream.slug} has no tool {tool[:100]}.", server=upstream.slug, tool=tool[:100])
    approved = directory.tools[place]
    if approved is None:
        raise ToolNotApproved(f"{tool[:100]} of {upstream.slug} waits for approval.", server=upstream.slug, tool=tool[:100])
    return approved


def _is_still(connection: Connection, approved: Approved) -> None:
    """What the server offers now is what was approved. Raises ToolGone, ToolChanged."""
    facts = {"server": connection.plan.upstream.slug, "tool": approved.name}
    listed = connection.tools.get(approved.name)
    if listed is None:
        raise ToolGone(f"{facts['server']} no longer offers {approved.name}.", **facts)
    if listed[1] != approved.hash:
        raise ToolChanged(f"{facts['server']} has changed {approved.name} since it was approved.", **facts)


def _answer(upstream: Upstream, tool: str, result: Any, entry: ledger.Entry) -> Answer:
    told = cleaned(result.model_dump(by_alias=True, mode="json", exclude_none=True))
    return Answer(
        server=upstream.slug,
        tool=tool,
        content=tuple(told.get("content") or ()),
        structured=told.get("structuredContent"),
        is_error=bool(told.get("isError")),
        duration_ms=entry.elapsed_ms(),
    )


def _size(answer: Answer) -> int:
    return len(json.dumps([answer.content, answer.structured], ensure_ascii=False).encode("utf-8", "replace"))
