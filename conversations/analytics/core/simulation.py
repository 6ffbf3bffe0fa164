"""Made-up conversations: people of the model (`people`) talk to a program through the engine itself, in memory.

Every chance is a hash of the seed, the number of the conversation and the place: the same seed gives the same conversations, and what is not
different between two programs falls the same way in both, so that their difference is not drowned in luck (common random numbers).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from conversations.analytics.core.counting import Fact, TurnFact
from conversations.analytics.core.people import SPEAKS, Act, Opening, People, Place, asked_slot, place_of
from conversations.core.machine import advance
from conversations.core.plan import StatePlan, plan_of
from conversations.core.replay import Record, Stubs, Understand
from conversations.core.types import (
    Book,
    Call,
    CancelTimer,
    Event,
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
    Step,
    TimerFired,
    Understanding,
)
from flows.core.types import SlotRule, SlotType

MOST_TURNS: Final = 80
THINKS: Final = timedelta(seconds=5)  # before every answer
NO_ANSWER: Final = Outcome(success=False, code="INTEGRATION_ERROR", error="Nothing is known of what it answers.")
OVER: Final = (Status.ENDED, Status.HANDOFF, Status.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """`how` it came to its end: ended, handoff, failed, gone (at `place`), or endless."""

    facts: tuple[Fact, ...]
    how: str
    place: Place | None = None
    decisions: int = 0
    made_up: int = 0  # answers that nobody has ever given
    unanswered: int = 0  # calls of which nothing is known


def chance(seed: int, number: int, *what: object) -> float:
    """Evenly in 0..1 (1 excluded), and always the same for the same arguments."""
    told = blake2b(repr((seed, number, *what)).encode(), digest_size=8).digest()
    return (int.from_bytes(told, "big") >> 11) / 2**53


def simulate(
    book: Book, people: People, flow_id: str, *, seed: int, number: int, understand: Understand | None = None, stubs: Stubs | None = None
) -> Simulated:
    """One conversation, as somebody like the people of the model would have it. `understand`: words are understood anew, else as they were."""
    talk = _Talk(book, people, seed, number, understand, stubs)
    return talk.hold(flow_id)


class _Talk:
    """The conversation while it goes on."""

    def __init__(self, book: Book, people: People, seed: int, number: int, understand: Understand | None, stubs: Stubs | None) -> None:
        self.book, self.people, self.understand, self.stubs = book, people, understand, stubs
        self.seed, self.number = seed, number
        self.id = f"simulated-{number}"
        opening = self._opening()
        self.opening = opening
        self.at = Snapshot(locale=opening.locale, channel=opening.channel, profile=opening.profile)
        self.now = opening.at
        self.due: dict[str, datetime] = {}
        self.replies: tuple[Reply, ...] = ()
        self.turns: list[tuple[str, list[Event]]] = []
        self.times: Counter[object] = Counter()
        self.made_up = self.unanswered = self.done = 0

    def _opening(self) -> Opening:
        return self.people.openings[int(chance(self.seed, self.number, "opening") * len(self.people.openings))]

    def luck(self, *what: object) -> float:
        """Fresh for every time that this is decided."""
        self.times[what] += 1
        return chance(self.seed, self.number, *what, self.times[what])

    def hold(self, flow_id: str) -> Simulated:
        self.take(Started(flow_id=flow_id, inputs=self.opening.inputs), "start")
        for _ in range(MOST_TURNS):
            if self.at.status in OVER or not self.at.frames or self.at.awaiting:
                return self.told(self.at.status.value)
            place = place_of(self.book.programs, self.at)
            if not self.decide(place):
                return self.told("gone", place)
        return self.told("endless")

    def told(self, how: str, place: Place | None = None) -> Simulated:
        facts = tuple(facts_of(self.turns, self.now))
        return Simulated(facts=facts, how=how, place=place, decisions=self.done, made_up=self.made_up, unanswered=self.unanswered)

    def decide(self, place: Place) -> bool:
        """False when the user has gone. Silence and going are one thing to the user: whether the bot has a timer makes the difference."""
        where = (place.flow, place.state, place.slot)
        act = self.people.act(place, self.luck("act", *where))
        self.done += 1
        if act in SPEAKS:
            self.now += THINKS
            self.take(self.said(place, act, self.luck("words", *where)), "message")
            return True
        if not self.due:
            return False
        token = min(self.due, key=lambda one: self.due[one])
        self.now = max(self.now, self.due.pop(token))
        self.take(TimerFired(token=token), "timer")
        return True

    def said(self, place: Place, act: Act, u: float) -> Input:
        found = self.people.words(place, act, u)
        if isinstance(found, Postback):
            found = self.pressed(found, u)
        if found is None:
            self.made_up += 1
            return self.heard(self.invented(u))
        return self.heard(found)

    def heard(self, event: Input) -> Input:
        if self.understand is None or not isinstance(event, Said) or not event.text or event.attachment:
            return event
        programs = [self.book.programs[frame.program] for frame in self.at.frames if frame.program in self.book.programs]
        return replace(event, understanding=self.understand(programs, event.text, self.at.locale))

    def pressed(self, event: Postback, u: float) -> Postback | None:
        """The same button where it is shown, else one that is; None when there is none."""
        token = self.at.frames[-1].token
        if not event.token:
            return event
        shown = [sent for sent in self.buttons() if sent.get("token", token) == token]
        same = any(sent.get("intent", "") == event.intent and sent.get("slots", {}) == event.slots for sent in shown)
        if same or not shown:
            return replace(event, token=token) if same else None
        self.made_up += 1
        sent = shown[int(u * len(shown))]
        return Postback(intent=str(sent.get("intent", "")), slots=sent.get("slots", {}), token=token)

    def buttons(self) -> list[Mapping[str, Any]]:
        shown = [button for reply in self.replies for button in (*reply.buttons, *reply.quick_replies)]
        return [button["postback"] for button in shown if button.get("postback")]

    def invented(self, u: float) -> Input:
        """For a question that nobody was ever asked: something that it takes."""
        program = self.book.programs.get(self.at.frames[-1].program)
        here = plan_of(program).states.get(self.at.state) if program is not None else None
        if program is None or here is None:
            return Said(text="yes")
        rule = program.flow.slots.get(asked_slot(here, self.at)) if not self.at.question else None
        return Said(text=made_up(rule, u, self.now)) if rule is not None else self._chosen(here, u)

    def _chosen(self, here: StatePlan, u: float) -> Input:
        """One of the ways on: an intent that the state waits for, or a button."""
        heeded, shown = sorted(here.heeded), self.buttons()
        if heeded:
            intent = heeded[int(u * len(heeded))]
            return Said(text=intent.replace("_", " "), understanding=Understanding(intents=((intent, 1.0),)))
        if shown:
            sent = shown[int(u * len(shown))]
            return Postback(intent=str(sent.get("intent", "")), slots=sent.get("slots", {}), token=self.at.frames[-1].token)
        return Said(text="yes")

    def take(self, event: Input, kind: str) -> None:
        self.turns.append((kind, []))
        step = self.step(event)
        self.replies = step.replies
        while self.at.awaiting:
            call = next((effect for effect in step.effects if isinstance(effect, Call)), None)
            if call is None:
                return
            step = self.step(Returned(effect_id=self.at.awaiting, outcome=self.answered(call)))
            self.replies = (*self.replies, *step.replies)

    def step(self, event: Input) -> Step:
        step = advance(self.book, self.at, event, self.now, conversation_id=self.id)
        self.at = step.snapshot
        self.turns[-1][1].extend(step.events)
        for effect in step.effects:
            if isinstance(effect, SetTimer):
                self.due[effect.token] = self.now + timedelta(milliseconds=effect.after_ms)
            elif isinstance(effect, CancelTimer):
                self.due.pop(effect.token, None)
        return step

    def answered(self, call: Call) -> Outcome:
        """One of what this integration has answered, failures as often as they were; else a stub's."""
        known = self.people.answers.get(call.integration_id)
        if known:
            return known[int(self.luck("call", call.integration_id) * len(known))]
        found = self.stubs(call) if self.stubs is not None else None
        self.unanswered += found is None
        return found or NO_ANSWER


