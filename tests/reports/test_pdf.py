"""The PDF: whole, tagged, with its fonts inside, the same each time, and unharmed by what people write into their models."""

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reports.core import document as documents
from reports.render import pdf
from tests.reports.attached import attached
from tests.reports.documents import composed

HOSTILE = (
    '<b>bold</b> & <img src="http://example.com/x.png"/> <para>',
    "שלום עולם ← مرحبا بالعالم",
    "safe\u202etxt.exe\u202c",
    "emoji 😀 and 漢字かな, Ωμέγα, Жёлтый",
    "x" * 10_000,
    '=HYPERLINK("http://example.com")',
    "\x00\x07control\u0085",
    "{{ 7 * 7 }} {% load %} \\u0000 %s",
)


def made(document: dict[str, Any], **options: Any) -> bytes:
    return pdf.make(document, content_sha256=documents.sha256(document), verify_url="https://mcp.example/verify/abc", **options)


def text_of(content: bytes) -> str:
    from pikepdf import Pdf

    assert Pdf.open(io.BytesIO(content)).pages
    return "".join(glyphs_of(content).split())


def glyphs_of(content: bytes) -> str:
    """By poppler, as a reader sees it."""
    return run("pdftotext", "-layout", content).decode()


def run(tool: str, *arguments: Any) -> bytes:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool} (Debian: apt install poppler-utils qpdf)")
    *options, content = arguments
    path = Path(run.folder) / "report.pdf"  # type: ignore[attr-defined]
    path.write_bytes(content)
    more = ["-"] if tool == "pdftotext" else []
    return subprocess.run([tool, *options, str(path), *more], check=True, capture_output=True).stdout


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    run.folder = str(tmp_path)  # type: ignore[attr-defined]


def test_every_finding_that_is_shown_can_be_read() -> None:
    document = composed(60)
    text = text_of(made(document))
    for one in document["findings"]:
        assert f"Door{one['subject'].lstrip('0') or '0'}" in text
    for word in ("Harbour Office", "BLD-2024-0815", "International Building Code 2021", "87.3 %", "93.2 %", "non-compliant", document["number"]):
        assert "".join(word.split()) in text


def test_the_file_is_whole_tagged_and_brings_its_fonts() -> None:
    content = made(composed(40))
    run("qpdf", "--check", content)
    about = run("pdfinfo", content).decode()
    assert "Tagged:          yes" in about
    rows = run("pdffonts", content).decode().splitlines()[2:]
    assert rows
    assert all(row[54:].split()[1] == "yes" or " yes " in row for row in rows)
    assert not any("Helvetica" in row for row in rows)


def test_the_structure_names_headings_tables_and_figures() -> None:
    from pikepdf import Pdf

    file = Pdf.open(io.BytesIO(made(composed(5))))
    kinds: set[str] = set()
    figures: list[str] = []

    def walk(node: Any) -> None:
        kinds.add(str(node.S))
        if str(node.S) == "/Figure":
            figures.append(str(node.Alt))
        kids = node.get("/K", [])
        for kid in kids if not isinstance(kids, int) and kids._type_name == "array" else [kids]:
            if not isinstance(kid, int) and kid.get("/Type") == "/StructElem":
                walk(kid)

    walk(file.Root.StructTreeRoot.K)
    assert {"/Document", "/H1", "/H2", "/P", "/Table", "/TR", "/TH", "/TD", "/Figure", "/TOC", "/TOCI"} <= kinds
    assert any("Score: 87.3 %" in words for words in figures)
    assert str(file.Root.Lang) == "en"


def test_the_contents_name_the_pages_on_which_the_headings_stand() -> None:
    from pikepdf import Pdf

    file = Pdf.open(io.BytesIO(made(composed(200))))
    count = len(file.pages)
    with file.open_outline() as outline:
        titles = [item.title for item in outline.root]
    assert titles[:4] == ["Document control", "Executive summary", "Scope and limitations", "Findings"]
    text = glyphs_of(made(composed(200)))
    pages = text.split("\f")
    assert f"Page {count} of {count}" in pages[count - 1]
    listed = {line.split("  ")[0].strip(): int(line.split()[-1]) for line in pages[1].splitlines() if line.strip() and line.split()[-1].isdigit()}
    for title in ("Executive summary", "Findings", "Sign-off", "Verification"):
        assert title in pages[listed[title] - 1]


def test_the_same_document_gives_the_same_bytes() -> None:
    assert made(composed(30)) == made(composed(30))


