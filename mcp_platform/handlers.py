"""Django's request handlers with a short way for hot routes.

A hot view is an asynchronous function that authenticates by bearer token alone, so the middleware stack gives it nothing. Under ASGI the way
there costs more than the work: signals whose receivers are synchronous, a thread made for each request, and middleware that hops between
the two. Measured here on SQLite: 100 turns/s through the stack, several times that past it (`./run bench turn`).

Only POST without an Origin header takes the short way (a browser's request needs CORS); everything else is Django's.
"""

import io
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import close_old_connections
from django.http import HttpResponse

from mcp_platform import middleware, observability, rest
from mcp_platform.tenancy import scope

HotRoutes = Iterable[tuple[re.Pattern[str], Any]]  # the whole path; its named groups are UUIDs
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class HotASGIHandler(ASGIHandler):
    def __init__(self, routes: HotRoutes) -> None:
        super().__init__()
        self._routes = tuple(routes)

    async def __call__(self, asgi_scope: Any, receive: Any, send: Any) -> None:
        if asgi_scope["type"] == "http" and asgi_scope["method"] == "POST" and not any(name == b"origin" for name, _ in asgi_scope["headers"]):
            for pattern, view in self._routes:
                if found := pattern.fullmatch(asgi_scope["path"]):
                    await _answer(view, _ids(found), asgi_scope, receive, send)
                    return
        await super().__call__(asgi_scope, receive, send)


def _ids(found: re.Match[str]) -> dict[str, UUID]:
    return {name: UUID(value) for name, value in found.groupdict().items()}


async def _answer(view: Any, arguments: dict[str, Any], asgi_scope: Any, receive: Receive, send: Send) -> None:
    body = await _body(receive)
    if body is None:
        return
    request = ASGIRequest(asgi_scope, io.BytesIO(body))
    with observability.correlated(request.META.get("HTTP_X_CORRELATION_ID", "")) as correlation_id, scope.enter(()):
        response = middleware.finish(request, await view(request, **arguments), correlation_id)
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client has gone. One byte over the limit is enough to refuse it, the rest is read and dropped."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if size <= rest.MAX_BODY:
            parts.append(part)
            size += len(part)
        if not message.get("more_body", False):
            return b"".join(parts)


class HotWSGIHandler(WSGIHandler):
    """A hot request fires no request signals either, so the server's threads keep their database connection instead of fetching one from
    the pool for each request; POSTGRES_POOL_SIZE must cover the threads of a process."""

    def __init__(self, routes: HotRoutes) -> None:
        super().__init__()
        self._routes = tuple(routes)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST" and "HTTP_ORIGIN" not in environ:
            for pattern, view in self._routes:
                if found := pattern.fullmatch(environ["PATH_INFO"]):
                    response = _answer_here(view, _ids(found), environ)
                    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
                    return [response.content]
        return super().__call__(environ, start_response)


def _answer_here(view: Any, arguments: dict[str, Any], environ: Any) -> HttpResponse:
    request = WSGIRequest(environ)
    with observability.correlated(request.META.get("HTTP_X_CORRELATION_ID", "")) as correlation_id, scope.enter(()):
        response = view.sync(request, **arguments)
        if response.status_code >= 500:
            close_old_connections()  # one that broke is replaced with the next request
        return middleware.finish(request, response, correlation_id)
