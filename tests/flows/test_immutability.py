"""A published version never changes: not through the model, not through a query set, not past both of them."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from flows.errors import VersionIsImmutable
from flows.models import FlowVersion
from mcp_platform.tenancy.models import Tenant, User
from tests import factories

FIXED = {
    "definition": "'{}'",
    "sha256": "'0'",
    "number": "7",
    "note": "'other'",
    "published_at": "'2020-01-01T00:00:00+00:00'",
    "tenant_id": "tenant_id",
    "flow_id": "flow_id",
    "id": "id",
}


def test_the_model_refuses(tenant: Tenant) -> None:
    version = factories.published(tenant)
    version.definition = "{}"
    with pytest.raises(VersionIsImmutable):
        version.save()
    with pytest.raises(VersionIsImmutable):
        FlowVersion.objects.filter(pk=version.pk).update(definition="{}")
    with pytest.raises(VersionIsImmutable):
        FlowVersion.objects.bulk_update([version], ["definition"])


@pytest.mark.parametrize("column", FIXED)
def test_the_database_refuses(tenant: Tenant, column: str) -> None:
    factories.published(tenant)
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE flows_flowversion SET {column} = {FIXED[column]}")


def test_a_version_that_runs_cannot_be_deleted(tenant: Tenant) -> None:
    version = factories.published(tenant)
    with pytest.raises(DatabaseError), transaction.atomic():
        version.delete()


def test_a_person_can_leave_and_the_version_stays(tenant: Tenant, author: User) -> None:
    version = factories.published(tenant, by=author)
    author.delete()
    version.refresh_from_db()
    assert version.published_by is None
