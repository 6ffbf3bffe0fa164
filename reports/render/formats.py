"""Every format by its name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from reports.core import kinds, packed
from reports.render import data

Json = Any
PDF: Final = "application/pdf"
HTML: Final = "text/html"
ATTACHED: Final[Mapping[str, Callable[[Mapping[str, Json], bytes], packed.Deflated]]] = {
    "json": lambda document, canonical: packed.measured(canonical) if canonical else packed.deflated(packed.pieces(document)),
    "xlsx": lambda document, _: packed.deflated((data.as_xlsx(document),)),
}


def render(
    name: str,
    document: Mapping[str, Json],
    *,
    content_sha256: str,
    verify_url: str,
    brand: Mapping[str, Json],
    canonical: bytes = b"",
    password: str = "",
    tell: Callable[[str, int], None] = lambda phase, percent: None,
    note: Callable[[str, str], None] = lambda kind, sha256: None,
) -> tuple[str, bytes]:
    """Media type and bytes. A PDF carries the whole of its data as attachments, and with `password` it is encrypted.

    canonical: zlib of the document's canonical JSON, where somebody has it already. note: is told the format and SHA-256 of each attachment.
    """
    if name in data.FORMATS:
        media_type, make = data.FORMATS[name]
        return media_type, make(document)
    if name == "bcf":
        from reports.render import bcf

        return bcf.MEDIA_TYPE, bcf.as_bcf(document)
    if name == "html":
        from reports.render.html import as_html

        return HTML, as_html(document, content_sha256=content_sha256, verify_url=verify_url, brand=brand)
    from reports.render import pdf

    tell("attachments", 3)
    stem = "report" if document["kind"] in kinds.KINDS else "findings"
    contents = {kind: make(document, canonical) for kind, make in ATTACHED.items()}
    for kind, content in contents.items():
        note(kind, content.sha256)
    attached = [(f"{stem}.{kind}", data.FORMATS[kind][0], content) for kind, content in contents.items()]
    about: dict[str, Any] = {"content_sha256": content_sha256, "verify_url": verify_url, "brand": brand}
    return PDF, pdf.make(document, **about, attachments=attached, password=password, progress=tell)
