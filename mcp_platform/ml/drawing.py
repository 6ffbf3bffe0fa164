"""Pictures of drift as SVG: the indices over the days, and what lies in each bin now against before."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, Final

from mcp_platform.ml.core.drift import MODERATE, STRONG, Drift, Shift

WIDTH, HEIGHT = 1000, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 34
CURVES: Final = 4  # features of a chart; those that moved most
LABELS: Final = 10  # days that are named below
BARS: Final = 12  # bins of a picture


def curves(found: Drift) -> dict[str, Any]:
    """Context of templates/ml/drift_curves.html: a line for each of the features that moved most, above the two customary bars."""
    if not found.points:
        return {"is_empty": True}
    highest = max((value for point in found.points for value in point.indices.values()), default=0.0)
    top = max(highest, STRONG) * 1.15
    names = sorted({name for point in found.points for name in point.indices}, key=lambda name: -max(_values(found, name)))[:CURVES]
    titles = {one.name: one.title for one in found.shifts}
    return {
        "is_empty": False,
        "width": WIDTH,
        "height": HEIGHT,
        "curves": [_curve(found, name, titles.get(name, name), number, top) for number, name in enumerate(names)],
        "bars": [{"y": _y(value, top), "label": f"{value:g} {word}"} for value, word in ((MODERATE, "moderate"), (STRONG, "drifted"))],
        "days": _days(found),
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "bottom": HEIGHT - BOTTOM,
    }


def _values(found: Drift, name: str) -> list[float]:
    return [point.indices[name] for point in found.points if name in point.indices]


def _curve(found: Drift, name: str, title: str, number: int, top: float) -> dict[str, Any]:
    dots = [
        {"x": x, "y": _y(point.indices[name], top), "hint": f"{point.day:%-d %b}: {title} {point.indices[name]:.3f} of {point.count:,}"}
        for x, point in zip(_xs(found), found.points, strict=True)
        if name in point.indices
    ]
    path = " ".join(f"{'L' if place else 'M'} {dot['x']} {dot['y']}" for place, dot in enumerate(dots))
    return {"title": title, "look": f"k{number}", "path": path, "dots": dots}


def _xs(found: Drift) -> list[float]:
    """By the calendar: a day without a reading is a gap."""
    first, last = found.points[0].day, found.points[-1].day
    whole = max(1, (last - first).days)
    wide = WIDTH - LEFT - RIGHT - 40
    return [round(LEFT + 20 + wide * (point.day - first).days / whole, 1) for point in found.points]


def _y(value: float, top: float) -> float:
    """On a scale of square roots: the two bars stay apart, however high a curve climbs."""
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * sqrt(max(value, 0.0) / top), 1)


def _days(found: Drift) -> list[dict[str, Any]]:
    every = max(1, -(-len(found.points) // LABELS))
    pairs = list(zip(_xs(found), found.points, strict=True))
    return [{"x": x, "text": f"{point.day:%-d %b}"} for x, point in pairs[::every]]


def bars(shift: Shift) -> list[Mapping[str, Any]]:
    """Rows of a table: the bins with both shares in per cent of the largest; of many bins those that moved most."""
    chosen: Sequence[Any] = shift.bins
    if len(chosen) > BARS:
        kept = {one.label for one in sorted(chosen, key=lambda one: -one.part)[:BARS]}
        chosen = [one for one in chosen if one.label in kept]
    most = max((max(one.before, one.after) for one in chosen), default=0.0) or 1.0
    return [
        {
            "label": one.label,
            "before": one.before,
            "after": one.after,
            "part": one.part,
            "before_width": round(100 * one.before / most, 1),
            "after_width": round(100 * one.after / most, 1),
        }
        for one in chosen
    ]
