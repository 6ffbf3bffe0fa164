"""Bad sockets: what a client opens or sends, and the close code, error_code and path that it must get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from asgiref.sync import async_to_sync
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator

from conversations.consumers import websocket_urlpatterns
from conversations.consumers.conversation import ConversationSocket
from mcp_platform.rest import read_json
from mcp_platform.tenancy import scope
from tests.platform.bad_input.office import Office
from validation.consumers import websocket_urlpatterns as building_urlpatterns

Frame: TypeAlias = dict[str, Any] | str | bytes  # JSON, text as it is, or a binary frame
OPEN = 0  # instead of a close code: the socket stays open


@dataclass(frozen=True, slots=True)
class BadSocket:
    """`by` authenticates first, unless it is "". `to` is the address below /ws/v1/, with {names} of the office."""

    name: str
    frames: tuple[Frame, ...]
    close: int
    code: str
    at: str = ""
    by: str = field(default="owner", kw_only=True)
    to: str = field(default="conversations/{conversation}/", kw_only=True)
    subprotocols: tuple[str, ...] = field(default=(ConversationSocket.SUBPROTOCOL,), kw_only=True)
    origin: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it ended: the close code (OPEN when it did not), and the last error that was told."""

    code: int
    error: Mapping[str, Any]


def say(text: Any, message_id: Any = "m-2", **more: Any) -> Frame:
    return {"type": "message", "content": text, "client_message_id": message_id, **more}


SUBSCRIBE: Frame = {"type": "subscribe", "after": 0}
FRAME, ORDER, SCHEMA, WHO = "BAD_FRAME", "FRAME_OUT_OF_ORDER", "SCHEMA_ERROR", "UNAUTHENTICATED"

ROWS = [
    # opening
    BadSocket("another subprotocol", (), 4406, "BAD_SUBPROTOCOL", subprotocols=("chat.v7",)),
    BadSocket("another origin", (), 4403, "PERMISSION_DENIED", origin="https://evil.example.com"),
    BadSocket("an origin that is none", (), 4403, "PERMISSION_DENIED", origin="null"),
    BadSocket("no such address", (), 4404, "NOT_FOUND", to="conversations/42/"),
    BadSocket("an inbox for who does not work there", (), 4403, "PERMISSION_DENIED", by="listener", to="inbox/", subprotocols=("mcp-inbox.v1",)),
    BadSocket("the inbox in another language", (), 4406, "BAD_SUBPROTOCOL", to="inbox/"),
    BadSocket("a chat without a ticket", (), 4401, "UNAUTHENTICATED", by="", to="chat/nobody/", subprotocols=("mcp-chat.v1",)),
    BadSocket("an operation that is not there", (), 4404, "OPERATION_NOT_FOUND", to="operations/{conversation}/", subprotocols=("mcp-operation.v1",)),
    BadSocket("no such kind of socket", (), 4404, "NOT_FOUND", to="buildings/{conversation}/"),
    # who is there
    BadSocket("says nothing", (), 4401, WHO, by=""),
    BadSocket("garbage for a token", ({"type": "authenticate", "token": "garbage"},), 4401, WHO, by=""),
    BadSocket("no token", ({"type": "authenticate"},), 4400, SCHEMA, "$.token", by=""),
    BadSocket("empty token", ({"type": "authenticate", "token": ""},), 4400, SCHEMA, "$.token", by=""),
    BadSocket("token is a number", ({"type": "authenticate", "token": 7},), 4400, SCHEMA, "$.token", by=""),
    BadSocket("token of ten thousand letters", ({"type": "authenticate", "token": "x" * 10_000},), 4400, SCHEMA, "$.token", by=""),
    BadSocket("a typing error in the first frame", ({"type": "authenticate", "token": "x", "tokn": "y"},), 4400, SCHEMA, "$.tokn", by=""),
    BadSocket("expired key", (), 4401, WHO, by="expired"),
    BadSocket("revoked key", (), 4401, WHO, by="revoked"),
    BadSocket("suspended tenant", (), 4401, WHO, by="suspended"),
    BadSocket("expired JWT", (), 4401, WHO, by="jwt expired"),
    BadSocket("unsigned JWT", (), 4401, WHO, by="jwt unsigned"),
    BadSocket("key that may not read", (), 4403, "PERMISSION_DENIED", by="flow reader"),
    BadSocket("ticket that is none", (), 4401, WHO, by="", to="conversations/{conversation}/?ticket=abc"),
    BadSocket("a key for a ticket", (), 4401, WHO, by="", to="conversations/{conversation}/?ticket=mcp_abcdefghij_0123"),
    BadSocket("conversation of somebody else", (), 4404, "CONVERSATION_NOT_FOUND", to="conversations/{their_conversation}/"),
    BadSocket("somebody else's key", (), 4404, "CONVERSATION_NOT_FOUND", by="neighbour"),
    BadSocket("conversation of nobody", (), 4404, "CONVERSATION_NOT_FOUND", to="conversations/00000000-0000-4000-8000-000000000000/"),
    # frames that are none
    BadSocket("binary frame", (b"\x00\x01",), 4400, FRAME, "$"),
    BadSocket("binary frame for a token", (b"{}",), 4400, FRAME, "$", by=""),
    BadSocket("not JSON", ("hello",), 4400, SCHEMA, "$"),
    BadSocket("not JSON for a token", ("hello",), 4400, SCHEMA, "$", by=""),
    BadSocket("empty frame", ("",), 4400, SCHEMA, "$"),
    BadSocket("a key twice", ('{"type": "ping", "type": "pong"}',), 4400, SCHEMA, "$"),
    BadSocket("not a number", ('{"type": "subscribe", "after": NaN}',), 4400, SCHEMA, "$"),
    BadSocket("null character", ('{"type": "ping", "id": "\\u0000"}',), 4400, SCHEMA, "$.id"),
    BadSocket("half a surrogate pair", ('{"type": "ping", "id": "\\ud800"}',), 4400, SCHEMA, "$.id"),
    BadSocket("a hundred thousand levels", ("[" * 100_000,), 4400, SCHEMA, "$"),
    BadSocket("more than one mebibyte", (say("x" * 1_100_000),), 4400, "PAYLOAD_TOO_LARGE"),
    BadSocket("a list", ("[1]",), 4400, FRAME, "$"),
    BadSocket("no type", ({"after": 1},), 4400, FRAME, "$.type"),
    BadSocket("type is a number", ({"type": 7},), 4400, FRAME, "$.type"),
    BadSocket("unknown type", ({"type": "dance"},), 4400, FRAME, "$.type"),
    # frames out of order
    BadSocket("message before authenticate", (say("hello"),), 4409, ORDER, "$.type", by=""),
    BadSocket("subscribe before authenticate", (SUBSCRIBE,), 4409, ORDER, "$.type", by=""),
    BadSocket("authenticates twice", ({"type": "authenticate", "token": "x"},), 4409, ORDER, "$.type"),
    BadSocket("subscribes twice", (SUBSCRIBE, SUBSCRIBE), 4409, ORDER, "$.type"),
    BadSocket("answers a ping that never was", ({"type": "pong", "seq": 99},), 4409, ORDER, "$.seq"),
    BadSocket("answers a ping without its number", ({"type": "pong"},), 4409, ORDER, "$.seq"),
    BadSocket("subscribes after less than nothing", ({"type": "subscribe", "after": -1},), 4400, FRAME, "$.after"),
    BadSocket("subscribes after a word", ({"type": "subscribe", "after": "now"},), 4400, FRAME, "$.after"),
    BadSocket("subscribes after a truth", ({"type": "subscribe", "after": True},), 4400, FRAME, "$.after"),
    BadSocket("subscribes after a half", ({"type": "subscribe", "after": 0.5},), 4400, FRAME, "$.after"),
    BadSocket("subscribes after what has not happened", ({"type": "subscribe", "after": 1000},), 4409, ORDER, "$.after"),
    BadSocket("subscribes after all bounds", ({"type": "subscribe", "after": 10**30},), 4409, ORDER, "$.after"),
    BadSocket("subscribes with a typing error", ({"type": "subscribe", "aftr": 3},), 4400, FRAME, "$.aftr"),
    # messages: the socket stays
    BadSocket("message without an id", ({"type": "message", "content": "x"},), OPEN, SCHEMA, "$.client_message_id"),
    BadSocket("message id is a number", (say("x", 7),), OPEN, SCHEMA, "$.client_message_id"),
    BadSocket("no content", ({"type": "message", "client_message_id": "m-2"},), OPEN, SCHEMA, "$.content"),
    BadSocket("content is a list", (say(["x"]),), OPEN, SCHEMA, "$.content"),
    BadSocket("a text of one megabyte", (say("x" * 1_000_000),), OPEN, SCHEMA, "$.content"),
    BadSocket("unknown member", (say("x", colour="red"),), OPEN, SCHEMA, "$.colour"),
    BadSocket("flow that is not there", (say("x", hints={"force_flow": "nobody"}),), OPEN, "FLOW_NOT_FOUND"),
    BadSocket("message id again, another body", (say("goodbye", "m-1"),), OPEN, "IDEMPOTENCY_KEY_REUSED"),
    BadSocket("may listen, not talk", (say("x"),), OPEN, "PERMISSION_DENIED", by="listener"),
    BadSocket("the conversation has ended", (say("x"),), OPEN, "CONVERSATION_ENDED", to="conversations/{over}/"),
]


