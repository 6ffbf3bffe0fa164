"""An IFC file as the fields of the live protocol, and what differs between two readings of it. Needs the `ifcopenshell` package.

The same elements, names and units as when the file is uploaded: metres, square metres, cubic metres, radians, kilograms, seconds. What only bodies
tell is not sent: boxes, outlines, and which storeys a stair connects.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Model = Mapping[str, Mapping[str, Any]]  # global id -> {"ifc_class": …, "name": …, "properties.Pset_DoorCommon.FireRating": …}
LONGEST_NAME, LONGEST_FIELD, LONGEST_TEXT, MOST_VALUES = 255, 200, 4000, 500
SKIPPED = ("IfcPort", "IfcAnnotation", "IfcGrid")
STRUCTURE = ("IfcBeam", "IfcColumn", "IfcMember", "IfcFooting", "IfcPile", "IfcReinforcingElement", "IfcStructuralItem")
WHOLES = ("IfcBuilding", "IfcSite", "IfcSpace")  # what is a part of one of these stands in it
OF_STAIRS = ("IfcStair", "IfcStairFlight", "IfcRamp", "IfcRampFlight")
_OWN_FIELDS = ("GlobalId", "Name", "Tag", "PredefinedType")
_NOT_STATED = ("", "NOTDEFINED", "UNSET")
_MEASURES = {
    "IfcLengthMeasure": "LENGTHUNIT", "IfcPositiveLengthMeasure": "LENGTHUNIT", "IfcNonNegativeLengthMeasure": "LENGTHUNIT",
    "IfcAreaMeasure": "AREAUNIT", "IfcVolumeMeasure": "VOLUMEUNIT", "IfcPlaneAngleMeasure": "PLANEANGLEUNIT",
    "IfcPositivePlaneAngleMeasure": "PLANEANGLEUNIT", "IfcMassMeasure": "MASSUNIT", "IfcTimeMeasure": "TIMEUNIT",
}  # fmt: skip
_QUANTITIES = {
    "IfcQuantityLength": "LENGTHUNIT", "IfcQuantityArea": "AREAUNIT", "IfcQuantityVolume": "VOLUMEUNIT", "IfcQuantityWeight": "MASSUNIT",
    "IfcQuantityTime": "TIMEUNIT", "IfcQuantityCount": "",
}  # fmt: skip


def read(path: str) -> dict[str, Json]:
    """Every product and zone of the file. Raises OSError, RuntimeError for what is no IFC file, or not whole yet."""
    import ifcopenshell

    with Path(path).open("rb") as file:
        is_text = file.read(13) == b"ISO-10303-21;"
        file.seek(max(0, Path(path).stat().st_size - 200))
        if is_text and b"END-ISO-10303-21;" not in file.read():
            raise RuntimeError(f"{path} is being written")
    return Reading(ifcopenshell.open(path)).elements()


class Reading:
    """Relations are read once: walking from each element to its properties costs many times as much. Keys are step numbers."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.units = units(model)
        self.held_by: dict[str, dict[int, Any]] = {"contains": {}, "part": {}, "fills": {}, "voids": {}}
        self.types: dict[int, Any] = {}
        self.sets: dict[int, list[Any]] = {}
        self.members: dict[int, list[Any]] = {}
        self.bounded: dict[int, tuple[list[int], bool]] = {}
        self._columns: dict[str, list[tuple[int, str, float]]] = {}
        self._relate()
        self.ids, self.twice = self._unique_ids()

    def all(self, name: str) -> Any:
        try:
            return self.model.by_type(name)
        except RuntimeError:  # the schema of this file has no such class
            return ()

    def elements(self) -> dict[str, Json]:
        return {self.ids[product.id()]: self.fields(product) for product in self.products}

    def _relate(self) -> None:
        for kind, relation, whole, parts in (
            ("part", "IfcRelAggregates", "RelatingObject", "RelatedObjects"),
            ("part", "IfcRelNests", "RelatingObject", "RelatedObjects"),
            ("contains", "IfcRelContainedInSpatialStructure", "RelatingStructure", "RelatedElements"),
            ("fills", "IfcRelFillsElement", "RelatingOpeningElement", "RelatedBuildingElement"),
            ("voids", "IfcRelVoidsElement", "RelatingBuildingElement", "RelatedOpeningElement"),
        ):
            for one in self.all(relation):
                found = getattr(one, parts)
                for part in found if isinstance(found, tuple) else (found,):
                    self.held_by[kind][part.id()] = getattr(one, whole)
        for one in self.all("IfcRelDefinesByType"):
            self.types |= {each.id(): one.RelatingType for each in one.RelatedObjects}
        for one in self.all("IfcRelDefinesByProperties"):
            definition = one.RelatingPropertyDefinition
            several = definition.wrappedValue if definition.is_a("IfcPropertySetDefinitionSet") else (definition,)
            for each in one.RelatedObjects:
                self.sets.setdefault(each.id(), []).extend(several)
        for one in self.all("IfcRelAssignsToGroup"):
            self.members.setdefault(one.RelatingGroup.id(), []).extend(one.RelatedObjects)
        for one in self.all("IfcRelSpaceBoundary"):
            self._bound(one)

    def _bound(self, relation: Any) -> None:
        element, space = relation.RelatedBuildingElement, relation.RelatingSpace
        if element is None or space is None:
            return
        spaces, outside = self.bounded.get(element.id(), ([], False))
        if space.is_a("IfcSpace") and space.id() not in spaces:
            spaces.append(space.id())
        self.bounded[element.id()] = (spaces, outside or str(relation.InternalOrExternalBoundary or "").startswith("EXTERNAL"))

    def _unique_ids(self) -> tuple[dict[int, str], set[str]]:
        """Of several with the same global id, the second (by class, name and number) is "<id>#2"; and which there are several of."""
        skipped = {one.id() for name in SKIPPED for one in self.all(name)} | {one.id() for one in self.held_by["fills"].values()}
        found = (one for one in (*self.all("IfcProduct"), *self.all("IfcZone")) if one.id() not in skipped)
        self.products = sorted(found, key=lambda one: one.id())
        same: dict[str, list[Any]] = {}
        for product in self.products:
            same.setdefault(_text(product.GlobalId)[:22], []).append(product)
        ids: dict[int, str] = {}
        for mark, holders in same.items():
            for number, one in enumerate(sorted(holders, key=lambda one: (one.is_a(), _text(one.Name), one.id())), start=1):
                ids[one.id()] = f"{mark or 'without-id'}#{number}" if number > 1 or not mark else mark
        return ids, {mark for mark, holders in same.items() if len(holders) > 1}

    def fields(self, product: Any) -> Json:
        kind = self.types.get(product.id())
        properties, quantities = self._sets_of(product, kind)
        properties |= self._attributes(product, kind)
        made: Json = {
            "ifc_class": product.is_a(),
            "name": _text(product.Name)[:LONGEST_NAME],
            "tag": _text(getattr(product, "Tag", None))[:LONGEST_NAME],
            "discipline": _discipline(product),
            **self._place(product),
        }
        more = {"predefined_type": _predefined(product, kind)[:63], "connects": self._connects(product, properties)}
        made |= {name: value for name, value in more.items() if value}
        named = [
            *((f"properties.{name}", value) for name, value in properties.items()),
            *((f"quantities.{name}", value) for name, value in quantities.items()),
        ]
        return made | {name: value for name, value in named if len(name) <= LONGEST_FIELD}

    def _attributes(self, product: Any, kind: Any) -> Json:
        """Plain attributes of its class and of its type, what it is made of, and what it is a part of."""
        made = {**(self._plain(kind) if kind is not None else {}), **self._plain(product)}
        if kind is not None:
            made["Attributes.TypeName"] = _text(kind.Name)
        made |= _associated(product)
        if self.ids[product.id()].partition("#")[0] in self.twice:
            made["Data.DuplicateGlobalId"] = True
        whole = self.held_by["part"].get(product.id())
        if whole is not None and whole.id() in self.ids and not _is_spatial(product) and not whole.is_a().startswith(WHOLES):
            made["Attributes.PartOf"] = self.ids[whole.id()]
        return {name: value for name, value in made.items() if value != ""}

    def _plain(self, instance: Any) -> Json:
        name = instance.is_a()
        if name not in self._columns:
            self._columns[name] = list(self._columns_of(name))
        values = ((field, instance[index], scale) for index, field, scale in self._columns[name])
        return {field: _scaled(value, scale) for field, value, scale in values if value is not None and value != "NOTDEFINED"}

    def _columns_of(self, ifc_class: str) -> Iterator[tuple[int, str, float]]:
        """(index, field, factor to SI) of the attributes that hold a text, a number or a word of an enumeration."""
        import ifcopenshell

        declaration: Any = ifcopenshell.schema_by_name(self.model.schema_identifier).declaration_by_name(ifc_class)
        for index, attribute in enumerate(declaration.all_attributes()):
            named = attribute.type_of_attribute().as_named_type()
            declared = named.declared_type() if named else None
            plain = declared.as_type_declaration() if declared else None
            is_list = plain and plain.declared_type().as_aggregation_type()
            if declared is not None and (plain or declared.as_enumeration_type()) and not is_list and attribute.name() not in _OWN_FIELDS:
                yield index, f"Attributes.{attribute.name()}", self._of_measure(declared.name())

    def _place(self, product: Any) -> Json:
        """Its storey and space: what contains it, or contains what it is a part of."""
        place: Json = {}
        at: Any = product
        seen: set[int] = set()
        while at is not None and at.id() not in seen:
            seen.add(at.id())
            if at.is_a() == "IfcBuildingStorey":
                return {**place, "storey": self.ids[at.id()]}
            if at.is_a() == "IfcSpace" and at.id() != product.id():
                place.setdefault("space", self.ids[at.id()])
            at = next((held[at.id()] for held in self.held_by.values() if at.id() in held), None)
        return place

    def _connects(self, product: Any, properties: Json) -> list[str]:
        if product.is_a("IfcZone"):
            return [self.ids[one.id()] for one in self.members.get(product.id(), ()) if one.id() in self.ids]
        if product.is_a() in OF_STAIRS:
            return []
        spaces, outside = self.bounded.get(product.id(), ([], False))
        found = [self.ids[one] for one in spaces if one in self.ids]
        external = any(value is True for name, value in properties.items() if name.endswith("Common.IsExternal"))
        return [*found, ""] if found and (outside or (len(found) == 1 and external)) else found

    def _sets_of(self, product: Any, kind: Any) -> tuple[Json, Json]:
        """Properties and quantities in SI by "Set.Name". Its own win over those of its type, one by one."""
        properties: Json = {}
        quantities: Json = {}
        of_type = getattr(kind, "HasPropertySets", None) or () if kind is not None else ()
        for one in (*of_type, *self.sets.get(product.id(), ())):
            if one.is_a("IfcPropertySet"):
                properties |= self._properties(one.HasProperties or (), _word(one.Name))
            elif one.is_a("IfcElementQuantity"):
                quantities |= self._quantities(one.Quantities or (), _word(one.Name))
        return properties, quantities

    def _properties(self, given: Iterable[Any], prefix: str, depth: int = 0) -> Json:
        made: Json = {}
        for one in given:
            name = f"{prefix}.{_word(one.Name)}"
            if one.is_a("IfcComplexProperty"):
                made |= self._properties(one.HasProperties or (), name, depth + 1) if depth < 8 else {}
            elif (value := self._value_of(one)) is not None:
                made[name] = value
        return made

    def _value_of(self, one: Any) -> Any:
        """Enumerated and list values as a list; a bounded value as its set point, or [lowest, highest]."""
        if one.is_a("IfcPropertySingleValue"):
            return self._value(one.NominalValue, one.Unit)
        if one.is_a("IfcPropertyEnumeratedValue") or one.is_a("IfcPropertyListValue"):
            found = [value for each in one[2] or () if (value := self._value(each)) is not None][:MOST_VALUES]
            return found[0] if one.is_a("IfcPropertyEnumeratedValue") and len(found) == 1 else found or None
        if one.is_a("IfcPropertyBoundedValue"):
            point = self._value(getattr(one, "SetPointValue", None))
            ends = [value for each in (one.LowerBoundValue, one.UpperBoundValue) if (value := self._value(each)) is not None]
            return point if point is not None else ends or None
        return None

    def _value(self, wrapped: Any, unit: Any = None) -> Any:
        """A text, a truth or a number in SI; None for what is none or unknown."""
        value = wrapped.wrappedValue if wrapped is not None else None
        if isinstance(value, float):
            scale = factor(unit) if unit is not None else self._of_measure(wrapped.is_a())
            return round(value * scale, 9) if isfinite(value) else None
        if isinstance(value, str):
            return None if wrapped.is_a("IfcLogical") and value == "UNKNOWN" else _text(value)[:LONGEST_TEXT]
        return value if isinstance(value, bool | int) else None

    def _quantities(self, given: Iterable[Any], prefix: str, depth: int = 0) -> Json:
        made: Json = {}
        for one in given:
            name, kind = f"{prefix}.{_word(one.Name)}", one.is_a()
            if kind == "IfcPhysicalComplexQuantity":
                made |= self._quantities(one.HasQuantities or (), name, depth + 1) if depth < 8 else {}
            elif kind in _QUANTITIES and isinstance(one[3], float | int) and isfinite(one[3]):
                made[name] = round(one[3] * (factor(one.Unit) if one.Unit is not None else self.units.get(_QUANTITIES[kind], 1.0)), 9)
        return made

    def _of_measure(self, measure: str) -> float:
        return self.units.get(_MEASURES.get(measure, ""), 1.0)


