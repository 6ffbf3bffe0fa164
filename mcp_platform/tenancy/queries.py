"""Reads that several doors use: who belongs where, which credential is whose."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from mcp_platform.tenancy import permissions, scope
from mcp_platform.tenancy.errors import TenantNotChosen, TenantUnknown
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Tenant, TokenIssuer, User


def tenants_of(user: User) -> list[Tenant]:
    """The active tenants a person is a member of, by name. Works before a tenant is known."""
    with scope.platform_scope():
        return list(Tenant.objects.filter(is_active=True, pk__in=Membership.objects.filter(user=user).values("tenant_id")))


def permissions_of(user: User, tenant: Tenant) -> frozenset[str]:
    """What a person may do in a tenant; nothing for strangers, everything for superusers."""
    if not user.is_active or not tenant.is_active:
        return frozenset()
    if user.is_superuser:
        return permissions.ALL
    with scope.platform_scope():
        role = Membership.objects.for_tenant(tenant).filter(user=user).values_list("role", flat=True).first()
    return permissions.of_role(role or "")


def choose_tenant(user: User, slug: str = "") -> Tenant:
    """The tenant that a person works in: the named one, else their only one. Raises TenantUnknown, TenantNotChosen.

    Superusers may name any tenant.
    """
    mine = tenants_of(user)
    if slug:
        named = next((tenant for tenant in mine if tenant.slug == slug), None)
        if named is None and user.is_superuser:
            named = Tenant.objects.filter(slug=slug, is_active=True).first()
        if named is None:
            raise TenantUnknown(tenant=slug)
        return named
    if len(mine) != 1:
        raise TenantNotChosen(tenants=[tenant.slug for tenant in mine])
    return mine[0]


def key_by_prefix(prefix: str) -> ApiKey | None:
    """The key that a program shows, with its tenant, whatever its state. Works before a tenant is known."""
    with scope.platform_scope():
        found: ApiKey | None = ApiKey.objects.select_related("tenant").filter(prefix=prefix).first()
        return found


def key_is_active(key: ApiKey) -> bool:
    now = timezone.now()
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now) and key.tenant.is_active


def issuers_for(issuer: str, audiences: list[str]) -> list[TokenIssuer]:
    """The trusted issuers that a token names, with their tenants. Works before a tenant is known."""
    with scope.platform_scope():
        return list(
            TokenIssuer.objects.select_related("tenant").filter(issuer=issuer, audience__in=audiences, is_active=True, tenant__is_active=True)
        )


def tenant_claim_of(issuer: str, audience: str, *, besides: int) -> str | None:
    """The claim that tells apart the tenants that share an issuer and audience, by any row but that one. "": there is one without; None: no row."""
    with scope.platform_scope():
        rows = TokenIssuer.objects.filter(issuer=issuer, audience=audience).exclude(pk=besides)
        found: str | None = rows.order_by("tenant_claim").values_list("tenant_claim", flat=True).first()
        return found


def issuer_is_trusted(issuer_id: int) -> bool:
    """Its row is still there, and it and its tenant are active."""
    with scope.platform_scope():
        return TokenIssuer.objects.filter(pk=issuer_id, is_active=True, tenant__is_active=True).exists()


def members(tenant: Tenant) -> QuerySet[Membership]:
    found: QuerySet[Membership] = Membership.objects.for_tenant(tenant).select_related("user").order_by("created_at", "id")
    return found


def api_keys(tenant: Tenant) -> QuerySet[ApiKey]:
    found: QuerySet[ApiKey] = ApiKey.objects.for_tenant(tenant).order_by("-created_at", "id")
    return found


def issuers(tenant: Tenant) -> QuerySet[TokenIssuer]:
    found: QuerySet[TokenIssuer] = TokenIssuer.objects.for_tenant(tenant).order_by("issuer", "id")
    return found


def audit_entries(tenant: Tenant) -> QuerySet[AuditEntry]:
    """Newest first."""
    found: QuerySet[AuditEntry] = AuditEntry.objects.for_tenant(tenant).order_by("-number")
    return found


def principal_of_key(key: ApiKey) -> scope.Principal:
    return scope.Principal(
        tenant=key.tenant,
        actor=f"key:{key.prefix}",
        permissions=frozenset(key.scopes) & permissions.ALL,
        key_id=key.pk,
        expires_at=key.expires_at,
    )


def principal_of_user(user: User, tenant: Tenant) -> scope.Principal:
    return scope.Principal(tenant=tenant, actor=f"user:{user.pk}", permissions=permissions_of(user, tenant), user=user)


def person_behind(principal: scope.Principal) -> User | None:
    """Who answers for what a caller does: the person who is signed in, or who made the key. None when nobody is known, and for an issuer's JWT."""
    if principal.key_id is None:
        return principal.user
    with scope.platform_scope():
        key = ApiKey.objects.select_related("created_by").filter(pk=principal.key_id).first()
        found: User | None = key.created_by if key is not None else None
        return found


def key_by_id(key_id: UUID) -> ApiKey | None:
    with scope.platform_scope():
        found: ApiKey | None = ApiKey.objects.select_related("tenant").filter(pk=key_id).first()
        return found
