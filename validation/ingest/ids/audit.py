"""The audit: whether an IDS file asks for something that an IFC model of the schemas it names can have at all.

The structure has been checked by `reading`. This is the second half: names of classes, attributes, data types and property sets, the types of values,
and facets that contradict each other. It follows the tables of the standard's implementers' documentation. Needs the schemas, so only in a child.
"""

from collections.abc import Callable, Iterable
from typing import Final

from validation.ingest.ids import datatypes, terms
from validation.ingest.ids.ifc_schema import Schema, schema
from validation.ingest.ids.standard_sets import RESERVED, StandardSet, classes_of, standard_sets
from validation.ingest.ids.terms import Constraint, Document, Facet, Fault, Place, Restriction, Simple, Specification

Classes = frozenset[str] | None  # None: no limit
Container = frozenset[str] | dict[str, StandardSet]
_WITH_PROPERTIES: Final = {
    "IFC2X3": ("IfcObject", "IfcTypeObject", "IfcMaterial"),
    "IFC4": ("IfcObjectDefinition", "IfcMaterialDefinition", "IfcProfileDef"),
    "IFC4X3_ADD2": ("IfcObjectDefinition", "IfcMaterialDefinition", "IfcProfileDef"),
}
# What IfcRelAssociatesClassification and, since IFC4, IfcExternalReferenceRelationship can classify.
_CLASSIFIABLE: Final = {
    "IFC2X3": ("IfcRoot",),
    **dict.fromkeys(
        ("IFC4", "IFC4X3_ADD2"),
        (
            "IfcObjectDefinition",
            "IfcPropertyDefinition",
            "IfcActorRole",
            "IfcAppliedValue",
            "IfcApproval",
            "IfcConstraint",
            "IfcContextDependentUnit",
            "IfcConversionBasedUnit",
            "IfcExternalInformation",
            "IfcExternalReference",
            "IfcMaterialDefinition",
            "IfcOrganization",
            "IfcPerson",
            "IfcPersonAndOrganization",
            "IfcPhysicalQuantity",
            "IfcProfileDef",
            "IfcPropertyAbstraction",
            "IfcShapeAspect",
            "IfcTimeSeries",
        ),
    ),
}
# relation -> (what can be a part, what can be the whole)
_SIDES: Final[dict[str, tuple[str, str]]] = {
    "IFCRELAGGREGATES": ("IfcObjectDefinition", "IfcObjectDefinition"),
    "IFCRELNESTS": ("IfcObjectDefinition", "IfcObjectDefinition"),
    "IFCRELASSIGNSTOGROUP": ("IfcObjectDefinition", "IfcGroup"),
    "IFCRELCONTAINEDINSPATIALSTRUCTURE": ("IfcProduct", "IfcSpatialElement"),
    terms.VOIDS_AND_FILLS: ("IfcElement", "IfcElement"),
}


def audit(document: Document) -> list[Fault]:
    faults: list[Fault] = []
    for specification in document.specifications:
        faults += _Auditor(specification).audited()
    return faults


