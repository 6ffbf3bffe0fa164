"""The engine's values as plain JSON and back. Defaults are left out, so that a stored snapshot stays small."""

from collections.abc import Callable, Mapping
from typing import Any

from conversations.core.types import (
    Attended,
    Call,
    CancelTimer,
    Command,
    Effect,
    Event,
    Frame,
    Input,
    Outcome,
    Postback,
    Reply,
    Returned,
    Said,
    SetTimer,
    Snapshot,
    Started,
    Status,
    TimerFired,
    Understanding,
)
from flows.core.types import Json


def frame_to_json(frame: Frame) -> dict[str, Json]:
    data: dict[str, Json] = {"program": frame.program, "flow_id": frame.flow_id, "state": frame.state, "visit": frame.visit}
    if frame.returns:
        data["returns"] = frame.returns
    if frame.variables:
        data["variables"] = frame.variables
    if frame.agenda:
        data["agenda"] = list(frame.agenda)
    if frame.trail:
        data["trail"] = list(frame.trail)
    if frame.undo:
        data["undo"] = list(frame.undo)
    if frame.on_cancel:
        data["on_cancel"] = frame.on_cancel
    return data


def frame_from_json(data: Mapping[str, Json]) -> Frame:
    get = data.get
    return Frame(
        program=data["program"],
        flow_id=data["flow_id"],
        state=data["state"],
        visit=data["visit"],
        returns=get("returns") or {},
        variables=get("variables") or {},
        agenda=tuple(get("agenda") or ()),
        trail=tuple(get("trail") or ()),
        undo=tuple(get("undo") or ()),
        on_cancel=get("on_cancel") or "",
    )


# Fields that are JSON already, as they are; the others are converted by hand below.
_PLAIN = ("slots", "profile", "results", "retries", "misses", "error_count", "awaiting", "timers", "effects", "steps", "question", "sent")
_TUPLES = ("history", "intents", "agenda", "sensitive", "offered")


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Json]:
    data: dict[str, Json] = {
        "frames": [frame_to_json(frame) for frame in snapshot.frames],
        "status": snapshot.status.value,
        "locale": snapshot.locale,
        "channel": snapshot.channel,
        "seq": snapshot.seq,
    }
    for name in _PLAIN:
        value = getattr(snapshot, name)
        if value:
            data[name] = value
    for name in _TUPLES:
        value = getattr(snapshot, name)
        if value:
            data[name] = list(value)
    if snapshot.stable:
        data["stable"] = [frame_to_json(frame) for frame in snapshot.stable]
    return data


def snapshot_from_json(data: Mapping[str, Json]) -> Snapshot:
    """An empty object is the empty snapshot."""
    get = data.get
    return Snapshot(
        frames=tuple(map(frame_from_json, get("frames") or ())),
        status=Status(get("status") or Status.ACTIVE),
        slots=get("slots") or {},
        profile=get("profile") or {},
        locale=get("locale") or "en",
        channel=get("channel") or "web",
        history=tuple(get("history") or ()),
        intents=tuple(get("intents") or ()),
        results=get("results") or {},
        retries=get("retries") or {},
        misses=get("misses") or 0,
        error_count=get("error_count") or 0,
        awaiting=get("awaiting") or "",
        agenda=tuple(get("agenda") or ()),
        stable=tuple(map(frame_from_json, get("stable") or ())),
        steps=get("steps") or 0,
        timers=get("timers") or {},
        effects=get("effects") or 0,
        seq=get("seq") or 0,
        sensitive=tuple(get("sensitive") or ()),
        offered=tuple(get("offered") or ()),
        question=get("question") or {},
        sent=get("sent") or 0,
    )


def _started(event: Started) -> dict[str, Json]:
    return {"type": "started", "flow_id": event.flow_id, "inputs": event.inputs}


def _said(event: Said) -> dict[str, Json]:
    heard = event.understanding
    data: dict[str, Json] = {"type": "said", "text": event.text, "intents": [list(pair) for pair in heard.intents]}
    if heard.entities:
        data["entities"] = heard.entities
    if heard.triggers:
        data["triggers"] = [list(pair) for pair in heard.triggers]
    if heard.tenant:
        data["tenant"] = [list(pair) for pair in heard.tenant]
    if heard.models:
        data["models"] = dict(heard.models)
    if event.event:
        data["event"] = event.event
    if event.attributes:
        data["attributes"] = event.attributes
    if event.attachment:
        data["attachment"] = True
    return data


def _postback(event: Postback) -> dict[str, Json]:
    return {"type": "postback", "intent": event.intent, "slots": event.slots, "token": event.token}


def _command(event: Command) -> dict[str, Json]:
    return {"type": "command", "name": event.name}