def made_up(rule: SlotRule, u: float, now: datetime) -> str:
    """Words that fill a slot of this type."""
    if rule.choices:
        return rule.choices[int(u * len(rule.choices))].value
    if rule.type in _NUMBERS:
        low = rule.minimum if rule.minimum is not None else 1
        high = rule.maximum if rule.maximum is not None else low + 9
        return str(int(low + u * (high - low)))
    said = _TEXTS.get(rule.type)
    text = said(now) if said is not None else "something"
    return text.ljust(rule.min_length or 0, "x")


_NUMBERS: Final = frozenset({SlotType.INTEGER, SlotType.NUMBER, SlotType.MONEY})
_TEXTS: Final[Mapping[SlotType, Callable[[datetime], str]]] = {
    SlotType.BOOLEAN: lambda now: "yes",
    SlotType.DATE: lambda now: (now + timedelta(days=7)).date().isoformat(),
    SlotType.TIME: lambda now: "10:00",
    SlotType.DATETIME: lambda now: f"{(now + timedelta(days=7)).date().isoformat()} 10:00",
    SlotType.EMAIL: lambda now: "somebody@example.com",
    SlotType.PHONE: lambda now: "+1 415 555 0132",
    SlotType.URL: lambda now: "https://www.example.com",
}


def facts_of(turns: Sequence[tuple[str, Sequence[Event]]], at: datetime) -> Iterator[Fact]:
    """Events by turns (kind, events), as they are counted. No machine's time is measured: every turn takes none."""
    for number, (kind, events) in enumerate(turns, start=1):
        failed = any(event.kind == "failed" for event in events)
        turn = TurnFact(id=str(number), kind=kind, status="failed" if failed else "done", milliseconds=0.0)
        for event in events:
            yield Fact(seq=event.seq, kind=event.kind, data=event.data, at=at, turn=turn)


def recorded_facts(record: Record) -> Iterator[Fact]:
    """The same of a stored conversation, so that both are counted alike."""
    turns: dict[int, tuple[str, list[Event]]] = {}
    for moment in record.moments:
        turns.setdefault(moment.turn, (moment.kind, []))[1].extend(moment.events)
    return facts_of(list(turns.values()), record.moments[-1].now)
