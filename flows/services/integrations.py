"""Integrations: the definitions of external systems. Secrets are names of secrets; a literal one is refused wherever it could hide."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from flows import queries
from flows.core.definition.reading import NAME, NAME_RULE
from flows.core.types import Json
from flows.errors import DraftHasChanged, FieldsRefused, IntegrationIsNeeded, IntegrationNotFound, NameTaken
from flows.models import INTEGRATION_TYPES, Integration
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

DEFAULTS: Final[Mapping[str, Json]] = {
    "name": "",
    "type": "rest",
    "base_url": "",
    "authentication": {},
    "headers": {},
    "timeout_ms": 5000,
    "retry_policy": {},
}
SECRET: Final = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
REFERENCE: Final = "the name of a secret: capital letters, digits and _, such as CRM_TOKEN"
HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]{1,100}")
PLAIN: Final = re.compile(r"[\x20-\x7e]{1,500}")
SECRET_HEADERS: Final = re.compile(r"authorization|cookie|token|secret|password|api-?key|credential", re.IGNORECASE)
RESERVED_HEADERS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "idempotency-key"})

# authentication type -> its members; those called `secret` are references.
AUTHENTICATION: Final[Mapping[str, Mapping[str, tuple[re.Pattern[str], str]]]] = {
    "none": {},
    "bearer": {"secret": (SECRET, REFERENCE)},
    "basic": {"username": (PLAIN, "the user name"), "secret": (SECRET, REFERENCE)},
    "header": {"header": (HEADER, "the name of the header, such as X-Api-Key"), "secret": (SECRET, REFERENCE)},
}
RETRY: Final[Mapping[str, tuple[int, int]]] = {"max_attempts": (1, 5), "backoff_ms": (0, 60_000), "max_backoff_ms": (0, 60_000)}

Fault = dict[str, str]


def save_integration(
    tenant: Tenant, *, integration_id: str, fields: Mapping[str, Json], create: bool = False, expected_rev: int | None = None, by: By
) -> Integration:
    """Create one, or change some of the members of one.

    Raises FieldsRefused with every fault, NameTaken, IntegrationNotFound, DraftHasChanged.
    """
    with transaction.atomic():
        new = Integration(tenant=tenant, integration_id=integration_id, name=integration_id, rev=0)
        row = new if create else _locked(tenant, integration_id, expected_rev)
        before = {name: getattr(row, name) for name in DEFAULTS}
        found = [_fault(name, "unknown", "is not known here", ", ".join(DEFAULTS)) for name in fields if name not in DEFAULTS]
        if not NAME.fullmatch(integration_id):
            found.append(_fault("integration_id", "bad_name", "is no valid name", NAME_RULE))
        for name in DEFAULTS:
            setattr(row, name, fields.get(name, before[name]))
        _refuse(found, row)
        changes = {name: [before[name], getattr(row, name)] for name in DEFAULTS if before[name] != getattr(row, name)}
        if not changes and not create:
            return row
        row.rev += 1
        _insert_or_update(row)
        action = "integration.create" if create else "integration.save"
        audit(tenant, actor=actor_of(by), action=action, target=row, changes={"integration_id": integration_id, **changes})
    return row


def delete_integration(tenant: Tenant, *, integration_id: str, expected_rev: int | None = None, by: By) -> None:
    """Raises IntegrationIsNeeded while a running version calls it, IntegrationNotFound, DraftHasChanged."""
    with transaction.atomic():
        row = _locked(tenant, integration_id, expected_rev)
        users = queries.users_of_integration(tenant, integration_id)
        if users:
            raise IntegrationIsNeeded(f"Published flows call it: {', '.join(users[:10])}.", integration_id=integration_id, used_by=users)
        audit(tenant, actor=actor_of(by), action="integration.delete", target=row, changes={"integration_id": integration_id})
        row.delete()


def _locked(tenant: Tenant, integration_id: str, expected_rev: int | None) -> Integration:
    row: Integration | None = Integration.objects.for_tenant(tenant).select_for_update().filter(integration_id=integration_id).first()
    if row is None:
        raise IntegrationNotFound(integration_id=integration_id)
    if expected_rev is not None and row.rev != expected_rev:
        raise DraftHasChanged(expected_rev=row.rev, given_rev=expected_rev)
    return row


def _insert_or_update(row: Integration) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as taken:
        raise NameTaken("There is an integration with this integration_id already.", integration_id=row.integration_id) from taken


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _refuse(found: list[Fault], row: Integration) -> None:
    for name, check in CHECKS.items():
        found = found + check(getattr(row, name))
    if found:
        raise FieldsRefused("The integration cannot be taken; `errors` lists every fault.", errors=found)


def _fault(path: str, code: str, message: str, expected: str) -> Fault:
    return {"path": f"$.{path}", "code": code, "message": message, "expected": expected}


def _name_faults(name: Json) -> list[Fault]:
    good = isinstance(name, str) and 0 < len(name) <= 200
    return [] if good else [_fault("name", "wrong_type", "is no name", "a text of 1 to 200 characters")]


def _type_faults(kind: Json) -> list[Fault]:
    known = [name for name, _ in INTEGRATION_TYPES]
    return [] if kind in known else [_fault("type", "unknown_value", "is not known", ", ".join(known))]


def _url_faults(url: Json) -> list[Fault]:
    expected = "an http:// or https:// address without user, query and fragment, at most 300 characters"
    try:
        parts = urlsplit(url) if isinstance(url, str) and len(url) <= 300 and url.isprintable() and " " not in url else None
        good = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return [_fault("base_url", "bad_url", "is no address", expected)]
    if not good or parts is None:
        return [_fault("base_url", "bad_url", "is no address", expected)]
    if "@" in parts.netloc:
        return [_fault("base_url", "literal_secret", "carries a user or a password; use `authentication`", expected)]
    return [_fault("base_url", "bad_url", "has a query or a fragment", expected)] if parts.query or parts.fragment else []


def _authentication_faults(value: Json) -> list[Fault]:
    if not isinstance(value, dict):
        return [_fault("authentication", "wrong_type", "is no object", '{"type": "bearer", "secret": "CRM_TOKEN"}')]
    kind = value.get("type", "none" if not value else "")
    members = AUTHENTICATION.get(kind) if isinstance(kind, str) else None
    if members is None:
        return [_fault("authentication.type", "unknown_value", "is not known", ", ".join(AUTHENTICATION))]
    faults = [_member_fault(name, value.get(name), pattern, expected) for name, (pattern, expected) in members.items()]
    known = ", ".join(("type", *members))
    faults += [_fault(f"authentication.{name}"[:100], "unknown_key", "is not known here", known) for name in value if name not in ("type", *members)]
    return [fault for fault in faults if fault]


def _member_fault(name: str, value: Json, pattern: re.Pattern[str], expected: str) -> Fault:
    if isinstance(value, str) and pattern.fullmatch(value):
        return {}
    if name == "secret" and isinstance(value, str) and value:
        return _fault("authentication.secret", "literal_secret", "looks like the secret itself; store it under a name and write the name", expected)
    return _fault(f"authentication.{name}", "missing" if value is None else "bad_value", "is missing" if value is None else "is not valid", expected)


def _header_faults(value: Json) -> list[Fault]:
    if not isinstance(value, dict) or len(value) > 50:
        return [_fault("headers", "wrong_type", "is not an object of headers", '{"Accept-Language": "en"}, at most 50')]
    return [fault for name, text in value.items() for fault in _one_header(name, text)]


def _one_header(name: str, text: Json) -> list[Fault]:
    path = f"headers.{name}"[:100]
    if not HEADER.fullmatch(name) or name.lower() in RESERVED_HEADERS:
        return [_fault(path, "bad_name", "is no header that may be set", "letters, digits and -; not one that the transport sets")]
    if SECRET_HEADERS.search(name):
        return [_fault(path, "literal_secret", "would carry a secret in the open", 'authentication {"type": "header", "header": …, "secret": …}')]
    if not isinstance(text, str) or not PLAIN.fullmatch(text):
        return [_fault(path, "bad_value", "is no header value", "1 to 500 printable ASCII characters")]
    return []


def _timeout_faults(value: Json) -> list[Fault]:
    return [] if _is_int(value, 100, 30_000) else [_fault("timeout_ms", "out_of_range", "is out of range", "an integer from 100 to 30000")]


def _retry_faults(value: Json) -> list[Fault]:
    if not isinstance(value, dict):
        return [_fault("retry_policy", "wrong_type", "is no object", '{"max_attempts": 3, "backoff_ms": 200}')]
    known = (*RETRY, "idempotent")
    faults = [_fault(f"retry_policy.{name}"[:100], "unknown_key", "is not known here", ", ".join(known)) for name in value if name not in known]
    faults += [
        _fault(f"retry_policy.{name}", "out_of_range", "is out of range", f"an integer from {low} to {high}")
        for name, (low, high) in RETRY.items()
        if name in value and not _is_int(value[name], low, high)
    ]
    if not isinstance(value.get("idempotent", True), bool):
        faults.append(_fault("retry_policy.idempotent", "wrong_type", "is no boolean", "true or false"))
    return faults


def _is_int(value: Json, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


CHECKS: Final[Mapping[str, Callable[[Any], list[Fault]]]] = {
    "name": _name_faults,
    "type": _type_faults,
    "base_url": _url_faults,
    "authentication": _authentication_faults,
    "headers": _header_faults,
    "timeout_ms": _timeout_faults,
    "retry_policy": _retry_faults,
}
