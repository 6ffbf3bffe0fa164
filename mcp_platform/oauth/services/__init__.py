"""Everything that changes OAuth clients, authorizations and tokens, and the look at a token."""

from mcp_platform.oauth.services.access import principal_of_bearer, principal_of_token, recheck, require_scopes
from mcp_platform.oauth.services.clients import change_client, register_client, rotate_secret, withdraw_client
from mcp_platform.oauth.services.consent import authorize, revoke_authorization
from mcp_platform.oauth.services.families import purge, revoke

__all__ = [
    "authorize",
    "change_client",
    "principal_of_bearer",
    "principal_of_token",
    "purge",
    "recheck",
    "register_client",
    "require_scopes",
    "revoke",
    "revoke_authorization",
    "rotate_secret",
    "withdraw_client",
]
