"""What can be done with conversations. Every door enters here; rows change only in `turn` and below."""

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from conversations import effects, events, hearing, pool, queries, store, turn
from conversations.core import codec
from conversations.core.types import Outcome
from conversations.errors import LockTimeout
from conversations.models import Conversation, Effect, Timer, Turn
from conversations.turn import GRACE, Order, Result
from flows import queries as flows
from mcp_platform import jobs, observability, realtime
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

LOOK_AGAIN_SECONDS = 5.0  # a push may be lost; the row is not
DEAF_SECONDS = 1.0
ATTEMPTS = 3
CLAIM_SECONDS = 30
BATCH = 50
_START_MARK = UUID("5f0c9a2e-6f6b-4f0e-9f0a-1d8f3f0c7a11")

# ── talking ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def start(
    tenant: Tenant,
    *,
    flow_id: str,
    environment: str = "",
    channel: str = "web",
    user_ref: str = "",
    locale: str = "en",
    inputs: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    client_message_id: str = "",
    actor: str = "system",
    wait_seconds: float = 0,
) -> Result:
    """Start a conversation; its first turn runs at once. The same `client_message_id` gives the same conversation again.

    Raises FlowNotFound, EnvironmentNotFound, MessageIdReused.
    """
    environment_id = queries.environment_id(tenant, environment)
    chosen = queries.flow_to_start(tenant, environment_id, flow_id)
    request = {"type": "started", "flow_id": chosen, "inputs": dict(inputs or {}), "actor": actor}
    asked = (flow_id, environment, channel, user_ref, locale, inputs or {}, profile or {})
    row = store.Row(
        id=uuid.uuid5(_START_MARK, f"{tenant.pk}|{client_message_id}") if client_message_id else uuid.uuid4(),
        tenant_id=tenant.pk,
        environment_id=environment_id,
        version_id=flows.current_versions(tenant, environment_id)[chosen],
        flow_key=chosen,
        channel=channel,
        user_ref=user_ref,
        locale=locale,
        status="active",
        snapshot=store.dump({"locale": locale, "channel": channel, "profile": dict(profile or {})}),
        awaiting="",
        rev=0,
        next_turn=1,
        last_seq=0,
        queued=0,
    )
    order = Order(kind=Turn.Kind.START, client_message_id=client_message_id or "server:start", request=request, sha256=_digest(asked))
    birth = store.Birth(environment_id=environment_id, channel=channel, user_ref=user_ref)
    observability.bind(conversation_id=row.id)
    return waited(tenant, turn.begin(tenant, birth, row, order, may_exist=bool(client_message_id)), wait_seconds)


def process_message(
    tenant: Tenant,
    *,
    conversation_id: UUID,
    content: Mapping[str, Any],
    client_message_id: str = "",
    user_id: str = "",
    channel: str = "",
    metadata: Mapping[str, Any] | None = None,
    hints: Mapping[str, Any] | None = None,
    wait_seconds: float = 0,
    defer: bool = False,
) -> Result:
    """One message, exactly once per `client_message_id`. `content` is checked by the door (docs/protocol/rest.md).

    `defer`: only accept it; a worker runs it. The result is pending when the turn waits for an effect or behind others and has not ended
    after `wait_seconds`. Raises ConversationNotFound, ConversationEnded, MessageIdReused, LockTimeout, FlowNotFound.
    """
    observability.bind(conversation_id=conversation_id)
    hints = hints or {}
    request: dict[str, Any] = {"type": "message", "content": content}
    extras = {"user_id": user_id, "channel": channel, "metadata": metadata, "hints": hints}
    request.update({name: value for name, value in extras.items() if value})
    order = Order(
        kind=Turn.Kind.COMMAND if content.get("type") == "command" else Turn.Kind.MESSAGE,
        client_message_id=client_message_id or f"server:{uuid.uuid4()}",
        request=request,
        sha256=_digest(request),
        defer=defer,
        force_flow=hints.get("force_flow") or "",
        heard=None if defer or hints.get("bypass_cache") else hearing.listen(conversation_id, content),
    )
    return waited(tenant, turn.take(tenant, conversation_id, order), wait_seconds)


def send_command(tenant: Tenant, *, conversation_id: UUID, name: str, client_message_id: str = "", wait_seconds: float = 0) -> Result:
    """restart | stop | human | help | cancel | repeat, or resume after a handover."""
    return process_message(
        tenant,
        conversation_id=conversation_id,
        content={"type": "command", "text": name},
        client_message_id=client_message_id,
        wait_seconds=wait_seconds,
    )


