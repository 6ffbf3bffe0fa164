"""The threads on which tools work. They are apart from those of turns, which must never wait for a tool; one tenant has a part of them.

The door has three small pools of its own, so that none of its waits holds up another: for look-ups in the database, for credentials whose issuer
may have to be asked over the network, and for the rows of calls.
"""

import asyncio
import contextvars
import functools
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from typing import ParamSpec, TypeVar

from django.conf import settings

from mcp_platform import pool

P = ParamSpec("P")
T = TypeVar("T")


class Pool(Enum):
    """Of the door: (name of the threads, how many)."""

    LOOKUPS = ("mcp-door", 4)
    ISSUERS = ("mcp-issuers", 8)
    ROWS = ("mcp-rows", 2)


@functools.cache
def _tools() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.MCP_PARALLEL_CALLS, thread_name_prefix="mcp")


@functools.cache
def _of_door(pool: Pool) -> ThreadPoolExecutor:
    name, size = pool.value
    return ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)


async def work(tenant_id: str, what: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a tool's synchronous work with the caller's context; its database connection goes back afterwards.

    One tenant has at most MCP_CALLS_PER_TENANT threads of this process; who comes then waits. A thread counts until its work ends, also when
    nobody waits for it any more. Raises TimeoutError after MCP_CALL_TIMEOUT_SECONDS, the wait for a thread included.
    """
    async with asyncio.timeout(settings.MCP_CALL_TIMEOUT_SECONDS):
        turn = _turnstile(tenant_id)
        await turn.acquire()
        try:
            running = _tools().submit(_bound(functools.partial(what, *args, **kwargs)))
        except BaseException:
            turn.release()
            raise
        running.add_done_callback(functools.partial(_give_back, asyncio.get_running_loop(), turn))
        return await asyncio.wrap_future(running)


async def look(what: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a short look-up of the door itself."""
    return await at(Pool.LOOKUPS, functools.partial(what, *args, **kwargs))


async def at(pool: Pool, what: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_of_door(pool), _bound(what))


def _bound(what: Callable[[], T]) -> Callable[[], T]:
    return functools.partial(contextvars.copy_context().run, _released, what)


def _released(what: Callable[[], T]) -> T:
    try:
        return what()
    finally:
        pool.give_back()


def _give_back(loop: asyncio.AbstractEventLoop, turn: asyncio.Semaphore, _done: "Future[T]") -> None:
    with suppress(RuntimeError):  # the loop has ended, and nobody waits at its turnstile
        loop.call_soon_threadsafe(turn.release)


_Turnstiles = weakref.WeakValueDictionary[str, asyncio.Semaphore]  # each lives as long as somebody works or waits there
_turnstiles: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Turnstiles]" = weakref.WeakKeyDictionary()


def _turnstile(tenant_id: str) -> asyncio.Semaphore:
    mine = _turnstiles.setdefault(asyncio.get_running_loop(), weakref.WeakValueDictionary())
    return mine.setdefault(tenant_id, asyncio.Semaphore(settings.MCP_CALLS_PER_TENANT))
