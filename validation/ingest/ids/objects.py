"""What IDS reads of an IFC object: its class and predefined type, classifications, materials, properties, and what it is part of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from validation.ingest.ids.ifc_schema import BY_TYPE_2X3
from validation.ingest.ids.terms import VOIDS_AND_FILLS
from validation.ingest.ids.units import Units

MAX_CLIMB: Final = 1000  # a cycle in the model ends there


@dataclass(frozen=True, slots=True)
class Typed:
    """A property or quantity as IDS sees it. values: (value in SI, upper-case data type). is_range: a bounded value, with its bounds and
    perhaps a set point."""

    values: tuple[tuple[Any, str], ...]
    supported: bool = True
    lower: Any = None
    upper: Any = None
    has_point: bool = False
    is_range: bool = False


def type_of(one: Any) -> Any:
    """The type object of an occurrence, or None."""
    for relation in getattr(one, "IsTypedBy", None) or ():
        return relation.RelatingType
    for relation in getattr(one, "IsDefinedBy", None) or ():
        if relation.is_a("IfcRelDefinesByType"):
            return relation.RelatingType
    return None


def classes_of(one: Any) -> frozenset[str]:
    """The names by which an entity facet can mean it: its class, and in IFC2X3 also what the class of its type says."""
    own = one.is_a().upper()
    if one.file.schema != "IFC2X3" or (kind := type_of(one)) is None:
        return frozenset((own,))
    type_name = kind.is_a().upper()
    mapped = type_name.removesuffix("TYPE")
    pair = BY_TYPE_2X3.get(mapped)
    return frozenset((own, mapped)) if pair == (own, type_name) else frozenset((own,))


def predefined_types(one: Any) -> frozenset[str]:
    """The predefined type, its type's first. A user-defined one can be meant by its own name and by USERDEFINED."""
    kind = type_of(one)
    of_type = _predefined(kind, ("ElementType", "ProcessType", "ResourceType")) if kind is not None else frozenset()
    if of_type and of_type != {"NOTDEFINED"}:
        return of_type
    own = _predefined(one, ("ObjectType", "ElementType", "ProcessType", "ResourceType"))
    return own or of_type


def _predefined(one: Any, names: tuple[str, ...]) -> frozenset[str]:
    enumerated = getattr(one, "PredefinedType", None)
    if enumerated and enumerated != "USERDEFINED":
        return frozenset((enumerated,))
    custom = next((text for name in names if (text := getattr(one, name, None))), None)
    found = ({"USERDEFINED"} if enumerated or custom else set()) | ({custom} if custom else set())
    return frozenset(found)


def classifications(one: Any) -> list[tuple[str | None, frozenset[str]]]:
    """(system, codes of the reference and of all it is below) for every classification; an occurrence's replaces its type's of the same system."""
    own = [_classified(reference) for reference in _references(one)]
    kind = type_of(one)
    if kind is None:
        return own
    systems = {system for system, _ in own}
    return own + [found for reference in _references(kind) if (found := _classified(reference))[0] not in systems]


def _references(one: Any) -> list[Any]:
    found = [
        relation.RelatingClassification
        for relation in getattr(one, "HasAssociations", None) or ()
        if relation.is_a("IfcRelAssociatesClassification") and relation.RelatingClassification is not None
    ]
    for name in ("HasExternalReferences", "HasExternalReference"):
        found += [relation.RelatingReference for relation in getattr(one, name, None) or () if relation.RelatingReference is not None]
    return [reference for reference in found if reference.is_a("IfcClassificationReference") or reference.is_a("IfcClassification")]


def _classified(reference: Any) -> tuple[str | None, frozenset[str]]:
    codes: set[str] = set()
    for _ in range(MAX_CLIMB):
        if reference is None:
            return None, frozenset(codes)
        if reference.is_a("IfcClassification"):
            return reference.Name, frozenset(codes)
        if not reference.is_a("IfcClassificationReference"):
            break
        code = getattr(reference, "Identification", None) or getattr(reference, "ItemReference", None)
        if code:
            codes.add(code)
        reference = reference.ReferencedSource
    return None, frozenset(codes)


def materials(one: Any) -> list[Any]:
    """The material definitions of the object itself, or else of its type."""
    own = _associated_materials(one)
    kind = type_of(one) if not own else None
    return own if own or kind is None else _associated_materials(kind)


def _associated_materials(one: Any) -> list[Any]:
    return [
        relation.RelatingMaterial
        for relation in getattr(one, "HasAssociations", None) or ()
        if relation.is_a("IfcRelAssociatesMaterial") and relation.RelatingMaterial is not None
    ]


