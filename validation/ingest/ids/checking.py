"""Check a model against the specifications of an IDS document. Needs ifcopenshell objects, so only inside a child process."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from validation.ingest.ids import objects, terms
from validation.ingest.ids.ifc_schema import BY_TYPE_2X3
from validation.ingest.ids.terms import Constraint, Facet, Restriction, Simple, Specification
from validation.ingest.ids.units import Units
from validation.ingest.ids.values import meets

MAX_FAILURES: Final = 1000  # that are told, for each specification; all are counted


@dataclass(frozen=True, slots=True)
class Met:
    """What a facet finds at an object. present: there is something of the kind at all, which is what an optional facet asks first."""

    holds: bool
    present: bool
    actual: str = ""
    exists: bool | None = None  # for what is prohibited even when it is empty; None: the same as holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    global_id: str
    ifc_class: str
    name: str
    messages: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """passed, failed: numbers of objects. problem: why the specification fails as a whole, such as nothing being there to check."""

    name: str
    status: str = "pass"
    applicable: int = 0
    passed: int = 0
    failed: int = 0
    problem: str = ""
    note: str = ""
    failures: list[Failure] = field(default_factory=list)
    subjects: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # (global id, messages) of every object that has one
    nameless: list[str] = field(default_factory=list)  # what failed without a global id, such as materials


class Model:
    """An open model with what is worth remembering over many facets."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.units = Units(model)
        self._sets: dict[int, dict[str, dict[str, objects.Typed]]] = {}

    def property_sets(self, one: Any) -> dict[str, dict[str, objects.Typed]]:
        found = self._sets.get(one.id())
        if found is None:
            found = self._sets[one.id()] = objects.property_sets(one, self.units)
        return found


def check(model: Model, specification: Specification) -> Outcome:
    outcome = Outcome(name=specification.name, note=_version_note(model, specification))
    for one in applicable(model, specification):
        outcome.applicable += 1
        messages = () if specification.usage == "prohibited" else _unmet(model, specification, one)
        _count(outcome, specification, one, messages)
    if specification.usage == "required" and not outcome.applicable:
        outcome.problem = "Nothing in the model is what the specification applies to; at least one object is required."
    if specification.usage == "prohibited" and outcome.applicable:
        outcome.problem = f"{outcome.applicable} objects are what the specification prohibits."
    outcome.status = "fail" if outcome.failed or outcome.problem else "pass"
    return outcome


def _version_note(model: Model, specification: Specification) -> str:
    schema = model.model.schema_identifier
    family = "IFC4X3_ADD2" if schema.startswith("IFC4X3") else schema
    if family in specification.versions:
        return ""
    return f"The specification names {' '.join(specification.versions) or 'no schema'}; the model is {schema}. It was checked all the same."


def _count(outcome: Outcome, specification: Specification, one: Any, messages: tuple[str, ...]) -> None:
    if specification.usage == "prohibited":
        messages = (f"{one.is_a()} is prohibited here.",)
    outcome.failed += bool(messages)
    outcome.passed += not messages
    global_id = getattr(one, "GlobalId", None) or ""
    if global_id:
        outcome.subjects.append((global_id, messages))
    elif messages:
        outcome.nameless.append(f"#{one.id()} {one.is_a()}: {' '.join(messages)}")
    if messages and len(outcome.failures) < MAX_FAILURES:
        outcome.failures.append(Failure(global_id=global_id or f"#{one.id()}", ifc_class=one.is_a(), name=_text_of(one, "Name"), messages=messages))


def _text_of(one: Any, name: str) -> str:
    text = getattr(one, name, None)
    return text if isinstance(text, str) else ""


def applicable(model: Model, specification: Specification) -> Iterator[Any]:
    """The objects that meet all facets of the applicability, in the order of the file."""
    facets = specification.applicability
    for one in _candidates(model.model, facets):
        if all(_MEASURES[type(facet)](model, one, facet).holds for facet in facets):
            yield one


def _candidates(model: Any, facets: tuple[Facet, ...]) -> list[Any]:
    """Every object that can meet the facets; cheap, because it looks at classes only."""
    entity = next((facet for facet in facets if isinstance(facet, terms.EntityFacet)), None)
    if entity is not None:
        names = {name for name in model.types() if _may_be(name.upper(), entity.name, model.schema)}
        found = {one.id(): one for name in names for one in model.by_type(name, include_subtypes=False)}
    elif all(isinstance(facet, terms.AttributeFacet) for facet in facets):
        found = {one.id(): one for one in model}
    else:
        found = {one.id(): one for kind in _DESCRIBED if _exists(model, kind) for one in model.by_type(kind)}
        for relation in model.by_type("IfcExternalReferenceRelationship") if model.schema != "IFC2X3" else ():
            found |= {one.id(): one for one in relation.RelatedResourceObjects or ()}
    return [found[number] for number in sorted(found)]


# What can have properties, materials, classifications or a whole.
_DESCRIBED: Final = ("IfcRoot", "IfcMaterial", "IfcMaterialDefinition", "IfcProfileDef")


