"""Facts that people state of elements ("fill these three facts"): changes like any other, made through the live protocol's own service."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from mcp_platform import errors
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from validation.core.facts import FactDefinition
from validation.core.readings import READERS
from validation.models import Building, ChangeBatch
from validation.queries import elements
from validation.queries import facts as fact_rows
from validation.services import live

CLIENT: Final = "people"
MOST: Final = 20_000  # elements in one request


class FactsRefused(errors.Invalid):
    """These facts cannot be stated; `errors` lists every fault with its path."""

    code = "FACTS_REFUSED"


def state_facts(tenant: Tenant, *, building_id: UUID, global_ids: Iterable[str], facts: Mapping[str, Any], by: Principal) -> int:
    """Each fact of each element; None takes back what was stated. The model's sequence number afterwards. Raises FactsRefused, BuildingNotFound."""
    by.require("validation:write")
    wanted = list(dict.fromkeys(global_ids))
    with transaction.atomic():
        building = live.locked(tenant, building_id)
        _refuse(building, wanted, facts)
        seq = building.head_seq
        number = _last_number(building)
        for start in range(0, len(wanted), live.MAX_OPS):
            number += 1
            ops = [_op(global_id, facts) for global_id in wanted[start : start + live.MAX_OPS]]
            seq = live.apply_changes(tenant, building_id=building_id, client_id=CLIENT, client_seq=number, base_seq=seq, ops=ops, by=by).seq
    return seq


def of_class(building: Building, ifc_class: str, *, storey: str = "", without: Iterable[str] = ()) -> list[str]:
    """Global ids of the class's elements. `without`: only those of which at least one of these facts is not known."""
    rows = elements.at(building.tenant, building).filter(ifc_class=ifc_class)
    rows = rows.filter(storey=storey) if storey else rows
    names = list(without)
    if not names:
        return list(rows.values_list("global_id", flat=True)[: MOST + 1])
    return [key for key, facts in rows.values_list("global_id", "facts").iterator() if any(name not in facts for name in names)]


def _op(global_id: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    given = {f"facts.{name}": value for name, value in facts.items() if value is not None}
    return {"op": "upsert", "global_id": global_id, "set": given, "unset": [f"facts.{name}" for name, value in facts.items() if value is None]}


def _last_number(building: Building) -> int:
    mine = ChangeBatch.objects.for_tenant(building.tenant_id).filter(building=building, client_id=CLIENT)
    return int(mine.aggregate(most=Max("client_seq"))["most"] or 0)


def _refuse(building: Building, wanted: list[str], facts: Mapping[str, Any]) -> None:
    classes = dict(elements.at(building.tenant, building).filter(global_id__in=wanted).values_list("global_id", "ifc_class"))
    faults = [_fault(f"$.elements[{index}]", "is not in the model", "a global id") for index, one in enumerate(wanted) if one not in classes]
    if not wanted or len(wanted) > MOST:
        faults.append(_fault("$.elements", f"names {len(wanted)} elements", f"1 to {MOST:,}"))
    if not facts:
        faults.append(_fault("$.facts", "is empty", "at least one fact"))
    known = fact_rows.definitions(building)
    for ifc_class in sorted(set(classes.values())):
        for name, value in facts.items():
            faults += _value_faults(name, value, known.of(ifc_class).get(name), ifc_class, known.of(ifc_class))
    if faults:
        raise FactsRefused(errors=faults[:100])


def _value_faults(name: str, value: Any, definition: FactDefinition | None, ifc_class: str, all_of: Mapping[str, Any]) -> list[dict[str, str]]:
    path = f"$.facts.{name[:63]}"
    if definition is None:
        return [_fault(path, f"is no fact of {ifc_class}", ", ".join(sorted(all_of)) or "none is known for this class")]
    if value is not None and READERS[definition.type](value, definition.unit) is None:
        return [_fault(path, "is no such value", f"{definition.type}{f' in {definition.unit}' if definition.unit else ''}, or null to take it back")]
    return []


def _fault(path: str, message: str, expected: str) -> dict[str, str]:
    return {"path": path, "code": "invalid", "message": message, "expected": expected}
