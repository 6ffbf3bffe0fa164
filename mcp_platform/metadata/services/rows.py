"""The rows of the draft, one by one. Nothing of it is live before it is published."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from mcp_platform.metadata import queries
from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.document import Fault
from mcp_platform.metadata.core.words import folded
from mcp_platform.metadata.errors import AlreadyThere, MetadataRefused, RowHasChanged
from mcp_platform.metadata.models import ColumnMapping, MetadataHead, ProductAlias
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

PRODUCT = ("canonical_id", "canonical_name", "aliases", "database_references", "categories")
MAPPING = ("user_term", "sql_expression", "description")


def locked_head(tenant: Tenant) -> MetadataHead:
    """One change of a tenant's metadata at a time. Call it first in a transaction."""
    MetadataHead.objects.get_or_create(tenant=tenant)
    found: MetadataHead = MetadataHead.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("live").get()
    return found


def touched(head: MetadataHead) -> None:
    """The draft is another one now."""
    head.draft_rev += 1
    head.save(update_fields=("draft_rev",))


def refuse(faults: list[Fault], message: str = "") -> None:
    """Raises MetadataRefused when one of them is an error."""
    found = [one for one in faults if one["severity"] == "error"]
    if found:
        raise MetadataRefused(message, errors=faults)


def save_product(
    tenant: Tenant, *, key: str, fields: Mapping[str, Any], create: bool = False, expected_rev: int | None = None, by: By
) -> ProductAlias:
    """Make a product, or change some of its members. Raises MetadataRefused with every fault, AlreadyThere, ProductNotFound, RowHasChanged."""
    with transaction.atomic():
        head = locked_head(tenant)
        if create:
            refuse(document.key_faults(key))
            if queries.products(tenant).filter(key=key).exists():
                raise AlreadyThere(f"There is a product {key} already.", key=key)
            row = ProductAlias(tenant=tenant, key=key, rev=0)
            before: dict[str, Any] = {}
        else:
            row = queries.product(tenant, key)
            _unchanged_since(row, expected_rev)
            before = {name: getattr(row, name) for name in PRODUCT}
        wanted = {**before, **fields}
        refuse(document.product_faults(wanted))
        product = document.product_of(wanted)
        for name, value in document.product_written(product).items():
            setattr(row, name, value)
        _store(row, before, f"Another product has the id {row.canonical_id}.")
        _noted(tenant, head, row, before, PRODUCT, "product.save", by)
    return row


def delete_product(tenant: Tenant, *, key: str, expected_rev: int | None = None, by: By) -> None:
    """Raises ProductNotFound, RowHasChanged."""
    with transaction.atomic():
        head = locked_head(tenant)
        row = queries.product(tenant, key)
        _unchanged_since(row, expected_rev)
        _gone(tenant, head, row, {"key": key, "canonical_id": row.canonical_id}, "product.delete", by)


def save_mapping(
    tenant: Tenant, *, fields: Mapping[str, Any], mapping_id: UUID | None = None, expected_rev: int | None = None, by: By
) -> ColumnMapping:
    """Make a mapping, or change some of its members. Raises MetadataRefused, AlreadyThere, MappingNotFound, RowHasChanged."""
    with transaction.atomic():
        head = locked_head(tenant)
        if mapping_id is None:
            row, before = ColumnMapping(tenant=tenant, rev=0), {}
        else:
            row = queries.mapping(tenant, mapping_id)
            _unchanged_since(row, expected_rev)
            before = {name: getattr(row, name) for name in MAPPING}
        wanted = {**before, **fields}
        refuse(document.mapping_faults(wanted))
        _refuse_same_term(tenant, row, wanted["user_term"])
        for name, value in wanted.items():
            setattr(row, name, value)
        _store(row, before, "There is a mapping of this term already.")
        _noted(tenant, head, row, before, MAPPING, "column_mapping.save", by)
    return row


def delete_mapping(tenant: Tenant, *, mapping_id: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises MappingNotFound, RowHasChanged."""
    with transaction.atomic():
        head = locked_head(tenant)
        row = queries.mapping(tenant, mapping_id)
        _unchanged_since(row, expected_rev)
        _gone(tenant, head, row, {"user_term": row.user_term}, "column_mapping.delete", by)


def _refuse_same_term(tenant: Tenant, row: ColumnMapping, term: str) -> None:
    """Terms that sound alike would be two answers to one question."""
    said = folded(term)
    others = queries.mappings(tenant).exclude(pk=row.pk).values_list("user_term", flat=True)
    for other in others:
        if folded(other) == said:
            raise AlreadyThere(f"There is a mapping of the term {other} already.", user_term=other)


def _unchanged_since(row: ProductAlias | ColumnMapping, expected_rev: int | None) -> None:
    if expected_rev is not None and row.rev != expected_rev:
        raise RowHasChanged(expected=f'"{row.rev}"', given=f'"{expected_rev}"')


def _store(row: ProductAlias | ColumnMapping, before: Mapping[str, Any], taken: str) -> None:
    row.rev += 1
    try:
        with transaction.atomic():
            row.save(force_insert=not before)
    except IntegrityError as again:
        raise AlreadyThere(taken) from again


def _noted(
    tenant: Tenant, head: MetadataHead, row: ProductAlias | ColumnMapping, before: Mapping[str, Any], members: tuple[str, ...], action: str, by: By
) -> None:
    touched(head)
    changes = {name: [before.get(name), getattr(row, name)] for name in members if before.get(name) != getattr(row, name)}
    audit(tenant, actor=actor_of(by), action=action, target=row, changes={"name": str(row), **changes})


def _gone(tenant: Tenant, head: MetadataHead, row: ProductAlias | ColumnMapping, changes: dict[str, Any], action: str, by: By) -> None:
    touched(head)
    audit(tenant, actor=actor_of(by), action=action, target=row, changes=changes)
    row.delete()
