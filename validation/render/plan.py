"""A storey's drawing as SVG. The same bytes for the same drawing.

Colours come with hatches and outlines, so that they are not needed to tell severities apart.
No scripts, styles or references: the picture can stand in a page, in a mail and in a report. Elements carry `data-id`, ways the class "route".
"""

from collections.abc import Iterable, Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from validation.core.building import Point, Ring
from validation.core.plan import ORDER, SEVERITIES, Drawing, Label, Route, Shape

UNITS: Final = 40.0  # of the picture for a metre
MARGIN: Final = 1.2  # m around the storey
FOOT: Final = 2.2  # m below it for scale and legend
COLORS: Final = {"critical": "#b3261e", "major": "#c77700", "minor": "#1f6fb2", "info": "#5f6368"}
_FILLS: Final = {
    "space": "#ffffff",
    "ramp": "#f1efe8",
    "stair": "#f7f7f7",
    "fixture": "#ffffff",
    "railing": "none",
    "wall": "#4a4f57",
    "window": "#cfe4f3",
    "door": "#ffffff",
    "other": "none",
}
_USES: Final = {"corridor": "#eef4ee", "stair": "#e3eef0", "exit": "#2e7d32"}
_STROKES: Final = {
    "space": "#c3c8cf",
    "stair": "#8a9099",
    "ramp": "#8a9099",
    "fixture": "#8a9099",
    "railing": "#6b7280",
    "door": "#6d4c2f",
    "window": "#5b87a6",
}
_WIDTHS: Final = {"space": 1.0, "door": 1.6}
_HATCHES: Final = {"critical": "M0 10 L10 0 M0 0 L10 10", "major": "M0 10 L10 0", "minor": "M0 5 L10 5", "info": "M5 5 h0.1"}
_DASHES: Final = {"critical": "", "major": "", "minor": "8 4", "info": "3 4"}


def svg(drawing: Drawing) -> str:
    """The picture as text of an XML document (without declaration, so that it can stand in HTML too)."""
    return "\n".join(_lines(drawing)) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    page = _Page(drawing)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(page.width)} {_n(page.height)}" role="img" '
        f'aria-labelledby="plan-title plan-description" font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" stroke-linejoin="round">'
    )
    yield f'<title id="plan-title">{_text(drawing.title)}</title>'
    yield f'<desc id="plan-description">{_text(drawing.description)}</desc>'
    yield from _hatches(drawing)
    yield f'<rect class="paper" width="{_n(page.width)}" height="{_n(page.height)}" fill="#ffffff"/>'
    for layer in ORDER:
        shapes = [shape for shape in drawing.shapes if shape.kind == layer]
        if shapes:
            yield f'<g class="layer-{layer}">'
            yield from (_shape(page, shape) for shape in shapes)
            yield "</g>"
    yield from _marked(page, drawing.shapes)
    if drawing.routes:
        yield '<g class="routes" fill="none" stroke-linecap="round">'
        yield from (line for route in drawing.routes for line in _route(page, route))
        yield "</g>"
    yield '<g class="labels" text-anchor="middle" fill="#3c4149" stroke="#ffffff" stroke-width="4" stroke-opacity="0.75" paint-order="stroke">'
    yield from (line for label in drawing.labels for line in _label(page, label))
    yield "</g>"
    yield from _furniture(page, drawing)
    yield "</svg>"


class _Page:
    """Metres to units of the picture; y points down."""

    def __init__(self, drawing: Drawing) -> None:
        self.x0, y0, x1, self.y1 = drawing.frame
        self.width = max((x1 - self.x0 + 2 * MARGIN) * UNITS, 12 * UNITS)
        self.foot = (self.y1 - y0 + 2 * MARGIN) * UNITS
        self.height = self.foot + FOOT * UNITS

    def at(self, point: Point) -> str:
        return f"{_n((point[0] - self.x0 + MARGIN) * UNITS)} {_n((self.y1 - point[1] + MARGIN) * UNITS)}"

    def path(self, rings: Iterable[Ring]) -> str:
        return " ".join(f"M{' L'.join(self.at(point) for point in ring)} Z" for ring in rings)


def _shape(page: _Page, shape: Shape) -> str:
    fill = _USES.get(shape.use, _FILLS[shape.kind])
    stroke = _STROKES.get(shape.kind, "#4a4f57")
    width = _WIDTHS.get(shape.kind, 1.0)
    path = page.path((shape.ring, *shape.holes))
    body = f'<path d="{path}" fill="{fill}" fill-rule="evenodd" stroke="{stroke}" stroke-width="{width}"/>'
    treads = "".join(f'<path d="M{page.at(a)} L{page.at(b)}" stroke="{stroke}" stroke-width="0.8"/>' for a, b in shape.lines)
    wrong = f' data-severity="{shape.severity}"' if shape.severity else ""
    kind = f"{shape.kind} {shape.use}".strip()
    return f'<g class="{kind}" data-id={quoteattr(_clean(shape.id))}{wrong}><title>{_text(shape.title)}</title>{body}{treads}</g>'


def _marked(page: _Page, shapes: Iterable[Shape]) -> Iterator[str]:
    """What is wrong, over everything else, the worst on top; small things get a ring around them."""
    wrong = sorted((shape for shape in shapes if shape.severity in COLORS), key=lambda shape: (-SEVERITIES.index(shape.severity), shape.id))
    if not wrong:
        return
    yield '<g class="findings">'
    for shape in wrong:
        color, dash = COLORS[shape.severity], _DASHES[shape.severity]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        path = page.path((shape.ring, *shape.holes))
        yield f'<g class="finding {shape.severity}" data-id={quoteattr(_clean(shape.id))}><title>{_text(shape.title)}</title>'
        yield f'<path d="{path}" fill="{color}" fill-opacity="0.18" fill-rule="evenodd"/>'
        yield f'<path d="{path}" fill="url(#hatch-{shape.severity})" fill-rule="evenodd" stroke="{color}" stroke-width="3"{dashed}/>'
        yield from _around(page, shape, color)
        yield "</g>"
    yield "</g>"


