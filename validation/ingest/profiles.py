"""Bodies as IFC describes them, in the units of the file: points, and the outline of what is swept upright."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any, Final

from validation.ingest.space3 import IDENTITY, Matrix, Point2, Point3, area, frame, times
from validation.ingest.step import attr, has

CURVE_STEPS: Final = 24
MOST_CURVE_POINTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Body:
    """points: enough of them for box and hull. ring: outline in the plane of the sweep (3D points), () when there is none."""

    points: tuple[Point3, ...]
    ring: tuple[Point3, ...] = ()
    sweep: Point3 = (0.0, 0.0, 1.0)
    matrix: Matrix = IDENTITY


def body(item: Any) -> Body | None:
    """None when this kind of solid is not read here."""
    for _ in range(64):  # the first operand of nested clippings is the whole
        if not (item.is_a("IfcBooleanResult")):
            break
        item = attr(item, "FirstOperand")
    reader = _BODIES.get(item.is_a())
    return reader(item) if reader else None


def axes(placement: Any) -> Matrix:
    if placement is None:
        return IDENTITY
    origin = _point(attr(placement, "Location"))
    if placement.is_a("IfcAxis2Placement3D"):
        return frame(origin, _direction(attr(placement, "Axis")), _direction(attr(placement, "RefDirection")))
    return frame(origin, None, _direction(attr(placement, "RefDirection")))


def operator(target: Any) -> Matrix:
    """A Cartesian transformation; its axes scaled, one by one where they may be."""
    scale = float(attr(target, "Scale") if attr(target, "Scale") is not None else 1.0)
    uniform = not target.is_a("IfcCartesianTransformationOperator3DnonUniform")
    scales = (scale, scale, scale) if uniform else (scale, float(attr(target, "Scale2") or scale), float(attr(target, "Scale3") or scale))
    axis3 = _direction(attr(target, "Axis3")) if target.is_a("IfcCartesianTransformationOperator3D") else None
    x, y, z, origin = frame(_point(attr(target, "LocalOrigin")), axis3, _direction(attr(target, "Axis1")))
    second = _direction(attr(target, "Axis2"))
    if second and sum(a * b for a, b in zip(second, y, strict=True)) < 0:  # a mirror
        y = (-y[0], -y[1], -y[2])
    return _long(x, scales[0]), _long(y, scales[1]), _long(z, scales[2]), origin


def linear(placement: Any) -> Matrix:
    """A grid or linear placement: only where it was worked out already."""
    return axes(attr(placement, "CartesianPosition"))


def _long(vector: Point3, by: float) -> Point3:
    return vector[0] * by, vector[1] * by, vector[2] * by


def _point(given: Any) -> Point3:
    values = given.get_argument(0)
    return float(values[0]), float(values[1]), float(values[2]) if len(values) > 2 else 0.0


def _direction(given: Any) -> Point3 | None:
    if given is None:
        return None
    values = given.get_argument(0)
    return float(values[0]), float(values[1]), float(values[2]) if len(values) > 2 else 0.0


def _extrusion(item: Any) -> Body | None:
    outline = profile(attr(item, "SweptArea"))
    if not outline:
        return None
    direction, depth = _direction(attr(item, "ExtrudedDirection")) or (0.0, 0.0, 1.0), float(attr(item, "Depth"))
    length = sum(value * value for value in direction) ** 0.5 or 1.0
    sweep = _long(direction, depth / length)
    below = tuple((x, y, 0.0) for x, y in outline)
    above = tuple((x + sweep[0], y + sweep[1], sweep[2]) for x, y in outline)
    return Body(below + above, ring=below, sweep=sweep, matrix=axes(attr(item, "Position")))


def _faceted(item: Any) -> Body | None:
    """Faces of polygons; the lowest level one is the footprint."""
    shells = [attr(item, "Outer")] if item.is_a("IfcManifoldSolidBrep") else list(attr(item, "FbsmFaces") or attr(item, "SbsmBoundary"))
    loops: list[list[Point3]] = []
    known: dict[int, Point3] = {}
    for shell in shells:
        for face in shell.get_argument(0):
            for bound in face.get_argument(0):
                loop = bound.get_argument(0)
                if loop.is_a() == "IfcPolyLoop":
                    loops.append([known.get(point.id()) or known.setdefault(point.id(), _point(point)) for point in loop.get_argument(0)])
    return _of_loops(loops)


def _meshed(item: Any) -> Body | None:
    points = [(float(x), float(y), float(z)) for x, y, z in attr(attr(item, "Coordinates"), "CoordList")]
    if item.is_a("IfcTriangulatedFaceSet"):
        return Body(tuple(points))
    loops = [[points[number - 1] for number in attr(face, "CoordIndex")] for face in attr(item, "Faces")]
    return _of_loops(loops)


def _of_loops(loops: list[list[Point3]]) -> Body | None:
    points = tuple({point for loop in loops for point in loop})
    if not points:
        return None
    low, high = min(z for _, _, z in points), max(z for _, _, z in points)
    near = 1e-4 * max(high - low, 1e-9)
    level = [loop for loop in loops if all(z - low <= near for _, _, z in loop)]
    ring = max(level, key=lambda loop: abs(area([(x, y) for x, y, _ in loop])), default=[])
    return Body(points, ring=tuple(ring) if len(level) <= 1 else ())


def _box(item: Any) -> Body:
    x, y, z = _point(attr(item, "Corner"))
    a, b, c = x + float(attr(item, "XDim")), y + float(attr(item, "YDim")), z + float(attr(item, "ZDim"))
    ring = ((x, y, z), (a, y, z), (a, b, z), (x, b, z))
    return Body((*ring, (x, y, c), (a, b, c)), ring=ring)


def _disk(item: Any) -> Body | None:
    """A pipe: the points of its directrix, the radius around each."""
    line, radius = curve(attr(item, "Directrix")), float(attr(item, "Radius"))
    shifts = ((radius, 0.0, 0.0), (-radius, 0.0, 0.0), (0.0, radius, 0.0), (0.0, -radius, 0.0), (0.0, 0.0, radius), (0.0, 0.0, -radius))
    return Body(tuple((x + dx, y + dy, z + dz) for x, y, z in line for dx, dy, dz in shifts)) if line else None


def _flat_curves(item: Any) -> Body | None:
    points = [point for one in attr(item, "Elements") if not one.is_a("IfcCartesianPoint") for point in curve(one)]
    return Body(tuple(points)) if points else None


def _line(item: Any) -> Body | None:
    points = curve(item)
    return Body(tuple(points)) if points else None


_BODIES: Final[dict[str, Callable[[Any], Body | None]]] = {
    "IfcExtrudedAreaSolid": _extrusion,
    "IfcExtrudedAreaSolidTapered": _extrusion,
    "IfcFacetedBrep": _faceted,
    "IfcFacetedBrepWithVoids": _faceted,
    "IfcFaceBasedSurfaceModel": _faceted,
    "IfcShellBasedSurfaceModel": _faceted,
    "IfcPolygonalFaceSet": _meshed,
    "IfcTriangulatedFaceSet": _meshed,
    "IfcBoundingBox": _box,
    "IfcSweptDiskSolid": _disk,
    "IfcGeometricSet": _flat_curves,
    "IfcGeometricCurveSet": _flat_curves,
    "IfcPolyline": _line,
    "IfcIndexedPolyCurve": _line,
}


def profile(given: Any, depth: int = 0) -> list[Point2]:
    """Outline of a profile without its voids, anticlockwise; [] when it is not read here."""
    if given is None or depth > 4:
        return []
    if given.is_a("IfcArbitraryClosedProfileDef"):
        outline = [(x, y) for x, y, _ in curve(attr(given, "OuterCurve"))]
    elif given.is_a("IfcDerivedProfileDef"):
        outline = _placed(profile(attr(given, "ParentProfile"), depth + 1), operator(attr(given, "Operator")))
    elif given.is_a("IfcCircleProfileDef") or given.is_a("IfcEllipseProfileDef"):
        a = float(attr(given, "Radius") if given.is_a("IfcCircleProfileDef") else attr(given, "SemiAxis1"))
        b = float(attr(given, "Radius") if given.is_a("IfcCircleProfileDef") else attr(given, "SemiAxis2"))
        outline = _placed([(a * cos(turn), b * sin(turn)) for turn in _turns()], axes(attr(given, "Position")))
    else:
        outline = _framed(given)
    if len(outline) > 1 and outline[0] == outline[-1]:
        outline.pop()
    return outline[::-1] if len(outline) > 2 and area(outline) < 0 else outline


_SIDES: Final = (
    ("XDim", "YDim"),
    ("OverallWidth", "OverallDepth"),
    ("FlangeWidth", "Depth"),
    ("Width", "Depth"),
    ("BottomFlangeWidth", "OverallDepth"),
)


def _framed(given: Any) -> list[Point2]:
    """A rectangle; of a rolled section the rectangle around it."""
    for across, up in _SIDES:
        if has(given, across) and has(given, up):
            a, b = float(attr(given, across)) / 2, float(attr(given, up)) / 2
            return _placed([(-a, -b), (a, -b), (a, b), (-a, b)], axes(attr(given, "Position")))
    return []


def _placed(outline: Iterable[Point2], matrix: Matrix) -> list[Point2]:
    placed = [times(matrix, (*IDENTITY[:3], (x, y, 0.0)))[3] for x, y in outline]
    return [(x, y) for x, y, _ in placed]


def curve(given: Any, depth: int = 0) -> list[Point3]:
    """Points along a curve; arcs are drawn with a few chords. [] when it is not read here."""
    if depth > 8:
        return []
    reader = _CURVES.get(given.is_a())
    return reader(given, depth)[:MOST_CURVE_POINTS] if reader else []


def _polyline(given: Any, depth: int) -> list[Point3]:
    return [_point(point) for point in attr(given, "Points")]


def _indexed(given: Any, depth: int) -> list[Point3]:
    """Straight and arc segments over a list of points; the points of arcs are kept as they are, with the arc's middle."""
    points = [(float(one[0]), float(one[1]), float(one[2]) if len(one) > 2 else 0.0) for one in attr(attr(given, "Points"), "CoordList")]
    if not attr(given, "Segments"):
        return points
    numbers: list[int] = []
    for segment in attr(given, "Segments"):
        found = list(segment.get_argument(0))
        numbers += found[1:] if numbers and numbers[-1] == found[0] else found
    return [points[number - 1] for number in numbers]


