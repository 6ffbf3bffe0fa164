"""Everything that changes tenants, members, keys and trusted issuers, and the audit chain that records every change of an authored object."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings as platform
from django.db import DatabaseError, IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.errors import Invalid, NotFound
from mcp_platform.tenancy import credentials, permissions, queries, scope, tokens
from mcp_platform.tenancy.errors import AlreadyExists, CannotGrant, KeyNotActive, LastOwner
from mcp_platform.tenancy.models import ApiKey, AuditEntry, AuditHead, Membership, Role, Tenant, TokenIssuer, User
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

By = User | Principal | None  # who does it; None is the platform itself
OVERLAP = timedelta(hours=24)
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def actor_of(by: By) -> str:
    """The actor as audit entries name it."""
    if isinstance(by, Principal):
        return by.actor
    return f"user:{by.pk}" if by is not None else "system"


def _user_of(by: By) -> User | None:
    return by.user if isinstance(by, Principal) else by


# ── tenants ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 200


# What tenants may set: name -> (test, what is expected).
SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "ended_conversation": (lambda value: value in ("restart", "refuse"), "restart or refuse"),
    "default_flow": (_is_text, "a flow id, or an empty text for none"),
    "default_locale": (_is_text, "a locale such as en or de-CH"),
}


def create_tenant(*, name: str, slug: str, owner: User | None = None, by: By = None) -> Tenant:
    """A new customer, with its first owner. Raises AlreadyExists, Invalid."""
    if not _SLUG.fullmatch(slug):
        _refuse("slug", "is not a slug", "lower-case letters, digits and hyphens, at most 63")
    try:
        with transaction.atomic():
            tenant = Tenant.objects.create(name=name, slug=slug)
    except IntegrityError as fault:
        raise AlreadyExists("There is a tenant with this slug already.", slug=slug) from fault
    with scope.tenant_scope(tenant), transaction.atomic():
        audit(tenant, actor=actor_of(by), action="tenant.create", target=tenant, changes={"name": name, "slug": slug})
        if owner is not None:
            add_member(tenant, user=owner, role=Role.OWNER, by=None)
    return tenant


def update_tenant(tenant: Tenant, *, name: str | None = None, settings: Mapping[str, Any] | None = None, by: By) -> Tenant:
    """Change the name and the given settings; a setting given as None goes back to its default. Raises Invalid with every fault."""
    faults = [_setting_fault(key, value) for key, value in (settings or {}).items()]
    if any(faults):
        raise Invalid("Some settings are not valid.", errors=[fault for fault in faults if fault])
    with transaction.atomic():
        saved = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        before = {"name": saved.name, "settings": dict(saved.settings)}
        saved.name = name if name is not None else saved.name
        merged = {**saved.settings, **(settings or {})}
        saved.settings = {key: value for key, value in merged.items() if value is not None}
        saved.save(update_fields=("name", "settings"))
        changes = _changed(before, {"name": saved.name, "settings": saved.settings})
        if changes:
            audit(saved, actor=actor_of(by), action="tenant.update", target=saved, changes=changes)
    credentials.forget_tenant(saved.pk)
    return saved


def set_tenant_active(tenant: Tenant, *, active: bool, by: By) -> Tenant:
    """Suspend a tenant (none of its credentials works) or let it work again."""
    with transaction.atomic():
        saved = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if saved.is_active != active:
            saved.is_active = active
            saved.save(update_fields=("is_active",))
            audit(saved, actor=actor_of(by), action="tenant.resume" if active else "tenant.suspend", target=saved, changes={"is_active": active})
    credentials.forget_tenant(saved.pk)
    return saved


def _setting_fault(name: str, value: Any) -> dict[str, str] | None:
    if name not in SETTINGS:
        return {"path": f"$.settings.{name}", "code": "unknown", "message": "is not known here", "expected": ", ".join(SETTINGS)}
    fits, expected = SETTINGS[name]
    if value is None or fits(value):
        return None
    return {"path": f"$.settings.{name}", "code": "invalid", "message": "is not valid", "expected": expected}


# ── members ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_member(tenant: Tenant, *, user: User, role: str, by: By) -> Membership:
    """Raises AlreadyExists, CannotGrant, Invalid."""
    _check_role(role)
    _require_grantable(tenant, permissions.of_role(role), by)
    try:
        with transaction.atomic():
            member: Membership = Membership.objects.create(tenant=tenant, user=user, role=role)
            changes = {"user": str(user.pk), "username": user.username, "role": role}
            audit(tenant, actor=actor_of(by), action="member.add", target=member, changes=changes)
    except IntegrityError as fault:
        raise AlreadyExists("This person is a member already.", username=user.username) from fault
    return member


def invite_member(tenant: Tenant, *, username: str, role: str, email: str = "", by: By) -> Membership:
    """Add a person by user name; somebody new gets an account without a password, which an operator or single sign-on sets."""
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(username=username, defaults={"email": email, "is_staff": True})
        if is_new:
            user.set_unusable_password()
            user.save(update_fields=("password",))
        return add_member(tenant, user=user, role=role, by=by)


def change_role(tenant: Tenant, *, member_id: int, role: str, by: By) -> Membership:
    """Raises NotFound, LastOwner, CannotGrant, Invalid."""
    _check_role(role)
    with transaction.atomic():
        member = _locked_member(tenant, member_id)
        _require_grantable(tenant, permissions.of_role(role) | permissions.of_role(member.role), by)
        if member.role == role:
            return member
        if member.role == Role.OWNER:
            _require_another_owner(tenant, member)
        before, member.role = member.role, role
        member.save(update_fields=("role",))
        audit(tenant, actor=actor_of(by), action="member.change_role", target=member, changes={"user": str(member.user_id), "role": [before, role]})
    return member


def remove_member(tenant: Tenant, *, member_id: int, by: By) -> None:
    """Raises NotFound, LastOwner, CannotGrant."""
    with transaction.atomic():
        member = _locked_member(tenant, member_id)
        _require_grantable(tenant, permissions.of_role(member.role), by)
        if member.role == Role.OWNER:
            _require_another_owner(tenant, member)
        changes = {"user": str(member.user_id), "role": member.role}
        audit(tenant, actor=actor_of(by), action="member.remove", target=member, changes=changes)
        member.delete()


def _locked_member(tenant: Tenant, member_id: int) -> Membership:
    # The chain's end is locked first: two owners who remove each other at the same moment go one after the other.
    _locked_head(tenant)
    members = Membership.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("user")
    member: Membership | None = members.filter(pk=member_id).first()
    if member is None:
        raise NotFound("There is no such member.")
    return member


def _require_another_owner(tenant: Tenant, member: Membership) -> None:
    others = Membership.objects.for_tenant(tenant).filter(role=Role.OWNER, user__is_active=True).exclude(pk=member.pk)
    if not others.exists():
        raise LastOwner()


def _check_role(role: str) -> None:
    if role not in Role.values:
        _refuse("role", "is not a role", ", ".join(Role.values))


def _require_grantable(tenant: Tenant, wanted: Iterable[str], by: By) -> None:
    """Nobody hands out, or takes from others, more than they have themselves: otherwise members:manage or keys:manage would mean everything."""
    if by is None:
        return
    held = by.permissions if isinstance(by, Principal) else queries.permissions_of(by, tenant)
    beyond = sorted(set(wanted) - held)
    if beyond:
        raise CannotGrant(permissions=beyond)


# ── API keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def create_api_key(tenant: Tenant, *, name: str, scopes: Iterable[str], expires_at: datetime | None = None, by: By) -> tuple[ApiKey, str]:
    """The key and its token, which exists only in this return value. Raises Invalid, CannotGrant."""
    chosen = sorted(set(scopes))
    unknown = [scope_ for scope_ in chosen if scope_ not in permissions.PERMISSIONS]
    if unknown or not chosen:
        _refuse("scopes", f"unknown: {', '.join(unknown)}" if unknown else "is empty", ", ".join(permissions.PERMISSIONS))
    if expires_at is not None and expires_at <= timezone.now():
        _refuse("expires_at", "is in the past", "a time to come")
    _require_grantable(tenant, chosen, by)
    with transaction.atomic():
        key, token = _new_key(tenant, name=name, scopes=chosen, expires_at=expires_at, by=by)
        audit(tenant, actor=actor_of(by), action="api_key.create", target=key, changes=_shown_key(key))
    return key, token


def rotate_api_key(tenant: Tenant, *, key_id: UUID, overlap: timedelta = OVERLAP, by: By) -> tuple[ApiKey, str]:
    """A new key with the same scopes and lifetime; the old one still works for `overlap`. Raises NotFound, KeyNotActive, CannotGrant, Invalid."""
    if not timedelta(0) <= overlap <= timedelta(days=30):
        _refuse("overlap_seconds", "is out of bounds", "0 to 30 days")
    with transaction.atomic():
        old = _locked_key(tenant, key_id)
        if not queries.key_is_active(old) or old.rotated_to_id is not None:
            raise KeyNotActive()
        _require_grantable(tenant, old.scopes, by)
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
        tenant=tenant, name=name, prefix=secret.prefix, secret_sha256=secret.sha256, scopes=scopes, expires_at=expires_at, created_by=_user_of(by)
    )
    return key, secret.token


def _locked_key(tenant: Tenant, key_id: UUID) -> ApiKey:
    key: ApiKey | None = ApiKey.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("tenant").filter(pk=key_id).first()
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def _shown_key(key: ApiKey) -> dict[str, Any]:
    return {"name": key.name, "prefix": key.prefix, "scopes": key.scopes, "expires_at": key.expires_at}


# ── trusted issuers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_ISSUER_FIELDS = ("issuer", "audience", "jwks_url", "algorithms", "role_claim", "is_active")


def add_issuer(
    tenant: Tenant, *, issuer: str, audience: str, jwks_url: str, algorithms: Iterable[str] = ("RS256",), role_claim: str = "roles", by: By
) -> TokenIssuer:
    """Trust the JWTs of an issuer for one audience. Raises Invalid, AlreadyExists, CannotGrant.

    Its tokens may carry any role, so only who may do everything may add one.
    """
    trusted = TokenIssuer(tenant=tenant, issuer=issuer, audience=audience, jwks_url=jwks_url, algorithms=list(algorithms), role_claim=role_claim)
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
    _require_grantable(tenant, permissions.ALL, by)
    try:
        with transaction.atomic():
            trusted.save()
            changes = _changed(before, {field: getattr(trusted, field) for field in _ISSUER_FIELDS})
            if changes:
                audit(tenant, actor=actor_of(by), action=action, target=trusted, changes=changes)
    except IntegrityError as fault:
        raise AlreadyExists("This issuer and audience are in use already.", issuer=trusted.issuer, audience=trusted.audience) from fault
    credentials.forget_tenant(tenant.pk)
    return trusted


def _check_issuer(trusted: TokenIssuer) -> None:
    unknown = [name for name in trusted.algorithms if name not in tokens.ASYMMETRIC]
    if unknown or not trusted.algorithms:
        _refuse("algorithms", f"not allowed: {', '.join(map(str, unknown))}" if unknown else "is empty", ", ".join(tokens.ASYMMETRIC))
    url = urlsplit(trusted.jwks_url)
    if url.scheme != "https" and not {url.hostname, url.netloc} & set(platform.OUTBOUND_ALLOWED_HOSTS):
        _refuse("jwks_url", "is not encrypted: anybody on the way could replace the keys", "an https:// address")


def _locked_issuer(tenant: Tenant, issuer_id: int) -> TokenIssuer:
    trusted: TokenIssuer | None = TokenIssuer.objects.for_tenant(tenant).select_for_update().filter(pk=issuer_id).first()
    if trusted is None:
        raise NotFound("There is no such issuer.")
    return trusted


# ── the audit chain ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """`number` is the entry at fault; `fault` says what is wrong with it."""

    number: int
    fault: str


def audit(tenant: Tenant, *, actor: str, action: str, target: models.Model, changes: Mapping[str, Any]) -> AuditEntry:
    """Append to the tenant's chain, inside the caller's transaction: the change and its record are saved together or not at all.

    Appends of one tenant queue on the end of its chain until the transaction ends, so call it late. `changes` must not hold secrets.
    """
    with transaction.atomic():
        head = _locked_head(tenant)
        entry = AuditEntry(
            tenant=tenant,
            number=head.number + 1,
            at=timezone.now(),
            actor=actor[:200],
            action=action,
            target_type=target._meta.label_lower,
            target_id=str(target.pk),
            changes=_plain(changes),
            previous_digest=head.digest,
        )
        entry.digest = digest_of(entry)
        entry.save(force_insert=True)
        AuditHead.objects.filter(pk=tenant.pk).update(number=entry.number, digest=entry.digest)
    # In the log the digest is out of the database's reach: whoever rewrites the whole chain cannot rewrite what was logged.
    log.info("audit", tenant_id=str(tenant.pk), number=entry.number, actor=entry.actor, action=action, target=entry.target_id, digest=entry.digest)
    return entry


def verify_chain(tenant: Tenant) -> list[ChainFault]:
    """Every place where the tenant's chain is not what was appended; empty when it is whole."""
    faults: list[ChainFault] = []
    previous, expected = "", 1
    for entry in AuditEntry.objects.for_tenant(tenant).order_by("number").iterator(chunk_size=1000):
        if entry.number != expected:
            faults.append(ChainFault(number=expected, fault=f"entries {expected} to {entry.number - 1} are missing"))
        elif entry.previous_digest != previous:
            faults.append(ChainFault(number=entry.number, fault="does not continue the entry before it"))
        if digest_of(entry) != entry.digest:
            faults.append(ChainFault(number=entry.number, fault="is not what was written"))
        previous, expected = entry.digest, entry.number + 1
    head = AuditHead.objects.filter(pk=tenant.pk).first()
    if (head.number, head.digest) != (expected - 1, previous) if head else expected != 1:
        faults.append(ChainFault(number=expected, fault="the chain does not end where it ended: entries after this are missing or added"))
    return faults


def digest_of(entry: AuditEntry) -> str:
    """sha256 over the entry and the digest before it, in canonical JSON."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    where = [entry.previous_digest, str(entry.tenant_id), entry.number, at]
    parts = [*where, entry.actor, entry.action, entry.target_type, entry.target_id, entry.changes]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def _locked_head(tenant: Tenant) -> AuditHead:
    # no_key: a row that points at the tenant may be inserted meanwhile.
    found = AuditHead.objects.select_for_update(no_key=True).filter(pk=tenant.pk).first()
    if found is None:
        AuditHead.objects.bulk_create([AuditHead(tenant=tenant)], ignore_conflicts=True)
        found = AuditHead.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    return found


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def _plain(value: Any) -> Any:
    """JSON that is the same after a trip through the database: PostgreSQL reads 1e22 back as an integer and takes no NUL character."""
    if isinstance(value, Mapping):
        return {str(_plain(str(name))): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        if not isfinite(value):
            return str(value)
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, bool | int):
        return value
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _refuse(field: str, message: str, expected: str) -> None:
    raise Invalid(f"{field} {message}.", errors=[{"path": f"$.{field}", "code": "invalid", "message": message, "expected": expected}])
