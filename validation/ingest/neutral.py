"""Buildings as neutral JSON: what the IFC reader makes, what plugins upload and what an export gives (docs/protocol/building_json.md)."""

import json
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, Final

from validation.core.building import Element

FORMAT: Final = "mcp-building/1"
MOST_ELEMENTS: Final = 1_000_000
MOST_FAULTS: Final = 100
LONGEST_ID: Final = 40
LONGEST_KEY: Final = 200
LONGEST_VALUE: Final = 4000
MOST_ITEMS: Final = 500
_TEXTS: Final = {"name": 255, "tag": 255, "predefined_type": 63, "storey": LONGEST_ID, "space": LONGEST_ID, "discipline": 63}
_HEADER: Final = ("format", "schema", "application", "elements")

Fault = dict[str, Any]


def document(element: Element) -> dict[str, Any]:
    """One element; empty members are left out, so that equal elements have equal documents."""
    made: dict[str, Any] = {"global_id": element.global_id, "ifc_class": element.ifc_class}
    made |= {name: value for name in _TEXTS if (value := getattr(element, name))}
    for name, value in (("connects", element.connects), ("box", element.box), ("footprint", element.footprint)):
        if value:
            made[name] = [list(one) if isinstance(one, tuple) else one for one in value]
    for name, values in (("properties", element.properties), ("quantities", element.quantities), ("facts", element.given)):
        if values:
            made[name] = dict(values)
    return made


def element(given: Mapping[str, Any]) -> Element:
    """Of a document without faults."""
    box, ring = given.get("box"), given.get("footprint")
    return Element(
        global_id=given["global_id"],
        ifc_class=given["ifc_class"],
        **{name: given.get(name) or "" for name in _TEXTS},
        connects=tuple(given.get("connects") or ()),
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3]), float(box[4]), float(box[5])) if box else None,
        footprint=tuple((float(point[0]), float(point[1])) for point in ring) if ring else None,
        properties=dict(given.get("properties") or {}),
        quantities=dict(given.get("quantities") or {}),
        given=dict(given.get("facts") or {}),
    )


def faults(given: Any) -> list[Fault]:
    """Everything that is wrong with an uploaded document, up to a hundred, each with its path. [] when it can be taken."""
    found: list[Fault] = []
    for one in _all_faults(given):
        found.append(one)
        if len(found) >= MOST_FAULTS:
            break
    return found


def _all_faults(given: Any) -> Iterator[Fault]:
    if not isinstance(given, dict):
        yield fault("$", "is no object", f'an object: {{"format": "{FORMAT}", "elements": […]}}')
        return
    yield from (fault(f"$.{name}", "is not known here", ", ".join(_HEADER), "unknown") for name in given if name not in _HEADER)
    if given.get("format") != FORMAT:
        yield fault("$.format", "is another format", FORMAT)
    for name in ("schema", "application"):
        yield from _text(given.get(name, ""), f"$.{name}", 200)
    elements = given.get("elements")
    if not isinstance(elements, list) or not 0 < len(elements) <= MOST_ELEMENTS:
        yield fault("$.elements", "is no list of elements", f"1 to {MOST_ELEMENTS:,} elements")
        return
    yield from _duplicates(elements)
    for index, one in enumerate(elements):
        yield from element_faults(one, f"$.elements[{index}]")


