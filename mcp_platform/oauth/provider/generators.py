"""What tokens look like. 256 random bits; the beginning tells people and secret scanners what they have found."""

import secrets
from typing import Any

ACCESS_START = "mcpo_"
REFRESH_START = "mcpr_"


def access_token(request: Any, refresh_token: bool = False) -> str:
    return ACCESS_START + secrets.token_urlsafe(32)


def refresh_token(request: Any, refresh_token: bool = True) -> str:
    return REFRESH_START + secrets.token_urlsafe(32)
