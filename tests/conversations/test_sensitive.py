"""Values of sensitive slots: masked for every reader and sealed in the rows; opened, folding the rows still gives the snapshot."""

import re
from datetime import datetime
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.test import Client

from conversations import journal, queries, rehearsals, resealing, sealed, services, store
from conversations.admin.conversations import transcript
from conversations.core import hiding
from conversations.core.types import Outcome
from conversations.models import Conversation, ConversationEvent, Effect, Turn
from conversations.sealed import Secrets
from conversations.turn import Result
from flows.models import Integration
from mcp_platform.sealing import SealBroken
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, check_log, land_register, register_of
from tests.factories import TenantFactory, bearer, published
from tests.playbook import ending, flow, response, to

pytestmark = pytest.mark.django_db
SECRET = "4711"
# Ids, digests, tokens and fractions of a second: they may have those digits in them by chance.
CHANCE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}|gAAAA[\w=-]+|(?<=:\d\d)\.\d{3,6}")

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


def check_at_rest(*secrets: str) -> None:
    """No row of a conversation holds the values in the clear."""
    for model in (Conversation, Turn, ConversationEvent, Effect):
        for row in model.objects.values():
            text = CHANCE.sub("", str([value for value in row.values() if not isinstance(value, UUID | datetime)]))
            assert [secret for secret in secrets or (SECRET,) if secret in text] == [], (model, row)


def check_hidden(tenant: Tenant, conversation_id: Any) -> dict[str, str]:
    check_at_rest()
    shown = readers(tenant, conversation_id)
    assert [name for name, text in shown.items() if SECRET in CHANCE.sub("", text)] == []
    return shown


def test_a_flow_that_has_left_the_stack_hides_its_slots_still(office: Tenant) -> None:
    begun = services.start(office, flow_id="caller")
    say(office, begun.conversation_id, "12")
    say(office, begun.conversation_id, SECRET)
    say(office, begun.conversation_id, "harmless words")
    shown = check_hidden(office, begun.conversation_id)
    assert '"pin":"•••"' in shown[f"/api/v1/conversations/{begun.conversation_id}"].replace(" ", "")
    assert all("harmless words" in shown[name] for name in shown if name.endswith(("/messages", "/turns/4", "socket")))
    assert queries.snapshot_of(Conversation.objects.get()).slots["pin"] == int(SECRET)
    assert sealed.opened(ConversationEvent.objects.filter(kind="message", data__has_key="sealed").latest("seq").data)["text"] == SECRET
    check_log(begun.conversation_id)


