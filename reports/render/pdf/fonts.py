"""Text as runs of embedded fonts: the first font that has a character draws it; what none has is written as its code point.

No markup is ever read from a text, so none can be injected. Controls and the characters that turn the direction of writing around are taken out:
they would let a text look like another one.
"""

import gc
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

Run: TypeAlias = tuple[str, str]  # font name, text
FOLDER: Final = Path(__file__).resolve().parents[2] / "fonts"
FILES: Final = {
    "Sans": "NotoSans-Regular.ttf",
    "SansBold": "NotoSans-Bold.ttf",
    "Symbols": "DejaVuSans.ttf",
    "Han": "DroidSansFallbackFull.ttf",
    "Hangul": "NanumGothic.ttf",
}
FALLBACK: Final = ("Symbols", "Han", "Hangul")
TURNERS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@cache
def _face(name: str) -> Any:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont(name, str(FOLDER / FILES[name])))
    return pdfmetrics.getFont(name).face


def clean(text: object) -> str:
    """One line of what may be shown: composed, without controls and turners; white space is a blank."""
    composed = unicodedata.normalize("NFC", str(text))
    return "".join(_shown(char) for char in composed)


@cache
def _shown(char: str) -> str:
    if char in "\t\n\r\f\v\u2028\u2029":
        return " "
    if char in TURNERS or unicodedata.category(char) in ("Cc", "Cs", "Cf"):
        return ""
    return char if any(ord(char) in _face(name).charToGlyph for name in ("Sans", *FALLBACK)) else f"[U+{ord(char):04X}]"


@cache
def font_of(char: str, bold: bool) -> str:
    first = "SansBold" if bold else "Sans"
    return next((name for name in (first, *FALLBACK) if ord(char) in _face(name).charToGlyph), first)


@cache
def _advance(char: str, bold: bool) -> float:
    face = _face(font_of(char, bold))
    return float(face.charWidths.get(ord(char), face.defaultWidth)) / 1000


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Of a cleaned text, in points."""
    return sum(_advance(char, bold) for char in text) * size


@lru_cache(maxsize=100_000)
def runs(text: str, *, bold: bool = False) -> list[Run]:
    found: list[Run] = []
    for char in text:
        name = font_of(char, bold)
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1] + char)
        else:
            found.append((name, char))
    return found


def lines(text: object, size: float, room: float, *, bold: bool = False, most: int = 0) -> list[str]:
    """As `_lines`, each text once: a report is laid out two or three times."""
    return _lines(str(text), size, round(room, 3), bold, most)


@lru_cache(maxsize=100_000)
def _lines(text: str, size: float, room: float, bold: bool, most: int) -> list[str]:
    """`text` in lines that fit into `room` points, words whole where they fit. With `most`, no more lines than that; the last one ends with "…"."""
    found: list[str] = []
    rest = clean(text)[: 400 * most] if most else clean(text)
    line, used, space = "", 0.0, _advance(" ", bold) * size
    for word in rest.split():
        for part in _pieces(word, size, room, bold):
            length = width(part, size, bold=bold)
            if line and used + space + length > room:
                found.append(line)
                line, used = part, length
            else:
                line, used = (f"{line} {part}", used + space + length) if line else (part, length)
    found.append(line)
    if most and len(found) > most:
        found = [*found[: most - 1], _ended(found[most - 1], size, room, bold)]
    return found


def forget_lines() -> None:
    """When everything is drawn: what follows needs the memory."""
    _lines.cache_clear()
    runs.cache_clear()
    gc.collect()  # pages and their canvas refer to each other


def _pieces(word: str, size: float, room: float, bold: bool) -> list[str]:
    if width(word, size, bold=bold) <= room:
        return [word]
    pieces, piece, used = [], "", 0.0
    for char in word:
        step = _advance(char, bold) * size
        if piece and used + step > room:
            pieces.append(piece)
            piece, used = "", 0.0
        piece, used = piece + char, used + step
    return [*pieces, piece]


def _ended(line: str, size: float, room: float, bold: bool) -> str:
    while line and width(line + "…", size, bold=bold) > room:
        line = line[:-1]
    return line + "…"


def write(canvas: Any, x: float, y: float, text: str, size: float, *, bold: bool = False, colour: str = "#1f2933", anchor: str = "start") -> None:
    """Draw a cleaned line with its baseline at `y`.

    Straight into the page: ReportLab's text objects escape every byte in Python, which was a quarter of the time of a long report.
    """
    if not text:
        return
    if anchor != "start":
        x -= width(text, size, bold=bold) * (0.5 if anchor == "middle" else 1.0)
    code = [f"BT {_fill(colour)} 1 0 0 1 {x:.2f} {y:.2f} Tm"]
    for name, part in runs(text, bold=bold):
        font = _font(name)
        for subset, glyphs in font.splitString(part, canvas._doc):
            code.append(f"{font.getSubsetInternalName(subset, canvas._doc)} {size:g} Tf <{glyphs.hex()}> Tj")
    code.append("ET")
    canvas._code.append(" ".join(code))


def _font(name: str) -> Any:
    from reportlab.pdfbase import pdfmetrics

    _face(name)
    return pdfmetrics.getFont(name)


@cache
def _fill(colour: str) -> str:
    return " ".join(f"{int(colour[place : place + 2], 16) / 255:.3f}" for place in (1, 3, 5)) + " rg"
