"""fastmcp's proxy in front of a server: `python fastmcp_proxy.py UPSTREAM_PORT PORT`, with the Python of an environment that has fastmcp."""

import sys

from fastmcp import FastMCP  # type: ignore[import-not-found]  # in an environment of its own
from starlette.responses import PlainTextResponse

proxy = FastMCP.as_proxy(f"http://127.0.0.1:{sys.argv[1]}/mcp")


@proxy.custom_route("/livez", methods=["GET"])  # type: ignore[untyped-decorator]  # as above
async def livez(_request: object) -> PlainTextResponse:
    return PlainTextResponse("ok")


if __name__ == "__main__":
    proxy.run(transport="http", port=int(sys.argv[2]), log_level="error")
