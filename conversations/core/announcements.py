"""What a step tells the world: facts of its events in the words of the catalogue (mcp_platform/outbox), without a word that anybody has said."""

from collections.abc import Callable, Collection, Iterable, Mapping

from conversations.core.types import Event, Snapshot, Step
from flows.core.types import Json

MASK = "•••"
Facts = dict[str, Json]
Told = tuple[str, Facts]  # type, data
Wanted = Callable[[str], bool]


def announcements(
    step: Step, *, about: Mapping[str, Json], wanted: Wanted, sensitive: Collection[str], ended: Mapping[str, Json] | None
) -> list[Told]:
    """In the order in which it happened. `about`: what every event of the turn says; `ended`: of a turn that is over, what turn.finished says
    beside what the step knows; None while it waits for an effect."""
    told: list[Told] = []
    for event in step.events:
        for name, facts in TELL.get(event.kind, _nothing)(event, step.snapshot, sensitive):
            if wanted(name):
                told.append((name, {**about, **facts}))
    if ended is not None and wanted("turn.finished"):
        told.append(("turn.finished", {**about, **_finished(step), **ended}))
    return told


def _finished(step: Step) -> Facts:
    facts: Facts = {"state": step.snapshot.state, "conversation_status": step.snapshot.status.value, "last_seq": step.snapshot.seq}
    best = next(iter(step.confidence.items()), None)
    if best is not None:
        facts |= {"intent": best[0], "confidence": best[1]}
    if step.error is not None:
        facts["error_code"] = step.error.get("code", "STATE_EXECUTION_ERROR")
    return facts


Tell = Callable[[Event, Snapshot, Collection[str]], Iterable[Told]]


def _nothing(_event: Event, _after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    return ()


def _started(event: Event, _after: Snapshot, sensitive: Collection[str]) -> Iterable[Told]:
    yield "conversation.started", {"state": event.data["state"], "restarted": event.kind == "restarted"}
    if event.data.get("slots"):
        yield from _filled(event, _after, sensitive)


def _filled(event: Event, _after: Snapshot, sensitive: Collection[str]) -> Iterable[Told]:
    hidden = {*sensitive, *(event.data.get("sensitive") or ())}
    slots = {name: MASK if name in hidden else value for name, value in event.data["slots"].items()}
    yield "slot.filled", {"slots": slots, "masked": sorted(hidden & slots.keys())}


def _handed_over(event: Event, after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    yield "conversation.handoff", {"reason": str(event.data.get("reason") or ""), "state": after.state}


def _resumed(_event: Event, after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    yield "conversation.resumed", {"state": after.state}


def _rated(event: Event, _after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    score = event.data.get("score")
    if isinstance(score, int | float):
        yield "conversation.rated", {"score": score, **({"scale": event.data["scale"]} if "scale" in event.data else {})}


def _failed(event: Event, after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    yield "conversation.failed", {"error_code": str(event.data.get("code") or ""), "state": after.state}


def _ended(event: Event, after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    yield "conversation.ended", {"completion": str(event.data.get("completion") or ""), "state": after.state}


def _returned(event: Event, _after: Snapshot, _sensitive: Collection[str]) -> Iterable[Told]:
    data = event.data
    if not data.get("integration_id"):
        return
    facts: Facts = {"integration_id": data["integration_id"], "success": bool(data["success"])}
    facts |= {name: data[name] for name in ("status_code", "execution_time_ms") if name in data}
    if data.get("code"):
        facts["error_code"] = data["code"]
    yield "integration.returned", facts


TELL: Mapping[str, Tell] = {
    "started": _started,
    "restarted": _started,
    "slots_filled": _filled,
    "handed_over": _handed_over,
    "resumed": _resumed,
    "rated": _rated,
    "failed": _failed,
    "ended": _ended,
    "returned": _returned,
}
