"""Row-level security: the database's own lock on every table that has a tenant. ADR 0003 has the reasons and the measurements.

A row is visible and writable when `mcp.tenants` of the connection is '*' or names its tenant. Not set, empty or garbage: nothing is.
FORCE binds the owner of the tables too, which is what the application connects as; superusers and BYPASSRLS roles are never bound.
"""

from collections.abc import Callable
from typing import Any

from django.db import connection

from mcp_platform.db.operations import Run

_SETTING = "current_setting('mcp.tenants', true)"
# nullif twice: '' and '*' must not reach the cast. The subselects make the planner evaluate the setting once for the statement, not for each row.
_EVERYTHING = f"(SELECT {_SETTING}) = '*'"
_VISIBLE = f"{_EVERYTHING} OR {{column}} = ANY ((SELECT string_to_array(nullif(nullif({_SETTING}, ''), '*'), ',')::uuid[])::uuid[])"


def enable(*tables: str, column: str = "tenant_id", append_only: bool = False) -> Run:
    """A migration operation that locks `tables`; nothing happens on other databases than PostgreSQL.

    `append_only` tables take rows and show them; nobody may change them, and only the platform scope may delete (with their tenant).
    """
    return Run(_on_postgresql(_lock, tables, column, append_only), _on_postgresql(_unlock, tables, column, append_only))


def _on_postgresql(statements: Callable[..., list[str]], tables: tuple[str, ...], column: str, append_only: bool) -> Any:
    def run(editor: Any) -> None:
        if editor.connection.vendor == "postgresql":
            for table in tables:
                for statement in statements(editor.quote_name(table), editor.quote_name(column), append_only):
                    editor.execute(statement)

    return run


def _lock(table: str, column: str, append_only: bool) -> list[str]:
    visible = _VISIBLE.format(column=column)
    policies = [f"CREATE POLICY tenant_lock ON {table} USING ({visible}) WITH CHECK ({visible})"]
    if append_only:
        policies = [
            f"CREATE POLICY tenant_lock ON {table} FOR SELECT USING ({visible})",
            f"CREATE POLICY tenant_append ON {table} FOR INSERT WITH CHECK ({visible})",
            f"CREATE POLICY tenant_erase ON {table} FOR DELETE USING ({_EVERYTHING})",
        ]
    return [f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY", *policies]


def _unlock(table: str, _column: str, _append_only: bool) -> list[str]:
    policies = [f"DROP POLICY IF EXISTS {name} ON {table}" for name in ("tenant_lock", "tenant_append", "tenant_erase")]
    return [*policies, f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"]


def faults() -> list[str]:
    """What keeps row-level security from working here: a role that is never bound, tables with a tenant and no lock. Empty on SQLite."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)")
        found = [f"the role {name} is a superuser or has BYPASSRLS: no policy binds it" for (name,) in cursor.fetchall()]
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped "
            "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace "
            "AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1"
        )
        return found + [f"the table {table} has a tenant and no row-level security" for (table,) in cursor.fetchall()]
