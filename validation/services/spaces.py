"""Which function each space has: most models do not say, and without it no occupant load is known. Names are mapped once for a building."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from validation.core import functions
from validation.core.building import SPACE
from validation.core.score import Status
from validation.models import Building, ChangeBatch, Element
from validation.queries import elements, revisions
from validation.queries import facts as fact_rows
from validation.services import ground, live, projects

CLIENT: Final = "functions"


def names(tenant: Tenant, building_id: UUID) -> list[dict[str, Any]]:
    """Every name of a space with its function: {name, spaces, function, mapped, confidence, why, others}. Those that want a decision first."""
    building = revisions.building(tenant, building_id)
    every = [name for _, name in revisions.space_names(tenant, building)]
    proposed = {one.name: one for one in functions.suggest(every, building.function_map)}
    made = [{**one._asdict(), "mapped": False, "others": list(one.others)} for one in proposed.values()]
    for name in sorted({name.strip() for name in every if name.strip()} - set(proposed)):
        mapped = functions.function_of((name,), building.function_map)
        made.append(
            {
                "name": name,
                "spaces": sum(one.strip() == name for one in every),
                "function": mapped.function if mapped else "",
                "confidence": 1.0,
                "why": "mapped",
                "others": [],
                "mapped": True,
            }
        )
    return made


def map_functions(tenant: Tenant, *, building_id: UUID, function_map: Mapping[str, str], by: Principal) -> int:
    """Keep the map, find the facts of all spaces again, and check anew. How many spaces know more or something else now. Raises FieldsRefused."""
    from validation.services import checking

    with transaction.atomic():
        projects.save_building(tenant, pk=building_id, fields={"function_map": dict(function_map)}, by=by)
        changed = refresh_facts(tenant, building_id=building_id, ifc_class=SPACE, actor=by.actor)
        if changed:
            checking.start(tenant, building_id=building_id, by=by)
    return changed


def refresh_facts(tenant: Tenant, *, building_id: UUID, ifc_class: str, actor: str) -> int:
    """Own facts of the class's elements, found again: those that differ get a new state."""
    with transaction.atomic():
        building = live.locked(tenant, building_id)
        definitions = fact_rows.definitions(building)
        seq, ended, opened = building.head_seq + 1, [], []
        for row in elements.at(tenant, building).filter(ifc_class=ifc_class).iterator(chunk_size=elements.CHUNK):
            facts = ground.derive(row, definitions)
            if facts != row.facts:
                ended.append(row.pk)
                row.pk, row.valid_from_seq, row.facts = None, seq, facts
                opened.append(row)
        if opened:
            _write(building, ended, opened, seq, actor)
    return len(opened)


def _write(building: Building, ended: list[int], opened: list[Element], seq: int, actor: str) -> None:
    for start in range(0, len(ended), 500):
        Element.objects.for_tenant(building.tenant_id).filter(pk__in=ended[start : start + 500]).update(valid_to_seq=seq)
    Element.objects.bulk_create(opened, batch_size=500)
    ChangeBatch.objects.create(
        tenant_id=building.tenant_id, building=building, seq=seq, client_id=CLIENT, client_seq=seq, base_seq=seq - 1, sha256="", actor=actor
    )
    building.head_seq, building.dirty_storeys = seq, [live.EVERYTHING]
    building.status = Status.INDETERMINATE.value
    building.save(update_fields=("head_seq", "dirty_storeys", "status", "updated_at"))
