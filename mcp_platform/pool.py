"""The threads on which turns run when the server is asynchronous: bounded, and each keeps its own database connection.

Django gives an asynchronous server's synchronous code a fresh thread, hence a fresh connection, for each request. These threads stay, so a
turn costs no connection; they are fewer than the connections of the pool, so that admin, sockets and jobs find one too.
"""

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

P = ParamSpec("P")
T = TypeVar("T")

SQLITE_THREADS = 4  # one writes, the others prepare


def size() -> int:
    """How many turns of this process run at a time."""
    wanted = max(2, settings.POSTGRES_POOL_SIZE - 4) if settings.DATABASE_URL else SQLITE_THREADS
    return int(min(wanted, settings.MAX_PARALLEL_EXECUTIONS))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=size(), thread_name_prefix="turns")


async def run(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run synchronous work on one of the threads, with the caller's context (tenant scope, ids for the log)."""
    bound = functools.partial(contextvars.copy_context().run, _run, functools.partial(work, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_threads(), bound)


def _run(work: Callable[[], T]) -> T:
    try:
        return work()
    except (OperationalError, InterfaceError):
        connection.close_if_unusable_or_obsolete()
        raise


def give_back() -> None:
    """Of a thread that stays, after its work: PostgreSQL's connection goes back to the pool; SQLite's stays open, for there are enough of them,
    and to open one takes longer than most of the work. Not inside a transaction."""
    if not connection.in_atomic_block and not _may_stay():
        connection.close()


def _may_stay() -> bool:
    """SQLite's, in good order: a transaction that something has left open would keep the lock from every writer."""
    held = connection.connection
    return connection.vendor == "sqlite" and not connection.errors_occurred and (held is None or not held.in_transaction)


def close_connections() -> None:
    """Give every thread's connection back; for tests, which drop their database."""
    if not _threads.cache_info().currsize:
        return
    threads = _threads()
    _threads.cache_clear()
    all_here = threading.Barrier(size())  # one task for each thread: a thread that waits cannot take a second one

    def close() -> None:
        all_here.wait(10)
        connection.close()

    for closed in [threads.submit(close) for _ in range(size())]:
        closed.result()
    threads.shutdown(wait=True)
