"""Integrations: the definitions of external systems that flows may call."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, transaction

from flows import queries
from flows.core.definition.reading import NAME, NAME_RULE
from flows.core.types import Json
from flows.errors import DraftHasChanged, FieldsRefused, IntegrationIsNeeded, IntegrationNotFound, NameTaken
from flows.models import Integration
from flows.services.integration_faults import Fault, fault, faults_of
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

DEFAULTS: Final[Mapping[str, Json]] = {
    "name": "",
    "type": "rest",
    "base_url": "",
    "authentication": {},
    "headers": {},
    "timeout_ms": 5000,
    "retry_policy": {},
    "options": {},
    "descriptor_set": "",
}


def save_integration(
    tenant: Tenant, *, integration_id: str, fields: Mapping[str, Json], create: bool = False, expected_rev: int | None = None, by: By
) -> Integration:
    """Create one, or change some of the members of one.

    Raises FieldsRefused with every fault, NameTaken, IntegrationNotFound, DraftHasChanged.
    """
    with transaction.atomic():
        new = Integration(tenant=tenant, integration_id=integration_id, name=integration_id, rev=0)
        row = new if create else _locked(tenant, integration_id, expected_rev)
        before = {name: getattr(row, name) for name in DEFAULTS}
        found = [fault(name, "unknown", "is not known here", ", ".join(DEFAULTS)) for name in fields if name not in DEFAULTS]
        if not NAME.fullmatch(integration_id):
            found.append(fault("integration_id", "bad_name", "is no valid name", NAME_RULE))
        for name in DEFAULTS:
            setattr(row, name, fields.get(name, before[name]))
        _refuse(found, row)
        changes = {name: [before[name], getattr(row, name)] for name in DEFAULTS if before[name] != getattr(row, name)}
        if not changes and not create:
            return row
        row.rev += 1
        _insert_or_update(row)
        action = "integration.create" if create else "integration.save"
        audit(tenant, actor=actor_of(by), action=action, target=row, changes={"integration_id": integration_id, **_shown(changes)})
    return row


def delete_integration(tenant: Tenant, *, integration_id: str, expected_rev: int | None = None, by: By) -> None:
    """Raises IntegrationIsNeeded while a running version calls it, IntegrationNotFound, DraftHasChanged."""
    with transaction.atomic():
        row = _locked(tenant, integration_id, expected_rev)
        users = queries.users_of_integration(tenant, integration_id)
        if users:
            raise IntegrationIsNeeded(f"Published flows call it: {', '.join(users[:10])}.", integration_id=integration_id, used_by=users)
        audit(tenant, actor=actor_of(by), action="integration.delete", target=row, changes={"integration_id": integration_id})
        row.delete()


def _locked(tenant: Tenant, integration_id: str, expected_rev: int | None) -> Integration:
    row: Integration | None = Integration.objects.for_tenant(tenant).select_for_update().filter(integration_id=integration_id).first()
    if row is None:
        raise IntegrationNotFound(integration_id=integration_id)
    if expected_rev is not None and row.rev != expected_rev:
        raise DraftHasChanged(expected_rev=row.rev, given_rev=expected_rev)
    return row


def _insert_or_update(row: Integration) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as taken:
        raise NameTaken("There is an integration with this integration_id already.", integration_id=row.integration_id) from taken


def _refuse(found: list[Fault], row: Integration) -> None:
    found = found + faults_of(row)
    if found:
        raise FieldsRefused("The integration cannot be taken; `errors` lists every fault.", errors=found)


def _shown(changes: dict[str, Any]) -> dict[str, Any]:
    """For the audit: of a descriptor set only its digest."""
    sets = changes.get("descriptor_set")
    return changes if sets is None else {**changes, "descriptor_set": [hashlib.sha256(one.encode()).hexdigest()[:12] if one else "" for one in sets]}
