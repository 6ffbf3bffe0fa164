"""Words and parts of words, hashed into a row of fixed width: names, numbers, typing errors and languages that the sentence model is weak at.

Word n-grams (1, 2) and character n-grams (3, 4) within word borders; each is hashed to a column and a sign, so that collisions cancel out
on average. Counts are dampened (log1p); the model that was trained weighs the columns by how rare they are. No vocabulary is kept.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from conversations.core.words import folded

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Counts = NDArray[float32]

LONGEST: Final = 400  # characters that are read
_WORD = re.compile(r"\w+")


def sketch(texts: Sequence[str], width: int) -> "Counts":
    """[len(texts), width] of dampened signed counts."""
    import numpy as np

    counts = np.zeros((len(texts), width), np.float32)
    for row, text in enumerate(texts):
        for gram in _grams(text):
            code = zlib.crc32(gram.encode("utf-8", "replace"))
            counts[row, (code >> 1) % width] += 1 if code & 1 else -1
    dampened: Counts = np.sign(counts) * np.log1p(np.abs(counts))
    return dampened


def rarity(counts: "Counts") -> "Counts":
    """The weight of each column (inverse document frequency, smoothed), [width]."""
    import numpy as np

    share = (counts != 0).sum(axis=0) / max(1, len(counts))
    found: Counts = np.log(1 + 1 / (share + 1 / max(1, len(counts)))).astype(np.float32)
    return found


def weighted(counts: "Counts", weights: "Counts") -> "Counts":
    """Rows of length 1 (0 for a text without words)."""
    import numpy as np

    rows = counts * weights
    found: Counts = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    return found


def _grams(text: str) -> Iterator[str]:
    before = ""
    for word in _WORD.findall(folded(text[:LONGEST])):
        yield f"w{word}"
        if before:
            yield f"b{before} {word}"
        before = word
        framed = f" {word} "
        for size in (3, 4):
            for start in range(len(framed) - size + 1):
                yield f"c{framed[start : start + size]}"
