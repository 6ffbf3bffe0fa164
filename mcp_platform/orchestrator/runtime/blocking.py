"""The same from code that is not on an event loop (services, jobs, the admin): one loop of this process's own, in a thread that starts when it is
needed. All who come this way share its connections."""

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from mcp_platform import observability, outbound

log = observability.logger(__name__)

T = TypeVar("T")


class _Background:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="orchestrator-loop", daemon=True).start()
            return self._loop


_background = _Background()


def wait(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, in the caller's tenant and correlation; its database connection is free meanwhile. Not from a thread that runs a loop.

    Nobody waits longer than the timeouts inside of `work`.
    """
    outbound.let_go_of_database()
    context = contextvars.copy_context()
    loop = _background.loop()

    async def run() -> T:
        return await asyncio.create_task(work, context=context)

    return asyncio.run_coroutine_threadsafe(run(), loop).result()


def begin(work: Coroutine[Any, Any, Any]) -> None:
    """Start `work` there and wait for nothing. It begins in an empty context; what it raises is logged."""
    asyncio.run_coroutine_threadsafe(work, _background.loop()).add_done_callback(_ended)


def _ended(done: "Future[Any]") -> None:
    fault = None if done.cancelled() else done.exception()
    if fault is not None:
        log.error("upstream_background_failed", fault=repr(fault))


def _after_fork() -> None:
    """The thread does not survive a fork (Celery's workers do that): the child makes its own."""
    global _background
    _background = _Background()


os.register_at_fork(after_in_child=_after_fork)
