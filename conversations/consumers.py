"""The live view of a conversation: `ws/v1/conversations/{id}/`, subprotocol mcp-conversation.v1 (docs/protocol/ws.md).

Rows are the truth. A push only wakes the socket, which then reads the rows after the last one it has sent: nothing is queued, so a slow
client costs no memory, and a lost push costs at most REREAD_SECONDS. At most WINDOW events are on their way without the client having
answered the pings between them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.conf import settings
from django.http.request import validate_host
from django.urls import path, re_path

from conversations import bodies, events, pool, queries, services, store
from conversations.turn import Result
from mcp_platform import errors, observability, realtime, rest
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.tenancy import authenticators, scope, throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

SUBPROTOCOL = "mcp-conversation.v1"
AUTHENTICATE_SECONDS = 10.0
REREAD_SECONDS = 15.0
RECHECK_SECONDS = 60.0  # how long a revoked credential may keep its socket
BEHIND_SECONDS = 30.0
REPLY_SECONDS = 60.0
WINDOW = 256  # events without an answer to their ping
BATCH = 64
INBOX = 256  # frames that wait while one is being worked on

BAD_FRAME, UNAUTHENTICATED, DENIED, NOT_FOUND, BAD_SUBPROTOCOL, TOO_SLOW, OUT_OF_ORDER, THROTTLED, BROKEN = (
    4400, 4401, 4403, 4404, 4406, 4408, 4409, 4429, 4500,
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


async def conversation_socket(asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
    conversation_id: UUID = asgi["url_route"]["kwargs"]["conversation_id"]
    await _serve(Socket(asgi, receive, send, conversation_id))


async def no_such_socket(asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
    """Every other address: accepted first, so that the client can read why."""
    del asgi
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": store.dump(_error_frame(errors.NotFound("There is no socket at this address.")))})
    await send({"type": "websocket.close", "code": NOT_FOUND, "reason": "no such socket"})


websocket_urlpatterns = [
    path("ws/v1/conversations/<uuid:conversation_id>/", conversation_socket),  # type: ignore[arg-type]  # an ASGI application, for URLRouter
    re_path(r"", no_such_socket),  # type: ignore[arg-type]  # likewise
]


async def _serve(socket: "Socket") -> None:
    """One socket from the handshake to its close code."""
    observability.WEBSOCKET_CONNECTIONS.inc()
    try:
        with observability.correlated(conversation_id=socket.conversation_id):
            await socket.run()
    except Gone:
        pass
    except Closed as end:
        if end.error is not None:
            await socket.send_error(end.error)
        await socket.close(end.code, end.reason)
    except PlatformError as error:
        await socket.send_error(error)
        await socket.close(close_code(error), error.message)
    except Exception:
        log.exception("socket_failed")
        await socket.send_error(errors.Broken())
        await socket.close(BROKEN, "the platform failed")
    finally:
        observability.WEBSOCKET_CONNECTIONS.dec()


class Socket:
    """Three tasks: `_read` works on the client's frames in order, `_listen` is woken by pushes, `_pump` sends the rows."""

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi, conversation_id: UUID) -> None:
        self.conversation_id = conversation_id
        self._asgi, self._receive, self._send = asgi, receive, send
        self._principal: Principal
        self._sent = -1  # number of the last event sent; -1 before subscribe
        self._answered = 0  # the client has everything up to here
        self._pinged = 0
        self._wake = asyncio.Event()
        self._inbox: asyncio.Queue[str] = asyncio.Queue(INBOX)
        self._replies: set[asyncio.Task[None]] = set()

    # ── life ──

    async def run(self) -> None:
        await self._accept()
        self._principal = await self._authenticate()
        self._principal.require("conversations:read")
        scope.become(self._principal.tenant)
        observability.bind(tenant_id=self._principal.tenant.pk, actor=self._principal.actor)
        last_seq = await pool.run(queries.last_seq, self._principal.tenant, self.conversation_id)
        await self.send(type="hello", protocol=SUBPROTOCOL, conversation_id=str(self.conversation_id), last_seq=last_seq)
        await self._until_one_ends(self._collect(), self._read(), self._listen(), self._pump(), self._recheck())

    async def _until_one_ends(self, *work: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.create_task(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            ending = [*tasks, *self._replies]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _accept(self) -> None:
        if (await self._receive())["type"] != "websocket.connect":
            raise Gone
        offered = self._asgi.get("subprotocols") or []
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await self._send({"type": "websocket.accept", "subprotocol": chosen})
        if offered and chosen is None:
            raise Closed(BAD_SUBPROTOCOL, f"the subprotocol is {SUBPROTOCOL}", BadSubprotocol(expected=SUBPROTOCOL))
        if not _origin_is_ours(self._asgi):
            raise Closed(DENIED, "this origin may not open sockets here", errors.Denied("This origin may not open sockets here."))

    async def _authenticate(self) -> Principal:
        ticket = parse_qs(self._asgi.get("query_string", b"").decode("latin-1")).get("ticket", [""])[0]
        with scope.platform_scope():  # which tenant it is, is what we are finding out
            if ticket:
                return await pool.run(authenticators.redeem_ticket, ticket)
            token = await self._first_frame()
            return await pool.run(authenticators.authenticate_bearer, token, address=(self._asgi.get("client") or ("",))[0])

    async def _first_frame(self) -> str:
        try:
            async with asyncio.timeout(AUTHENTICATE_SECONDS):
                text = await self._next_text()
        except TimeoutError:
            raise Unauthenticated(f"No authenticate frame within {AUTHENTICATE_SECONDS:.0f} s.") from None
        frame = _frame(text)
        if frame["type"] != "authenticate":
            raise OutOfOrder("The first frame must be authenticate, or the address carries a ticket.", path="$.type", expected="authenticate")
        found = bodies.checked(frame, {"type": bodies.text(20), "token": bodies.text(8192, empty=False)}, ("token",))
        return str(found["token"])

    # ── reading ──

    async def _next_text(self) -> str:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        text = message.get("text")
        if text is None:
            raise BadFrame("Frames are text, not binary.", path="$", expected="a text frame with a JSON object")
        return str(text)

    async def _collect(self) -> None:
        """Take frames off the wire even while one is being worked on, so that a disconnect is seen; but not without bound."""
        while True:
            text = await self._next_text()
            try:
                self._inbox.put_nowait(text)
            except asyncio.QueueFull:
                raise errors.Throttled("Too many frames at once; wait for the acks.", retry_after=1) from None

    async def _read(self) -> None:
        while True:
            frame = _frame(await self._inbox.get())
            handle = self._FRAMES.get(frame["type"])
            if handle is None:
                raise BadFrame(f"There is no frame of type {frame['type']!r}.", path="$.type", expected=", ".join(self._FRAMES))
            await handle(self, frame)

    async def _again(self, frame: dict[str, Any]) -> None:
        del frame
        raise OutOfOrder("The socket is authenticated already.", path="$.type")

    async def _subscribe(self, frame: dict[str, Any]) -> None:
        if self._sent >= 0:
            raise OutOfOrder("The socket is subscribed already; to read again, connect again.", path="$.type")
        unknown = [name for name in frame if name not in ("type", "after")]
        if unknown:  # a misspelt `after` would begin from the first event
            raise BadFrame("This member is not known here.", path=f"$.{unknown[0]}", expected="after")
        after = frame.get("after", 0)
        if isinstance(after, bool) or not isinstance(after, int) or after < 0:
            raise BadFrame("after is the number of an event.", path="$.after", expected="a whole number from 0 up")
        last_seq = await pool.run(queries.last_seq, self._principal.tenant, self.conversation_id)
        if after > last_seq:
            raise OutOfOrder(f"There is no event {after} yet.", path="$.after", expected=f"at most {last_seq}", last_seq=last_seq)
        self._sent = self._answered = self._pinged = after
        self._wake.set()

    async def _message(self, frame: dict[str, Any]) -> None:
        given = {name: value for name, value in frame.items() if name != "type"}
        message_id = given.get("client_message_id") if isinstance(given.get("client_message_id"), str) else None
        try:
            body = bodies.message(given)
            bodies.checked(given, bodies.MESSAGE, ("client_message_id",))
            self._principal.require("conversations:write")
            throttling.spend(self._principal)
            result = await pool.run(
                services.process_message,
                self._principal.tenant,
                conversation_id=self.conversation_id,
                content=body["content"],
                client_message_id=body["client_message_id"],
                user_id=body.get("user_id", ""),
                channel=body.get("channel", ""),
                metadata=body.get("metadata"),
                hints=body.get("hints"),
            )
        except errors.Throttled:
            raise
        except PlatformError as error:  # of this message; the socket goes on
            await self.send_error(error, client_message_id=message_id)
            return
        turn = {"id": str(result.turn_id), "number": result.number, "status": result.status}
        await self.send(type="ack", client_message_id=message_id, turn=turn, replayed=result.replayed)
        if not result.pending:
            await self._reply(message_id, result)
        elif len(self._replies) < BATCH:  # the others are in the events too
            task = asyncio.create_task(self._reply_later(message_id, result))
            self._replies.add(task)
            task.add_done_callback(self._replies.discard)

    async def _reply_later(self, message_id: str | None, result: Result) -> None:
        ended = await services.ended(self._principal.tenant, result, REPLY_SECONDS)
        if not ended.pending:
            await self._reply(message_id, ended)

    async def _reply(self, message_id: str | None, result: Result) -> None:
        await self.send(type="reply", client_message_id=message_id, replayed=result.replayed, result=result.reply)

    async def _ping(self, frame: dict[str, Any]) -> None:
        await self.send(type="pong", **({"id": frame["id"]} if isinstance(frame.get("id"), str | int) else {}))

    async def _pong(self, frame: dict[str, Any]) -> None:
        seq = frame.get("seq")
        if isinstance(seq, bool) or not isinstance(seq, int) or not self._answered <= seq <= max(self._sent, 0):
            raise OutOfOrder("A pong carries the seq of the ping that it answers.", path="$.seq", expected=f"at most {self._sent}")
        self._answered = seq
        self._wake.set()

    _FRAMES: ClassVar[dict[str, Callable[["Socket", dict[str, Any]], Awaitable[None]]]] = {
        "authenticate": _again,
        "subscribe": _subscribe,
        "message": _message,
        "ping": _ping,
        "pong": _pong,
    }

    # ── writing ──

    async def _listen(self) -> None:
        """Be woken by pushes. Without the layer the socket still re-reads, and listens again when it is back."""
        while True:
            try:
                async with realtime.listening(events.conversation_group(self.conversation_id)) as receive:
                    self._wake.set()  # what came before the group was joined
                    while True:
                        await receive()
                        self._wake.set()
            except Exception as fault:  # noqa: BLE001  each layer has its own errors
                log.warning("listening_failed", fault=repr(fault))
                await asyncio.sleep(2)

    async def _pump(self) -> None:
        """Send what there is, then sleep until a push, a pong or the next re-read."""
        behind_since: float | None = None
        while True:
            with suppress(TimeoutError):
                # Not wait_for: on Python 3.11 it swallows a cancellation that comes together with the event.
                async with asyncio.timeout(REREAD_SECONDS if behind_since is None else 1.0):
                    await self._wake.wait()
            self._wake.clear()
            if self._sent < 0:
                continue
            if await self._send_rows():
                behind_since = None
                continue
            behind_since = behind_since or time.monotonic()
            if time.monotonic() - behind_since > BEHIND_SECONDS:
                raise Closed(TOO_SLOW, f"pings unanswered; resume after {self._answered}")

    async def _send_rows(self) -> bool:
        """Everything there is; False when the client has to answer a ping first."""
        while True:
            room = WINDOW - (self._sent - self._answered)
            rows = await pool.run(queries.log_after, self._principal.tenant, self.conversation_id, self._sent, max(1, min(BATCH, room)))
            if not rows:
                return True
            if room <= 0:
                return False
            for row in rows:
                await self.send(type="event", **row)
                self._sent = row["seq"]
            if self._sent - self._pinged >= BATCH:
                self._pinged = self._sent
                await self.send(type="ping", seq=self._sent)

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            self._principal = await pool.run(authenticators.recheck, self._principal)
            self._principal.require("conversations:read")

    async def send(self, **frame: Any) -> None:
        await self._send({"type": "websocket.send", "text": store.dump(frame)})

    async def send_error(self, error: PlatformError, client_message_id: str | None = None) -> None:
        frame = _error_frame(error)
        if client_message_id:
            frame["client_message_id"] = client_message_id
        with suppress(Exception):  # the other side may be gone already
            await self.send(**frame)

    async def close(self, code: int, reason: str) -> None:
        with suppress(Exception):  # as above
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})


def _frame(text: str) -> dict[str, Any]:
    """Raises SchemaError, PayloadTooLarge, BadFrame."""
    frame = rest.read_json(text.encode())
    if not isinstance(frame, dict):
        raise BadFrame("A frame is an object with a type.", path="$", expected="an object")
    if not isinstance(frame.get("type"), str):
        raise BadFrame("A frame is an object with a type.", path="$.type", expected="a text")
    return frame


def _error_frame(error: PlatformError) -> dict[str, Any]:
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
