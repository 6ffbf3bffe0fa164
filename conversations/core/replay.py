"""A recorded conversation, played again: on the same version it comes out the same, on another one the differences are what the change does.

Inputs, their moments and the results of calls are those of the record. What only the old version could know is translated: buttons and timers
belong to the question that is open now, and a call is answered by what this integration answered in the record. Pure, like everything here.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from conversations.core import codec
from conversations.core.differences import WORDS_ONLY, Difference, Seen, differences
from conversations.core.fold import APPLY, Work, fold
from conversations.core.hiding import words_of
from conversations.core.machine import advance
from conversations.core.rehearsal import same
from conversations.core.types import (
    Book,
    Call,
    Event,
    Input,
    Outcome,
    Postback,
    Returned,
    Said,
    Snapshot,
    Started,
    TimerFired,
    Understanding,
)
from flows.core.types import Json, Program

Understand: TypeAlias = Callable[[Sequence[Program], str, str], Understanding]
Stubs: TypeAlias = Callable[[Call], Outcome | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step of the log: what entered the engine, when, and the events that it made. `input` None: no engine made them (a migration)."""

    turn: int
    kind: str  # of the turn: start, message, timer, …
    input: Input | None
    now: datetime
    events: tuple[Event, ...]
    reset: bool = False  # whatever was awaited is given up first


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A call of the record and what came back; `outcome` None: nothing yet."""

    effect_id: str
    turn: int
    integration_id: str
    request: Mapping[str, Json]
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    conversation_id: str
    moments: tuple[Moment, ...]
    calls: tuple[Answered, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPair:
    """A turn as it was and as it would be. `after` None: the replay did not come that far."""

    number: int
    kind: str
    said: str
    at: datetime
    before: Seen
    after: Seen | None
    differences: tuple[Difference, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`cause` is the first difference that is more than words, else the first of words, else None. `skipped` says why nothing was compared."""

    turns: tuple[TurnPair, ...]
    cause: Difference | None = None
    diverged_at: int | None = None  # number of the turn
    texts_only: bool = False
    sensitive: frozenset[str] = frozenset()  # slots that must be masked
    secrets: frozenset[str] = frozenset()  # their values, as they may occur in texts
    skipped: str = ""

    @property
    def same(self) -> bool:
        return self.cause is None and not self.skipped


def rebuilt(events: Sequence[Event], stored: Snapshot) -> list[str]:
    """What is wrong with a log: gaps in its numbers, events nobody knows, and the members in which its fold is not the stored snapshot."""
    numbers = [event.seq for event in events]
    if numbers != list(range(1, len(numbers) + 1)):
        gap = next(place for place, number in enumerate([*numbers, 0], start=1) if number != place)
        return [f"event {gap} is missing or out of order"]
    unknown = sorted({event.kind for event in events} - APPLY.keys())
    if unknown:
        return [f"unknown kinds of events: {', '.join(unknown)}"]
    try:
        found, wanted = codec.snapshot_to_json(fold(events)), codec.snapshot_to_json(stored)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as fault:
        return [f"the log cannot be folded: {type(fault).__name__}: {fault}"]
    return [f"the fold differs in {name}" for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]


def rerun(
    record: Record, book: Book, *, understand: Understand | None = None, anew: frozenset[int] | None = None, stubs: Stubs | None = None
) -> Comparison:
    """The record against this book. `understand`: words are understood anew (in the turns `anew`, in all for None); without it as they were.
    `stubs` answer calls that the record does not know; without one, such a call ends the replay of this conversation."""
    if not record.moments or not isinstance(record.moments[0].input, Started):
        return Comparison(turns=(), skipped="the record does not begin with a start")
    playing = _Playing(record, book, understand, anew, stubs)
    turns: list[TurnPair] = []
    for before, moments in recorded_turns(record):
        pair = playing.turn(before, moments)
        turns.append(pair)
    sensitive, secrets = playing.hidden()
    return _compared(tuple(turns), sensitive, secrets)


def _compared(turns: tuple[TurnPair, ...], sensitive: frozenset[str], secrets: frozenset[str]) -> Comparison:
    first = next(((turn, found) for turn in turns for found in turn.differences if found.what not in WORDS_ONLY), None)
    words = next(((turn, found) for turn in turns for found in turn.differences), None)
    chosen = first or words
    return Comparison(
        turns=turns,
        cause=chosen[1] if chosen is not None else None,
        diverged_at=chosen[0].number if chosen is not None else None,
        texts_only=first is None and words is not None,
        sensitive=sensitive,
        secrets=secrets,
    )


