"""How long a request's body may be, counted while it comes.

Django's ASGI handler takes the whole body to disk before a view is asked, and a client that sends pieces need not say how many will come. So
neither the views' look at Content-Length nor their throttles keep a disk from being filled: this does, outside of everything else.
"""

import json
import re
from typing import Any, Final

from django.conf import settings

from mcp_platform import rest

OVERHEAD: Final = 1024 * 1024  # of a form around its file
MOST: Final = 128 * 1024 * 1024
VERIFIED: Final = 64 * 1024 * 1024  # a report that somebody without an account wants to know to be genuine
_MODELS: Final = re.compile(r"/admin/.*|/api/v1/validation/buildings/[^/]+/revisions")
_VERIFY: Final = re.compile(r"(/api/v1)?/verify/.*")


def largest(path: str) -> int:
    """Bytes."""
    if _VERIFY.fullmatch(path):
        return VERIFIED
    return max(MOST, settings.MODEL_MAX_BYTES + OVERHEAD) if _MODELS.fullmatch(path) else MOST


class _TooLong(Exception):
    """More has come than may."""


class Measured:
    """An ASGI application of which nobody can make longer requests than `largest` says: 413, and the connection ends."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, asgi: Any, receive: Any, send: Any) -> None:
        most, size, begun = largest(asgi["path"]), 0, False

        async def counted() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise _TooLong
            return message

        async def noted(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if _declared(asgi) > most:
                raise _TooLong
            await self._application(asgi, counted, noted)
        except _TooLong:
            if not begun:
                await _refuse(send, most)


def _declared(asgi: Any) -> int:
    length = next((value for name, value in asgi.get("headers") or () if name == b"content-length"), b"")
    return int(length) if length.isdigit() else 0


async def _refuse(send: Any, most: int) -> None:
    error = rest.PayloadTooLarge("The body is larger than it may be here.", limit_bytes=most)
    body = json.dumps(rest.problem(error)).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": rest.status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})
