"""What our requests are let in with: a secret as it is, or a bearer token of an OAuth 2 server, fetched with client credentials.

While the rotation of a secret overlaps there are two that may be good, and the server need not have learnt of the new one yet: where it is refused
(401), the one before it is tried, and whichever was taken is shown first from then on.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import httpx2

from mcp_platform.orchestrator.clients import trace
from mcp_platform.orchestrator.clients.plan import TokenRequest
from mcp_platform.orchestrator.core.words import clean

SOONER: Final = 30.0  # seconds before its end a token is renewed
UNKNOWN_LIFETIME: Final = 300.0
REFUSED: Final = 401
WRONG_SECRET: Final = (400, 401)  # RFC 6749, 5.2: invalid_client is told with either


class Secrets(httpx2.Auth):
    """`shown`: headers that carry the same secret as it is and as it was."""

    def __init__(self, shown: Sequence[Mapping[str, str]]) -> None:
        self._shown, self._taken = tuple(shown), 0

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        for place in _first(self._taken, len(self._shown)):
            request.headers.update(self._shown[place])
            response = yield request
            if response.status_code != REFUSED:
                self._taken = place
                return


def _first(taken: int, count: int) -> list[int]:
    return sorted(range(count), key=lambda place: place != taken)


class ClientCredentials(httpx2.Auth):
    """Sends the token that was fetched, and is kept in this process until it ends; fetches anew then, or when it is refused, once for each request.

    Its own requests take the same checked way. Where no token is had the request goes without one, and the server's 401 is the answer: an error
    raised here would end every call of the connection. `fetched` is told each token, so that nobody shows it.
    """

    requires_response_body = True

    def __init__(self, how: TokenRequest, *, fetched: Callable[[str], None]) -> None:
        self._how, self._fetched = how, fetched
        self._token, self._until = "", 0.0
        self._taken = 0

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        kept = self._token if time.monotonic() < self._until else ""
        if kept:
            request.headers["Authorization"] = f"Bearer {kept}"
            response = yield request
            if response.status_code != REFUSED:
                return
        if self._token == kept:  # not when another request has fetched one meanwhile
            for place in _first(self._taken, len(self._how.secrets)):
                response = yield self._asking(self._how.secrets[place])
                if response.status_code not in WRONG_SECRET:
                    self._taken = place
                    break
            self._keep(response)
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        else:
            request.headers.pop("Authorization", None)
        yield request

    def _asking(self, secret: str) -> httpx2.Request:
        form = {"grant_type": "client_credentials", "scope": self._how.scope, "audience": self._how.audience}
        request = httpx2.Request(
            "POST",
            self._how.token_url,
            content=urlencode({name: value for name, value in form.items() if value}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "Accept-Encoding": "identity"},
        )
        pair = httpx2.BasicAuth(self._how.client_id, secret)
        return next(pair.auth_flow(request))

    def _keep(self, response: httpx2.Response) -> None:
        told: Any = None
        if response.status_code == 200:
            try:
                told = response.json()
            except ValueError:
                told = None
        token = told.get("access_token") if isinstance(told, dict) else None
        if not isinstance(token, str) or not token:
            self._token, self._until = "", 0.0
            _refused(response)
            return
        lifetime = told.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) else UNKNOWN_LIFETIME
        self._token, self._until = token, time.monotonic() + max(seconds - SOONER, 1.0)
        self._fetched(token)


def _refused(response: httpx2.Response) -> None:
    seen = trace.current.get()
    if seen is not None:
        fault = response.extensions.get("fault")
        why = clean(str(fault))[:200] if fault is not None else f"it answered {response.status_code}"
        seen.token_refused = f"The token endpoint gave no token: {why.rstrip('.')}"
