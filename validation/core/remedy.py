"""What would make a finding go away, in words; and which element a person means who writes "why does door 12 fail?"."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from validation.core import units
from validation.core.building import Value
from validation.core.rules import MODEL_FILE

_SPACES: Final = re.compile(r"[\s_]+")
_WORD: Final = re.compile(r"[\w.\-/#]*\w", re.UNICODE)
MOST_NAMED: Final = 5
SHORTEST_ID: Final = 8  # letters; a shorter one may be part of a word

# What people call an element, and which IFC classes that may be.
CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    "door": ("IfcDoor",),
    "tür": ("IfcDoor",),
    "tuer": ("IfcDoor",),
    "window": ("IfcWindow",),
    "fenster": ("IfcWindow",),
    "stair": ("IfcStair", "IfcStairFlight"),
    "treppe": ("IfcStair", "IfcStairFlight"),
    "flight": ("IfcStairFlight",),
    "ramp": ("IfcRamp", "IfcRampFlight"),
    "rampe": ("IfcRamp", "IfcRampFlight"),
    "room": ("IfcSpace",),
    "raum": ("IfcSpace",),
    "space": ("IfcSpace",),
    "corridor": ("IfcSpace",),
    "flur": ("IfcSpace",),
    "wall": ("IfcWall", "IfcWallStandardCase"),
    "wand": ("IfcWall", "IfcWallStandardCase"),
    "handrail": ("IfcRailing",),
    "guard": ("IfcRailing",),
    "storey": ("IfcBuildingStorey",),
    "floor": ("IfcBuildingStorey",),
}


def remedy(*, actual: Value, required: Value, unit: str, margin: float | None, missing: Sequence[str], system: str) -> str:
    """ "At least 163 mm more (650 mm now, 813 mm needed)." Values in SI, told in the units of `system`. "" when nothing can be said in numbers."""
    if MODEL_FILE in missing:
        return "It cannot be judged before an IFC file of the model is uploaded."
    if missing:
        return f"It cannot be judged before the model says: {', '.join(_plain(name) for name in missing)}."
    if not _is_number(actual) or not _is_number(required):
        return f"It is {units.shown(actual, unit, system)}; {units.shown(required, unit, system)} is required." if required is not None else ""
    short = abs(margin) if margin is not None else abs(float(required) - float(actual))
    direction = "more" if actual < required else "less"
    now, needed = units.pair(actual, required, unit, system)
    return f"At least {_difference(short, unit, system)} {direction} ({now} now, {needed} needed)."


def _difference(value: float, unit: str, system: str) -> str:
    """Slopes differ in percent points; everything else in its own unit."""
    if unit == "rise/run":
        return f"{units.number(value * 100, 1)} percentage points"
    return units.shown(value, unit, system)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(fact: str) -> str:
    """ "e.clear_width" as "clear width", "b.occupancy" as "occupancy of the building"."""
    prefix, _, name = fact.rpartition(".")
    where = {"b": " of the building", "st": " of the storey"}.get(prefix, "")
    return f"{name.replace('_', ' ')}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    global_id: str
    ifc_class: str
    name: str
    tag: str


def meant(text: str, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The elements that the text names, best first: by id, by whole name or tag, by a name inside the text, by kind and number ("door 12")."""
    said = folded(text)
    found: list[tuple[int, int, str, Candidate]] = []
    words = {word.strip(".-/") for word in _WORD.findall(said)}
    kinds = {ifc_class for word in words for ifc_class in CALLED.get(word.rstrip("s"), ())}
    for one in candidates:
        closeness = _closeness(one, text, said, words, kinds)
        if closeness:
            found.append((-closeness[0], -closeness[1], one.name, one))
    found.sort(key=lambda each: each[:3])
    best = [each for each in found if each[0] == found[0][0]]
    longest = [each[3] for each in best if each[1] == best[0][1]]
    return longest[:MOST_NAMED]


def _closeness(one: Candidate, text: str, said: str, words: set[str], kinds: set[str]) -> tuple[int, int] | None:
    """(how sure, how many letters agree); None when it is not meant."""
    if len(one.global_id) >= SHORTEST_ID and one.global_id in text:
        return 5, len(one.global_id)
    name, tag = folded(one.name), folded(one.tag)
    if said and said in (name, tag):
        return 4, len(said)
    for known in (name, tag):
        if len(known) > 2 and _inside(known, said):
            return 3, len(known)
    fits = not kinds or one.ifc_class in kinds
    short = next((known for known in (tag, name, *name.split()[1:]) if known and known in words and any(letter.isdigit() for letter in known)), "")
    return (2 if kinds else 1, len(short)) if short and fits else None


def _inside(known: str, said: str) -> bool:
    """As whole words: "door 1" is not in "door 12"."""
    at = said.find(known)
    while at >= 0:
        before, after = said[at - 1 : at], said[at + len(known) : at + len(known) + 1]
        if not (before.isalnum() or before == ".") and not (
            after.isalnum() or (after == "." and said[at + len(known) + 1 : at + len(known) + 2].isalnum())
        ):
            return True
        at = said.find(known, at + 1)
    return False


def folded(text: str) -> str:
    return _SPACES.sub(" ", text).strip().casefold()


def fact_sheet(evidence: Iterable[Mapping[str, Any]], system: str) -> list[str]:
    """A line a fact: "clear width 650 mm, derived (assumed: frames of 50 mm)"."""
    return [_fact_line(one, system) for one in evidence]


def _fact_line(one: Mapping[str, Any], system: str) -> str:
    value = units.shown(one.get("value"), str(one.get("unit") or ""), system)
    note = str(one.get("note") or "")
    assumed = f", assumed{': ' + note if note else ''}" if one.get("assumed") else ""
    return f"{_plain(str(one.get('fact', '')))} {value}{assumed}"
