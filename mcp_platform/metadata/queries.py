"""Reads of product metadata, and the cache of what is live: compiled once for each version, looked at anew within a second."""

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Lower

from mcp_platform import observability
from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.difference import Change, changes
from mcp_platform.metadata.core.document import Column, Metadata, Product
from mcp_platform.metadata.core.vocabulary import EMPTY, Vocabulary, vocabulary
from mcp_platform.metadata.errors import MappingNotFound, MetadataVersionNotFound, ProductNotFound
from mcp_platform.metadata.models import ColumnMapping, MetadataHead, MetadataVersion, ProductAlias
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)


def products(tenant: Tenant | UUID) -> QuerySet[ProductAlias]:
    rows: QuerySet[ProductAlias] = ProductAlias.objects.for_tenant(tenant)
    return rows


def with_text(rows: QuerySet[ProductAlias], text: str) -> QuerySet[ProductAlias]:
    """Those with this text in their key, id, name, aliases or categories."""
    there = rows.annotate(said=Lower(Cast("aliases", TextField())), kinds=Lower(Cast("categories", TextField())))
    wanted = text.casefold()
    # JSON texts escape what is not ASCII, on SQLite as it was written by Python.
    escaped = json.dumps(wanted)[1:-1]
    return there.filter(
        Q(key__icontains=text)
        | Q(canonical_id__icontains=text)
        | Q(canonical_name__icontains=text)
        | Q(said__contains=wanted)
        | Q(said__contains=escaped)
        | Q(kinds__contains=wanted)
        | Q(kinds__contains=escaped)
    )


def product(tenant: Tenant | UUID, key: str) -> ProductAlias:
    """Raises ProductNotFound."""
    found = products(tenant).filter(key=key).first()
    if found is None:
        raise ProductNotFound(key=key[:100])
    return found


def mappings(tenant: Tenant | UUID) -> QuerySet[ColumnMapping]:
    rows: QuerySet[ColumnMapping] = ColumnMapping.objects.for_tenant(tenant)
    return rows


def mapping(tenant: Tenant | UUID, mapping_id: UUID) -> ColumnMapping:
    """Raises MappingNotFound."""
    found = mappings(tenant).filter(pk=mapping_id).first()
    if found is None:
        raise MappingNotFound(mapping_id=str(mapping_id))
    return found


def head(tenant: Tenant | UUID) -> MetadataHead:
    """Unsaved where the tenant has never had metadata."""
    tenant_id = tenant.pk if isinstance(tenant, Tenant) else tenant
    found: MetadataHead | None = MetadataHead.objects.for_tenant(tenant_id).select_related("live").first()
    return found or MetadataHead(tenant_id=tenant_id)


def versions(tenant: Tenant | UUID) -> QuerySet[MetadataVersion]:
    """Newest first, without their documents."""
    rows: QuerySet[MetadataVersion] = MetadataVersion.objects.for_tenant(tenant).defer("document")
    return rows


def version(tenant: Tenant | UUID, number: int) -> MetadataVersion:
    """With its document. Raises MetadataVersionNotFound."""
    found: MetadataVersion | None = MetadataVersion.objects.for_tenant(tenant).filter(number=number).first()
    if found is None:
        raise MetadataVersionNotFound(number=number)
    return found


def metadata_of(row: MetadataVersion | None) -> Metadata:
    if row is None:
        return Metadata()
    return document.taken(json.loads(row.document))


def draft(tenant: Tenant | UUID) -> Metadata:
    """The rows as they are, checked or not."""
    return Metadata(
        products={row.key: product_of(row) for row in products(tenant)},
        columns={row.user_term: Column(sql=row.sql_expression, description=row.description) for row in mappings(tenant)},
    )


def product_of(row: ProductAlias) -> Product:
    return Product(
        canonical_id=row.canonical_id,
        canonical_name=row.canonical_name,
        aliases=tuple(row.aliases),
        database_references=row.database_references,
        categories=tuple(row.categories),
    )


def written(tenant: Tenant | UUID, number: int | None = None, *, of_draft: bool = False) -> dict[str, Any]:
    """A document: of the draft, of version `number`, or of what is live (an empty one where nothing is). Raises MetadataVersionNotFound."""
    if of_draft:
        return document.written(draft(tenant))
    row = version(tenant, number) if number is not None else head(tenant).live
    return json.loads(row.document) if row is not None else document.written(Metadata())


