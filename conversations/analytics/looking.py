"""Which part of the numbers somebody wants, read from the query of an address; the same for REST and pages."""

from collections.abc import Mapping
from datetime import date

from conversations.analytics.queries import DAYS, View, last_days
from mcp_platform.rest import SchemaError

MOST_DAYS = 400


def view_of(query: Mapping[str, str], today: date) -> View:
    """Raises SchemaError with every fault."""
    faults: list[dict[str, str]] = []
    usual = last_days(today, DAYS)
    until = _day(query, "until", today, faults)
    since = (
        _day(query, "since", max(until.fromordinal(until.toordinal() - DAYS + 1), date.min), faults)
        if query.get("since") or query.get("until")
        else usual.since
    )
    if not faults and not 0 <= (until - since).days < MOST_DAYS:
        faults.append(_fault("since", "is out of bounds", f"a day up to {until}, at most {MOST_DAYS} days before"))
    version = _number(query, faults)
    if faults:
        raise SchemaError("The address asks for numbers that cannot be; `errors` lists every fault.", errors=faults)
    return View(since=since, until=until, version=version, environment=query.get("environment", "")[:63], channel=query.get("channel", "")[:40])


def _day(query: Mapping[str, str], name: str, usual: date, faults: list[dict[str, str]]) -> date:
    text = query.get(name, "")
    if not text:
        return usual
    try:
        found = date.fromisoformat(text)
    except ValueError:
        faults.append(_fault(name, "is no day", "a day such as 2026-11-21"))
        return usual
    if not 2000 <= found.year <= 2200:
        faults.append(_fault(name, "is out of bounds", "a day of this century or the next"))
        return usual
    return found


def _number(query: Mapping[str, str], faults: list[dict[str, str]]) -> int | None:
    text = query.get("version", "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    faults.append(_fault("version", "is no version number", "an integer from 1"))
    return None


def _fault(name: str, message: str, expected: str) -> dict[str, str]:
    return {"path": f"?{name}", "code": "invalid", "message": message, "expected": expected}
