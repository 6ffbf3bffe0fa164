"""Long-running work with progress: start it, run it, tell how far it is, cancel it, take it up again after a crash.

Truth lives in the row, which is written in the business transaction. A worker claims it by conditional update and keeps its heart beating;
`recover` hands an operation whose heart has stopped to another worker, three times at most.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Any, TypeAlias
from uuid import UUID

from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from mcp_platform import errors, jobs, observability, rest
from mcp_platform.operations import events, queries
from mcp_platform.operations.errors import Cancelled, OperationEnded, OperationFailed, OperationGivenUp
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

ATTEMPTS = 3
HEARTBEAT_SECONDS = 10.0
SILENT = timedelta(seconds=60)  # without a heartbeat: the worker is gone
UNCLAIMED = timedelta(seconds=30)  # in the queue that long: its job was lost
TOLD_EVERY_SECONDS = 0.25

Result: TypeAlias = dict[str, Any]


class NotYet(Exception):
    """Raised by a worker function whose turn has not come: its thread is free at once, and the sweep hands the job out again after `seconds`.

    It is no attempt that failed, so it may be said as often as needed.
    """

    def __init__(self, phase: str, *, seconds: float = 1.0) -> None:
        self.phase, self.seconds = phase, seconds
        super().__init__(phase)


class Progress:
    """What the worker function tells while it works. `attempt` is 1 at first and grows when a worker died."""

    def __init__(self, operation_id: UUID, attempt: int) -> None:
        self.operation_id, self.attempt = operation_id, attempt
        self._told_at = 0.0
        self._phase = ""

    def report(self, done: int, total: int, phase: str = "") -> None:
        """Written at most four times a second. Raises Cancelled: let it through, what is half done is the function's own to tidy up."""
        now = time.monotonic()
        if now - self._told_at < TOLD_EVERY_SECONDS and phase == self._phase and done < total:
            return
        self._told_at, self._phase = now, phase
        row = Operation.objects.filter(pk=self.operation_id, status=Operation.Status.RUNNING, attempts=self.attempt)
        if not row.filter(cancel_asked=False).update(done=done, total=total, phase=phase[:200], heartbeat_at=Now()):
            raise Cancelled
        events.publish_change(self.operation_id)


