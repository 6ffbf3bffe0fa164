"""Many reads that see the rows as they are at one moment, however long they take and whoever writes meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def one_state() -> Iterator[None]:
    """All reads of the block see one state of the rows, that of its beginning; writing in it is an error, and it keeps nobody else from writing.

    PostgreSQL: REPEATABLE READ READ ONLY. SQLite: a read transaction of the write-ahead log, which does not wait for the lock of writers.
    Inside a transaction that has begun already it is that transaction, because neither can be changed any more.
    """
    if connection.in_atomic_block:
        yield
        return
    connection.ensure_connection()
    with _reading() if connection.vendor == "postgresql" else _deferred(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")  # the first read is what the moment is taken at
        yield


@contextmanager
def _reading() -> Iterator[None]:
    """The transactions that the driver begins, until the connection is told otherwise: it may be somebody else's next, by way of the pool."""
    from psycopg import IsolationLevel

    held: Any = connection.connection
    before = held.isolation_level, held.read_only
    held.isolation_level, held.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        yield
    finally:
        if not held.closed:
            held.isolation_level, held.read_only = before


@contextmanager
def _deferred() -> Iterator[None]:
    wrapper: Any = connection
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
    wrapper.reads_only = True
    try:
        yield
    finally:
        wrapper.reads_only = False
        if connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA query_only = OFF")
