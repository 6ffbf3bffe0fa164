"""The child process: reads one file under limits and says how it went, one JSON message a line on its standard output. Knows nothing of Django."""

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from validation.ingest import archive, confinement, integrity, neutral
from validation.ingest.refusal import Refused

TOLD_EVERY: Final = 500
MOST_FOR_ENGINE: Final = 3000
_ZIP: Final = b"PK\x03\x04"


def main() -> None:
    name, given = sys.argv[1], json.loads(sys.argv[2])
    speak = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print is no message
    confined = confinement.confine(size=given["max_bytes"], cpu_seconds=given["seconds"], most_output=4 * given["max_bytes"] + 2**26)

    def tell(done: int, total: int, phase: str) -> None:
        speak.write(json.dumps({"done": done, "total": total, "phase": phase}) + "\n")

    try:
        confinement.require(confined or not given.get("caged"))
        message: dict[str, Any] = {"result": {**TASKS[name](given, tell), "confined": confined}}
    except Refused as refused:
        message = {"problem": refused.problem}
    except MemoryError:
        message = {"problem": {"code": "TOO_MUCH_MEMORY", "detail": "Reading took more memory than a model of this size may."}}
    speak.write(json.dumps({**message, "peak_bytes": _peak_bytes()}) + "\n")
    speak.close()
    os._exit(0)  # tearing down a large model object by object takes seconds


def _peak_bytes() -> int:
    """Of this process alone: `ru_maxrss` begins with what its parent had."""
    try:
        line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


Tell = Callable[[int, int, str], None]


