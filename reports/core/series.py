"""Charts of what goes on over time, and of what is compared. As in `charts`: every mark has its number in words, too."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports.core.charts import ACCENT, GOOD, GREY, INK, PALE, clipped
from reports.core.drawing import Drawing, Item, Path, Rect, Text

WARNING: Final = "#a4161a"
MOST_LABELS: Final = 10


def nice(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten that is not below."""
    size = 1.0
    while size < value:
        for factor in (2.0, 5.0, 10.0):
            if size * factor >= value:
                return size * factor
        size *= 10
    return size


def columns(
    rows: Sequence[Mapping[str, Any]], whole: str, part: str, words: Mapping[str, str], *, width: float = 480, height: float = 130
) -> Drawing:
    """A column for each row, and the part of it that `part` is; rows: {at, <whole>, <part>}."""
    left, bottom = 34.0, height - 18
    up = bottom - 16
    top = nice(max((row[whole] for row in rows), default=0) or 1)
    step = (width - left - 6) / max(len(rows), 1)
    every = max(1, -(-len(rows) // MOST_LABELS))
    items: list[Item] = [
        *_scale(left, bottom, up, width, top),
        *_legend(left, ((words.get(whole, whole), PALE_BLUE), (words.get(part, part), ACCENT))),
    ]
    for place, row in enumerate(rows):
        x, wide = left + step * (place + 0.12), step * 0.76
        for name, colour in ((whole, PALE_BLUE), (part, ACCENT)):
            tall = up * min(row[name], top) / top
            if tall:
                items.append(Rect(x=x, y=bottom - tall, width=wide, height=tall, fill=colour))
        if place % every == 0:
            items.append(Text(x=x + wide / 2, y=height - 5, text=str(row["at"])[5:10], size=6.5, anchor="middle", fill=GREY))
    said = "; ".join(f"{str(row['at'])[:10]}: {row[whole]} {words.get(whole, whole)}, {row[part]} {words.get(part, part)}" for row in rows)
    return Drawing(width=width, height=height, items=tuple(items), description=said or "–")


PALE_BLUE: Final = "#c7d7f9"


def _scale(left: float, bottom: float, up: float, width: float, top: float) -> list[Item]:
    items: list[Item] = []
    for part in (0.0, 0.5, 1.0):
        y = bottom - up * part
        items.append(Path(points=((left, y), (width - 6, y)), stroke=PALE, width=0.6))
        items.append(Text(x=left - 5, y=y + 3, text=f"{top * part:,g}", size=7, anchor="end", fill=GREY))
    return items


def _legend(left: float, names: Sequence[tuple[str, str]]) -> list[Item]:
    items: list[Item] = []
    for number, (name, colour) in enumerate(names):
        items.append(Rect(x=left + 8 + number * 120, y=1, width=7, height=7, fill=colour, radius=1))
        items.append(Text(x=left + 19 + number * 120, y=8, text=clipped(name, 24), size=7.5, fill=GREY))
    return items


def funnel(rows: Sequence[tuple[str, int, float | None]], *, width: float = 480, most_rows: int = 30) -> Drawing:
    """(name, count, share 0..1 of those that began), in their order."""
    left, height = 150.0, 17.0
    items: list[Item] = []
    shown = list(rows)[:most_rows]
    for place, (name, count, share) in enumerate(shown):
        y = place * height
        items.append(Text(x=0, y=y + 11, text=clipped(name, 30)))
        items.append(Rect(x=left, y=y + 2, width=width - left - 90, height=height - 5, fill=PALE, radius=2))
        length = (width - left - 90) * max(0.0, min(1.0, share or 0.0))
        if length:
            items.append(Rect(x=left, y=y + 2, width=length, height=height - 5, fill=ACCENT, radius=2))
        items.append(Text(x=width - 84, y=y + 11, text=f"{count:,}"))
        items.append(Text(x=width - 2, y=y + 11, text="–" if share is None else f"{100 * share:.1f} %", anchor="end", fill=GREY))
    words = "; ".join(f"{name}: {count} ({'–' if share is None else f'{100 * share:.1f} %'})" for name, count, share in shown)
    return Drawing(width=width, height=max(1, len(shown)) * height + 2, items=tuple(items), description=words or "–")


def before_after(rows: Sequence[tuple[str, int, int]], words: Mapping[str, str], *, width: float = 480) -> Drawing:
    """(name, before, after): two bars for each name."""
    left, height = 130.0, 28.0
    most = max((max(before, after) for _, before, after in rows), default=0) or 1
    items: list[Item] = _legend(left, ((words["before"], GREY), (words["after"], ACCENT)))
    for place, (name, before, after) in enumerate(rows):
        y = 16 + place * height
        items.append(Text(x=0, y=y + 15, text=clipped(name, 26)))
        for number, (count, colour) in enumerate(((before, GREY), (after, ACCENT))):
            length = (width - left - 44) * count / most
            if length:
                items.append(Rect(x=left, y=y + 2 + number * 11, width=length, height=9, fill=colour, radius=1))
            items.append(Text(x=left + length + 5, y=y + 9.5 + number * 11, text=f"{count:,}", size=7, fill=INK if number else GREY))
    said = "; ".join(f"{name}: {before} {words['before']}, {after} {words['after']}" for name, before, after in rows)
    return Drawing(width=width, height=18 + max(1, len(rows)) * height, items=tuple(items), description=said or "–")


def intervals(rows: Sequence[Mapping[str, Any]], *, width: float = 480, most_rows: int = 30) -> Drawing:
    """Estimates with their intervals around zero: rows {name, value, low, high, better: true | false | None}; shares (0.05 is 5 %)."""
    left, right, height = 170.0, 96.0, 20.0
    shown = [row for row in rows if None not in (row["value"], row["low"], row["high"])][:most_rows]
    reach = max((max(abs(row["low"]), abs(row["high"])) for row in shown), default=0.0) or 1.0
    middle, half = left + (width - left - right) / 2, (width - left - right) / 2

    def at(value: float) -> float:
        return middle + half * max(-1.0, min(1.0, value / reach))

    deep = 14 + max(1, len(shown)) * height
    items: list[Item] = [Path(points=((middle, 12), (middle, deep)), stroke=GREY, width=0.7, dashes=(2.0, 2.0))]
    items += [
        Text(x=x, y=8, text=f"{100 * value:+.1f} %".replace("-", "−"), size=6.5, anchor="middle", fill=GREY)
        for x, value in ((left, -reach), (left + 2 * half, reach))
    ]
    items.append(Text(x=middle, y=8, text="0", size=6.5, anchor="middle", fill=GREY))
    for place, row in enumerate(shown):
        y = 14 + place * height
        colour = {True: GOOD, False: WARNING, None: INK}[row.get("better")]
        items.append(Text(x=0, y=y + 13, text=clipped(row["name"], 34)))
        items.append(Path(points=((at(row["low"]), y + 10), (at(row["high"]), y + 10)), stroke=colour, width=1.6))
        items.append(Rect(x=at(row["value"]) - 3, y=y + 7, width=6, height=6, fill=colour, radius=3))
        items.append(Text(x=width - 2, y=y + 13, text=_interval(row), size=7, anchor="end", fill=colour))
    said = "; ".join(f"{row['name']}: {_interval(row)}" for row in shown)
    return Drawing(width=width, height=deep + 2, items=tuple(items), description=said or "–")


def _interval(row: Mapping[str, Any]) -> str:
    return f"{100 * row['value']:+.1f} % [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]".replace("-", "−")
