"""One long-lived connection to one server. It is opened and closed by a task of its own, its owner; anybody on the loop may make requests over it.

The owner has an empty context: what belongs to the request that happened to come first (tenant, correlation, trace) must not stay with it.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator.clients import faults, people, programs, trace
from mcp_platform.orchestrator.clients.plan import Plan
from mcp_platform.orchestrator.core import drift
from mcp_platform.orchestrator.core.asking import Person
from mcp_platform.orchestrator.core.words import clean, cleaned
from mcp_platform.orchestrator.errors import UpstreamTimedOut, UpstreamUnreachable

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client import IncomingMessage

log = observability.logger(__name__)
T = TypeVar("T")
MOST_PAGES: Final = 50
MOST_TOOLS: Final = 1000
LARGEST_EVENT: Final = 8 * 1024 * 1024  # bytes
SLACK: Final = 2.0  # seconds that the layers beneath get to end by themselves what is late
# Notification of the protocol -> what of the server has changed.
CHANGES: Final[Mapping[str, str]] = {
    "notifications/tools/list_changed": "tools",
    "notifications/resources/list_changed": "resources",
    "notifications/resources/updated": "resource",
}
Heard = Callable[[Plan, str, str], None]  # the plan, what has changed, the URI of a resource


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a server says of itself. `latency_ms`: of listing its tools."""

    protocol_version: str = ""
    server_info: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    instructions: str = ""
    latency_ms: int = 0


