"""Lay the document out until the pages of its headings stay where they are, then draw it."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reports.core.labels import labels
from reports.core.packed import Deflated

Json = Any
Progress = Callable[[str, int], None]
MOST_PASSES: Final = 4
MARGIN: Final = 48.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A heading: its text, its level (1 or 2), its page and its bookmark."""

    text: str
    level: int
    page: int
    key: str


def make(
    document: Mapping[str, Json],
    *,
    content_sha256: str,
    verify_url: str = "",
    brand: Mapping[str, Json] | None = None,
    attachments: Sequence[tuple[str, str, bytes | Deflated]] = (),
    password: str = "",
    progress: Progress = lambda phase, percent: None,
) -> bytes:
    """The PDF. `attachments`: (file name, media type, content). With `password`, encrypted with AES-256, and then not the same bytes twice.

    brand: name, colour "#rrggbb", letterhead, disclaimer, paper "a4" or "letter", logo (PNG or JPEG bytes).
    """
    from reports.render.pdf import finishing, fonts
    from reports.render.pdf.tags import Structure

    known: tuple[list[Entry], int] = ([], 0)
    look = dict(brand or {})
    for number in range(MOST_PASSES):
        progress("layout", 5 + 10 * number)
        found = _lay_out(document, Structure(dry=True), io.BytesIO(), known, look, verify_url, content_sha256)
        if found == known:
            break
        known = found
    progress("drawing", 40)
    structure, stream = Structure(), io.BytesIO()
    _lay_out(document, structure, stream, known, look, verify_url, content_sha256)
    fonts.forget_lines()
    progress("finishing", 80)
    return finishing.finish(stream.getvalue(), structure, document, attachments=attachments, password=password)


def _lay_out(
    document: Mapping[str, Json],
    structure: Any,
    stream: io.BytesIO,
    known: tuple[list[Entry], int],
    look: Mapping[str, Json],
    verify_url: str,
    content_sha256: str,
) -> tuple[list[Entry], int]:
    from reports.core.kinds import KINDS
    from reports.render.pdf import pages, story, told

    tell = told.tell if document["kind"] in KINDS else story.tell
    words = labels(document["locale"])
    template = pages.Template(stream, document, words, structure, look, total=known[1])
    contents = pages.contents(structure, words, known[0])
    template.build(
        tell(document, structure, verify_url=verify_url, content_sha256=content_sha256, brand=look, contents=contents),
        canvasmaker=pages.canvas_of(document),
    )
    return template.entries, template.page
