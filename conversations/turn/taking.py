"""Who may run when: duplicates, the queue behind a blocking effect, new sessions, and outcomes that come home.

A message to a conversation that only waits for one needs no lock (`_take_unlocked`). Else arrival order is the order of the row lock. While a
turn waits for an effect, later turns are stored as `queued` and run in that order when it has ended: never dropped, never at the same time.
No transaction is open during a call to the outside.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from conversations import errors, events, queries, sealed, store
from conversations.core import codec, fold
from conversations.core.types import Event, Returned, Snapshot, Status
from conversations.models import Effect, Timer, Turn
from conversations.turn import moving, step, ways
from conversations.turn.step import UNREADABLE, ContextLost, Order, Pending, Ran, Result, fresh
from mcp_platform import jobs, observability
from mcp_platform.errors import PlatformError
from mcp_platform.sealing import SealBroken
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)
T = TypeVar("T")


def take(tenant: Tenant, conversation_id: UUID, order: Order) -> Result:
    """Run a message or command, or queue it. Raises ConversationNotFound, ConversationEnded, MessageIdReused, LockTimeout."""

    def work(ran: list[Ran]) -> Result:
        return _take(tenant, conversation_id, order, ran)

    quick = _unlocked(tenant, lambda ran: _take_unlocked(tenant, conversation_id, order, ran)) if store.one_statement() else None
    return quick or _counted(tenant, work)


def begin(tenant: Tenant, birth: store.Birth, row: store.Row, order: Order, *, may_exist: bool) -> Result:
    """Start a conversation. `may_exist`: the caller's own message id made the conversation's id, so a retry finds it. When the transaction is
    repeated it may exist as well: what was lost may be no more than the answer to COMMIT."""
    look = may_exist

    def work(ran: list[Ran]) -> Result:
        nonlocal look
        held = store.lock(tenant.pk, row.id, order.client_message_id) if look else None
        look = True
        if held is not None:
            return _again(held, order)
        return step.run(tenant, row, fresh(row, order), ran, birth=birth)

    quick = _unlocked(tenant, lambda ran: step.run(tenant, row, fresh(row, order), ran, birth=birth)) if store.one_statement() else None
    return quick or _counted(tenant, work)


def fire(tenant: Tenant, conversation_id: UUID, token: str) -> Result | None:
    """Run or queue the turn of a due timer; None when it was cancelled or has fired already."""
    order = Order(kind=Turn.Kind.TIMER, client_message_id=f"timer:{token}", request={"type": "timer_fired", "token": token}, sha256="")

    def work(ran: list[Ran]) -> Result | None:
        if store.lock(tenant.pk, conversation_id, "") is None:  # before the timer's row: turns lock in this order too
            return None
        open_ = (Timer.Status.PENDING, Timer.Status.CLAIMED)
        if not Timer.objects.for_tenant(tenant).filter(token=token, status__in=open_).update(status=Timer.Status.FIRED):
            return None
        return _take(tenant, conversation_id, order, ran)

    return _counted(tenant, work)


def deliver(tenant: Tenant, effect_pk: UUID, status: str, result: Mapping[str, Any], *, dead: bool = False) -> Result | None:
    """The outcome of a blocking effect enters its turn; None when the effect has ended already or nobody waits for it any more."""

    def work(ran: list[Ran]) -> Result | None:
        return _deliver(tenant, effect_pk, status, result, dead, ran)

    return _counted(tenant, work)


def bury_timer(tenant: Tenant, conversation_id: UUID, token: str) -> None:
    """The turn of a timer whose workers died: it says so, and runs nothing."""
    order = Order(kind=Turn.Kind.TIMER, client_message_id=f"timer:{token}", request={"type": "timer_fired", "token": token}, sha256="")

    def work(_: list[Ran]) -> None:
        row = store.lock(tenant.pk, conversation_id, order.client_message_id)
        if row is not None and row.turn is None:
            _bury(row, fresh(row, order), errors.GivenUp(), Turn.Status.DEAD)

    _counted(tenant, work)


def bury_effect(tenant: Tenant, effect_pk: UUID, status: str, result: Mapping[str, Any]) -> None:
    """End the turn of an effect whose outcome kills who brings it home: the flow does not hear of it, the user gets an apology."""

    def work(_: list[Ran]) -> None:
        effect = Effect.objects.for_tenant(tenant).filter(pk=effect_pk).first()
        row = store.lock(tenant.pk, effect.conversation_id, "") if effect else None
        mine = Effect.objects.filter(pk=effect_pk, status=Effect.Status.STARTED)
        if effect is None or row is None or not mine.update(status=status, result=result, finished_at=timezone.now()):
            return
        if row.awaiting == effect.effect_id:
            _bury(row, _stored(Turn.objects.get(pk=effect.turn_id)), errors.GivenUp(), Turn.Status.DEAD, turn_only=False)
        if row.queued:
            jobs.enqueue("conversations.run_queued", tenant_id=str(row.tenant_id), conversation_id=str(row.id))

    _counted(tenant, work)


def run_queued(tenant: Tenant, conversation_id: UUID, turn_id: UUID) -> bool:
    """Run the turn that has waited longest; False when that is another one, or the conversation waits for an effect."""

    def work(ran: list[Ran]) -> bool:
        return _run_queued(tenant, conversation_id, turn_id, ran)

    return _counted(tenant, work)


def move(tenant: Tenant, conversation_ids: Sequence[UUID], way: ways.Way) -> list[moving.Outcome]:
    """Move these conversations to another version, unless this run has done so: all in one transaction, which makes a commit cheap and holds
    their locks until it ends, so name few. Give them in order of id: two jobs that lock the same ones must not meet crosswise. Raises LockTimeout."""

    def work(ran: list[Ran]) -> list[moving.Outcome]:
        return [moving.move(tenant, one, way, ran) for one in conversation_ids]

    return _counted(tenant, work)


def expire(tenant: Tenant, conversation_id: UUID, way: ways.Way) -> bool:
    """End what a drain has left over. Raises ContextLost, LockTimeout."""

    def work(ran: list[Ran]) -> bool:
        return moving.expire(tenant, conversation_id, way, ran)

    return _counted(tenant, work)


def go_back(tenant: Tenant, conversation_id: UUID, request: Mapping[str, Any], message_id: str) -> moving.Back:
    """Undo the migration whose turn had this request. Raises ContextLost, LockTimeout."""

    def work(ran: list[Ran]) -> moving.Back:
        return moving.go_back(tenant, conversation_id, request, message_id, ran)

    return _counted(tenant, work)


def _take_unlocked(tenant: Tenant, conversation_id: UUID, order: Order, ran: list[Ran]) -> Result | None:
    """The plain case, a message to a conversation that waits for one; None for everything that needs more than one statement."""
    if order.defer or order.force_flow or order.guard is not None or order.kind != Turn.Kind.MESSAGE:
        return None
    row = store.read(tenant.pk, conversation_id, order.client_message_id)
    if row is None:
        raise errors.ConversationNotFound(conversation_id=str(conversation_id))
    if row.turn is not None:
        return _again(row, order)
    if row.awaiting or row.queued or row.status != Status.WAITING or ways.active(tenant, row.environment_id):
        return None
    return step.run(tenant, row, fresh(row, order), ran, heard=order.heard)


def _unlocked(tenant: Tenant, work: Callable[[list[Ran]], Result | None]) -> Result | None:
    """`work` with `store.save` as its whole transaction; None when somebody else was quicker, or the lock's way must look into it."""
    ran: list[Ran] = []
    try:
        result = work(ran)
    except (store.TurnTaken, ContextLost, OperationalError, InterfaceError):
        return None
    _tally(tenant, ran)
    return result


