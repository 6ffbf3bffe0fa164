"""Durations as authors write them: milliseconds, or ISO 8601 without months and years."""

import re
from typing import Final

MAX_MS: Final = 366 * 24 * 3_600_000

ISO: Final = re.compile(r"P(?=.)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:[.,]\d{1,3})?)S)?)?", re.ASCII)
UNITS_MS: Final = (604_800_000, 86_400_000, 3_600_000, 60_000, 1_000)


def milliseconds(text: str) -> int | None:
    """`"30000"` and `"PT30S"` are 30,000 milliseconds. None when this is no duration, is not positive, or is longer than 366 days."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return bounded(int(text))
    match = ISO.fullmatch(text)
    if match is None:
        return None
    return bounded(round(sum(float((part or "0").replace(",", ".")) * unit for part, unit in zip(match.groups(), UNITS_MS, strict=True))))


def bounded(amount: int) -> int | None:
    return amount if 0 < amount <= MAX_MS else None
