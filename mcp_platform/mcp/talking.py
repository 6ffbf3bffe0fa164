"""Flows as tools: a call is a conversation. It runs as far as it can; then it has ended, or it asks something."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from conversations import events, queries, services
from conversations.core.types import Snapshot
from conversations.errors import ConversationNotFound
from conversations.models import Conversation
from conversations.turn import Result
from flows import queries as flows
from flows.core.types import Flow, SlotFillingConfig, SlotRule
from mcp_platform.tenancy.models import Tenant

CHANNEL = "mcp"
WAIT_SECONDS = 25.0  # for integrations that the flow calls
_STATUS = {"ended": "done", "handoff": "handed_over", "failed": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a conversation stands. `question` is "" unless it waits for the user; `rule` is that of the slot that is asked for."""

    conversation_id: UUID
    status: str
    text: str
    question: str = ""
    rule: SlotRule | None = None
    slots: Mapping[str, Any]
    turn: int = 0  # how many turns there have been: an answer to this question is given once

    @property
    def fits_a_form(self) -> bool:
        """The protocol forbids servers to ask for sensitive values through a client's form."""
        return bool(self.question) and not (self.rule is not None and self.rule.sensitive)

    def as_json(self) -> dict[str, Any]:
        return {
            "conversation_id": str(self.conversation_id),
            "status": self.status,
            "text": self.text,
            "question": self.question or None,
            "slots": dict(self.slots),
        }


def talk(tenant: Tenant, *, flow: Flow, arguments: Mapping[str, Any], going_on: tuple[UUID | None, str | None], actor: str) -> Stand:
    """What a call of the flow's tool does: begin, look, or answer."""
    conversation_id, said = going_on
    if conversation_id is None:
        return begin(tenant, flow=flow, inputs=arguments, actor=actor)
    if said is None:
        return look(tenant, flow=flow, conversation_id=conversation_id, actor=actor)
    return answer(tenant, flow=flow, conversation_id=conversation_id, text=said, actor=actor)


def begin(tenant: Tenant, *, flow: Flow, inputs: Mapping[str, Any], actor: str) -> Stand:
    """Start the flow with what is known. Raises what conversations raise."""
    result = services.start(
        tenant,
        flow_id=flow.flow_id,
        channel=CHANNEL,
        user_ref=actor[:120],
        locale=flow.default_locale,
        inputs=inputs,
        actor=actor,
        wait_seconds=WAIT_SECONDS,
    )
    return _stand(tenant, result)


def answer(tenant: Tenant, *, flow: Flow, conversation_id: UUID, text: str, actor: str, message_id: str = "") -> Stand:
    """Say something in a conversation that this caller has begun through the same tool. The same `message_id` says it once.

    Raises ConversationNotFound for anybody else's.
    """
    _mine(tenant, flow, conversation_id, actor)
    result = services.process_message(
        tenant,
        conversation_id=conversation_id,
        content={"type": "text", "text": text},
        client_message_id=message_id,
        channel=CHANNEL,
        user_id=actor[:120],
        wait_seconds=WAIT_SECONDS,
    )
    return _stand(tenant, result)


def look(tenant: Tenant, *, flow: Flow, conversation_id: UUID, actor: str) -> Stand:
    """Where it stands, without saying anything: the last question again. Raises ConversationNotFound."""
    held = _mine(tenant, flow, conversation_id, actor)
    last = queries.spoken(tenant, conversation_id).filter(kind="replied").last()
    return _of(tenant, conversation_id, str(events.spoken(last, 0)["text"]) if last is not None else "", held.status)


def _mine(tenant: Tenant, flow: Flow, conversation_id: UUID, actor: str) -> Conversation:
    held = queries.conversation(tenant, conversation_id)
    if held.channel != CHANNEL or held.user_ref != actor[:120] or held.flow_key != flow.flow_id:
        raise ConversationNotFound(conversation_id=str(conversation_id))
    return held


def _stand(tenant: Tenant, result: Result) -> Stand:
    if result.pending:
        return Stand(conversation_id=result.conversation_id, status="working", text="", slots={})
    reply = result.reply
    text = str(reply.get("response", {}).get("plain") or "")
    return _of(tenant, result.conversation_id, text, str(reply.get("status", "")))


def _of(tenant: Tenant, conversation_id: UUID, text: str, status: str) -> Stand:
    held = queries.conversation(tenant, conversation_id)
    snapshot = queries.masked_snapshot(held)
    known = queries.context(held).get("slots", {})
    if status in _STATUS:
        return Stand(conversation_id=conversation_id, status=_STATUS[status], text=text, slots=known)
    if snapshot.awaiting:  # an integration still works: there is nothing to answer yet
        return Stand(conversation_id=conversation_id, status="working", text=text, slots=known)
    return Stand(
        conversation_id=conversation_id,
        status="waiting",
        text=text,
        question=text or "What do you want to say?",
        rule=_asked_slot(snapshot),
        slots=known,
        turn=held.next_turn,
    )


def unasked(stand: Stand) -> Stand:
    """The same, when the user does not want to be asked: it waits until somebody goes on."""
    return replace(stand, question="")


def _asked_slot(snapshot: Snapshot) -> SlotRule | None:
    """The first required slot of the current state that has no value: the engine asks for them in this order."""
    if not snapshot.frames:
        return None
    top = snapshot.frames[-1]
    flow = flows.program_for(UUID(top.program)).flow
    state = flow.states.get(top.state)
    if state is None or not isinstance(state.config, SlotFillingConfig):
        return None
    missing = next((name for name in state.config.required_slots if name not in snapshot.slots), "")
    return flow.slots.get(missing)