def reset(tenant: Tenant, *, conversation_id: UUID, client_message_id: str = "", actor: str = "system") -> Result:
    """Start the conversation's flow from its beginning, at once; a turn that waits for an effect is given up. Raises ConversationNotFound."""
    observability.bind(conversation_id=conversation_id)
    order = Order(
        kind=Turn.Kind.COMMAND,
        client_message_id=client_message_id or f"server:{uuid.uuid4()}",
        request={"type": "reset", "actor": actor},
        sha256=_digest(["reset"]),
    )
    return turn.take(tenant, conversation_id, order)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# ── waiting for a turn ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def look(tenant: Tenant, result: Result) -> Result:
    """The same turn as it stands now."""
    row = Turn.objects.for_tenant(tenant).filter(pk=result.turn_id).values_list("status", "reply").first()
    if row is None:
        return result
    pending = row[0] in (Turn.Status.QUEUED, Turn.Status.RUNNING)
    return Result(
        conversation_id=result.conversation_id,
        turn_id=result.turn_id,
        number=result.number,
        status=row[0],
        body="" if pending or row[1] is None else store.dump(row[1]),
        replayed=result.replayed,
    )


async def ended(tenant: Tenant, result: Result, seconds: float, *, look_on: Any = pool.run) -> Result:
    """Wait for the end of a pending turn, told by its group; still pending after `seconds`. `look_on` runs the look at the row."""
    until = time.monotonic() + seconds
    async with AsyncExitStack() as stack:
        told = await _listening(stack, result)
        while True:
            result = await look_on(look, tenant, result)
            left = until - time.monotonic()
            if not result.pending or left <= 0:
                return result
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_AGAIN_SECONDS)):
                    await told()


async def _listening(stack: AsyncExitStack, result: Result) -> Callable[[], Awaitable[Any]]:
    """What to wait for between two looks: the turn's group, or a short while when there is no layer that could tell."""
    try:
        receive: Callable[[], Awaitable[Any]] = await stack.enter_async_context(realtime.listening(events.turn_group(result.turn_id)))
    except Exception as fault:  # noqa: BLE001  each layer has its own errors; the turn goes on without pushes
        log.warning("listening_failed", fault=repr(fault))
        return lambda: asyncio.sleep(DEAF_SECONDS)
    return receive


def waited(tenant: Tenant, result: Result, seconds: float) -> Result:
    """`ended` for synchronous callers."""
    if not result.pending or seconds <= 0:
        return result

    async def here(work: Any, *args: Any) -> Any:
        return await sync_to_async(work)(*args)  # comes back to this thread, and so to its connection

    found: Result = async_to_sync(ended)(tenant, result, seconds, look_on=here)
    return found


# ── blocking effects ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def perform_effect(tenant: Tenant, *, effect_id: UUID, attempt: int) -> None:
    """Make the call and bring its outcome home. Of several jobs for the same attempt only one makes it."""
    effect = Effect.objects.for_tenant(tenant).filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt).first()
    if effect is None:
        return
    deadline = Now() + (timedelta(milliseconds=int(effect.request.get("timeout_ms") or 0)) + GRACE)
    claimed = Effect.objects.filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt).update(attempts=attempt + 1, deadline=deadline)
    if not claimed:
        return
    observability.bind(conversation_id=effect.conversation_id)
    outcome = effects.call(tenant, effect.integration_id, effect.request, idempotency_key=effect.idempotency_key)
    deliver(tenant, effect_id=effect_id, outcome=outcome)


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
    """Hand effects whose worker has died to another, by the clock of the database. Repeatable calls are made again under the same key, others
    end as unknown_outcome."""
    overdue = Effect.objects.filter(status=Effect.Status.STARTED, deadline__lt=Now()).order_by("deadline")
    found = list(overdue[:BATCH])
    for effect in found:
        _recover(effect)
    return len(found)


def _recover(effect: Effect) -> None:
    mine = Effect.objects.filter(pk=effect.pk, status=Effect.Status.STARTED, attempts=effect.attempts, deadline=effect.deadline)
    if not mine.update(deadline=Now() + GRACE):  # a job that is lost is found again then
        return
    log.warning("effect_recovered", effect_id=str(effect.pk), attempts=effect.attempts, integration_id=effect.integration_id)
    never_sent = effect.attempts == 0
    again = effect.attempts < ATTEMPTS and (never_sent or effects.may_repeat(effect.request))
    job = "conversations.perform_effect" if again else "conversations.give_up_effect"
    jobs.enqueue(job, tenant_id=str(effect.tenant_id), effect_id=str(effect.pk), attempt=effect.attempts)


def give_up_effect(tenant: Tenant, *, effect_id: UUID, attempt: int) -> Result | None:
    """Bring home that a call has failed, or that nobody knows whether it has happened; None when the effect has moved on."""
    found = Effect.objects.for_tenant(tenant).filter(pk=effect_id, status=Effect.Status.STARTED, attempts=attempt).first()
    if found is None:
        return None
    observability.bind(conversation_id=found.conversation_id)
    if attempt >= ATTEMPTS:
        outcome = Outcome(success=False, code="INTEGRATION_ERROR", error="given up after three attempts", retries=attempt - 1)
        return deliver(tenant, effect_id=effect_id, outcome=outcome, dead=True)
    outcome = Outcome(success=False, code="unknown_outcome", error="nobody knows whether the call has happened")
    return deliver(tenant, effect_id=effect_id, outcome=outcome, status=Effect.Status.UNKNOWN)