def _around(page: _Page, shape: Shape, color: str) -> Iterator[str]:
    xs, ys = [x for x, _ in shape.ring], [y for _, y in shape.ring]
    size = max(max(xs) - min(xs), max(ys) - min(ys))
    if size <= 2.5 and shape.kind != "space":
        x, y = page.at(((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)).split()
        yield f'<circle cx="{x}" cy="{y}" r="{_n((size / 2 + 0.35) * UNITS)}" fill="none" stroke="{color}" stroke-width="2.5"/>'


def _route(page: _Page, route: Route) -> Iterator[str]:
    if len(route.line) < 2:
        return
    color = COLORS.get(route.severity, "#2e7d32")
    line = f"M{' L'.join(page.at(point) for point in route.line)}"
    width = "5" if route.severity else "2.5"
    wrong = f" {route.severity}" if route.severity else ""
    yield f'<g class="route{wrong}" data-subject={quoteattr(_clean(route.subject))}><title>{_text(route.title)}</title>'
    if route.severity:
        yield f'<path d="{line}" stroke="#ffffff" stroke-width="9"/>'
    yield f'<path d="{line}" stroke="{color}" stroke-width="{width}" stroke-dasharray="14 8"/>'
    start, end = page.at(route.line[0]).split(), page.at(route.line[-1]).split()
    yield f'<circle cx="{start[0]}" cy="{start[1]}" r="6" fill="#ffffff" stroke="{color}" stroke-width="2.5"/>'
    yield f'<circle cx="{end[0]}" cy="{end[1]}" r="7" fill="{color}"/></g>'


def _label(page: _Page, label: Label) -> Iterator[str]:
    x, y = (float(part) for part in page.at(label.at).split())
    size = label.height * UNITS
    up = size * 0.1 if label.below else -size * 0.35
    yield f'<text class="name" x="{_n(x)}" y="{_n(y - up)}" font-size="{_n(size)}">{_text(label.text)}</text>'
    if label.below:
        yield f'<text class="area" x="{_n(x)}" y="{_n(y + size * 0.95)}" font-size="{_n(size * 0.78)}" fill="#6b7280">{_text(label.below)}</text>'


def _hatches(drawing: Drawing) -> Iterator[str]:
    yield "<defs>"
    for name in SEVERITIES:
        if any(shape.severity == name for shape in drawing.shapes):
            yield (
                f'<pattern id="hatch-{name}" width="10" height="10" patternUnits="userSpaceOnUse">'
                f'<path d="{_HATCHES[name]}" stroke="{COLORS[name]}" stroke-width="1.2" stroke-opacity="0.45" stroke-linecap="round"/></pattern>'
            )
    yield "</defs>"


def _furniture(page: _Page, drawing: Drawing) -> Iterator[str]:
    """Scale bar, north arrow, title and legend."""
    left, base = MARGIN * UNITS, page.foot + 0.5 * UNITS
    width = drawing.bar * UNITS
    yield '<g class="sheet" font-size="18" fill="#3c4149">'
    bar = f"M{_n(left)} {_n(base - 6)} v12 M{_n(left)} {_n(base)} h{_n(width)} M{_n(left + width)} {_n(base - 6)} v12"
    yield f'<path d="{bar}" stroke="#3c4149" stroke-width="2" fill="none"/>'
    yield f'<path d="M{_n(left)} {_n(base)} h{_n(width / 2)}" stroke="#3c4149" stroke-width="6" fill="none"/>'
    yield f'<text x="{_n(left + width + 10)}" y="{_n(base + 6)}">{drawing.bar:g} m</text>'
    yield f'<text class="title" x="{_n(left)}" y="{_n(base + 44)}" font-size="22" font-weight="600">{_text(drawing.title)}</text>'
    x, y = page.width - MARGIN * UNITS, page.foot + 0.7 * UNITS
    yield f'<g class="north" transform="translate({_n(x)} {_n(y)}) rotate({_n(drawing.north)})"><title>North</title>'
    yield '<circle r="22" fill="none" stroke="#3c4149" stroke-width="1.5"/><path d="M0 -20 L7 12 L0 6 L-7 12 Z" fill="#3c4149"/>'
    yield '<text y="-26" text-anchor="middle" font-size="14">N</text></g>'
    yield from _legend(drawing, left + width + 120, base)
    yield "</g>"


def _legend(drawing: Drawing, left: float, base: float) -> Iterator[str]:
    for name in SEVERITIES:
        if name in drawing.counts:
            dash = f' stroke-dasharray="{_DASHES[name]}"' if _DASHES[name] else ""
            look = f'fill="url(#hatch-{name})" stroke="{COLORS[name]}" stroke-width="2.5"{dash}'
            yield f'<rect x="{_n(left)}" y="{_n(base - 10)}" width="26" height="18" {look}/>'
            text = f"{name} ({drawing.counts[name]})"
            yield f'<text x="{_n(left + 34)}" y="{_n(base + 6)}">{text}</text>'
            left += 60 + 10 * len(text)


def _n(value: float) -> str:
    """With one decimal: a fortieth of a metre is 0.1."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def _text(words: str) -> str:
    return escape(_clean(words))


def _clean(words: str) -> str:
    """Without the characters that XML has no way to write."""
    return "".join(one for one in words if one in "\t\n\r" or (one >= " " and not "\ud800" <= one <= "\udfff" and one not in "\ufffe\uffff"))
