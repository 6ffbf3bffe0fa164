"""What stands in the demo building beside rooms, walls and doors: floors, stairs, ramp, guards, fixtures, desks. Metres."""

from collections.abc import Collection, Iterator
from typing import Any

from validation.ingest.demo.layout import CORRIDOR, DEPTH, LENGTH, NORTH, STOREY_HEIGHT, WALL, Room
from validation.ingest.demo.sheet import Sheet


def floors(sheet: Sheet) -> None:
    for number, (name, kind) in enumerate((("Slab ground", "BASESLAB"), ("Slab first", "FLOOR"), ("Slab roof", "ROOF"))):
        slab = sheet.root("IfcSlab", name, predefined=kind)
        storey, top = (number, 0.0) if number < 2 else (1, STOREY_HEIGHT)
        sheet.box(slab, storey, (0.0, 0.0, top - 0.3, LENGTH, DEPTH, top))
        sheet.pset(slab, "Pset_SlabCommon", {"FireRating": "90", "IsExternal": number != 1, "LoadBearing": True})
        sheet.hold(storey, slab)


def stairs(sheet: Sheet, without: Collection[str]) -> None:
    """A is as it should be. B is too steep, too narrow and too low unless corrected."""
    width = 1.2 if "narrow_stair" in without else 0.85
    riser = STOREY_HEIGHT / 22 if "high_riser" in without else 0.2
    tread = 0.3 if "short_tread" in without else 0.25
    headroom = 2.1 if "low_headroom" in without else 1.95
    _stair(sheet, "A", 0.2, width=1.2, riser=STOREY_HEIGHT / 22, tread=0.3, headroom=2.1, rail=0.9)
    _stair(sheet, "B", 28.0, width=width, riser=riser, tread=tread, headroom=headroom, rail=0.9 if "low_handrail" in without else 0.75)


def _stair(sheet: Sheet, letter: str, west: float, *, width: float, riser: float, tread: float, headroom: float, rail: float) -> None:
    """Two flights side by side with a landing between, beginning and ending 1.8 m behind the corridor's wall."""
    stair = sheet.root("IfcStair", f"Stair {letter}", predefined="HALF_TURN_STAIR")
    south, steps = NORTH[0] + 1.8, round(STOREY_HEIGHT / riser) // 2
    sheet.place(stair, (west, south, 0.0), inside=sheet.storeys[0])
    run, half = (steps - 1) * tread, STOREY_HEIGHT / 2
    flights = [_flight(sheet, f"Stair {letter} flight {number}", steps, riser, tread, width, headroom) for number in (1, 2)]
    sheet.profile(flights[0], 0, (west + 0.1, south, 0.0), _steps(steps, riser, tread), width)
    back = [(run - y, z + half) for y, z in _steps(steps, riser, tread)]
    sheet.profile(flights[1], 0, (west + width + 0.3, south, 0.0), back, width)
    landing = sheet.root("IfcSlab", f"Landing {letter}", predefined="LANDING")
    sheet.box(landing, 0, (west + 0.1, south + run, half - 0.2, west + 2 * width + 0.3, south + run + 1.3, half))
    rails = [_handrail(sheet, f"Handrail {letter}{number}", rail, (west + width + 0.1 + 0.1 * number, south, 0.0), run, half) for number in (1, 2)]
    sheet.part_of(stair, [*flights, landing, *rails])
    sheet.pset(
        stair,
        "Pset_StairCommon",
        {"NumberOfRiser": steps * 2, "NumberOfTreads": steps * 2 - 2, "RiserHeight": riser, "TreadLength": tread, "FireExit": True},
    )
    sheet.hold(0, stair)


def _flight(sheet: Sheet, name: str, steps: int, riser: float, tread: float, width: float, headroom: float) -> Any:
    flight = sheet.root("IfcStairFlight", name, predefined="STRAIGHT")
    flight.NumberOfRisers, flight.NumberOfTreads = steps, steps - 1
    flight.RiserHeight, flight.TreadLength = sheet.length(riser), sheet.length(tread)
    sheet.pset(flight, "Pset_StairFlightCommon", {"NumberOfRiser": steps, "RiserHeight": riser, "TreadLength": tread, "Headroom": headroom})
    sheet.quantities(flight, "Qto_StairFlightBaseQuantities", {}, {"Length": (steps - 1) * tread, "Width": width})
    return flight


