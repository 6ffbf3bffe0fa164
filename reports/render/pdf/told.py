"""Reports that are told in blocks, as flowables: one function for each kind of block."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from reportlab.platypus.doctemplate import NextPageTemplate
from reportlab.platypus.flowables import CondPageBreak, Flowable, PageBreak, Spacer

from reports.core import blocks, kinds
from reports.core.blocks import shown
from reports.core.kinds.telling import Told
from reports.core.labels import labels
from reports.render.pdf import flowables as pdf
from reports.render.pdf.flowables import BODY, SMALL, TITLE, Beside, Cell, Grid, Picture, Row, Style, Words
from reports.render.pdf.story import LARGE, MOST_PRINTED, Telling, held, seal
from reports.render.pdf.tags import Structure

Json = Any
LOOKS: Final[Mapping[str, Style]] = {"plain": BODY, "strong": Style(bold=True), "small": SMALL, "large": LARGE}
ENDS: Final = frozenset(("whole", "number", "share", "score", "change", "points", "ms"))  # numbers stand under one another


def tell(
    document: Mapping[str, Json],
    structure: Structure,
    *,
    verify_url: str,
    content_sha256: str,
    brand: Mapping[str, Json],
    contents: Sequence[Flowable],
) -> list[Flowable]:
    """All flowables in order; `contents` is put behind the cover."""
    words = labels(document["locale"])
    telling = Telling(document=document, words=words, structure=structure, verify_url=verify_url, content_sha256=content_sha256, brand=brand)
    told = Told(document=document, words=words, content_sha256=content_sha256, verify_url=verify_url)
    kind = kinds.KINDS[document["kind"]]
    story: list[Flowable] = [*_cover(telling, kind.cover(told)), NextPageTemplate("body"), PageBreak(), *contents]
    for place, section in enumerate(kind.tell(told, document["sections"])):
        made = [pdf.Heading(structure, section.title), *(part for block in section.blocks for part in FLOWABLES[type(block)](telling, block))]
        if section.name == "verification":
            made += seal(telling)
        story += [PageBreak() if section.on_new_page or not place else CondPageBreak(140), *held(made)]
    return story


def _cover(telling: Telling, cover: blocks.Cover) -> list[Flowable]:
    story: list[Flowable] = [
        Spacer(1, 60),
        telling.text(telling.words[f"report.{telling.document['kind']}"], Style(size=11, colour="#616e7c", after=4)),
        telling.text(telling.document["title"], TITLE),
        Spacer(1, 16),
    ]
    if cover.status:
        story.append(telling.text(cover.status, Style(size=15, bold=True, colour=cover.colour, after=10)))
    if cover.figures:
        empty = [(Spacer(1, 1), 1)] * max(0, 3 - len(cover.figures))
        story += [Beside([*((telling.picture(one), 1) for one in cover.figures), *empty]), Spacer(1, 10)]
    return [*story, _pairs(telling, cover.facts), Spacer(1, 8), *seal(telling)]


def _pairs(telling: Telling, rows: Sequence[tuple[str, Json]]) -> Grid:
    columns = [pdf.Column(title="", share=1, bold=True), pdf.Column(title="", share=3)]
    return Grid(telling.structure, columns, [Row((name, shown(value))) for name, value in rows], most_lines=30)


def _table(telling: Telling, table: blocks.Table) -> list[Flowable]:
    """At most MOST_PRINTED rows; the workbook in the attachment has all of them."""
    columns = [pdf.Column(title=one.title, share=one.share, anchor="end" if one.form in ENDS else "start") for one in table.columns]
    rows = []
    for cells, chip in zip_longest(table.rows[:MOST_PRINTED], table.chips[:MOST_PRINTED], fillvalue=""):
        texts: list[object] = [shown(cell, column.form) for cell, column in zip(cells, table.columns, strict=True)]
        rows.append(Row([Cell(text=texts[0], chip=chip), *texts[1:]] if chip else texts, tall=table.tall))
    made: list[Flowable] = [Grid(telling.structure, columns, rows, most_lines=16)]
    if len(table.rows) > MOST_PRINTED:
        note = telling.words["rows.capped"].format(shown=MOST_PRINTED, total=len(table.rows), attachment="report.xlsx")
        made.insert(0, telling.text(note, LOOKS["strong"]))
    return made


def _paragraph(telling: Telling, one: blocks.Paragraph) -> Words:
    return telling.text(one.text, LOOKS[one.look])


def _figure(telling: Telling, one: blocks.Figure) -> Picture:
    return telling.picture(one.drawing, most_height=one.most_height)


def _side(telling: Telling, one: blocks.Side) -> Flowable:
    made = [(_figure(telling, part) if isinstance(part, blocks.Figure) else _paragraph(telling, part), share) for part, share in one.parts]
    return Beside(made)


FLOWABLES: Final[Mapping[type, Callable[[Telling, Any], list[Flowable]]]] = {
    blocks.Heading: lambda telling, one: [pdf.Heading(telling.structure, one.text, 2)],
    blocks.Paragraph: lambda telling, one: [_paragraph(telling, one)],
    blocks.Pairs: lambda telling, one: [_pairs(telling, one.rows)],
    blocks.Table: _table,
    blocks.Figure: lambda telling, one: [_figure(telling, one)],
    blocks.Side: lambda telling, one: [_side(telling, one)],
}
