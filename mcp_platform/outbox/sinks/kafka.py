"""Kafka, where confluent-kafka is installed: one topic, the conversation's id as the key, an idempotent producer."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.conf import settings

from mcp_platform.outbox.core.envelope import CONTENT_TYPE
from mcp_platform.outbox.models import Endpoint
from mcp_platform.outbox.sinks.parcel import Outcome, Parcel

SECONDS = 10.0
_producers: dict[str, Any] = {}
_lock = threading.Lock()


def is_installed() -> bool:
    return find_spec("confluent_kafka") is not None


def send(endpoint: Endpoint, parcels: Sequence[Parcel]) -> list[Outcome]:
    """Ordered within a key: where one event failed, those after it with the same key are held and sent again."""
    if not (is_installed() and settings.KAFKA_BROKERS):
        return [Outcome(ok=False, error="Kafka is not configured here: KAFKA_BROKERS and the package confluent-kafka") for _ in parcels]
    from confluent_kafka import KafkaException

    began = time.monotonic()
    results: dict[int, str] = {}  # number of the parcel -> what went wrong, "" when it arrived
    missing = "Kafka: no acknowledgement in time"
    try:
        producer = _producer(settings.KAFKA_BROKERS)
        for numbers in _rounds(parcels):
            sound = [number for number in numbers if not _key_failed(parcels, results, number)]
            for number in sound:
                _produce(producer, endpoint, parcels[number], _note(results, number))
            producer.flush(SECONDS)
            if any(results.get(number, missing) for number in sound):
                break  # most likely the brokers are away: no other round has a better chance now
    except (KafkaException, BufferError) as fault:
        missing = f"Kafka: {fault}"
    if len(results) < len(parcels) or any(results.values()):
        _forget(settings.KAFKA_BROKERS)  # what is still in its queue must not overtake what is sent again
    return _outcomes(parcels, results, missing, began)


def _rounds(parcels: Sequence[Parcel]) -> list[list[int]]:
    """The first of every key, then the second of every key … A round is acknowledged before the next begins, so none can arrive alone
    before one that comes earlier."""
    rounds: list[list[int]] = []
    seen: Counter[str] = Counter()
    for number, parcel in enumerate(parcels):
        if seen[parcel.key] == len(rounds):
            rounds.append([])
        rounds[seen[parcel.key]].append(number)
        seen[parcel.key] += 1
    return rounds


def _key_failed(parcels: Sequence[Parcel], results: dict[int, str], number: int) -> bool:
    return any(results.get(earlier) for earlier in range(number) if parcels[earlier].key == parcels[number].key)


def _produce(producer: Any, endpoint: Endpoint, parcel: Parcel, note: Any) -> None:
    headers = {"content-type": CONTENT_TYPE, "ce_id": str(parcel.event_id), "ce_type": parcel.type, "tenant": str(endpoint.tenant_id)}
    producer.produce(settings.KAFKA_TOPIC, key=parcel.key.encode(), value=parcel.body, headers=headers, on_delivery=note)


def _note(results: dict[int, str], number: int) -> Any:
    def note(error: Any, _message: Any) -> None:
        results[number] = f"Kafka: {error}" if error is not None else ""

    return note


def _outcomes(parcels: Sequence[Parcel], results: dict[int, str], missing: str, began: float) -> list[Outcome]:
    ms = round((time.monotonic() - began) * 1000)
    broken: set[str] = set()  # a key that has failed: those behind were not tried
    found = []
    for number, parcel in enumerate(parcels):
        held = parcel.key in broken
        error = results.get(number, missing)
        if error:
            broken.add(parcel.key)
        found.append(Outcome(ok=not (error or held), held=held, error=error[:300], request=f"topic {settings.KAFKA_TOPIC}", ms=ms))
    return found


def _producer(brokers: str) -> Any:
    from confluent_kafka import Producer

    with _lock:
        if brokers not in _producers:
            _producers[brokers] = Producer(
                {
                    "client.id": settings.SERVICE_NAME,
                    **settings.KAFKA_OPTIONS,
                    "bootstrap.servers": brokers,
                    "enable.idempotence": True,
                    "acks": "all",
                    "delivery.timeout.ms": int(SECONDS * 1000) - 500,
                }
            )
        return _producers[brokers]


def _forget(brokers: str) -> None:
    with _lock:
        gone = _producers.pop(brokers, None)
    if gone is not None:
        gone.purge()
        gone.flush(1)
