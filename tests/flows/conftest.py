import pytest

from mcp_platform.tenancy.models import Tenant, User
from tests import factories


@pytest.fixture
def tenant(db: None) -> Tenant:
    return factories.TenantFactory.create(slug="permits")


@pytest.fixture
def stranger(db: None) -> Tenant:
    return factories.TenantFactory.create(slug="elsewhere")


@pytest.fixture
def author(tenant: Tenant) -> User:
    return factories.member(tenant)
