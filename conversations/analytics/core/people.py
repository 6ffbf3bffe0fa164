"""A model of users, estimated from stored conversations: what people do where a bot waits for them.

A *decision* is a moment in which the bot waits for its user; a *place* is where that happens. What is done there is one of the acts below.
The chance of an act is estimated from the most general to the most exact place, each smoothed by the one before it:

    p(act | anywhere) = (count(act) + 1) / (count + number of acts)
    p(act | place)    = (count(act, place) + K * p(act | the more general place)) / (count(place) + K)        with K = STRENGTH

so that a question that was asked a thousand times speaks for itself, and a new one is answered as its slot, its kind of state and people in
general are. Somebody decides by the place alone: moods, wordings and what was said before are unknown to the model, and it says so.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from conversations.core.fold import APPLY, Work
from conversations.core.plan import StatePlan, plan_of
from conversations.core.replay import Moment, Record, recorded_turns
from conversations.core.types import Command, Event, Input, Outcome, Postback, Said, Snapshot, Started, Status, TimerFired
from conversations.core.words import command_of
from flows.core.types import Json, Program

STRENGTH: Final = 5.0  # pseudo-observations that a place borrows from the more general one
ENOUGH: Final = 3  # things that were said before a place has words of its own
LONGEST_COMMAND: Final = 48

Level: TypeAlias = tuple[str, ...]


class Act(StrEnum):
    ANSWER = "answer"
    CORRECT = "correct"  # something that was said before
    HELP = "help"
    COMMAND = "command"  # another one: cancel, restart, human
    SILENT = "silent"  # until a timer of the bot fires
    GONE = "gone"  # for good


SPEAKS: Final = (Act.ANSWER, Act.CORRECT, Act.HELP, Act.COMMAND)
ACTS: Final = tuple(Act)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`slot` is what is asked for ("?confirm" for a question of the engine's own, "" for none); `again`: not for the first time in a row."""

    flow: str
    state: str
    type: str
    slot: str = ""
    again: bool = False

    @property
    def levels(self) -> tuple[Level, ...]:
        """From general to exact."""
        asked: Level = ("slot", self.slot) if self.slot else ("kind", self.type, "open")
        question: Level = ("question", self.flow, self.state, self.slot)
        return ("kind", self.type), asked, question, (*question, "again" if self.again else "first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    place: Place
    act: Act
    input: Input | None = None  # what was said or pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a conversation began."""

    inputs: Mapping[str, Json]
    locale: str
    channel: str
    profile: Mapping[str, Json]
    at: datetime


def place_of(programs: Mapping[str, Program], at: Snapshot) -> Place:
    frame = at.frames[-1]
    here = _here(programs, at)
    slot = f"?{at.question.get('kind', '')}" if at.question else asked_slot(here, at) if here is not None else ""
    again = bool(at.misses or at.retries.get(slot))
    return Place(flow=frame.flow_id, state=frame.state, type=here.type.value if here is not None else "", slot=slot, again=again)


def _here(programs: Mapping[str, Program], at: Snapshot) -> StatePlan | None:
    program = programs.get(at.frames[-1].program)
    return plan_of(program).states.get(at.frames[-1].state) if program is not None else None


def asked_slot(here: StatePlan, at: Snapshot) -> str:
    return next((name for name in here.required if name not in at.slots), "")


def decisions(record: Record, programs: Mapping[str, Program], *, until: datetime) -> Iterator[Decision]:
    """What the user of a stored conversation did, in order. Who has been heard of after `until` may still answer: that silence says nothing."""
    for (before, _), moments in recorded_turns(record):
        first = moments[0]
        if before.frames and before.status is Status.WAITING and not before.awaiting and first.input is not None:
            act = _act(first)
            if act is not None:
                yield Decision(place=place_of(programs, before), act=act, input=first.input if act in SPEAKS else None)
    last = end_of(record)
    waits = bool(last.frames) and last.status is Status.WAITING and not last.awaiting and not last.timers
    if waits and record.moments[-1].now <= until:
        yield Decision(place=place_of(programs, last), act=Act.GONE)


def under_way(record: Record, until: datetime) -> bool:
    """Whether more may come of it: somebody heard of after `until` may still answer, and a timer that is set will fire."""
    last = end_of(record)
    return bool(last.frames) and last.status is Status.WAITING and (bool(last.timers) or record.moments[-1].now > until)


def end_of(record: Record) -> Snapshot:
    work = Work(Snapshot())
    for event in (event for moment in record.moments for event in moment.events):
        work.seq = event.seq
        APPLY[event.kind](work, event.data)
    return work.frozen()


def _act(moment: Moment) -> Act | None:
    event = moment.input
    if isinstance(event, TimerFired):
        return Act.SILENT
    if isinstance(event, Command):
        return Act.HELP if event.name == "help" else Act.COMMAND
    if isinstance(event, Postback):
        return Act.ANSWER
    return _said(event, moment.events) if isinstance(event, Said) else None


def _said(event: Said, events: Sequence[Event]) -> Act | None:
    if event.event:  # the client's program says it, nobody decides
        return None
    filled = [one.data for one in events if one.kind == "slots_filled"]
    if any(data.get("corrected") for data in filled):
        return Act.CORRECT
    name = command_of(event.text) if 0 < len(event.text) <= LONGEST_COMMAND and not filled else ""
    return Act.HELP if name == "help" else Act.COMMAND if name else Act.ANSWER


def opening_of(record: Record) -> Opening | None:
    first = record.moments[0]
    begun = next((event.data for event in first.events if event.kind == "started"), None)
    if begun is None or not isinstance(first.input, Started):
        return None
    return Opening(
        inputs=first.input.inputs,
        locale=begun.get("locale", "en"),
        channel=begun.get("channel", "web"),
        profile=begun.get("profile", {}),
        at=first.now,
    )


@dataclass(slots=True, kw_only=True)
class People:
    """The model. It holds what people said, word for word, and is therefore never stored: only its rates are."""

    counts: dict[Level, Counter[Act]] = field(default_factory=dict)
    pools: dict[tuple[Level, Act], list[Input]] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)
    answers: dict[str, list[Outcome]] = field(default_factory=dict)  # of integrations
    places: Counter[Place] = field(default_factory=Counter)

    def learn(self, found: Iterable[Decision]) -> None:
        for one in found:
            self.places[one.place] += 1
            for level in ((), *one.place.levels):
                self.counts.setdefault(level, Counter())[one.act] += 1
                if one.input is not None:
                    self.pools.setdefault((level, one.act), []).append(one.input)

    def begin(self, record: Record) -> None:
        """Learn how this conversation began, and what integrations answered in it."""
        opening = opening_of(record)
        if opening is not None:
            self.openings.append(opening)
        for call in record.calls:
            if call.outcome is not None:
                self.answers.setdefault(call.integration_id, []).append(call.outcome)

    @property
    def decisions(self) -> int:
        return self.counts[()].total() if () in self.counts else 0

    def chances(self, place: Place) -> dict[Act, float]:
        """They sum to 1."""
        root = self.counts.get((), Counter())
        found = {act: (root[act] + 1) / (root.total() + len(ACTS)) for act in ACTS}
        for level in place.levels:
            held = self.counts.get(level)
            if held:
                among = held.total() + STRENGTH
                found = {act: (held[act] + STRENGTH * chance) / among for act, chance in found.items()}
        return found

    def act(self, place: Place, u: float) -> Act:
        """The act that `u`, evenly between 0 and 1, falls on."""
        for act, chance in self.chances(place).items():
            u -= chance
            if u < 0:
                return act
        return Act.ANSWER

    def words(self, place: Place, act: Act, u: float) -> Input | None:
        """What somebody has said there, from the most exact place that has enough of it. None: nothing that fits is known."""
        levels = [level for level in reversed(place.levels) if act is not Act.ANSWER or level[0] != "kind"]
        pools = [self.pools.get((level, act), []) for level in (*levels, *([()] if act in (Act.HELP, Act.COMMAND) else []))]
        known = next((pool for pool in pools if len(pool) >= ENOUGH), None) or next((pool for pool in pools if pool), None)
        return known[int(u * len(known))] if known else None
