"""What a tenant's client is offered: the platform's tools, published flows that are marked for it, and tools of connected servers.

`/mcp` offers the platform's own things; `/mcp/v/<slug>` the chosen tools of one virtual server, and nothing else. A caller sees what its
permissions reach.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from conversations import queries as conversations
from flows import queries as flows
from flows.core.types import Flow
from flows.errors import EnvironmentNotFound
from mcp_platform import toolkit
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.core import names, questions, uris
from mcp_platform.mcp.errors import ArgumentsRefused
from mcp_platform.orchestrator.services import offers
from mcp_platform.orchestrator.services.offers import Offered
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.toolkit import Prompt, Resource, ResourceTemplate, Tool

OFFER = "offer_as_tool"  # in a flow's metadata; a flow is offered with the publish that says so
TALK = "conversations:write"
CONTINUE, SAY = "conversation_id", "say"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tool as clients see it. Exactly one of `tool` (a function), `flow` (asks back) and `upstream` (of a connected server) runs it."""

    name: str
    title: str
    description: str
    scope: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    source: str = "platform"
    tool: Tool | None = None
    flow: Flow | None = None
    upstream: Offered | None = None


def of_tool(tool: Tool) -> Entry:
    return Entry(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        scope=tool.scope,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        read_only=tool.read_only,
        destructive=tool.destructive,
        idempotent=tool.idempotent,
        open_world=tool.open_world,
        tool=tool,
    )


FLOW_RESULT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "conversation_id": {"type": "string"},
        "status": {
            "enum": ["done", "waiting", "working", "handed_over", "failed"],
            "description": "waiting: answer `question` by calling again with conversation_id and say",
        },
        "text": {"type": "string", "description": "What the flow has said"},
        "question": {"type": ["string", "null"]},
        "slots": {"type": "object", "description": "What the flow knows by now"},
    },
    "required": ["conversation_id", "status", "text"],
}
_CONTINUING: Mapping[str, Any] = {
    CONTINUE: {"type": "string", "format": "uuid", "description": "Go on with a conversation that waits for an answer"},
    SAY: {"type": "string", "maxLength": 4000, "description": "The answer, with conversation_id"},
}


def of_flow(flow: Flow) -> Entry:
    schema = questions.of_flow(flow)
    return Entry(
        name=names.of_flow(flow.flow_id),
        title=flow.name,
        description=(flow.description or f"Runs the flow {flow.name}.") + " It asks back for what is missing.",
        scope=TALK,
        input_schema={**schema, "properties": {**schema["properties"], **_CONTINUING}, "additionalProperties": False},
        output_schema=FLOW_RESULT,
        source="flow",
        flow=flow,
    )


def of_upstream(offered: Offered) -> Entry:
    """The definition is the one that was approved; what it says of itself is a hint of the upstream, not of ours."""
    told = offered.as_tool()
    hints = told.get("annotations") or {}
    return Entry(
        name=offered.name,
        title=str(told.get("title") or hints.get("title") or offered.name),
        description=str(told.get("description") or ""),
        scope=offered.scope,
        input_schema=told["inputSchema"],
        output_schema=told.get("outputSchema") or {},
        read_only=hints.get("readOnlyHint") is True,
        destructive=hints.get("destructiveHint") is not False and hints.get("readOnlyHint") is not True,
        idempotent=hints.get("idempotentHint") is True,
        open_world=hints.get("openWorldHint") is not False,
        source=offered.server,
        upstream=offered,
    )


def offered_flows(tenant: Tenant) -> dict[str, Flow]:
    """flow_id -> the version that runs in the default environment, of every flow that says in its metadata that it is a tool."""
    try:
        where = conversations.environment_id(tenant, "")
    except EnvironmentNotFound:
        return {}  # a tenant that has never published
    found = (flows.program_for(version).flow for version in flows.current_versions(tenant, where).values())
    return {flow.flow_id: flow for flow in found if flow.metadata.get(OFFER) is True}


def asked_by(principal: Principal, virtual: str = "") -> Asked:
    """A look at the catalogue by somebody who does not speak the protocol."""
    return Asked(principal=principal, path="", virtual=virtual, correlation_id="")


def tools(asked: Asked) -> list[Entry]:
    """Reads the database. In the order of their names, which is the order of pages. Raises VirtualServerNotFound."""
    every = [of_upstream(one) for one in offers.offered(asked.tenant, asked.virtual)] if asked.virtual else _of_main(asked.tenant)
    may = asked.principal.may
    return [entry for entry in every if may(entry.scope)]


