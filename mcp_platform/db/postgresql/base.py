"""PostgreSQL engine that tells the server whose rows the code may touch: `mcp.tenants`, which the row-level security policies read.

What the server was told last is remembered on the psycopg connection itself, because connections outlive this wrapper in the pool: a
connection that comes back with another tenant's setting is told anew, one with the same tenant costs nothing. A rollback takes a setting
back together with the transaction, so after one the connection counts as not told. See docs/adr/0003-tenancy-and-row-level-security.md.
"""

import os
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from mcp_platform.tenancy import scope


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # At each statement, because a cursor may outlive the scope it was made in.
        self.execute_wrappers.append(self._execute_in_scope)

    def create_cursor(self, name: str | None = None) -> Any:
        # Here too, because COPY and other calls of psycopg's own cursor pass no execute wrapper.
        self._tell_scope()
        return super().create_cursor(name)

    def _execute_in_scope(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self._tell_scope()
        return execute(sql, params, many, context)

    def _tell_scope(self) -> None:
        """At most one round trip, and only when the scope is another than what this connection was told."""
        held: Any = self.connection
        wanted = scope.current()
        if held is None or getattr(held, "mcp_tenants", None) == wanted:
            return
        if held.info.transaction_status == TransactionStatus.INERROR:
            return  # only a rollback can run now, and after it the connection counts as not told
        with self.wrap_database_errors:
            held.execute("SELECT set_config('mcp.tenants', %s, false)", (wanted,))
        held.mcp_tenants = wanted

    def _forget(self) -> None:
        if self.connection is not None:
            self.connection.mcp_tenants = None

    def _commit(self) -> None:
        held: Any = self.connection
        # COMMIT of a failed transaction is a rollback that reports success.
        if held is not None and held.info.transaction_status == TransactionStatus.INERROR:
            self._forget()
        try:
            super()._commit()  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self._forget()
            raise

    def _rollback(self) -> None:
        self._forget()
        super()._rollback()  # type: ignore[misc]  # not in the stubs

    def _savepoint_rollback(self, sid: str) -> None:
        try:
            super()._savepoint_rollback(sid)  # type: ignore[misc]  # not in the stubs
        finally:
            self._forget()

    def _close(self) -> None:
        held: Any = self.connection
        # The pool rolls an open transaction back when it takes the connection.
        if held is not None and held.info.transaction_status != TransactionStatus.IDLE:
            self._forget()
        super()._close()  # type: ignore[misc]  # not in the stubs


_parents: list[Any] = []  # kept: to collect a pool or a connection would close it, and tell the server so in the parent's name


def _after_fork() -> None:
    """A child leaves its parent's pool and connection alone and makes its own. To close the pool, as Celery does in a new child, waits for ever
    where another thread of the parent held its lock in the moment of the fork."""
    pools = base.DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # not in the stubs
    _parents.append(dict(pools))
    pools.clear()
    for held in connections.all(initialized_only=True):
        if isinstance(held, DatabaseWrapper):
            _parents.append(held.connection)
            held.connection = None


os.register_at_fork(after_in_child=_after_fork)
