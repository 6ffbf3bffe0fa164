"""Affine maps, hulls and areas in plain Python: a model has tens of thousands of small ones, for which numpy is slower."""

from collections.abc import Sequence
from math import sqrt
from typing import Final, TypeAlias

Point3: TypeAlias = tuple[float, float, float]
Point2: TypeAlias = tuple[float, float]
Matrix: TypeAlias = tuple[Point3, Point3, Point3, Point3]  # images of x, y and z, and the origin

IDENTITY: Final[Matrix] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


def moved(matrix: Matrix, point: Point3) -> Point3:
    (ax, ay, az), (bx, by, bz), (cx, cy, cz), (ox, oy, oz) = matrix
    x, y, z = point
    return ax * x + bx * y + cx * z + ox, ay * x + by * y + cy * z + oy, az * x + bz * y + cz * z + oz


def turned(matrix: Matrix, direction: Point3) -> Point3:
    """Without the shift."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz), _ = matrix
    x, y, z = direction
    return ax * x + bx * y + cx * z, ay * x + by * y + cy * z, az * x + bz * y + cz * z


def times(outer: Matrix, inner: Matrix) -> Matrix:
    """First `inner`, then `outer`."""
    return turned(outer, inner[0]), turned(outer, inner[1]), turned(outer, inner[2]), moved(outer, inner[3])


def frame(origin: Point3, axis: Point3 | None, reference: Point3 | None) -> Matrix:
    """An IFC axis placement: z along `axis`, x in the direction of `reference` as far as it is square to z."""
    z = _unit(axis or (0.0, 0.0, 1.0))
    given = reference or ((1.0, 0.0, 0.0) if abs(z[0]) < 0.99 else (0.0, 1.0, 0.0))
    along = sum(a * b for a, b in zip(given, z, strict=True))
    x = _unit((given[0] - along * z[0], given[1] - along * z[1], given[2] - along * z[2]))
    return x, _cross(z, x), z, origin


def _unit(vector: Point3) -> Point3:
    length = sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    if length == 0:
        raise ValueError("a direction of length 0")
    return vector[0] / length, vector[1] / length, vector[2] / length


def _cross(a: Point3, b: Point3) -> Point3:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def hull(points: Sequence[Point2]) -> tuple[Point2, ...]:
    """Convex hull, anticlockwise (Andrew's monotone chain)."""
    ordered = sorted({(round(x, 6), round(y, 6)) for x, y in points})
    if len(ordered) < 3:
        return tuple(ordered)
    return tuple(_chain(ordered)[:-1] + _chain(ordered[::-1])[:-1])


def _chain(ordered: Sequence[Point2]) -> list[Point2]:
    made: list[Point2] = []
    for point in ordered:
        while len(made) >= 2 and _turn(made[-2], made[-1], point) <= 0:
            made.pop()
        made.append(point)
    return made


def _turn(a: Point2, b: Point2, c: Point2) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def area(ring: Sequence[Point2]) -> float:
    """Positive when the ring is anticlockwise."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, (*ring[1:], *ring[:1]), strict=True)) / 2
