"""The one way to save an authored row: lock, compare `rev`, check every field, write, one audit entry."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final, TypeAlias, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError, RestrictedError

from mcp_platform.errors import NotFound
from mcp_platform.rest import StaleEtag
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.tenancy.services.trail import user_of
from validation.errors import FieldsRefused, NameTaken, StillNeeded
from validation.models.base import Authored
from validation.queries import rulebook as queries

A = TypeVar("A", bound=Authored)
Fault: TypeAlias = dict[str, str]
Check: TypeAlias = Callable[[Any], Iterable[Fault]]

TYPES: Final[tuple[tuple[type[Any], type | tuple[type, ...], str], ...]] = (
    (models.BooleanField, bool, "true or false"),
    (models.IntegerField, int, "a whole number"),
    (models.FloatField, (int, float), "a number"),
    (models.DateField, (str, date), "a date such as 2024-05-01"),
    (models.CharField, str, "a text"),
    (models.TextField, str, "a text"),
)
SHOWN: Final = 2_000  # characters of one value in an audit entry


def fault(path: str, code: str, message: str, expected: str = "") -> Fault:
    return {"path": f"$.{path}" if path else "$", "code": code, "message": message, "expected": expected}


def nothing(row: Any) -> Iterable[Fault]:
    return ()


def save(
    tenant: Tenant,
    model: type[A],
    *,
    fields: Mapping[str, Any],
    known: Iterable[str],
    pk: uuid.UUID | str | None = None,
    expected_rev: int | None = None,
    check: Check = nothing,
    action: str = "",
    by: By,
    **fixed: Any,
) -> A:
    """Create a row (`pk` None; `fixed` are columns that no caller may name), or change some of the `known` fields of one.

    References may be given as rows or ids. Nothing changed: nothing is written. Raises FieldsRefused with every fault, NameTaken, StaleEtag,
    and the NotFound of the kind.
    """
    known = tuple(known)
    with transaction.atomic():
        row = queries.one(tenant, model, pk, locked=True) if pk is not None else model(tenant=tenant, **fixed)
        require_rev(row, expected_rev)
        before = {name: _plain(row, name) for name in known if name in fields} if pk is not None else {}
        faults = [fault(name[:100], "unknown", "is not known here", ", ".join(known)) for name in fields if name not in known]
        faults += _set(tenant, row, {name: value for name, value in fields.items() if name in known})
        faults += _clean(row, {one["path"] for one in faults})
        faults += [] if faults else list(check(row))
        if faults:
            raise FieldsRefused(errors=faults)
        changes = {name: [before.get(name), _plain(row, name)] for name in known if name in fields}
        changes = {name: pair for name, pair in changes.items() if pk is None or pair[0] != pair[1]}
        if pk is None or changes:
            store(row, new=pk is None, by=by)
            verb = action or f"{row._meta.model_name}.{'create' if pk is None else 'save'}"
            audit(tenant, actor=actor_of(by), action=verb, target=row, changes=shown(changes))
    return row


def delete(tenant: Tenant, model: type[A], *, pk: uuid.UUID | str, expected_rev: int | None = None, by: By) -> None:
    """Raises StillNeeded while others refer to it, StaleEtag, and the NotFound of the kind."""
    try:
        with transaction.atomic():
            row = queries.one(tenant, model, pk, locked=True)
            require_rev(row, expected_rev)
            audit(tenant, actor=actor_of(by), action=f"{row._meta.model_name}.delete", target=row, changes={"name": str(row)})
            row.delete()
    except (ProtectedError, RestrictedError) as used:
        others = used.protected_objects if isinstance(used, ProtectedError) else used.restricted_objects
        users = sorted({f"{other._meta.verbose_name} {other}" for other in others})
        raise StillNeeded(f"Others refer to it: {', '.join(users[:10])}.", used_by=users[:100]) from used


def require_rev(row: Authored, expected_rev: int | None) -> None:
    if expected_rev is not None and row.rev != expected_rev:
        raise StaleEtag(expected=f'"{row.rev}"', given=f'"{expected_rev}"')


def store(row: Authored, *, new: bool, by: By) -> None:
    """Write the row with its author and next revision. Raises NameTaken."""
    row.updated_by = user_of(by)
    if new:
        row.created_by = row.updated_by
    else:
        row.rev += 1
    try:
        with transaction.atomic():
            row.save(force_insert=new)
    except IntegrityError as taken:
        raise NameTaken(f"There is a {row._meta.verbose_name} like this already.", name=str(row)) from taken


def shown(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes for the audit; of long values only how long they are."""
    return {name: [_short(value) for value in pair] if isinstance(pair, list) else _short(pair) for name, pair in changes.items()}


def _short(value: Any) -> Any:
    length = len(str(value))
    return value if length <= SHOWN else f"{length} characters"


def _plain(row: Authored, name: str) -> Any:
    value = getattr(row, row._meta.get_field(name).attname)  # type: ignore[union-attr]  # fields that callers may name are no reverse relations
    return str(value) if isinstance(value, uuid.UUID | date) else value


def _set(tenant: Tenant, row: Authored, fields: Mapping[str, Any]) -> list[Fault]:
    found = []
    for name, value in fields.items():
        field: Any = row._meta.get_field(name)
        if isinstance(field, models.ForeignKey):
            found += _refer(tenant, row, field, value)
        elif expected := _mistyped(field, value):
            found.append(fault(name, "wrong_type", f"is {type(value).__name__}", expected))
        else:
            setattr(row, name, value)
    return found


def _mistyped(field: Any, value: Any) -> str:
    """What was expected instead; "" when the value may be of the field's type."""
    if value is None and field.null:
        return ""
    if isinstance(field, models.JSONField):
        kind = field.default() if callable(field.default) else {}
        return "" if isinstance(value, type(kind)) else "an object" if isinstance(kind, dict) else "a list"
    for column, types, expected in TYPES:
        if isinstance(field, column):
            good = isinstance(value, types) and (types is bool or not isinstance(value, bool))
            return "" if good else expected
    return ""


def _refer(tenant: Tenant, row: Authored, field: Any, value: Any) -> list[Fault]:
    if value is None and field.null:
        setattr(row, field.name, None)
        return []
    try:
        pk = value.pk if isinstance(value, models.Model) else uuid.UUID(str(value))
        setattr(row, field.name, queries.one(tenant, field.related_model, pk))
    except (ValueError, KeyError):
        return [fault(field.name, "wrong_type", "is no id", f"the id of a {field.related_model._meta.verbose_name}")]
    except NotFound:  # it is not there, or belongs to somebody else
        return [fault(field.name, "not_found", "is not there", f"the id of a {field.related_model._meta.verbose_name}")]
    return []


def _clean(row: Authored, told: set[str]) -> list[Fault]:
    """What the model's own validators say, one fault a message; nothing twice."""
    skip = [path.removeprefix("$.") for path in told]
    try:
        row.clean_fields(exclude=[*skip, "tenant", "created_by", "updated_by"])
    except ValidationError as refused:
        return [
            fault("" if name == NON_FIELD_ERRORS else name, one.code or "invalid", _text(one), _expected(row, name))
            for name, found in refused.error_dict.items()
            for one in found
        ]
    return []


def _text(error: ValidationError) -> str:
    return " ".join(error.messages)


def _expected(row: Authored, name: str) -> str:
    if name == NON_FIELD_ERRORS:
        return ""
    field: Any = row._meta.get_field(name)
    return ", ".join(str(value) for value, _ in field.choices) if field.choices else str(field.help_text or "")
