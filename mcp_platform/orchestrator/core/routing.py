"""Which server is asked, in which order, and which of its tools may be used."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from mcp_platform.orchestrator.core.types import Upstream


def in_order(servers: Iterable[Upstream]) -> list[Upstream]:
    """Lowest priority number first, then by slug, so that everybody asks in the same order."""
    return sorted(servers, key=lambda one: (one.priority, one.slug))


def for_domain(servers: Iterable[Upstream], domain: str) -> list[Upstream]:
    """Those that are switched on and know about `domain`, in the order in which they are asked."""
    return in_order(one for one in servers if one.enabled and domain in one.domains)


def lets_through(name: str, *, allowed: Sequence[str], denied: Sequence[str]) -> bool:
    """Whether the rules of a server let a tool through. No `allowed` allows all; what is denied stays denied."""
    return (not allowed or _fits(name, allowed)) and not _fits(name, denied)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
