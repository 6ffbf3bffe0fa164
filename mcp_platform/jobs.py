"""Background work: enqueue after commit, tasks that carry their tenant, sweeps that lease due rows.

Truth lives in rows written in the business transaction. A task gets ids only and is idempotent by them; a task that is lost is found again by
the sweep of its rows. Sweeps run in a thread of every worker process (the embedded one too); they claim rows by conditional update, so any
number of them may run.
"""

import hashlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from celery import Task, bootsteps, current_task, shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, close_old_connections, transaction
from kombu.exceptions import OperationalError as BrokerAway

from mcp_platform import observability, pool
from mcp_platform.celery import app  # named, not celery's current_app: without this import that is an app that dials localhost
from mcp_platform.db.busy import is_busy
from mcp_platform.tenancy import scope

log = observability.logger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
MOST_DELIVERIES = 3
MARKED_SECONDS = 5.0
CORRELATION = "mcp_correlation_id"  # headers of our own: Celery's `correlation_id` is the id of the task
WAITING = "mcp_waiting"  # the mark of a job that others need not be sent beside


def enqueue(task_name: str, /, **kwargs: Any) -> None:
    """Send a registered task after commit (at once outside a transaction). `kwargs` are JSON; `tenant_id` sets the tenant of the job."""
    job = _Job(task_name, kwargs, {CORRELATION: observability.correlation_id()})
    transaction.on_commit(lambda: _hand_over(job), robust=True)  # noqa: TID251  this is the one place


def enqueue_once(task_name: str, /, *, within: float, **kwargs: Any) -> None:
    """As `enqueue`, in `within` seconds, unless a job with the same arguments is waiting that has not begun: that one will see what was committed.

    For work that many small changes ask for, which reads the rows and does whatever there is to do.
    """
    mark = f"jobs.waiting.{task_name}.{_digest(kwargs)}"
    job = _Job(task_name, kwargs, {CORRELATION: observability.correlation_id(), WAITING: mark}, within)
    transaction.on_commit(lambda: _hand_over(job), robust=True)  # noqa: TID251  this is the one place


@dataclass(frozen=True, slots=True)
class _Job:
    task_name: str
    kwargs: dict[str, Any]
    headers: dict[str, str]
    after: float = 0.0  # seconds


def _digest(kwargs: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(kwargs, sort_keys=True).encode()).hexdigest()


def _wanted(job: _Job) -> bool:
    """False when another one is waiting. A job that was lost on its way holds up the next ones for MARKED_SECONDS at most."""
    mark = job.headers.get(WAITING)
    try:
        return not mark or bool(cache.add(mark, 1, timeout=job.after + MARKED_SECONDS))
    except Exception as fault:  # noqa: BLE001  each cache has its own errors; without it there are more jobs than need be
        log.warning("job_unmarked", fault=repr(fault))
        return True


def _hand_over(job: _Job) -> None:
    (_send if settings.EMBEDDED else _courier.send)(job)


class _Courier:
    """Carries tasks to Redis from a thread of its own: a broker that hangs must not hold the thread of a request. What does not fit into its
    short queue is dropped; the sweeps find that work in its rows."""

    MOST_WAITING = 1000

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Job] = queue.Queue(self.MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, job: _Job) -> None:
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            log.warning("enqueue_lost", task=job.task_name, fault="the broker hangs")
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            job = self._waiting.get()
            try:
                _send(job)
            except Exception:  # one job that cannot be sent must not end the thread that carries all of them
                log.exception("enqueue_failed", task=job.task_name)


_courier = _Courier()


def _after_fork() -> None:
    """A thread does not survive a fork (Celery's workers do that): the child makes its own."""
    global _courier
    _courier = _Courier()


os.register_at_fork(after_in_child=_after_fork)


def _send(job: _Job) -> None:
    """Now, or in `after` seconds: by this process' own clock, because Celery's countdown is a time of day that the worker's clock would judge."""
    if not _wanted(job):
        return
    if job.after:
        later = threading.Timer(job.after, _deliver, (job,))
        later.daemon = True  # a process that ends leaves the work to the sweeps
        later.start()
    else:
        _deliver(job)


def _deliver(job: _Job) -> None:
    try:
        app.tasks[job.task_name].apply_async(kwargs=job.kwargs, headers=job.headers, retry=False)
    except (BrokerAway, OSError) as fault:  # kombu turns every transport's own errors into its OperationalError
        _unmark(job.headers.get(WAITING))
        log.warning("enqueue_lost", task=job.task_name, fault=repr(fault))  # the broker is away: the sweep of the rows will find the work


def _unmark(mark: str | None) -> None:
    if mark:
        with suppress(Exception):  # each cache has its own errors; a mark ends by itself
            cache.delete(mark)


