"""A person at the other end of a call: while they are asked its time stands still, and what they are asked ends with it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.asking import Person, Question, Reply
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.runtime import contact

PATIENCE_SECONDS: Final = 1_800.0  # for all that is asked within one call


@dataclass(slots=True)
class Tries:
    """How often a call was tried, for the record; whether somebody was `asked` on the way, after which it is not made again by itself.

    `limit` is the end of its time, for all tries together."""

    count: int = 0
    asked: bool = False
    limit: asyncio.Timeout | None = None
    _still: int = 0
    _left: float | None = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        self.asked = True
        loop = asyncio.get_running_loop()
        if not self._still:
            ends = self.limit.when() if self.limit is not None else None
            self._left = ends - loop.time() if ends is not None else None
            self._put(None)
        self._still += 1
        try:
            yield
        finally:
            self._still -= 1
            if not self._still and self._left is not None:
                self._put(loop.time() + self._left)

    def _put(self, when: float | None) -> None:
        if self.limit is not None:
            with suppress(RuntimeError):  # the call has ended meanwhile
                self.limit.reschedule(when)


class Attended:
    """The person of one call."""

    def __init__(self, person: Person, upstream: Upstream, tries: Tries) -> None:
        self._person, self._upstream, self._tries = person, upstream, tries
        self._open: set[asyncio.Task[Any]] = set()
        self.later = person.later

    async def ask(self, question: Question) -> Reply:
        asked = asyncio.create_task(self._person.ask(question))
        self._open.add(asked)
        try:
            with contact.pool().aside(self._upstream), self._tries.standing_still():
                await asyncio.wait({asked})
        finally:
            self._open.discard(asked)
            asked.cancel()
        return asking.NOTHING if asked.cancelled() or asked.exception() is not None else asked.result()

    def leave(self) -> None:
        """The call has ended: nobody needs to know any more."""
        for asked in self._open:
            asked.cancel()
