"""Redis Streams: one stream for each tenant on the platform's own Redis, cut to about its length."""

import functools
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

from mcp_platform import redis_urls
from mcp_platform.outbox.models import Endpoint
from mcp_platform.outbox.sinks.parcel import Outcome, Parcel

SECONDS = 5.0


def stream_of(tenant_id: UUID) -> str:
    return f"{settings.OUTBOX_STREAM_PREFIX}:{tenant_id}"


def send(endpoint: Endpoint, parcels: Sequence[Parcel]) -> list[Outcome]:
    """All in one pipeline. When it breaks nobody knows how many arrived, so all are sent again: consumers dedupe by id."""
    began = time.monotonic()
    stream = stream_of(endpoint.tenant_id)
    try:
        with _client(settings.OUTBOX_REDIS_URL).pipeline(transaction=False) as pipeline:
            for parcel in parcels:
                fields: dict[Any, Any] = {"id": str(parcel.event_id), "type": parcel.type, "key": parcel.key, "event": parcel.body}
                pipeline.xadd(stream, fields, maxlen=endpoint.stream_length, approximate=True)
            ids = pipeline.execute()
    except redis.RedisError as fault:
        return [Outcome(ok=False, error=f"Redis: {type(fault).__name__}", request=f"XADD {stream}", ms=_since(began)) for _ in parcels]
    return [Outcome(ok=True, answer=_text(found), request=f"XADD {stream}", ms=_since(began)) for found in ids]


@functools.lru_cache(maxsize=2)
def _client(url: str) -> "redis.Redis":
    found: redis.Redis = redis_urls.client(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
