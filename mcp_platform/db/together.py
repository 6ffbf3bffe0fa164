"""Rows that come to an event loop at the same time are stored together, and each of their callers waits until its own is stored.

While one statement is under way the next rows gather. A single caller waits for its own insert only; many share a transaction.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

Row = TypeVar("Row")
AT_ONCE: Final = 200


class Together(Generic[Row]):
    """`store` is given the kind of some rows and the rows: of those that wait as many as `fits` says, at least one. What it raises, their callers
    get."""

    def __init__(self, store: Callable[[Hashable, list[Row]], Awaitable[None]], fits: Callable[[list[Row]], int] = lambda _: AT_ONCE) -> None:
        self._store, self._fits = store, fits
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue[Row]] = WeakKeyDictionary()

    async def add(self, row: Row, *, kind: Hashable = None) -> None:
        """Returns when it is stored. Rows of different kinds are not stored together."""
        loop = asyncio.get_running_loop()
        queue = self._loops.get(loop)
        if queue is None:
            queue = self._loops[loop] = _Queue(self._store, self._fits)
        await queue.add(row, kind)


class _Queue(Generic[Row]):
    def __init__(self, store: Callable[[Hashable, list[Row]], Awaitable[None]], fits: Callable[[list[Row]], int]) -> None:
        self._store, self._fits = store, fits
        self._waiting: list[tuple[Hashable, Row, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, row: Row, kind: Hashable) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, row, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), context=contextvars.Context())  # of no caller
        await asyncio.shield(stored)

    async def _write(self) -> None:
        try:
            while self._waiting:
                kind = self._waiting[0][0]
                alike = [one for one in self._waiting if one[0] == kind]
                batch = alike[: max(1, self._fits([row for _, row, _ in alike]))]
                taken = {id(stored) for _, _, stored in batch}
                self._waiting = [one for one in self._waiting if id(one[2]) not in taken]
                await self._end(kind, batch)
        finally:
            self._writing = None
            left, self._waiting = self._waiting, []
            for _, _, stored in left:  # the process ends, and nobody will store them
                stored.cancel()

    async def _end(self, kind: Hashable, batch: list[tuple[Hashable, Row, asyncio.Future[None]]]) -> None:
        fault: Exception | None = None
        try:
            await self._store(kind, [row for _, row, _ in batch])
        except Exception as raised:  # noqa: BLE001  it is each caller's, whatever it is
            fault = raised
        except BaseException:
            for _, _, stored in batch:
                stored.cancel()
            raise
        for _, _, stored in batch:
            if stored.done():
                continue
            if fault is None:
                stored.set_result(None)
            else:
                stored.set_exception(fault)
                stored.exception()  # its caller may have gone