def test_a_pin_in_the_answer_to_another_question(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe")
    say(office, begun.conversation_id, f"12 storeys, pin {SECRET}")
    assert queries.snapshot_of(Conversation.objects.get()).slots == {"storeys": 12, "pin": int(SECRET)}
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
    assert sealed.opened(Turn.objects.get(number=2).request)["content"]["slots"] == {"pin": int(SECRET)}
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


ECHOING = flow(
    "echoing",
    states={
        "ask": {"type": "slot_filling", "config": {"required_slots": ["pin"]}, "transitions": [to("confirm", "slot_filled")]},
        "confirm": {
            **response("Is {{ slots.pin }} right?", to("call")),
            "entry_actions": [{"type": "set_variable", "name": "copy", "expression": "string(slots.pin) + '!'"}],
        },
        "call": {
            "type": "integration",
            "config": {"integration_id": "land", "endpoint": "parcels", "method": "POST", "request_mapping": {"pin": "slots.pin"}},
            "transitions": [to("confirm", "integration_success"), to("confirm", "integration_error")],
        },
    },
    slots={"pin": {"type": "integer", "sensitive": True}},
    variables={"copy": {"type": "string", "initial": ""}},
)


def test_what_repeats_a_secret_is_sealed_too_and_works(office: Tenant, settings: Any) -> None:
    """The bot's words, a variable, a call: none of it is in the clear, and the call and the reply still have the value."""
    with land_register(settings) as server:
        register_of(office, server)
        published(office, ECHOING)
        begun = services.start(office, flow_id="echoing")
        first = say(office, begun.conversation_id, SECRET, client_message_id="m1")
        assert first.reply["response"]["text"] == f"Is {SECRET} right?"
        again = say(office, begun.conversation_id, SECRET, client_message_id="m1")
        assert again.replayed
        assert again.reply == first.reply, "the stored reply is the reply"
        check_at_rest()
        say(office, begun.conversation_id, "yes")
        effect = Effect.objects.get()
        services.perform_effect(office, effect_id=effect.pk, attempt=0)
        assert server.requests[0]["body"] == {"pin": int(SECRET)}
    check_at_rest()
    held = Conversation.objects.get()
    assert queries.snapshot_of(held).frames[0].variables["copy"] == f"{SECRET}!"
    assert queries.masked_snapshot(held).frames[0].variables["copy"] == "•••!"
    check_log(begun.conversation_id)


# Its slot is copied into a variable, a call and what came back; then `rest` may empty it, and copies the copy.
COPYING = flow(
    "copying",
    states={
        "ask": {"type": "slot_filling", "config": {"required_slots": ["pin"]}, "transitions": [to("call", "slot_filled")]},
        "call": {
            "type": "integration",
            "config": {"integration_id": "land", "endpoint": "parcels", "method": "POST", "request_mapping": {"pin": "slots.pin"}},
            "transitions": [to("note", "integration_success")],
        },
        "note": {
            **response("Noted.", to("rest")),
            "entry_actions": [{"type": "set_variable", "name": "copy", "expression": "string(slots.pin) + '!'"}],
        },
        "rest": {
            **response("It was {{ variables.copy }}", to("rest")),
            "entry_actions": [
                {"type": "clear_variable", "slot": "pin"},
                {"type": "set_variable", "name": "again", "expression": "'again ' + variables.copy"},
            ],
        },
    },
    slots={"pin": {"type": "integer", "sensitive": True}},
    variables={"copy": {"type": "string", "initial": ""}, "again": {"type": "string", "initial": ""}},
)


@pytest.mark.parametrize("words", [("go on",), ("no, 4222",), ("no, 4222", "go on")])
def test_a_copy_stays_hidden_when_the_slot_has_another_value_or_none(office: Tenant, settings: Any, words: tuple[str, ...]) -> None:
    with land_register(settings) as server:
        register_of(office, server)
        published(office, COPYING)
        begun = services.start(office, flow_id="copying")
        say(office, begun.conversation_id, SECRET)
        journal.deliver(office, effect_id=Effect.objects.get().pk, outcome=Outcome(success=True, data={"told": f"pin {SECRET}"}))
    for text in (*words, "hello", "hello"):
        say(office, begun.conversation_id, text)
        check_at_rest()
    held = queries.snapshot_of(Conversation.objects.get())
    assert held.slots.get("pin") != int(SECRET)
    assert held.frames[0].variables == {"copy": f"{SECRET}!", "again": f"again {SECRET}!"}
    assert SECRET in str(held.results)
    context = Client(headers=bearer(office)).get(f"/api/v1/conversations/{begun.conversation_id}").content.decode()
    assert SECRET not in context
    assert "again •••!" in context
    check_log(begun.conversation_id)


def test_words_are_remembered_while_the_context_shows_them() -> None:
    secret = Secrets(frozenset({"pin"}), frozenset({SECRET, "gone"}))
    shown = {"slots": {}, "frames": [{"variables": {"copy": f"{SECRET}!"}}]}
    closed = store.dump(sealed.closed_snapshot(shown, secret))
    assert sealed.opened_text(closed) == shown
    assert sealed.remembered(closed) == {SECRET}
    running = store.dump(sealed.closed_snapshot({"awaiting": "e1"}, secret))
    assert sealed.remembered(running) == {SECRET, "gone"}, "the rest of the turn may repeat them"
    assert sealed.closed_snapshot({"slots": {}}, secret) == {"slots": {}}


# A value with parts, and one that no word gives away.
TRIP = flow(
    "trip",
    states={
        "ask": {"type": "slot_filling", "config": {"required_slots": ["stay", "ill"]}, "transitions": [to("call", "slot_filled")]},
        "call": {
            "type": "integration",
            "config": {
                "integration_id": "land",
                "endpoint": "parcels",
                "method": "POST",
                "request_mapping": {"from": "slots.stay.start", "ill": "slots.ill"},
            },
            "transitions": [to("note", "integration_success")],
        },
        "note": {
            **response("From {{ slots.stay.start }} to {{ slots.stay.end }}.", to("note")),
            "entry_actions": [{"type": "set_variable", "name": "copy", "expression": "slots.stay.end + '!'"}],
        },
    },
    slots={"stay": {"type": "date_range", "sensitive": True}, "ill": {"type": "boolean", "sensitive": True}},
    variables={"copy": {"type": "string", "initial": ""}},
)
DATES = ("2031-12-05", "2031-12-09")


def test_a_value_with_parts(office: Tenant, settings: Any) -> None:
    with land_register(settings) as server:
        register_of(office, server)
        published(office, TRIP)
        begun = services.start(office, flow_id="trip", inputs={"stay": {"start": DATES[0], "end": DATES[1]}})
        say(office, begun.conversation_id, "yes")
        services.perform_effect(office, effect_id=Effect.objects.get().pk, attempt=0)
        assert server.requests[0]["body"] == {"from": DATES[0], "ill": True}
    assert Effect.objects.get().request["request"] == "•••"
    say(office, begun.conversation_id, "hello")
    check_at_rest(*DATES)
    assert queries.snapshot_of(Conversation.objects.get()).frames[0].variables["copy"] == f"{DATES[1]}!"
    check_log(begun.conversation_id)
    script = str(rehearsals.record_test(office, conversation_id=begun.conversation_id, by=None).script)
    assert [date for date in DATES if date in script] == []


ASKING = flow(
    "asking",
    states={
        "call": {
            "type": "integration",
            "config": {"integration_id": "land", "endpoint": "parcels", "request_mapping": {"ill": "slots.ill"}},
            "transitions": [to("end", "integration_success")],
        },
        "end": ending(),
    },
    slots={"ill": {"type": "boolean", "sensitive": True}},
)


def test_a_call_with_a_value_that_no_word_gives_away(office: Tenant) -> None:
    """Neither "true" nor "7" can be looked for."""
    Integration.objects.create(tenant=office, integration_id="land", name="Land register", base_url="https://land.example")
    published(office, ASKING)
    services.start(office, flow_id="asking", inputs={"ill": True})
    assert Effect.objects.get().request["request"] == "•••"
    assert sealed.opened(Effect.objects.get().request)["request"] == {"ill": True}


def test_parts_of_a_value_are_words() -> None:
    value = {"start": "2031-12-05", "end": "2031-12-09", "open": True, "of": ["first", 4711, 2.5, "x", None]}
    assert hiding.words_of([value]) == {"2031-12-05", "2031-12-09", "first", "4711", "2.5"}
    assert hiding.words_of([True, None, 7, 300.0]) == {"300", "300.0"}


def test_a_queued_message_is_sealed_and_heard(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    say(office, begun.conversation_id, SECRET, defer=True)
    check_at_rest()
    services.run_queued(office, conversation_id=begun.conversation_id)
    assert queries.snapshot_of(Conversation.objects.get()).slots["pin"] == int(SECRET)
    check_at_rest()
    check_log(begun.conversation_id)


def test_nothing_is_sealed_where_nothing_is_sensitive(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    say(office, begun.conversation_id, SECRET)
    assert not ConversationEvent.objects.filter(data__has_key="sealed").exists()
    assert not Turn.objects.filter(request__has_key="sealed").exists()


def test_a_client_cannot_smuggle_a_seal_in(office: Tenant) -> None:
    """What looks like the engine's own mark is a value like any other."""
    begun = services.start(office, flow_id="echo", profile={"sealed": "gAAAAA"}, inputs={"sealed": "gAAAAA"})
    say(office, begun.conversation_id, "hello")
    assert queries.snapshot_of(Conversation.objects.get()).profile == {"sealed": "gAAAAA"}
    check_log(begun.conversation_id)


def test_keys_are_rotated(office: Tenant, settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    say(office, begun.conversation_id, SECRET)
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("reseal", stdout=StringIO())
    settings.ENCRYPTION_KEYS = [new]
    assert queries.snapshot_of(Conversation.objects.get()).slots["pin"] == int(SECRET)
    check_log(begun.conversation_id)
    check_at_rest()


def test_a_process_without_the_key_breaks_nothing(office: Tenant, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = right = [Fernet.generate_key().decode()]
    begun = services.start(office, flow_id="caller")
    say(office, begun.conversation_id, "12")
    say(office, begun.conversation_id, SECRET)
    before = Conversation.objects.values().get()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SealBroken):
        say(office, begun.conversation_id, "hello")
    assert Conversation.objects.values().get() == before
    settings.ENCRYPTION_KEYS = right
    assert say(office, begun.conversation_id, "hello").status == "done"


def test_what_was_stored_in_the_clear_is_sealed(office: Tenant) -> None:
    begun = services.start(office, flow_id="safe", inputs={"storeys": 3})
    say(office, begun.conversation_id, SECRET)
    for model, fields in ((Conversation, ("snapshot",)), (ConversationEvent, ("data",)), (Turn, ("request", "reply"))):
        for row in model.objects.all():
            model.objects.filter(pk=row.pk).update(**{name: sealed.opened(getattr(row, name)) for name in fields})
    with pytest.raises(AssertionError):
        check_at_rest()
    assert resealing.seal_clear() == 1
    check_at_rest()
    assert resealing.seal_clear() == 0
    check_log(begun.conversation_id)
