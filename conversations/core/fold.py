"""What each event does to the snapshot: the one place where a conversation's state changes.

The machine emits an event and applies it to its working copy through this table; replay applies the stored event through the same table.
So the fold of a conversation's events is its snapshot by construction.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from conversations.core.codec import frame_from_json
from conversations.core.types import Event, Frame, Snapshot, Status
from flows.core.types import Json

HISTORY = 50  # how many previous states and intents are kept
MOST_UNDONE = 50  # how much a cancel can take back


class Work:
    """A snapshot while it is being worked on: the same fields, assignable. The values in them are replaced, never changed."""

    __slots__ = tuple(Snapshot.__dataclass_fields__)

    frames: tuple[Frame, ...]
    status: Status
    slots: Mapping[str, Json]
    profile: Mapping[str, Json]
    locale: str
    channel: str
    history: tuple[str, ...]
    intents: tuple[str, ...]
    results: Mapping[str, Json]
    retries: Mapping[str, int]
    misses: int
    error_count: int
    awaiting: str
    agenda: tuple[Json, ...]
    stable: tuple[Frame, ...]
    steps: int
    timers: Mapping[str, str]
    effects: int
    seq: int
    offered: tuple[Json, ...]
    question: Mapping[str, Json]
    sent: int
    sensitive: tuple[str, ...]

    def __init__(self, at: Snapshot) -> None:
        self.frames = at.frames
        self.status = at.status
        self.slots = at.slots
        self.profile = at.profile
        self.locale = at.locale
        self.channel = at.channel
        self.history = at.history
        self.intents = at.intents
        self.results = at.results
        self.retries = at.retries
        self.misses = at.misses
        self.error_count = at.error_count
        self.awaiting = at.awaiting
        self.agenda = at.agenda
        self.stable = at.stable
        self.steps = at.steps
        self.timers = at.timers
        self.effects = at.effects
        self.seq = at.seq
        self.offered = at.offered
        self.question = at.question
        self.sent = at.sent
        self.sensitive = at.sensitive

    def frozen(self) -> Snapshot:
        return Snapshot(
            frames=self.frames,
            status=self.status,
            slots=self.slots,
            profile=self.profile,
            locale=self.locale,
            channel=self.channel,
            history=self.history,
            intents=self.intents,
            results=self.results,
            retries=self.retries,
            misses=self.misses,
            error_count=self.error_count,
            awaiting=self.awaiting,
            agenda=self.agenda,
            stable=self.stable,
            steps=self.steps,
            timers=self.timers,
            effects=self.effects,
            seq=self.seq,
            offered=self.offered,
            question=self.question,
            sent=self.sent,
            sensitive=self.sensitive,
        )


def apply(snapshot: Snapshot, event: Event) -> Snapshot:
    """The snapshot after one event. A gap in the numbers is the caller's to notice."""
    return fold((event,), start=snapshot)


def fold(events: Iterable[Event], *, start: Snapshot | None = None) -> Snapshot:
    """The snapshot that a conversation's events lead to, in `seq` order."""
    work = Work(start or Snapshot())
    for event in events:
        work.seq = event.seq
        APPLY[event.kind](work, event.data)
    return work.frozen()


Data = Mapping[str, Json]


def _begin(work: Work, data: Data, below: tuple[Frame, ...]) -> None:
    work.frames = (
        *below,
        Frame(
            program=data["program"],
            flow_id=data["flow_id"],
            state=data["state"],
            returns=data.get("returns") or {},
            variables=data["variables"],
            visit=work.seq,
            on_cancel=data.get("on_cancel") or "",
        ),
    )


def _started(work: Work, data: Data) -> None:
    _begin(work, data, ())
    work.status = Status.ACTIVE
    work.locale = data["locale"]
    work.channel = data["channel"]
    work.profile = data["profile"]
    work.slots = data["slots"]
    work.sensitive = tuple(data.get("sensitive") or ())
    work.intents = ()
    work.error_count = 0
    work.timers = {}
    _forget(work)


def _restarted(work: Work, data: Data) -> None:
    _begin(work, data, ())
    work.status = Status.ACTIVE
    work.slots = {}
    work.sensitive = ()
    _forget(work)


