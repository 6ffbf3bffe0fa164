"""Large building models for benchmarks: written as STEP text, statement by statement, so that 50 MB take seconds; the same arguments, the same bytes.

python -m benchmarks.models --megabytes 50 --out big.ifc
python -m benchmarks.models --measure big.ifc        (reads it as the service does: time, memory, products a second)
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"
HEADER = (
    "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION(('ViewDefinition [CoordinationView]'),'2;1');\n"
    "FILE_NAME('big.ifc','2026-01-01T00:00:00',(''),(''),'benchmark','benchmark','');\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n"
)
ROOMS_A_STOREY = 80
BYTES_A_ROOM = 17_700  # of text, measured; a room brings its walls, a door, a window, furniture and their property sets


def guid(*parts: object) -> str:
    number = int.from_bytes(hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).digest(), "big")
    letters = ""
    for _ in range(22):
        number, digit = divmod(number, 64)
        letters = DIGITS[digit] + letters
    return letters


class Writer:
    """Numbers statements and writes them one by one: memory does not grow with the file."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="ascii")
        self.file.write(HEADER)
        self.number = 0
        self.products = 0

    def add(self, text: str) -> str:
        self.number += 1
        self.file.write(f"#{self.number}={text};\n")
        return f"#{self.number}"

    def end(self) -> None:
        self.file.write("ENDSEC;\nEND-ISO-10303-21;\n")
        self.file.close()


