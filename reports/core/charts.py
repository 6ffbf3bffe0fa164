"""The charts of a report, from its numbers. Colours are told apart by lightness too, and every mark has its number in words beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports.core.drawing import Arc, Drawing, Item, Path, Rect, Text

SEVERITIES: Final = ("critical", "major", "minor", "info")
COLOURS: Final[Mapping[str, str]] = {"critical": "#a4161a", "major": "#d9822b", "minor": "#e8c547", "info": "#7b8794"}
INK: Final = "#1f2933"
PALE: Final = "#e4e7eb"
GREY: Final = "#616e7c"
ACCENT: Final = "#1d4ed8"
GOOD: Final = "#2f855a"


def _figure(value: float | None, suffix: str = "") -> str:
    return "–" if value is None else f"{value:.1f}{suffix}"


def gauge(value: float | None, label: str, *, colour: str = ACCENT) -> Drawing:
    """A ring that is filled to `value` percent; empty when it is not known."""
    share = max(0.0, min(100.0, value or 0.0)) / 100
    items: list[Item] = [Arc(x=60, y=58, radius=44, begin=-120, end=120, width=11, stroke=PALE)]
    if share:
        items.append(Arc(x=60, y=58, radius=44, begin=-120, end=-120 + 240 * share, width=11, stroke=colour))
    items.append(Text(x=60, y=64, text=_figure(value, " %"), size=17, anchor="middle", bold=True))
    items.append(Text(x=60, y=102, text=label, size=8.5, anchor="middle", fill=GREY))
    return Drawing(width=120, height=112, items=tuple(items), description=f"{label}: {_figure(value, ' %')}")


def matrix(counts: Mapping[str, Mapping[str, int]], names: Mapping[str, str], *, width: float = 480) -> Drawing:
    """Findings by category (rows) and severity (columns); the darker, the more."""
    rows = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
    left, top, height = 110.0, 20.0, 19.0
    step = (width - left - 50) / len(SEVERITIES)
    most = max((count for row in counts.values() for count in row.values()), default=0)
    items: list[Item] = [
        Text(x=left + step * (place + 0.5), y=13, text=names.get(severity, severity), anchor="middle", bold=True)
        for place, severity in enumerate(SEVERITIES)
    ]
    items.append(Text(x=width - 4, y=13, text="Σ", anchor="end", bold=True))
    for number, row in enumerate(rows):
        y = top + number * height
        items.append(Text(x=0, y=y + 13, text=clipped(names.get(row, row), 22)))
        for place, severity in enumerate(SEVERITIES):
            count = counts[row].get(severity, 0)
            items.append(
                Rect(x=left + step * place + 1, y=y + 1, width=step - 2, height=height - 2, fill=_shade(COLOURS[severity], count, most), radius=2)
            )
            if count:
                items.append(Text(x=left + step * (place + 0.5), y=y + 13, text=str(count), anchor="middle", fill=_ink(count, most, severity)))
        items.append(Text(x=width - 4, y=y + 13, text=str(sum(counts[row].values())), anchor="end", bold=True))
    words = "; ".join(f"{names.get(row, row)}: " + ", ".join(f"{counts[row].get(s, 0)} {names.get(s, s)}" for s in SEVERITIES) for row in rows)
    return Drawing(width=width, height=top + max(1, len(rows)) * height + 4, items=tuple(items), description=words or "–")


def _shade(colour: str, count: int, most: int) -> str:
    """From nearly white to the full colour, by the square root: a few beside many can still be seen."""
    part = 0.0 if not count else 0.25 + 0.75 * (count / most) ** 0.5
    base = (0xF5, 0xF7, 0xFA)
    full = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(pale + (dark - pale) * part):02x}" for pale, dark in zip(base, full, strict=True))


def _ink(count: int, most: int, severity: str) -> str:
    return "#ffffff" if severity == "critical" and (count / most) ** 0.5 > 0.45 else INK


def bars(rows: Sequence[tuple[str, Mapping[str, int]]], names: Mapping[str, str], *, width: float = 480, most_rows: int = 24) -> Drawing:
    """A bar for each row, in parts by severity."""
    shown = list(rows)[:most_rows]
    most = max((sum(parts.values()) for _, parts in shown), default=0) or 1
    left, height = 130.0, 16.0
    items: list[Item] = []
    for number, (name, parts) in enumerate(shown):
        y, x = number * height, left
        items.append(Text(x=0, y=y + 11, text=clipped(name, 26)))
        for severity in SEVERITIES:
            length = (width - left - 40) * parts.get(severity, 0) / most
            if length:
                items.append(Rect(x=x, y=y + 2, width=length, height=height - 5, fill=COLOURS[severity]))
            x += length
        items.append(Text(x=x + 5, y=y + 11, text=str(sum(parts.values())), fill=GREY))
    words = "; ".join(f"{name}: " + ", ".join(f"{parts[s]} {names.get(s, s)}" for s in SEVERITIES if parts.get(s)) for name, parts in shown)
    return Drawing(width=width, height=max(1, len(shown)) * height + 2, items=tuple(items), description=words or "–")


def parts(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, int]]]:
    """Rows of a summary ({name, critical, major…}) as `bars` takes them."""
    return [(row["name"], {severity: row[severity] for severity in SEVERITIES}) for row in rows]


def clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def trend(points: Sequence[Mapping[str, Any]], labels: Mapping[str, str], *, width: float = 480, height: float = 120) -> Drawing:
    """Score and coverage (0 to 100) of the runs in order; a run without a number leaves a gap."""
    left, bottom = 30.0, height - 18
    across, up = width - left - 12, bottom - 10
    items: list[Item] = []
    for mark in (0, 50, 100):
        y = bottom - up * mark / 100
        items.append(Path(points=((left, y), (width - 12, y)), stroke=PALE, width=0.6))
        items.append(Text(x=left - 5, y=y + 3, text=str(mark), size=7, anchor="end", fill=GREY))
    steps = max(1, len(points) - 1)
    for name, colour, dashes in (("score", ACCENT, ()), ("coverage", GOOD, (3.0, 2.0))):
        for line in _unbroken([(left + across * n / steps, point.get(name)) for n, point in enumerate(points)]):
            spots = tuple((x, bottom - up * max(0.0, min(100.0, value)) / 100) for x, value in line)
            items.append(Path(points=spots, stroke=colour, width=1.6, dashes=dashes))
            items.extend(Rect(x=x - 1.6, y=y - 1.6, width=3.2, height=3.2, fill=colour, radius=1.6) for x, y in spots)
    for place in sorted({0, len(points) - 1} if points else set()):
        anchor = "start" if place == 0 else "end"
        items.append(
            Text(x=left + across * place / steps, y=height - 5, text=str(points[place].get("at", ""))[:10], size=7, anchor=anchor, fill=GREY)
        )
    for number, (name, colour) in enumerate((("score", ACCENT), ("coverage", GOOD))):
        items.append(Rect(x=left + 8 + number * 90, y=1, width=7, height=7, fill=colour, radius=1))
        items.append(Text(x=left + 19 + number * 90, y=8, text=labels.get(name, name), size=7.5, fill=GREY))
    words = "; ".join(f"{str(point.get('at', ''))[:10]}: {_figure(point.get('score'))} / {_figure(point.get('coverage'))}" for point in points)
    return Drawing(width=width, height=height, items=tuple(items), description=words or "–")


def _unbroken(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    lines: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            lines.append([])
        else:
            lines[-1].append((x, value))
    return [line for line in lines if line]


def shares(parts: Sequence[tuple[str, int, str]], *, width: float = 480) -> Drawing:
    """One bar of parts (name, count, colour) that together are everything, with its legend."""
    total = sum(count for _, count, _ in parts) or 1
    x, items = 0.0, []
    for _, count, colour in parts:
        length = width * count / total
        if length:
            items.append(Rect(x=x, y=0, width=length, height=14, fill=colour))
        x += length
    legend: list[Item] = []
    for place, (name, count, colour) in enumerate(parts):
        legend.append(Rect(x=place * width / len(parts), y=21, width=7, height=7, fill=colour, radius=1))
        legend.append(Text(x=place * width / len(parts) + 11, y=28, text=f"{name}: {count} ({100 * count / total:.0f} %)", size=7.5, fill=GREY))
    words = ", ".join(f"{name}: {count}" for name, count, _ in parts)
    return Drawing(width=width, height=32, items=(*items, *legend), description=words)
