from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from mcp_platform.errors import Denied
from mcp_platform.tenancy import permissions
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.scope import Principal


def test_every_role_has_a_row_and_only_known_permissions() -> None:
    assert set(permissions.ROLE_PERMISSIONS) == set(Role)
    for granted in permissions.ROLE_PERMISSIONS.values():
        assert granted <= permissions.ALL


def test_an_owner_may_everything_and_a_viewer_changes_nothing() -> None:
    assert permissions.of_role(Role.OWNER) == permissions.ALL
    assert all(name.endswith(":read") or name.startswith("tools:") for name in permissions.of_role(Role.VIEWER))  # the tools that change nothing


@pytest.mark.parametrize("permission", ["members:manage", "keys:manage", "tenant:manage"])
def test_only_owners_manage_access(permission: str) -> None:
    assert [role for role in Role if permission in permissions.of_role(role)] == [Role.OWNER]


def test_everybody_sees_the_tenant() -> None:
    assert all("tenants:read" in permissions.of_role(role) for role in Role)


@pytest.mark.parametrize(
    ("claim", "granted"),
    [
        (["viewer"], permissions.of_role(Role.VIEWER)),
        ("viewer operator", permissions.of_role(Role.VIEWER) | permissions.of_role(Role.OPERATOR)),
        (["emperor", "viewer"], permissions.of_role(Role.VIEWER)),
        (["emperor"], frozenset()),
        ([{"role": "owner"}, 7, None, ["owner"]], frozenset()),
        ({"owner": True}, frozenset()),
        (None, frozenset()),
    ],
)
def test_roles_of_a_claim(claim: Any, granted: frozenset[str]) -> None:
    assert permissions.of_roles(claim) == granted


def test_a_principal_is_refused_by_name_of_the_missing_permission() -> None:
    viewer = Principal(tenant=Tenant(slug="a"), actor="key:x", permissions=permissions.of_role(Role.VIEWER))
    viewer.require("flows:read")
    with pytest.raises(Denied) as refusal:
        viewer.require("flows:write")
    assert refusal.value.details == {"permission": "flows:write"}


def test_the_page_shows_the_matrix_of_the_code() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "permissions.md").read_text()
    assert permissions.as_markdown() in page
