"""The parts of a page: words, tables of any length, pictures. Each knows its height, splits over pages, and tags what it draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.lib.colors import HexColor
from reportlab.platypus.flowables import Flowable

from reports.core.drawing import Drawing
from reports.render.pdf import fonts, pictures
from reports.render.pdf.tags import Node, Structure, decoration

INK = "#1f2933"
GREY = "#616e7c"
RULE = "#cbd2d9"
STRIPE = "#f5f7fa"
LEADING = 1.32


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    size: float = 9.0
    bold: bool = False
    colour: str = INK
    before: float = 0.0
    after: float = 5.0
    kind: str = "P"
    anchor: str = "start"


BODY = Style()
SMALL = Style(size=7.5, colour=GREY, after=3)
TITLE = Style(size=26, bold=True, after=6, kind="H1")
HEADINGS = {
    1: Style(size=16, bold=True, before=4, after=8, kind="H1"),
    2: Style(size=11.5, bold=True, before=10, after=5, kind="H2"),
}


class Words(Flowable):  # type: ignore[misc]  # ReportLab has no types
    """A paragraph. `link` makes all of it a link."""

    def __init__(self, structure: Structure, text: object, style: Style = BODY, *, link: str = "", node: Node | None = None) -> None:
        super().__init__()
        self.structure, self.text, self.style, self.link, self._node = structure, text, style, link, node
        self._lines: list[str] | None = None
        self.width: float = 0.0
        self.spaceBefore, self.spaceAfter = style.before, style.after

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        if self._lines is None or self.width != width:
            self._lines = fonts.lines(self.text, self.style.size, width, bold=self.style.bold)
        self.width = width
        self.height = len(self._lines) * self.style.size * LEADING
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        self.wrap(width, height)
        fit = int(height // (self.style.size * LEADING))
        if fit < 1 or self._lines is None:
            return []
        return [self._part(self._lines[:fit], width), self._part(self._lines[fit:], width)]

    def _part(self, lines: list[str], width: float) -> "Words":
        part = Words(self.structure, "", self.style, link=self.link, node=self._node)
        part._lines, part.width = lines, width
        return part

    def draw(self) -> None:
        if self.structure.dry:
            return
        style, canvas = self.style, self.canv
        x = {"start": 0.0, "middle": self.width / 2, "end": self.width}[style.anchor]
        node = self._node or self.structure.node(style.kind)
        with self.structure.marked(canvas, node):
            for number, line in enumerate(self._lines or (), 1):
                fonts.write(
                    canvas,
                    x,
                    self.height - number * style.size * LEADING + style.size * 0.3,
                    line,
                    style.size,
                    bold=style.bold,
                    colour=style.colour,
                    anchor=style.anchor,
                )
        if self.link:
            canvas.linkURL(self.link, (0, 0, self.width, self.height), relative=1)


class Heading(Words):
    """A heading that stands in the contents and in the bookmarks."""

    def __init__(self, structure: Structure, text: str, level: int = 1) -> None:
        super().__init__(structure, text, HEADINGS[level])
        self.level = level


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    share: float
    anchor: str = "start"
    bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    text: object
    chip: str = ""  # a colour in front of the text


class Row:
    """The cells of a row and, once the widths are known, their lines; kept when the table is split, so that each is broken once."""

    __slots__ = ("cells", "height", "lines", "tall")

    def __init__(self, cells: Sequence[object], *, tall: float = 0.0) -> None:
        self.cells, self.tall, self.height = cells, tall, 0.0
        self.lines: list[tuple[list[str], str]] | None = None


class Grid(Flowable):  # type: ignore[misc]
    """A table of fixed column widths that breaks over pages between its rows and repeats its head.

    ReportLab's own tables measure every cell against every other (196 rows a second at 50,000); this one only ever looks at the rows of its page.
    """

    SIZE = 7.5
    PAD = 3.0
    CHIP = 9.0

    def __init__(
        self, structure: Structure, columns: Sequence[Column], rows: Sequence[Row], *, most_lines: int = 14, node: Node | None = None
    ) -> None:
        super().__init__()
        self.structure, self.columns, self.rows, self.most_lines, self._node = structure, columns, rows, most_lines, node
        self.spaceAfter = 8

    def _widths(self) -> list[float]:
        total = sum(column.share for column in self.columns)
        return [self.width * column.share / total for column in self.columns]

    def _break(self, row: Row, widths: Sequence[float]) -> float:
        if row.lines is None:
            row.lines = []
            for column, cell, width in zip(self.columns, row.cells, widths, strict=True):
                text, chip = (cell.text, cell.chip) if isinstance(cell, Cell) else (cell, "")
                room = width - 2 * self.PAD - (self.CHIP if chip else 0)
                row.lines.append((fonts.lines(text, self.SIZE, room, bold=column.bold, most=self.most_lines), chip))
            row.height = max(row.tall, max(len(lines) for lines, _ in row.lines) * self.SIZE * LEADING + 2 * self.PAD)
        return row.height

    def _head(self, widths: Sequence[float]) -> Row:
        head = Row([column.title for column in self.columns])
        if not any(head.cells):
            return head
        head.lines = [
            (fonts.lines(column.title, self.SIZE, width - 2 * self.PAD, bold=True), "") for column, width in zip(self.columns, widths, strict=True)
        ]
        head.height = max(len(lines) for lines, _ in head.lines) * self.SIZE * LEADING + 2 * self.PAD
        return head

    def _fitting(self, height: float) -> tuple[int, float]:
        """How many rows fit, and the height that they take with the head."""
        widths = self._widths()
        used = self._head(widths).height
        for place, row in enumerate(self.rows):
            tall = self._break(row, widths)
            if used + tall > height:
                return place, used
            used += tall
        return len(self.rows), used

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.width = width
        count, self.height = self._fitting(height)
        if count < len(self.rows):
            self.height = height + 1  # more than there is room for: it will be split
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        self.width = width
        count, _ = self._fitting(height)
        if not count:
            return []
        self._node = self._node or self.structure.node("Table")
        return [self._part(self.rows[:count]), self._part(self.rows[count:])]

    def _part(self, rows: Sequence[Row]) -> "Grid":
        return Grid(self.structure, self.columns, rows, most_lines=self.most_lines, node=self._node)

    def draw(self) -> None:
        if self.structure.dry:
            return
        widths, canvas = self._widths(), self.canv
        table = self._node or self.structure.node("Table")
        y = self.height
        head = self._head(widths)
        if head.lines:
            with decoration(canvas):
                canvas.setFillColor(HexColor("#e4e7eb"))
                canvas.rect(0, y - head.height, self.width, head.height, stroke=0, fill=1)
            y = self._row(table, head, widths, y, "TH")
        for place, row in enumerate(self.rows):
            if place % 2:
                with decoration(canvas):
                    canvas.setFillColor(HexColor(STRIPE))
                    canvas.rect(0, y - row.height, self.width, row.height, stroke=0, fill=1)
            y = self._row(table, row, widths, y, "TD")
        with decoration(canvas):
            canvas.setStrokeColor(HexColor(RULE))
            canvas.setLineWidth(0.5)
            canvas.line(0, y, self.width, y)

    def _row(self, table: Node, row: Row, widths: Sequence[float], top: float, kind: str) -> float:
        canvas, x = self.canv, 0.0
        line = self.structure.node("TR", table)
        for column, width, (lines, chip) in zip(self.columns, widths, row.lines or (), strict=True):
            left = x + self.PAD + (self.CHIP if chip else 0)
            if chip:
                with decoration(canvas):
                    canvas.setFillColor(HexColor(chip))
                    canvas.roundRect(x + self.PAD, top - self.PAD - self.SIZE, 6, 6, 1.5, stroke=0, fill=1)
            place = {"start": left, "middle": (left + x + width - self.PAD) / 2, "end": x + width - self.PAD}[column.anchor]
            with self.structure.marked(canvas, self.structure.node(kind, line, scope="Column" if kind == "TH" else "")):
                for number, text in enumerate(lines, 1):
                    y = top - self.PAD - number * self.SIZE * LEADING + self.SIZE * 0.3
                    fonts.write(canvas, place, y, text, self.SIZE, bold=kind == "TH" or column.bold, anchor=column.anchor)
            x += width
        return top - row.height


class Picture(Flowable):  # type: ignore[misc]
    """A drawing, made smaller where it is wider than the page, with its words for who does not see it."""

    def __init__(self, structure: Structure, drawing: Drawing, *, most_height: float = 0.0) -> None:
        super().__init__()
        self.structure, self.drawing, self._most = structure, drawing, most_height
        self.spaceAfter = 8

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        room = min(height, self._most or height)
        self.scale = min(1.0, width / self.drawing.width, room / self.drawing.height)
        self.width, self.height = width, self.drawing.height * self.scale
        return width, self.height

    def draw(self) -> None:
        if self.structure.dry:
            return
        node = self.structure.node("Figure", alt=fonts.clean(self.drawing.description)[:2000])
        with self.structure.marked(self.canv, node):
            self.canv.saveState()
            self.canv.scale(self.scale, self.scale)
            pictures.draw(self.canv, self.drawing)
            self.canv.restoreState()


class Beside(Flowable):  # type: ignore[misc]
    """Parts side by side, each in its share of the width; they do not split."""

    def __init__(self, parts: Sequence[tuple[Flowable, float]], *, gap: float = 14.0) -> None:
        super().__init__()
        self.parts, self.gap = parts, gap
        self.spaceAfter = 8

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        total = sum(share for _, share in self.parts)
        room = width - self.gap * (len(self.parts) - 1)
        self.width, self.height = width, max(part.wrap(room * share / total, height)[1] for part, share in self.parts)
        return width, self.height

    def draw(self) -> None:
        x = 0.0
        for part, _ in self.parts:
            part.drawOn(self.canv, x, self.height - part.height)
            x += part.width + self.gap
