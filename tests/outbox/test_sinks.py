"""Redis streams and Kafka, on real servers: the one of the test run, and librdkafka's own mock cluster."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from mcp_platform.outbox import relay
from mcp_platform.outbox.errors import EndpointRefused
from mcp_platform.outbox.models import Delivery
from mcp_platform.outbox.sinks import kafka, redis_streams
from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.outbox.hooks import at_once, endpoint, tell


@pytest.fixture
def office(db: None) -> Tenant:
    return TenantFactory.create()


def test_without_redis_there_is_no_redis_endpoint(office: Tenant, settings: Any) -> None:
    settings.OUTBOX_REDIS_URL = ""
    with pytest.raises(EndpointRefused) as refused:
        endpoint(office, "", kind="redis")
    assert [fault["path"] for fault in refused.value.details["errors"]] == ["$.kind"]


@pytest.mark.servers
def test_a_stream_of_its_own_for_each_tenant(office: Tenant, settings: Any) -> None:
    settings.OUTBOX_STREAM_PREFIX = f"test:{uuid.uuid4()}"
    server = redis.Redis.from_url(settings.OUTBOX_REDIS_URL)
    endpoint(office, "", kind="redis", stream_length=100)
    for number in range(1, 401):
        tell(office, number, key=f"flow:{number % 7}")
    for _ in range(5):  # a busy machine may take longer than the sink waits
        at_once()
    stream = redis_streams.stream_of(office.pk)
    found: Any = server.xrange(stream)
    server.delete(stream)
    events = [json.loads(fields[b"event"]) for _, fields in found]
    assert 100 <= len(events) < 400  # cut to about its length
    for key in range(7):
        mine = [event["data"]["version"] for event in events if event["partitionkey"] == f"flow:{key}"]
        assert mine == sorted(mine)
    assert Delivery.objects.filter(status="delivered").count() == 400


def test_a_redis_that_is_away_is_tried_again(office: Tenant, settings: Any) -> None:
    settings.OUTBOX_REDIS_URL = "redis://127.0.0.1:1/0"
    endpoint(office, "", kind="redis")
    tell(office)
    relay.run_once()
    row = Delivery.objects.get()
    assert (row.status, row.attempts) == ("pending", 1)
    assert row.last_error.startswith("Redis")


needs_kafka = pytest.mark.skipif(not kafka.is_installed(), reason="needs the package confluent-kafka (requirements-dev.txt has it)")


@pytest.fixture
def brokers(settings: Any) -> Iterator[str]:
    """Three mock brokers inside a producer of ours: real sockets, real protocol."""
    from confluent_kafka import Producer

    host = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "nobody"})
    found = ",".join(f"{one.host}:{one.port}" for one in host.list_topics(timeout=10).brokers.values())
    settings.KAFKA_BROKERS, settings.KAFKA_TOPIC = found, f"events-{uuid.uuid4()}"
    yield found
    kafka._forget(found)


def read(brokers: str, topic: str, count: int) -> list[Any]:
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": brokers, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Any] = []
    until = time.monotonic() + 30
    while len(found) < count and time.monotonic() < until:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
    consumer.close()
    return found


@needs_kafka
def test_kafka_gets_the_key_and_its_order(office: Tenant, brokers: str, settings: Any) -> None:
    endpoint(office, "", kind="kafka")
    for number in range(1, 301):
        tell(office, number, key=f"flow:{number % 5}")
    relay.run_once()
    found = read(brokers, settings.KAFKA_TOPIC, 300)
    assert len(found) == 300
    assert {message.key().decode() for message in found} == {f"flow:{key}" for key in range(5)}
    for key in range(5):
        mine = [json.loads(message.value())["data"]["version"] for message in found if message.key().decode() == f"flow:{key}"]
        assert mine == sorted(mine)
    headers = dict(found[0].headers())
    assert headers["ce_type"] == b"flow.published"
    assert headers["tenant"].decode() == str(office.pk)


@needs_kafka
def test_a_kafka_that_is_away_is_tried_again(office: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "SECONDS", 1.5)
    settings.KAFKA_BROKERS = "127.0.0.1:1"
    settings.KAFKA_OPTIONS = {"log_level": 0}
    endpoint(office, "", kind="kafka")
    tell(office, 1)
    tell(office, 2)
    relay.run_once()
    rows = list(Delivery.objects.order_by("event_id"))
    assert [row.status for row in rows] == ["pending", "pending"]
    assert [row.attempts for row in rows] == [1, 0]  # the second was held, not tried


@needs_kafka
def test_an_event_that_kafka_lost_is_sent_again_before_those_behind_it(office: Tenant, brokers: str, settings: Any) -> None:
    endpoint(office, "", kind="kafka")
    real = settings.KAFKA_BROKERS
    settings.KAFKA_BROKERS = ""  # not configured for a while
    for number in range(1, 6):
        tell(office, number)
    relay.run_once()
    assert Delivery.objects.filter(status="pending").count() == 5
    settings.KAFKA_BROKERS = real
    at_once()
    assert [json.loads(message.value())["data"]["version"] for message in read(brokers, settings.KAFKA_TOPIC, 5)] == [1, 2, 3, 4, 5]