def _exists(model: Any, kind: str) -> bool:
    return kind != "IfcMaterialDefinition" or model.schema != "IFC2X3"


def _may_be(name: str, wanted: Constraint, schema: str) -> bool:
    mapped = [short for short, (occurrence, _) in BY_TYPE_2X3.items() if occurrence == name] if schema == "IFC2X3" else []
    return any(meets(each, wanted) for each in (name, *mapped))


def _unmet(model: Model, specification: Specification, one: Any) -> tuple[str, ...]:
    return tuple(message for facet in specification.requirements if (message := judged(model, one, facet)))


def judged(model: Model, one: Any, facet: Facet) -> str:
    """Why the object does not meet the requirement; "" when it does."""
    met = _MEASURES[type(facet)](model, one, facet)
    if facet.cardinality == "prohibited":
        exists = met.holds if met.exists is None else met.exists
        return f"{asked(facet)} is prohibited{_but(met)}." if exists else ""
    if facet.cardinality == "optional" and not met.present:
        return ""
    return "" if met.holds else f"{asked(facet)} is required{_but(met)}."


def _but(met: Met) -> str:
    return f", found {met.actual}" if met.actual else ""


def asked(facet: Facet) -> str:
    """A requirement in words."""
    match facet:
        case terms.EntityFacet():
            kind = f" of predefined type {terms.said(facet.predefined_type)}" if facet.predefined_type else ""
            return f"The class {terms.said(facet.name)}{kind}"
        case terms.AttributeFacet():
            return f"The attribute {terms.said(facet.name)}{_valued(facet.value)}"
        case terms.PropertyFacet():
            kind = f" of type {facet.data_type}" if facet.data_type else ""
            return f"The property {terms.said(facet.base_name)} in {terms.said(facet.property_set)}{kind}{_valued(facet.value)}"
        case terms.ClassificationFacet():
            return f"A classification in {terms.said(facet.system)}{_valued(facet.value)}"
        case terms.MaterialFacet():
            return f"A material{_valued(facet.value)}"
    return f"Being part of {terms.said(facet.entity.name)}" + (f" by {facet.relation}" if facet.relation else "")


def _valued(value: Constraint | None) -> str:
    return f" with a value of {terms.said(value)}" if value is not None else ""


def _entity(_model: Model, one: Any, facet: terms.EntityFacet) -> Met:
    names = objects.classes_of(one)
    if not any(meets(name, facet.name) for name in names):
        return Met(False, True, one.is_a())
    wanted = facet.predefined_type
    if wanted is None or (isinstance(wanted, Simple) and not wanted.text):
        return Met(True, True, one.is_a())
    kinds = objects.predefined_types(one)
    actual = " or ".join(sorted(kinds - {"USERDEFINED"} or kinds)) or "no predefined type"
    return Met(any(meets(kind, wanted) for kind in kinds), True, actual)


def _attribute(_model: Model, one: Any, facet: terms.AttributeFacet) -> Met:
    """Explicit attributes of the object itself; a null, an empty text or list and UNKNOWN are no values."""
    entity = one.declaration.as_entity()
    named = [
        (index, attribute)
        for index, (attribute, derived) in enumerate(zip(entity.all_attributes(), entity.derived(), strict=True))
        if not derived and meets(attribute.name(), facet.name)
    ]
    given = [(attribute, one[index]) for index, attribute in named if one[index] is not None]
    full = [(attribute, value) for attribute, value in given if not _is_empty(attribute, value)]
    actual = ", ".join(_shown(value) for _, value in full[:3]) or ("an empty value" if given else "")
    if facet.value is None:
        return Met(bool(full), bool(given), actual, exists=bool(given))
    fits = [_compared(attribute, value, facet.value) for attribute, value in full]
    return Met(bool(fits) and all(fits), bool(given), actual, exists=any(fits))


def _is_empty(attribute: Any, value: Any) -> bool:
    if isinstance(value, str):
        return not value or (_is_logical(attribute) and value.upper() in ("UNKNOWN", "U"))
    return isinstance(value, tuple) and not value


def _is_logical(attribute: Any) -> bool:
    declared = attribute.type_of_attribute()
    while True:
        named = declared.as_named_type()
        defined = named.declared_type().as_type_declaration() if named is not None else None
        if defined is None:
            break
        declared = defined.declared_type()
    simple = declared.as_simple_type()
    return simple is not None and simple.declared_type() == "logical"


def _compared(attribute: Any, value: Any, wanted: Constraint) -> bool:
    """Objects and lists have no value to compare."""
    if isinstance(value, tuple) or hasattr(value, "is_a"):
        return False
    if isinstance(value, bool) and _is_logical(attribute):
        return any(meets(text, wanted) for text in (("true", "TRUE") if value else ("false", "FALSE")))
    return meets(value, wanted)


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)[:120]


