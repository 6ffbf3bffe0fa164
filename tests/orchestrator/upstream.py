"""An MCP server for tests, run as a process of its own: `upstream.py --port 9001 [--transport sse] [--era 2025] [--counter FILE] …`.

It counts what reaches it in a file (one line for each call), so that a test can tell how often something has really happened.
"""

import argparse
import asyncio
import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from mcp.server import CacheHint
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel

READS = ToolAnnotations(read_only_hint=True)


class Day(BaseModel):
    day: str


class Hour(BaseModel):
    hour: int


def which_day(room: str) -> Elicit[Day]:
    return Elicit(f"On which day do you need the {room}?", Day)


def which_hour(day: Annotated[Day, Resolve(which_day)]) -> Elicit[Hour]:
    return Elicit(f"From which hour on {day.day}?", Hour)


def made(given: argparse.Namespace) -> MCPServer[Any]:
    hints: Any = {"resources/read": CacheHint(ttl_ms=given.ttl_ms, scope=given.scope)} if given.ttl_ms is not None else None
    server: MCPServer[Any] = MCPServer(given.name, version="1.0", log_level="ERROR", cache_hints=hints)

    def count(what: str) -> int:
        if not given.counter:
            return 0
        with Path(given.counter).open("a") as counter:
            counter.write(f"{what}\n")
        return Path(given.counter).read_text().splitlines().count(what)

    @server.tool(description=given.describe, annotations=READS)
    def look(word: str) -> str:
        count("look")
        return f"{given.name}: {word}"

    @server.tool(description="Writes something down")
    def write(word: str) -> str:
        count("write")
        return word

    @server.tool(description="Takes its time")
    async def sleep(seconds: float) -> str:
        count("sleep")
        await asyncio.sleep(seconds)
        return "awake"

    @server.tool(description="Ends its process the first time", annotations=READS)
    def die_once() -> str:
        if count("die_once") == 1:
            os._exit(3)
        return "alive"

    @server.tool(description="Ends its process the first time, and is not safe to repeat")
    def die_once_writing() -> str:
        if count("die_once_writing") == 1:
            os._exit(3)
        return "written"

    @server.tool(description="Says that it has failed")
    def fail() -> str:
        raise ToolError("there is no paper")

    @server.tool(description="What it was sent along")
    def headers(context: Context[Any]) -> dict[str, str]:
        request = context.request_context.request
        return dict(request.headers) if request is not None else dict(os.environ)

    @server.tool(description="Books a room, and asks for the day and the hour")
    def book(room: str, day: Annotated[Day, Resolve(which_day)], hour: Annotated[Hour, Resolve(which_hour)]) -> str:
        count(f"book {room}")
        return f"{room}: {day.day}, {hour.hour}:00"

    @server.tool(description="Grows a tool")
    async def grow(context: Context[Any]) -> str:
        server.tool(name="grown", description="New")(lambda: "grown")
        await context.session.send_tool_list_changed()
        return "grown"

    for name in given.resource:
        _add_resource(server, name, given.name, count)
    return server


def _add_resource(server: MCPServer[Any], name: str, owner: str, count: Any) -> None:
    @server.resource(f"{name}://all", name=name, mime_type="application/json")
    def read() -> str:
        if name == "soiled":
            return '{"from": "\0"}\0'
        return json.dumps({"from": owner, "read": count(f"read:{name}")})


def of_2025(application: Any) -> Any:
    """A server that knows nothing of the newest protocol: what speaks it gets 400, as such servers answer."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (b"mcp-protocol-version", b"2026-07-28") in scope["headers"]:
            await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"Bad Request: unsupported protocol version"})
        else:
            await application(scope, receive, send)

    return run


def behind_oauth(application: Any, secret: Path, counter: Path) -> Any:
    """It takes the token that stands in the file's first line, and gives it to whoever has client credentials, with the secret of the second line
    where there is one; while the file is empty there is none."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        (token, _, wanted), shown = secret.read_text().partition("\n"), dict(scope["headers"]).get(b"authorization", b"").decode()
        if scope["path"] == "/token":
            with counter.open("a") as file:
                file.write(f"token {shown} {(await receive()).get('body', b'').decode()}\n")
            known = token and shown.endswith(b64encode(f"us:{wanted}".encode()).decode() if wanted else "")
            given = {"access_token": token, "token_type": "Bearer", "expires_in": 3600} if known else {"error": "invalid_client"}
            status, body = (200 if known else 401), json.dumps(given).encode()
        elif not token or shown != f"Bearer {token}":
            status, body = 401, f"no access with {shown}".encode()
        else:
            await application(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    return run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="upstream")
    parser.add_argument("--port", type=int, default=0, help="0: over stdin and stdout")
    parser.add_argument("--transport", default="streamable-http")
    parser.add_argument("--era", default="2026")
    parser.add_argument("--counter", default="")
    parser.add_argument("--describe", default="Looks something up")
    parser.add_argument("--resource", action="append", default=[])
    parser.add_argument("--ttl-ms", type=int, default=None)
    parser.add_argument("--scope", default="private")
    parser.add_argument("--token-file", default="")
    given = parser.parse_args(arguments)
    server = made(given)
    if not given.port:
        server.run("stdio")
        return
    application: Any = server.sse_app() if given.transport == "sse" else server.streamable_http_app()
    if given.era == "2025":
        application = of_2025(application)
    if given.token_file:
        application = behind_oauth(application, Path(given.token_file), Path(given.counter))
    uvicorn.run(application, host="127.0.0.1", port=given.port, log_level="error", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
