"""What a PDF carries, read from its objects: pikepdf's view of attachments does not keep alive what it looks at, and reading through it can crash."""

import io
from collections.abc import Iterator
from typing import Any


def attached(content: bytes) -> dict[str, bytes]:
    """Name -> bytes."""
    from pikepdf import Pdf

    with Pdf.open(io.BytesIO(content)) as file:
        return {name: spec.EF.F.read_bytes() for name, spec in _leaves(file.Root.Names.EmbeddedFiles)}


def _leaves(node: Any) -> Iterator[tuple[str, Any]]:
    for below in node.get("/Kids", ()):
        yield from _leaves(below)
    names = list(node.get("/Names", ()))
    for at in range(0, len(names), 2):
        yield str(names[at]), names[at + 1]
