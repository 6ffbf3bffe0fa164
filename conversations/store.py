"""The hot turn: how a conversation is locked, read and written. The one module with SQL of its own (ADR 0007).

PostgreSQL: one SELECT, then one data-modifying CTE; with a lock around them where one statement cannot be the whole transaction. SQLite: plain
statements under BEGIN IMMEDIATE. The order in which the row lock is given is the order of arrival. Everything else in this app goes by the ORM.
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django.db import DataError, InterfaceError, OperationalError, connection, transaction
from psycopg_pool import PoolTimeout

from conversations import errors
from conversations.models import Conversation, ConversationEvent, Effect, Timer, Turn
from mcp_platform import observability
from mcp_platform.outbox.models import OutboxEvent

log = observability.logger(__name__)
T = TypeVar("T")

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.05

_encode: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class TurnTaken(Exception):
    """Another transaction wrote this message while we waited for the lock: look again."""


class NotStorable(ValueError):
    """A value that JSON columns do not take: not a number, or a NUL character."""


def dump(value: Any) -> str:
    """Compact JSON. Raises NotStorable."""
    try:
        text = _encode(value)
    except ValueError as fault:
        raise NotStorable(str(fault)) from fault
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):  # the second look knows an escaped backslash from an escape
        raise NotStorable("a text contains a NUL character")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    id: UUID
    number: int
    status: str
    request_sha256: str
    reply: str  # JSON, "" while there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A locked conversation, and the turn that already carries the message's id, if any."""

    id: UUID
    tenant_id: UUID
    environment_id: int
    version_id: UUID
    flow_key: str
    channel: str
    user_ref: str
    locale: str
    status: str
    snapshot: str  # JSON
    awaiting: str
    rev: int
    next_turn: int
    last_seq: int
    queued: int
    turn: StoredTurn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnWrite:
    """`exists`: the row is there (it was queued, or it ran until an effect) and is updated; otherwise it is inserted."""

    id: UUID
    number: int
    kind: str
    client_message_id: str
    request_sha256: str
    request: str
    status: str
    reply: str | None = None
    trace: str = "[]"
    error: str | None = None
    attempts: int = 0
    exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectWrite:
    id: UUID
    effect_id: str
    step_key: str
    integration_id: str
    request: str
    request_sha256: str
    idempotency_key: str
    due_ms: int  # milliseconds from now, by the clock of the database


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxWrite:
    """An event for the world (mcp_platform/outbox). The conversation's lock orders those of one conversation."""

    id: UUID
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Everything one macrostep changes. `rev` is the revision that was read; the write fails when it has moved."""

    tenant_id: UUID
    conversation_id: UUID
    rev: int
    version_id: UUID
    flow_key: str
    locale: str
    status: str
    current_state: str
    snapshot: str
    awaiting: str
    next_turn: int
    last_seq: int
    queued: int
    at: datetime
    turn: TurnWrite
    events: tuple[tuple[int, str, Mapping[str, Any]], ...] = ()
    timers: tuple[tuple[str, int], ...] = ()  # token, milliseconds from now
    cancelled: tuple[str, ...] = ()
    effects: tuple[EffectWrite, ...] = ()
    outbox: tuple[OutboxWrite, ...] = ()  # empty unless somebody listens


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What only a new conversation has to be told."""

    environment_id: int
    channel: str
    user_ref: str


# ── the transaction ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def locked(work: Callable[[], T]) -> T:
    """Run `work` in one transaction. A lock timeout is tried again with exponential back-off, then LockTimeout; a connection that broke is
    replaced. Repeating is safe: every turn has an id that is unique in its conversation."""
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return work()
        except TurnTaken:
            continue
        except (OperationalError, InterfaceError) as fault:
            if not _worth_repeating(fault):
                raise
            log.warning("turn_repeated", attempt=attempt, fault=type(fault.__cause__ or fault).__name__)
            if attempt == ATTEMPTS and not _is_lock_timeout(fault):
                raise
        if attempt < ATTEMPTS:
            time.sleep(pause * (0.5 + random.random()))
            pause *= 2
    raise errors.LockTimeout(attempts=ATTEMPTS)


def _is_lock_timeout(fault: Exception) -> bool:
    return getattr(fault.__cause__, "sqlstate", None) in ("55P03", "40P01") or "database is locked" in str(fault)


