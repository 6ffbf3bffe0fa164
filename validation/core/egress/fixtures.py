"""Sanitary fixtures: how many there are, the free floor around each, and the circle or T in which a wheelchair turns. Lengths in m.

Doors' swings and furniture are not seen. Sources: ADA 2010 304.3 (turning), 604.3 (clearance measured from the rear wall and along it), IBC 2902.1
(counts).
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from validation.core import shapes
from validation.core.building import Fact, Point
from validation.core.egress.network import Network
from validation.core.storeys import Placed

if TYPE_CHECKING:
    from shapely import Polygon

CLASSES: Final = ("IfcSanitaryTerminal", "IfcFlowTerminal")
_SOURCE: Final = "derived:free_floor"
_CLOSETS: Final = ("TOILETPAN", "WCSEAT")
_BASINS: Final = ("WASHHANDBASIN", "SINK")
_FAR: Final = 20.0
_DEEP: Final = 1.42  # m of the band along the wall in which the width is measured
_STEP: Final = 0.1  # m between the places that are tried for a T
_T: Final = (
    ((-0.7625, 0.0), (0.7625, 0.0), (0.7625, 0.915), (0.4575, 0.915), (0.4575, 1.525), (-0.4575, 1.525), (-0.4575, 0.915), (-0.7625, 0.915)),
)
_NOTE: Final = "measured on the outlines of room and fixtures; doors' swings and furniture are not seen"


def fixtures(net: Network) -> dict[str, list[Placed]]:
    """By the space in which they stand: as related, else by place."""
    import shapely

    found: dict[str, list[Placed]] = {}
    for one in (one for one in net.model.placed if one.element.ifc_class in CLASSES):
        space, at = one.element.space, shapes.centre(one.element)
        if space not in net.spaces and at is not None:
            inside = [name for name, region in net.regions.items() if region.shape.covers(shapely.Point(at))]
            space = min(inside, key=lambda name: net.regions[name].shape.area, default="")
        found.setdefault(space, []).append(one)
    return found


def counts(net: Network) -> dict[str, Fact]:
    """wc_count and lavatory_count of the storey."""
    kinds = [one.value("predefined_type") for one in net.model.placed if one.element.ifc_class in CLASSES]
    assumed = any(
        "predefined_type" in one.facts and one.facts["predefined_type"].assumed for one in net.model.placed if one.element.ifc_class in CLASSES
    )
    return {
        "wc_count": Fact(value=sum(kind in _CLOSETS for kind in kinds), source=_SOURCE, assumed=assumed),
        "lavatory_count": Fact(value=sum(kind in _BASINS for kind in kinds), source=_SOURCE, assumed=assumed),
    }


def fixture_facts(net: Network) -> dict[str, dict[str, Fact]]:
    """Of the fixtures, and of the toilet rooms in which one has to turn."""
    standing = fixtures(net)
    found: dict[str, dict[str, Fact]] = {}
    for space, ones in standing.items():
        found |= {one.id: _fixture(net, space, one, ones) for one in ones}
    for space, region in net.regions.items():
        if net.spaces[space].value("is_toilet_room"):
            found[space] = _turning(region.shape, _bodies(standing.get(space, ())))
    return found


def _fixture(net: Network, space: str, one: Placed, ones: list[Placed]) -> dict[str, Fact]:
    inherited = bool(space) and _accessible(net, space) and "accessible" not in one.facts
    found = {"accessible": Fact(value=True, source=_SOURCE, assumed=True, note="As accessible as the room in which it stands")} if inherited else {}
    region, shape = net.regions.get(space), shapes.outline(one.element)
    if region is None or shape is None:
        return found
    return found | _clearance(region.shape, shape, _bodies(other for other in ones if other is not one))


def _bodies(ones: Iterable[Placed]) -> list["Polygon"]:
    return [shape for one in ones if (shape := shapes.outline(one.element)) is not None]


def _accessible(net: Network, space: str) -> bool:
    return bool(net.spaces[space].value("accessible"))


def _turning(room: "Polygon", bodies: list["Polygon"]) -> dict[str, Fact]:
    """The largest circle on the free floor, and whether the T fits turned to one of the four sides of the room."""
    import shapely

    free = room.difference(shapely.union_all(bodies)) if bodies else room
    parts = [part for part in shapely.get_parts(free) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        return {}
    (x, y), width = max((shapes.widest_circle(part) for part in parts), key=lambda one: one[1])
    return {
        "max_free_circle": Fact(value=round(width, 3), source=_SOURCE, assumed=True, note=_NOTE),
        "free_circle": Fact(value=[[round(x, 3), round(y, 3)], round(width, 3)], source=_SOURCE),
        "t_turn_fits": Fact(value=_t_fits(free, room), source=_SOURCE, assumed=True, note=_NOTE),
    }


def _t_fits(free: Any, room: "Polygon") -> bool:
    import numpy as np
    import shapely

    (ox, oy), (ux, uy) = _frame(room)
    grown = free.buffer(0.005, join_style="mitre")
    shapely.prepare(grown)
    x0, y0, x1, y1 = _local(room, (ox, oy), (ux, uy))
    grid = np.stack(np.meshgrid(np.arange(x0, x1 + _STEP / 2, _STEP), np.arange(y0, y1 + _STEP / 2, _STEP)), axis=-1).reshape(-1, 2)
    for turn in range(4):
        cos, sin = math.cos(turn * math.pi / 2), math.sin(turn * math.pi / 2)
        shape = np.asarray([(cos * x - sin * y, sin * x + cos * y) for x, y in _T[0]])
        places = grid[:, None, :] + shape[None, :, :]
        world = np.stack([ox + places[..., 0] * ux - places[..., 1] * uy, oy + places[..., 0] * uy + places[..., 1] * ux], axis=-1)
        if bool(shapely.covers(grown, shapely.polygons(world)).any()):
            return True
    return False


def _frame(room: "Polygon") -> tuple[Point, Point]:
    """(corner, unit vector along the long side) of the rectangle around the room."""
    corners = list(room.minimum_rotated_rectangle.exterior.coords)
    if math.dist(corners[0], corners[1]) < math.dist(corners[1], corners[2]):
        corners = corners[1:]
    a, b = corners[0], corners[1]
    far = math.dist(a, b)
    return (a[0], a[1]), ((b[0] - a[0]) / far, (b[1] - a[1]) / far)


def _local(room: "Polygon", origin: Point, along: Point) -> tuple[float, float, float, float]:
    points = [
        ((x - origin[0]) * along[0] + (y - origin[1]) * along[1], (y - origin[1]) * along[0] - (x - origin[0]) * along[1])
        for x, y in room.exterior.coords
    ]
    return min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)


def _clearance(room: "Polygon", body: "Polygon", others: list["Polygon"]) -> dict[str, Fact]:
    """clear_x along the wall behind the fixture, clear_y away from it, both through the middle of the fixture."""
    import shapely

    middle = (body.centroid.x, body.centroid.y)
    wall = min(_walls(room), key=lambda one: round(shapely.LineString(one).distance(shapely.Point(middle)), 4))
    far = math.dist(*wall)
    along = ((wall[1][0] - wall[0][0]) / far, (wall[1][1] - wall[0][1]) / far)
    inward = (-along[1], along[0])  # outlines run anticlockwise: the room lies to the left of its walls
    foot_far = (middle[0] - wall[0][0]) * along[0] + (middle[1] - wall[0][1]) * along[1]
    foot = (wall[0][0] + along[0] * foot_far, wall[0][1] + along[1] * foot_far)
    free = room.difference(shapely.union_all(others)) if others else room
    depth = min(_DEEP, _reach(free, foot, inward))
    near = [(foot[0] + inward[0] * depth * share, foot[1] + inward[1] * depth * share) for share in (0.05, 0.5, 0.95)]
    across = min(_reach(free, place, along) for place in near) + min(_reach(free, place, (-along[0], -along[1])) for place in near)
    deep = _reach(free, foot, inward)
    return {
        "clear_x": Fact(value=round(across, 3), source=_SOURCE, assumed=True, note=_NOTE),
        "clear_y": Fact(value=round(deep, 3), source=_SOURCE, assumed=True, note=_NOTE),
        "clear_floor": Fact(
            value=[[round(foot[0], 3), round(foot[1], 3)], [round(foot[0] + inward[0] * deep, 3), round(foot[1] + inward[1] * deep, 3)]],
            source=_SOURCE,
        ),
    }


def _walls(room: "Polygon") -> list[tuple[Point, Point]]:
    points = [(float(x), float(y)) for x, y in room.exterior.coords]
    return [(a, b) for a, b in pairwise(points) if math.dist(a, b) > 0.3]


def _reach(free: Any, start: Point, towards: Point) -> float:
    """How far one gets from a place in a direction on the free floor."""
    import shapely

    ray = shapely.LineString(
        [(start[0] + towards[0] * 1e-4, start[1] + towards[1] * 1e-4), (start[0] + towards[0] * _FAR, start[1] + towards[1] * _FAR)]
    )
    blocked = ray.difference(free)
    return (
        0.0 if free.distance(shapely.Point(ray.coords[0])) > 1e-3 else float(blocked.distance(shapely.Point(start))) if not blocked.is_empty else _FAR
    )
