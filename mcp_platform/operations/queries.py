"""Reads used by several doors."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from mcp_platform.operations.errors import OperationNotFound
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Tenant


def operations(tenant: Tenant, kinds: Iterable[str]) -> QuerySet[Operation]:
    """Those of these kinds."""
    found: QuerySet[Operation] = Operation.objects.for_tenant(tenant).filter(kind__in=list(kinds))
    return found


def operation(tenant: Tenant, operation_id: UUID, *, kinds: Iterable[str]) -> Operation:
    """Raises OperationNotFound, also when it is of a kind that is not among `kinds`."""
    found = operations(tenant, kinds).filter(pk=operation_id).first()
    if found is None:
        raise OperationNotFound(operation_id=str(operation_id))
    return found


def latest(tenant: Tenant, *, kind: str, subject: str) -> Operation | None:
    """The newest operation of this kind on this subject."""
    found: Operation | None = Operation.objects.for_tenant(tenant).filter(kind=kind, subject=subject).order_by("-created_at").first()
    return found