def elements(given: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Writes the header and the elements to `out`, one JSON document a line."""
    with tempfile.TemporaryDirectory() as folder, Path(given["out"]).open("w", encoding="utf-8") as out:
        source = _source(given, Path(folder), tell)
        if given["kind"] == "json":
            return _neutral(source, out, tell)
        seen = _scanned(source)
        return _ifc(source, seen, out, tell)


def _source(given: Mapping[str, Any], folder: Path, tell: Tell) -> Path:
    """The file, unpacked when it is an archive; the memory that its size allows from here on."""
    source = Path(given["source"])
    with source.open("rb") as file:
        packed = file.read(4) == _ZIP
    if packed:
        tell(0, 0, "unpacking")
        unpacked = folder / "model.ifc"
        archive.unpack(source, unpacked, max_bytes=given["max_bytes"], ratio=given["ratio"])
        source = unpacked
    size = source.stat().st_size
    if not size:
        raise Refused("EMPTY", "The file is empty.")
    if size > given["max_bytes"]:
        raise Refused("TOO_LARGE", f"The model has {size:,} bytes; {given['max_bytes']:,} are allowed.")
    confinement.settle(size)
    tell(0, 0, "checking")
    return source


def _scanned(source: Path) -> integrity.Scan:
    seen = integrity.scan(source)
    if not seen.is_step:
        raise Refused("NOT_A_MODEL", "This is no IFC file: it does not begin with ISO-10303-21.")
    if seen.depth > integrity.DEEPEST:
        raise Refused("TOO_DEEP", f"Parentheses are nested {seen.depth:,} deep; {integrity.DEEPEST} are allowed.")
    if seen.longest_text > integrity.LONGEST_TEXT:
        raise Refused("TEXT_TOO_LONG", f"A text has {seen.longest_text:,} letters; {integrity.LONGEST_TEXT:,} are allowed.")
    if not seen.schema.startswith(integrity.SCHEMAS):
        raise Refused("SCHEMA_NOT_SUPPORTED", f"The file's schema is {seen.schema[:60] or 'not named'}; IFC2X3, IFC4 and IFC4X3 are read.")
    return seen


def _ifc(source: Path, seen: integrity.Scan, out: Any, tell: Tell) -> dict[str, Any]:
    from validation.ingest.ifc import Reading

    tell(0, 0, "parsing")
    model, log = _opened(source)
    loaded = sum(1 for _ in model)
    tell(0, 0, "relations")
    reading = Reading(model)
    header = reading.header()
    verdict = integrity.judge(seen, loaded=loaded, projects=header["projects"], log=log, notes=reading.notes)
    if verdict.state == "rejected":
        problem = next(one for one in verdict.problems if one["code"] in ("NO_PROJECT", "NOTHING_LOADED"))
        raise Refused(problem["code"], problem["detail"], integrity=verdict.numbers)
    out.write(json.dumps({"format": neutral.FORMAT, "schema": header["schema"], "application": header["application"]}) + "\n")
    counts = _write(reading.elements(), len(reading.products), out, tell)
    return {
        **header,
        "state": verdict.state,
        "integrity": verdict.numbers,
        "problems": verdict.problems,
        "counts": counts,
        "unread": reading.unread(),
    }


def _opened(source: Path) -> tuple[Any, str]:
    """The model and what the parser had to say of it."""
    import ifcopenshell
    from ifcopenshell import ifcopenshell_wrapper

    parser: Any = ifcopenshell_wrapper
    parser.set_log_format_json()
    try:
        model = ifcopenshell.open(str(source), format=".ifc")
    except MemoryError:
        raise
    except Exception as fault:
        raise Refused("PARSER_FAILED", "The file could not be read.", said=str(fault)[:300]) from fault
    return model, str(parser.get_log())


def _write(found: Iterable[Mapping[str, Any]], total: int, out: Any, tell: Tell) -> dict[str, int]:
    counts: dict[str, int] = {}
    for number, one in enumerate(found):
        out.write(json.dumps(one, ensure_ascii=False) + "\n")
        counts[one["ifc_class"]] = counts.get(one["ifc_class"], 0) + 1
        if number % TOLD_EVERY == 0:
            tell(number, total, "elements")
    return counts


def _neutral(source: Path, out: Any, tell: Tell) -> dict[str, Any]:
    document, faults = neutral.read(source.read_bytes())
    if faults:
        raise Refused("NEUTRAL_INVALID", "The document is not a building; `errors` lists what is wrong with it.", errors=faults)
    header = {"format": neutral.FORMAT, "schema": document.get("schema", ""), "application": document.get("application", "")}
    out.write(json.dumps(header) + "\n")
    counts = _write(document["elements"], len(document["elements"]), out, tell)
    numbers = {"trailer": True, "statements": sum(counts.values()), "loaded": sum(counts.values()), "log_errors": 0, "projects": 1}
    return {**header, "state": "ready", "integrity": numbers, "problems": [], "counts": counts, "unread": []}


def outlines(given: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Box and footprint of the instances with these step numbers, found by triangulating them."""
    from validation.ingest import engine

    with tempfile.TemporaryDirectory() as folder:
        model, _ = _opened(_whole(given, Path(folder), tell))
        return {"outlines": engine.outlines(model, given["steps"][:MOST_FOR_ENGINE], tell)}


def meshes(given: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Writes triangles of the elements to `out`, as one binary glTF with a node for each."""
    from validation.ingest import engine, gltf

    with tempfile.TemporaryDirectory() as folder:
        model, _ = _opened(_whole(given, Path(folder), tell))
        made = engine.meshes(model, seconds=given["seconds"] * 0.8, tell=tell)
        size = gltf.write(made.found, Path(given["out"]))
        return {"elements": len(made.found), "of": made.wanted, "in_time": made.in_time, "bytes": size}


def _whole(given: Mapping[str, Any], folder: Path, tell: Tell) -> Path:
    source = _source(given, folder, tell)
    _scanned(source)
    return source


TASKS: Final[Mapping[str, Callable[[Mapping[str, Any], Tell], dict[str, Any]]]] = {"elements": elements, "outlines": outlines, "meshes": meshes}


if __name__ == "__main__":
    main()