def _composite(given: Any, depth: int) -> list[Point3]:
    points: list[Point3] = []
    for segment in attr(given, "Segments"):
        part = curve(attr(segment, "ParentCurve"), depth + 1)
        points += part if attr(segment, "SameSense") else part[::-1]
    return points


def _circle(given: Any, depth: int) -> list[Point3]:
    return _arc(given, 0.0, 2 * pi)


def _arc(given: Any, start: float, end: float) -> list[Point3]:
    a = float(attr(given, "Radius") if given.is_a("IfcCircle") else attr(given, "SemiAxis1"))
    b = float(attr(given, "Radius") if given.is_a("IfcCircle") else attr(given, "SemiAxis2"))
    matrix = axes(attr(given, "Position"))
    steps = [start + (end - start) * number / CURVE_STEPS for number in range(CURVE_STEPS + 1)]
    return [times(matrix, (*IDENTITY[:3], (a * cos(turn), b * sin(turn), 0.0)))[3] for turn in steps]


def _trimmed(given: Any, depth: int) -> list[Point3]:
    """By points where they are given, else by parameters (angles of circles in the unit of the file are taken as degrees above a full turn)."""
    ends = [next((_point(one) for one in trim if one.is_a("IfcCartesianPoint")), None) for trim in (attr(given, "Trim1"), attr(given, "Trim2"))]
    basis = attr(given, "BasisCurve")
    if basis.is_a("IfcLine"):
        return [end for end in ends if end is not None]
    angles = [
        next((float(one.get_argument(0)) for one in trim if not one.is_a("IfcCartesianPoint")), None)
        for trim in (attr(given, "Trim1"), attr(given, "Trim2"))
    ]
    if angles[0] is None or angles[1] is None:
        return [end for end in ends if end is not None]
    start, end = angles[0], angles[1]
    if max(abs(start), abs(end)) > 2 * pi + 0.01:
        start, end = start * pi / 180, end * pi / 180
    if attr(given, "SenseAgreement") and end < start:
        end += 2 * pi
    elif not attr(given, "SenseAgreement") and end > start:
        start += 2 * pi
    return _arc(basis, start, end)


def _turns() -> list[float]:
    return [2 * pi * number / CURVE_STEPS for number in range(CURVE_STEPS)]


_CURVES: Final[dict[str, Callable[[Any, int], list[Point3]]]] = {
    "IfcPolyline": _polyline,
    "IfcIndexedPolyCurve": _indexed,
    "IfcCompositeCurve": _composite,
    "IfcCircle": _circle,
    "IfcEllipse": _circle,
    "IfcTrimmedCurve": _trimmed,
}
