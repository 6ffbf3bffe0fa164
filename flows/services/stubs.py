"""Stubs: recorded or written answers that stand in for an integration in tests and dry runs."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from flows import queries
from flows.core.types import Json
from flows.errors import FieldsRefused, NameTaken
from flows.models import Integration, Stub
from flows.services.integration_faults import Fault, fault
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

FIELDS: Final[Mapping[str, Json]] = {"name": "", "endpoint": "", "method": "", "request": {}, "outcome": {}}
OUTCOME: Final[Mapping[str, tuple[type, Json]]] = {
    "success": (bool, True),
    "status_code": (int, 200),
    "data": (object, None),
    "error": (str, ""),
    "code": (str, ""),
    "execution_time_ms": (int, 0),
    "retries": (int, 0),
}
LARGEST: Final = 256 * 1024  # bytes of JSON


def save_stub(
    tenant: Tenant, *, integration_id: str, fields: Mapping[str, Json], stub_id: UUID | None = None, source: str = Stub.Source.WRITTEN, by: By
) -> Stub:
    """Write one, or change members of one. Raises FieldsRefused with every fault, NameTaken, IntegrationNotFound, StubNotFound."""
    integration = queries.integration(tenant, integration_id)
    with transaction.atomic():
        row = queries.stub(tenant, integration_id, stub_id) if stub_id else Stub(tenant=tenant, integration=integration, source=source)
        for name in FIELDS:
            setattr(row, name, fields.get(name, getattr(row, name) if stub_id else FIELDS[name]))
        found = [fault(name, "unknown", "is not known here", ", ".join(FIELDS)) for name in fields if name not in FIELDS] + _faults(row)
        if found:
            raise FieldsRefused("The stub cannot be taken; `errors` lists every fault.", errors=found)
        row.method = row.method.upper()
        row.outcome = {name: row.outcome.get(name, default) for name, (_, default) in OUTCOME.items()}
        row.created_by = row.created_by or actor_of(by)
        _insert_or_update(row)
        _note(tenant, "integration.stub_save", integration, row, by)
    return row


def delete_stub(tenant: Tenant, *, integration_id: str, stub_id: UUID, by: By) -> None:
    """Raises StubNotFound."""
    with transaction.atomic():
        row = queries.stub(tenant, integration_id, stub_id)
        _note(tenant, "integration.stub_delete", row.integration, row, by)
        row.delete()


def _insert_or_update(row: Stub) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as taken:
        raise NameTaken("The integration has a stub of this name already.", name=row.name) from taken


def _note(tenant: Tenant, action: str, integration: Integration, row: Stub, by: By) -> None:
    changes = {"integration_id": integration.integration_id, "stub": row.name, "source": row.source}
    audit(tenant, actor=actor_of(by), action=action, target=integration, changes=changes)


def _faults(row: Stub) -> list[Fault]:
    found = []
    texts = {"name": (row.name, 1, 100), "endpoint": (row.endpoint, 0, 2_000), "method": (row.method, 0, 10)}
    for name, (value, least, most) in texts.items():
        given: Any = value
        if not isinstance(given, str) or not least <= len(given) <= most:
            found.append(fault(name, "wrong_type", "is not valid", f"a text of {least} to {most} characters"))
    if not isinstance(row.request, dict):
        found.append(fault("request", "wrong_type", "is no object", "members that the request of a fitting call has"))
    if len(json.dumps([row.request, row.outcome])) > LARGEST:
        found.append(fault("outcome", "too_large", "is too large", f"at most {LARGEST} bytes"))
    return found + _outcome_faults(row.outcome)


def _outcome_faults(outcome: Any) -> list[Fault]:
    if not isinstance(outcome, dict):
        return [fault("outcome", "wrong_type", "is no object", ", ".join(OUTCOME))]
    known = ", ".join(OUTCOME)
    found = [fault(f"outcome.{name}"[:100], "unknown_key", "is not known here", known) for name in outcome if name not in OUTCOME]
    found += [
        fault(f"outcome.{name}", "wrong_type", "is of another type", kind.__name__)
        for name, (kind, _) in OUTCOME.items()
        if name in outcome and (not isinstance(outcome[name], kind) or (kind is int and isinstance(outcome[name], bool)))
    ]
    return found