def _worth_repeating(fault: Exception) -> bool:
    if connection.in_atomic_block or isinstance(fault.__cause__, PoolTimeout):  # who has waited for a connection in vain need not wait again
        return False
    if _is_lock_timeout(fault):
        return True
    broken = connection.connection is None or not connection.is_usable()
    if broken:
        connection.close()
    return broken


# ── read ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_C, _T, _E, _F, _M, _O = (model._meta.db_table for model in (Conversation, Turn, ConversationEvent, Effect, Timer, OutboxEvent))
_READ = f"""
SELECT c.id, c.tenant_id, c.environment_id, c.version_id, c.flow_key, c.channel, c.user_ref, c.locale, c.status, c.snapshot, c.awaiting,
       c.rev, c.next_turn, c.last_seq, c.queued,
       t.id, t.number, t.status, t.request_sha256, t.reply
FROM {_C} c LEFT JOIN {_T} t ON t.conversation_id = c.id AND t.client_message_id = %s
WHERE c.id = %s AND c.tenant_id = %s"""


@contextmanager
def _cursor() -> Iterator[Any]:
    """On PostgreSQL psycopg's own cursor: values are bound by the server and the few statements prepared once a connection, where Django's
    cursor writes every value into the text and PostgreSQL plans it anew (measured: a fifth of a turn's computing time here, more there)."""
    with connection.cursor() as cursor:  # also tells the connection the tenant
        if connection.vendor != "postgresql":
            yield cursor
            return
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as own:
            yield _Prepared(own)


class _Prepared:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.fetchone = cursor.fetchone

    def execute(self, sql: str, params: Any) -> None:
        link = self._cursor.connection
        link.prepare_threshold = 0  # Django sets None, which also refuses those who ask
        try:
            self._cursor.execute(sql, params, prepare=True)
        finally:
            link.prepare_threshold = None


def lock(tenant_id: UUID, conversation_id: UUID, client_message_id: str) -> Row | None:
    """Lock the conversation until the transaction ends. On PostgreSQL the joined turn is as old as the statement, so a turn that was written
    while we waited is not seen: `save` finds out and raises TurnTaken."""
    return _read(tenant_id, conversation_id, client_message_id, _READ + " FOR UPDATE OF c" if connection.vendor == "postgresql" else _READ)


def read(tenant_id: UUID, conversation_id: UUID, client_message_id: str) -> Row | None:
    """The conversation as it is, without a lock: `save` writes only if it has not moved since. See `one_statement`."""
    return _read(tenant_id, conversation_id, client_message_id, _READ)


