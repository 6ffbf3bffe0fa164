"""The doors' look at a credential: API keys, JWTs of trusted issuers, the session of staff, and tickets for WebSockets.

`authenticate_bearer` serves every protocol; the classes below it are DRF's. Whoever gets in is inside its tenant's scope from then on.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from django.core import signing
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils import timezone
from redis import RedisError
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from mcp_platform import observability
from mcp_platform.errors import Unavailable
from mcp_platform.tenancy import credentials, permissions, queries, scope, services, throttling, tokens
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import Principal

ANYBODY = ""  # in a view's `permissions`: every authenticated caller
TICKET_SECONDS = 60
_TICKET_SALT = "mcp.ws-ticket"


def authenticate_bearer(token: str, *, address: str) -> Principal:
    """The principal of an API key or JWT, from `address` (for the limit of failures). Raises Unauthenticated, TooMany, Unavailable.

    Believed for 5 seconds once checked. Reads the database and perhaps the network when not: sockets call it in a thread. Does not enter
    the tenant's scope: the caller does, for as long as it needs it.
    """
    known = credentials.recall(token)
    if known is not None:
        return known
    with throttling.attempt(address):
        if any(letter.isspace() for letter in token):
            raise Unauthenticated("A credential has no blanks.")
        found = _by_key(token) if token.startswith(credentials.KEY_START) else tokens.principal_of(token)
    credentials.remember(token, found)
    return found


def _by_key(token: str) -> Principal:
    prefix, secret = credentials.split(token)
    key = queries.key_by_prefix(prefix) if prefix else None
    if key is None or not credentials.matches(secret, key.secret_sha256):
        raise Unauthenticated("The API key is not known.")
    if not queries.key_is_active(key):
        raise Unauthenticated("The API key is expired or revoked.")
    services.note_key_used(key)
    return queries.principal_of_key(key)


def recheck(principal: Principal) -> Principal:
    """The same principal as it is allowed now: for sockets, which outlive requests. Raises Unauthenticated when it is no longer.

    Of an OAuth token this looks at the person alone; whoever lets those in asks `oauth.services.recheck`.
    """
    if principal.key_id is not None:
        key = queries.key_by_id(principal.key_id)
        if key is None or not queries.key_is_active(key):
            raise Unauthenticated("The API key is expired or revoked.")
        return queries.principal_of_key(key)
    if principal.expires_at is not None and principal.expires_at <= timezone.now():
        raise Unauthenticated("The token has expired.")
    if principal.user is not None:
        return _narrowed(_member(principal.user.pk, principal.tenant.pk), principal)
    if principal.issuer_id is not None and not queries.issuer_is_trusted(principal.issuer_id):
        raise Unauthenticated("The token's issuer is not trusted any more.")
    return principal


def _narrowed(found: Principal, before: Principal) -> Principal:
    """Of what a person may do, what they have let the program do that came before."""
    if before.scopes is None:
        return found
    kept = found.permissions & before.scopes
    return replace(found, permissions=kept, scopes=before.scopes, token_id=before.token_id, expires_at=before.expires_at)


def _member(user_id: UUID, tenant_id: UUID) -> Principal:
    user, tenant = User.objects.filter(pk=user_id).first(), Tenant.objects.filter(pk=tenant_id).first()
    if user is None or tenant is None or not (found := queries.principal_of_user(user, tenant)).permissions:
        raise Unauthenticated("This person is no longer a member.")
    return found


def bearer_of(request: HttpRequest | Request) -> str:
    """The token of the Authorization header, "" when there is none. Raises Unauthenticated for a malformed one."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        return ""
    if not token or " " in token.strip():
        raise Unauthenticated("The Authorization header is not of the form: Bearer <token>.")
    return str(token.strip())


def admit(request: HttpRequest) -> Principal:
    """Authenticate and count a bearer request outside DRF; enters the tenant's scope. Raises Unauthenticated, TooMany, Unavailable."""
    token = bearer_of(request)
    if not token:
        raise Unauthenticated("Send a bearer token: an API key or a JWT.")
    principal = authenticate_bearer(token, address=throttling.address_of(request))
    request.rate_budget = throttling.spend(principal)  # type: ignore[attr-defined]  # the entrance writes it into the answer's headers
    _let_in(principal)
    return principal


def _let_in(principal: Principal) -> None:
    scope.become(principal.tenant)
    observability.bind(tenant_id=principal.tenant.pk, actor=principal.actor)


