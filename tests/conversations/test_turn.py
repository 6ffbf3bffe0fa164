"""Turns: exactly once, in order of arrival, with the failures that contracts name."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from conversations import errors, queries, services, turn
from conversations.core import machine
from conversations.core.types import Event
from conversations.models import Conversation, ConversationEvent, Turn
from flows import services as flow_services
from flows.core.definition import parse
from flows.core.program import compile_program
from flows.queries import programs
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, PERMIT, check_log, said
from tests.factories import TenantFactory, published
from tests.playbook import ending, flow, response, to

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, PERMIT)
    published(tenant, ECHO)
    return tenant


def say(tenant: Tenant, conversation_id: Any, text: str, message_id: str = "", **more: Any) -> Any:
    return services.process_message(
        tenant, conversation_id=conversation_id, content={"type": "text", "text": text}, client_message_id=message_id, **more
    )


def test_a_conversation_from_start_to_end(office: Tenant) -> None:
    begun = services.start(office, flow_id="permit", user_ref="u-7", channel="web")
    assert begun.reply["response"]["text"] == "How many storeys?"
    assert begun.reply["turn"] == {"id": str(begun.turn_id), "number": 1, "status": "done"}

    second = say(office, begun.conversation_id, "three")
    assert second.reply["context_updates"] == {"slots": {"storeys": 3}}
    assert second.reply["current_state"] == "ask"

    last = say(office, begun.conversation_id, "yes")
    assert last.reply["response"]["text"] == "3 storeys, noted."
    assert last.reply["status"] == "ended"
    assert [turn.kind for turn in check_log(begun.conversation_id)] == ["start", "message", "message"]


def test_the_result_has_the_members_of_the_contract(office: Tenant) -> None:
    reply = services.start(office, flow_id="permit").reply
    expected = {
        "conversation_id", "current_state", "response", "context_updates", "actions_performed", "confidence_scores", "processing_time_ms",
        "ab_variant",
    }  # fmt: skip
    assert expected <= set(reply)


def test_a_retry_gets_the_stored_reply(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    first = say(office, begun.conversation_id, "hello", "m-1")
    events = ConversationEvent.objects.count()
    again = say(office, begun.conversation_id, "hello", "m-1")
    assert (again.replayed, again.reply, again.turn_id) == (True, first.reply, first.turn_id)
    assert ConversationEvent.objects.count() == events


def test_the_same_id_with_another_text_is_refused(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    say(office, begun.conversation_id, "hello", "m-1")
    with pytest.raises(errors.MessageIdReused):
        say(office, begun.conversation_id, "good-bye", "m-1")
    check_log(begun.conversation_id)


def test_starting_twice_with_one_id_is_one_conversation(office: Tenant) -> None:
    first = services.start(office, flow_id="permit", client_message_id="s-1")
    again = services.start(office, flow_id="permit", client_message_id="s-1")
    assert (again.conversation_id, again.reply, again.replayed) == (first.conversation_id, first.reply, True)
    assert Conversation.objects.count() == 1
    with pytest.raises(errors.MessageIdReused):
        services.start(office, flow_id="echo", client_message_id="s-1")


def test_the_ids_of_two_tenants_do_not_meet(office: Tenant) -> None:
    other = TenantFactory.create()
    published(other, PERMIT)
    mine = services.start(office, flow_id="permit", client_message_id="s-1")
    theirs = services.start(other, flow_id="permit", client_message_id="s-1")
    assert mine.conversation_id != theirs.conversation_id


def test_a_stranger_finds_nothing(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    with pytest.raises(errors.ConversationNotFound):
        say(TenantFactory.create(), begun.conversation_id, "hello")
    with pytest.raises(errors.ConversationNotFound):
        say(office, uuid4(), "hello")


def test_a_deferred_message_is_accepted_now_and_runs_later(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    accepted = say(office, begun.conversation_id, "hello", "m-1", defer=True)
    assert (accepted.status, accepted.body) == ("queued", "")
    behind = say(office, begun.conversation_id, "and this", "m-2")  # must not overtake
    assert behind.status == "queued"
    assert services.run_queued(office, conversation_id=begun.conversation_id) == 2
    turns = check_log(begun.conversation_id)
    assert [(turn.client_message_id, turn.status) for turn in turns[1:]] == [("m-1", "done"), ("m-2", "done")]
    assert services.look(office, accepted).reply["turn"]["status"] == "done"
    assert say(office, begun.conversation_id, "hello", "m-1").replayed


def test_a_queued_turn_that_kills_its_workers_is_given_up(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    accepted = say(office, begun.conversation_id, "poison", "m-1", defer=True)
    say(office, begun.conversation_id, "fine", "m-2")
    Turn.objects.filter(pk=accepted.turn_id).update(attempts=3)  # three workers have begun it and died
    assert services.run_queued(office, conversation_id=begun.conversation_id) == 2
    turns = check_log(begun.conversation_id)
    assert [turn.status for turn in turns] == ["done", "dead", "done"]
    assert turns[1].reply is not None
    assert turns[1].reply["response"]["text"].startswith("Sorry")


def test_a_queued_turn_whose_worker_died_is_taken_up_again(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    accepted = say(office, begun.conversation_id, "hello", "m-1", defer=True)
    Turn.objects.filter(pk=accepted.turn_id).update(attempts=1, claimed_at=timezone.now())
    assert services.run_queued(office, conversation_id=begun.conversation_id) == 0  # somebody is at it
    Turn.objects.filter(pk=accepted.turn_id).update(claimed_at=timezone.now() - timedelta(minutes=1))
    assert services.run_queued(office, conversation_id=begun.conversation_id) == 1
    check_log(begun.conversation_id)


def test_a_busy_conversation_costs_a_queued_turn_no_attempt(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = services.start(office, flow_id="echo")
    accepted = say(office, begun.conversation_id, "hello", "m-1", defer=True)

    def busy(*_: Any) -> Any:
        raise errors.LockTimeout

    with monkeypatch.context() as patched:
        patched.setattr(turn, "run_queued", busy)
        for _ in range(5):
            with pytest.raises(errors.LockTimeout):
                services.run_queued(office, conversation_id=begun.conversation_id)
    assert Turn.objects.get(pk=accepted.turn_id).attempts == 0
    assert services.run_queued(office, conversation_id=begun.conversation_id) == 1


def test_an_unknown_flow_is_refused_or_replaced_by_the_default(office: Tenant) -> None:
    with pytest.raises(errors.FlowNotFound):
        services.start(office, flow_id="nothing")
    office.settings = {"default_flow": "permit"}
    assert services.start(office, flow_id="nothing").reply["current_state"] == "ask"
    assert services.start(office, flow_id="").reply["current_state"] == "ask"


@pytest.mark.parametrize(
    "broken",
    [
        {"frames": [{"nonsense": True}]},
        {"frames": 7},
        {"status": "no such status"},
        {"frames": [{"program": "gone", "flow_id": "echo", "state": "x", "visit": 1}]},
        [],
    ],
)
def test_a_context_that_cannot_be_loaded_is_begun_anew_and_recorded(office: Tenant, broken: Any) -> None:
    begun = services.start(office, flow_id="permit")
    say(office, begun.conversation_id, "three")
    Conversation.objects.filter(pk=begun.conversation_id).update(snapshot=broken)
    answered = say(office, begun.conversation_id, "four", "m-1")
    assert answered.status == "done"
    assert answered.reply["context_updates"] == {"slots": {"storeys": 4}}
    lost = ConversationEvent.objects.get(conversation_id=begun.conversation_id, kind="logged")
    assert lost.data["name"] == "context_lost"
    assert lost.data["data"]["code"] == "CONTEXT_LOAD_ERROR"
    check_log(begun.conversation_id)


def test_an_ended_conversation_starts_again(office: Tenant) -> None:
    begun = services.start(office, flow_id="permit", inputs={"storeys": 2, "sprinklers": True})
    assert begun.reply["status"] == "ended"
    again = say(office, begun.conversation_id, "5")
    assert [message["text"] for message in again.reply["response"]["messages"]] == ["How many storeys?", "Are there sprinklers?"]
    assert [turn.kind for turn in check_log(begun.conversation_id)] == ["start", "start", "message"]


def test_an_ended_conversation_refuses_when_the_tenant_wants_it(office: Tenant) -> None:
    office.settings = {"ended_conversation": "refuse"}
    begun = services.start(office, flow_id="permit", inputs={"storeys": 2, "sprinklers": True})
    with pytest.raises(errors.ConversationEnded):
        say(office, begun.conversation_id, "5")
    assert len(check_log(begun.conversation_id)) == 1


def test_force_flow_leaves_the_current_flow(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    moved = say(office, begun.conversation_id, "7", hints={"force_flow": "permit"})
    assert moved.reply["context_updates"]["slots"] == {"storeys": 7}
    assert Conversation.objects.get(pk=begun.conversation_id).flow_key == "permit"
    check_log(begun.conversation_id)


def test_reset_begins_from_the_start(office: Tenant) -> None:
    begun = services.start(office, flow_id="permit")
    say(office, begun.conversation_id, "three")
    fresh = services.reset(office, conversation_id=begun.conversation_id, client_message_id="r-1")
    assert fresh.reply["response"]["text"] == "How many storeys?"
    assert services.reset(office, conversation_id=begun.conversation_id, client_message_id="r-1").replayed
    check_log(begun.conversation_id)


@pytest.mark.parametrize("broken", [{"frames": 7}, {"frames": [{"program": "gone", "flow_id": "echo", "state": "x", "visit": 1}]}])
def test_reset_rescues_a_context_that_cannot_be_loaded(office: Tenant, broken: Any) -> None:
    begun = services.start(office, flow_id="permit")
    Conversation.objects.filter(pk=begun.conversation_id).update(snapshot=broken)
    fresh = services.reset(office, conversation_id=begun.conversation_id)
    assert fresh.reply["response"]["text"] == "How many storeys?"
    assert ConversationEvent.objects.get(kind="logged").data["name"] == "context_lost"
    check_log(begun.conversation_id)


def test_restart_takes_the_current_version(office: Tenant) -> None:
    published(office, flow("greeter", states={"ask": response("One.", to("ask"))}))
    begun = services.start(office, flow_id="greeter")
    flow_services.import_flow(office, document=flow("greeter", states={"ask": response("Two.", to("ask"))}), replace=True, by=None)
    flow_services.publish(office, flow_id="greeter", by=None)
    assert say(office, begun.conversation_id, "hello").reply["response"]["text"] == "One."
    restarted = services.process_message(office, conversation_id=begun.conversation_id, content={"type": "command", "text": "restart"})
    assert restarted.reply["response"]["text"] == "Two."
    check_log(begun.conversation_id)


def test_a_sensitive_slot_of_a_flow_that_has_just_ended_is_masked(office: Tenant) -> None:
    asking = {"type": "slot_filling", "config": {"required_slots": ["pin"]}, "transitions": [to("end", "slot_filled")]}
    published(office, flow("pin", states={"ask": asking, "end": ending()}, slots={"pin": {"type": "text", "sensitive": True}}))
    trigger = {"type": "trigger_flow", "flow_id": "pin"}
    published(office, flow("caller", states={"ask": {**response("Thanks.", to("ask")), "entry_actions": [trigger]}}))
    begun = services.start(office, flow_id="caller")
    assert say(office, begun.conversation_id, "1234").reply["context_updates"] == {"slots": {"pin": "•••"}}


def test_a_poison_flow_is_bounded(office: Tenant) -> None:
    """The publish check refuses silent loops; here it is bypassed."""
    states = {"a": response("", to("b", "expression", "true")), "b": response("", to("a", "expression", "true"))}
    version = published(office, flow("loop", states={"a": response("Hi", to("a"))}))
    with_definition(version, flow("loop", states=states))
    began = time.monotonic()
    result = services.start(office, flow_id="loop")
    assert time.monotonic() - began < 1
    assert result.status == "failed"
    assert result.reply["error"]["error_code"]
    assert result.reply["response"]["text"].startswith("Sorry")
    check_log(result.conversation_id)


def with_definition(version: Any, document: Any) -> None:
    """Run another definition under a published version, as no service would."""
    parsed, _ = parse(document)
    assert parsed is not None
    program, problems = compile_program(parsed, str(version.pk))
    assert program is not None, problems
    programs._programs[str(version.pk)] = program


def test_a_step_that_takes_too_long_fails_and_changes_nothing(office: Tenant, settings: Any) -> None:
    begun = services.start(office, flow_id="permit")
    settings.STATE_EXECUTION_TIMEOUT_MS = 0
    failed = say(office, begun.conversation_id, "three", "m-1")
    assert failed.status == "failed"
    assert failed.reply["error"]["error_code"] == "STATE_EXECUTION_ERROR"
    settings.STATE_EXECUTION_TIMEOUT_MS = 10_000
    assert say(office, begun.conversation_id, "three", "m-1").reply == failed.reply  # stored like any other
    assert say(office, begun.conversation_id, "three", "m-2").reply["context_updates"] == {"slots": {"storeys": 3}}
    check_log(begun.conversation_id)


def test_an_engine_that_raises_costs_one_turn_only(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = services.start(office, flow_id="echo")

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(machine, "advance", broken)
    failed = say(office, begun.conversation_id, "hello")
    monkeypatch.undo()
    assert failed.reply["error"] == {"error_code": "INTERNAL_ERROR", "message": "RuntimeError"}
    assert say(office, begun.conversation_id, "hello").status == "done"
    check_log(begun.conversation_id)


def test_a_value_that_cannot_be_stored_is_refused_and_the_flow_goes_on(office: Tenant) -> None:
    divide = {"type": "set_variable", "name": "x", "expression": "0.0 / 0.0"}
    document = flow(
        "nan",
        states={"ask": response("Go?", to("set")), "set": {**response("Done.", to("ask")), "entry_actions": [divide]}},
        variables={"x": {"type": "double", "initial": 0.0}},
    )
    published(office, document)
    begun = services.start(office, flow_id="nan")
    result = say(office, begun.conversation_id, "yes")
    assert (result.status, result.reply["actions_performed"]) == ("done", ["set_variable:x:failed"])
    assert queries.context(Conversation.objects.get(pk=begun.conversation_id))["variables"] == {"x": 0.0}
    check_log(begun.conversation_id)


def test_an_event_that_cannot_be_stored_fails_the_turn(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = services.start(office, flow_id="echo")
    real = machine.advance

    def with_nan(*args: Any, **more: Any) -> Any:
        step = real(*args, **more)
        seq = step.snapshot.seq + 1
        event = Event(seq=seq, kind="logged", data={"name": "x", "data": {"value": float("nan")}})
        return replace(step, events=(*step.events, event), snapshot=replace(step.snapshot, seq=seq))

    monkeypatch.setattr(machine, "advance", with_nan)
    assert say(office, begun.conversation_id, "hello").status == "failed"
    check_log(begun.conversation_id)


def test_every_kind_of_content(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    kinds: list[dict[str, Any]] = [
        {"type": "attachment", "attributes": {"url": "https://example.com/plan.pdf"}},
        {"type": "postback", "intent": "yes"},
        {"type": "event", "text": "page_opened"},
        {"type": "command", "text": "repeat"},
    ]
    for content in kinds:
        assert services.process_message(office, conversation_id=begun.conversation_id, content=content).status == "done"
    assert set(said(begun.conversation_id)) == {"Say something."}
    check_log(begun.conversation_id)
