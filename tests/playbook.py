"""Scripted conversations: `play(FLOW).user("hello").bot("Hello! What is your name?").waits("ask_name")`.

Plays flows on the real core, without a database. The only fakes are the outside: integrations answer what the script says, and time passes
when the script says so. Every step is also checked for what must always hold: folding the events gives the snapshot, the snapshot and the
events survive JSON, and the same input gives the same step again.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from conversations.core import codec
from conversations.core.fold import fold
from conversations.core.inputs import spelled_out
from conversations.core.machine import advance
from conversations.core.types import (
    Book,
    Call,
    CancelTimer,
    Command,
    Event,
    Input,
    Outcome,
    Postback,
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
from conversations.nlu.patterns import understand
from flows.core.definition import parse
from flows.core.definition import tenant as tenant_handlers
from flows.core.program import compile_program
from flows.core.types import Json, Program, Trigger
from mcp_platform.errors import PlatformError, Unavailable
from mcp_platform.metadata.core.vocabulary import EMPTY, Vocabulary

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def flow(flow_id: str = "main", /, *, start: str = "", states: Mapping[str, Json], **more: Json) -> Json:
    """A definition with everything that is not given filled in. The first state is the initial one."""
    return {
        "flow_id": flow_id,
        "name": flow_id,
        "version": "1",
        "initial_state": start or next(iter(states)),
        "states": {name: {"name": name, "transitions": [], "config": {}, **state} for name, state in states.items()},
        **more,
    }


def response(text: str, *transitions: Json, **config: Json) -> Json:
    return {"type": "response", "config": {"response_templates": {"default": text}, **config}, "transitions": list(transitions)}


def ending(text: str = "", **config: Json) -> Json:
    return {"type": "end", "config": {**({"response_templates": {"default": text}} if text else {}), **config}}


def to(target: str, condition: str = "any_input", value: str = "", **more: Json) -> Json:
    """A transition; with the condition `expression` the value is the expression."""
    key = "expression" if condition == "expression" else "condition_value"
    return {"condition": condition, "target_state": target, **({key: value} if value else {}), **more}


def program_of(document: Json) -> Program:
    parsed, problems = parse(document)
    assert parsed is not None, problems
    program, problems = compile_program(parsed, f"{parsed.flow_id}@1")
    assert program is not None, problems
    return program


def book_of(*documents: Json, default: str = "", tenant: Json = None, products: Vocabulary = EMPTY) -> Book:
    """`tenant`: the tenant's own handlers, a document of flows.core.definition.tenant."""
    programs = [program_of(document) for document in documents]
    return Book(
        programs={program.key: program for program in programs},
        current={program.flow.flow_id: program.key for program in programs},
        default_flow=default,
        tenant=tenant_program(tenant) if tenant is not None else None,
        triggers={program.flow.flow_id: program.flow.triggers for program in programs if program.flow.triggers},
        products=products,
    )


def tenant_program(document: Json) -> Program:
    parsed, problems = tenant_handlers.parse(document)
    assert parsed is not None, problems
    program, problems = compile_program(parsed, "tenant:test")
    assert program is not None, problems
    return program


