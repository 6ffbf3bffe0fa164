"""The jobs and sweeps of conversations. Rows are the truth: a job that is lost is found again by a sweep, one that comes twice does nothing."""

from uuid import UUID

from conversations import services
from mcp_platform import jobs
from mcp_platform.tenancy.models import Tenant


@jobs.task("conversations.perform_effect")
def perform_effect(*, tenant_id: str, effect_id: str, attempt: int) -> None:
    services.perform_effect(_tenant(tenant_id), effect_id=UUID(effect_id), attempt=attempt)


@jobs.task("conversations.give_up_effect")
def give_up_effect(*, tenant_id: str, effect_id: str, attempt: int) -> None:
    services.give_up_effect(_tenant(tenant_id), effect_id=UUID(effect_id), attempt=attempt)


@jobs.task("conversations.run_queued")
def run_queued(*, tenant_id: str, conversation_id: str) -> None:
    services.run_queued(_tenant(tenant_id), conversation_id=UUID(conversation_id))


@jobs.task("conversations.fire_timer")
def fire_timer(*, tenant_id: str, conversation_id: str, token: str) -> None:
    services.fire_timer(_tenant(tenant_id), conversation_id=UUID(conversation_id), token=token)


def _tenant(tenant_id: str) -> Tenant:
    return Tenant.objects.get(pk=tenant_id)


@jobs.sweep(every_seconds=0.25, name="conversations.timers")
def claim_timers() -> int:
    return services.claim_timers()


@jobs.sweep(every_seconds=1.0, name="conversations.effects")
def recover_effects() -> int:
    return services.recover_effects()


@jobs.sweep(every_seconds=5.0, name="conversations.queues")
def recover_queues() -> int:
    return services.recover_queues()
