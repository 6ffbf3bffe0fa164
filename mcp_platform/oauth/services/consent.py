"""A person lets a client act for them, or takes it back."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.oauth import queries
from mcp_platform.oauth.errors import AuthorizationNotFound
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.oauth.services import families
from mcp_platform.tenancy import credentials
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.services import By, actor_of, audit


def authorize(tenant: Tenant, *, client: Client, scopes: Iterable[str], by: User) -> Authorization:
    """Let `client` act for the person who asks, within `scopes`. Raises Denied for what they may not do themselves, or not in this tenant.

    What was chosen last counts for all tokens that the client has of this person here.
    """
    wanted = sorted(set(scopes))
    if not queries.takes(tenant, client) or not client.is_usable(None):
        raise Denied("This tenant does not take this client.")
    beyond = sorted(set(wanted) - (tenancy.permissions_of(by, tenant) & set(queries.scopes_of(client))))
    if beyond or not wanted:
        raise Denied("Nobody can give away what they may not do themselves.", permissions=beyond)
    with transaction.atomic():
        row, _ = Authorization.objects.get_or_create(tenant=tenant, client=client, user=by, defaults={"scopes": wanted})
        row.scopes, row.revoked_at, row.renewed_at = wanted, None, timezone.now()
        row.save(update_fields=("scopes", "revoked_at", "renewed_at"))
        changes = {"client": client.client_id, "name": client.name, "scopes": wanted}
        audit(tenant, actor=actor_of(by), action="oauth.authorize", target=row, changes=changes)
    credentials.forget_tenant(tenant.pk)  # tokens that the client has already may be worth less now
    return row


def revoke_authorization(tenant: Tenant, *, authorization_id: int, by: By) -> Authorization:
    """End what a client may do for a person: at once in this process, within 5 seconds in others. Raises AuthorizationNotFound.

    The person themselves may, and who manages the clients of the tenant; the doors look at that.
    """
    with transaction.atomic():
        row: Authorization | None = Authorization.objects.for_tenant(tenant).select_for_update().filter(pk=authorization_id).first()
        if row is None:
            raise AuthorizationNotFound()
        queries.with_clients([row])
        if row.revoked_at is None:
            row.revoked_at = timezone.now()
            row.save(update_fields=("revoked_at",))
            ended = families.revoke(row.client, user_id=row.user_id, tenant_id=tenant.pk)
            changes = {"client": row.client.client_id, "user": str(row.user_id), "tokens": ended}
            audit(tenant, actor=actor_of(by), action="oauth.revoke", target=row, changes=changes)
    return row