def _steps(count: int, riser: float, tread: float) -> list[tuple[float, float]]:
    """The outline of a flight from the side: up the steps, and back below them."""
    up = [(number * tread + over, (number + 1) * riser) for number in range(count - 1) for over in (0.0, tread)]
    run = (count - 1) * tread
    return [(0.0, 0.0), *up, (run, (count - 1) * riser - 0.25), (0.25, 0.0)]


def _handrail(sheet: Sheet, name: str, height: float, at: tuple[float, float, float], run: float, rise: float) -> Any:
    made = sheet.root("IfcRailing", name, predefined="HANDRAIL")
    sheet.profile(made, 0, at, [(0.0, height - 0.05), (run, rise + height - 0.05), (run, rise + height), (0.0, height)], 0.05)
    sheet.pset(made, "Pset_RailingCommon", {"Height": height, "Diameter": 0.04})
    return made


def ramp(sheet: Sheet, without: Collection[str]) -> None:
    """In front of the lobby's entrance, from 0.3 m below the floor up to it."""
    rise, slope = 0.3, 0.06 if "steep_ramp" in without else 0.125
    run = rise / slope
    whole = sheet.root("IfcRamp", "Ramp entrance", predefined="STRAIGHT_RUN_RAMP")
    flight = sheet.root("IfcRampFlight", "Ramp entrance flight", predefined="STRAIGHT")
    sheet.place(whole, (3.2, -run, -rise), inside=sheet.storeys[0])
    sheet.profile(flight, 0, (3.2, -run, -rise), [(0.0, 0.0), (run, 0.0), (run, rise)], 1.8)
    sheet.part_of(whole, [flight])
    sheet.quantities(flight, "Qto_RampFlightBaseQuantities", {}, {"Length": run, "Width": 1.8})
    sheet.hold(0, whole)


def guards(sheet: Sheet, without: Collection[str]) -> None:
    """Upstairs there is no room over the lobby: a guard stands between the corridor and the void."""
    height = 1.1 if "low_guard" in without else 0.9
    made = sheet.root("IfcRailing", "Guard gallery", predefined="GUARDRAIL")
    sheet.box(made, 1, (WALL, CORRIDOR[0] - 0.1, 0.0, 8.0, CORRIDOR[0] - 0.05, height))
    sheet.pset(made, "Pset_RailingCommon", {"Height": height, "IsExternal": False})
    sheet.hold(1, made)


def toilets(sheet: Sheet, rooms: list[Room], without: Collection[str]) -> None:
    """A closet at the northern wall of each toilet, basins beside; more of them in the corrected variant."""
    closets = {"0.N3": 1, "0.N4": 6, "1.N4": 6} if "too_few_toilets" in without else {"0.N3": 1, "0.N4": 1, "1.N4": 0}
    for room in rooms:
        if room.name in closets:
            _fixtures(sheet, room, closets[room.name])


def _fixtures(sheet: Sheet, room: Room, closets: int) -> None:
    x0, _, _, y1 = room.rect
    for name, kind, box in _fixture_boxes(room, closets, x0, y1):
        made = sheet.root("IfcSanitaryTerminal", name, predefined=kind)
        sheet.box(made, room.storey, box)
        sheet.hold(sheet.spaces[room.name], made)


def _fixture_boxes(room: Room, closets: int, x0: float, y1: float) -> Iterator[tuple[str, str, tuple[float, float, float, float, float, float]]]:
    for number in range(closets):
        west = x0 + 0.1 + 0.5 * number
        yield f"WC {room.name}-{number + 1}", "TOILETPAN", (west, y1 - 0.7, 0.0, west + 0.38, y1, 0.46)
    east = room.rect[2]
    yield f"Basin {room.name}", "WASHHANDBASIN", (east - 0.5, y1 - 1.8, 0.7, east, y1 - 1.2, 0.85)


def desks(sheet: Sheet, rooms: list[Room]) -> None:
    for room in rooms:
        if "ffice" in room.long_name:
            for number in (1, 2):
                x, y = room.rect[0] + 0.6 + 2.0 * (number - 1), (room.rect[1] + room.rect[3]) / 2
                made = sheet.root("IfcFurniture", f"Desk {room.name}-{number}", predefined="DESK")
                sheet.box(made, room.storey, (x, y, 0.0, x + 1.6, y + 0.8, 0.74))
                sheet.hold(sheet.spaces[room.name], made)
