"""The chain of decisions: every digest covers its row and the digest before it, so that none can be changed or left out unseen."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def digest(row: Mapping[str, Any], previous: str) -> str:
    """SHA-256 of the canonical JSON of the row and the digest before it."""
    text = json.dumps({"row": row, "previous": previous}, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def broken_at(rows: Iterable[tuple[Mapping[str, Any], str, str]]) -> int | None:
    """The position of the first row (content, previous digest, digest) that does not fit; None when all do."""
    previous = ""
    for place, (row, before, own) in enumerate(rows):
        if before != previous or digest(row, before) != own:
            return place
        previous = own
    return None
