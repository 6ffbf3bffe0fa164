"""What leaves a conversation: the stored reply, the frames of the socket, and the names of the groups that are told."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from conversations import sealed
from conversations.core import rich
from conversations.core.codec import reply_to_json
from conversations.core.types import Snapshot, Step
from conversations.models import ConversationEvent
from flows.core.types import Program
from mcp_platform import realtime

MASK = "•••"
# Events that are part of the transcript, and who speaks in them.
SPOKEN: Mapping[str, str] = {"message": "user", "command": "user", "replied": "bot", "agent_said": "agent"}

Json = dict[str, Any]


def conversation_group(conversation_id: UUID) -> str:
    return f"conversation.{conversation_id}"


def turn_group(turn_id: UUID) -> str:
    return f"turn.{turn_id}"


def publish_growth(conversation_id: UUID, seq: int) -> None:
    realtime.publish(conversation_group(conversation_id), {"stream": str(conversation_id), "seq": seq})


def publish_end_of_turn(turn_id: UUID, seq: int) -> None:
    realtime.publish(turn_group(turn_id), {"stream": str(turn_id), "seq": seq})


def inbox_group(tenant_id: UUID) -> str:
    return f"inbox.{tenant_id}"


def publish_inbox(tenant_id: UUID) -> None:
    realtime.publish(inbox_group(tenant_id), {"stream": "inbox"})


def publish_typing(conversation_id: UUID, *, by: str, name: str, active: bool, source: str) -> None:
    """The one push that is no row: who is typing right now. `source` is the socket that says so."""
    typing = {"by": by, "name": name, "active": active, "source": source}
    realtime.publish(conversation_group(conversation_id), {"stream": str(conversation_id), "typing": typing})


def reply(
    *,
    conversation_id: UUID,
    turn: Json,
    before: Snapshot,
    step: Step,
    sensitive: frozenset[str],
    milliseconds: int,
    earlier: Json | None = None,
    opening: Iterable[Json] = (),
    variant: str | None = None,
) -> Json:
    """contracts "result out". `variant` is "experiment:arm". `earlier` is what the same turn had said before it waited for an effect, `opening`
    what a session that began just before has said."""
    past = earlier or {}
    messages = [*opening, *past.get("response", {}).get("messages", ()), *(reply_to_json(said) for said in step.replies)]
    body: Json = {
        "conversation_id": str(conversation_id),
        "current_state": step.snapshot.state,
        "status": step.snapshot.status.value,
        "response": response(messages),
        "context_updates": _merged(past.get("context_updates", {}), context_updates(before, step.snapshot, sensitive)),
        "actions_performed": [*past.get("actions_performed", ()), *step.actions],
        "confidence_scores": {**past.get("confidence_scores", {}), **step.confidence},
        "processing_time_ms": past.get("processing_time_ms", 0) + milliseconds,
        "ab_variant": variant,
        "turn": turn,
    }
    if step.error is not None:
        body["error"] = error(step.error)
    return body


def error(fault: Mapping[str, Any]) -> Json:
    """The engine's {code, message, …} with the member name that every error of the platform has."""
    return {"error_code": fault.get("code", "STATE_EXECUTION_ERROR"), **{name: value for name, value in fault.items() if name != "code"}}


def response(messages: list[Json]) -> Json:
    """All messages, and the last one's type, buttons and token on top: what a client shows that knows one message only."""
    last = messages[-1] if messages else {}
    return {
        "text": "\n\n".join(said["text"] for said in messages if said["text"]),
        "type": last.get("type", "text"),
        "messages": messages,
        "buttons": last.get("buttons", []),
        "token": last.get("token", ""),
        "plain": "\n\n".join(text for said in messages if (text := said.get("plain") or said["text"])),
    }


def context_updates(before: Snapshot, after: Snapshot, sensitive: frozenset[str]) -> Json:
    """The slots, variables of the flow on top, and results that changed. A value that is gone is null."""
    changed: Json = {}
    slots = _changes(before.slots, after.slots)
    if slots:
        changed["slots"] = masked(slots, sensitive)
    variables = _changes(before.frames[-1].variables if before.frames else {}, after.frames[-1].variables if after.frames else {})
    if variables:
        changed["variables"] = variables
    return changed


def masked(slots: Mapping[str, Any], sensitive: frozenset[str]) -> Json:
    return {name: MASK if name in sensitive and value is not None else value for name, value in slots.items()}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    if before is after:
        return {}
    changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
    return {**changed, **{name: None for name in before if name not in after}}


def _merged(first: Json, second: Json) -> Json:
    return {part: {**first.get(part, {}), **second.get(part, {})} for part in (*first, *(name for name in second if name not in first))}


def event(row: ConversationEvent, turn_number: int) -> Json:
    return {"seq": row.seq, "kind": row.kind, "data": told(row), "at": row.at.isoformat(), "turn": turn_number}


