"""A socket that keeps in step with its client: gzip when both want it, signs of life, and no more on its way than the client has room for.

The server's buffers have no bound of their own. So every PING_BYTES the server asks the client to say that it has everything so far; at most
WINDOW_BYTES travel without an answer, and who stays behind for BEHIND_SECONDS is closed with a code after which it may resume.
"""

import asyncio
import gzip
import time
import zlib
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from mcp_platform import rest, sockets
from mcp_platform.errors import PlatformError
from mcp_platform.sockets import TOO_SLOW, Asgi, BadFrame, Closed, Frame, OutOfOrder, Socket, dump, error_frame

HEARTBEAT_SECONDS = 20.0
DEAD_SECONDS = 60.0
BEHIND_SECONDS = 30.0
WINDOW_BYTES = 2 * 1024 * 1024
PING_BYTES = 256 * 1024
WORTH_PACKING = 1024  # bytes
TOO_BIG = 4413


class Paced(Socket):
    LONGEST_FRAME = 262_144

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self.packs = False  # both sides speak gzip
        self._heard_at = time.monotonic()
        self._bytes = self._answered_bytes = self._pinged_bytes = 0
        self._pings = 0
        self._marks: deque[tuple[int, int]] = deque()  # of each ping without an answer its number, and the bytes sent by then
        self._answered = asyncio.Event()

    def text_of(self, message: Frame) -> str:
        self._heard_at = time.monotonic()
        packed = message.get("bytes")
        return self._unpacked(packed) if packed is not None and self.packs else super().text_of(message)

    def _unpacked(self, packed: bytes) -> str:
        """Raises BadFrame, PayloadTooLarge: no more is unpacked than a frame may have."""
        machine = zlib.decompressobj(wbits=31)
        try:
            found = machine.decompress(packed, self.LONGEST_FRAME + 1)
            if len(found) > self.LONGEST_FRAME or machine.unconsumed_tail:
                raise rest.PayloadTooLarge(f"A frame has at most {self.LONGEST_FRAME} bytes here.", limit_bytes=self.LONGEST_FRAME)
            return found.decode()
        except (zlib.error, UnicodeDecodeError) as fault:
            raise BadFrame("A binary frame is gzip of a JSON text.", path="$", expected="gzip") from fault

    async def _pong(self, frame: Frame) -> None:
        number = frame.get("id")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= self._pings:
            raise OutOfOrder("A pong carries the id of the ping that it answers.", path="$.id", expected=f"at most {self._pings}")
        while self._marks and self._marks[0][0] <= number:
            self._answered_bytes = self._marks.popleft()[1]
        self._answered.set()

    FRAMES: ClassVar = {"pong": _pong}

    async def send_text(self, text: str) -> None:
        data = text.encode()
        if self.packs and len(data) >= WORTH_PACKING:
            data = await asyncio.to_thread(gzip.compress, data, 5) if len(data) > PING_BYTES // 4 else gzip.compress(data, 5)
            await self._send({"type": "websocket.send", "bytes": data})
        else:
            await self._send({"type": "websocket.send", "text": text})
        self._bytes += len(data)

    async def send_paced(self, **frame: Any) -> None:
        """When there is room. Raises Closed when there is none for too long."""
        await self.send_paced_text(dump(frame))

    async def send_paced_text(self, text: str) -> None:
        """The same for a frame that is written out."""
        await self.until_there_is_room()
        await self.send_text(text)
        if self._bytes - self._pinged_bytes >= PING_BYTES:
            await self._ping()

    @property
    def has_room(self) -> bool:
        return self._bytes - self._answered_bytes < WINDOW_BYTES

    async def until_there_is_room(self) -> None:
        try:
            async with asyncio.timeout(BEHIND_SECONDS):
                while not self.has_room:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            raise Closed(TOO_SLOW, "pings unanswered; connect again and resume") from None

    async def _ping(self) -> None:
        """Ask the client to say that it has everything so far."""
        self._pings += 1
        await self.send(type="ping", id=self._pings)
        self._pinged_bytes = self._bytes
        self._marks.append((self._pings, self._bytes))

    def company(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (*super().company(), self._heart())

    async def _heart(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if time.monotonic() - self._heard_at > DEAD_SECONDS:
                raise Closed(TOO_SLOW, "no sign of life; connect again and resume")
            await self._ping()
            await self.beat()

    async def beat(self) -> None:
        """Every HEARTBEAT_SECONDS while the client lives."""

    def close_code(self, error: PlatformError) -> int:
        return TOO_BIG if error.code == rest.PayloadTooLarge.code else sockets.close_code(error)

    async def send_error(self, error: PlatformError, client_message_id: str | None = None, **more: Any) -> None:
        """`fatal` unless said otherwise: the socket closes after it."""
        with suppress(Exception):  # the other side may be gone already
            await self.send(**{**error_frame(error), "code": error.code, "fatal": True, **more})
