"""A model is code in all but name: it is run only when its bytes are the ones that this platform has trained.

The digest tells damage, the HMAC tells forgery: it also covers which tenant, kind and subject the bytes belong to, so that an artifact cannot be
moved to another row. Keys are derived from ENCRYPTION_KEYS and, last, from SECRET_KEY, so that ENCRYPTION_KEYS may be set later: the first
signs, any of them verifies.
"""

import hashlib
import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from mcp_platform.ml.models import ModelVersion


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sign(content: bytes, row: ModelVersion) -> str:
    return _mac(_keys()[0], content, row)


def fits(content: bytes, row: ModelVersion) -> bool:
    right = hmac.compare_digest(digest(content), row.sha256)
    return right and any(hmac.compare_digest(_mac(key, content, row), row.signature) for key in _keys())


def _mac(key: bytes, content: bytes, row: ModelVersion) -> str:
    identity = "\0".join((str(row.tenant_id), row.kind, row.subject, str(row.pk)))
    return hmac.new(key, identity.encode() + b"\0\0" + content, hashlib.sha256).hexdigest()


def _keys() -> tuple[bytes, ...]:
    return _derived((*settings.ENCRYPTION_KEYS, settings.SECRET_KEY))


@lru_cache(maxsize=4)
def _derived(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mcp-platform/models").derive(one.encode()) for one in secrets)
