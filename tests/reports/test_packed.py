"""Documents that are read and written a row at a time are the same documents; a workbook written by hand is one."""

import io
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.core import document as documents
from reports.core import packed
from reports.render import workbook

leaves = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=12)


def plain(document: Any) -> Any:
    return {name: list(value) if isinstance(value, packed.Packed) else value for name, value in document.items()}


@given(document=st.dictionaries(st.text(max_size=8), values, max_size=6), reading=st.integers(1, 40))
@settings(max_examples=80)
def test_a_document_is_the_same_however_it_is_read(document: dict[str, Any], reading: int) -> None:
    text = documents.canonical(document).encode("utf-8", "surrogatepass")
    before, packed.READ = packed.READ, reading  # type: ignore[misc]  # pieces so small that every value is cut somewhere
    try:
        found = packed.inflated(zlib.compress(text))
    finally:
        packed.READ = before  # type: ignore[misc]
    assert plain(found) == document
    assert b"".join(packed.pieces(found)) == text


def test_long_lists_stay_packed_and_read_like_lists() -> None:
    rows = [{"number": place, "text": f"row {place} é"} for place in range(1_800)]
    found = packed.inflated(zlib.compress(documents.canonical({"rows": rows, "few": rows[:3]}).encode()))
    assert isinstance(found["rows"], packed.Packed)
    assert found["few"] == rows[:3]
    assert (len(found["rows"]), found["rows"][-1], found["rows"][733]) == (1_800, rows[-1], rows[733])
    for part in (slice(0, 5), slice(490, 1_010), slice(None, None, 700), slice(1_799, 100, -499), slice(5, 5), slice(1_790, 9_999)):
        assert found["rows"][part] == rows[part]
    assert list(found["rows"]) == rows
    with pytest.raises(IndexError):
        found["rows"][1_800]


@pytest.mark.parametrize("text", ["", "[1]", '{"a":1', '{"a":[1,2', '{"a" 1}', '{"a":1 2}', '{"a":[1 2]}'])
def test_what_is_no_whole_document_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any of them
        packed.inflated(zlib.compress(text.encode()))


CELLS = [
    "=1+1",
    "+1",
    "<b>&amp;</b>",
    "\x00\x07control",
    "_x0041_",
    "line\r\nbreak",
    "\ud800",
    "漢字 😀",
    "x" * 40_000,
    1,
    -2.5,
    1e300,
    True,
    None,
    "",
]


def test_a_workbook_says_what_it_was_given() -> None:
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    content = workbook.written([("First/[sheet]", ("a", "b"), [(value, "z") for value in CELLS]), ("first  sheet", ("c",), [])], title="T")
    book = load_workbook(io.BytesIO(content))
    assert len({name.lower() for name in book.sheetnames}) == 2
    sheet = book[book.sheetnames[0]]
    assert [cell.value for cell in sheet[1]] == ["a", "b"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    found = [unescape(cell) if isinstance(cell := row[0].value, str) else cell for row in sheet.iter_rows(min_row=2)]  # openpyxl leaves it to us
    assert found == [
        "=1+1",
        "+1",
        "<b>&amp;</b>",
        "control",
        "_x0041_",
        "line\r\nbreak",
        "",
        "漢字 😀",
        "x" * 32_000,
        1,
        -2.5,
        1e300,
        True,
        None,
        None,
    ]
    assert sheet.freeze_panes == "A2"
    assert content == workbook.written([("First/[sheet]", ("a", "b"), [(value, "z") for value in CELLS]), ("first  sheet", ("c",), [])], title="T")


def test_the_canonical_text_is_that_of_the_document() -> None:
    from tests.reports.documents import composed

    document = composed(40)
    assert b"".join(packed.pieces(document)) == documents.canonical(document).encode()
    parts = packed.deflated(packed.pieces(document))
    assert json.loads(zlib.decompress(parts.content)) == document
    assert packed.measured(parts.content) == parts
