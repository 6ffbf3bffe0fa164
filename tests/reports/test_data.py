"""The document, and its other formats: the numbers agree, and no cell is a formula."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.core import document as documents
from reports.core.plans import as_json, drawing_of
from reports.render import data
from reports.render.html import as_html
from tests.reports.documents import composed, gathered


def test_all_formats_count_alike() -> None:
    from openpyxl import load_workbook

    document = composed(64)
    assert document["summary"]["findings"] == 64
    assert sum(document["summary"]["by_severity"].values()) == 64
    assert sum(sum(row.values()) for row in document["summary"]["by_category"].values()) == 64
    assert len(json.loads(data.as_json(document))["findings"]) == 64
    rows = list(csv.DictReader(io.StringIO(data.as_csv(document).decode("utf-8-sig"))))
    book = load_workbook(io.BytesIO(data.as_xlsx(document)), read_only=True)
    sheet = list(book["Findings"].iter_rows(values_only=True))
    assert len(rows) == len(sheet) - 1 == 64
    for one, row, cells in zip(document["findings"], rows, sheet[1:], strict=True):
        assert (str(one["number"]), one["rule"], str(one["margin"])) == (row["number"], row["rule"], row["margin"])
        assert (one["number"], one["margin"]) == (cells[0], cells[data.FINDING_COLUMNS.index("margin")])
    page = as_html(document, content_sha256=documents.sha256(document)).decode()
    assert page.count('<span class="chip ') == 64


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
def test_no_cell_is_a_formula(text: str) -> None:
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    document = composed(2, text=text)
    rows = list(csv.DictReader(io.StringIO(data.as_csv(document).decode("utf-8-sig"), newline="")))
    assert all(row["message"].startswith("'") for row in rows)
    sheet = load_workbook(io.BytesIO(data.as_xlsx(document)))["Findings"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    said = [unescape(row[data.FINDING_COLUMNS.index("message")]) for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert said == [text, text]  # a text cell is never a formula, so it needs no apostrophe


def test_the_same_document_gives_the_same_bytes() -> None:
    for _, make in data.FORMATS.values():
        assert make(composed(9)) == make(composed(9))


def test_markup_is_shown_as_it_was_written() -> None:
    page = as_html(composed(2, text="<script>alert(1)</script>"), content_sha256="0").decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@given(order=st.permutations(range(12)))
@settings(max_examples=30)
def test_the_order_in_which_findings_come_does_not_matter(order: list[int]) -> None:
    given_ = gathered(12)
    shuffled = {**given_, "findings": [given_["findings"][place] for place in order]}
    assert documents.sha256(documents.compose(shuffled)) == documents.sha256(documents.compose(given_))


def test_a_drawing_comes_back_from_json() -> None:
    from reports.core import charts

    drawn: Any = charts.gauge(80.0, "Score")
    assert drawing_of(json.loads(json.dumps(as_json(drawn)))) == drawn


def test_the_page_has_the_sections_that_were_asked_for_in_their_order() -> None:
    from reports.core import charts

    plan = {"storey": "s", "name": "Level <1>", "drawing": as_json(charts.gauge(80.0, "Score"))}
    page = as_html(composed(9, plans=[plan]), content_sha256="0").decode()
    assert page.count("<h2>") == 11
    for words in ("Storey plans", "Level &lt;1&gt;", "Sign-off", "Element index", "Data quality"):
        assert words in page
    short = as_html(composed(9, sections=["findings", "summary"]), content_sha256="0").decode()
    assert [short.index(f"<h2>{title}</h2>") for title in ("Findings", "Executive summary")] == sorted(
        short.index(f"<h2>{title}</h2>") for title in ("Findings", "Executive summary")
    )
    assert short.count("<h2>") == 2
