"""The journal of blocking effects: each is performed in a lane of its own, tried again where that is allowed, brought home once, and recovered
after a crash. The rows decide: a job that is lost is found again, one that comes twice does nothing.

An effect waits (`attempts` equals `tries`) until a worker takes it up. A try that is to be repeated goes back to waiting, due at `due_at`.
"""

import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from conversations import effects, sealed, turn
from conversations.core import codec
from conversations.core.types import Outcome
from conversations.errors import LockTimeout
from conversations.models import Effect
from conversations.turn import GRACE, Result
from flows.models import Integration
from mcp_platform import jobs, observability
from mcp_platform.lanes import lanes
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

ATTEMPTS = 3  # how often a worker may die in one call
BATCH = 50
LONGEST_NAP_MS = 1_000  # a longer pause gives the lane back
WAITING = Q(status=Effect.Status.STARTED, attempts=F("tries"))


def begin_effect(tenant: Tenant, *, effect_id: UUID, attempt: int) -> None:
    """Perform the effect in a lane; when the tenant has none free, it waits where it is until one is."""
    rows = Effect.objects.for_tenant(tenant).filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt)
    integration_id = rows.values_list("integration_id", flat=True).first()
    if integration_id is not None:
        _offer(tenant, effect_id, attempt, integration_id)


def _offer(tenant: Tenant, effect_id: UUID, attempt: int, integration_id: str) -> None:
    work = partial(perform_effect, tenant, effect_id=effect_id, attempt=attempt)
    lanes().offer(str(tenant.pk), integration_id, work, partial(_begin_waiting, tenant))


def _begin_waiting(tenant: Tenant) -> None:
    """A lane is free: take up what has waited longest."""
    with scope.tenant_scope(tenant), observability.correlated(tenant_id=str(tenant.pk)):
        due = Q(due_at=None) | Q(due_at__lte=Now())
        rows = Effect.objects.for_tenant(tenant).filter(WAITING, due).exclude(integration_id__in=lanes().full(str(tenant.pk)))
        found = rows.order_by("created_at").values_list("pk", "attempts", "integration_id")
        for effect_id, attempt, integration_id in list(found[: settings.INTEGRATION_CALLS_PER_TENANT]):
            _offer(tenant, effect_id, attempt, integration_id)


def perform_effect(tenant: Tenant, *, effect_id: UUID, attempt: int) -> None:
    """Make the call, again after a short pause where its policy says so, and bring the outcome home. Of several jobs for the same attempt only
    one makes it; a longer pause is left to the sweep."""
    while (effect := _claimed(tenant, effect_id, attempt)) is not None:
        observability.bind(conversation_id=effect.conversation_id)
        heard = effects.attempt(tenant, effect.integration_id, sealed.opened(effect.request), idempotency_key=effect.idempotency_key)
        pause = _pause(tenant, effect, heard)
        if pause is None or not _put_back(tenant, effect, pause):
            deliver(tenant, effect_id=effect_id, outcome=replace(heard.outcome, retries=heard.outcome.retries + effect.tries))
            return
        log.info("call_repeated", integration_id=effect.integration_id, tries=effect.tries + 1, pause_ms=pause, why=heard.outcome.code)
        if pause > LONGEST_NAP_MS:
            return
        time.sleep(pause / 1000)
        attempt += 1


def _claimed(tenant: Tenant, effect_id: UUID, attempt: int) -> Effect | None:
    rows = Effect.objects.for_tenant(tenant).filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt)
    effect: Effect | None = rows.first()
    if effect is None:
        return None
    deadline = Now() + (timedelta(milliseconds=int(effect.request.get("timeout_ms") or 0)) + GRACE)
    mine = rows.update(attempts=attempt + 1, deadline=deadline, due_at=None, begun_at=Coalesce("begun_at", Now()))
    effect.attempts = attempt + 1
    return effect if mine else None


def _pause(tenant: Tenant, effect: Effect, heard: effects.Heard) -> int | None:
    if not heard.again:
        return None
    integration = effects.integration_of(tenant, effect.integration_id)
    policy, repeatable = effects.policy_of(integration, effect.request), effects.may_repeat(integration, effect.request)
    return effects.pause_ms(policy, heard, tries=effect.tries + 1, repeatable=repeatable)


