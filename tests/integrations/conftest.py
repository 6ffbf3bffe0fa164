"""A tenant, a person of its, and a web server that only this test may call."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows import services as flows
from flows.models import Integration
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.vault import services as vault
from tests.factories import TenantFactory, UserFactory
from tests.integrations import outside


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def author(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def web(settings: Any) -> Iterator[outside.Web]:
    with outside.web() as server:
        settings.OUTBOUND_ALLOWED_HOSTS = [server.host]
        yield server


@pytest.fixture
def secret(tenant: Tenant) -> Callable[..., str]:
    def store(name: str = "CRM_TOKEN", value: str = "s3cret-value") -> str:
        vault.create_secret(tenant, name=name, value=value, by=None)
        return value

    return store


@pytest.fixture
def crm(tenant: Tenant, web: outside.Web) -> Callable[..., Integration]:
    """An integration of the web server."""

    def save(**fields: Any) -> Integration:
        given = {"base_url": f"{web.url}/v1", **fields}
        return flows.save_integration(tenant, integration_id="crm", fields=given, create=True, by=None)

    return save
