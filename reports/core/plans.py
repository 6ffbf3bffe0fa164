"""A storey's plan as a drawing of a report: metres become points, y turns downwards."""

from dataclasses import asdict
from typing import Any, Final

from reports.core.charts import COLOURS
from reports.core.drawing import Arc, Drawing, Item, Path, Rect, Text
from validation.core import plan

FILLS: Final = {"space": "#fbfbf8", "wall": "#4a4f57", "stair": "#eef0f2", "ramp": "#f1efe8", "window": "#cfe4f3", "door": "#ffffff"}
STROKES: Final = {"space": "#c3c8cf", "wall": "#4a4f57", "door": "#6d4c2f", "window": "#5b87a6"}
EXIT: Final = "#2e7d32"
NAMES: Final = {Rect: "rect", Path: "path", Arc: "arc", Text: "text"}


def picture(storey: plan.Drawing, *, width: float = 500.0, most_height: float = 620.0) -> Drawing:
    left, bottom, right, top = storey.frame
    scale = min((width - 20) / max(right - left, 0.1), (most_height - 44) / max(top - bottom, 0.1))

    def at(x: float, y: float) -> tuple[float, float]:
        return round(10 + (x - left) * scale, 2), round(10 + (top - y) * scale, 2)

    items: list[Item] = []
    for shape in storey.shapes:
        wrong = COLOURS.get(shape.severity, "")
        stroke = wrong or (EXIT if shape.use == "exit" else STROKES.get(shape.kind, "#8a9099"))
        ring = tuple(at(x, y) for x, y in shape.ring)
        items.append(Path(points=ring, closed=True, fill=FILLS.get(shape.kind, ""), stroke=stroke, width=2.0 if wrong else 0.6))
        items.extend(Path(points=tuple(at(x, y) for x, y in hole), closed=True, fill="#ffffff", stroke=stroke, width=0.5) for hole in shape.holes)
        items.extend(Path(points=(at(*begin), at(*end)), stroke="#8a9099", width=0.4) for begin, end in shape.lines)
    items.extend(
        Path(points=tuple(at(x, y) for x, y in route.line), stroke=COLOURS.get(route.severity, EXIT), width=1.0, dashes=(4.0, 2.0))
        for route in storey.routes
    )
    for label in storey.labels:
        size = max(4.5, min(8.0, label.height * scale))
        x, y = at(*label.at)
        items.append(Text(x=x, y=y, text=label.text, size=size, anchor="middle"))
        if label.below:
            items.append(Text(x=x, y=y + size * 1.2, text=label.below, size=size * 0.8, anchor="middle", fill="#616e7c"))
    height = 20 + (top - bottom) * scale + 22
    items.extend(_bar(storey.bar, scale, height))
    return Drawing(width=width, height=round(height, 2), items=tuple(items), description=storey.description)


def _bar(metres: float, scale: float, height: float) -> list[Item]:
    """The scale, and what the colours mean."""
    y = height - 8
    items: list[Item] = [
        Path(points=((10, y), (10 + metres * scale, y)), stroke="#1f2933", width=1.4),
        Text(x=10, y=y - 4, text=f"{metres:g} m", size=6.5),
    ]
    for place, (severity, colour) in enumerate(COLOURS.items()):
        x = 180 + place * 62.0
        items += [Rect(x=x, y=y - 6, width=7, height=7, fill=colour, radius=1), Text(x=x + 10, y=y, text=severity, size=6.5, fill="#616e7c")]
    return items


def as_json(drawing: Drawing) -> dict[str, Any]:
    """As the frozen document keeps it; `drawing_of` reads it."""
    items = [{"kind": NAMES[type(item)], **asdict(item)} for item in drawing.items]
    return {"width": drawing.width, "height": drawing.height, "description": drawing.description, "items": items}


def drawing_of(kept: dict[str, Any]) -> Drawing:
    kinds = {name: kind for kind, name in NAMES.items()}
    items = []
    for item in kept["items"]:
        values = {name: tuple(map(_whole, value)) if isinstance(value, list | tuple) else value for name, value in item.items() if name != "kind"}
        items.append(kinds[item["kind"]](**values))
    return Drawing(width=kept["width"], height=kept["height"], items=tuple(items), description=kept["description"])


def _whole(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
