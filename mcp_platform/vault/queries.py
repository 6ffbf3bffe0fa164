"""Reads of secrets that show no value."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault.errors import SecretNotFound
from mcp_platform.vault.models import Secret


def secrets(tenant: Tenant | UUID) -> QuerySet[Secret]:
    """Without their values: a row that is read for a page must not carry them."""
    rows: QuerySet[Secret] = Secret.objects.for_tenant(tenant).defer("sealed", "previous").select_related("created_by")
    return rows


def secret(tenant: Tenant | UUID, name: str) -> Secret:
    """Raises SecretNotFound."""
    found = secrets(tenant).filter(name=name).first()
    if found is None:
        raise SecretNotFound(name=name[:63])
    return found


def missing(tenant: Tenant | UUID, names: Iterable[str]) -> list[str]:
    """Of these names, those that have no secret."""
    wanted = set(names)
    return sorted(wanted - set(Secret.objects.for_tenant(tenant).filter(name__in=wanted).values_list("name", flat=True))) if wanted else []
