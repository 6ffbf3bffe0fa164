"""Small pictures for BCF: the plan of a storey with what is wrong in colour. Drawn with Pillow, the same bytes for the same input."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from validation.core.building import Box, Ring
from validation.render import camera

SIZE: Final = (800, 600)
FINER: Final = 2  # drawn larger and made smaller, which smooths the lines
EDGE: Final = 30
FILLS: Final[Mapping[str, str]] = {
    "IfcSpace": "#eef2f6",
    "IfcDoor": "#b9a27c",
    "IfcWindow": "#a9c6da",
    "IfcStair": "#d8d8d8",
    "IfcRamp": "#d8d8d8",
    "IfcColumn": "#6b7280",
}
LINES: Final = {"IfcSpace": "#c7d0da"}
WALL: Final = "#9aa3ad"
MOST_OUTLINES: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """An element as the plan shows it. ring: its footprint; without one its box is drawn."""

    global_id: str
    ifc_class: str
    box: Box | None
    ring: Ring | None


@dataclass(slots=True)
class Sheet:
    """One storey, drawn once and copied for every picture."""

    outlines: dict[str, Outline]
    frame: Box
    image: Any = field(repr=False)


def sheet(outlines: Iterable[Outline]) -> Sheet | None:
    """None when nothing has a place."""
    from PIL import Image, ImageDraw

    drawn = [one for one in outlines if _shape(one)][:MOST_OUTLINES]
    frame = camera.around([_frame(one) for one in drawn])
    if frame is None:
        return None
    image = Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), "#ffffff")
    pen = ImageDraw.Draw(image)
    for one in sorted(drawn, key=lambda one: (one.ifc_class != "IfcSpace", one.global_id)):
        _fill(pen, _placed(_shape(one), frame), FILLS.get(one.ifc_class, WALL), LINES.get(one.ifc_class, "#6b7280"), 1)
    return Sheet({one.global_id: one for one in drawn}, frame, image)


def picture(on: Sheet, subject: str, *, color: str, path: Sequence[Sequence[float]] = (), caption: str = "") -> bytes:
    """A PNG with the subject and the path in colour ("#D32F2F")."""
    from PIL import Image, ImageDraw, ImageFont

    image = on.image.copy()
    pen = ImageDraw.Draw(image)
    one = on.outlines.get(subject)
    if one is not None:
        placed = _placed(_shape(one), on.frame)
        _fill(pen, placed, color, "#000000", 3)
        _ring_around(pen, placed, color)
    if len(path) > 1:
        pen.line(_placed([(point[0], point[1]) for point in path], on.frame), fill=color, width=4 * FINER, joint="curve")
    small = image.resize(SIZE, Image.Resampling.LANCZOS)
    if caption:
        ImageDraw.Draw(small).text((EDGE // 2, SIZE[1] - EDGE + 6), caption[:110], fill="#111827", font=ImageFont.load_default(14))
    buffer = io.BytesIO()
    small.quantize(64).save(buffer, "PNG")
    return buffer.getvalue()


def _shape(one: Outline) -> list[tuple[float, float]]:
    if one.ring and len(one.ring) > 2:
        return [(point[0], point[1]) for point in one.ring]
    if one.box is None:
        return []
    low_x, low_y, _, high_x, high_y, _ = one.box
    return [(low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)]


def _frame(one: Outline) -> Box:
    shape = _shape(one)
    across, along = [point[0] for point in shape], [point[1] for point in shape]
    return (min(across), min(along), 0.0, max(across), max(along), 0.0)


def _placed(shape: Sequence[tuple[float, float]], frame: Box) -> list[tuple[float, float]]:
    """Metres to pixels; north is up."""
    width, depth = max(frame[3] - frame[0], 0.1), max(frame[4] - frame[1], 0.1)
    scale = min((SIZE[0] - 2 * EDGE) / width, (SIZE[1] - 2 * EDGE - 20) / depth)
    left, top = (SIZE[0] - width * scale) / 2, (SIZE[1] - 20 - depth * scale) / 2
    return [((left + (x - frame[0]) * scale) * FINER, (top + (frame[4] - y) * scale) * FINER) for x, y in shape]


def _fill(pen: Any, placed: list[tuple[float, float]], fill: str, line: str, width: int) -> None:
    pen.polygon(placed, fill=fill)
    pen.line([*placed, placed[0]], fill=line, width=width * FINER)


def _ring_around(pen: Any, placed: list[tuple[float, float]], color: str) -> None:
    """A door is a few pixels in a large plan: a circle shows where it is."""
    across, along = [point[0] for point in placed], [point[1] for point in placed]
    x, y = (min(across) + max(across)) / 2, (min(along) + max(along)) / 2
    radius = max(max(across) - min(across), max(along) - min(along)) / 2 + 12 * FINER
    if radius < 60 * FINER:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=color, width=3 * FINER)