_application = scope.closed(URLRouter([*building_urlpatterns, *websocket_urlpatterns]))


def end_of(row: BadSocket, office: Office) -> End:
    return async_to_sync(_end_of)(row, office)


async def _end_of(row: BadSocket, office: Office) -> End:
    headers = [(b"host", b"localhost"), *([(b"origin", row.origin.encode())] if row.origin else [])]
    socket = WebsocketCommunicator(_application, f"/ws/v1/{row.to.format(**office.names)}", headers, list(row.subprotocols))
    await socket.send_input({"type": "websocket.connect"})
    first: list[Frame] = [{"type": "authenticate", "token": office.token(row.by)}] if row.by else []
    for frame in [*first, *row.frames]:
        await _send(socket, frame)
    error: Mapping[str, Any] = {}
    while True:
        event = await socket.receive_output(timeout=40)
        if event["type"] == "websocket.close":
            await socket.wait()
            return End(code=event["code"], error=error)
        frame = read_json(event["text"].encode()) if "text" in event else {}
        error = frame if frame.get("type") == "error" else error
        if error and row.close == OPEN:
            await _still_open(socket)
            return End(code=OPEN, error=error)


async def _send(socket: WebsocketCommunicator, frame: Frame) -> None:
    if isinstance(frame, bytes):
        await socket.send_to(bytes_data=frame)
    elif isinstance(frame, str):
        await socket.send_input({"type": "websocket.receive", "text": frame})  # send_to() takes no empty text
    else:
        await socket.send_json_to(frame)


async def _still_open(socket: WebsocketCommunicator) -> None:
    await socket.send_json_to({"type": "ping", "id": "still there?"})
    assert (await socket.receive_json_from(timeout=40)) == {"type": "pong", "id": "still there?"}
    await socket.disconnect()
