"""Ways between spaces: doors, openings without doors, and open edges between spaces with no wall on them.

As related in the model, else by geometry.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from validation.core import shapes
from validation.core.building import Element, Point
from validation.core.egress.regions import Region
from validation.core.storeys import Placed, StoreyModel

if TYPE_CHECKING:
    from shapely import Polygon, STRtree

_PROBES: Final = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # m beyond the faces of the door at which a space is looked for
_FLOOR: Final = 0.5  # m above the floor: an opening that begins higher is a window
_TOUCH: Final = 0.05  # m between spaces that share an edge
_OPEN: Final = 0.8  # m of free edge that one walks through
_CLEAR: Final = 0.5  # m in front of a door, beyond the wall in which it stands
_FAR: Final = 60.0  # m that one has to see
_FAN: Final = (0.0, 0.4, -0.4, 0.8, -0.8, 1.1, -1.1)  # radians from straight out
_SAME: Final = 0.4  # m between the middles of a door and its own opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorway:
    """A way between two spaces, or between a space and "" (not a space). `outside`: that side is the open; False: nothing is known of it.

    assumed: the sides or the open edge were found by geometry. door: it can be closed.
    """

    id: str
    at: Point
    sides: tuple[str, str]
    outside: bool
    door: bool
    assumed: bool
    width: float | None = None
    placed: Placed | None = None

    def other(self, space: str) -> str:
        return self.sides[1] if self.sides[0] == space else self.sides[0]


def doorways(model: StoreyModel, regions: Mapping[str, Region]) -> list[Doorway]:
    """All of a storey, by id. A door that touches no space is left out: it is on no way."""
    import shapely

    names = sorted(regions)
    tree = shapely.STRtree([regions[name].shape for name in names])
    bodies = [shape for one in model.of("IfcWall", "IfcCurtainWall") if (shape := shapes.outline(one.element)) is not None]
    storey = _Floor(names=names, regions=regions, tree=tree, walls=shapely.STRtree(bodies) if bodies else None, elevation=model.level.elevation)
    found = [way for one in model.of("IfcDoor") if (way := _of(one, storey, door=True))]
    places = [way.at for way in found]
    for one in (*model.of("IfcOpeningElement"), *model.of("IfcVirtualElement"), *model.of("IfcOpeningStandardCase")):
        way = _of(one, storey, door=False) if _walkable(one.element, storey.elevation) else None
        if way and all(way.sides) and not any(math.dist(way.at, place) < _SAME for place in places):
            found.append(way)
    found.extend(_open_edges(model, storey, {frozenset(way.sides) for way in found if not way.door}))
    return sorted(found, key=lambda way: way.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Floor:
    names: list[str]
    regions: Mapping[str, Region]
    tree: "STRtree"
    walls: "STRtree | None"
    elevation: float

    def space_at(self, point: Point) -> str:
        """The smallest space at a place: a cabin in a hall is nearer than the hall."""
        import shapely

        hits = [self.names[at] for at in self.tree.query(shapely.Point(point), predicate="intersects")]
        return min(hits, key=lambda name: (self.regions[name].shape.area, name), default="")

    def near(self, point: Point, within: float) -> list[str]:
        """Spaces within a distance, nearest first."""
        import shapely

        place = shapely.Point(point)
        hits = [(round(float(self.regions[self.names[at]].shape.distance(place)), 4), self.names[at]) for at in self.tree.query(place.buffer(within))]
        return [name for distance, name in sorted(hits) if distance <= within]


def _of(one: Placed, floor: _Floor, *, door: bool) -> Doorway | None:
    at = shapes.centre(one.element)
    related = [name for name in one.element.connects if name in floor.regions]
    if at is None:
        return None  # no place: nothing can be measured to it
    sides, guessed = _sides(one.element, related, at, floor)
    if not any(sides) or sides[0] == sides[1]:
        return None
    outside, assumed = _opens(one, at, sides, floor) if "" in sides else (False, False)
    return Doorway(id=one.id, at=at, sides=sides, outside=outside, door=door, assumed=guessed or assumed, width=one.value("clear_width"), placed=one)


def _opens(one: Placed, at: Point, sides: tuple[str, str], floor: _Floor) -> tuple[bool, bool]:
    """(whether the side without a space is the open, whether geometry had to tell).

    Programs often write that a door is not external by default, so walls are believed more: with nothing in the way it leads out. Without walls the
    model is believed.
    """
    external = one.value("is_external")
    if external is True or (external is None and "" in one.element.connects):
        return True, False
    if external is False and floor.walls is None:
        return False, False
    return _leaves(one.element, at, sides, floor), True


def _sides(element: Element, related: list[str], at: Point, floor: _Floor) -> tuple[tuple[str, str], bool]:
    """(its two sides, whether geometry had to tell). A model that names one space and not the open leaves the other side to geometry."""
    named = list(dict.fromkeys(related))
    if len(named) > 1:
        return (named[0], named[1]), False
    if named and "" in element.connects:
        return (named[0], ""), False
    found = _by_geometry(element, at, floor)
    if named:
        return (named[0], next((side for side in found if side and side != named[0]), "")), True
    return found, True


def _by_geometry(element: Element, at: Point, floor: _Floor) -> tuple[str, str]:
    """Across the thin direction of the door, the first space that is met on each side; for square ones the two nearest spaces."""
    across = _across(element)
    if across is None:
        near = [*floor.near(at, _PROBES[-1]), "", ""]
        return (near[0], near[1])
    (dx, dy), thickness = across
    found = []
    for sign in (1, -1):
        places = [(at[0] + sign * dx * (thickness / 2 + step), at[1] + sign * dy * (thickness / 2 + step)) for step in _PROBES]
        found.append(next((name for place in places if (name := floor.space_at(place))), ""))
    if found[0] == found[1]:
        near = [name for name in floor.near(at, _PROBES[3]) if name != found[0]]
        return (found[0], near[0] if near else "")
    return (found[0], found[1])


def _across(element: Element) -> tuple[Point, float] | None:
    """(unit vector through the door, its thickness) from the short side of its outline; None when it is nearly square."""
    shape = shapes.outline(element)
    corners = list(shape.minimum_rotated_rectangle.exterior.coords) if shape is not None else []
    if len(corners) < 4:
        return None
    edges = sorted(((math.dist(corners[at], corners[at + 1]), corners[at], corners[at + 1]) for at in (0, 1)), key=lambda one: one[0])
    (short, a, b), (long, *_) = edges
    if short < 1e-6 or short > 0.85 * long:
        return None
    return ((b[0] - a[0]) / short, (b[1] - a[1]) / short), short


def _leaves(element: Element, at: Point, sides: tuple[str, str], floor: _Floor) -> bool:
    """Whether one gets away from the building there: of a fan of straight lines from the door at least one meets no space and no wall."""
    import shapely

    across = _across(element)
    if across is None:
        return not floor.near(at, 1.5)[1:]
    (dx, dy), thickness = across
    known = floor.regions[sides[0] or sides[1]].shape
    if known.distance(shapely.Point(at[0] + dx, at[1] + dy)) < known.distance(shapely.Point(at[0] - dx, at[1] - dy)):
        dx, dy = -dx, -dy
    step = thickness / 2 + _CLEAR
    start = (at[0] + dx * step, at[1] + dy * step)
    for angle in _FAN:
        cos, sin = math.cos(angle) * _FAR, math.sin(angle) * _FAR
        ray = shapely.LineString([start, (start[0] + dx * cos - dy * sin, start[1] + dx * sin + dy * cos)])
        met = {floor.names[hit] for hit in floor.tree.query(ray, predicate="intersects")} - set(sides)
        if not met and (floor.walls is None or not len(floor.walls.query(ray, predicate="intersects"))):
            return True
    return False


def _walkable(element: Element, elevation: float) -> bool:
    return element.box is None or element.box[2] <= elevation + _FLOOR


def _open_edges(model: StoreyModel, floor: _Floor, known: Collection[frozenset[str]]) -> Iterable[Doorway]:
    """Where two spaces share an edge that no wall covers. Only on storeys that have walls: without any, nothing could be told from their absence."""
    import shapely

    if not model.of("IfcWall", "IfcCurtainWall"):
        return
    bodies = [shape for one in model.of("IfcWall", "IfcCurtainWall", "IfcDoor", "IfcWindow") if (shape := shapes.outline(one.element)) is not None]
    if not bodies:
        return
    walls = shapely.STRtree(bodies)
    for at, name in enumerate(floor.names):
        shape = floor.regions[name].shape
        for other in sorted(floor.tree.query(shape.buffer(_TOUCH))):
            if other <= at or frozenset((name, floor.names[other])) in known:
                continue
            edge = _free_edge(shape, floor.regions[floor.names[other]].shape, walls, bodies)
            if edge is not None:
                middle, width = edge
                sides = (name, floor.names[other])
                yield Doorway(id=f"{name}|{sides[1]}", at=middle, sides=sides, outside=False, door=False, assumed=True, width=width)


def _free_edge(first: "Polygon", second: "Polygon", walls: "STRtree", bodies: list["Polygon"]) -> tuple[Point, float] | None:
    """(middle, length) of the longest stretch of the common edge without a wall on it."""
    import shapely

    shared = first.boundary.intersection(second.buffer(_TOUCH, join_style="mitre"))
    if shared.length < _OPEN:
        return None
    near = [bodies[hit] for hit in walls.query(shared.buffer(_TOUCH))]
    free = shared.difference(shapely.union_all(near).buffer(_TOUCH, join_style="mitre")) if near else shared
    merged = shapely.line_merge(free) if free.geom_type == "MultiLineString" else free
    stretches = [part for part in shapely.get_parts(merged) if part.geom_type == "LineString" and part.length >= _OPEN]
    if not stretches:
        return None
    longest = max(stretches, key=lambda part: (round(part.length, 6), part.coords[0]))
    middle = longest.interpolate(0.5, normalized=True)
    return (float(middle.x), float(middle.y)), float(longest.length)
