"""Names made comparable."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 10_000  # characters of a text that are looked at
_BETWEEN: Final = re.compile(r"[^\w\s]+|_")


def folded(text: str) -> str:
    """Case, width, punctuation and runs of spaces no longer matter: "Magic_Wand  PRO" -> "magic wand pro"."""
    lowered = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    return " ".join(_BETWEEN.sub(" ", lowered).split())
