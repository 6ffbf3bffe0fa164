"""Everything that is needed to connect to a server, its secrets opened. Lives as long as the connection, is never stored or logged."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_platform.orchestrator.core.types import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is started for a stdio server, as the operator has allowed it. `secret_variable` takes the secret of the server's authentication."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_variable: str = ""
    directory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """OAuth 2 client credentials: where a token is had, and for what. `secrets`: the one that is good now, then the one before it."""

    token_url: str
    client_id: str
    secrets: tuple[str, ...] = field(repr=False)
    scope: str = ""
    audience: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`fingerprint` changes with the credentials, so that nobody goes on over a connection of the old ones. `fetched`: the latest access tokens.

    `shown`: the headers that carry `secrets`; while a rotation overlaps there are two of each, the new one first.
    """

    upstream: Upstream
    fingerprint: str
    shown: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    token: TokenRequest | None = None
    program: Program | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    allow_hosts: tuple[str, ...] = ()
    fetched: deque[str] = field(default_factory=lambda: deque(maxlen=4), repr=False, compare=False)

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.upstream.id, self.upstream.rev, self.fingerprint)

    def veiled(self, text: str) -> str:
        """A text of the server without our secrets, which it may repeat."""
        for secret in (*self.secrets, *(self.token.secrets if self.token else ()), *self.fetched):
            if secret:
                text = text.replace(secret, "•••")
        return text
