"""SQLite engine whose transactions queue on a lock of this process.

SQLite lets one writer in at a time and makes the others back off and sleep, so under load some wait very long (measured: p95 1.2 s at 32
writers, against 0.1 s here). Threads of one process queue on a plain lock instead; other processes still meet at SQLite's own lock, with its
busy timeout. The lock is held from BEGIN IMMEDIATE to COMMIT or ROLLBACK. A transaction that only reads (mcp_platform.db.snapshot) takes neither.
"""

import threading
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

_write_lock = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    _holds_lock = False
    reads_only = False  # of the transactions that begin from now on

    def _start_transaction_under_autocommit(self) -> None:
        if self.reads_only:
            self.cursor().execute("BEGIN DEFERRED")
            return
        if not _write_lock.acquire(timeout=self.settings_dict["OPTIONS"].get("timeout", 5.0)):
            raise OperationalError("database is locked")
        self._holds_lock = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        if self._holds_lock:
            self._holds_lock = False
            _write_lock.release()

    def _commit(self) -> Any:
        try:
            return super()._commit()  # type: ignore[misc]  # not in the stubs
        finally:
            # A commit that failed leaves the transaction open; Django then rolls back, which releases the lock.
            if self.connection is None or not self.connection.in_transaction:
                self._release()

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]  # not in the stubs
        finally:
            self._release()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]  # not in the stubs
        finally:
            self._release()
