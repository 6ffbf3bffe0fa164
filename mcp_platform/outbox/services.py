"""Telling the world: `emit` in the transaction of what has happened, and everything that people do with endpoints and deliveries."""

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from mcp_platform import jobs, observability, sealing
from mcp_platform.outbox import checks, queries
from mcp_platform.outbox.core import filters
from mcp_platform.outbox.core.catalogue import TYPES
from mcp_platform.outbox.errors import DeliveryIsOpen, EndpointHasNoSecret, EndpointIsManaged, EndpointNotFound, EndpointRefused
from mcp_platform.outbox.models import PURPOSE, Delivery, Endpoint, OutboxEvent
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

log = observability.logger(__name__)

OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=30)
PRUNED_AT_ONCE = 2000
SEALED = ("sealed_headers", "sealed_secret", "sealed_previous")  # columns of an endpoint


def emit(tenant: Tenant, *, type: str, subject: str, data: Mapping[str, Any], key: str) -> OutboxEvent | None:
    """Tell that something has happened, in the transaction in which it happens: both or none. None when nobody listens.

    `type` is one of the catalogue; `subject` names the thing, such as `flows/permit`; events of equal `key` are delivered in the order of
    their commits, which is why `key` stays locked until then: call it late. What a conversation does is told by its turns
    (conversations/store), under the conversation's own lock. `data` holds no secrets and no values of sensitive slots.
    """
    if type not in TYPES:
        raise ValueError(f"{type} is not in the catalogue of events")
    if not filters.anybody_wants(queries.wanted(tenant.pk), type):
        return None
    with transaction.atomic():
        _hold(f"{tenant.pk}|{key}")
        return OutboxEvent.objects.create(tenant=tenant, key=key[:120], type=type, subject=subject[:200], data=dict(data), at=timezone.now())


def _hold(key: str) -> None:
    """Whoever emits for this key next waits for our commit. On SQLite everybody does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 5114))", (key,))


def create_endpoint(tenant: Tenant, *, fields: Mapping[str, Any], by: By) -> tuple[Endpoint, str]:
    """The endpoint and, for webhooks, its secret, which is shown in this return value only. Raises EndpointRefused with every fault."""
    row = Endpoint(tenant=tenant, kind=fields.get("kind", Endpoint.Kind.WEBHOOK))
    faults = checks.apply(row, fields)
    if faults:
        raise EndpointRefused(errors=faults)
    secret = new_secret() if row.kind == Endpoint.Kind.WEBHOOK else ""
    row.sealed_secret = sealing.seal(secret, purpose=PURPOSE) if secret else ""
    with transaction.atomic():
        _save(row, force_insert=True)
        audit(tenant, actor=actor_of(by), action="endpoint.create", target=row, changes=_shown(row))
    _listeners_changed(tenant)
    return row, secret


def change_endpoint(tenant: Tenant, *, endpoint_id: UUID, fields: Mapping[str, Any], by: By) -> Endpoint:
    """Change some members. Switched on again, it starts afresh with everything that still waits.

    Raises EndpointNotFound, EndpointIsManaged, EndpointRefused with every fault."""
    with transaction.atomic():
        row = _locked(tenant, endpoint_id)
        if row.is_managed and set(fields) - {"enabled"}:
            raise EndpointIsManaged
        before, was_on, old_headers = _shown(row), row.enabled, row.sealed_headers
        faults = checks.apply(row, fields)
        if faults:
            raise EndpointRefused(errors=faults)
        after = _shown(row)
        if before == after and row.sealed_headers == old_headers:
            return row
        if row.enabled and not was_on:
            _start_afresh(row)
        row.rev += 1
        _save(row)
        changes = {name: [before[name], value] for name, value in after.items() if before[name] != value}
        audit(tenant, actor=actor_of(by), action="endpoint.change", target=row, changes=changes)
    _listeners_changed(tenant)
    return row


def _start_afresh(row: Endpoint) -> None:
    row.failures, row.failing_since, row.resume_at, row.disabled_reason = 0, None, None, ""
    Delivery.objects.filter(endpoint=row, status=Delivery.Status.PENDING).update(due_at=Now())


def delete_endpoint(tenant: Tenant, *, endpoint_id: UUID, by: By) -> None:
    """With its deliveries and their log. Raises EndpointNotFound, EndpointIsManaged."""
    with transaction.atomic():
        row = _locked(tenant, endpoint_id)
        if row.is_managed:
            raise EndpointIsManaged
        audit(tenant, actor=actor_of(by), action="endpoint.delete", target=row, changes=_shown(row))
        row.delete()
    _listeners_changed(tenant)


def rotate_secret(tenant: Tenant, *, endpoint_id: UUID, overlap: timedelta = OVERLAP, by: By) -> tuple[Endpoint, str]:
    """A new secret; for `overlap` requests carry the old one's signature too. Raises EndpointNotFound, EndpointHasNoSecret, EndpointRefused."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        fault = {"path": "$.overlap_seconds", "code": "out_of_bounds", "message": "is out of bounds", "expected": "0 to 30 days"}
        raise EndpointRefused(errors=[fault])
    secret = new_secret()
    with transaction.atomic():
        row = _locked(tenant, endpoint_id)
        if row.kind != Endpoint.Kind.WEBHOOK:
            raise EndpointHasNoSecret
        row.sealed_previous, row.sealed_secret = row.sealed_secret, sealing.seal(secret, purpose=PURPOSE)
        row.previous_until = timezone.now() + overlap
        row.rev += 1
        row.save(update_fields=("sealed_previous", "sealed_secret", "previous_until", "rev", "updated_at"))
        changes = {"name": row.name, "old_until": row.previous_until}
        audit(tenant, actor=actor_of(by), action="endpoint.rotate_secret", target=row, changes=changes)
    return row, secret


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _locked(tenant: Tenant, endpoint_id: UUID) -> Endpoint:
    row: Endpoint | None = Endpoint.objects.for_tenant(tenant).select_for_update().filter(pk=endpoint_id).first()
    if row is None:
        raise EndpointNotFound(endpoint_id=str(endpoint_id))
    return row


