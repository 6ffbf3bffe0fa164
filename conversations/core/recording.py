"""A recorded conversation as the script of a test: its inputs, what was understood, what came back from outside, and what came of it.

Values of sensitive slots never get into a script: others of the same shape stand in for them everywhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any, Final

from conversations.core.differences import Seen
from conversations.core.hiding import words_of
from conversations.core.replay import Answered, Moment, Record, recorded_turns
from conversations.core.types import Command, Input, Postback, Said, Snapshot, Started, Status, TimerFired
from flows.core import scripts
from flows.core.durations import MAX_MS
from flows.core.scripts import Answer, Attach, Called, Expect, Fail, Hear, Notice, Order, Press, Relation, Say, Script, Silent, Step, Wait
from flows.core.types import Json
from flows.core.verdicts import Divergence, Verdict

GAP: Final = timedelta(hours=1)  # a pause that is worth a `wait` of its own
MOST_MENDED: Final = 200


def script_of(record: Record, *, understood: bool = True) -> Script:
    """The first session of the record. `understood`: the words mean what they meant then; else the flow understands them anew each time.

    It ends where something happens that no script can say: a person answers, another session begins, the conversation moves to another version.
    """
    first = record.moments[0]
    opening = next((event.data for event in first.events if event.kind == "started"), {})
    inputs = first.input.inputs if isinstance(first.input, Started) else {}
    steps: list[Step] = []
    now = first.now
    for number, ((before, seen), moments) in enumerate(recorded_turns(record)):
        moment = moments[0]
        if number:
            deed = _deed(moment, before, now, understood)
            if deed is None:
                break
            steps += [*_pause(moment, now), deed]
        steps += [*_outside(record, moment.turn), *_expected(before, seen)]
        now = max(now, moments[-1].now)
    return Script(
        steps=tuple(steps[: scripts.MAX_STEPS]),
        locale=opening.get("locale", "en"),
        channel=opening.get("channel", "web"),
        at=first.now.isoformat(),
        inputs=inputs,
        profile=opening.get("profile", {}),
    )


def _deed(moment: Moment, before: Snapshot, now: datetime, understood: bool) -> Step | None:
    make = _DEEDS.get(type(moment.input))
    if make is None or moment.reset:
        return None
    if isinstance(moment.input, TimerFired):
        return Wait(duration=_seconds_up(moment.now - now))
    if isinstance(moment.input, Postback):
        return _pressed(moment.input, before)
    step = make(moment.input)
    return replace(step, intents=None, entities=None) if isinstance(step, Say) and not understood else step


def _said(event: Said) -> Step:
    intents = event.understanding.intents
    if event.attachment:
        return Attach(text=event.text)
    if not event.text and intents:
        return Notice(name=intents[0][0])
    return Say(text=event.text, intents=dict(intents), entities=event.understanding.entities or None)


def _pressed(event: Postback, before: Snapshot) -> Step | None:
    if not event.intent and not event.slots:
        return None
    top = before.frames[-1] if before.frames else None
    stale = bool(event.token) and top is not None and event.token != f"{top.state}#{top.visit}"
    return Press(intent=event.intent, slots=event.slots, stale=stale)


_DEEDS: Final[dict[type, Callable[[Any], Step | None]]] = {
    Said: _said,
    Postback: lambda event: None,
    Command: lambda event: Order(name=event.name) if event.name in scripts.COMMANDS else None,
    TimerFired: lambda event: None,
}


def _pause(moment: Moment, now: datetime) -> Iterator[Step]:
    """Long pauses count: "tomorrow" is another day then."""
    gap = moment.now - now
    if gap >= GAP and not isinstance(moment.input, TimerFired):
        yield Wait(duration=_seconds_up(gap))


def _seconds_up(gap: timedelta) -> int:
    return min(MAX_MS, max(1, -int(-gap.total_seconds() // 1)) * 1000)


def _outside(record: Record, turn: int) -> Iterator[Step]:
    for call in record.calls:
        if call.turn == turn:
            yield Called(integration=call.integration_id, request=call.request)
            if call.outcome is not None:
                yield _answered(call)


def _answered(call: Answered) -> Step:
    outcome = call.outcome
    assert outcome is not None
    if outcome.success:
        return Answer(integration=call.integration_id, data=outcome.data, status=outcome.status_code if 200 <= outcome.status_code < 300 else 200)
    code = (outcome.code or "INTEGRATION_ERROR").replace(" ", "_")
    return Fail(
        integration=call.integration_id, code=code, message=" ".join(outcome.error.split())[:500], status=max(0, min(outcome.status_code, 599))
    )


def _expected(before: Snapshot, seen: Seen) -> Iterator[Step]:
    texts = [str(reply.get("text") or "") for reply in seen.replies]
    yield from (Hear(text=text) for text in texts if text)
    if not any(texts):
        yield Silent()
    yield Expect(path="state", value=seen.state)
    for name, value in seen.slots.items():
        if name not in before.slots or before.slots[name] != value:
            yield Expect(path=f"slots.{name}", value=value)
    for name in before.slots:
        if name not in seen.slots:
            yield Expect(path=f"slots.{name}", relation=Relation.ABSENT)
    if seen.status != Status.WAITING.value:
        yield Expect(path="status", value=seen.status)
    if seen.completion:
        yield Expect(path="completion", value=seen.completion)
    if seen.error:
        yield Expect(path="error", value=seen.error)


def secrets_in(record: Record, names: Iterable[str]) -> frozenset[str]:
    """The values of these slots, and of those that were noted as sensitive, as words; whole messages where the value is not known."""
    events = [event for moment in record.moments for event in moment.events]
    known = set(names).union(*(event.data.get("sensitive") or () for event in events))
    values = [value for moment in record.moments for name, value in _inputs(moment.input).items() if name in known]
    for event in events:
        values += [value for part in ("slots", "postback") for name, value in (event.data.get(part) or {}).items() if name in known]
    words = words_of(values)
    hidden = [event.data.get("text", "") for event in events if event.kind == "message" and event.data.get("sensitive")]
    return words | words_of(text for text in hidden if not _is_told(text, words))


def _inputs(event: Input | None) -> Mapping[str, Json]:
    return event.inputs if isinstance(event, Started) else {}


def _is_told(text: str, words: Iterable[str]) -> bool:
    """The message shows the value as it was filled, so hiding that is enough."""
    return any(word in text for word in words)


def stand_in(word: str) -> str:
    """Of the same shape: letters for letters, digits for digits, and nothing of the value itself."""
    digits, letters = cycle("1234567890"), cycle("abcdefghij")
    return "".join(next(digits) if one.isdigit() else _cased(next(letters), one) if one.isalpha() else one for one in word)


def _cased(letter: str, like: str) -> str:
    return letter.upper() if like.isupper() else letter


def without(script: Script, words: Iterable[str]) -> Script:
    """The script with stand-ins for these words, wherever they occur."""
    others = {word: stand_in(word) for word in sorted(words, key=len, reverse=True)}
    if not others:
        return script
    found, _ = scripts.parse(_replaced(scripts.to_json(script), others))
    return found if found is not None else replace(script, steps=())


def _replaced(value: Json, others: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        return {name: _replaced(inner, others) if name not in ("at", "type", "path", "duration") else inner for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, others) for inner in value]
    if isinstance(value, str):
        for word, other in others.items():
            value = value.replace(word, other)
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and str(value) in others:
        return type(value)(others[str(value)])
    return value


def mended(script: Script, play: Callable[[Script], Verdict]) -> Script:
    """The script with the expectations that the recorded version meets. They differ where a stand-in is shown in other words, or where the live
    run knew something that a test does not (the conversation's id). What cannot be mended ends the script."""
    for _ in range(MOST_MENDED):
        divergence = play(script).divergence
        if divergence is None:
            return script
        script = _mended(script, divergence)
    return script


def _mended(script: Script, divergence: Divergence) -> Script:
    number, steps = divergence.step, script.steps
    if number >= len(steps) or number < 0:
        return replace(script, steps=(*steps, scripts.More())) if number >= len(steps) else replace(script, steps=())
    step = steps[number]
    if isinstance(step, Hear) and divergence.got != "nothing":
        return replace(script, steps=(*steps[:number], Hear(text=divergence.got), *steps[number + 1 :]))
    if isinstance(step, Called) and step.request:
        return replace(script, steps=(*steps[:number], Called(integration=step.integration), *steps[number + 1 :]))
    if isinstance(step, scripts.INPUTS) and divergence.message.startswith("The bot says more"):
        return replace(script, steps=(*steps[:number], scripts.More(), *steps[number:]))
    if isinstance(step, Expect | Hear | Silent | Called | Answer | Fail):
        return replace(script, steps=(*steps[:number], *steps[number + 1 :]))
    return replace(script, steps=steps[:number])
