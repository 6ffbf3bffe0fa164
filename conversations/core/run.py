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
  ["each", level, state, place, number, index]  an action that is done for every item of a list, from item `index`
  ["undo", entry], ["undone", entry]            take back what a cancelled flow has done
  ["abandon", depth]                            leave the flows above the lowest `depth` ones: they were cancelled
  ["volunteer"]                                 let the flow that has just begun take what the message says for its slots
  ["generated", state]                          a response state's text came back from the language model

A level is the number of a frame (-1 = the top one), "" for what belongs to the tenant, or an entry of Frame.undo: what a flow that may have
left the stack did, with the values that it saw.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from conversations.core import rich
from conversations.core.codec import frame_to_json
from conversations.core.fold import APPLY, Work
from conversations.core.plan import Move, Plan, StatePlan, plan_of
from conversations.core.rich import RichWords
from conversations.core.types import Book, Call, Effect, Event, Outcome, Reply, Snapshot, Understanding
from conversations.core.words import sentence
from flows.core.types import Json, Messages

Level: TypeAlias = int | str | dict[str, Json]

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
        "declined",
        "effects",
        "error",
        "events",
        "extra",
        "facts",
        "heard",
        "left",
        "level",
        "limit",
        "live",
        "missed",
        "now",
        "offers",
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
        self.level: Level = -1
        self.offers: list[Mapping[str, Json]] = []
        self.declined = False  # the user does not want to answer the optional question of this state
        self.facts: Mapping[str, Json] = {}
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

    def _top_plan(self) -> Plan:
        frames = self.work.frames
        program = self.book.programs.get(frames[-1].program) if frames else None
        return plan_of(program) if program is not None else NO_PLAN

    def plan_at(self, level: Level) -> Plan:
        if level == -1 and self.plan is not NO_PLAN:
            return self.plan
        if isinstance(level, str):
            return self.tenant
        key = level["program"] if isinstance(level, dict) else self.work.frames[level].program
        program = self.book.programs.get(key)
        if program is None:
            raise Fault("FLOW_NOT_FOUND", f"the version {key} is not in the book")
        return plan_of(program)

    @property
    def tenant(self) -> Plan:
        """What belongs to no flow: the tenant's own handlers and words."""
        return plan_of(self.book.tenant) if self.book.tenant is not None else NO_PLAN

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
        return self.work.frames[-1].token

    def words(self, texts: Messages, *, level: Level = -1) -> str:
        """The text for this user's locale and channel, filled in; "" when there is none. Of a rich message, its text."""
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

    def sentence(self, key: str, /, **facts: Json) -> str:
        """The engine's sentence: in the flow's own words, else the tenant's, else its own."""
        for plan in (self.plan, self.tenant):
            own = plan.program.flow.texts.get(key) if plan is not NO_PLAN else None
            words = plan.text(own, self.work.locale, self.work.channel) if own else None
            if words is not None:
                before, self.facts = self.facts, facts
                text = words.text(self)
                self.facts = before
                return text
        return sentence(key, self.work.locale, **facts)

    def tell(
        self,
        texts: Messages,
        *,
        level: Level = -1,
        otherwise: str = "",
        kind: str = "text",
        delay_ms: int = 0,
        typing: bool = False,
        buttons: tuple[Mapping[str, Json], ...] = (),
    ) -> None:
        """Say the message for this user's locale and channel, with everything that it has beside words; `otherwise` when there is none.
        `buttons` are what the question offers by itself, when the message brings no options of its own."""
        work = self.work
        plan = self.plan if level == -1 else self.plan_at(level)
        words = plan.text(texts, work.locale, work.channel) if texts else None
        if not isinstance(words, RichWords):
            self.say((self.words(texts, level=level) if texts else "") or otherwise, kind=kind, delay_ms=delay_ms, typing=typing, buttons=buttons)
            return
        before, self.level = self.level, level
        parts = words.parts(self)
        self.level = before
        if buttons and not rich.has_options(parts):
            parts["buttons"] = buttons
        parts["text"] = parts["text"] or otherwise
        self._add(Reply(**parts, type=kind, state=work.frames[-1].state, delay_ms=delay_ms, typing_indicator=typing, token=self.token()))
        self.offers += rich.offered(parts)

    def say(self, text: str, *, kind: str = "text", delay_ms: int = 0, typing: bool = False, buttons: tuple[Mapping[str, Json], ...] = ()) -> None:
        if text:
            self._add(
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

    def offer(self, text: str, buttons: tuple[Mapping[str, Json], ...]) -> None:
        """Say something with buttons that a typed number or label selects too."""
        self.say(text, buttons=buttons)
        self.offers += buttons

    def _add(self, reply: Reply) -> None:
        self.replies.append(rich.with_plain(reply) if reply.buttons or reply.quick_replies or reply.cards or reply.images else reply)

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
        self.handlers = {}
        self.has_intent_handlers = False


NO_PLAN = _NoPlan()
