"""The kinds beside the single check: every format tells the same numbers, whole and unharmed whatever people write."""

import csv
import io
import json
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reports.core import blocks, kinds
from reports.core import document as documents
from reports.core.kinds.telling import Told
from reports.core.labels import labels
from reports.core.sections import SECTIONS_OF
from reports.render import data, pdf
from reports.render.html import as_html
from tests.reports.kind_documents import composed
from tests.reports.test_pdf import HOSTILE

KINDS = tuple(kinds.KINDS)
ADDRESS = "https://mcp.example/verify/abc"


def made(document: dict[str, Any], **options: Any) -> bytes:
    return pdf.make(document, content_sha256=documents.sha256(document), verify_url=ADDRESS, **options)


@cache
def made_once(kind: str, locale: str) -> bytes:
    return made(composed(kind, locale=locale))


def told(document: dict[str, Any]) -> list[blocks.Table]:
    kind = kinds.KINDS[document["kind"]]
    return blocks.tables(kind.tell(Told(document=document, words=labels(document["locale"]))))


def read(tool: str, content: bytes, folder: Path, *options: str) -> str:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool} (Debian: apt install poppler-utils qpdf)")
    path = folder / "report.pdf"
    path.write_bytes(content)
    more = ["-"] if tool == "pdftotext" else []
    return subprocess.run([tool, *options, str(path), *more], check=True, capture_output=True).stdout.decode(errors="replace")


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_section_has_its_title_in_the_contents(kind: str, locale: str, tmp_path: Path) -> None:
    from pikepdf import Pdf

    document = composed(kind, locale=locale)
    content = made_once(kind, locale)
    words = labels(locale)
    with Pdf.open(io.BytesIO(content)).open_outline() as outline:
        titles = [item.title for item in outline.root]
    assert titles == [words[f"section.{name}"] for name in SECTIONS_OF[kind]]
    if locale == "en":
        read("qpdf", content, tmp_path, "--check")
        assert "Tagged:          yes" in read("pdfinfo", content, tmp_path)
        text = "".join(read("pdftotext", content, tmp_path, "-layout").split())
        for table in told(document):
            for row in table.rows:
                first = blocks.shown(row[0], table.columns[0].form)
                assert "".join(first.split())[:18] in text