def spoken(row: ConversationEvent, turn_number: int) -> Json:
    """A line of the transcript; the bot's has its messages in `data`."""
    by, data = SPOKEN[row.kind], told(row)
    text = data.get("text", data.get("name", "")) if by != "bot" else "\n\n".join(said["text"] for said in data.get("messages", ()))
    return {"seq": row.seq, "at": row.at.isoformat(), "turn": turn_number, "by": by, "text": text, "data": data}


def told(row: ConversationEvent) -> Json:
    """An event's data as readers see it. What the bot has said is shown as it was said: its words are the author's choice."""
    return shown(sealed.opened(row.data) if SPOKEN.get(row.kind) == "bot" else row.data)


def heard(row: ConversationEvent) -> Json:
    """A line of a public chat page: what is said, and by whom; nothing of how the bot comes to it."""
    return {"type": "line", "seq": row.seq, "at": row.at.isoformat(), **HEARD[row.kind](row, told(row))}


def _heard_user(row: ConversationEvent, data: Json) -> Json:
    slots = data.get("postback") or {}
    text = data.get("text") or ", ".join(str(value) for value in slots.values())
    return {"by": "user", "text": text, "client_message_id": row.turn.client_message_id, **({"postback": slots} if slots else {})}


def postbacks(row: ConversationEvent) -> Iterable[Json]:
    """What the buttons of a `replied` event send."""
    return [option["postback"] for said in told(row).get("messages", ()) for option in rich.options(said) if "postback" in option]


_SAID = ("text", "type", "token", "delay_ms", "typing_indicator", "buttons", "quick_replies", "cards", "layout", "images", "plain")


def _heard_bot(row: ConversationEvent, data: Json) -> Json:
    return {"by": "bot", "messages": [{name: said[name] for name in _SAID if name in said} for said in data.get("messages", ())]}


def _heard_agent(row: ConversationEvent, data: Json) -> Json:
    return {"by": "agent", "name": data.get("name", ""), "text": data.get("text", "")}


def _heard_change(row: ConversationEvent, data: Json) -> Json:
    return {"by": "system", "event": row.kind, "name": data.get("name", "")}


HEARD: Mapping[str, Callable[[ConversationEvent, Json], Json]] = {
    "message": _heard_user,
    "replied": _heard_bot,
    "agent_said": _heard_agent,
    **dict.fromkeys(("started", "restarted", "handed_over", "agent_joined", "agent_left", "resumed", "ended"), _heard_change),
}


def shown(data: Mapping[str, Any]) -> Json:
    """Masked where the engine has noted that it holds values of sensitive slots. The rows have masks there already, but for old ones."""
    found = sealed.unmarked(data)
    names = frozenset(found.get("sensitive") or ())
    if names:
        found.update({part: masked(found[part], names) for part in ("slots", "postback") if part in found})
        if found.get("text"):
            found["text"] = MASK
    return found


def request(data: Mapping[str, Any], sensitive: frozenset[str], *, wordless: bool) -> Json:
    """A turn's request as readers see it; `wordless`: its words may hold the value of a sensitive slot."""
    found = sealed.unmarked(data)
    found.pop("before", None)  # of a migration: the whole context, kept for the way back
    if "inputs" in found:
        found["inputs"] = masked(found["inputs"], sensitive)
    for part in ("content", "input"):
        if isinstance(found.get(part), dict):
            found[part] = _heard(found[part], sensitive, wordless=wordless)
    return found


def _heard(data: Mapping[str, Any], sensitive: frozenset[str], *, wordless: bool) -> Json:
    found = dict(data)
    if wordless and found.get("text") and found.get("type") != "command":
        found["text"] = MASK
    names = sensitive | {f"slots.{name}" for name in sensitive}  # as attributes of a postback name them
    found.update({part: masked(found[part], names) for part in ("slots", "entities", "attributes", "inputs") if found.get(part)})
    return found


def context(snapshot: Snapshot, *, sensitive: frozenset[str]) -> Json:
    """The part of contracts "context" that the snapshot knows."""
    top = snapshot.frames[-1] if snapshot.frames else None
    return {
        "current_state": snapshot.state,
        "previous_states": list(snapshot.history),
        "slots": masked(snapshot.slots, sensitive),
        "variables": dict(top.variables) if top else {},
        "user_profile": dict(snapshot.profile),
        "intent_history": list(snapshot.intents),
        "integration_results": dict(snapshot.results),
        "error_count": snapshot.error_count,
        "flow_stack": [{"flow_id": frame.flow_id, "state": frame.state, "version": frame.program} for frame in snapshot.frames],
    }


def sensitive_slots(programs: Iterable[Program]) -> frozenset[str]:
    return frozenset(name for program in programs for name, rule in program.flow.slots.items() if rule.sensitive)
