"""Every format by its name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from reports.render import data

Json = Any
PDF: Final = "application/pdf"
HTML: Final = "text/html"
ATTACHED: Final = ("json", "xlsx")


def render(
    name: str,
    document: Mapping[str, Json],
    *,
    content_sha256: str,
    verify_url: str,
    brand: Mapping[str, Json],
    tell: Callable[[str, int], None] = lambda phase, percent: None,
) -> tuple[str, bytes]:
    """Media type and bytes. A PDF carries the whole of its data as attachments."""
    if name in data.FORMATS:
        media_type, make = data.FORMATS[name]
        return media_type, make(document)
    if name == "html":
        from reports.render.html import as_html

        return HTML, as_html(document, content_sha256=content_sha256, verify_url=verify_url, brand=brand)
    from reports.render import pdf

    tell("attachments", 3)
    attached = [(f"findings.{kind}", data.FORMATS[kind][0], data.FORMATS[kind][1](document)) for kind in ATTACHED]
    return PDF, pdf.make(document, content_sha256=content_sha256, verify_url=verify_url, brand=brand, attachments=attached, progress=tell)