def one_statement() -> bool:
    """Whether `save` may be the whole transaction: PostgreSQL checks and writes everything in one statement, which saves the round trips of
    BEGIN, the lock and COMMIT (measured: a third of a turn's time in the database)."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block


def _read(tenant_id: UUID, conversation_id: UUID, client_message_id: str, sql: str) -> Row | None:
    with _cursor() as cursor:
        cursor.execute(sql, (client_message_id, _id(conversation_id), _id(tenant_id)))
        found = cursor.fetchone()
    if found is None:
        return None
    row, turn = found[:15], found[15:]
    return Row(
        id=conversation_id,
        tenant_id=tenant_id,
        environment_id=row[2],
        version_id=_uuid(row[3]),
        flow_key=row[4],
        channel=row[5],
        user_ref=row[6],
        locale=row[7],
        status=row[8],
        snapshot=row[9],
        awaiting=row[10],
        rev=row[11],
        next_turn=row[12],
        last_seq=row[13],
        queued=row[14],
        turn=_stored(turn) if turn[0] is not None else None,
    )


def _stored(columns: Any) -> StoredTurn:
    return StoredTurn(
        id=_uuid(columns[0]),
        number=columns[1],
        status=columns[2],
        request_sha256=columns[3],
        reply=columns[4] or "",
    )


def _id(value: UUID) -> Any:
    return value if connection.vendor == "postgresql" else value.hex


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


# ── write ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_CONVERSATION_FIELDS = ("version_id", "flow_key", "locale", "status", "current_state", "snapshot", "awaiting", "next_turn", "last_seq", "queued")
_TURN_INSERT = (
    "id, tenant_id, conversation_id, number, kind, client_message_id, request_sha256, request, status, reply, trace, error, attempts,"
    " created_at, finished_at"
)
_EFFECT_INSERT = (
    "id, tenant_id, conversation_id, turn_id, effect_id, step_key, integration_id, request, request_sha256, idempotency_key, deadline,"
    " status, attempts, created_at"
)
_BORN = (
    "id, tenant_id, environment_id, channel, user_ref, version_id, flow_key, locale, status, current_state, snapshot, awaiting, next_turn,"
    " last_seq, queued, rev, created_at, updated_at"
)


def save(write: Write, birth: Birth | None = None) -> None:
    """Write one macrostep inside the caller's transaction. `birth`: the conversation is inserted. Raises TurnTaken when the message or the
    conversation exists by now, or the revision has moved."""
    if connection.vendor == "postgresql":
        _save_postgres(write, birth)
    else:
        _save_sqlite(write, birth)


def queue(row: Row, turn: TurnWrite, at: datetime) -> None:
    """Store a turn that cannot run yet. Raises TurnTaken."""
    counted = Conversation.objects.filter(pk=row.id, rev=row.rev).update(
        next_turn=row.next_turn + 1, queued=row.queued + 1, rev=row.rev + 1, updated_at=at
    )
    if not counted or Turn.objects.filter(conversation_id=row.id, client_message_id=turn.client_message_id).exists():
        raise TurnTaken
    Turn.objects.create(
        id=turn.id,
        tenant_id=row.tenant_id,
        conversation_id=row.id,
        number=turn.number,
        kind=turn.kind,
        client_message_id=turn.client_message_id,
        request_sha256=turn.request_sha256,
        request=json.loads(turn.request),
        status=turn.status,
        created_at=at,
    )


def _conversation_values(write: Write) -> list[Any]:
    return [
        _id(write.version_id),
        write.flow_key,
        write.locale,
        write.status,
        write.current_state,
        write.snapshot,
        write.awaiting,
        write.next_turn,
        write.last_seq,
        write.queued,
    ]


def _birth_values(write: Write, birth: Birth) -> list[Any]:
    at = _time(write.at)
    head = [_id(write.conversation_id), _id(write.tenant_id), birth.environment_id, birth.channel, birth.user_ref]
    return [*head, *_conversation_values(write), 0, at, at]


def _turn_values(write: Write) -> list[Any]:
    turn, at = write.turn, _time(write.at)
    done = at if turn.status in ("done", "failed", "dead") else None
    if turn.exists:
        return [turn.request, turn.status, turn.reply, turn.trace, turn.error, turn.attempts, done, _id(turn.id)]
    who = [_id(turn.id), _id(write.tenant_id), _id(write.conversation_id), turn.number, turn.kind, turn.client_message_id, turn.request_sha256]
    return [*who, turn.request, turn.status, turn.reply, turn.trace, turn.error, turn.attempts, at, done]


def _time(at: datetime) -> Any:
    return at if connection.vendor == "postgresql" else connection.ops.adapt_datetimefield_value(at)


# PostgreSQL: one statement. Its text depends only on which parts there are, so there are few texts.


_DIVISION_BY_ZERO = "22012"


# What may follow the conversation and its turn, in this order; each hangs on `t`.
_PARTS = (
    f"e AS (INSERT INTO {_E} (tenant_id, conversation_id, turn_id, at, seq, kind, data)"
    " SELECT %s::uuid, %s::uuid, %s::uuid, %s::timestamptz, x.seq, x.kind, x.data"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(seq integer, kind text, data jsonb))",
    # Due by the clock of the database, which is also the one that finds them due.
    f"m AS (INSERT INTO {_M} (tenant_id, conversation_id, token, due_at, status, attempts)"
    " SELECT %s::uuid, %s::uuid, x.token, clock_timestamp() + x.after_ms * interval '1 millisecond', 'pending', 0"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(token text, after_ms integer))",
    f"k AS (UPDATE {_M} SET status = 'cancelled' FROM t WHERE token = ANY(%s) AND {_M}.status IN ('pending', 'claimed'))",
    f"f AS (INSERT INTO {_F} ({_EFFECT_INSERT})"
    " SELECT x.id, %s::uuid, %s::uuid, %s::uuid, x.effect_id, x.step_key, x.integration_id, x.request, x.request_sha256, x.idempotency_key,"
    " clock_timestamp() + x.due_ms * interval '1 millisecond', 'started', 0, %s::timestamptz"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(id uuid, effect_id text, step_key text,"
    " integration_id text, request jsonb, request_sha256 text, idempotency_key text, due_ms integer))",
    # Sorted, because the number that a row gets is its place in the order of the conversation.
    f"o AS (INSERT INTO {_O} (tenant_id, key, subject, at, fanned_out, event_id, type, data)"
    " SELECT %s::uuid, %s, %s, %s::timestamptz, false, x.id, x.type, x.data"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(n integer, id uuid, type text, data jsonb) ORDER BY x.n)",
)


@cache
def _statement(born: bool, exists: bool, *wanted: bool) -> str:
    """`wanted`: which of _PARTS there are."""
    if born:
        conversation = f"INSERT INTO {_C} ({_BORN}) VALUES ({_marks(18, json=(10,))}) ON CONFLICT (id) DO NOTHING RETURNING id"
    else:
        changes = ", ".join(f"{name} = %s{'::jsonb' if name == 'snapshot' else ''}" for name in _CONVERSATION_FIELDS)
        conversation = f"UPDATE {_C} SET {changes}, rev = rev + 1, updated_at = %s WHERE id = %s AND rev = %s RETURNING id"
    if exists:
        turn = (
            f"UPDATE {_T} SET request = %s::jsonb, status = %s, reply = %s::jsonb, trace = %s::jsonb, error = %s::jsonb, attempts = %s,"
            f" finished_at = %s FROM c WHERE {_T}.id = %s RETURNING {_T}.id"
        )
    else:
        marks = _marks(15, json=(7, 9, 10, 11), casts={14: "timestamptz"})
        turn = f"INSERT INTO {_T} ({_TURN_INSERT}) SELECT {marks} FROM c ON CONFLICT DO NOTHING RETURNING id"
    parts = [f"c AS ({conversation})", f"t AS ({turn})", *(sql for sql, there in zip(_PARTS, wanted, strict=True) if there)]
    # A conversation without its turn must not be: then the division fails, and with it the whole statement.
    counts = "SELECT (SELECT count(*) FROM c) AS c, (SELECT count(*) FROM t) AS t"
    return f"WITH {', '.join(parts)} SELECT n.c, CASE WHEN n.c > n.t THEN 1 / n.t END FROM ({counts}) AS n"


def _marks(count: int, json: Iterable[int] = (), casts: Mapping[int, str] | None = None) -> str:
    kinds = {**dict.fromkeys(json, "jsonb"), **(casts or {})}
    return ", ".join(f"%s::{kinds[place]}" if place in kinds else "%s" for place in range(count))


def _save_postgres(write: Write, birth: Birth | None) -> None:
    who = [write.tenant_id, write.conversation_id, write.turn.id]
    if birth is not None:
        values = _birth_values(write, birth)
    else:
        values = [*_conversation_values(write), write.at, write.conversation_id, write.rev]
    values += _turn_values(write)
    if write.events:
        values += [*who, write.at, dump([{"seq": seq, "kind": kind, "data": data} for seq, kind, data in write.events])]
    if write.timers:
        values += [*who[:2], dump([{"token": token, "after_ms": after} for token, after in write.timers])]
    if write.cancelled:
        values.append(list(write.cancelled))
    if write.effects:
        values += [*who, write.at, dump([_effect_json(effect) for effect in write.effects])]
    if write.outbox:
        told = [{"n": n, "id": str(one.id), "type": one.type, "data": one.data} for n, one in enumerate(write.outbox)]
        values += [write.tenant_id, str(write.conversation_id), _subject(write), write.at, dump(told)]
    parts = (write.events, write.timers, write.cancelled, write.effects, write.outbox)
    sql = _statement(birth is not None, write.turn.exists, *map(bool, parts))
    try:
        with _cursor() as cursor:
            cursor.execute(sql, values)
            written = cursor.fetchone()[0]
    except DataError as fault:
        if getattr(fault.__cause__, "sqlstate", None) != _DIVISION_BY_ZERO:
            raise
        written = 0
    if not written:
        raise TurnTaken


def _subject(write: Write) -> str:
    return f"conversations/{write.conversation_id}"


def _effect_json(effect: EffectWrite) -> dict[str, Any]:
    return {
        "id": str(effect.id),
        "effect_id": effect.effect_id,
        "step_key": effect.step_key,
        "integration_id": effect.integration_id,
        "request": json.loads(effect.request),
        "request_sha256": effect.request_sha256,
        "idempotency_key": effect.idempotency_key,
        "due_ms": effect.due_ms,
    }


# SQLite: plain statements. Nobody else writes between BEGIN IMMEDIATE and COMMIT, so nothing can have been taken but a conversation's id.

_LITE_CHANGES = ", ".join(f"{name} = %s" for name in _CONVERSATION_FIELDS)
_LITE_UPDATE = f"UPDATE {_C} SET {_LITE_CHANGES}, rev = rev + 1, updated_at = %s WHERE id = %s AND rev = %s"
_LITE_BIRTH = f"INSERT INTO {_C} ({_BORN}) VALUES ({_marks(18)}) ON CONFLICT (id) DO NOTHING"
_LITE_TURN = f"INSERT INTO {_T} ({_TURN_INSERT}) VALUES ({_marks(15)}) ON CONFLICT DO NOTHING"
_LITE_TURN_AGAIN = f"UPDATE {_T} SET request = %s, status = %s, reply = %s, trace = %s, error = %s, attempts = %s, finished_at = %s WHERE id = %s"
_LITE_EVENT = f"INSERT INTO {_E} (tenant_id, conversation_id, turn_id, at, seq, kind, data) VALUES ({_marks(7)})"
_LITE_TIMER = f"INSERT INTO {_M} (tenant_id, conversation_id, token, due_at, status, attempts) VALUES (%s, %s, %s, %s, 'pending', 0)"
_LITE_CANCEL = f"UPDATE {_M} SET status = 'cancelled' WHERE token = %s AND status IN ('pending', 'claimed')"
# Six digits after the point, as Django writes and compares them: recovery claims an effect by the deadline that it has read.
_LITE_DUE = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s) || '000'"
_LITE_EFFECT = f"INSERT INTO {_F} ({_EFFECT_INSERT}) VALUES ({_marks(10)}, {_LITE_DUE}, 'started', 0, %s)"

_LITE_OUTBOX = f"INSERT INTO {_O} (tenant_id, key, subject, at, fanned_out, event_id, type, data) VALUES (%s, %s, %s, %s, 0, %s, %s, %s)"


def _save_sqlite(write: Write, birth: Birth | None) -> None:
    tenant, conversation, turn, at = _id(write.tenant_id), _id(write.conversation_id), _id(write.turn.id), _time(write.at)
    events = [(tenant, conversation, turn, at, seq, kind, dump(data)) for seq, kind, data in write.events]  # NotStorable comes before the first write
    with connection.cursor() as cursor:
        if birth is not None:
            cursor.execute(_LITE_BIRTH, _birth_values(write, birth))
        else:
            cursor.execute(_LITE_UPDATE, [*_conversation_values(write), at, conversation, write.rev])
        if cursor.rowcount != 1:
            raise TurnTaken
        cursor.execute(_LITE_TURN_AGAIN if write.turn.exists else _LITE_TURN, _turn_values(write))
        if cursor.rowcount != 1:
            raise TurnTaken
        cursor.executemany(_LITE_EVENT, events)
        if write.timers:
            due = [(token, _time(write.at + timedelta(milliseconds=after))) for token, after in write.timers]
            cursor.executemany(_LITE_TIMER, [(tenant, conversation, token, when) for token, when in due])
        if write.cancelled:
            cursor.executemany(_LITE_CANCEL, [(token,) for token in write.cancelled])
        for effect in write.effects:
            cursor.execute(_LITE_EFFECT, _effect_values(effect, tenant, conversation, turn, at))
        if write.outbox:
            head = (tenant, str(write.conversation_id), _subject(write), at)
            cursor.executemany(_LITE_OUTBOX, [(*head, one.id.hex, one.type, dump(one.data)) for one in write.outbox])


def _effect_values(effect: EffectWrite, tenant: str, conversation: str, turn: str, at: str) -> list[Any]:
    who = [effect.id.hex, tenant, conversation, turn, effect.effect_id, effect.step_key, effect.integration_id]
    return [*who, effect.request, effect.request_sha256, effect.idempotency_key, f"+{effect.due_ms / 1000:.3f} seconds", at]
