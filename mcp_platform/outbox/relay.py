"""Carries events out of the database: at least once, and for each endpoint in the order of their key.

Two steps. *Fanning out* gives every new event a delivery for each endpoint that wants it; one relay at a time does it, and it asks for rows
that are not fanned out yet, never for rows behind a position: those that commit late are found like all others. *Sending* claims the oldest
open delivery of a key by conditional update; while it is open, those behind it wait, and other keys go on. A claim has an end: what a relay
that died has claimed is sent again by another. So an event may arrive twice, and never after a later one of its key for the first time.

An event that fails too often is dead: those behind it go on, and a person may send it again.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.outbox import queries, sinks
from mcp_platform.outbox.core import envelope, filters, retries
from mcp_platform.outbox.models import Delivery, Endpoint, OutboxEvent
from mcp_platform.outbox.sinks import Outcome, Parcel
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.services import audit

log = observability.logger(__name__)

FAN_OUT = 500  # events in one transaction
SENDERS = 8  # threads of one process
SENDERS_OF_ONE = 2  # of them for one endpoint: a slow one leaves room for the others
RUN_SECONDS = 5.0  # then a sender makes room for another endpoint
TRIES_KEPT = 20
NOTED_EVERY = timedelta(minutes=1)
ANALYTICS_NAME = "Analytics engine"
_FANNING_OUT = 5_114_001  # the number of the advisory lock


def fan_out() -> int:
    """Make the deliveries of new events; how many events there were. 0 too while another relay is at it."""
    with transaction.atomic():
        if not _alone():
            return 0
        events = list(OutboxEvent.objects.filter(fanned_out=False).order_by("pk")[:FAN_OUT])
        if not events:
            return 0
        listening = _endpoints({event.tenant_id for event in events})
        found = [_delivery(endpoint, event) for event in events for endpoint in listening.get(event.tenant_id, ()) if _takes(endpoint, event)]
        Delivery.objects.bulk_create(found, ignore_conflicts=True)
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(fanned_out=True)
        return len(events)


def _alone() -> bool:
    """On SQLite the transaction itself is alone."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_FANNING_OUT,))
        return bool(cursor.fetchone()[0])


def _endpoints(tenants: set[UUID]) -> dict[UUID, list[Endpoint]]:
    rows = list(queries.active(Endpoint.objects.filter(tenant_id__in=tenants)))
    if settings.ANALYTICS_ENGINE_URL:
        rows += _analytics_engines(tenants - {row.tenant_id for row in rows if row.is_managed})
    found: dict[UUID, list[Endpoint]] = {}
    for row in rows:
        found.setdefault(row.tenant_id, []).append(row)
    return found


def _analytics_engines(tenants: set[UUID]) -> list[Endpoint]:
    """The endpoint of ANALYTICS_ENGINE_URL for tenants that have none; not where an operator has switched it off."""
    made = []
    for tenant_id in tenants:
        row, new = Endpoint.objects.get_or_create(tenant_id=tenant_id, kind=Endpoint.Kind.ANALYTICS, defaults={"name": ANALYTICS_NAME})
        made += [row] if new else []
    return made


def _takes(endpoint: Endpoint, event: OutboxEvent) -> bool:
    return filters.wants(endpoint.types, event.type)


def _delivery(endpoint: Endpoint, event: OutboxEvent) -> Delivery:
    now = timezone.now()
    return Delivery(tenant_id=event.tenant_id, endpoint=endpoint, event=event, key=event.key, type=event.type, due_at=Now(), created_at=now)


def waiting_endpoints() -> list[UUID]:
    """Those with something to send now, in any order."""
    due = Delivery.objects.filter(endpoint=OuterRef("pk"), status__in=Delivery.OPEN, due_at__lte=Now())
    found = list(queries.rested(Endpoint.objects.filter(Exists(due))).values_list("pk", flat=True)[:200])
    random.shuffle(found)
    return found


def claim(endpoint: Endpoint) -> list[Delivery]:
    """The oldest open deliveries of some keys, each with what follows it as far as the sink takes several at once; in order within a key."""
    most = sinks.BATCH[endpoint.kind]
    with transaction.atomic():
        rows = _heads(endpoint, most)
        if 0 < len(rows) < most:
            rows += _followers(endpoint, rows, most - len(rows))
        worn = [row for row in rows if row.attempts >= endpoint.max_attempts]  # whoever sent them died, every time
        if worn:
            _bury(worn)
            stuck = {row.key for row in worn}
            rows = [row for row in rows if row.key not in stuck]
        lease = timedelta(milliseconds=endpoint.timeout_ms, seconds=settings.OUTBOX_GRACE_SECONDS)
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            status=Delivery.Status.SENDING, attempts=F("attempts") + 1, due_at=Now() + lease
        )
    for row in rows:
        row.attempts += 1
    return rows


