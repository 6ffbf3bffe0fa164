"""Secrets at rest: a text goes in, a token comes out that only this platform's keys open. Fernet (AES-128-CBC + HMAC-SHA256), with rotation.

The first key of ENCRYPTION_KEYS seals; all of them open. Without it the key is derived from SECRET_KEY, so that the embedded default needs
no set-up; then a new SECRET_KEY makes what was sealed unreadable.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from mcp_platform import errors


class SealBroken(errors.Broken):
    """A stored secret cannot be opened: none of ENCRYPTION_KEYS has sealed it."""

    code = "SEAL_BROKEN"


def seal(text: str) -> str:
    """An URL-safe token. The same text gives another token each time."""
    return _keys().encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """Raises SealBroken."""
    try:
        return _keys().decrypt(token.encode()).decode()
    except (InvalidToken, UnicodeDecodeError) as fault:
        raise SealBroken from fault


def reseal(token: str) -> str:
    """The same text under the newest key. Raises SealBroken."""
    try:
        return _keys().rotate(token.encode()).decode()
    except InvalidToken as fault:
        raise SealBroken from fault


def _keys() -> MultiFernet:
    return _ring(tuple(settings.ENCRYPTION_KEYS), settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _ring(given: tuple[str, ...], secret: str) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in given] or [Fernet(_derived(secret))])


def _derived(secret: str) -> bytes:
    stretched = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mcp-platform/sealing").derive(secret.encode())
    return base64.urlsafe_b64encode(stretched)
