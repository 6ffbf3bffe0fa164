"""What is wrong with the demo building, on purpose. Tests assert that each is found; a variant without some of them shows a correction."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

NAMESPACE: Final = uuid.UUID("6f2f7b0e-6a52-5a3c-9a0e-8a3f0d9b1c11")
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """rules: keys of the starter pack that have to fail for this subject, () when it is about the data. subject: name of the element."""

    key: str
    subject: str
    ifc_class: str
    rules: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    violation: Violation
    global_id: str


VIOLATIONS: Final[tuple[Violation, ...]] = (
    Violation(
        key="narrow_door",
        subject="Door 0.S3",
        ifc_class="IfcDoor",
        rules=("IBC21-1010.1.1-DOOR-WIDTH", "NFPA101-7.2.1.2.3.2-DOOR", "UK-ADM2-T2-DOOR"),
        why="An office door of 0.75 m: about 0.65 m clear",
    ),
    Violation(
        key="low_door",
        subject="Door 0.S6",
        ifc_class="IfcDoor",
        rules=("IBC21-1010.1.1-DOOR-HEIGHT",),
        why="A storage door 1.95 m high",
    ),
    Violation(
        key="narrow_corridor",
        subject="0.K2",
        ifc_class="IfcSpace",
        rules=("IBC21-1020.3-CORRIDOR-WIDTH",),
        why="A service corridor 0.85 m wide that leads to an exit",
    ),
    Violation(
        key="low_ceiling",
        subject="0.K2",
        ifc_class="IfcSpace",
        rules=("IBC21-1003.2-CEILING",),
        why="The service corridor is 2.2 m high",
    ),
    Violation(
        key="dead_end",
        subject="1.K1",
        ifc_class="IfcSpace",
        rules=("IBC21-1020.5-DEAD-END",),
        why="The corridor upstairs goes on 12 m beyond the last stair",
    ),
    Violation(
        key="one_way_out",
        subject="0.S4",
        ifc_class="IfcSpace",
        rules=("IBC21-1006.2.1-ONE-EXIT-SPACE",),
        why="A training room for more than 49 people with one door",
    ),
    Violation(
        key="too_few_declared",
        subject="0.S4",
        ifc_class="IfcSpace",
        rules=("IBC21-1004.5-OCCUPANT-LOAD",),
        why="The training room is declared for 40 people; its area gives more",
    ),
    Violation(
        key="high_riser",
        subject="Stair B flight 1",
        ifc_class="IfcStairFlight",
        rules=("IBC21-1011.5.2-RISER",),
        why="Risers of 0.2 m",
    ),
    Violation(
        key="short_tread",
        subject="Stair B flight 1",
        ifc_class="IfcStairFlight",
        rules=("IBC21-1011.5.2-TREAD",),
        why="Treads of 0.25 m",
    ),
    Violation(
        key="low_headroom",
        subject="Stair B flight 2",
        ifc_class="IfcStairFlight",
        rules=("IBC21-1011.3-STAIR-HEADROOM",),
        why="1.95 m of headroom under the roof",
    ),
    Violation(
        key="narrow_stair",
        subject="Stair B flight 1",
        ifc_class="IfcStairFlight",
        rules=("IBC21-1011.2-STAIR-WIDTH",),
        why="A flight 0.85 m wide",
    ),
    Violation(
        key="low_handrail",
        subject="Handrail B1",
        ifc_class="IfcRailing",
        rules=("IBC21-1014.2-HANDRAIL",),
        why="A handrail at 0.75 m",
    ),
    Violation(
        key="low_guard",
        subject="Guard gallery",
        ifc_class="IfcRailing",
        rules=("IBC21-1015.3-GUARD",),
        why="The guard of the gallery is 0.9 m high beside a drop of 3.6 m",
    ),
    Violation(
        key="corridor_wall_rating",
        subject="Wall 0.S4 corridor",
        ifc_class="IfcWall",
        rules=("IBC21-1020.2-CORRIDOR-RATING", "NFPA101-7.1.3.1-CORRIDOR-RATING"),
        why="A corridor wall of 30 minutes where 60 are needed",
    ),
    Violation(
        key="stair_wall_rating",
        subject="Wall 0.N7-0.N8",
        ifc_class="IfcWall",
        rules=("IBC21-1023.2-EXIT-STAIR-RATING", "NFPA101-7.1.3.2.1-EXIT-ENCLOSURE"),
        why="The wall of stair B has 30 minutes where 60 are needed",
    ),
    Violation(
        key="turning_circle",
        subject="0.N3",
        ifc_class="IfcSpace",
        rules=("ADA10-304.3.1-TURNING",),
        why="The accessible toilet is 1.4 m wide",
    ),
    Violation(
        key="steep_ramp",
        subject="Ramp entrance flight",
        ifc_class="IfcRampFlight",
        rules=("ADA10-405.2-RAMP-SLOPE", "DE-DIN18040-1-RAMP"),
        why="The entrance ramp rises 1 in 8",
    ),
    Violation(
        key="too_few_toilets",
        subject="Demo office building",
        ifc_class="IfcBuilding",
        rules=("IBC21-2902.1-WC-BUSINESS",),
        why="Two water closets for more than 100 people",
    ),
    Violation(
        key="duplicate_id",
        subject="Desk 0.S2-2",
        ifc_class="IfcFurniture",
        rules=(),
        why="Two desks share a GlobalId",
    ),
)


def violations(seed: int = 1, *, without: Collection[str] = ()) -> tuple[Planted, ...]:
    """Those of the building that `write` makes with the same arguments, with the GlobalId of the subject."""
    return tuple(Planted(violation=one, global_id=global_id(_owner_of_id(one), seed)) for one in VIOLATIONS if one.key not in without)


def global_id(name: str, seed: int) -> str:
    """The GlobalId of what has this name: stable, so that a variant of the building is recognised as its next revision."""
    return compressed(uuid.uuid5(NAMESPACE, f"{seed}/{name}"))


def compressed(value: uuid.UUID) -> str:
    """22 characters in IFC's base 64: the first holds 2 bits, the others 6 each."""
    number, letters = value.int, ""
    for _ in range(22):
        number, digit = divmod(number, 64)
        letters = _DIGITS[digit] + letters
    return letters


def _owner_of_id(one: Violation) -> str:
    return "Desk 0.S2-1" if one.key == "duplicate_id" else one.subject
