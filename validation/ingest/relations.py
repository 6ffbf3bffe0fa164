"""The relations of an IFC model, each read once: what holds what, types, property sets, quantities, boundaries of spaces, associations."""

from math import isfinite
from typing import Any, Final

from validation.ingest.step import attr
from validation.ingest.units import MEASURES, QUANTITIES, Units, factor

LONGEST_KEY: Final = 200
LONGEST_TEXT: Final = 4000
MOST_VALUES: Final = 500


class Relations:
    """Keys and values are step numbers, and instances where their attributes are needed."""

    def __init__(self, model: Any, units: Units) -> None:
        self.model, self.units = model, units
        self.part_of: dict[int, int] = {}
        self.parts_of: dict[int, list[int]] = {}
        self.contained_in: dict[int, int] = {}
        self.opening_of: dict[int, int] = {}  # door or window -> the opening that it fills
        self.host_of: dict[int, int] = {}  # opening -> the wall that it is in
        self.type_of: dict[int, Any] = {}
        self.members_of: dict[int, list[int]] = {}
        self.bounded: dict[int, tuple[list[int], bool]] = {}
        self._sets_of: dict[int, list[Any]] = {}
        self._associated: dict[int, dict[str, list[str]]] = {}
        self._read_sets: dict[int, tuple[dict[str, Any], dict[str, float]]] = {}
        self._classes: dict[int, str] = {}
        for name, reader in _READERS:
            for relation in self._all(name):
                reader(self, relation)

    def holder_of(self, number: int) -> int | None:
        """What contains it or what it is a part of."""
        for found in (self.contained_in, self.part_of, self.opening_of, self.host_of):
            if number in found:
                return found[number]
        return None

    def class_of(self, number: int) -> str:
        if number not in self._classes:
            self._classes[number] = self.model.by_id(number).is_a()
        return self._classes[number]

    def properties_of(self, number: int, type_object: Any) -> tuple[dict[str, Any], dict[str, float]]:
        """ "Set.Property" -> value and "Set.Quantity" -> SI. Its own win over those of its type, property by property."""
        properties: dict[str, Any] = {}
        quantities: dict[str, float] = {}
        of_type = (attr(type_object, "HasPropertySets") or ()) if type_object is not None else ()
        for one in (*of_type, *self._sets_of.get(number, ())):
            found = self._read_sets.get(one.id()) or self._read(one)
            properties |= found[0]
            quantities |= found[1]
        return properties, quantities

    def associated(self, number: int, type_object: Any) -> dict[str, Any]:
        """Materials and classifications, of the element or else of its type."""
        found = dict(self._associated.get(type_object.id(), {})) if type_object is not None else {}
        found |= self._associated.get(number, {})
        return {name: names[:MOST_VALUES] for name, names in found.items()}

    def _all(self, name: str) -> Any:
        try:
            return self.model.by_type(name)
        except RuntimeError:  # the schema of this file has no such class
            return ()

    def _read(self, definition: Any) -> tuple[dict[str, Any], dict[str, float]]:
        found = self._read_sets[definition.id()] = ({}, {})
        name = _word(definition.get_argument(2))
        if definition.is_a("IfcPropertySet"):
            self._properties(definition.get_argument(4), name, found[0])
        elif definition.is_a("IfcElementQuantity"):
            self._quantities(definition.get_argument(5), name, found[1])
        return found

    def _properties(self, given: Any, prefix: str, into: dict[str, Any], depth: int = 0) -> None:
        for one in given or ():
            name, kind = f"{prefix}.{_word(one.get_argument(0))}"[:LONGEST_KEY], one.is_a()
            if kind == "IfcPropertySingleValue":
                value = self._value(one.get_argument(2), one.get_argument(3))
            elif kind == "IfcComplexProperty" and depth < 8:
                self._properties(one.get_argument(3), name, into, depth + 1)
                continue
            else:
                value = self._other(one, kind)
            if value is not None:
                into[name] = value

    def _other(self, one: Any, kind: str) -> Any:
        """Enumerated and list values as a list; a bounded value as its set point, or [lowest, highest]."""
        if kind in ("IfcPropertyEnumeratedValue", "IfcPropertyListValue"):
            found = [value for each in one.get_argument(2) or () if (value := self._value(each, None)) is not None][:MOST_VALUES]
            return found[0] if kind == "IfcPropertyEnumeratedValue" and len(found) == 1 else found or None
        if kind == "IfcPropertyBoundedValue":
            upper, lower = (self._value(one.get_argument(index), None) for index in (2, 3))
            point = self._value(one.get_argument(5), None) if len(one) > 5 else None
            return point if point is not None else [value for value in (lower, upper) if value is not None] or None
        return None

    def _value(self, wrapped: Any, unit: Any) -> Any:
        """A text, a truth or a number in SI; None for what is none or unknown."""
        if wrapped is None:
            return None
        value = wrapped.get_argument(0)
        if isinstance(value, float):
            if not isfinite(value):
                return None
            kind = wrapped.is_a()
            scale = (factor(unit) if unit is not None else self.units.of_measure(kind)) if kind in MEASURES or unit is not None else 1.0
            return round(value * scale, 9)
        if isinstance(value, str):
            return value.replace("\x00", "")[:LONGEST_TEXT] if not (wrapped.is_a("IfcLogical") and value == "UNKNOWN") else None
        return value if isinstance(value, bool | int) else None

    def _quantities(self, given: Any, prefix: str, into: dict[str, float], depth: int = 0) -> None:
        for one in given or ():
            name, kind = f"{prefix}.{_word(one.get_argument(0))}"[:LONGEST_KEY], one.is_a()
            if kind == "IfcPhysicalComplexQuantity" and depth < 8:
                self._quantities(one.get_argument(2), name, into, depth + 1)
            elif kind in QUANTITIES:
                value, unit = one.get_argument(3), one.get_argument(2)
                scale = factor(unit) if unit is not None else self.units.of(QUANTITIES[kind])
                if isinstance(value, float | int) and isfinite(value):
                    into[name] = round(value * scale, 9)

    def decomposes(self, relation: Any) -> None:
        whole = attr(relation, "RelatingObject")
        for part in attr(relation, "RelatedObjects") or ():
            self.part_of[part.id()] = whole.id()
            self.parts_of.setdefault(whole.id(), []).append(part.id())

    def contains(self, relation: Any) -> None:
        place = attr(relation, "RelatingStructure").id()
        for one in attr(relation, "RelatedElements") or ():
            self.contained_in[one.id()] = place

    def fills(self, relation: Any) -> None:
        self.opening_of[attr(relation, "RelatedBuildingElement").id()] = attr(relation, "RelatingOpeningElement").id()

    def voids(self, relation: Any) -> None:
        self.host_of[attr(relation, "RelatedOpeningElement").id()] = attr(relation, "RelatingBuildingElement").id()

    def typed(self, relation: Any) -> None:
        for one in attr(relation, "RelatedObjects") or ():
            self.type_of[one.id()] = attr(relation, "RelatingType")

    def defined(self, relation: Any) -> None:
        definition = attr(relation, "RelatingPropertyDefinition")
        several = definition.get_argument(0) if definition is not None and definition.is_a("IfcPropertySetDefinitionSet") else (definition,)
        for one in attr(relation, "RelatedObjects") or ():
            self._sets_of.setdefault(one.id(), []).extend(each for each in several if each is not None)

    def grouped(self, relation: Any) -> None:
        group = attr(relation, "RelatingGroup")
        if group is not None and group.is_a("IfcZone"):
            self.members_of.setdefault(group.id(), []).extend(one.id() for one in attr(relation, "RelatedObjects") or ())

    def bounds(self, relation: Any) -> None:
        element, space = attr(relation, "RelatedBuildingElement"), attr(relation, "RelatingSpace")
        if element is None or space is None:
            return
        spaces, outside = self.bounded.get(element.id(), ([], False))
        if space.is_a("IfcSpace") and space.id() not in spaces:
            spaces.append(space.id())
        outside = outside or str(attr(relation, "InternalOrExternalBoundary") or "").startswith("EXTERNAL")
        self.bounded[element.id()] = (spaces, outside)

    def made_of(self, relation: Any) -> None:
        names = sorted(set(_materials(attr(relation, "RelatingMaterial"))))
        for one in attr(relation, "RelatedObjects") or ():
            self._associated.setdefault(one.id(), {}).setdefault("Attributes.Materials", []).extend(names)

    def classified(self, relation: Any) -> None:
        reference = attr(relation, "RelatingClassification")
        if reference is None or not reference.is_a("IfcClassificationReference"):
            return
        code = _word(attr(reference, "Identification") or attr(reference, "ItemReference"))
        names = [" ".join(part for part in (code, _word(attr(reference, "Name"))) if part)]
        for one in attr(relation, "RelatedObjects") or ():
            self._associated.setdefault(one.id(), {}).setdefault("Attributes.Classifications", []).extend(names)


