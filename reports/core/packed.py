"""Long documents in little memory: lists of many rows stay packed, and are unpacked a chunk at a time while somebody reads them.

50,000 findings are 45 MB of text and 130 MB of objects, of which a renderer needs one row at a time.
"""

import codecs
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

Json = Any
CHUNK: Final = 500  # rows
READ: Final = 1 << 16  # bytes of packed text that are unpacked at once
ENDS: Final = frozenset(",:]}")  # what may stand behind a value


class Packed(Sequence[Json]):
    """A sequence of JSON values that cannot be changed. To read it in order is cheap; each `[n]` unpacks the chunk that it is in."""

    __slots__ = ("_chunks", "_length")

    def __init__(self, chunks: Sequence[bytes], length: int) -> None:
        self._chunks, self._length = chunks, length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Json]:
        for chunk in self._chunks:
            yield from json.loads(zlib.decompress(chunk))

    @overload
    def __getitem__(self, place: int) -> Json: ...
    @overload
    def __getitem__(self, place: slice) -> list[Json]: ...
    def __getitem__(self, place: int | slice) -> Json:
        if isinstance(place, int):
            at = range(self._length)[place]
            return json.loads(zlib.decompress(self._chunks[at // CHUNK]))[at % CHUNK]
        wanted = range(self._length)[place]
        first, last = (min(wanted), max(wanted)) if wanted else (0, -1)
        rows = [row for chunk in self._chunks[first // CHUNK : last // CHUNK + 1] for row in json.loads(zlib.decompress(chunk))]
        return [rows[at - first // CHUNK * CHUNK] for at in wanted]


def pack(rows: Iterable[Json]) -> Sequence[Json]:
    """A list where there are few; else packed."""
    chunks: list[bytes] = []
    waiting: list[Json] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) > CHUNK:
            chunks.append(_packed(waiting[:CHUNK]))
            waiting = waiting[CHUNK:]
    if not chunks:
        return waiting
    return Packed([*chunks, _packed(waiting)], len(chunks) * CHUNK + len(waiting))


def _packed(rows: Sequence[Json]) -> bytes:
    return zlib.compress(json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode(), 1)


@dataclass(frozen=True, slots=True)
class Deflated:
    """Bytes as zlib packs them; `size` and `sha256` are those of what was packed."""

    size: int
    content: bytes
    sha256: str


def deflated(parts: Iterable[bytes]) -> Deflated:
    """The parts behind each other, which are never whole in memory."""
    squeeze, size, digest, found = zlib.compressobj(6), 0, hashlib.sha256(), []
    for part in parts:
        size += len(part)
        digest.update(part)
        found.append(squeeze.compress(part))
    return Deflated(size, b"".join([*found, squeeze.flush()]), digest.hexdigest())


def measured(content: bytes) -> Deflated:
    """What is packed already."""
    unzip, size, digest = zlib.decompressobj(), 0, hashlib.sha256()
    for at in range(0, len(content), READ):
        part = unzip.decompress(content[at : at + READ])
        size += len(part)
        digest.update(part)
    rest = unzip.flush()
    digest.update(rest)
    return Deflated(size + len(rest), content, digest.hexdigest())


def pieces(document: Mapping[str, Json]) -> Iterator[bytes]:
    """The canonical JSON in pieces: a row of a list at a time."""
    opening = "{"
    for name in sorted(document):
        value = document[name]
        head = f"{opening}{_canonical(name)}:"
        opening = ","
        if not isinstance(value, list | Packed):
            yield (head + _canonical(value)).encode()
            continue
        yield (head + "[").encode()
        for place, row in enumerate(value):
            yield (("," if place else "") + _canonical(row)).encode()
        yield b"]"
    yield b"}" if document else b"{}"


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def inflated(content: bytes) -> dict[str, Json]:
    """The document of its packed canonical JSON, its long lists packed. Raises ValueError for what is not a whole one."""
    text = _Text(content)
    found: dict[str, Json] = {}
    text.expect("{")
    if text.peek() == "}":
        return found
    while True:
        name = text.value()
        text.expect(":")
        found[name] = pack(_rows(text)) if text.peek() == "[" else text.value()
        if text.expect(",}") == "}":
            return found


def _rows(text: "_Text") -> Iterator[Json]:
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
        return
    while True:
        yield text.value()
        if text.expect(",]") == "]":
            return


class _Text:
    """Canonical JSON that is unpacked as far as it has been asked for."""

    def __init__(self, content: bytes) -> None:
        self._rest, self._unzip, self._decode = memoryview(content), zlib.decompressobj(), codecs.getincrementaldecoder("utf-8")()
        self._buffer, self._at, self._values = "", 0, json.JSONDecoder()

    def _more(self) -> bool:
        """Unpack some more; at least as much as is waiting already, so that a long value is not begun again and again."""
        found: list[str] = []
        length, wanted = 0, max(READ, len(self._buffer) - self._at)
        while self._rest and length < wanted:
            raw = self._unzip.decompress(self._rest[:READ])
            self._rest = self._rest[READ:]
            found.append(self._decode.decode(raw))
            length += len(found[-1])
        self._buffer, self._at = self._buffer[self._at :] + "".join(found), 0
        return bool(length)

    def peek(self) -> str:
        while self._at >= len(self._buffer):
            if not self._more():
                raise ValueError("the document ends too early")
        return self._buffer[self._at]

    def expect(self, one_of: str) -> str:
        found = self.peek()
        if found not in one_of:
            raise ValueError(f"the document has {found!r} where {one_of!r} is expected")
        self._at += 1
        return found

    def value(self) -> Json:
        while True:
            self.peek()
            try:
                found, end = self._values.raw_decode(self._buffer, self._at)
            except ValueError:
                if not self._more():
                    raise
                continue
            if self._buffer[end : end + 1] in ENDS or not self._more():  # else a number may go on
                self._at = end
                return found
