"""How a resource says what it needs: the WWW-Authenticate header of RFC 6750 with the `resource_metadata` of RFC 9728."""

from collections.abc import Iterable

REALM = "mcp-platform"
INVALID = "invalid_token"
TOO_LITTLE = "insufficient_scope"
LONGEST = 300  # of what is told in words; names are never cut


def challenge(*, metadata_url: str, scopes: Iterable[str] = (), error: str = "", description: str = "") -> str:
    """The header's value. `error` is "" for a request without any token: it has done nothing wrong."""
    parts = {
        "realm": REALM,
        "error": error,
        "error_description": description[:LONGEST],
        "scope": " ".join(scopes),
        "resource_metadata": metadata_url,
    }
    return "Bearer " + ", ".join(f'{name}="{_quotable(value)}"' for name, value in parts.items() if value)


def _quotable(text: str) -> str:
    """RFC 6750 allows printable ASCII without the quote and the backslash."""
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in text)
