"""Reads that several doors use: clients, what they may ask for, who has let them in, and our own address."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from mcp_platform.oauth.core import metadata, scopes
from mcp_platform.oauth.errors import AuthorizationNotFound, ClientNotFound
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.tenancy import permissions
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import platform_scope

CODE_SECONDS = 60
ANY, REGISTERED = "any", "registered"  # of the tenant's setting `oauth_clients`; else a list of hosts


@cache
def offered_scopes() -> dict[str, str]:
    """{scope: what it means in words}."""
    return scopes.offered(permissions.PERMISSIONS)


def scopes_of(client: Client) -> list[str]:
    """What a client may ask for."""
    return [name for name in offered_scopes() if not client.scopes or name in client.scopes]


def default_scopes_of(client: Client | None) -> list[str]:
    """What a client gets that asks for nothing in particular: what it was registered for, else to look and to try."""
    if client is not None and client.scopes:
        return scopes_of(client)
    return scopes.basic(permissions.PERMISSIONS)


def code_expiry() -> datetime:
    return timezone.now() + timedelta(seconds=CODE_SECONDS)


def base_of(host: str, *, secure: bool) -> str:
    """Our address without a path, as issuer and audience name it: PUBLIC_URL, else the host that was asked if it is one of ours.

    In the embedded mode nobody has said what we are called, and people come by localhost as well as by number.
    """
    public: str = settings.PUBLIC_URL.rstrip("/")
    if settings.PUBLIC_URL_IS_GIVEN or not host or not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return public
    return f"{'https' if secure else 'http'}://{host.lower()}"


def clients(tenant: Tenant | UUID) -> QuerySet[Client]:
    """Those that the tenant has registered, newest first, with how many people let each in."""
    live = Count("authorizations", filter=Q(authorizations__revoked_at=None, authorizations__tenant=tenant))
    found: QuerySet[Client] = Client.objects.for_tenant(tenant).select_related("created_by").annotate(people=live).order_by("-created", "-id")
    return found


def client(tenant: Tenant | UUID, client_id: int) -> Client:
    """Raises ClientNotFound."""
    found = clients(tenant).filter(pk=client_id).first()
    if found is None:
        raise ClientNotFound()
    return found


def authorizations(tenant: Tenant | UUID) -> QuerySet[Authorization]:
    """Who has let which client in, newest first, also those taken back.

    Not joined with the clients: those that belong to nobody are hidden from the tenant by row-level security; `with_clients` adds them.
    """
    found: QuerySet[Authorization] = Authorization.objects.for_tenant(tenant).select_related("user").order_by("-created_at", "-id")
    return found


def authorization(tenant: Tenant | UUID, authorization_id: int) -> Authorization:
    """Raises AuthorizationNotFound."""
    found = authorizations(tenant).filter(pk=authorization_id).first()
    if found is None:
        raise AuthorizationNotFound()
    return found


def with_clients(rows: list[Authorization]) -> list[Authorization]:
    """The same rows, each with its client."""
    with platform_scope():
        known = Client.objects.in_bulk({row.client_id for row in rows})
    for row in rows:
        row.client = known[row.client_id]
    return rows


def let(user: User, tenant: Tenant, client: Client) -> frozenset[str]:
    """The scopes within which a client may go on acting for a person in a tenant: those that they have chosen last.

    None when they have taken it back, or are not a member any more.
    """
    if not tenancy.permissions_of(user, tenant):
        return frozenset()
    live = Authorization.objects.for_tenant(tenant).filter(client=client, user=user, revoked_at=None)
    return frozenset(live.values_list("scopes", flat=True).first() or ())


def tenants_for(user: User, client: Client) -> list[Tenant]:
    """Where a person could let this client in: the tenant that has registered it, or each of theirs that takes such clients."""
    return [tenant for tenant in tenancy.tenants_of(user) if takes(tenant, client)]


def takes(tenant: Tenant, client: Client) -> bool:
    if client.tenant_id is not None:
        return bool(client.tenant_id == tenant.pk)
    wanted: Any = tenant.settings.get("oauth_clients", ANY)
    if isinstance(wanted, list):
        return metadata.host_of(client.client_id) in wanted
    return bool(wanted == ANY)
