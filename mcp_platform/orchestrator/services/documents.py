"""The whole configuration as one document: the YAML file that names servers and says how they are used together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from mcp_platform.orchestrator import queries
from mcp_platform.orchestrator.core.definition import SLUG, SLUG_RULE, Fault, fault, server_faults, settings_faults
from mcp_platform.orchestrator.errors import ConfigurationRefused
from mcp_platform.orchestrator.services import servers as keeping
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By

Document = Mapping[str, Any]
LARGEST: Final = 500_000  # characters
MOST_SERVERS: Final = 200
PARTS: Final = ("mcp_servers", "orchestration")
ALWAYS: Final = ("name", "url", "priority", "domains", "capabilities", "transport", "timeout")  # the others only where they say something


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Slugs of servers by what became of them."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    settings_changed: bool = False


def export(tenant: Tenant) -> dict[str, Any]:
    """Names of secrets are in it, never their values."""
    rows = queries.servers(tenant)
    return {
        "mcp_servers": {row.slug: _told(keeping.definition_of(row)) for row in rows},
        "orchestration": keeping.settings_as_dict(queries.settings_of(tenant)),
    }


def as_yaml(document: Document) -> str:
    import yaml

    written: str = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120)
    return written


def read_yaml(text: str) -> Document:
    """YAML or JSON. Raises ConfigurationRefused."""
    import yaml

    if len(text) > LARGEST:
        raise ConfigurationRefused(errors=[fault("", "too_large", f"has {len(text)} characters", f"at most {LARGEST}")])
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ConfigurationRefused(errors=[fault("", "alias", "has aliases (*name)", "every value written out")])
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as broken:
        raise ConfigurationRefused(errors=[fault("", "not_yaml", str(broken)[:300], "a YAML document")]) from broken
    if not isinstance(found, dict):
        raise ConfigurationRefused(errors=[fault("", "wrong_type", "is no object", f"an object with {' and '.join(PARTS)}")])
    return found


def import_document(tenant: Tenant, *, document: Document, replace: bool = False, by: By) -> Imported:
    """All of it or nothing. Servers that it does not name stay as they are; with `replace` they are deleted.

    What a named server does not say goes back to its default. Raises ConfigurationRefused with every fault of the whole document, ServerIsNeeded.
    """
    faults = document_faults(document)
    if faults:
        raise ConfigurationRefused("The document cannot be taken; `errors` lists every fault.", errors=faults)
    given: Mapping[str, Mapping[str, Any]] = document.get("mcp_servers") or {}
    done = Imported()
    with transaction.atomic():
        known = {row.slug: row.rev for row in queries.servers(tenant)}
        for slug, fields in given.items():
            full = {**keeping.SERVER_DEFAULTS, "name": slug, **fields}
            row = keeping.save_server(tenant, slug=slug, fields=full, create=slug not in known, by=by)
            where = done.created if slug not in known else done.unchanged if row.rev == known[slug] else done.changed
            where.append(slug)
        for slug in sorted(known.keys() - given.keys()) if replace else ():
            keeping.delete_server(tenant, slug=slug, by=by)
            done.deleted.append(slug)
        before = keeping.settings_as_dict(queries.settings_of(tenant))
        settings = document.get("orchestration")
        row_after = keeping.save_settings(tenant, fields=settings, by=by) if settings else None
        changed = row_after is not None and keeping.settings_as_dict(row_after) != before
    return Imported(created=done.created, changed=done.changed, unchanged=done.unchanged, deleted=done.deleted, settings_changed=changed)


def document_faults(document: Document) -> list[Fault]:
    """Every fault with its path."""
    found = [fault(str(name)[:100], "unknown_key", "is not known here", ", ".join(PARTS)) for name in document if name not in PARTS]
    servers, settings = document.get("mcp_servers") or {}, document.get("orchestration") or {}
    if not isinstance(servers, Mapping) or len(servers) > MOST_SERVERS:
        found.append(fault("mcp_servers", "wrong_type", "is no object of servers", f"at most {MOST_SERVERS} servers, each under its short name"))
    else:
        for slug, fields in servers.items():
            found += _server_faults(slug, fields)
    if not isinstance(settings, Mapping):
        return [*found, fault("orchestration", "wrong_type", "is no object", "an object of settings")]
    return found + settings_faults(_named(settings), at="orchestration.")


def _server_faults(slug: Any, fields: Any) -> list[Fault]:
    at = f"mcp_servers.{slug}"[:80]
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        return [fault(at, "bad_name", "is no valid short name", SLUG_RULE)]
    if not isinstance(fields, Mapping):
        return [fault(at, "wrong_type", "is no object", "name, url, …")]
    return server_faults({**keeping.SERVER_DEFAULTS, "name": slug, **_named(fields)}, at=f"{at}.")


def _named(fields: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in fields.items()}


def _told(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in definition.items() if name in ALWAYS or value != keeping.SERVER_DEFAULTS[name]}
