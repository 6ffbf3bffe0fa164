"""Secrets of API keys, and what this process remembers of credentials it has checked.

A checked credential is believed for 5 seconds without asking the database: that is how long a key revoked in another process can still work
here. Its own expiry is looked at every time. Only digests of tokens are kept, never tokens.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from mcp_platform import observability
from mcp_platform.tenancy.scope import Principal

BELIEVED_SECONDS = 5.0
KEY_START = "mcp_"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_PREFIX_LENGTH = 10
_REMEMBERED = 10_000


class Secret(NamedTuple):
    prefix: str
    sha256: str
    token: str  # shown once, kept nowhere


class _Known(NamedTuple):
    principal: Principal
    until: float  # monotonic
    expires: float  # seconds since the epoch


_Key = tuple[str | None, bytes]
_known: dict[_Key, _Known] = {}


def new_secret() -> Secret:
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_LENGTH))
    secret = secrets.token_hex(32)
    return Secret(prefix=prefix, sha256=_sha256(secret), token=f"{KEY_START}{prefix}_{secret}")


def split(token: str) -> tuple[str, str]:
    """(prefix, secret) of an API key; ("", "") when it does not look like one."""
    _, prefix, secret = [*token.split("_", 2), "", ""][:3]
    return (prefix, secret) if len(prefix) == _PREFIX_LENGTH and set(prefix) <= set(_ALPHABET) and secret else ("", "")


def matches(secret: str, sha256: str) -> bool:
    # A plain digest suffices: the secret has 256 random bits, so there is nothing to guess that a slow hash would slow down.
    return hmac.compare_digest(_sha256(secret), sha256)


def recall(token: str, *, resource: str | None = None) -> Principal | None:
    """The principal of a token that was checked in the last seconds and has not expired since.

    `resource`: the one that it was checked for; what is believed there is not believed elsewhere. None: where tokens are for the whole platform.
    """
    known = _known.get(_key(token, resource))
    fresh = known is not None and known.until > time.monotonic() and known.expires > time.time()
    observability.count_cache("credentials", hit=fresh)
    return known.principal if known is not None and fresh else None


def remember(token: str, principal: Principal, *, resource: str | None = None) -> None:
    if len(_known) >= _REMEMBERED:
        now = time.monotonic()
        _forget([key for key, known in list(_known.items()) if known.until <= now] or list(_known))
    expires = principal.expires_at.timestamp() if principal.expires_at else float("inf")
    _known[_key(token, resource)] = _Known(principal, time.monotonic() + BELIEVED_SECONDS, expires)


def forget_key(key_id: UUID) -> None:
    _forget(key for key, known in list(_known.items()) if known.principal.key_id == key_id)


def forget_tenant(tenant_id: UUID) -> None:
    _forget(key for key, known in list(_known.items()) if known.principal.tenant.pk == tenant_id)


def forget_tokens(token_ids: Collection[int]) -> None:
    """OAuth access tokens that were revoked."""
    _forget(key for key, known in list(_known.items()) if known.principal.token_id in token_ids)


def forget_everything() -> None:
    _known.clear()


def _forget(keys: Iterable[_Key]) -> None:
    for key in keys:
        _known.pop(key, None)


def _key(token: str, resource: str | None) -> _Key:
    return resource, hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
