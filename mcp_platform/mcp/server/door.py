"""`/mcp` and `/mcp/v/<slug>` as an ASGI application in front of Django's. Every other address goes on to Django."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from django.db import DatabaseError

from mcp_platform import departure, errors, observability, rest
from mcp_platform.errors import PlatformError
from mcp_platform.mcp import queries
from mcp_platform.mcp.server import bodies, guard, identity, loops
from mcp_platform.oauth.core.addresses import metadata_of
from mcp_platform.oauth.core.challenges import INVALID, TOO_LITTLE, challenge
from mcp_platform.oauth.core.scopes import basic
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.permissions import PERMISSIONS
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = dict[str, str]
METHODS = "POST, GET, DELETE, OPTIONS"
BROWSER_HEADERS = "authorization, content-type, accept, last-event-id, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, x-correlation-id"
SHOWN_HEADERS = "mcp-session-id, www-authenticate, x-correlation-id, ratelimit, ratelimit-policy, retry-after"
JSON_RPC_INVALID = -32600
RECHECK_SECONDS = 60.0  # how long a revoked credential may keep its stream
STATUS = {"REQUEST_TIMEOUT": 408}


class Door:
    def __init__(self, behind: Callable[..., Awaitable[None]]) -> None:
        self._behind = behind

    async def __call__(self, asgi: dict[str, Any], receive: Any, send: Send) -> None:
        slug = guard.slug_of(asgi["path"]) if asgi["type"] == "http" and asgi["path"].startswith("/mcp") else None
        if slug is None:
            await self._behind(asgi, receive, send)
            return
        headers = guard.headers_of(asgi)
        with observability.correlated(headers.get("x-correlation-id", "")) as correlation_id, scope.enter(()):
            await _Request(asgi, receive, send, slug, headers, correlation_id).serve()


class _Request:
    """One request: what every answer carries, and the way from the guard to the SDK."""

    def __init__(self, asgi: dict[str, Any], receive: Any, send: Send, slug: str, headers: Headers, correlation_id: str) -> None:
        self.asgi, self.receive, self._send = asgi, receive, send
        self.slug, self.headers, self.correlation_id = slug, headers, correlation_id
        self.extra: Headers = {"X-Correlation-ID": correlation_id, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        self.begun = False
        self.ended = False
        self.method = ""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            if departure.leaving():
                self.extra["Connection"] = "close"
            given = list(message.get("headers", ()))
            ours = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.extra.items() if not _has(given, name)]
            message = {**message, "headers": [*given, *ours]}
            observability.PROTOCOL_REQUESTS.labels(self._label(), str(message["status"])).inc()
        self.ended = self.ended or (message["type"] == "http.response.body" and not message.get("more_body", False))
        await self._send(message)

    def _label(self) -> str:
        return observability.bounded(self.method or self.asgi["method"], "protocol_methods")

    async def serve(self) -> None:
        try:
            await self._serve()
        except bodies.Gone:
            pass
        except PlatformError as error:
            await self._refuse(error)
        except Exception as fault:
            known = rest.as_platform_error(fault)
            if known is None:
                log.exception("mcp_request_failed")
            await self._refuse(known or errors.Broken())

    async def _serve(self) -> None:
        guard.check_address(self.headers)
        self._allow_origin()
        verb = self.asgi["method"]
        if verb == "OPTIONS":
            await self._answer(204, {"Allow": METHODS, "Access-Control-Allow-Methods": METHODS, "Access-Control-Allow-Headers": BROWSER_HEADERS})
            return
        if verb not in ("POST", "GET", "DELETE") or (verb != "POST" and queries.stateless()):
            await self._answer(405, {"Allow": "POST" if queries.stateless() else METHODS})
            return
        principal, budget = await guard.admit(self.asgi, self.headers, self.slug)
        self.extra.update(budget.headers)
        body = await bodies.read(self.receive, _length(self.headers)) if verb == "POST" else b""
        asked = await guard.ask(self.asgi, principal, self.slug, body, self.correlation_id)
        self.method = asked.method
        from mcp_platform.mcp.server.sessions import owner_of

        self.asgi["user"] = owner_of(asked)
        receive = bodies.again(body, self.receive) if verb == "POST" else self.receive
        async with loops.serving(stateless=queries.stateless()) as sessions:
            if verb == "GET" or asked.method == "subscriptions/listen":
                await self._stream(sessions.handle_request(self.asgi, receive, self.send), principal)
            else:
                await sessions.handle_request(self.asgi, receive, self.send)

    async def _stream(self, serving: Any, principal: Principal) -> None:
        """A stream without an end: it ends with this process, in time, so that nobody waits for it, and with the credential."""
        observability.PROTOCOL_STREAMS.inc()
        tasks = [asyncio.create_task(one) for one in (serving, departure.ended(), _refused_again(principal))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            observability.PROTOCOL_STREAMS.dec()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
        if self.begun and not self.ended:
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _allow_origin(self) -> None:
        origin = self.headers.get("origin")
        if origin is not None:  # checked before: it is one of ours
            self.extra.update({"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": SHOWN_HEADERS, "Vary": "Origin"})

    async def _refuse(self, error: PlatformError) -> None:
        """An answer that both HTTP and JSON-RPC programs understand; nothing when the answer has begun already."""
        if self.begun:
            return
        status = STATUS.get(error.code, rest.status_of(error))
        headers = {**rest.headers_of(error), **getattr(error, "headers", {})}
        base = guard.base_of(self.asgi, self.headers)
        metadata = metadata_of(base + guard.path_of(self.slug), base)
        if status == 401:
            came = "authorization" in self.headers
            headers["WWW-Authenticate"] = challenge(
                metadata_url=metadata,
                scopes=basic(PERMISSIONS),  # nothing is known yet of what is wanted; more is asked for when it is needed
                error=INVALID if came else "",
                description=error.message if came else "",
            )
        elif error.code == guard.ScopeMissing.code:
            headers["WWW-Authenticate"] = challenge(
                metadata_url=metadata, error=TOO_LITTLE, description=error.message, scopes=str(error.details["scope"]).split()
            )
        problem = rest.problem(error)
        body = {**problem, "jsonrpc": "2.0", "id": None, "error": {"code": JSON_RPC_INVALID, "message": error.message, "data": problem}}
        await self._answer(status, {**headers, "Content-Type": "application/json"}, json.dumps(body, default=str).encode())

    async def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        told = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": [*told, (b"content-length", str(len(body)).encode())]})
        await self.send({"type": "http.response.body", "body": body})


async def _refused_again(principal: Principal) -> None:
    """Returns when the credential is no longer good."""
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        try:
            principal = await identity.recheck(principal)
        except Unauthenticated:
            return
        except (PlatformError, DatabaseError) as fault:  # not the caller's fault: looked at again
            log.warning("mcp_recheck_failed", fault=repr(fault))


def _has(headers: Iterable[tuple[bytes, bytes]], name: str) -> bool:
    return any(known.lower() == name.lower().encode() for known, _ in headers)


def _length(headers: Mapping[str, str]) -> int:
    given = headers.get("content-length", "")
    return int(given) if given.isdigit() else 0
