"""Places and the editions that are in force there: a tree without cycles, adoptions that do not overlap."""

import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By
from validation.models import Adoption, CodeEdition, Jurisdiction
from validation.queries import rulebook as queries
from validation.services import authoring, outdated
from validation.services.authoring import Fault, fault

JURISDICTION: Final = ("code", "name", "parent", "kind", "default_units", "locale", "timezone")
DECISIVE: Final = ("code", "parent_id", "default_units")  # for what is in force there
EDITION: Final = ("publisher", "title", "edition", "language", "published_on", "url", "superseded_by")
ADOPTION: Final = ("jurisdiction", "code_edition", "effective_from", "effective_to", "legal_reference")


def save_jurisdiction(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Jurisdiction:
    """Raises FieldsRefused (a parent that is below it would close a circle), NameTaken, JurisdictionNotFound, StaleEtag."""
    with transaction.atomic():
        before = queries.one(tenant, Jurisdiction, pk) if pk else None
        row = authoring.save(tenant, Jurisdiction, pk=pk, fields=fields, known=JURISDICTION, expected_rev=expected_rev, check=_place_faults, by=by)
        if before is not None and any(getattr(before, name) != getattr(row, name) for name in DECISIVE):
            outdated.places_changed(tenant, [row.pk])
    return row


def _place_faults(row: Jurisdiction) -> Iterable[Fault]:
    if row.parent is not None and (row.parent_id == row.pk or row.pk in {place.pk for place in queries.chain(row.parent)}):
        yield fault("parent", "cycle", "is this jurisdiction, or lies in it", "a jurisdiction outside of it")
    if row.timezone not in zoneinfo.available_timezones():
        yield fault("timezone", "unknown_value", "is no time zone", "a name of the tz database, such as America/Los_Angeles")


def delete_jurisdiction(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Its adoptions and amendments go with it. Raises StillNeeded while a project or another jurisdiction lies in it."""
    authoring.delete(tenant, Jurisdiction, pk=pk, expected_rev=expected_rev, by=by)


def save_edition(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> CodeEdition:
    """Raises FieldsRefused also when its new title has two editions of one title in force in one place on one day."""
    with transaction.atomic():
        before = queries.one(tenant, CodeEdition, pk) if pk else None
        row = authoring.save(tenant, CodeEdition, pk=pk, fields=fields, known=EDITION, expected_rev=expected_rev, check=_edition_faults, by=by)
        if before is not None and (before.title, before.edition) != (row.title, row.edition):
            outdated.editions_changed(tenant, [row.pk])
    return row


def _edition_faults(row: CodeEdition) -> Iterable[Fault]:
    later, seen = row.superseded_by, {row.pk}
    while later is not None:
        if later.pk in seen:
            yield fault("superseded_by", "cycle", "is superseded by this edition", "a later edition")
            return
        seen.add(later.pk)
        later = later.superseded_by
    yield from _title_faults(row)


def _title_faults(row: CodeEdition) -> Iterable[Fault]:
    """Its adoptions among those of the other editions that have the title now."""
    mine = Adoption.objects.for_tenant(row.tenant_id).filter(code_edition=row.pk).order_by("jurisdiction_id", "effective_from")
    for adoption in mine.select_related("jurisdiction"):
        overlapping = _overlapping(adoption, row.title)
        if overlapping is not None:
            message = f"{overlapping.code_edition} is in force in {adoption.jurisdiction.code} while this edition is"
            yield fault("title", "overlap", message, "a title of which no other edition is in force there on the same days")


def delete_edition(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises StillNeeded while it is adopted somewhere or a rule set checks it."""
    authoring.delete(tenant, CodeEdition, pk=pk, expected_rev=expected_rev, by=by)


def save_adoption(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Adoption:
    """Raises FieldsRefused also when another edition of the same title is in force in the jurisdiction on one of its days."""
    with transaction.atomic():
        before = queries.one(tenant, Adoption, pk) if pk else None
        row = authoring.save(tenant, Adoption, pk=pk, fields=fields, known=ADOPTION, expected_rev=expected_rev, check=_adoption_faults, by=by)
        if before is None or before.rev != row.rev:
            outdated.places_changed(tenant, {row.jurisdiction_id, *([before.jurisdiction_id] if before else ())})
    return row


def _adoption_faults(row: Adoption) -> Iterable[Fault]:
    if row.effective_to is not None and row.effective_to < row.effective_from:
        yield fault("effective_to", "before_start", "is before effective_from", f"{row.effective_from} or later")
        return
    overlapping = _overlapping(row, row.code_edition.title)
    if overlapping is not None:
        until = overlapping.effective_to or "today and on"
        message = f"{overlapping.code_edition} is in force here from {overlapping.effective_from} to {until}"
        yield fault("effective_from", "overlap", message, "days on which no other edition of the same title is in force in this jurisdiction")


def _overlapping(row: Adoption, title: str) -> Adoption | None:
    """Another one of the title in the same place. Adoptions of one place queue on its row, so that two of them cannot slip past each other."""
    queries.one(row.tenant, Jurisdiction, row.jurisdiction_id, locked=True)
    others: QuerySet[Adoption] = Adoption.objects.for_tenant(row.tenant_id).filter(jurisdiction=row.jurisdiction_id, code_edition__title=title)
    return others.exclude(pk=row.pk).filter(_overlap(row.effective_from, row.effective_to)).select_related("code_edition").first()


def _overlap(start: date, end: date | None) -> Q:
    begun = Q() if end is None else Q(effective_from__lte=end)
    return begun & (Q(effective_to__isnull=True) | Q(effective_to__gte=start))


def delete_adoption(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    with transaction.atomic():
        place = queries.one(tenant, Adoption, pk).jurisdiction_id
        authoring.delete(tenant, Adoption, pk=pk, expected_rev=expected_rev, by=by)
        outdated.places_changed(tenant, [place])
