"""Units of an IFC file, and what a number of each measure is worth in SI: metres, square metres, cubic metres, radians, kilograms, seconds."""

from typing import Any, Final

from validation.ingest.step import attr

_PREFIX: Final = {
    "EXA": 1e18, "PETA": 1e15, "TERA": 1e12, "GIGA": 1e9, "MEGA": 1e6, "KILO": 1e3, "HECTO": 1e2, "DECA": 1e1,
    "DECI": 1e-1, "CENTI": 1e-2, "MILLI": 1e-3, "MICRO": 1e-6, "NANO": 1e-9, "PICO": 1e-12, "FEMTO": 1e-15, "ATTO": 1e-18,
}  # fmt: skip
_POWER: Final = {"SQUARE_METRE": 2, "CUBIC_METRE": 3}
_BASE: Final = {"GRAM": 1e-3}  # the SI unit of mass is the kilogram
_UNIT_OF: Final = {
    "Length": "LENGTHUNIT",
    "PositiveLength": "LENGTHUNIT",
    "NonNegativeLength": "LENGTHUNIT",
    "Area": "AREAUNIT",
    "Volume": "VOLUMEUNIT",
    "PlaneAngle": "PLANEANGLEUNIT",
    "PositivePlaneAngle": "PLANEANGLEUNIT",
    "Mass": "MASSUNIT",
    "Time": "TIMEUNIT",
}
MEASURES: Final = {f"Ifc{name}Measure": unit for name, unit in _UNIT_OF.items()}
QUANTITIES: Final = {
    "IfcQuantityLength": "LENGTHUNIT",
    "IfcQuantityArea": "AREAUNIT",
    "IfcQuantityVolume": "VOLUMEUNIT",
    "IfcQuantityWeight": "MASSUNIT",
    "IfcQuantityTime": "TIMEUNIT",
    "IfcQuantityCount": "",
}


class Units:
    """Factors of the project's units. A unit that the file does not state is SI."""

    def __init__(self, model: Any) -> None:
        self._factors: dict[str, float] = {}
        for assignment in model.by_type("IfcUnitAssignment")[:1]:
            for unit in attr(assignment, "Units") or ():
                kind = attr(unit, "UnitType")
                if kind and kind != "USERDEFINED":
                    self._factors[kind] = factor(unit)

    def of(self, kind: str) -> float:
        return self._factors.get(kind, 1.0)

    @property
    def length(self) -> float:
        return self.of("LENGTHUNIT")

    def of_measure(self, measure: str) -> float:
        return self.of(MEASURES[measure]) if measure in MEASURES else 1.0


def factor(unit: Any) -> float:
    """How much of the SI unit one of this is; 1.0 for what is not a plain unit (derived, monetary, with an offset)."""
    if unit.is_a("IfcSIUnit"):
        power = _POWER.get(attr(unit, "Name"), 1)
        return float(_PREFIX.get(attr(unit, "Prefix") or "", 1.0) ** power * _BASE.get(attr(unit, "Name"), 1.0))
    if unit.is_a("IfcConversionBasedUnit"):
        measure = attr(unit, "ConversionFactor")
        return float(attr(measure, "ValueComponent").get_argument(0)) * factor(attr(measure, "UnitComponent"))
    return 1.0
