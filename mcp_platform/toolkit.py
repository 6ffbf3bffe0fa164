"""What apps offer to machines: tools that can be called, resources that can be read, prompts that can be filled in. Plain Python.

An app lists them in its `tools.py`; the composition root registers the lists (`composition.TOOLS`). Flows call tools through an integration
of type `tool`; the Model Context Protocol server offers tools, resources and prompts to every client that has their scope.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from mcp_platform.errors import NotFound


class ToolNotFound(NotFound):
    """This platform has no such tool."""

    code = "TOOL_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`call(tenant, arguments, actor)` gives JSON and raises PlatformError; `arguments` have passed `input_schema` (JSON Schema 2020-12).

    `scope` is what a caller from outside needs. `idempotent`: to call it twice does no more than to call it once. `read_only`: it changes
    nothing; `destructive`: what it changes cannot be had back; `open_world`: it reaches systems outside of this platform. `instant`: it
    neither waits nor reads anything, so it needs no thread. A call that takes long says how far it is with `report` and asks `cancelled`.
    """

    name: str
    title: str
    description: str
    scope: str
    call: Callable[[Any, Mapping[str, Any], str], Any]
    input_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    idempotent: bool = False
    read_only: bool = False
    destructive: bool = False
    open_world: bool = False
    instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`read(tenant)` gives JSON, text or bytes and raises PlatformError."""

    uri: str
    name: str
    description: str
    scope: str
    read: Callable[[Any], Any]
    mime_type: str = "application/json"
    title: str = ""


Suggest: TypeAlias = Callable[[Any, str], Sequence[str]]  # (tenant, what has been typed) -> values that begin like it, best first


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTemplate:
    """Resources of one form: `uri_template` is RFC 6570, level 1 ("reports://{report}/pdf"). `read(tenant, {name: value})` gives JSON, text or
    bytes and raises PlatformError. `listed(tenant)` gives (uri, name) of those worth a place in the list of resources."""

    uri_template: str
    name: str
    description: str
    scope: str
    read: Callable[[Any, Mapping[str, str]], Any]
    mime_type: str = "application/json"
    title: str = ""
    complete: Mapping[str, Suggest] = field(default_factory=dict)
    listed: Callable[[Any], Sequence[tuple[str, str]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    name: str
    description: str = ""
    required: bool = False
    complete: Suggest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a prompt. With `resource`, the contents of that address are embedded instead of a text."""

    text: str = ""
    role: Literal["user", "assistant"] = "user"
    resource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`fill(tenant, {name: text})` gives the messages and raises PlatformError; required arguments are there."""

    name: str
    title: str
    description: str
    scope: str
    fill: Callable[[Any, Mapping[str, str]], Sequence[Said]]
    arguments: tuple[Argument, ...] = ()


Thing: TypeAlias = Tool | Resource | ResourceTemplate | Prompt


class Watch(Protocol):
    """Who listens to a call that takes long. Both are called from the call's thread."""

    def report(self, done: float, total: float | None, message: str) -> None: ...

    def cancelled(self) -> bool: ...


_watching: ContextVar[Watch | None] = ContextVar("mcp_tool_watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """For doors: calls inside are listened to."""
    before = _watching.set(watch)
    try:
        yield
    finally:
        _watching.reset(before)


def report(done: float, total: float | None = None, message: str = "") -> None:
    """For tools: so far the call has come. `done` grows from call to call; nothing happens when nobody listens."""
    watch = _watching.get()
    if watch is not None:
        watch.report(done, total, message)


def cancelled() -> bool:
    """For tools: whether whoever asked has given up, so that going on is of no use."""
    watch = _watching.get()
    return watch is not None and watch.cancelled()


_tools: dict[str, Tool] = {}
_resources: dict[str, Resource] = {}
_templates: dict[str, ResourceTemplate] = {}
_prompts: dict[str, Prompt] = {}


def _shelf(thing: Thing) -> tuple[dict[str, Any], str]:
    if isinstance(thing, Tool):
        return _tools, thing.name
    if isinstance(thing, Resource):
        return _resources, thing.uri
    if isinstance(thing, ResourceTemplate):
        return _templates, thing.uri_template
    return _prompts, thing.name


def register(things: Iterable[Thing]) -> None:
    """For the composition root. The same thing may be registered again; two different ones of one name may not."""
    for thing in things:
        known, name = _shelf(thing)
        if known.setdefault(name, thing) is not thing:
            raise ValueError(f"two tools or resources are called {name}")


def tools() -> tuple[Tool, ...]:
    return tuple(sorted(_tools.values(), key=lambda found: found.name))


def resources() -> tuple[Resource, ...]:
    return tuple(sorted(_resources.values(), key=lambda found: found.uri))


def templates() -> tuple[ResourceTemplate, ...]:
    return tuple(sorted(_templates.values(), key=lambda found: found.uri_template))


def prompts() -> tuple[Prompt, ...]:
    return tuple(sorted(_prompts.values(), key=lambda found: found.name))


def tool(name: str) -> Tool:
    """Raises ToolNotFound."""
    found = _tools.get(name)
    if found is None:
        raise ToolNotFound(f"There is no tool {name[:100]}.", tool=name[:100])
    return found
