"""One server of the SDK for each event loop, made with the first request. daphne never says `lifespan`, and the SDK's manager must be entered
and left by one task: so it lives in a task of its own, in an empty context, until the loop ends."""

import asyncio
import contextvars
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from django.conf import settings

from mcp_platform import departure, errors, observability

if TYPE_CHECKING:
    from mcp_platform.mcp.server.sessions import Sessions

log = observability.logger(__name__)


class Owner:
    def __init__(self, *, stateless: bool) -> None:
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ready: asyncio.Future[Sessions] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._own(stateless), name="mcp-owner", context=contextvars.Context())

    async def sessions(self) -> "Sessions":
        return self._ready.result() if self._ready.done() else await asyncio.shield(self._ready)

    @property
    def alive(self) -> bool:
        return not self._task.done()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A request is being answered: the sessions stay until it is."""
        self._busy += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _until_answered(self) -> None:
        """Streams end by themselves when the process does; calls are waited for, but not longer than anything else in a process that ends."""
        await departure.ended()
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.SHUTDOWN_SECONDS):
                await self._idle.wait()

    async def _own(self, stateless: bool) -> None:
        from mcp_platform.mcp.server import building, subscriptions  # the SDK is loaded with the first request, not with the process

        bus = subscriptions.Bus()
        listening = asyncio.get_running_loop().create_task(bus.listen(), name="mcp-bus")
        try:
            sessions = building.build(bus, stateless=stateless)
            async with sessions.run():
                self._ready.set_result(sessions)
                await self._until_answered()
        except Exception as fault:
            log.exception("mcp_server_failed")
            if not self._ready.done():
                self._ready.set_exception(fault)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


_owners: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Owner]" = weakref.WeakKeyDictionary()


@asynccontextmanager
async def serving(*, stateless: bool) -> AsyncIterator["Sessions"]:
    """The SDK's manager of the running loop, for one request. Raises Unavailable when this process ends: another one answers."""
    if departure.ending():
        raise errors.Unavailable("This server is being stopped; try again.", retry_after=1)
    loop = asyncio.get_running_loop()
    owner = _owners.get(loop)
    if owner is None or not owner.alive:
        owner = _owners[loop] = Owner(stateless=stateless)
    with owner.busy():
        yield await owner.sessions()
