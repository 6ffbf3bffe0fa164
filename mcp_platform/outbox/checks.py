"""What an endpoint may be: every fault of what somebody wants to save, each with its path."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from mcp_platform import sealing
from mcp_platform.outbox.core import filters
from mcp_platform.outbox.core.catalogue import TYPES
from mcp_platform.outbox.models import PURPOSE, Endpoint
from mcp_platform.outbox.sinks import kafka

Fault = dict[str, str]

HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]{1,100}")
VALUE: Final = re.compile(r"[\x20-\x7e]{1,2000}")
RESERVED: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "user-agent", "accept-encoding"})
MOST_HEADERS: Final = 20
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {"timeout_ms": (100, 30_000), "max_attempts": (1, 20), "stream_length": (100, 10_000_000)}
FIELDS: Final = ("name", "kind", "url", "types", "enabled", "headers", *BOUNDS)
CHOOSABLE: Final = (Endpoint.Kind.WEBHOOK, Endpoint.Kind.REDIS, Endpoint.Kind.KAFKA)


def apply(row: Endpoint, fields: Mapping[str, Any]) -> list[Fault]:
    """Set the members that are given; what is wrong with the row then. A row with faults must not be saved."""
    faults = [_fault(name, "unknown", "is not known here", ", ".join(FIELDS)) for name in fields if name not in FIELDS]
    if not row._state.adding and fields.get("kind", row.kind) != row.kind:
        faults.append(_fault("kind", "fixed", "cannot be changed", row.kind))
    if "headers" in fields:
        faults += _set_headers(row, fields["headers"])
    for name in FIELDS:
        if name in fields and name != "headers":
            setattr(row, name, fields[name])
    for check in CHECKS:
        faults += check(row)
    return faults


def _fault(path: str, code: str, message: str, expected: str) -> Fault:
    return {"path": f"$.{path}", "code": code, "message": message, "expected": expected}


def _name(row: Any) -> list[Fault]:
    good = isinstance(row.name, str) and bool(row.name.strip()) and len(row.name) <= 100 and row.name.isprintable()
    return [] if good else [_fault("name", "invalid", "is no name", "1 to 100 printable characters")]


def _kind(row: Endpoint) -> list[Fault]:
    if row.kind not in CHOOSABLE and not (row.is_managed and not row._state.adding):
        return [_fault("kind", "invalid", "is no kind of endpoint", ", ".join(CHOOSABLE))]
    if row.kind == Endpoint.Kind.REDIS and not settings.OUTBOX_REDIS_URL:
        return [_fault("kind", "not_here", "needs a Redis, and this platform has none", "REDIS_URL in the environment")]
    if row.kind == Endpoint.Kind.KAFKA and not (settings.KAFKA_BROKERS and kafka.is_installed()):
        return [_fault("kind", "not_here", "needs Kafka, which is not set up here", "KAFKA_BROKERS, and pip install confluent-kafka")]
    return []


def _url(row: Any) -> list[Fault]:
    if row.kind != Endpoint.Kind.WEBHOOK:
        return [_fault("url", "not_wanted", f"a {row.kind} endpoint has no address of its own", "nothing")] if row.url else []
    if not isinstance(row.url, str) or len(row.url) > 1000 or not row.url.isprintable() or " " in row.url:
        return [_fault("url", "invalid", "is no address", "https://host/path, at most 1000 characters")]
    try:
        parts = urlsplit(row.url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return [_fault("url", "invalid", "is no address", "https://host/path")]
    if parts.scheme not in ("http", "https") or not host or parts.fragment or parts.username is not None or parts.password is not None:
        return [_fault("url", "invalid", "is no address that events can be sent to", "https://host/path, without user, password and fragment")]
    allowed = bool({host, parts.netloc} & set(settings.OUTBOUND_ALLOWED_HOSTS))
    if parts.scheme != "https" and not allowed:
        return [_fault("url", "not_encrypted", "is not encrypted: anybody on the way could read it", "an https:// address")]
    return []


def _types(row: Endpoint) -> list[Fault]:
    if not isinstance(row.types, list) or not all(isinstance(one, str) for one in row.types) or len(row.types) > 100:
        return [_fault("types", "invalid", "is no list of types", "such as turn.finished or conversation.*")]
    known = ", ".join(TYPES)
    return [
        _fault(f"types[{index}]", "unknown", f"no event is called {one[:80]}", known)
        for index, one in enumerate(row.types)
        if not filters.is_known(one)
    ]


def _enabled(row: Any) -> list[Fault]:
    return [] if isinstance(row.enabled, bool) else [_fault("enabled", "wrong_type", "is not true or false", "true or false")]


def _bounds(row: Endpoint) -> list[Fault]:
    faults = []
    for name, (least, most) in BOUNDS.items():
        value = getattr(row, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            faults.append(_fault(name, "out_of_bounds", "is out of bounds", f"{least} to {most}"))
    return faults


# On rows as somebody has filled them: a member may be of any type yet.
CHECKS: Final[tuple[Callable[[Any], list[Fault]], ...]] = (_name, _kind, _url, _types, _enabled, _bounds)


def _set_headers(row: Endpoint, given: Any) -> list[Fault]:
    """Values are sealed. A value of null keeps the one that is stored: the values are never shown, so a form cannot send them back."""
    if not isinstance(given, Mapping) or len(given) > MOST_HEADERS:
        return [_fault("headers", "invalid", "is no object of headers", f"at most {MOST_HEADERS} names with texts")]
    stored = json.loads(sealing.unseal(row.sealed_headers, purpose=PURPOSE)) if row.sealed_headers else {}
    faults = [fault for name, value in given.items() for fault in _header(name, value, stored)]
    if not faults:
        kept = {name: stored[name] if value is None else value for name, value in given.items()}
        if kept != stored:
            row.sealed_headers = sealing.seal(json.dumps(kept), purpose=PURPOSE) if kept else ""
        row.header_names = sorted(kept)
    return faults


def _header(name: str, value: Any, stored: Mapping[str, str]) -> list[Fault]:
    if not HEADER.fullmatch(name) or name.lower() in RESERVED or name.lower().startswith(("webhook-", "ce-")):
        return [_fault(f"headers.{name[:80]}", "reserved", "cannot be set", "the name of a header that the platform does not send itself")]
    if value is None and name in stored:
        return []
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        return [_fault(f"headers.{name}", "invalid", "is no value of a header", "1 to 2000 printable ASCII characters")]
    return []