_READERS: Final = (
    ("IfcRelAggregates", Relations.decomposes),
    ("IfcRelNests", Relations.decomposes),
    ("IfcRelContainedInSpatialStructure", Relations.contains),
    ("IfcRelFillsElement", Relations.fills),
    ("IfcRelVoidsElement", Relations.voids),
    ("IfcRelDefinesByType", Relations.typed),
    ("IfcRelDefinesByProperties", Relations.defined),
    ("IfcRelAssignsToGroup", Relations.grouped),
    ("IfcRelSpaceBoundary", Relations.bounds),
    ("IfcRelAssociatesMaterial", Relations.made_of),
    ("IfcRelAssociatesClassification", Relations.classified),
)


def _materials(given: Any, depth: int = 0) -> list[str]:
    """Names of the materials in a material, list, layer set, constituent set, profile set, or a usage of one."""
    if given is None or depth > 4:
        return []
    if given.is_a("IfcMaterial"):
        return [_word(attr(given, "Name"))]
    for name in ("Materials", "MaterialLayers", "MaterialConstituents", "MaterialProfiles"):
        found = attr(given, name)
        if found:
            return [word for one in found for word in _materials(one, depth + 1)]
    return [word for name in ("Material", "ForLayerSet", "ForProfileSet") for word in _materials(attr(given, name), depth + 1)]


def _word(value: Any) -> str:
    return value.replace("\x00", "").strip()[:LONGEST_KEY] if isinstance(value, str) else ""