def _save(row: Endpoint, **how: Any) -> None:
    try:
        with transaction.atomic():
            row.save(**how)
    except IntegrityError as taken:
        fault = {"path": "$.name", "code": "taken", "message": "is the name of another endpoint", "expected": "a name of its own"}
        raise EndpointRefused(errors=[fault]) from taken


def _shown(row: Endpoint) -> dict[str, Any]:
    """What the audit says of it: no secret, and of headers the names."""
    return {
        name: getattr(row, name)
        for name in ("name", "kind", "url", "types", "enabled", "timeout_ms", "max_attempts", "stream_length", "header_names")
    }


def _listeners_changed(tenant: Tenant) -> None:
    jobs.after_commit(lambda: queries.forget_listeners(tenant.pk))


def send_test(tenant: Tenant, *, endpoint_id: UUID, by: By) -> Delivery:
    """An event of type endpoint.test for this endpoint only, whatever its filter. Raises EndpointNotFound."""
    with transaction.atomic():
        row = _locked(tenant, endpoint_id)
        key, now = f"endpoint:{row.pk}", timezone.now()
        _hold(f"{tenant.pk}|{key}")
        event = OutboxEvent.objects.create(
            tenant=tenant,
            key=key,
            type="endpoint.test",
            subject=f"endpoints/{row.pk}",
            data={"endpoint_id": str(row.pk), "message": f"A test event, sent by {actor_of(by)}."},
            at=now,
            fanned_out=True,
        )
        made: Delivery = Delivery.objects.create(tenant=tenant, endpoint=row, event=event, key=key, type=event.type, due_at=Now(), created_at=now)
        Endpoint.objects.filter(pk=row.pk).update(resume_at=None)  # whoever tests wants to know now
    return queries.delivery(tenant, made.pk)


