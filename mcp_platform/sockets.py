"""What every socket has: the handshake, who is there, frames in order, pushes that wake it, and a close code that says why it ended.

The apps' consumers are kinds of it; docs/protocol/ws.md.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, ClassVar, NoReturn
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.http.request import validate_host

from mcp_platform import departure, errors, observability, pool, realtime, rest
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.tenancy import authenticators, scope, throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

AUTHENTICATE_SECONDS = 10.0
REREAD_SECONDS = 15.0
RECHECK_SECONDS = 60.0  # how long a revoked credential may keep its socket
INBOX, INBOX_BYTES = 256, 1024 * 1024  # frames that wait while one is being worked on

BAD_FRAME, UNAUTHENTICATED, DENIED, NOT_FOUND, BAD_SUBPROTOCOL, TOO_SLOW, OUT_OF_ORDER, THROTTLED, BROKEN, LEAVING = (
    4400, 4401, 4403, 4404, 4406, 4408, 4409, 4429, 4500, 4503,
)  # fmt: skip
# BROKEN is not 1011: daphne's library refuses to send the codes that RFC 6455 keeps for itself, and the socket would stay open.
CLOSE_CODES: Mapping[Kind, int] = {
    Kind.INVALID: BAD_FRAME,
    Kind.DENIED: DENIED,
    Kind.NOT_FOUND: NOT_FOUND,
    Kind.CONFLICT: OUT_OF_ORDER,
    Kind.THROTTLED: THROTTLED,
    Kind.BUSY: BROKEN,
    Kind.UNAVAILABLE: BROKEN,
    Kind.BROKEN: BROKEN,
}

Asgi = Callable[..., Awaitable[Any]]
Frame = dict[str, Any]
LONGEST_TOKEN = 8192

dump: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Closed(Exception):
    """Close with this code; `error` is told first."""

    def __init__(self, code: int, reason: str, error: PlatformError | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.error = code, reason, error


class Gone(Exception):
    pass


class BadFrame(errors.Invalid):
    """The frame is not one of this protocol."""

    code = "BAD_FRAME"


class BadSubprotocol(errors.Invalid):
    """None of the subprotocols that the client offers is spoken here."""

    code = "BAD_SUBPROTOCOL"


class OutOfOrder(errors.Conflict):
    """This frame is not allowed now."""

    code = "FRAME_OUT_OF_ORDER"


def close_code(error: PlatformError) -> int:
    return UNAUTHENTICATED if error.code == "UNAUTHENTICATED" else CLOSE_CODES[error.kind]


def text_of(message: Mapping[str, Any]) -> str:
    """Of a text frame. Raises BadFrame."""
    text = message.get("text")
    if text is None:
        raise BadFrame("Frames are text, not binary.", path="$", expected="a text frame with a JSON object")
    return str(text)


class Socket:
    """Tasks side by side: `_collect` and `_read` take the client's frames in order, `_listen` is woken by pushes, `_pump` sends what is new.

    A kind of socket says its subprotocol, the permission it needs, its frames and groups, and what `enter` and `flow` do.
    """

    SUBPROTOCOL: ClassVar[str]
    PERMISSION: ClassVar[str] = ""
    LONGEST_FRAME: ClassVar[int] = rest.MAX_BODY  # characters
    WAITING: ClassVar[int] = INBOX  # frames that may wait, and
    WAITING_BYTES: ClassVar[int] = INBOX_BYTES  # how long they may be together
    FRAMES: ClassVar[Mapping[str, Callable[[Any, Frame], Awaitable[None]]]] = {}

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        self.asgi = asgi
        self._receive, self._send = receive, send
        self.principal: Principal
        self.wake = asyncio.Event()
        self._inbox: asyncio.Queue[str] = asyncio.Queue(self.WAITING)
        self._inbox_bytes = 0
        self.aside: set[asyncio.Task[None]] = set()

    def facts(self) -> dict[str, Any]:
        """Ids for the log."""
        return {}

    async def enter(self) -> None:
        """After authentication: find what the address names, say hello. Raises NotFound for what is somebody else's."""
        raise NotImplementedError

    def groups(self) -> tuple[str, ...]:
        raise NotImplementedError

    async def flow(self) -> float:
        """Send what is new. Gives how many seconds to sleep at most until the next look."""
        raise NotImplementedError

    async def told(self, message: Frame) -> None:
        """A push: by default it only says that there is something to read."""
        self.wake.set()

    async def leave(self) -> None:
        """The socket has ended."""

    def text_of(self, message: Frame) -> str:
        """The JSON of a frame that came. Raises BadFrame."""
        return text_of(message)

    def close_code(self, error: PlatformError) -> int:
        return close_code(error)

    def company(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """More that goes on as long as the socket does; when one of them ends, the socket does."""
        return ()

    async def serve(self) -> None:
        """From the handshake to the close code."""
        observability.WEBSOCKET_CONNECTIONS.inc()
        try:
            with observability.correlated(**self.facts()):
                await self._run()
        except Gone:
            pass
        except Closed as end:
            if end.error is not None:
                await self.send_error(end.error)
            await self._close(end.code, end.reason)
        except PlatformError as error:
            await self.send_error(error)
            await self._close(self.close_code(error), error.message)
        except Exception:
            log.exception("socket_failed")
            await self.send_error(errors.Broken())
            await self._close(BROKEN, "the platform failed")
        finally:
            observability.WEBSOCKET_CONNECTIONS.dec()

    async def _run(self) -> None:
        await self._accept()
        await self._until_one_ends(self._collect(), self._work())  # from the first frame on: who floods is nobody yet

    async def _work(self) -> None:
        self.principal = await self.authenticate()
        if self.PERMISSION:
            self.principal.require(self.PERMISSION)
        scope.become(self.principal.tenant)
        observability.bind(tenant_id=self.principal.tenant.pk, actor=self.principal.actor)
        await self.enter()
        try:
            await self._until_one_ends(self._read(), self._listen(), self._pump(), self._recheck(), self._until_departure(), *self.company())
        finally:
            await self.leave()

    async def _until_one_ends(self, *work: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.create_task(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            ending = [*tasks, *self.aside]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _accept(self) -> None:
        if (await self._receive())["type"] != "websocket.connect":
            raise Gone
        offered = self.asgi.get("subprotocols") or []
        chosen = self.SUBPROTOCOL if self.SUBPROTOCOL in offered else None
        await self._send({"type": "websocket.accept", "subprotocol": chosen})
        if offered and chosen is None:
            raise Closed(BAD_SUBPROTOCOL, f"the subprotocol is {self.SUBPROTOCOL}", BadSubprotocol(expected=self.SUBPROTOCOL))
        if not _origin_is_ours(self.asgi):
            raise Closed(DENIED, "this origin may not open sockets here", errors.Denied("This origin may not open sockets here."))

    def ticket(self) -> str:
        return str(parse_qs(self.asgi.get("query_string", b"").decode("latin-1")).get("ticket", [""])[0])

    def header_token(self) -> str:
        """Of programs that can send an Authorization header with the handshake."""
        scheme, _, token = dict(self.asgi.get("headers") or ()).get(b"authorization", b"").decode("latin-1").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    async def authenticate(self) -> Principal:
        ticket = self.ticket()
        with scope.platform_scope():  # which tenant it is, is what we are finding out
            if ticket:
                return await pool.run(authenticators.redeem_ticket, ticket)
            token = self.header_token() or await self._first_frame()
            return await pool.run(authenticators.authenticate_bearer, token, address=throttling.address_in(self.asgi))

    async def _first_frame(self) -> str:
        try:
            async with asyncio.timeout(AUTHENTICATE_SECONDS):
                text = await self._next_frame()
        except TimeoutError:
            raise Unauthenticated(f"No authenticate frame within {AUTHENTICATE_SECONDS:.0f} s.") from None
        frame = frame_of(text)
        if frame["type"] != "authenticate":
            raise OutOfOrder("The first frame must be authenticate, or the address carries a ticket.", path="$.type", expected="authenticate")
        return _token_in(frame)

    async def recheck(self) -> Principal:
        """The same caller as it is allowed now. Raises Unauthenticated, Denied."""
        found = await pool.run(authenticators.recheck, self.principal)
        if self.PERMISSION:
            found.require(self.PERMISSION)
        return found

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            self.principal = await self.recheck()

    async def _next_text(self) -> str:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        text = self.text_of(message)
        if len(text) > self.LONGEST_FRAME:
            raise rest.PayloadTooLarge(f"A frame has at most {self.LONGEST_FRAME} characters here.", limit_characters=self.LONGEST_FRAME)
        return text

    async def _collect(self) -> None:
        """Take frames off the wire even while one is being worked on, so that a disconnect is seen; but not without bound."""
        while True:
            text = await self._next_text()
            if len(text) > self.WAITING_BYTES:
                raise rest.PayloadTooLarge(limit_bytes=self.WAITING_BYTES, size_bytes=len(text))
            if self._inbox.full() or self._inbox_bytes + len(text) > self.WAITING_BYTES:
                raise errors.Throttled("Too many frames at once; wait for the acks.", retry_after=1)
            self._inbox_bytes += len(text)
            self._inbox.put_nowait(text)

    async def _next_frame(self) -> str:
        text = await self._inbox.get()
        self._inbox_bytes -= len(text)
        return text

    async def _read(self) -> None:
        while True:
            frame = frame_of(await self._next_frame())
            handle = self.FRAMES.get(frame["type"]) or _COMMON.get(frame["type"])
            if handle is None:
                raise BadFrame(f"There is no frame of type {frame['type']!r}.", path="$.type", expected=", ".join([*_COMMON, *self.FRAMES]))
            await handle(self, frame)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that frames need not wait for; it ends with the socket."""
        task = asyncio.create_task(work)
        self.aside.add(task)
        task.add_done_callback(self.aside.discard)

    async def _listen(self) -> None:
        """Be woken by pushes. Without the layer the socket still re-reads, and listens again when it is back."""
        while True:
            try:
                async with realtime.listening(*self.groups()) as receive:
                    self.wake.set()  # what came before the group was joined
                    while True:
                        await self.told(await receive())
            except Exception as fault:  # noqa: BLE001  each layer has its own errors
                log.warning("listening_failed", fault=repr(fault))
                await asyncio.sleep(2)

    async def _pump(self) -> None:
        """Send what there is, then sleep until a push, a frame that wakes, or the next re-read."""
        seconds = REREAD_SECONDS
        while True:
            with suppress(TimeoutError):
                # Not wait_for: on Python 3.11 it swallows a cancellation that comes together with the event.
                async with asyncio.timeout(seconds):
                    await self.wake.wait()
            self.wake.clear()
            seconds = await self.flow()

    async def _until_departure(self) -> None:
        await departure.ended()
        raise Closed(LEAVING, "this server is leaving; connect again and resume")

    async def send(self, **frame: Any) -> int:
        """Gives how many characters the frame has."""
        text = dump(frame)
        await self.send_text(text)
        return len(text)

    async def send_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def send_error(self, error: PlatformError, client_message_id: str | None = None) -> None:
        frame = error_frame(error)
        if client_message_id:
            frame["client_message_id"] = client_message_id
        with suppress(Exception):  # the other side may be gone already
            await self.send(**frame)

    async def _close(self, code: int, reason: str) -> None:
        with suppress(Exception):  # as above
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})


async def _again(socket: Socket, frame: Frame) -> None:
    raise OutOfOrder("The socket is authenticated already.", path="$.type")


async def _ping(socket: Socket, frame: Frame) -> None:
    await socket.send(type="pong", **({"id": frame["id"]} if isinstance(frame.get("id"), str | int) else {}))


_COMMON: Mapping[str, Callable[[Socket, Frame], Awaitable[None]]] = {"authenticate": _again, "ping": _ping}


def frame_of(text: str) -> Frame:
    """Raises SchemaError, PayloadTooLarge, BadFrame."""
    frame = rest.read_json(text.encode())
    if not isinstance(frame, dict):
        raise BadFrame("A frame is an object with a type.", path="$", expected="an object")
    if not isinstance(frame.get("type"), str):
        raise BadFrame("A frame is an object with a type.", path="$.type", expected="a text")
    return frame


def _token_in(frame: Frame) -> str:
    """Raises SchemaError."""
    token = frame.get("token")
    if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
        _refuse("$.token", "is no token", f"a text of 1 to {LONGEST_TOKEN} characters")
    for name in frame:
        if name not in ("type", "token"):
            _refuse(f"$.{name}", "is not known here", "type, token")
    return str(token)


def _refuse(path: str, message: str, expected: str) -> NoReturn:
    raise rest.SchemaError(errors=[{"path": path, "code": "invalid", "message": message, "expected": expected}])


def error_frame(error: PlatformError) -> Frame:
    return {**rest.problem(error), "type": "error", "message": error.message}


def _origin_is_ours(asgi: Mapping[str, Any]) -> bool:
    """Browsers name the page that opens the socket; programs do not, and have no cookies that a page could misuse."""
    headers = dict(asgi.get("headers") or ())
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if not origin:
        return True
    if origin in (*settings.CORS_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS):
        return True
    parsed = urlsplit(origin)
    return parsed.scheme in ("http", "https") and validate_host(parsed.hostname or "", settings.ALLOWED_HOSTS)
