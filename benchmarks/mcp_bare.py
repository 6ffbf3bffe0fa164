"""The SDK's own server with one tool and nothing else: what `benchmarks.mcp` compares with. `python -m benchmarks.mcp_bare PORT`."""

import sys

import uvicorn
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

server = MCPServer("bare")


class Echoed(BaseModel):
    echo: str


@server.tool()
def echo(message: str) -> Echoed:
    """Gives back the message it was sent."""
    return Echoed(echo=message)


@server.custom_route("/livez", methods=["GET"])  # type: ignore[untyped-decorator]  # the SDK does not type it
async def livez(_request: Request) -> Response:
    return Response("ok")


if __name__ == "__main__":
    uvicorn.run(server.streamable_http_app(), port=int(sys.argv[1]), log_level="error")
