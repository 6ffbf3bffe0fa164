"""Attributes of STEP instances by name, safely: the library's own access runs code for derived attributes and raises for those of other schemas."""

from typing import Any, Final

_FORWARD: Final = 1
_indexes: dict[tuple[str, str], int] = {}


def attr(instance: Any, name: str) -> Any:
    """The attribute's value; None when it is unset, or when the class of this schema has none of that name."""
    key = (instance.is_a(), name)
    index = _indexes.get(key)
    if index is None:
        forward = instance.get_attribute_category(name) == _FORWARD
        index = _indexes[key] = instance.get_argument_index(name) if forward else -1
    return instance.get_argument(index) if index >= 0 else None


def has(instance: Any, name: str) -> bool:
    return bool(instance.get_attribute_category(name) == _FORWARD)


def forget() -> None:
    """Before a file of another schema is read in the same process: indexes differ."""
    _indexes.clear()
