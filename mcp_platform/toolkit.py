"""What apps offer to machines: tools that can be called and resources that can be read. Plain Python.

An app lists them in its `tools.py`; the composition root registers the lists (`composition.TOOLS`). Flows call tools through an integration
of type `tool`; other doors offer the same ones.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_platform.errors import NotFound


class ToolNotFound(NotFound):
    """This platform has no such tool."""

    code = "TOOL_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`call(tenant, arguments, actor)` gives JSON and raises PlatformError; `arguments` have passed `input_schema` (JSON Schema 2020-12).

    `scope` is what a caller from outside needs. `idempotent`: to call it twice does no more than to call it once.
    """

    name: str
    title: str
    description: str
    scope: str
    call: Callable[[Any, Mapping[str, Any], str], Any]
    input_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    idempotent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`read(tenant)` gives JSON and raises PlatformError."""

    uri: str
    name: str
    description: str
    scope: str
    read: Callable[[Any], Any]
    mime_type: str = "application/json"


_tools: dict[str, Tool] = {}
_resources: dict[str, Resource] = {}


def register(things: Iterable[Tool | Resource]) -> None:
    """For the composition root. The same thing may be registered again; two different ones of one name may not."""
    for thing in things:
        known: dict[str, Any] = _tools if isinstance(thing, Tool) else _resources
        name = thing.name if isinstance(thing, Tool) else thing.uri
        if known.setdefault(name, thing) is not thing:
            raise ValueError(f"two tools or resources are called {name}")


def tools() -> tuple[Tool, ...]:
    return tuple(sorted(_tools.values(), key=lambda found: found.name))


def resources() -> tuple[Resource, ...]:
    return tuple(sorted(_resources.values(), key=lambda found: found.uri))


def tool(name: str) -> Tool:
    """Raises ToolNotFound."""
    found = _tools.get(name)
    if found is None:
        raise ToolNotFound(f"There is no tool {name[:100]}.", tool=name[:100])
    return found
