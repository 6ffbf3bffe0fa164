"""The two documents by which a client that knows only an address finds its way: RFC 9728 of the resource, RFC 8414 of the server."""

from collections.abc import Iterable
from typing import Any

AUTHORIZE = "/oauth/authorize"
TOKEN = "/oauth/token"  # noqa: S105  an address
REVOKE = "/oauth/revoke"
REGISTER = "/oauth/register"


def of_resource(base: str, resource: str, *, name: str, scopes: Iterable[str], documentation: str) -> dict[str, Any]:
    return {
        "resource": resource,
        "authorization_servers": [base],
        "scopes_supported": sorted(scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
        "resource_documentation": documentation,
    }


def of_server(base: str, *, scopes: Iterable[str], documentation: str) -> dict[str, Any]:
    """Registration is not announced: it takes a credential that an unknown client does not have."""
    return {
        "issuer": base,
        "authorization_endpoint": base + AUTHORIZE,
        "token_endpoint": base + TOKEN,
        "revocation_endpoint": base + REVOKE,
        "scopes_supported": sorted(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "service_documentation": documentation,
    }
