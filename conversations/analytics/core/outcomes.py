"""What a conversation has come to, in the few numbers that experiments compare. A fold of its log, as `counting` is."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conversations.analytics.core.counting import Fact
from conversations.analytics.core.measures import GIVEN_UP
from experiments.core.metrics import Outcome

FIXED = "findings_fixed"  # what a flow logs when findings were fixed, with their `count`
DEFAULT_SCALE = 5.0
UNMEASURED = ("timer", "migration")


def outcome(facts: Iterable[Fact]) -> Outcome:
    """Of the whole log, in its order. A success counts whatever came after it; else the last end does."""
    work = _Work()
    rows = list(facts)
    last = {fact.turn.id: fact.seq for fact in rows}
    for fact in rows:
        work.seq = fact.seq
        react = FOLD.get(fact.kind)
        if react is not None:
            react(work, fact.data)
        if last[fact.turn.id] == fact.seq:
            work.turn_over(fact)
    return work.done()


class _Work:
    def __init__(self) -> None:
        self.seq = 0
        self.ended = False
        self.completion = ""
        self.sums: dict[str, float] = {}
        self.csat: float | None = None
        self.states: set[str] = set()

    def add(self, name: str, by: float = 1) -> None:
        self.sums[name] = self.sums.get(name, 0) + by

    def turn_over(self, fact: Fact) -> None:
        turn = fact.turn
        if turn.milliseconds is None or turn.kind in UNMEASURED:
            return
        self.add("latency_count")
        self.add("latency_sum", turn.milliseconds)
        if turn.status in ("failed", "dead"):
            self.add("failed_turns")

    def done(self) -> Outcome:
        return Outcome(seq=self.seq, ended=self.ended, completion=self.completion, csat=self.csat, states=frozenset(self.states), **_typed(self.sums))


def _typed(sums: Mapping[str, float]) -> dict[str, Any]:
    return {name: value if name.endswith("_sum") else int(value) for name, value in sums.items()}


Data = Mapping[str, Any]


def _begun(work: _Work, data: Data) -> None:
    work.ended = False
    work.states.add(str(data.get("state", "")))


def _moved(work: _Work, data: Data) -> None:
    work.states.add(str(data.get("to", "")))


def _ended(work: _Work, data: Data) -> None:
    work.ended = True
    if not work.completion or work.completion in GIVEN_UP:
        work.completion = str(data.get("completion") or "completed")


def _message(work: _Work, data: Data) -> None:
    work.add("turns")
    if data.get("intent") and "confidence" in data:
        work.add("confidence_count")
        work.add("confidence_sum", float(data["confidence"]))


def _returned(work: _Work, data: Data) -> None:
    if not data.get("integration_id"):
        return
    work.add("calls")
    if not data.get("success"):
        work.add("call_faults")


def _rated(work: _Work, data: Data) -> None:
    score, scale = data.get("score"), data.get("scale")
    if isinstance(score, int | float) and not isinstance(score, bool):
        work.csat = min(max(score / (scale if isinstance(scale, int) and scale > 0 else DEFAULT_SCALE), 0.0), 1.0)


def _logged(work: _Work, data: Data) -> None:
    told = data.get("data")
    if data.get("name") == FIXED and isinstance(told, Mapping) and isinstance(told.get("count"), int | float):
        work.add("findings_fixed", max(told["count"], 0))


FOLD: Mapping[str, Callable[[_Work, Data], None]] = {
    "started": _begun,
    "restarted": _begun,
    "pushed": _begun,
    "replaced": _begun,
    "moved": _moved,
    "ended": _ended,
    "message": _message,
    "missed": lambda work, _: work.add("low_confidence"),
    "slot_refused": lambda work, _: work.add("slots_refused"),
    "slots_filled": lambda work, data: work.add("slots_filled", len(data.get("slots") or ())),
    "handed_over": lambda work, _: work.add("handoffs"),
    "returned": _returned,
    "rated": _rated,
    "logged": _logged,
}
