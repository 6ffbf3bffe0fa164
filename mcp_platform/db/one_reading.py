"""Of many on one event loop who want to read the same, one reads for all who have asked before it began.

So nobody gets what was read before they asked: whoever has heard of a commit sees it. While one reading is under way the next ones gather.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


@dataclass(slots=True)
class _Readings:
    waiting: dict[Hashable, "asyncio.Task[Any]"] = field(default_factory=dict)  # not begun: whoever comes joins it
    under_way: dict[Hashable, "asyncio.Task[Any]"] = field(default_factory=dict)


_loops: Final["WeakKeyDictionary[asyncio.AbstractEventLoop, _Readings]"] = WeakKeyDictionary()


async def read_once(key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, or what it raises. The key says everything that makes a difference to it, the tenant first."""
    readings = _loops.setdefault(asyncio.get_running_loop(), _Readings())
    reading = readings.waiting.get(key)
    if reading is None:
        reading = readings.waiting[key] = asyncio.create_task(_read(readings, key, work))
        reading.add_done_callback(_heard)
    found: T = await asyncio.shield(reading)  # who leaves does not take it from the others
    return found


async def _read(readings: _Readings, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
    mine = asyncio.current_task()
    assert mine is not None
    try:
        if before := readings.under_way.get(key):
            await asyncio.wait({before})
    finally:
        del readings.waiting[key]
    readings.under_way[key] = mine
    try:
        return await work()
    finally:
        del readings.under_way[key]


def _heard(done: "asyncio.Task[Any]") -> None:
    if not done.cancelled():
        done.exception()  # whoever waited for it may have gone
