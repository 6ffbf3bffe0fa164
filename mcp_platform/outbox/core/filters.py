"""Which types of events an endpoint wants: names, `conversation.*`, or `*`. No filter means everything."""

from collections.abc import Iterable

from mcp_platform.outbox.core.catalogue import TYPES

Filters = tuple[tuple[str, ...], ...]  # one filter for each endpoint


def wants(chosen: Iterable[str], name: str) -> bool:
    """Whether an endpoint with this filter gets events of type `name`."""
    patterns = tuple(chosen)
    return not patterns or any(_fits(pattern, name) for pattern in patterns)


def anybody_wants(filters: Filters, name: str) -> bool:
    return any(wants(one, name) for one in filters)


def is_known(pattern: str) -> bool:
    """Whether some type of the catalogue fits."""
    return any(_fits(pattern, name) for name in TYPES)


def _fits(pattern: str, name: str) -> bool:
    return pattern in ("*", name) or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
