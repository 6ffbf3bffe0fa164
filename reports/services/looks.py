"""How a tenant's reports look, and what is in them: branding and templates, each change in the audit."""

import io
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.db import transaction
from django.db.models.fields.files import FieldFile

from mcp_platform import rest
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from reports import queries
from reports.core.sections import FORMATS_OF, SECTIONS_OF
from reports.models import Branding, ReportTemplate

BRANDING_FIELDS: Final = ("name", "is_default", "colour", "logo", "letterhead", "disclaimer", "locale", "paper")
TEMPLATE_FIELDS: Final = ("name", "kind", "sections", "formats", "branding")
LARGEST_LOGO: Final = 512 * 1024
LOGOS: Final = ("PNG", "JPEG")
MOST_PIXELS: Final = 4_000_000


def save_branding(tenant: Tenant, *, pk: UUID | None = None, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> Branding:
    """Made or changed. The new default takes the place of the old one. Raises BrandingNotFound, StaleEtag, SchemaError with every fault."""
    with transaction.atomic():
        row = queries.branding(tenant, pk) if pk else Branding(tenant=tenant)
        _grow(row, pk, expected_rev)
        logo = fields.get("logo") or ""  # a form says False for none
        if not isinstance(logo, File | str) or (logo and isinstance(logo, str)):  # the name of a file would be that of anybody's
            _refuse([{"path": "$.logo", "message": "is not a file", "expected": "a PNG or JPEG picture, uploaded"}])
        faults = _set(row, {**fields, "logo": logo} if "logo" in fields else fields, BRANDING_FIELDS) + _logo_faults(logo)
        _refuse(faults)
        if row.is_default:
            Branding.objects.for_tenant(tenant).exclude(pk=row.pk).update(is_default=False)
        row.save()
        audit(tenant, actor=actor_of(by), action="branding.save", target=row, changes={name: str(fields[name])[:200] for name in fields})
    return row


def delete_branding(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Reports keep how they looked. Raises BrandingNotFound."""
    row = queries.branding(tenant, pk)
    _grow(row, pk, expected_rev)
    with transaction.atomic():
        audit(tenant, actor=actor_of(by), action="branding.delete", target=row, changes={"name": row.name})
        row.delete()


def save_template(tenant: Tenant, *, pk: UUID | None = None, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> ReportTemplate:
    """Raises TemplateNotFound, StaleEtag, SchemaError with every fault."""
    with transaction.atomic():
        row = queries.template(tenant, pk) if pk else ReportTemplate(tenant=tenant)
        _grow(row, pk, expected_rev)
        faults = _set(row, fields, TEMPLATE_FIELDS)
        faults += _unknown("sections", row.sections, SECTIONS_OF.get(row.kind, ())) + _unknown("formats", row.formats, FORMATS_OF.get(row.kind, ()))
        if row.branding is not None and row.branding.tenant_id != tenant.pk:
            faults.append({"path": "$.branding", "message": "is not known", "expected": "a branding of this tenant"})
        _refuse(faults)
        row.save()
        audit(tenant, actor=actor_of(by), action="report_template.save", target=row, changes={name: str(fields[name])[:200] for name in fields})
    return row


def delete_template(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises TemplateNotFound."""
    row = queries.template(tenant, pk)
    _grow(row, pk, expected_rev)
    with transaction.atomic():
        audit(tenant, actor=actor_of(by), action="report_template.delete", target=row, changes={"name": row.name})
        row.delete()


Faults = list[dict[str, str]]


def _grow(row: Branding | ReportTemplate, pk: UUID | None, expected_rev: int | None) -> None:
    """Raises StaleEtag."""
    if expected_rev is not None and row.rev != expected_rev:
        raise rest.StaleEtag
    row.rev += 1 if pk else 0


def _set(row: Branding | ReportTemplate, fields: Mapping[str, Any], known: tuple[str, ...]) -> Faults:
    faults = [{"path": f"$.{name}", "message": "is not known", "expected": ", ".join(known)} for name in fields if name not in known]
    for name in known:
        if name in fields:
            setattr(row, name, fields[name])
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as fault:
        faults += [{"path": f"$.{name}", "message": " ".join(said), "expected": "a value that fits"} for name, said in fault.message_dict.items()]
    return faults


def _unknown(name: str, values: Any, allowed: tuple[str, ...]) -> Faults:
    if not isinstance(values, list):
        return [{"path": f"$.{name}", "message": "is not a list", "expected": f"a list of {', '.join(allowed)}"}]
    wrong = [(place, value) for place, value in enumerate(values) if value not in allowed]
    return [{"path": f"$.{name}[{place}]", "message": f"{value!r} is not known", "expected": ", ".join(allowed)} for place, value in wrong]


def _logo_faults(logo: Any) -> Faults:
    """Only what the renderer can draw, and nothing that is as large as a poster."""
    if not logo or isinstance(logo, FieldFile):  # none, or as it was
        return []
    if logo.size > LARGEST_LOGO:
        return [{"path": "$.logo", "message": f"has {logo.size} bytes", "expected": f"at most {LARGEST_LOGO}"}]
    content = logo.read()
    logo.seek(0)
    return _picture_faults(content)


def _picture_faults(content: bytes) -> Faults:
    """The size is read from its head, and nothing is unpacked where it is too large."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=LOGOS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return [{"path": "$.logo", "message": f"is {picture.width} x {picture.height} pixels", "expected": f"at most {MOST_PIXELS} pixels"}]
            picture.load()
    except Exception:  # noqa: BLE001  decoders raise whatever they like
        return [{"path": "$.logo", "message": "cannot be read as a picture", "expected": "a whole PNG or JPEG picture"}]
    return []


def _refuse(faults: Faults) -> None:
    if faults:
        raise rest.SchemaError(errors=faults)
