"""A database that was really written to is emptied.

Django's way truncates all 125 tables and makes content types and permissions anew, half a second each time; here only tables that hold
something are emptied, and what the migrations have put there stays. So is the queue: the jobs of thousands of tests that had no worker would
wait for the first test that has one.
"""

import functools
from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

from mcp_platform.celery import app
from mcp_platform.tenancy import scope

MIGRATED = {"django_migrations", "django_content_type", "auth_permission"}


def use() -> None:
    """For every test with `transaction=True`."""
    TransactionTestCase._fixture_teardown = lambda _: empty()  # type: ignore[attr-defined]  # not in the stubs


def empty() -> None:
    with scope.platform_scope(), transaction.atomic(), connection.cursor() as cursor:
        # Rows go in any order; that none is left which another one needs is seen at the end.
        cursor.execute("SET CONSTRAINTS ALL DEFERRED" if connection.vendor == "postgresql" else "PRAGMA defer_foreign_keys = ON")
        cursor.execute(_filled())
        for (table,) in cursor.fetchall():
            cursor.execute(f'DELETE FROM "{table}"')
    with app.connection_or_acquire() as broker:
        broker.default_channel.queue_purge(app.conf.task_default_queue)


@functools.cache
def _filled() -> str:
    tables: list[Any] = sorted({*connection.introspection.django_table_names(only_existing=True, include_views=False)} - MIGRATED)
    return " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\")" for table in tables)