def _duplicates(elements: list[Any]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, one in enumerate(elements):
        key = one.get("global_id") if isinstance(one, dict) else None
        if isinstance(key, str) and key in seen:
            yield fault(f"$.elements[{index}].global_id", f"is that of $.elements[{seen[key]}] too", "one element for each global_id", "duplicate")
        elif isinstance(key, str):
            seen[key] = index


def element_faults(given: Any, path: str) -> Iterator[Fault]:
    if not isinstance(given, dict):
        yield fault(path, "is no object", "an element")
        return
    yield from (fault(f"{path}.{name}", "is not known here", ", ".join(_READERS), "unknown") for name in given if name not in _READERS)
    for name, reader in _READERS.items():
        if name in given:
            yield from reader(given[name], f"{path}.{name}")
        elif name in ("global_id", "ifc_class"):
            yield fault(f"{path}.{name}", "is missing", "a text", "missing")


def fault(path: str, message: str, expected: str, code: str = "invalid") -> Fault:
    return {"path": path[:300], "code": code, "message": message, "expected": expected}


def _text(value: Any, path: str, longest: int, *, empty: bool = True) -> Iterator[Fault]:
    if not isinstance(value, str) or len(value) > longest or not (value or empty) or _unstorable(value):
        yield fault(path, "is no such text", f"a text of {0 if empty else 1} to {longest} characters without U+0000")


def _unstorable(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _key(value: Any, path: str) -> Iterator[Fault]:
    yield from _text(value, path, LONGEST_ID, empty=False)


def _ifc_class(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, str) or not value.startswith("Ifc") or not value.isascii() or not value.isalnum() or len(value) > 63:
        yield fault(path, "is no IFC class", "a class name such as IfcDoor")


def _ids(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, list) or len(value) > MOST_ITEMS or not all(isinstance(one, str) and len(one) <= LONGEST_ID for one in value):
        yield fault(path, "is no list of global ids", f'at most {MOST_ITEMS} global ids; "" for outside')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and abs(value) < 1e15


def _box(value: Any, path: str) -> Iterator[Fault]:
    good = isinstance(value, list) and len(value) == 6 and all(map(_is_number, value))
    if value is not None and not (good and all(value[axis] <= value[axis + 3] for axis in range(3))):
        yield fault(path, "is no box", "[min x, min y, min z, max x, max y, max z] in metres, or null")


def _ring(value: Any, path: str) -> Iterator[Fault]:
    good = isinstance(value, list) and 3 <= len(value) <= MOST_ITEMS
    if value is not None and not (good and all(isinstance(one, list) and len(one) == 2 and all(map(_is_number, one)) for one in value)):
        yield fault(path, "is no outline", f"3 to {MOST_ITEMS} points [x, y] in metres, the last not the first again, or null")


def _map(check: Callable[[Any], bool], expected: str) -> Callable[[Any, str], Iterator[Fault]]:
    def reader(value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield fault(path, "is no object", f"names with values: {expected}")
            return
        for name, one in value.items():
            if not 0 < len(name) <= LONGEST_KEY or _unstorable(name):
                yield fault(f"{path}[{name[:60]!r}]", "is no such name", f"a name of 1 to {LONGEST_KEY} characters")
            elif not check(one):
                yield fault(f"{path}[{name!r}]", "is no such value", expected)

    return reader


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and not _unstorable(value)
    return isinstance(value, bool) or _is_number(value)


def _is_value(value: Any) -> bool:
    return _is_scalar(value) or (isinstance(value, list) and len(value) <= MOST_ITEMS and all(map(_is_scalar, value)))


def _short(longest: int) -> Callable[[Any, str], Iterator[Fault]]:
    return lambda value, path: _text(value, path, longest)


_VALUES: Final = _map(_is_value, "a boolean, a number, a text, or a list of them")
_READERS: Final[Mapping[str, Callable[[Any, str], Iterator[Fault]]]] = {
    "global_id": _key,
    "ifc_class": _ifc_class,
    **{name: _short(longest) for name, longest in _TEXTS.items()},
    "connects": _ids,
    "box": _box,
    "footprint": _ring,
    "properties": _VALUES,
    "quantities": _map(_is_number, "a number in SI units"),
    "facts": _VALUES,
}


def read(content: bytes) -> tuple[dict[str, Any], list[Fault]]:
    """The document of an upload, and what is wrong with it."""
    try:
        given = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as broken:
        return {}, [fault("$", f"is not JSON: {broken}"[:300], "a JSON document in UTF-8")]
    return (given if isinstance(given, dict) else {}), faults(given)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
