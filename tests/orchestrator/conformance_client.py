"""The client of the orchestrator as the official conformance suite drives it: `conformance_client.py URL`, the scenario in the environment.

It connects, lists the tools and calls each of them once with values that fit its schema (or with those that the suite names).
"""

import asyncio
import json
import os
import sys
from typing import Any
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator.clients.connection import Connection
from mcp_platform.orchestrator.clients.plan import Plan
from mcp_platform.orchestrator.core.types import Upstream

VALUES: dict[str, Any] = {"string": "text", "number": 3, "integer": 5, "boolean": True, "array": [], "object": {}, "null": None}


def fitting(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """A value for each argument; one that is called `schema` gets that of another tool, as it has arrived here."""
    kinds = {name: one.get("type", "string") for name, one in (schemas[name].get("properties") or {}).items()}
    found = {name: VALUES[kind if isinstance(kind, str) else kind[0]] for name, kind in kinds.items()}
    other = next((one for one in schemas if one != name), None)
    return {**found, "schema": schemas[other]} if "schema" in found and other else found


async def main(url: str) -> None:
    upstream = Upstream(
        id=uuid4(), tenant_id=uuid4(), slug="suite", name="Suite", transport="streamable-http", url=url, priority=1, timeout=15.0, rev=1
    )
    connection = Connection(Plan(upstream=upstream, fingerprint="", allow_hosts=("localhost", "127.0.0.1")), heard=lambda *_: None)
    await connection.open()
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    schemas = {name: definition.get("inputSchema") or {} for name, (definition, _) in connection.tools.items()}
    wanted = context.get("toolCalls") or [{"name": name, "arguments": fitting(name, schemas)} for name in schemas]
    for one in wanted:

        async def ask(client: Any, one: Any = one) -> Any:
            return await client.call_tool(one["name"], one.get("arguments") or {}, read_timeout_seconds=15.0)

        try:
            print(await connection.request(ask, timeout=15.0), file=sys.stderr)  # noqa: T201
        except PlatformError as fault:
            print(one["name"], fault.code, fault.message, file=sys.stderr)  # noqa: T201
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