_SETS: Final = {
    "IfcMaterialLayerSetUsage": ("ForLayerSet",),
    "IfcMaterialProfileSetUsage": ("ForProfileSet",),
    "IfcMaterialList": ("Materials",),
    "IfcMaterialLayerSet": ("MaterialLayers",),
    "IfcMaterialProfileSet": ("MaterialProfiles",),
    "IfcMaterialConstituentSet": ("MaterialConstituents",),
    "IfcMaterialLayer": ("Material",),
    "IfcMaterialProfile": ("Material",),
    "IfcMaterialConstituent": ("Material",),
}


def material_words(definition: Any) -> Iterator[str]:
    """Names and categories of a material, or of a set, its parts and their materials."""
    for name in ("Name", "LayerSetName", "Category"):
        text = getattr(definition, name, None)
        if text:
            yield text
    for kind, parts in _SETS.items():
        if not definition.is_a(kind):
            continue
        for part in parts:
            inner = getattr(definition, part, None)
            for one in (inner if isinstance(inner, tuple) else (inner,)) if inner is not None else ():
                yield from material_words(one)
        return


def property_sets(one: Any, units: Units) -> dict[str, dict[str, Typed]]:
    """By set and name. What an occurrence gives replaces what its type gives, property by property."""
    found: dict[str, dict[str, Typed]] = {}
    kind = type_of(one)
    for definition in (*(_definitions(kind) if kind is not None else ()), *_definitions(one)):
        name = getattr(definition, "Name", None)
        if name:
            found.setdefault(name, {}).update(_properties(definition, units))
    return found


def _definitions(one: Any) -> Iterator[Any]:
    yield from getattr(one, "HasPropertySets", None) or ()
    for relation in getattr(one, "IsDefinedBy", None) or ():
        if relation.is_a("IfcRelDefinesByProperties"):
            yield from _unfolded(relation.RelatingPropertyDefinition)
    yield from _extended(one)


def _unfolded(definition: Any) -> tuple[Any, ...]:
    """One definition; since IFC4 a relation can also name a set of them."""
    if definition is None:
        return ()
    several = definition.wrappedValue if definition.is_a("IfcPropertySetDefinitionSet") else (definition,)
    return tuple(several)


def _extended(one: Any) -> list[Any]:
    """Of materials and profiles, which have no relation but are pointed at."""
    if not any(one.is_a(kind) for kind in ("IfcMaterial", "IfcMaterialDefinition", "IfcProfileDef") if _known(one, kind)):
        return []
    names = ("IfcExtendedMaterialProperties", "IfcMaterialProperties", "IfcProfileProperties")
    return [other for other in one.file.get_inverse(one) if any(other.is_a(name) for name in names) and _points_at(other, one)]


def _known(one: Any, kind: str) -> bool:
    return kind != "IfcMaterialDefinition" or one.file.schema != "IFC2X3"


def _points_at(properties: Any, one: Any) -> bool:
    target = getattr(properties, "Material", None) or getattr(properties, "ProfileDefinition", None)
    return target is not None and target.id() == one.id()


def _properties(definition: Any, units: Units) -> Iterator[tuple[str, Typed]]:
    for name in ("HasProperties", "Quantities", "ExtendedProperties", "Properties"):
        for one in getattr(definition, name, None) or ():
            yield one.Name, _typed(one, units)
    if definition.is_a("IfcPreDefinedPropertySet") or (definition.file.schema == "IFC2X3" and definition.is_a("IfcPropertySetDefinition")):
        yield from _predefined_properties(definition, units)


_NOT_PROPERTIES: Final = frozenset({"GlobalId", "OwnerHistory", "Name", "Description", "HasProperties", "Quantities", "MethodOfMeasurement"})


def _predefined_properties(definition: Any, units: Units) -> Iterator[tuple[str, Typed]]:
    """The attributes of sets such as IfcDoorPanelProperties."""
    entity = definition.declaration.as_entity()
    for index, attribute in enumerate(entity.all_attributes()):
        name, value = attribute.name(), definition[index]
        if name in _NOT_PROPERTIES or value is None:
            continue
        named = attribute.type_of_attribute().as_named_type()
        if named is None or isinstance(value, tuple) or hasattr(value, "is_a"):
            yield name, Typed((), supported=False)
            continue
        measure = named.declared_type().name().upper()
        yield name, Typed(((units.to_si(value, measure), measure),))


def _typed(one: Any, units: Units) -> Typed:
    for kind, make in _KINDS.items():
        if one.is_a(kind):
            return make(one, units)
    return Typed((), supported=False)


def _value(entity: Any, units: Units, unit: Any = None) -> tuple[Any, str]:
    measure = entity.is_a().upper()
    value = entity.wrappedValue
    if measure == "IFCLOGICAL" and isinstance(value, str):
        value = None if value.upper() in ("UNKNOWN", "U") else value
    if measure == "IFCLOGICAL" and isinstance(value, bool):
        value = "true" if value else "false"
    return units.to_si(value, measure, unit), measure