def test_the_data_is_attached() -> None:
    document = composed(12)
    given = ("findings.json", "application/json", documents.canonical(document).encode())
    assert attached(made(document, attachments=[given])) == {given[0]: given[2]}


def test_with_a_password_it_opens_only_with_it() -> None:
    import pikepdf

    content = made(composed(3), password="a long one")
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(io.BytesIO(content))
    with pikepdf.open(io.BytesIO(content), password="a long one") as file:
        assert file.encryption.bits == 256


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_stay_texts_and_on_the_page(text: str) -> None:
    from pikepdf import Pdf

    document = composed(4, text=text, title=text[:300], project={"name": text, "address": text, "permit_application_date": "2024-05-01"})
    content = made(document, brand={"name": text, "letterhead": text, "disclaimer": text})
    run("qpdf", "--check", content)
    file = Pdf.open(io.BytesIO(content))
    links = [str(note.A.URI) for page in file.pages for note in page.get("/Annots", []) if "/A" in note and "/URI" in note.A]
    assert set(links) <= {"https://mcp.example/verify/abc"}
    assert "/JavaScript" not in str(file.Root.keys())
    assert_inside(content)


def assert_inside(content: bytes) -> None:
    """No word stands beyond an edge of its page."""
    import re

    path = Path(run.folder) / "boxes.pdf"  # type: ignore[attr-defined]
    path.write_bytes(content)
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (Debian: apt install poppler-utils)")
    found = subprocess.run(["pdftotext", "-bbox", str(path), "-"], check=True, capture_output=True).stdout.decode(errors="replace")
    for page in found.split("<page ")[1:]:
        width = float(re.search(r'width="([\d.]+)"', page).group(1))  # type: ignore[union-attr]
        assert all(float(right) <= width - 30 for right in re.findall(r'xMax="([-\d.]+)"', page))
        assert all(float(left) >= 30 for left in re.findall(r'xMin="([-\d.]+)"', page))
        height = float(re.search(r'height="([\d.]+)"', page).group(1))  # type: ignore[union-attr]
        assert all(float(bottom) <= height - 12 for bottom in re.findall(r'yMax="([-\d.]+)"', page))
        assert all(float(top) >= 12 for top in re.findall(r'yMin="([-\d.]+)"', page))


def picture() -> bytes:
    from PIL import Image

    made = io.BytesIO()
    Image.new("RGB", (300, 84), "#1d4ed8").save(made, "PNG")
    return made.getvalue()


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_letterhead_and_disclaimer_are_printed_whole(paper: str) -> None:
    disclaimer = " ".join(f"clause{place:03d}" for place in range(100))
    letterhead = " ".join(f"office{place:02d}" for place in range(66))
    assert (len(disclaimer), len(letterhead)) == (999, 593)
    content = made(composed(2), brand={"letterhead": letterhead, "disclaimer": disclaimer, "logo": picture(), "paper": paper})
    cover = glyphs_of(content).split("\f")[0]
    assert all(word in cover for word in (*disclaimer.split(), *letterhead.split()))
    assert_inside(content)


def test_a_logo_that_cannot_be_drawn_is_left_out() -> None:
    from pikepdf import Pdf

    def pictures(logo: bytes) -> int:
        with Pdf.open(io.BytesIO(made(composed(1), brand={"logo": logo}))) as file:
            return len(list(file.pages[0].get_images()))

    assert (pictures(picture()), pictures(picture()[:60]), pictures(b"\x89PNG\r\n\x1a\n no picture")) == (1, 0, 0)


def test_what_turns_writing_around_is_taken_out() -> None:
    document = composed(1, text="safe\u202etxt.exe")
    text = glyphs_of(made(document))
    assert "\u202e" not in text
    assert "safetxt.exe" in "".join(text.split())


def test_german_words() -> None:
    text = text_of(made(composed(3, locale="de")))
    assert "Zusammenfassung" in text
    assert "Erfüllungsgrad" in text


def test_a_partial_model_says_so() -> None:
    model = {
        "file_name": "cut.ifc",
        "sha256": "00",
        "schema": "IFC4",
        "state": "partial",
        "elements": 3,
        "integrity_text": "partial, 7 of 6184 statements",
    }
    assert "couldbereadinpartonly" in text_of(made(composed(3, model=model)))


def test_more_findings_than_can_be_printed_are_in_the_attachment(monkeypatch: pytest.MonkeyPatch) -> None:
    from reports.render.pdf import story

    monkeypatch.setattr(story, "MOST_PRINTED", 20)
    text = text_of(made(composed(64)))
    assert "20of64findingsareprintedhere" in text