class Connection:
    """`tools`: name -> (definition, its hash), as last listed. `dead`: take another one; `retired`: close it when nobody uses it;
    `suspect`: the last request has failed, and who knows whether the server is still the same."""

    def __init__(self, plan: Plan, *, heard: Heard) -> None:
        self.plan = plan
        self.about = About()
        self.tools: dict[str, tuple[dict[str, Any], str]] = {}
        self.listed_at = self.used_at = time.monotonic()
        self.dead = self.retired = self.suspect = False
        self.busy = 0
        self.noted = False
        self._heard = heard
        self._people = people.People(plan.upstream.slug, plan.upstream.name)
        self._client: Client | None = None
        self._complaints = programs.Complaints()
        self._leaving = asyncio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._owner: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises UpstreamUnreachable, UpstreamTimedOut, UpstreamFailed, AddressRefused, ProgramNotAllowed; always within the server's timeout."""
        await asyncio.to_thread(_load)
        self._owner = asyncio.create_task(self._own(), name=f"mcp-{self.plan.upstream.slug}", context=contextvars.Context())
        try:
            async with asyncio.timeout(self.plan.upstream.timeout):
                await asyncio.shield(self._ready)
        except TimeoutError as late:
            await self.close()
            raise UpstreamTimedOut(f"{self.plan.upstream.slug} did not answer in time.", server=self.plan.upstream.slug, sent=False) from late
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends a program, tells a server that the session is over; what is under way fails."""
        self.dead = True
        self._leaving.set()
        if self._owner is None or self._owner is asyncio.current_task():
            return
        if not self._ready.done():
            self._owner.cancel()
        done, _ = await asyncio.wait([self._owner], timeout=10)
        if not done:
            self._owner.cancel()
            log.warning("upstream_closes_slowly", server=self.plan.upstream.slug)

    async def request(self, ask: "Callable[[Client], Awaitable[T]]", *, timeout: float, person: Person | None = None) -> T:
        """One request, `timeout` in seconds; `person` is asked what the server wants to know on the way.

        Raises what `faults.told` gives; the connection is `dead` after a fault that it does not survive.
        """
        client = self._client
        if client is None or self.dead:
            raise UpstreamUnreachable(f"The connection to {self.plan.upstream.slug} was lost.", server=self.plan.upstream.slug, sent=False)
        seen = trace.Trace()
        before, entered = trace.current.set(seen), self._people.enter(person)
        self.busy += 1
        try:
            async with asyncio.timeout(timeout + SLACK):
                return await ask(client)
        except Exception as fault:
            problem = faults.told(fault, seen, self.plan, complaint=self._complaints.last())
            if isinstance(problem, faults.SessionLost) or problem.details.get("lost"):
                self.abandon()
            raise problem from fault
        finally:
            self.busy -= 1
            self.used_at = time.monotonic()
            self._people.leave(person, entered)
            trace.current.reset(before)

    def abandon(self) -> None:
        """Nobody new takes it; its owner closes it."""
        self.dead = True
        self._leaving.set()

    async def list_tools(self) -> None:
        """Read the tools anew. Raises as `request`."""
        began = time.monotonic()
        self.tools = await self.request(_tools, timeout=self.plan.upstream.timeout)
        self.listed_at = time.monotonic()
        self.about = self._about(int((self.listed_at - began) * 1000))
        self.noted = False

    async def _own(self) -> None:
        seen = trace.Trace()
        trace.current.set(seen)
        try:
            async with AsyncExitStack() as stack:
                self._client = await stack.enter_async_context(self._made(await self._transport(stack)))
                await self.list_tools()
                if not self._ready.done():
                    self._ready.set_result(None)
                await self._leaving.wait()
        except asyncio.CancelledError:
            self._failed(UpstreamUnreachable(f"The connection to {self.plan.upstream.slug} was given up.", server=self.plan.upstream.slug))
        except BaseException as fault:  # noqa: BLE001  groups of everything that can happen in a transport
            await asyncio.sleep(self._complaints.patience)
            self._failed(faults.told(fault, seen, self.plan, complaint=self._complaints.last(), opening=not self._ready.done()))
        finally:
            self.dead = True
            self._client = None

    def _failed(self, problem: PlatformError) -> None:
        if not self._ready.done():
            self._ready.set_exception(problem)
            self._ready.exception()  # somebody may have stopped waiting for it
        elif not self._leaving.is_set():
            log.info("upstream_lost", server=self.plan.upstream.slug, fault=problem.message)

    async def _transport(self, stack: AsyncExitStack) -> Any:
        upstream = self.plan.upstream
        if upstream.transport == "stdio":
            return programs.running(self.plan, self._complaints)
        if upstream.transport == "sse":
            from mcp.client.sse import sse_client

            return sse_client(upstream.url, httpx_client_factory=lambda headers=None, timeout=None, auth=None: self._http())
        from mcp.client.streamable_http import streamable_http_client

        http = await stack.enter_async_context(self._http())
        return streamable_http_client(upstream.url, http_client=http, max_sse_event_size=LARGEST_EVENT)

    def _http(self) -> Any:
        from mcp_platform.orchestrator.clients.tokens import ClientCredentials, Secrets
        from mcp_platform.outbound import streaming

        plan = self.plan
        auth = ClientCredentials(plan.token, fetched=plan.fetched.append) if plan.token else Secrets(plan.shown) if plan.shown else None
        return streaming.client(timeout=plan.upstream.timeout + SLACK, headers={}, allow_hosts=plan.allow_hosts, auth=auth, watch=trace.watch)

    def _made(self, transport: Any) -> "Client":
        from mcp import Client
        from mcp_types import Implementation

        return Client(
            transport,
            mode="legacy" if self.plan.upstream.transport == "sse" else "auto",
            cache=None,  # answers are kept by the store, for each tenant and principal
            read_timeout_seconds=self.plan.upstream.timeout,
            message_handler=self._listen,
            elicitation_callback=self._people.asked,
            client_info=Implementation(name="mcp-platform", version="1"),
        )

    async def _listen(self, message: "IncomingMessage") -> None:
        changed = CHANGES.get(str(getattr(message, "method", "")))
        if changed:
            self._heard(self.plan, changed, str(getattr(getattr(message, "params", None), "uri", "") or ""))

    def _about(self, latency_ms: int) -> About:
        client = self._client
        if client is None:
            return self.about
        info = client.server_info
        return About(
            protocol_version=clean(client.protocol_version),
            server_info={"name": clean(info.name)[:200], "version": clean(info.version)[:100]} if info else {},
            features=tuple(sorted(cleaned(client.server_capabilities.model_dump(exclude_none=True, by_alias=True)))),
            instructions=clean(client.instructions or "")[:4000],
            latency_ms=latency_ms,
        )


def _load() -> None:
    """The SDK takes long to import; that is not the server's time, and a loop does not stand still for it."""
    import mcp.client.sse
    import mcp.client.streamable_http  # noqa: F401

    import mcp_platform.orchestrator.clients.tokens
    import mcp_platform.outbound.streaming  # noqa: F401


async def _tools(client: "Client") -> dict[str, tuple[dict[str, Any], str]]:
    """Those of all pages; none of a server that has none, which is not asked."""
    if client.server_capabilities.tools is None:
        return {}
    found: dict[str, tuple[dict[str, Any], str]] = {}
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools[: MOST_TOOLS - len(found)]:
            definition = drift.definition(cleaned(tool.model_dump(by_alias=True, mode="json", exclude_none=True)))
            found[clean(tool.name)] = (definition, drift.digest(definition))
        cursor = page.next_cursor
        if cursor is None or len(found) >= MOST_TOOLS:
            break
    return found
