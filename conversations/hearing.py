"""From what a client sent to what the engine hears: the kinds of content, and the understanding of a text.

Words are understood before the conversation is locked whenever this process knows which flows listen (it does after one turn); what was
understood counts only if the same flows still listen once the lock is held.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from conversations.core.types import Command, Input, Postback, Said, Understanding
from conversations.nlu import patterns
from flows.core.types import Program

Listening: TypeAlias = tuple[tuple[str, ...], str]  # keys of the programs on the stack, locale

COMMANDS = ("restart", "stop", "human", "help", "cancel", "repeat")
_REMEMBERED = 20_000
_listening: dict[UUID, tuple[tuple[Program, ...], str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    listening: Listening
    understanding: Understanding


def remember(conversation_id: UUID, programs: Sequence[Program], locale: str) -> None:
    """Who will listen to the next message of this conversation."""
    if len(_listening) >= _REMEMBERED:
        _listening.clear()
    _listening[conversation_id] = (tuple(programs), locale)


def listen(conversation_id: UUID, content: Mapping[str, Any]) -> Heard | None:
    """Understand a text before the lock; None when it is no text, or when nobody knows yet who listens."""
    known = _listening.get(conversation_id)
    if known is None or content.get("type", "text") != "text":
        return None
    programs, locale = known
    return Heard(listening=(_keys(programs), locale), understanding=_understand(programs, content.get("text", ""), locale))


def message(content: Mapping[str, Any], programs: Sequence[Program], locale: str, heard: Heard | None) -> Input:
    """The engine's input for checked content."""
    return _KINDS[content.get("type", "text")](content, programs, locale, heard)


def _text(content: Mapping[str, Any], programs: Sequence[Program], locale: str, heard: Heard | None) -> Input:
    text = content.get("text", "")
    if heard is not None and heard.listening == (_keys(programs), locale):
        understanding = heard.understanding
    else:
        understanding = _understand(programs, text, locale)
    return Said(text=text, understanding=understanding, attributes=content.get("attributes") or {})


def _attachment(content: Mapping[str, Any], programs: Sequence[Program], locale: str, heard: Heard | None) -> Input:
    del programs, locale, heard
    return Said(text=content.get("text", ""), attributes=content.get("attributes") or {}, attachment=True)


def _postback(content: Mapping[str, Any], programs: Sequence[Program], locale: str, heard: Heard | None) -> Input:
    """`attributes` carry the same for protocols with text attributes only: intent, token, and slots.<name>."""
    del programs, locale, heard
    attributes = content.get("attributes") or {}
    slots = {name.removeprefix("slots."): value for name, value in attributes.items() if name.startswith("slots.")}
    return Postback(
        intent=content.get("intent") or attributes.get("intent", ""),
        slots={**slots, **(content.get("slots") or {})},
        token=content.get("token") or attributes.get("token", ""),
    )


def _event(content: Mapping[str, Any], programs: Sequence[Program], locale: str, heard: Heard | None) -> Input:
    """Something that the client's program noticed: an intent with full confidence, without words."""
    del programs, locale, heard
    name = content.get("text", "")
    return Said(text="", understanding=Understanding(intents=((name, 1.0),)), attributes=content.get("attributes") or {})


def _command(content: Mapping[str, Any], programs: Sequence[Program], locale: str, heard: Heard | None) -> Input:
    del programs, locale, heard
    return Command(name=content.get("text", ""))


_KINDS: dict[str, Callable[[Mapping[str, Any], Sequence[Program], str, Heard | None], Input]] = {
    "text": _text,
    "attachment": _attachment,
    "postback": _postback,
    "event": _event,
    "command": _command,
}
CONTENT_TYPES = tuple(_KINDS)


def _keys(programs: Sequence[Program]) -> tuple[str, ...]:
    return tuple(program.key for program in programs)


def _understand(programs: Sequence[Program], text: str, locale: str) -> Understanding:
    """What any flow of the stack makes of the words; for an intent that several know, the best score."""
    if len(programs) == 1:
        return patterns.understand(programs[0], text, locale=locale)
    scores: dict[str, float] = {}
    entities: dict[str, str] = {}
    for program in programs:
        found = patterns.understand(program, text, locale=locale)
        for name, score in found.intents:
            scores[name] = max(score, scores.get(name, 0.0))
        entities.update(found.entities)
    return Understanding(intents=tuple(sorted(scores.items(), key=lambda pair: -pair[1])), entities=entities)
