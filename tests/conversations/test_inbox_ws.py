"""The sockets of the inbox and of chat pages, and who is typing: real sockets against a real daphne."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from websockets.asyncio.client import connect

from conversations import channels, desk, events, handoff, visitors
from conversations.consumers.conversation import ConversationSocket
from conversations.consumers.inbox import InboxSocket
from conversations.consumers.operation import OperationSocket
from conversations.consumers.visitor import VisitorSocket
from conversations.models import ConversationEvent, WebChannel
from mcp_platform import sockets as codes
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy import authenticators
from mcp_platform.tenancy.models import Role
from mcp_platform.tenancy.permissions import of_role
from tests.conversations.server import address, worker
from tests.conversations.test_handoff import Scene
from tests.conversations.test_ws import closed, frame, say
from tests.factories import TenantFactory, key

__all__ = ["address", "worker"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def inbox(address: str) -> Any:
    protocol: Any = [InboxSocket.SUBPROTOCOL]
    return connect(f"ws://{address}/ws/v1/inbox/", subprotocols=protocol, close_timeout=0.5)


async def enter(socket: Any, token: str, **subscribe: Any) -> list[dict[str, Any]]:
    """Authenticate and subscribe; gives the frames until the queue is complete."""
    await say(socket, type="authenticate", token=token)
    assert (await frame(socket))["type"] == "hello"
    await say(socket, type="subscribe", **subscribe)
    before: list[dict[str, Any]] = []
    while not before or before[-1]["type"] != "ready":
        before.append(await frame(socket))
    return before


async def test_the_queue_is_live(scene: Scene, address: str) -> None:
    token = await sync_to_async(key)(scene.tenant, of_role(Role.AGENT))
    async with inbox(address) as socket:
        before = await enter(socket, token)
        assert (before[-1]["open"], [one["type"] for one in before]) == (0, ["agents", "ready"])
        row = await sync_to_async(scene.waiting)()
        item = (await frame(socket, "item"))["item"]
        assert (item["id"], item["status"], item["queue"], item["last"]["text"]) == (str(row.pk), "waiting", "permits", "human")
        await sync_to_async(handoff.take)(scene.tenant, handoff_id=row.pk, by=scene.ada)
        while item["status"] != "taken":
            item = (await frame(socket, "item"))["item"]
        assert item["agent_name"] == "Ada"
        await sync_to_async(scene.hears)("are you there?")
        while item["unread"] != 1:
            item = (await frame(socket, "item"))["item"]
        assert item["last"] == {"by": "user", "text": "are you there?"}
        await sync_to_async(handoff.resume)(scene.tenant, handoff_id=row.pk, by=scene.ada)
        assert (await frame(socket, "closed"))["item"]["outcome"] == "resumed"


async def test_after_a_cut_the_whole_queue_comes_again(scene: Scene, address: str) -> None:
    token = await sync_to_async(key)(scene.tenant, of_role(Role.AGENT))
    row = await sync_to_async(scene.waiting)()
    for _ in range(2):
        async with inbox(address) as socket:
            before = await enter(socket, token)
            assert [one["item"]["id"] for one in before if one["type"] == "item"] == [str(row.pk)]
            socket.transport.abort()


async def test_a_lost_push_of_the_queue_costs_time_only(scene: Scene, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "REREAD_SECONDS", 0.2)
    monkeypatch.setattr(events, "publish_inbox", lambda *_: None)
    token = await sync_to_async(key)(scene.tenant, of_role(Role.AGENT))
    async with inbox(address) as socket:
        await enter(socket, token)
        await sync_to_async(scene.waiting)()
        assert (await frame(socket, "item"))["item"]["status"] == "waiting"


async def test_agents_see_each_other(scene: Scene, address: str) -> None:
    ticket = await sync_to_async(authenticators.issue_ticket)(scene.ada)
    token = await sync_to_async(key)(scene.tenant, of_role(Role.OPERATOR))
    async with inbox(address) as bob:
        await enter(bob, token)
        url = f"ws://{address}/ws/v1/inbox/?ticket={ticket}"
        protocol: Any = [InboxSocket.SUBPROTOCOL]
        async with connect(url, subprotocols=protocol) as ada:
            hello = await frame(ada)
            assert (hello["agent"], hello["name"]) == (scene.ada.actor, "Ada")
            await say(ada, type="subscribe", status="away")
            seen = [(one["name"], one["status"]) for one in (await frame(bob, "agents"))["agents"]]
            assert ("Ada", "away") in seen
            await say(ada, type="presence", status="available")
            seen = [(one["name"], one["status"]) for one in (await frame(bob, "agents"))["agents"]]
            assert ("Ada", "available") in seen
        assert "Ada" not in [one["name"] for one in (await frame(bob, "agents"))["agents"]]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.EDITOR])
async def test_who_does_not_work_there_does_not_see_the_queue(scene: Scene, address: str, role: Role) -> None:
    token = await sync_to_async(key)(scene.tenant, of_role(role))
    async with inbox(address) as socket:
        await say(socket, type="authenticate", token=token)
        code, before = await closed(socket)
    assert (code, before[0]["error_code"]) == (codes.DENIED, "PERMISSION_DENIED")


async def test_a_stranger_sees_an_empty_queue(scene: Scene, address: str) -> None:
    await sync_to_async(scene.waiting)()
    token = await sync_to_async(lambda: key(TenantFactory.create()))()
    async with inbox(address) as socket:
        before = await enter(socket, token)
        assert before[-1]["open"] == 0
        await sync_to_async(scene.hears)("hello?")
        await say(socket, type="ping", id=1)
        assert (await frame(socket))["type"] == "pong"


BAD = [
    ({"type": "subscribe", "after": 3}, codes.BAD_FRAME, "BAD_FRAME"),
    ({"type": "subscribe", "status": "asleep"}, codes.BAD_FRAME, "BAD_FRAME"),
    ({"type": "presence", "status": "away"}, codes.OUT_OF_ORDER, "FRAME_OUT_OF_ORDER"),
    ({"type": "message"}, codes.BAD_FRAME, "BAD_FRAME"),
]


@pytest.mark.parametrize(("wrong", "code", "error_code"), BAD, ids=str)
async def test_bad_frames_close_the_inbox(scene: Scene, address: str, wrong: dict[str, Any], code: int, error_code: str) -> None:
    token = await sync_to_async(key)(scene.tenant)
    async with inbox(address) as socket:
        await say(socket, type="authenticate", token=token)
        await frame(socket)
        await say(socket, **wrong)
        found, before = await closed(socket)
    assert (found, before[-1]["error_code"]) == (code, error_code)


async def test_typing_is_told_to_the_others(scene: Scene, address: str) -> None:
    url = f"ws://{address}/ws/v1/conversations/{scene.id}/"
    ticket = await sync_to_async(authenticators.issue_ticket)(scene.ada)
    token = await sync_to_async(key)(scene.tenant)
    protocol: Any = [ConversationSocket.SUBPROTOCOL]
    async with connect(f"{url}?ticket={ticket}", subprotocols=protocol) as agent, connect(url, subprotocols=protocol) as program:
        await say(program, type="authenticate", token=token)
        for socket in (agent, program):
            await say(socket, type="subscribe", after=0)
            await frame(socket, "event")
        await say(agent, type="typing", active=True)
        assert await frame(program, "typing") == {"type": "typing", "by": "agent", "name": "Ada", "active": True}
        await say(program, type="typing", active=False)
        assert await frame(agent, "typing") == {"type": "typing", "by": "user", "name": "", "active": False}
        await say(agent, type="typing", active="yes")
        assert (await closed(agent))[0] == codes.BAD_FRAME


def chat_of(scene: Scene, **more: Any) -> WebChannel:
    return channels.save(scene.tenant, fields={"name": "Front desk", "flow_id": "desk", **more}, by=None)


class Visit:
    def __init__(self, address: str, chat: WebChannel) -> None:
        self.address, self.chat = address, chat
        self.http = f"http://{address}/chat/{chat.public_id}/"

    def begin(self, **body: Any) -> httpx.Response:
        return httpx.post(f"{self.http}session", json={"start_id": uuid4().hex, **body}, headers={"Host": "localhost"})

    def open(self, ticket: str) -> Any:
        url = f"ws://{self.address}/ws/v1/chat/{self.chat.public_id}/?ticket={ticket}"
        return connect(url, subprotocols=[VisitorSocket.SUBPROTOCOL], close_timeout=0.5)  # type: ignore[list-item]  # a NewType of str


@pytest.fixture
def visit(scene: Scene, address: str) -> Visit:
    return Visit(address, chat_of(scene))


async def lines(socket: Any, count: int) -> list[dict[str, Any]]:
    return [await frame(socket, "line") for _ in range(count)]


async def test_a_visitor_hears_what_is_said_and_nothing_else(visit: Visit) -> None:
    begun = (await sync_to_async(visit.begin)()).json()
    async with visit.open(begun["ticket"]) as socket:
        assert (await frame(socket))["type"] == "hello"
        await say(socket, type="subscribe", after=0)
        first = await lines(socket, 2)
        assert [(one["by"], one.get("event")) for one in first] == [("system", "started"), ("bot", None)]
        assert set(first[1]["messages"][0]) <= {"text", "type", "token", "plain"}
        await say(socket, type="message", client_message_id="m-1", content="7")
        heard = [await frame(socket, "ack", "line") for _ in range(3)]  # the lines may be there before the ack
        assert [one["client_message_id"] for one in heard if one["type"] == "ack"] == ["m-1"]
        told = [one for one in heard if one["type"] == "line"]
        assert (told[0]["by"], told[0]["text"], told[0]["client_message_id"]) == ("user", "7", "m-1")
        await say(socket, type="message", client_message_id="m-2", content="0171 555 0199")  # a sensitive slot
        assert (await lines(socket, 1))[0]["text"] == "•••"
    assert "slots" not in json.dumps([*first, *told])


async def test_a_visitor_comes_back_with_the_token_and_only_to_this_chat(visit: Visit, scene: Scene) -> None:
    begun = (await sync_to_async(visit.begin)()).json()
    again = (await sync_to_async(visit.begin)(token=begun["token"])).json()
    afresh = (await sync_to_async(visit.begin)(token=begun["token"], afresh=True)).json()
    other = Visit(visit.address, await sync_to_async(chat_of)(scene))
    elsewhere = (await sync_to_async(other.begin)(token=begun["token"])).json()
    opened = []
    for where, one in ((visit, begun), (visit, again), (visit, afresh), (other, elsewhere)):
        redeemed = await sync_to_async(visitors.redeem_ticket)(where.chat.public_id, one["ticket"])
        opened.append((redeemed.conversation_id, redeemed.name))
    assert opened[0] == opened[1]
    assert opened[2][0] != opened[0][0]
    assert opened[2][1] == opened[0][1]  # the same visitor
    assert opened[3][0] not in (opened[0][0], opened[2][0])
    forged = (await sync_to_async(visit.begin)(token="gAAAAABforged")).json()
    assert (await sync_to_async(visitors.redeem_ticket)(visit.chat.public_id, forged["ticket"])).conversation_id != opened[0][0]


async def test_the_same_start_is_one_conversation(visit: Visit) -> None:
    mark = uuid4().hex
    found = [(await sync_to_async(visit.begin)(start_id=mark)).json() for _ in range(2)]
    ids = {(await sync_to_async(visitors.redeem_ticket)(visit.chat.public_id, one["ticket"])).conversation_id for one in found}
    assert len(ids) == 1


async def test_tickets_of_visitors_open_their_chat_once(visit: Visit, scene: Scene) -> None:
    begun = (await sync_to_async(visit.begin)()).json()
    async with visit.open(begun["ticket"]) as socket:
        assert (await frame(socket))["type"] == "hello"
    other = Visit(visit.address, await sync_to_async(chat_of)(scene))
    fresh = (await sync_to_async(visit.begin)()).json()
    for where, ticket in ((visit, begun["ticket"]), (other, fresh["ticket"]), (visit, ""), (visit, "garbage")):
        async with where.open(ticket) as socket:
            assert (await closed(socket))[0] == codes.UNAUTHENTICATED
    for path in ("inbox/", f"conversations/{scene.id}/"):  # no other door
        ticket = (await sync_to_async(visit.begin)()).json()["ticket"]
        async with connect(f"ws://{visit.address}/ws/v1/{path}?ticket={ticket}") as socket:
            assert (await closed(socket))[0] == codes.UNAUTHENTICATED
    staff = await sync_to_async(authenticators.issue_ticket)(scene.ada)
    async with visit.open(staff) as socket:
        assert (await closed(socket))[0] == codes.UNAUTHENTICATED


FORBIDDEN = [
    {"content": {"type": "event", "text": "paid"}},
    {"content": {"type": "text", "text": "x" * 4001}},
    {"content": "hello", "hints": {"force_flow": "desk"}},
    {"content": "hello", "user_id": "somebody"},
    {"content": {"type": "text", "text": "hello", "attributes": {"a": "b"}}},
    {"content": {"type": "command", "text": "resume"}},
]


@pytest.mark.parametrize("body", FORBIDDEN, ids=lambda body: json.dumps(body)[:60])
async def test_what_visitors_may_not_say(visit: Visit, body: dict[str, Any]) -> None:
    begun = (await sync_to_async(visit.begin)()).json()
    async with visit.open(begun["ticket"]) as socket:
        await frame(socket)
        await say(socket, type="message", client_message_id="m-1", **body)
        refused = await frame(socket)
        assert (refused["type"], refused["error_code"], refused["client_message_id"]) == ("error", "SCHEMA_ERROR", "m-1")
    kinds = await sync_to_async(lambda: set(ConversationEvent.objects.values_list("kind", flat=True)))()
    assert "message" not in kinds


def test_limits_count_addresses(visit: Visit, settings: Any) -> None:
    settings.CHAT_START_RATE_LIMIT = "2/minute"
    answers = [visit.begin() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error_code"] == "RATE_LIMITED"
    assert int(answers[2].headers["Retry-After"]) > 0


async def test_too_many_messages_of_a_visitor(visit: Visit, settings: Any) -> None:
    settings.CHAT_RATE_LIMIT = "2/minute"
    begun = (await sync_to_async(visit.begin)()).json()
    async with visit.open(begun["ticket"]) as socket:
        for number in range(3):
            await say(socket, type="message", client_message_id=f"m-{number}", content="hello")
        assert (await closed(socket))[0] == codes.THROTTLED


BODIES = [
    ({"start_id": ""}, "$.start_id"),
    ({"start_id": "short"}, "$.start_id"),
    ({"start_id": 7}, "$.start_id"),
    ({"token": 7}, "$.token"),
    ({"locale": "<script>"}, "$.locale"),
    ({"afresh": "yes"}, "$.afresh"),
    ({"flow_id": "other"}, "$.flow_id"),
]


@pytest.mark.parametrize(("body", "path"), BODIES, ids=str)
def test_bad_sessions_say_what_is_wrong(visit: Visit, body: dict[str, Any], path: str) -> None:
    answer = visit.begin(**body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "SCHEMA_ERROR")
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]


def test_what_is_not_there_or_switched_off(visit: Visit, scene: Scene) -> None:
    gone = Visit(visit.address, WebChannel(public_id="nothing-here"))
    assert gone.begin().json()["error_code"] == "CHANNEL_NOT_FOUND"
    assert httpx.get(visit.http, headers={"Host": "localhost"}).status_code == 200
    assert httpx.get(f"{visit.http}session").status_code == 405
    assert httpx.post(f"{visit.http}session", json={}, headers={"Host": "localhost", "Origin": "https://evil.example"}).status_code == 403
    begun = visit.begin().json()
    channels.save(scene.tenant, channel_id=visit.chat.pk, fields={"enabled": False}, by=None)
    for answer in (httpx.get(visit.http), httpx.get(f"{visit.http}embed.js"), visit.begin(token=begun["token"])):
        assert answer.status_code == 404


async def test_a_chat_that_is_switched_off_loses_its_sockets(visit: Visit, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "RECHECK_SECONDS", 0.2)
    begun = (await sync_to_async(visit.begin)()).json()
    async with visit.open(begun["ticket"]) as socket:
        await frame(socket)
        await sync_to_async(channels.save)(scene.tenant, channel_id=visit.chat.pk, fields={"enabled": False}, by=None)
        assert (await closed(socket))[0] == codes.NOT_FOUND


async def test_a_visitor_and_an_agent(visit: Visit, scene: Scene) -> None:
    begun = (await sync_to_async(visit.begin)()).json()
    async with visit.open(begun["ticket"]) as socket:
        await frame(socket)
        await say(socket, type="subscribe", after=0)
        await lines(socket, 2)
        await say(socket, type="message", client_message_id="m-1", content={"type": "command", "text": "human"})
        assert "handed_over" in [one.get("event") for one in await lines(socket, 2)]
        item = (await sync_to_async(lambda: desk.items(scene.tenant, desk.revisions(scene.tenant)))())[0]
        taken = await sync_to_async(handoff.take)(scene.tenant, handoff_id=item["id"], by=scene.ada)
        assert (await lines(socket, 1))[0] | {"seq": 0, "at": ""} == {
            "type": "line", "seq": 0, "at": "", "by": "system", "event": "agent_joined", "name": "Ada",
        }  # fmt: skip
        await sync_to_async(handoff.reply)(scene.tenant, handoff_id=taken.pk, text="Hello!", by=scene.ada)
        told = (await lines(socket, 1))[0]
        assert (told["by"], told["name"], told["text"]) == ("agent", "Ada", "Hello!")
        assert scene.ada.actor not in json.dumps(told)


async def test_the_progress_of_work_is_pushed(scene: Scene, address: str) -> None:
    from mcp_platform.operations import events as told
    from mcp_platform.operations import services as operations

    kind = next(iter(operations.KINDS))
    facts: Any = {"kind": kind, "title": "Count", "arguments": {}, "created_by": "system", "created_at": timezone.now()}
    row = await sync_to_async(Operation.objects.create)(tenant=scene.tenant, **facts)
    token = await sync_to_async(key)(scene.tenant)
    strange = await sync_to_async(lambda: key(TenantFactory.create()))()
    url = f"ws://{address}/ws/v1/operations/{row.pk}/"
    protocol: Any = [OperationSocket.SUBPROTOCOL]
    async with connect(url, subprotocols=protocol) as socket:
        await say(socket, type="authenticate", token=token)
        assert (await frame(socket))["type"] == "hello"
        assert (await frame(socket, "progress"))["done"] == 0

        def move() -> None:
            Operation.objects.filter(pk=row.pk).update(done=3, total=10, phase="counting")
            told.publish_change(row.pk)

        await sync_to_async(move)()
        now = await frame(socket, "progress")
        assert (now["done"], now["total"], now["phase"], now["id"]) == (3, 10, "counting", str(row.pk))
    async with connect(url, subprotocols=protocol) as socket:
        await say(socket, type="authenticate", token=strange)
        assert (await closed(socket))[0] == codes.NOT_FOUND
