"""Plays a script (flows.core.scripts) to the machine and finds the first place where it does something else than the script expects.

Pure: the clock is the script's, integrations answer what the script says or else a stub, and whatever understands words is a function that is
handed in. The same script on the same book always gives the same verdict.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from conversations.core.machine import advance
from conversations.core.slots import compiled
from conversations.core.types import (
    Book,
    Call,
    CancelTimer,
    Command,
    Input,
    Outcome,
    Postback,
    Reply,
    Returned,
    Said,
    SetTimer,
    Snapshot,
    Started,
    Step,
    TimerFired,
    Understanding,
)
from conversations.core.values import cleaned
from flows.core import scripts, transcripts
from flows.core.scripts import Match, Relation, Script
from flows.core.types import Json, Program
from flows.core.verdicts import Divergence, Line, Verdict

START: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday; the moment of scripts that name none
CONVERSATION_ID: Final = "rehearsal"
MOST_FIRED: Final = 200  # timers of one `wait`
LONGEST_SHOWN: Final = 16_384  # characters of a reply in a verdict

Understand: TypeAlias = Callable[[Sequence[Program], str, str], Understanding]  # the programs on the stack, the text, the locale
Stubs: TypeAlias = Callable[[Call], Outcome | None]


def rehearse(book: Book, script: Script, *, flow_id: str, understand: Understand, stubs: Stubs) -> Verdict:
    """Play the whole script, or as much of it as holds."""
    play = Play(book, script, understand, stubs)
    try:
        play.begin(flow_id)
        for number, step in enumerate(script.steps):
            play.number = number
            PLAY[type(step)](play, step)
        play.number = len(script.steps)
        play.nothing_left()
        divergence = None
    except Diverged as found:
        divergence = found.divergence
    return Verdict(divergence=divergence, lines=tuple(play.lines), visits=frozenset(play.visits), trace=tuple(play.trace))


class Diverged(Exception):
    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence.message)
        self.divergence = divergence


class _Nothing:
    """What a path leads to that leads nowhere."""


NOTHING: Final = _Nothing()


@dataclass
class Turn:
    """What has come of the user's last deed."""

    replies: list[Reply] = field(default_factory=list)
    unheard: list[Reply] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    intent: str = ""
    error: str = ""
    heard: bool = False  # the script has looked at a reply
    more: bool = False  # and does not care for the rest