@pytest.mark.parametrize("kind", KINDS)
def test_pdf_page_and_workbook_show_the_same_rows(kind: str) -> None:
    from openpyxl import load_workbook

    document = composed(kind)
    book = load_workbook(io.BytesIO(data.as_xlsx(document)), read_only=True)
    page = as_html(document, content_sha256="0").decode()
    cells = _cells(page)
    sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
    for table in told(document):
        if table.tall:
            continue
        shown = [[blocks.shown(cell, column.form) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
        assert all(row in cells for row in shown), table.name
        raw = [[column.title for column in table.columns], *table.rows]
        assert any(len(sheet) == len(raw) and _plain(sheet[-1]) == _plain(raw[-1]) for sheet in sheets), table.name


def _plain(row: Any) -> list[Any]:
    joined = [", ".join(map(str, cell)) if isinstance(cell, list | tuple) else cell for cell in row]
    found = [None if cell in ("", None) else str(cell).lstrip("'") for cell in joined]
    while found and found[-1] is None:  # a reader leaves empty cells at the end out
        found.pop()
    return found


def _cells(page: str) -> list[list[str]]:
    rows: list[list[str]] = []

    class Reader(HTMLParser):
        inside = False

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag == "tr":
                rows.append([])
            if tag in ("td", "th"):
                rows[-1].append("")
            self.inside = tag in ("td", "th") or (self.inside and tag == "span")

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside and tag not in ("td", "th")

        def handle_data(self, text: str) -> None:
            if self.inside:
                rows[-1][-1] += text

    Reader().feed(page)
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_the_list_of_the_csv_is_that_of_the_json(kind: str) -> None:
    document = composed(kind)
    listed = document[kinds.KINDS[kind].rows]
    rows = list(csv.DictReader(io.StringIO(data.as_csv(document).decode("utf-8-sig"))))
    assert len(rows) == len(listed) > 0
    assert tuple(rows[0]) == kinds.KINDS[kind].columns
    assert set(rows[0]) <= {name for one in listed for name in one}
    assert json.loads(data.as_json(document)) == document


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_document_gives_the_same_bytes(kind: str) -> None:
    one, other = composed(kind), composed(kind)
    assert documents.sha256(one) == documents.sha256(other)
    assert made(one) == made_once(kind, "en")
    assert all(make(one) == make(other) for _, make in data.FORMATS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_sections_that_were_asked_for_are_shown(kind: str) -> None:
    document = composed(kind, sections=["summary", "verification"])
    page = as_html(document, content_sha256="0").decode()
    assert page.count("<h2>") == 2


FORMULA, LONG = HOSTILE[5], HOSTILE[4]
MANY = " ".join([FORMULA, *(text for text in HOSTILE if text not in (FORMULA, LONG))])


@pytest.mark.parametrize("text", [MANY, LONG], ids=["many", "long"])
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_stay_texts_and_on_the_page(kind: str, text: str, tmp_path: Path) -> None:
    from openpyxl import load_workbook
    from pikepdf import Pdf

    document = composed(kind, text)
    content = made(document, brand={"name": text, "letterhead": text, "disclaimer": text})
    file = Pdf.open(io.BytesIO(content))
    links = {str(note.A.URI) for page in file.pages for note in page.get("/Annots", []) if "/A" in note and "/URI" in note.A}
    assert links <= {ADDRESS}
    _assert_inside(content, tmp_path)
    page = as_html(document, content_sha256="0", brand={"name": text}).decode()
    assert "<img" not in page
    assert "<b>bold" not in page
    book = load_workbook(io.BytesIO(data.as_xlsx(document)))
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)
    assert not any(line.startswith(("=", "+", "@")) for line in data.as_csv(document).decode("utf-8-sig").splitlines())


def _assert_inside(content: bytes, folder: Path) -> None:
    import re

    found = read("pdftotext", content, folder, "-bbox")
    width, height = 0.0, 0.0
    for line in found.splitlines():
        if "<page " in line:
            width, height = (float(value) for value in re.findall(r'(?:width|height)="([\d.]+)"', line))
        elif "<word " in line:
            left, top, right, bottom = (float(value) for value in re.findall(r'(?:xMin|yMin|xMax|yMax)="(-?[\d.]+)"', line))
            assert left >= -0.5
            assert top >= -0.5
            assert right <= width + 0.5
            assert bottom <= height + 0.5


def test_chinese_japanese_and_korean_are_drawn_by_fonts_that_are_inside_and_what_none_has_is_not_lost(tmp_path: Path) -> None:
    content = made(composed("comparison", "消防通道 避難階段 かな カナ 폭 \U0001f6aa"))
    text = read("pdftotext", content, tmp_path)
    assert "消防通道" in text
    assert "かな カナ 폭 [U+1F6AA]" in " ".join(text.split())
    rows = [line for line in read("pdffonts", content, tmp_path).splitlines()[2:] if "Fallback" in line or "Nanum" in line]
    assert len(rows) == 2
    assert all(line.split()[-5] == "yes" for line in rows)  # embedded


def test_a_project_is_as_good_as_its_worst_building() -> None:
    document = composed("project")
    summary = document["summary"]
    assert (summary["status"], summary["buildings"]) == ("non-compliant", 3)
    assert summary["score"] == pytest.approx((87.3 + 64.1) / 2, abs=0.01)  # of all points together
    assert summary["findings"] == len(document["findings"]) == sum(one["findings"] for one in document["buildings"])
    still = [one for one in document["findings"] if not one["waiver"]]
    assert sum(one["findings"] for one in document["responsible"]) == len(still)
    assert summary["overdue"] == sum(one["overdue"] for one in document["responsible"]) > 0


def test_what_came_and_what_went_is_the_difference() -> None:
    document = composed("period")
    summary = document["summary"]
    assert (summary["opened"], summary["resolved"], summary["median_days_to_fix"]) == (5, 7, 4)
    assert summary["findings_after"] - summary["findings_before"] == summary["opened"] - summary["resolved"]


def test_a_rule_that_changed_is_named_with_its_values() -> None:
    found = {one["rule"]: one for one in composed("comparison")["rules"]}
    assert found["IBC21-1001-RULE"]["differences"] == ["min: 813 mm → 915 mm"]
    assert (found["IBC21-1002-RULE"]["what"], found["IBC21-1003-RULE"]["what"]) == ("rule.added", "rule.removed")


def test_an_experiment_tells_what_its_numbers_tell() -> None:
    document = composed("experiment")
    primary = document["estimates"][0]
    assert document["summary"]["verdict"]["code"] == "better"
    assert (primary["better"], primary["significant"]) == (True, True)
    assert primary["lower"] < primary["difference"] < primary["upper"]
    assert "short is better" in as_html(document, content_sha256="0").decode()
    uncounted = composed("experiment", numbers={}, days=[], funnel=[], decisions=[])
    assert uncounted["summary"]["verdict"]["code"] == "uncounted"
    assert made(uncounted).startswith(b"%PDF-")
