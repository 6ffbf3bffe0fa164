"""Pictures as plain values: what charts and plans consist of, whoever draws them (PDF, SVG). Points (1/72 inch), origin top left, y downwards."""

from dataclasses import dataclass
from typing import TypeAlias

Colour: TypeAlias = str  # "#rrggbb"
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    fill: Colour = ""
    stroke: Colour = ""
    radius: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """An open or closed line through points."""

    points: tuple[Point, ...]
    stroke: Colour = ""
    width: float = 1.0
    fill: Colour = ""
    closed: bool = False
    dashes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """A part of a ring. Degrees, clockwise from twelve o'clock."""

    x: float
    y: float
    radius: float
    begin: float
    end: float
    width: float
    stroke: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """`anchor`: start, middle or end. `y` is the baseline."""

    x: float
    y: float
    text: str
    size: float = 8.0
    fill: Colour = "#1f2933"
    anchor: str = "start"
    bold: bool = False


Item: TypeAlias = Rect | Path | Arc | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """`description` says in words what the picture shows, for those who do not see it."""

    width: float
    height: float
    items: tuple[Item, ...]
    description: str
