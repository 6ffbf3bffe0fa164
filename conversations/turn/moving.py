"""A conversation changes its version: a turn of kind `migration`, in one transaction, under the same lock and the same dedupe as any turn."""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID

from django.utils import timezone

from conversations import events, queries, store
from conversations.core import codec, migrate
from conversations.core.types import Book, Snapshot, Step
from conversations.models import Effect, MigrationPlan, Turn
from conversations.turn import step, ways
from conversations.turn.step import UNREADABLE, ContextLost, Pending, Ran
from conversations.turn.ways import Way
from flows import queries as flows
from flows.core.types import Program
from mcp_platform import jobs, observability
from mcp_platform.errors import PlatformError
from mcp_platform.sealing import SealBroken
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)
GIVEN_UP = {"error_code": "CONVERSATION_MIGRATED", "message": "The conversation was moved to another version; this turn was given up."}


@dataclass(frozen=True, slots=True)
class Already:
    """This run has moved the conversation before."""


@dataclass(frozen=True, slots=True)
class MovedOn:
    """It has not stayed as the migration left it: it cannot simply go back."""


Outcome: TypeAlias = migrate.Migrated | migrate.Refused | Already
Back: TypeAlias = Step | MovedOn | Already


def move(tenant: Tenant, conversation_id: UUID, way: Way, ran: list[Ran]) -> Outcome:
    """Inside the caller's transaction."""
    row = store.lock(tenant.pk, conversation_id, way.message_id)
    if row is None:
        return migrate.Refused(state="", reasons=(migrate.Reason("gone", "there is no such conversation any more"),))
    if row.turn is not None:
        return Already()
    try:
        return _moved(tenant, row, way, ran, silent=False)
    except ContextLost as fault:
        log.error("context_lost", conversation_id=str(row.id), fault=str(fault))
        return migrate.Refused(state="", reasons=(migrate.Reason("context_lost", "its context cannot be read"),))


def before_turn(tenant: Tenant, row: store.Row, ran: list[Ran]) -> store.Row:
    """The row, moved to another version first when an active plan says so and nothing is against it."""
    waiting = ways.active(tenant, row.environment_id)
    plan_id = next((plan for version, plan in waiting.items() if version in row.snapshot), None) if waiting else None
    if plan_id is None or row.awaiting or row.status == "ended":
        return row
    plan = MigrationPlan.objects.for_tenant(tenant).filter(pk=plan_id, status=MigrationPlan.Status.ACTIVE).first()
    if plan is None or Turn.objects.filter(conversation_id=row.id, client_message_id=plan.message_id).exists():
        return row
    try:
        done = _moved(tenant, row, ways.way_of(plan), ran, silent=True)
    except (PlatformError, ContextLost) as fault:
        log.warning("migration_failed", conversation_id=str(row.id), plan_id=str(plan_id), fault=repr(fault))
        return row
    return (store.lock(tenant.pk, row.id, "") or row) if isinstance(done, migrate.Migrated) else row


def _moved(tenant: Tenant, row: store.Row, way: Way, ran: list[Ran], *, silent: bool) -> migrate.Migrated | migrate.Refused:
    began = time.perf_counter()
    before = loaded(row)
    now = timezone.now()
    book = book_of(tenant, row.environment_id, before, (way.route.before, way.route.after))
    done = migrate.migrate(before, way.route, book, now, conversation_id=str(row.id), plan=str(way.plan_id), force=way.force, silent=silent)
    if isinstance(done, migrate.Migrated):
        request = {
            "type": "migrated",
            "plan": str(way.plan_id),
            "run": way.run,
            "from": way.route.before.key,
            "to": way.route.after.key,
            "forced": way.force,
            "last_seq": done.step.snapshot.seq,
            "before": codec.snapshot_to_json(before),
        }
        _write(row, before, done.step, book, way.message_id, request, ran, time.perf_counter() - began)
    return done


