"""Lists, resources, prompts and completion."""

import time
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from mcp_platform import observability, toolkit
from mcp_platform.errors import Invalid, PlatformError
from mcp_platform.mcp import calling, catalog, threads
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.core import paging
from mcp_platform.mcp.errors import PromptNotFound, ResourceNotFound
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import translate
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
    asked, uri, began = of(ctx), str(params.uri), time.monotonic()
    try:
        found = await _contents(asked, uri)
    except PlatformError as error:
        await _note(ctx, uri, began, error)
        raise translate.protocol_error(error, asked.correlation_id, uri=uri) from error
    await _note(ctx, uri, began)
    return types.ReadResourceResult(contents=[found])


async def _contents(asked: Asked, uri: str) -> types.TextResourceContents | types.BlobResourceContents:
    readable = catalog.readable(uri, asked.virtual)
    if readable is None:
        raise ResourceNotFound("Resource not found")
    asked.principal.require(readable.scope)
    async with threads.turnstile(str(asked.tenant.pk)):
        value = await threads.run(readable.read, asked.tenant)
    return translate.contents(uri, readable.mime_type, value)


async def _note(ctx: Context, name: str, began: float, error: PlatformError | None = None, arguments: Any = None) -> None:
    outcome = calling.Done(error=error).outcome if error is not None else Call.Outcome.OK
    code = error.code if error is not None else ""
    await calling.record(of(ctx), name=name, outcome=outcome, began=began, client=Client(ctx), code=code, arguments=arguments)


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    asked, given, began = of(ctx), dict(params.arguments or {}), time.monotonic()
    found = catalog.prompt(params.name) if not asked.virtual else None
    try:
        if found is None:
            raise PromptNotFound(f"There is no prompt {params.name[:100]}.")
        asked.principal.require(found.scope)
        said = await _filled(asked, found, given)
    except PlatformError as error:
        await _note(ctx, params.name, began, error, given)
        raise
    await _note(ctx, params.name, began, arguments=given)
    return types.GetPromptResult(description=found.description, messages=[await _message(asked, one) for one in said])


async def _filled(asked: Asked, prompt: toolkit.Prompt, given: dict[str, str]) -> list[toolkit.Said]:
    missing = [one.name for one in prompt.arguments if one.required and not given.get(one.name)]
    unknown = sorted(set(given) - {one.name for one in prompt.arguments})
    if missing or unknown:
        told = [*(f"{name} is missing" for name in missing), *(f"{name} is no argument of this prompt" for name in unknown)]
        raise Invalid(f"The arguments do not fit: {'; '.join(told)}.", missing=missing, unknown=unknown)
    async with threads.turnstile(str(asked.tenant.pk)):
        return list(await threads.run(prompt.fill, asked.tenant, given))


async def _message(asked: Asked, said: toolkit.Said) -> types.PromptMessage:
    if said.resource:
        return types.PromptMessage(role=said.role, content=types.EmbeddedResource(resource=await _contents(asked, said.resource)))
    return types.PromptMessage(role=said.role, content=types.TextContent(text=said.text))


async def complete(ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Values that begin like what has been typed, of an argument of a prompt or a part of a template's address."""
    asked = of(ctx)
    suggest = _suggest(asked, params)
    values = list(await threads.look(suggest, asked.tenant, params.argument.value[:200])) if suggest is not None else []
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
