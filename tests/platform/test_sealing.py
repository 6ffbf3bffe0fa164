"""Secrets at rest: only this platform's keys open them, and keys can be changed."""

import pytest
from cryptography.fernet import Fernet
from pytest_django.fixtures import Settings

from mcp_platform import sealing


def test_what_was_sealed_opens_again() -> None:
    token = sealing.seal("pässword ✓", purpose="test")
    assert "pässword" not in token
    assert sealing.unseal(token, purpose="test") == "pässword ✓"
    assert sealing.seal("pässword ✓", purpose="test") != token


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "é"])
def test_garbage_does_not_open(token: str) -> None:
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(token, purpose="test")


def test_a_new_key_opens_what_the_old_one_sealed(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    token = sealing.seal("secret", purpose="test")
    settings.ENCRYPTION_KEYS = [new, old]
    fresh = sealing.reseal(token, purpose="test")
    settings.ENCRYPTION_KEYS = [new]
    assert sealing.unseal(fresh, purpose="test") == "secret"
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(token, purpose="test")


def test_the_first_key_of_ones_own_opens_what_was_sealed_without_any(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = []
    token = sealing.seal("secret", purpose="test")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert sealing.unseal(token, purpose="test") == "secret"


@pytest.mark.parametrize("other", ["", "tes", "test2", "test\0{}"])
def test_a_token_opens_for_its_purpose_only(other: str) -> None:
    token = sealing.seal("{}", purpose="test")
    assert sealing.unseal(sealing.reseal(token, purpose="test"), purpose="test") == "{}"
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(token, purpose=other)
    with pytest.raises(sealing.SealBroken):
        sealing.reseal(token, purpose=other)


def test_a_text_cannot_pose_as_another_purpose() -> None:
    token = sealing.seal("visitor\0{}", purpose="test")
    assert sealing.unseal(token, purpose="test") == "visitor\0{}"
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(token, purpose="visitor")
