"""The look at a token, for the resource that it is shown to.

A token is for one resource, whose address must be equal to the one that is asked: what was given for one is of no use at another, and nothing
that is shown to us is good anywhere else. Scopes narrow what the person may do now; they never widen it.
"""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from mcp_platform.oauth import queries
from mcp_platform.oauth.core import scopes as words
from mcp_platform.oauth.errors import ScopeMissing
from mcp_platform.oauth.models import AccessToken, Client
from mcp_platform.oauth.services import families
from mcp_platform.tenancy import authenticators, credentials, permissions, scope, throttling, tokens
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal

ACCESS_START = "mcpo_"


def principal_of_bearer(token: str, *, resource: str, address: str) -> Principal:
    """Whoever shows a bearer token at `resource`: an API key of ours, an OAuth token for this resource, or a JWT of a trusted issuer whose audience
    it is. From `address`, for the limit of failures. Believed for 5 seconds once checked. Raises Unauthenticated, TooMany, Unavailable.

    Reads the database and perhaps the network: call it in a thread. Does not enter the tenant's scope.
    """
    if token.startswith(credentials.KEY_START):
        return authenticators.authenticate_bearer(token, address=address)
    known = credentials.recall(token, resource=resource)
    if known is not None:
        return known
    with throttling.attempt(address):
        found = principal_of_token(token, resource=resource)
    credentials.remember(token, found, resource=resource)
    return found


def principal_of_token(token: str, *, resource: str) -> Principal:
    """Of an OAuth access token, or of a JWT of a trusted issuer. Raises Unauthenticated, Unavailable."""
    if not token.startswith(ACCESS_START):
        return tokens.principal_of(token, audience=resource)
    with scope.platform_scope():
        row = _usable(token_checksum=families.checksum(token))
        if row.resource != [resource]:
            raise Unauthenticated("The access token is for another resource.")
        return _holder(row)


def recheck(principal: Principal) -> Principal:
    """The same caller as it is allowed now: for streams, which outlive requests. Raises Unauthenticated when it is no longer."""
    if principal.token_id is None:
        return authenticators.recheck(principal)
    with scope.platform_scope():
        return _holder(_usable(pk=principal.token_id))


def _usable(**wanted: Any) -> AccessToken:
    rows = AccessToken.objects.select_related("tenant", "user", "application__tenant")
    row: AccessToken | None = rows.filter(**wanted).first()
    if row is None or row.expires <= timezone.now():
        raise Unauthenticated("The access token is expired, revoked or not ours.")
    if not row.tenant.is_active or not row.application.is_usable(None):
        raise Unauthenticated("The client or the tenant of the access token is not active.")
    return row


def _holder(row: AccessToken) -> Principal:
    return _of_person(row) if row.user is not None else _of_client(row)


def _of_person(row: AccessToken) -> Principal:
    held = tenancy.permissions_of(row.user, row.tenant)
    if not held:
        raise Unauthenticated("The person who gave the access token is no longer a member.")
    given = frozenset(words.parse(row.scope)) & queries.let(row.user, row.tenant, row.application)
    if not given:
        raise Unauthenticated("The person who gave the access token has taken it back.")
    return Principal(
        tenant=row.tenant,
        actor=f"user:{row.user.pk}",
        permissions=held & given,
        user=row.user,
        expires_at=row.expires,
        scopes=given,
        token_id=row.pk,
    )


def _of_client(row: AccessToken) -> Principal:
    client: Client = row.application
    given = frozenset(words.parse(row.scope)) & frozenset(client.scopes) & permissions.ALL
    return Principal(tenant=row.tenant, actor=f"client:{client.client_id}", permissions=given, expires_at=row.expires, scopes=given, token_id=row.pk)


def require_scopes(principal: Principal, needed: Iterable[str]) -> None:
    """Raises ScopeMissing, which the door answers with a challenge that names all of `needed`; Denied where no other token would help."""
    wanted = frozenset(needed)
    if principal.scopes is not None and wanted - principal.scopes:
        raise ScopeMissing(wanted)
    for permission in sorted(wanted):
        principal.require(permission)