def _take(tenant: Tenant, conversation_id: UUID, order: Order, ran: list[Ran]) -> Result:
    row = store.lock(tenant.pk, conversation_id, order.client_message_id)
    if row is None:
        raise errors.ConversationNotFound(conversation_id=str(conversation_id))
    if row.turn is not None:
        return _again(row, order)
    if order.guard is not None:
        _guarded(row, order)
    if order.kind == Turn.Kind.COMMAND and order.request["type"] == "reset":
        return _reset(tenant, row, order, ran)
    if not (order.defer or row.awaiting or row.queued) and _begins_session(tenant, row, order):
        row, opening = _new_session(tenant, row, order.force_flow or row.flow_key, ran)
        if not row.awaiting:
            return step.run(tenant, row, replace(fresh(row, order), opening=opening), ran)
        order = replace(order, request={**order.request, "session_begun": True}, force_flow="")
    if order.defer or row.awaiting or row.queued:
        return _queue(row, order)
    if order.kind == Turn.Kind.MESSAGE:
        row = moving.before_turn(tenant, row, ran)
    return _run(tenant, row, fresh(row, order), ran, heard=order.heard)


def _guarded(row: store.Row, order: Order) -> None:
    """The order's own claim. As in `_begins_session`, a duplicate may have been there first while this one waited for the lock."""
    try:
        if order.guard is not None:
            order.guard()
    except PlatformError:
        if Turn.objects.filter(conversation_id=row.id, client_message_id=order.client_message_id).exists():
            raise store.TurnTaken from None
        raise


