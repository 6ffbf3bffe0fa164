"""Answers that are kept, for each tenant, server and audience, and how often that has helped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Q, Sum
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.orchestrator.core import freshness
from mcp_platform.orchestrator.core.words import clean
from mcp_platform.orchestrator.models import CachedResource

log = observability.logger(__name__)
MOST: Final = 2000  # answers of one tenant
COUNTED: Final = ("hits", "misses", "stale", "evictions")
COUNTED_FOR: Final = 30 * 86_400  # seconds after the last event


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`fresh`: good without asking the server. `audience`: the actor that it is for, empty for everybody of the tenant."""

    value: Any
    fetched_at: datetime
    fresh: bool
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """`stale`: old answers that were given because the server did not. `hit_rate` from 0 to 1. `bytes` of the answers as JSON."""

    hits: int = 0
    misses: int = 0
    stale: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        asked = self.hits + self.misses
        return {**asdict(self), "hit_rate": round(self.hits / asked, 4) if asked else 0.0}


def key_of(method: str, subject: str) -> str:
    return hashlib.sha256(f"{method}\x00{subject}".encode("utf-8", "surrogatepass")).hexdigest()


def read(tenant_id: UUID, server_id: UUID, *, actor: str, key: str) -> Kept | None:
    """One's own answer before the tenant's; also an old one, which is then not `fresh`."""
    now = timezone.now()
    rows = CachedResource.objects.for_tenant(tenant_id).filter(server_id=server_id, key=key, audience__in=("", actor), stale_until__gt=now)
    row = rows.order_by("-audience").first()
    return None if row is None else Kept(value=row.value, fetched_at=row.fetched_at, fresh=row.fresh_until > now, audience=row.audience)


def write(tenant_id: UUID, server_id: UUID, *, keeping: freshness.Keeping, method: str, subject: str, value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    if size > freshness.LARGEST:
        return
    found, created = CachedResource.objects.for_tenant(tenant_id).update_or_create(
        tenant_id=tenant_id,
        server_id=server_id,
        audience=keeping.audience,
        key=key_of(method, subject),
        defaults={
            "method": method,
            "subject": clean(subject)[:500],
            "value": value,
            "size": size,
            "fetched_at": timezone.now(),
            "fresh_until": keeping.fresh_until,
            "stale_until": keeping.stale_until,
        },
    )
    if created:
        _make_room(tenant_id, found.server_id)


def invalidate(tenant_id: UUID, *, server_id: UUID | None = None, uri: str = "", method: str = "") -> int:
    """Forget answers: of one server, of one resource, of one method; how many."""
    rows = CachedResource.objects.for_tenant(tenant_id)
    if server_id is not None:
        rows = rows.filter(server_id=server_id)
    if method:
        rows = rows.filter(method=method)
    if uri:
        rows = rows.filter(key=key_of("resources/read", uri))
    count, _ = rows.delete()
    return int(count)


def forget_old() -> int:
    """Erase answers that would not even be used in need; how many. Platform scope."""
    count, _ = CachedResource.objects.filter(stale_until__lt=timezone.now()).delete()
    return int(count)


def count(tenant_id: UUID, server_id: UUID, what: str, number: int = 1) -> None:
    """In Django's cache: with Redis every process counts into the same number, and a number that is lost costs nothing."""
    observability.UPSTREAM_CACHE.labels(what).inc(number)
    key = _counter(tenant_id, server_id, what)
    try:
        cache.add(key, 0, COUNTED_FOR)
        cache.incr(key, number)
    except Exception as fault:  # noqa: BLE001  each cache has its own errors
        log.warning("cache_figures_uncounted", fault=repr(fault))


def statistics(tenant_id: UUID, server_ids: list[UUID]) -> Mapping[UUID, Statistics]:
    keys = {_counter(tenant_id, one, what): (one, what) for one in server_ids for what in COUNTED}
    counted: dict[UUID, dict[str, int]] = {one: {} for one in server_ids}
    for key, number in cache.get_many(list(keys)).items():
        server_id, what = keys[key]
        counted[server_id][what] = int(number)
    held = {
        row["server_id"]: row
        for row in CachedResource.objects.for_tenant(tenant_id).order_by().values("server_id").annotate(entries=Count("id"), bytes=Sum("size"))
    }
    return {
        one: Statistics(**counted[one], entries=held[one]["entries"] if one in held else 0, bytes=held[one]["bytes"] or 0 if one in held else 0)
        for one in server_ids
    }


def _counter(tenant_id: UUID, server_id: UUID, what: str) -> str:
    return f"orchestrator:cache:{tenant_id}:{server_id}:{what}"


def _make_room(tenant_id: UUID, server_id: UUID) -> None:
    rows = CachedResource.objects.for_tenant(tenant_id)
    over = rows.count() - MOST
    if over > 0:
        oldest = list(rows.order_by("fetched_at").values_list("pk", flat=True)[: over + MOST // 20])  # some more, so that not every answer costs this
        rows.filter(Q(pk__in=oldest)).delete()
        count(tenant_id, server_id, "evictions", len(oldest))
