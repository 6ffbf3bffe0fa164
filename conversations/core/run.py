"""One step while it runs: the working copy, what has been decided so far, and the few moves that everything else is made of.

`ops` is the stack of what is left to do (next one last). Its entries are JSON, because a blocking effect or a sub-flow parks them:
  ["begin", state]                              run a state from its entry actions, without a `moved` event (first state of a frame)
  ["enter", state, transition index or None]    move to a state and run it
  ["go", state]                                 leave the current state (exit actions), then enter
  ["acts", level, state, place, start]          run a list of actions from number `start`; `level` is the frame, -1 = the top one
  ["called", level, state, place, index]        a call_integration action came back
  ["result", state]                             an integration state's call came back
  ["body", state]                               what a state does after its entry actions
  ["ask"]                                       ask the current state's question again
  ["say", level, handler]                       a handler's own text
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from conversations.core.codec import frame_to_json
from conversations.core.fold import APPLY, Work
from conversations.core.plan import Move, Plan, StatePlan, plan_of
from conversations.core.types import Book, Call, Effect, Event, Outcome, Reply, Snapshot, Understanding
from flows.core.types import Json, Texts

MICROSTEPS = 50  # per turn, over all returns of blocking effects
NOTHING_HEARD = Understanding()


class Fault(Exception):
    """The step cannot go on. `said` is what the user is told instead of the flow's apology."""

    def __init__(self, code: str, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.said = said


class Run:
    """The working state of one step. Only `emit` changes the conversation."""

    __slots__ = (
        "actions",
        "before",
        "book",
        "completed",
        "consumed",
        "conversation_id",
        "effects",
        "error",
        "events",
        "extra",
        "heard",
        "left",
        "level",
        "limit",
        "live",
        "missed",
        "now",
        "ops",
        "outcome",
        "personal",
        "plan",
        "replies",
        "seen",
        "steps",
        "trace",
        "understanding",
        "version",
        "visits",
        "work",
    )  # fmt: skip

    def __init__(self, book: Book, before: Snapshot, now: datetime, conversation_id: str) -> None:
        self.book = book
        self.before = before
        self.now = now
        self.conversation_id = conversation_id
        self.work = Work(before)
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        self.replies: list[Reply] = []
        self.actions: list[str] = []
        self.trace: list[Mapping[str, Any]] = []
        self.visits: list[str] = []
        self.ops: list[list[Json]] = []
        self.seen: set[tuple[int, str, str, int]] = set()
        self.steps = before.steps
        self.limit = MICROSTEPS
        self.version = 0  # grows with every change of data: equal states with equal versions are a loop
        self.level = -1
        self.live = list(before.timers)  # tokens of the timers that are running
        self.left = False  # the state that was waiting has been left: its timers are void
        self.consumed = True
        self.missed = False  # the message was not understood: moves made because of that do not count as understanding
        self.personal = True
        self.heard: Mapping[str, Json] = {}
        self.understanding = NOTHING_HEARD
        self.error: dict[str, Json] = {"code": ""}
        self.outcome: Outcome | None = None
        self.extra: Json = None  # `response` or `value`, while an expression over it is evaluated
        self.completed = ""
        self.plan: Plan = self._top_plan()

    # ── the flow on top ──

    def _top_plan(self) -> Plan:
        frames = self.work.frames
        program = self.book.programs.get(frames[-1].program) if frames else None
        return plan_of(program) if program is not None else NO_PLAN

    def plan_at(self, level: int) -> Plan:
        key = self.work.frames[level].program
        program = self.book.programs.get(key)
        if program is None:
            raise Fault("FLOW_NOT_FOUND", f"the version {key} of flow {self.work.frames[level].flow_id} is not in the book")
        return plan_of(program)

    def switch(self) -> None:
        """The frame on top has changed."""
        self.plan = self._top_plan()
        self.left = True

    def here(self) -> StatePlan:
        return self.at(self.work.frames[-1].state)

    def at(self, state: str) -> StatePlan:
        found = self.plan.states.get(state)
        if found is None:
            self.plan_at(-1)  # says so when the whole flow is missing
            raise Fault("STATE_NOT_FOUND", f"there is no state {state!r} in flow {self.plan.program.flow.flow_id}")
        return found

    # ── deciding ──

    def emit(self, kind: str, data: Mapping[str, Json]) -> None:
        work = self.work
        seq = work.seq = work.seq + 1
        APPLY[kind](work, data)
        self.events.append(Event(seq=seq, kind=kind, data=data))

    def secrets(self, names: Iterable[str]) -> list[str]:
        """Those of the slots that a flow on the stack calls sensitive, or that were filled as such."""
        flows = [program.flow for frame in self.work.frames if (program := self.book.programs.get(frame.program)) is not None]
        known = self.work.sensitive
        return [name for name in names if name in known or any((rule := flow.slots.get(name)) is not None and rule.sensitive for flow in flows)]

    def hide(self, names: Iterable[str]) -> None:
        """The message of this step holds values of these sensitive slots: its event says so to those who show it."""
        if not self.events or self.events[0].kind != "message":
            return
        event = self.events[0]
        held = event.data.get("sensitive", [])
        new = [name for name in names if name not in held]
        if new:
            self.events[0] = Event(seq=event.seq, kind=event.kind, data={**event.data, "sensitive": [*held, *new]})

    def changed(self) -> None:
        self.version += 1

    def consider(self, moves: Sequence[Move], why: str) -> None:
        """Into the trace: these were not tried, and why."""
        self.trace.extend({**move.label, "taken": False, "why": why} for move in moves)

    def note(self, **facts: Json) -> None:
        """Into the trace: something that is not a transition."""
        self.trace.append(facts)

    def token(self) -> str:
        """What a postback must carry to be taken for the current question."""
        frame = self.work.frames[-1]
        return f"{frame.state}#{frame.visit}"

    # ── speaking ──

    def words(self, texts: Texts, *, level: int = -1) -> str:
        """The text for this user's locale and channel, filled in; "" when there is none."""
        work = self.work
        plan = self.plan if level == -1 else self.plan_at(level)
        words = plan.text(texts, work.locale, work.channel)
        if words is None:
            return ""
        if words.constant is not None:
            return words.constant
        before, self.level = self.level, level
        text = words.text(self)
        self.level = before
        return text

    def say(self, text: str, *, kind: str = "text", delay_ms: int = 0, typing: bool = False, buttons: tuple[Mapping[str, Json], ...] = ()) -> None:
        if text:
            self.replies.append(
                Reply(
                    text=text,
                    type=kind,
                    state=self.work.frames[-1].state,
                    delay_ms=delay_ms,
                    typing_indicator=typing,
                    buttons=buttons,
                    token=self.token(),
                )
            )

    # ── waiting for the world ──

    def block(self, call: Call, then: list[Json], facts: Mapping[str, Json]) -> None:
        """End the step here; `then` is the first thing to do when the effect returns."""
        self.ops.append(then)
        data: dict[str, Json] = {**facts, "effect_id": call.effect_id, "agenda": list(self.ops), "steps": self.steps, "n": self.work.effects + 1}
        if not self.before.awaiting and not self.work.stable:
            data["stable"] = [frame_to_json(frame) for frame in self.before.frames]
        self.emit("awaiting", data)
        self.effects.append(call)
        self.ops.clear()


class _NoPlan(Plan):
    """Before the start, and where the book lacks a version, there is no flow."""

    def __init__(self) -> None:
        self.states = {}


NO_PLAN = _NoPlan()
