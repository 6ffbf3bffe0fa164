"""What is live: a publish freezes the draft as a version, a roll back makes an earlier one live again, a restore makes it the draft."""

import json
from uuid import uuid4

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from mcp_platform import jobs
from mcp_platform.metadata import events, queries
from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.difference import changes, counted
from mcp_platform.metadata.core.document import Metadata
from mcp_platform.metadata.errors import MetadataRefused, NothingToPublish, RowHasChanged
from mcp_platform.metadata.models import ColumnMapping, MetadataHead, MetadataVersion, ProductAlias
from mcp_platform.metadata.services.rows import locked_head, refuse, touched
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

LONGEST_NOTE = 300


def publish(tenant: Tenant, *, note: str = "", version: str = "", expected_rev: int | None = None, by: By) -> MetadataVersion:
    """Check the whole draft, freeze it as the next version and make that live. `version`: its name; the one after the last is the default.

    `expected_rev`: of the draft that was looked at. Raises MetadataRefused with every fault, NothingToPublish, RowHasChanged.
    """
    with transaction.atomic():
        head = locked_head(tenant)
        _require_rev(head, expected_rev)
        if len(note) > LONGEST_NOTE:
            raise MetadataRefused(errors=[document.fault("$.note", "too_long", "is too long", f"at most {LONGEST_NOTE} characters")])
        last = queries.versions(tenant).first()
        name = version or document.next_version(last.version if last is not None else "")
        draft = queries.draft(tenant)
        checked, faults = document.read(document.written(Metadata(products=draft.products, columns=draft.columns, version=name)))
        if checked is None:
            refuse(faults, "The draft cannot be published; `errors` lists every fault.")
            raise MetadataRefused(errors=faults)
        sha256 = document.digest(checked)
        if sha256 == (head.live.sha256 if head.live is not None else document.digest(Metadata())):
            raise NothingToPublish(number=head.live.number if head.live is not None else None)
        row = _frozen(tenant, checked, sha256, note, actor_of(by))
        _go_live(tenant, head, row, "metadata.publish", actor_of(by))
        _equal(head)
    return row


def _require_rev(head: MetadataHead, expected_rev: int | None) -> None:
    if expected_rev is not None and head.draft_rev != expected_rev:
        raise RowHasChanged(expected=f'"{head.draft_rev}"', given=f'"{expected_rev}"')


def _frozen(tenant: Tenant, checked: Metadata, sha256: str, note: str, actor: str) -> MetadataVersion:
    now = timezone.now()
    last = MetadataVersion.objects.for_tenant(tenant).aggregate(last=Max("number"))["last"] or 0
    row: MetadataVersion = MetadataVersion.objects.create(
        tenant=tenant,
        number=last + 1,
        version=checked.version,
        document=json.dumps(document.written(checked, last_updated=now.isoformat()), ensure_ascii=False),
        sha256=sha256,
        product_count=len(checked.products),
        mapping_count=len(checked.columns),
        note=note,
        created_by=actor,
        created_at=now,
    )
    return row


def _equal(head: MetadataHead) -> None:
    """The draft is what is live."""
    head.published_rev = head.draft_rev
    head.save(update_fields=("published_rev",))


def roll_back(tenant: Tenant, *, number: int, by: By) -> MetadataVersion:
    """Make this version live again; the draft stays as it is. Raises MetadataVersionNotFound, NothingToPublish when it is live."""
    with transaction.atomic():
        head = locked_head(tenant)
        row = queries.version(tenant, number)
        if head.live_id == row.pk:
            raise NothingToPublish("This version is live.", number=number)
        _go_live(tenant, head, row, "metadata.roll_back", actor_of(by))
        same = document.digest(queries.draft(tenant)) == row.sha256
        head.published_rev = head.draft_rev if same else -1
        head.save(update_fields=("published_rev",))
    return row


def _go_live(tenant: Tenant, head: MetadataHead, row: MetadataVersion, action: str, actor: str) -> None:
    before = head.live
    head.live, head.live_at, head.seq = row, timezone.now(), head.seq + 1
    head.save(update_fields=("live", "live_at", "seq"))
    numbers = [before.number if before is not None else None, row.number]
    differing = counted(changes(queries.metadata_of(before), queries.metadata_of(row)))
    audit(tenant, actor=actor, action=action, target=row, changes={"number": numbers, "sha256": row.sha256, **differing, "note": row.note})
    data = {"version": row.number, "previous_version": numbers[0], "name": row.version, "sha256": row.sha256}
    outbox.emit(tenant, type="metadata.published", subject=f"product-metadata/{row.number}", data=data, key="product-metadata")
    events.changed(tenant.pk)
    tenant_id, generation = tenant.pk, uuid4().hex
    queries.changing(tenant_id)
    jobs.after_commit(lambda: queries.changed(tenant_id, generation))


def restore(tenant: Tenant, *, number: int, by: By) -> MetadataHead:
    """Make this version the draft, in place of what is there; nothing goes live. Raises MetadataVersionNotFound."""
    with transaction.atomic():
        head = locked_head(tenant)
        row = queries.version(tenant, number)
        found = queries.metadata_of(row)
        fill(tenant, found)
        touched(head)
        if head.live_id == row.pk:
            _equal(head)
        audit(tenant, actor=actor_of(by), action="metadata.restore", target=row, changes={"number": number})
    return head


def fill(tenant: Tenant, found: Metadata) -> None:
    """The rows become this metadata. What is the same already keeps its row and its revision. Under the head's lock."""
    _fill_products(tenant, found)
    _fill_mappings(tenant, found)


def _fill_products(tenant: Tenant, found: Metadata) -> None:
    there = {row.key: row for row in queries.products(tenant)}
    stale = [row.pk for key, row in there.items() if key not in found.products or queries.product_of(row) != found.products[key]]
    ProductAlias.objects.for_tenant(tenant).filter(pk__in=stale).delete()  # first, because ids may have changed places
    kept = {row.key for row in there.values() if row.pk not in set(stale)}
    made = []
    for key, product in found.products.items():
        if key not in kept:
            known = there.get(key)
            more = {"id": known.pk, "rev": known.rev + 1} if known is not None else {}
            made.append(ProductAlias(tenant=tenant, key=key, **document.product_written(product), **more))
    ProductAlias.objects.bulk_create(made, batch_size=500)


def _fill_mappings(tenant: Tenant, found: Metadata) -> None:
    there = {row.user_term: row for row in queries.mappings(tenant)}
    gone = [row.pk for term, row in there.items() if term not in found.columns]
    ColumnMapping.objects.for_tenant(tenant).filter(pk__in=gone).delete()
    made, other = [], []
    for term, column in found.columns.items():
        row = there.get(term)
        if row is None:
            made.append(ColumnMapping(tenant=tenant, user_term=term, sql_expression=column.sql, description=column.description))
        elif (row.sql_expression, row.description) != (column.sql, column.description):
            row.sql_expression, row.description, row.rev, row.updated_at = column.sql, column.description, row.rev + 1, timezone.now()
            other.append(row)
    ColumnMapping.objects.bulk_create(made, batch_size=500)
    ColumnMapping.objects.bulk_update(other, ("sql_expression", "description", "rev", "updated_at"), batch_size=500)
