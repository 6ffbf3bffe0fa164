"""Pictures of an experiment as SVG: lifts with their intervals, the power curve, exposures and the effect over time. Numbers are pixels."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import floor, log10
from statistics import median
from typing import Any, Final

from experiments.core.statistics import LEAST_SEQUENTIAL

Json = Mapping[str, Any]
Picture = dict[str, Any]
LEFT, RIGHT, TOP, BOTTOM = 58, 985, 14, 190  # of charts that are 1000 wide and 220 high
FOREST_LEFT, FOREST_RIGHT, ROW = 250, 790, 40
TICKS: Final = 4


def percent(value: float | None, *, signed: bool = False, digits: int = 1) -> str:
    if value is None:
        return "–"
    return f"{value * 100:{'+' if signed else ''}.{digits}f} %"


def number(value: float | None, *, signed: bool = False) -> str:
    """Four digits that say something."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    if value and abs(value) < 0.0001:
        return f"{value:{sign}.1e}"
    digits = 0 if abs(value) >= 1000 else 4 if abs(value) < 1 else 2
    text = f"{value:{sign},.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def told(metric: Json, value: float | None, *, signed: bool = False) -> str:
    """A value of this metric: shares as percent."""
    if metric["shape"] != "share":
        return number(value, signed=signed)
    return percent(value, signed=signed) if not signed else number(None) if value is None else f"{value * 100:+.1f} points"


def forest(findings: Json) -> Picture:
    """Every metric and arm: the lift over the control with its interval, all on one scale; what lies outside of it ends in an arrow."""
    rows = [_forest_row(metric, arm) for metric in findings.get("metrics", ()) for arm in metric["arms"] if not arm["control"]]
    reach = _reach(rows)
    middle = (FOREST_LEFT + FOREST_RIGHT) / 2
    scale = (FOREST_RIGHT - FOREST_LEFT) / 2 / reach
    for index, row in enumerate(rows):
        row["y"] = 34 + ROW * index
        for name in ("value", "lower", "upper"):
            held = row[name]
            row[f"x_{name}"] = None if held is None else round(middle + max(-reach, min(reach, held)) * scale, 1)
        row["cut_low"] = row["lower"] is not None and row["lower"] < -reach
        row["cut_high"] = row["upper"] is not None and row["upper"] > reach
        if row["x_lower"] is not None:
            row["width"] = round(max(row["x_upper"] - row["x_lower"], 1.0), 1)
    ticks = [
        {"x": round(middle + part * reach * scale, 1), "label": percent(part * reach, signed=True, digits=0 if reach >= 0.04 else 1)}
        for part in (-1, -0.5, 0, 0.5, 1)
    ]
    return {
        "rows": rows,
        "ticks": ticks,
        "middle": middle,
        "height": 34 + ROW * len(rows) + 22,
        "bottom": 34 + ROW * len(rows) - 6,
        "is_empty": not rows,
    }


def _forest_row(metric: Json, arm: Json) -> Picture:
    lift = arm.get("lift") or {}
    value, lower, upper = (lift.get(name) for name in ("value", "lower", "upper"))
    difference = arm.get("difference") or {}
    return {
        "metric": metric["label"],
        "role": metric["role"],
        "arm": arm["key"],
        "value": value,
        "lower": lower,
        "upper": upper,
        "says": percent(value, signed=True) if value is not None else told(metric, difference.get("value"), signed=True),
        "within": f"{percent(lower, signed=True)} … {percent(upper, signed=True)}" if lower is not None else unsaid(arm),
        "tone": tone(metric, arm),
    }


def unsaid(arm: Json) -> str:
    """Why there is no interval."""
    if arm.get("units", 0) < LEAST_SEQUENTIAL:
        return "too early"
    return "no lift: control near 0" if (arm.get("difference") or {}).get("lower") is not None else "all units are alike"


def tone(metric: Json, arm: Json) -> str:
    """good, bad or "" (not certain)."""
    if arm.get("harm"):
        return "bad"
    value = (arm.get("difference") or {}).get("value")
    if not arm.get("significant") or not value:
        return ""
    return "good" if (value > 0) == metric["higher_is_better"] else "bad"


def _reach(rows: Sequence[Json]) -> float:
    """Where the scale ends: wide enough for the middle of every row and for half of the intervals."""
    bounds = [max(abs(row["lower"]), abs(row["upper"])) for row in rows if row["lower"] is not None]
    values = [abs(row["value"]) for row in rows if row["value"] is not None]
    wanted = max([median(bounds) * 1.5 if bounds else 0.0, max(values, default=0.0) * 1.4])
    return nice(min(wanted, max(bounds)) if bounds and wanted > max(bounds) else wanted or 0.1)


def nice(value: float) -> float:
    """The next 1, 2, 4, 5, 10, 20 …, of any size."""
    if value <= 0:
        return 1.0
    size: float = 10.0 ** floor(log10(value))
    return next(factor * size for factor in (1.0, 2.0, 4.0, 5.0, 10.0) if factor * size >= value * 0.9999)


