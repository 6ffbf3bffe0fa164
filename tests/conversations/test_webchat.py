"""What a public chat keeps out and whom it lets back in: real sockets against a real daphne."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from clients.chat.client import Chat
from conversations import channels, events, queries, services, visitors
from conversations.consumers import conversation, stream
from conversations.models import Conversation, ConversationEvent, WebChannel
from conversations.visitors import Visitor
from mcp_platform import sockets as codes
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO
from tests.conversations.server import address
from tests.conversations.test_inbox_ws import Visit
from tests.conversations.test_ws import closed, frame, say
from tests.factories import TenantFactory, key, published
from tests.playbook import ending, flow, response, to

__all__ = ["address"]
pytestmark = pytest.mark.django_db(transaction=True)

MENU: Any = {
    "text": "What next?",
    "quick_replies": [{"label": "Book", "intent": "book"}],
    "cards": [{"title": "A", "buttons": [{"label": "See", "intent": "see"}]}],
}
CLINIC = flow(
    "clinic",
    states={
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["smoker", "phone"], "prompts": {"smoker": "Do you smoke?", "phone": "Which number?"}},
            "transitions": [to("menu", "slot_filled")],
        },
        "menu": response(MENU, to("booked", "intent_match", "book")),
        "booked": ending("Booked."),
    },
    slots={
        "smoker": {"type": "boolean", "sensitive": True},
        "phone": {"type": "phone", "sensitive": True, "confirm": "Is {{ value }} right?"},
        "verified": {"type": "boolean"},
    },
    intents={"book": {"examples": ["book"]}, "see": {"examples": ["see"]}, "delete": {"examples": ["delete"]}},
)


@pytest.fixture
def clinic(transactional_db: None) -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, CLINIC)
    return tenant


@pytest.fixture
def chat(clinic: Tenant) -> WebChannel:
    return channels.save(clinic, fields={"name": "Clinic", "flow_id": "clinic"}, by=None)


@pytest.fixture
def visit(chat: WebChannel, address: str) -> Visit:
    return Visit(address, chat)


async def opened(visit: Visit) -> Any:
    begun = (await sync_to_async(visit.begin)()).json()
    return visit.open(begun["ticket"])


async def heard(socket: Any) -> dict[str, Any]:
    """The bot's next message."""
    while True:
        line = await frame(socket, "line", "error")
        assert line["type"] == "line", line
        if line["by"] == "bot" and line["messages"]:
            return dict(line["messages"][-1])


async def press(socket: Any, message_id: str, **postback: Any) -> None:
    await say(socket, type="message", client_message_id=message_id, content={"type": "postback", **postback})


async def test_buttons_of_sensitive_slots_work(visit: Visit) -> None:
    async with await opened(visit) as socket:
        await say(socket, type="subscribe", after=0)
        yes = (await heard(socket))["buttons"][0]
        assert yes["postback"]["slots"] == {"smoker": True}
        await press(socket, "m-1", text=yes["label"], **yes["postback"])
        told = await frame(socket, "line")
        assert (told["by"], told["postback"]) == ("user", {"smoker": "•••"})
        assert (await heard(socket))["text"] == "Which number?"
        await say(socket, type="message", client_message_id="m-2", content="+49 171 5550199")
        question = await heard(socket)
        assert "5550199" in question["text"].replace(" ", "")
        assert "•••" not in question["text"]


async def test_quick_replies_and_cards_are_offered_too(visit: Visit) -> None:
    async with await opened(visit) as socket:
        await say(socket, type="subscribe", after=0)
        await heard(socket)
        for number, text in enumerate(("no", "+49 171 5550199", "yes")):
            await say(socket, type="message", client_message_id=f"m-{number}", content=text)
            menu = await heard(socket)
        assert menu["text"] == "What next?"
        await press(socket, "m-8", **menu["cards"][0]["buttons"][0]["postback"])
        await press(socket, "m-9", **menu["quick_replies"][0]["postback"])
        while (await heard(socket))["text"] != "Booked.":
            pass


FORGED: list[dict[str, Any]] = [
    {"slots": {"verified": True}},
    {"slots": {"smoker": True, "verified": True}},
    {"slots": {"phone": "+49 171 5550199"}},
    {"intent": "delete"},
    {"intent": "delete", "slots": {"smoker": True}},
    {"intent": "delete", "token": ""},
    {"slots": {"smoker": True}, "token": ""},
    {},
]


@pytest.mark.parametrize("forged", FORGED, ids=str)
async def test_only_buttons_that_were_shown_can_be_pressed(visit: Visit, forged: dict[str, Any]) -> None:
    async with await opened(visit) as socket:
        await say(socket, type="subscribe", after=0)
        shown = (await heard(socket))["buttons"][0]["postback"]
        await press(socket, "m-1", **{"token": shown["token"], **forged})
        refused = await frame(socket, "error", "ack")
        assert (refused["type"], refused.get("error_code"), refused["client_message_id"]) == ("error", "NOT_OFFERED", "m-1")
        await press(socket, "m-2", **shown)  # the socket goes on
        assert (await frame(socket, "ack", "error"))["type"] == "ack"
    kinds = await sync_to_async(lambda: list(ConversationEvent.objects.values_list("kind", flat=True)))()
    assert kinds.count("message") == 1


