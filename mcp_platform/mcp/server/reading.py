"""Lists, resources, prompts and completion."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from mcp_platform import observability, toolkit
from mcp_platform.errors import Invalid
from mcp_platform.mcp import calling, catalog, threads
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.core import paging
from mcp_platform.mcp.errors import PromptNotFound, ResourceNotFound
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import calls, translate
from mcp_platform.mcp.server.asked import Client, Context, of

log = observability.logger(__name__)

MOST_COMPLETED = 100


async def list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    entries = await threads.look(catalog.tools, of(ctx))
    shown, cursor = paging.page(entries, _cursor(params), key=lambda one: one.name)
    return types.ListToolsResult(tools=[translate.tool(entry) for entry in shown], next_cursor=cursor)


async def list_resources(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    listed = await threads.look(catalog.resources, of(ctx))
    shown, cursor = paging.page(listed, _cursor(params), key=lambda one: one.uri)
    return types.ListResourcesResult(resources=[translate.resource(one) for one in shown], next_cursor=cursor)


async def list_templates(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
    shown, cursor = paging.page(catalog.templates(of(ctx)), _cursor(params), key=lambda one: one.uri_template)
    return types.ListResourceTemplatesResult(resource_templates=[translate.template(one) for one in shown], next_cursor=cursor)


async def list_prompts(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    shown, cursor = paging.page(catalog.prompts(of(ctx)), _cursor(params), key=lambda one: one.name)
    return types.ListPromptsResult(prompts=[translate.prompt(one) for one in shown], next_cursor=cursor)


def _cursor(params: types.PaginatedRequestParams | None) -> str | None:
    return params.cursor if params is not None else None


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    async with _noted(ctx, uri, uri=uri) as asked:
        return types.ReadResourceResult(contents=[await _contents(asked, uri)])


async def _contents(asked: Asked, uri: str) -> types.TextResourceContents | types.BlobResourceContents:
    readable = catalog.readable(uri, asked.virtual)
    if readable is None:
        raise ResourceNotFound("Resource not found")
    asked.principal.require(readable.scope)
    value = await threads.work(str(asked.tenant.pk), readable.read, asked.tenant)
    return translate.contents(uri, readable.mime_type, value)


@asynccontextmanager
async def _noted(ctx: Context, name: str, arguments: Any = None, **facts: Any) -> AsyncIterator[Asked]:
    """However it ends, there is a row of it; what goes wrong is told in the words of the protocol, with these facts."""
    asked, began = of(ctx), time.monotonic()
    outcome, code = Call.Outcome.CANCELLED, ""
    try:
        yield asked
        outcome = Call.Outcome.OK
    except Exception as fault:
        error = calling.as_error(fault, asked.method, asked.correlation_id)
        outcome, code = calling.Done(error=error).outcome, error.code
        raise translate.protocol_error(error, asked.correlation_id, **facts) from fault
    finally:
        await calls.written(
            calling.record(asked, name=name, outcome=outcome, began=began, client=Client(ctx), code=code, arguments=arguments), outcome
        )


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    given = dict(params.arguments or {})
    async with _noted(ctx, params.name, given) as asked:
        found = catalog.prompt(params.name) if not asked.virtual else None
        if found is None:
            raise PromptNotFound(f"There is no prompt {params.name[:100]}.")
        asked.principal.require(found.scope)
        said = await _filled(asked, found, given)
        return types.GetPromptResult(description=found.description, messages=[await _message(asked, one) for one in said])


async def _filled(asked: Asked, prompt: toolkit.Prompt, given: dict[str, str]) -> list[toolkit.Said]:
    missing = [one.name for one in prompt.arguments if one.required and not given.get(one.name)]
    unknown = sorted(set(given) - {one.name for one in prompt.arguments})
    if missing or unknown:
        told = [*(f"{name} is missing" for name in missing), *(f"{name} is no argument of this prompt" for name in unknown)]
        raise Invalid(f"The arguments do not fit: {'; '.join(told)}.", missing=missing, unknown=unknown)
    return list(await threads.work(str(asked.tenant.pk), prompt.fill, asked.tenant, given))


async def _message(asked: Asked, said: toolkit.Said) -> types.PromptMessage:
    if said.resource:
        return types.PromptMessage(role=said.role, content=types.EmbeddedResource(resource=await _contents(asked, said.resource)))
    return types.PromptMessage(role=said.role, content=types.TextContent(text=said.text))


async def complete(ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Values that begin like what has been typed, of an argument of a prompt or a part of a template's address."""
    asked = of(ctx)
    suggest = _suggest(asked, params)
    values = list(await threads.work(str(asked.tenant.pk), suggest, asked.tenant, params.argument.value[:200])) if suggest is not None else []
    shown = values[:MOST_COMPLETED]
    return types.CompleteResult(completion=types.Completion(values=shown, total=len(values), has_more=len(values) > len(shown)))


def _suggest(asked: Asked, params: types.CompleteRequestParams) -> toolkit.Suggest | None:
    """Raises MCPError for what is not there."""
    if isinstance(params.ref, types.PromptReference):
        prompt = next((one for one in catalog.prompts(asked) if one.name == params.ref.name), None)
        if prompt is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no prompt {params.ref.name[:100]}.")
        return next((one.complete for one in prompt.arguments if one.name == params.argument.name), None)
    template = next((one for one in catalog.templates(asked) if one.uri_template == params.ref.uri), None)
    if template is None:
        raise MCPError(types.INVALID_PARAMS, f"There is no resource template {str(params.ref.uri)[:200]}.")
    return template.complete.get(params.argument.name)
