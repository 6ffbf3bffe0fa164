"""Pages: their frames, what stands at their edges, and the contents."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus.doctemplate import BaseDocTemplate, PageTemplate
from reportlab.platypus.flowables import Flowable
from reportlab.platypus.frames import Frame

from mcp_platform import observability
from reports.render.pdf import fonts
from reports.render.pdf.flowables import HEADINGS, Heading, Words
from reports.render.pdf.tags import Structure, decoration

if TYPE_CHECKING:
    from reports.render.pdf.making import Entry

Json = Any
log = observability.logger(__name__)
MARGIN = 48.0
PAPER = {"a4": A4, "letter": LETTER}
GREY = "#616e7c"
LOGO = (150.0, 42.0)  # the room at the right edge
MOST_LETTERHEAD, MOST_DISCLAIMER = 20, 30  # lines: more than people write in the room that they have


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
        self._letterhead, self._disclaimer = _letterhead(look, size[0]), _disclaimer(look, size[0])
        above, below = 11.0 * max(0, len(self._letterhead) - 8), 9.0 * max(0, len(self._disclaimer) - 3)
        cover = Frame(MARGIN, MARGIN + 10 + below, size[0] - 2 * MARGIN, size[1] - 2 * MARGIN - 26 - above - below, 0, 0, 0, 0)
        self.addPageTemplates([PageTemplate("cover", [cover], onPage=self._cover), PageTemplate("body", [frame], onPage=self._body)])

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
            for number, line in enumerate(self._letterhead):
                fonts.write(canvas, MARGIN, height - 34 - 11 * number, line, 8.5, colour=GREY)
            for number, line in enumerate(reversed(self._disclaimer), max(0, 3 - len(self._disclaimer))):
                fonts.write(canvas, MARGIN, MARGIN - 28 + 9 * number, line, 7, colour=GREY)

    def _logo(self, canvas: Any, width: float, height: float) -> None:
        """Left out where it cannot be drawn: a report is worth more than its picture."""
        if not self._look.get("logo"):
            return
        import io

        from reportlab.lib.utils import ImageReader

        try:
            picture = ImageReader(io.BytesIO(self._look["logo"]))
            wide, tall = picture.getSize()
            scale = min(LOGO[0] / wide, LOGO[1] / tall)
            canvas.drawImage(picture, width - MARGIN - wide * scale, height - 24 - tall * scale, wide * scale, tall * scale, mask="auto")
        except Exception:  # decoders raise whatever they like
            log.warning("logo_left_out", exc_info=True)

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


def _letterhead(look: Mapping[str, Json], width: float) -> list[str]:
    """Left of the logo."""
    room = width - 2 * MARGIN - (LOGO[0] + 14 if look.get("logo") else 0)
    written = str(look.get("letterhead") or "").splitlines()
    return [part for line in written for part in fonts.lines(line, 8.5, room)][:MOST_LETTERHEAD]


def _disclaimer(look: Mapping[str, Json], width: float) -> list[str]:
    said = look.get("disclaimer") or ""
    return fonts.lines(said, 7, width - 2 * MARGIN, most=MOST_DISCLAIMER) if said else []


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
