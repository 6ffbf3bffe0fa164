"""What clients say, checked by hand because it is hot: every fault at once, each with its path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from conversations.hearing import COMMANDS, CONTENT_TYPES
from mcp_platform import rest

LONGEST_TEXT = 10_000
LONGEST_INPUTS = 200
MESSAGE_ID = re.compile(r"[!-~]{1,120}")
_RESERVED = ("timer:", "server:", "migration:", "agent:")  # ids that the platform gives itself
_SECONDS = re.compile(r"[0-9]{1,9}")  # int() raises on thousands of digits
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,62}")
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,2}")

Fault: TypeAlias = dict[str, str]
Check: TypeAlias = Callable[[Any, str, list[Fault]], None]


def _fault(path: str, message: str, expected: str, code: str = "invalid") -> Fault:
    return {"path": path, "code": code, "message": message, "expected": expected}


def checked(data: Any, fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """`data` when nothing is wrong with it. Raises SchemaError with every fault."""
    faults: list[Fault] = []
    _object(data, "$", faults, fields, required)
    if faults:
        raise rest.SchemaError(errors=faults)
    found: dict[str, Any] = data
    return found


def _object(data: Any, path: str, faults: list[Fault], fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> None:
    if not isinstance(data, dict):
        faults.append(_fault(path, f"is {_kind(data)}", "an object"))
        return
    for name, value in data.items():
        check = fields.get(name)
        if check is None:
            faults.append(_fault(f"{path}.{name}", "is not known here", ", ".join(fields), "unknown"))
        else:
            check(value, f"{path}.{name}", faults)
    faults.extend(_fault(f"{path}.{name}", "is missing", "a value", "required") for name in required if name not in data)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def text(longest: int, *, empty: bool = True, pattern: re.Pattern[str] | None = None, like: str = "") -> Check:
    def check(value: Any, path: str, faults: list[Fault]) -> None:
        if not isinstance(value, str):
            faults.append(_fault(path, f"is {_kind(value)}", "a text"))
        elif len(value) > longest:
            faults.append(_fault(path, f"has {len(value)} characters", f"at most {longest} characters", "too_long"))
        elif not empty and not value.strip():
            faults.append(_fault(path, "is empty", "at least one character", "empty"))
        elif pattern is not None and value and not pattern.fullmatch(value):
            faults.append(_fault(path, "is not well formed", like))

    return check


def one_of(*values: str) -> Check:
    def check(value: Any, path: str, faults: list[Fault]) -> None:
        if value not in values:
            faults.append(_fault(path, "is not one of the known values", ", ".join(values)))

    return check


def boolean(value: Any, path: str, faults: list[Fault]) -> None:
    if not isinstance(value, bool):
        faults.append(_fault(path, f"is {_kind(value)}", "true or false"))


def priority(value: Any, path: str, faults: list[Fault]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        faults.append(_fault(path, f"is {_kind(value)}", "a number or a text"))


def mapping(value: Any, path: str, faults: list[Fault], inner: Check | None = None) -> None:
    if not isinstance(value, dict):
        faults.append(_fault(path, f"is {_kind(value)}", "an object"))
    elif len(value) > LONGEST_INPUTS:
        faults.append(_fault(path, f"has {len(value)} members", f"at most {LONGEST_INPUTS} members", "too_long"))
    elif inner is not None:
        for name, member in value.items():
            inner(member, f"{path}.{name}", faults)


def texts(value: Any, path: str, faults: list[Fault]) -> None:
    mapping(value, path, faults, text(LONGEST_TEXT))


def message_id(value: Any, path: str, faults: list[Fault]) -> None:
    if not isinstance(value, str) or not MESSAGE_ID.fullmatch(value):
        faults.append(_fault(path, "is not a message id", "1 to 120 visible ASCII characters without spaces"))
    elif value.startswith(_RESERVED):
        faults.append(_fault(path, "begins with a reserved word", f"anything that does not begin with {' or '.join(_RESERVED)}"))


def content(value: Any, path: str, faults: list[Fault]) -> None:
    """A text alone is content of type text."""
    if isinstance(value, str):
        text(LONGEST_TEXT, empty=False)(value, path, faults)
        return
    before = len(faults)
    _object(value, path, faults, _CONTENT)
    if len(faults) == before:
        _NEEDS.get(value.get("type", "text"), _nothing)(value, path, faults)


def _nothing(value: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
    """An attachment or postback needs no text."""


def _some_text(value: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
    text(LONGEST_TEXT, empty=False)(value.get("text", ""), f"{path}.text", faults)


def _command_name(value: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
    one_of(*COMMANDS)(value.get("text", ""), f"{path}.text", faults)


def _event_name(value: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
    text(63, empty=False, pattern=_NAME, like="the name of an intent")(value.get("text", ""), f"{path}.text", faults)


_NEEDS: dict[str, Callable[[Mapping[str, Any], str, list[Fault]], None]] = {"text": _some_text, "command": _command_name, "event": _event_name}
_CONTENT: dict[str, Check] = {
    "type": one_of(*CONTENT_TYPES),
    "text": text(LONGEST_TEXT),
    "attributes": texts,
    "intent": text(63),
    "slots": mapping,
    "token": text(200),
}
_HINTS: dict[str, Check] = {"priority": priority, "bypass_cache": boolean, "force_flow": text(63, pattern=_NAME, like="a flow id")}


def _hints(value: Any, path: str, faults: list[Fault]) -> None:
    _object(value, path, faults, _HINTS)


MESSAGE: dict[str, Check] = {
    "content": content,
    "client_message_id": message_id,
    "user_id": text(200),
    "channel": text(40),
    "metadata": mapping,
    "hints": _hints,
}
START: dict[str, Check] = {
    "flow_id": text(63, pattern=_NAME, like="a flow id"),
    "environment": text(40, pattern=_NAME, like="the name of an environment"),
    "channel": text(40, empty=False),
    "user_id": text(200),
    "locale": text(20, empty=False, pattern=_LOCALE, like="a language tag such as de or de-AT"),
    "inputs": mapping,
    "user_profile": mapping,
    "client_message_id": message_id,
}


def message(data: Any) -> dict[str, Any]:
    """Raises SchemaError."""
    found = checked(data, MESSAGE, ("content",))
    given = found["content"]
    return {**found, "content": {"type": "text", "text": given}} if isinstance(given, str) else found


def start(data: Any) -> dict[str, Any]:
    """Raises SchemaError."""
    return checked(data, START)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    wait_seconds: float = 10
    respond_async: bool = False


_DEFAULT = Preference()
LONGEST_WAIT = 60


def preference(header: str) -> Preference:
    """RFC 7240: `wait=N` and `respond-async`; what is not known is ignored, as the RFC asks."""
    if not header:
        return _DEFAULT
    wait, respond_async = _DEFAULT.wait_seconds, False
    for part in header.lower().split(","):
        name, _, value = part.partition("=")
        if name.strip() == "respond-async":
            respond_async = True
        elif name.strip() == "wait" and _SECONDS.fullmatch(value.strip()):
            wait = min(int(value), LONGEST_WAIT)
    return Preference(wait_seconds=wait, respond_async=respond_async)
