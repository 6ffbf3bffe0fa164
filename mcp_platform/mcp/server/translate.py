"""The platform's descriptors and values in the types of the protocol."""

import base64
import json
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter

from mcp_platform.errors import Kind, PlatformError
from mcp_platform.mcp.calling import Done, problem
from mcp_platform.mcp.catalog import Entry, Listed
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.toolkit import Prompt, ResourceTemplate

CORRELATION = "mcp-platform/correlationId"
PROBLEM = "mcp-platform/error"
SERVER = "mcp-platform/server"
_BLOCK: TypeAdapter[types.ContentBlock] = TypeAdapter(types.ContentBlock)
CODES = {Kind.INVALID: types.INVALID_PARAMS, Kind.NOT_FOUND: types.INVALID_PARAMS, Kind.DENIED: types.INVALID_REQUEST}


def tool(entry: Entry) -> types.Tool:
    return types.Tool(
        name=entry.name,
        title=entry.title,
        description=entry.description,
        input_schema=dict(entry.input_schema),
        output_schema=dict(entry.output_schema) or None,
        annotations=types.ToolAnnotations(
            title=entry.title,
            read_only_hint=entry.read_only,
            destructive_hint=entry.destructive,
            idempotent_hint=entry.idempotent,
            open_world_hint=entry.open_world,
        ),
    )


def resource(listed: Listed) -> types.Resource:
    return types.Resource(uri=listed.uri, name=listed.name, title=listed.title, description=listed.description, mime_type=listed.mime_type)


def template(found: ResourceTemplate) -> types.ResourceTemplate:
    return types.ResourceTemplate(
        uri_template=found.uri_template, name=found.name, title=found.title or found.name, description=found.description, mime_type=found.mime_type
    )


def prompt(found: Prompt) -> types.Prompt:
    arguments = [types.PromptArgument(name=one.name, description=one.description, required=one.required) for one in found.arguments]
    return types.Prompt(name=found.name, title=found.title, description=found.description, arguments=arguments)


def contents(uri: str, mime_type: str, value: Any) -> types.TextResourceContents | types.BlobResourceContents:
    if isinstance(value, bytes):
        return types.BlobResourceContents(uri=uri, mime_type=mime_type, blob=base64.b64encode(value).decode())
    text = value if isinstance(value, str) else as_text(value)
    return types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)


def as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))


def result(done: Done, correlation_id: str) -> types.CallToolResult:
    """Structured where the tool gives an object; and always a text, which is what models read."""
    if done.error is not None:
        return refusal(done.error, correlation_id)
    if isinstance(done.data, Answer):
        return _upstream(done.data, correlation_id)
    return types.CallToolResult(
        content=[types.TextContent(text=done.data if isinstance(done.data, str) else as_text(done.data))],
        structured_content=done.data if isinstance(done.data, dict) else None,
        _meta={CORRELATION: correlation_id},
    )


def _upstream(answer: Answer, correlation_id: str) -> types.CallToolResult:
    """An upstream's answer goes on as it came, with the name of who gave it."""
    content = [_BLOCK.validate_python(dict(block)) for block in answer.content]
    told = answer.structured
    meta = {CORRELATION: correlation_id, SERVER: answer.server}
    return types.CallToolResult(content=content, structured_content=told, is_error=answer.is_error, _meta=meta)


def refusal(error: PlatformError, correlation_id: str) -> types.CallToolResult:
    """A tool's no is an answer, not an error of the protocol: the model reads it and may try otherwise."""
    return types.CallToolResult(
        content=[types.TextContent(text=error.message)], is_error=True, _meta={CORRELATION: correlation_id, PROBLEM: problem(error)}
    )


def protocol_error(error: PlatformError, correlation_id: str, **facts: Any) -> MCPError:
    data = {**facts, **problem(error), "correlation_id": correlation_id}
    return MCPError(CODES.get(error.kind, types.INTERNAL_ERROR), error.message, data)
