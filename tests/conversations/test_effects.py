"""Blocking effects: performed once outside any transaction, brought home once, recovered after a crash."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations import effects, services, tasks, turn
from conversations.core.types import Outcome
from conversations.models import Conversation, Effect, Turn
from conversations.turn import GRACE, Result
from mcp_platform import outbound
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import LandRegister, calling, check_log, land_register, register_of, said
from tests.factories import TenantFactory, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def land(settings: Any) -> Iterator[LandRegister]:
    with land_register(settings) as server:
        yield server


@pytest.fixture
def office(land: LandRegister) -> Tenant:
    tenant = TenantFactory.create()
    register_of(tenant, land)
    published(tenant, calling())
    return tenant


def say(tenant: Tenant, conversation_id: Any, text: str, message_id: str = "") -> Result:
    content = {"type": "text", "text": text}
    return services.process_message(tenant, conversation_id=conversation_id, content=content, client_message_id=message_id)


def perform(effect: Effect, attempt: int = 0) -> None:
    tasks.perform_effect(tenant_id=str(effect.tenant_id), effect_id=str(effect.pk), attempt=attempt)


def test_a_call_ends_the_transaction_and_its_outcome_ends_the_turn(office: Tenant, land: LandRegister) -> None:
    begun = services.start(office, flow_id="register")
    running = say(office, begun.conversation_id, "12/4", "m-1")
    assert (running.status, running.body) == ("running", "")
    effect = Effect.objects.get()
    assert (effect.status, land.requests) == ("started", [])

    perform(effect)
    assert land.requests == [{"path": "/v1/parcels", "key": effect.idempotency_key, "body": {"word": "12/4"}}]
    ended = services.look(office, running)
    assert ended.reply["response"]["text"] == "It belongs to Ada."
    assert say(office, begun.conversation_id, "12/4", "m-1").reply == ended.reply
    turns = check_log(begun.conversation_id)
    assert [turn.status for turn in turns] == ["done", "done"]
    assert Turn.objects.get(number=2).trace


def test_a_job_that_comes_twice_calls_once(office: Tenant, land: LandRegister) -> None:
    begun = services.start(office, flow_id="register")
    say(office, begun.conversation_id, "12/4")
    effect = Effect.objects.get()
    for _ in range(3):
        perform(effect)
    assert len(land.requests) == 1
    check_log(begun.conversation_id)


def test_messages_queue_behind_a_call_and_run_in_order(office: Tenant) -> None:
    begun = services.start(office, flow_id="register")
    first = say(office, begun.conversation_id, "a", "m-a")
    waiting = [say(office, begun.conversation_id, text, f"m-{text}") for text in ("b", "c")]
    assert [result.status for result in waiting] == ["queued", "queued"]
    assert [result.number for result in waiting] == [3, 4]
    assert say(office, begun.conversation_id, "b", "m-b").replayed  # still one turn

    for number in range(3):  # each of the three calls once, in order
        perform(Effect.objects.get(status="started"))
        services.run_queued(office, conversation_id=begun.conversation_id)
        assert Turn.objects.get(number=2 + number).status == "done"
    turns = check_log(begun.conversation_id)
    assert [turn.client_message_id for turn in turns[1:]] == ["m-a", "m-b", "m-c"]
    assert [effect.request["request"]["word"] for effect in Effect.objects.order_by("created_at")] == ["a", "b", "c"]
    assert not services.look(office, first).pending


def test_the_outside_fails(office: Tenant, land: LandRegister) -> None:
    land.status = 500
    begun = services.start(office, flow_id="register")
    say(office, begun.conversation_id, "12/4")
    perform(Effect.objects.get())
    assert said(begun.conversation_id)[-1] == "The register says: INTEGRATION_ERROR."
    result = Effect.objects.get().result
    assert result is not None
    assert result["status_code"] == 500


def test_the_outside_is_too_slow(office: Tenant, land: LandRegister) -> None:
    published(office, calling(timeout_ms=100, flow_id="slow"))
    land.open.clear()
    begun = services.start(office, flow_id="slow")
    say(office, begun.conversation_id, "12/4")
    perform(Effect.objects.get())
    assert said(begun.conversation_id)[-1] == "The register says: INTEGRATION_TIMEOUT."


@pytest.mark.parametrize(
    ("body", "owner"),
    [
        (rb'{"owner": "a\ud800b"}', "a?b"),
        (rb'{"owner": "a\u0000b"}', "a\N{REPLACEMENT CHARACTER}b"),
        (rb'{"owner": "a\\u0000b"}', "a\\u0000b"),
        (rb'{"owner": "x", "n": 1e999}', ""),
    ],
)
def test_an_answer_that_the_database_does_not_take(office: Tenant, monkeypatch: pytest.MonkeyPatch, body: bytes, owner: str) -> None:
    answer = outbound.Answer(status=200, headers={"content-type": "application/json"}, body=body, elapsed_ms=1)
    monkeypatch.setattr(outbound, "request", lambda *_, **__: answer)
    begun = services.start(office, flow_id="register")
    say(office, begun.conversation_id, "12/4")
    perform(Effect.objects.get())
    assert said(begun.conversation_id)[-1] == f"It belongs to {owner}."
    check_log(begun.conversation_id)


def test_a_private_address_is_refused(office: Tenant, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = []
    begun = services.start(office, flow_id="register")
    say(office, begun.conversation_id, "12/4")
    perform(Effect.objects.get())
    assert said(begun.conversation_id)[-1] == "The register says: INTEGRATION_ERROR."


def test_an_outcome_that_nobody_waits_for_is_discarded(office: Tenant) -> None:
    begun = services.start(office, flow_id="register")
    abandoned = say(office, begun.conversation_id, "12/4")
    effect = Effect.objects.get()
    services.reset(office, conversation_id=begun.conversation_id)
    assert services.deliver(office, effect_id=effect.pk, outcome=Outcome(success=True, data={"owner": "Bob"})) is None
    assert "Bob" not in " ".join(said(begun.conversation_id))
    given_up = services.look(office, abandoned)
    assert (given_up.status, given_up.reply["turn"]["status"]) == ("failed", "failed")
    assert given_up.reply["error"]["error_code"] == "CONVERSATION_RESET"
    turns = check_log(begun.conversation_id)
    assert [turn.status for turn in turns] == ["done", "failed", "done"]
    assert Conversation.objects.get().awaiting == ""


def test_an_outcome_is_delivered_once(office: Tenant) -> None:
    begun = services.start(office, flow_id="register")
    say(office, begun.conversation_id, "12/4")
    effect = Effect.objects.get()
    assert services.deliver(office, effect_id=effect.pk, outcome=Outcome(success=True, data={"owner": "Bob"})) is not None
    assert services.deliver(office, effect_id=effect.pk, outcome=Outcome(success=True, data={"owner": "Eve"})) is None
    assert said(begun.conversation_id)[-1] == "It belongs to Bob."
    check_log(begun.conversation_id)


def crash(effect: Effect, attempts: int) -> Effect:
    """As if a worker had died: `attempts` were begun, and the deadline is over."""
    Effect.objects.filter(pk=effect.pk).update(attempts=attempts, deadline=timezone.now() - timedelta(seconds=1))
    return effect


def give_up(effect: Effect, attempt: int) -> None:
    tasks.give_up_effect(tenant_id=str(effect.tenant_id), effect_id=str(effect.pk), attempt=attempt)


def started(office: Tenant, flow_id: str = "register") -> tuple[Any, Effect]:
    begun = services.start(office, flow_id=flow_id)
    say(office, begun.conversation_id, "12/4")
    return begun.conversation_id, Effect.objects.get(conversation_id=begun.conversation_id)


def test_a_post_that_may_have_happened_is_never_repeated(office: Tenant, land: LandRegister) -> None:
    conversation_id, effect = started(office)
    crash(effect, attempts=1)
    assert services.recover_effects() == 1
    give_up(effect, attempt=1)
    assert said(conversation_id)[-1] == "The register says: unknown_outcome."
    assert Effect.objects.get().status == "unknown"
    perform(effect, attempt=1)
    assert land.requests == []
    check_log(conversation_id)


def test_a_post_that_was_never_sent_is_sent_once(office: Tenant, land: LandRegister) -> None:
    conversation_id, effect = started(office)
    crash(effect, attempts=0)
    assert services.recover_effects() == 1
    assert services.recover_effects() == 0  # taken up; its new deadline is not over
    perform(effect)
    assert len(land.requests) == 1
    assert said(conversation_id)[-1] == "It belongs to Ada."


def test_a_get_is_repeated_with_the_same_key(office: Tenant, land: LandRegister) -> None:
    published(office, calling("GET", flow_id="lookup"))
    conversation_id, effect = started(office, "lookup")
    crash(effect, attempts=1)
    assert services.recover_effects() == 1
    perform(effect, attempt=1)
    assert [request["key"] for request in land.requests] == [effect.idempotency_key]
    assert land.requests[0]["path"] == "/v1/parcels?word=12%2F4"
    assert said(conversation_id)[-1] == "It belongs to Ada."


def test_after_three_attempts_the_turn_is_dead_and_the_user_is_told(office: Tenant) -> None:
    published(office, calling("GET", flow_id="lookup"))
    conversation_id, effect = started(office, "lookup")
    crash(effect, attempts=3)
    assert services.recover_effects() == 1
    give_up(effect, attempt=3)
    assert Turn.objects.get(number=2).status == "dead"
    assert said(conversation_id)[-1] == "The register says: INTEGRATION_ERROR."
    check_log(conversation_id)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_process_whose_clock_is_wrong_changes_no_deadline(office: Tenant, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    real = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: real + timedelta(hours=hours))
    conversation_id, effect = started(office)
    due = timedelta(seconds=2) + GRACE  # flow's timeout_ms, and the grace
    assert abs(effect.deadline - real - due) < timedelta(seconds=5)
    assert services.recover_effects() == 0
    Effect.objects.update(deadline=real - timedelta(seconds=1))
    assert services.recover_effects() == 1
    effect.refresh_from_db()
    assert abs(effect.deadline - real - GRACE) < timedelta(seconds=5)
    perform(effect)
    effect.refresh_from_db()
    assert abs(effect.deadline - real - due) < timedelta(seconds=5)
    check_log(conversation_id)


@pytest.mark.parametrize("attempts", [1, 3])
def test_the_dispatcher_hands_over_what_is_given_up(
    office: Tenant, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any, attempts: int
) -> None:
    """A locked conversation would hold up the dispatcher's thread, and with it all timers."""
    conversation_id, effect = started(office)
    crash(effect, attempts)
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks() as jobs:
        patch.setattr(turn, "deliver", lambda *_, **__: pytest.fail("delivered in the dispatcher"))
        assert services.recover_effects() == 1
    assert len(jobs) == 1
    give_up(effect, attempt=attempts - 1)  # a job of an earlier attempt
    assert Effect.objects.get().status == "started"
    give_up(effect, attempts)
    give_up(effect, attempts)
    assert len(said(conversation_id)) == 2
    check_log(conversation_id)


