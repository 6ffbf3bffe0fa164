"""Secrets at rest: a text goes in, a token comes out that only this platform's keys open. Fernet (AES-128-CBC + HMAC-SHA256), with rotation.

The first key of ENCRYPTION_KEYS seals; all of them open, and last the one that is derived from SECRET_KEY, which is the only one where nothing
is set: the embedded default needs no set-up, and keys of one's own can come later. Without any, a new SECRET_KEY makes what was sealed unreadable.

A token is bound to its purpose, a constant of the room that seals it: what one room has sealed opens in no other.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from mcp_platform import errors


class SealBroken(errors.Broken):
    """A stored secret cannot be opened: none of ENCRYPTION_KEYS has sealed it, or for another purpose."""

    code = "SEAL_BROKEN"


_END = "\0"  # of the purpose, inside the token


def seal(text: str, *, purpose: str) -> str:
    """An URL-safe token. The same text gives another token each time."""
    return _keys().encrypt(f"{purpose}{_END}{text}".encode()).decode()


def unseal(token: str, *, purpose: str) -> str:
    """Raises SealBroken."""
    try:
        sealed_for, end, text = _keys().decrypt(token.encode()).decode().partition(_END)
    except (InvalidToken, UnicodeDecodeError) as fault:
        raise SealBroken from fault
    if not end or sealed_for != purpose:
        raise SealBroken
    return text


def reseal(token: str, *, purpose: str) -> str:
    """The same text under the newest key. Raises SealBroken."""
    return seal(unseal(token, purpose=purpose), purpose=purpose)


def _keys() -> MultiFernet:
    return _ring(tuple(settings.ENCRYPTION_KEYS), settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _ring(given: tuple[str, ...], secret: str) -> MultiFernet:
    return MultiFernet([*(Fernet(key) for key in given), Fernet(_derived(secret))])  # the derived one last: it opens what was sealed before


def _derived(secret: str) -> bytes:
    stretched = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mcp-platform/sealing").derive(secret.encode())
    return base64.urlsafe_b64encode(stretched)
