"""From two documents to the modifications that lead from one to the other: so that a variant can be made in the editor of flows."""

from collections.abc import Mapping
from typing import Any

from experiments.core.overlay import LABELS, MERGE, Json, merged

JSON_PATCH = "json_patch"


def between(base: Mapping[str, Json], other: Mapping[str, Json]) -> tuple[str, Json]:
    """(patch format, modifications). A merge patch where one can say it; operations where a null is meant as a value, which RFC 7396 cannot."""
    old, new = ({key: value for key, value in one.items() if key not in LABELS} for one in (base, other))
    patch = merge_patch(old, new)
    if merged(old, patch) == new:
        return MERGE, patch
    import jsonpatch

    return JSON_PATCH, list(jsonpatch.make_patch(old, new).patch)


def merge_patch(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """RFC 7396: what to merge into `old` to get `new`. Members that are gone become null."""
    patch: dict[str, Json] = {name: None for name in old if name not in new}
    for name, value in new.items():
        if name in old and _same(old[name], value):
            continue
        before = old.get(name)
        inner = isinstance(before, Mapping) and isinstance(value, Mapping)
        patch[name] = merge_patch(before, value) if inner else value  # type: ignore[arg-type]  # both are mappings
    return patch


def _same(one: Any, other: Any) -> bool:
    """1, 1.0 and true are equal to Python, and three different values in JSON."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)
