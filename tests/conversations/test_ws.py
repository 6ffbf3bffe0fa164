"""The socket: real sockets against a real daphne."""

import asyncio
import json
import random
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from conversations import events, queries, services
from conversations.consumers import conversation, stream
from conversations.models import ConversationEvent, Turn
from conversations.turn import Result
from mcp_platform import sockets as consumers
from mcp_platform.tenancy import authenticators, scope
from mcp_platform.tenancy import services as tenancy_services
from mcp_platform.tenancy.models import ApiKey, Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from tests.conversations.scenes import ECHO, calling, check_log, land_register, register_of
from tests.conversations.server import address, worker
from tests.factories import TenantFactory, key, published

__all__ = ["address", "worker"]
pytestmark = pytest.mark.django_db(transaction=True)


class Watched:
    """A conversation of a tenant, and the ways to look at it."""

    def __init__(self, address: str) -> None:
        self.tenant: Tenant = TenantFactory.create()
        published(self.tenant, ECHO)
        self.begun = services.start(self.tenant, flow_id="echo")
        self.token = key(self.tenant)
        self.url = f"ws://{address}/ws/v1/conversations/{self.begun.conversation_id}/"

    def open(self, url: str = "", **options: Any) -> Any:
        return connect(url or self.url, **{"subprotocols": [conversation.ConversationSocket.SUBPROTOCOL], "close_timeout": 0.5, **options})

    async def enter(self, socket: ClientConnection, token: str = "", after: int | None = 0) -> dict[str, Any]:
        """Authenticate and, unless `after` is None, subscribe; gives the hello frame."""
        await say(socket, type="authenticate", token=token or self.token)
        hello = await frame(socket)
        assert hello["type"] == "hello", hello
        if after is not None:
            await say(socket, type="subscribe", after=after)
        return hello

    def post(self, text: str = "hello") -> Result:
        return services.process_message(self.tenant, conversation_id=self.begun.conversation_id, content={"type": "text", "text": text})

    async def post_soon(self, text: str = "hello") -> Result:
        return await sync_to_async(self.post)(text)

    def stored(self) -> list[int]:
        rows = ConversationEvent.objects.filter(conversation_id=self.begun.conversation_id).order_by("seq")
        return list(rows.values_list("seq", flat=True))


@pytest.fixture
def watched(address: str) -> Watched:
    return Watched(address)


async def say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


async def frame(socket: ClientConnection, *kinds: str, seconds: float = 30) -> dict[str, Any]:
    """The next frame, of one of these kinds if any are named. Answers pings."""
    async with asyncio.timeout(seconds):
        while True:
            found: dict[str, Any] = json.loads(await socket.recv())
            if found["type"] == "ping":
                await say(socket, type="pong", seq=found["seq"])
            if not kinds or found["type"] in kinds:
                return found


async def closed(socket: ClientConnection, seconds: float = 30) -> tuple[int, list[dict[str, Any]]]:
    """The close code, and the frames before it."""
    before = []
    async with asyncio.timeout(seconds):
        while True:
            try:
                before.append(json.loads(await socket.recv()))
            except ConnectionClosed:
                assert socket.close_code is not None
                return socket.close_code, before


async def test_one_talks_and_another_watches(watched: Watched) -> None:
    async with watched.open() as viewer, watched.open() as talker:
        assert viewer.subprotocol == conversation.ConversationSocket.SUBPROTOCOL
        hello = await watched.enter(viewer)
        assert (hello["conversation_id"], hello["last_seq"]) == (str(watched.begun.conversation_id), len(await sync_to_async(watched.stored)()))
        await watched.enter(talker, after=None)
        await say(talker, type="message", client_message_id="m-1", content={"type": "text", "text": "hello"})
        ack, reply = await frame(talker), await frame(talker)
        assert (ack["type"], ack["client_message_id"], ack["turn"]["number"]) == ("ack", "m-1", 2)
        assert (reply["type"], reply["result"]["response"]["text"]) == ("reply", "Say something.")

        stored = await sync_to_async(watched.stored)()
        seen = [await frame(viewer, "event") for _ in stored]
        assert [event["seq"] for event in seen] == stored
        assert {"seq", "kind", "data", "at", "turn"} <= set(seen[0])

        await say(talker, type="message", client_message_id="m-1", content={"type": "text", "text": "hello"})
        assert (await frame(talker, "ack"))["replayed"]
        assert (await frame(talker, "reply"))["result"] == reply["result"]
        assert await sync_to_async(watched.stored)() == stored


