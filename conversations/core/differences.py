"""Two runs of the same turn, compared: what differs, the likeliest cause first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from conversations.core.rehearsal import same
from flows.core.types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a turn looks from outside: what was said and called, and where the conversation stands after it."""

    replies: tuple[Mapping[str, Json], ...] = ()
    calls: tuple[tuple[str, Mapping[str, Json]], ...] = ()
    intent: str = ""
    state: str = ""
    flow: str = ""
    status: str = ""
    slots: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    completion: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`what`: unanswered, error, intent, state_missing, slot, transition, status, completion, call, variable, reply, buttons or text; `where`
    names the thing itself (the slot, the integration, the state), so that equal causes of many conversations fall together."""

    what: str
    where: str
    before: Json = None
    after: Json = None


WORDS_ONLY: Final = frozenset({"text"})
CAUSES: Final[Mapping[str, str]] = {
    "unanswered": "A call that the record has no answer to",
    "error": "A turn fails, or fails no longer",
    "intent": "Understood as something else",
    "state_missing": "The state is not there any more",
    "slot": "A slot gets another value",
    "transition": "Goes to another state",
    "status": "Waits, ends or hands over otherwise",
    "completion": "Ends in another way",
    "call": "Calls an integration otherwise",
    "variable": "A variable gets another value",
    "reply": "Says more or less",
    "buttons": "Shows other buttons",
    "text": "Words only",
    "failed": "Could not be played again",
}


def differences(before: Seen, after: Seen, *, was: str, states: frozenset[str] | None) -> Iterator[Difference]:
    """All of a turn, the likeliest cause first. `was` is the state before it, `states` those of the flow as it is now."""
    for compare in _COMPARE:
        yield from compare(before, after, was, states)


Found: TypeAlias = Iterator[Difference]


def _errors(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
    if before.error != after.error:
        where = f"{after.error} in {was}" if after.error else f"no {before.error} in {was}"
        yield Difference(what="error", where=where, before=before.error, after=after.error)


def _intents(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
    if before.intent != after.intent:
        yield Difference(what="intent", where=f"{before.intent or 'nothing'} → {after.intent or 'nothing'}", before=before.intent, after=after.intent)


def _states(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
    missing = states is not None and before.state not in states
    if before.state != after.state and missing:
        yield Difference(what="state_missing", where=before.state, before=before.state, after=after.state)


def _moves(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
    if (before.flow, before.state) != (after.flow, after.state) and (states is None or before.state in states):
        yield Difference(what="transition", where=f"{was or 'the start'}: {before.state} → {after.state}", before=before.state, after=after.state)


def _values(what: str, member: str, *, declared: bool = False) -> Callable[[Seen, Seen, str, frozenset[str] | None], Found]:
    """`declared`: only what both runs have; that a definition declares one more changes nothing for anybody."""

    def compare(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
        old, new = getattr(before, member), getattr(after, member)
        names = [name for name in old if name in new] if declared else [*old, *(name for name in new if name not in old)]
        for name in names:
            if name not in old or name not in new or not same(old[name], new[name]):
                yield Difference(what=what, where=name, before=old.get(name), after=new.get(name))

    return compare


def _one(what: str) -> Callable[[Seen, Seen, str, frozenset[str] | None], Found]:
    def compare(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
        old, new = getattr(before, what), getattr(after, what)
        if old != new:
            yield Difference(what=what, where=f"{old or 'none'} → {new or 'none'}", before=old, after=new)

    return compare


def _calls(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
    old, new = list(before.calls), list(after.calls)
    for index in range(max(len(old), len(new))):
        then, now = (one[index] if index < len(one) else None for one in (old, new))
        if then is None or now is None or then[0] != now[0] or not same(dict(then[1]), dict(now[1])):
            yield Difference(what="call", where=(now or then or ("", {}))[0], before=_call(then), after=_call(now))


def _call(call: tuple[str, Mapping[str, Json]] | None) -> Json:
    return None if call is None else {"integration": call[0], "request": dict(call[1])}


def _replies(before: Seen, after: Seen, was: str, states: frozenset[str] | None) -> Found:
    old, new = before.replies, after.replies
    if len(old) != len(new):
        yield Difference(what="reply", where=after.state, before=[one.get("text") for one in old], after=[one.get("text") for one in new])
        return
    for then, now in zip(old, new, strict=True):
        shown = [[button.get("label") for button in one.get("buttons", ())] for one in (then, now)]
        if shown[0] != shown[1] or then.get("type") != now.get("type"):
            yield Difference(what="buttons", where=str(now.get("state", "")), before=shown[0] or then.get("type"), after=shown[1] or now.get("type"))
        if then.get("text") != now.get("text"):
            yield Difference(what="text", where=str(now.get("state", "")), before=then.get("text"), after=now.get("text"))


_COMPARE: Final = (
    _errors,
    _intents,
    _states,
    _values("slot", "slots"),
    _moves,
    _one("status"),
    _one("completion"),
    _calls,
    _values("variable", "variables", declared=True),
    _replies,
)
