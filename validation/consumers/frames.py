"""The frames that a client sends, read and checked: what is wrong is told with its path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from mcp_platform.rest import SchemaError
from mcp_platform.sockets import Frame
from validation.core.delta import RESERVED_CLIENTS, Fault, fault

CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._:\-]{1,63}")
CAPABILITIES: Final = ("gzip", "partial")
MOST_SELECTED: Final = 200
HIGHEST: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    stream_id: UUID
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    client: str
    version: str
    client_id: str  # "" when the client has none of its own
    capabilities: frozenset[str]
    resume: Resume | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    client_seq: int
    base_seq: int
    ops: Any


def hello(frame: Frame, building_id: UUID) -> Hello:
    """Raises SchemaError."""
    _check(frame, _HELLO)
    if frame.get("building_id") not in (None, str(building_id)):
        raise SchemaError(errors=[fault("$.building_id", "is not the building of this address", str(building_id))])
    resume = frame.get("resume")
    if resume is not None:
        _check(resume, _RESUME, "$.resume", required=("stream_id", "last_seq"))
    return Hello(
        client=frame.get("client", ""),
        version=frame.get("version", ""),
        client_id=frame.get("client_id", ""),
        capabilities=frozenset(frame.get("capabilities", ())) & frozenset(CAPABILITIES),
        resume=Resume(stream_id=UUID(resume["stream_id"]), last_seq=resume["last_seq"]) if resume else None,
    )


def changes(frame: Frame) -> Changes:
    """Raises SchemaError. The operations are read by the service."""
    _check(frame, _CHANGES, required=("client_seq", "base_seq", "ops"))
    return Changes(client_seq=frame["client_seq"], base_seq=frame["base_seq"], ops=frame["ops"])


def selection(frame: Frame) -> list[str]:
    """Raises SchemaError."""
    _check(frame, {"selection": _ids}, required=("selection",))
    return list(frame["selection"])


def number(frame: Frame, name: str) -> int:
    """Raises SchemaError."""
    _check(frame, {name: _count}, required=(name,))
    return int(frame[name])


def result_id(frame: Frame) -> str:
    """ "" when the client has none. Raises SchemaError."""
    _check(frame, {"result_id": _text(100)})
    return str(frame.get("result_id", ""))


Check = Callable[[Any], str]  # gives what is expected when the value is something else, else ""


def _check(given: Any, fields: Mapping[str, Check], path: str = "$", required: tuple[str, ...] = ()) -> None:
    faults: list[Fault] = []
    if not isinstance(given, dict):
        raise SchemaError(errors=[fault(path, "is no object", "an object")])
    for name, value in given.items():
        if name == "type" and path == "$":
            continue
        if name not in fields:
            faults.append(fault(f"{path}.{name}", "is not known here", ", ".join(fields), code="unknown"))
        elif expected := fields[name](value):
            faults.append(fault(f"{path}.{name}", "is something else", expected))
    faults += [fault(f"{path}.{name}", "is missing", "a value", code="required") for name in required if name not in given]
    if faults:
        raise SchemaError(errors=faults)


def _text(longest: int) -> Check:
    return lambda value: "" if isinstance(value, str) and len(value) <= longest else f"a text of at most {longest} characters"


def _count(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < HIGHEST else "a whole number from 0 up"


def _positive(value: Any) -> str:
    return "" if not _count(value) and value > 0 else "a whole number from 1 up"


def _ids(value: Any) -> str:
    fine = isinstance(value, list) and len(value) <= MOST_SELECTED and all(isinstance(one, str) and len(one) <= 40 for one in value)
    return "" if fine else f"at most {MOST_SELECTED} global ids"


def _client_id(value: Any) -> str:
    if not (isinstance(value, str) and CLIENT_ID.fullmatch(value)):
        return "1 to 63 letters, digits and . _ : -"
    return f"a name of your own, none of {', '.join(sorted(RESERVED_CLIENTS))}" if value in RESERVED_CLIENTS else ""


def _texts(value: Any) -> str:
    return "" if isinstance(value, list) and len(value) <= 20 and all(isinstance(one, str) for one in value) else "names of capabilities"


def _uuid(value: Any) -> str:
    try:
        UUID(value)
    except (ValueError, TypeError, AttributeError):
        return "the stream_id of a welcome"
    return ""


def _anything(value: Any) -> str:
    return ""


_HELLO: Final[Mapping[str, Check]] = {
    "client": _text(100),
    "version": _text(40),
    "client_id": _client_id,
    "capabilities": _texts,
    "building_id": _text(36),
    "resume": _anything,
}
_RESUME: Final[Mapping[str, Check]] = {"stream_id": _uuid, "last_seq": _count}
_CHANGES: Final[Mapping[str, Check]] = {"client_seq": _positive, "base_seq": _count, "ops": _anything}
