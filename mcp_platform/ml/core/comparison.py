"""Versions of a model side by side: what was measured of each, against the one that serves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MOST_FOUND: Final = 12  # measures of a kind that has not said which of its measures count


class Style(StrEnum):
    SHARE = "share"  # 0..1, shown in per cent
    NUMBER = "number"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number in a model's metrics. `path`: names with dots between; `better`: 1 the higher, -1 the lower, 0 neither."""

    path: str
    title: str
    better: int = 1
    style: Style = Style.SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`against`: the difference to the champion; None for itself, and where one of the two is not known. `verdict`: 1 better, -1 worse, 0 else."""

    value: float | None
    against: float | None
    verdict: int
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    measure: Measure
    cells: tuple[Cell, ...]


def value_of(metrics: Mapping[str, Any], path: str) -> float | None:
    here: Any = metrics
    for name in path.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    return float(here) if isinstance(here, int | float) and not isinstance(here, bool) and here == here else None


def found_in(versions: Sequence[Mapping[str, Any]]) -> tuple[Measure, ...]:
    """For a kind without measures of its own: the numbers at the top of the metrics. Nobody knows which way is better."""
    names = dict.fromkeys(name for metrics in versions for name in metrics if value_of({name: metrics[name]}, name) is not None)
    return tuple(Measure(path=name, title=name.replace("_", " ").capitalize(), better=0, style=Style.NUMBER) for name in list(names)[:MOST_FOUND])


def side_by_side(measures: Sequence[Measure], versions: Sequence[Mapping[str, Any]], champion: int | None) -> tuple[Line, ...]:
    """One line for each measure that any version has. `versions`: their metrics; `champion`: its place among them."""
    return tuple(_lines(measures, versions, champion))


def _lines(measures: Sequence[Measure], versions: Sequence[Mapping[str, Any]], champion: int | None) -> Iterator[Line]:
    for measure in measures:
        values = [value_of(metrics, measure.path) for metrics in versions]
        if any(value is not None for value in values):
            yield Line(measure=measure, cells=tuple(_cell(measure, values, place, champion) for place in range(len(values))))


def _cell(measure: Measure, values: Sequence[float | None], place: int, champion: int | None) -> Cell:
    value = values[place]
    base = values[champion] if champion is not None and champion != place else None
    against = round(value - base, 6) if value is not None and base is not None else None
    return Cell(value=value, against=against, verdict=_sign((against or 0.0) * measure.better), best=_is_best(measure, values, value))


def _is_best(measure: Measure, values: Sequence[float | None], value: float | None) -> bool:
    """Better than every other; where they are all equal none is the best."""
    ranked = [one * measure.better for one in values if one is not None]
    return value is not None and len(ranked) > 1 and value * measure.better == max(ranked) and min(ranked) < max(ranked)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def shown(value: float | None, style: Style) -> str:
    return "–" if value is None else FORMATS[style](value)


def difference(value: float | None, style: Style) -> str:
    """With its sign; shares in percentage points."""
    if value is None:
        return ""
    if value == 0:
        return "±0"
    return f"{value * 100:+.1f} pp" if style is Style.SHARE else f"{value:+,.0f}" if style is Style.COUNT else f"{value:+.4g}"


FORMATS: Final[Mapping[Style, Any]] = {
    Style.SHARE: lambda value: f"{value * 100:.1f} %",
    Style.NUMBER: lambda value: f"{value:.4g}",
    Style.COUNT: lambda value: f"{value:,.0f}",
}
