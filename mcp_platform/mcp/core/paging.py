"""Pages of lists that may change between two of them: a cursor names the last entry that was given, so nothing is shown twice or left out."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from mcp_platform.errors import Invalid

T = TypeVar("T")
PAGE: int = 100


class BadCursor(Invalid):
    """The cursor is not one that a list of this server gave."""

    code = "BAD_CURSOR"


def page(entries: Sequence[T], cursor: str | None, *, key: Callable[[T], str], size: int = PAGE) -> tuple[list[T], str | None]:
    """(entries of this page, cursor of the next one or None). `entries` are in the order of `key`. Raises BadCursor."""
    after = _decoded(cursor) if cursor is not None else None
    rest = [one for one in entries if after is None or key(one) > after]
    shown = rest[:size]
    return shown, _encoded(key(shown[-1])) if len(rest) > size else None


def _encoded(name: str) -> str:
    return base64.urlsafe_b64encode(f"after:{name}".encode()).decode()


def _decoded(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as fault:
        raise BadCursor from fault
    if not text.startswith("after:"):
        raise BadCursor
    return text.removeprefix("after:")
