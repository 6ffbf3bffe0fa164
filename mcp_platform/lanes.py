"""Threads for work that waits for others: calls to the outside. A slow partner of one tenant must not stand in the way of anybody else.

A worker's own threads and processes are few, and every turn, timer and queue needs them. So a job that would wait is handed over to a lane,
a thread of its own, and the worker's thread is free at once. A tenant has a few lanes in each process, and of these one partner a part;
who finds them taken waits in the database, not in a thread: the row stays as it is, and when a lane is free again `more` looks for rows.
What a process takes with it when it dies is found by the sweep of the rows, as with every job.
"""

import contextvars
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import bootsteps, signals
from django.conf import settings
from django.db import connections

from mcp_platform import errors, observability
from mcp_platform.celery import app

log = observability.logger(__name__)
Work = Callable[[], Any]


class NoLaneFree(errors.Busy):
    """Too many calls of this tenant are under way; try again."""

    code = "TOO_MANY_CALLS"


class Lanes:
    """At most `total` at a time, of one tenant at most `per_tenant`, of these at most `per_partner` to the same partner."""

    def __init__(self, *, total: int, per_tenant: int, per_partner: int) -> None:
        self._total, self._per_tenant, self._per_partner = total, per_tenant, per_partner
        self._changed = threading.Condition()
        self._tenants: Counter[str] = Counter()
        self._partners: Counter[tuple[str, str]] = Counter()
        self._turned_away: OrderedDict[str, Work] = OrderedDict()  # tenant -> who looks for its rows; who waits longest comes first
        self._closed = False

    def offer(self, tenant: str, partner: str, work: Work, more: Work) -> bool:
        """Begin `work` in a thread of its own, in the caller's tenant and correlation; False when no lane is free.

        Then `more` is called when one is: it finds what waits and offers it again.
        """
        with self._changed:
            if not self._takes(tenant, partner):
                self._turned_away.setdefault(tenant, more)
                return False
            self._count(tenant, partner, 1)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run, tenant, partner, work), name=f"lane-{partner}", daemon=True).start()
        return True

    @contextmanager
    def inside(self, tenant: str, partner: str) -> Iterator[None]:
        """A lane for the caller's own thread. Raises NoLaneFree."""
        with self._changed:
            if not self._takes(tenant, partner):
                raise NoLaneFree(retry_after=2)
            self._count(tenant, partner, 1)
        try:
            yield
        finally:
            self._leave(tenant, partner)

    def full(self, tenant: str) -> list[str]:
        """The partners of this tenant that can take no more calls now."""
        with self._changed:
            return [partner for (whose, partner), count in self._partners.items() if whose == tenant and count >= self._per_partner]

    def running(self) -> int:
        return self._tenants.total()

    def drain(self, seconds: float) -> bool:
        """Take nothing more and wait for what is under way; False when something still is after `seconds`."""
        until = time.monotonic() + seconds
        with self._changed:
            self._closed = True
            self._turned_away.clear()
            return self._changed.wait_for(lambda: not self._tenants.total(), max(0.0, until - time.monotonic()))

    def open(self) -> None:
        with self._changed:
            self._closed = False

    def _takes(self, tenant: str, partner: str) -> bool:
        return (
            not self._closed
            and self._tenants.total() < self._total
            and self._tenants[tenant] < self._per_tenant
            and self._partners[tenant, partner] < self._per_partner
        )

    def _count(self, tenant: str, partner: str, by: int) -> None:
        self._tenants[tenant] += by
        self._partners[tenant, partner] += by
        if not self._partners[tenant, partner]:
            del self._partners[tenant, partner]
        if not self._tenants[tenant]:
            del self._tenants[tenant]

    def _run(self, tenant: str, partner: str, work: Work) -> None:
        try:
            work()
        except Exception:
            log.exception("lane_failed", partner=partner)
        finally:
            self._leave(tenant, partner)
            connections.close_all()

    def _leave(self, tenant: str, partner: str) -> None:
        with self._changed:
            self._count(tenant, partner, -1)
            self._changed.notify_all()
            waiting = [self._turned_away.pop(name) for name in list(self._turned_away) if self._tenants[name] < self._per_tenant]
        for more in waiting:
            try:
                more()
            except Exception:
                log.exception("lane_refill_failed")


_lanes: Lanes | None = None
_making = threading.Lock()


def lanes() -> Lanes:
    """Those of this process."""
    global _lanes
    with _making:
        if _lanes is None:
            per_tenant = settings.INTEGRATION_CALLS_PER_TENANT
            _lanes = Lanes(total=settings.INTEGRATION_CALLS, per_tenant=per_tenant, per_partner=max(1, per_tenant * 3 // 4))
        return _lanes


def _after_fork() -> None:
    """Threads do not survive a fork (Celery's workers do that), nor may a lock that one of them held."""
    global _lanes, _making
    _lanes, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


LONGEST_CALL_SECONDS = 40.0  # the longest timeout of a call, and what comes after it


class LanesStep(bootsteps.StartStopStep):
    """A worker that is told to stop finishes the calls that it has begun, as it does with its tasks."""

    def start(self, parent: Any) -> None:
        lanes().open()

    def stop(self, parent: Any) -> None:
        _finish()


def _finish(**_: Any) -> None:
    if _lanes is not None and not _lanes.drain(LONGEST_CALL_SECONDS):
        log.warning("calls_left_behind", count=_lanes.running())


signals.worker_process_shutdown.connect(_finish)  # of Celery's own: a child of the prefork pool has no bootsteps
app.steps["worker"].add(LanesStep)
