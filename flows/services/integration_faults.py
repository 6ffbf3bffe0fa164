"""What is wrong with the definition of an integration: every fault with its path. Secrets are names of secrets; a literal one is refused
wherever it could hide."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from flows.core.types import Json
from flows.models import INTEGRATION_TYPES, Integration
from mcp_platform import toolkit
from mcp_platform.vault.models import NAME_PATTERN

Fault = dict[str, str]
Check = Callable[[Integration], list[Fault]]

SECRET: Final = re.compile(NAME_PATTERN)
REFERENCE: Final = "the name of a secret: capital letters, digits and _, such as CRM_TOKEN"
HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]{1,100}")
PLAIN: Final = re.compile(r"[\x20-\x7e]{1,500}")
WEB: Final = re.compile(r"https?://[^\s@?#]{1,290}")
SECRET_HEADERS: Final = re.compile(r"authorization|cookie|token|secret|password|api-?key|credential", re.IGNORECASE)
RESERVED_HEADERS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "idempotency-key"})
LARGEST_DESCRIPTOR_SET: Final = 700_000  # characters of base64
LARGEST_OPTION: Final = 20_000  # characters of a GraphQL document or a certificate
MOST_OPERATIONS: Final = 100
SERVER: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
SERVER_RULE: Final = "the short name of a connected MCP server: a small letter, then small letters, digits, _ or -; at most 32"

Member = tuple[re.Pattern[str], str, bool]  # pattern, what is expected, whether it must be there


def _one_of(*words: str) -> Member:
    return re.compile("|".join(words)), " or ".join(words), False


_SECRET: Final[Member] = (SECRET, REFERENCE, True)
_HEADER_NAME: Final[Member] = (HEADER, "the name of the header, such as X-Api-Key", True)
# authentication type -> its members; those called `secret` are references.
AUTHENTICATION: Final[Mapping[str, Mapping[str, Member]]] = {
    "none": {},
    "bearer": {"secret": _SECRET},
    "basic": {"username": (PLAIN, "the user name", True), "secret": _SECRET},
    "header": {"header": _HEADER_NAME, "secret": _SECRET},
    "api_key": {
        "name": (HEADER, "the name of the header or parameter, such as X-Api-Key", True),
        "in": _one_of("header", "query"),
        "secret": _SECRET,
    },
    "oauth2_client_credentials": {
        "token_url": (WEB, "an http:// or https:// address without user, query and fragment", True),
        "client_id": (PLAIN, "the client id", True),
        "secret": _SECRET,
        "scope": (PLAIN, "scopes with spaces between", False),
        "audience": (PLAIN, "the audience", False),
        "send": _one_of("basic", "body"),
    },
    "hmac": {"secret": _SECRET, "header": (HEADER, "the name of the header, such as X-Signature", False), "algorithm": _one_of("sha256", "sha512")},
}
OF_KIND: Final[Mapping[str, frozenset[str]]] = {
    "rest": frozenset(AUTHENTICATION),
    "graphql": frozenset(AUTHENTICATION),
    "grpc": frozenset(AUTHENTICATION) - {"hmac"},
    "tool": frozenset({"none"}),
    "mcp": frozenset({"none"}),
}
WITHOUT_ADDRESS: Final[Mapping[str, str]] = {
    "tool": "a tool of this platform has no address",
    "mcp": "the server's address is kept with the server",
}
RETRY: Final[Mapping[str, tuple[int, int]]] = {
    "max_attempts": (1, 5),
    "backoff_ms": (0, 60_000),
    "max_backoff_ms": (0, 60_000),
    "within_ms": (1_000, 300_000),
}
SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {"rest": ("http", "https"), "graphql": ("http", "https"), "grpc": ("grpc", "grpcs", "http", "https")}


def faults_of(row: Integration) -> list[Fault]:
    return [found for check in CHECKS for found in check(row)]


def fault(path: str, code: str, message: str, expected: str) -> Fault:
    return {"path": f"$.{path}", "code": code, "message": message, "expected": expected}


def _name_faults(row: Integration) -> list[Fault]:
    name: Any = row.name
    good = isinstance(name, str) and 0 < len(name) <= 200
    return [] if good else [fault("name", "wrong_type", "is no name", "a text of 1 to 200 characters")]


def _type_faults(row: Integration) -> list[Fault]:
    known = [name for name, _ in INTEGRATION_TYPES]
    return [] if row.type in known else [fault("type", "unknown_value", "is not known", ", ".join(known))]


def _url_faults(row: Integration) -> list[Fault]:
    if row.type in WITHOUT_ADDRESS:
        return [fault("base_url", "bad_url", WITHOUT_ADDRESS[row.type], "an empty text")] if row.base_url else []
    url: Any = row.base_url
    schemes = SCHEMES.get(str(row.type), SCHEMES["rest"])
    expected = f"an {' or '.join(f'{scheme}://' for scheme in schemes)} address without user, query and fragment, at most 300 characters"
    bad = [fault("base_url", "bad_url", "is no address", expected)]
    try:
        parts = urlsplit(url) if isinstance(url, str) and len(url) <= 300 and url.isprintable() and " " not in url else None
        if parts is None or parts.scheme not in schemes or not parts.hostname or not (parts.port or 1) > 0:
            return bad
    except ValueError:
        return bad
    if "@" in parts.netloc:
        return [fault("base_url", "literal_secret", "carries a user or a password; use `authentication`", expected)]
    if row.type == "grpc" and parts.path not in ("", "/"):
        return [fault("base_url", "bad_url", "has a path; a gRPC server is a host and a port", expected)]
    return [fault("base_url", "bad_url", "has a query or a fragment", expected)] if parts.query or parts.fragment else []


def _authentication_faults(row: Integration) -> list[Fault]:
    value: Any = row.authentication
    if not isinstance(value, dict):
        return [fault("authentication", "wrong_type", "is no object", '{"type": "bearer", "secret": "CRM_TOKEN"}')]
    kind = value.get("type", "none" if not value else "")
    offered = OF_KIND.get(str(row.type), OF_KIND["rest"])
    members = AUTHENTICATION.get(kind) if isinstance(kind, str) else None
    if members is None or kind not in offered:
        message = "is not known" if members is None else f"is not for the type {row.type}"
        return [fault("authentication.type", "unknown_value", message, ", ".join(name for name in AUTHENTICATION if name in offered))]
    found = [_member_fault(name, value.get(name), member) for name, member in members.items() if member[2] or name in value]
    known = ", ".join(("type", *members))
    found += [fault(f"authentication.{name}"[:100], "unknown_key", "is not known here", known) for name in value if name not in ("type", *members)]
    return [one for one in found if one]


def _member_fault(name: str, value: Json, member: Member) -> Fault:
    pattern, expected, _ = member
    if isinstance(value, str) and pattern.fullmatch(value):
        return {}
    if name == "secret" and isinstance(value, str) and value:
        return fault("authentication.secret", "literal_secret", "looks like the secret itself; store it under a name and write the name", expected)
    return fault(f"authentication.{name}", "missing" if value is None else "bad_value", "is missing" if value is None else "is not valid", expected)


def _header_faults(row: Integration) -> list[Fault]:
    value: Any = row.headers
    if not isinstance(value, dict) or len(value) > 50:
        return [fault("headers", "wrong_type", "is not an object of headers", '{"Accept-Language": "en"}, at most 50')]
    return [found for name, text in value.items() for found in _one_header(name, text)]


def _one_header(name: str, text: Json) -> list[Fault]:
    path = f"headers.{name}"[:100]
    if not HEADER.fullmatch(name) or name.lower() in RESERVED_HEADERS:
        return [fault(path, "bad_name", "is no header that may be set", "letters, digits and -; not one that the transport sets")]
    if SECRET_HEADERS.search(name):
        return [fault(path, "literal_secret", "would carry a secret in the open", 'authentication {"type": "header", "header": …, "secret": …}')]
    if not isinstance(text, str) or not PLAIN.fullmatch(text):
        return [fault(path, "bad_value", "is no header value", "1 to 500 printable ASCII characters")]
    return []


def _timeout_faults(row: Integration) -> list[Fault]:
    return [] if _is_int(row.timeout_ms, 100, 30_000) else [fault("timeout_ms", "out_of_range", "is out of range", "an integer from 100 to 30000")]


def _retry_faults(row: Integration) -> list[Fault]:
    value: Any = row.retry_policy
    if not isinstance(value, dict):
        return [fault("retry_policy", "wrong_type", "is no object", '{"max_attempts": 3, "backoff_ms": 200}')]
    known = (*RETRY, "idempotent")
    found = [fault(f"retry_policy.{name}"[:100], "unknown_key", "is not known here", ", ".join(known)) for name in value if name not in known]
    found += [
        fault(f"retry_policy.{name}", "out_of_range", "is out of range", f"an integer from {low} to {high}")
        for name, (low, high) in RETRY.items()
        if name in value and not _is_int(value[name], low, high)
    ]
    if not isinstance(value.get("idempotent", True), bool):
        found.append(fault("retry_policy.idempotent", "wrong_type", "is no boolean", "true or false"))
    return found


def _is_int(value: Json, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _option_faults(row: Integration) -> list[Fault]:
    value: Any = row.options
    known = OPTIONS.get(str(row.type), {})
    if not isinstance(value, dict):
        return [fault("options", "wrong_type", "is no object", ", ".join(known) or "an empty object")]
    expected = ", ".join(known) or "nothing: this type has no options"
    found = [fault(f"options.{name}"[:100], "unknown_key", "is not known here", expected) for name in value if name not in known]
    if row.type == "mcp" and "server" not in value:
        found.append(fault("options.server", "missing", "is missing", SERVER_RULE))
    return found + [one for name, check in known.items() if name in value for one in check(value[name])]


def _body_faults(value: Json) -> list[Fault]:
    return [] if value in ("json", "form") else [fault("options.body", "unknown_value", "is not known", "json or form")]


def _operation_faults(value: Json) -> list[Fault]:
    if not isinstance(value, dict) or len(value) > MOST_OPERATIONS:
        return [fault("options.operations", "wrong_type", "is no object of documents", '{"order": "query ($id: ID!) { order(id: $id) { state } }"}')]
    return [
        fault(f"options.operations.{name}"[:100], "bad_value", "is no GraphQL document under a name", f"1 to {LARGEST_OPTION} characters")
        for name, text in value.items()
        if not (name.strip() and len(name) <= 100 and isinstance(text, str) and 0 < len(text.strip()) <= LARGEST_OPTION)
    ]


def _certificate_faults(value: Json) -> list[Fault]:
    good = isinstance(value, str) and len(value) <= LARGEST_OPTION and (not value or "-----BEGIN CERTIFICATE-----" in value)
    return [] if good else [fault("options.ca_certificate", "bad_value", "is no certificate", "a PEM certificate of the authority")]


def _tool_faults(value: Json) -> list[Fault]:
    names = [tool.name for tool in toolkit.tools()]
    good = isinstance(value, list) and all(name in names for name in value)
    return [] if good else [fault("options.tools", "unknown_value", "names tools that this platform has not", ", ".join(names))]


def _server_faults(value: Json) -> list[Fault]:
    good = isinstance(value, str) and SERVER.fullmatch(value)
    return [] if good else [fault("options.server", "bad_value", "is no name of a server", SERVER_RULE)]


def _upstream_tool_faults(value: Json) -> list[Fault]:
    good = isinstance(value, list) and len(value) <= MOST_OPERATIONS and all(isinstance(name, str) and 0 < len(name) <= 128 for name in value)
    return [] if good else [fault("options.tools", "bad_value", "is no list of names", f"at most {MOST_OPERATIONS} names of tools of the server")]


def _descriptor_faults(row: Integration) -> list[Fault]:
    value: Any = row.descriptor_set
    if not value:
        return []
    expected = "a FileDescriptorSet in base64 (protoc --include_imports --descriptor_set_out), only for gRPC"
    if row.type != "grpc" or not isinstance(value, str) or len(value) > LARGEST_DESCRIPTOR_SET:
        return [fault("descriptor_set", "bad_value", "does not belong here or is too large", expected)]
    return [] if _is_descriptor_set(value) else [fault("descriptor_set", "bad_value", "is no descriptor set with a service", expected)]


def _is_descriptor_set(value: str) -> bool:
    from google.protobuf import descriptor_pb2
    from google.protobuf.message import DecodeError

    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(value, validate=True)).file
    except (binascii.Error, DecodeError, ValueError):
        return False
    return any(file.service for file in files)


OPTIONS: Final[Mapping[str, Mapping[str, Callable[[Json], list[Fault]]]]] = {
    "rest": {"body": _body_faults},
    "graphql": {"operations": _operation_faults},
    "grpc": {"ca_certificate": _certificate_faults},
    "tool": {"tools": _tool_faults},
    "mcp": {"server": _server_faults, "tools": _upstream_tool_faults},
}
CHECKS: Final[tuple[Check, ...]] = (
    _name_faults,
    _type_faults,
    _url_faults,
    _authentication_faults,
    _header_faults,
    _timeout_faults,
    _retry_faults,
    _option_faults,
    _descriptor_faults,
)