def _of_main(tenant: Tenant) -> list[Entry]:
    """The platform's own names win: what an upstream is called never replaces what a client knows."""
    own = [of_tool(tool) for tool in toolkit.tools()] + [of_flow(flow) for flow in offered_flows(tenant).values()]
    taken = {entry.name for entry in own}
    others = [of_upstream(one) for one in offers.offered(tenant) if one.name not in taken]
    return sorted([*own, *others], key=lambda entry: entry.name)


def instantly(tenant: Tenant, name: str, virtual: str) -> Entry | None:
    """The tool of this name as far as this process knows it without the database."""
    if not virtual and (name in _OWN or _remembered(name)):
        return _OWN[name]
    if not virtual and name.startswith(names.FLOW):
        return None
    believed = offers.recall(tenant, virtual)
    found = believed.tools.get(name) if believed is not None else None
    return of_upstream(found) if found is not None else None


_OWN: dict[str, Entry] = {}


def _remembered(name: str) -> bool:
    try:
        _OWN[name] = of_tool(toolkit.tool(name))
    except toolkit.ToolNotFound:
        return False
    return True


def find(tenant: Tenant, name: str, virtual: str) -> Entry | None:
    """The tool that a call names, whether the caller may call it or not. Reads the database. Raises VirtualServerNotFound."""
    known = instantly(tenant, name, virtual)
    if known is not None:
        return known
    if not virtual and name.startswith(names.FLOW):
        flow = next((flow for flow in offered_flows(tenant).values() if names.of_flow(flow.flow_id) == name), None)
        if flow is not None:
            return of_flow(flow)
    found = offers.remember(tenant, virtual).tools.get(name)
    return of_upstream(found) if found is not None else None


def prompts(asked: Asked) -> list[Prompt]:
    return [prompt for prompt in toolkit.prompts() if asked.principal.may(prompt.scope)] if not asked.virtual else []


def prompt(name: str) -> Prompt | None:
    return next((found for found in toolkit.prompts() if found.name == name), None)


def templates(asked: Asked) -> list[ResourceTemplate]:
    return [template for template in toolkit.templates() if asked.principal.may(template.scope)] if not asked.virtual else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list of resources."""

    uri: str
    name: str
    title: str
    description: str
    mime_type: str


def resources(asked: Asked) -> list[Listed]:
    """Fixed ones, and those that templates think worth a line. Reads the database."""
    if asked.virtual:
        return []
    fixed = [
        Listed(uri=one.uri, name=one.name, title=one.title or one.name, description=one.description, mime_type=one.mime_type)
        for one in toolkit.resources()
        if asked.principal.may(one.scope)
    ]
    made = [
        Listed(uri=uri, name=name, title=name, description=template.description, mime_type=template.mime_type)
        for template in templates(asked)
        if template.listed is not None
        for uri, name in template.listed(asked.tenant)
    ]
    return sorted([*fixed, *made], key=lambda one: one.uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What reading an address would do."""

    scope: str
    mime_type: str
    read: Callable[[Tenant], Any]


def readable(uri: str, virtual: str) -> Readable | None:
    """The resource at an address, whether the caller may read it or not; None when no resource has such an address."""
    if virtual:
        return None
    fixed: Resource | None = next((one for one in toolkit.resources() if one.uri == uri), None)
    if fixed is not None:
        return Readable(scope=fixed.scope, mime_type=fixed.mime_type, read=fixed.read)
    for template in toolkit.templates():
        values = uris.match(template.uri_template, uri)
        if values is not None:
            return Readable(scope=template.scope, mime_type=template.mime_type, read=_reading(template, values))
    return None


def _reading(template: ResourceTemplate, values: Mapping[str, str]) -> Callable[[Tenant], Any]:
    return lambda tenant: template.read(tenant, values)


def going_on(arguments: Mapping[str, Any]) -> tuple[UUID | None, str | None]:
    """(the conversation that a call of a flow goes on with, what is said in it); None: it begins one, it only looks.

    Nothing of a call is left out in silence, least of all by beginning another conversation. Raises ArgumentsRefused.
    """
    given, said = arguments.get(CONTINUE), arguments.get(SAY)
    if given is None:
        if said is not None:
            raise _refused(SAY, f"there is nobody to say it to without {CONTINUE}")
        return None, None
    others = sorted(set(arguments) - {CONTINUE, SAY})
    if others:
        raise _refused(others[0], f"the conversation has begun: answer its question with {SAY}")
    try:
        return UUID(str(given)), None if said is None else str(said)
    except ValueError as fault:
        raise _refused(CONTINUE, "is no id of a conversation") from fault


def _refused(name: str, message: str) -> ArgumentsRefused:
    return ArgumentsRefused(f"The arguments do not fit: $.{name}: {message}", errors=[{"path": f"$.{name}", "message": message}])