async def test_a_message_over_rest_is_pushed(watched: Watched) -> None:
    async with watched.open() as viewer:
        hello = await watched.enter(viewer)
        for _ in range(hello["last_seq"]):
            await frame(viewer, "event")
        await watched.post_soon()
        assert (await frame(viewer, "event", seconds=2))["seq"] == hello["last_seq"] + 1


async def test_a_ticket_opens_once(watched: Watched) -> None:
    principal = await sync_to_async(authenticators.authenticate_bearer)(watched.token, address="127.0.0.1")
    url = f"{watched.url}?ticket={authenticators.issue_ticket(principal)}"
    async with watched.open(url) as socket:
        assert (await frame(socket))["type"] == "hello"
    async with watched.open(url) as socket:
        assert (await closed(socket))[0] == consumers.UNAUTHENTICATED


async def test_ping_is_answered(watched: Watched) -> None:
    async with watched.open() as socket:
        await watched.enter(socket, after=None)
        await say(socket, type="ping", id=7)
        assert await frame(socket) == {"type": "pong", "id": 7}


async def test_a_message_that_waits_for_a_call_is_replied_to_later(watched: Watched, worker: Any, settings: Any) -> None:
    def prepare(server: Any) -> Result:
        register_of(watched.tenant, server)
        published(watched.tenant, calling(timeout_ms=30_000))
        return services.start(watched.tenant, flow_id="register")

    with land_register(settings) as server:
        begun = await sync_to_async(prepare)(server)
        async with watched.open(watched.url.replace(str(watched.begun.conversation_id), str(begun.conversation_id))) as socket:
            await watched.enter(socket, after=None)
            for number in (1, 2):
                await say(socket, type="message", client_message_id=f"m-{number}", content=f"parcel {number}")
            replies = [await frame(socket, "reply", seconds=20) for _ in range(2)]
        assert {reply["client_message_id"] for reply in replies} == {"m-1", "m-2"}
        assert {reply["result"]["response"]["text"] for reply in replies} == {"It belongs to Ada."}
        assert [request["body"]["word"] for request in server.requests] == ["parcel 1", "parcel 2"]
    await sync_to_async(check_log)(begun.conversation_id)


async def test_a_client_that_is_cut_fifty_times_misses_nothing(watched: Watched) -> None:
    dice = random.Random(8)
    received: list[int] = []

    async def talk() -> None:
        for number in range(60):
            await watched.post_soon(f"message {number}")

    talking = asyncio.create_task(talk())
    for _ in range(50):
        async with watched.open() as socket:
            await watched.enter(socket, after=received[-1] if received else 0)
            for _ in range(dice.randint(0, 6)):
                try:
                    received.append((await frame(socket, "event", seconds=0.3))["seq"])
                except TimeoutError:
                    break
            if dice.random() < 0.5:
                socket.transport.abort()  # not even a close frame
    await talking
    stored = await sync_to_async(watched.stored)()
    async with watched.open() as socket:
        await watched.enter(socket, after=received[-1])
        while received[-1] < stored[-1]:
            received.append((await frame(socket, "event"))["seq"])
    assert received == stored


async def test_a_lost_push_costs_time_only(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.2)
    monkeypatch.setattr(events, "publish_growth", lambda *_: None)
    async with watched.open() as viewer:
        hello = await watched.enter(viewer)
        await watched.post_soon()
        while (await frame(viewer, "event"))["seq"] <= hello["last_seq"]:
            pass


