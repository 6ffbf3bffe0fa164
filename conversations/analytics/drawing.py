"""Pictures of the numbers as SVG: the funnel on the flow's own graph, bars by day, histograms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.core import layout
from flows.core.types import Json

WIDEST = 7.0  # of an arrow
LEAST = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    node: layout.Node
    type: str
    is_start: bool
    numbers: Mapping[str, Any]
    filled: int  # width of the part that was reached
    stopped: int  # width of the part that stopped, from the right
    subtitle: str
    hint: str


def funnel(definition: Mapping[str, Json], found: Mapping[str, Any]) -> dict[str, Any]:
    """Context of templates/analytics/funnel.html. States of other versions, which the drawn one has not, are listed below it."""
    states: Mapping[str, Json] = definition["states"]
    numbers = {row["state"]: row for row in found["states"]}
    moves = {(row["from_state"], row["to_state"]): row["count"] for row in found["moves"]}
    edges = [*_edges(states), *((source, target, "") for source, target in moves if source in states and target in states)]
    drawing = layout.draw(list(states), definition["initial_state"], edges)
    most = max(moves.values(), default=0)
    arrows = []
    for arrow in drawing.arrows:
        count = moves.get((arrow.source, arrow.target), 0)
        width = LEAST + (WIDEST - LEAST) * count / most if most else LEAST
        arrows.append({"arrow": arrow, "count": count, "width": round(width, 1), "unused": not count})
    return {
        "drawing": drawing,
        "boxes": [_box(node, states[node.name], definition["initial_state"], numbers.get(node.name)) for node in drawing.nodes],
        "arrows": arrows,
        "least": round(drawing.width * 0.78),
        "box": {"width": layout.WIDTH, "height": layout.HEIGHT},
        "elsewhere": [row for row in found["states"] if row["state"] not in states],
    }


def _edges(states: Mapping[str, Json]) -> Iterator[layout.Edge]:
    for name, state in states.items():
        for transition in state.get("transitions", ()):
            yield name, transition["target_state"], ""


def _box(node: layout.Node, state: Mapping[str, Json], start: str, numbers: Mapping[str, Any] | None) -> Box:
    row = numbers or {"reached": 0, "reached_share": None, "stopped": 0, "stopped_share": None, "ended": 0, "visits": 0, "missed": 0, "handoffs": 0}
    reached = min(row["reached_share"] or 0.0, 1.0)
    stopped = min(row["stopped_share"] or 0.0, 1.0)
    filled = round(layout.WIDTH * reached)
    subtitle = f"{row['reached']:,} · {percent(row['reached_share'])}" if row["reached"] else "never reached"
    lines = [
        f"{node.name}: {row['reached']:,} sessions came here ({row['visits']:,} visits)",
        f"{row['stopped']:,} stopped here ({percent(row['stopped_share'])})",
        f"{row['ended']:,} ended here",
        f"{row['missed']:,} messages were not understood here",
        *([f"{row['handoffs']:,} were handed over here"] if row["handoffs"] else []),
    ]
    return Box(
        node=node,
        type=str(state["type"]),
        is_start=node.name == start,
        numbers=row,
        filled=filled,
        stopped=round(filled * stopped),
        subtitle=subtitle,
        hint="\n".join(lines),
    )


def percent(value: float | None) -> str:
    if value is None:
        return "–"
    return "<1 %" if 0 < value < 0.01 else f"{value * 100:.0f} %"


def milliseconds(value: float | None) -> str:
    return "–" if value is None else "< 1 ms" if value < 1 else f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def days(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Starts as bars, and of each the part that was completed."""
    top = nice(max((row["starts"] for row in rows), default=0))
    step = 940 / max(len(rows), 1)
    every = max(1, -(-len(rows) // 14))
    bars = []
    for index, row in enumerate(rows):
        height, done = 160 * row["starts"] / top, 160 * min(row["completed"], row["starts"]) / top
        bars.append(
            {
                "x": round(50 + step * index + step * 0.15, 1),
                "width": round(step * 0.7, 1),
                "y": round(180 - height, 1),
                "height": round(height, 1),
                "done_y": round(180 - done, 1),
                "done_height": round(done, 1),
                "middle": round(50 + step * (index + 0.5), 1),
                "label": f"{row['day']:%-d %b}" if index % every == 0 else "",
                "hint": f"{row['day']:%a %-d %b}: {row['starts']:,} begun, {row['completed']:,} completed, {row['handoffs']:,} handed over",
            }
        )
    lines = [{"y": round(180 - 160 * part / 2), "label": f"{top * part // 2:,}"} for part in (0, 1, 2)]
    return {"bars": bars, "lines": lines, "is_empty": not any(row["starts"] for row in rows), "total": sum(row["starts"] for row in rows)}


def line(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Curves over the days; a day without a value is a gap."""
    values = [row[name] for row in rows for name in names if row[name] is not None]
    top = nice(max(1, round(max(values, default=0))))
    step = 940 / max(len(rows), 1)
    every = max(1, -(-len(rows) // 14))
    curves = []
    for name in names:
        points = [
            (round(50 + step * (index + 0.5), 1), round(180 - 160 * row[name] / top, 1), row)
            for index, row in enumerate(rows)
            if row[name] is not None
        ]
        dots = [{"x": x, "y": y, "hint": f"{row['day']:%a %-d %b}: {milliseconds(row[name])}"} for x, y, row in points]
        curves.append({"name": name, "path": " ".join(f"{'M' if not n else 'L'} {x} {y}" for n, (x, y, _) in enumerate(points)), "dots": dots})
    labels = [{"x": round(50 + step * (index + 0.5), 1), "text": f"{row['day']:%-d %b}"} for index, row in enumerate(rows) if index % every == 0]
    lines = [{"y": round(180 - 160 * part / 2), "label": milliseconds(top * part / 2)} for part in (0, 1, 2)]
    return {"curves": curves, "lines": lines, "labels": labels, "is_empty": not values}


def histogram(pairs: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Bars of an SVG of 480 by 150."""
    most = max((count for _, count in pairs), default=0)
    step = 460 / max(len(pairs), 1)
    bars = [
        {
            "x": round(10 + step * index + 1, 1),
            "width": round(step - 2, 1),
            "y": round(115 - 95 * count / most, 1) if most else 115,
            "height": round(95 * count / most, 1) if most else 0,
            "middle": round(10 + step * (index + 0.5), 1),
            "label": label,
            "count": count,
        }
        for index, (label, count) in enumerate(pairs)
    ]
    return {"bars": bars, "is_empty": not most}


def nice(value: int) -> int:
    """The next 2, 4, 10, 20, 40, 100 …"""
    size = 1
    while True:
        for factor in (2, 4, 10):
            if factor * size >= value:
                return factor * size
        size *= 10
