"""Of many who want the same thing at the same time one asks for it, and the others wait for the answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


@dataclass(slots=True)
class _Flight:
    task: "asyncio.Task[Any]"
    waiting: int = 0


_under_way: Final["WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Flight]]"] = WeakKeyDictionary()


async def shared(key: Hashable, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """What `work` gives, and whether it was done for this caller; the others of this loop who have come with the same key get the same, its error
    too. It goes on when the first of them leaves, and ends when nobody waits for it any more.
    """
    flights = _under_way.setdefault(asyncio.get_running_loop(), {})
    flight, first = flights.get(key), False
    if flight is None:
        flight = flights[key] = _Flight(asyncio.ensure_future(_awaited(work)))
        flight.task.add_done_callback(lambda done: _landed(flights, key, done))
        first = True
    flight.waiting += 1
    try:
        return await asyncio.shield(flight.task), first
    finally:
        flight.waiting -= 1
        if not flight.waiting and not flight.task.done():
            _take_off(flights, key, flight.task)
            flight.task.cancel()


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def _landed(flights: dict[Hashable, _Flight], key: Hashable, done: "asyncio.Task[Any]") -> None:
    _take_off(flights, key, done)
    if not done.cancelled():
        done.exception()  # whoever waited for it may have gone


def _take_off(flights: dict[Hashable, _Flight], key: Hashable, task: "asyncio.Task[Any]") -> None:
    """Nobody else joins it."""
    known = flights.get(key)
    if known is not None and known.task is task:
        del flights[key]
