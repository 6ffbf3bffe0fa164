"""Where facts come from: a tenant's own definitions, which win over the built-in ones."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By
from validation.models import FactDefinition
from validation.queries import rulebook as queries
from validation.services import authoring, outdated
from validation.services.authoring import Fault, fault

FIELDS: Final = ("name", "type", "unit", "applies_to", "sources", "assumption", "params")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
IFC_CLASS: Final = re.compile(r"Ifc[A-Z][A-Za-z0-9]{1,60}")
SOURCE: Final = re.compile(r"user|attribute:\S.{0,200}|pset:[^.]+\..{1,200}|quantity:[^.]+\..{1,200}|derived:[a-z0-9_]{1,63}")


def save_fact(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> FactDefinition:
    """Elements that are stored already keep their facts until their next change or revision. Raises FieldsRefused, NameTaken, StaleEtag."""
    with transaction.atomic():
        before = queries.one(tenant, FactDefinition, pk).rev if pk else 0
        row = authoring.save(tenant, FactDefinition, pk=pk, fields=fields, known=FIELDS, expected_rev=expected_rev, check=_faults, by=by)
        if row.rev != before:
            outdated.law_changed(tenant)
    return row


def delete_fact(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """The built-in definition of its name, if there is one, holds again."""
    with transaction.atomic():
        authoring.delete(tenant, FactDefinition, pk=pk, expected_rev=expected_rev, by=by)
        outdated.law_changed(tenant)


def _faults(row: FactDefinition) -> Iterable[Fault]:
    if not NAME.fullmatch(row.name):
        yield fault("name", "bad_name", "is no valid name", "small letters, digits and _, such as clear_width")
    yield from _each(row.applies_to, "applies_to", IFC_CLASS, "the name of an IFC class, such as IfcDoor")
    yield from _each(row.sources, "sources", SOURCE, "user, attribute:…, pset:Set.Property, quantity:Set.Quantity or derived:…")
    yield from _unknown_derivations(row)


def _each(values: list[Any], name: str, pattern: re.Pattern[str], expected: str) -> Iterable[Fault]:
    if not values:
        yield fault(name, "missing", "is empty", f"at least one: {expected}")
    for index, value in enumerate(values):
        if not isinstance(value, str) or not pattern.fullmatch(value):
            yield fault(f"{name}[{index}]", "bad_value", "is not valid", expected)


def _unknown_derivations(row: FactDefinition) -> Iterable[Fault]:
    from validation.core.derivations import DERIVATIONS

    for index, source in enumerate(row.sources):
        name = source.removeprefix("derived:") if isinstance(source, str) else ""
        if name != source and name not in DERIVATIONS:
            yield fault(f"sources[{index}]", "unknown_value", "is no derivation", ", ".join(sorted(DERIVATIONS)))