def expire(tenant: Tenant, conversation_id: UUID, way: Way, ran: list[Ran]) -> bool:
    """End a conversation that a drain has left over; False when it has ended or left the version meanwhile. Raises ContextLost."""
    row = store.lock(tenant.pk, conversation_id, way.message_id)
    if row is None or row.turn is not None or row.status == "ended":
        return False
    before = loaded(row)
    if not migrate.concerns(before, way.route):
        return False
    book = book_of(tenant, row.environment_id, before, (way.route.before,))
    done = migrate.expire(before, book, timezone.now(), conversation_id=str(row.id))
    request = {"type": "expired", "plan": str(way.plan_id), "run": way.run}
    _write(row, before, done, book, way.message_id, request, ran, 0.0)
    return True


def go_back(tenant: Tenant, conversation_id: UUID, request: Mapping[str, Any], message_id: str, ran: list[Ran]) -> Back:
    """Undo a migration whose turn had this request, when nothing has happened since. Raises ContextLost."""
    row = store.lock(tenant.pk, conversation_id, message_id)
    if row is None or row.turn is not None:
        return Already()
    if row.last_seq != request["last_seq"] or row.queued:
        return MovedOn()
    at = loaded(row)
    before = codec.snapshot_from_json(request["before"])
    book = book_of(tenant, row.environment_id, before, (flows.program_for(request["to"]),))
    done = migrate.restore(at, before, book, timezone.now(), conversation_id=str(row.id), plan=str(request["plan"]))
    undo = {"type": "reverted", "plan": request["plan"], "run": request["run"], "from": request["to"], "to": request["from"]}
    _write(row, at, done, book, message_id, undo, ran, 0.0)
    return done


def loaded(row: store.Row) -> Snapshot:
    """Raises ContextLost."""
    try:
        return step.snapshot_in(row)
    except SealBroken:
        raise
    except UNREADABLE as fault:
        raise ContextLost(f"{type(fault).__name__}: {fault}") from fault


def book_of(tenant: Tenant, environment_id: int, at: Snapshot, also: Iterable[Program]) -> Book:
    """Raises ContextLost."""
    try:
        found = queries.book(tenant, environment_id, {frame.program for frame in (*at.frames, *at.stable)})
    except UNREADABLE as fault:
        raise ContextLost(f"{type(fault).__name__}: {fault}") from fault
    return replace(found, programs={**found.programs, **{program.key: program for program in also}})


def _write(
    row: store.Row, before: Snapshot, done: Step, book: Book, message_id: str, request: Mapping[str, Any], ran: list[Ran], seconds: float
) -> None:
    if before.awaiting:
        give_up(row, GIVEN_UP)
    pending = Pending(id=uuid.uuid4(), number=row.next_turn, kind=Turn.Kind.MIGRATION, client_message_id=message_id, sha256="", request=request)
    status = (Turn.Status.RUNNING if done.snapshot.awaiting else Turn.Status.DONE).value
    sensitive = events.sensitive_slots(book.programs.values())
    step.write(row, pending, before, done, sensitive, status=status, milliseconds=round(seconds * 1000), now=timezone.now())
    ran.append(Ran(kind=pending.kind, status=status, flow_id=row.flow_key, step=done, seconds=seconds))
    if before.awaiting and row.queued:
        jobs.enqueue("conversations.run_queued", tenant_id=str(row.tenant_id), conversation_id=str(row.id))


def give_up(row: store.Row, error: Mapping[str, str]) -> None:
    """The turn that runs ends as failed, and whatever its call brings is discarded: it is never made a second time."""
    now = timezone.now()
    discarded = {"success": False, "code": "discarded"}
    Effect.objects.filter(conversation_id=row.id, status=Effect.Status.STARTED).update(status=Effect.Status.FAILED, result=discarded, finished_at=now)
    for turn in Turn.objects.filter(conversation_id=row.id, status=Turn.Status.RUNNING):
        turn.status, turn.finished_at, turn.error = Turn.Status.FAILED, now, dict(error)
        said = turn.reply or {}
        turn.reply = {**said, "turn": {**said.get("turn", {}), "status": turn.status}, "error": turn.error}
        turn.save(update_fields=("status", "finished_at", "error", "reply"))
        events.publish_end_of_turn(turn.pk, row.last_seq)