async def test_a_client_that_does_not_answer_pings_is_closed_and_can_resume(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEHIND_SECONDS", 0.5)
    monkeypatch.setattr(stream, "WINDOW", 16)
    monkeypatch.setattr(stream, "BATCH", 8)
    for _ in range(12):
        await watched.post_soon()
    stored = await sync_to_async(watched.stored)()
    assert len(stored) > 20
    async with watched.open() as socket:
        await watched.enter(socket)
        code, before = await closed(socket)
    assert code == consumers.TOO_SLOW
    got = [one["seq"] for one in before if one["type"] == "event"]
    assert got == stored[:16]
    async with watched.open() as socket:
        await watched.enter(socket, after=got[-1])
        while got[-1] < stored[-1]:
            got.append((await frame(socket, "event"))["seq"])
    assert got == stored


async def test_a_viewer_watches_and_does_not_talk(watched: Watched) -> None:
    token = await sync_to_async(key)(watched.tenant, of_role(Role.VIEWER))
    async with watched.open() as socket:
        await watched.enter(socket, token)
        assert (await frame(socket))["type"] == "event"
        await say(socket, type="message", client_message_id="m-1", content="hello")
        refused = await frame(socket, "error")
        assert (refused["error_code"], refused["client_message_id"]) == ("PERMISSION_DENIED", "m-1")
    assert await sync_to_async(Turn.objects.count)() == 1


async def test_a_stranger_finds_nothing(watched: Watched) -> None:
    token = await sync_to_async(lambda: key(TenantFactory.create()))()
    async with watched.open() as socket:
        await say(socket, type="authenticate", token=token)
        code, before = await closed(socket)
    assert (code, before[0]["error_code"]) == (consumers.NOT_FOUND, "CONVERSATION_NOT_FOUND")


async def test_a_key_that_is_not_known_or_may_not_read(watched: Watched) -> None:
    deaf = await sync_to_async(key)(watched.tenant, ["flows:read"])
    unknown = "mcp_aaaaaaaaaa_" + "0" * 64
    for token, expected in ((unknown, consumers.UNAUTHENTICATED), ("x.y.z", consumers.UNAUTHENTICATED), (deaf, consumers.DENIED)):
        async with watched.open() as socket:
            await say(socket, type="authenticate", token=token)
            assert (await closed(socket))[0] == expected


async def test_a_revoked_key_loses_its_socket(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.2)

    def revoke() -> None:
        with scope.platform_scope():
            held = ApiKey.objects.get(prefix=watched.token.split("_")[1])
            tenancy_services.revoke_api_key(watched.tenant, key_id=held.pk, by=None)

    async with watched.open() as socket:
        await watched.enter(socket, after=None)
        await sync_to_async(revoke)()
        assert (await closed(socket))[0] == consumers.UNAUTHENTICATED


async def test_silence_is_closed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "AUTHENTICATE_SECONDS", 0.2)
    async with watched.open() as socket:
        assert (await closed(socket))[0] == consumers.UNAUTHENTICATED


async def test_foreign_pages_may_not_open_sockets(watched: Watched) -> None:
    async with watched.open(origin="https://evil.example") as socket:
        assert (await closed(socket))[0] == consumers.DENIED
    async with watched.open(origin="http://localhost:8002") as socket:
        await watched.enter(socket)


async def test_other_addresses_and_subprotocols(watched: Watched, address: str) -> None:
    async with connect(f"ws://{address}/ws/v1/nothing/") as socket:
        assert (await closed(socket))[0] == consumers.NOT_FOUND
    async with connect(watched.url, subprotocols=["graphql-ws"]) as socket:  # type: ignore[list-item]  # a NewType of str
        assert (await closed(socket))[0] == consumers.BAD_SUBPROTOCOL
    async with connect(watched.url) as socket:  # none is fine
        await watched.enter(socket)


