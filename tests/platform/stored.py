"""What the database holds, so that a test can tell that nothing has changed. Fast: thousands of requests are asked for it twice."""

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model

from mcp_platform.tenancy.models import Tenant, TenantModel

Digests: TypeAlias = dict[str, tuple[int, str]]

NOTED = {("tenancy.ApiKey", "last_used_at")}  # a key that is shown may be noted as used: not a consequence of what was asked
FIXED = {"auth", "contenttypes"}


def stored(tenant: Tenant | None = None) -> Digests:
    """Of every table, or of every table of tenants: how many rows there are (of this tenant), and a digest of all their values."""
    whose = tenant.pk if tenant else None
    known = _known.now()
    if whose not in known:
        known[whose] = _on_postgresql(whose) if connection.vendor == "postgresql" else _on_sqlite(whose)
    return known[whose]


@contextmanager
def rolled_back() -> Iterator[None]:
    """Everything that the block writes is gone behind it."""
    try:
        with transaction.atomic():
            before = _known.now()
            yield
            transaction.set_rollback(True)
    except BaseException:
        _known.forget()
        raise
    _known.again(before)


class _Known:
    """Digests that are still true: SQLite counts what it has written, over this connection and over others."""

    def __init__(self) -> None:
        self._digests: dict[UUID | None, Digests] = {}
        self._mark: object = None

    def now(self) -> dict[UUID | None, Digests]:
        mark = _mark()
        if mark is None or mark != self._mark:
            self._digests, self._mark = {}, mark
        return self._digests

    def forget(self) -> None:
        self._digests, self._mark = {}, None

    def again(self, digests: dict[UUID | None, Digests]) -> None:
        self._digests, self._mark = digests, _mark()


_known = _Known()


def _mark() -> object:
    if connection.vendor != "sqlite":
        return None
    connection.ensure_connection()
    held = connection.connection
    return held, held.total_changes, held.execute("PRAGMA data_version").fetchone()


def _kept(of_a_tenant: bool) -> Iterator[type[Model]]:
    return (model for model in apps.get_models() if model._meta.app_label not in FIXED and (not of_a_tenant or issubclass(model, TenantModel)))


def _columns(model: type[Model]) -> str:
    quote = connection.ops.quote_name
    return ", ".join(quote(str(field.column)) for field in model._meta.concrete_fields if (model._meta.label, field.attname) not in NOTED)


def _on_sqlite(whose: UUID | None) -> Digests:
    asked = [whose.hex] if whose else []
    with connection.cursor() as cursor:
        return {label: _digest(cursor, question, asked) for label, question in _questions(whose is not None).items()}


@functools.cache
def _questions(of_a_tenant: bool) -> dict[str, str]:
    """Plain SQL: to let Django write it anew for each of the tables takes ten times as long as the answer."""
    where = " WHERE tenant_id = %s" if of_a_tenant else ""
    return {model._meta.label: f'SELECT {_columns(model)} FROM "{model._meta.db_table}"{where}' for model in _kept(of_a_tenant)}


def _digest(cursor: Any, question: str, whose: list[str]) -> tuple[int, str]:
    cursor.execute(question, whose)
    rows = sorted(map(repr, cursor.fetchall()))
    return len(rows), hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _on_postgresql(whose: UUID | None) -> Digests:
    """All tables in one question, the sums made where the rows are."""
    with connection.cursor() as cursor:
        cursor.execute(_question(whose is not None), {"whose": whose})
        return {label: (count, str(total)) for label, count, total in cursor.fetchall()}


@functools.cache
def _question(of_a_tenant: bool) -> str:
    where = " WHERE tenant_id = %(whose)s" if of_a_tenant else ""
    return " UNION ALL ".join(
        f"SELECT '{model._meta.label}', count(*), sum(hashtextextended(ROW({_columns(model)})::text, 0)::numeric)"
        f' FROM "{model._meta.db_table}"{where}'
        for model in _kept(of_a_tenant)
    )
