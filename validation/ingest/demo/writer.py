"""The demo building as an IFC4 file, made with ifcopenshell.api: real solids, millimetres, property sets on elements and types, space boundaries.

The same arguments give the same bytes: GlobalIds are made of names, sets are sorted, the header's time is fixed.
"""

import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

from validation.ingest.demo import parts
from validation.ingest.demo.layout import CEILING, STOREY_HEIGHT, Door, Layout, Room, Wall, layout
from validation.ingest.demo.planted import global_id
from validation.ingest.demo.sheet import Sheet

WRITTEN_AT: Final = "2026-01-01T00:00:00"


def write(*, seed: int = 1, without: Collection[str] = ()) -> bytes:
    """The file. `without`: keys of violations that are corrected in this variant."""
    sheet = Sheet(seed)
    made = layout(seed, without)
    _structure(sheet)
    _types(sheet)
    _rooms(sheet, made.rooms)
    _walls(sheet, made.walls)
    _doors(sheet, made.doors)
    _windows(sheet, made)
    parts.floors(sheet)
    parts.stairs(sheet, without)
    parts.ramp(sheet, without)
    parts.guards(sheet, without)
    parts.toilets(sheet, made.rooms, without)
    parts.desks(sheet, made.rooms)
    _zones(sheet, made.rooms)
    _boundaries(sheet, made)
    sheet.contain()
    return _bytes(sheet, without)


def _structure(sheet: Sheet) -> None:
    site = sheet.root("IfcSite", "Demo site")
    building = sheet.root("IfcBuilding", "Demo office building")
    storeys = [sheet.root("IfcBuildingStorey", name) for name in ("Ground floor", "First floor")]
    for element in (site, building):
        sheet.place(element, (0.0, 0.0, 0.0))
    for number, storey in enumerate(storeys):
        storey.Elevation = sheet.length(number * STOREY_HEIGHT)
        sheet.place(storey, (0.0, 0.0, number * STOREY_HEIGHT))
        sheet.storeys.append(storey)
    sheet.part_of(sheet.project, [site])
    sheet.part_of(site, [building])
    sheet.part_of(building, storeys)
    sheet.pset(
        building, "Pset_BuildingCommon", {"OccupancyType": "B", "NumberOfStoreys": 2, "SprinklerProtection": False, "YearOfConstruction": "2026"}
    )


def _types(sheet: Sheet) -> None:
    for name, rating in (("Door type room", ""), ("Door type exit", "EI 30")):
        made = sheet.root("IfcDoorType", name, predefined="DOOR")
        made.OperationType = "SINGLE_SWING_LEFT"
        sheet.pset(made, "Pset_DoorCommon", {"FireRating": rating} if rating else {"Reference": "D1"})
    made = sheet.root("IfcWallType", "Wall type partition", predefined="PARTITIONING")
    sheet.pset(made, "Pset_WallCommon", {"LoadBearing": False, "AcousticRating": "42 dB"})


def _rooms(sheet: Sheet, rooms: list[Room]) -> None:
    for room in rooms:
        x0, y0, x1, y1 = room.rect
        space = sheet.root("IfcSpace", room.name, predefined="INTERNAL")
        space.LongName, space.CompositionType = room.long_name, "ELEMENT"
        sheet.box(space, room.storey, (x0, y0, 0.0, x1, y1, room.ceiling), role="space")
        area, around = (x1 - x0) * (y1 - y0), 2 * (x1 - x0 + y1 - y0)
        sheet.quantities(
            space,
            "Qto_SpaceBaseQuantities",
            {"NetFloorArea": area, "GrossFloorArea": area, "NetVolume": area * room.ceiling},
            {"FinishCeilingHeight": room.ceiling, "NetPerimeter": around},
        )
        sheet.pset(space, "Pset_SpaceCommon", {"Reference": room.slot, "HandicapAccessible": "ccessible" in room.long_name})
        if room.declared is not None:
            sheet.pset(space, "Pset_SpaceOccupancyRequirements", {"OccupancyType": "A-3", "OccupancyNumber": room.declared})
        sheet.spaces[room.name] = space
    for number in (0, 1):
        sheet.part_of(sheet.storeys[number], [sheet.spaces[room.name] for room in rooms if room.storey == number])


def _walls(sheet: Sheet, walls: list[Wall]) -> None:
    partitions = []
    for wall in walls:
        x0, y0, x1, y1 = wall.rect
        made = sheet.root("IfcWall", wall.name, predefined="SOLIDWALL" if wall.external else "PARTITIONING")
        sheet.box(made, wall.storey, (x0, y0, 0.0, x1, y1, STOREY_HEIGHT - 0.3))
        sheet.pset(made, "Pset_WallCommon", {"IsExternal": wall.external} | ({"FireRating": wall.rating} if wall.rating else {}))
        sheet.hold(wall.storey, made)
        sheet.walls[wall.name] = made
        partitions += [] if wall.external else [made]
    sheet.typed(partitions, "Wall type partition")


