import pytest

from mcp_platform.oauth import services
from mcp_platform.oauth.models import Client as OAuthClient
from mcp_platform.tenancy.models import Role, Tenant, User
from tests import factories
from tests.factories import MembershipFactory, TenantFactory, UserFactory
from tests.oauth.program import CALLBACK, Program


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits", name="Permits")


@pytest.fixture
def stranger(db: None) -> Tenant:
    return TenantFactory.create(slug="elsewhere", name="Elsewhere")


@pytest.fixture
def olga(tenant: Tenant) -> User:
    user = UserFactory.create(username="olga")
    MembershipFactory.create(tenant=tenant, user=user, role=Role.EDITOR)
    return user


@pytest.fixture
def registered(tenant: Tenant) -> OAuthClient:
    return services.register_client(tenant, name="Plan viewer", redirect_uris=[CALLBACK], by=factories.member(tenant))[0]


@pytest.fixture
def program(registered: OAuthClient, olga: User) -> Program:
    """A public client, with a browser in which Olga is signed in."""
    return Program(registered.client_id, olga)
