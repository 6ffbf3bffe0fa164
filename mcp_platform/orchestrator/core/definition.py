"""What is wrong with the definition of a server, or with the settings of the orchestration: every fault with its path.

The members are those of the YAML file; REST and the admin use the same words.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

Fault = dict[str, str]
Check = Callable[[Any], bool]

TRANSPORTS: Final = ("streamable-http", "sse", "stdio")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
TRUST: Final = ("first", "review")
AUTHENTICATIONS: Final = ("none", "bearer", "header", "oauth2_client_credentials")
SLUG: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
SLUG_RULE: Final = "a small letter, then small letters, digits, _ and -; at most 32 characters"
WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")
PATTERN: Final = re.compile(r"[A-Za-z0-9_.*?:/-]{1,128}")
PROGRAM: Final = re.compile(r"stdio:[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PROGRAM_RULE: Final = "stdio:<name of a program that the operator has allowed>"
SECRET: Final = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
REFERENCE: Final = "the name of a secret: capital letters, digits and _, such as CRM_TOKEN"
MOST_WORDS: Final = 50
MOST_PATTERNS: Final = 200


def fault(path: str, code: str, message: str, expected: str) -> Fault:
    return {"path": f"$.{path}" if path else "$", "code": code, "message": message, "expected": expected}


def server_faults(given: Mapping[str, Any], *, at: str = "") -> list[Fault]:
    """Of one server, its members as they would be stored (every default filled in). `at` is the path of the server in its document."""
    found = _member_faults(given, SERVER_MEMBERS, at)
    return found or [*_place_faults(given, at), *_authentication_faults(given.get("authentication") or {}, f"{at}authentication")]


def settings_faults(given: Mapping[str, Any], *, at: str = "") -> list[Fault]:
    return _member_faults(given, SETTINGS_MEMBERS, at)


def _member_faults(given: Mapping[str, Any], members: Mapping[str, tuple[Check, str]], at: str) -> list[Fault]:
    found = [
        fault(f"{at}{name}", "bad_value", "is not valid", expected)
        for name, (check, expected) in members.items()
        if name in given and not check(given[name])
    ]
    return found + _unknown(given, members, at)


def _unknown(given: Mapping[str, Any], members: Iterable[str], at: str) -> list[Fault]:
    known = list(members)
    return [fault(f"{at}{name}"[:120], "unknown_key", "is not known here", ", ".join(known)) for name in given if name not in known]


def _place_faults(given: Mapping[str, Any], at: str) -> list[Fault]:
    url, stdio = given.get("url", ""), given.get("transport") == "stdio"
    if stdio:
        return [] if PROGRAM.fullmatch(url) else [fault(f"{at}url", "bad_url", "names no program", PROGRAM_RULE)]
    return [] if is_address(url) else [fault(f"{at}url", "bad_url", "is no address", ADDRESS)]


def _authentication_faults(given: Mapping[str, Any], at: str) -> list[Fault]:
    kind = given.get("type", "none")
    members = AUTHENTICATION.get(kind) if isinstance(kind, str) else None
    if members is None:
        return [fault(f"{at}.type", "unknown_value", "is not known", ", ".join(AUTHENTICATION))]
    found = [_credential_fault(f"{at}.{name}", given.get(name), member) for name, member in members.items()]
    return [one for one in found if one] + _unknown(given, ("type", *members), f"{at}.")


def _credential_fault(path: str, value: Any, member: tuple["re.Pattern[str]", str, bool]) -> Fault:
    pattern, expected, needed = member
    if value is None:
        return fault(path, "missing", "is missing", expected) if needed else {}
    if isinstance(value, str) and pattern.fullmatch(value):
        return {}
    if pattern is SECRET and isinstance(value, str) and value:
        return fault(path, "literal_secret", "looks like the secret itself; store it under a name and write the name", expected)
    return fault(path, "bad_value", "is not valid", expected)


def is_address(value: Any) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= 500 or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment and (parts.port or 1) > 0
    except ValueError:
        return False


def _text(most: int, least: int = 0) -> Check:
    return lambda value: isinstance(value, str) and least <= len(value.strip()) and len(value) <= most and "\x00" not in value


def _whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _one_of(words: Sequence[str]) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _texts(pattern: "re.Pattern[str]", most: int) -> Check:
    def check(value: Any) -> bool:
        return isinstance(value, list) and len(value) <= most and all(isinstance(one, str) and pattern.fullmatch(one) for one in value)

    return check


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f]{0,500}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_WEB: Final = re.compile(r"https?://[^\s@?#]{1,290}")
ADDRESS: Final = "an http:// or https:// address without user and fragment, at most 500 characters"
# authentication type -> its members: pattern, what is expected, whether it must be there.
AUTHENTICATION: Final[Mapping[str, Mapping[str, tuple["re.Pattern[str]", str, bool]]]] = {
    "none": {},
    "bearer": {"secret": (SECRET, REFERENCE, True)},
    "header": {"header": (_HEADER, "the name of the header, such as X-Api-Key", True), "secret": (SECRET, REFERENCE, True)},
    "oauth2_client_credentials": {
        "token_url": (_WEB, "an http:// or https:// address without user, query and fragment", True),
        "client_id": (_PLAIN, "the client id", True),
        "secret": (SECRET, REFERENCE, True),
        "scope": (_PLAIN, "scopes with spaces between", False),
        "audience": (_PLAIN, "the audience", False),
    },
}
SERVER_MEMBERS: Final[Mapping[str, tuple[Check, str]]] = {
    "name": (_text(100, 1), "a text of 1 to 100 characters"),
    "description": (_text(500), "a text of at most 500 characters"),
    "url": (_text(500, 1), f"{ADDRESS}; for stdio {PROGRAM_RULE}"),
    "transport": (_one_of(TRANSPORTS), ", ".join(TRANSPORTS)),
    "priority": (_whole(1, 999), "a whole number from 1 to 999; lower is asked first"),
    "domains": (_texts(WORD, MOST_WORDS), f"a list of at most {MOST_WORDS} words"),
    "capabilities": (_texts(WORD, MOST_WORDS), f"a list of at most {MOST_WORDS} words"),
    "timeout": (_whole(1, 300), "whole seconds, 1 to 300"),
    "authentication": (_is_object, '{"type": "bearer", "secret": "CRM_TOKEN"}'),
    "allowed_tools": (_texts(PATTERN, MOST_PATTERNS), "a list of names of tools, * for any part; empty allows all"),
    "denied_tools": (_texts(PATTERN, MOST_PATTERNS), "a list of names of tools, * for any part"),
    "trust": (_one_of(TRUST), "first or review"),
    "enabled": (_is_bool, "true or false"),
}
SETTINGS_MEMBERS: Final[Mapping[str, tuple[Check, str]]] = {
    "resource_cache_ttl": (_whole(0, 86_400), "seconds, 0 to 86400"),
    "fail_fast": (_is_bool, "true or false"),
    "enable_logging": (_is_bool, "true or false"),
    "log_level": (_one_of(LOG_LEVELS), ", ".join(LOG_LEVELS)),
    "max_retries": (_whole(0, 10), "a whole number from 0 to 10"),
}
