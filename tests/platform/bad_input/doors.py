"""The two ways in over HTTP, as servers call them: hot routes, handlers, middleware, everything."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from channels.testing import HttpCommunicator
from django.test import RequestFactory

from conversations.urls import HOT_ROUTES
from mcp_platform.handlers import HotASGIHandler, HotWSGIHandler


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def problem(self) -> Any:
        assert self.headers.get("Content-Type") == "application/problem+json", (self.status, self.headers, self.body[:300])
        return json.loads(self.body)


@functools.cache
def _wsgi() -> Any:
    return HotWSGIHandler(HOT_ROUTES)


@functools.cache
def _asgi() -> Any:
    return HotASGIHandler(HOT_ROUTES)


def wsgi(*, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    given = {name: value for name, value in headers.items() if name != "Content-Type"}
    environ = RequestFactory().generic(method, path, body, content_type=headers.get("Content-Type", ""), headers=given).environ
    begun: list[Any] = []
    response = _wsgi()(environ, lambda status, sent: begun.extend((int(status.split()[0]), dict(sent))))
    try:
        return Answer(status=begun[0], headers=begun[1], body=b"".join(response))
    finally:
        getattr(response, "close", bool)()  # a hot answer is a plain list


def asgi(*, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    sent = {"Host": "localhost", **headers, **({"Content-Length": str(len(body))} if body else {})}

    async def ask() -> Any:
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()]
        asking = HttpCommunicator(_asgi(), method, path, body, pairs)
        answer = await asking.get_response(timeout=60)
        await asking.wait()
        return answer

    got = async_to_sync(ask)()
    return Answer(status=got["status"], headers={name.decode(): value.decode() for name, value in got["headers"]}, body=got["body"])