def _again(row: store.Row, order: Order) -> Result:
    """A duplicate: the stored reply, or where the first one stands."""
    turn = row.turn
    if turn is None or turn.request_sha256 != order.sha256:
        raise errors.MessageIdReused(conversation_id=str(row.id), client_message_id=order.client_message_id)
    pending = turn.status in (Turn.Status.QUEUED, Turn.Status.RUNNING)
    body = "" if pending else sealed.reopened(turn.reply)
    return Result(conversation_id=row.id, turn_id=turn.id, number=turn.number, status=turn.status, body=body, replayed=True)


def _queue(row: store.Row, order: Order) -> Result:
    """Accepted and durable; it runs when the turns before it have ended."""
    turn_id = uuid.uuid4()
    request = {**order.request, "force_flow": order.force_flow} if order.force_flow else order.request
    written = store.TurnWrite(
        id=turn_id,
        number=row.next_turn,
        kind=order.kind,
        client_message_id=order.client_message_id,
        request_sha256=order.sha256,
        request=store.dump(_waiting(row, request)),
        status=Turn.Status.QUEUED,
    )
    store.queue(row, written, timezone.now())
    if not row.awaiting:
        jobs.enqueue("conversations.run_queued", tenant_id=str(row.tenant_id), conversation_id=str(row.id))
    return Result(conversation_id=row.id, turn_id=turn_id, number=row.next_turn, status=Turn.Status.QUEUED)


