"""The ways out. Each takes the events of one claim in order and says of each what became of it; nobody here touches rows."""

from collections.abc import Callable, Mapping, Sequence

from mcp_platform.outbox.models import Endpoint
from mcp_platform.outbox.sinks import kafka, redis_streams, webhook
from mcp_platform.outbox.sinks.parcel import Outcome, Parcel

Sink = Callable[[Endpoint, Sequence[Parcel]], list[Outcome]]

SINKS: Mapping[str, Sink] = {
    Endpoint.Kind.WEBHOOK: webhook.send,
    Endpoint.Kind.ANALYTICS: webhook.send,
    Endpoint.Kind.REDIS: redis_streams.send,
    Endpoint.Kind.KAFKA: kafka.send,
}
# How many events one claim takes: one request carries one event, a pipeline many.
BATCH: Mapping[str, int] = {
    Endpoint.Kind.WEBHOOK: 1,
    Endpoint.Kind.ANALYTICS: 1,
    Endpoint.Kind.REDIS: 200,
    Endpoint.Kind.KAFKA: 200,
}

__all__ = ["BATCH", "SINKS", "Outcome", "Parcel", "Sink"]
