"""Plane geometry of outlines: polygons from rings, sizes, the widest circle, the width that can be walked through. Lengths in m."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from validation.core.building import Box, Element, Point, Ring

if TYPE_CHECKING:
    from shapely import Polygon

Shape: TypeAlias = "Polygon"
_EXACT: Final = 1e-4  # m, to which a width is sought
_SQUARE: Final = 1e-6


@lru_cache(maxsize=20000)
def polygon(ring: Ring) -> "Polygon | None":
    """The ring as a valid polygon; None when it has no area. A ring with slits to inner courts becomes a polygon with holes."""
    import shapely

    if len(ring) < 3 or not all(math.isfinite(value) for point in ring for value in point):
        return None
    shape: Any = shapely.Polygon(ring)
    if not shape.is_valid:
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
        parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
        shape = max(parts, key=lambda part: part.area) if parts else None
    if shape is None or shape.area < _SQUARE:
        return None
    return shapely.orient_polygons(shape)


def outline(element: Element) -> "Polygon | None":
    """The footprint, or the rectangle of the box where there is none."""
    shape = polygon(element.footprint) if element.footprint else None
    return shape if shape is not None or element.box is None else polygon(rectangle(element.box))


def rectangle(box: Box) -> Ring:
    x0, y0, _, x1, y1, _ = box
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def centre(element: Element) -> Point | None:
    """Of the footprint's surrounding rectangle, so that leaves that stand open do not move it much."""
    if element.box is not None and element.footprint is None:
        x0, y0, _, x1, y1, _ = element.box
        return ((x0 + x1) / 2, (y0 + y1) / 2)
    shape = outline(element)
    return None if shape is None else (shape.centroid.x, shape.centroid.y)


def sides(shape: "Polygon") -> tuple[float, float]:
    """(long, short) side of the smallest rectangle around it, turned as it likes."""
    corners = list(shape.minimum_rotated_rectangle.exterior.coords) if shape.area > 0 else []
    if len(corners) < 4:
        return 0.0, 0.0
    first, second = math.dist(corners[0], corners[1]), math.dist(corners[1], corners[2])
    return max(first, second), min(first, second)


def widest_circle(shape: "Polygon") -> tuple[Point, float]:
    """(centre, diameter) of the largest circle inside: the pole of inaccessibility, to 1 mm."""
    import shapely

    line = shapely.maximum_inscribed_circle(shape, tolerance=0.001)
    start = line.coords[0]
    return (float(start[0]), float(start[1])), 2 * float(line.length)


def passage_width(shape: "Polygon") -> float:
    """The width that can be walked through the whole outline, to 0.1 mm.

    The outline is eroded by half a width and grown back with square corners. A width w fits when the erosion stays in one piece and nothing that is
    larger than w x w is lost: so a narrow neck or a narrow arm of a corridor counts, a niche or a door recess does not. The largest such w is
    sought by halving.
    """
    long, short = sides(shape)
    if abs(shape.area - long * short) < 1e-6 * shape.area:
        return short
    low, high = 0.0, widest_circle(shape)[1]
    while high - low > _EXACT:
        middle = (low + high) / 2
        low, high = (middle, high) if _fits(shape, middle) else (low, middle)
    return low


def _fits(shape: "Polygon", width: float) -> bool:
    import shapely

    eroded = shape.buffer(-width / 2, join_style="mitre", mitre_limit=10)
    if eroded.is_empty or eroded.geom_type != "Polygon":
        return False
    lost = shape.difference(eroded.buffer(width / 2, join_style="mitre", mitre_limit=10))
    return all(part.area <= width * width for part in shapely.get_parts(lost))
