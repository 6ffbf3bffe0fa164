"""Clients that a tenant registers itself."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from mcp_platform.errors import Invalid
from mcp_platform.oauth import queries
from mcp_platform.oauth.core import addresses, metadata
from mcp_platform.oauth.errors import ClientHasNoSecret, ClientNotFound, ClientWithdrawn
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.oauth.services import families
from mcp_platform.tenancy import credentials, permissions
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.errors import CannotGrant
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit

PERSON, ITSELF = "person", "itself"  # for whom a client acts
KINDS: Final = {PERSON: Client.GRANT_AUTHORIZATION_CODE, ITSELF: Client.GRANT_CLIENT_CREDENTIALS}
LONGEST_NAME: Final = 100
_FIELDS = ("name", "redirect_uris", "scopes")


def register_client(
    tenant: Tenant,
    *,
    name: str,
    acts_for: str = PERSON,
    confidential: bool = False,
    redirect_uris: Iterable[str] = (),
    scopes: Iterable[str] = (),
    by: By,
) -> tuple[Client, str]:
    """The client and its secret, which exists only in this return value; "" for one that has none. Raises Invalid, CannotGrant.

    One that acts for itself is confidential, has no redirect addresses, and gets exactly `scopes`: whoever registers it must have them.
    """
    row = Client(
        tenant=tenant,
        client_id=f"client_{secrets.token_urlsafe(18)}",
        name=name.strip(),
        authorization_grant_type=KINDS.get(acts_for, ""),
        client_type=Client.CLIENT_CONFIDENTIAL if confidential or acts_for == ITSELF else Client.CLIENT_PUBLIC,
        redirect_uris=" ".join(redirect_uris),
        scopes=sorted(set(scopes)),
        created_by=by.user if isinstance(by, Principal) else by if isinstance(by, User) else None,
    )
    _check(row, by)
    secret = _give_secret(row) if row.client_type == Client.CLIENT_CONFIDENTIAL else ""
    with transaction.atomic():
        row.save()
        audit(tenant, actor=actor_of(by), action="oauth_client.register", target=row, changes={"client_id": row.client_id, **_shown(row)})
    return row, secret


def change_client(tenant: Tenant, *, client_id: int, changes: Mapping[str, Any], by: By) -> Client:
    """The name, the redirect addresses, the scopes. Raises ClientNotFound, ClientWithdrawn, Invalid, CannotGrant.

    Tokens that were given before keep what they have; their people can take them back, and `withdraw_client` ends all of them.
    """
    with transaction.atomic():
        row = _locked(tenant, client_id)
        before = _shown(row)
        row.name = str(changes.get("name", row.name)).strip()
        row.redirect_uris = " ".join(changes.get("redirect_uris", row.redirect_uris.split()))
        row.scopes = sorted(set(changes.get("scopes", row.scopes)))
        _check(row, by)
        changed = {name: [before[name], value] for name, value in _shown(row).items() if before[name] != value}
        if changed:
            row.save(update_fields=("name", "redirect_uris", "scopes", "updated"))
            audit(tenant, actor=actor_of(by), action="oauth_client.change", target=row, changes=changed)
    return row


def rotate_secret(tenant: Tenant, *, client_id: int, by: By) -> tuple[Client, str]:
    """A new secret at once; the old one ends. Raises ClientNotFound, ClientWithdrawn, ClientHasNoSecret, CannotGrant."""
    with transaction.atomic():
        row = _locked(tenant, client_id)
        if row.client_type != Client.CLIENT_CONFIDENTIAL:
            raise ClientHasNoSecret()
        _require_held(row, by)
        secret = _give_secret(row)
        row.save(update_fields=("client_secret", "updated"))
        audit(tenant, actor=actor_of(by), action="oauth_client.rotate_secret", target=row, changes={"client_id": row.client_id})
    return row, secret


def withdraw_client(tenant: Tenant, *, client_id: int, by: By) -> Client:
    """End the client with all its tokens, for good. Raises ClientNotFound; withdrawn before, it stays as it is."""
    with transaction.atomic():
        row = _locked(tenant, client_id, withdrawn=True)
        if row.withdrawn_at is None:
            row.withdrawn_at = timezone.now()
            row.save(update_fields=("withdrawn_at", "updated"))
            Authorization.objects.for_tenant(tenant).filter(client=row, revoked_at=None).update(revoked_at=row.withdrawn_at)
            ended = families.revoke(row)
            audit(tenant, actor=actor_of(by), action="oauth_client.withdraw", target=row, changes={"client_id": row.client_id, "tokens": ended})
    return row


def _locked(tenant: Tenant, client_id: int, *, withdrawn: bool = False) -> Client:
    row: Client | None = Client.objects.for_tenant(tenant).select_for_update(of=("self",)).filter(pk=client_id).first()
    if row is None:
        raise ClientNotFound()
    if row.withdrawn_at is not None and not withdrawn:
        raise ClientWithdrawn()
    return row


def _give_secret(row: Client) -> str:
    made = credentials.new_secret()
    secret = f"mcps_{made.token.rpartition('_')[2]}"
    row.client_secret = families.checksum(secret)
    return secret


def _shown(row: Client) -> dict[str, Any]:
    return {"name": row.name, "redirect_uris": row.redirect_uris.split(), "scopes": list(row.scopes)}


def _check(row: Client, by: By) -> None:
    faults = list(_faults(row))
    if faults:
        raise Invalid("The client cannot be registered like this.", errors=faults)
    _require_held(row, by)


def _require_held(row: Client, by: By) -> None:
    """A client that acts for itself is a way to have its scopes: nobody may make one that can do more than they."""
    if row.authorization_grant_type != Client.GRANT_CLIENT_CREDENTIALS or by is None or row.tenant is None:
        return
    held = by.permissions if isinstance(by, Principal) else tenancy.permissions_of(by, row.tenant)
    if beyond := sorted(set(row.scopes) - held):
        raise CannotGrant(permissions=beyond)


def _faults(row: Client) -> Iterable[dict[str, str]]:
    if not row.name or len(row.name) > LONGEST_NAME or not row.name.isprintable():
        yield _fault("name", "is no name", f"1 to {LONGEST_NAME} printable characters")
    if row.authorization_grant_type not in KINDS.values():
        yield _fault("acts_for", "is not known", f"{PERSON} or {ITSELF}")
    unknown = [name for name in row.scopes if name not in queries.offered_scopes()]
    if unknown:
        withheld = [name for name in unknown if name in permissions.PERMISSIONS]
        yield _fault(
            "scopes", f"cannot be given to a client: {', '.join(unknown)}" if withheld else "are not known", ", ".join(queries.offered_scopes())
        )
    yield from _redirect_faults(row)


def _redirect_faults(row: Client) -> Iterable[dict[str, str]]:
    given = row.redirect_uris.split()
    if row.authorization_grant_type == Client.GRANT_CLIENT_CREDENTIALS:
        if given:
            yield _fault("redirect_uris", "are of no use to a client that acts for itself", "an empty list")
        if not row.scopes:
            yield _fault("scopes", "are missing: a client that acts for itself gets exactly these", "at least one")
        return
    if not 0 < len(given) <= metadata.MOST_REDIRECTS:
        yield _fault("redirect_uris", "are missing or too many", f"1 to {metadata.MOST_REDIRECTS} addresses")
    for index, uri in enumerate(given):
        if fault := addresses.redirect_fault(uri):
            yield _fault(f"redirect_uris[{index}]", fault, "https://…, http://127.0.0.1/…, or the scheme of an app")


def _fault(field: str, message: str, expected: str) -> dict[str, str]:
    return {"path": f"$.{field}", "code": "invalid", "message": message, "expected": expected}