def unpublished(tenant: Tenant | UUID) -> tuple[Change, ...]:
    """What a publish would change."""
    held = head(tenant)
    return changes(metadata_of(held.live), draft(tenant)) if held.is_dirty else ()


def difference(tenant: Tenant | UUID, before: int, after: int) -> tuple[Change, ...]:
    """Between two versions; 0 is the empty beginning. Raises MetadataVersionNotFound."""
    old, new = (metadata_of(version(tenant, number) if number else None) for number in (before, after))
    return changes(old, new)


SAYS_SECONDS = 1.0  # how long a publish in another process may stay unseen
KEPT = 200


@dataclass(slots=True)
class _Live:
    version_id: UUID | None
    generation: str
    looked: float
    expires: float


_live: dict[UUID, _Live] = {}
_compiled: dict[UUID, Vocabulary] = {}
_unsettled = threading.local()  # tenants whose metadata this thread has published in a transaction that may still be open


def live(tenant: Tenant | UUID) -> Vocabulary:
    """What is live, ready for look-ups; from this process's memory as a rule."""
    tenant_id = tenant.pk if isinstance(tenant, Tenant) else tenant
    version_id = _live_id(tenant_id)
    if version_id is None:
        return EMPTY
    found = _compiled.get(version_id)
    observability.count_cache("product_metadata", hit=found is not None)
    return found or _compile(tenant_id, version_id)


def _live_id(tenant_id: UUID) -> UUID | None:
    if _is_unsettled(tenant_id):
        return _read(tenant_id)  # this transaction sees its own publish; nobody else may, so it is not cached
    now, known = time.monotonic(), _live.get(tenant_id)
    if known is not None and now < known.expires:
        if now - known.looked < SAYS_SECONDS:
            return known.version_id
        known.looked = now
        if _generation(tenant_id) in (known.generation, ""):
            return known.version_id
    # The generation is read before the row: a publish in between makes this entry look old, never new.
    generation = _generation(tenant_id)
    found = _live[tenant_id] = _Live(_read(tenant_id), generation, now, now + settings.FLOW_CACHE_TTL_SECONDS)
    return found.version_id


def _read(tenant_id: UUID) -> UUID | None:
    found: UUID | None = MetadataHead.objects.for_tenant(tenant_id).values_list("live_id", flat=True).first()
    return found


def _compile(tenant_id: UUID, version_id: UUID) -> Vocabulary:
    row = MetadataVersion.objects.for_tenant(tenant_id).filter(pk=version_id).first()
    if row is None:
        return EMPTY
    if len(_compiled) >= KEPT:
        _compiled.clear()
    found = _compiled[version_id] = vocabulary(metadata_of(row), number=row.number)
    return found


def _generation(tenant_id: UUID) -> str:
    """What the last publish wrote; "" when nothing did, or when the shared cache is away (then the TTL bounds the age)."""
    try:
        return str(cache.get(f"metadata:generation:{tenant_id}") or "")
    except Exception as fault:  # noqa: BLE001  every backend has its own errors, and a turn must not fail because Redis is away
        log.warning("generation_unread", fault=repr(fault))
        return ""


def _is_unsettled(tenant_id: UUID) -> bool:
    tenants: set[UUID] = getattr(_unsettled, "tenants", set())
    if tenant_id not in tenants:
        return False
    if connection.in_atomic_block:
        return True
    tenants.discard(tenant_id)
    return False


def changing(tenant_id: UUID) -> None:
    """Called inside the transaction that makes something else live: until it ends, this thread reads the database."""
    _unsettled.tenants = {*getattr(_unsettled, "tenants", set()), tenant_id}


def changed(tenant_id: UUID, generation: str) -> None:
    """Called after its commit: every process looks again, this one at once."""
    try:
        cache.set(f"metadata:generation:{tenant_id}", generation, timeout=None)
    except Exception as fault:  # noqa: BLE001  as in _generation
        log.warning("generation_unwritten", fault=repr(fault))
    _live.pop(tenant_id, None)
    getattr(_unsettled, "tenants", set()).discard(tenant_id)


def forget(tenant_ids: Iterable[UUID] = ()) -> None:
    """For tests: as in a fresh process."""
    for known in (_live, _compiled):
        known.clear()
    getattr(_unsettled, "tenants", set()).clear()