def _single(one: Any, units: Units) -> Typed:
    return Typed((_value(one.NominalValue, units, one.Unit),) if one.NominalValue is not None else ())


def _listed(one: Any, units: Units) -> Typed:
    return Typed(tuple(_value(value, units, one.Unit) for value in one.ListValues or ()))


def _enumerated(one: Any, units: Units) -> Typed:
    unit = getattr(one.EnumerationReference, "Unit", None)
    return Typed(tuple(_value(value, units, unit) for value in one.EnumerationValues or ()))


def _table(one: Any, units: Units) -> Typed:
    columns = ((one.DefiningValues, one.DefiningUnit), (one.DefinedValues, one.DefinedUnit))
    return Typed(tuple(_value(value, units, unit) for values, unit in columns for value in values or ()))


def _bounded(one: Any, units: Units) -> Typed:
    lower = _value(one.LowerBoundValue, units, one.Unit) if one.LowerBoundValue is not None else None
    upper = _value(one.UpperBoundValue, units, one.Unit) if one.UpperBoundValue is not None else None
    point = getattr(one, "SetPointValue", None)
    given = [pair for pair in (lower, upper, _value(point, units, one.Unit) if point is not None else None) if pair]
    return Typed(tuple(given), lower=lower[0] if lower else None, upper=upper[0] if upper else None, has_point=point is not None, is_range=True)


def _quantity(one: Any, units: Units) -> Typed:
    attribute = one.declaration.as_entity().attribute_by_index(3)
    measure = attribute.type_of_attribute().declared_type().name().upper()
    return Typed(((units.to_si(one[3], measure, one.Unit), measure),) if one[3] is not None else ())


_KINDS: Final[dict[str, Callable[[Any, Units], Typed]]] = {
    "IfcPropertySingleValue": _single,
    "IfcPropertyListValue": _listed,
    "IfcPropertyEnumeratedValue": _enumerated,
    "IfcPropertyTableValue": _table,
    "IfcPropertyBoundedValue": _bounded,
    "IfcPhysicalSimpleQuantity": _quantity,
}


def wholes(one: Any, relation: str) -> list[Any]:
    """All that it is directly or indirectly part of by one relation, or by any when `relation` is ""."""
    if relation == "IFCRELCONTAINEDINSPATIALSTRUCTURE":
        return _containers(one)
    steps = _STEPS.get(relation) or (*(step for several in _STEPS.values() for step in several), _contained_in)
    return _climbed([one], steps)


def _climbed(start: list[Any], steps: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    seen = {one.id() for one in start}
    waiting = list(start)
    while waiting and len(found) < MAX_CLIMB:
        one = waiting.pop(0)
        for step in steps:
            for whole in step(one):
                if whole is not None and whole.id() not in seen:
                    seen.add(whole.id())
                    found.append(whole)
                    waiting.append(whole)
    return found


def _containers(one: Any) -> list[Any]:
    """Its container, or that of the nearest whole that has one, and the spatial elements that this belongs to."""
    direct: list[Any] = []
    for candidate in (one, *_climbed([one], (_aggregated_by, _nested_by))):
        direct = list(_contained_in(candidate))
        if direct or candidate.is_a("IfcSpatialStructureElement"):
            break
    return direct + _climbed(direct, (_aggregated_by, _contained_in))


def _aggregated_by(one: Any) -> Iterator[Any]:
    for relation in getattr(one, "Decomposes", None) or ():
        if relation.is_a("IfcRelAggregates"):
            yield relation.RelatingObject


def _nested_by(one: Any) -> Iterator[Any]:
    for name in ("Nests", "Decomposes"):
        for relation in getattr(one, name, None) or ():
            if relation.is_a("IfcRelNests"):
                yield relation.RelatingObject


def _grouped_by(one: Any) -> Iterator[Any]:
    for relation in getattr(one, "HasAssignments", None) or ():
        if relation.is_a("IfcRelAssignsToGroup"):
            yield relation.RelatingGroup


def _contained_in(one: Any) -> Iterator[Any]:
    for relation in getattr(one, "ContainedInStructure", None) or ():
        yield relation.RelatingStructure


def _around_opening(one: Any) -> Iterator[Any]:
    for relation in getattr(one, "VoidsElements", None) or (), getattr(one, "FillsVoids", None) or ():
        for each in relation if isinstance(relation, tuple) else (relation,):
            if each.is_a("IfcRelVoidsElement"):
                yield each.RelatingBuildingElement
            elif each.is_a("IfcRelFillsElement"):
                yield each.RelatingOpeningElement


_STEPS: Final[dict[str, tuple[Any, ...]]] = {
    "IFCRELAGGREGATES": (_aggregated_by,),
    "IFCRELNESTS": (_nested_by,),
    "IFCRELASSIGNSTOGROUP": (_grouped_by,),
    VOIDS_AND_FILLS: (_around_opening,),
}