def _heads(endpoint: Endpoint, most: int) -> list[Delivery]:
    before = Delivery.objects.filter(endpoint=OuterRef("endpoint"), key=OuterRef("key"), event__lt=OuterRef("event"), status__in=Delivery.OPEN)
    due = Delivery.objects.filter(endpoint=endpoint, status__in=Delivery.OPEN, due_at__lte=Now()).filter(~Exists(before))
    tests_first = Case(When(type="endpoint.test", then=0), default=1)  # whoever tests an endpoint that is behind wants to know now
    return list(due.select_for_update(skip_locked=True).order_by(tests_first, "event_id")[:most])


def _followers(endpoint: Endpoint, heads: Sequence[Delivery], most: int) -> list[Delivery]:
    """What waits behind the heads, which are ours: nobody else can claim it. A key ends before the first that may not go yet."""
    behind = Delivery.objects.filter(endpoint=endpoint, key__in=[row.key for row in heads], status__in=Delivery.OPEN)
    rows = behind.exclude(pk__in=[row.pk for row in heads]).annotate(may_go=Q(due_at__lte=Now(), status=Delivery.Status.PENDING))
    found, ended = list[Delivery](), set[str]()
    for row in rows.select_for_update(of=("self",)).order_by("event_id")[:most]:
        if row.key not in ended and row.may_go:
            found.append(row)
        else:
            ended.add(row.key)
    return found


def _bury(rows: Iterable[Delivery]) -> None:
    found = Delivery.objects.filter(pk__in=[row.pk for row in rows])
    found.update(status=Delivery.Status.DEAD, finished_at=Now(), last_error="whoever sent it died, every time")


def run_once() -> int:
    """Fan out and send what is due, here and now; how many attempts that were. What the workers do all the time, for tests and commands."""
    while fan_out():
        pass
    return sum(work_off(endpoint_id) for endpoint_id in waiting_endpoints())


def work_off(endpoint_id: UUID, *, until: float = inf) -> int:
    """Send to one endpoint until nothing is due or the monotonic clock says `until`; how many attempts that were."""
    sent = 0
    while time.monotonic() < until:
        endpoint = queries.rested(Endpoint.objects.filter(pk=endpoint_id)).first()
        rows = claim(endpoint) if endpoint is not None else []
        if endpoint is None or not rows:
            break
        sent += len(rows)
        _carry(endpoint, rows)
    return sent


def _carry(endpoint: Endpoint, rows: Sequence[Delivery]) -> None:
    now = timezone.now()
    events = OutboxEvent.objects.in_bulk([row.event_id for row in rows])
    parcels = [_parcel(events[row.event_id], row.attempts, now) for row in rows]
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()  # the pool has few, and the other side may take its time
    with scope.tenant_scope(endpoint.tenant_id):
        outcomes = sinks.SINKS[endpoint.kind](endpoint, parcels)
    outcomes += [Outcome(ok=False, held=True)] * (len(rows) - len(outcomes))
    settle(endpoint, list(zip(rows, outcomes, strict=True)))


def _parcel(event: OutboxEvent, attempt: int, now: datetime) -> Parcel:
    told = envelope.envelope(
        event_id=str(event.event_id),
        tenant_id=str(event.tenant_id),
        type=event.type,
        subject=event.subject,
        key=event.key,
        sequence=event.pk,
        at=event.at,
        data=event.data,
    )
    return Parcel(event_id=event.event_id, type=event.type, key=event.key, body=envelope.encode(told), at=now, attempt=attempt)


def settle(endpoint: Endpoint, done: Sequence[tuple[Delivery, Outcome]]) -> None:
    """Write the outcomes. Who has lost the claim meanwhile writes nothing."""
    with transaction.atomic():
        for row, outcome in done:
            _write(endpoint, row, outcome)
        _note_health(endpoint, [outcome for _, outcome in done if not outcome.held])
    for _, outcome in done:
        if not outcome.held:
            observability.OUTBOX_DELIVERIES.labels(
                observability.bounded(str(endpoint.tenant_id), "tenants"), endpoint.kind, "delivered" if outcome.ok else "failed"
            ).inc()


