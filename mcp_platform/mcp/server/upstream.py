"""tools/call of a tool of a connected server, for a client that can put a form before somebody: what the server asks is put to them."""

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_platform.mcp import calling
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.calling import Done, Tell
from mcp_platform.mcp.catalog import Entry
from mcp_platform.mcp.server.asked import Context
from mcp_platform.mcp.server.persons import Parked, Present, take
from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.asking import Question, Reply, Resumed, Wanted
from mcp_platform.orchestrator.errors import QuestionGone

QUESTION = "answer"  # the key of the one question of a parked call
PARKED, STATE = "parked", "upstream"  # in the sealed state of a question

Ended = Done | types.InputRequiredResult


async def called(ctx: Context, asked: Asked, entry: Entry, params: types.CallToolRequestParams, tell: Tell) -> Ended:
    """How the call ended, or the result that asks back."""
    arguments = params.arguments or {}
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return await calling.perform(asked, entry, arguments, tell, person=Present(ctx))
    state: dict[str, Any] = json.loads(params.request_state or "{}")  # sealed by the SDK: nobody else has written it
    if PARKED in state:
        call = take(state[PARKED], _owner(asked))
        if call is None:
            return Done(error=QuestionGone())
        if not call.reply(_replies(params).get(QUESTION)):
            assert call.question is not None
            return _asking_back({QUESTION: call.question}, {PARKED: call.key})
    else:
        call = _begun(asked, entry, arguments, Resumed(replies=_replies(params), state=state[STATE]) if STATE in state else None)
    call.tell = tell
    found = await call.next()
    if isinstance(found, Question):
        return _asking_back({QUESTION: found}, {PARKED: call.key})
    if isinstance(found.data, Wanted):
        return _asking_back(found.data.questions, {STATE: found.data.state})
    return found


def _begun(asked: Asked, entry: Entry, arguments: Mapping[str, Any], resumed: Resumed | None) -> Parked:
    async def work(person: Parked) -> Done:
        async def tell(done: float, total: float | None, message: str) -> None:
            if person.tell is not None:
                await person.tell(done, total, message)

        return await calling.perform(asked, entry, arguments, tell, person=person, resumed=resumed)

    return Parked(str(asked.tenant.pk), _owner(asked), work)


def _owner(asked: Asked) -> str:
    return f"{asked.tenant.pk}|{asked.actor}"


def _replies(params: types.CallToolRequestParams) -> dict[str, Reply]:
    given = params.input_responses or {}
    return {key: asking.reply(one.action, one.content) for key, one in given.items() if isinstance(one, types.ElicitResult)}


def _asking_back(questions: Mapping[str, Question], state: Mapping[str, Any]) -> types.InputRequiredResult:
    requests: dict[str, types.InputRequest] = {
        key: types.ElicitRequest(params=types.ElicitRequestFormParams(message=one.message, requested_schema=dict(one.form)))
        for key, one in questions.items()
    }
    return types.InputRequiredResult(input_requests=requests, request_state=json.dumps(state))