class Caller:
    """`request.user` of a request by a program: what DRF and logging want to know of a user, and the principal."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False
    pk = None

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.username = principal.actor

    def __str__(self) -> str:
        return self.username


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        token = bearer_of(request)
        if not token:
            return None
        principal = authenticate_bearer(token, address=throttling.address_of(request._request))
        _let_in(principal)
        return Caller(principal), principal

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="mcp-platform"'


class StaffSessionAuthentication(SessionAuthentication):
    """The session of the admin, with CSRF protection. X-Tenant (a slug) chooses among several tenants."""

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active or not user.is_staff:
            return None
        self.enforce_csrf(request)
        tenant = queries.choose_tenant(user, request.headers.get("X-Tenant", ""))
        principal = queries.principal_of_user(user, tenant)
        _let_in(principal)
        return user, principal


class HasPermission(BasePermission):
    """Looks at the view's `permissions`: {method or action: permission}. ANYBODY lets every authenticated caller in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Principal):
            return False
        needed = _needed(request, view)
        if needed:
            request.auth.require(needed)
        return True


def _needed(request: Request, view: Any) -> str:
    declared: Mapping[str, str] = getattr(view, "permissions", {})
    method = {"HEAD": "GET"}.get(request.method or "", request.method or "")
    for name in (str(getattr(view, "action", "")), method):
        if name in declared:
            return declared[name]
    if method == "OPTIONS" or not hasattr(view, method.lower()):
        return ANYBODY  # answered by DRF with the allowed methods, or with 405
    raise ImproperlyConfigured(f"{type(view).__name__} does not say which permission {method} needs")


class PrincipalThrottle(BaseThrottle):
    """Counts the request of an authenticated caller. Raises TooMany instead of answering False: the error carries the headers."""

    def allow_request(self, request: Request, _view: Any) -> bool:
        if isinstance(request.auth, Principal):
            request._request.rate_budget = throttling.spend(request.auth)  # type: ignore[attr-defined]  # read by the entrance
        return True


def principal_of(request: Request) -> Principal:
    """Who is asking, in a view behind HasPermission."""
    if not isinstance(request.auth, Principal):
        raise Unauthenticated()
    return request.auth


def issue_ticket(principal: Principal) -> str:
    """A signed text that opens one WebSocket within a minute: browsers cannot send headers with one, and keys do not belong into URLs."""
    body: dict[str, Any] = {"id": uuid4().hex, "tenant": str(principal.tenant.pk), "actor": principal.actor}
    if principal.key_id is not None:
        body["key"] = str(principal.key_id)
    elif principal.user is not None and principal.scopes is None:
        body["user"] = str(principal.user.pk)
    else:
        body["permissions"] = sorted(principal.permissions)
        body["expires"] = principal.expires_at.timestamp() if principal.expires_at else None
        body["issuer"] = principal.issuer_id
    return signing.dumps(body, salt=_TICKET_SALT)


def redeem_ticket(token: str) -> Principal:
    """The principal of a ticket, with the permissions it has now. Works once. Raises Unauthenticated."""
    try:
        body = signing.loads(token, salt=_TICKET_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature as fault:
        raise Unauthenticated("The ticket is not valid or older than a minute.") from fault
    try:
        unused = cache.add(f"ws-ticket:{body['id']}", 1, TICKET_SECONDS + 5)
    except RedisError as fault:
        raise Unavailable("Tickets cannot be checked right now; send the token in the first frame, or try again.") from fault
    if not unused:
        raise Unauthenticated("The ticket has been used already.")
    return _ticket_holder(body)


def _ticket_holder(body: Mapping[str, Any]) -> Principal:
    tenant_id = UUID(body["tenant"])
    if "user" in body:
        return _member(UUID(body["user"]), tenant_id)
    tenant = Tenant.objects.filter(pk=tenant_id, is_active=True).first()
    if tenant is None:
        raise Unauthenticated("The tenant is not active.")
    if "key" in body:
        return recheck(Principal(tenant=tenant, actor=body["actor"], permissions=frozenset(), key_id=UUID(body["key"])))
    return recheck(
        Principal(
            tenant=tenant,
            actor=body["actor"],
            permissions=frozenset(body["permissions"]) & permissions.ALL,
            expires_at=tokens.moment(body["expires"]) if body["expires"] else None,
            issuer_id=body.get("issuer"),
        )
    )
