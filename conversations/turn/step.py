"""The step itself: what the engine decides, written in one go, and told to the world after the commit."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from conversations import desk, events, hearing, queries, sealed, shadows, store
from conversations.core import codec, fold, inputs, machine, words
from conversations.core.announcements import announcements
from conversations.core.types import Book, Call, CancelTimer, Event, Input, Reply, SetTimer, Snapshot, Started, Status, Step
from conversations.models import Turn
from conversations.sealed import Secrets
from conversations.turn import trials
from conversations.turn.trials import NONE, Trials
from mcp_platform import jobs, observability
from mcp_platform.errors import PlatformError
from mcp_platform.outbox import queries as outbox
from mcp_platform.sealing import SealBroken
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

GRACE = timedelta(seconds=settings.EFFECT_GRACE_SECONDS)  # how long after its own timeout an effect is left alone before recovery takes it up
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ValidationError, PlatformError)


class ContextLost(Exception):
    """The stored context cannot be read, or one of its versions cannot be run any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody wants of a conversation. `defer`: only store it, a worker runs it. `heard`: what was understood before the lock.

    `guard` runs under the lock, in the turn's transaction, unless this is a duplicate: it claims what the turn needs, or raises.
    """

    kind: str
    client_message_id: str
    request: Mapping[str, Any]
    sha256: str
    defer: bool = False
    force_flow: str = ""
    heard: hearing.Heard | None = None
    guard: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a turn stands. `body` is the stored reply, as JSON text; "" while the turn is queued or running."""

    conversation_id: UUID
    turn_id: UUID
    number: int
    status: str
    body: str = ""
    replayed: bool = False

    @property
    def pending(self) -> bool:
        return self.status in (Turn.Status.QUEUED, Turn.Status.RUNNING)

    @property
    def reply(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body) if self.body else {}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A turn that is about to run: new, or taken from the queue (`queued`), or going on after its effect (`earlier` is its reply so far)."""

    id: UUID
    number: int
    kind: str
    client_message_id: str
    sha256: str
    request: Mapping[str, Any]
    queued: bool = False
    earlier: dict[str, Any] | None = None
    opening: tuple[dict[str, Any], ...] = ()  # what a session that began just before has said
    trace: list[Any] = field(default_factory=list)
    attempts: int = 1

    @property
    def exists(self) -> bool:
        return self.queued or self.earlier is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What the metrics are told, after the commit."""

    kind: str
    status: str
    flow_id: str
    step: Step
    seconds: float


def fresh(row: store.Row, order: Order) -> Pending:
    return Pending(
        id=uuid.uuid4(),
        number=row.next_turn,
        kind=order.kind,
        client_message_id=order.client_message_id,
        sha256=order.sha256,
        request=order.request,
    )


def run(
    tenant: Tenant,
    row: store.Row,
    pending: Pending,
    ran: list[Ran],
    *,
    birth: store.Birth | None = None,
    event: Input | None = None,
    snapshot: Snapshot | None = None,
    prologue: tuple[Event, ...] = (),
    heard: hearing.Heard | None = None,
    dead: bool = False,
) -> Result:
    began = time.perf_counter()
    now = timezone.now()
    try:
        before = snapshot or snapshot_in(row)
        starts = pending.request.get("flow_id", "")
        root = starts or (before.frames[0].flow_id if before.frames else "")  # also in its current version: `restart` takes that
        pinned = () if starts and event is None else before.programs
        book = queries.book(tenant, row.environment_id, pinned, root)
        met = trials.met(row, before, book.current, now, fresh=birth is not None)
        if met.instead:
            book = queries.book(tenant, row.environment_id, pinned, root, met.instead)
    except SealBroken:
        raise  # the context is there, but this process has not the keys: nothing may be written over it
    except UNREADABLE as fault:
        if birth is not None or snapshot is not None:
            raise
        raise ContextLost(f"{type(fault).__name__}: {fault}") from fault
    if snapshot is None and before.seq != row.last_seq:
        raise ContextLost(f"the context is at event {before.seq}, the log at {row.last_seq}")
    if not before.frames and not starts:
        raise ContextLost("the conversation has never come to a first state")
    event = event or _input(pending, before, book, tenant.pk, row.locale, heard, met)
    step = _advance(book, before, event, now, str(row.id))
    step = replace(step, events=(*prologue, *step.events)) if prologue else step
    seconds = time.perf_counter() - began
    request = pending.request if pending.earlier is not None else {**pending.request, "input": codec.input_to_json(event)}
    pending = replace(pending, request=request)
    sensitive = events.sensitive_slots(book.programs.values())  # also of a flow that has ended in this step
    milliseconds = round(seconds * 1000)
    status = _status(step, dead)
    try:
        body = write(row, pending, before, step, sensitive, status=status, milliseconds=milliseconds, now=now, birth=birth, met=met)
    except store.NotStorable as fault:
        step = failed(before, "STATE_EXECUTION_ERROR", f"the flow made a value that cannot be stored: {fault}")
        status = _status(step, dead)
        body = write(row, pending, before, step, sensitive, status=status, milliseconds=milliseconds, now=now, birth=birth)
    hearing.remember(row.id, hearing.audience(tenant.pk, book, step.snapshot.frames, step.snapshot.locale, met.asked))
    shadows.follow(tenant, pending.id, step.events)
    flow_id = step.snapshot.frames[-1].flow_id if step.snapshot.frames else row.flow_key
    ran.append(Ran(kind=pending.kind, status=status, flow_id=flow_id, step=step, seconds=seconds))
    return Result(conversation_id=row.id, turn_id=pending.id, number=pending.number, status=status, body=body if status != "running" else "")