BAD_FRAMES = [
    ("not json", consumers.BAD_FRAME, "SCHEMA_ERROR"),
    ("[]", consumers.BAD_FRAME, "BAD_FRAME"),
    ('{"type": 7}', consumers.BAD_FRAME, "BAD_FRAME"),
    ('{"type": "shout"}', consumers.BAD_FRAME, "BAD_FRAME"),
    (b"\x00\x01", consumers.BAD_FRAME, "BAD_FRAME"),
    ('{"type": "ping", "type": "pong"}', consumers.BAD_FRAME, "SCHEMA_ERROR"),
    ('{"type": "subscribe", "after": "x"}', consumers.BAD_FRAME, "BAD_FRAME"),
    ('{"type": "subscribe", "after": -1}', consumers.BAD_FRAME, "BAD_FRAME"),
    ('{"type": "subscribe", "after": 999}', consumers.OUT_OF_ORDER, "FRAME_OUT_OF_ORDER"),
    ('{"type": "authenticate", "token": "again"}', consumers.OUT_OF_ORDER, "FRAME_OUT_OF_ORDER"),
    ('{"type": "pong", "seq": 99}', consumers.OUT_OF_ORDER, "FRAME_OUT_OF_ORDER"),
]


@pytest.mark.parametrize(("text", "code", "error_code"), BAD_FRAMES, ids=str)
async def test_bad_frames_close_with_a_code_and_say_why(watched: Watched, text: str | bytes, code: int, error_code: str) -> None:
    async with watched.open() as socket:
        await watched.enter(socket, after=None)
        await socket.send(text)
        found, before = await closed(socket)
    assert (found, before[-1]["type"], before[-1]["error_code"]) == (code, "error", error_code)


async def test_the_first_frame_must_authenticate(watched: Watched) -> None:
    async with watched.open() as socket:
        await say(socket, type="subscribe", after=0)
        assert (await closed(socket))[0] == consumers.OUT_OF_ORDER


async def test_subscribing_twice_is_out_of_order(watched: Watched) -> None:
    async with watched.open() as socket:
        await watched.enter(socket)
        await say(socket, type="subscribe", after=0)
        assert (await closed(socket))[0] == consumers.OUT_OF_ORDER


async def test_a_bad_message_is_told_and_the_socket_goes_on(watched: Watched) -> None:
    async with watched.open() as socket:
        await watched.enter(socket, after=None)
        await say(socket, type="message", client_message_id="m-1", content={"type": "shout"})
        refused = await frame(socket)
        assert (refused["type"], refused["client_message_id"]) == ("error", "m-1")
        assert [fault["path"] for fault in refused["errors"]] == ["$.content.type"]
        await say(socket, type="message", content="no id")
        assert [fault["path"] for fault in (await frame(socket))["errors"]] == ["$.client_message_id"]
        await say(socket, type="message", client_message_id="m-2", content="fine")
        assert (await frame(socket))["type"] == "ack"
        await say(socket, type="message", client_message_id="m-2", content="other")
        assert (await frame(socket, "error"))["error_code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_too_many_messages(watched: Watched, settings: Any) -> None:
    settings.API_RATE_LIMIT = "2/minute"
    async with watched.open() as socket:
        await watched.enter(socket, after=None)
        for number in range(3):
            await say(socket, type="message", client_message_id=f"m-{number}", content="hello")
        code, before = await closed(socket)
    assert (code, before[-1]["error_code"]) == (consumers.THROTTLED, "RATE_LIMITED")
    assert await sync_to_async(Turn.objects.count)() == 3


async def test_a_socket_that_fails_is_told_and_closed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> int:
        raise RuntimeError("the shared cache is away")

    monkeypatch.setattr(queries, "last_seq", fail)
    async with watched.open() as socket:
        await say(socket, type="authenticate", token=watched.token)
        assert (await frame(socket, "error"))["error_code"] == "INTERNAL_ERROR"
        with pytest.raises(ConnectionClosed):
            await frame(socket)
        assert socket.close_code == consumers.BROKEN
