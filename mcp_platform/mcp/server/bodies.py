"""The body of a request: how long it may be and how long it may take, and what it asks for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from mcp_platform import errors, rest

Receive = Callable[[], Awaitable[Any]]
PATIENCE_SECONDS = 15.0


class BodyTooSlow(errors.Invalid):
    """The body did not come in time."""

    code = "REQUEST_TIMEOUT"


class Gone(Exception):
    """The client has gone before its request was whole."""


class Asking(NamedTuple):
    """`method` is "" for an answer of the client to a question of ours, and for what is no request at all: the SDK tells it so."""

    method: str
    params: Mapping[str, Any]


async def read(receive: Receive, declared: int) -> bytes:
    """Raises PayloadTooLarge, BodyTooSlow, Gone."""
    if declared > rest.MAX_BODY:
        raise rest.PayloadTooLarge(limit_bytes=rest.MAX_BODY)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _whole(receive)
    except TimeoutError as fault:
        raise BodyTooSlow(seconds=PATIENCE_SECONDS) from fault


async def _whole(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > rest.MAX_BODY:
            raise rest.PayloadTooLarge(limit_bytes=rest.MAX_BODY)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def again(body: bytes, receive: Receive) -> Receive:
    """`receive` for whoever comes behind: the body that has been read, then what the connection says."""
    given = False

    async def message() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return message


def asking(body: bytes) -> Asking:
    """Raises SchemaError for what is no strict JSON: one reader's last duplicate key must not be another one's first."""
    value = rest.read_json(body)
    if not isinstance(value, dict) or not isinstance(value.get("method"), str):
        return Asking("", {})
    params = value.get("params")
    return Asking(value["method"], params if isinstance(params, dict) else {})
