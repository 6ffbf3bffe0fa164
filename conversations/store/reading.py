"""One SELECT: the conversation and, where there is one, the turn of a message."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from conversations.models import Conversation, ConversationEvent, Effect, Timer, Turn
from conversations.store.values import Row, StoredTurn
from experiments.models import Assignment, Exposure
from mcp_platform.outbox.models import OutboxEvent

CONVERSATIONS, TURNS, EVENTS, EFFECTS, TIMERS, OUTBOX, ASSIGNMENTS, EXPOSURES = (
    model._meta.db_table for model in (Conversation, Turn, ConversationEvent, Effect, Timer, OutboxEvent, Assignment, Exposure)
)
READ = f"""
SELECT c.id, c.tenant_id, c.environment_id, c.version_id, c.flow_key, c.channel, c.user_ref, c.locale, c.status, c.snapshot, c.awaiting,
       c.rev, c.next_turn, c.last_seq, c.queued, c.created_at,
       t.id, t.number, t.status, t.request_sha256, t.reply
FROM {CONVERSATIONS} c LEFT JOIN {TURNS} t ON t.conversation_id = c.id AND t.client_message_id = %s
WHERE c.id = %s AND c.tenant_id = %s"""


@contextmanager
def open_cursor() -> Iterator[Any]:
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
    return _read(tenant_id, conversation_id, client_message_id, READ + " FOR UPDATE OF c" if connection.vendor == "postgresql" else READ)


def read(tenant_id: UUID, conversation_id: UUID, client_message_id: str) -> Row | None:
    """The conversation as it is, without a lock: `save` writes only if it has not moved since. See `one_statement`."""
    return _read(tenant_id, conversation_id, client_message_id, READ)


def one_statement() -> bool:
    """Whether `save` may be the whole transaction: PostgreSQL checks and writes everything in one statement, which saves the round trips of
    BEGIN, the lock and COMMIT (measured: a third of a turn's time in the database)."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block


def _read(tenant_id: UUID, conversation_id: UUID, client_message_id: str, sql: str) -> Row | None:
    with open_cursor() as cursor:
        cursor.execute(sql, (client_message_id, column_id(conversation_id), column_id(tenant_id)))
        found = cursor.fetchone()
    if found is None:
        return None
    row, turn = found[:16], found[16:]
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
        created_at=_moment(row[15]),
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


def column_id(value: UUID) -> Any:
    return value if connection.vendor == "postgresql" else value.hex


def _moment(value: Any) -> datetime:
    """SQLite gives the text that Django has written, in UTC."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
