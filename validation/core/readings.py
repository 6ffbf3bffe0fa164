"""What people write into models, read as values: "1 HR", "EI 60", "900 mm", "3'-0\\"", "Ja", ".T.". Unreadable or placeholder texts are None."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from validation.core.building import Value


class Reading(NamedTuple):
    value: Value
    note: str = ""  # what had to be assumed to read it


_YES: Final = frozenset({"true", ".t.", "t", "yes", "y", "1", "ja", "j", "oui", "si", "sí", "wahr", "vrai", "x"})
_NO: Final = frozenset({"false", ".f.", "f", "no", "n", "0", "nein", "non", "nee", "falsch", "faux"})
_EMPTY: Final = frozenset({"", "$", "-", "--", "n/a", "na", "none", "null", "tbd", "unset", "notdefined", "undefined", "userdefined", "?"})
_PLACEHOLDER: Final = re.compile(r"^[_\-–*#<\[].*[_\-–*#>\]]$")
_NUMBER: Final = re.compile(r"^([-+]?\d+(?:[.,]\d+)?)\s*([a-zA-Z²³\"'%/.]*)$")
_FEET: Final = re.compile(r"^(\d+)\s*'\s*-?\s*(?:(\d+(?:\.\d+)?)?(?:\s*(\d+)/(\d+))?\s*\")?$")
_SCALE: Final[Mapping[str, float]] = {
    "mm": 0.001,
    "cm": 0.01,
    "m": 1.0,
    "in": 0.0254,
    '"': 0.0254,
    "ft": 0.3048,
    "'": 0.3048,
    "m2": 1.0,
    "m²": 1.0,
    "sqm": 1.0,
    "qm": 1.0,
    "sf": 0.09290304,
    "sqft": 0.09290304,
    "ft2": 0.09290304,
    "ft²": 0.09290304,
    "%": 0.01,
}
_TALLEST: Final = 60.0  # a length of an element above this, without a unit, is in millimetres: no door, flight or corridor is 60 m wide


def number(raw: Value, unit: str = "") -> Reading | None:
    """A number in SI. Texts may carry a unit; a plain number that cannot be metres is read as millimetres and says so."""
    if unit == "min":
        return minutes(raw)
    if isinstance(raw, bool) or raw is None:
        return None
    if isinstance(raw, int | float):
        return _measured(float(raw), unit)
    return _number_text(str(raw).strip(), unit)


def _number_text(text: str, unit: str) -> Reading | None:
    feet = _FEET.match(text)
    if feet and "'" in text:
        whole, inches, over, under = feet.groups()
        return Reading(round(int(whole) * 0.3048 + (float(inches or 0) + (int(over) / int(under) if over and int(under) else 0)) * 0.0254, 6))
    found = _NUMBER.match(text)
    if not found:
        return None
    value, suffix = float(found[1].replace(",", ".")), found[2].lower().rstrip(".")
    if not suffix:
        return _measured(value, unit)
    return Reading(value * _SCALE[suffix]) if suffix in _SCALE else None


def _measured(value: float, unit: str) -> Reading | None:
    if not math.isfinite(value):
        return None
    if unit == "m" and value > _TALLEST:
        return Reading(value / 1000, f"{value:g} without a unit was read as millimetres")
    return Reading(value)


def integer(raw: Value, unit: str = "") -> Reading | None:
    reading = number(raw, unit)
    return Reading(round(reading.value), reading.note) if reading else None


def boolean(raw: Value, unit: str = "") -> Reading | None:
    if isinstance(raw, bool):
        return Reading(raw)
    text = str(raw).strip().lower() if raw is not None else ""
    return Reading(True) if text in _YES else Reading(False) if text in _NO else None


def text(raw: Value, unit: str = "") -> Reading | None:
    if raw is None or isinstance(raw, list | dict | tuple):
        return None
    words = str(raw).strip()
    return None if words.lower() in _EMPTY or _PLACEHOLDER.match(words) else Reading(words)


def items(raw: Value, unit: str = "") -> Reading | None:
    return Reading(list(raw)) if isinstance(raw, list | tuple) and raw else None


_NOT_RATED: Final = frozenset({"0", "none", "nr", "unrated", "not rated", "non-rated", "keine", "ohne", "f0", "sans"})
_HOURS: Final = re.compile(r"(\d+(?:[.,]\d+)?|\d+\s+\d/\d|\d/\d)\s*-?\s*(?:hours?|hrs?|h|stunden?|heures?)\b", re.IGNORECASE)
_CLASSED: Final = re.compile(r"\b(?:REI|REW|RE|EI|EW|E|R|FRL|FD|F|T|G|BS|CF|PF|SF|WBDBO)\s*[-_ ]?\s*(\d{2,3})\b", re.IGNORECASE)
_MINUTES: Final = re.compile(r"(\d{1,3})\s*-?\s*(?:minutes?|mins?|min\.|m|')?\s*(?:rated|fire.?rat\w*|fr|fd)?$", re.IGNORECASE)
_TRIPLE: Final = re.compile(r"^(\d{1,3}|-)/(\d{1,3}|-)/(\d{1,3}|-)$")  # an Australian resistance level: structure, integrity, insulation
_WORDS: Final[Mapping[str, int]] = {
    "feuerhemmend": 30,
    "fh": 30,
    "hochfeuerhemmend": 60,
    "fb": 90,
    "feuerbeständig": 90,
    "feuerbestaendig": 90,
}


def minutes(raw: Value) -> Reading | None:
    """Fire resistance in minutes. A bare number up to 4 is taken as hours, above as minutes; both readings are noted."""
    if isinstance(raw, bool) or raw is None:
        return None
    if isinstance(raw, int | float):
        return _bare(float(raw))
    words = " ".join(str(raw).lower().replace("_", " ").split())
    if words in _NOT_RATED:
        return Reading(0)
    if words in _WORDS:
        return Reading(_WORDS[words], f"{raw!s} was read as {_WORDS[words]} minutes")
    return _rated(words)


def _rated(words: str) -> Reading | None:
    triple = _TRIPLE.match(words)
    if triple:
        parts = [int(part) for part in triple.groups() if part != "-"]
        return Reading(min(parts)) if parts else None
    hours = _HOURS.search(words)
    if hours:
        return Reading(round(_fraction(hours[1]) * 60))
    classed = _CLASSED.search(words)
    if classed:
        return Reading(int(classed[1]))
    plain = _NUMBER.match(words)
    if plain and not plain[2]:
        return _bare(float(plain[1].replace(",", ".")))
    found = _MINUTES.fullmatch(words)
    return Reading(int(found[1])) if found else None


def _fraction(text: str) -> float:
    total = 0.0
    for part in text.replace(",", ".").split():
        over, _, under = part.partition("/")
        total += float(over) / float(under) if under and float(under) else float(over)
    return total


def _bare(value: float) -> Reading | None:
    if value < 0 or not math.isfinite(value):
        return None
    if 0 < value <= 4:
        return Reading(round(value * 60), f"{value:g} without a unit was read as hours")
    return Reading(round(value))


READERS: Final[Mapping[str, Callable[[Value, str], Reading | None]]] = {
    "number": number,
    "integer": integer,
    "text": text,
    "boolean": boolean,
    "list": items,
}
