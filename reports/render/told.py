"""Reports that are told in blocks: as a page, as sheets of a workbook, as rows."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from reports.core import blocks, kinds
from reports.core.blocks import shown
from reports.core.drawing import Drawing
from reports.core.kinds.telling import Told
from reports.render import svg

Json = Any
MOST_SHOWN: Final = 5_000
NUMBERS: Final = frozenset(("whole", "number", "share", "score", "change", "points", "ms"))


def as_html(document: Mapping[str, Json], words: Mapping[str, str], *, content_sha256: str, verify_url: str, brand: Mapping[str, Json]) -> bytes:
    """Django's template escapes every text."""
    told = Told(document=document, words=words, content_sha256=content_sha256, verify_url=verify_url)
    kind = kinds.KINDS[document["kind"]]
    cover = kind.cover(told)
    context = {
        "document": document,
        "kind_title": words[f"report.{document['kind']}"],
        "cover": {
            "status": cover.status,
            "colour": cover.colour,
            "figures": [_picture(one) for one in cover.figures],
            "facts": [(name, shown(value)) for name, value in cover.facts],
        },
        "sections": [
            {"name": one.name, "title": one.title, "blocks": [_shape(block, words) for block in one.blocks]}
            for one in kind.tell(told, document["sections"])
        ],
        "verify_url": verify_url,
        "brand": brand,
    }
    return render_to_string("reports/told.html", context).encode()


def _picture(drawing: Drawing) -> SafeString:
    return mark_safe(svg.draw(drawing))  # noqa: S308  every text in it has been escaped


def _shape(block: blocks.Block, words: Mapping[str, str]) -> dict[str, Any]:
    return SHAPES[type(block)](block, words)


def _table(table: blocks.Table, words: Mapping[str, str]) -> dict[str, Any]:
    total = len(table.rows)
    note = words["rows.capped"].format(shown=MOST_SHOWN, total=total, attachment="report.xlsx") if total > MOST_SHOWN else ""
    columns = [{"title": one.title, "number": one.form in NUMBERS} for one in table.columns]
    rows = []
    for cells, chip in zip_longest(table.rows[:MOST_SHOWN], table.chips[:MOST_SHOWN], fillvalue=""):
        texts = [(shown(cell, one.form), one.form in NUMBERS) for cell, one in zip(cells, table.columns, strict=True)]
        rows.append({"chip": chip, "cells": texts})
    return {"is": "table", "columns": columns, "rows": rows, "note": note}


SHAPES: Final[Mapping[type, Callable[[Any, Mapping[str, str]], dict[str, Any]]]] = {
    blocks.Heading: lambda one, _: {"is": "heading", "text": one.text},
    blocks.Paragraph: lambda one, _: {"is": "paragraph", "text": one.text, "look": one.look},
    blocks.Pairs: lambda one, _: {"is": "pairs", "rows": [(name, shown(value)) for name, value in one.rows]},
    blocks.Table: _table,
    blocks.Figure: lambda one, _: {"is": "figure", "picture": _picture(one.drawing)},
    blocks.Side: lambda one, words: {"is": "side", "parts": [_shape(part, words) for part, _ in one.parts]},
}

Sheet = tuple[str, Sequence[str], Sequence[Sequence[Json]]]


def sheets(document: Mapping[str, Json], words: Mapping[str, str]) -> list[Sheet]:
    """What the report is, and every table of every section, whichever are shown, with raw values; then the list that the CSV has."""
    told = Told(document=document, words=words)
    kind = kinds.KINDS[document["kind"]]
    cover = kind.cover(told)
    about = [(words["title"], document["title"]), (words["status"], cover.status), *cover.facts]
    tables = blocks.tables(kind.tell(told))
    found: list[Sheet] = [(words["summary"], ("", ""), [(name, shown(value)) for name, value in about if value not in (None, "")])]
    found += [
        (one.name, [column.title for column in one.columns], [[_raw(cell) for cell in row] for row in one.rows]) for one in tables if not one.tall
    ]
    columns, listed = rows(document)
    return [*found, (words["data"], columns, [[_raw(one.get(name)) for name in columns] for one in listed])]


def _raw(value: Json) -> Json:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def rows(document: Mapping[str, Json]) -> tuple[Sequence[str], Sequence[Mapping[str, Json]]]:
    """The list that the report is about: its columns, by the names that the JSON has, and its rows."""
    kind = kinds.KINDS[document["kind"]]
    return kind.columns, document[kind.rows]
