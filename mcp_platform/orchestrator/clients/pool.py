"""The open connections of one event loop: one for each server and credential, shared by everybody who asks there."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from mcp_platform import observability
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.orchestrator.clients.connection import Connection
from mcp_platform.orchestrator.clients.plan import Plan
from mcp_platform.orchestrator.core import breaker
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.errors import CircuitOpen, UpstreamBusy

IDLE_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 30.0
CALLS_AT_ONCE: Final = 64  # to one server from one loop
CONNECTIONS_PER_TENANT: Final = 64
PROGRAMS_PER_TENANT: Final = 8
PROGRAMS: Final = 64
Key = tuple[Any, ...]


class Pool:
    """`heard` is told what a server says has changed."""

    def __init__(self, heard: Callable[[Plan, str, str], None]) -> None:
        self._heard = heard
        self._connections: dict[Key, Connection] = {}
        self._opening: dict[Key, tuple[Plan, asyncio.Task[Connection]]] = {}
        self._breakers: dict[UUID, breaker.Breaker] = {}
        self._under_way: Counter[UUID] = Counter()
        self._look: asyncio.TimerHandle | None = None

    def held(self, plan: Plan) -> Connection | None:
        """The open connection, if there is one."""
        found = self._connections.get(plan.key)
        return found if found is not None and not found.dead else None

    async def connection(self, plan: Plan) -> Connection:
        """The one that is open, or a new one; many who ask at once wait for the same. Raises as `Connection.open`, UpstreamBusy."""
        found = self.held(plan)
        if found is not None:
            return found
        if plan.key not in self._opening:
            self._admit(plan)
            opening = asyncio.create_task(self._open(plan))
            self._opening[plan.key] = plan, opening
            opening.add_done_callback(lambda done: self._opened(plan.key, done))
        return await asyncio.shield(self._opening[plan.key][1])

    @contextmanager
    def place(self, upstream: Upstream) -> Iterator[None]:
        """One of the requests that this server may get at the same time, connecting among them. Raises UpstreamBusy, CircuitOpen."""
        if self._under_way[upstream.id] >= CALLS_AT_ONCE:
            raise UpstreamBusy(server=upstream.slug, retry_after=1)
        now = time.monotonic()
        admitted, self._breakers[upstream.id] = breaker.admit(self._breakers.get(upstream.id, breaker.CLOSED), now)
        if not admitted:
            left = max(1, round(self._breakers[upstream.id].until - now))
            raise CircuitOpen(f"{upstream.slug} has failed often; it is left alone for {left} s.", server=upstream.slug, retry_after=left)
        self._under_way[upstream.id] += 1
        try:
            yield
        except PlatformError as fault:
            self._report(upstream.id, healthy=health(fault))
            raise
        except BaseException:  # its caller gave up, or the fault is ours: either way nobody knows
            self._report(upstream.id, healthy=None)
            raise
        else:
            self._report(upstream.id, healthy=True)
        finally:
            self._under_way[upstream.id] -= 1

    @contextmanager
    def aside(self, upstream: Upstream) -> Iterator[None]:
        """A request that waits for a person leaves its place to others."""
        self._under_way[upstream.id] -= 1
        try:
            yield
        finally:
            self._under_way[upstream.id] += 1

    async def close(self, *, tenant_id: UUID | None = None, server_id: UUID | None = None) -> int:
        """End the connections of one server, of one tenant, or all; how many."""
        chosen = [one for one in self._connections.values() if _is_of(one, tenant_id, server_id)]
        for connection in chosen:
            self._forget(connection)
        await asyncio.gather(*(connection.close() for connection in chosen))
        if tenant_id is None and server_id is None:
            for _, opening in list(self._opening.values()):
                opening.cancel()
            if self._look is not None:
                self._look.cancel()
                self._look = None
        return len(chosen)

    def reset(self, server_id: UUID) -> None:
        """Forget that the server has failed."""
        self._breakers.pop(server_id, None)

    def live(self, server_id: UUID) -> dict[str, Any]:
        """How it stands in this loop. May be asked from another thread."""
        found = [one for one in list(self._connections.values()) if one.plan.upstream.id == server_id and not one.dead]
        state = self._breakers.get(server_id, breaker.CLOSED).state(time.monotonic())
        return {"connections": len(found), "under_way": self._under_way[server_id], "breaker": state}

    def open_connections(self) -> int:
        return sum(not one.dead for one in list(self._connections.values()))

    async def _open(self, plan: Plan) -> Connection:
        made = Connection(plan, heard=self._heard)
        await made.open()
        before = self._connections.get(plan.key)
        if before is not None:
            self._forget(before)
        self._connections[plan.key] = made
        self._retire_others(made)
        self._keep_looking()
        observability.UPSTREAM_CONNECTIONS.inc()
        return made

    def _forget(self, connection: Connection) -> None:
        if self._connections.get(connection.plan.key) is connection:
            del self._connections[connection.plan.key]
            observability.UPSTREAM_CONNECTIONS.dec()

    def _opened(self, key: Key, done: "asyncio.Task[Connection]") -> None:
        self._opening.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever waited for it may have gone

    def _admit(self, plan: Plan) -> None:
        alive = [one.plan for one in self._connections.values() if not one.dead]
        alive += [opening for opening, _ in self._opening.values()]
        mine = [one for one in alive if one.upstream.tenant_id == plan.upstream.tenant_id]
        if len(mine) >= CONNECTIONS_PER_TENANT:
            raise UpstreamBusy("Too many MCP servers are connected at the same time.", retry_after=10)
        if plan.program is not None:
            programs = sum(one.program is not None for one in mine), sum(one.program is not None for one in alive)
            if programs[0] >= PROGRAMS_PER_TENANT or programs[1] >= PROGRAMS:
                raise UpstreamBusy("Too many programs run as MCP servers at the same time.", retry_after=10)

    def _retire_others(self, made: Connection) -> None:
        """Connections to the same server with an older definition or older credentials: what is under way ends, nothing new begins."""
        for other in self._connections.values():
            if other is not made and other.plan.upstream.id == made.plan.upstream.id and not other.dead:
                other.retired = True

    def _report(self, server_id: UUID, *, healthy: bool | None) -> None:
        before = self._breakers.get(server_id, breaker.CLOSED)
        if healthy is None:
            self._breakers[server_id] = breaker.forget_probe(before)
        else:
            self._breakers[server_id] = breaker.after(before, healthy=healthy, now=time.monotonic())

    def _keep_looking(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._tidy)

    def _tidy(self) -> None:
        """Closes what nobody uses: idle, retired, dead."""
        self._look = None
        now = time.monotonic()
        for one in list(self._connections.values()):
            if one.dead or (not one.busy and (one.retired or now - one.used_at > IDLE_SECONDS)):
                self._forget(one)
                one.abandon()
        if self._connections:
            self._keep_looking()


def health(fault: PlatformError) -> bool | None:
    """What a fault says of the server: True, it has answered; False, it has not; None, the fault was found before it was asked."""
    if "protocol_code" in fault.details:
        return True
    return False if fault.kind is Kind.UNAVAILABLE and "tool" not in fault.details else None


def _is_of(connection: Connection, tenant_id: UUID | None, server_id: UUID | None) -> bool:
    upstream = connection.plan.upstream
    return (tenant_id is None or upstream.tenant_id == tenant_id) and (server_id is None or upstream.id == server_id)


_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, Pool]" = WeakKeyDictionary()
_lock = threading.Lock()


def of_this_loop(heard: Callable[[Plan, str, str], None]) -> Pool:
    loop = asyncio.get_running_loop()
    with _lock:
        found = _pools.get(loop)
        if found is None:
            found = _pools[loop] = Pool(heard)
        return found


def all_pools() -> list[tuple[asyncio.AbstractEventLoop, Pool]]:
    with _lock:
        return list(_pools.items())
