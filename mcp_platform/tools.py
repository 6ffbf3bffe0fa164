"""The tools of the platform itself."""

from collections.abc import Mapping
from typing import Any

from mcp_platform import health
from mcp_platform.toolkit import Tool


def ping(_tenant: Any, _arguments: Mapping[str, Any], _actor: str) -> dict[str, Any]:
    return {"pong": True}


def echo(_tenant: Any, arguments: Mapping[str, Any], _actor: str) -> dict[str, Any]:
    return {"echo": arguments["message"]}


def health_check(_tenant: Any, _arguments: Mapping[str, Any], _actor: str) -> dict[str, Any]:
    """The same words as /health: nothing that only operators should read."""
    components = health.run_checks(health.READY)
    return {"status": "healthy" if all(part["status"] == "healthy" for part in components.values()) else "unhealthy"}


TOOLS = (
    Tool(
        name="ping",
        title="Ping",
        description="Says that the platform answers.",
        scope="tools:ping",
        call=ping,
        input_schema={"type": "object", "additionalProperties": False},
        output_schema={"type": "object", "properties": {"pong": {"type": "boolean"}}, "required": ["pong"]},
        idempotent=True,
        read_only=True,
        instant=True,
    ),
    Tool(
        name="echo",
        title="Echo",
        description="Gives back the message it was sent.",
        scope="tools:echo",
        call=echo,
        input_schema={
            "type": "object",
            "properties": {"message": {"type": "string", "maxLength": 10_000}},
            "required": ["message"],
            "additionalProperties": False,
        },
        output_schema={"type": "object", "properties": {"echo": {"type": "string"}}, "required": ["echo"]},
        idempotent=True,
        read_only=True,
        instant=True,
    ),
    Tool(
        name="health_check",
        title="Health check",
        description="Whether the platform is ready to work.",
        scope="tools:health",
        call=health_check,
        input_schema={"type": "object", "additionalProperties": False},
        output_schema={"type": "object", "properties": {"status": {"enum": ["healthy", "unhealthy"]}}, "required": ["status"]},
        idempotent=True,
        read_only=True,
    ),
)
