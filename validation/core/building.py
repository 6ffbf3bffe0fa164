"""A building as every part of this app sees it: elements with facts. Lengths m, areas m², volumes m³, slopes rise/run, ratings min; frozen values.

IFC files, live CAD sessions and neutral JSON all become this; rules, plans and reports read nothing else. Everything that a rule can be about is an
element: doors and walls, but also spaces, storeys (`IfcBuildingStorey`) and the building itself (`IfcBuilding`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = Any  # a Scalar, or a list of them; JSON
Point: TypeAlias = tuple[float, float]
Ring: TypeAlias = tuple[Point, ...]  # closed, the last point is not the first again; anticlockwise
Box: TypeAlias = tuple[float, float, float, float, float, float]  # min x, y, z, max x, y, z

SPACE: Final = "IfcSpace"
STOREY: Final = "IfcBuildingStorey"
BUILDING: Final = "IfcBuilding"
ZONE: Final = "IfcZone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known of an element, and how.

    source: "attribute:OverallWidth", "pset:Pset_DoorCommon.FireRating", "quantity:Qto_SpaceBaseQuantities.NetFloorArea", "user", "geometry",
            "derived:<name of the derivation>", "project" (given by the project's row).
    assumed: a stated assumption was needed; `note` says which one, for the report.
    """

    value: Value
    source: str
    assumed: bool = False
    note: str = ""


Facts: TypeAlias = Mapping[str, Fact]  # name without prefix ("clear_width") -> Fact. A fact that is not known is absent.


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element. `global_id` is unique in the building (a second one of the same id is "<id>#2").

    properties: "Pset_DoorCommon.FireRating" -> value; quantities: "Qto_DoorBaseQuantities.Width" -> value in SI.
    given: facts that a person or a plugin has stated (they win over every derivation).
    footprint: outline in the plan, in the building's coordinates; None when there is no geometry.
    storey, space: global ids of what contains it ("" when unknown; a storey's `storey` is itself).
    connects: of a door or opening, the spaces on its sides ("" for outside); of a stair or ramp, the storeys it joins; of a wall, the spaces it
        bounds; of a zone, its spaces.
    """

    global_id: str
    ifc_class: str
    predefined_type: str = ""
    name: str = ""
    tag: str = ""
    storey: str = ""
    space: str = ""
    connects: tuple[str, ...] = ()
    discipline: str = ""
    box: Box | None = None
    footprint: Ring | None = None
    properties: Mapping[str, Value] = field(default_factory=dict)
    quantities: Mapping[str, float] = field(default_factory=dict)
    given: Mapping[str, Value] = field(default_factory=dict)


# The fields of a live change, as plugins name them: `set: {"name": …, "properties.Pset_DoorCommon.FireRating": …, "facts.clear_width": …}`.
PLAIN_FIELDS: Final = ("predefined_type", "name", "tag", "storey", "space", "connects", "discipline", "box", "footprint")
MAP_FIELDS: Final[Mapping[str, str]] = {"properties": "properties", "quantities": "quantities", "facts": "given"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is true of the whole project, from its rows, and enters the facts of the building (`b.…`).

    facts: "occupancy" ("B", "A-2"; the largest group), "occupancies" (all), "sprinklered_nfpa13", "construction_type", "existing",
    "storeys_above", "height" … Absent when the project does not say.
    """

    facts: Mapping[str, Fact] = field(default_factory=dict)