def _classification(_model: Model, one: Any, facet: terms.ClassificationFacet) -> Met:
    found = objects.classifications(one)
    in_system = [(system, codes) for system, codes in found if system is not None and meets(system, facet.system)]
    actual = ", ".join(f"{system}: {' < '.join(sorted(codes)) or 'no reference'}" for system, codes in found[:3])
    if facet.value is None:
        return Met(bool(in_system), bool(found), actual)
    value = facet.value
    return Met(any(meets(code, value) for _, codes in in_system for code in codes), bool(in_system), actual)


def _material(_model: Model, one: Any, facet: terms.MaterialFacet) -> Met:
    found = objects.materials(one)
    words = [word for definition in found for word in objects.material_words(definition)]
    actual = ", ".join(f"'{word}'" for word in words[:5])
    if facet.value is None:
        return Met(bool(found), bool(found), actual)
    value = facet.value
    return Met(any(meets(word, value) for word in words), bool(found), actual)


def _part_of(model: Model, one: Any, facet: terms.PartOfFacet) -> Met:
    found = objects.wholes(one, facet.relation)
    holds = any(_entity(model, whole, facet.entity).holds for whole in found)
    return Met(holds, bool(found), ", ".join(whole.is_a() for whole in found[:5]))


def _property(model: Model, one: Any, facet: terms.PropertyFacet) -> Met:
    """Every set of the name has to have the property, and every property of the name has to fit."""
    sets = {name: given for name, given in model.property_sets(one).items() if meets(name, facet.property_set)}
    named = {name: {key: typed for key, typed in given.items() if key and meets(key, facet.base_name)} for name, given in sets.items()}
    everything = [typed for given in named.values() for typed in given.values()]
    exists = bool(everything)
    actual = _property_found(sets, everything)
    if facet.cardinality == "optional":
        given = [typed for typed in everything if not typed.supported or any(value is not None for value, _ in typed.values)]
        return Met(all(_fits(typed, facet) for typed in given), bool(given), actual)
    valued = {name: [typed for typed in given.values() if not typed.supported or _has_value(typed)] for name, given in named.items()}
    holds = bool(valued) and all(given and all(_fits(typed, facet) for typed in given) for given in valued.values())
    return Met(holds, exists, actual, exists=exists)


def _property_found(sets: dict[str, dict[str, objects.Typed]], everything: list[objects.Typed]) -> str:
    if not sets:
        return "no such set"
    if not everything:
        return f"{', '.join(sorted(sets))} without it"
    shown = [f"{_shown(value)} ({kind})" for typed in everything for value, kind in typed.values[:3]]
    return ", ".join(shown[:5]) or "no value"


def _has_value(typed: objects.Typed) -> bool:
    return any(value is not None and value != "" for value, _ in typed.values)


def _fits(typed: objects.Typed, facet: terms.PropertyFacet) -> bool:
    if not typed.supported:
        return False
    values = [value for value, kind in typed.values if value is not None and facet.data_type in ("", kind)]
    if facet.value is None:
        return any(value != "" for value in values) or (facet.cardinality == "optional" and bool(values))
    values = [value for value in values if value != ""]
    if not values:
        return False
    if typed.is_range:
        return _range_fits(typed, facet.value)
    if isinstance(facet.value, Restriction) and facet.value.limits and not facet.value.enumeration and not facet.value.patterns:
        return all(meets(value, facet.value) for value in values)
    return any(meets(value, facet.value) for value in values)


def _range_fits(typed: objects.Typed, wanted: Constraint) -> bool:
    """A bounded property fits a range when it lies inside as a whole, and a value when it can be that value: its set point or a bound, or, without
    a set point, anything between the bounds."""
    if isinstance(wanted, Restriction) and wanted.limits:
        sides = {name[:3] for name, _ in wanted.limits}
        needed = ([typed.lower] if "min" in sides else []) + ([typed.upper] if "max" in sides else [])
        return None not in needed and all(meets(value, wanted) for value, _ in typed.values)
    if any(meets(value, wanted) for value, _ in typed.values):
        return True
    texts = wanted.enumeration if isinstance(wanted, Restriction) else (wanted.text,)
    return not typed.has_point and any(_between(typed, text, wanted) for text in texts)


def _between(typed: objects.Typed, text: str, wanted: Constraint) -> bool:
    limits = (("minInclusive", typed.lower), ("maxInclusive", typed.upper))
    try:
        value = float(text)
    except ValueError:
        return False
    inside = Restriction(
        base="xs:double",
        enumeration=(),
        patterns=(),
        limits=tuple((name, repr(float(limit))) for name, limit in limits if isinstance(limit, int | float)),
        place=wanted.place,
    )
    return bool(inside.limits) and meets(value, inside)


_MEASURES: Final[dict[type, Callable[..., Met]]] = {
    terms.EntityFacet: _entity,
    terms.AttributeFacet: _attribute,
    terms.PropertyFacet: _property,
    terms.ClassificationFacet: _classification,
    terms.MaterialFacet: _material,
    terms.PartOfFacet: _part_of,
}
