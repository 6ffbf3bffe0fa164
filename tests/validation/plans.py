"""Small storeys that a person can check with a ruler: rectangles of spaces, doors between them, one storey or several. Lengths in m."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from validation.core.building import Element, Fact, Facts, Point, Ring
from validation.core.checks import Parameters
from validation.core.facts import definitions, derive
from validation.core.surroundings import Placed, around

KNOWN = definitions()
B: Facts = {"occupancy": Fact(value="B", source="project")}


def rect(x0: float, y0: float, x1: float, y1: float) -> Ring:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


@dataclass
class Plan:
    """Elements of a building. `height` is the elevation of the storey that the next elements go to."""

    elements: list[Element] = field(default_factory=lambda: [Element(global_id="house", ifc_class="IfcBuilding")])
    storey: str = "S0"
    height: float = 0.0

    def on(self, storey: str, height: float, **given: Any) -> "Plan":
        self.storey, self.height = storey, height
        properties = {"Attributes.Elevation": height}
        self.elements.append(Element(global_id=storey, ifc_class="IfcBuildingStorey", storey=storey, properties=properties, given=given))
        return self

    def add(self, name: str, ifc_class: str, ring: Ring, *, top: float = 3.0, called: str = "", **more: Any) -> "Plan":
        xs, ys = [x for x, _ in ring], [y for _, y in ring]
        box = (min(xs), min(ys), self.height, max(xs), max(ys), self.height + top)
        self.elements.append(Element(global_id=name, ifc_class=ifc_class, storey=self.storey, footprint=ring, box=box, name=called or name, **more))
        return self

    def space(self, name: str, called: str, *ring: Any, **given: Any) -> "Plan":
        """`ring`: four numbers of a rectangle, or points."""
        outline: Ring = rect(*ring) if not isinstance(ring[0], tuple) else ring
        return self.add(name, "IfcSpace", outline, called=called or " ", given=given)

    def door(self, name: str, x: float, y: float, *, along: str = "x", width: float = 1.0, connects: tuple[str, ...] = (), **given: Any) -> "Plan":
        """0.2 m thick, its middle at (x, y)."""
        half, thin = width / 2, 0.1
        ring = rect(x - half, y - thin, x + half, y + thin) if along == "x" else rect(x - thin, y - half, x + thin, y + half)
        properties = {"Attributes.OverallWidth": width, "Attributes.OverallHeight": 2.1}
        return self.add(name, "IfcDoor", ring, top=2.1, connects=connects, given=given, properties=properties)

    def wall(self, name: str, *ring: float, rating: str = "") -> "Plan":
        return self.add(name, "IfcWall", rect(*ring), properties={"Pset_WallCommon.FireRating": rating} if rating else {})

    def stair(self, name: str, *ring: float, rise: float = 3.0, **given: Any) -> "Plan":
        return self.add(name, "IfcStair", rect(*ring), top=rise, given=given)

    def placed(self) -> list[Placed]:
        return [Placed(element=element, facts=derive(element, KNOWN)) for element in self.elements]

    def facts(self, *, parameters: Parameters | None = None, situation: Facts = B) -> Mapping[str, Facts]:
        return around(self.placed(), parameters=parameters or Parameters(), situation=situation)

    def moved(self, *, by: Point = (0.0, 0.0), turned: float = 0.0) -> "Plan":
        """The same building elsewhere, turned by an angle in radians about the origin."""
        return Plan(elements=[_moved(element, by, turned) for element in self.elements])

    def without(self, *names: str) -> "Plan":
        return Plan(elements=[element for element in self.elements if element.global_id not in names])


def _moved(element: Element, by: Point, turned: float) -> Element:
    if element.footprint is None or element.box is None:
        return element
    ring = tuple(_turn(point, by, turned) for point in element.footprint)
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return replace(element, footprint=ring, box=(min(xs), min(ys), element.box[2], max(xs), max(ys), element.box[5]))


def _turn(point: Point, by: Point, turned: float) -> Point:
    (x, y), cos, sin = point, math.cos(turned), math.sin(turned)
    return (x * cos - y * sin + by[0], x * sin + y * cos + by[1])


def value(facts: Mapping[str, Facts], name: str, fact: str) -> Any:
    """None when the fact is not known."""
    found = facts.get(name, {}).get(fact)
    return None if found is None else found.value


def line_length(line: Iterable[Iterable[float]]) -> float:
    points = [tuple(point) for point in line]
    return sum(math.dist(a, b) for a, b in pairwise(points))
