"""A wish is a mapping of names to texts; here its parts become ids and days."""

from collections.abc import Mapping
from datetime import date
from typing import Final
from uuid import UUID

from mcp_platform.rest import SchemaError
from reports.errors import ReportTooLarge

MOST_FINDINGS: Final = 100_000  # of one check: its document is composed in memory, some 3 KB for each


def uuid_of(wish: Mapping[str, str], name: str) -> UUID:
    """Raises SchemaError."""
    try:
        return UUID(wish.get(name, ""))
    except ValueError as fault:
        raise wrong(name, wish, "an id") from fault


def day_of(wish: Mapping[str, str], name: str) -> date:
    """Raises SchemaError."""
    try:
        found = date.fromisoformat(wish.get(name, ""))
    except ValueError as fault:
        raise wrong(name, wish, "a day such as 2026-11-21") from fault
    if not 2000 <= found.year <= 2200:
        raise wrong(name, wish, "a day of this century or the next")
    return found


def days_of(wish: Mapping[str, str], *, most: int = 400) -> tuple[date, date]:
    """`since` and `until`, both included. Raises SchemaError."""
    since, until = day_of(wish, "since"), day_of(wish, "until")
    if not 0 <= (until - since).days < most:
        raise wrong("since", wish, f"a day up to {until}, at most {most} days before")
    return since, until


def wrong(name: str, wish: Mapping[str, str], expected: str) -> SchemaError:
    message = "is not what is needed here" if wish.get(name) else "is missing"
    return SchemaError(errors=[{"path": f"$.{name}", "message": message, "expected": expected}])


def number_of(wish: Mapping[str, str], name: str) -> int | None:
    """Raises SchemaError."""
    text = wish.get(name, "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise wrong(name, wish, "an integer from 1")


def require_few(findings: int) -> None:
    """Raises ReportTooLarge."""
    if findings > MOST_FINDINGS:
        raise ReportTooLarge(findings=findings, most=MOST_FINDINGS)