def snapshot_in(row: store.Row) -> Snapshot:
    """Raises one of UNREADABLE, SealBroken."""
    return codec.snapshot_from_json(sealed.opened_text(row.snapshot))


def _status(step: Step, dead: bool) -> str:
    if step.snapshot.awaiting:
        return Turn.Status.RUNNING.value
    if dead:
        return Turn.Status.DEAD.value
    return (Turn.Status.FAILED if step.error is not None else Turn.Status.DONE).value


def _input(pending: Pending, before: Snapshot, book: Book, tenant_id: UUID, locale: str, heard: hearing.Heard | None, met: Trials) -> Input:
    request = pending.request
    if request["type"] == "started":
        return Started(flow_id=request["flow_id"], inputs=request.get("inputs") or {})
    if request["type"] == "message":
        listeners = hearing.audience(tenant_id, book, before.frames, before.locale or locale, met.asked)
        content = inputs.spelled_out(before, request["content"])
        return hearing.message(content, listeners, heard if content is request["content"] else None)
    return codec.input_from_json(request)


def _advance(book: Book, before: Snapshot, event: Input, now: datetime, conversation_id: str) -> Step:
    """The engine's step, unless it took too long or broke its promise never to raise: then nothing of it counts but the failure."""
    began = time.monotonic()
    try:
        step = machine.advance(book, before, event, now, conversation_id=conversation_id)
    except Exception as fault:
        log.exception("engine_raised")
        return failed(before, "INTERNAL_ERROR", type(fault).__name__)
    spent = (time.monotonic() - began) * 1000
    if step.error is not None and step.error.get("code") == "INTERNAL_ERROR":
        log.error("step_failed", **step.error)
    if spent > settings.STATE_EXECUTION_TIMEOUT_MS:
        return failed(before, "STATE_EXECUTION_ERROR", f"the step took {spent:.0f} ms; {settings.STATE_EXECUTION_TIMEOUT_MS} ms are allowed")
    return step


def failed(before: Snapshot, code: str, message: str, *, turn_only: bool = False) -> Step:
    """The conversation stays where it waited; the user hears an apology. `turn_only`: what it waits for belongs to another turn and stays."""
    apology = Reply(text=words.sentence("apology", before.locale), state=before.state)
    fault = {"code": code, "message": message}
    if turn_only:
        event = Event(seq=before.seq + 1, kind="logged", data={"name": "turn_failed", "data": fault})
    else:
        event = Event(seq=before.seq + 1, kind="failed", data=fault)
    said = Event(seq=before.seq + 2, kind="replied", data={"messages": [codec.reply_to_json(apology)]})
    return Step(snapshot=fold.fold((event, said), start=before), events=(event, said), replies=(apology,), error=fault)


