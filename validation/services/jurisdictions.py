"""Places and the editions that are in force there: a tree without cycles, adoptions that do not overlap."""

import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By
from validation.models import Adoption, CodeEdition, Jurisdiction
from validation.queries import rulebook as queries
from validation.services import authoring
from validation.services.authoring import Fault, fault

JURISDICTION: Final = ("code", "name", "parent", "kind", "default_units", "locale", "timezone")
EDITION: Final = ("publisher", "title", "edition", "language", "published_on", "url", "superseded_by")
ADOPTION: Final = ("jurisdiction", "code_edition", "effective_from", "effective_to", "legal_reference")


def save_jurisdiction(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Jurisdiction:
    """Raises FieldsRefused (a parent that is below it would close a circle), NameTaken, JurisdictionNotFound, StaleEtag."""
    return authoring.save(tenant, Jurisdiction, pk=pk, fields=fields, known=JURISDICTION, expected_rev=expected_rev, check=_place_faults, by=by)


def _place_faults(row: Jurisdiction) -> Iterable[Fault]:
    if row.parent is not None and (row.parent_id == row.pk or row.pk in {place.pk for place in queries.chain(row.parent)}):
        yield fault("parent", "cycle", "is this jurisdiction, or lies in it", "a jurisdiction outside of it")
    if row.timezone not in zoneinfo.available_timezones():
        yield fault("timezone", "unknown_value", "is no time zone", "a name of the tz database, such as America/Los_Angeles")


def delete_jurisdiction(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Its adoptions and amendments go with it. Raises StillNeeded while a project or another jurisdiction lies in it."""
    authoring.delete(tenant, Jurisdiction, pk=pk, expected_rev=expected_rev, by=by)


def save_edition(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> CodeEdition:
    return authoring.save(tenant, CodeEdition, pk=pk, fields=fields, known=EDITION, expected_rev=expected_rev, check=_edition_faults, by=by)


def _edition_faults(row: CodeEdition) -> Iterable[Fault]:
    later, seen = row.superseded_by, {row.pk}
    while later is not None:
        if later.pk in seen:
            yield fault("superseded_by", "cycle", "is superseded by this edition", "a later edition")
            return
        seen.add(later.pk)
        later = later.superseded_by


def delete_edition(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises StillNeeded while it is adopted somewhere or a rule set checks it."""
    authoring.delete(tenant, CodeEdition, pk=pk, expected_rev=expected_rev, by=by)


def save_adoption(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Adoption:
    """Raises FieldsRefused also when another edition of the same title is in force in the jurisdiction on one of its days."""
    return authoring.save(tenant, Adoption, pk=pk, fields=fields, known=ADOPTION, expected_rev=expected_rev, check=_adoption_faults, by=by)


def _adoption_faults(row: Adoption) -> Iterable[Fault]:
    if row.effective_to is not None and row.effective_to < row.effective_from:
        yield fault("effective_to", "before_start", "is before effective_from", f"{row.effective_from} or later")
        return
    # Adoptions of one place queue on its row, so that two of them cannot slip past each other.
    queries.one(row.tenant, Jurisdiction, row.jurisdiction_id, locked=True)
    others = Adoption.objects.for_tenant(row.tenant_id).filter(jurisdiction=row.jurisdiction_id, code_edition__title=row.code_edition.title)
    overlapping = others.filter(_overlap(row.effective_from, row.effective_to)).exclude(pk=row.pk).select_related("code_edition").first()
    if overlapping is not None:
        until = overlapping.effective_to or "today and on"
        message = f"{overlapping.code_edition} is in force here from {overlapping.effective_from} to {until}"
        yield fault("effective_from", "overlap", message, "days on which no other edition of the same title is in force in this jurisdiction")


def _overlap(start: date, end: date | None) -> Q:
    begun = Q() if end is None else Q(effective_from__lte=end)
    return begun & (Q(effective_to__isnull=True) | Q(effective_to__gte=start))


def delete_adoption(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    authoring.delete(tenant, Adoption, pk=pk, expected_rev=expected_rev, by=by)
