"""From the units of a model to those of IDS: SI, with kilograms for mass, radians for angles and kelvin for temperatures."""

import math
from typing import Any, Final

PREFIXES: Final = {
    "EXA": 1e18,
    "PETA": 1e15,
    "TERA": 1e12,
    "GIGA": 1e9,
    "MEGA": 1e6,
    "KILO": 1e3,
    "HECTO": 1e2,
    "DECA": 1e1,
    "DECI": 1e-1,
    "CENTI": 1e-2,
    "MILLI": 1e-3,
    "MICRO": 1e-6,
    "NANO": 1e-9,
    "PICO": 1e-12,
    "FEMTO": 1e-15,
    "ATTO": 1e-18,
}
_POWERS: Final = {"SQUARE_METRE": 2, "CUBIC_METRE": 3}  # the prefix is of the metre
# Measures whose kind of unit is not simply their name with UNIT for MEASURE.
_KINDS: Final = {
    "IFCPOSITIVELENGTHMEASURE": "LENGTHUNIT",
    "IFCNONNEGATIVELENGTHMEASURE": "LENGTHUNIT",
    "IFCPOSITIVEPLANEANGLEMEASURE": "PLANEANGLEUNIT",
    "IFCCOUNTMEASURE": "",
    "IFCNUMERICMEASURE": "",
    "IFCRATIOMEASURE": "",
    "IFCPOSITIVERATIOMEASURE": "",
    "IFCNORMALISEDRATIOMEASURE": "",
    "IFCDESCRIPTIVEMEASURE": "",
    "IFCMONETARYMEASURE": "",
    "IFCCONTEXTDEPENDENTMEASURE": "",
    "IFCPHMEASURE": "",
}
MAX_NESTING: Final = 8


class Units:
    """The project's units, by kind. Conversions are value * factor + offset."""

    def __init__(self, model: Any) -> None:
        self._by_kind: dict[str, Any] = {}
        contexts = model.by_type("IfcProject") or (model.by_type("IfcContext") if model.schema != "IFC2X3" else ())
        for project in contexts:
            assignment = getattr(project, "UnitsInContext", None)
            for unit in (assignment.Units or ()) if assignment is not None else ():
                kind = getattr(unit, "UnitType", None)
                if kind and kind != "USERDEFINED":
                    self._by_kind.setdefault(kind, unit)

    def to_si(self, value: Any, measure: str, unit: Any = None) -> Any:
        """value: as stored; measure: upper-case defined type; unit: the property's own, or None for the project's."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        kind = kind_of(measure)
        unit = unit or self._by_kind.get(kind)
        if not kind or unit is None:
            return value
        factor, offset = conversion(unit)
        if factor == 1.0 and offset == 0.0:
            return value
        return value * factor + offset


def kind_of(measure: str) -> str:
    if measure in _KINDS:
        return _KINDS[measure]
    return measure.removeprefix("IFC").removesuffix("MEASURE") + "UNIT" if measure.endswith("MEASURE") else ""


def conversion(unit: Any, depth: int = 0) -> tuple[float, float]:
    """Factor and offset to SI; (1, 0) for what cannot be converted, such as currencies."""
    if depth > MAX_NESTING:
        return 1.0, 0.0
    if unit.is_a("IfcSIUnit"):
        return _si(unit)
    if unit.is_a("IfcConversionBasedUnit"):
        return _converted(unit, depth)
    if unit.is_a("IfcDerivedUnit"):
        return _derived(unit, depth), 0.0
    return 1.0, 0.0


def _si(unit: Any) -> tuple[float, float]:
    factor = math.pow(PREFIXES.get(unit.Prefix or "", 1.0), _POWERS.get(unit.Name, 1))
    if unit.Name == "GRAM":
        return factor / 1000, 0.0
    return (1.0, 273.15) if unit.Name == "DEGREE_CELSIUS" else (factor, 0.0)


def _converted(unit: Any, depth: int) -> tuple[float, float]:
    with_unit = unit.ConversionFactor
    value = getattr(getattr(with_unit, "ValueComponent", None), "wrappedValue", None)
    base = getattr(with_unit, "UnitComponent", None)
    if base is None or not isinstance(value, int | float):
        return 1.0, 0.0
    factor, offset = conversion(base, depth + 1)
    own_offset = getattr(unit, "ConversionOffset", None) or 0.0
    return value * factor, own_offset * factor + offset


def _derived(unit: Any, depth: int) -> float:
    product = 1.0
    for element in unit.Elements or ():
        factor, _ = conversion(element.Unit, depth + 1)
        product *= math.pow(factor, element.Exponent)
    return product
