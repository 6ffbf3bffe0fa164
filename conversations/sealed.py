"""Sensitive slots at rest: what the engine knows goes into the rows with masks and one sealed token, and is opened when it is loaded.

A row without secrets is stored as it is and costs nothing: nobody looks into it. `opened` is the only way to the values; doors, sinks and
exports read the rows as they are, and so see masks. The token is the member `sealed` at the top of the JSON, which only the engine writes:
what was taken out of its place, and in a snapshot also the words to look for in the next step.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conversations.core import hiding
from conversations.core.hiding import Path
from conversations.core.types import Event, Snapshot
from mcp_platform import sealing

TOKEN = "sealed"  # noqa: S105  the name of a member
PURPOSE = "conversations.slots"
_MARK = f'"{TOKEN}"'
_HEARD_TEXTS: tuple[Path, ...] = (["content", "text"], ["input", "text"])
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must not be stored in the clear: the slots `names`, and the `words` that give them away elsewhere. `told`: one of the slots has, or
    had, a value; not each gives words."""

    names: frozenset[str]
    words: frozenset[str]
    told: bool = False

    def __bool__(self) -> bool:
        return bool(self.names or self.words)


NONE = Secrets(frozenset(), frozenset())


def secrets_of(before: Snapshot, after: Snapshot, events: Iterable[Event], sensitive: Collection[str], words: frozenset[str]) -> Secrets:
    """Of one step. `sensitive` are the sensitive slots of its flows, `words` those that are remembered from the steps before."""
    names = frozenset(sensitive).union(before.sensitive, after.sensitive)
    if not names and not words:
        return NONE
    values: list[Any] = [held[name] for held in (before.slots, after.slots) for name in names if name in held]
    for event in events:
        noted = event.data.get("sensitive")
        if noted:
            values += [*hiding.values_in(event.data, noted), event.data.get("text")]
    told = bool(words or before.sensitive or after.sensitive) or any(value is not None for value in values)
    return Secrets(names, words | hiding.words_of(values), told)


def secrets_in(at: Snapshot, sensitive: Collection[str], words: frozenset[str]) -> Secrets:
    return secrets_of(at, at, (), sensitive, words)


def remembered(snapshot: str) -> frozenset[str]:
    """The words in a stored snapshot, JSON text. Raises SealBroken."""
    token = json.loads(snapshot).get(TOKEN) if holds(snapshot) else None
    return frozenset(_unsealed(token)["words"]) if isinstance(token, str) else frozenset()


def closed(data: Mapping[str, Any], secret: Secrets, whole: Iterable[Path] = ()) -> Mapping[str, Any]:
    """As it is stored; the same object when it holds no secret."""
    if not secret:
        return data
    masked, taken = hiding.take_out(data, secret.names, secret.words, whole)
    return {**masked, TOKEN: _sealed(taken)} if taken else data


def closed_snapshot(data: Mapping[str, Any], secret: Secrets) -> Mapping[str, Any]:
    """Also with the words, as long as something in it shows them or its turn goes on: a copy of a value stays hidden when the slot itself has
    been corrected or emptied."""
    if not secret:
        return data
    masked, taken = hiding.take_out(data, secret.names, secret.words)
    words = secret.words if data.get("awaiting") else hiding.shown_in(taken, secret.words)
    return {**masked, TOKEN: _sealed(taken, words)} if taken or words else data


def _sealed(taken: hiding.Taken, words: Iterable[str] = ()) -> str:
    body = {"taken": taken, "words": sorted(words)}
    return sealing.seal(json.dumps(body, separators=(",", ":"), ensure_ascii=False), purpose=PURPOSE)


def closed_event(data: Mapping[str, Any], secret: Secrets) -> Mapping[str, Any]:
    hidden = bool(data.get("sensitive")) and bool(data.get("text"))
    return closed(data, secret, (["text"],) if hidden else ())


def closed_request(request: Mapping[str, Any], secret: Secrets, *, wordless: bool) -> Mapping[str, Any]:
    """A turn's request; `wordless`: its words are, or may be, the value of a sensitive slot."""
    content = request.get("content")
    spoken = wordless and not (isinstance(content, Mapping) and content.get("type") == "command")
    return closed(request, secret, _HEARD_TEXTS if spoken else ())


def masked(value: Any, secret: Secrets) -> Any:
    """With masks, and without a way back: for what nothing is ever computed from again."""
    if not secret.words:
        return value
    found, _ = hiding.take_out({"value": value}, (), secret.words)
    return found["value"]


def holds(text: str) -> bool:
    """Whether this JSON text may have something sealed in it."""
    return _MARK in text


def opened(data: Mapping[str, Any]) -> Json:
    """With the values in their places. Raises SealBroken when none of the keys has sealed it."""
    token = data.get(TOKEN)
    if not isinstance(token, str):
        return data if isinstance(data, dict) else dict(data)
    return hiding.put_back(unmarked(data), _unsealed(token)["taken"])


def _unsealed(token: str) -> Json:
    found: Json = json.loads(sealing.unseal(token, purpose=PURPOSE))
    return found


def opened_text(text: str) -> Json:
    """The same for JSON text. Raises SealBroken."""
    data: Json = json.loads(text)
    return opened(data) if holds(text) else data


def reopened(text: str) -> str:
    """JSON text with the values in their places: the very text when nothing is sealed."""
    return json.dumps(opened(json.loads(text)), separators=(",", ":"), ensure_ascii=False) if holds(text) else text


def unmarked(data: Mapping[str, Any]) -> Json:
    """The masks, without the token: what readers see."""
    return {name: value for name, value in data.items() if name != TOKEN}


def resealed(data: Mapping[str, Any]) -> Json:
    """The same under the newest key. Raises SealBroken."""
    return {**data, TOKEN: sealing.reseal(data[TOKEN], purpose=PURPOSE)}
