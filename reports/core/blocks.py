"""What stands in a section, as plain values: words, tables, pictures. Every format shows the same blocks, so their numbers agree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from reports.core.drawing import Drawing

Json: TypeAlias = Any
Form: TypeAlias = Literal["text", "whole", "number", "share", "score", "change", "points", "ms", "day", "moment"]
NOTHING: Final = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`share` of the table's width; `form` says how a raw value is shown."""

    title: str
    share: float = 1.0
    form: Form = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Under the title of its section; it stands in the contents, too."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    text: str
    look: Literal["plain", "strong", "small", "large"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Names and values; those without a value are left out."""

    rows: tuple[tuple[str, Json], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`name` is the sheet of the workbook. `chips`: a colour for each row, in front of its first cell. `tall`: points, room for a hand."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Json]]
    chips: Sequence[str] = ()
    tall: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    drawing: Drawing
    most_height: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Blocks side by side, each in its share of the width."""

    parts: tuple[tuple["Paragraph | Figure", float], ...]


Block: TypeAlias = Heading | Paragraph | Pairs | Table | Figure | Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """The first page under kind and title: what it comes to, in a few words and figures, and what it is about."""

    status: str = ""
    colour: str = "#2f855a"
    figures: tuple[Drawing, ...] = ()
    facts: tuple[tuple[str, Json], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    name: str
    title: str
    blocks: Sequence[Block]
    on_new_page: bool = False


def shown(value: Json, form: Form = "text") -> str:
    """A raw value in words: shares (0..1) and scores (0..100) in percent, changes with their sign, times without their fractions."""
    if value is None or value == "":
        return NOTHING
    return _SHOWN[form](value)


def _signed(text: str) -> str:
    return ("" if text.startswith("-") or text.strip("0.") == "" else "+") + text


def _milliseconds(value: float) -> str:
    return "< 1 ms" if value < 1 else f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


_SHOWN: Final[Mapping[str, Callable[[Any], str]]] = {
    "text": lambda value: ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value),
    "whole": lambda value: f"{value:,}",
    "number": lambda value: f"{value:,.4g}" if isinstance(value, float) else f"{value:,}",
    "share": lambda value: f"{100 * value:.1f} %",
    "score": lambda value: f"{value:.1f} %",
    "change": lambda value: _signed(f"{value:,}").replace("-", "−"),
    "points": lambda value: _signed(f"{value:.1f}").replace("-", "−"),
    "ms": _milliseconds,
    "day": lambda value: str(value)[:10],
    "moment": lambda value: str(value)[:16].replace("T", " "),
}


def tables(sections: Sequence[Section]) -> list[Table]:
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]
