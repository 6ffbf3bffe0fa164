"""A small building that plugins work on: rules that read an element alone, its surroundings, its storey and the building."""

from collections.abc import Mapping
from typing import Any

from mcp_platform.operations import services as operations
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.queries import principal_of_user
from mcp_platform.tenancy.scope import Principal
from tests import factories
from validation import tasks
from validation.models import Building, Finding, FindingsDiff, ValidationRun
from validation.services import checking, live, rechecking

REGISTERED = (tasks,)  # importing them registers the operation

GROUND, UPPER = "storey-0", "storey-1"


def rule(key: str, applies_to: str, require: str, **more: Any) -> dict[str, Any]:
    return {
        **factories.DOOR_WIDTH, "key": key, "title": key, "applies_to": [applies_to], "require": require, "message": "", "examples": [], "params": {},
        "severity": "major", **more,
    }  # fmt: skip


RULES = (
    factories.DOOR_WIDTH,
    rule("FIRE-RATING", "IfcDoor", "e.fire_rating >= 30", when="e.is_external != true", category="fire"),
    rule("SPACE-LOAD", "IfcSpace", "e.occupant_load <= 60", severity="minor"),
    rule("STOREY-LOAD", "IfcBuildingStorey", "e.occupant_load <= 80"),
    rule("DOOR-ON-BUSY-STOREY", "IfcDoor", "st.occupant_load <= 50 || e.clear_width >= 0.9", severity="minor"),
    rule("DOOR-OF-BIG-BUILDING", "IfcDoor", "b.occupant_load <= 100 || e.clear_width >= 1.0", severity="info"),
    rule("SPACE-WAYS", "IfcSpace", "e.occupant_load <= 50 || e.egress_door_count >= 2", severity="critical"),
)


def person(tenant: Tenant, role: str = Role.OWNER) -> Principal:
    return principal_of_user(factories.member(tenant, role), tenant)


def building(tenant: Tenant, *rules: Mapping[str, Any]) -> Building:
    return factories.checked_building(tenant, *(rules or RULES))


def door(mark: str, width: float = 1.0, *, storey: str = GROUND, spaces: tuple[str, ...] = (), at: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "op": "upsert",
        "global_id": mark,
        "ifc_class": "IfcDoor",
        "set": {
            "name": f"Door {mark}", "storey": storey, "properties.Attributes.OverallWidth": width, "connects": list(spaces),
            "box": [at, -0.1, 0.0, at + width, 0.1, 2.1], **more,
        },
    }  # fmt: skip


def space(mark: str, area: float = 40.0, *, storey: str = GROUND, at: float = 0.0, **more: Any) -> dict[str, Any]:
    depth = 8.0
    width = area / depth
    return {
        "op": "upsert",
        "global_id": mark,
        "ifc_class": "IfcSpace",
        "set": {
            "name": f"Office {mark}", "storey": storey, "facts.function": "business", "quantities.Qto_SpaceBaseQuantities.NetFloorArea": area,
            "footprint": [[at, 0.0], [at + width, 0.0], [at + width, depth], [at, depth]], "box": [at, 0.0, 0.0, at + width, depth, 3.0], **more,
        },
    }  # fmt: skip


def storey(mark: str, elevation: float) -> dict[str, Any]:
    fields = {"name": mark, "storey": mark, "properties.Attributes.Elevation": elevation}
    return {"op": "upsert", "global_id": mark, "ifc_class": "IfcBuildingStorey", "set": fields}


HOUSE = {"op": "upsert", "global_id": "house", "ifc_class": "IfcBuilding", "set": {"name": "House"}}
FRAME = [HOUSE, storey(GROUND, 0.0), storey(UPPER, 3.2)]


def width(mark: str, metres: float) -> dict[str, Any]:
    return {"op": "upsert", "global_id": mark, "set": {"properties.Attributes.OverallWidth": metres}}


def delete(mark: str) -> dict[str, Any]:
    return {"op": "delete", "global_id": mark}


class Plugin:
    """A client that numbers its batches and knows the model up to its last ack."""

    def __init__(self, building: Building, by: Principal, client_id: str = "plugin-1") -> None:
        self.building, self.by, self.client_id = building, by, client_id
        self.client_seq = self.seq = 0

    def send(self, *ops: Any, base: int | None = None) -> live.Applied:
        self.client_seq += 1
        applied = self.again(*ops, base=base)
        self.seq = applied.seq
        return applied

    def again(self, *ops: Any, base: int | None = None) -> live.Applied:
        """The last number once more."""
        return live.apply_changes(
            self.building.tenant, building_id=self.building.pk, client_id=self.client_id, client_seq=self.client_seq,
            base_seq=self.seq if base is None else base, ops=list(ops), by=self.by,
        )  # fmt: skip


def settle(building: Building) -> None:
    """What the jobs do: recheck until nothing is dirty."""
    for _ in range(5):
        building.refresh_from_db()
        if not building.dirty_storeys:
            return
        rechecking.recheck(building.tenant, building_id=building.pk, patience=0)
        for run in ValidationRun.objects.filter(building=building, state="queued"):
            work(run)


def full(building: Building, by: Principal | str = "system:test") -> Any:
    """A full check, at once."""
    run = checking.start(building.tenant, building_id=building.pk, by=by)
    return work(run)


def work(run: ValidationRun) -> ValidationRun:
    """What the operation's worker does."""
    assert run.operation_id is not None
    operations.run(run.tenant, operation_id=run.operation_id, attempt=0)
    run.refresh_from_db()
    return run


def there(building: Building) -> dict[tuple[str, str], str]:
    """(rule, subject) -> outcome of the findings that are there now."""
    rows = Finding.objects.for_tenant(building.tenant).filter(building=building, resolved_seq=None)
    return {(row.rule_key, row.subject): row.outcome for row in rows}


def diffs(building: Building) -> list[FindingsDiff]:
    return list(FindingsDiff.objects.for_tenant(building.tenant).filter(building=building).order_by("number"))
