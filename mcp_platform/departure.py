"""The end of this process, told in time: first it says that it is leaving and goes on, then it sends away who only waits, then it ends.

Between the two a load balancer finds the readiness probe red and takes its traffic elsewhere, so nobody meets a closed door.
"""

import asyncio
import threading


class _Step:
    """Something that happens once; who waits for it is told on the loop of its own."""

    def __init__(self) -> None:
        self.reached = False
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def reach(self) -> None:
        with self._lock:
            self.reached = True
            for event, loop in self._waiting.items():
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self.reached:
                return
            self._waiting[event] = asyncio.get_running_loop()
        try:
            await event.wait()
        finally:
            with self._lock:
                self._waiting.pop(event, None)


_leaving, _ending = _Step(), _Step()


def begin() -> None:
    """The process was told to stop. It still takes everything, but is not ready, and keeps no connection open longer than its answer."""
    _leaving.reach()


def end() -> None:
    """Nothing new comes in any more: whoever waits for something that may take long is sent away with what there is."""
    _leaving.reach()
    _ending.reach()


def leaving() -> bool:
    return _leaving.reached


def ending() -> bool:
    return _ending.reached


async def begun() -> None:
    """Returns when `begin` is called."""
    await _leaving.wait()


async def ended() -> None:
    """Returns when `end` is called."""
    await _ending.wait()


def stay() -> None:
    """Take it back; for tests."""
    _leaving.reached = _ending.reached = False
