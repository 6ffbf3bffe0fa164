"""A call that fails is tried again where that is allowed: the same key, a pause, an end; and the breaker in front of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations import effects, services, tasks
from conversations.core.types import Outcome
from conversations.effects import retries
from conversations.effects.types import Heard
from conversations.models import Effect
from flows.models import Integration
from mcp_platform.outbound import breaker
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import calling, check_log, said
from tests.factories import published
from tests.integrations.asking import ask
from tests.integrations.outside import Reply, Web

Crm = Callable[..., Integration]
SOON = {"max_attempts": 3, "backoff_ms": 1}


@pytest.fixture
def talk(tenant: Tenant, web: Web, crm: Crm) -> Callable[..., Effect]:
    """A conversation that has just asked the integration; nobody has performed the call yet."""

    def begin(method: str = "GET", retry_policy: Any = None, **config: Any) -> Effect:
        crm(retry_policy=retry_policy or {})
        published(tenant, calling(method, integration_id="crm", **config))
        begun = services.start(tenant, flow_id="register")
        services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": "12/4"})
        return Effect.objects.get()

    return begin


def perform(effect: Effect) -> Effect:
    """As a worker does with the job for the effect as it stands."""
    effect.refresh_from_db()
    tasks.perform_effect(tenant_id=str(effect.tenant_id), effect_id=str(effect.pk), attempt=effect.attempts)
    effect.refresh_from_db()
    return effect


def result(effect: Effect) -> Any:
    return effect.result or {}


def reply(owner: str = "Ada") -> Reply:
    return Reply(body={"owner": owner})


BUSY = Reply(status=503)


def test_a_get_is_tried_again_with_the_same_key(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk(retry_policy=SOON)
    web.script, web.answer = [BUSY, BUSY], lambda _: reply()
    perform(effect)
    assert (effect.status, effect.tries, effect.attempts, result(effect)["retries"]) == ("succeeded", 2, 3, 2)
    assert {got.headers["idempotency-key"] for got in web.got} == {effect.idempotency_key}
    assert len(web.got) == 3
    assert said(effect.conversation_id)[-1] == "It belongs to Ada."
    check_log(effect.conversation_id)


def test_it_ends_after_as_many_tries_as_are_allowed(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk(retry_policy=SOON)
    web.answer = lambda _: BUSY
    perform(effect)
    assert (len(web.got), effect.status, result(effect)["status_code"]) == (3, "failed", 503)
    assert said(effect.conversation_id)[-1] == "The register says: INTEGRATION_ERROR."


def test_a_post_is_not_tried_again(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk("POST", retry_policy=SOON)
    web.answer = lambda _: BUSY
    perform(effect)
    assert (len(web.got), effect.status) == (1, "failed")


def test_a_post_that_is_said_to_be_idempotent_is(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk("POST", retry_policy=SOON, retry_config={"idempotent": True})
    web.script, web.answer = [BUSY], lambda _: reply()
    perform(effect)
    assert (len(web.got), effect.status) == (2, "succeeded")


def test_without_a_policy_there_is_one_try(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk()
    web.answer = lambda _: BUSY
    perform(effect)
    assert len(web.got) == 1


def test_a_refusal_is_no_reason_to_try_again(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk(retry_policy=SOON)
    web.answer = lambda _: Reply(status=404)
    perform(effect)
    assert (len(web.got), result(effect)["status_code"]) == (1, 404)


def test_a_long_pause_is_spent_in_the_row_and_not_in_a_thread(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk(retry_policy=SOON)
    web.script, web.answer = [Reply(status=429, headers={"Retry-After": "7"})], lambda _: reply()
    perform(effect)
    assert (effect.status, effect.tries, len(web.got)) == ("started", 1, 1)
    assert effect.due_at is not None
    assert timedelta(seconds=5) < effect.due_at - timezone.now() < timedelta(seconds=9)
    assert services.recover_effects() == 0  # not due yet

    Effect.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert services.recover_effects() == 1
    assert services.recover_effects() == 0
    perform(effect)
    assert (effect.status, effect.tries) == ("succeeded", 1)
    assert {got.headers["idempotency-key"] for got in web.got} == {effect.idempotency_key}
    check_log(effect.conversation_id)


def test_no_try_begins_after_its_time(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk(retry_policy={**SOON, "within_ms": 5_000})
    web.script = [Reply(status=429, headers={"Retry-After": "3"}), Reply(status=429, headers={"Retry-After": "3"})]
    perform(effect)
    assert effect.status == "started"
    Effect.objects.update(begun_at=timezone.now() - timedelta(seconds=3), due_at=None)
    perform(effect)
    assert (effect.status, result(effect)["status_code"], len(web.got)) == ("failed", 429, 2)


def test_a_worker_that_dies_in_a_later_try_is_counted_apart_from_the_tries(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk(retry_policy={**SOON, "max_attempts": 5})
    Effect.objects.update(attempts=4, tries=3, deadline=timezone.now() - timedelta(seconds=1))  # three ended badly, the fourth never did
    assert services.recover_effects() == 1
    web.answer = lambda _: reply()
    perform(effect)
    assert (effect.status, effect.attempts, result(effect)["retries"]) == ("succeeded", 5, 3)


def test_a_post_whose_worker_died_while_it_waited_for_its_next_try_is_tried_again(talk: Callable[..., Effect], web: Web) -> None:
    effect = talk("POST", retry_policy={**SOON, "idempotent": True})
    Effect.objects.update(attempts=1, tries=1, due_at=timezone.now(), deadline=timezone.now() - timedelta(seconds=1))
    services.recover_effects()
    web.answer = lambda _: reply()
    perform(effect)
    assert effect.status == "succeeded"


def test_two_jobs_of_the_same_try_make_one_call(talk: Callable[..., Effect], web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    effect = talk(retry_policy=SOON)
    web.script, web.answer = [BUSY], lambda _: reply()
    # While the first job sleeps between its tries, the sweep hands the effect to another one.
    monkeypatch.setattr("conversations.journal.time.sleep", lambda _: services.perform_effect(effect.tenant, effect_id=effect.pk, attempt=1))
    perform(effect)
    assert (len(web.got), effect.status) == (2, "succeeded")


def heard(wait_ms: int = 0) -> Heard:
    return Heard(outcome=Outcome(success=False), again=True, wait_ms=wait_ms)


def test_pauses_grow_and_are_spread_over_all_of_their_length() -> None:
    policy = retries.policy_of({"max_attempts": 5, "backoff_ms": 100, "max_backoff_ms": 300})
    for tries, ceiling in ((1, 100), (2, 200), (3, 300), (4, 300)):
        found = [retries.pause_ms(policy, heard(), tries=tries, repeatable=True) or 0 for _ in range(400)]
        assert max(found) <= ceiling
        assert max(found) > ceiling * 0.9
        assert min(found) < ceiling * 0.1
    assert retries.pause_ms(policy, heard(), tries=5, repeatable=True) is None


def test_what_the_other_side_asks_for_is_granted_within_bounds() -> None:
    policy = retries.policy_of({"max_attempts": 2, "within_ms": 10_000})
    assert retries.pause_ms(policy, heard(9_000), tries=1, repeatable=True) == 9_000
    assert retries.pause_ms(policy, heard(10_000), tries=1, repeatable=True) is None


def test_a_policy_that_makes_no_sense_is_made_to() -> None:
    policy = retries.policy_of({"max_attempts": 99, "backoff_ms": "soon"}, {"max_backoff_ms": -1, "idempotent": "yes"})
    assert (policy.max_attempts, policy.backoff_ms, policy.max_backoff_ms, policy.idempotent) == (5, 200, 0, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr("mcp_platform.outbound.breaker.time.time", lambda: now[0])
    return now


def name(tenant: Tenant) -> str:
    return effects.breaker_name(tenant, "crm")


def test_after_many_failures_nobody_is_asked_for_a_while(tenant: Tenant, web: Web, crm: Crm, clock: list[float]) -> None:
    crm()
    web.answer = lambda _: BUSY
    for _ in range(breaker.LEAST_FAILURES):
        assert ask(tenant).outcome.status_code == 503
    refused = ask(tenant).outcome
    assert (refused.code, len(web.got)) == ("CIRCUIT_OPEN", breaker.LEAST_FAILURES)
    assert breaker.read(name(tenant)).state == "open"

    clock[0] += breaker.FIRST_PAUSE_SECONDS + 0.1
    assert breaker.read(name(tenant)).state == "half_open"
    assert ask(tenant).outcome.status_code == 503  # the probe
    assert ask(tenant).outcome.code == "CIRCUIT_OPEN"
    clock[0] += breaker.FIRST_PAUSE_SECONDS + 0.1
    assert ask(tenant).outcome.code == "CIRCUIT_OPEN"  # the pause has doubled
    clock[0] += breaker.FIRST_PAUSE_SECONDS
    web.answer = lambda _: reply()
    assert ask(tenant).outcome.success
    assert ask(tenant).outcome.success
    assert breaker.read(name(tenant)).state == "closed"


def test_one_probe_at_a_time(tenant: Tenant, clock: list[float]) -> None:
    for _ in range(breaker.LEAST_FAILURES):
        breaker.report("x", healthy=False)
    clock[0] += breaker.FIRST_PAUSE_SECONDS + 0.1
    assert [breaker.admits("x") for _ in range(3)] == [True, False, False]
    breaker.release("x")  # it was never made
    assert breaker.admits("x")


def test_refusals_and_a_few_failures_among_many_successes_open_nothing(tenant: Tenant, web: Web, crm: Crm, clock: list[float]) -> None:
    crm()
    web.answer = lambda _: Reply(status=404)
    for _ in range(10):
        ask(tenant)
    for number in range(40):
        breaker.report("busy", healthy=bool(number % 5))
    assert (breaker.read(name(tenant)).state, breaker.read("busy").state) == ("closed", "closed")


def test_failures_of_long_ago_do_not_count(clock: list[float]) -> None:
    for _ in range(20):
        breaker.report("x", healthy=False)
        clock[0] += breaker.WINDOW_SECONDS
    assert breaker.read("x").state == "closed"


def test_tenants_have_breakers_of_their_own(tenant: Tenant) -> None:
    for _ in range(breaker.LEAST_FAILURES):
        breaker.report(name(tenant), healthy=False)
    assert not breaker.admits(name(tenant))
    assert breaker.admits("another-tenant:crm")


def test_without_its_cache_every_breaker_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def __getattr__(self, _: str) -> Any:
            raise ConnectionError("nobody there")

    monkeypatch.setattr(breaker, "cache", Away())
    breaker.report("x", healthy=False)
    assert breaker.admits("x")
    assert breaker.read("x").state == "closed"