def after_commit(work: Callable[[], None]) -> None:
    """Run something small in this process after commit (at once outside a transaction), such as dropping a cache. Never slow work."""
    transaction.on_commit(work, robust=True)  # noqa: TID251  this is the one place


class TenantTask(Task):  # type: ignore[type-arg]  # generic in the stubs only
    """Enters the tenant of its `tenant_id` argument; binds ids to the log; gives connections back."""

    abstract = True
    swept = False  # a sweep finds the work again, so a job that meets a busy database may leave it

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tenant_id = kwargs.get("tenant_id")
        inside = scope.tenant_scope(tenant_id) if tenant_id else nullcontext()
        correlation = self._header(CORRELATION)
        if self._kills_its_workers():
            return None
        self._no_longer_waits()
        with observability.correlated(correlation, task=self.name), inside:
            if tenant_id:
                observability.bind(tenant_id=tenant_id)
            try:
                return super().__call__(*args, **kwargs)
            except OperationalError as fault:
                if not (self.swept and is_busy(fault)):
                    raise
                log.info("job_postponed", fault=repr(fault))
            finally:
                pool.give_back()  # the threads of a worker outlive their jobs, and the pool has few connections

    def _header(self, name: str) -> str:
        return str((self.request.headers or {}).get(name, "") or self.request.get(name, "") or "")

    def _no_longer_waits(self) -> None:
        """Before anything is read: what is committed from here on needs a job of its own."""
        _unmark(self._header(WAITING))

    def _kills_its_workers(self) -> bool:
        """Whether this job was handed over three times by workers that died of it. Then it is dropped: the broker would hand it over for ever.
        What it was about is in rows, where the sweeps count too."""
        if self.request.called_directly or not (self.request.delivery_info or {}).get("redelivered"):
            return False
        key = f"jobs.handed_over.{self.request.id}"
        try:
            cache.add(key, 0, timeout=86_400)
            if cache.incr(key) < MOST_DELIVERIES:
                return False
        except Exception as fault:  # noqa: BLE001  each cache has its own errors; who cannot count carries on
            log.warning("deliveries_not_counted", fault=repr(fault))
            return False
        observability.DEAD_JOBS.labels(self.name).inc()
        log.error("job_dropped", task=self.name, kwargs=self.request.kwargs)
        return True


def task(name: str, **options: Any) -> Callable[[F], F]:
    """Register a task under `name`: acknowledged when done, handed over when its worker dies. `swept=True`: a sweep finds its work again."""
    decorated: Callable[[F], F] = shared_task(name=name, base=TenantTask, **options)
    return decorated


def in_worker() -> bool:
    """Whether a worker runs the task that this is called in; False when a task is called like a function."""
    return bool(current_task) and not current_task.request.called_directly


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    name: str
    every_seconds: float
    work: Callable[[], int]


SWEEPS: dict[str, Sweep] = {}


def sweep(*, every_seconds: float, name: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register a function that claims due rows and returns how many it found. It runs every `every_seconds`, again at once when it found some."""

    def register(work: Callable[[], int]) -> Callable[[], int]:
        SWEEPS[name] = Sweep(name=name, every_seconds=every_seconds, work=work)
        return work

    return register


class Dispatcher(threading.Thread):
    """Runs the sweeps until `stop()`; a sweep that fails is logged and tried again at its next time."""

    def __init__(self, sweeps: Mapping[str, Sweep] | None = None) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._sweeps = dict(SWEEPS if sweeps is None else sweeps)
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=5)

    def run(self) -> None:
        due = dict.fromkeys(self._sweeps, 0.0)
        while not self._stopping.wait(0.1):
            for name, at in due.items():
                if time.monotonic() >= at and not self._stopping.is_set():
                    due[name] = time.monotonic() + (0 if self._sweep(self._sweeps[name]) else self._sweeps[name].every_seconds)
        close_old_connections()

    def _sweep(self, one: Sweep) -> int:
        try:
            with observability.correlated(sweep=one.name), scope.platform_scope():
                return one.work()
        except OperationalError as fault:
            if not is_busy(fault):
                log.exception("sweep_failed")
            else:
                log.info("sweep_postponed", fault=repr(fault))
            close_old_connections()
            return 0
        except Exception:
            log.exception("sweep_failed")
            close_old_connections()
            return 0


class DispatcherStep(bootsteps.StartStopStep):
    """Every worker also runs the sweeps that lease due timers and overdue effects. After the pool has forked its processes, because a lock
    that the dispatcher's thread holds in that moment stays locked in the child."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.dispatcher: Any = None

    def start(self, parent: Any) -> None:
        self.dispatcher = Dispatcher()
        self.dispatcher.start()
        log.info("dispatcher_started", sweeps=sorted(SWEEPS))

    def stop(self, parent: Any) -> None:
        if self.dispatcher is not None:
            self.dispatcher.stop()


app.steps["worker"].add(DispatcherStep)
