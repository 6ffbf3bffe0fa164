"""A workbook of plain sheets, written row by row: no cell is a formula, and the same rows give the same bytes.

openpyxl makes an object of every cell: 50,000 findings took it half a minute and hundreds of megabytes. Here a row is a line of text that goes
straight into the zip. Source: ECMA-376, part 1, 18.3 (SpreadsheetML).
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any, Final
from xml.sax.saxutils import escape

Json = Any
Sheet = tuple[str, Sequence[str], Iterable[Sequence[Json]]]
MOST_TEXT: Final = 32_000  # characters that a cell may have
CHUNK: Final = 500  # rows that are written at once
DATED: Final = (2000, 1, 1, 0, 0, 0)
# What XML 1.0 cannot say, and lone halves of surrogate pairs.
UNSAYABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
NOT_IN_TITLES: Final = re.compile(r"[\[\]:*?/\\']")
XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
OFFICE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def written(sheets: Sequence[Sheet], *, title: str) -> bytes:
    """The .xlsx: each sheet has a bold head that stays in view. Cells are numbers, truth values and texts."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target:
        for name, content in _frame(_titles(sheets), title):
            target.writestr(_entry(name), content)
        for number, (_, columns, rows) in enumerate(sheets, 1):
            with target.open(_entry(f"xl/worksheets/sheet{number}.xml"), "w") as stream:
                _write(stream, columns, rows)
    return made.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATED)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _write(stream: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> None:
    pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    stream.write(f'{XML}<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews><sheetData>'.encode())
    stream.write(_row(columns, ' s="1"').encode())
    for chunk in _chunks(rows):
        stream.write("".join(map(_row, chunk)).encode())
    stream.write(b"</sheetData></worksheet>")


def _chunks(rows: Iterable[Sequence[Json]]) -> Iterator[list[Sequence[Json]]]:
    chunk: list[Sequence[Json]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _row(cells: Sequence[Json], style: str = "") -> str:
    return f"<row>{''.join([_cell(cell, style) for cell in cells])}</row>"


def _cell(value: Json, style: str = "") -> str:
    if isinstance(value, bool):
        return f'<c{style} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float) and abs(value) != float("inf") and value == value:  # not NaN
        return f"<c{style}><v>{value!r}</v></c>"
    if value is None or value == "":
        return f"<c{style}/>"
    return f'<c{style} t="inlineStr"><is><t xml:space="preserve">{_text(str(value))}</t></is></c>'


def _text(value: str) -> str:
    """A carriage return would be read as the end of a line; a text like "_x0041_" would be read as that character."""
    said = UNSAYABLE.sub("", value)[:MOST_TEXT] if not value.isascii() or not value.isprintable() or len(value) > MOST_TEXT else value
    if "_x" in said:
        said = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", said)
    return escape(said).replace("\r", "_x000D_")


def _titles(sheets: Sequence[Sheet]) -> list[str]:
    """At most 31 characters, without those that a title may not have, each once."""
    found: list[str] = []
    for number, (title, _, _) in enumerate(sheets, 1):
        name = NOT_IN_TITLES.sub(" ", UNSAYABLE.sub("", title)).strip()[:31] or f"Sheet {number}"
        found.append(name if name.lower() not in {one.lower() for one in found} else f"{name[:27]} {number}")
    return found


def _frame(titles: Sequence[str], title: str) -> Iterator[tuple[str, str]]:
    """Everything but the sheets."""
    numbers = range(1, len(titles) + 1)
    parts = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{OFFICE}.worksheet+xml"/>' for n in numbers)
    yield (
        "[Content_Types].xml",
        f'{XML}<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{OFFICE}.sheet.main+xml"/>{parts}'
        f'<Override PartName="/xl/styles.xml" ContentType="{OFFICE}.styles+xml"/>'
        '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>',
    )
    yield (
        "_rels/.rels",
        f'{XML}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
        f'<Relationship Id="rId2" Type="{PACKAGE}/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>',
    )
    dated = datetime(*DATED).isoformat()  # noqa: DTZ001  said in UTC below
    yield (
        "docProps/core.xml",
        f'{XML}<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{_text(title)}</dc:title><dc:creator>MCP Platform</dc:creator>"
        f'<dcterms:created xsi:type="dcterms:W3CDTF">{dated}Z</dcterms:created></cp:coreProperties>',
    )
    listed = "".join(f'<sheet name="{_text(name).replace(chr(34), "&quot;")}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(titles, 1))
    yield "xl/workbook.xml", f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>{listed}</sheets></workbook>'
    related = "".join(f'<Relationship Id="rId{n}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers)
    styles = f'<Relationship Id="rId{len(titles) + 1}" Type="{RELATIONS}/styles" Target="styles.xml"/>'
    yield "xl/_rels/workbook.xml.rels", f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{related}{styles}</Relationships>'
    yield "xl/styles.xml", STYLES


_PLAIN: Final = '<sz val="11"/><name val="Calibri"/>'
STYLES: Final = (
    f'{XML}<styleSheet xmlns="{MAIN}"><fonts count="2"><font>{_PLAIN}</font><font><b/>{_PLAIN}</font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
