"""Drawings as SVG."""

from html import escape

from reports.core.drawing import Arc, Drawing, Item, Path, Rect, Text


def draw(drawing: Drawing) -> str:
    size = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}" width="{drawing.width:g}"'
    words = escape(drawing.description, quote=True)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{words}">{"".join(map(_item, drawing.items))}</svg>'


def _item(item: Item) -> str:
    match item:
        case Rect():
            box = f'x="{item.x:.2f}" y="{item.y:.2f}" width="{item.width:.2f}" height="{item.height:.2f}" rx="{item.radius:g}"'
            return f'<rect {box} fill="{_colour(item.fill)}" stroke="{_colour(item.stroke)}"/>'
        case Path():
            points = " ".join(f"{x:.2f},{y:.2f}" for x, y in item.points)
            dashes = f' stroke-dasharray="{" ".join(f"{dash:g}" for dash in item.dashes)}"' if item.dashes else ""
            kind = "polygon" if item.closed else "polyline"
            return f'<{kind} points="{points}" fill="{_colour(item.fill)}" stroke="{_colour(item.stroke)}" stroke-width="{item.width:g}"{dashes}/>'
        case Arc():
            return _arc(item)
        case Text():
            weight = ' font-weight="700"' if item.bold else ""
            place = f'x="{item.x:.2f}" y="{item.y:.2f}" font-size="{item.size:g}" text-anchor="{item.anchor}"'
            return f'<text {place} fill="{_colour(item.fill)}"{weight}>{escape(item.text)}</text>'


def _colour(colour: str) -> str:
    return escape(colour, quote=True) or "none"


def _arc(item: Arc) -> str:
    from math import cos, radians, sin

    (x1, y1), (x2, y2) = ((item.x + item.radius * sin(radians(at)), item.y - item.radius * cos(radians(at))) for at in (item.begin, item.end))
    large = int(item.end - item.begin > 180)
    line = f"M {x1:.2f} {y1:.2f} A {item.radius:g} {item.radius:g} 0 {large} 1 {x2:.2f} {y2:.2f}"
    return f'<path d="{line}" fill="none" stroke="{_colour(item.stroke)}" stroke-width="{item.width:g}"/>'
