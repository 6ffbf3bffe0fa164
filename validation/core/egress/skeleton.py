"""The middle line of a corridor as a graph, from the triangles of its outline (chordal axis).

Triangles are crossed from the middle of one inner edge to the next.
Where three ways meet, the middles of the three edges are joined with each other, so that a side arm ends at its mouth. Spurs that are shorter than
the corridor is wide are corners, not ways, and are left out. Lengths in m.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from validation.core import shapes
from validation.core.building import Point

if TYPE_CHECKING:
    from shapely import Polygon

_DIGITS: Final = 6
_LEAST: Final = 0.3  # m between points along the walls


@dataclass(slots=True)
class Axis:
    """places of the nodes, and lengths between neighbours."""

    places: list[Point] = field(default_factory=list)
    links: list[dict[int, float]] = field(default_factory=list)

    def add(self, place: Point) -> int:
        self.places.append(place)
        self.links.append({})
        return len(self.places) - 1

    def join(self, a: int, b: int, length: float | None = None) -> None:
        if a != b:
            far = math.dist(self.places[a], self.places[b]) if length is None else length
            self.links[a][b] = self.links[b][a] = min(far, self.links[a].get(b, math.inf))

    def attach(self, point: Point) -> int:
        """The node of the middle line beside a point, made when there is none."""
        best = min(
            ((*_foot(point, self.places[a], self.places[b]), a, b) for a, row in enumerate(self.links) for b in row if a < b),
            default=None,
        )
        if best is None:
            return 0
        _, place, a, b = best
        for end in (a, b):
            if math.dist(place, self.places[end]) < 1e-6:
                return end
        node, whole = self.add(place), self.links[a].pop(b)
        del self.links[b][a]
        share = math.dist(self.places[a], place) / math.dist(self.places[a], self.places[b])
        self.join(a, node, whole * share)
        self.join(node, b, whole * (1 - share))
        return node


def axis(shape: "Polygon") -> Axis:
    """The middle line of an outline; one node for an outline without any."""
    import shapely

    width = max(shapes.sides(shape)[1] if shape.convex_hull.area - shape.area < 1e-9 else shapes.passage_width(shape), _LEAST)
    dense = shapely.Polygon(_spaced(shape.exterior.coords, width), [_spaced(ring.coords, width) for ring in shape.interiors])
    triangles = [
        [(round(x, _DIGITS), round(y, _DIGITS)) for x, y in triangle.exterior.coords[:3]]
        for triangle in shapely.get_parts(shapely.constrained_delaunay_triangles(dense))
    ]
    found = _joined(triangles)
    _prune(found, width)
    _straighten(found)
    if not found.places:
        found.add((float(shape.representative_point().x), float(shape.representative_point().y)))
    return found


def _spaced(ring: Sequence[Point], width: float) -> list[Point]:
    """Points at about the corridor's half width along its long walls; short walls stay whole, so that an end is met in its middle."""
    found: list[Point] = []
    for a, b in pairwise(ring):
        far = math.dist(a, b)
        parts = max(1, round(far / max(width / 2, _LEAST))) if far > 1.5 * width else 1
        found.extend((a[0] + (b[0] - a[0]) * at / parts, a[1] + (b[1] - a[1]) * at / parts) for at in range(parts))
    return found


def _joined(triangles: Sequence[Sequence[Point]]) -> Axis:
    made = Axis()
    shared: dict[tuple[Point, Point], int] = {}
    for triangle in triangles:
        for edge in _edges(triangle):
            shared[edge] = shared.get(edge, 0) + 1
    middles = {edge: made.add(_middle(edge)) for edge, count in sorted(shared.items()) if count > 1}
    for triangle in triangles:
        inner = [middles[edge] for edge in _edges(triangle) if edge in middles]
        for at, node in enumerate(inner):
            for other in inner[at + 1 :]:
                made.join(node, other)
    for triangle in triangles:
        crossed = [edge for edge in _edges(triangle) if edge in middles]
        if len(crossed) == 1:
            _end(made, triangle, crossed[0], middles[crossed[0]])
    return made


def _end(made: Axis, triangle: Sequence[Point], inner: tuple[Point, Point], node: int) -> None:
    """From the last inner edge on to the end wall: the longer of the outer edges, since long walls are cut in pieces of half the width."""
    outer = [edge for edge in _edges(triangle) if edge != inner]
    made.join(node, made.add(_middle(max(outer, key=lambda edge: (round(math.dist(*edge), _DIGITS), edge)))))


def _prune(made: Axis, width: float) -> None:
    """Takes away ends that hang at a meeting of ways and are shorter than the width."""
    for tip in [at for at, row in enumerate(made.links) if len(row) == 1]:
        chain, far = [tip], 0.0
        while len(made.links[chain[-1]]) <= 2 and far < width:
            step = [other for other in made.links[chain[-1]] if other not in chain[-2:]]
            if not step:
                break
            far += made.links[chain[-1]][step[0]]
            chain.append(step[0])
        if len(made.links[chain[-1]]) > 2 and far < width:
            for a, b in pairwise(chain):
                del made.links[a][b], made.links[b][a]


def _straighten(made: Axis) -> None:
    """Takes out the nodes on straight stretches."""
    for at, row in enumerate(made.links):
        if len(row) == 2:
            (a, first), (b, second) = row.items()
            if b not in made.links[a] and first + second - math.dist(made.places[a], made.places[b]) < 1e-9:
                del made.links[a][at], made.links[b][at]
                row.clear()
                made.join(a, b, first + second)


def _edges(triangle: Sequence[Point]) -> list[tuple[Point, Point]]:
    a, b, c = sorted(triangle)
    return [(a, b), (a, c), (b, c)]


def _middle(edge: tuple[Point, Point]) -> Point:
    return ((edge[0][0] + edge[1][0]) / 2, (edge[0][1] + edge[1][1]) / 2)


def _foot(point: Point, a: Point, b: Point) -> tuple[float, Point]:
    """(distance, nearest place) of a point to a line between two."""
    span = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
    share = 0.0 if span == 0 else max(0.0, min(1.0, ((point[0] - a[0]) * (b[0] - a[0]) + (point[1] - a[1]) * (b[1] - a[1])) / span))
    place = (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
    return round(math.dist(point, place), _DIGITS), place
