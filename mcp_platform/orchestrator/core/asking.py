"""What a server asks in the middle of a call, and what is said to it.

Only questions that fit a form are passed on: a message and flat fields, of a size that somebody can look at. Addresses to open and models to ask are
not: nobody is sent to an address of somebody else through us.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from mcp_platform.orchestrator.core.words import clean, cleaned

Action: TypeAlias = Literal["accept", "decline", "cancel"]
MOST_FIELDS: Final = 50
LONGEST_MESSAGE: Final = 2_000  # characters
LARGEST: Final = 16_384  # bytes of a form, or of what is said to it, as JSON
LARGEST_STATE: Final = 32_768  # characters of what a server wants to be given back
PLAIN: Final = ("string", "number", "integer", "boolean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`form` is a JSON Schema of flat fields."""

    message: str
    form: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """decline: they have said no. cancel: nobody has said anything. `content` is what they have filled in, when they accept."""

    action: Action = "cancel"
    content: Mapping[str, Any] | None = None


NOTHING: Final = Reply()


class Person(Protocol):
    """Whoever has made the call, as far as they can be asked. `later`: rather by the result of the call than while it goes on, where the server
    knows that way, too."""

    @property
    def later(self) -> bool: ...

    async def ask(self, question: Question) -> Reply: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """In place of an answer: the server ends the call with questions, and goes on when it is called again with the replies and its `state`."""

    server: str
    tool: str
    questions: Mapping[str, Question]
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What the call is made again with: question -> reply, and the server's own state."""

    replies: Mapping[str, Reply]
    state: str | None = None


def question(asker: str, params: Mapping[str, Any]) -> Question | None:
    """Of the parameters of `elicitation/create`, with the name of who asks; None when it is not passed on."""
    form = params.get("requestedSchema")
    if params.get("mode", "form") != "form" or not isinstance(form, dict) or not _is_form(form):
        return None
    said = clean(str(params.get("message", ""))).strip()[:LONGEST_MESSAGE]
    return Question(message=f"{asker} asks: {said}", form=cleaned(form))


def _is_form(form: Mapping[str, Any]) -> bool:
    fields = form.get("properties")
    if form.get("type") != "object" or not isinstance(fields, dict) or not 0 < len(fields) <= MOST_FIELDS:
        return False
    return all(_is_flat(one) for one in fields.values()) and _size(form) <= LARGEST


def _is_flat(field: Any) -> bool:
    """A plain value, one of several, or some of several."""
    if not isinstance(field, dict):
        return False
    if field.get("type") == "array":
        items = field.get("items")
        return isinstance(items, dict) and items.get("type", "string") == "string"
    return field.get("type") in PLAIN or "enum" in field or "oneOf" in field


def reply(action: str, content: Mapping[str, Any] | None) -> Reply:
    """Of what a client has sent; what no form can give counts as nothing said."""
    if action not in get_args(Action):
        return NOTHING
    if action != "accept":
        return Reply(action=action)  # type: ignore[arg-type]  # one of them, as was just seen
    told = dict(content or {})
    if len(told) > MOST_FIELDS or not all(_is_value(one) for one in told.values()) or _size(told) > LARGEST:
        return NOTHING
    return Reply(action="accept", content=told)


def _is_value(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str).encode("utf-8", "replace"))
