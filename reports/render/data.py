"""The document as data: JSON, CSV and a workbook. Cells that a spreadsheet would take for a formula are made text."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from reports.core import document as documents
from reports.core.labels import labels

Json = Any
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
MOST_TEXT: Final = 32_000  # characters that a cell of a workbook may have
FINDING_COLUMNS: Final = (
    *("number", "severity", "category", "discipline", "rule", "title", "section", "edition"),
    *("subject", "name", "tag", "ifc_class", "storey_name", "at_text"),
    *("required", "actual", "margin", "unit", "required_text", "actual_text", "margin_text"),
    *("message", "evidence_text", "state", "responsible", "due", "waiver"),
)


def as_json(document: Mapping[str, Json]) -> bytes:
    return documents.canonical(document).encode()


def as_csv(document: Mapping[str, Json]) -> bytes:
    """The findings; UTF-8 with a byte order mark, which spreadsheets need to read it as such."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(FINDING_COLUMNS)
    writer.writerows([_cell(one[name]) for name in FINDING_COLUMNS] for one in document["findings"])
    return stream.getvalue().encode("utf-8-sig")


def _cell(value: Json) -> Json:
    """A number stays one; a text that begins like a formula gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else documents.canonical(value)
    return "'" + text if text.startswith(FORMULA) else text


def as_xlsx(document: Mapping[str, Json]) -> bytes:
    """A workbook: summary, findings, rules that hold, rules that could not be evaluated, waivers, data quality. The same document, the same bytes."""
    from openpyxl import Workbook

    words = labels(document["locale"])
    book = Workbook(write_only=True)
    for title, columns, rows in _sheets(document, words):
        sheet = book.create_sheet(title[:31])
        sheet.freeze_panes = "A2"
        sheet.append([_styled(sheet, column) for column in columns])
        for row in rows:
            sheet.append([_xlsx_cell(value) for value in row])
    book.properties.creator = "MCP Platform"
    book.properties.title = _xlsx_cell(document["title"])
    return _steady(book)


def _styled(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(sheet, value=text)
    cell.font = Font(bold=True)
    return cell


def _xlsx_cell(value: Json) -> Json:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    made = _cell(value)
    return ILLEGAL_CHARACTERS_RE.sub("", made)[:MOST_TEXT] if isinstance(made, str) else made


Sheet = tuple[str, Sequence[str], Sequence[Sequence[Json]]]


def _sheets(document: Mapping[str, Json], words: Mapping[str, str]) -> list[Sheet]:
    summary = document["summary"]
    about: list[Sequence[Json]] = [
        (words["report_number"], document["number"]),
        (words["revision"], document["revision"]),
        (words["project"], document["project"].get("name", "")),
        (words["building"], document["building"].get("name", "")),
        (words["date"], document["made_at"]),
        (words["status"], summary["status"]),
        (words["score"], summary["score"]),
        (words["coverage"], summary["coverage"]),
        *((words[name], count) for name, count in summary["outcomes"].items()),
        *((words[name], count) for name, count in summary["by_severity"].items()),
    ]
    return [
        (words["summary"], ("", ""), about),
        (words["findings"], FINDING_COLUMNS, [[one[name] for name in FINDING_COLUMNS] for one in document["findings"]]),
        *(_listed(words[name], document[name], columns) for name, columns in LISTS.items()),
    ]


LISTS: Final[Mapping[str, Sequence[str]]] = {
    "passed": ("rule", "title", "section", "subjects"),
    "not_evaluable": ("rule", "title", "missing", "subjects"),
    "waivers": ("number", "rule", "kind", "justification", "approver", "authority_reference", "expires_on"),
    "data_quality": ("kind", "detail", "count"),
}


def _listed(title: str, rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> Sheet:
    return title, columns, [[", ".join(row[name]) if isinstance(row.get(name), list) else row.get(name, "") for name in columns] for row in rows]


def _steady(book: Any) -> bytes:
    """Saved without a trace of when: a workbook says so inside, and so does every entry of its zip."""
    import zipfile

    book.properties.created = book.properties.modified = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    made = io.BytesIO()
    book.save(made)
    steady = io.BytesIO()
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(steady, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _undated(content)
            target.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return steady.getvalue()


def _undated(core: bytes) -> bytes:
    """openpyxl writes the time of saving into `modified`, whatever the properties say."""
    import re

    return re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2000-01-01T00:00:00Z", core)


FORMATS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Json]], bytes]]]] = {
    "json": ("application/json", as_json),
    "csv": ("text/csv", as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}
