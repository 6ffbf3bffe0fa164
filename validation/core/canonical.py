"""One text for one value, whatever machine and database it went through; what hashes are made of.

Numbers: 1.0 and 1 are the same, nine decimals count, -0 is 0. Keys are sorted, sets too.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any, Final

DIGITS: Final = 9


def of(value: Any) -> Any:
    """The value as plain JSON with canonical numbers."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return {str(key): of(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((of(item) for item in value), key=text)
    if isinstance(value, list | tuple):
        return [of(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        return {one.name: of(getattr(value, one.name)) for one in fields(value)}
    raise TypeError(type(value).__name__)


def number(value: float) -> float | str:
    """A whole number when it is one within nine decimals; NaN and infinity by name."""
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        return str(value)
    rounded = round(value, DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded


def text(value: Any) -> str:
    return json.dumps(of(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(value: Any) -> str:
    return hashlib.sha256(text(value).encode()).hexdigest()
