"""The end of this process, told in time: first it says that it is leaving and goes on, then it sends away who only waits, then it ends.

Between the two a load balancer finds the readiness probe red and takes its traffic elsewhere, so nobody meets a closed door.
"""

import asyncio
import threading

_leaving = False
_ending = False
_waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
_lock = threading.Lock()


def begin() -> None:
    """The process was told to stop. It still takes everything, but is not ready, and keeps no connection open longer than its answer."""
    global _leaving
    _leaving = True


def end() -> None:
    """Nothing new comes in any more: whoever waits for something that may take long is sent away with what there is."""
    global _leaving, _ending
    with _lock:
        _leaving = _ending = True
        for event, loop in _waiting.items():
            loop.call_soon_threadsafe(event.set)


def leaving() -> bool:
    return _leaving


def ending() -> bool:
    return _ending


async def ended() -> None:
    """Returns when `end` is called."""
    event = asyncio.Event()
    with _lock:
        if _ending:
            return
        _waiting[event] = asyncio.get_running_loop()
    try:
        await event.wait()
    finally:
        with _lock:
            _waiting.pop(event, None)


def stay() -> None:
    """Take it back; for tests."""
    global _leaving, _ending
    _leaving = _ending = False
