"""API keys."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.errors import NotFound
from mcp_platform.tenancy import credentials, permissions, queries, scope
from mcp_platform.tenancy.errors import KeyNotActive
from mcp_platform.tenancy.models import ApiKey, Tenant
from mcp_platform.tenancy.services.people import require_grantable
from mcp_platform.tenancy.services.trail import By, actor_of, audit, refuse, user_of

log = observability.logger(__name__)

OVERLAP = timedelta(hours=24)


def create_api_key(tenant: Tenant, *, name: str, scopes: Iterable[str], expires_at: datetime | None = None, by: By) -> tuple[ApiKey, str]:
    """The key and its token, which exists only in this return value. Raises Invalid, CannotGrant."""
    chosen = sorted(set(scopes))
    unknown = [scope_ for scope_ in chosen if scope_ not in permissions.PERMISSIONS]
    if unknown or not chosen:
        refuse("scopes", f"unknown: {', '.join(unknown)}" if unknown else "is empty", ", ".join(permissions.PERMISSIONS))
    if expires_at is not None and expires_at <= timezone.now():
        refuse("expires_at", "is in the past", "a time to come")
    require_grantable(tenant, chosen, by)
    with transaction.atomic():
        key, token = _new_key(tenant, name=name, scopes=chosen, expires_at=expires_at, by=by)
        audit(tenant, actor=actor_of(by), action="api_key.create", target=key, changes=_shown_key(key))
    return key, token


def rotate_api_key(tenant: Tenant, *, key_id: UUID, overlap: timedelta = OVERLAP, by: By) -> tuple[ApiKey, str]:
    """A new key with the same scopes and lifetime; the old one still works for `overlap`. Raises NotFound, KeyNotActive, CannotGrant, Invalid."""
    if not timedelta(0) <= overlap <= timedelta(days=30):
        refuse("overlap_seconds", "is out of bounds", "0 to 30 days")
    with transaction.atomic():
        old = _locked_key(tenant, key_id)
        if not queries.key_is_active(old) or old.rotated_to_id is not None:
            raise KeyNotActive()
        require_grantable(tenant, old.scopes, by)
        now = timezone.now()
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        new, token = _new_key(tenant, name=old.name, scopes=old.scopes, expires_at=now + lifetime if lifetime else None, by=by)
        old.rotated_to = new
        old.expires_at = min(now + overlap, old.expires_at or now + overlap)
        old.save(update_fields=("rotated_to", "expires_at"))
        changes = {"to": str(new.pk), "prefix": new.prefix, "old_until": old.expires_at}
        audit(tenant, actor=actor_of(by), action="api_key.rotate", target=old, changes=changes)
    credentials.forget_key(old.pk)
    return new, token


def revoke_api_key(tenant: Tenant, *, key_id: UUID, by: By) -> ApiKey:
    """Ends the key: at once in this process, within 5 seconds in others. Raises NotFound; a key revoked before stays as it is."""
    with transaction.atomic():
        key = _locked_key(tenant, key_id)
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=("revoked_at",))
            audit(tenant, actor=actor_of(by), action="api_key.revoke", target=key, changes={"prefix": key.prefix, "name": key.name})
    credentials.forget_key(key.pk)
    return key


def note_key_used(key: ApiKey) -> None:
    """Write `last_used_at`, at most once a minute however many processes see the key. Never in the way of the request."""
    now = timezone.now()
    before = now - timedelta(minutes=1)
    if key.last_used_at is not None and key.last_used_at > before:
        return
    try:
        with scope.tenant_scope(key.tenant_id), transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).filter(Q(last_used_at=None) | Q(last_used_at__lte=before)).update(last_used_at=now)
    except DatabaseError as fault:
        log.warning("key_use_not_noted", prefix=key.prefix, fault=repr(fault))


def _new_key(tenant: Tenant, *, name: str, scopes: list[str], expires_at: datetime | None, by: By) -> tuple[ApiKey, str]:
    secret = credentials.new_secret()
    key: ApiKey = ApiKey.objects.create(
        tenant=tenant, name=name, prefix=secret.prefix, secret_sha256=secret.sha256, scopes=scopes, expires_at=expires_at, created_by=user_of(by)
    )
    return key, secret.token


def _locked_key(tenant: Tenant, key_id: UUID) -> ApiKey:
    key: ApiKey | None = ApiKey.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("tenant").filter(pk=key_id).first()
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def _shown_key(key: ApiKey) -> dict[str, Any]:
    return {"name": key.name, "prefix": key.prefix, "scopes": key.scopes, "expires_at": key.expires_at}
