"""How long an answer of a server may be used again, and by whom."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST: Final = timedelta(hours=24)  # whatever the server says
STALE: Final = timedelta(days=7)  # an old answer is better than none for this long after it was fresh
LARGEST: Final = 1024 * 1024  # bytes; larger answers are not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What the server has said about an answer: `ttl_ms` None when it says nothing (servers of 2025 and before)."""

    ttl_ms: int | None = None
    scope: str = "private"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`audience` is the actor that the answer is for, empty for everybody of the tenant."""

    audience: str
    fresh_until: datetime
    stale_until: datetime


def keeping(hint: Hint, *, actor: str, default_ttl: int, now: datetime, stale: timedelta = STALE) -> Keeping:
    """Private answers are kept for the one who asked. A server that says nothing was asked with the tenant's credential: its answer is the tenant's.

    No answer crosses tenants, not even one that the server calls public. A `ttl_ms` of 0 keeps it for the case that the server fails.
    """
    seconds = default_ttl if hint.ttl_ms is None else hint.ttl_ms / 1000
    fresh = now + min(timedelta(seconds=seconds), LONGEST)
    private = hint.ttl_ms is not None and hint.scope != "public"
    return Keeping(audience=actor if private else "", fresh_until=fresh, stale_until=fresh + stale)
