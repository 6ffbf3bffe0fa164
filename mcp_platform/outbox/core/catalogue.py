"""Every type of event that leaves the platform, with the JSON Schema of its data. docs/protocol/events.md shows the table; a test compares.

Data never holds what people or the bot have said, and the values of sensitive slots are masked: whoever may read the words fetches them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """`key` says in words what orders events of this type among each other; `schema` is a JSON Schema (2020-12) of `data`."""

    name: str
    says: str
    key: str
    schema: Json


TEXT: Final[Json] = {"type": "string"}
WHOLE: Final[Json] = {"type": "integer", "minimum": 0}
ANYTHING: Final[Json] = {}
UUID: Final[Json] = {"type": "string", "format": "uuid"}
NAMES: Final[Json] = {"type": "object", "additionalProperties": ANYTHING}

_TALK: Final[Mapping[str, Json]] = {
    "conversation_id": UUID,
    "flow_id": TEXT,
    "flow_version_id": UUID,
    "environment": TEXT,
    "channel": TEXT,
    "user_id": TEXT,
    "locale": TEXT,
    "turn": {
        "type": "object",
        "properties": {"id": UUID, "number": WHOLE, "kind": TEXT},
        "required": ["id", "number", "kind"],
        "additionalProperties": False,
    },
}


def _object(properties: Mapping[str, Json], optional: tuple[str, ...] = ()) -> Json:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        # Members may be added without a new type: consumers ignore what they do not know.
        "additionalProperties": True,
    }


def _talk(name: str, says: str, **properties: Json) -> EventType:
    optional = tuple(member for member, schema in properties.items() if schema.get("x-optional"))
    return EventType(name=name, says=says, key="the conversation", schema=_object({**_TALK, **properties}, optional))


def _optional(schema: Json) -> Json:
    return {**schema, "x-optional": True}


def _experiment(name: str, says: str, properties: Mapping[str, Json], key: str = "the experiment") -> EventType:
    return EventType(name=name, says=says, key=key, schema=_object(properties))


_TYPES: Final = (
    _talk("conversation.started", "A conversation has begun, or begun again", state=TEXT, restarted={"type": "boolean"}),
    _talk(
        "turn.finished",
        "A turn has ended and its reply is stored",
        status={"enum": ["done", "failed", "dead"]},
        state=TEXT,
        conversation_status=TEXT,
        processing_time_ms=WHOLE,
        last_seq=WHOLE,
        intent=_optional(TEXT),
        confidence=_optional({"type": "number", "minimum": 0, "maximum": 1}),
        error_code=_optional(TEXT),
    ),
    _talk("slot.filled", "Slots have got values; those of sensitive slots are masked", slots=NAMES, masked={"type": "array", "items": TEXT}),
    _talk("conversation.handoff", "The conversation waits for a person", reason=TEXT, state=TEXT),
    _talk("conversation.resumed", "A person has given the conversation back to the bot", state=TEXT),
    _talk("conversation.rated", "The user has said how satisfied they are", score={"type": "number"}, scale=_optional({"type": "number"})),
    _talk("conversation.failed", "The flow could not go on and the user was told so", error_code=TEXT, state=TEXT),
    _talk("conversation.ended", "The flow has reached an end", completion=TEXT, state=TEXT),
    _talk(
        "integration.returned",
        "An integration call has come back",
        integration_id=TEXT,
        success={"type": "boolean"},
        status_code=_optional(WHOLE),
        error_code=_optional(TEXT),
        execution_time_ms=_optional(WHOLE),
    ),
    EventType(
        name="flow.published",
        says="An environment runs a newly published version of a flow",
        key="the flow",
        schema=_object({"flow_id": TEXT, "version": WHOLE, "previous_version": {"type": ["integer", "null"]}, "environment": TEXT, "sha256": TEXT}),
    ),
    EventType(
        name="flow.rolled_back",
        says="An environment runs another version of a flow again",
        key="the flow",
        schema=_object({"flow_id": TEXT, "version": WHOLE, "previous_version": {"type": ["integer", "null"]}, "environment": TEXT, "sha256": TEXT}),
    ),
    EventType(name="flow.archived", says="No new conversation starts with a flow", key="the flow", schema=_object({"flow_id": TEXT})),
    EventType(
        name="integration.breaker_opened",
        says="Calls to an integration are refused for a while because it kept failing",
        key="the integration",
        schema=_object({"integration_id": TEXT, "failures": WHOLE, "retry_after_ms": WHOLE}, ("failures", "retry_after_ms")),
    ),
    EventType(
        name="integration.breaker_closed",
        says="An integration answers again",
        key="the integration",
        schema=_object({"integration_id": TEXT}),
    ),
    EventType(
        name="model.promoted",
        says="Another version of a model answers from now on",
        key="the model",
        schema=_object({"model": TEXT, "version": ANYTHING, "previous_version": ANYTHING}, ("previous_version",)),
    ),
    EventType(
        name="metadata.published",
        says="Another version of the product metadata is live",
        key="the product metadata",
        schema=_object({"version": WHOLE, "previous_version": {"type": ["integer", "null"]}, "name": TEXT, "sha256": TEXT}),
    ),
    _experiment(
        "experiment.exposed",
        "A conversation has come to where the variants of an experiment differ",
        {"experiment": TEXT, "variant": TEXT, "phase": WHOLE, "unit": TEXT, "conversation_id": UUID, "state": TEXT},
        key="the conversation",
    ),
    _experiment("experiment.started", "An experiment runs", {"experiment": TEXT, "phase": WHOLE, "coverage": ANYTHING}),
    _experiment("experiment.ramped", "More or fewer take part in an experiment", {"experiment": TEXT, "coverage": ANYTHING, "automatic": ANYTHING}),
    _experiment(
        "experiment.stopped",
        "An experiment was stopped, by a person or by itself: everybody gets the base again",
        {"experiment": TEXT, "reason": TEXT, "automatic": ANYTHING, "code": TEXT},
    ),
    _experiment("experiment.decided", "It was decided what becomes of an experiment", {"experiment": TEXT, "verdict": TEXT, "variant": TEXT}),
    EventType(
        name="endpoint.test",
        says="Somebody has pressed “send a test event” at an endpoint; only that one gets it",
        key="the endpoint",
        schema=_object({"endpoint_id": UUID, "message": TEXT}),
    ),
)
TYPES: Final[Mapping[str, EventType]] = {one.name: one for one in _TYPES}