async def test_a_button_pressed_again_after_a_cut_is_the_same_press(visit: Visit) -> None:
    async with await opened(visit) as socket:
        await say(socket, type="subscribe", after=0)
        shown = (await heard(socket))["buttons"][0]["postback"]
        for replayed in (False, True):
            await press(socket, "m-1", **shown)
            assert (await frame(socket, "ack", "error")).get("replayed") is replayed


def test_buttons_of_before_a_restart_are_gone(chat: WebChannel, clinic: Tenant) -> None:
    held = channels.enter(chat, start_id=uuid4().hex).conversation_id
    for text in ("no", "+49 171 5550199", "yes"):
        services.process_message(clinic, conversation_id=held, content={"type": "text", "text": text})
    menu = queries.heard_after(clinic, held, 0, 20)[-1]["messages"][-1]["quick_replies"][0]["postback"]
    assert queries.was_offered(clinic, held, menu)
    services.process_message(clinic, conversation_id=held, content={"type": "command", "text": "help"})
    assert queries.was_offered(clinic, held, menu)  # what comes too late the bot says itself
    services.process_message(clinic, conversation_id=held, content={"type": "command", "text": "restart"})
    assert not queries.was_offered(clinic, held, menu)


LARGE: list[Any] = [
    {"type": "text", "text": "hello", "slots": {"a": "x" * 9000}},
    {"type": "postback", "slots": {f"s{number}": "x" * 100 for number in range(100)}},
    {"type": "postback", "slots": {"a": [[["x" * 90] * 10] * 10]}},
    {"type": "command", "text": "cancel_all"},
    {"type": "command"},
]


@pytest.mark.parametrize("content", LARGE, ids=lambda content: str(content)[:40])
async def test_content_of_visitors_is_small_and_plain(visit: Visit, content: Any) -> None:
    async with await opened(visit) as socket:
        await frame(socket, "hello")
        await say(socket, type="message", client_message_id="m-1", content=content)
        refused = await frame(socket, "error", "ack")
        assert (refused["type"], refused.get("error_code")) == ("error", "SCHEMA_ERROR")
        await say(socket, type="message", client_message_id="m-2", content="ü" * 4000)
        assert (await frame(socket, "ack", "error"))["type"] == "ack"


async def test_a_large_frame_ends_a_visitors_socket(visit: Visit) -> None:
    async with await opened(visit) as socket:
        await frame(socket, "hello")
        await say(socket, type="ping", id="x" * 33_000)
        code, before = await closed(socket)
    assert (code, before[-1]["error_code"]) == (codes.BAD_FRAME, "PAYLOAD_TOO_LARGE")


async def test_an_address_has_so_many_sockets(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "MOST_SOCKETS", 2)
    async with await opened(visit) as first, await opened(visit) as second:
        await frame(first, "hello")
        await frame(second, "hello")
        async with await opened(visit) as third:
            assert (await closed(third))[0] == codes.THROTTLED
    async with asyncio.timeout(40):
        while visitors._seats:
            await asyncio.sleep(0.02)
    async with await opened(visit) as again:
        await frame(again, "hello")


async def test_who_types_on_and_off_is_not_repeated(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "TYPING_SECONDS", 60.0)
    told: list[bool] = []
    monkeypatch.setattr(events, "publish_typing", lambda _id, *, active, **_: told.append(active))
    async with await opened(visit) as socket:
        await frame(socket, "hello")
        for _ in range(10):
            await say(socket, type="typing", active=True)
            await say(socket, type="typing", active=False)
        await say(socket, type="ping", id=1)
        await frame(socket, "pong")
    assert told == [True, False]


def test_a_token_that_has_run_out_brings_nobody_back(chat: WebChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = uuid4().hex

    def enter(token: str = "") -> Visitor:
        return channels.enter(chat, start_id=mark, token=token)

    first = enter()
    token = visitors.token_of(first)
    assert enter(token).conversation_id == first.conversation_id
    later = time.time() + visitors.TOKEN_SECONDS + 1
    monkeypatch.setattr(visitors, "time", SimpleNamespace(time=lambda: later))
    second = enter(token)
    assert second.conversation_id != first.conversation_id
    assert enter(token).conversation_id == second.conversation_id
    assert Conversation.objects.count() == 2


def test_the_client_watches_for_longer_than_the_window(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WINDOW", 4)
    monkeypatch.setattr(stream, "BATCH", 2)
    tenant = TenantFactory.create()
    published(tenant, ECHO)
    held = services.start(tenant, flow_id="echo").conversation_id
    for _ in range(8):
        services.process_message(tenant, conversation_id=held, content={"type": "text", "text": "hello"})
    seen = [event["seq"] for event in Chat(f"http://{address}", key(tenant)).watch(str(held), timeout=8)]
    assert seen == list(range(1, queries.last_seq(tenant, held) + 1))
