"""Units: everything is computed in SI (m, m2, min, persons) and shown as the jurisdiction is used to: 813 mm, or 32 in."""

import difflib
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

METRIC: Final = "metric"
IMPERIAL: Final = "imperial"

UNITS: Final = frozenset(  # of parameters and facts. "1" and "" have no dimension; "group", "text" are no numbers
    (
        *("", "1", "m", "m2", "m3", "min", "s", "h", "persons", "count", "storeys", "rise/run", "%", "deg", "ratio", "group", "text", "boolean"),
        *(
            "m/person",
            "m2/person",
            "persons/fixture",
            "persons/m2",
            "m3/h",
            "l/s",
            "W/m2K",
            "W/m2",
            "kWh/m2",
            "kN",
            "kN/m2",
            "MPa",
            "kPa",
            "N",
            "kg",
            "dB",
            "lux",
            "degC",
            "W",
        ),
    )
)
CONVERTED: Final[Mapping[str, tuple[str, float]]] = {  # what authors may have on their tape, and what to write instead
    "mm": ("m", 0.001),
    "cm": ("m", 0.01),
    "in": ("m", 0.0254),
    "ft": ("m", 0.3048),
    "km": ("m", 1000.0),
    "mm2": ("m2", 1e-6),
    "cm2": ("m2", 1e-4),
    "ft2": ("m2", 0.09290304),
    "sqft": ("m2", 0.09290304),
    "sq ft": ("m2", 0.09290304),
    "ft3": ("m3", 0.028316846592),
    "ft2/person": ("m2/person", 0.09290304),
    "in/person": ("m/person", 0.0254),
    "mm/person": ("m/person", 0.001),
}
NUMBERLESS: Final = frozenset(("", "1", "ratio", "group", "text", "boolean"))


def problem(unit: str) -> tuple[str, str] | None:
    """What is wrong with a unit, and what is expected. None: nothing."""
    if unit in UNITS:
        return None
    if unit in CONVERTED:
        si, factor = CONVERTED[unit]
        return f'Values are in SI: multiply by {factor:g} and write "{si}".', si
    close = difflib.get_close_matches(unit, UNITS, n=1)
    return f'"{unit}" is not a unit.', close[0] if close else ", ".join(sorted(UNITS - {""}))


def number(value: float, decimals: int) -> str:
    """Without zeros that say nothing: 6.1, 6."""
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def metric_length(value: float, finer: int) -> str:
    return f"{number(value * 1000, finer)} mm" if abs(value) < 3 else f"{number(value, 2 + finer)} m"


def feet_and_inches(value: float, finer: int) -> str:
    """Inches to the sixteenth under 6 ft ("31 1/2 in"), feet and inches from there ("20 ft 6 in")."""
    step = 16 if finer == 0 else 64
    if finer > 1:
        return f"{number(value / 0.0254, finer + 1)} in"
    inches = Fraction(round(abs(value) / 0.0254 * step), step)
    feet, rest = divmod(inches, 12) if inches >= 72 else (0, inches)
    whole, part = divmod(rest, 1)
    fraction = f"{part.numerator}/{part.denominator}" if part else ""
    inch = " ".join(filter(None, (str(whole) if whole or not part else "", fraction)))
    words = [f"{feet} ft" if feet else "", f"{inch} in" if rest or not feet else ""]
    return ("-" if value < 0 and inches else "") + " ".join(filter(None, words))


def scaled(factor: float, unit: str, decimals: int) -> Callable[[float, int], str]:
    return lambda value, finer: f"{number(value * factor, decimals + finer)} {unit}".strip()


def slope(value: float, finer: int) -> str:
    return f"{number(value * 100, 1 + finer)} %" if value <= 0 or value > 1 else f"1:{number(1 / value, finer)} ({number(value * 100, 1 + finer)} %)"


def minutes(value: float, finer: int) -> str:
    return f"{number(value / 60, finer)} h" if value >= 60 and value % 60 == 0 else f"{number(value, finer)} min"


def percent(value: float, finer: int) -> str:
    return f"{number(value, 1 + finer)} %"


COMMON: Final[Mapping[str, Callable[[float, int], str]]] = {
    "min": minutes,
    "rise/run": slope,
    "%": percent,
    "persons": scaled(1, "persons", 0),
    "storeys": scaled(1, "storeys", 0),
    "deg": scaled(1, "°", 1),
    "degC": scaled(1, "°C", 1),
    "count": scaled(1, "", 0),
}
SHOWN: Final[Mapping[str, Mapping[str, Callable[[float, int], str]]]] = {
    METRIC: {**COMMON, "m": metric_length, "m2": scaled(1, "m²", 2), "m3": scaled(1, "m³", 2), "m/person": scaled(1000, "mm/person", 2)},
    IMPERIAL: {
        **COMMON,
        "m": feet_and_inches,
        "m2": scaled(1 / 0.09290304, "sq ft", 1),
        "m3": scaled(1 / 0.028316846592, "cu ft", 1),
        "m/person": scaled(1 / 0.0254, "in/person", 2),
        "m2/person": scaled(1 / 0.09290304, "sq ft/person", 1),
    },
}


def shown(value: Any, unit: str = "", system: str = METRIC, finer: int = 0) -> str:
    """A value as people read it. finer: more digits than usual, for two values that would look the same."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(shown(one, unit, system, finer) for one in value)
    if not isinstance(value, int | float):
        return str(value)
    show = SHOWN.get(system, SHOWN[METRIC]).get(unit)
    if show is not None:
        return show(float(value), finer)
    text = number(float(value), 3 + finer)
    return text if unit in NUMBERLESS else f"{text} {unit}"


def pair(first: Any, second: Any, unit: str, system: str = METRIC) -> tuple[str, str]:
    """Two values, with as many digits as it takes to see that they differ."""
    for finer in range(5):
        texts = shown(first, unit, system, finer), shown(second, unit, system, finer)
        if texts[0] != texts[1] or first == second:
            break
    return texts
