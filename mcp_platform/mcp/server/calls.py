"""tools/call: a function, an upstream's tool, or a flow that asks back."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_platform.mcp import calling, catalog, talking, threads
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.catalog import Entry
from mcp_platform.mcp.core import questions
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import translate, upstream
from mcp_platform.mcp.server.asked import Client, Context, of
from mcp_platform.mcp.talking import Stand
from mcp_platform.orchestrator.core.answers import Answer

QUESTION = "answer"  # the key of the one question of a round
STATE_SECONDS = 600.0  # how long a question waits for its answer
MOST_ROUNDS = 50  # of questions within one call of an older client

Reply = types.CallToolResult | types.InputRequiredResult


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Reply:
    asked, began = of(ctx), time.monotonic()
    entry, arguments = asked.entry, params.arguments or {}
    if entry is None or entry.name != params.name:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name[:100]}")
    outcome, code = Call.Outcome.CANCELLED, ""
    try:
        answer, outcome, code = await (_flow(ctx, asked, entry, params) if entry.flow is not None else _function(ctx, asked, entry, params))
        return answer
    finally:
        await _record(ctx, asked, entry, arguments, outcome, code, began)


async def _record(ctx: Context, asked: Asked, entry: Entry, arguments: Mapping[str, Any], outcome: Call.Outcome, code: str, began: float) -> None:
    # Also when the client has gone: the row is written whatever becomes of this task.
    arguments = {} if _may_be_secret(entry, arguments) else arguments
    writing = calling.record(
        asked, name=entry.name, outcome=outcome, began=began, client=Client(ctx), code=code, arguments=arguments, changes=not entry.read_only
    )
    await written(writing, outcome)


async def written(writing: Coroutine[Any, Any, None], outcome: Call.Outcome) -> None:
    """Await `writing`; of a call that was cancelled, in a task of its own, which lives on."""
    if outcome is Call.Outcome.CANCELLED:
        _left.add(task := asyncio.create_task(writing))
        task.add_done_callback(_left.discard)
    else:
        await writing


def _may_be_secret(entry: Entry, arguments: Mapping[str, Any]) -> bool:
    """Words that may answer a question for a sensitive value: not even a digest of them is kept."""
    return entry.flow is not None and catalog.SAY in arguments and any(rule.sensitive for rule in entry.flow.slots.values())


_left: set[asyncio.Task[None]] = set()


async def _function(ctx: Context, asked: Asked, entry: Entry, params: types.CallToolRequestParams) -> tuple[Reply, Call.Outcome, str]:
    async def tell(done: float, total: float | None, message: str) -> None:
        await ctx.session.report_progress(done, total, message or None)

    if entry.upstream is not None and _can_ask(ctx):
        ended = await upstream.called(ctx, asked, entry, params, tell)
        if isinstance(ended, types.InputRequiredResult):
            return ended, Call.Outcome.ASKED, ""
    else:
        ended = await calling.perform(asked, entry, params.arguments or {}, tell)
    try:
        reply = translate.result(ended, asked.correlation_id)
    except Exception as fault:  # noqa: BLE001  an upstream's answer that is none
        ended = calling.Done(error=calling.as_error(fault, f"The tool {entry.name}", asked.correlation_id))
        reply = translate.result(ended, asked.correlation_id)
    outcome = ended.outcome
    if isinstance(ended.data, Answer) and ended.data.is_error:
        outcome = Call.Outcome.REFUSED
    return reply, outcome, ended.error.code if ended.error is not None else ""


async def _flow(ctx: Context, asked: Asked, entry: Entry, params: types.CallToolRequestParams) -> tuple[Reply, Call.Outcome, str]:
    try:
        stand = await _step(asked, entry, params)
        return await _follow(ctx, asked, entry, stand)
    except MCPError:
        raise
    except Exception as fault:  # noqa: BLE001  told by as_error
        error = calling.as_error(fault, "The flow", asked.correlation_id)
        return translate.refusal(error, asked.correlation_id), calling.Done(error=error).outcome, error.code


async def _step(asked: Asked, entry: Entry, params: types.CallToolRequestParams) -> Stand:
    """What this call adds to the conversation: its beginning, an answer to the question of the round before, or words of the client's own."""
    assert entry.flow is not None
    arguments = dict(params.arguments or {})
    if params.request_state is not None:
        return await _answered(asked, entry, params)
    return await threads.work(str(asked.tenant.pk), _said, asked, entry, arguments)


