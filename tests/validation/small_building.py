"""A building of two storeys for the oracle: rooms along a corridor, doors, a stair, walls; and rules that read all of it."""

from typing import Any

from tests.validation.rules import exception, rule
from validation.core import vocabulary
from validation.core.building import Box, Element, Fact, Facts
from validation.core.facts import definitions
from validation.core.rulebook import Rulebook
from validation.core.rules import Kind, Rule

GROUND, UPPER = "storey 0", "storey 1"
STOREYS = {GROUND: 0.0, UPPER: 3.0}
KNOWN = definitions()


def outline(box: Box) -> tuple[tuple[float, float], ...]:
    return ((box[0], box[1]), (box[3], box[1]), (box[3], box[4]), (box[0], box[4]))


def element(name: str, ifc_class: str, storey: str, box: Box | None = None, **more: Any) -> Element:
    return Element(global_id=name, ifc_class=ifc_class, name=name, storey=storey, box=box, footprint=outline(box) if box else None, **more)


def space(storey: str, name: str, x: float, y: float, width: float, depth: float, **given: Any) -> Element:
    z = STOREYS[storey]
    return element(f"{name} {storey[-1]}", "IfcSpace", storey, (x, y, z, x + width, y + depth, z + 2.8), given=given)


def door(storey: str, name: str, x: float, y: float, *sides: str, width: float = 0.95, **given: Any) -> Element:
    z, named = STOREYS[storey], tuple(f"{side} {storey[-1]}" if side else "" for side in sides)
    more = {"connects": named, "properties": {"Attributes.OverallWidth": width, "Attributes.OverallHeight": 2.1}, "given": given}
    return element(f"{name} {storey[-1]}", "IfcDoor", storey, (x, y - 0.1, z, x + width, y + 0.1, z + 2.1), **more)


def storey(name: str) -> Element:
    return element(name, "IfcBuildingStorey", name, properties={"Attributes.Elevation": STOREYS[name]})


def elements() -> tuple[Element, ...]:
    found = [element("house", "IfcBuilding", ""), *map(storey, STOREYS)]
    for level in STOREYS:
        found += [
            space(level, "corridor", 0, 0, 12, 2, function="corridor"),
            space(level, "office", 0, 2, 6, 5, function="business"),
            space(level, "hall", 6, 2, 6, 5, function="assembly_chairs"),
            door(level, "office door", 2, 2, "office", "corridor"),
            door(level, "hall door", 8, 2, "hall", "corridor", width=0.85),
        ]
    wall = element("wall", "IfcWallStandardCase", GROUND, (0, 1.9, 0, 12, 2.1, 2.8), properties={"Pset_WallCommon.FireRating": "EI 30"})
    stair = element("stair", "IfcStair", GROUND, (10, 0, 0, 12, 2, 3), connects=(GROUND, UPPER), given={"clear_width": 1.1, "riser_height": 0.17})
    zone = element("zone", "IfcZone", "", connects=("office 0", "hall 0"))
    return (*found, door(GROUND, "exit", 0.5, 0, "corridor", "", width=1.1), wall, stair, zone)


def situation(**facts: Any) -> Facts:
    given = {"occupancy": "B", "sprinklered_nfpa13": False, "existing": False, **facts}
    return {name: Fact(value=value, source="project") for name, value in given.items() if value is not None}


def ruled(key: str, ifc_class: str, require: str, **more: Any) -> Rule:
    return rule(require, key=key, title=key, applies_to=(ifc_class,), **more)


RULES = (
    ruled("WIDTH", "IfcDoor", "e.clear_width >= (b.existing ? p.old : p.new)", params={"old": 0.71, "new": 0.81}),
    ruled("CAPACITY", "IfcDoor", "e.clear_width >= e.occupant_load_served * p.each", when="e.is_egress", params={"each": (0.00508, "m/person")}),
    ruled("BUSY", "IfcDoor", "st.occupant_load <= 30 || e.clear_width >= 0.9", message="{name} on {st.elevation}: {actual}"),
    ruled("TRAVEL", "IfcSpace", "e.travel_distance <= (b.sprinklered_nfpa13 ? p.wet : p.dry)", params={"wet": 14.0, "dry": 9.0}),
    ruled("ONE-DOOR", "IfcSpace", "e.occupant_load <= 20", when="e.egress_door_count == 1", exemptions=(exception("b.sprinklered_nfpa13", "ex. 1"),)),
    ruled("LOAD", "IfcSpace", "e.declared_occupants == null || e.declared_occupants >= e.occupant_load"),
    ruled("EXITS", "IfcBuildingStorey", "st.exit_count >= st.exits_required"),
    ruled("FLOOR", "IfcBuildingStorey", "e.occupant_load <= 60 && b.occupant_load <= 110"),
    ruled("HOUSE", "IfcBuilding", "b.occupant_load <= 100", when="b.occupancy == 'B'"),
    ruled("WALL", "IfcWall", "b.sprinklered_nfpa13 || e.fire_rating_min >= 60.0", when="e.bounds_corridor"),
    ruled("STAIR", "IfcStair", "e.clear_width >= e.occupant_load_served * 0.0076", kind=Kind.PYTHON, check="egress_capacity"),
    ruled("AREA", "IfcZone", "e.fire_area <= 50.0"),
    ruled("NAMED", "IfcElement", "b.storeys_above == null || b.storeys_above <= 3"),
)


def book(*rules: Rule) -> Rulebook:
    return Rulebook(rules=rules or RULES, units=vocabulary.units_of(KNOWN), around=vocabulary.around_of(KNOWN))
