"""A building's storeys with what stands on them, their order from the level of exit discharge, and the stairs that join them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from validation.core.building import BUILDING, STOREY, ZONE, Element, Facts
from validation.core.checks import Parameters

STAIR_CLASSES: Final = ("IfcStair", "IfcStairFlight", "IfcRamp", "IfcRampFlight")
# Rows of these classes are needed of the whole building, of all others only those of the storey that is checked.
EVERYWHERE: Final = (STOREY, BUILDING, ZONE, *STAIR_CLASSES)
PART_OF: Final = "Attributes.PartOf"  # the property that names the whole of which an element is a part
_REACH: Final = 0.6  # m from a storey's floor within which a stair's end belongs to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An element with its own facts."""

    element: Element
    facts: Facts

    @property
    def id(self) -> str:
        return self.element.global_id

    def value(self, name: str) -> Any:
        fact = self.facts.get(name)
        return None if fact is None else fact.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A storey among the others. `rank`: storeys between it and the level of exit discharge; 0 is that level itself."""

    id: str
    elevation: float
    rank: int
    assumed: bool = False  # which level is that of exit discharge was assumed
    below: bool = False  # it lies below every level of exit discharge
    drop: float = 0.0  # m down to the next storey; 0 for the lowest

    @property
    def discharge(self) -> bool:
        return self.rank == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StairEnd:
    """A stair where it meets a storey. `inward`: it leads towards the level of exit discharge. `onward`: m along it and beyond to an exit; None.

    Not known.
    arriving: people of the worst single storey who come over it (only outward ones). connected: storeys that the whole stack of stairs joins.
    """

    placed: Placed
    inward: bool
    length: float
    to: tuple[str, ...]
    onward: float | None = None
    arriving: float = 0.0
    connected: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreyModel:
    """One storey with everything that its surroundings depend on. Make it with `storey_models`."""

    storey: Placed
    level: Level
    placed: tuple[Placed, ...]
    stairs: tuple[StairEnd, ...] = ()
    parameters: Parameters = field(default_factory=Parameters)
    situation: Facts = field(default_factory=dict)

    def of(self, *classes: str) -> list[Placed]:
        return [one for one in self.placed if one.element.ifc_class.startswith(classes)]

    def of_exactly(self, ifc_class: str) -> list[Placed]:
        return [one for one in self.placed if one.element.ifc_class == ifc_class]


# What a storey hands over at its stairs, kept as the storey's fact "stair_links": stair -> {"to": [storeys], "distance": m or None, "load": persons}.
Links = Mapping[str, Mapping[str, Any]]


def levels(storeys: Iterable[Placed]) -> dict[str, Level]:
    """Storeys by elevation.

    The level of exit discharge is the stated one (`on_exit_discharge_level`), otherwise the one nearest to elevation 0, assumed.
    """
    ordered = sorted(((_elevation(one), one.id, one.value("on_exit_discharge_level")) for one in storeys), key=lambda one: one[:2])
    if not ordered:
        return {}
    stated = [place for place, one in enumerate(ordered) if one[2] is True]
    possible = [place for place, one in enumerate(ordered) if one[2] is not False] or list(range(len(ordered)))
    ground = stated or [min(possible, key=lambda place: (abs(ordered[place][0]), place))]
    return {
        name: Level(
            id=name,
            elevation=height,
            rank=min(abs(place - base) for base in ground),
            assumed=not stated,
            below=place < min(ground),
            drop=round(height - ordered[place - 1][0], 4) if place else 0.0,
        )
        for place, (height, name, _) in enumerate(ordered)
    }


def _elevation(storey: Placed) -> float:
    value = storey.value("elevation")
    return float(value) if isinstance(value, int | float) else storey.element.box[2] if storey.element.box else 0.0


def joined(stair: Element, order: Mapping[str, Level]) -> tuple[str, ...]:
    """The storeys that a stair or ramp joins, lowest first: as related, otherwise those whose floor lies at its ends or between."""
    named = [name for name in stair.connects if name in order]
    if len(named) < 2 and stair.box is not None:
        low, high = stair.box[2] - _REACH, stair.box[5] + _REACH
        named = [level.id for level in order.values() if low <= level.elevation <= high]
    return tuple(sorted(named, key=lambda name: (order[name].elevation, name)))


def dirty_storeys(before: Element | None, after: Element | None, order: Mapping[str, Level]) -> set[str]:
    """The storeys whose surroundings a change touches.

    A storey or the building itself touches all, and so does a stair that comes, goes or moves: it belongs to a stack that may reach all of them.
    """
    found: set[str] = set()
    for element in (before, after):
        if element is None:
            continue
        if element.ifc_class in (STOREY, BUILDING):
            return set(order)
        if element.ifc_class in STAIR_CLASSES:
            storeys = joined(element, order)
            if len(storeys) > 1 and _place(before) != _place(after):
                return set(order)
            found.update(storeys)
        found.add(element.storey)
    return found & set(order)


def _place(stair: Element | None) -> tuple[object, ...] | None:
    if stair is None:
        return None
    return (stair.ifc_class, stair.box, stair.footprint, stair.connects, stair.properties.get(PART_OF))


def storey_models(
    placed: Iterable[Placed], *, parameters: Parameters, situation: Facts, only: Collection[str] | None = None
) -> dict[str, StoreyModel]:
    """Models by storey, of all storeys or of `only` those. `placed`.

    Elements of these storeys, and those of the classes EVERYWHERE of the whole building.
    """
    everything = sorted(placed, key=lambda one: one.id)
    storeys = {one.id: one for one in everything if one.element.ifc_class == STOREY}
    order = levels(storeys.values())
    by_storey: dict[str, list[Placed]] = {name: [] for name in storeys if only is None or name in only}
    for one in everything:
        if one.element.storey in by_storey and one.id not in storeys:
            by_storey[one.element.storey].append(one)
    ends = _stair_ends([one for one in everything if one.element.ifc_class in STAIR_CLASSES], order)
    return {
        name: StoreyModel(
            storey=storeys[name], level=order[name], placed=tuple(mine), stairs=tuple(ends.get(name, ())), parameters=parameters, situation=situation
        )
        for name, mine in by_storey.items()
    }


def _stair_ends(stairs: Collection[Placed], order: Mapping[str, Level]) -> dict[str, list[StairEnd]]:
    found: dict[str, list[StairEnd]] = {}
    reach = {one.id: joined(one.element, order) for one in stairs}
    whole = {one.id for one in stairs if not one.element.ifc_class.endswith("Flight") and len(reach[one.id]) > 1}
    linking = [one for one in stairs if len(reach[one.id]) > 1 and (one.id in whole or not part_of(one, whole, stairs))]
    connected = _stacks(linking, reach)
    for stair in linking:
        for name, other in _neighbouring(reach[stair.id]):
            inward = (order[other].rank, order[other].elevation) < (order[name].rank, order[name].elevation)
            length = _length(stair, abs(order[other].elevation - order[name].elevation))
            end = StairEnd(placed=stair, inward=inward, length=length, to=(other,), connected=connected[stair.id])
            found.setdefault(name, []).append(end)
    return found


def _neighbouring(storeys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for lower, upper in pairwise(storeys):
        yield lower, upper
        yield upper, lower


def _stacks(stairs: Sequence[Placed], reach: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Storeys that stairs join together which stand above each other and meet at a storey."""
    storeys = {one.id: set(reach[one.id]) for one in stairs}
    for at, one in enumerate(stairs):
        for other in stairs[at + 1 :]:
            mine, theirs = storeys[one.id], storeys[other.id]
            if mine is not theirs and mine & theirs and _above(one.element, other.element):
                mine |= theirs
                storeys.update((name, mine) for name, joint in storeys.items() if joint is theirs)
    return {name: len(joint) for name, joint in storeys.items()}


