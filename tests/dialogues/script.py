"""Dialogues as transcripts, played on the real core.

> text      the user writes            < text     the bot says; all of it in order, where any of it is given
! command   the user's command         @ state    it waits in this state        @ state (end)  it has ended there
+ {json}    a button is pressed        = x json   a slot; null when it is empty
^ {json}    a file is sent             $ x json   a variable of the flow on top
? name      the client's event         -          the bot says nothing
                                       % word     how it ended (completion), or handoff, or a failure's code
~ PT5M      time passes                & {json}   these buttons are offered: a list of labels
* {json}    the integration answers    # name     an event of this kind was written in the last step
x CODE      the integration fails      " text     the last reply in plain words, lines joined with |
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conversations.core.types import Status
from flows.core import lint
from flows.core.durations import milliseconds
from flows.core.types import Json, Severity
from mcp_platform.metadata.core.vocabulary import EMPTY, Vocabulary
from tests.playbook import Play

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """`flows`: the first one is started. `about` is the name of the test."""

    about: str
    flows: tuple[Json, ...]
    lines: Lines
    locale: str = "en"
    channel: str = "web"
    tenant: Json = None
    inputs: Mapping[str, Json] = field(default_factory=dict)
    profile: Mapping[str, Json] = field(default_factory=dict)
    products: Vocabulary = EMPTY

    def __str__(self) -> str:
        return self.about.replace(" ", "-")


def dialogue(about: str, flow: Json, *lines: str, beside: tuple[Json, ...] = (), **more: Any) -> Dialogue:
    return Dialogue(about=about, flows=(flow, *beside), lines=lines, **more)


def publishable(documents: tuple[Json, ...]) -> None:
    """What no author could publish proves nothing."""
    known = {document["flow_id"] for document in documents}
    for document in documents:
        _, problems = lint.check_document(document, known_flows=known, known_integrations={"crm", "mail"})
        errors = [found for found in problems if found.severity is Severity.ERROR]
        assert not errors, errors


def run(told: Dialogue) -> None:
    publishable(told.flows)
    more = {"tenant": told.tenant, "inputs": told.inputs, "profile": told.profile, "products": told.products}
    playing = Play(*told.flows, locale=told.locale, channel=told.channel, **more)
    heard: list[str] = []
    spoken = False
    for line in (*told.lines, "."):
        mark, rest = line[:1], line[1:].strip()
        if mark == "<":
            heard.append(rest)
            spoken = True
            continue
        if spoken:
            assert playing.said == heard, f"before {line!r}: {playing.step.trace}"
        if mark in INPUTS:
            heard, spoken = [], False
            INPUTS[mark](playing, rest)
        elif mark in CHECKS:
            CHECKS[mark](playing, rest)


def _pass(playing: Play, rest: str) -> None:
    playing.wait(milliseconds=milliseconds(rest) or 0)


def _press(playing: Play, rest: str) -> None:
    button = json.loads(rest)
    playing.press(intent=button.get("intent", ""), token=button.get("token"), **button.get("slots", {}))


INPUTS: dict[str, Callable[[Play, str], Any]] = {
    ">": lambda playing, rest: playing.user(rest),
    "!": lambda playing, rest: playing.command(rest),
    "+": _press,
    "^": lambda playing, rest: playing.sends(**json.loads(rest)),
    "?": lambda playing, rest: playing.happens(rest),
    "~": _pass,
    "*": lambda playing, rest: playing.returns(json.loads(rest) if rest else None),
    "x": lambda playing, rest: playing.fails(code=rest),
}


def _stands(playing: Play, rest: str) -> None:
    state = rest.removesuffix("(end)").strip()
    assert playing.at.state == state, playing.step.trace
    if rest.endswith("(end)"):
        assert playing.at.status is Status.ENDED
    else:
        playing.waits(state)


def _slot(playing: Play, rest: str) -> None:
    name, _, value = rest.partition(" ")
    assert playing.at.slots.get(name) == json.loads(value), dict(playing.at.slots)


def _variable(playing: Play, rest: str) -> None:
    name, _, value = rest.partition(" ")
    assert playing.at.frames[-1].variables.get(name) == json.loads(value), dict(playing.at.frames[-1].variables)


def _outcome(playing: Play, rest: str) -> None:
    if playing.step.error is not None:
        assert playing.step.error["code"] == rest, playing.step.error
    elif rest == "handoff":
        playing.hands_over()
    else:
        playing.ends(rest)


def _offered(playing: Play, rest: str) -> None:
    last = playing.step.replies[-1]
    labels = [button["label"] for button in (*last.buttons, *last.quick_replies)]
    labels += [button["label"] for card in last.cards for button in card.get("buttons", ())]
    assert labels == json.loads(rest), labels


def _plain(playing: Play, rest: str) -> None:
    last = playing.step.replies[-1]
    assert (last.plain or last.text).replace("\n", "|") == rest, last


def _wrote(playing: Play, rest: str) -> None:
    kind, _, data = rest.partition(" ")
    found = [event.data for event in playing.step.events if event.kind == kind]
    assert found, [event.kind for event in playing.step.events]
    if data:
        wanted = json.loads(data)
        assert any(wanted.items() <= one.items() for one in found), found


def _silent(playing: Play, rest: str) -> None:
    assert playing.said == [], playing.said


CHECKS: dict[str, Callable[[Play, str], None]] = {
    "-": _silent,
    "@": _stands,
    "=": _slot,
    "$": _variable,
    "%": _outcome,
    "&": _offered,
    '"': _plain,
    "#": _wrote,
}


def asking(rule: Json, *, prompt: Any = "Tell me.", says: str = "Got {{ slots.x }}.", **config: Any) -> Json:
    """Asks for one slot `x`, says what it got, and ends. `config` goes into the asking state; `more` into the flow."""
    more = config.pop("more", {})
    transitions = config.pop("transitions", [{"condition": "slot_filled", "target_state": "done"}])
    state = {"type": "slot_filling", "config": {"required_slots": ["x"], "prompts": {"x": prompt}, **config}, "transitions": transitions}
    return {
        "flow_id": "main",
        "name": "main",
        "initial_state": "ask",
        "slots": {"x": rule},
        "states": {"ask": state, "done": {"type": "end", "config": {"response_templates": {"default": says}}}, **more.pop("states", {})},
        **more,
    }


def steps(*states: tuple[str, Json], **more: Json) -> Json:
    """States by name; the first is the initial one."""
    return {"flow_id": "main", "name": "main", "initial_state": states[0][0], "states": dict(states), **more}


def on(condition: str, target: str, value: str = "", **more: Any) -> Json:
    key = "expression" if condition == "expression" else "condition_value"
    return {"condition": condition, "target_state": target, **({key: value} if value else {}), **more}


def always(target: str, **more: Any) -> Json:
    return on("expression", target, "true", **more)


def say(text: Any, *transitions: Json, entry: list[Json] | None = None, **config: Any) -> Json:
    return {
        "type": "response",
        "config": {"response_templates": text if isinstance(text, dict) else {"default": text}, **config},
        "transitions": list(transitions),
        "entry_actions": entry or [],
    }


def bye(text: Any = "Bye.", **config: Any) -> Json:
    return {"type": "end", "config": {"response_templates": text if isinstance(text, dict) else {"default": text}, **config}}


def setting(name: str, expression: str, **more: Any) -> Json:
    return {"type": "set_variable", "name": name, "expression": expression, **more}


def sending(text: Any, **more: Any) -> Json:
    return {"type": "send_message", "text": text, **more}


def calling(flow_id: str, **more: Any) -> Json:
    return {"type": "trigger_flow", "flow_id": flow_id, **more}


def only(*actions: Json, text: str = "Done.", **more: Any) -> Json:
    """Does these actions, says a text and ends."""
    return steps(("go", {"type": "condition", "entry_actions": list(actions), "transitions": [always("end")]}), ("end", bye(text)), **more)
