"""The property and quantity sets that buildingSMART has standardised, by schema. Needs ifcopenshell, which brings their templates."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from validation.ingest.ids.ifc_schema import BY_TYPE_2X3, Schema

RESERVED: Final = ("Pset_", "Qto_")
_FILES: Final = {"IFC2X3": "Pset_IFC2X3.ifc", "IFC4": "Pset_IFC4_ADD2.ifc", "IFC4X3_ADD2": "Pset_IFC4X3.ifc"}
_QUANTITIES: Final = {
    "Q_LENGTH": "IFCLENGTHMEASURE",
    "Q_AREA": "IFCAREAMEASURE",
    "Q_VOLUME": "IFCVOLUMEMEASURE",
    "Q_COUNT": "IFCCOUNTMEASURE",
    "Q_WEIGHT": "IFCMASSMEASURE",
    "Q_TIME": "IFCTIMEMEASURE",
    "Q_NUMBER": "IFCNUMERICMEASURE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardProperty:
    """data_types: what its values can be; empty when that is not known. values: of an enumerated property; empty for any."""

    data_types: frozenset[str]
    values: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardSet:
    """applies_to: upper-case class names, without subclasses; empty for anything."""

    properties: dict[str, StandardProperty]
    applies_to: frozenset[str]


@cache
def standard_sets(version: str) -> dict[str, StandardSet]:
    import ifcopenshell
    import ifcopenshell.util.pset

    folder = Path(ifcopenshell.util.pset.__file__).parent / "schema"
    templates: Any = ifcopenshell.open(str(folder / _FILES[version]))
    return {one.Name: _set(one) for one in templates.by_type("IfcPropertySetTemplate") if one.Name}


def _set(template: Any) -> StandardSet:
    properties = {one.Name: _property(one) for one in template.HasPropertyTemplates or () if one.is_a("IfcSimplePropertyTemplate")}
    named = (template.ApplicableEntity or "").replace(";", ",").split(",")
    return StandardSet(properties=properties, applies_to=frozenset(name.partition("/")[0].strip().upper() for name in named if name.strip()))


def _property(template: Any) -> StandardProperty:
    quantity = _QUANTITIES.get(template.TemplateType or "")
    measures = (template.PrimaryMeasureType, template.SecondaryMeasureType if template.TemplateType == "P_TABLEVALUE" else None)
    types = {quantity} if quantity else {name.upper() for name in measures if name}
    if template.TemplateType == "P_ENUMERATEDVALUE" and not types:
        types = {"IFCLABEL"}
    enumerators = template.Enumerators
    values = {str(value.wrappedValue) for value in enumerators.EnumerationValues or ()} if enumerators is not None else set()
    return StandardProperty(data_types=frozenset(types), values=frozenset(values))


def classes_of(sets: Iterable[StandardSet], schema: Schema) -> frozenset[str] | None:
    """What can have one of the sets: the classes that the standard names, their subclasses, and the types of these. None: anything."""
    found: set[str] = set()
    for one in sets:
        if not one.applies_to:
            return None
        roots = {relative for name in one.applies_to for relative in _relatives(name)}
        found |= schema.subclasses(*roots)
        if schema.version == "IFC2X3":
            found |= {name for name, (_, type_name) in BY_TYPE_2X3.items() if type_name in found}
            found |= {occurrence for occurrence, type_name in BY_TYPE_2X3.values() if type_name in found}
    return frozenset(found)


def _relatives(name: str) -> tuple[str, ...]:
    """An occurrence has a type and a type has occurrences; a set that applies to one may be given at the other."""
    bare = name.removesuffix("TYPE").removesuffix("STYLE")
    return (name, bare, bare + "TYPE", bare + "STYLE")