def _attended(event: Attended) -> dict[str, Json]:
    given = {name: getattr(event, name) for name in Attended.__dataclass_fields__}
    return {"type": "attended", **{name: value for name, value in given.items() if value}}


def _timer_fired(event: TimerFired) -> dict[str, Json]:
    return {"type": "timer_fired", "token": event.token}


def _returned(event: Returned) -> dict[str, Json]:
    return {"type": "returned", "effect_id": event.effect_id, "outcome": outcome_to_json(event.outcome)}


_WRITERS: dict[type, Callable[[Any], dict[str, Json]]] = {
    Started: _started,
    Said: _said,
    Postback: _postback,
    Command: _command,
    Attended: _attended,
    TimerFired: _timer_fired,
    Returned: _returned,
}

_READERS: dict[str, Callable[[Mapping[str, Json]], Input]] = {
    "started": lambda data: Started(flow_id=data["flow_id"], inputs=data.get("inputs") or {}),
    "said": lambda data: Said(
        text=data["text"],
        understanding=Understanding(
            intents=tuple((name, score) for name, score in data.get("intents") or ()),
            entities=data.get("entities") or {},
            triggers=tuple((name, score) for name, score in data.get("triggers") or ()),
            tenant=tuple((name, score) for name, score in data.get("tenant") or ()),
            models=data.get("models") or {},
        ),
        event=data.get("event") or "",
        attributes=data.get("attributes") or {},
        attachment=bool(data.get("attachment")),
    ),
    "postback": lambda data: Postback(intent=data.get("intent") or "", slots=data.get("slots") or {}, token=data.get("token") or ""),
    "command": lambda data: Command(name=data["name"]),
    "attended": lambda data: Attended(**{name: data[name] for name in Attended.__dataclass_fields__ if name in data}),
    "timer_fired": lambda data: TimerFired(token=data["token"]),
    "returned": lambda data: Returned(effect_id=data["effect_id"], outcome=outcome_from_json(data["outcome"])),
}


def input_to_json(event: Input) -> dict[str, Json]:
    return _WRITERS[type(event)](event)


def input_from_json(data: Mapping[str, Json]) -> Input:
    """Raises KeyError on an unknown type: the shell wrote what it reads here."""
    return _READERS[data["type"]](data)


def outcome_to_json(outcome: Outcome) -> dict[str, Json]:
    return {
        "success": outcome.success,
        "status_code": outcome.status_code,
        "data": outcome.data,
        "error": outcome.error,
        "code": outcome.code,
        "execution_time_ms": outcome.execution_time_ms,
        "retries": outcome.retries,
    }


def outcome_from_json(data: Mapping[str, Json]) -> Outcome:
    return Outcome(**{name: data[name] for name in Outcome.__dataclass_fields__ if name in data})


def event_to_json(event: Event) -> dict[str, Json]:
    return {"seq": event.seq, "kind": event.kind, "data": event.data}


def event_from_json(data: Mapping[str, Json]) -> Event:
    return Event(seq=data["seq"], kind=data["kind"], data=data["data"])


def reply_to_json(reply: Reply) -> dict[str, Json]:
    data: dict[str, Json] = {"text": reply.text, "type": reply.type, "state": reply.state, "token": reply.token}
    if reply.delay_ms:
        data["delay_ms"] = reply.delay_ms
    if reply.typing_indicator:
        data["typing_indicator"] = True
    for name in _RICH:
        if value := getattr(reply, name):
            data[name] = list(value)
    if reply.layout:
        data["layout"] = reply.layout
    if reply.plain:
        data["plain"] = reply.plain
    return data


_RICH = ("buttons", "quick_replies", "cards", "images")


def reply_from_json(data: Mapping[str, Json]) -> Reply:
    return Reply(
        text=data["text"],
        type=data["type"],
        state=data["state"],
        token=data["token"],
        delay_ms=data.get("delay_ms") or 0,
        typing_indicator=bool(data.get("typing_indicator")),
        layout=data.get("layout") or "",
        plain=data.get("plain") or "",
        **{name: tuple(data.get(name) or ()) for name in _RICH},
    )


def effect_to_json(effect: Effect) -> dict[str, Json]:
    if isinstance(effect, Call):
        return {"type": "call", **{name: getattr(effect, name) for name in Call.__dataclass_fields__}}
    if isinstance(effect, SetTimer):
        return {"type": "set_timer", "token": effect.token, "after_ms": effect.after_ms}
    return {"type": "cancel_timer", "token": effect.token}


_EFFECTS: dict[str, Callable[..., Effect]] = {"call": Call, "set_timer": SetTimer, "cancel_timer": CancelTimer}


def effect_from_json(data: Mapping[str, Json]) -> Effect:
    return _EFFECTS[data["type"]](**{name: value for name, value in data.items() if name != "type"})
