"""Tenants and their settings."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.db import IntegrityError, transaction

from mcp_platform.errors import Denied, Invalid
from mcp_platform.tenancy import credentials, scope
from mcp_platform.tenancy.errors import AlreadyExists
from mcp_platform.tenancy.models import Role, Tenant, User
from mcp_platform.tenancy.services.people import add_member
from mcp_platform.tenancy.services.trail import By, actor_of, audit, changed, refuse, user_of

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 200


_HOST = re.compile(r"[A-Za-z0-9._\-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")


def _are_hosts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 50 and all(isinstance(host, str) and _HOST.fullmatch(host) for host in value)


# What tenants may set: name -> (test, what is expected).
SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "ended_conversation": (lambda value: value in ("restart", "refuse"), "restart or refuse"),
    "default_flow": (_is_text, "a flow id, or an empty text for none"),
    "default_locale": (_is_text, "a locale such as en or de-CH"),
    "oauth_clients": (lambda value: value in ("any", "registered") or _are_hosts(value), "any, registered, or a list of hosts"),
    "outbound_allowed_hosts": (_are_hosts, "host or host:port, each at most 253 characters, at most 50"),
}

OF_THE_OPERATOR = ("outbound_allowed_hosts",)


def create_tenant(*, name: str, slug: str, owner: User | None = None, by: By = None) -> Tenant:
    """A new customer, with its first owner. Raises AlreadyExists, Invalid."""
    if not _SLUG.fullmatch(slug):
        refuse("slug", "is not a slug", "lower-case letters, digits and hyphens, at most 63")
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
        before: dict[str, Any] = {"name": saved.name, "settings": dict(saved.settings)}
        _require_operator(before["settings"], settings or {}, by)
        saved.name = name if name is not None else saved.name
        merged = {**saved.settings, **(settings or {})}
        saved.settings = {key: value for key, value in merged.items() if value is not None}
        saved.save(update_fields=("name", "settings"))
        changes = changed(before, {"name": saved.name, "settings": saved.settings})
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


def _require_operator(before: Mapping[str, Any], settings: Mapping[str, Any], by: By) -> None:
    """Some settings open what guards the platform itself: a tenant's owner sees them, the platform's operator changes them."""
    changed = [name for name in OF_THE_OPERATOR if name in settings and settings[name] != before.get(name)]
    user = user_of(by)
    if changed and by is not None and not (user is not None and user.is_superuser):
        raise Denied(f"Only an operator of the platform may change {', '.join(changed)}.", settings=changed)


def _setting_fault(name: str, value: Any) -> dict[str, str] | None:
    if name not in SETTINGS:
        return {"path": f"$.settings.{name}", "code": "unknown", "message": "is not known here", "expected": ", ".join(SETTINGS)}
    fits, expected = SETTINGS[name]
    if value is None or fits(value):
        return None
    return {"path": f"$.settings.{name}", "code": "invalid", "message": "is not valid", "expected": expected}
