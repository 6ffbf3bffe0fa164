"""The rows of calls. What only reads is written in batches beside the calls, a moment later; what changes something, before it is answered.

The queue is bounded: when the database does not keep up, calls wait for their row instead of going unrecorded.
"""

import atexit
import queue
import threading
import time
from contextlib import suppress

from django.db import InterfaceError, OperationalError

from mcp_platform import observability, pool
from mcp_platform.mcp.models import Call
from mcp_platform.tenancy import scope

log = observability.logger(__name__)

BATCH = 500
EVERY_SECONDS = 0.25
MOST_WAITING = 10_000
PATIENCE_SECONDS = 5.0  # for the last rows, when the process ends


class Ledger:
    def __init__(self) -> None:
        self._waiting: queue.Queue[Call] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, call: Call) -> bool:
        """Written within a moment; False when too many wait, and the caller has to `write` it."""
        try:
            self._waiting.put_nowait(call)
        except queue.Full:
            return False
        if self._thread is None:
            self._start()
        return True

    def settle(self) -> None:
        """Wait until everything noted so far is written; for the end of the process, and tests."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._waiting.unfinished_tasks and self._thread is not None and time.monotonic() < until:
            time.sleep(0.01)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mcp-ledger", daemon=True)
                self._thread.start()
                atexit.register(self.settle)

    def _run(self) -> None:
        while True:
            calls = [self._waiting.get()]
            time.sleep(EVERY_SECONDS)  # whoever comes meanwhile shares the transaction
            with suppress(queue.Empty):
                while len(calls) < BATCH:
                    calls.append(self._waiting.get_nowait())
            try:
                write(*calls)
                pool.give_back()
            except Exception:  # nothing may end the only thread that writes
                log.exception("mcp_ledger_failed", rows=len(calls))
            for _ in calls:
                self._waiting.task_done()


def write(*calls: Call) -> None:
    """A row that cannot be written must not cost its caller the answer: it is in the log then. Nor must it cost the others theirs."""
    try:
        with scope.platform_scope():
            Call.objects.bulk_create(calls)
    except Exception as fault:  # noqa: BLE001  whatever it is, it is in the log
        if len(calls) > 1 and not isinstance(fault, (OperationalError, InterfaceError)):  # one of them is at fault, not the database
            for call in calls:
                write(call)
            return
        for call in calls:
            log.error(
                "mcp_call_unrecorded",
                fault=repr(fault),
                tenant_id=str(call.tenant_id),
                name=call.name,
                actor=call.actor,
                outcome=call.outcome,
                correlation_id=call.correlation_id,
            )


ledger = Ledger()
