"""A socket over numbered rows: from any number on, in order, once.

Rows are the truth. A push only wakes the socket, which then reads the rows after the last one it has sent: nothing is queued, so a slow
client costs no memory, and a lost push costs at most REREAD_SECONDS. At most WINDOW rows, or WINDOW_BYTES, are on their way without the
client having answered the pings between them: the server's buffers have no bound of their own.
"""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from mcp_platform import sockets
from mcp_platform.sockets import TOO_SLOW, Asgi, BadFrame, Closed, Frame, OutOfOrder, Socket

BEHIND_SECONDS = 30.0
WINDOW = 256  # rows without an answer to their ping
WINDOW_BYTES = 2 * 1024 * 1024
BATCH = 64


class Stream(Socket):
    """A kind of stream says how to read rows (each a frame with `seq`), and what the last number is."""

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self._sent = -1  # number of the last row sent; -1 before subscribe
        self._answered = 0  # the client has everything up to here
        self._pinged = 0
        self._marks: deque[tuple[int, int]] = deque()  # of each ping without an answer its number, and what had been sent by then
        self._row_bytes = self._answered_bytes = 0
        self._behind_since: float | None = None

    async def last_seq(self) -> int:
        raise NotImplementedError

    async def rows_after(self, seq: int, limit: int) -> list[Frame]:
        raise NotImplementedError

    @property
    def subscribed(self) -> bool:
        return self._sent >= 0

    async def _subscribe(self, frame: Frame) -> None:
        if self.subscribed:
            raise OutOfOrder("The socket is subscribed already; to read again, connect again.", path="$.type")
        unknown = [name for name in frame if name not in ("type", "after")]
        if unknown:  # a misspelt `after` would begin from the first event
            raise BadFrame("This member is not known here.", path=f"$.{unknown[0]}", expected="after")
        after = frame.get("after", 0)
        if isinstance(after, bool) or not isinstance(after, int) or after < 0:
            raise BadFrame("after is the number of an event.", path="$.after", expected="a whole number from 0 up")
        last_seq = await self.last_seq()
        if after > last_seq:
            raise OutOfOrder(f"There is no event {after} yet.", path="$.after", expected=f"at most {last_seq}", last_seq=last_seq)
        self._sent = self._answered = self._pinged = after
        self.wake.set()

    async def _pong(self, frame: Frame) -> None:
        seq = frame.get("seq")
        if isinstance(seq, bool) or not isinstance(seq, int) or not self._answered <= seq <= max(self._sent, 0):
            raise OutOfOrder("A pong carries the seq of the ping that it answers.", path="$.seq", expected=f"at most {self._sent}")
        self._answered = seq
        while self._marks and self._marks[0][0] <= seq:
            self._answered_bytes = self._marks.popleft()[1]
        self.wake.set()

    FRAMES: ClassVar = {"subscribe": _subscribe, "pong": _pong}

    async def flow(self) -> float:
        if not self.subscribed:
            return sockets.REREAD_SECONDS
        if await self._send_rows():
            self._behind_since = None
            return sockets.REREAD_SECONDS
        self._behind_since = self._behind_since or time.monotonic()
        if time.monotonic() - self._behind_since > BEHIND_SECONDS:
            raise Closed(TOO_SLOW, f"pings unanswered; resume after {self._answered}")
        return 1.0

    async def _send_rows(self) -> bool:
        """Everything there is; False when the client has to answer a ping first."""
        while True:
            room = WINDOW - (self._sent - self._answered)
            rows = await self.rows_after(self._sent, max(1, min(BATCH, room)))
            if not rows:
                return True
            if room <= 0:
                return False
            for row in rows:
                if self._row_bytes - self._answered_bytes >= WINDOW_BYTES:
                    await self._ping_once()
                    return False
                self._row_bytes += await self.send(**row)
                self._sent = row["seq"]
            if self._sent - self._pinged >= BATCH or self._row_bytes - self._answered_bytes >= WINDOW_BYTES / 2:
                await self._ping_once()

    async def _ping_once(self) -> None:
        """Ask the client to say that it has everything so far."""
        if self._pinged < self._sent:
            self._pinged = self._sent
            await self.send(type="ping", seq=self._sent)
            self._marks.append((self._sent, self._row_bytes))