class Play:
    """The conversation while it is played."""

    def __init__(self, book: Book, script: Script, understand: Understand, stubs: Stubs) -> None:
        self.book, self.script = book, script
        self.understand, self.stubs = understand, stubs
        self.at = Snapshot(locale=script.locale, channel=script.channel, profile=script.profile)
        self.now = datetime.fromisoformat(script.at) if script.at else START
        self.number = -1
        self.turn = Turn()
        self.completed = ""
        self.tokens: list[str] = []  # of the questions so far
        self.due: dict[str, datetime] = {}
        self.lines: list[Line] = []
        self.visits: set[str] = set()
        self.trace: list[Mapping[str, Any]] = []

    def begin(self, flow_id: str) -> None:
        self.take(Started(flow_id=flow_id, inputs=self.script.inputs))
        if not self.at.frames:
            raise self.differs("The flow does not start.", got=self.turn.error)

    def new_turn(self, said: str) -> None:
        self.nothing_left()
        if self.at.awaiting:
            raise self.differs("The conversation still waits for an integration.", expected="an answer", got=self._awaited())
        self.turn = Turn()
        self.trace = []
        self.note("user", said)

    def nothing_left(self) -> None:
        """Who checks a reply checks them all, or says `bot more`."""
        if self.turn.heard and self.turn.unheard and not self.turn.more:
            raise self.differs("The bot says more than the script.", expected="nothing more", got=self.turn.unheard[0].text)

    def take(self, event: Input) -> None:
        step = advance(self.book, self.at, event, self.now, conversation_id=CONVERSATION_ID)
        self.at = step.snapshot
        self._collect(step)
        if step.error is not None and not step.events:
            raise self.differs("The conversation does not take this now.", got=f"{step.error.get('code')}: {step.error.get('message')}")
        self._unblock()

    def _collect(self, step: Step) -> None:
        self.turn.replies.extend(step.replies)
        self.turn.unheard.extend(step.replies)
        self.turn.error = str(step.error["code"]) if step.error is not None else self.turn.error
        self.completed = step.completed or self.completed
        self.visits.update(step.visits)
        self.trace.extend(step.trace)
        for reply in step.replies:
            self.note("bot", reply.text)
            self.tokens.append(reply.token)
        if step.error is not None:
            self.note("note", f"{step.error.get('code')}: {step.error.get('message')}")
        for effect in step.effects:
            if isinstance(effect, SetTimer):
                self.due[effect.token] = self.now + timedelta(milliseconds=effect.after_ms)
            elif isinstance(effect, CancelTimer):
                self.due.pop(effect.token, None)
            else:
                self.turn.calls.append(effect)
                self.note("outside", f"calls {effect.integration_id} {_shown(dict(effect.request))}")

    def _unblock(self) -> None:
        """A stub answers where the script does not."""
        if not self.at.awaiting or self._script_answers():
            return
        call = self.turn.calls[-1]
        outcome = self.stubs(call)
        if outcome is None:
            message = f"The flow calls {call.integration_id}, and neither the script nor a stub answers."
            raise self.differs(message, expected=f"answer {call.integration_id}: …", got=_shown(dict(call.request)))
        self.note("outside", f"the stub of {call.integration_id} answers {_answered(outcome)}")
        self.take(Returned(effect_id=self.at.awaiting, outcome=outcome))

    def _script_answers(self) -> bool:
        """Before the user does something again."""
        for step in self.script.steps[self.number + 1 :]:
            if isinstance(step, scripts.INPUTS):
                return False
            if isinstance(step, scripts.Answer | scripts.Fail):
                return True
        return False

    def answer(self, integration: str, outcome: Outcome) -> None:
        if not self.at.awaiting:
            raise self.differs("Nothing waits for this answer.", expected=f"a call of {integration}", got="no call")
        if self._awaited() != integration:
            raise self.differs("Another integration is called.", expected=integration, got=self._awaited())
        self.note("outside", f"{integration} answers {_answered(outcome)}")
        self.take(Returned(effect_id=self.at.awaiting, outcome=outcome))

    def _awaited(self) -> str:
        return self.turn.calls[-1].integration_id if self.turn.calls else self.at.awaiting

    def token(self) -> str:
        """What a button of the last question carries."""
        frame = self.at.frames[-1]
        return f"{frame.state}#{frame.visit}"

    def programs(self) -> list[Program]:
        return [self.book.programs[frame.program] for frame in self.at.frames if frame.program in self.book.programs]

    def note(self, by: str, text: str) -> None:
        self.lines.append(Line(step=self.number, by=by, text=text[:LONGEST_SHOWN]))

    def differs(self, message: str, *, expected: str = "", got: str = "") -> Diverged:
        return Diverged(Divergence(step=self.number, message=message, expected=expected[:LONGEST_SHOWN], got=got[:LONGEST_SHOWN]))


class Chat(Play):
    """A conversation that is played step by step, as somebody thinks of the steps: a call that no stub answers waits for an answer."""

    def __init__(self, book: Book, script: Script, understand: Understand, stubs: Stubs) -> None:
        super().__init__(book, replace(script, steps=()), understand, stubs)

    def _script_answers(self) -> bool:
        return self.stubs(self.turn.calls[-1]) is None

    def step(self, step: scripts.Step) -> Divergence | None:
        """What was not met; None when all is well."""
        self.number += 1
        try:
            PLAY[type(step)](self, step)
        except Diverged as found:
            return found.divergence
        return None


def _shown(value: Json) -> str:
    return transcripts.dump(value)


