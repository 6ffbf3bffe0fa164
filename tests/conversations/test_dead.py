"""Turns that were given up: operators see them, say them again or bury them, and decide once."""

from typing import Any

import pytest
from django.test import Client

from conversations import dead, errors, services
from conversations.models import Effect, Timer, Turn
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests.conversations.scenes import ECHO, REMINDER, calling, check_log, said
from tests.conversations.test_timers import forget_the_claim, pass_time
from tests.factories import TenantFactory, bearer, member, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, ECHO)
    return tenant


def poisoned(office: Tenant, text: str = "poison") -> Turn:
    """A queued turn that three workers have begun and died of."""
    begun = services.start(office, flow_id="echo")
    accepted = services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": text}, defer=True)
    Turn.objects.filter(pk=accepted.turn_id).update(attempts=3)
    assert services.run_queued(office, conversation_id=begun.conversation_id) == 1
    return Turn.objects.get(pk=accepted.turn_id, status="dead")


def test_a_dead_turn_is_said_again_once(office: Tenant) -> None:
    one = poisoned(office)
    again = [dead.retry(office, turn_id=one.pk, by="user:ada") for _ in range(2)]
    assert {(result.turn_id, result.status) for result in again} == {(again[0].turn_id, "queued")}
    assert services.run_queued(office, conversation_id=one.conversation_id) == 1
    turns = check_log(one.conversation_id)
    assert [turn.status for turn in turns] == ["done", "dead", "done"]
    assert turns[2].request["content"] == {"type": "text", "text": "poison"}
    shown = dead.item(dead.turns(office).get(), office)
    assert (shown["resolution"]["action"], shown["resolution"]["by"], shown["resolution"]["turn"]) == ("retried", "user:ada", 3)
    assert AuditEntry.objects.filter(tenant=office, action="turn.retried").count() == 1
    with pytest.raises(errors.DeadTurnResolved):
        dead.bury(office, turn_id=one.pk, by="user:bob")


def test_a_dead_turn_is_buried(office: Tenant) -> None:
    one = poisoned(office)
    assert dead.open_counts() == {office.pk: 1}
    dead.bury(office, turn_id=one.pk, by="user:ada", note="a test")
    assert dead.open_counts() == {}
    with pytest.raises(errors.DeadTurnResolved):
        dead.retry(office, turn_id=one.pk, by="user:bob")
    with pytest.raises(errors.DeadTurnNotFound):
        dead.bury(TenantFactory.create(), turn_id=one.pk, by="user:eve")


def test_a_dead_timer_becomes_a_dead_turn_that_can_be_said_again(office: Tenant) -> None:
    published(office, REMINDER)
    begun = services.start(office, flow_id="reminder")
    pass_time(hours=1)
    assert services.claim_timers() == 1
    Timer.objects.update(attempts=3)
    timer = Timer.objects.get()
    assert (
        services.fire_timer(office, conversation_id=begun.conversation_id, token=timer.token, attempt=2) is None
    )  # handed over once more by the broker
    forget_the_claim()
    assert services.claim_timers() == 1
    services.bury_timer(office, conversation_id=begun.conversation_id, token=timer.token)
    one = dead.turns(office).get()
    assert (one.kind, one.client_message_id, Timer.objects.get().status) == ("timer", f"timer:{timer.token}", "dead")
    check_log(begun.conversation_id)
    dead.retry(office, turn_id=one.pk, by="user:ada")
    services.run_queued(office, conversation_id=begun.conversation_id)
    assert said(begun.conversation_id)[-1] == "We will write to you."
    check_log(begun.conversation_id)


def test_a_dead_timer_whose_job_is_lost_is_buried_later(office: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    published(office, REMINDER)
    services.start(office, flow_id="reminder")
    Timer.objects.update(status="dead")
    forget_the_claim()
    with django_capture_on_commit_callbacks() as jobs:
        services.bury_timers()
    assert len(jobs) == 1


def test_an_outcome_that_kills_who_brings_it_home_is_buried(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from conversations import journal
    from flows.models import Integration

    Integration.objects.create(tenant=office, integration_id="land", name="Land", base_url="http://127.0.0.1:9")
    published(office, calling())
    begun = services.start(office, flow_id="register")
    services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": "12/4"})
    behind = services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": "13/4"})
    Effect.objects.update(attempts=1)  # the call was made, and who made it died
    with monkeypatch.context() as patched:
        patched.setattr(journal, "deliver", lambda *_, **__: None)  # dies in there
        for attempt in (1, 2, 3):
            services.give_up_effect(office, effect_id=Effect.objects.get().pk, attempt=attempt)
    effect, one = Effect.objects.get(), dead.turns(office).get()
    assert (effect.status, effect.turn_id, one.number) == ("unknown", one.pk, 2)
    assert said(begun.conversation_id)[-1].startswith("Sorry")
    services.run_queued(office, conversation_id=begun.conversation_id)
    assert Turn.objects.get(pk=behind.turn_id).status in ("done", "running")  # the queue flows
    check_log(begun.conversation_id)


def test_the_list_and_its_filters(office: Tenant, client: Client) -> None:
    first, second = poisoned(office, "one"), poisoned(office, "two")
    dead.bury(office, turn_id=first.pk, by="user:ada")
    for query, expected in (("", {first.pk, second.pk}), ("?resolved=false", {second.pk}), ("?resolved=true", {first.pk}), ("?kind=timer", set())):
        answer = client.get(f"/api/v1/dead-turns{query}", headers=bearer(office))
        assert {one["id"] for one in answer.json()["results"]} == {str(pk) for pk in expected}, query
    assert client.get("/api/v1/dead-turns", headers=bearer(office, ["conversations:read"])).status_code == 403


def test_the_admin_decides_about_several_at_once(office: Tenant, client: Client) -> None:
    rows = [poisoned(office), poisoned(office)]
    client.force_login(member(office), backend="django.contrib.auth.backends.ModelBackend")
    address = "/admin/conversations/turn/"
    page = client.get(address)
    assert page.status_code == 200
    assert b"Say again, in a worker" in page.content
    answer = client.post(address, {"action": "say_again", "_selected_action": [str(row.pk) for row in rows]}, follow=True)
    assert b"2 are said again." in answer.content
    assert Turn.objects.filter(status="queued").count() == 2
    assert client.get(f"{address}{rows[0].pk}/change/").headers["Location"].endswith(f"{rows[0].conversation_id}/change/#turn-2")
