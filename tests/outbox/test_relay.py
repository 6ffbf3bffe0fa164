"""Events come out: at least once, in the order of their key, past those that cannot be delivered."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from mcp_platform.outbox import queries, relay, services
from mcp_platform.outbox.models import Delivery, Endpoint, OutboxEvent
from mcp_platform.outbox.sinks import Outcome
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests.factories import TenantFactory
from tests.outbox.hooks import Receiver, at_once, endpoint, receiver, tell


@pytest.fixture
def office(db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def hooks(settings: Any) -> Iterator[Receiver]:
    with receiver(settings) as server:
        yield server


def versions(hooks: Receiver) -> list[int]:
    return [one["event"]["data"]["version"] for one in hooks.got]


def test_nobody_listens_nothing_is_written(office: Tenant) -> None:
    tell(office)
    assert not OutboxEvent.objects.exists()


def test_an_event_arrives_signed_as_a_cloud_event(office: Tenant, hooks: Receiver) -> None:
    _, secret = endpoint(office, hooks.url, headers={"X-Team": "permits"})
    tell(office)
    relay.run_once()
    (got,) = hooks.got
    event = Webhook(secret).verify(got["body"], got["headers"])
    assert event == got["event"]
    assert {name: event[name] for name in ("specversion", "type", "subject", "partitionkey", "tenantid")} == {
        "specversion": "1.0",
        "type": "flow.published",
        "subject": "flows/permit",
        "partitionkey": "flow:permit",
        "tenantid": str(office.pk),
    }
    assert event["id"] == got["headers"]["webhook-id"]
    assert got["headers"]["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got["headers"]["X-Team"] == "permits"
    with pytest.raises(WebhookVerificationError):
        Webhook(services.new_secret()).verify(got["body"], got["headers"])
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts, delivery.last_status) == ("delivered", 1, 200)
    assert delivery.tries[0]["answer"] == "thank you"
    assert secret not in str(delivery.tries)
    assert relay.run_once() == 0


def test_keys_are_rotated(office: Tenant, hooks: Receiver, settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    row, before = endpoint(office, hooks.url, headers={"X-Team": "permits"})
    _, secret = services.rotate_secret(office, endpoint_id=row.pk, by=None)
    settings.ENCRYPTION_KEYS = [new, old]
    told = StringIO()
    call_command("reseal", json=True, stdout=told)
    assert json.loads(told.getvalue())["endpoints"] == 1
    settings.ENCRYPTION_KEYS = [new]
    tell(office)
    relay.run_once()
    (got,) = hooks.got
    assert got["headers"]["X-Team"] == "permits"
    for valid in (secret, before):
        Webhook(valid).verify(got["body"], got["headers"])


def test_what_is_rolled_back_is_never_told(office: Tenant, hooks: Receiver) -> None:
    endpoint(office, hooks.url)
    with transaction.atomic():
        tell(office)
        transaction.set_rollback(True)
    relay.run_once()
    assert hooks.got == []


def test_only_the_chosen_types_arrive(office: Tenant, hooks: Receiver) -> None:
    endpoint(office, hooks.url, types=["conversation.*"])
    tell(office)
    relay.run_once()
    assert not OutboxEvent.objects.exists()
    endpoint(office, hooks.url, name="flows", types=["flow.published"])
    tell(office)
    relay.run_once()
    assert hooks.types() == ["flow.published"]


def test_a_key_waits_for_its_head_and_others_do_not(office: Tenant, hooks: Receiver) -> None:
    endpoint(office, hooks.url)
    hooks.answers = [500]
    for number in (1, 2, 3):
        tell(office, number)
    tell(office, 100, key="flow:other")
    relay.run_once()
    assert versions(hooks) == [1, 100]
    at_once()
    assert versions(hooks) == [1, 100, 1, 2, 3]
    sequences = [one["event"]["sequence"] for one in hooks.got if one["event"]["data"]["version"] < 100]
    assert sequences == sorted(sequences)


def test_a_poison_event_dies_and_the_key_goes_on(office: Tenant, hooks: Receiver) -> None:
    row, _ = endpoint(office, hooks.url, max_attempts=3)
    hooks.answers = [500, 500, 500]
    tell(office, 1)
    tell(office, 2)
    for _ in range(4):
        at_once()
    assert versions(hooks) == [1, 1, 1, 2]
    dead = Delivery.objects.get(status="dead")
    assert len(dead.tries) == 3
    found = queries.endpoint(office, row.pk)
    assert (found.dead, found.waiting) == (1, 0)  # type: ignore[attr-defined]  # annotated
    assert services.redeliver_failed(office, endpoint_id=row.pk, by=None) == 1
    relay.run_once()
    assert versions(hooks)[-1] == 1
    assert not Delivery.objects.filter(status="dead").exists()


def test_pauses_grow_and_the_other_side_may_ask_for_more(office: Tenant, hooks: Receiver) -> None:
    endpoint(office, hooks.url)
    hooks.status = 503
    tell(office)
    relay.run_once()
    first = Delivery.objects.get().due_at - timezone.now()
    assert timedelta(seconds=1) < first < timedelta(seconds=3)
    hooks.headers = {"Retry-After": "600"}
    at_once()
    assert Delivery.objects.get().due_at - timezone.now() > timedelta(seconds=590)
    assert relay.run_once() == 0


def test_an_endpoint_that_keeps_failing_rests(office: Tenant, hooks: Receiver) -> None:
    row, _ = endpoint(office, hooks.url)
    hooks.status = 500
    for number in range(8):
        tell(office, number, key=f"flow:{number}")
    relay.run_once()
    assert len(hooks.got) == 5  # then it is left alone
    row.refresh_from_db()
    assert row.resume_at is not None
    hooks.status = 200
    at_once()
    well = Endpoint.objects.get(pk=row.pk)
    assert (well.failures, well.failing_since, well.resume_at) == (0, None, None)
    assert not Delivery.objects.exclude(status="delivered").exists()


def test_an_endpoint_that_fails_for_days_is_switched_off(office: Tenant, hooks: Receiver, settings: Any) -> None:
    row, _ = endpoint(office, hooks.url)
    hooks.status = 500
    tell(office)
    relay.run_once()
    Endpoint.objects.update(failing_since=timezone.now() - timedelta(hours=settings.OUTBOX_DISABLE_AFTER_HOURS + 1))
    at_once()
    row.refresh_from_db()
    assert not row.enabled
    assert AuditEntry.objects.filter(action="endpoint.switch_off").exists()
    tell(office, 2)
    assert at_once() == 0  # nothing is sent, and what happens meanwhile is not collected
    assert OutboxEvent.objects.count() == 1
    hooks.status = 200
    services.change_endpoint(office, endpoint_id=row.pk, fields={"enabled": True}, by=None)
    relay.run_once()
    assert versions(hooks)[-1] == 1
    assert Delivery.objects.get().status == "delivered"


def test_gone_is_gone(office: Tenant, hooks: Receiver) -> None:
    row, _ = endpoint(office, hooks.url)
    hooks.status = 410
    tell(office)
    relay.run_once()
    row.refresh_from_db()
    assert (row.enabled, row.disabled_reason) == (False, "it answered 410 Gone")


def test_a_private_address_is_refused(office: Tenant, hooks: Receiver, settings: Any) -> None:
    endpoint(office, hooks.url)
    settings.OUTBOUND_ALLOWED_HOSTS = []
    tell(office)
    relay.run_once()
    assert hooks.got == []
    assert Delivery.objects.get().last_error.startswith("ADDRESS_REFUSED")


def test_a_claim_that_its_relay_did_not_live_to_finish_is_sent_again(office: Tenant, hooks: Receiver) -> None:
    row, _ = endpoint(office, hooks.url, max_attempts=3)
    tell(office, 1)
    tell(office, 2)
    relay.fan_out()
    (claimed,) = relay.claim(row)
    assert relay.claim(row) == []  # the second event waits for the first
    Delivery.objects.filter(pk=claimed.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    assert relay.run_once() == 2
    assert versions(hooks) == [1, 2]
    relay.settle(row, [(claimed, Outcome(ok=False, error="too late"))])  # the one that was believed dead
    assert {one.status for one in Delivery.objects.all()} == {"delivered"}


def test_an_event_that_kills_its_relays_dies(office: Tenant, hooks: Receiver) -> None:
    row, _ = endpoint(office, hooks.url, max_attempts=2)
    tell(office, 1)
    tell(office, 2)
    relay.fan_out()
    for _ in range(2):
        assert len(relay.claim(row)) == 1
        Delivery.objects.filter(status="sending").update(due_at=timezone.now() - timedelta(seconds=1))
    relay.run_once()
    relay.run_once()
    assert versions(hooks) == [2]
    assert Delivery.objects.filter(status="dead").count() == 1


def test_both_secrets_sign_while_one_follows_the_other(office: Tenant, hooks: Receiver) -> None:
    row, old = endpoint(office, hooks.url)
    _, new = services.rotate_secret(office, endpoint_id=row.pk, by=None)
    tell(office)
    relay.run_once()
    for secret in (old, new):
        assert Webhook(secret).verify(hooks.got[0]["body"], hooks.got[0]["headers"])
    Endpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    tell(office)
    relay.run_once()
    assert Webhook(new).verify(hooks.got[1]["body"], hooks.got[1]["headers"])
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(hooks.got[1]["body"], hooks.got[1]["headers"])


def test_a_test_event_goes_to_one_endpoint_only(office: Tenant, hooks: Receiver) -> None:
    row, _ = endpoint(office, hooks.url, types=["flow.*"])
    endpoint(office, hooks.url, name="other")
    made = services.send_test(office, endpoint_id=row.pk, by=None)
    relay.run_once()
    assert hooks.types() == ["endpoint.test"]
    made.refresh_from_db()
    assert made.status == "delivered"
    services.redeliver(office, delivery_id=made.pk, by=None)
    relay.run_once()
    assert hooks.got[0]["event"] == hooks.got[1]["event"]


def test_the_analytics_engine_gets_everything_of_everybody(office: Tenant, hooks: Receiver, settings: Any) -> None:
    secret = services.new_secret()
    settings.ANALYTICS_ENGINE_URL, settings.ANALYTICS_ENGINE_SECRET = hooks.url, secret
    settings.OUTBOUND_ALLOWED_HOSTS = []  # the operator's own engine may live inside
    other = TenantFactory.create()
    tell(office)
    tell(other)
    relay.run_once()
    assert {one["event"]["tenantid"] for one in hooks.got} == {str(office.pk), str(other.pk)}
    assert all(Webhook(secret).verify(one["body"], one["headers"]) for one in hooks.got)
    tell(office)
    settings.ANALYTICS_ENGINE_URL = ""
    assert relay.run_once() == 0
    tell(office)
    assert OutboxEvent.objects.count() == 3


def test_old_deliveries_are_forgotten_with_their_events(office: Tenant, hooks: Receiver, settings: Any) -> None:
    endpoint(office, hooks.url)
    tell(office, 1)
    relay.run_once()
    assert services.prune() == 0
    long_ago = timezone.now() - timedelta(days=settings.OUTBOX_RETENTION_DAYS + 1)
    OutboxEvent.objects.update(at=long_ago)
    Delivery.objects.update(created_at=long_ago, finished_at=long_ago)
    tell(office, 2)
    assert services.prune() == 2
    relay.run_once()
    assert versions(hooks) == [1, 2]


def test_the_backlog_is_counted(office: Tenant, hooks: Receiver) -> None:
    endpoint(office, hooks.url)
    hooks.status = 500
    tell(office)
    assert queries.backlog()["new"] == 1
    relay.run_once()
    found = queries.backlog()
    assert (found["new"], found["open"], found["dead"]) == (0, 1, 0)
    assert found["oldest"] is not None
    services.count_backlog()