def units(model: Any) -> dict[str, float]:
    """Factors to SI of the project's units; one that the file does not state is SI."""
    found = [one for assignment in model.by_type("IfcUnitAssignment")[:1] for one in assignment.Units or ()]
    return {one.UnitType: factor(one) for one in found if getattr(one, "UnitType", None) not in (None, "USERDEFINED")}


def factor(unit: Any) -> float:
    """How much of the SI unit one of this is; 1.0 for what is not a plain unit (derived, monetary)."""
    import ifcopenshell.util.unit

    prefixes: Any = ifcopenshell.util.unit.get_prefix_multiplier
    if unit.is_a("IfcSIUnit"):
        power = {"SQUARE_METRE": 2, "CUBIC_METRE": 3}.get(unit.Name, 1)
        return float(prefixes(unit.Prefix)) ** power * (1e-3 if unit.Name == "GRAM" else 1.0)  # the SI unit of mass is the kilogram
    if unit.is_a("IfcConversionBasedUnit"):
        measure = unit.ConversionFactor
        return float(measure.ValueComponent.wrappedValue) * factor(measure.UnitComponent)
    return 1.0


def _scaled(value: Any, scale: float) -> Any:
    return round(value * scale, 9) if isinstance(value, float) else _text(value)[:LONGEST_TEXT] if isinstance(value, str) else value


