"""The threads on which tools work. They are apart from those of turns, which must never wait for a tool; one tenant has a part of them."""

import asyncio
import contextvars
import functools
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.MCP_PARALLEL_CALLS, thread_name_prefix="mcp")


@functools.cache
def _short() -> ThreadPoolExecutor:
    """For look-ups of the door itself, which must not queue behind tools."""
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="mcp-door")


async def run(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a tool's synchronous work with the caller's context; its database connection goes back afterwards."""
    return await _run(_threads(), functools.partial(work, *args, **kwargs))


async def look(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a short look-up of the door itself."""
    return await _run(_short(), functools.partial(work, *args, **kwargs))


async def _run(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    bound = functools.partial(contextvars.copy_context().run, _released, work)
    return await asyncio.get_running_loop().run_in_executor(threads, bound)


def _released(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        if not connection.in_atomic_block:
            connection.close()


_turnstiles: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]]" = weakref.WeakKeyDictionary()


@asynccontextmanager
async def turnstile(tenant_id: str) -> AsyncIterator[None]:
    """One tenant's tools take at most MCP_CALLS_PER_TENANT threads of this process; who comes then waits."""
    mine = _turnstiles.setdefault(asyncio.get_running_loop(), {})
    if len(mine) > 10_000:
        mine.clear()
    async with mine.setdefault(tenant_id, asyncio.Semaphore(settings.MCP_CALLS_PER_TENANT)):
        yield
