"""Whether a STEP file is whole: read as bytes before the parser sees it, and compared with what the parser has loaded.

A damaged file is more often silently partial than refused: cut in half it opens with half of its instances and no word. So the statements are counted
here, outside of texts and comments, and so are the parser's complaints.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

CHUNK: Final = 4 * 1024 * 1024
DEEPEST: Final = 64  # parentheses in parentheses; valid files have four or five
LONGEST_TEXT: Final = 4 * 1024 * 1024
MOST_COMPLAINTS: Final = 20
SCHEMAS: Final = ("IFC2X3", "IFC4", "IFC4X3")
_TRAILER: Final = b"END-ISO-10303-21;"
_COMMENTS: Final = re.compile(rb"'[^']*'|/\*.*?(?:\*/|\Z)", re.DOTALL)
_SCHEMA: Final = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']{1,60})'", re.IGNORECASE)
_QUOTE, _EQUALS, _OPENING, _CLOSING = (ord(letter) for letter in "'=()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """statements: instances that the file says it has. depth, longest_text: the largest seen."""

    is_step: bool
    schema: str
    trailer: bool
    statements: int
    depth: int
    longest_text: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """state: ready | partial | rejected. `problems`: {code, detail} each; `numbers` are kept with the revision."""

    state: str
    numbers: dict[str, Any]
    problems: list[dict[str, str]] = field(default_factory=list)


def scan(path: Path) -> Scan:
    with path.open("rb") as file:
        head = file.read(64 * 1024)
        file.seek(max(0, path.stat().st_size - 4096))
        tail = file.read()
    found = _SCHEMA.search(head)
    counted = _count(_without_comments(path)) if head.lstrip().startswith(b"ISO-10303-21") else _Counted()
    return Scan(
        is_step=head.lstrip()[:32].startswith(b"ISO-10303-21"),
        schema=found[1].decode("latin-1").upper() if found else "",
        trailer=tail.rstrip().endswith(_TRAILER),
        statements=counted.statements,
        depth=counted.depth,
        longest_text=counted.longest,
    )


def judge(seen: Scan, *, loaded: int, projects: int, log: str, notes: dict[str, Any]) -> Verdict:
    """What the numbers say together. The parser's log is one JSON object a line."""
    complaints = [line for line in log.splitlines() if '"level":"error"' in line]
    numbers = {
        "trailer": seen.trailer,
        "statements": seen.statements,
        "loaded": loaded,
        "log_errors": len(complaints),
        "projects": projects,
        "complaints": [_message(line) for line in complaints[:MOST_COMPLAINTS]],
        **notes,
    }
    problems = list(_problems(numbers))
    fatal = {"NO_PROJECT", "NOTHING_LOADED"} & {one["code"] for one in problems}
    return Verdict(state="rejected" if fatal else "partial" if problems else "ready", numbers=numbers, problems=problems)


def _problems(numbers: dict[str, Any]) -> Iterator[dict[str, str]]:
    if not numbers["loaded"]:
        yield {"code": "NOTHING_LOADED", "detail": "The file holds no instance that could be read."}
    if not numbers["trailer"]:
        yield {"code": "TRUNCATED", "detail": "The file does not end as a STEP file ends: a part of it is missing."}
    if numbers["loaded"] != numbers["statements"]:
        yield {"code": "STATEMENTS_LOST", "detail": f"{numbers['loaded']:,} of {numbers['statements']:,} statements could be read."}
    if numbers["log_errors"]:
        yield {"code": "PARSER_COMPLAINED", "detail": f"The parser found {numbers['log_errors']:,} errors, such as: {numbers['complaints'][0]}"}
    if not numbers["projects"]:
        yield {"code": "NO_PROJECT", "detail": "The file has no IfcProject, without which units and the building are unknown."}


def _message(line: str) -> str:
    try:
        return str(json.loads(line).get("message", ""))[:200]
    except ValueError:
        return line[:200]


@dataclass(slots=True)
class _Counted:
    statements: int = 0
    depth: int = 0
    longest: int = 0
    inside: bool = False  # of a text, at the end of the last chunk
    open: int = 0
    since: int = 0  # letters since the last quote


def _without_comments(path: Path) -> Iterator[bytes]:
    """Chunks of the file. A comment may hold a quote, which would turn texts and code around: files that have comments are read in one piece."""
    with path.open("rb") as file:
        commented = any(b"/*" in chunk for chunk in iter(lambda: file.read(CHUNK), b""))
    if commented:
        yield _COMMENTS.sub(lambda found: found[0] if found[0][:1] == b"'" else b"", path.read_bytes())
        return
    with path.open("rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _count(chunks: Iterator[bytes]) -> _Counted:
    """Equals signs outside of texts, each of which is an instance's; how deep parentheses go; the longest text."""
    counted = _Counted()
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK):
            _count_chunk(chunk[start : start + CHUNK], counted)
    counted.longest = max(counted.longest, counted.since if counted.inside else 0)
    return counted


def _count_chunk(chunk: bytes, counted: _Counted) -> None:
    import numpy as np

    letters = np.frombuffer(chunk, dtype=np.uint8)
    quotes = letters == _QUOTE
    outside = ~(np.bitwise_xor.accumulate(quotes) ^ counted.inside)
    steps = (outside & (letters == _OPENING)).astype(np.int8) - (outside & (letters == _CLOSING)).astype(np.int8)
    depths = np.cumsum(steps, dtype=np.int32) + counted.open
    counted.statements += int(np.count_nonzero(outside & (letters == _EQUALS)))
    counted.depth = max(counted.depth, int(depths.max()))
    places = np.flatnonzero(quotes)
    if places.size:
        gaps = np.diff(places, prepend=-counted.since - 1)
        texts = gaps[1 if not counted.inside else 0 :: 2]
        counted.longest = max(counted.longest, int(texts.max()) if texts.size else 0)
        counted.since = len(chunk) - int(places[-1]) - 1
        counted.inside ^= bool(places.size % 2)
    else:
        counted.since += len(chunk)
    counted.open = int(depths[-1])