def _waiting(row: store.Row, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request that nobody has heard yet: where a flow knows sensitive slots, its words may be the value of one."""
    try:
        held = step.snapshot_in(row)
    except UNREADABLE:
        return request
    return sealed.closed_request(request, _known(row, held, queries.sensitive_slots(held)), wordless=True)


def _begins_session(tenant: Tenant, row: store.Row, order: Order) -> bool:
    """`_wants_session` for a message that comes in. On PostgreSQL its duplicate may have ended the conversation while this one waited for the
    lock: then it is no new message, and looking again finds the stored reply."""
    try:
        return _wants_session(tenant, row, order.request, order.force_flow)
    except errors.ConversationEnded:
        if Turn.objects.filter(conversation_id=row.id, client_message_id=order.client_message_id).exists():
            raise store.TurnTaken from None
        raise


def _wants_session(tenant: Tenant, row: store.Row, request: Mapping[str, Any], force_flow: str) -> bool:
    """Whether the flow must start (again) before this input: once, even if it ends again at once. Raises ConversationEnded."""
    if request["type"] != "message" or request.get("session_begun"):
        return False
    if row.status == "ended" and tenant.settings.get("ended_conversation", "restart") == "refuse":
        raise errors.ConversationEnded(conversation_id=str(row.id))
    restarts_itself = request["content"].get("type") == "command" and request["content"].get("text") == "restart"
    return bool(force_flow) or (row.status == "ended" and not restarts_itself)


def _new_session(
    tenant: Tenant, row: store.Row, flow_id: str, ran: list[Ran], *, fault: Exception | None = None
) -> tuple[store.Row, tuple[dict[str, Any], ...]]:
    """A turn of its own that starts the flow again in the same conversation. The row as it is afterwards, and what the session has said."""
    chosen = queries.flow_to_start(tenant, row.environment_id, flow_id)
    order = Order(
        kind=Turn.Kind.START,
        client_message_id=f"server:session:{row.next_turn}",
        request={"type": "started", "flow_id": chosen, "inputs": {}},
        sha256="",
    )
    if fault is None:
        step.run(tenant, row, fresh(row, order), ran)
    else:
        step.run(tenant, row, fresh(row, order), ran, snapshot=_lost_context(row), prologue=_loss_event(row, fault))
    after = store.lock(tenant.pk, row.id, "")
    if after is None:
        raise errors.ConversationNotFound(conversation_id=str(row.id))
    return after, tuple(codec.reply_to_json(said) for said in ran[-1].step.replies)


def _reset(tenant: Tenant, row: store.Row, order: Order, ran: list[Ran]) -> Result:
    """Forget everything and start again, at once: a running turn is given up, and whatever its effect brings is discarded."""
    chosen = queries.flow_to_start(tenant, row.environment_id, row.flow_key)
    now = timezone.now()
    Effect.objects.filter(conversation_id=row.id, status=Effect.Status.STARTED).update(
        status=Effect.Status.FAILED, result={"success": False, "code": "discarded"}, finished_at=now
    )
    for turn in Turn.objects.filter(conversation_id=row.id, status=Turn.Status.RUNNING):
        turn.status, turn.finished_at = Turn.Status.FAILED, now
        turn.error = {"error_code": "CONVERSATION_RESET", "message": "The conversation was reset."}
        said = turn.reply or {}
        turn.reply = {**said, "turn": {**said.get("turn", {}), "status": turn.status}, "error": turn.error}
        turn.save(update_fields=("status", "finished_at", "error", "reply"))
        events.publish_end_of_turn(turn.pk, row.last_seq)
    pending = replace(fresh(row, order), request={**order.request, "type": "started", "flow_id": chosen, "inputs": {}, "reset": True})
    if row.queued:
        jobs.enqueue("conversations.run_queued", tenant_id=str(row.tenant_id), conversation_id=str(row.id))
    snapshot, prologue = _given_up(row) if row.awaiting else (None, ())
    try:
        return step.run(tenant, row, pending, ran, snapshot=snapshot, prologue=prologue)
    except ContextLost as fault:
        log.error("context_lost", conversation_id=str(row.id), fault=str(fault))
        return step.run(tenant, row, pending, ran, snapshot=_lost_context(row), prologue=_loss_event(row, fault))


def _given_up(row: store.Row) -> tuple[Snapshot | None, tuple[Event, ...]]:
    """The context without the effect that it waited for. One that cannot be loaded is left to `_reset`."""
    try:
        held = step.snapshot_in(row)
    except UNREADABLE:
        return None, ()
    event = Event(seq=held.seq + 1, kind="failed", data={"code": "CONVERSATION_RESET", "message": "The conversation was reset."})
    return fold.apply(held, event), (event,)


def _deliver(tenant: Tenant, effect_pk: UUID, status: str, result: Mapping[str, Any], dead: bool, ran: list[Ran]) -> Result | None:
    effect = Effect.objects.for_tenant(tenant).filter(pk=effect_pk).first()
    row = store.lock(tenant.pk, effect.conversation_id, "") if effect else None
    if effect is None or row is None:
        return None
    kept = _kept(row, result)
    changed = Effect.objects.filter(pk=effect_pk, status=Effect.Status.STARTED).update(status=status, result=kept, finished_at=timezone.now())
    if not changed or row.awaiting != effect.effect_id:
        log.info("effect_discarded", effect_id=effect.effect_id, stale=bool(changed))
        return None
    pending = _stored(Turn.objects.get(pk=effect.turn_id))
    returned = Returned(effect_id=effect.effect_id, outcome=codec.outcome_from_json(result))
    try:
        done = step.run(tenant, row, pending, ran, event=returned, dead=dead)
    except ContextLost as fault:
        row, _ = _new_session(tenant, row, row.flow_key, ran, fault=fault)
        done = _bury(row, pending, errors.ContextLost(str(fault)))
    if row.queued and not done.pending:
        jobs.enqueue("conversations.run_queued", tenant_id=str(row.tenant_id), conversation_id=str(row.id))
    return done


def _kept(row: store.Row, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """An outcome for the journal: it may repeat the value of a sensitive slot."""
    if not sealed.holds(row.snapshot):
        return result
    held = step.snapshot_in(row)
    return sealed.closed(result, _known(row, held, held.sensitive))


def _known(row: store.Row, held: Snapshot, sensitive: Collection[str]) -> sealed.Secrets:
    return sealed.secrets_in(held, sensitive, sealed.remembered(row.snapshot))


def _run_queued(tenant: Tenant, conversation_id: UUID, turn_id: UUID, ran: list[Ran]) -> bool:
    row = store.lock(tenant.pk, conversation_id, "")
    if row is None or row.awaiting or not row.queued:
        return False
    turn = Turn.objects.filter(conversation_id=conversation_id, status=Turn.Status.QUEUED).order_by("number").first()
    if turn is None or turn.pk != turn_id:
        return False
    pending = _stored(turn)
    if turn.attempts > store.ATTEMPTS:
        _bury(row, pending, errors.GivenUp(), Turn.Status.DEAD)
        return True
    force_flow = turn.request.get("force_flow", "")
    try:
        if _wants_session(tenant, row, turn.request, force_flow):
            row, opening = _new_session(tenant, row, force_flow or row.flow_key, ran)
            if row.awaiting:
                Turn.objects.filter(pk=turn.pk).update(request={**turn.request, "session_begun": True})
                return False
            pending = replace(pending, opening=opening)
        elif turn.kind == Turn.Kind.MESSAGE:
            row = moving.before_turn(tenant, row, ran)
    except PlatformError as refused:
        _bury(row, pending, refused)
        return True
    _run(tenant, row, pending, ran)
    return True


def _stored(turn: Turn) -> Pending:
    """From the queue, or going on after its effect."""
    queued = turn.status == Turn.Status.QUEUED
    return Pending(
        id=turn.pk,
        number=turn.number,
        kind=turn.kind,
        client_message_id=turn.client_message_id,
        sha256=turn.request_sha256,
        request=sealed.opened(turn.request),
        queued=queued,
        earlier=None if queued else sealed.opened(turn.reply or {}),
        trace=turn.trace,
        attempts=turn.attempts,
    )


def _bury(row: store.Row, pending: Pending, fault: PlatformError, status: str = Turn.Status.FAILED, *, turn_only: bool | None = None) -> Result:
    """A turn that cannot run or go on: refused by a rule, or its workers died three times (dead: an operator looks). An effect that the
    conversation waits for is another turn's, and is waited for still, unless `turn_only` says that it is this one's."""
    try:
        snapshot = step.snapshot_in(row)
    except SealBroken:
        raise
    except UNREADABLE:
        snapshot = _lost_context(row)
    given_up = step.failed(snapshot, fault.code, fault.message, turn_only=bool(row.awaiting) if turn_only is None else turn_only)
    body = step.write(row, pending, snapshot, given_up, frozenset(), status=status, milliseconds=0, now=timezone.now())
    return Result(conversation_id=row.id, turn_id=pending.id, number=pending.number, status=status, body=body)


def _run(tenant: Tenant, row: store.Row, pending: Pending, ran: list[Ran], *, heard: Any = None) -> Result:
    """The step; in a new context when the stored one cannot be loaded, and then the failure is an event."""
    try:
        return step.run(tenant, row, pending, ran, heard=heard)
    except ContextLost as fault:
        log.error("context_lost", conversation_id=str(row.id), fault=str(fault))
        row, opening = _new_session(tenant, row, row.flow_key, ran, fault=fault)
    if row.awaiting and pending.queued:
        return Result(conversation_id=row.id, turn_id=pending.id, number=pending.number, status=Turn.Status.QUEUED)
    if row.awaiting:
        order = Order(kind=pending.kind, client_message_id=pending.client_message_id, request=pending.request, sha256=pending.sha256)
        return _queue(row, order)
    number = pending.number if pending.queued else row.next_turn
    return step.run(tenant, row, replace(pending, number=number, opening=opening), ran)


def _lost_context(row: store.Row) -> Snapshot:
    handed_out = Effect.objects.filter(conversation_id=row.id).count() + Timer.objects.filter(conversation_id=row.id).count()
    return Snapshot(seq=row.last_seq + 1, effects=handed_out, locale=row.locale, channel=row.channel)


def _loss_event(row: store.Row, fault: Exception) -> tuple[Event, ...]:
    data = {"code": errors.ContextLost.code, "message": str(fault)[:500]}
    return (Event(seq=row.last_seq + 1, kind="logged", data={"name": "context_lost", "data": data}),)


def _counted(tenant: Tenant, work: Callable[[list[Ran]], T]) -> T:
    """Run `work` under the lock. Metrics are counted after the commit, so that a repeated transaction counts once."""
    ran: list[Ran] = []

    def afresh() -> T:
        ran.clear()
        return work(ran)

    result = store.locked(afresh)
    _tally(tenant, ran)
    return result


def _tally(tenant: Tenant, ran: list[Ran]) -> None:
    who = observability.bounded(str(tenant.pk), "tenants")
    for one in ran:
        _count(who, one)


def _count(who: str, one: Ran) -> None:
    flow = observability.bounded(one.flow_id, "flows")
    observability.TURNS.labels(who, one.kind, one.status).inc()
    for state in one.step.visits:
        observability.STATE_EXECUTIONS.labels(who, flow, observability.bounded(state, "states"), one.status).inc()
    observability.STATE_DURATION.labels(who, flow, observability.bounded(one.step.snapshot.state, "states")).observe(one.seconds)
    if one.step.completed:
        observability.FLOW_COMPLETIONS.labels(who, flow, observability.bounded(one.step.completed, "completions")).inc()