def write(
    row: store.Row,
    pending: Pending,
    before: Snapshot,
    step: Step,
    sensitive: frozenset[str],
    *,
    status: str,
    milliseconds: int,
    now: datetime,
    birth: store.Birth | None = None,
    met: Trials = NONE,
) -> str:
    """Everything of the step in one write; the world is told after the commit. Returns the reply as JSON."""
    after = step.snapshot
    secret = sealed.secrets_of(before, after, step.events, sensitive, sealed.remembered(row.snapshot))
    turn = {"id": str(pending.id), "number": pending.number, "status": status}
    reply = events.reply(
        conversation_id=row.id,
        turn=turn,
        before=before,
        step=step,
        sensitive=sensitive,
        milliseconds=milliseconds,
        earlier=pending.earlier,
        opening=pending.opening,
        variant=met.shown(after) if met else None,
    )
    body = store.dump(reply)
    bottom = after.frames[0] if after.frames else None
    calls = [_journal(row, pending, effect, secret) for effect in step.effects if isinstance(effect, Call)]
    write = store.Write(
        tenant_id=row.tenant_id,
        conversation_id=row.id,
        rev=row.rev,
        version_id=UUID(bottom.program) if bottom else row.version_id,
        flow_key=bottom.flow_id if bottom else row.flow_key,
        locale=after.locale,
        status=after.status.value,
        current_state=after.state,
        snapshot=store.dump(sealed.closed_snapshot(codec.snapshot_to_json(after), secret)),
        awaiting=after.awaiting,
        next_turn=row.next_turn if pending.exists else row.next_turn + 1,
        last_seq=after.seq,
        queued=row.queued - 1 if pending.queued else row.queued,
        at=now,
        turn=_turn_write(pending, step, status, store.dump(sealed.closed(reply, secret)) if secret else body, secret),
        events=tuple((event.seq, event.kind, sealed.closed_event(event.data, secret)) for event in step.events),
        timers=tuple((effect.token, effect.after_ms) for effect in step.effects if isinstance(effect, SetTimer)),
        cancelled=tuple(effect.token for effect in step.effects if isinstance(effect, CancelTimer)),
        effects=tuple(calls),
        outbox=_announced(row, pending, step, secret, turn, reply["processing_time_ms"]),
        exposures=met.exposures(row, before, step) if met else (),
    )
    with_people = row.status == Status.HANDOFF or after.status is Status.HANDOFF
    if with_people and store.one_statement():
        raise store.TurnTaken  # the desk's rows belong to the same transaction: the way of the lock has one
    store.save(write, birth)
    if with_people:
        desk.follow(row, write.events, now)
    if write.exposures:
        jobs.after_commit(lambda: trials.remember(row, write.exposures))
    _tell(row, pending, step, status, calls)
    return body


def _announced(
    row: store.Row, pending: Pending, step: Step, secret: Secrets, turn: Mapping[str, Any], milliseconds: int
) -> tuple[store.OutboxWrite, ...]:
    """What the world is told of the step; nothing unless somebody listens."""
    wanted = outbox.listener(row.tenant_id)
    if wanted is None:
        return ()
    bottom = step.snapshot.frames[0] if step.snapshot.frames else None
    about = {
        "conversation_id": str(row.id),
        "flow_id": bottom.flow_id if bottom else row.flow_key,
        "flow_version_id": str(UUID(bottom.program)) if bottom else str(row.version_id),
        "environment": queries.environment_name(row.environment_id),
        "channel": row.channel,
        "user_id": row.user_ref,
        "locale": step.snapshot.locale,
        "turn": {"id": turn["id"], "number": turn["number"], "kind": str(pending.kind)},
    }
    over = {"status": turn["status"], "processing_time_ms": milliseconds} if turn["status"] != Turn.Status.RUNNING else None
    told = announcements(step, about=about, wanted=wanted, sensitive=secret.names, ended=over)
    return tuple(store.OutboxWrite(id=uuid.uuid4(), type=name, data=sealed.masked(data, secret)) for name, data in told)


def _turn_write(pending: Pending, step: Step, status: str, body: str, secret: Secrets) -> store.TurnWrite:
    wordless = bool(secret) and not any(event.kind == "message" and not event.data.get("sensitive") for event in step.events)
    return store.TurnWrite(
        id=pending.id,
        number=pending.number,
        kind=pending.kind,
        client_message_id=pending.client_message_id,
        request_sha256=pending.sha256,
        request=store.dump(sealed.closed_request(pending.request, secret, wordless=wordless)),
        status=status,
        reply=body,
        trace=store.dump(sealed.masked([*pending.trace, *step.trace], secret)),
        error=store.dump(sealed.masked(events.error(step.error), secret)) if step.error is not None else None,
        attempts=pending.attempts,
        exists=pending.exists,
    )


def _journal(row: store.Row, pending: Pending, call: Call, secret: Secrets) -> store.EffectWrite:
    asked = {name: value for name, value in codec.effect_to_json(call).items() if name not in ("type", "effect_id", "step_key")}
    request = store.dump(sealed.closed(asked, secret, (["request"],) if secret.told else ()))
    key = hashlib.sha256(f"{row.id}|{pending.number}|{call.step_key}".encode()).hexdigest()
    return store.EffectWrite(
        id=uuid.uuid4(),
        effect_id=call.effect_id,
        step_key=call.step_key,
        integration_id=call.integration_id,
        request=request,
        request_sha256=hashlib.sha256(request.encode()).hexdigest(),
        idempotency_key=key,
        due_ms=call.timeout_ms + round(GRACE.total_seconds() * 1000),
    )


def _tell(row: store.Row, pending: Pending, step: Step, status: str, calls: list[store.EffectWrite]) -> None:
    if step.events:
        events.publish_growth(row.id, step.snapshot.seq)
    if pending.exists and status != Turn.Status.RUNNING:
        events.publish_end_of_turn(pending.id, step.snapshot.seq)
    for call in calls:
        jobs.enqueue("conversations.perform_effect", tenant_id=str(row.tenant_id), effect_id=str(call.id), attempt=0)