def _above(one: Element, other: Element) -> bool:
    """Whether their outlines overlap in the plan; by their boxes, which is enough for stairs in one shaft."""
    if one.box is None or other.box is None:
        return False
    return all(one.box[axis] < other.box[axis + 3] and other.box[axis] < one.box[axis + 3] for axis in (0, 1))


def part_of(flight: Placed, whole: Collection[str], stairs: Iterable[Placed]) -> bool:
    """Whether a flight is a part of a whole stair, as related or because it lies in its box (flights count once, as their stair)."""
    if flight.element.properties.get(PART_OF) in whole:
        return True
    box = flight.element.box
    return box is not None and any(one.id in whole and one.element.box is not None and _inside(box, one.element.box) for one in stairs)


def _inside(inner: tuple[float, ...], outer: tuple[float, ...]) -> bool:
    slack = 0.05
    return all(inner[axis] >= outer[axis] - slack and inner[axis + 3] <= outer[axis + 3] + slack for axis in range(3))


def _length(stair: Placed, rise: float) -> float:
    """Sloped length between two storeys: along the slope of the treads when they are known, otherwise over the long side of the outline."""
    from validation.core import shapes

    riser, tread = stair.value("riser_height"), stair.value("tread_length")
    if riser and tread:
        return float(rise * ((riser**2 + tread**2) ** 0.5) / riser)
    shape = shapes.outline(stair.element)
    run = shapes.sides(shape)[0] if shape is not None else 0.0
    return float((rise**2 + max(run, 1.5 * rise) ** 2) ** 0.5)