class _Auditor:
    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.faults: list[Fault] = []

    def note(self, place: Place, code: str, message: str, *, warning: bool = False) -> None:
        fault = Fault(place=place, code=code, message=message, severity="warning" if warning else "error")
        if fault not in self.faults:  # the same is often true for several schemas
            self.faults.append(fault)

    def audited(self) -> list[Fault]:
        one = self.specification
        if one.usage == "prohibited" and one.has_requirements:
            self.note(one.place, "prohibited_with_requirements", "A specification that prohibits what it applies to cannot have requirements.")
        for facet in (*one.applicability, *one.requirements):
            self.shape(facet)
        for facet in one.requirements:
            self.cardinality(facet)
        for version in one.versions:
            self.together(schema(version))
        return self.faults

    def shape(self, facet: Facet) -> None:
        for name, constraint in _named(facet):
            self.text_constraint(constraint, name)
        if isinstance(facet, terms.AttributeFacet | terms.PropertyFacet) and isinstance(facet.value, Restriction):
            self.restriction(facet.value)
        if isinstance(facet, terms.PropertyFacet) and facet.value is not None and not facet.data_type:
            self.note(facet.place, "value_without_data_type", "A value needs a dataType.")

    def text_constraint(self, constraint: Constraint | None, name: str) -> None:
        """Of a name or a code: always text."""
        if isinstance(constraint, Simple) and not constraint.text and name not in ("predefinedType", "value"):
            self.note(constraint.place, "empty_value", f"{name} is empty.")
        if isinstance(constraint, Restriction):
            if constraint.base not in ("", "xs:string"):
                self.note(constraint.place, "restriction_base", f"The base of {name} has to be xs:string and not {constraint.base}.")
            self.restriction(constraint)

    def restriction(self, one: Restriction) -> None:
        base = datatypes.canonical(one.base) or "xs:string"
        allowed = datatypes.RESTRICTIONS.get(base)
        if allowed is None:
            self.note(one.place, "restriction_base", f"'{one.base}' is not a base type that IDS uses.")
            return
        used = {name for name, _ in one.limits} | ({"enumeration"} if one.enumeration else set()) | ({"pattern"} if one.patterns else set())
        for name in sorted(used - allowed):
            self.note(one.place, "restriction_kind", f"{name} cannot restrict {base}.")
        for pattern in one.patterns:
            self.pattern(pattern, one.place)
        bounds = [value for name, value in one.limits if name in datatypes.BOUNDS]
        for value in (*one.enumeration, *bounds):
            if not datatypes.is_written_as(value, base):
                self.note(one.place, "value_format", f"'{value}' is not written as {base}.")
        self.limits(one)

    def pattern(self, pattern: str, place: Place) -> None:
        try:
            datatypes.expression(pattern)
        except ValueError as problem:
            self.note(place, "pattern", f"'{pattern}' is not a regular expression of XML Schema: {problem}")

    def limits(self, one: Restriction) -> None:
        names = [name for name, _ in one.limits]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.note(one.place, "repeated_restriction", f"{name} stands there more than once.")
        for name, value in one.limits:
            if name in datatypes.LENGTHS and not (value.strip().isdecimal() and value.strip().isascii()):
                self.note(one.place, "value_format", f"The {name} '{value}' is not a number of characters.")
        numbers = _numbers(one)
        least = max((numbers[name] for name in ("minInclusive", "minExclusive", "minLength", "length") if name in numbers), default=None)
        most = min((numbers[name] for name in ("maxInclusive", "maxExclusive", "maxLength", "length") if name in numbers), default=None)
        if least is not None and most is not None and least > most:
            self.note(one.place, "impossible_range", "No value is large enough and small enough.")
        for pair in (("minInclusive", "minExclusive"), ("maxInclusive", "maxExclusive")):
            if set(pair) <= set(names):
                self.note(one.place, "repeated_restriction", f"{pair[0]} and {pair[1]} exclude each other.")

    def cardinality(self, facet: Facet) -> None:
        needs = {
            terms.AttributeFacet: ("value", "a value"),
            terms.ClassificationFacet: ("value", "a value"),
            terms.MaterialFacet: ("value", "a value"),
            terms.PropertyFacet: ("data_type", "a dataType"),
        }.get(type(facet))  # the other two kinds are never optional
        if facet.cardinality == "optional" and needs and not getattr(facet, needs[0]):
            self.note(facet.place, "cardinality", f"Something optional can only fail when it has {needs[1]}.")
        if isinstance(facet, terms.PropertyFacet) and facet.cardinality == "prohibited" and facet.data_type:
            self.note(facet.place, "cardinality", "A property is prohibited as a whole, without dataType.")

    def together(self, ifc: Schema) -> None:
        one = self.specification
        about = self.shared(ifc, one.applicability, None, one.place)
        if about is not None and not about:
            return
        self.shared(ifc, one.requirements, about, one.place)

    def shared(self, ifc: Schema, facets: Iterable[Facet], start: Classes, place: Place) -> Classes:
        """The classes that can have everything the required facets name. Empty when there is none; that is noted."""
        classes: Classes = start
        for facet in facets:
            known = len(self.faults)
            own = _CLASSES[type(facet)](self, facet, ifc, start)
            if facet.cardinality != "required" or own is None or len(self.faults) > known:
                continue
            both = own if classes is None else classes & own
            if not both:
                at = f"{_kind(facet)} at {facet.place.path}"
                self.note(place, "contradiction", f"In {ifc.version} nothing can be what the specification applies to and meet {at}.")
                return frozenset()
            classes = both
        return classes

    def entity(self, facet: terms.EntityFacet, ifc: Schema, _about: Classes) -> Classes:
        classes = self.names(facet.name, ifc.classes, "class", ifc)
        wanted = facet.predefined_type
        if classes and wanted is not None and not (isinstance(wanted, Simple) and not wanted.text):
            possible = frozenset.intersection(*(ifc.predefined_types(name) for name in classes))
            if "USERDEFINED" not in possible:
                self.names(wanted, possible, "predefined type", ifc)
        return ifc.same_objects(classes)

    def attribute(self, facet: terms.AttributeFacet, ifc: Schema, about: Classes) -> Classes:
        names = self.names(facet.name, frozenset(ifc.classes_with_attribute), "attribute", ifc)
        classes = frozenset(one for name in names for one in ifc.classes_with_attribute[name])
        if facet.value is not None and classes:
            among = (classes & about) if about else classes
            types = {ifc.attributes(one)[name] for one in among or classes for name in names if name in ifc.attributes(one)}
            self.value(facet.value, types - {None, ""}, f"the attribute {terms.said(facet.name)}", ifc)  # type: ignore[arg-type]
        return classes

    def value(self, constraint: Constraint, types: set[str], what: str, ifc: Schema) -> None:
        """A value has to be of a type that can be there, and written as that type is."""
        if not types:
            self.note(constraint.place, "no_value", f"In {ifc.version} {what} has no single value that could be compared.")
        elif isinstance(constraint, Simple):
            if not any(datatypes.is_written_as(constraint.text, base) for base in types):
                kinds = " or ".join(sorted(types))
                self.note(constraint.place, "value_format", f"'{constraint.text}' is not written as {kinds}, the type of {what}.")
        elif datatypes.canonical(constraint.base) not in types:
            self.note(
                constraint.place, "restriction_base", f"The base of the restriction is '{constraint.base}'; {what} is {' or '.join(sorted(types))}."
            )

    def property(self, facet: terms.PropertyFacet, ifc: Schema, _about: Classes) -> Classes:
        if facet.data_type and facet.data_type not in ifc.data_types:
            self.note(facet.place, "data_type", f"{ifc.version} has no data type {facet.data_type}.")
            return None
        if facet.data_type and facet.value is not None:
            base = ifc.data_types[facet.data_type]
            self.value(facet.value, {base} - {""}, f"a value of {facet.data_type}", ifc)
        anything = ifc.subclasses(*_WITH_PROPERTIES[ifc.version])
        if facet.cardinality != "required":
            return anything
        sets = self.standard(facet, ifc)
        if not sets:
            return anything
        self.standard_property(facet, sets, ifc)
        own = classes_of(sets, ifc)
        return anything if own is None else own

    def standard(self, facet: terms.PropertyFacet, ifc: Schema) -> list[StandardSet]:
        """The standardised sets that are meant, if any. Names with a reserved prefix that are no standard are noted."""
        known, wanted = standard_sets(ifc.version), facet.property_set
        if isinstance(wanted, Restriction) and not wanted.enumeration:
            prefixed = bool(wanted.patterns) and all(pattern.startswith(RESERVED) for pattern in wanted.patterns)
            return [known[name] for name in _matching(wanted, known)] if prefixed else []
        names = (wanted.text,) if isinstance(wanted, Simple) else wanted.enumeration
        for name in names:
            if name.startswith(RESERVED) and name not in known:
                quantity = name.startswith("Qto_")  # IFC2X3 has no standardised quantities at all
                message = f"{name} begins like a standardised set, and {ifc.version} has none of that name."
                self.note(wanted.place, "reserved_prefix", message, warning=quantity)
        return [known[name] for name in names if name in known]

    def standard_property(self, facet: terms.PropertyFacet, sets: list[StandardSet], ifc: Schema) -> None:
        properties = {name: [one.properties[name] for one in sets if name in one.properties] for one in sets for name in one.properties}
        if any(not one.properties for one in sets):
            return
        names = self.names(facet.base_name, frozenset(properties), "property of the standardised set", ifc)
        meant = [one for name in names for one in properties[name]]
        types = frozenset(name for one in meant for name in one.data_types)
        if meant and facet.data_type and all(one.data_types for one in meant) and facet.data_type not in types:
            what = f"{terms.said(facet.base_name)} of {terms.said(facet.property_set)}"
            message = f"In {ifc.version} {what} is {' or '.join(sorted(types))} and not {facet.data_type}."
            self.note(facet.place, "standard_data_type", message)
        if meant and facet.value is not None and all(one.values for one in meant):
            allowed = frozenset(value for one in meant for value in one.values)
            self.names(facet.value, allowed, f"value of the enumeration of {terms.said(facet.base_name)}", ifc)

    def classification(self, _facet: terms.ClassificationFacet, ifc: Schema, _about: Classes) -> Classes:
        return ifc.subclasses(*_CLASSIFIABLE[ifc.version])

    def material(self, _facet: terms.MaterialFacet, _ifc: Schema, _about: Classes) -> Classes:
        return None

    def part_of(self, facet: terms.PartOfFacet, ifc: Schema, _about: Classes) -> Classes:
        wholes = self.entity(facet.entity, ifc, None)
        if not wholes or not facet.relation:
            return None
        part, whole = _SIDES[facet.relation]
        if ifc.version == "IFC2X3" and whole == "IfcSpatialElement":
            whole = "IfcSpatialStructureElement"
        if not wholes & ifc.subclasses(whole):
            self.note(facet.entity.place, "relation", f"In {ifc.version} {terms.said(facet.entity.name)} cannot be the whole of {facet.relation}.")
        return ifc.subclasses(part)

    def names(self, constraint: Constraint, possible: frozenset[str], what: str, ifc: Schema) -> frozenset[str]:
        """Those of the possible names that are meant. Every name that is written out has to be one of them, and a pattern has to meet one."""
        written = (constraint.text,) if isinstance(constraint, Simple) else constraint.enumeration
        for name in written:
            if name not in possible:
                self.note(constraint.place, "unknown_name", f"In {ifc.version} '{name}' is not a {what}{_hint(name, possible)}.")
        found = frozenset(_matching(constraint, possible))
        if isinstance(constraint, Restriction) and constraint.patterns and not found:
            self.note(constraint.place, "unknown_name", f"In {ifc.version} no {what} is {terms.said(constraint)}.")
        return found