def _said(asked: Asked, entry: Entry, arguments: Mapping[str, Any]) -> Stand:
    assert entry.flow is not None
    calling.check(entry, arguments)
    return talking.talk(asked.tenant, flow=entry.flow, arguments=arguments, going_on=catalog.going_on(arguments), actor=asked.actor)


async def _talk(asked: Asked, what: Callable[..., Stand], **facts: Any) -> Stand:
    return await threads.work(str(asked.tenant.pk), what, asked.tenant, actor=asked.actor, **facts)


async def _answered(asked: Asked, entry: Entry, params: types.CallToolRequestParams) -> Stand:
    """A retry with the answer of the user. Without a usable one the question is asked again; who declines leaves the conversation waiting."""
    state = json.loads(params.request_state or "{}")  # sealed by the SDK: nobody else has written it
    conversation_id = UUID(state["conversation_id"])
    given = (params.input_responses or {}).get(QUESTION)
    text = _accepted(given)
    if text is None:
        stand = await _talk(asked, talking.look, flow=entry.flow, conversation_id=conversation_id)
        return stand if given is None or not _refused(given) else talking.unasked(stand)
    return await _talk(
        asked, talking.answer, flow=entry.flow, conversation_id=conversation_id, text=text, message_id=f"mcp:{conversation_id}:{state['round']}"
    )


def _accepted(given: Any) -> str | None:
    if not isinstance(given, types.ElicitResult) or given.action != "accept" or not given.content:
        return None
    return questions.spoken(next(iter(given.content.values())))


def _refused(given: Any) -> bool:
    return isinstance(given, types.ElicitResult) and given.action in ("decline", "cancel")


async def _follow(ctx: Context, asked: Asked, entry: Entry, stand: Stand) -> tuple[Reply, Call.Outcome, str]:
    """Ask what the flow asks, in the way that this client knows: by a result that asks back, by a request of ours, or in words."""
    for _ in range(MOST_ROUNDS):
        if not stand.fits_a_form or not _can_ask(ctx):
            break
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return _asking_back(stand), Call.Outcome.ASKED, ""
        text = _accepted(await _elicited(ctx, stand))
        if text is None:
            break
        message_id = f"mcp:{stand.conversation_id}:{stand.turn}"
        stand = await _talk(asked, talking.answer, flow=entry.flow, conversation_id=stand.conversation_id, text=text, message_id=message_id)
    outcome = Call.Outcome.FAILED if stand.status == "failed" else Call.Outcome.ASKED if stand.question else Call.Outcome.OK
    return translate.result(calling.Done(data=stand.as_json()), asked.correlation_id), outcome, ""


async def _elicited(ctx: Context, stand: Stand) -> types.ElicitResult | None:
    """What the user says to the form; None when it stays there too long."""
    try:
        async with asyncio.timeout(STATE_SECONDS):
            return await ctx.session.elicit_form(stand.question, _form(stand), related_request_id=ctx.request_id)
    except TimeoutError:
        return None


def _can_ask(ctx: Context) -> bool:
    """Whether the client has said that it can put a form before its user."""
    declared = ctx.session.client_capabilities
    if declared is None or declared.elicitation is None:
        return False
    asks = declared.elicitation
    only_addresses = asks.url is not None and asks.form is None
    return not only_addresses and (ctx.protocol_version in MODERN_PROTOCOL_VERSIONS or ctx.session.can_send_request)


def _asking_back(stand: Stand) -> types.InputRequiredResult:
    request = types.ElicitRequest(params=types.ElicitRequestFormParams(message=stand.question, requested_schema=_form(stand)))
    state = {"conversation_id": str(stand.conversation_id), "round": stand.turn}
    return types.InputRequiredResult(input_requests={QUESTION: request}, request_state=json.dumps(state))


def _form(stand: Stand) -> dict[str, Any]:
    return questions.form(stand.rule, stand.question) if stand.rule is not None else questions.free_form(stand.question)
