"""The fold of one conversation's log into tallies: in as many steps as one likes, with the same sums at the end.

A *session* is what begins with `started` or `restarted`. What tells how far a session came is counted on the day on which it began, so that of
the sessions of a day the shares add up; what happens in between is counted on its own day. Days are UTC.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from conversations.analytics.core.measures import Measure, confidence_bucket, latency_bucket

Json = Any
Frame = tuple[str, str]  # version, state
Key = tuple[str, date, Measure, str]  # version, day, measure, name
DECLINED = "declined"
LONGEST_NAME = 160
MOST_REACHED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFact:
    """A turn as it stands. `milliseconds`: from acceptance to the stored reply; None while it is not finished, or was given up by a reset."""

    id: str
    kind: str
    status: str
    milliseconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event of the log, with the turn that wrote it."""

    seq: int
    kind: str
    data: Mapping[str, Json]
    at: datetime
    turn: TurnFact


@dataclass(slots=True, kw_only=True)
class Carry:
    """What must be known of the events that were counted already. JSON in and out. No word and no value of a slot is in it."""

    seq: int = 0
    day: str = ""  # on which the session began
    frames: list[Frame] = field(default_factory=list)
    stable: list[Frame] = field(default_factory=list)  # where a step that fails after an effect goes back to
    awaiting: bool = False
    reached: list[Frame] = field(default_factory=list)
    over: bool = True

    def to_json(self) -> dict[str, Json]:
        return {
            "day": self.day,
            "frames": [list(one) for one in self.frames],
            "stable": [list(one) for one in self.stable],
            "awaiting": self.awaiting,
            "reached": [list(one) for one in self.reached],
            "over": self.over,
        }


def carry_from_json(seq: int, data: Mapping[str, Json]) -> Carry:
    if not data:
        return Carry(seq=seq)
    pairs = {name: [(str(version), str(state)) for version, state in data[name]] for name in ("frames", "stable", "reached")}
    return Carry(seq=seq, day=data["day"], awaiting=data["awaiting"], over=data["over"], **pairs)


def count(carry: Carry, facts: Iterable[Fact]) -> Counter[Key]:
    """Tallies of these events, which follow `carry.seq` without gaps; `carry` is moved on."""
    work = _Work(carry)
    rows = list(facts)
    last = {fact.turn.id: fact.seq for fact in rows}
    for fact in rows:
        work.take(fact)
        if last[fact.turn.id] == fact.seq:
            work.turn_over(fact)
    return work.found


class _Work:
    def __init__(self, carry: Carry) -> None:
        self.carry = carry
        self.found: Counter[Key] = Counter()

    def take(self, fact: Fact) -> None:
        carry = self.carry
        resting = [] if carry.over else list(carry.frames)
        carry.seq = fact.seq
        react = COUNT.get(fact.kind)
        if react is not None:
            react(self, fact)
        if fact.kind not in SESSIONS:  # a session that is begun anew stays where it was
            self.rest(resting, -1)
        self.rest([] if carry.over else carry.frames, +1)

    def rest(self, frames: Iterable[Frame], by: int) -> None:
        for version, state in frames:
            self.in_session(version, Measure.RESTING, state, by)

    def turn_over(self, fact: Fact) -> None:
        turn, version = fact.turn, self.root
        if turn.milliseconds is None or not version:
            return
        day = fact.at.date()
        self.add(version, day, Measure.TURNS, turn.kind)
        if turn.status in ("failed", "dead"):
            self.add(version, day, Measure.TURN_FAULTS, turn.status)
        if turn.kind not in ("timer", "migration"):
            self.add(version, day, Measure.LATENCY, latency_bucket(turn.milliseconds))

    @property
    def root(self) -> str:
        return self.carry.frames[0][0] if self.carry.frames else ""

    @property
    def top(self) -> Frame:
        return self.carry.frames[-1] if self.carry.frames else ("", "")

    def add(self, version: str, day: date, measure: Measure, name: str, by: int = 1) -> None:
        if version and by:
            key = (version, day, measure, name[:LONGEST_NAME])
            self.found[key] += by
            if not self.found[key]:
                del self.found[key]

    def in_session(self, version: str, measure: Measure, name: str = "", by: int = 1) -> None:
        if self.carry.day:
            self.add(version, date.fromisoformat(self.carry.day), measure, name, by)

    def now(self, fact: Fact, measure: Measure, name: str, by: int = 1) -> None:
        self.add(self.top[0], fact.at.date(), measure, name, by)

    def enter(self, frame: Frame) -> None:
        self.in_session(frame[0], Measure.VISITS, frame[1])
        if frame not in self.carry.reached and len(self.carry.reached) < MOST_REACHED:
            self.carry.reached.append(frame)
            self.in_session(frame[0], Measure.REACHED, frame[1])


def _started(work: _Work, fact: Fact) -> None:
    carry = work.carry
    frame = (str(fact.data["program"]), str(fact.data["state"]))
    carry.day, carry.frames, carry.stable = fact.at.date().isoformat(), [frame], []
    carry.reached, carry.over, carry.awaiting = [], False, False
    work.in_session(frame[0], Measure.STARTS)
    work.enter(frame)


