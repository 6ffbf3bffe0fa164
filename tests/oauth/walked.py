"""What the walk through all doors (tests/platform/test_walk.py) finds of OAuth: a client that somebody has let in, and the calls."""

from typing import Any

from django.db.models import Model

from mcp_platform.oauth import services
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.tenancy.models import Tenant, User

CLIENT = "oauth-clients/{client_pk}"
AUTHORIZATION = "oauth-authorizations/{authorization_pk}"
NEW = {"name": "new", "redirect_uris": ["https://new.example.com/back"]}

OAUTH: tuple[tuple[Any, ...], ...] = (
    ("GET oauth-clients", 200, None, 200),
    ("POST oauth-clients", 201, NEW, 201),
    (f"GET {CLIENT}",),
    (f"PATCH {CLIENT}", 200, {"name": "New"}),
    (f"DELETE {CLIENT}", 204),
    (f"POST {CLIENT}/rotate-secret", 200),
    ("GET oauth-authorizations", 200, None, 200),
    (f"GET {AUTHORIZATION}",),
    (f"DELETE {AUTHORIZATION}", 204),
)


def oauth(ours: Tenant, person: User) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    client, _ = services.register_client(ours, name="ours-client", confidential=True, redirect_uris=["https://ours.example.com/back"], by=None)
    let_in = services.authorize(ours, client=client, scopes=["flows:read"], by=person)
    return {"client_pk": client.pk, "authorization_pk": let_in.pk}, {Client: client, Authorization: let_in}
