"""An IDS file as values: what its author wrote, with the place of every part for messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

IDS_NS: Final = "http://standards.buildingsmart.org/IDS"
XS_NS: Final = "http://www.w3.org/2001/XMLSchema"
XSI_NS: Final = "http://www.w3.org/2001/XMLSchema-instance"
VERSIONS: Final = ("IFC2X3", "IFC4", "IFC4X3_ADD2")
VOIDS_AND_FILLS: Final = "IFCRELVOIDSELEMENT IFCRELFILLSELEMENT"
RELATIONS: Final = ("IFCRELAGGREGATES", "IFCRELASSIGNSTOGROUP", "IFCRELCONTAINEDINSPATIALSTRUCTURE", "IFCRELNESTS", VOIDS_AND_FILLS)

Cardinality: TypeAlias = Literal["required", "optional", "prohibited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    path: str  # /ids/specifications[1]/specification[1]/requirements[1]/property[2]/value[1]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the audit holds against a file. An error makes it invalid; a warning does not."""

    place: Place
    code: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def shown(self) -> dict[str, object]:
        return {"path": self.place.path, "line": self.place.line, "code": self.code, "message": self.message, "severity": self.severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    text: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """`base` with its prefix as written ("xs:double"), "" when there is none. `limits`: (facet, value) of bounds and lengths."""

    base: str
    enumeration: tuple[str, ...]
    patterns: tuple[str, ...]
    limits: tuple[tuple[str, str], ...]
    place: Place


Constraint: TypeAlias = Simple | Restriction


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFacet:
    name: Constraint
    predefined_type: Constraint | None
    place: Place
    cardinality: Cardinality = "required"
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFacet:
    name: Constraint
    value: Constraint | None
    place: Place
    cardinality: Cardinality = "required"
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationFacet:
    system: Constraint
    value: Constraint | None
    place: Place
    cardinality: Cardinality = "required"
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyFacet:
    property_set: Constraint
    base_name: Constraint
    value: Constraint | None
    data_type: str
    place: Place
    cardinality: Cardinality = "required"
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialFacet:
    value: Constraint | None
    place: Place
    cardinality: Cardinality = "required"
    instructions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfFacet:
    entity: EntityFacet
    relation: str  # "" for any
    place: Place
    cardinality: Cardinality = "required"
    instructions: str = ""


Facet: TypeAlias = EntityFacet | AttributeFacet | ClassificationFacet | PropertyFacet | MaterialFacet | PartOfFacet


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """`usage`: what minOccurs and maxOccurs of the applicability say. `xml`: the element by itself, for a rule of kind ids."""

    name: str
    identifier: str
    description: str
    instructions: str
    versions: tuple[str, ...]
    usage: Cardinality
    applicability: tuple[Facet, ...]
    requirements: tuple[Facet, ...]
    has_requirements: bool
    place: Place
    xml: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    info: Mapping[str, str] = field(default_factory=dict)
    specifications: tuple[Specification, ...] = ()


def said(constraint: Constraint | None) -> str:
    """A constraint in words, for messages."""
    if constraint is None:
        return "anything"
    if isinstance(constraint, Simple):
        return f"'{constraint.text}'"
    parts = [f"one of {', '.join(repr(value) for value in constraint.enumeration)}"] if constraint.enumeration else []
    parts += [f"like {' or '.join(constraint.patterns)}"] if constraint.patterns else []
    parts += [_LIMITS.get(name, name + " {}").format(value) for name, value in constraint.limits]
    return " and ".join(parts) or "anything"


_LIMITS: Final = {
    "minInclusive": "at least {}",
    "maxInclusive": "at most {}",
    "minExclusive": "more than {}",
    "maxExclusive": "less than {}",
    "length": "{} characters",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}
