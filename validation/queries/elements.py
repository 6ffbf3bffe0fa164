"""Element rows as core values, and back. One place knows how facts are stored."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.db.models import Q, QuerySet

from mcp_platform.tenancy.models import Tenant
from validation.core import building as core
from validation.core import canonical
from validation.core.building import Fact, Facts
from validation.models import Building, Element

CHUNK: Final = 2000  # rows held at a time when a whole model is walked
SOME: Final = 500  # names in one SQL list
_SAME: Final = ("global_id", "ifc_class", "predefined_type", "name", "tag", "storey", "space", "discipline")
_MAPS: Final = ("properties", "quantities", "given")


class Known(NamedTuple):
    """An element with everything that is known of it: what it is, its own facts, and those that depend on its surroundings."""

    element: core.Element
    facts: Facts
    around: Facts

    @property
    def all_facts(self) -> dict[str, Fact]:
        return {**self.facts, **self.around}


def stored_facts(facts: Facts) -> dict[str, Any]:
    """Facts as JSON. What is false or empty is left out: there are hundreds of thousands of them."""
    return {name: _stored(fact) for name, fact in facts.items()}


def _stored(fact: Fact) -> dict[str, Any]:
    value = list(fact.value) if isinstance(fact.value, tuple | frozenset | set) else fact.value
    return {"value": value, "source": fact.source, **({"assumed": True} if fact.assumed else {}), **({"note": fact.note} if fact.note else {})}


def facts_of(stored: Mapping[str, Any]) -> dict[str, Fact]:
    return {
        name: Fact(value=one["value"], source=one.get("source", ""), assumed=one.get("assumed", False), note=one.get("note", ""))
        for name, one in stored.items()
    }


def core_element(row: Element) -> core.Element:
    box, ring = row.box, row.footprint
    return core.Element(
        **{name: getattr(row, name) for name in (*_SAME, *_MAPS)},
        connects=tuple(row.connects or ()),
        box=tuple(box) if box else None,
        footprint=tuple((point[0], point[1]) for point in ring) if ring else None,
    )


def columns_of(element: core.Element) -> dict[str, Any]:
    """The columns of a row that tell what the element is; facts, hash and sequence numbers are the writer's."""
    return {
        **{name: getattr(element, name) for name in _SAME},
        **{name: dict(getattr(element, name)) for name in _MAPS},
        "connects": list(element.connects),
        "box": list(element.box) if element.box else None,
        "footprint": [list(point) for point in element.footprint] if element.footprint else None,
    }


def content_hash(element: core.Element) -> str:
    """Of what the element is, wherever it came from: SHA-256 of its canonical JSON (validation/core/canonical.py)."""
    return canonical.sha256(columns_of(element))


def known(row: Element) -> Known:
    return Known(core_element(row), facts_of(row.facts or {}), facts_of(row.around or {}))


def at(tenant: Tenant, building: Building, seq: int | None = None) -> QuerySet[Element]:
    """The rows that are true at this sequence number; at the head when none is named."""
    rows: QuerySet[Element] = Element.objects.for_tenant(tenant).filter(building=building)
    if seq is None:
        return rows.filter(valid_to_seq__isnull=True)
    return rows.filter(valid_from_seq__lte=seq).filter(Q(valid_to_seq__isnull=True) | Q(valid_to_seq__gt=seq))


def rows_of(rows: QuerySet[Element], global_ids: Iterable[str]) -> dict[str, Element]:
    """Those of `rows` with these names, however many there are."""
    names = sorted(global_ids)
    some = (rows.filter(global_id__in=names[start : start + SOME]) for start in range(0, len(names), SOME))
    return {row.global_id: row for found in some for row in found}


def once_there(tenant: Tenant, building: Building, global_ids: Iterable[str]) -> set[str]:
    """Which of the names are, or have been, elements of the building."""
    rows, names = Element.objects.for_tenant(tenant).filter(building=building), sorted(global_ids)
    some = (rows.filter(global_id__in=names[start : start + SOME]) for start in range(0, len(names), SOME))
    return {str(name) for found in some for name in found.values_list("global_id", flat=True)}


def walk(rows: QuerySet[Element]) -> Iterator[Known]:
    """In the order of their ids, a chunk at a time."""
    for row in rows.order_by("global_id").iterator(chunk_size=CHUNK):
        yield known(row)


def some(tenant: Tenant, building: Building, global_ids: Iterable[str]) -> dict[str, Known]:
    """Current states of the named elements; those that are not there are absent."""
    found = at(tenant, building).filter(global_id__in=list(global_ids))
    return {row.global_id: known(row) for row in found}
