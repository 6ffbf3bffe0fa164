"""Values of sensitive slots: masked for every reader, kept in the rows, because folding them must give the snapshot."""

from typing import Any

import pytest
from django.test import Client

from conversations import queries, services
from conversations.admin.conversations import transcript
from conversations.models import Conversation, ConversationEvent, Turn
from conversations.turn import Result
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, check_log
from tests.factories import TenantFactory, bearer, published
from tests.playbook import ending, flow, response, to

pytestmark = pytest.mark.django_db
SECRET = "4711"

# Asks for a storey and a pin, and knows the pin as a sensitive slot; the caller does not know it at all.
SAFE = flow(
    "safe",
    states={
        "ask": {"type": "slot_filling", "config": {"required_slots": ["storeys", "pin"]}, "transitions": [to("end", "slot_filled")]},
        "end": ending("Thank you."),
    },
    slots={
        "storeys": {"type": "integer"},
        "pin": {"type": "integer", "maximum": 9999, "sensitive": True},
    },
)
CALLER = flow(
    "caller",
    states={
        "call": {**response("What else?", to("ask")), "entry_actions": [{"type": "trigger_flow", "flow_id": "safe"}]},
        "ask": response("Go on.", to("ask")),
    },
)


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    for document in (SAFE, CALLER, ECHO):
        published(tenant, document)
    return tenant


def say(tenant: Tenant, conversation_id: Any, text: str, **more: Any) -> Result:
    return services.process_message(tenant, conversation_id=conversation_id, content={"type": "text", "text": text}, **more)


def readers(tenant: Tenant, conversation_id: Any) -> dict[str, str]:
    """What each way to read the conversation shows."""
    client = Client(headers=bearer(tenant))
    here = f"/api/v1/conversations/{conversation_id}"
    turns = range(1, Conversation.objects.get(pk=conversation_id).next_turn)
    paths = [here, f"{here}/events?page_size=200", f"{here}/messages", *(f"{here}/turns/{number}" for number in turns)]
    found = {path: client.get(path) for path in paths}
    assert {answer.status_code for answer in found.values()} == {200}
    socket = queries.log_after(tenant, conversation_id, 0, 1000)
    page = [(turn["lines"], turn["notes"]) for turn in transcript(tenant, conversation_id, turns)]
    return {**{path: answer.content.decode() for path, answer in found.items()}, "socket": str(socket), "admin": str(page)}


def check_hidden(tenant: Tenant, conversation_id: Any) -> dict[str, str]:
    shown = readers(tenant, conversation_id)
    assert [name for name, text in shown.items() if SECRET in text] == []
    return shown


def test_a_flow_that_has_left_the_stack_hides_its_slots_still(office: Tenant) -> None:
    begun = services.start(office, flow_id="caller")
    say(office, begun.conversation_id, "12")
    say(office, begun.conversation_id, SECRET)
    say(office, begun.conversation_id, "harmless words")
    shown = check_hidden(office, begun.conversation_id)
    assert '"pin":"•••"' in shown[f"/api/v1/conversations/{begun.conversation_id}"].replace(" ", "")
    assert all("harmless words" in shown[name] for name in shown if name.endswith(("/messages", "/turns/4", "socket")))
    assert Conversation.objects.get().snapshot["slots"]["pin"] == int(SECRET)
    assert ConversationEvent.objects.filter(kind="message", data__text=SECRET).exists()
    check_log(begun.conversation_id)


def test_a_pin_in_the_answer_to_another_question(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe")
    say(office, begun.conversation_id, f"12 storeys, pin {SECRET}")
    assert Conversation.objects.get().snapshot["slots"] == {"storeys": 12, "pin": int(SECRET)}
    check_hidden(office, begun.conversation_id)
    check_log(begun.conversation_id)


def test_an_answer_that_is_refused(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    say(office, begun.conversation_id, f"{SECRET}0")
    say(office, begun.conversation_id, f"{SECRET}99 then")
    assert "pin" not in Conversation.objects.get().snapshot["slots"]
    check_hidden(office, begun.conversation_id)


def test_a_turn_that_fails(office: Tenant, settings: Any) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    settings.STATE_EXECUTION_TIMEOUT_MS = 0
    assert say(office, begun.conversation_id, SECRET).status == "failed"
    check_hidden(office, begun.conversation_id)


def test_a_turn_that_has_not_run(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    assert say(office, begun.conversation_id, SECRET, defer=True).pending
    check_hidden(office, begun.conversation_id)


def test_a_step_that_fails_after_it_has_read_the_pin(office: Tenant) -> None:
    """Nothing of the broken step counts, but the message is recorded anew."""
    broken = flow(
        "broken",
        states={
            "ask": {"type": "slot_filling", "config": {"required_slots": ["storeys", "pin"]}, "transitions": [to("end", "slot_filled")]},
            "end": {**ending(), "entry_actions": [{"type": "set_variable", "name": "x", "expression": "1 / 0", "on_error": "fail"}]},
        },
        variables={"x": {"type": "int", "initial": 0}},
        slots=SAFE["slots"],
    )
    published(office, broken)
    begun = services.start(office, flow_id="broken")
    assert say(office, begun.conversation_id, f"12 storeys, pin {SECRET}").status == "failed"
    assert "pin" not in Conversation.objects.get().snapshot.get("slots", {})
    check_hidden(office, begun.conversation_id)
    check_log(begun.conversation_id)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_button(office: Tenant, fresh: bool) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    token = begun.reply["response"]["token"] if fresh else "old#1"
    content = {"type": "postback", "slots": {"pin": int(SECRET)}, "attributes": {"slots.pin": SECRET}, "token": token}
    services.process_message(office, conversation_id=begun.conversation_id, content=content)
    assert ("pin" in Conversation.objects.get().snapshot["slots"]) is fresh
    assert Turn.objects.get(number=2).request["content"]["slots"] == {"pin": int(SECRET)}
    check_hidden(office, begun.conversation_id)
    check_log(begun.conversation_id)


def test_an_input_of_the_start(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"pin": int(SECRET), "storeys": 3})
    check_hidden(office, begun.conversation_id)
    check_log(begun.conversation_id)


def test_a_session_that_begins_anew_hides_the_old_one_still(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    say(office, begun.conversation_id, SECRET)
    say(office, begun.conversation_id, "hello", hints={"force_flow": "echo"})
    shown = check_hidden(office, begun.conversation_id)
    assert "hello" in shown[f"/api/v1/conversations/{begun.conversation_id}/messages"]


def test_what_is_said_to_a_person_is_shown(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    Conversation.objects.update(snapshot={**Conversation.objects.get().snapshot, "status": "handoff"}, status="handoff")
    say(office, begun.conversation_id, "I need help")
    assert "I need help" in readers(office, begun.conversation_id)["socket"]


def test_nothing_is_hidden_where_nothing_is_sensitive(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    say(office, begun.conversation_id, SECRET, defer=True)
    services.run_queued(office, conversation_id=begun.conversation_id)
    assert not [name for name, text in readers(office, begun.conversation_id).items() if "•••" in text]
