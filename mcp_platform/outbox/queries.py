"""Reads that more than one door needs, and the question that every hot turn asks: does anybody listen?"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from mcp_platform.outbox.core import filters
from mcp_platform.outbox.errors import DeliveryNotFound, EndpointNotFound
from mcp_platform.outbox.models import Delivery, Endpoint, OutboxEvent
from mcp_platform.tenancy.models import Tenant

LISTENERS_SECONDS = 2.0
EVERYTHING: filters.Filters = ((),)
_listeners: dict[UUID, tuple[filters.Filters, float]] = {}


def listener(tenant_id: UUID) -> Callable[[str], bool] | None:
    """Which types of events somebody wants; None when nobody does. Believed for 2 seconds, so that a turn of a tenant without endpoints costs
    a look into a dictionary; a new endpoint hears of turns from at most 2 seconds after it was made."""
    known = _listeners.get(tenant_id)
    now = time.monotonic()
    if known is None or now >= known[1]:
        if len(_listeners) >= 10_000:
            _listeners.clear()
        known = _listeners[tenant_id] = (wanted(tenant_id), now + LISTENERS_SECONDS)
    chosen = known[0]
    return (lambda name: filters.anybody_wants(chosen, name)) if chosen else None


def wanted(tenant_id: UUID) -> filters.Filters:
    """The filter of every endpoint that takes events now."""
    if settings.ANALYTICS_ENGINE_URL:
        return EVERYTHING
    rows = active(Endpoint.objects.for_tenant(tenant_id))
    return tuple(tuple(types) for types in rows.values_list("types", flat=True))


def forget_listeners(tenant_id: UUID | None = None) -> None:
    """Of one tenant, or of all."""
    if tenant_id is None:
        _listeners.clear()
    else:
        _listeners.pop(tenant_id, None)


def endpoints(tenant: Tenant) -> QuerySet[Endpoint]:
    found: QuerySet[Endpoint] = Endpoint.objects.for_tenant(tenant)
    return with_counts(found)


def with_counts(rows: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """`waiting` and `dead` deliveries, and since when the oldest one waits."""
    mine = Delivery.objects.filter(endpoint=OuterRef("pk")).order_by().values("endpoint")
    waiting, dead = mine.filter(status__in=Delivery.OPEN), mine.filter(status=Delivery.Status.DEAD)
    return rows.annotate(
        waiting=Coalesce(Subquery(waiting.annotate(n=Count("pk")).values("n")), 0),
        dead=Coalesce(Subquery(dead.annotate(n=Count("pk")).values("n")), 0),
        waiting_since=Subquery(waiting.annotate(first=Min("created_at")).values("first")),
    )


def active(rows: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """Of these endpoints, those that take events; the analytics engine's only while it is configured."""
    on = rows.filter(enabled=True)
    return on if settings.ANALYTICS_ENGINE_URL else on.exclude(kind=Endpoint.Kind.ANALYTICS)


def rested(rows: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """Of the active ones, those that are not being left alone after failures."""
    return active(rows).filter(Q(resume_at=None) | Q(resume_at__lte=Now()))


def endpoint(tenant: Tenant, endpoint_id: UUID) -> Endpoint:
    """Raises EndpointNotFound."""
    found = endpoints(tenant).filter(pk=endpoint_id).first()
    if found is None:
        raise EndpointNotFound(endpoint_id=str(endpoint_id))
    return found


def deliveries(tenant: Tenant) -> QuerySet[Delivery]:
    found: QuerySet[Delivery] = Delivery.objects.for_tenant(tenant)
    return found.select_related("event", "endpoint")


def delivery(tenant: Tenant, delivery_id: UUID) -> Delivery:
    """Raises DeliveryNotFound."""
    found = deliveries(tenant).filter(pk=delivery_id).first()
    if found is None:
        raise DeliveryNotFound(delivery_id=str(delivery_id))
    return found


def backlog() -> dict[str, Any]:
    """Over all tenants: events whose deliveries do not exist yet, open deliveries of endpoints that are on, dead ones, and how old the oldest
    event is that nobody has got yet."""
    new = OutboxEvent.objects.filter(fanned_out=False).aggregate(count=Count("id"), oldest=Min("at"))
    waiting = Delivery.objects.filter(status__in=Delivery.OPEN, endpoint__enabled=True).aggregate(count=Count("id"), oldest=Min("created_at"))
    dead = Delivery.objects.filter(status=Delivery.Status.DEAD).count()
    ages: list[datetime] = [one["oldest"] for one in (new, waiting) if one["oldest"] is not None]
    return {"new": new["count"], "open": waiting["count"], "dead": dead, "oldest": min(ages, default=None)}
