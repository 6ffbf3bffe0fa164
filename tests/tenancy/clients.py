from typing import Any

from rest_framework.test import APIClient

from mcp_platform.tenancy import permissions
from mcp_platform.tenancy.models import Role, Tenant, User
from tests.factories import bearer


def client_of(tenant: Tenant | None, role: str = Role.OWNER) -> APIClient:
    """A program with a key that may do what the role may do; no tenant: anonymous."""
    client = APIClient()
    if tenant is not None:
        client.credentials(HTTP_AUTHORIZATION=bearer(tenant, permissions.of_role(role))["Authorization"])
    return client


def logged_in(user: User, **options: Any) -> APIClient:
    """A person with a session."""
    client = APIClient(**options)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