# ── queued turns ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def run_queued(tenant: Tenant, *, conversation_id: UUID) -> int:
    """Run the queued turns of a conversation in the order in which they arrived, until one waits for an effect; how many ran.

    Of several jobs for the same queue one runs it, the others leave at once.
    """
    observability.bind(conversation_id=conversation_id)
    count = idle = 0
    while idle < 2 and (turn_id := _claim_queued(conversation_id)):  # looked at twice: an effect may end while the claim is given back
        try:
            ran = turn.run_queued(tenant, conversation_id, turn_id)
        except LockTimeout:
            _unclaim(turn_id)
            raise
        if ran:
            count += 1
        else:
            idle += 1
            _unclaim(turn_id)
    return count


def _claim_queued(conversation_id: UUID) -> UUID | None:
    """The turn that is next, when nobody is at it. Counted before it runs and outside its transaction: a turn that kills its worker is counted
    too, and taken up again when the claim is old."""
    first = Turn.objects.filter(conversation_id=conversation_id, status=Turn.Status.QUEUED, conversation__awaiting="").order_by("number")
    found = first.values_list("pk", flat=True).first()
    if found is None:
        return None
    free = Q(claimed_at=None) | Q(claimed_at__lt=Now() - timedelta(seconds=CLAIM_SECONDS))
    mine = Turn.objects.filter(free, pk=found, status=Turn.Status.QUEUED)
    return found if mine.update(attempts=F("attempts") + 1, claimed_at=Now()) else None


def _unclaim(turn_id: UUID) -> None:
    """It has not run, and that was not its fault."""
    Turn.objects.filter(pk=turn_id, status=Turn.Status.QUEUED).update(attempts=F("attempts") - 1, claimed_at=None)


def recover_queues() -> int:
    """Queues that nobody drains, because a job was lost."""
    idle = Conversation.objects.filter(queued__gt=0, awaiting="", updated_at__lt=timezone.now() - timedelta(seconds=CLAIM_SECONDS))
    for conversation_id, tenant_id in list(idle.values_list("pk", "tenant_id")[:BATCH]):
        if Conversation.objects.filter(pk=conversation_id, queued__gt=0).update(updated_at=timezone.now()):
            jobs.enqueue("conversations.run_queued", tenant_id=str(tenant_id), conversation_id=str(conversation_id))
    return 0


# ── timers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim_timers() -> int:
    """Hand due timers to workers, each to one: by the clock of the database, whatever this process thinks the time is.

    A claim is no attempt: while the broker is away or the workers are behind, timers are claimed again and again, and fire late.
    """
    forgotten = Q(status=Timer.Status.CLAIMED, claimed_at__lt=Now() - timedelta(seconds=CLAIM_SECONDS))
    due = Timer.objects.filter(Q(status=Timer.Status.PENDING) | forgotten, due_at__lte=Now())
    if not due.exists():  # nothing is written while nothing is due
        return 0
    with transaction.atomic():
        found = list(due.select_for_update(skip_locked=True).order_by("due_at")[:BATCH])
        spent = [timer.pk for timer in found if timer.attempts >= ATTEMPTS]
        Timer.objects.filter(pk__in=spent).update(status=Timer.Status.DEAD)
        Timer.objects.filter(pk__in=[timer.pk for timer in found if timer.attempts < ATTEMPTS]).update(status=Timer.Status.CLAIMED, claimed_at=Now())
        for timer in found:
            if timer.attempts < ATTEMPTS:
                jobs.enqueue(
                    "conversations.fire_timer", tenant_id=str(timer.tenant_id), conversation_id=str(timer.conversation_id), token=timer.token
                )
    return len(found)


def fire_timer(tenant: Tenant, *, conversation_id: UUID, token: str) -> Result | None:
    """The turn of a due timer; None when it was cancelled or has fired."""
    observability.bind(conversation_id=conversation_id)
    # Counted before it fires and outside its transaction: a timer that kills its worker is counted too.
    Timer.objects.for_tenant(tenant).filter(token=token, status=Timer.Status.CLAIMED).update(attempts=F("attempts") + 1)
    return turn.fire(tenant, conversation_id, token)


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def count_active() -> None:
    """Set the gauge of conversations that have not ended, by tenant."""
    for tenant_id, count in queries.active_counts().items():
        observability.ACTIVE_CONVERSATIONS.labels(observability.bounded(str(tenant_id), "tenants")).set(count)