def _predefined(product: Any, kind: Any) -> str:
    """Of the element, else of its type; what the user has defined by its own word."""
    for one in (product, kind):
        value = _text(getattr(one, "PredefinedType", None))
        if value == "USERDEFINED":
            value = _text(getattr(one, "ObjectType", None)) or _text(getattr(one, "ElementType", None)) or value
        if value not in _NOT_STATED:
            return value
    return ""


def _discipline(product: Any) -> str:
    if product.is_a("IfcDistributionElement"):
        return "services"
    return "structure" if any(_is_a(product, name) for name in STRUCTURE) else "architecture"


def _associated(product: Any) -> Json:
    """Names of its materials, and its classifications, or those of its type."""
    import ifcopenshell.util.classification
    import ifcopenshell.util.element

    materials_of: Any = ifcopenshell.util.element.get_materials
    classes_of: Any = ifcopenshell.util.classification.get_references
    materials: list[str] = []
    if not (product.is_a("IfcZone") or _is_spatial(product)):
        materials = sorted({_word(one.Name) for one in materials_of(product) if one is not None})
    codes = [
        " ".join(word for word in (_word(getattr(one, "Identification", None) or getattr(one, "ItemReference", None)), _word(one.Name)) if word)
        for one in classes_of(product)
        if one.is_a("IfcClassificationReference")
    ]
    found = {"Attributes.Materials": materials[:MOST_VALUES], "Attributes.Classifications": sorted(codes)[:MOST_VALUES]}
    return {name: names for name, names in found.items() if names}


def _is_spatial(product: Any) -> bool:
    return _is_a(product, "IfcSpatialStructureElement") or _is_a(product, "IfcSpatialElement")


def _is_a(product: Any, name: str) -> bool:
    try:
        return bool(product.is_a(name))
    except RuntimeError:  # the schema of this file has no such class
        return False


def _text(value: Any) -> str:
    return value.replace("\x00", "") if isinstance(value, str) else ""


def _word(value: Any) -> str:
    return _text(value).strip()[:LONGEST_FIELD]


def difference(before: Model, after: Model) -> list[Json]:
    """The operations that turn one reading into the other."""
    ops: list[Json] = [{"op": "delete", "global_id": mark} for mark in before if mark not in after]
    for mark, now in after.items():
        was = before.get(mark, {})
        changed = {name: value for name, value in now.items() if name != "ifc_class" and was.get(name) != value}
        gone = [name for name in was if name not in now and name != "ifc_class"]
        if changed or gone or not was or was["ifc_class"] != now["ifc_class"]:
            ops.append({"op": "upsert", "global_id": mark, "ifc_class": now["ifc_class"], "set": changed, "unset": gone})
    return ops