def _write(endpoint: Endpoint, row: Delivery, outcome: Outcome) -> None:
    mine = Delivery.objects.filter(pk=row.pk, status=Delivery.Status.SENDING, attempts=row.attempts)
    if outcome.held:
        mine.update(status=Delivery.Status.PENDING, attempts=row.attempts - 1, due_at=Now())
        return
    dead = not outcome.ok and row.attempts >= endpoint.max_attempts
    known = {"last_status": outcome.status, "last_error": outcome.error[:300], "tries": [*row.tries, _try(outcome)][-TRIES_KEPT:]}
    if outcome.ok or dead:
        mine.update(status=Delivery.Status.DELIVERED if outcome.ok else Delivery.Status.DEAD, finished_at=Now(), **known)
    else:
        pause = retries.pause_seconds(row.attempts, dice=random.random(), asked=outcome.retry_after)  # noqa: S311  jitter
        mine.update(status=Delivery.Status.PENDING, due_at=Now() + timedelta(seconds=pause), **known)
    if dead:
        log.error("event_dead", endpoint_id=str(endpoint.pk), delivery_id=str(row.pk), fault=outcome.error)


def _try(outcome: Outcome) -> dict[str, Any]:
    return {
        "at": timezone.now().isoformat(timespec="milliseconds"),
        "ms": outcome.ms,
        "status": outcome.status,
        "error": outcome.error,
        "request": outcome.request,
        "answer": outcome.answer,
    }


def _note_health(endpoint: Endpoint, outcomes: Sequence[Outcome]) -> None:
    row = Endpoint.objects.filter(pk=endpoint.pk)
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if not failed:
        stale = endpoint.last_success_at is None or endpoint.last_success_at < timezone.now() - NOTED_EVERY
        if outcomes and (stale or endpoint.failures or endpoint.failing_since):
            row.update(failures=0, failing_since=None, resume_at=None, last_success_at=Now())
        return
    row.update(failures=F("failures") + len(failed), failing_since=Coalesce("failing_since", Now()))
    endpoint.refresh_from_db(fields=("failures", "failing_since", "enabled"))
    rest = max(retries.rest_seconds(endpoint.failures), *(outcome.retry_after for outcome in failed))
    if rest:
        row.update(resume_at=Now() + timedelta(seconds=rest))
    if any(outcome.gone for outcome in failed):
        switch_off(endpoint, "it answered 410 Gone")
    elif endpoint.failing_since and endpoint.failing_since < timezone.now() - timedelta(hours=settings.OUTBOX_DISABLE_AFTER_HOURS):
        switch_off(endpoint, f"it has failed for {settings.OUTBOX_DISABLE_AFTER_HOURS} hours")


def switch_off(endpoint: Endpoint, reason: str) -> None:
    """Its open deliveries stay and go on when somebody switches it on again."""
    if Endpoint.objects.filter(pk=endpoint.pk, enabled=True).update(enabled=False, disabled_reason=reason, rev=F("rev") + 1):
        log.error("endpoint_switched_off", endpoint_id=str(endpoint.pk), reason=reason)
        queries.forget_listeners(endpoint.tenant_id)
        audit(endpoint.tenant, actor="system", action="endpoint.switch_off", target=endpoint, changes={"name": endpoint.name, "reason": reason})


class Senders:
    """Threads that send, beside those of Celery: a slow endpoint holds none of the workers' threads, and at most two of these."""

    def __init__(self) -> None:
        self._busy: Counter[UUID] = Counter()
        self._lock = threading.Lock()

    def offer(self, endpoint_ids: Iterable[UUID]) -> None:
        """Begin to send to these as far as there are free threads."""
        for endpoint_id in endpoint_ids:
            with self._lock:
                if self._busy.total() >= SENDERS or self._busy[endpoint_id] >= SENDERS_OF_ONE:
                    continue
                self._busy[endpoint_id] += 1
            threading.Thread(target=self._run, args=(endpoint_id,), name="relay", daemon=True).start()

    def idle(self) -> bool:
        return self._busy.total() == 0

    def _run(self, endpoint_id: UUID) -> None:
        try:
            with observability.correlated(relay=str(endpoint_id)), scope.platform_scope():
                work_off(endpoint_id, until=time.monotonic() + RUN_SECONDS)
        except Exception:
            log.exception("relay_failed")
        finally:
            connection.close()
            with self._lock:
                self._busy[endpoint_id] -= 1


senders = Senders()


def sweep() -> int:
    """Fan out, and see that what is due is being sent; how many events were new."""
    new = fan_out() if OutboxEvent.objects.filter(fanned_out=False).exists() else 0
    senders.offer(waiting_endpoints())
    return new