def _forget(work: Work) -> None:
    work.history = ()
    work.results = {}
    work.retries = {}
    work.misses = 0
    work.awaiting = ""
    work.agenda = ()
    work.stable = ()
    work.offered = ()
    work.question = {}
    work.sent = 0


def _message(work: Work, data: Data) -> None:
    if work.question:
        work.question = {}
    intent = data.get("intent")
    if intent:
        work.intents = (*work.intents[1 - HISTORY :], intent)


def _timer_fired(work: Work, data: Data) -> None:
    work.timers = {token: ref for token, ref in work.timers.items() if token != data["token"]}


def _slots_filled(work: Work, data: Data) -> None:
    filled = data["slots"]
    work.slots = {**work.slots, **filled}
    if "sensitive" in data:
        work.sensitive = (*work.sensitive, *(name for name in data["sensitive"] if name not in work.sensitive))
    if work.retries:
        work.retries = {name: count for name, count in work.retries.items() if name not in filled}
    work.misses = 0


def _slot_refused(work: Work, data: Data) -> None:
    name = data["slot"]
    work.retries = {**work.retries, name: work.retries.get(name, 0) + 1}


def _missed(work: Work, data: Data) -> None:
    work.misses += 1


def _handled(work: Work, data: Data) -> None:
    if not data.get("fallback"):
        work.misses = 0


def _escalated(work: Work, data: Data) -> None:
    work.misses = 0
    work.retries = {}


def _moved(work: Work, data: Data) -> None:
    top = work.frames[-1]
    moved = Frame(
        program=top.program,
        flow_id=top.flow_id,
        state=data["to"],
        returns=top.returns,
        variables=top.variables,
        visit=work.seq,
        trail=(*top.trail[1 - HISTORY :], top.token),
        undo=top.undo,
        on_cancel=top.on_cancel,
    )
    work.frames = (*work.frames[:-1], moved)
    work.history = (*work.history[1 - HISTORY :], top.state)
    if "fallback" not in data:
        work.misses = 0


def _variables_set(work: Work, data: Data) -> None:
    level = data.get("level", -1)
    frames = list(work.frames)
    variables = {**frames[level].variables, **data["set"]}
    for name in data.get("cleared") or ():
        variables.pop(name, None)
    frames[level] = _with(frames[level], variables=variables, agenda=frames[level].agenda)
    work.frames = tuple(frames)


def _with(frame: Frame, *, variables: Mapping[str, Json], agenda: tuple[Json, ...]) -> Frame:
    return Frame(
        program=frame.program,
        flow_id=frame.flow_id,
        state=frame.state,
        returns=frame.returns,
        variables=variables,
        visit=frame.visit,
        agenda=agenda,
        trail=frame.trail,
        undo=frame.undo,
        on_cancel=frame.on_cancel,
    )


def _pushed(work: Work, data: Data) -> None:
    caller = work.frames[-1]
    parked = _with(caller, variables=caller.variables, agenda=tuple(data["agenda"]))
    _begin(work, data, (*work.frames[:-1], parked))


def _popped(work: Work, data: Data) -> None:
    caller, top = work.frames[-2:]
    resumed = _with(caller, variables={**caller.variables, **data["set"]}, agenda=())
    if top.undo:  # what the sub-flow has done can still be taken back with its caller
        resumed = replace(resumed, undo=(*caller.undo, *top.undo)[-MOST_UNDONE:])
    work.frames = (*work.frames[:-2], resumed)


def _unwound(work: Work, data: Data) -> None:
    kept = work.frames[: data["depth"]]
    work.frames = (*kept[:-1], _with(kept[-1], variables=kept[-1].variables, agenda=()))


def _replaced(work: Work, data: Data) -> None:
    _begin(work, data, work.frames[: data["depth"]])


def _awaiting(work: Work, data: Data) -> None:
    work.awaiting = data["effect_id"]
    work.agenda = tuple(data["agenda"])
    work.steps = data["steps"]
    work.effects = data["n"]
    if "stable" in data:
        work.stable = tuple(map(frame_from_json, data["stable"]))


