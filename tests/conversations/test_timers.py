"""Durable timers: they fire once, late if they must, and never after the state that set them was left."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations import services, tasks, turn
from conversations.models import Timer, Turn
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import REMINDER, at_once, check_log, said
from tests.factories import TenantFactory, published


@pytest.fixture
def office(db: None) -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, REMINDER)
    return tenant


def pass_time(**duration: float) -> None:
    Timer.objects.filter(status="pending").update(due_at=timezone.now() - timedelta(**duration))


def fire(timer: Timer) -> None:
    tasks.fire_timer(tenant_id=str(timer.tenant_id), conversation_id=str(timer.conversation_id), token=timer.token, attempt=timer.attempts)


def test_a_timer_is_a_row_that_is_due_later(office: Tenant) -> None:
    services.start(office, flow_id="reminder")
    timer = Timer.objects.get()
    assert timedelta(seconds=55) < timer.due_at - timezone.now() <= timedelta(seconds=61)
    assert services.claim_timers() == 0


def test_a_due_timer_makes_one_turn(office: Tenant) -> None:
    begun = services.start(office, flow_id="reminder")
    pass_time(days=3)  # everything was stopped for days
    assert services.claim_timers() == 1
    assert services.claim_timers() == 0
    timer = Timer.objects.get(status="claimed")
    fire(timer)
    fire(timer)
    turns = check_log(begun.conversation_id)
    assert [(turn.kind, turn.client_message_id) for turn in turns[1:]] == [("timer", f"timer:{timer.token}")]
    assert said(begun.conversation_id) == ["Still there?", "We will write to you."]


def test_an_answer_in_time_cancels_the_timer(office: Tenant) -> None:
    begun = services.start(office, flow_id="reminder")
    services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": "yes"})
    assert Timer.objects.get().status == "cancelled"
    pass_time(hours=1)
    assert services.claim_timers() == 0
    fire(Timer.objects.get())
    assert said(begun.conversation_id)[-1] == "Thank you."
    check_log(begun.conversation_id)


def test_an_answer_between_claim_and_fire_wins(office: Tenant) -> None:
    begun = services.start(office, flow_id="reminder")
    pass_time(hours=1)
    assert services.claim_timers() == 1
    services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": "yes"})
    fire(Timer.objects.get())
    assert [turn.kind for turn in check_log(begun.conversation_id)] == ["start", "message"]


def forget_the_claim() -> None:
    Timer.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))


def test_a_timer_that_kills_its_workers_is_given_up_after_three(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    services.start(office, flow_id="reminder")
    pass_time(hours=1)
    monkeypatch.setattr(turn, "fire", lambda *_: None)  # the worker dies in there
    for _ in range(3):
        assert services.claim_timers() == 1
        fire(Timer.objects.get())
        forget_the_claim()
    assert services.claim_timers() == 1
    assert Timer.objects.get().status == "dead"
    assert services.claim_timers() == 0


def test_a_timer_whose_jobs_are_lost_fires_late(office: Tenant) -> None:
    begun = services.start(office, flow_id="reminder")
    pass_time(hours=1)
    for _ in range(10):  # five minutes without a broker
        assert services.claim_timers() == 1
        forget_the_claim()
    fire(Timer.objects.get())
    assert said(begun.conversation_id)[-1] == "We will write to you."
    check_log(begun.conversation_id)


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_fire_once(transactional_db: None) -> None:
    tenant = TenantFactory.create()
    published(tenant, REMINDER)
    begun = [services.start(tenant, flow_id="reminder") for _ in range(20)]
    pass_time(hours=1)
    claimed = at_once(4, lambda _: services.claim_timers())
    assert sum(claimed) == 20
    timers = list(Timer.objects.filter(status="claimed"))

    def race(number: int) -> Any:
        return [services.fire_timer(tenant, conversation_id=timer.conversation_id, token=timer.token, attempt=0) for timer in timers]

    fired = at_once(6, race)  # more than the attempts that a timer has
    assert sum(result is not None for results in fired for result in results) == 20
    assert Turn.objects.filter(kind="timer").count() == 20
    for one in begun:
        check_log(one.conversation_id)
