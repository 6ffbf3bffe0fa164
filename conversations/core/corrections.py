"""A filled slot gets another value: where the conversation takes up again, and when it asks first."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from conversations.core import frames
from conversations.core.run import Run
from flows.core.types import IntegrationConfig, Json

REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
PENDING: Final = "_correction"  # the values that wait for a yes, among the variables of the flow; no author can use the name


class Place(NamedTuple):
    """A state that the conversation has passed. `since` is the number of the event that entered it."""

    level: int
    state: str
    since: int


def known_slots(run: Run) -> Iterable[str]:
    """The slots that some flow on the stack asks for, those of the top one first."""
    if len(run.work.frames) == 1:
        return run.plan.slots
    levels = range(len(run.work.frames) - 1, -1, -1)
    return dict.fromkeys(name for level in levels for name in run.plan_at(level).slots)


def reader(run: Run, names: frozenset[str]) -> Place | None:
    """The earliest visited state that read one of these slots: in the root flow first, then in the flows above it. None when there is none.

    A state of a lower flow that waits for the flows above is asked again in any case, so it does not count.
    """
    for level, frame in enumerate(run.work.frames):
        program = run.plan_at(level).program
        for token in frame.trail:
            state, _, since = token.rpartition("#")
            if state != frame.state and state in program.flow.states and program.reads.get(state, frozenset()) & names:
                return Place(level, state, int(since))
    return None


def sent_since(run: Run, place: Place) -> bool:
    """Whether a call that must not be repeated has succeeded since the conversation was there."""
    return run.work.sent > place.since


def repeatable(call: IntegrationConfig) -> bool:
    return call.method.upper() in REPEATABLE or bool(call.retry_config.get("idempotent"))


def take_up(run: Run, place: Place) -> None:
    """Leave the present state, and the flows above the place, and go on from there with the new value."""
    run.note(note="corrected", enters=place.state)
    if place.level < len(run.work.frames) - 1:
        frames.unwind(run, place.level + 1)
    run.ops.clear()
    run.ops.append(["go", place.state])


def hold(run: Run, values: Mapping[str, Json]) -> None:
    run.emit("variables_set", {"set": {PENDING: dict(values)}})


def release(run: Run) -> None:
    run.emit("variables_set", {"set": {}, "cleared": [PENDING]})


def held(run: Run) -> Mapping[str, Json]:
    """The values that wait for a yes; empty when none do."""
    found: Mapping[str, Json] = run.work.frames[-1].variables.get(PENDING) or {}
    return found
