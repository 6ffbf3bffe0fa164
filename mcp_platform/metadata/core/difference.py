"""What is different between two states of the product metadata."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_platform.metadata.core.document import Column, Metadata, Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`kind` is added, changed or removed; `of` is product or column; `fields` has [before, after] of every member that is another one."""

    kind: str
    of: str
    name: str
    fields: Mapping[str, tuple[Any, Any]]


def changes(before: Metadata, after: Metadata) -> tuple[Change, ...]:
    """Products by key, then columns by term."""
    return (*_between("product", before.products, after.products, PRODUCT), *_between("column", before.columns, after.columns, COLUMN))


PRODUCT = ("canonical_id", "canonical_name", "aliases", "database_references", "categories")
COLUMN = ("sql", "description")


def _between(
    of: str, before: Mapping[str, Product] | Mapping[str, Column], after: Mapping[str, Product] | Mapping[str, Column], members: tuple[str, ...]
) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        kind = "added" if old is None else "removed" if new is None else "changed"
        yield Change(kind=kind, of=of, name=name, fields=dict(_fields(old, new, members)))


def _fields(old: Any, new: Any, members: tuple[str, ...]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for member in members:
        pair = (_plain(getattr(old, member, None)), _plain(getattr(new, member, None)))
        if pair[0] != pair[1] and not (pair[0] in (None, "", [], {}) and pair[1] in (None, "", [], {})):
            yield member, pair


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def counted(found: tuple[Change, ...]) -> dict[str, int]:
    return {kind: sum(one.kind == kind for one in found) for kind in ("added", "changed", "removed")}