def power_curve(sizing: Json, now: float | None = None) -> Picture:
    """The chance to find the smallest effect by the units of an arm: with looks at any time, and at the end only. `now`: units there are."""
    points = sizing["curve"]
    if not points:
        return {"is_empty": True}
    most: float = max(points[-1]["units_per_arm"], now or 0)

    def x(units: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * units / most, 1)

    def y(chance: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * chance, 1)

    curves = [
        {"name": name, "path": path((x(one["units_per_arm"]), y(one[key])) for one in points)}
        for name, key in (("main", "power"), ("fixed", "power_fixed"))
    ]
    dots = [
        {"x": x(one["units_per_arm"]), "y": y(one["power"]), "hint": f"{one['units_per_arm']:,} units in each arm: {percent(one['power'], digits=0)}"}
        for one in points
    ]
    return {
        "is_empty": False,
        "curves": curves,
        "dots": dots,
        "lines": [{"y": y(part), "label": percent(part, digits=0)} for part in (0, 0.25, 0.5, 0.75, 1)],
        "labels": [{"x": x(most * part / TICKS), "text": f"{most * part / TICKS:,.0f}"} for part in range(TICKS + 1)],
        "planned": {"x": x(sizing["units_per_arm"]), "y": y(sizing["power"])},
        "now": {"x": x(now)} if now else None,
        "baseline": number(sizing["baseline"]),
        "effect": number(sizing["minimum_effect"]),
        "differ": sizing["units_per_arm"] != sizing["units_per_arm_fixed"],
    }


def path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{'L' if index else 'M'} {x} {y}" for index, (x, y) in enumerate(points))


def exposure(series: Json, arms: Sequence[str], planned: int) -> Picture:
    """Exposed units of each arm over time, and the planned number as a line where it fits."""
    points = series["points"]
    most = max((count for one in points for count in one["arms"].values()), default=0)
    if not most:
        return {"is_empty": True}
    top = nice(max(most, planned if planned <= most * 3 else 0))
    begin, end = points[0]["at"], points[-1]["at"]
    x = _time_scale(begin, end)

    def y(count: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * count / top, 1)

    curves = [
        {"index": index, "arm": arm, "path": path((x(one["at"]), y(one["arms"][arm])) for one in points), "last": points[-1]["arms"][arm]}
        for index, arm in enumerate(arms)
    ]
    return {
        "is_empty": False,
        "curves": curves,
        "lines": [{"y": y(top * part / 2), "label": number(top * part / 2)} for part in (0, 1, 2)],
        "labels": _moments(begin, end),
        "planned": {"y": y(planned), "label": f"{planned:,} planned"} if planned <= top else None,
    }


def _time_scale(begin: datetime, end: datetime) -> Any:
    whole = max((end - begin).total_seconds(), 1.0)
    return lambda at: round(LEFT + (RIGHT - LEFT) * max(0.0, min((at - begin).total_seconds() / whole, 1.0)), 1)


def _moments(begin: datetime, end: datetime) -> list[Picture]:
    shape = "%-d %b" if (end - begin).days >= 4 else "%-d %b %H:%M" if (end - begin).days >= 1 else "%H:%M"
    step = (end - begin) / TICKS
    return [{"x": round(LEFT + (RIGHT - LEFT) * part / TICKS, 1), "text": f"{begin + step * part:{shape}}"} for part in range(TICKS + 1)]


def effect(found: Json | None, arms: Sequence[str], shape: str) -> Picture:
    """The difference at the end of each day, with its interval as a band. `arms`: those besides the control."""
    points = found["points"] if found else []
    bounds = [abs(one[name]) for point in points for one in point["arms"].values() for name in ("lower", "upper") if one[name] is not None]
    if not bounds:
        return {"is_empty": True}
    top = nice(min(max(bounds), 4 * median(bounds)))

    def y(value: float) -> float:
        return round((TOP + BOTTOM) / 2 - (BOTTOM - TOP) / 2 * max(-1.0, min(value / top, 1.0)), 1)

    def x(index: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * (index + 0.5) / len(points), 1)

    metric = {"shape": shape}
    every = max(1, -(-len(points) // 10))
    return {
        "is_empty": False,
        "bands": [_band(points, index, arm, x, y, metric) for index, arm in enumerate(arms, start=1)],
        "zero": y(0),
        "lines": [{"y": y(top * part), "label": told(metric, top * part, signed=True)} for part in (-1, 0, 1)],
        "labels": [{"x": x(index), "text": one["day"][5:]} for index, one in enumerate(points) if index % every == 0],
    }


def _band(points: Sequence[Json], index: int, arm: str, x: Any, y: Any, metric: Json) -> Picture:
    held = [(x(place), one["day"], one["arms"][arm]) for place, one in enumerate(points) if arm in one["arms"]]
    sure = [(at, day, one) for at, day, one in held if one["lower"] is not None]
    outline = [(at, y(one["upper"])) for at, _, one in sure] + [(at, y(one["lower"])) for at, _, one in reversed(sure)]
    dots = [
        {
            "x": at,
            "y": y(one["value"]),
            "low": y(one["lower"]),
            "high": y(one["upper"]),
            "hint": f"{day}, {arm}: " + " … ".join(told(metric, one[name], signed=True) for name in ("lower", "value", "upper")),
        }
        for at, day, one in sure
    ]
    return {
        "index": index,
        "arm": arm,
        "outline": f"{path(outline)} Z" if len(sure) > 1 else "",
        "path": path((dot["x"], dot["y"]) for dot in dots),
        "dots": dots,
    }
