"""Database work from an event loop: in a few threads of this room's own, in the scope of one tenant.

Not Django's thread-sensitive one: background connections are not about any request, and what waits for a server must not wait for a request.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection

from mcp_platform import pool
from mcp_platform.tenancy import scope

T = TypeVar("T")
THREADS = 4
_threads: ThreadPoolExecutor | None = None


async def within(tenant_id: UUID, work: Callable[[], T]) -> T:
    """What `work` gives; it sees the rows of this tenant only."""
    return await asyncio.get_running_loop().run_in_executor(_executor(), _run, tenant_id, work)


def _run(tenant_id: UUID, work: Callable[[], T]) -> T:
    try:
        with scope.tenant_scope(tenant_id):
            return work()
    finally:
        pool.give_back()


def _executor() -> ThreadPoolExecutor:
    global _threads
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS, thread_name_prefix="orchestrator-rows")
    return _threads


def close() -> None:
    """End the threads and their connections; new ones come when they are needed. For tests, and before a fork would copy them."""
    global _threads
    threads, _threads = _threads, None
    if threads is not None:
        for _ in range(THREADS):
            threads.submit(_hang_up)
        threads.shutdown(wait=True)


def _hang_up() -> Any:
    connection.close()


def _after_fork() -> None:
    global _threads
    _threads = None


os.register_at_fork(after_in_child=_after_fork)
