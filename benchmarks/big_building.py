"""Buildings of any size for the benchmark: neutral JSON for the live part, an IFC file of so many megabytes for full checks.

Every storey is alike and has the size of a real one, whatever the size of the building: more elements are more storeys.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PER_STOREY = 500  # elements: a storey, 40 spaces, 120 doors, the rest walls
SPACES, DOORS = 40, 120
HEIGHT = 3.2
RULES = 100


def rules() -> list[dict[str, Any]]:
    """A hundred rules as rows of a version: three of four read the element alone, the others its surroundings, its storey and the building."""
    return [_rule(number, *_KINDS[number % len(_KINDS)]) for number in range(RULES)]


_KINDS: tuple[tuple[str, str, str], ...] = (
    ("IfcDoor", "e.clear_width >= p.min", "egress"),
    ("IfcDoor", "e.fire_rating_min >= p.min * 30.0", "fire"),
    ("IfcWall", "e.fire_rating_min >= p.min * 20.0", "fire"),
    ("IfcDoor", "e.clear_width >= p.min || e.is_external == true", "egress"),
    ("IfcSpace", "e.net_area >= p.min * 10.0", "accessibility"),
    ("IfcWall", "e.is_external == true || e.fire_rating_min >= p.min * 10.0", "fire"),
    ("IfcDoor", "e.clear_width <= 2.0 + p.min", "accessibility"),
    ("IfcSpace", "e.occupant_load <= 20.0 + p.min", "egress"),
    ("IfcDoor", "st.occupant_load <= 100.0 || e.clear_width >= p.min", "egress"),
    ("IfcBuildingStorey", "e.occupant_load <= 400.0 + p.min", "egress"),
)


def _rule(number: int, applies_to: str, require: str, category: str) -> dict[str, Any]:
    return {
        "key": f"BENCH-{number:03d}",
        "title": f"Rule {number}",
        "applies_to": [applies_to],
        "when": "true",
        "require": require,
        "message": "",
        "params": {"min": {"value": 0.5 + number / 1000, "unit": "1"}},
        "severity": ("critical", "major", "minor")[number % 3],
        "category": category,
        "section": str(number),
        "paraphrase": "Made for a benchmark.",
        "examples": [],
    }


def elements(count: int) -> Iterator[dict[str, Any]]:
    """Neutral elements; doors are named d-<n>."""
    yield {"global_id": "building", "ifc_class": "IfcBuilding", "name": "Benchmark"}
    made, storey = 1, 0
    while made < count:
        for one in _storey(storey, min(PER_STOREY, count - made)):
            made += 1
            yield one
        storey += 1


def _storey(number: int, size: int) -> Iterator[dict[str, Any]]:
    mark, z = f"s-{number}", number * HEIGHT
    yield {"global_id": mark, "ifc_class": "IfcBuildingStorey", "name": f"Level {number}", "storey": mark, "properties": {"Attributes.Elevation": z}}
    for place in range(1, size):
        yield _space(number, place - 1, mark, z) if place <= SPACES else _door_or_wall(number, place - 1 - SPACES, mark, z)


def _space(number: int, place: int, storey: str, z: float) -> dict[str, Any]:
    x, y = (place % 20) * 5.0, (place // 20) * 8.0
    ring = [[x, y], [x + 5, y], [x + 5, y + 7], [x, y + 7]]
    return {
        "global_id": f"r-{number}-{place}", "ifc_class": "IfcSpace", "name": f"Office {number}.{place}", "storey": storey, "footprint": ring,
        "box": [x, y, z, x + 5, y + 7, z + 3], "quantities": {"Qto_SpaceBaseQuantities.NetFloorArea": 35.0}, "facts": {"function": "business"},
    }  # fmt: skip


def _door_or_wall(number: int, place: int, storey: str, z: float) -> dict[str, Any]:
    room = place % SPACES
    x, y = (room % 20) * 5.0, (room // 20) * 8.0
    if place < DOORS:
        beyond = "" if place >= SPACES else f"r-{number}-{(room + 1) % SPACES}"
        return {
            "global_id": f"d-{number * DOORS + place}", "ifc_class": "IfcDoor", "name": f"Door {number}.{place}", "storey": storey,
            "connects": [f"r-{number}-{room}", beyond], "box": [x + 1, y - 0.1, z, x + 2, y + 0.1, z + 2.1],
            "properties": {"Attributes.OverallWidth": 1.0, "Attributes.OverallHeight": 2.1, "Pset_DoorCommon.FireRating": "30"},
        }  # fmt: skip
    return {
        "global_id": f"w-{number}-{place}", "ifc_class": "IfcWall", "name": f"Wall {number}.{place}", "storey": storey,
        "box": [x, y - 0.1, z, x + 5, y + 0.1, z + 3],
        "properties": {"Pset_WallCommon.FireRating": "60", "Pset_WallCommon.IsExternal": place % 9 == 0},
    }  # fmt: skip


def write_json(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write('{"format": "mcp-building/1", "elements": [')
        for number, one in enumerate(elements(count)):
            out.write(("," if number else "") + json.dumps(one, separators=(",", ":")))
        out.write("]}")


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"
_HEAD = """ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('ViewDefinition [ReferenceView]'),'2;1');
FILE_NAME('benchmark.ifc','2026-01-01T00:00:00',('benchmark'),('benchmark'),'benchmark','benchmark','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
"""


_UNITS = (("LENGTHUNIT", "METRE"), ("AREAUNIT", "SQUARE_METRE"), ("VOLUMEUNIT", "CUBIC_METRE"))


class _Ifc:
    """Writes statements and hands out their numbers."""

    def __init__(self, path: Path) -> None:
        self._out = path.open("w", encoding="ascii")
        self._out.write(_HEAD)
        self.number = self._guid = 0

    def put(self, text: str) -> str:
        self.number += 1
        self._out.write(f"#{self.number}={text};\n")
        return f"#{self.number}"

    def guid(self) -> str:
        self._guid += 1
        value, text = self._guid, ""
        for _ in range(22):
            value, digit = divmod(value, 64)
            text = _DIGITS[digit] + text
        return text

    def size(self) -> int:
        return self._out.tell()

    def close(self) -> None:
        self._out.write("ENDSEC;\nEND-ISO-10303-21;\n")
        self._out.close()


def write_ifc(path: Path, megabytes: float) -> int:
    """An IFC4 file of at least this size: storeys with offices, doors and walls, each with a box and property sets. Gives the number of elements."""
    ifc = _Ifc(path)
    origin, up, along = ifc.put("IFCCARTESIANPOINT((0.,0.,0.))"), ifc.put("IFCDIRECTION((0.,0.,1.))"), ifc.put("IFCDIRECTION((1.,0.,0.))")
    axes = ifc.put(f"IFCAXIS2PLACEMENT3D({origin},{up},{along})")
    context = ifc.put(f"IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-05,{axes},$)")
    units = [
        ifc.put(f"IFCSIUNIT(*,.{kind}.,$,.{name}.)")
        for kind, name in (("LENGTHUNIT", "METRE"), ("AREAUNIT", "SQUARE_METRE"), ("VOLUMEUNIT", "CUBIC_METRE"))
    ]
    unit = ifc.put(f"IFCUNITASSIGNMENT(({','.join(units)}))")
    project = ifc.put(f"IFCPROJECT('{ifc.guid()}',$,'Benchmark',$,$,$,$,({context}),{unit})")
    place = ifc.put(f"IFCLOCALPLACEMENT($,{axes})")
    building = ifc.put(f"IFCBUILDING('{ifc.guid()}',$,'Benchmark',$,$,{place},$,$,.ELEMENT.,$,$,$)")
    ifc.put(f"IFCRELAGGREGATES('{ifc.guid()}',$,$,$,{project},({building}))")
    storeys: list[str] = []
    count = 1
    while ifc.size() < megabytes * 1_000_000:
        storeys.append(_ifc_storey(ifc, len(storeys), context, place, along, up))
        count += PER_STOREY
    ifc.put(f"IFCRELAGGREGATES('{ifc.guid()}',$,$,$,{building},({','.join(storeys)}))")
    ifc.close()
    return count


_FALSE = "IFCBOOLEAN(.F.)"
# kind -> length, depth and height of its box; what follows placement and shape; its property set
_IFC: dict[str, tuple[tuple[float, float, float], str, str, dict[str, str]]] = {
    "SPACE": ((5.0, 7.0, 3.0), "'Office',.ELEMENT.,.SPACE.,$", "Pset_SpaceCommon", {"IsExternal": _FALSE, "Category": "IFCLABEL('Office')"}),
    "DOOR": ((1.0, 0.1, 2.1), "'T',2.1,{width:.2f},.DOOR.,$,$", "Pset_DoorCommon", {"FireRating": "IFCLABEL('30')", "IsExternal": _FALSE}),
    "WALL": ((5.0, 0.2, 3.0), "'T',.STANDARD.", "Pset_WallCommon", {"FireRating": "IFCLABEL('60')", "LoadBearing": _FALSE, "IsExternal": _FALSE}),
}


def _ifc_storey(ifc: _Ifc, number: int, context: str, place: str, along: str, up: str) -> str:
    z = number * HEIGHT
    here = _placement(ifc, place, 0.0, 0.0, z)
    storey = ifc.put(f"IFCBUILDINGSTOREY('{ifc.guid()}',$,'Level {number}',$,$,{here},$,$,.ELEMENT.,{z:.3f})")
    spaces: list[str] = []
    rest: list[str] = []
    for index in range(PER_STOREY - 1):
        room = index % SPACES
        kind = "SPACE" if index < SPACES else "DOOR" if index < SPACES + DOORS else "WALL"
        size, ending, group, values = _IFC[kind]
        shape = _box(ifc, context, along, up, *size)
        spot = _placement(ifc, here, (room % 20) * 5.0 + 2.5, (room // 20) * 8.0 + (3.5 if kind == "SPACE" else 0.0), 0.0)
        ending = ending.format(width=0.8 + index % 5 / 10)
        one = ifc.put(f"IFC{kind}('{ifc.guid()}',$,'{kind.title()} {number}.{index}',$,$,{spot},{shape},{ending})")
        _properties(ifc, one, group, values)
        (spaces if kind == "SPACE" else rest).append(one)
    ifc.put(f"IFCRELAGGREGATES('{ifc.guid()}',$,$,$,{storey},({','.join(spaces)}))")
    ifc.put(f"IFCRELCONTAINEDINSPATIALSTRUCTURE('{ifc.guid()}',$,$,$,({','.join(rest)}),{storey})")
    return storey


def _placement(ifc: _Ifc, parent: str, x: float, y: float, z: float) -> str:
    point = ifc.put(f"IFCCARTESIANPOINT(({x:.3f},{y:.3f},{z:.3f}))")
    axes = ifc.put(f"IFCAXIS2PLACEMENT3D({point},$,$)")
    return ifc.put(f"IFCLOCALPLACEMENT({parent},{axes})")


def _box(ifc: _Ifc, context: str, along: str, up: str, length: float, depth: float, height: float) -> str:
    centre = ifc.put("IFCCARTESIANPOINT((0.,0.))")
    flat = ifc.put(f"IFCAXIS2PLACEMENT2D({centre},$)")
    profile = ifc.put(f"IFCRECTANGLEPROFILEDEF(.AREA.,$,{flat},{length:.3f},{depth:.3f})")
    origin = ifc.put("IFCCARTESIANPOINT((0.,0.,0.))")
    axes = ifc.put(f"IFCAXIS2PLACEMENT3D({origin},{up},{along})")
    solid = ifc.put(f"IFCEXTRUDEDAREASOLID({profile},{axes},{up},{height:.3f})")
    body = ifc.put(f"IFCSHAPEREPRESENTATION({context},'Body','SweptSolid',({solid}))")
    return ifc.put(f"IFCPRODUCTDEFINITIONSHAPE($,$,({body}))")


def _properties(ifc: _Ifc, element: str, name: str, values: dict[str, str]) -> None:
    made = [ifc.put(f"IFCPROPERTYSINGLEVALUE('{key}',$,{value},$)") for key, value in values.items()]
    group = ifc.put(f"IFCPROPERTYSET('{ifc.guid()}',$,'{name}',$,({','.join(made)}))")
    ifc.put(f"IFCRELDEFINESBYPROPERTIES('{ifc.guid()}',$,$,$,({element}),{group})")