class Play:
    """One conversation. Verbs do something, `bot` and the adjectives check it; all return the play."""

    def __init__(
        self,
        *documents: Json,
        locale: str = "en",
        channel: str = "web",
        default: str = "",
        start: str = "",
        inputs: Mapping[str, Json] | None = None,
        tenant: Json = None,
        profile: Mapping[str, Json] | None = None,
        products: Vocabulary = EMPTY,
    ) -> None:
        self.book = book_of(*documents, default=default, tenant=tenant, products=products)
        self.empty = self.at = Snapshot(locale=locale, channel=channel, profile=profile or {})
        self.now = MONDAY
        self.events: list[Event] = []
        self.inputs: list[tuple[Input, datetime]] = []
        self.due: dict[str, datetime] = {}
        self.step = Step(snapshot=self.at)
        self.take(Started(flow_id=start or documents[0]["flow_id"], inputs=inputs or {}))

    def user(self, text: str, **intents: float) -> Self:
        """The user writes; `intents` replace what the flow's own patterns would recognise."""
        text = str(spelled_out(self.at, {"text": text})["text"])
        heard = Understanding(intents=tuple(sorted(intents.items(), key=lambda pair: -pair[1]))) if intents else self._understood(text)
        return self.take(Said(text=text, understanding=heard))

    def sends(self, text: str = "", **attributes: str) -> Self:
        """The user sends a file."""
        return self.take(Said(text=text, attributes=attributes, attachment=True))

    def happens(self, event: str, **attributes: str) -> Self:
        """The client's program tells of an event."""
        return self.take(Said(text="", understanding=Understanding(intents=((event, 1.0),)), attributes=attributes, event=event))

    def press(self, *, intent: str = "", token: str | None = None, **slots: Json) -> Self:
        """A button of the last reply, unless an older `token` is given."""
        return self.take(Postback(intent=intent, slots=slots, token=self.token if token is None else token))

    def command(self, name: str) -> Self:
        return self.take(Command(name=name))

    def wait(self, **duration: float) -> Self:
        """Time passes (`minutes=5`); timers that are due by then fire in order."""
        until = self.now + timedelta(**duration)
        for token, due in sorted(self.due.items(), key=lambda pair: pair[1]):
            if due <= until and token in self.due:
                del self.due[token]
                self.now = due
                self.take(TimerFired(token=token))
        self.now = until
        return self

    def returns(self, data: Json = None, *, status: int = 200) -> Self:
        """The integration that is being called answers."""
        return self.take(Returned(effect_id=self.at.awaiting, outcome=Outcome(success=True, status_code=status, data=data)))

    def fails(self, how: type[PlatformError] = Unavailable, *, code: str = "INTEGRATION_ERROR") -> Self:
        return self.take(Returned(effect_id=self.at.awaiting, outcome=Outcome(success=False, code=code, error=how().message)))

    def times_out(self) -> Self:
        return self.fails(code="INTEGRATION_TIMEOUT")

    def take(self, event: Input) -> Self:
        before = self.at
        self.inputs.append((event, self.now))
        self.step = advance(self.book, before, event, self.now, conversation_id="c1")
        self.at = self.step.snapshot
        self.events += self.step.events
        for effect in self.step.effects:
            if isinstance(effect, SetTimer):
                self.due[effect.token] = self.now + timedelta(milliseconds=effect.after_ms)
            elif isinstance(effect, CancelTimer):
                self.due.pop(effect.token, None)
        check_always(self.book, before, event, self.now, self.step)
        if self.events:
            assert fold(self.events) == self.at, "the fold of the events is not the snapshot"
        return self

    def _understood(self, text: str) -> Understanding:
        """As the shell does it: by every flow of the stack, by the tenant's handlers, and by the flows that words can start."""
        book, locale = self.book, self.at.locale
        scores: dict[str, float] = {}
        for frame in self.at.frames:
            for name, score in understand(book.programs[frame.program], text, locale=locale).intents:
                scores[name] = max(score, scores.get(name, 0.0))
        sure = {flow_id: self._triggered(flow_id, triggers, text) for flow_id, triggers in book.triggers.items()}
        return Understanding(
            intents=tuple(sorted(scores.items(), key=lambda pair: -pair[1])),
            tenant=understand(book.tenant, text, locale=locale).intents if book.tenant is not None else (),
            triggers=tuple(sorted(((name, score) for name, score in sure.items() if score), key=lambda pair: -pair[1])),
        )

    def _triggered(self, flow_id: str, triggers: tuple[Trigger, ...], text: str) -> float:
        found = dict(understand(self.book.programs[self.book.current[flow_id]], text, locale=self.at.locale).intents)
        return max(found.get(trigger.intent, 0.0) for trigger in triggers)

    @property
    def said(self) -> list[str]:
        return [reply.text for reply in self.step.replies]

    @property
    def token(self) -> str:
        return self.step.replies[-1].token if self.step.replies else ""

    @property
    def call(self) -> Call:
        return next(effect for effect in self.step.effects if isinstance(effect, Call))

    def bot(self, *texts: str) -> Self:
        """Exactly what the bot said in this step, in order."""
        assert self.said == list(texts)
        return self

    def mentions(self, *parts: str) -> Self:
        for part in parts:
            assert part in "\n".join(self.said)
        return self

    def silent(self) -> Self:
        return self.bot()

    def calls(self, integration: str, **request: Json) -> Self:
        """The step ended with this call, and the conversation waits for it."""
        assert (self.call.integration_id, self.call.request) == (integration, request)
        assert self.at.awaiting == self.call.effect_id
        return self

    def waits(self, state: str = "") -> Self:
        assert self.step.error is None, self.step.error
        assert (self.at.status, self.at.awaiting) == (Status.WAITING, "")
        assert not state or self.at.state == state
        return self

    def ends(self, completion: str = "completed") -> Self:
        assert self.step.error is None, self.step.error
        assert (self.at.status, self.step.completed) == (Status.ENDED, completion)
        return self

    def hands_over(self) -> Self:
        assert self.at.status is Status.HANDOFF
        return self

    def breaks(self, code: str) -> Self:
        """The step failed with this code."""
        assert self.step.error is not None
        assert self.step.error["code"] == code, self.step.error
        return self

    def knows(self, **slots: Json) -> Self:
        assert dict(self.at.slots) == slots
        return self

    def holds(self, **variables: Json) -> Self:
        """Variables of the flow on top, at least these."""
        assert {name: self.at.frames[-1].variables.get(name) for name in variables} == variables
        return self

    def because(self, state: str, index: int, why: str) -> Self:
        """The trace gives this reason for a transition."""
        reasons = [line["why"] for line in self.step.trace if (line.get("state"), line.get("index")) == (state, index)]
        assert any(why in reason for reason in reasons), reasons
        return self

    def wrote(self, *kinds: str) -> Self:
        """The kinds of this step's events."""
        assert [event.kind for event in self.step.events] == list(kinds)
        return self


def check_always(book: Book, before: Snapshot, event: Input, now: datetime, step: Step) -> None:
    """What holds after every step, whatever the flow and the input."""
    assert fold(step.events, start=before) == step.snapshot, "the fold of the step's events is not its snapshot"
    stored: Any = json.loads(json.dumps(codec.snapshot_to_json(step.snapshot), allow_nan=False))
    assert codec.snapshot_from_json(stored) == step.snapshot, "the snapshot does not survive JSON"
    logged = [codec.event_from_json(json.loads(json.dumps(codec.event_to_json(one), allow_nan=False))) for one in step.events]
    assert logged == list(step.events), "the events do not survive JSON"
    assert [codec.reply_from_json(codec.reply_to_json(one)) for one in step.replies] == list(step.replies)
    assert [codec.effect_from_json(codec.effect_to_json(one)) for one in step.effects] == list(step.effects)
    json.dumps(step.trace, allow_nan=False)
    again = codec.input_from_json(json.loads(json.dumps(codec.input_to_json(event))))
    assert again == event, "the input does not survive JSON"
    assert advance(book, before, again, now, conversation_id="c1") == step, "the same input gives another step"


@pytest.fixture
def play() -> type[Play]:
    return Play