def _moved(work: _Work, fact: Fact) -> None:
    if not work.carry.frames:
        return
    version, before = work.top
    after = (version, str(fact.data["to"]))
    work.carry.frames[-1] = after
    work.in_session(version, Measure.MOVED, f"{before}→{after[1]}")
    work.enter(after)


def _pushed(work: _Work, fact: Fact) -> None:
    frame = (str(fact.data["program"]), str(fact.data["state"]))
    work.carry.frames.append(frame)
    work.in_session(frame[0], Measure.CALLED)
    work.enter(frame)


def _popped(work: _Work, fact: Fact) -> None:
    if len(work.carry.frames) > 1:
        version, state = work.carry.frames.pop()
        work.in_session(version, Measure.RETURNED)
        work.in_session(version, Measure.ENDED_AT, state)


def _unwound(work: _Work, fact: Fact) -> None:
    work.carry.frames = work.carry.frames[: int(fact.data["depth"])]


def _replaced(work: _Work, fact: Fact) -> None:
    work.carry.frames = work.carry.frames[: int(fact.data["depth"])]
    _pushed(work, fact)


def _migrated(work: _Work, fact: Fact) -> None:
    after = [(str(one["program"]), str(one["state"])) for one in fact.data["frames"]]
    gone, come = _versions(work.carry.frames) - _versions(after), _versions(after) - _versions(work.carry.frames)
    for version in sorted(gone):
        work.in_session(version, Measure.MIGRATED_OUT)
    for version in sorted(come):
        work.in_session(version, Measure.MIGRATED_IN)
    work.carry.frames, work.carry.stable = after, []
    for frame in after:
        if frame[0] in come:
            work.enter(frame)


def _versions(frames: Iterable[Frame]) -> set[str]:
    return {version for version, _ in frames}


def _ended(work: _Work, fact: Fact) -> None:
    version, state = work.top
    work.in_session(version, Measure.ENDED_AT, state)
    work.in_session(work.root, Measure.COMPLETIONS, str(fact.data.get("completion") or "completed"))
    work.carry.over = True


def _handed_over(work: _Work, fact: Fact) -> None:
    work.in_session(work.root, Measure.HANDOFFS, work.carry.frames[0][1] if work.carry.frames else "")


def _awaiting(work: _Work, fact: Fact) -> None:
    work.carry.awaiting = True
    if "stable" in fact.data:
        work.carry.stable = [(str(one["program"]), str(one["state"])) for one in fact.data["stable"]]


def _returned(work: _Work, fact: Fact) -> None:
    work.carry.awaiting = False
    data = fact.data
    integration = str(data.get("integration_id") or "")
    if not integration:
        return
    work.now(fact, Measure.CALLS, integration)
    work.now(fact, Measure.CALL_MS, integration, int(data.get("execution_time_ms") or 0))
    if not data.get("success"):
        work.now(fact, Measure.CALL_FAULTS, f"{integration}|{data.get('code') or 'INTEGRATION_ERROR'}")


def _replied(work: _Work, fact: Fact) -> None:
    if not work.carry.awaiting:
        work.carry.stable = []


def _failed(work: _Work, fact: Fact) -> None:
    work.now(fact, Measure.FAULTS, str(fact.data.get("code") or "STATE_EXECUTION_ERROR"))
    work.carry.awaiting = False
    if work.carry.stable:
        work.carry.frames = list(work.carry.stable)


def _message(work: _Work, fact: Fact) -> None:
    intent = fact.data.get("intent")
    if intent:
        work.now(fact, Measure.INTENTS, str(intent))
        if "confidence" in fact.data:
            work.now(fact, Measure.CONFIDENCE, confidence_bucket(float(fact.data["confidence"])))


def _filled(work: _Work, fact: Fact) -> None:
    for name in fact.data.get("slots") or ():
        work.now(fact, Measure.SLOT_FILLED, str(name))
    for name in fact.data.get("corrected") or ():
        work.now(fact, Measure.SLOT_CORRECTED, str(name))


def _refused(work: _Work, fact: Fact) -> None:
    work.now(fact, Measure.SLOT_REFUSED, str(fact.data.get("slot") or ""))


def _missed(work: _Work, fact: Fact) -> None:
    work.now(fact, Measure.MISSED, work.top[1])


def _escalated(work: _Work, fact: Fact) -> None:
    work.now(fact, Measure.ESCALATED, work.top[1])


def _rated(work: _Work, fact: Fact) -> None:
    score, scale = fact.data.get("score"), fact.data.get("scale")
    if isinstance(score, int | float) and not isinstance(score, bool):
        work.now(fact, Measure.RATED, f"{score:g}/{scale if isinstance(scale, int) else 5}")
    elif fact.data.get("declined"):
        work.now(fact, Measure.RATED, DECLINED)


SESSIONS = frozenset({"started", "restarted"})
COUNT: Mapping[str, Callable[[_Work, Fact], None]] = {
    "started": _started,
    "restarted": _started,
    "moved": _moved,
    "pushed": _pushed,
    "popped": _popped,
    "unwound": _unwound,
    "replaced": _replaced,
    "migrated": _migrated,
    "ended": _ended,
    "handed_over": _handed_over,
    "awaiting": _awaiting,
    "returned": _returned,
    "replied": _replied,
    "failed": _failed,
    "message": _message,
    "slots_filled": _filled,
    "slot_refused": _refused,
    "missed": _missed,
    "escalated": _escalated,
    "rated": _rated,
}
