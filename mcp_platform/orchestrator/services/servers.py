"""Servers of others that a tenant uses, and how they are used together: what people decide about them."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import IntegrityError, models, transaction

from mcp_platform.orchestrator import queries
from mcp_platform.orchestrator.core.definition import SLUG, SLUG_RULE, fault, server_faults, settings_faults
from mcp_platform.orchestrator.errors import ConfigurationRefused, ServerIsNeeded, ServerNotFound, SlugTaken, StaleRevision
from mcp_platform.orchestrator.models import OrchestrationSettings, RemoteServer
from mcp_platform.orchestrator.services import offers
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.tenancy.services.trail import user_of

SERVER_DEFAULTS: Final[Mapping[str, Any]] = {
    "name": "",
    "description": "",
    "transport": "streamable-http",
    "url": "",
    "priority": 100,
    "domains": [],
    "capabilities": [],
    "timeout": 30,
    "authentication": {},
    "allowed_tools": [],
    "denied_tools": [],
    "trust": "first",
    "enabled": True,
}
SETTINGS_DEFAULTS: Final[Mapping[str, Any]] = {
    "resource_cache_ttl": 300,
    "fail_fast": True,
    "enable_logging": True,
    "log_level": "INFO",
    "max_retries": 3,
}
R = TypeVar("R", bound=models.Model)
Lookup = Callable[[Tenant | UUID, str], list[str]]
_lookups: list[Lookup] = []


def tell_users(lookup: Lookup) -> None:
    """Apps whose rows refer to servers by slug register how to find those rows; a server that is referred to is not deleted."""
    if lookup not in _lookups:
        _lookups.append(lookup)


def users_of(tenant: Tenant | UUID, slug: str) -> list[str]:
    """What refers to this server, such as `integration:clock` and `virtual:office`."""
    chosen = queries.virtual_tools(tenant).filter(tool__server__slug=slug).values_list("virtual__slug", flat=True).distinct()
    return sorted({*(f"virtual:{one}" for one in chosen), *(user for lookup in _lookups for user in lookup(tenant, slug))})


def definition_of(row: RemoteServer) -> dict[str, Any]:
    """The members of a server in the words of the YAML file."""
    return {name: _plain(getattr(row, name)) for name in SERVER_DEFAULTS}


def settings_as_dict(row: OrchestrationSettings) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in SETTINGS_DEFAULTS}


def _plain(value: Any) -> Any:
    """The default of a choice is a member of its enumeration until the row is read back."""
    return str(value) if isinstance(value, str) else value


def save_server(
    tenant: Tenant, *, slug: str, fields: Mapping[str, Any], create: bool = False, expected_rev: int | None = None, by: By
) -> RemoteServer:
    """Create one, or change some of the members of one.

    Raises ConfigurationRefused with every fault, SlugTaken, ServerNotFound, StaleRevision.
    """
    with transaction.atomic():
        row = RemoteServer(tenant=tenant, slug=slug, rev=0, created_by=user_of(by)) if create else locked(tenant, slug, expected_rev)
        before = dict(SERVER_DEFAULTS) if create else definition_of(row)
        after = {**before, "name": before["name"] or slug, **fields}
        faults = server_faults(after)
        if not SLUG.fullmatch(slug):
            faults.append(fault("slug", "bad_name", "is no valid short name", SLUG_RULE))
        if faults:
            raise ConfigurationRefused("The server cannot be taken; `errors` lists every fault.", errors=faults)
        changes = {name: [before[name], after[name]] for name in SERVER_DEFAULTS if before[name] != after[name]}
        if not changes and not create:
            return row
        _store(row, after)
        audit(tenant, actor=actor_of(by), action="mcp_server.create" if create else "mcp_server.save", target=row, changes={"slug": slug, **changes})
        offers.changed(tenant)
    return row


def _store(row: RemoteServer, after: Mapping[str, Any]) -> None:
    if (row.url, row.transport, row.authentication) != (after["url"], after["transport"], after["authentication"]):
        row.state, row.last_error = RemoteServer.State.UNKNOWN, ""  # what was seen was seen elsewhere
    for name in SERVER_DEFAULTS:
        setattr(row, name, after[name])
    row.rev += 1
    insert(row, slug=row.slug)


def delete_server(tenant: Tenant, *, slug: str, expected_rev: int | None = None, by: By) -> None:
    """With its tools and what is cached of it; the calls that were made stay on record. Raises ServerIsNeeded, ServerNotFound, StaleRevision."""
    with transaction.atomic():
        row = locked(tenant, slug, expected_rev)
        users = users_of(tenant, slug)
        if users:
            raise ServerIsNeeded(f"It is used by {', '.join(users[:10])}.", server=slug, used_by=users)
        audit(tenant, actor=actor_of(by), action="mcp_server.delete", target=row, changes={"slug": slug, "url": row.url})
        row.delete()
        offers.changed(tenant)


def save_settings(tenant: Tenant, *, fields: Mapping[str, Any], by: By) -> OrchestrationSettings:
    """Raises ConfigurationRefused with every fault."""
    faults = settings_faults(fields)
    if faults:
        raise ConfigurationRefused("The settings cannot be taken; `errors` lists every fault.", errors=faults)
    with transaction.atomic():
        found: OrchestrationSettings | None = OrchestrationSettings.objects.for_tenant(tenant).select_for_update().first()
        row = found or OrchestrationSettings(tenant=tenant)
        before = settings_as_dict(row)
        changes = {name: [before[name], value] for name, value in fields.items() if before[name] != value}
        if not changes:
            return row
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
        audit(tenant, actor=actor_of(by), action="mcp_settings.save", target=row, changes=changes)
        offers.changed(tenant)
    return row


def locked(tenant: Tenant, slug: str, expected_rev: int | None = None) -> RemoteServer:
    row: RemoteServer | None = RemoteServer.objects.for_tenant(tenant).select_for_update().filter(slug=slug).first()
    if row is None:
        raise ServerNotFound(server=slug[:32])
    check_rev(row.rev, expected_rev)
    return row


def check_rev(rev: int, expected: int | None) -> None:
    if expected is not None and rev != expected:
        raise StaleRevision(expected=rev, given=expected)


def insert(row: R, *, slug: str) -> R:
    """Save a row whose slug may be taken. Raises SlugTaken."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as taken:
        raise SlugTaken(slug=slug) from taken
    return row
