"""The document as data: JSON, CSV and a workbook. Cells of the CSV that a spreadsheet would take for a formula are made text."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from reports.core import document as documents
from reports.core import kinds, packed
from reports.core.labels import labels
from reports.render import told, workbook

Json = Any
FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # some spreadsheets read the wide ones as the others
BLANKS: Final = ("\t", "\r", "\n")
FINDING_COLUMNS: Final = (
    *("number", "severity", "category", "discipline", "rule", "title", "section", "edition"),
    *("subject", "name", "tag", "ifc_class", "storey_name", "at_text"),
    *("required", "actual", "margin", "unit", "required_text", "actual_text", "margin_text"),
    *("message", "evidence_text", "state", "responsible", "due", "waiver"),
)


def as_json(document: Mapping[str, Json]) -> bytes:
    return b"".join(packed.pieces(document))


def as_csv(document: Mapping[str, Json]) -> bytes:
    """The findings, or the rows that the report is about; UTF-8 with a byte order mark, which spreadsheets need to read it as such."""
    columns, rows = told.rows(document) if document["kind"] in kinds.KINDS else (FINDING_COLUMNS, document["findings"])
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(columns)
    writer.writerows([_guarded(_cell(one.get(name))) for name in columns] for one in rows)
    return stream.getvalue().encode("utf-8-sig")


def _cell(value: Json) -> Json:
    """A number stays one, and a text; what is neither is told as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str | bool | int | float) else documents.canonical(value)


def _guarded(cell: Json) -> Json:
    """A text that begins like a formula gets an apostrophe in front."""
    if not isinstance(cell, str):
        return cell
    return "'" + cell if cell.startswith(BLANKS) or cell.lstrip().startswith(FORMULA) else cell


def as_xlsx(document: Mapping[str, Json]) -> bytes:
    """A workbook: summary, findings, rules that hold, rules that could not be evaluated, waivers, data quality. The same document, the same bytes."""
    words = labels(document["locale"])
    found = told.sheets(document, words) if document["kind"] in kinds.KINDS else _sheets(document, words)
    sheets = [(title, columns, ([_cell(value) for value in row] for row in rows)) for title, columns, rows in found]
    return workbook.written(sheets, title=document["title"])


Sheet = tuple[str, Sequence[str], Iterable[Sequence[Json]]]


def _sheets(document: Mapping[str, Json], words: Mapping[str, str]) -> list[Sheet]:
    summary = document["summary"]
    about: list[Sequence[Json]] = [
        (words["report_number"], document["number"]),
        (words["revision"], document["revision"]),
        (words["project"], document["project"].get("name", "")),
        (words["building"], document["building"].get("name", "")),
        (words["date"], document["made_at"]),
        (words["asked_at"], document.get("asked_at", "")),
        (words["issued"], document.get("issued_at", "")),
        (words["handling_as_of"], document.get("as_of", "")),
        (words["status"], summary["status"]),
        (words["score"], summary["score"]),
        (words["coverage"], summary["coverage"]),
        *((words[name], count) for name, count in summary["outcomes"].items()),
        *((words[name], count) for name, count in summary["by_severity"].items()),
    ]
    return [
        (words["summary"], ("", ""), about),
        (words["findings"], FINDING_COLUMNS, ([one[name] for name in FINDING_COLUMNS] for one in document["findings"])),
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


FORMATS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Json]], bytes]]]] = {
    "json": ("application/json", as_json),
    "csv": ("text/csv", as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}
