"""The tenant's own handlers and words: saved, they count at once in every conversation."""

from uuid import UUID, uuid4

from django.db import transaction

from flows import queries
from flows.core import definition
from flows.core.definition import tenant as tenant_definition
from flows.core.types import Json
from flows.errors import DefinitionRefused, DraftHasChanged
from flows.models import TenantHandlers
from mcp_platform import jobs
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit


def save_tenant_handlers(tenant: Tenant, *, document: Json, expected_rev: int | None = None, by: By) -> TenantHandlers:
    """Replace the document, stored the canonical way. Nothing is saved while it has errors.

    Raises DefinitionRefused with every problem, DraftHasChanged.
    """
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)  # also where there is no row yet
        row = queries.tenant_handlers(tenant)
        if expected_rev is not None and row.rev != expected_rev:
            raise DraftHasChanged(expected_rev=row.rev, given_rev=expected_rev)
        checked = queries.check_tenant_handlers(tenant, document)
        if checked.definition is None or checked.errors:
            raise DefinitionRefused("These handlers cannot be taken; `errors` lists every fault.", errors=queries.as_errors(checked.problems))
        written = tenant_definition.export(checked.definition)
        if row.rev and written == row.document:
            return row
        before = row.document if row.rev else {}
        row.document, row.rev = written, row.rev + 1
        row.save()
        changes = {"sha256": definition.digest(definition.canonical(written)), "handlers": [_names(before), _names(written)]}
        audit(tenant, actor=actor_of(by), action="tenant_handlers.save", target=row, changes=changes)
        forget_later(tenant.pk)
    return row


def _names(document: Json) -> list[str]:
    return sorted(document.get("global_handlers") or {})


def forget_later(tenant_id: UUID) -> None:
    """What is cached of this tenant's flows is read again: here from now on, elsewhere after the commit."""
    generation = uuid4().hex
    queries.pointers_moving(tenant_id)
    jobs.after_commit(lambda: queries.pointers_moved(tenant_id, generation))