def _doors(sheet: Sheet, doors: list[Door]) -> None:
    for door in doors:
        made = sheet.root("IfcDoor", door.name, predefined="DOOR")
        made.OverallWidth, made.OverallHeight = sheet.length(door.width), sheet.length(door.height)
        made.OperationType = "DOUBLE_DOOR_SINGLE_SWING" if door.width > 1.2 else "SINGLE_SWING_LEFT"
        sheet.fill(made, sheet.walls[door.wall], door.storey, (*door.at, 0.0), along=door.along, width=door.width, height=door.height)
        given = {"IsExternal": door.external, "FireExit": door.fire_exit}
        sheet.pset(made, "Pset_DoorCommon", given | ({"HandicapAccessible": True} if door.accessible else {}))
        sheet.hold(door.storey, made)
        sheet.doors[door.name] = made
    exits = {door.name for door in doors if door.fire_exit}
    sheet.typed([made for name, made in sheet.doors.items() if name in exits], "Door type exit")
    sheet.typed([made for name, made in sheet.doors.items() if name not in exits], "Door type room")


def _windows(sheet: Sheet, made: Layout) -> None:
    for window in made.windows:
        element = sheet.root("IfcWindow", window.name, predefined="WINDOW")
        element.OverallWidth, element.OverallHeight = sheet.length(window.width), sheet.length(window.height)
        wall = sheet.walls[window.wall]
        sheet.fill(element, wall, window.storey, (*window.at, window.sill), along="x", width=window.width, height=window.height)
        sheet.pset(element, "Pset_WindowCommon", {"IsExternal": True, "ThermalTransmittance": 1.1})
        sheet.hold(window.storey, element)


def _zones(sheet: Sheet, rooms: list[Room]) -> None:
    import ifcopenshell.api.group

    for number, name in enumerate(("Fire compartment ground", "Fire compartment first")):
        zone = sheet.root("IfcZone", name)
        members = [sheet.spaces[room.name] for room in rooms if room.storey == number]
        ifcopenshell.api.group.assign_group(sheet.model, products=members, group=zone)


def _boundaries(sheet: Sheet, made: Layout) -> None:
    """Which spaces a wall bounds and a door joins, as first level boundaries."""
    for wall in made.walls:
        _bound(sheet, sheet.walls[wall.name], wall.name, wall.sides)
    for door in made.doors:
        _bound(sheet, sheet.doors[door.name], door.name, door.sides)


def _bound(sheet: Sheet, element: Any, name: str, sides: Iterable[str]) -> None:
    external = "" in tuple(sides)
    for side in sides:
        if side:
            made = sheet.root("IfcRelSpaceBoundary", f"Boundary {side} {name}")
            made.RelatingSpace, made.RelatedBuildingElement = sheet.spaces[side], element
            made.PhysicalOrVirtualBoundary, made.InternalOrExternalBoundary = "PHYSICAL", "EXTERNAL" if external else "INTERNAL"


def _bytes(sheet: Sheet, without: Collection[str]) -> bytes:
    _identify(sheet)
    if "duplicate_id" not in without:
        first, second = (one for one in sheet.model.by_type("IfcFurniture") if one.Name in ("Desk 0.S2-1", "Desk 0.S2-2"))
        second.GlobalId = first.GlobalId
    header = sheet.model.header
    header.file_name.name, header.file_name.time_stamp = "demo_building.ifc", WRITTEN_AT
    header.file_name.preprocessor_version = header.file_name.originating_system = "MCP platform demo building"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.ifc"
        sheet.model.write(str(path))
        return path.read_bytes()


def _identify(sheet: Sheet) -> None:
    """GlobalIds of names (of relations and property sets: of their class and what they are about), members of sets in order."""
    for root in sheet.model.by_type("IfcRoot"):
        name = (
            root.Name if root.is_a("IfcObject") or root.is_a("IfcTypeObject") or root.is_a("IfcRelSpaceBoundary") else f"#{root.id()} {root.is_a()}"
        )
        root.GlobalId = global_id(name or f"#{root.id()} {root.is_a()}", sheet.seed)
    for relation in sheet.model.by_type("IfcRelationship"):
        for attribute in ("RelatedObjects", "RelatedElements"):
            members = getattr(relation, attribute, None)
            if members:
                setattr(relation, attribute, sorted(members, key=lambda one: int(one.id())))


__all__ = ["CEILING", "write"]
