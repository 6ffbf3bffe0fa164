"""Calls of servers that ask by their result (revision 2026-07-28): the call ends with questions, and is made again with the replies."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.asking import Resumed, Wanted
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.errors import QuestionGone, UpstreamFailed

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult, InputRequiredResult

MOST_ROUNDS: Final = 20  # in which a server asks nothing, but only to come again
PAUSE_SECONDS: Final = 0.1


async def called(
    client: "Client", name: str, arguments: Mapping[str, Any], resumed: Resumed | None, how: Mapping[str, Any]
) -> "CallToolResult | InputRequiredResult":
    """Where the server knows that way; else within the call, by a request of its own. Raises QuestionGone."""
    from mcp_types import CallToolResult, ElicitResult, InputRequiredResult
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        if resumed is not None:
            raise QuestionGone
        return await client.call_tool(name, dict(arguments), **how)
    replies = {key: ElicitResult(action=one.action, content=_content(one)) for key, one in resumed.replies.items()} if resumed is not None else {}
    state = resumed.state if resumed is not None else None
    for _ in range(MOST_ROUNDS):
        result: CallToolResult | InputRequiredResult = await client.session.call_tool(
            name, dict(arguments), input_responses=dict(replies) or None, request_state=state, allow_input_required=True, **how
        )
        if not isinstance(result, InputRequiredResult) or result.input_requests:
            break
        replies, state = {}, result.request_state
        await asyncio.sleep(PAUSE_SECONDS)
    return result


def _content(reply: asking.Reply) -> dict[str, Any] | None:
    return dict(reply.content) if reply.content is not None else None


def wanted(upstream: Upstream, tool: str, result: "CallToolResult | InputRequiredResult") -> Wanted | None:
    """What the server asks, or None of an answer. Raises UpstreamFailed where it asks what is not passed on."""
    from mcp_types import ElicitRequest, InputRequiredResult

    if not isinstance(result, InputRequiredResult):
        return None
    questions = {}
    for key, request in (result.input_requests or {}).items():
        params = request.params.model_dump(by_alias=True, mode="json", exclude_none=True) if isinstance(request, ElicitRequest) else {}
        found = asking.question(upstream.name, params)
        if found is None:
            raise UpstreamFailed(f"{upstream.slug} asks for something that is not passed on: {request.method}.", server=upstream.slug)
        questions[key] = found
    if not questions or len(result.request_state or "") > asking.LARGEST_STATE:
        raise UpstreamFailed(f"{upstream.slug} does not come to an end.", server=upstream.slug)
    return Wanted(server=upstream.slug, tool=tool, questions=questions, state=result.request_state)
