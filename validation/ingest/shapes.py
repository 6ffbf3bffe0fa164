"""Boxes and footprints of elements, read from how their solids are described (extrusions, faceted and meshed bodies), without triangulating them.

Metres in the building's coordinates. What cannot be read this way is None; the geometry engine gives the box of the few that are needed (`engine`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from validation.ingest import profiles
from validation.ingest.space3 import IDENTITY, Matrix, Point2, Point3, area, hull, moved, times, turned
from validation.ingest.step import attr

MOST_POINTS: Final = 400
MOST_VERTICES: Final = 200_000
FLAT: Final = 1e-3
_BODIES: Final = ("Body", "Body-FallBack", "Facetation", "Surface", "Reference")
_LAST_RESORT: Final = ("Box", "FootPrint", "Profile", "Axis")


@dataclass(frozen=True, slots=True)
class Outline:
    """Of an element or a part of it. `ring` None: the footprint is the hull of the points."""

    box: tuple[float, float, float, float, float, float]
    flat: tuple[tuple[float, float], ...]  # hull of the plan
    ring: tuple[tuple[float, float], ...] | None = None

    def fields(self) -> dict[str, Any]:
        ring = self.ring or self.flat
        made: dict[str, Any] = {"box": [round(value, 4) for value in self.box]}
        if len(ring) >= 3 and area(ring) > 1e-6:
            made["footprint"] = _cleaned(ring)
        return made


class Shapes:
    """Placements and shared representations are read once. Errors of a damaged body cost that body alone."""

    def __init__(self, model: Any, scale: float) -> None:
        self.model, self.scale = model, scale
        self._placements: dict[int, Matrix] = {}
        self._found: dict[int, Outline | None] = {}
        self._mapped: dict[int, list[profiles.Body]] = {}
        self._hulls: dict[int, tuple[tuple[Point2, ...], float, float, Any]] = {}  # by id of the points, which are kept with it
        self.unread: list[int] = []  # step numbers of products that have a body which was not understood

    def origin(self, product: Any) -> Point3:
        placement = attr(product, "ObjectPlacement")
        return self._metres(self._placement(placement)[3]) if placement is not None else (0.0, 0.0, 0.0)

    def of(self, product: Any) -> Outline | None:
        number = product.id()
        if number not in self._found:
            self._found[number] = None
            try:
                self._found[number] = self._of(product)
            except (AttributeError, RuntimeError, TypeError, ValueError, IndexError, ZeroDivisionError, RecursionError):
                self.unread.append(number)
        return self._found[number]

    def know(self, number: int, points: Sequence[Point3]) -> None:
        """What the geometry engine found for a product that could not be read."""
        if points:
            self._found[number] = _outline(points, None)

    @staticmethod
    def together(outlines: Sequence[Outline]) -> Outline | None:
        """Of a whole, from its parts."""
        if not outlines:
            return None
        boxes = [one.box for one in outlines]
        low, high = (min(box[axis] for box in boxes) for axis in range(3)), (max(box[axis] for box in boxes) for axis in range(3, 6))
        return Outline(box=(*low, *high), flat=hull([point for one in outlines for point in (one.ring or one.flat)]))  # type: ignore[arg-type]  # six

    def _of(self, product: Any) -> Outline | None:
        if not product.is_a("IfcProduct"):
            return None
        shape = attr(product, "Representation")
        if shape is None:
            return None
        placement = self._placement(attr(product, "ObjectPlacement")) if attr(product, "ObjectPlacement") is not None else IDENTITY
        bodies = self._bodies(shape)
        if not bodies:
            self.unread.append(product.id())
            return None
        parts = [self._world(body, placement) for body in bodies]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _bodies(self, shape: Any) -> list[profiles.Body]:
        """Of its best representation: the body, else what is drawn as a box or a footprint."""
        by_name = {str(attr(one, "RepresentationIdentifier") or "Body"): one for one in attr(shape, "Representations")}
        for name in (*_BODIES, *_LAST_RESORT):
            if name in by_name:
                found = self._items(by_name[name].Items, 0)
                if found:
                    return found
        return []

    def _items(self, items: Any, depth: int) -> list[profiles.Body]:
        found: list[profiles.Body] = []
        for item in items or ():
            if item.is_a("IfcMappedItem"):
                found += self._map(item, depth)
            else:
                body = profiles.body(item)
                found += [body] if body is not None else []
        return found

    def _map(self, item: Any, depth: int) -> list[profiles.Body]:
        if depth > 8:
            return []
        source = attr(item, "MappingSource")
        shared = self._mapped.get(source.id())
        if shared is None:
            shared = self._mapped[source.id()] = self._items(attr(attr(source, "MappedRepresentation"), "Items"), depth + 1)
        at = times(profiles.operator(attr(item, "MappingTarget")), profiles.axes(attr(source, "MappingOrigin")))
        return [replace(body, matrix=times(at, body.matrix)) for body in shared]

    def _world(self, body: profiles.Body, placement: Matrix) -> Outline:
        matrix = times(placement, body.matrix)
        ring = None
        if body.ring and _upright(turned(matrix, body.sweep)):
            ring = _anticlockwise([self._metres(moved(matrix, point))[:2] for point in body.ring])
        if _level(matrix):
            return self._leveled(body, matrix, ring)
        return _outline([self._metres(moved(matrix, point)) for point in body.points[:MOST_VERTICES]], ring)

    def _leveled(self, body: profiles.Body, matrix: Matrix, ring: tuple[Point2, ...] | None) -> Outline:
        """Most bodies stand upright: the hull of the plan is found once for all copies of the body, and only its points are moved."""
        known = self._hulls.get(id(body.points))
        if known is None:
            zs = [z for _, _, z in body.points]
            known = self._hulls[id(body.points)] = (hull([(x, y) for x, y, _ in body.points]), min(zs), max(zs), body.points)
        flat, low, high, _ = known
        placed = [self._metres(moved(matrix, (x, y, low))) for x, y in flat]
        xs, ys, bottom = zip(*placed, strict=True)
        top = self._metres(moved(matrix, (*flat[0], high)))[2]
        box = (min(xs), min(ys), min(bottom[0], top), max(xs), max(ys), max(bottom[0], top))
        return Outline(box, _anticlockwise([(x, y) for x, y, _ in placed]) or tuple((x, y) for x, y, _ in placed), ring)

    def _metres(self, point: Point3) -> Point3:
        return point[0] * self.scale, point[1] * self.scale, point[2] * self.scale

    def _placement(self, placement: Any) -> Matrix:
        """Relative placements up to the root; a circle of them ends where it began."""
        chain = []
        at, seen = placement, set()
        while at is not None and at.id() not in self._placements and at.id() not in seen:
            seen.add(at.id())
            chain.append(at)
            at = attr(at, "PlacementRelTo") if at.is_a("IfcLocalPlacement") else None
        matrix = self._placements.get(at.id(), IDENTITY) if at is not None else IDENTITY
        for one in reversed(chain):
            local = profiles.axes(attr(one, "RelativePlacement")) if one.is_a("IfcLocalPlacement") else profiles.linear(one)
            matrix = self._placements[one.id()] = times(matrix, local)
        return matrix


def _upright(direction: Point3) -> bool:
    """Whether a sweep is vertical in the building, so that the profile is the footprint."""
    return abs(direction[0]) + abs(direction[1]) <= FLAT * max(abs(direction[2]), 1e-9)


def _level(matrix: Matrix) -> bool:
    """Whether level things stay level."""
    return abs(matrix[0][2]) + abs(matrix[1][2]) <= 1e-9 and _upright(matrix[2])


def _anticlockwise(ring: Sequence[Point2]) -> tuple[Point2, ...] | None:
    """None when it has no area."""
    size = area(ring)
    return (tuple(ring) if size > 0 else tuple(ring[::-1])) if abs(size) > 1e-9 else None


def _outline(points: Sequence[Point3], ring: tuple[tuple[float, float], ...] | None) -> Outline:
    xs, ys, zs = zip(*points, strict=True)
    return Outline((min(xs), min(ys), min(zs), max(xs), max(ys), max(zs)), hull([(x, y) for x, y, _ in points]), ring)


def _joined(parts: Sequence[Outline]) -> Outline:
    """Several bodies of one element: the outline of one that holds all others, or the hull of all."""
    whole = Shapes.together(parts)
    assert whole is not None
    largest = max(parts, key=lambda part: area(part.ring or part.flat))
    inside = abs(area(largest.flat) - area(whole.flat)) <= 0.01 * max(area(whole.flat), 1e-9)
    return replace(whole, ring=largest.ring) if inside else whole


def _cleaned(ring: Sequence[Point2]) -> list[list[float]]:
    """Rounded to a tenth of a millimetre, without repeated points, and not too many of them."""
    made: list[list[float]] = []
    for x, y in ring:
        point = [round(x, 4), round(y, 4)]
        if not made or point != made[-1]:
            made.append(point)
    while len(made) > 1 and made[0] == made[-1]:
        made.pop()
    return made[:: -(-len(made) // MOST_POINTS)]