def test_a_new_session_that_calls_at_once_gets_its_answer(office: Tenant) -> None:
    """The context is lost while a call is under way; the session that begins instead waits for a call of its own."""
    document = calling(flow_id="eager")
    document["initial_state"] = "call"
    document["states"]["call"]["config"]["request_mapping"] = {}
    published(office, document)
    begun = services.start(office, flow_id="eager")
    lost = Effect.objects.get()
    Conversation.objects.update(snapshot={"frames": 7})
    perform(lost)
    assert Turn.objects.get(number=1).status == "failed"
    held = Conversation.objects.get()
    assert held.awaiting

    perform(Effect.objects.get(status="started"))
    assert [one.status for one in check_log(begun.conversation_id)] == ["failed", "done"]
    assert said(begun.conversation_id)[-1] == "It belongs to Ada."
    assert Conversation.objects.get().awaiting == ""


@pytest.mark.parametrize(
    ("base", "endpoint", "values", "expected", "left"),
    [
        ("https://api.example.com/v1/", "/parcels", {}, "https://api.example.com/v1/parcels", {}),
        ("https://api.example.com", "", {}, "https://api.example.com/", {}),
        ("https://api.example.com/v1", "parcels/{id}", {"id": "12/4", "x": 1}, "https://api.example.com/v1/parcels/12%2F4", {"x": 1}),
        ("https://api.example.com/v1", "../../admin", {}, "https://api.example.com/v1/admin", {}),
        ("https://api.example.com/v1", "//evil.example/x", {}, "https://api.example.com/v1/evil.example/x", {}),
        ("https://api.example.com/v1", "https://evil.example", {}, "https://api.example.com/v1/https:/evil.example", {}),
    ],
)
def test_an_endpoint_cannot_leave_its_base(base: str, endpoint: str, values: dict[str, Any], expected: str, left: dict[str, Any]) -> None:
    assert effects.joined(base, endpoint, values) == expected
    assert values == left
