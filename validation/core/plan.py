"""A storey as a drawing: outlines in layers, names where they fit, ways out, and what is wrong in the colour of its severity.

Lengths in m, y upwards.
The drawing is plain values; validation/render/plan.py writes it as SVG, and a PDF writes the same values.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from validation.core import shapes
from validation.core.building import Element, Facts, Point, Ring

if TYPE_CHECKING:
    from shapely import Polygon

LAYERS: Final[Mapping[str, str]] = {
    "IfcSpace": "space",
    "IfcRamp": "ramp",
    "IfcRampFlight": "ramp",
    "IfcStair": "stair",
    "IfcStairFlight": "stair",
    "IfcSanitaryTerminal": "fixture",
    "IfcFlowTerminal": "fixture",
    "IfcRailing": "railing",
    "IfcWall": "wall",
    "IfcWallStandardCase": "wall",
    "IfcWallElementedCase": "wall",
    "IfcCurtainWall": "wall",
    "IfcColumn": "wall",
    "IfcWindow": "window",
    "IfcDoor": "door",
    "IfcDoorStandardCase": "door",
}
ORDER: Final = ("space", "ramp", "stair", "fixture", "railing", "wall", "window", "door", "other")
SEVERITIES: Final = ("critical", "major", "minor", "info")
_TREAD: Final = 0.28
_LEAF: Final = 0.5  # m: shorter is no door, thicker has its leaf open
_WALL: Final = 0.2
_MOST_TREADS: Final = 60
_LETTER: Final = 0.56  # width of a letter against its height
_SCALES: Final = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An outline. kind: a layer; use: "corridor", "stair", "" of a space and "exit" of a door that leads out; severity: "" when nothing is wrong.

    holes: inner courts. lines: what is drawn in it, such as the treads of a stair. title: for a tooltip and for those who do not see the plan.
    """

    id: str
    kind: str
    ring: Ring
    holes: tuple[Ring, ...] = ()
    use: str = ""
    severity: str = ""
    title: str = ""
    lines: tuple[tuple[Point, Point], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    at: Point
    text: str
    height: float
    below: str = ""  # a second, smaller line


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way: line in m. severity "": it is within its limit. subject: whose way it is."""

    line: tuple[Point, ...]
    subject: str = ""
    severity: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is wrong with an element: the worst severity, how many findings, and the first message."""

    severity: str
    count: int = 1
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """frame: min x, min y, max x, max y of all that is drawn. bar: length of the scale bar. north: angle in degrees from the top, clockwise."""

    title: str
    description: str
    frame: tuple[float, float, float, float]
    shapes: tuple[Shape, ...]
    labels: tuple[Label, ...] = ()
    routes: tuple[Route, ...] = ()
    bar: float = 5.0
    north: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An element with all of its facts, own and from the surroundings."""

    element: Element
    facts: Facts = field(default_factory=dict)

    def value(self, name: str) -> Any:
        fact = self.facts.get(name)
        return None if fact is None else fact.value


def draw(
    storey: Element, seen: Iterable[Seen], *, marks: Mapping[str, Mark] | None = None, routes: Sequence[Route] = (), north: float = 0.0
) -> Drawing:
    """The plan of a storey. `marks` by global id; what has no layer of its own (slabs, beams) is drawn only when it is marked."""
    wrong = marks or {}
    ordered = sorted(seen, key=lambda one: one.element.global_id)
    drawn = [shape for one in ordered if (shape := _shape(one, wrong.get(one.element.global_id)))]
    drawn.sort(key=lambda shape: (ORDER.index(shape.kind), shape.severity != "", shape.id))
    frame = _frame(drawn, routes)
    height = min(0.7, max(0.34, (frame[2] - frame[0]) / 90))
    labels = [label for one in ordered if one.element.ifc_class == "IfcSpace" and (label := _label(one, height))]
    counts = {name: sum(mark.severity == name for mark in wrong.values()) for name in SEVERITIES}
    return Drawing(
        title=storey.name or "Storey",
        description=_description(ordered, wrong, counts),
        frame=frame,
        shapes=tuple(drawn),
        labels=tuple(labels),
        routes=tuple(routes),
        bar=_bar(frame[2] - frame[0]),
        north=north,
        counts={name: count for name, count in counts.items() if count},
    )


def ways_out(seen: Iterable[Seen]) -> list[Route]:
    """The longest way out of every space, from its facts."""
    return [
        Route(line=points(path), subject=one.element.global_id, title=f"Way out of {_named(one)}, {one.value('travel_distance'):.1f} m")
        for one in sorted(seen, key=lambda one: one.element.global_id)
        if (path := one.value("travel_path")) and one.value("travel_distance") is not None
    ]


def points(line: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    """A stored line without its heights."""
    return tuple((float(point[0]), float(point[1])) for point in line)


def _shape(one: Seen, mark: Mark | None) -> Shape | None:
    element = one.element
    kind = LAYERS.get(element.ifc_class, "other" if mark else "")
    shape = shapes.outline(element) if kind else None
    if shape is None:
        return None
    severity = mark.severity if mark else ""
    return Shape(
        id=element.global_id,
        kind=kind,
        ring=_ring(_opening(shape) if kind == "door" else shape.exterior.coords),
        holes=tuple(_ring(ring.coords) for ring in shape.interiors),
        use=_use(one, kind),
        severity=severity,
        title=_title(one, mark),
        lines=_treads(one, shape) if kind == "stair" else (),
    )


def _opening(shape: "Polygon") -> list[Point]:
    """A door as thick as a wall: leaves are thinner, and would be lost in it."""
    corners = list(shape.minimum_rotated_rectangle.exterior.coords)
    if math.dist(corners[0], corners[1]) < math.dist(corners[1], corners[2]):
        corners = corners[1:]
    a, b, c = corners[:3]
    long, thick = math.dist(a, b), math.dist(b, c)
    if long < _LEAF or thick > _LEAF:
        return list(shape.exterior.coords)
    across = (-(b[1] - a[1]) / long, (b[0] - a[0]) / long)
    middle = [((one[0] + other[0]) / 2, (one[1] + other[1]) / 2) for one, other in ((a, (a[0] + c[0] - b[0], a[1] + c[1] - b[1])), (b, c))]
    half = max(thick, _WALL) / 2
    (x0, y0), (x1, y1) = middle
    dx, dy = across[0] * half, across[1] * half
    return [(x0 - dx, y0 - dy), (x1 - dx, y1 - dy), (x1 + dx, y1 + dy), (x0 + dx, y0 + dy), (x0 - dx, y0 - dy)]


def _ring(coords: Iterable[Sequence[float]]) -> Ring:
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in list(coords)[:-1])


def _use(one: Seen, kind: str) -> str:
    if kind == "space":
        return "corridor" if one.value("is_corridor") else "stair" if one.value("is_exit_stair") else ""
    return "exit" if kind == "door" and one.value("leads_to") in ("outside", "exit_stair") else ""


def _named(one: Seen) -> str:
    long_name = one.value("long_name")
    return " ".join(dict.fromkeys(part for part in (one.element.name, str(long_name or "")) if part)) or one.element.tag or one.element.global_id


def _title(one: Seen, mark: Mark | None) -> str:
    what = f"{one.element.ifc_class.removeprefix('Ifc')} {_named(one)}"
    if mark is None:
        return what
    more = f" and {mark.count - 1} more" if mark.count > 1 else ""
    return f"{what}: {mark.severity}{': ' + mark.title if mark.title else ''}{more}"


def _treads(one: Seen, shape: "Polygon") -> tuple[tuple[Point, Point], ...]:
    """Lines across a stair at about the tread's distance, along its long side."""
    corners = list(shape.minimum_rotated_rectangle.exterior.coords)
    if math.dist(corners[0], corners[1]) < math.dist(corners[1], corners[2]):
        corners = corners[1:]
    a, b, c = corners[:3]
    d = (a[0] + c[0] - b[0], a[1] + c[1] - b[1])
    tread = float(one.value("tread_length") or _TREAD)
    count = min(_MOST_TREADS, int(math.dist(a, b) / max(tread, 0.1)))
    return tuple((_between(a, b, at / count), _between(d, c, at / count)) for at in range(1, count))


def _between(a: Sequence[float], b: Sequence[float], share: float) -> Point:
    return (round(a[0] + (b[0] - a[0]) * share, 4), round(a[1] + (b[1] - a[1]) * share, 4))


def _label(one: Seen, height: float) -> Label | None:
    """The name where the space is widest, cut to the length that fits there; the area below it where there is room."""
    import shapely

    shape = shapes.outline(one.element)
    text = str(one.value("long_name") or one.element.name).strip()
    if shape is None or not text:
        return None
    (_, y), width = shapes.widest_circle(shape)
    if width < 1.4 * height:
        return None
    x0, _, x1, _ = shape.bounds
    chords = shapely.get_parts(shapely.intersection(shape, shapely.LineString([(x0 - 1, y), (x1 + 1, y)])))
    chord = max((part for part in chords if part.length > 0), key=lambda part: part.length, default=None)
    if chord is None:
        return None
    fits = int((chord.length - 0.3) / (height * _LETTER))
    if fits < 2:
        return None
    area = one.value("net_area")
    middle = (chord.bounds[0] + chord.bounds[2]) / 2
    below = f"{area:.1f} m²" if area and width > 3.2 * height else ""
    return Label(at=(round(middle, 3), round(y, 3)), text=text if len(text) <= fits else text[: max(1, fits - 1)] + "…", height=height, below=below)


def _frame(drawn: Iterable[Shape], routes: Iterable[Route]) -> tuple[float, float, float, float]:
    places = [point for shape in drawn for point in shape.ring] + [point for route in routes for point in route.line]
    if not places:
        return (0.0, 0.0, 10.0, 10.0)
    xs, ys = [x for x, _ in places], [y for _, y in places]
    return (min(xs), min(ys), max(xs), max(ys))


def _bar(width: float) -> float:
    return float(max((scale for scale in _SCALES if scale <= max(width / 5, 1)), default=1))


def _description(seen: Sequence[Seen], marks: Mapping[str, Mark], counts: Mapping[str, int]) -> str:
    spaces, doors = (sum(one.element.ifc_class.startswith(name) for one in seen) for name in ("IfcSpace", "IfcDoor"))
    wrong = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{spaces} spaces and {doors} doors. " + (f"Elements with findings: {wrong}." if marks else "No findings.")
