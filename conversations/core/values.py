"""Values on their way into a snapshot: plain JSON of bounded size, of the type that was declared."""

import json
from datetime import date, datetime, time, timedelta
from math import isfinite
from typing import Any

from conversations.core.words import clean
from flows.core.types import Json, Variable

LONGEST_TEXT = 16_384
MOST_ITEMS = 1_000
DEEPEST = 8
LARGEST = 65_536  # bytes of JSON


class Unfit(Exception):
    """This value cannot be stored."""


def plain(value: Any, depth: int = 0) -> Json:
    """The value as JSON. Raises Unfit for what is not JSON (bytes, NaN) or too large: expressions can double a text fifty times a turn."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise Unfit(f"the text has more than {LONGEST_TEXT} characters")
        return clean(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise Unfit("the number is not finite")
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    stored = _container(value, depth)
    if depth == 0 and len(json.dumps(stored)) > LARGEST:
        raise Unfit(f"it is larger than {LARGEST} bytes")
    return stored


def kept(data: Any) -> Json:
    """An integration's data for the snapshot, which is read and written on every turn: None when it is larger than LARGEST or no JSON."""
    try:
        written = json.dumps(data, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return None
    if len(written) > LARGEST:
        return None
    return cleaned(data) if "\\u0000" in written or "\\ud" in written else data


def cleaned(data: Any) -> Json:
    """JSON without NUL characters and half surrogate pairs, which the database does not take."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {clean(str(key)): cleaned(item) for key, item in data.items()}
    return [cleaned(item) for item in data] if isinstance(data, list | tuple) else data


def _container(value: Any, depth: int) -> Json:
    if depth >= DEEPEST:
        raise Unfit(f"it is nested deeper than {DEEPEST}")
    if isinstance(value, dict | list | tuple) and len(value) > MOST_ITEMS:
        raise Unfit(f"it has more than {MOST_ITEMS} items")
    if isinstance(value, dict):
        return {clean(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    raise Unfit(f"a {type(value).__name__} cannot be stored")


def typed(value: Any, variable: Variable | None) -> Json:
    """The value as the variable's declared CEL type; 3 becomes 3.0 for a double. Raises Unfit when it does not fit."""
    value = plain(value)
    kind = variable.type if variable is not None else "dyn"
    if kind == "double" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    wanted = _PYTHON.get(kind)
    if wanted is None or value is None or type(value) is wanted:
        return value
    raise Unfit(f"a {type(value).__name__} is no {kind}")


_PYTHON = {"bool": bool, "int": int, "double": float, "string": str, "list": list, "map": dict}
