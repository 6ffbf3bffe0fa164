"""External issuers whose JWTs a tenant trusts."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as platform
from django.db import IntegrityError, transaction

from mcp_platform.errors import NotFound
from mcp_platform.tenancy import credentials, permissions, queries, tokens
from mcp_platform.tenancy.errors import AlreadyExists
from mcp_platform.tenancy.models import Tenant, TokenIssuer
from mcp_platform.tenancy.services.people import require_grantable
from mcp_platform.tenancy.services.trail import By, actor_of, audit, changed, refuse

_ISSUER_FIELDS = ("issuer", "audience", "jwks_url", "algorithms", "role_claim", "tenant_claim", "tenant_value", "is_active")


def add_issuer(
    tenant: Tenant,
    *,
    issuer: str,
    audience: str,
    jwks_url: str,
    algorithms: Iterable[str] = ("RS256",),
    role_claim: str = "roles",
    tenant_claim: str = "",
    tenant_value: str = "",
    by: By,
) -> TokenIssuer:
    """Trust the JWTs of an issuer for one audience. Raises Invalid, AlreadyExists, CannotGrant.

    `tenant_claim`, `tenant_value`: only those that say so, where several tenants share both. Its tokens may carry any role, so only who may do
    everything may add one.
    """
    trusted = TokenIssuer(
        tenant=tenant,
        issuer=issuer,
        audience=audience,
        jwks_url=jwks_url,
        algorithms=list(algorithms),
        role_claim=role_claim,
        tenant_claim=tenant_claim,
        tenant_value=tenant_value,
    )
    return _save_issuer(tenant, trusted, "issuer.add", before={}, by=by)


def change_issuer(tenant: Tenant, *, issuer_id: int, changes: Mapping[str, Any], by: By) -> TokenIssuer:
    """Raises NotFound, Invalid, AlreadyExists, CannotGrant."""
    with transaction.atomic():
        trusted = _locked_issuer(tenant, issuer_id)
        before = {field: getattr(trusted, field) for field in _ISSUER_FIELDS}
        for field in _ISSUER_FIELDS:
            setattr(trusted, field, changes.get(field, before[field]))
        return _save_issuer(tenant, trusted, "issuer.change", before=before, by=by)


def remove_issuer(tenant: Tenant, *, issuer_id: int, by: By) -> None:
    """Its tokens stop working: at once in this process, within 5 seconds in others. Raises NotFound."""
    with transaction.atomic():
        trusted = _locked_issuer(tenant, issuer_id)
        audit(tenant, actor=actor_of(by), action="issuer.remove", target=trusted, changes={"issuer": trusted.issuer, "audience": trusted.audience})
        trusted.delete()
    credentials.forget_tenant(tenant.pk)


def _save_issuer(tenant: Tenant, trusted: TokenIssuer, action: str, *, before: Mapping[str, Any], by: By) -> TokenIssuer:
    _check_issuer(trusted)
    require_grantable(tenant, permissions.ALL, by)
    _check_shared(trusted)
    try:
        with transaction.atomic():
            trusted.save()
            changes = changed(before, {field: getattr(trusted, field) for field in _ISSUER_FIELDS})
            if changes:
                audit(tenant, actor=actor_of(by), action=action, target=trusted, changes=changes)
    except IntegrityError as fault:
        raise _taken(trusted, "This issuer and audience are in use already.") from fault
    credentials.forget_tenant(tenant.pk)
    return trusted


def _check_shared(trusted: TokenIssuer) -> None:
    """One claim tells apart all tenants of an issuer and audience: a row with another one could take tokens away from those who came before."""
    claim = queries.tenant_claim_of(trusted.issuer, trusted.audience, besides=trusted.pk or 0)
    if claim == "":
        raise _taken(trusted, "This issuer and audience are in use already, for all tokens.")
    if claim is not None and claim != trusted.tenant_claim:
        raise _taken(trusted, f"This issuer and audience are in use already, and told apart by the claim {claim}: name it.", tenant_claim=claim)


def _taken(trusted: TokenIssuer, message: str, **details: str) -> AlreadyExists:
    return AlreadyExists(message, issuer=trusted.issuer, audience=trusted.audience, **details)


def _check_issuer(trusted: TokenIssuer) -> None:
    if bool(trusted.tenant_claim) != bool(trusted.tenant_value):
        refuse("tenant_value", "goes with tenant_claim", "both, or neither")
    unknown = [name for name in trusted.algorithms if name not in tokens.ASYMMETRIC]
    if unknown or not trusted.algorithms:
        refuse("algorithms", f"not allowed: {', '.join(map(str, unknown))}" if unknown else "is empty", ", ".join(tokens.ASYMMETRIC))
    url = urlsplit(trusted.jwks_url)
    if url.scheme != "https" and not {url.hostname, url.netloc} & set(platform.OUTBOUND_ALLOWED_HOSTS):
        refuse("jwks_url", "is not encrypted: anybody on the way could replace the keys", "an https:// address")


def _locked_issuer(tenant: Tenant, issuer_id: int) -> TokenIssuer:
    trusted: TokenIssuer | None = TokenIssuer.objects.for_tenant(tenant).select_for_update().filter(pk=issuer_id).first()
    if trusted is None:
        raise NotFound("There is no such issuer.")
    return trusted
