"""One macrostep, written at once or not at all."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import DataError, connection

from conversations.models import Conversation, Turn
from conversations.store.reading import (
    ASSIGNMENTS,
    CONVERSATIONS,
    EFFECTS,
    EVENTS,
    EXPOSURES,
    OUTBOX,
    TIMERS,
    TURNS,
    column_id,
    open_cursor,
)
from conversations.store.values import Birth, EffectWrite, ExposureWrite, Row, TurnTaken, TurnWrite, Write, dump

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
        column_id(write.version_id),
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
    head = [column_id(write.conversation_id), column_id(write.tenant_id), birth.environment_id, birth.channel, birth.user_ref]
    return [*head, *_conversation_values(write), 0, at, at]


def _turn_values(write: Write) -> list[Any]:
    turn, at = write.turn, _time(write.at)
    done = at if turn.status in ("done", "failed", "dead") else None
    if turn.exists:
        return [turn.request, turn.status, turn.reply, turn.trace, turn.error, turn.attempts, done, column_id(turn.id)]
    who = [
        column_id(turn.id),
        column_id(write.tenant_id),
        column_id(write.conversation_id),
        turn.number,
        turn.kind,
        turn.client_message_id,
        turn.request_sha256,
    ]
    return [*who, turn.request, turn.status, turn.reply, turn.trace, turn.error, turn.attempts, at, done]


def _time(at: datetime) -> Any:
    return at if connection.vendor == "postgresql" else connection.ops.adapt_datetimefield_value(at)


# PostgreSQL: one statement. Its text depends only on which parts there are, so there are few texts.


_DIVISION_BY_ZERO = "22012"


_EXPOSURE_INSERT = "tenant_id, experiment_id, assignment_id, variant_id, conversation_id, turn_id, phase, state, analysed, at, seq, counted, settled"
BEGINS = "('started', 'restarted', 'pushed', 'replaced')"  # events that begin a flow; their data names the version


# What may follow the conversation and its turn, in this order; each hangs on `t`.
_PARTS = (
    f"e AS (INSERT INTO {EVENTS} (tenant_id, conversation_id, turn_id, at, seq, kind, data)"
    " SELECT %s::uuid, %s::uuid, %s::uuid, %s::timestamptz, x.seq, x.kind, x.data"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(seq integer, kind text, data jsonb))",
    # Due by the clock of the database, which is also the one that finds them due.
    f"m AS (INSERT INTO {TIMERS} (tenant_id, conversation_id, token, due_at, status, attempts)"
    " SELECT %s::uuid, %s::uuid, x.token, clock_timestamp() + x.after_ms * interval '1 millisecond', 'pending', 0"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(token text, after_ms integer))",
    f"k AS (UPDATE {TIMERS} SET status = 'cancelled' FROM t WHERE token = ANY(%s) AND {TIMERS}.status IN ('pending', 'claimed'))",
    f"f AS (INSERT INTO {EFFECTS} ({_EFFECT_INSERT})"
    " SELECT x.id, %s::uuid, %s::uuid, %s::uuid, x.effect_id, x.step_key, x.integration_id, x.request, x.request_sha256, x.idempotency_key,"
    " clock_timestamp() + x.due_ms * interval '1 millisecond', 'started', 0, %s::timestamptz"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(id uuid, effect_id text, step_key text,"
    " integration_id text, request jsonb, request_sha256 text, idempotency_key text, due_ms integer))",
    # Sorted, because the number that a row gets is its place in the order of the conversation.
    f"o AS (INSERT INTO {OUTBOX} (tenant_id, key, subject, at, fanned_out, event_id, type, data)"
    " SELECT %s::uuid, %s, %s, %s::timestamptz, false, x.id, x.type, x.data"
    " FROM t, jsonb_to_recordset(%s::jsonb) AS x(n integer, id uuid, type text, data jsonb) ORDER BY x.n)",
    f"x AS (INSERT INTO {EXPOSURES} ({_EXPOSURE_INSERT})"
    " SELECT a.tenant_id, a.experiment_id, a.id, a.variant_id, %s::uuid, %s::uuid, y.phase, y.state,"
    " a.reason <> 'forced' AND a.at >= y.opened, %s::timestamptz, 0,"
    " '{}'::jsonb, false FROM t CROSS JOIN jsonb_to_recordset(%s::jsonb) AS y(experiment uuid, unit_type text, unit_id text, bucket integer,"
    " variant bigint, phase integer, state text, program text, since timestamptz, opened timestamptz, fresh boolean)"
    f" JOIN {ASSIGNMENTS} a ON a.experiment_id = y.experiment AND a.unit_type = y.unit_type AND a.unit_id = y.unit_id"
    " AND a.bucket_version = y.bucket AND a.variant_id = y.variant"
    f" WHERE y.fresh OR EXISTS (SELECT 1 FROM {EVENTS} b WHERE b.conversation_id = %s::uuid AND b.kind IN {BEGINS} AND b.at >= y.since"
    " AND b.at >= a.at AND b.data->>'program' = y.program) ON CONFLICT DO NOTHING RETURNING experiment_id)",
    f"z AS (INSERT INTO {OUTBOX} (tenant_id, key, subject, at, fanned_out, event_id, type, data)"
    " SELECT %s::uuid, %s, %s, %s::timestamptz, false, y.id, y.type, y.data"
    " FROM x JOIN jsonb_to_recordset(%s::jsonb) AS y(experiment uuid, id uuid, type text, data jsonb) ON y.experiment = x.experiment_id)",
)


@cache
def statement(born: bool, exists: bool, *wanted: bool) -> str:
    """`wanted`: which of _PARTS there are."""
    if born:
        conversation = f"INSERT INTO {CONVERSATIONS} ({_BORN}) VALUES ({_marks(18, json=(10,))}) ON CONFLICT (id) DO NOTHING RETURNING id"
    else:
        changes = ", ".join(f"{name} = %s{'::jsonb' if name == 'snapshot' else ''}" for name in _CONVERSATION_FIELDS)
        conversation = f"UPDATE {CONVERSATIONS} SET {changes}, rev = rev + 1, updated_at = %s WHERE id = %s AND rev = %s RETURNING id"
    if exists:
        turn = (
            f"UPDATE {TURNS} SET request = %s::jsonb, status = %s, reply = %s::jsonb, trace = %s::jsonb, error = %s::jsonb, attempts = %s,"
            f" finished_at = %s FROM c WHERE {TURNS}.id = %s RETURNING {TURNS}.id"
        )
    else:
        marks = _marks(15, json=(7, 9, 10, 11), casts={14: "timestamptz"})
        turn = f"INSERT INTO {TURNS} ({_TURN_INSERT}) SELECT {marks} FROM c ON CONFLICT DO NOTHING RETURNING id"
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
    announced = [one for one in write.exposures if one.outbox is not None]
    if write.exposures:
        values += [*who[1:], write.at, dump([_exposure_json(one) for one in write.exposures]), write.conversation_id]
    if announced:
        values += [write.tenant_id, str(write.conversation_id), _subject(write), write.at, dump([_exposure_told(one) for one in announced])]
    parts = (write.events, write.timers, write.cancelled, write.effects, write.outbox, write.exposures, announced)
    sql = statement(birth is not None, write.turn.exists, *map(bool, parts))
    try:
        with open_cursor() as cursor:
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


def _exposure_json(one: ExposureWrite) -> dict[str, Any]:
    return {
        "experiment": str(one.experiment),
        "unit_type": one.unit_type,
        "unit_id": one.unit_id,
        "bucket": one.bucket_version,
        "variant": one.variant,
        "phase": one.phase,
        "state": one.state,
        "program": one.program,
        "since": one.since.isoformat(),
        "opened": one.opened.isoformat(),
        "fresh": one.fresh,
    }


def _exposure_told(one: ExposureWrite) -> dict[str, Any]:
    told = one.outbox
    return {"experiment": str(one.experiment), "id": str(told.id), "type": told.type, "data": told.data} if told is not None else {}


# SQLite: plain statements. Nobody else writes between BEGIN IMMEDIATE and COMMIT, so nothing can have been taken but a conversation's id.

_LITE_CHANGES = ", ".join(f"{name} = %s" for name in _CONVERSATION_FIELDS)
_LITE_UPDATE = f"UPDATE {CONVERSATIONS} SET {_LITE_CHANGES}, rev = rev + 1, updated_at = %s WHERE id = %s AND rev = %s"
_LITE_BIRTH = f"INSERT INTO {CONVERSATIONS} ({_BORN}) VALUES ({_marks(18)}) ON CONFLICT (id) DO NOTHING"
_LITE_TURN = f"INSERT INTO {TURNS} ({_TURN_INSERT}) VALUES ({_marks(15)}) ON CONFLICT DO NOTHING"
_LITE_TURN_AGAIN = f"UPDATE {TURNS} SET request = %s, status = %s, reply = %s, trace = %s, error = %s, attempts = %s, finished_at = %s WHERE id = %s"
_LITE_EVENT = f"INSERT INTO {EVENTS} (tenant_id, conversation_id, turn_id, at, seq, kind, data) VALUES ({_marks(7)})"
_LITE_TIMER = f"INSERT INTO {TIMERS} (tenant_id, conversation_id, token, due_at, status, attempts) VALUES (%s, %s, %s, %s, 'pending', 0)"
_LITE_CANCEL = f"UPDATE {TIMERS} SET status = 'cancelled' WHERE token = %s AND status IN ('pending', 'claimed')"
# Six digits after the point, as Django writes and compares them: recovery claims an effect by the deadline that it has read.
_LITE_DUE = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s) || '000'"
_LITE_EFFECT = f"INSERT INTO {EFFECTS} ({_EFFECT_INSERT}) VALUES ({_marks(10)}, {_LITE_DUE}, 'started', 0, %s)"

_LITE_OUTBOX = f"INSERT INTO {OUTBOX} (tenant_id, key, subject, at, fanned_out, event_id, type, data) VALUES (%s, %s, %s, %s, 0, %s, %s, %s)"


# By the names that the event has in its JSON; SQLite's own function reads them.
_LITE_EXPOSURE = (
    f"INSERT OR IGNORE INTO {EXPOSURES} ({_EXPOSURE_INSERT}) SELECT a.tenant_id, a.experiment_id, a.id, a.variant_id, %s, %s, %s, %s,"
    f" a.reason <> 'forced' AND a.at >= %s, %s, 0, '{{}}', 0 FROM {ASSIGNMENTS} a WHERE a.experiment_id = %s AND a.unit_type = %s AND a.unit_id = %s"
    f" AND a.bucket_version = %s AND a.variant_id = %s AND (%s OR EXISTS (SELECT 1 FROM {EVENTS} b WHERE b.conversation_id = %s"
    f" AND b.kind IN {BEGINS} AND b.at >= %s AND b.at >= a.at AND json_extract(b.data, '$.program') = %s))"
)


def _expose_sqlite(cursor: Any, write: Write, one: ExposureWrite) -> None:
    conversation, at = column_id(write.conversation_id), _time(write.at)
    what = [conversation, column_id(write.turn.id), one.phase, one.state, _time(one.opened), at]
    whom = [column_id(one.experiment), one.unit_type, one.unit_id, one.bucket_version, one.variant]
    cursor.execute(_LITE_EXPOSURE, [*what, *whom, one.fresh, conversation, _time(one.since), one.program])
    if cursor.rowcount == 1 and one.outbox is not None:
        head = (column_id(write.tenant_id), str(write.conversation_id), _subject(write), at)
        cursor.execute(_LITE_OUTBOX, (*head, one.outbox.id.hex, one.outbox.type, dump(one.outbox.data)))


def _save_sqlite(write: Write, birth: Birth | None) -> None:
    tenant, conversation, turn, at = column_id(write.tenant_id), column_id(write.conversation_id), column_id(write.turn.id), _time(write.at)
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
        for one in write.exposures:
            _expose_sqlite(cursor, write, one)


def _effect_values(effect: EffectWrite, tenant: str, conversation: str, turn: str, at: str) -> list[Any]:
    who = [effect.id.hex, tenant, conversation, turn, effect.effect_id, effect.step_key, effect.integration_id]
    return [*who, effect.request, effect.request_sha256, effect.idempotency_key, f"+{effect.due_ms / 1000:.3f} seconds", at]
