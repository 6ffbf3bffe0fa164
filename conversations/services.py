"""What can be done with conversations. Every door enters here; rows change only in `turn` and below."""

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations import events, hearing, queries, sealed, store, turn
from conversations.errors import LockTimeout
from conversations.journal import begin_effect as begin_effect
from conversations.journal import deliver as deliver
from conversations.journal import give_up_effect as give_up_effect
from conversations.journal import perform_effect as perform_effect
from conversations.journal import recover_effects as recover_effects
from conversations.models import Conversation, Timer, Turn
from conversations.turn import Order, Result
from flows import queries as flows
from mcp_platform import departure, jobs, observability, pool, realtime
from mcp_platform.tenancy import access
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

LOOK_AGAIN_SECONDS = 5.0  # a push may be lost; the row is not
DEAF_SECONDS = 1.0
ATTEMPTS = 3
CLAIM_SECONDS = settings.TURN_LEASE_SECONDS
BATCH = 50
_START_MARK = UUID("5f0c9a2e-6f6b-4f0e-9f0a-1d8f3f0c7a11")


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

    Raises FlowNotFound, EnvironmentNotFound, MessageIdReused; Refused and HubAway where a security hub is set up.
    """
    environment_id = queries.environment_id(tenant, environment)
    chosen = queries.flow_to_start(tenant, environment_id, flow_id)
    access.require_flow(tenant, actor=actor, action="start", flow_id=chosen)
    request = {"type": "started", "flow_id": chosen, "inputs": dict(inputs or {}), "actor": actor}
    asked = (flow_id, environment, channel, user_ref, locale, inputs or {}, profile or {})
    row = store.Row(
        id=started_as(tenant, client_message_id) if client_message_id else uuid.uuid4(),
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


def started_as(tenant: Tenant, client_message_id: str) -> UUID:
    """The id of the conversation that a start with this message id makes, whether it has been made or not."""
    return uuid.uuid5(_START_MARK, f"{tenant.pk}|{client_message_id}")


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
        heard=None if defer else hearing.listen(tenant, conversation_id, content, afresh=bool(hints.get("bypass_cache"))),
    )
    return waited(tenant, turn.take(tenant, conversation_id, order), wait_seconds)


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
    """Keyed: who reads the row must not find out by trying which four digits were said."""
    return hmac.digest(settings.SECRET_KEY.encode(), json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), "sha256").hex()


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
        body="" if pending or row[1] is None else store.dump(sealed.opened(row[1])),
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
            if not result.pending or left <= 0 or departure.ending():
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


def _released(work: Any, *args: Any) -> Any:
    """Work, and then the connection back to the pool: who only waits must not keep one."""
    try:
        return work(*args)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def waited(tenant: Tenant, result: Result, seconds: float) -> Result:
    """`ended` for synchronous callers."""
    if not result.pending or seconds <= 0:
        return result

    async def here(work: Any, *args: Any) -> Any:
        return await sync_to_async(_released)(work, *args)  # comes back to this thread

    found: Result = async_to_sync(ended)(tenant, result, seconds, look_on=here)
    return found


def run_queued(tenant: Tenant, *, conversation_id: UUID) -> int:
    """Run the queued turns of a conversation in the order in which they arrived, until one waits for an effect; how many ran.

    Of several jobs for the same queue one runs it, the others leave at once.
    """
    observability.bind(conversation_id=conversation_id)
    count = idle = 0
    while idle < 2 and (turn_id := _claim_queued(conversation_id)):  # looked at twice: an effect may end while the claim is given back
        try:
            if hearing.costly(tenant):
                _listen_first(tenant, conversation_id, turn_id)
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


def _listen_first(tenant: Tenant, conversation_id: UUID, turn_id: UUID) -> None:
    request = Turn.objects.for_tenant(tenant).filter(pk=turn_id).values_list("request", flat=True).first()
    if request is not None:
        hearing.prepare(tenant, conversation_id, request)


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


_handed_over: dict[UUID, float] = {}


def recover_queues() -> int:
    """Queues that nobody drains, because a job was lost. Looked for by what this process has handed over itself, not by the times in the rows:
    a clock that is wrong wrote some of those. Two jobs for one queue do no harm."""
    now = time.monotonic()
    for conversation_id in [name for name, at in _handed_over.items() if now - at >= CLAIM_SECONDS]:
        del _handed_over[conversation_id]
    idle = Conversation.objects.filter(queued__gt=0, awaiting="").exclude(pk__in=list(_handed_over)).order_by("updated_at")
    for conversation_id, tenant_id in list(idle.values_list("pk", "tenant_id")[:BATCH]):
        _handed_over[conversation_id] = now
        jobs.enqueue("conversations.run_queued", tenant_id=str(tenant_id), conversation_id=str(conversation_id))
    return 0


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
        spent = [timer for timer in found if timer.attempts >= ATTEMPTS]
        Timer.objects.filter(pk__in=[timer.pk for timer in spent]).update(status=Timer.Status.DEAD, claimed_at=Now())
        Timer.objects.filter(pk__in=[timer.pk for timer in found if timer.attempts < ATTEMPTS]).update(status=Timer.Status.CLAIMED, claimed_at=Now())
        for timer in found:
            if timer in spent:
                _hand_over("conversations.bury_timer", timer)
            else:
                _hand_over("conversations.fire_timer", timer, attempt=timer.attempts)
    return len(found)


def _hand_over(job: str, timer: Timer, **more: int) -> None:
    jobs.enqueue(job, tenant_id=str(timer.tenant_id), conversation_id=str(timer.conversation_id), token=timer.token, **more)


def fire_timer(tenant: Tenant, *, conversation_id: UUID, token: str, attempt: int) -> Result | None:
    """The turn of a due timer; None when it was cancelled, has fired, or somebody else has made this `attempt` (they are numbered from 0).

    An attempt is taken before the turn and outside its transaction, so that a timer which kills its worker is counted too; and by number, so that
    a job which the broker hands over twice counts once. An attempt that came to nothing is followed by the next one when its claim is forgotten.
    """
    observability.bind(conversation_id=conversation_id)
    mine = Timer.objects.for_tenant(tenant).filter(token=token, status__in=(Timer.Status.PENDING, Timer.Status.CLAIMED), attempts=attempt)
    if not mine.update(attempts=attempt + 1):
        return None
    return turn.fire(tenant, conversation_id, token)


def bury_timer(tenant: Tenant, *, conversation_id: UUID, token: str) -> None:
    """A dead timer becomes a dead turn, so that an operator sees it and its user is told."""
    turn.bury_timer(tenant, conversation_id, token)
    Timer.objects.for_tenant(tenant).filter(token=token, status=Timer.Status.DEAD).update(claimed_at=None)


def bury_timers() -> int:
    """Dead timers that have no turn yet, because the job was lost."""
    forgotten = Timer.objects.filter(status=Timer.Status.DEAD, claimed_at__lt=Now() - timedelta(seconds=CLAIM_SECONDS))
    for timer in list(forgotten[:BATCH]):
        _hand_over("conversations.bury_timer", timer)
    return 0


def count_active() -> None:
    """Set the gauge of conversations that have not ended, by tenant."""
    for tenant_id, count in queries.active_counts().items():
        observability.ACTIVE_CONVERSATIONS.labels(observability.bounded(str(tenant_id), "tenants")).set(count)
