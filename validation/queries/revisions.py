"""Reads of revisions and of the model at a moment: what changed between two of them, elements as people filter them, names of spaces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from mcp_platform.tenancy.models import Tenant
from validation.core import building as core
from validation.core import delta
from validation.core.building import SPACE
from validation.errors import BuildingNotFound, ElementNotFound, RevisionNotFound
from validation.models import Building, Element, ModelRevision
from validation.queries import elements

DONE: Final = (ModelRevision.State.READY, ModelRevision.State.PARTIAL)
MOST_FIELDS: Final = 20  # of one changed element, in a comparison
FORMAT: Final = "mcp-building/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of elements; "" means any. `missing`: a fact that is not known of them; `has`: one that is."""

    ifc_class: str = ""
    storey: str = ""
    space: str = ""
    text: str = ""
    missing: str = ""
    has: str = ""


def building(tenant: Tenant, building_id: UUID) -> Building:
    """Raises BuildingNotFound."""
    found: Building | None = Building.objects.for_tenant(tenant).select_related("project", "tenant").filter(pk=building_id).first()
    if found is None:
        raise BuildingNotFound(id=str(building_id))
    return found


def revisions(tenant: Tenant, building_id: UUID) -> QuerySet[ModelRevision]:
    """Newest first."""
    rows: QuerySet[ModelRevision] = ModelRevision.objects.for_tenant(tenant).filter(building_id=building_id)
    return rows.select_related("parent", "created_by").order_by("-number")


def revision(tenant: Tenant, building_id: UUID, number: int) -> ModelRevision:
    """Raises RevisionNotFound."""
    found = revisions(tenant, building_id).filter(number=number).first()
    if found is None:
        raise RevisionNotFound(building=str(building_id), number=number)
    return found


def newest_done(tenant: Tenant, building_id: UUID) -> ModelRevision | None:
    return revisions(tenant, building_id).filter(state__in=DONE).first()


def found(tenant: Tenant, held: Building, filters: Filters) -> QuerySet[Element]:
    """Current elements, in the order of class and name."""
    rows = elements.at(tenant, held)
    plain = {"ifc_class": filters.ifc_class, "storey": filters.storey, "space": filters.space}
    rows = rows.filter(**{name: value for name, value in plain.items() if value})
    if filters.text:
        rows = rows.filter(Q(name__icontains=filters.text) | Q(tag__icontains=filters.text) | Q(global_id=filters.text))
    if filters.has:
        rows = rows.filter(Q(facts__has_key=filters.has) | Q(around__has_key=filters.has))
    if filters.missing:
        rows = rows.exclude(Q(facts__has_key=filters.missing) | Q(around__has_key=filters.missing))
    return rows.order_by("ifc_class", "name", "global_id")


def element(tenant: Tenant, held: Building, global_id: str) -> Element:
    """Raises ElementNotFound."""
    row = elements.at(tenant, held).filter(global_id=global_id).first()
    if row is None:
        raise ElementNotFound(building=str(held.pk), global_id=global_id[:60])
    return row


def space_names(tenant: Tenant, held: Building) -> list[tuple[str, str]]:
    """(global id, long name or name) of every space."""
    rows = elements.at(tenant, held).filter(ifc_class=SPACE).order_by("name").values_list("global_id", "name", "properties")
    return [(global_id, str(properties.get("Attributes.LongName") or name)) for global_id, name, properties in rows]


def document(held: Building, rows: QuerySet[Element], write: Any) -> Iterator[str]:
    """The model as neutral JSON, a line for each element. `write` gives the document of an element."""
    import json

    yield f'{{"format": "{FORMAT}", "schema": "", "application": "mcp-platform", "elements": [\n'
    first = True
    for row in rows.order_by("global_id").iterator(chunk_size=elements.CHUNK):
        yield ("" if first else ",\n") + json.dumps(write(elements.core_element(row)), ensure_ascii=False)
        first = False
    yield "\n]}\n"


def changes(tenant: Tenant, held: Building, before: int, after: int) -> Iterator[dict[str, Any]]:
    """What differs between two sequence numbers (before < after), element by element: {global_id, ifc_class, name, change, fields}."""
    mine = Element.objects.for_tenant(tenant).filter(building=held)
    moved = mine.filter(Q(valid_from_seq__gt=before, valid_from_seq__lte=after) | Q(valid_to_seq__gt=before, valid_to_seq__lte=after))
    ids = sorted(set(moved.values_list("global_id", flat=True)))
    for start in range(0, len(ids), elements.CHUNK):
        some = ids[start : start + elements.CHUNK]
        old = {row.global_id: row for row in elements.at(tenant, held, before).filter(global_id__in=some)}
        new = {row.global_id: row for row in elements.at(tenant, held, after).filter(global_id__in=some)}
        for global_id in some:
            change = _change(old.get(global_id), new.get(global_id))
            if change:
                yield change


def _change(old: Element | None, new: Element | None) -> dict[str, Any] | None:
    row = new or old
    if row is None:
        return None
    about = {"global_id": row.global_id, "ifc_class": row.ifc_class, "name": row.name, "storey": row.storey}
    if old is None or new is None:
        return {**about, "change": "removed" if new is None else "added", "fields": {}}
    one, other = elements.core_element(old), elements.core_element(new)
    names = sorted(delta.changed(one, other))
    return {**about, "change": "changed", "fields": _fields(one, other, names[:MOST_FIELDS]), "field_count": len(names)} if names else None


def _fields(one: core.Element, other: core.Element, names: list[str]) -> Mapping[str, Any]:
    return {name: {"before": delta.value_of(one, name), "after": delta.value_of(other, name)} for name in names}