def redeliver(tenant: Tenant, *, delivery_id: UUID, by: By) -> Delivery:
    """Send it once more, with a fresh count of attempts; it arrives after events that followed it. Raises DeliveryNotFound, DeliveryIsOpen."""
    found = queries.delivery(tenant, delivery_id)
    with transaction.atomic():
        again = Delivery.objects.for_tenant(tenant).filter(pk=delivery_id).exclude(status__in=Delivery.OPEN)
        if not _send_again(again):
            raise DeliveryIsOpen(delivery_id=str(delivery_id))
        audit(
            tenant, actor=actor_of(by), action="delivery.redeliver", target=found, changes={"type": found.type, "event_id": str(found.event.event_id)}
        )
    return queries.delivery(tenant, delivery_id)


def redeliver_failed(tenant: Tenant, *, endpoint_id: UUID, since: datetime | None = None, by: By) -> int:
    """All dead deliveries of an endpoint whose events are not older than `since`, in their order; how many. Raises EndpointNotFound."""
    with transaction.atomic():
        row = _locked(tenant, endpoint_id)
        dead = Delivery.objects.for_tenant(tenant).filter(endpoint=row, status=Delivery.Status.DEAD)
        count = _send_again(dead.filter(created_at__gte=since) if since else dead)
        if count:
            changes = {"name": row.name, "count": count, "since": since}
            audit(tenant, actor=actor_of(by), action="endpoint.redeliver_failed", target=row, changes=changes)
    return count


def _send_again(rows: Any) -> int:
    count: int = rows.update(status=Delivery.Status.PENDING, attempts=0, due_at=Now(), finished_at=None, redeliveries=F("redeliveries") + 1)
    return count


def prune() -> int:
    """Forget what was delivered, or has been dead, for longer than OUTBOX_RETENTION_DAYS; how many rows. What still waited at an endpoint that
    is off dies of age first, and is kept as dead for as long again."""
    old = timezone.now() - timedelta(days=settings.OUTBOX_RETENTION_DAYS)
    forgotten = Delivery.objects.filter(status=Delivery.Status.PENDING, endpoint__enabled=False, created_at__lt=old).values("pk")[:PRUNED_AT_ONCE]
    Delivery.objects.filter(pk__in=list(forgotten.values_list("pk", flat=True))).update(
        status=Delivery.Status.DEAD, finished_at=Now(), last_error="the endpoint was off for too long"
    )
    done = list(Delivery.objects.filter(finished_at__lt=old).values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    count = Delivery.objects.filter(pk__in=done).delete()[0] if done else 0
    alone = OutboxEvent.objects.filter(at__lt=old, fanned_out=True, deliveries=None)
    ids = list(alone.values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    return count + (OutboxEvent.objects.filter(pk__in=ids).delete()[0] if ids else 0)


def reseal_all() -> int:
    """Seal secrets and headers anew with the newest of ENCRYPTION_KEYS, so that older keys can be retired; of how many endpoints. Platform scope.

    Raises SealBroken when a key that has sealed one is not there any more.
    """
    count = 0
    for row in Endpoint.objects.order_by("pk").iterator(chunk_size=200):
        held = {name: getattr(row, name) for name in SEALED if getattr(row, name)}
        if held:
            fresh = {name: sealing.reseal(token, purpose=PURPOSE) for name, token in held.items()}
            # Not when somebody changes it right now: what he seals is under the newest key already.
            count += Endpoint.objects.filter(pk=row.pk, **held).update(**fresh)
    log.info("endpoints_resealed", count=count)
    return count


def count_backlog() -> None:
    """Into the metrics."""
    found = queries.backlog()
    observability.OUTBOX_OPEN.labels("new").set(found["new"])
    observability.OUTBOX_OPEN.labels("waiting").set(found["open"])
    observability.OUTBOX_OPEN.labels("dead").set(found["dead"])
    oldest = found["oldest"]
    observability.OUTBOX_LAG.set((timezone.now() - oldest).total_seconds() if oldest else 0)
