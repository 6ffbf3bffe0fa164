"""The floor of one space: where one can walk in a straight line, how far it is, and which of its points is the farthest. Lengths in m.

Walking never leaves the outline: shortest ways in it bend only at its reflex corners, so these are the nodes between its doors.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from validation.core.building import Point

if TYPE_CHECKING:
    from shapely import Polygon

_SLACK: Final = 1e-3  # m by which a line may leave the outline: rounding, and lines along a wall
_LATTICE: Final = 6  # samples along each side of a triangle of the outline
_FINE: Final = 2e-3  # m, to which the farthest point is sought
_CLIMBS: Final = 2  # samples from which it is sought further
_TURNS: Final = 12  # directions that are tried at each step


class Region:
    """A walkable outline. `corners`: the reflex ones, at which ways bend."""

    __slots__ = ("_grown", "convex", "corners", "shape")

    def __init__(self, shape: "Polygon") -> None:
        import shapely

        self.shape = shape
        self.corners = _reflex(shape)
        self.convex = not self.corners
        self._grown: Any = None
        shapely.prepare(shape)
        if not self.convex:
            self._grown = shape.buffer(_SLACK, join_style="mitre")
            shapely.prepare(self._grown)

    def entry(self, point: Point) -> Point:
        """The nearest point of the floor: where one who comes from `point` enters it."""
        import shapely

        place = shapely.Point(point)
        if self.shape.covers(place):
            return point
        nearest = shapely.shortest_line(self.shape, place).coords[0]
        return (float(nearest[0]), float(nearest[1]))

    def sees(self, starts: Any, ends: Any) -> Any:
        """Whether each straight line from starts[i] to ends[i] stays on the floor; arrays of shape (n, 2), a boolean array."""
        import numpy as np
        import shapely

        if self.convex:
            return np.ones(len(starts), dtype=bool)
        return shapely.covers(self._grown, shapely.linestrings(np.stack([np.asarray(starts), np.asarray(ends)], axis=1)))

    def lines(self, points: Sequence[Point]) -> list[tuple[int, int, float]]:
        """(i, j, length) of every pair of the points that see each other."""
        import numpy as np

        if len(points) < 2:
            return []
        places = np.asarray(points, dtype=float)
        first, second = np.triu_indices(len(points), k=1)
        seen = self.sees(places[first], places[second])
        first, second = first[seen], second[seen]
        lengths = np.hypot(*(places[first] - places[second]).T)
        return list(zip(first.tolist(), second.tolist(), lengths.tolist(), strict=True))

    def farthest(self, anchors: Sequence[tuple[Point, float]]) -> tuple[Point, float, int] | None:
        """(point, distance, anchor) of the point whose shortest way over an anchor (a place with the distance from there onwards) is the longest.

        Corners of the outline are tried exactly; points between them from a lattice over its triangles, the best of which are then moved until no
        step of 2 mm makes the way longer. None without anchors.
        """
        import numpy as np

        if not anchors:
            return None
        places = np.asarray([place for place, _ in anchors], dtype=float)
        costs = np.asarray([cost for _, cost in anchors], dtype=float)
        tried = self._samples() if len(anchors) > 1 else np.asarray(_vertices(self.shape))
        lengths, by = self._ways(tried, places, costs)
        order = np.argsort(-np.round(lengths, 6), kind="stable")[:_CLIMBS]
        found = [(tried[at], float(lengths[at]), int(by[at])) for at in order]
        if len(anchors) > 1:
            found = [self._climb(point, length, anchor, places, costs) for point, length, anchor in found]
        point, length, anchor = max(found, key=lambda one: one[1])
        return None if not math.isfinite(length) else ((float(point[0]), float(point[1])), float(length), anchor)

    def _ways(self, points: Any, places: Any, costs: Any) -> tuple[Any, Any]:
        """Shortest way of each point over any anchor that it sees, and which; infinite where it sees none. Anchors are tried nearest first."""
        import numpy as np

        totals = np.hypot(points[:, None, 0] - places[None, :, 0], points[:, None, 1] - places[None, :, 1]) + costs[None, :]
        by = np.argsort(totals, axis=1, kind="stable")
        lengths, chosen = np.full(len(points), -math.inf), np.full(len(points), -1)
        waiting = np.arange(len(points))
        for turn in range(len(places)):
            if not len(waiting):
                break
            anchors = by[waiting, turn]
            seen = self.sees(points[waiting], places[anchors])
            hits = waiting[seen]
            lengths[hits], chosen[hits] = totals[hits, anchors[seen]], anchors[seen]
            waiting = waiting[~seen]
        return lengths, chosen

    def _samples(self) -> Any:
        """Corners, and a lattice in each triangle of the outline: it turns and moves with the building."""
        import numpy as np
        import shapely

        found = [np.asarray(_vertices(self.shape))]
        for triangle in shapely.get_parts(shapely.constrained_delaunay_triangles(self.shape)):
            a, b, c = (np.asarray(one) for one in triangle.exterior.coords[:3])
            found.append(
                np.asarray([a + (b - a) * i / _LATTICE + (c - a) * j / _LATTICE for i in range(_LATTICE + 1) for j in range(_LATTICE + 1 - i)])
            )
        return np.concatenate(found)

    def _climb(self, point: Any, length: float, anchor: int, places: Any, costs: Any) -> tuple[Any, float, int]:
        """Moves the point uphill in ever smaller steps, away from the anchors, inside the outline."""
        step = math.sqrt(self.shape.area) / (2 * _LATTICE)
        if self._at_corner(point) and self._better(point, length, 0.05, places, costs) is None:
            return point, length, anchor
        while step > _FINE:
            better = self._better(point, length, step, places, costs)
            if better is None:
                step /= 2
            else:
                point, length, anchor = better
        return point, length, anchor

    def _better(self, point: Any, length: float, step: float, places: Any, costs: Any) -> tuple[Any, float, int] | None:
        """The farthest of the places one step away, if it is farther."""
        import numpy as np
        import shapely

        angles = np.arange(_TURNS) * (2 * math.pi / _TURNS)
        tried = point + step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        inside = tried[shapely.intersects_xy(self.shape, tried)]
        if not len(inside):
            return None
        lengths, by = self._ways(inside, places, costs)
        best = int(np.argmax(lengths))
        return (inside[best], float(lengths[best]), int(by[best])) if lengths[best] > length + 1e-9 else None

    def _at_corner(self, point: Any) -> bool:
        """A corner is mostly the farthest already; only one look around is needed."""
        return any(abs(point[0] - x) + abs(point[1] - y) < 1e-9 for x, y in _vertices(self.shape))


def _vertices(shape: "Polygon") -> list[Point]:
    return [(float(x), float(y)) for ring in (shape.exterior, *shape.interiors) for x, y in list(ring.coords)[:-1]]


def _reflex(shape: "Polygon") -> list[Point]:
    """Corners at which the floor turns by more than half a circle. The outer ring runs anticlockwise, inner ones clockwise."""
    found = []
    for ring in (shape.exterior, *shape.interiors):
        points = list(ring.coords)[:-1]
        for at, (x, y) in enumerate(points):
            (ax, ay), (bx, by) = points[at - 1], points[(at + 1) % len(points)]
            turn = (x - ax) * (by - y) - (y - ay) * (bx - x)
            if turn < -1e-9 * max(math.dist((ax, ay), (x, y)) * math.dist((x, y), (bx, by)), 1e-12):
                found.append((float(x), float(y)))
    return found