def _put_back(tenant: Tenant, effect: Effect, pause_ms: int) -> bool:
    """Into waiting until the pause is over; False when its time would be over by then, or it was discarded."""
    pause = timedelta(milliseconds=pause_ms)
    within = timedelta(milliseconds=effects.policy_of(effects.integration_of(tenant, effect.integration_id), effect.request).within_ms)
    mine = Effect.objects.filter(pk=effect.pk, status=Effect.Status.STARTED, attempts=effect.attempts, begun_at__gt=Now() - (within - pause))
    return bool(mine.update(tries=F("tries") + 1, due_at=Now() + pause, deadline=Now() + (pause + GRACE)))


def deliver(tenant: Tenant, *, effect_id: UUID, outcome: Outcome, status: str = "", dead: bool = False) -> Result | None:
    """The outcome of an effect enters its turn; None when nobody waits for it any more."""
    chosen = status or (Effect.Status.SUCCEEDED if outcome.success else Effect.Status.FAILED)
    for last in (False, False, True):  # a busy conversation must not cost an answer that cannot be asked for twice
        try:
            return turn.deliver(tenant, effect_id, chosen, codec.outcome_to_json(outcome), dead=dead)
        except LockTimeout:
            if last:
                raise
    return None


def recover_effects() -> int:
    """Hand over effects that are due again, and those whose worker has died, by the clock of the database. Repeatable calls are made again under
    the same key, others end as unknown_outcome."""
    due = list(Effect.objects.filter(status=Effect.Status.STARTED, due_at__lte=Now()).order_by("due_at")[:BATCH])
    for effect in due:
        mine = Effect.objects.filter(WAITING, pk=effect.pk, attempts=effect.attempts, due_at=effect.due_at)
        if mine.update(due_at=None, deadline=Now() + GRACE):
            _hand_over("conversations.perform_effect", effect)
    overdue = Effect.objects.filter(status=Effect.Status.STARTED, deadline__lt=Now()).order_by("deadline")
    found = list(overdue[:BATCH])
    for effect in found:
        _recover(effect)
    return len(due) + len(found)


def _recover(effect: Effect) -> None:
    mine = Effect.objects.filter(pk=effect.pk, status=Effect.Status.STARTED, attempts=effect.attempts, deadline=effect.deadline)
    if not mine.update(deadline=Now() + GRACE):  # a job that is lost is found again then
        return
    crashes = effect.attempts - effect.tries
    log.warning("effect_recovered", effect_id=str(effect.pk), crashes=crashes, integration_id=effect.integration_id)
    again = crashes < ATTEMPTS and (not crashes or _may_repeat(effect))
    _hand_over("conversations.perform_effect" if again else "conversations.give_up_effect", effect)


def _may_repeat(effect: Effect) -> bool:
    integration = Integration.objects.for_tenant(effect.tenant_id).filter(integration_id=effect.integration_id).first()
    return effects.may_repeat(integration, effect.request)


def _hand_over(job: str, effect: Effect) -> None:
    jobs.enqueue(job, tenant_id=str(effect.tenant_id), effect_id=str(effect.pk), attempt=effect.attempts)


def give_up_effect(tenant: Tenant, *, effect_id: UUID, attempt: int) -> Result | None:
    """Bring home that a call has failed, or that nobody knows whether it has happened; None when the effect has moved on."""
    found = Effect.objects.for_tenant(tenant).filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt).first()
    if found is None:
        return None
    observability.bind(conversation_id=found.conversation_id)
    crashes, calls = attempt - found.tries, ATTEMPTS if _may_repeat(found) else 1
    # Counted before it is brought home and outside that transaction: an outcome that kills who brings it is counted too.
    mine = Effect.objects.filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt)
    if not mine.update(attempts=attempt + 1, deadline=Now() + GRACE):
        return None
    dead = calls > 1
    if dead:
        outcome = Outcome(success=False, code="INTEGRATION_ERROR", error="given up after three attempts", retries=attempt - 1)
    else:
        outcome = Outcome(success=False, code="unknown_outcome", error="nobody knows whether the call has happened")
    status = Effect.Status.FAILED if dead else Effect.Status.UNKNOWN
    if crashes >= max(calls + 2, ATTEMPTS):
        turn.bury_effect(tenant, effect_id, status, codec.outcome_to_json(outcome))
        return None
    try:
        return deliver(tenant, effect_id=effect_id, outcome=outcome, status=status, dead=dead)
    except LockTimeout:
        Effect.objects.filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt + 1).update(attempts=attempt)  # that was not its fault
        raise