def _answered(outcome: Outcome) -> str:
    return _shown(outcome.data) if outcome.success else f"{outcome.code} {outcome.error}".strip()


def say(play: Play, step: scripts.Say) -> None:
    play.new_turn(step.text)
    heard = _heard(play, step)
    play.turn.intent = heard.intents[0][0] if heard.intents else ""
    if heard.intents:
        play.note("note", "understood " + ", ".join(f"{name} {score:.2f}" for name, score in heard.intents[:3]))
    play.take(Said(text=step.text, understanding=heard))


def _heard(play: Play, step: scripts.Say) -> Understanding:
    if step.intents is None and step.entities is None:
        return play.understand(play.programs(), step.text, play.at.locale)
    intents = sorted((step.intents or {}).items(), key=lambda pair: -pair[1])
    return Understanding(intents=tuple(intents), entities=step.entities or {})


def press(play: Play, step: scripts.Press) -> None:
    button = _button(play, step.label) if step.label else {}
    sent: Mapping[str, Json] = button.get("postback") or {}
    label = step.label or step.intent or ", ".join(f"{name} = {_shown(value)}" for name, value in step.slots.items())
    current = play.token() if play.at.frames else ""
    older = next((token for token in reversed(play.tokens) if token != current), "none#0")
    play.new_turn(label)
    token = older if step.stale else str(sent.get("token") or current)
    intent = str(sent.get("intent") or step.intent)
    play.turn.intent = intent
    play.take(Postback(intent=intent, slots=sent.get("slots") or step.slots, token=token))


def _button(play: Play, label: str) -> Mapping[str, Json]:
    found = [button for reply in play.turn.replies for button in reply.buttons]
    for button in reversed(found):
        if button.get("label") == label:
            return button
    raise play.differs("There is no such button.", expected=label, got=", ".join(str(button.get("label")) for button in found) or "no buttons")


def notice(play: Play, step: scripts.Notice) -> None:
    play.new_turn(f"event {step.name}")
    play.turn.intent = step.name
    play.take(Said(text="", understanding=Understanding(intents=((step.name, 1.0),))))


def order(play: Play, step: scripts.Order) -> None:
    play.new_turn(step.name)
    play.take(Command(name=step.name))


def attach(play: Play, step: scripts.Attach) -> None:
    play.new_turn(step.text or "(attachment)")
    play.take(Said(text=step.text, attachment=True))


def wait(play: Play, step: scripts.Wait) -> None:
    play.new_turn(f"({transcripts.line(step).removeprefix('wait: ')} passes)")
    until = play.now + timedelta(milliseconds=step.duration)
    for _ in range(MOST_FIRED):
        token = min((one for one, due in play.due.items() if due <= until), key=lambda one: play.due[one], default="")
        if not token or play.at.awaiting:
            break
        play.now = play.due.pop(token)
        play.note("outside", "a timer fires")
        play.take(TimerFired(token=token))
    play.now = until


def answer(play: Play, step: scripts.Answer) -> None:
    play.answer(step.integration, Outcome(success=True, status_code=step.status, data=cleaned(step.data)))


def fail(play: Play, step: scripts.Fail) -> None:
    play.answer(step.integration, Outcome(success=False, status_code=step.status, code=step.code, error=step.message))


def hear(play: Play, step: scripts.Hear) -> None:
    if step.match is Match.NEVER:
        for reply in play.turn.replies:
            if step.text in reply.text:
                raise play.differs("The bot says what it must never say.", expected=f"nothing with {step.text}", got=reply.text)
        return
    play.turn.heard = True
    if not play.turn.unheard:
        raise play.differs("The bot says nothing (more).", expected=step.text, got="nothing")
    reply = play.turn.unheard.pop(0)
    if not _MATCHES[step.match](reply.text, step.text):
        how = "" if step.match is Match.IS else f"{step.match.value} "
        raise play.differs("The bot says something else.", expected=f"{how}{step.text}", got=reply.text)


def _search(text: str, pattern: str) -> bool:
    found = compiled(pattern)
    return found is not None and found.search(text) is not None


