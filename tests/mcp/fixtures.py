"""The tools, resources and prompts that the official conformance suite calls by name, on top of the real catalogue.

`settings.MCP_FIXTURES` names `install`; only tests.mcp.conformance_settings does that.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from mcp_platform import realtime
from mcp_platform.mcp.server.asked import of

Fixture = Callable[[Any, Any], Awaitable[Any]]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}
TEMPLATE = "test://template/"


def text(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=words)])


def says(*content: Any) -> Fixture:
    async def answer(_ctx: Any, _params: Any) -> types.CallToolResult:
        return types.CallToolResult(content=list(content))

    return answer


def embedded(uri: str, mime_type: str, words: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=words))


async def fails(_ctx: Any, _params: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text="This tool intentionally returns an error for testing")], is_error=True)


async def logs(ctx: Any, _params: Any) -> types.CallToolResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        await asyncio.sleep(0.05)
    return text("logged")


async def progresses(ctx: Any, _params: Any) -> types.CallToolResult:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"{done} of 100")
        await asyncio.sleep(0.05)
    return text("done")


async def samples(ctx: Any, params: Any) -> types.CallToolResult:
    asked = types.SamplingMessage(role="user", content=types.TextContent(text=(params.arguments or {}).get("prompt", "")))
    answer = await ctx.session.create_message([asked], max_tokens=100, related_request_id=ctx.request_id)
    return text(f"LLM response: {getattr(answer.content, 'text', '')}")


def elicits(schema: Mapping[str, Any], lead: str) -> Fixture:
    async def ask(ctx: Any, params: Any) -> types.CallToolResult:
        message = (params.arguments or {}).get("message", "Please answer")
        answer = await ctx.session.elicit_form(message, dict(schema), related_request_id=ctx.request_id)
        return text(f"{lead}: action={answer.action}, content={json.dumps(answer.content)}")

    return ask


async def reconnects(ctx: Any, _params: Any) -> types.CallToolResult:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(0.1)
    return text("Reconnected and finished")


async def changes_tools(ctx: Any, _params: Any) -> types.CallToolResult:
    realtime.catalogue_changed(of(ctx).tenant.pk, "tools")
    return text("changed")


async def changes_prompts(ctx: Any, _params: Any) -> types.CallToolResult:
    realtime.catalogue_changed(of(ctx).tenant.pk, "prompts")
    return text("changed")


async def needs_sampling(ctx: Any, _params: Any) -> types.CallToolResult:
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        required = types.MissingRequiredClientCapabilityErrorData(required_capabilities=types.ClientCapabilities(sampling=types.SamplingCapability()))
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY, "This needs sampling.", required.model_dump(by_alias=True, mode="json", exclude_none=True)
        )
    return text("sampling is there")


def form(message: str, name: str, kind: str = "string") -> types.ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(question: str, most: int = 100) -> types.CreateMessageRequest:
    asked = types.SamplingMessage(role="user", content=types.TextContent(text=question))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[asked], max_tokens=most))


def roots() -> types.ListRootsRequest:
    return types.ListRootsRequest()


def field(answer: Any, name: str) -> Any:
    return answer.content.get(name) if isinstance(answer, types.ElicitResult) and answer.content else None


def asks(requests: Mapping[str, Any], *, state: str | None = None, finished: Callable[[Mapping[str, Any]], str | None]) -> Fixture:
    """Ask for `requests` until `finished` finds what it needs in the answers."""

    async def round_trip(_ctx: Any, params: Any) -> Any:
        given = params.input_responses or {}
        words = finished(given) if state is None or params.request_state == state else None
        return text(words) if words is not None else types.InputRequiredResult(input_requests=dict(requests), request_state=state)

    return round_trip


def greeted(given: Mapping[str, Any]) -> str | None:
    name = field(given.get("user_name"), "name")
    return f"Hello, {name}!" if isinstance(name, str) else None


def sampled(given: Mapping[str, Any]) -> str | None:
    answer = given.get("capital_question")
    return str(getattr(answer.content, "text", answer.content)) if isinstance(answer, types.CreateMessageResult) else None


def rooted(given: Mapping[str, Any]) -> str | None:
    answer = given.get("client_roots")
    return "roots: " + ", ".join(str(root.uri) for root in answer.roots) if isinstance(answer, types.ListRootsResult) else None


def confirmed(given: Mapping[str, Any]) -> str | None:
    return "state-ok" if field(given.get("confirm"), "ok") is not None else None


def everything(given: Mapping[str, Any]) -> str | None:
    return "all there" if {"user_name", "greeting", "client_roots"} <= set(given) else None


async def two_rounds(_ctx: Any, params: Any) -> Any:
    given = params.input_responses or {}
    if params.request_state == "round-2" and field(given.get("step2"), "color"):
        return text(f"Done: {field(given['step2'], 'color')}")
    if params.request_state == "round-1" and field(given.get("step1"), "name"):
        second: dict[str, Any] = {"step2": form("Step 2: What is your favorite color?", "color")}
        return types.InputRequiredResult(input_requests=second, request_state="round-2")
    first: dict[str, Any] = {"step1": form("Step 1: What is your name?", "name")}
    return types.InputRequiredResult(input_requests=first, request_state="round-1")


async def what_it_can(ctx: Any, params: Any) -> Any:
    declared = ctx.session.client_capabilities
    asked: dict[str, Any] = {}
    if declared is not None and declared.elicitation is not None:
        asked["user_name"] = form("What is your name?", "name")
    if declared is not None and declared.sampling is not None:
        asked["greeting"] = sampling("Generate a greeting")
    if params.input_responses or not asked:
        return text("done")
    return types.InputRequiredResult(input_requests=asked)


PERSON = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}
DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
_TITLED = [{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}, {"const": "value3", "title": "Third Option"}]
ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": _TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
    },
}
RICH_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
HEADERS = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "query": {"type": "string"}}}
MIXED = (
    types.TextContent(text="Multiple content types test:"),
    types.ImageContent(data=PNG, mime_type="image/png"),
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
)
MANY = {"user_name": form("What is your name?", "name"), "greeting": sampling("Generate a greeting", 50), "client_roots": roots()}
NAME = {"user_name": form("What is your name?", "name")}
CONFIRM = {"confirm": form("Please confirm", "ok", "boolean")}
ROUND = "test_input_required_result_"

TOOLS: Mapping[str, tuple[Mapping[str, Any], Fixture]] = {
    "test_simple_text": (NOTHING, says(types.TextContent(text="This is a simple text response for testing."))),
    "test_image_content": (NOTHING, says(types.ImageContent(data=PNG, mime_type="image/png"))),
    "test_audio_content": (NOTHING, says(types.AudioContent(data=WAV, mime_type="audio/wav"))),
    "test_embedded_resource": (NOTHING, says(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."))),
    "test_multiple_content_types": (NOTHING, says(*MIXED)),
    "test_tool_with_logging": (NOTHING, logs),
    "test_logging_tool": (NOTHING, logs),
    "test_error_handling": (NOTHING, fails),
    "test_tool_with_progress": (NOTHING, progresses),
    "test_sampling": ({"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}, samples),
    "test_elicitation": (
        {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
        elicits(PERSON, "User response"),
    ),
    "test_elicitation_sep1034_defaults": (NOTHING, elicits(DEFAULTS, "Elicitation completed")),
    "test_elicitation_sep1330_enums": (NOTHING, elicits(ENUMS, "Elicitation completed")),
    "test_reconnection": (NOTHING, reconnects),
    "json_schema_2020_12_tool": (RICH_SCHEMA, says(types.TextContent(text="fits"))),
    "test_custom_headers": (HEADERS, says(types.TextContent(text="headers are there"))),
    "test_missing_capability": (NOTHING, needs_sampling),
    "test_streaming_elicitation": (NOTHING, asks(NAME, finished=greeted)),
    "test_trigger_tool_change": (NOTHING, changes_tools),
    "test_trigger_prompt_change": (NOTHING, changes_prompts),
    f"{ROUND}elicitation": (NOTHING, asks(NAME, finished=greeted)),
    f"{ROUND}sampling": (NOTHING, asks({"capital_question": sampling("What is the capital of France?")}, finished=sampled)),
    f"{ROUND}list_roots": (NOTHING, asks({"client_roots": roots()}, finished=rooted)),
    f"{ROUND}request_state": (NOTHING, asks(CONFIRM, state="asked-to-confirm", finished=confirmed)),
    f"{ROUND}tampered_state": (NOTHING, asks(CONFIRM, state="asked-to-confirm", finished=confirmed)),
    f"{ROUND}multiple_inputs": (NOTHING, asks(MANY, state="asked-for-all", finished=everything)),
    f"{ROUND}multi_round": (NOTHING, two_rounds),
    f"{ROUND}capabilities": (NOTHING, what_it_can),
}


def said(words: str) -> types.PromptMessage:
    return types.PromptMessage(role="user", content=types.TextContent(text=words))


async def with_arguments(_ctx: Any, params: Any) -> list[types.PromptMessage]:
    given = params.arguments or {}
    return [said(f"Prompt with arguments: arg1='{given.get('arg1', '')}', arg2='{given.get('arg2', '')}'")]


async def with_resource(_ctx: Any, params: Any) -> list[types.PromptMessage]:
    uri = (params.arguments or {}).get("resourceUri", "test://example-resource")
    shown = embedded(uri, "text/plain", "Embedded resource content for testing.")
    return [types.PromptMessage(role="user", content=shown), said("Please process the embedded resource above.")]


async def with_image(_ctx: Any, _params: Any) -> list[types.PromptMessage]:
    picture = types.PromptMessage(role="user", content=types.ImageContent(data=PNG, mime_type="image/png"))
    return [picture, said("Please analyze the image above.")]


async def simple(_ctx: Any, _params: Any) -> list[types.PromptMessage]:
    return [said("This is a simple prompt for testing.")]


async def asking_prompt(_ctx: Any, params: Any) -> Any:
    context = field((params.input_responses or {}).get("user_context"), "context")
    if context is None:
        wanted: dict[str, Any] = {"user_context": form("What context should the prompt use?", "context")}
        return types.InputRequiredResult(input_requests=wanted)
    return [said(f"In the context of {context}.")]


PROMPTS: Mapping[str, tuple[tuple[str, ...], Fixture]] = {
    "test_simple_prompt": ((), simple),
    "test_prompt_with_arguments": (("arg1", "arg2"), with_arguments),
    "test_prompt_with_embedded_resource": (("resourceUri",), with_resource),
    "test_prompt_with_image": ((), with_image),
    f"{ROUND}prompt": ((), asking_prompt),
}
RESOURCES: Mapping[str, Any] = {
    "test://static-text": types.TextResourceContents(
        uri="test://static-text", mime_type="text/plain", text="This is the content of the static text resource."
    ),
    "test://static-binary": types.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
    "test://watched-resource": types.TextResourceContents(uri="test://watched-resource", mime_type="text/plain", text="watched"),
}


def _templated(uri: str) -> types.TextResourceContents | None:
    if not uri.startswith(TEMPLATE) or not uri.endswith("/data"):
        return None
    name = uri.removeprefix(TEMPLATE).removesuffix("/data")
    body = json.dumps({"id": name, "templateTest": True, "data": f"Data for ID: {name}"})
    return types.TextResourceContents(uri=uri, mime_type="application/json", text=body)


def install(server: Server[Any]) -> None:
    """Put the fixtures before the server's own handlers, which still do all the rest."""
    own = {name: server.get_request_handler(name) for name in ("tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list")}
    own |= {name: server.get_request_handler(name) for name in ("resources/read", "resources/templates/list", "completion/complete")}
    schema_of = server.get_tool_input_schema

    async def kept(name: str, ctx: Any, params: Any) -> Any:
        entry = own[name]
        assert entry is not None
        return await entry.handler(ctx, params)

    async def list_tools(ctx: Any, params: Any) -> Any:
        real = await kept("tools/list", ctx, params)
        mine = [types.Tool(name=name, description=f"Fixture {name}.", input_schema=dict(schema)) for name, (schema, _) in TOOLS.items()]
        return real.model_copy(update={"tools": [*real.tools, *mine]})

    async def call_tool(ctx: Any, params: Any) -> Any:
        found = TOOLS.get(params.name)
        return await (found[1](ctx, params) if found is not None else kept("tools/call", ctx, params))

    async def list_prompts(ctx: Any, params: Any) -> Any:
        real = await kept("prompts/list", ctx, params)
        mine = [
            types.Prompt(name=name, description=f"Fixture {name}.", arguments=[types.PromptArgument(name=one, required=True) for one in arguments])
            for name, (arguments, _) in PROMPTS.items()
        ]
        return real.model_copy(update={"prompts": [*real.prompts, *mine]})

    async def get_prompt(ctx: Any, params: Any) -> Any:
        if params.name not in PROMPTS:
            return await kept("prompts/get", ctx, params)
        answer = await PROMPTS[params.name][1](ctx, params)
        return types.GetPromptResult(description="A fixture.", messages=answer) if isinstance(answer, list) else answer

    async def list_resources(ctx: Any, params: Any) -> Any:
        real = await kept("resources/list", ctx, params)
        mine = [types.Resource(uri=uri, name=uri, description="A fixture.", mime_type=one.mime_type) for uri, one in RESOURCES.items()]
        return real.model_copy(update={"resources": [*real.resources, *mine]})

    async def read_resource(ctx: Any, params: Any) -> Any:
        uri = str(params.uri)
        found = RESOURCES.get(uri) or _templated(uri)
        return types.ReadResourceResult(contents=[found]) if found is not None else await kept("resources/read", ctx, params)

    async def list_templates(ctx: Any, params: Any) -> Any:
        real = await kept("resources/templates/list", ctx, params)
        mine = types.ResourceTemplate(uri_template=f"{TEMPLATE}{{id}}/data", name="fixture", description="A fixture.", mime_type="application/json")
        return real.model_copy(update={"resource_templates": [*real.resource_templates, mine]})

    async def complete(ctx: Any, params: Any) -> Any:
        if isinstance(params.ref, types.PromptReference) and params.ref.name in PROMPTS:
            return types.CompleteResult(completion=types.Completion(values=["paris", "park", "party"], total=3, has_more=False))
        return await kept("completion/complete", ctx, params)

    mine: Mapping[str, tuple[Any, Any]] = {
        "tools/list": (types.PaginatedRequestParams, list_tools),
        "tools/call": (types.CallToolRequestParams, call_tool),
        "prompts/list": (types.PaginatedRequestParams, list_prompts),
        "prompts/get": (types.GetPromptRequestParams, get_prompt),
        "resources/list": (types.PaginatedRequestParams, list_resources),
        "resources/read": (types.ReadResourceRequestParams, read_resource),
        "resources/templates/list": (types.PaginatedRequestParams, list_templates),
        "completion/complete": (types.CompleteRequestParams, complete),
    }
    for name, (params, handler) in mine.items():
        server.add_request_handler(name, params, handler)
    server.get_tool_input_schema = lambda name: TOOLS[name][0] if name in TOOLS else schema_of(name) if schema_of is not None else None
