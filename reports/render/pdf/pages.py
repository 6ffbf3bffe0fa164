"""Pages: their frames, what stands at their edges, and the contents."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus.doctemplate import BaseDocTemplate, PageTemplate
from reportlab.platypus.flowables import Flowable
from reportlab.platypus.frames import Frame

from reports.render.pdf import fonts
from reports.render.pdf.flowables import HEADINGS, Heading, Words
from reports.render.pdf.tags import Structure, decoration

if TYPE_CHECKING:
    from reports.render.pdf.making import Entry

Json = Any
MARGIN = 48.0
PAPER = {"a4": A4, "letter": LETTER}
GREY = "#616e7c"


class Template(BaseDocTemplate):  # type: ignore[misc]
    """Remembers the headings and their pages while it prints. `total` is the number of pages that the pass before found."""

    def __init__(
        self, stream: Any, document: Mapping[str, Json], words: Mapping[str, str], structure: Structure, look: Mapping[str, Json], *, total: int
    ) -> None:
        size = PAPER.get(look.get("paper", "a4"), A4)
        super().__init__(
            stream, pagesize=size, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN, title=fonts.clean(document["title"])
        )
        self.entries: list[Entry] = []
        self._words, self._look, self._document, self._total = words, look, document, total
        frame = Frame(MARGIN, MARGIN + 10, size[0] - 2 * MARGIN, size[1] - 2 * MARGIN - 26, 0, 0, 0, 0)
        self.addPageTemplates([PageTemplate("cover", [frame], onPage=self._cover), PageTemplate("body", [frame], onPage=self._body)])

    def afterFlowable(self, flowable: Any) -> None:  # noqa: N802  ReportLab's name
        from reports.render.pdf.making import Entry

        if not isinstance(flowable, Heading):
            return
        key = f"h{len(self.entries)}"
        text = fonts.clean(flowable.text)
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, flowable.level - 1, closed=flowable.level == 1)
        self.entries.append(Entry(text=text, level=flowable.level, page=self.page, key=key))

    def _cover(self, canvas: Any, _doc: Any) -> None:
        width, height = self.pagesize
        with decoration(canvas):
            canvas.setFillColor(HexColor(self._look.get("colour") or "#1d4ed8"))
            canvas.rect(0, height - 10, width, 10, stroke=0, fill=1)
            self._logo(canvas, width, height)
            if self._look.get("letterhead"):
                for number, line in enumerate(str(self._look["letterhead"]).splitlines()[:5]):
                    fonts.write(canvas, MARGIN, height - 34 - 11 * number, fonts.clean(line)[:110], 8.5, colour=GREY)
            for number, line in enumerate(fonts.lines(self._look.get("disclaimer") or "", 7, width - 2 * MARGIN, most=3)):
                fonts.write(canvas, MARGIN, MARGIN - 10 - 9 * number, line, 7, colour=GREY)

    def _logo(self, canvas: Any, width: float, height: float) -> None:
        if not self._look.get("logo"):
            return
        import io

        from reportlab.lib.utils import ImageReader

        picture = ImageReader(io.BytesIO(self._look["logo"]))
        wide, tall = picture.getSize()
        scale = min(150 / wide, 42 / tall)
        canvas.drawImage(picture, width - MARGIN - wide * scale, height - 24 - tall * scale, wide * scale, tall * scale, mask="auto")

    def _body(self, canvas: Any, _doc: Any) -> None:
        width, height = self.pagesize
        said = self._words["page"].format(page=self.page, pages=self._total or "?")
        with decoration(canvas):
            fonts.write(
                canvas,
                MARGIN,
                height - MARGIN + 14,
                _fitting(self._look.get("name") or self._document["project"].get("name", ""), 250),
                7.5,
                colour=GREY,
            )
            fonts.write(canvas, width - MARGIN, height - MARGIN + 14, _fitting(self._document["title"], 240), 7.5, colour=GREY, anchor="end")
            fonts.write(canvas, MARGIN, MARGIN - 12, _fitting(self._document["number"], 300), 7.5, colour=GREY)
            fonts.write(canvas, width - MARGIN, MARGIN - 12, said, 7.5, colour=GREY, anchor="end")
            canvas.setStrokeColor(HexColor("#cbd2d9"))
            canvas.setLineWidth(0.5)
            canvas.line(MARGIN, height - MARGIN + 8, width - MARGIN, height - MARGIN + 8)
            canvas.line(MARGIN, MARGIN, width - MARGIN, MARGIN)


def _fitting(text: object, room: float) -> str:
    return fonts.lines(text, 7.5, room, most=1)[0]


def canvas_of(document: Mapping[str, Json]) -> Callable[..., Any]:
    """A canvas that writes the same bytes each time."""

    def made(*arguments: Any, **options: Any) -> Any:
        fonts.font_of("A", False)  # known before the canvas asks for it; its own default is not embedded
        canvas = Canvas(*arguments, **{**options, "invariant": 1, "pageCompression": 1, "lang": document["locale"], "initialFontName": "Sans"})
        canvas.setAuthor(fonts.clean(document["project"].get("name", "")))
        canvas.setTitle(fonts.clean(document["title"]))
        canvas.setSubject(fonts.clean(document["number"]))
        canvas.setCreator("MCP Platform")
        return canvas

    return made


class Line(Flowable):  # type: ignore[misc]
    """A line of the contents: a heading, dots, its page; all of it a link."""

    def __init__(self, structure: Structure, entry: "Entry", parent: Any) -> None:
        super().__init__()
        self.structure, self.entry, self.parent = structure, entry, parent

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        self.width, self.height = width, 17.0 if self.entry.level == 1 else 13.5
        return width, self.height

    def draw(self) -> None:
        entry, canvas = self.entry, self.canv
        size, left = (10.0, 0.0) if entry.level == 1 else (8.5, 14.0)
        bold = entry.level == 1
        text = fonts.lines(entry.text, size, self.width - left - 60, bold=bold, most=1)[0]
        with self.structure.marked(canvas, self.structure.node("TOCI", self.parent)):
            fonts.write(canvas, left, 4, text, size, bold=bold)
            fonts.write(canvas, self.width, 4, str(entry.page), size, anchor="end")
        with decoration(canvas):
            canvas.setStrokeColor(HexColor("#9aa5b1"))
            canvas.setLineWidth(0.5)
            canvas.setDash([0.5, 2.5])
            canvas.line(left + fonts.width(text, size, bold=bold) + 5, 6, self.width - 24, 6)
            canvas.setDash()
        canvas.linkRect("", entry.key, (0, 0, self.width, self.height), relative=1, Border="[0 0 0]")


def contents(structure: Structure, words: Mapping[str, str], entries: Sequence["Entry"]) -> list[Flowable]:
    """The contents as the pass before found them; the first pass has none."""
    list_node = structure.node("TOC")
    return [Words(structure, words["contents"], HEADINGS[1]), *(Line(structure, entry, list_node) for entry in entries)]
