"""Drawings on a canvas."""

from typing import Any

from reportlab.lib.colors import HexColor

from reports.core.drawing import Arc, Drawing, Path, Rect, Text
from reports.render.pdf import fonts


def draw(canvas: Any, drawing: Drawing) -> None:
    """With its lower left corner at the canvas's origin."""
    for item in drawing.items:
        DRAW[type(item)](canvas, item, drawing.height)


def _rect(canvas: Any, item: Rect, height: float) -> None:
    _colours(canvas, item.fill, item.stroke)
    box = (item.x, height - item.y - item.height, item.width, item.height)
    if item.radius:
        canvas.roundRect(*box, min(item.radius, item.width / 2, item.height / 2), stroke=bool(item.stroke), fill=bool(item.fill))
    else:
        canvas.rect(*box, stroke=bool(item.stroke), fill=bool(item.fill))


def _path(canvas: Any, item: Path, height: float) -> None:
    if len(item.points) < 2:
        return
    _colours(canvas, item.fill, item.stroke)
    canvas.setLineWidth(item.width)
    canvas.setLineJoin(1)
    canvas.setDash(list(item.dashes))
    line = canvas.beginPath()
    (x, y), *rest = item.points
    line.moveTo(x, height - y)
    for x, y in rest:
        line.lineTo(x, height - y)
    if item.closed:
        line.close()
    canvas.drawPath(line, stroke=bool(item.stroke), fill=bool(item.fill))
    canvas.setDash()


def _arc(canvas: Any, item: Arc, height: float) -> None:
    if item.end - item.begin < 0.01:
        return
    canvas.setStrokeColor(HexColor(item.stroke))
    canvas.setLineWidth(item.width)
    y, r = height - item.y, item.radius
    line = canvas.beginPath()
    line.arc(item.x - r, y - r, item.x + r, y + r, 90 - item.begin, item.begin - item.end)  # counter-clockwise from three o'clock
    canvas.drawPath(line, stroke=1, fill=0)


def _text(canvas: Any, item: Text, height: float) -> None:
    fonts.write(canvas, item.x, height - item.y, fonts.clean(item.text), item.size, bold=item.bold, colour=item.fill, anchor=item.anchor)


def _colours(canvas: Any, fill: str, stroke: str) -> None:
    if fill:
        canvas.setFillColor(HexColor(fill))
    if stroke:
        canvas.setStrokeColor(HexColor(stroke))


DRAW: dict[type, Any] = {Rect: _rect, Path: _path, Arc: _arc, Text: _text}
