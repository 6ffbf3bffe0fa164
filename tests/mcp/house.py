"""Two tenants behind a real server: the door in a thread of uvicorn, on the database of the tests, with clients of every kind."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import httpx2
import mcp_types as types
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_platform import composition
from mcp_platform.mcp.server.door import Door
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import ALL, of_role
from tests import factories

T = TypeVar("T")
LEGACY, MODERN = "2025-11-25", "2026-07-28"
WHO = {"owner": ALL, "colleague": ALL, "viewer": of_role(Role.VIEWER), "echo only": frozenset({"tools:echo"})}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`keys`: who -> token of the first tenant; "stranger" is an owner of the second one."""

    base: str
    ours: Tenant
    theirs: Tenant
    keys: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"{self.base}/mcp"

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[who]}"} if who else {}

    def post(self, who: str, method: str, params: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:
        """One request of the newest revision."""
        path = more.pop("path", "/mcp")
        headers = {**modern_headers(method, params), **self.bearer(who), **more.pop("headers", {})}
        body = more.pop("content", None) or rpc(method, params)
        return httpx.post(f"{self.base}{path}", content=body, headers=headers, timeout=30)

    def result(self, who: str, method: str, params: Mapping[str, Any] | None = None) -> Any:
        answer = self.post(who, method, params)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def call(self, who: str, tool: str, **arguments: Any) -> Any:
        return self.result(who, "tools/call", {"name": tool, "arguments": arguments})

    def talk(self, who: str, mode: str, story: Callable[[Client], Awaitable[T]], **how: Any) -> T:
        """The SDK's client, which speaks one revision: LEGACY with a session, MODERN without."""

        async def run() -> T:
            path = how.pop("path", "/mcp")
            async with httpx2.AsyncClient(headers=self.bearer(who), timeout=30) as http:
                transport = streamable_http_client(f"{self.base}{path}", http_client=http)
                async with Client(transport, mode="legacy" if mode == LEGACY else "auto", **how) as client:
                    assert client.protocol_version == mode
                    return await story(client)

        return asyncio.run(run())


def rpc(method: str, params: Mapping[str, Any] | None = None, **more: Any) -> bytes:
    import json

    meta = {
        types.PROTOCOL_VERSION_META_KEY: MODERN,
        types.CLIENT_CAPABILITIES_META_KEY: more.pop("capabilities", {"elicitation": {"form": {}}}),
        types.CLIENT_INFO_META_KEY: {"name": "tests", "version": "1"},
    }
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": meta}}).encode()


def modern_headers(method: str, params: Mapping[str, Any] | None = None) -> dict[str, str]:
    named = (params or {}).get("name") or (params or {}).get("uri")
    return {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
        **({"Mcp-Name": str(named)} if named else {}),
    }


async def nowhere(_scope: Any, _receive: Any, send: Any) -> None:
    """What is behind the door: nothing, in these tests."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def served(app: Any = None) -> Iterator[str]:
    """The base URL of the door, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    composition.register_tools()
    server = uvicorn.Server(uvicorn.Config(app or Door(nowhere), port=port, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)


@contextmanager
def inhabited() -> Iterator[House]:
    ours, theirs = factories.TenantFactory.create(slug="ours"), factories.TenantFactory.create(slug="theirs")
    factories.published(ours, factories.greeting("greeting", description="Greets somebody.", metadata={"offer_as_tool": True}))
    factories.published(ours, factories.greeting("private"))
    card = {"name": {"type": "text", "sensitive": True}}
    factories.published(ours, factories.greeting("card", description="Asks for a secret.", metadata={"offer_as_tool": True}, slots=card))
    keys = {who: factories.key(ours, scopes) for who, scopes in WHO.items()}
    keys["stranger"] = factories.key(theirs)
    with served() as base:
        yield House(base=base, ours=ours, theirs=theirs, keys=keys)
