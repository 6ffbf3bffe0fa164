import pytest

from demo.permit_desk import CODES, INTEGRATION
from flows import services
from mcp_platform.tenancy.models import Tenant, User
from tests import factories


@pytest.fixture
def tenant(db: None) -> Tenant:
    return factories.TenantFactory.create(slug="permits")


@pytest.fixture
def codes(tenant: Tenant) -> None:
    """What the permit desk calls."""
    services.save_integration(tenant, integration_id=CODES, fields=INTEGRATION, create=True, by=None)


@pytest.fixture
def stranger(db: None) -> Tenant:
    return factories.TenantFactory.create(slug="elsewhere")


@pytest.fixture
def author(tenant: Tenant) -> User:
    return factories.member(tenant)
