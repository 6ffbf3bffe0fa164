"""The jobs and sweeps of conversations. Rows are the truth: a job that is lost is found again by a sweep, one that comes twice does nothing."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from conversations import handoff, replays, services, shadows, understanding, versions
from flows.services import following
from mcp_platform import jobs
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant


@jobs.task("conversations.perform_effect")
def perform_effect(*, tenant_id: str, effect_id: str, attempt: int) -> None:
    """In a worker the call gets a lane of its own, and this job ends at once; called like a function, it ends with the call."""
    perform = services.begin_effect if jobs.in_worker() else services.perform_effect
    perform(_tenant(tenant_id), effect_id=UUID(effect_id), attempt=attempt)


@jobs.task("conversations.give_up_effect")
def give_up_effect(*, tenant_id: str, effect_id: str, attempt: int) -> None:
    services.give_up_effect(_tenant(tenant_id), effect_id=UUID(effect_id), attempt=attempt)


@jobs.task("conversations.run_queued")
def run_queued(*, tenant_id: str, conversation_id: str) -> None:
    services.run_queued(_tenant(tenant_id), conversation_id=UUID(conversation_id))


@jobs.task("conversations.fire_timer")
def fire_timer(*, tenant_id: str, conversation_id: str, token: str, attempt: int) -> None:
    services.fire_timer(_tenant(tenant_id), conversation_id=UUID(conversation_id), token=token, attempt=attempt)


@jobs.task("conversations.bury_timer")
def bury_timer(*, tenant_id: str, conversation_id: str, token: str) -> None:
    services.bury_timer(_tenant(tenant_id), conversation_id=UUID(conversation_id), token=token)


def _plan_page(row: Operation) -> str:
    return reverse("admin:conversations_migrationplan_change", args=(row.arguments["plan"],))


@operations.kind("conversations.dry_run_plan", reads="flows:read", opens=_plan_page)
def dry_run_plan(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return versions.run_dry(tenant, UUID(arguments["plan"]), progress)


@operations.kind("conversations.apply_plan", reads="flows:read", opens=_plan_page)
def apply_plan(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return versions.run_apply(tenant, UUID(arguments["plan"]), progress, run=arguments["run"])


@operations.kind("conversations.revert_plan", reads="flows:read", opens=_plan_page)
def revert_plan(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return versions.run_revert(tenant, UUID(arguments["plan"]), progress, run=arguments["run"], inverse=arguments["inverse"])


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


@jobs.sweep(every_seconds=15.0, name="conversations.dead_timers")
def bury_timers() -> int:
    return services.bury_timers()


@jobs.task("conversations.give_up_handoff")
def give_up_handoff(*, tenant_id: str, handoff_id: str) -> None:
    handoff.give_up(_tenant(tenant_id), handoff_id=UUID(handoff_id))


@jobs.sweep(every_seconds=1.0, name="conversations.handoffs")
def claim_unanswered() -> int:
    return handoff.claim_unanswered()


@operations.kind(replays.KIND, opens=lambda row: reverse("admin:conversations_replay_change", args=(row.arguments["replay_id"],)))
def replay(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return replays.work(tenant, arguments, progress)


@jobs.sweep(every_seconds=30.0, name="conversations.drains")
def end_drains() -> int:
    return versions.start_due()


following(versions.follow)


@jobs.task("conversations.version_published")
def version_published(*, tenant_id: str, version_id: str) -> None:
    understanding.follow_publish(_tenant(tenant_id), version_id=UUID(version_id))


@jobs.task("conversations.shadow_turn")
def shadow_turn(*, tenant_id: str, turn_id: str) -> None:
    """A lost one is a comparison less."""
    shadows.compare(_tenant(tenant_id), turn_id=UUID(turn_id))


@jobs.sweep(every_seconds=60.0, name="conversations.untrained")
def train_forgotten() -> int:
    understanding.train_forgotten()
    return 0


def _model_page(row: Operation) -> str:
    return reverse("admin:ml_modelversion_change", args=(row.result["model"],)) if row.result else ""


@operations.kind(understanding.KIND, reads="models:read", opens=_model_page)
def train_intents(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return understanding.train(tenant, arguments, progress)
