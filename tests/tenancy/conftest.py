import pytest

from mcp_platform.tenancy.models import Role, Tenant, User
from tests.factories import MembershipFactory, TenantFactory, UserFactory


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits")


@pytest.fixture
def stranger(db: None) -> Tenant:
    return TenantFactory.create(slug="elsewhere")


@pytest.fixture
def owner(tenant: Tenant) -> User:
    user = UserFactory.create(username="olga")
    MembershipFactory.create(tenant=tenant, user=user, role=Role.OWNER)
    return user