def _returned(work: Work, data: Data) -> None:
    work.awaiting = ""
    work.agenda = ()
    if data["success"] and data["integration_id"]:
        work.results = {**work.results, data["integration_id"]: data["data"]}
    if data.get("once"):
        work.sent = work.seq


def _timers(work: Work, data: Data) -> None:
    gone = data.get("cancelled") or ()
    work.timers = {**{token: ref for token, ref in work.timers.items() if token not in gone}, **data["set"]}
    work.effects = data["n"]


def _replied(work: Work, data: Data) -> None:
    if "status" in data:
        work.status = Status(data["status"])
    if "messages" in data:
        work.offered = tuple(data.get("offered") or ())
    if not work.awaiting:
        work.stable = ()
        work.steps = 0


def _slots_cleared(work: Work, data: Data) -> None:
    gone = data["slots"]
    work.slots = {name: value for name, value in work.slots.items() if name not in gone}
    work.retries = {name: count for name, count in work.retries.items() if name not in gone}


def _asked(work: Work, data: Data) -> None:
    """The engine's own question, answered by the next message or forgotten."""
    work.question = data


def _undoable(work: Work, data: Data) -> None:
    level = data.get("level", -1)
    frames = list(work.frames)
    entry = {name: value for name, value in data.items() if name != "level"}
    frames[level] = replace(frames[level], undo=(*frames[level].undo, entry)[-MOST_UNDONE:])
    work.frames = tuple(frames)


def _cancelling(work: Work, data: Data) -> None:
    """Everything from frame `depth` up is given up: what it has to take back is on the engine's agenda now."""
    kept, gone = work.frames[: data["depth"]], work.frames[data["depth"] :]
    work.frames = (*kept, *(replace(frame, undo=(), agenda=()) for frame in gone))


def _ended(work: Work, data: Data) -> None:
    work.status = Status.ENDED


def _handed_over(work: Work, data: Data) -> None:
    work.status = Status.HANDOFF
    work.misses = 0


def _resumed(work: Work, data: Data) -> None:
    work.status = Status.WAITING


def _failed(work: Work, data: Data) -> None:
    work.error_count += 1
    work.awaiting = ""
    work.agenda = ()
    if work.stable:
        work.frames = work.stable
    if "status" in data:
        work.status = Status(data["status"])


def _migrated(work: Work, data: Data) -> None:
    """Another version of a flow: the frames in full, of the slots what is different."""
    work.frames = tuple(map(frame_from_json, data["frames"]))
    gone = data["dropped"]
    work.slots = {**{name: value for name, value in work.slots.items() if name not in gone}, **data["slots"]}
    work.sensitive = tuple(data.get("sensitive") or ())
    work.history = tuple(data["history"])
    work.retries = data["retries"]
    work.stable = ()
    work.steps = 0


def _noted(work: Work, data: Data) -> None:
    """Events that only tell: they change nothing."""


APPLY: dict[str, Callable[[Work, Data], None]] = {
    "started": _started,
    "restarted": _restarted,
    "message": _message,
    "command": _noted,
    "timer_fired": _timer_fired,
    "slots_filled": _slots_filled,
    "slot_refused": _slot_refused,
    "missed": _missed,
    "handled": _handled,
    "escalated": _escalated,
    "moved": _moved,
    "variables_set": _variables_set,
    "pushed": _pushed,
    "popped": _popped,
    "unwound": _unwound,
    "replaced": _replaced,
    "awaiting": _awaiting,
    "returned": _returned,
    "timers": _timers,
    "replied": _replied,
    "ended": _ended,
    "handed_over": _handed_over,
    "resumed": _resumed,
    "agent_joined": _noted,
    "agent_left": _noted,
    "agent_said": _noted,
    "failed": _failed,
    "migrated": _migrated,
    "logged": _noted,
    "slots_cleared": _slots_cleared,
    "asked": _asked,
    "undoable": _undoable,
    "cancelling": _cancelling,
    "compensated": _noted,
    "rated": _noted,
    "defaulted": _noted,
}
