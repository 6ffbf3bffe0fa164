"""The values of a running conversation: snapshot, inputs, events, effects and the step that ties them together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from flows.core.types import Json, Program, Trigger
from mcp_platform.metadata.core.vocabulary import EMPTY, Vocabulary


class Status(StrEnum):
    ACTIVE = "active"  # nothing is awaited but the next step of the engine itself
    WAITING = "waiting"  # for a message, a timer or an effect
    HANDOFF = "handoff"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One flow on the stack. `program` is the key of the pinned version.

    `visit` is the number of the event that entered `state`: together they make the token that a postback must carry.
    `agenda` is what this frame still has to do when the flow above it ends. `trail` are the tokens ("state#visit") of the states it has
    left, newest last, at most 50. `undo` is what a cancel has to take back, newest last: {program, state, place, seen}.
    `on_cancel` is "cancel" when the calling flow is cancelled with this one.
    """

    program: str
    flow_id: str
    state: str
    returns: Mapping[str, str] = field(default_factory=dict)  # variable of the caller -> output of this flow
    variables: Mapping[str, Json] = field(default_factory=dict)
    visit: int = 0
    agenda: tuple[Json, ...] = ()
    trail: tuple[str, ...] = ()
    undo: tuple[Json, ...] = ()
    on_cancel: str = ""

    @property
    def token(self) -> str:
        """Names this visit of the state: what a button must carry."""
        return f"{self.state}#{self.visit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the engine knows of a conversation between two steps. JSON in and out: `to_json`, `snapshot_from_json`.

    `slots` are shared by all frames; variables belong to their frame. `agenda` is what is left of an interrupted microstep while
    `awaiting` names the blocking effect; `stable` are the frames of the last state that waited for the user, kept only that long: a
    step that fails after the effect returned goes back there. `steps` are the microsteps this turn has used so far. `seq` is the
    number of the last event. `offered` are the options of the last replies that a typed number or label selects; `question` is what the
    engine itself has asked ({kind, token, …}); `sent` is the event of the last successful call that must not be repeated.
    """

    frames: tuple[Frame, ...] = ()
    status: Status = Status.ACTIVE
    slots: Mapping[str, Json] = field(default_factory=dict)
    profile: Mapping[str, Json] = field(default_factory=dict)
    locale: str = "en"
    channel: str = "web"
    history: tuple[str, ...] = ()  # previous states, newest last, at most 50
    intents: tuple[str, ...] = ()  # intent history, newest last, at most 50
    results: Mapping[str, Json] = field(default_factory=dict)  # integration results, by integration id
    retries: Mapping[str, int] = field(default_factory=dict)  # slot -> refused answers in a row
    misses: int = 0  # messages in a row that nothing matched
    error_count: int = 0
    awaiting: str = ""  # effect id of the blocking effect, or ""
    agenda: tuple[Json, ...] = ()
    stable: tuple[Frame, ...] = ()
    steps: int = 0
    timers: Mapping[str, str] = field(default_factory=dict)  # timer token -> "state#transition index"
    effects: int = 0  # how many effect ids and timer tokens have been handed out
    seq: int = 0
    offered: tuple[Json, ...] = ()
    question: Mapping[str, Json] = field(default_factory=dict)
    sent: int = 0
    sensitive: tuple[str, ...] = ()  # slots that were filled as sensitive ones: masked even when their flow has left the stack

    @property
    def state(self) -> str:
        """The current state of the flow on top, or "" before the start."""
        return self.frames[-1].state if self.frames else ""

    @property
    def programs(self) -> tuple[str, ...]:
        """The keys of every pinned version that a step may need: of the stack, and of what a cancel has to take back."""
        undone = (entry["program"] for frame in self.frames for entry in frame.undo)
        return tuple(dict.fromkeys((*(frame.program for frame in self.frames), *undone)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What the words mean: intents with confidence 0..1, best first, and entities found (slot name -> raw text).

    `triggers` are flows that these words would start, with confidence, best first; `tenant` are intents of the tenant's own handlers.
    `models` are the versions of trained models that were asked, by flow.
    """

    intents: tuple[tuple[str, float], ...] = ()
    entities: Mapping[str, str] = field(default_factory=dict)
    triggers: tuple[tuple[str, float], ...] = ()
    tenant: tuple[tuple[str, float], ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first event of a conversation. `inputs` become variables of the flow (or slots of the same name)."""

    flow_id: str
    inputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    text: str
    understanding: Understanding = field(default_factory=Understanding)
    attributes: Mapping[str, str] = field(default_factory=dict)
    attachment: bool = False
    event: str = ""  # its name, when not a user but the client's program says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Postback:
    """A button. `token` is the state token of the reply that rendered it."""

    intent: str = ""
    slots: Mapping[str, Json] = field(default_factory=dict)
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """restart | stop | human | help | cancel | cancel_all | repeat, from a user; resume, from an operator: the bot takes over again."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """What a person did in the user's place of the bot: handed_over (took it), joined, left, said, resumed (gave it back), ended.

    `agent` is the actor, `name` what users are shown. `state` and `slots` are for resumed: where to go on, and with what.
    """

    deed: str
    agent: str = ""
    name: str = ""
    text: str = ""
    reason: str = ""
    state: str = ""
    slots: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back from outside. `code` is set when not `success`: INTEGRATION_TIMEOUT, INTEGRATION_ERROR, unknown_outcome …"""

    success: bool
    status_code: int = 0
    data: Json = None
    error: str = ""
    code: str = ""
    execution_time_ms: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    effect_id: str
    outcome: Outcome


Input: TypeAlias = Started | Said | Postback | Command | Attended | TimerFired | Returned


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact of the log. `kind` is a row of the table in `fold.py`; `data` is plain JSON. Folding a conversation's events gives its snapshot."""

    seq: int
    kind: str
    data: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    token: str
    after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer:
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The blocking effect. `step_key` is equal over retries and recovery: it makes the idempotency key."""

    effect_id: str
    step_key: str
    integration_id: str
    endpoint: str
    method: str
    request: Mapping[str, Json]
    timeout_ms: int
    retry: Mapping[str, Json] = field(default_factory=dict)
    kind: str = "integration"  # or "generate": a text from a language model; `request` has prompt, locale and context


Effect: TypeAlias = SetTimer | CancelTimer | Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One message to the user. `token` is the state token that a postback must carry.

    Buttons and quick replies are {label} with one of `postback` ({intent, slots, token}), `url` or `say` (a text to send as if typed); without
    any of them the label is sent. Cards are {title, subtitle, image, url, buttons}, images {url, alt}. `plain` is the whole message in words,
    options numbered, for channels that show nothing else; "" when `text` says it all.
    """

    text: str
    type: str = "text"
    state: str = ""
    delay_ms: int = 0
    typing_indicator: bool = False
    buttons: tuple[Mapping[str, Json], ...] = ()
    token: str = ""
    quick_replies: tuple[Mapping[str, Json], ...] = ()
    cards: tuple[Mapping[str, Json], ...] = ()
    layout: str = ""
    images: tuple[Mapping[str, Json], ...] = ()
    plain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one input did. `trace` says why each transition was or was not taken (plain JSON, not folded).

    `visits` are (state, milliseconds are measured by the shell) for metrics; `completed` is a completion type when a flow ended here.
    `error` is {code, message, state} when the step failed: the turn is then `failed`, the snapshot still at its last waiting state.
    A fault that the flow's own error handler took care of is no error: it is in the events and in the trace.
    A step without events (a stale timer, an effect that somebody else delivered) changes nothing at all.
    """

    snapshot: Snapshot
    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    replies: tuple[Reply, ...] = ()
    actions: tuple[str, ...] = ()  # the reply's actions_performed
    confidence: Mapping[str, float] = field(default_factory=dict)
    trace: tuple[Mapping[str, Any], ...] = ()
    visits: tuple[str, ...] = ()
    completed: str = ""
    error: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The programs a step may need: every pinned version of the snapshot's frames, and the current version of each flow that these can reach.

    The shell builds it before the step (and caches it by the version's id), so that the core never looks anything up.
    """

    programs: Mapping[str, Program]  # key -> program
    current: Mapping[str, str]  # flow_id -> key
    default_flow: str = ""  # the tenant's default flow: what runs when a flow is not found
    tenant: Program | None = None  # the tenant's own handlers and words, a program without states
    triggers: Mapping[str, tuple[Trigger, ...]] = field(default_factory=dict)  # flow_id -> what starts it from anywhere
    products: Vocabulary = EMPTY  # the tenant's product metadata, where one of the programs reads it
