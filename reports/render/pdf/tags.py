"""The structure of a PDF: which marks on the pages are a heading, a table cell, a figure; and what is only decoration.

ReportLab writes pages, not structure. While a page is drawn its marked content is numbered here; `tree` is put into the finished file by
`finishing`. Source: ISO 32000-2, 14.7 and 14.8.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Node:
    """A structure element: `marks` are (page from 1, number on that page), `alt` the words for who does not see it."""

    kind: str
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    alt: str = ""
    scope: str = ""


class Structure:
    """Grows while pages are drawn. `dry`: the pages are only counted, and nothing needs to be drawn."""

    def __init__(self, *, dry: bool = False) -> None:
        self.dry = dry
        self.root = Node("Document")
        self._count: dict[int, int] = {}

    def node(self, kind: str, parent: Node | None = None, *, alt: str = "", scope: str = "") -> Node:
        made = Node(kind, parent or self.root, alt=alt, scope=scope)
        assert made.parent is not None
        made.parent.children.append(made)
        return made

    @contextmanager
    def marked(self, canvas: Any, node: Node) -> Iterator[None]:
        """What is drawn inside belongs to `node`."""
        page = canvas.getPageNumber()
        number = self._count.get(page, 0)
        self._count[page] = number + 1
        node.marks.append((page, number))
        canvas._code.append(f"/{node.kind} <</MCID {number}>> BDC")
        yield
        canvas._code.append("EMC")


@contextmanager
def decoration(canvas: Any) -> Iterator[None]:
    """What is drawn inside carries no meaning of its own: lines, running headers, page numbers."""
    canvas._code.append("/Artifact BMC")
    yield
    canvas._code.append("EMC")
