"""The threads on which turns run when the server is asynchronous: bounded, and each keeps its own database connection.

Django gives an asynchronous server's synchronous code a fresh thread, hence a fresh connection, for each request. These threads stay, so a
turn costs no connection; they are fewer than the connections of the pool, so that admin and jobs find one too. What sockets read has a few
threads of its own.
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
READERS = 2


def size() -> int:
    """How many turns of this process run at a time."""
    wanted = max(2, settings.POSTGRES_POOL_SIZE - READERS - 4) if settings.DATABASE_URL else SQLITE_THREADS
    return int(min(wanted, settings.MAX_PARALLEL_EXECUTIONS))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=size(), thread_name_prefix="turns")


@functools.cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="readers")


async def run(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run synchronous work on one of the threads, with the caller's context (tenant scope, ids for the log)."""
    return await _on(_threads(), functools.partial(work, *args, **kwargs))


async def read(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for a short reading that must not queue behind those who write: news for sockets, which would come when the last writer is done."""
    return await _on(_readers(), functools.partial(work, *args, **kwargs))


async def _on(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, functools.partial(contextvars.copy_context().run, _run, work))


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
    for kept, count in ((_threads, size()), (_readers, READERS)):
        if kept.cache_info().currsize:
            threads = kept()
            kept.cache_clear()
            _close_on_each(threads, count)


def _close_on_each(threads: ThreadPoolExecutor, count: int) -> None:
    all_here = threading.Barrier(count)  # one task for each thread: a thread that waits cannot take a second one

    def close() -> None:
        all_here.wait(10)
        connection.close()

    for closed in [threads.submit(close) for _ in range(count)]:
        closed.result()
    threads.shutdown(wait=True)