def recorded_turns(record: Record) -> Iterator[tuple[tuple[Snapshot, Seen], list[Moment]]]:
    """Each turn with the snapshot before it and how it looked. A turn that waited for a call is one turn, whatever happened in between."""
    work = Work(Snapshot())
    open_: dict[int, list[Moment]] = {}
    befores: dict[int, Snapshot] = {}
    last = {moment.turn: index for index, moment in enumerate(record.moments)}
    for index, moment in enumerate(record.moments):
        open_.setdefault(moment.turn, []).append(moment)
        befores.setdefault(moment.turn, work.frozen())
        for event in moment.events:
            work.seq = event.seq
            APPLY[event.kind](work, event.data)
        if last[moment.turn] == index:
            moments = open_.pop(moment.turn)
            yield (befores.pop(moment.turn), _seen(record, moments, work.frozen())), moments


def _seen(record: Record, moments: Sequence[Moment], after: Snapshot) -> Seen:
    events = [event for moment in moments for event in moment.events]
    requests = {call.effect_id: call.request for call in record.calls}
    return _looks(
        after,
        replies=_replied(events),
        calls=tuple(
            (event.data["integration_id"], requests.get(event.data["effect_id"], {}))
            for event in events
            if event.kind == "awaiting" and "integration_id" in event.data
        ),
        intent=next((str(event.data["intent"]) for event in events if event.kind == "message" and event.data.get("intent")), ""),
        completion=next((str(event.data["completion"]) for event in reversed(events) if event.kind == "ended" and "completion" in event.data), ""),
        error=next((str(event.data["code"]) for event in reversed(events) if event.kind == "failed"), ""),
    )


def _replied(events: Iterable[Event]) -> tuple[Mapping[str, Json], ...]:
    return tuple(said for event in events if event.kind == "replied" for said in event.data.get("messages", ()))


def _looks(at: Snapshot, **facts: Any) -> Seen:
    top = at.frames[-1] if at.frames else None
    return Seen(
        state=at.state,
        flow=top.flow_id if top else "",
        status=at.status.value,
        slots=at.slots,
        variables=top.variables if top else {},
        **facts,
    )


