"""Secrets at rest: only this platform's keys open them, and keys can be changed."""

import pytest
from cryptography.fernet import Fernet
from pytest_django.fixtures import Settings

from mcp_platform import sealing


def test_what_was_sealed_opens_again() -> None:
    token = sealing.seal("pässword ✓")
    assert "pässword" not in token
    assert sealing.unseal(token) == "pässword ✓"
    assert sealing.seal("pässword ✓") != token


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "é"])
def test_garbage_does_not_open(token: str) -> None:
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(token)


def test_a_new_key_opens_what_the_old_one_sealed(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    token = sealing.seal("secret")
    settings.ENCRYPTION_KEYS = [new, old]
    fresh = sealing.reseal(token)
    settings.ENCRYPTION_KEYS = [new]
    assert sealing.unseal(fresh) == "secret"
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(token)
