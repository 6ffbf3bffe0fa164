"""Many who want to read the same: one reads for all who have asked before it began, and nobody gets what is older than the question."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mcp_platform.db.one_reading import read_once


class Row:
    """A value that changes, and a reading of it that takes as long as the test wants."""

    def __init__(self) -> None:
        self.value, self.readings = 0, 0
        self.slow = asyncio.Event()
        self.slow.set()

    async def read(self) -> int:
        self.readings += 1
        found = self.value
        await self.slow.wait()
        if found < 0:
            raise ValueError(found)
        return found


def asked(work: Callable[[], Awaitable[int]], count: int) -> list["asyncio.Task[int]"]:
    return [asyncio.create_task(read_once("row", work)) for _ in range(count)]


async def test_fifty_at_a_time_read_once() -> None:
    row = Row()
    assert await asyncio.gather(*asked(row.read, 50)) == [0] * 50
    assert row.readings == 1


async def test_who_asks_while_one_reads_gets_what_is_read_after() -> None:
    row = Row()
    row.slow.clear()
    early = asked(row.read, 3)
    await asyncio.sleep(0.01)
    row.value = 1
    late = asked(row.read, 3)
    await asyncio.sleep(0.01)
    row.slow.set()
    assert (await asyncio.gather(*early), await asyncio.gather(*late), row.readings) == ([0] * 3, [1] * 3, 2)
    row.value = 2
    assert await read_once("row", row.read) == 2


async def test_a_fault_is_everybodys_and_the_next_reading_is_a_new_one() -> None:
    row = Row()
    row.value = -1
    assert [type(one) for one in await asyncio.gather(*asked(row.read, 2), return_exceptions=True)] == [ValueError] * 2
    row.value = 5
    assert await read_once("row", row.read) == 5


async def test_who_leaves_takes_it_from_nobody() -> None:
    row = Row()
    row.slow.clear()
    first, second = asked(row.read, 2)
    await asyncio.sleep(0.01)
    first.cancel()
    row.slow.set()
    assert await second == 0
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_different_keys_do_not_wait_for_each_other() -> None:
    row, other = Row(), Row()
    row.slow.clear()
    waiting = asked(row.read, 1)
    await asyncio.sleep(0.01)
    assert await read_once("another row", other.read) == 0
    row.slow.set()
    await asyncio.gather(*waiting)