class _Playing:
    """The other run, while it goes on."""

    def __init__(self, record: Record, book: Book, understand: Understand | None, anew: frozenset[int] | None, stubs: Stubs | None) -> None:
        first = next((event for event in record.moments[0].events if event.kind == "started"), None)
        opening = first.data if first is not None else {}
        self.record, self.book = record, book
        self.understand, self.anew, self.stubs = understand, anew, stubs
        self.at = Snapshot(locale=opening.get("locale", "en"), channel=opening.get("channel", "web"), profile=opening.get("profile", {}))
        self.stopped = ""
        self.recorded_timers = _timers_of(record)
        self.answers: dict[str, deque[Answered]] = {}
        for call in record.calls:
            if call.outcome is not None:
                self.answers.setdefault(call.integration_id, deque()).append(call)
        self.names: set[str] = set()
        self.values: list[Json] = []

    def turn(self, recorded: tuple[Snapshot, Seen], moments: Sequence[Moment]) -> TurnPair:
        start, before = recorded
        first = moments[0]
        self._watch(start.slots, start.sensitive)
        for event in (event for moment in moments for event in moment.events):
            noted = event.data.get("sensitive") or ()
            self._watch(event.data.get("slots") or {}, noted)
            if noted and event.kind == "message":
                self.values.append(event.data.get("text"))
        pair = TurnPair(number=first.turn, kind=first.kind, said=said(first.input), at=first.now, before=before, after=None)
        if self.stopped:
            return replace(pair, note=self.stopped)
        if all(moment.input is None for moment in moments):
            return replace(pair, note="not played again: a step that no input explains, such as a migration")
        was = self.at.state
        after = self._play(start, moments)
        found = tuple(differences(before, after, was=was, states=self._states(before.flow)))
        return replace(pair, after=after, differences=(*self._unanswered(), *found))

    def _unanswered(self) -> Iterator[Difference]:
        if self.stopped:
            yield Difference(what="unanswered", where=self.stopped.partition(" ")[0], after=self.stopped)

    def _play(self, recorded: Snapshot, moments: Sequence[Moment]) -> Seen:
        events: list[Event] = []
        calls: list[Call] = []
        error = completed = ""
        for moment in moments:
            if moment.input is None or isinstance(moment.input, Returned):
                continue
            if moment.reset and self.at.awaiting:
                self.at = replace(self.at, awaiting="", agenda=(), stable=())
            for step in self._steps(self._translated(moment.input, moment.turn, recorded), moment, moments):
                events += step.events
                calls += [effect for effect in step.effects if isinstance(effect, Call)]
                error = str(step.error["code"]) if step.error is not None else error
                completed = step.completed or completed
        failed = next((str(event.data["code"]) for event in reversed(events) if event.kind == "failed"), error)
        return _looks(
            self.at,
            replies=_replied(events),
            calls=tuple((call.integration_id, call.request) for call in calls),
            intent=next((str(event.data["intent"]) for event in events if event.kind == "message" and event.data.get("intent")), ""),
            completion=completed,
            error=failed,
        )

    def _steps(self, event: Input, moment: Moment, moments: Sequence[Moment]) -> Iterator[Any]:
        """The step of the input, and those of the answers to the calls that it makes, at the moments when answers came in the record."""
        later = deque(one.now for one in moments if isinstance(one.input, Returned))
        now = moment.now
        step = advance(self.book, self.at, event, now, conversation_id=self.record.conversation_id)
        while True:
            self.at = step.snapshot
            yield step
            call = next((effect for effect in step.effects if isinstance(effect, Call)), None)
            if call is None or not self.at.awaiting:
                return
            outcome = self._outcome(call, moment.turn)
            if outcome is None:
                self.stopped = f"{call.integration_id} is called, and the record has no answer to that"
                return
            now = later.popleft() if later else now
            returned = Returned(effect_id=self.at.awaiting, outcome=outcome)
            step = advance(self.book, self.at, returned, now, conversation_id=self.record.conversation_id)

    def _outcome(self, call: Call, turn: int) -> Outcome | None:
        """The answer of the same turn to the same request, else the next of this turn, else the next of all, else a stub's."""
        known = self.answers.get(call.integration_id, deque())
        ranked = sorted(known, key=lambda one: (one.turn != turn, not same(dict(one.request), dict(call.request)), one.turn))
        if not ranked:
            return self.stubs(call) if self.stubs is not None else None
        known.remove(ranked[0])
        return ranked[0].outcome

    def _states(self, flow_id: str) -> frozenset[str] | None:
        """The states of the flow that runs now; None when the book does not have it."""
        program = self.book.programs.get(self.book.current.get(flow_id, ""))
        return frozenset(program.flow.states) if program is not None else None

    def _translated(self, event: Input, turn: int, recorded: Snapshot) -> Input:
        if isinstance(event, Postback):
            return self._button(event, recorded)
        if isinstance(event, TimerFired):
            return TimerFired(token=self._timer(event.token))
        anew = self.understand is not None and (self.anew is None or turn in self.anew)
        if anew and self.understand is not None and isinstance(event, Said) and event.text and not event.attachment:
            programs = [self.book.programs[frame.program] for frame in self.at.frames if frame.program in self.book.programs]
            return replace(event, understanding=self.understand(programs, event.text, self.at.locale))
        return event

    def _button(self, event: Postback, recorded: Snapshot) -> Postback:
        """A button of the question that was open belongs to the question that is open now, when that is asked in the same state."""
        if not event.token or not recorded.frames or not self.at.frames:
            return event
        then, now = recorded.frames[-1], self.at.frames[-1]
        fresh = event.token == f"{then.state}#{then.visit}" and then.state == now.state
        return replace(event, token=f"{now.state}#{now.visit}") if fresh else event

    def _timer(self, token: str) -> str:
        """The live timer that means the same: of the same transition, else of the same state."""
        ref = self.recorded_timers.get(token, "")
        live = {ref: token for token, ref in self.at.timers.items()}
        state = ref.rpartition("#")[0]
        return live.get(ref) or next((one for name, one in live.items() if name.rpartition("#")[0] == state), token)

    def _watch(self, slots: Mapping[str, Json], names: Iterable[str]) -> None:
        self.names.update(names)
        for name in self.names:
            if name in slots:
                self.values.append(slots[name])

    def hidden(self) -> tuple[frozenset[str], frozenset[str]]:
        programs = self.book.programs.values()
        names = frozenset(self.names).union(name for program in programs for name, rule in program.flow.slots.items() if rule.sensitive)
        return names, words_of([*self.values, *(self.at.slots[name] for name in names if name in self.at.slots)])


def _timers_of(record: Record) -> dict[str, str]:
    """Token -> "state#transition" of every timer that was ever set."""
    sets = (event.data["set"] for moment in record.moments for event in moment.events if event.kind == "timers")
    return {token: ref for found in sets for token, ref in found.items()}


def said(event: Input | None) -> str:
    """An input as one line of a transcript."""
    return _SAID[type(event)](event) if type(event) in _SAID else type(event).__name__.lower()


def _words(event: Said) -> str:
    noticed = event.understanding.intents[0][0] if event.understanding.intents else ""
    return event.text or ("(attachment)" if event.attachment else f"event {noticed}" if noticed else "")


_SAID: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda event: "",
    Started: lambda event: f"starts {event.flow_id}",
    Said: _words,
    Postback: lambda event: "presses " + (event.intent or ", ".join(f"{name} = {value}" for name, value in event.slots.items())),
    TimerFired: lambda event: "(a timer fires)",
    Returned: lambda event: "(an answer comes back)",
}


def changed(record: Record, inputs: Mapping[int, Input]) -> Record:
    """The record with other inputs in some turns (number -> input); the first step of the turn gets it."""
    moments: list[Moment] = []
    done: set[int] = set()
    for moment in record.moments:
        if moment.turn in inputs and moment.turn not in done and moment.input is not None:
            done.add(moment.turn)
            moment = replace(moment, input=inputs[moment.turn])
        moments.append(moment)
    return replace(record, moments=tuple(moments))
