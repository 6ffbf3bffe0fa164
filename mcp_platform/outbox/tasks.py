"""The relay and the broom, in every worker."""

from mcp_platform import jobs
from mcp_platform.outbox import relay, services


@jobs.sweep(every_seconds=0.25, name="outbox.relay")
def relay_events() -> int:
    return relay.sweep()


@jobs.sweep(every_seconds=600, name="outbox.prune")
def prune() -> int:
    return services.prune()