_MATCHES: Final[dict[Match, Callable[[str, str], bool]]] = {
    Match.IS: lambda text, wanted: text == wanted,
    Match.CONTAINS: lambda text, wanted: wanted in text,
    Match.MATCHES: _search,
}


def silent(play: Play, step: scripts.Silent) -> None:
    if play.turn.unheard:
        raise play.differs("The bot is not silent.", expected="nothing (more)", got=play.turn.unheard[0].text)


def more(play: Play, step: scripts.More) -> None:
    play.turn.more = True


def expect(play: Play, step: scripts.Expect) -> None:
    found = _looked_up(play, step.path)
    if not _RELATIONS[step.relation](found, step.value):
        words = transcripts.line(step).removeprefix("expect ")
        raise play.differs(f"{step.path} is something else.", expected=words, got="absent" if found is NOTHING else _shown(found))


def _looked_up(play: Play, path: str) -> Json:
    kind, _, name = path.partition(".")
    if kind == "slots":
        return play.at.slots.get(name, NOTHING)
    if kind == "variables":
        return play.at.frames[-1].variables.get(name, NOTHING) if play.at.frames else NOTHING
    return _PATHS[path](play) or NOTHING


def same(one: Json, other: Json) -> bool:
    """Equal as JSON: true is not 1, but 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


_PATHS: Final[dict[str, Callable[[Play], Json]]] = {
    "state": lambda play: play.at.state,
    "status": lambda play: play.at.status.value,
    "intent": lambda play: play.turn.intent,
    "flow": lambda play: play.at.frames[-1].flow_id if play.at.frames else "",
    "completion": lambda play: play.completed,
    "error": lambda play: play.turn.error,
    "locale": lambda play: play.at.locale,
    "buttons": lambda play: [button.get("label") for reply in play.turn.replies for button in reply.buttons],
}
_RELATIONS: Final[dict[Relation, Callable[[Any, Any], bool]]] = {
    Relation.IS: same,
    Relation.IS_NOT: lambda found, wanted: not same(found, wanted),
    Relation.CONTAINS: lambda found, wanted: wanted in found if isinstance(found, str | list) else False,
    Relation.MATCHES: lambda found, wanted: isinstance(found, str) and _search(found, wanted),
    Relation.ABSENT: lambda found, _: found is NOTHING or found is None,
    Relation.PRESENT: lambda found, _: found is not NOTHING and found is not None,
}


def called(play: Play, step: scripts.Called) -> None:
    made = [call for call in play.turn.calls if call.integration_id == step.integration]
    if any(_holds(dict(call.request), step.request) for call in made):
        return
    got = ", ".join(f"{call.integration_id} {_shown(dict(call.request))}" for call in play.turn.calls) or "no call"
    raise play.differs("This call is not made.", expected=f"{step.integration} {_shown(dict(step.request))}", got=got)


def _holds(found: Json, wanted: Json) -> bool:
    """Every member that is wanted is there, at every depth."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return all(name in found and _holds(found[name], value) for name, value in wanted.items())
    return same(found, wanted)


def not_called(play: Play, step: scripts.NotCalled) -> None:
    made = [call for call in play.turn.calls if step.integration in ("", call.integration_id)]
    if made:
        got = f"{made[0].integration_id} {_shown(dict(made[0].request))}"
        raise play.differs("A call is made.", expected=f"no call {step.integration}".strip(), got=got)


PLAY: Final[dict[type, Callable[[Play, Any], None]]] = {
    scripts.Say: say,
    scripts.Press: press,
    scripts.Notice: notice,
    scripts.Order: order,
    scripts.Attach: attach,
    scripts.Wait: wait,
    scripts.Answer: answer,
    scripts.Fail: fail,
    scripts.Hear: hear,
    scripts.Silent: silent,
    scripts.More: more,
    scripts.Expect: expect,
    scripts.Called: called,
    scripts.NotCalled: not_called,
}