def write(path: Path, megabytes: float) -> int:
    """A block of equal storeys along a corridor. How many products it has."""
    sheet = Writer(path)
    common = _common(sheet)
    rooms = max(1, round(megabytes * 1_000_000 / BYTES_A_ROOM))
    storeys = [_storey(sheet, common, number, min(ROOMS_A_STOREY, rooms - number * ROOMS_A_STOREY)) for number in range(-(-rooms // ROOMS_A_STOREY))]
    sheet.add(f"IFCRELAGGREGATES('{guid('whole')}',$,$,$,{common['building']},({','.join(storeys)}))")
    sheet.end()
    return sheet.products


def _common(sheet: Writer) -> dict[str, str]:
    unit = sheet.add("IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.)")
    area = sheet.add("IFCSIUNIT(*,.AREAUNIT.,$,.SQUARE_METRE.)")
    units = sheet.add(f"IFCUNITASSIGNMENT(({unit},{area}))")
    zero = sheet.add("IFCCARTESIANPOINT((0.,0.,0.))")
    up = sheet.add("IFCDIRECTION((0.,0.,1.))")
    axes = sheet.add(f"IFCAXIS2PLACEMENT3D({zero},$,$)")
    context = sheet.add(f"IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,{axes},$)")
    project = sheet.add(f"IFCPROJECT('{guid('project')}',$,'Benchmark',$,$,$,$,({context}),{units})")
    root = sheet.add(f"IFCLOCALPLACEMENT($,{axes})")
    building = sheet.add(f"IFCBUILDING('{guid('building')}',$,'Large office',$,$,{root},$,$,.ELEMENT.,$,$,$)")
    sheet.add(f"IFCRELAGGREGATES('{guid('project', 'building')}',$,$,$,{project},({building}))")
    flat = sheet.add(f"IFCAXIS2PLACEMENT2D({sheet.add('IFCCARTESIANPOINT((0.,0.))')},$)")
    return {"up": up, "axes": axes, "context": context, "root": root, "building": building, "flat": flat}


def _storey(sheet: Writer, common: dict[str, str], number: int, rooms: int) -> str:
    height = number * 3600.0
    place = _placed(sheet, common["root"], (0.0, 0.0, height))
    storey = sheet.add(f"IFCBUILDINGSTOREY('{guid('storey', number)}',$,'Level {number}',$,$,{place},$,$,.ELEMENT.,{height})")
    corridor = _corridor(sheet, common, number, place, rooms)
    spaces, elements = [corridor], []
    for room in range(rooms):
        space, made = _room(sheet, common, number, room, place, corridor)
        spaces.append(space)
        elements += made
    sheet.products += 1
    sheet.add(f"IFCRELAGGREGATES('{guid('spaces', number)}',$,$,$,{storey},({','.join(spaces)}))")
    sheet.add(f"IFCRELCONTAINEDINSPATIALSTRUCTURE('{guid('contained', number)}',$,$,$,({','.join(elements)}),{storey})")
    return storey


def _corridor(sheet: Writer, common: dict[str, str], storey: int, place: str, rooms: int) -> str:
    shape = _box(sheet, common, (rooms + 1) // 2 * 4200.0, 2000.0, 2700.0)
    at = _placed(sheet, place, (0.0, 6000.0, 0.0))
    sheet.products += 1
    return sheet.add(f"IFCSPACE('{guid('corridor', storey)}',$,'{storey}.K',$,$,{at},{shape},'Corridor',.ELEMENT.,.INTERNAL.,$)")


def _room(sheet: Writer, common: dict[str, str], storey: int, room: int, place: str, corridor: str) -> tuple[str, list[str]]:
    """A space with its four walls, a door to the corridor, a window, four desks, each with property sets."""
    name, south = f"{storey}.{room}", room % 2 == 0
    x, y = room // 2 * 4200.0, 0.0 if south else 8200.0
    at = _placed(sheet, place, (x, y, 0.0))
    space = sheet.add(
        f"IFCSPACE('{guid('space', name)}',$,'{name}',$,$,{at},{_box(sheet, common, 4000.0, 5800.0, 2700.0)},'Office',.ELEMENT.,.INTERNAL.,$)"
    )
    _properties(sheet, space, "Pset_SpaceCommon", ("space", name), {"Reference": f"IFCIDENTIFIER('R{room}')", "IsExternal": "IFCBOOLEAN(.F.)"})
    _area(sheet, space, name, 23.2)
    made = []
    for number, (dx, dy, width, depth) in enumerate(((0, 5800, 4000, 200), (0, -200, 4000, 200), (4000, 0, 200, 5800), (-200, 0, 200, 5800))):
        made.append(_thing(sheet, common, at, "IFCWALL", f"Wall {name}-{number}", (dx, dy, 0), (width, depth, 3300), ",.PARTITIONING."))
        _bounded(sheet, space, made[-1], (name, number))
    door = _thing(sheet, common, at, "IFCDOOR", f"Door {name}", (1500, 5870 if south else -130, 0), (950, 60, 2100), ",2100.,950.,.DOOR.,$,$")
    _bounded(sheet, space, door, (name, "door"))
    _bounded(sheet, corridor, door, (name, "corridor"))
    made += [door, _thing(sheet, common, at, "IFCWINDOW", f"Window {name}", (1200, -130, 900), (1600, 60, 1400), ",1400.,1600.,.WINDOW.,$,$")]
    for number in range(4):
        made.append(_thing(sheet, common, at, "IFCFURNITURE", f"Desk {name}-{number}", (300, 1000 + 1200 * number, 0), (1600, 800, 740), ",.DESK."))
    sheet.products += 1
    return space, made


def _thing(sheet: Writer, common: dict[str, str], place: str, ifc: str, name: str, at: tuple[float, ...], size: tuple[float, ...], more: str) -> str:
    tag = sheet.number
    where, shape = _placed(sheet, place, at), _box(sheet, common, *size)
    made = sheet.add(f"{ifc}('{guid(name)}',$,'{name}',$,$,{where},{shape},'{tag}'{more})")
    first = {"Reference": f"IFCIDENTIFIER('{name}')", "IsExternal": "IFCBOOLEAN(.F.)", "FireRating": "IFCLABEL('60')"}
    second = {f"Parameter {number}": f"IFCLENGTHMEASURE({100.0 + number})" for number in range(6)}
    _properties(sheet, made, f"Pset_{ifc[3:].title()}Common", (name, 1), first)
    _properties(sheet, made, "Dimensions", (name, 2), second)
    sheet.products += 1
    return made


def _placed(sheet: Writer, parent: str, at: tuple[float, ...]) -> str:
    point = sheet.add(f"IFCCARTESIANPOINT(({','.join(str(float(value)) for value in at)}))")
    return sheet.add(f"IFCLOCALPLACEMENT({parent},{sheet.add(f'IFCAXIS2PLACEMENT3D({point},$,$)')})")


def _box(sheet: Writer, common: dict[str, str], width: float, depth: float, height: float) -> str:
    middle = sheet.add(f"IFCCARTESIANPOINT(({width / 2},{depth / 2}))")
    area = sheet.add(f"IFCRECTANGLEPROFILEDEF(.AREA.,$,{sheet.add(f'IFCAXIS2PLACEMENT2D({middle},$)')},{float(width)},{float(depth)})")
    solid = sheet.add(f"IFCEXTRUDEDAREASOLID({area},{common['axes']},{common['up']},{float(height)})")
    shape = sheet.add(f"IFCSHAPEREPRESENTATION({common['context']},'Body','SweptSolid',({solid}))")
    return sheet.add(f"IFCPRODUCTDEFINITIONSHAPE($,$,({shape}))")


def _properties(sheet: Writer, of: str, name: str, key: tuple[object, ...], values: dict[str, str]) -> None:
    held = [sheet.add(f"IFCPROPERTYSINGLEVALUE('{property_name}',$,{value},$)") for property_name, value in values.items()]
    found = sheet.add(f"IFCPROPERTYSET('{guid('set', *key)}',$,'{name}',$,({','.join(held)}))")
    sheet.add(f"IFCRELDEFINESBYPROPERTIES('{guid('defines', *key)}',$,$,$,({of}),{found})")


def _area(sheet: Writer, of: str, name: str, area: float) -> None:
    quantity = sheet.add(f"IFCQUANTITYAREA('NetFloorArea',$,$,{area},$)")
    found = sheet.add(f"IFCELEMENTQUANTITY('{guid('area', name)}',$,'Qto_SpaceBaseQuantities',$,$,({quantity}))")
    sheet.add(f"IFCRELDEFINESBYPROPERTIES('{guid('has', name)}',$,$,$,({of}),{found})")


def _bounded(sheet: Writer, space: str, element: str, key: tuple[object, ...]) -> None:
    sheet.add(f"IFCRELSPACEBOUNDARY('{guid('bound', *key)}',$,$,$,{space},{element},$,.PHYSICAL.,.INTERNAL.)")


def measured(source: Path, seconds: int = 900) -> dict[str, object]:
    """Reading it in the child process, as the service does."""
    from validation.ingest import child

    phases: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "elements.jsonl"
        ended = child.run(
            "elements",
            {"source": str(source), "out": str(out), "kind": "ifc"},
            limits=child.Limits(max_bytes=2_000_000_000, seconds=seconds),
            tell=lambda done, total, phase: phases.append(phase),
        )
        written = out.stat().st_size if out.exists() else 0
    elements = sum(ended.result.get("counts", {}).values())
    return {
        "file_mb": round(source.stat().st_size / 1e6, 1),
        "state": ended.result.get("state", ended.problem),
        "elements": elements,
        "seconds": round(ended.seconds, 1),
        "elements_per_s": round(elements / ended.seconds) if ended.seconds else 0,
        "peak_mb": round(ended.peak_bytes / 1e6),
        "written_mb": round(written / 1e6, 1),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=50.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", type=Path, nargs="*", default=[])
    return parser.parse_args()


def _lines(given: argparse.Namespace) -> Iterator[str]:
    if given.out:
        products = write(given.out, given.megabytes)
        yield f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB, {products:,} products"
    for path in given.measure:
        yield json.dumps({"file": path.name, **measured(path)})


if __name__ == "__main__":
    for line in _lines(arguments()):
        print(line)