Work: TypeAlias = Callable[[Tenant, Mapping[str, Any], Progress], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`reads` is the permission to see an operation of this kind; `opens` gives the address of the page that shows the result to staff."""

    work: Work
    reads: str
    opens: Callable[[Operation], str] | None


KINDS: dict[str, Kind] = {}


def kind(name: str, *, reads: str = "conversations:operate", opens: Callable[[Operation], str] | None = None) -> Callable[[Work], Work]:
    """Register the worker function of a kind, in the `tasks` of its app. It may run again after a crash, so it is idempotent or goes on."""

    def register(work: Work) -> Work:
        KINDS[name] = Kind(work=work, reads=reads, opens=opens)
        return work

    return register


def readable(by: Principal) -> list[str]:
    """The kinds whose operations this principal may see."""
    return [name for name, one in KINDS.items() if by.may(one.reads)]


def start(tenant: Tenant, *, kind: str, title: str, arguments: Mapping[str, Any], by: Principal | str, subject: str = "") -> Operation:
    """The row and its job, after the commit of the caller's transaction."""
    actor = by if isinstance(by, str) else by.actor
    with transaction.atomic():
        made: Operation = Operation.objects.create(
            tenant=tenant,
            kind=kind,
            title=title[:200],
            subject=subject,
            arguments=dict(arguments),
            created_by=actor,
            created_at=timezone.now(),
            heartbeat_at=timezone.now(),
        )
        jobs.enqueue("operations.run", tenant_id=str(tenant.pk), operation_id=str(made.pk), attempt=0)
    return made


def cancel(tenant: Tenant, *, operation_id: UUID, by: Principal) -> Operation:
    """A queued one ends at once, a running one at its next report. Raises OperationNotFound, OperationEnded, Denied."""
    by.require("operations:cancel")
    queries.operation(tenant, operation_id, kinds=readable(by))
    mine = Operation.objects.for_tenant(tenant).filter(pk=operation_id)
    asked = mine.filter(status=Operation.Status.QUEUED).update(status=Operation.Status.CANCELLED, cancel_asked=True, finished_at=Now())
    asked = asked or mine.filter(status=Operation.Status.RUNNING).update(cancel_asked=True)
    if not asked:
        raise OperationEnded(operation_id=str(operation_id))
    events.publish_change(operation_id)
    return queries.operation(tenant, operation_id, kinds=readable(by))


def run(tenant: Tenant, *, operation_id: UUID, attempt: int) -> None:
    """Claim the operation and carry it out. Of several jobs for the same attempt only one does."""
    row = Operation.objects.for_tenant(tenant).filter(pk=operation_id, status__in=OPEN, attempts=attempt).first()
    if row is None:
        return
    claimed = Operation.objects.filter(pk=operation_id, status__in=OPEN, attempts=attempt).update(
        status=Operation.Status.RUNNING, attempts=attempt + 1, heartbeat_at=Now(), started_at=row.started_at or Now()
    )
    if not claimed:
        return
    events.publish_change(operation_id)
    progress = Progress(operation_id, attempt + 1)
    mine = Operation.objects.filter(pk=operation_id, status=Operation.Status.RUNNING, attempts=attempt + 1)
    with _beating(operation_id, tenant):
        try:
            status, fields = _outcome(tenant, row, progress)
        except NotYet as wait:
            _give_back(mine, wait, attempt)
            return
    mine.update(status=status, finished_at=Now(), **fields)
    events.publish_change(operation_id)


def _give_back(mine: QuerySet[Operation], wait: NotYet, attempt: int) -> None:
    """Queued as before, with a heart that has been silent just long enough for `recover` to find it in time."""
    operation_id = mine.values_list("pk", flat=True).first()
    heard = Now() - (UNCLAIMED - timedelta(seconds=wait.seconds))
    if not mine.filter(cancel_asked=False).update(status=Operation.Status.QUEUED, attempts=attempt, phase=wait.phase[:200], heartbeat_at=heard):
        mine.update(status=Operation.Status.CANCELLED, finished_at=Now())
    if operation_id is not None:
        events.publish_change(operation_id)


def _outcome(tenant: Tenant, row: Operation, progress: Progress) -> tuple[str, dict[str, Any]]:
    try:
        work = KINDS[row.kind].work
        return Operation.Status.SUCCEEDED, {"result": work(tenant, row.arguments, progress), "phase": ""}
    except NotYet:
        raise
    except Cancelled:
        return Operation.Status.CANCELLED, {}
    except errors.PlatformError as fault:
        log.warning("operation_failed", kind=row.kind, operation_id=str(row.pk), fault=fault.message)
        return Operation.Status.FAILED, {"error": rest.problem(fault)}
    except Exception:
        log.exception("operation_failed", kind=row.kind, operation_id=str(row.pk))
        return Operation.Status.FAILED, {"error": rest.problem(OperationFailed())}


class _beating:  # noqa: N801  reads as `with _beating(…)`
    """Tells every few seconds that the worker lives, also while the work itself is silent."""

    def __init__(self, operation_id: UUID, tenant: Tenant) -> None:
        self._operation_id, self._tenant, self._over = operation_id, tenant, Event()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        if not connection.in_atomic_block:  # inside a transaction (a test) another connection would only wait for it
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=HEARTBEAT_SECONDS)

    def _run(self) -> None:
        with scope.tenant_scope(self._tenant):
            while not self._over.wait(HEARTBEAT_SECONDS):
                try:
                    Operation.objects.filter(pk=self._operation_id, status=Operation.Status.RUNNING).update(heartbeat_at=Now())
                except DatabaseError as fault:  # away: it beats again when it is back
                    log.warning("heartbeat_missed", operation_id=str(self._operation_id), fault=repr(fault))
                close_old_connections()


def recover() -> int:
    """Enqueue again what nobody works on; give up what has had its attempts. How many were found."""
    silent = Q(status=Operation.Status.RUNNING, heartbeat_at__lt=Now() - SILENT) | Q(
        status=Operation.Status.QUEUED, heartbeat_at__lt=Now() - UNCLAIMED
    )
    found = 0
    for row in Operation.objects.filter(silent).order_by("heartbeat_at")[:50]:
        mine = Operation.objects.filter(silent, pk=row.pk, attempts=row.attempts)
        if row.cancel_asked:
            found += mine.update(status=Operation.Status.CANCELLED, finished_at=Now())
        elif row.attempts >= ATTEMPTS:
            given_up = rest.problem(OperationGivenUp(attempts=row.attempts))
            found += mine.update(status=Operation.Status.FAILED, finished_at=Now(), error=given_up)
        elif mine.update(heartbeat_at=Now(), status=Operation.Status.QUEUED):
            found += 1
            jobs.enqueue("operations.run", tenant_id=str(row.tenant_id), operation_id=str(row.pk), attempt=row.attempts)
        events.publish_change(row.pk)
    return found


def prune(*, keep_days: int = 90) -> int:
    """Forget what ended long ago. How many rows went."""
    old = Operation.objects.exclude(status__in=OPEN).filter(finished_at__lt=Now() - timedelta(days=keep_days))
    return int(old.delete()[0])