_CLASSES: Final[dict[type, Callable[..., Classes]]] = {
    terms.EntityFacet: _Auditor.entity,
    terms.AttributeFacet: _Auditor.attribute,
    terms.PropertyFacet: _Auditor.property,
    terms.ClassificationFacet: _Auditor.classification,
    terms.MaterialFacet: _Auditor.material,
    terms.PartOfFacet: _Auditor.part_of,
}


def _named(facet: Facet) -> tuple[tuple[str, Constraint | None], ...]:
    """The parts of a facet that are text: names and codes."""
    match facet:
        case terms.EntityFacet():
            return (("name", facet.name), ("predefinedType", facet.predefined_type))
        case terms.AttributeFacet():
            return (("name", facet.name),)
        case terms.PropertyFacet():
            return (("propertySet", facet.property_set), ("baseName", facet.base_name))
        case terms.ClassificationFacet():
            return (("system", facet.system), ("value", facet.value))
        case terms.MaterialFacet():
            return (("value", facet.value),)
    return _named(facet.entity)


def _matching(constraint: Constraint, candidates: Container) -> list[str]:
    from validation.ingest.ids.values import text_meets

    if isinstance(constraint, Simple):
        return [constraint.text] if constraint.text in candidates else []
    return [name for name in candidates if text_meets(name, constraint)]


def _numbers(one: Restriction) -> dict[str, float]:
    found = {}
    for name, value in one.limits:
        try:
            found[name] = float(value)
        except ValueError:  # dates, or noted as badly written
            continue
    return found


def _hint(name: str, possible: frozenset[str]) -> str:
    near = next((one for one in possible if one.upper() == name.upper()), "")
    return f"; is {near} meant?" if near else ""


def _kind(facet: Facet) -> str:
    return type(facet).__name__.removesuffix("Facet").lower()
