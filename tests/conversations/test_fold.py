"""Random users meet random flows: whatever happens, the fold of the events is the snapshot, replay is exact, and nothing ever raises."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.core.fold import APPLY, apply, fold
from conversations.core.machine import advance
from conversations.core.types import (
    Attended,
    Command,
    Event,
    Outcome,
    Postback,
    Returned,
    Said,
    SetTimer,
    Snapshot,
    Started,
    Status,
    TimerFired,
    Understanding,
)
from tests.playbook import MONDAY, Play, book_of, check_always, ending, flow, to

NAMES = ("a", "b", "c", "d", "look", "end")
LOOK = {
    "type": "integration",
    "config": {"integration_id": "crm", "endpoint": "/look"},
    "transitions": [to("b", "integration_success"), to("c", "integration_error")],
}
EXPRESSIONS = (
    "true", "false", "filled.kind", "slots.n > 3", "variables.count < 4", "message.text == 'go'", "results.crm.ok", "error.code == ''",
    "1 / variables.zero == 1",
)  # fmt: skip
TEXTS = ("Hello {{ slots.kind }}", "n={{ slots.n }}", "{{ variables.count }} times", "plain", "{{ 1 / variables.zero }}")
SLOTS = {
    "kind": {"type": "enum", "choices": ["house", "office"]},
    "n": {"type": "integer", "minimum": 1, "maximum": 9},
    "sure": "boolean",
    "note": "text",
    "even": {"type": "integer", "expression": "value % 2 == 0"},
    "both": {"type": "enum", "multiple": True, "choices_from": "variables.list"},
    "safe": {"type": "integer", "confirm": "{{ value }}, sure?"},
    "file": "attachment",
    "stars": {"type": "integer", "minimum": 1, "maximum": 5},
}
RICH = {
    "text": "Pick {{ slots.n }}",
    "buttons": ["go", {"label": "X", "intent": "x"}, {"label": "House", "slots": {"kind": "house"}}],
    "quick_replies": [{"label": "Hm", "text": "4"}],
}
BACK = {"type": "call_integration", "integration_id": "crm", "endpoint": "/back/{{ variables.count }}", "request_mapping": {"n": "slots.n"}}
HOUSE = {
    "intents": {"w": {"examples": ["wwww"]}},
    "global_handlers": {
        "house": {"on": "intent", "value": "w", "response_templates": "House rules.", "actions": [{**BACK, "endpoint": "/x", "request_mapping": {}}]},
        "go": {"on": "event", "value": "ping", "mode": "push", "flow_id": "two"},
    },
}
WORDS = (
    "go", "house", "5", "500", "yes", "no", "no, office", "stop", "restart", "human", "cancel", "help", "repeat", "", "four", "5 ns",
    "office and 3 n, no sure", "?", "\x00", "\ud800", "2", "the last one", "House", "skip", "something else",
)  # fmt: skip


def actions() -> Any:
    continued = st.fixed_dictionaries({"on_error": st.sampled_from(["continue", "fail"])}) | st.fixed_dictionaries(
        {"on_error": st.just("goto"), "goto": st.sampled_from(NAMES)}
    )
    plain = st.one_of(
        st.builds(lambda text: {"type": "send_message", "text": text}, st.sampled_from(TEXTS)),
        st.just({"type": "set_variable", "name": "count", "expression": "variables.count + 1"}),
        st.just({"type": "set_variable", "name": "big", "expression": "variables.big + variables.big"}),
        st.just({"type": "set_variable", "name": "count", "expression": "1 / variables.zero"}),
        st.just({"type": "clear_variable", "name": "count"}),
        st.just({"type": "clear_variable", "slot": "kind"}),
        st.just({"type": "set_variable", "slot": "n", "expression": "variables.count"}),
        st.just({"type": "send_message", "text": RICH}),
        st.just({"type": "send_message", "text": "{{ variables.item }}", "for_each": "variables.list", "when": "variables.item != 'office'"}),
        st.just({"type": "trigger_flow", "flow_id": "two", "for_each": {"items": "variables.list", "index": "count"}, "on_cancel": "cancel"}),
        st.just({"type": "call_integration", "integration_id": "crm", "endpoint": "/do", "method": "POST", "compensation": [BACK, BACK]}),
        st.just({"type": "log_event", "name": "seen", "data": {"n": "{{ slots.n }}"}}),
        st.just({"type": "call_integration", "integration_id": "crm", "endpoint": "/x", "response_mapping": {"count": "response.n"}}),
        st.builds(
            lambda name, mode: {"type": "trigger_flow", "flow_id": name, "mode": mode, "inputs": {"count": "variables.count"}},
            st.sampled_from(["one", "two", "nobody"]),
            st.sampled_from(["push", "replace"]),
        ),
    )
    return st.lists(st.builds(lambda action, more: {**action, **more}, plain, continued), max_size=2)


def transitions() -> Any:
    conditions = st.one_of(
        st.tuples(st.just("expression"), st.sampled_from(EXPRESSIONS)),
        st.tuples(st.just("slot_filled"), st.sampled_from(["", "kind", "n"])),
        st.tuples(st.just("intent_match"), st.sampled_from(["", "x", "y"])),
        st.tuples(st.just("timeout"), st.just("1000")),
        st.tuples(st.sampled_from(["any_input", "low_confidence", "integration_success", "integration_error"]), st.just("")),
    )
    one = st.builds(
        lambda target, condition, priority, acts: to(target, *condition, priority=priority, actions=acts),
        st.sampled_from(NAMES),
        conditions,
        st.integers(0, 3),
        actions(),
    )
    return st.lists(one, max_size=4)


CONFIGS: Any = {
    "response": st.builds(
        lambda text, more: {"response_templates": {"default": text}, **more},
        st.sampled_from((*TEXTS, RICH)),
        st.sampled_from([{}, {}, {"generate": {"prompt": "Say {{ slots.n }}"}}]),
    ),
    "intent": st.builds(
        lambda fallback, prompt: {"intent_patterns": ["x", "y"], "fallback_intent": fallback, "prompt": prompt},
        st.sampled_from(["", "y"]),
        st.sampled_from(["X or y?", RICH]),
    ),
    "slot_filling": st.builds(
        lambda slots, retries, more: {"required_slots": slots, "max_retries": retries, **more},
        st.lists(st.sampled_from(sorted(SLOTS)), min_size=1, max_size=3, unique=True),
        st.integers(1, 2),
        st.sampled_from(
            [
                {},
                {},
                {"default_values": {"n": "7", "kind": "'house'"}},
                {"prefill": {"n": "variables.count"}},
                {"ask_again": ["n", "kind"]},
                {"csat": {"score": "stars", "comment": "note"}},
                {"prompts": {"n": RICH}},
            ]
        ),
    ),
    "integration": st.just({"integration_id": "crm", "endpoint": "/x/{{ slots.n }}", "request_mapping": {"n": "variables.count"}}),
    "condition": st.just({}),
    "wait": st.sampled_from([{"prompt": "Well?"}, {"prompt": RICH}, {"prompt": "A person…", "handoff": {"queue": "all"}}]),
    "end": st.just({"outputs": {"out": "variables.count"}}),
}


ONWARD: Any = {  # a way on, so that most dialogues get somewhere
    "response": lambda target: [to(target)],
    "intent": lambda target: [to(target, "intent_match")],
    "slot_filling": lambda target: [to(target, "slot_filled")],
    "integration": lambda target: [to(target, "integration_success")],
    "condition": lambda target: [to(target, "expression", "true")],
    "wait": lambda target: [to(target)],
}


def states() -> Any:
    def of(kind: Any) -> Any:
        return st.builds(
            lambda config, moves, entry, leave, busy, onward: {
                "type": kind,
                "config": {**config, **busy},
                "transitions": [*moves, *ONWARD.get(kind, lambda target: [])(onward)],
                "entry_actions": entry,
                "exit_actions": leave,
            },
            CONFIGS[kind],
            transitions(),
            actions(),
            actions(),
            st.sampled_from([{}, {}, {"interruptible": False}, {"interruptible": "filled.kind"}, {"compensation": [BACK]}]),
            st.sampled_from(NAMES),
        )

    return st.sampled_from([kind for kind in CONFIGS if kind != "end"]).flatmap(of)


def handlers() -> Any:
    modes = st.one_of(
        st.just({"mode": "inline", "response_templates": {"default": "By the way."}}),
        st.builds(lambda name: {"mode": "push", "flow_id": name}, st.sampled_from(["one", "two", "nobody"])),
        st.builds(lambda name: {"mode": "replace", "flow_id": name}, st.sampled_from(["one", "two"])),
        st.builds(lambda name: {"mode": "goto", "target_state": name}, st.sampled_from(NAMES)),
    )
    triggers = st.sampled_from(
        [
            {"on": "event", "value": "ping"},
            {"on": "intent", "value": "z", "when": "!filled.note"},
            {"on": "intent", "value": "z"},
            {"on": "command", "value": "human"},
            {"on": "no_match"},
            {"on": "error"},
        ]
    )
    one = st.builds(lambda trigger, mode, acts: {**trigger, **mode, "actions": acts}, triggers, modes, actions())
    return st.dictionaries(st.sampled_from(["h1", "h2"]), one, max_size=2)


def flows(name: Any) -> Any:
    return st.builds(
        lambda inner, over: flow(
            name,
            start="a",
            states={
                **dict(zip(NAMES, inner, strict=False)),
                "look": LOOK,
                "end": ending(
                    "Bye {{ slots.kind }}.", outputs={"out": "variables.count"}, whole=name == "two" and len(inner[0]["transitions"]) % 2 == 0
                ),
            },
            slots=SLOTS,
            variables={"count": 0, "zero": 0, "big": "xxxxxxxx", "list": ["house", {"value": "office"}, "barn"]},
            metadata={"triggers": ["z"]} if name == "two" else {},
            intents={name: {"examples": [name * 4]} for name in "xyz"},
            global_handlers=over,
        ),
        st.lists(states(), min_size=4, max_size=4),
        handlers(),
    )


BOOKS = st.builds(lambda one, two: book_of(one, two, default="two", tenant=HOUSE), flows("one"), flows("two"))
HEARD = st.builds(
    lambda pairs, entities, afar: Understanding(
        intents=tuple(sorted(pairs.items(), key=lambda pair: -pair[1])),
        entities=entities,
        tenant=(("w", afar),) if afar > 0.9 else (),
        triggers=(("two", 1 - afar),) if afar < 0.1 else (),
    ),
    st.dictionaries(st.sampled_from("xyz"), st.floats(0.1, 1.0), max_size=2),
    st.dictionaries(st.sampled_from(sorted(SLOTS)), st.sampled_from(WORDS), max_size=1),
    st.floats(0, 1),
)
MOMENTS = st.one_of(
    st.builds(Said, text=st.sampled_from(WORDS), understanding=HEARD),
    st.builds(Said, text=st.sampled_from(WORDS)),
    st.just(Said(text="", attributes={"url": "https://example.com/f", "name": "f"}, attachment=True)),
    st.builds(lambda name: Said(text="", understanding=Understanding(intents=((name, 1.0),)), event=name), st.sampled_from(["ping", "x", "pong"])),
    st.builds(Command, name=st.sampled_from(["restart", "stop", "human", "help", "cancel", "cancel", "cancel_all", "repeat", "resume"])),
    st.builds(
        Attended,
        deed=st.sampled_from(["handed_over", "joined", "left", "said", "resumed", "resumed", "ended", "sang"]),
        text=st.sampled_from(WORDS),
        reason=st.sampled_from(["", "unanswered", "solved"]),
        state=st.sampled_from(["", "", "b", "nowhere"]),
        slots=st.dictionaries(st.sampled_from(sorted(SLOTS)), st.sampled_from(["house", 4, True]), max_size=1),
    ),
    st.builds(lambda outcome: ("return", outcome), st.booleans()),
    st.builds(lambda back: ("timer", back), st.integers(0, 2)),
    st.builds(
        lambda slots, fresh: ("press", slots, fresh),
        st.dictionaries(st.sampled_from(sorted(SLOTS)), st.sampled_from(["house", 4, True, None]), max_size=2),
        st.booleans(),
    ),
    st.just(Started(flow_id="one", inputs={"n": 3, "count": 2, "kind": "castle"})),
    st.just(Started(flow_id="nobody")),
)


def concrete(moment: Any, at: Any, tokens: Any) -> Any:
    """Return, timer and button name things that only the running dialogue knows. Mostly, an effect returns before the user speaks again."""
    if at.awaiting and isinstance(moment, Said) and moment.text:
        moment = ("return", len(moment.text) > 3)
    if not isinstance(moment, tuple):
        return moment
    match moment:
        case "return", good:
            late = Outcome(success=False, code="INTEGRATION_TIMEOUT", error="late")
            outcome = Outcome(success=True, status_code=200, data={"ok": True, "n": 5}) if good else late
            return Returned(effect_id=at.awaiting or "e1", outcome=outcome)
        case "timer", back:
            return TimerFired(token=tokens[-1 - back] if len(tokens) > back else "none")
        case "press", slots, fresh:
            top = at.frames[-1] if at.frames else None
            return Postback(slots=slots, token=f"{top.state}#{top.visit}" if fresh and top else "old#1")
    raise AssertionError(moment)


@settings(max_examples=50)
@given(book=BOOKS, moments=st.lists(MOMENTS, min_size=1, max_size=12))
def test_random_dialogues(book: Any, moments: Any) -> None:
    at = Snapshot(locale="de")
    events: list[Event] = []
    tokens: list[str] = []
    for moment in [Started(flow_id="one"), *moments]:
        event = concrete(moment, at, tokens)
        step = advance(book, at, event, MONDAY, conversation_id="c1")
        check_always(book, at, event, MONDAY, step)
        assert (step.error or {}).get("code") != "INTERNAL_ERROR", step.error
        assert len(step.visits) <= 60, "fifty, and ten of the error handler"
        assert step.snapshot.status is not Status.ACTIVE or not step.snapshot.frames
        assert step.snapshot.awaiting or not (step.snapshot.stable or step.snapshot.agenda)
        tokens += [effect.token for effect in step.effects if isinstance(effect, SetTimer)]
        at = step.snapshot
        events += step.events
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert fold(events) == at or not events
    assert len(set(tokens)) == len(tokens), "a timer token was handed out twice"


def test_events_apply_one_by_one(play: type[Play]) -> None:
    playing = play(flow(states={"a": {"type": "wait", "transitions": [to("end")]}, "end": ending("Bye.")})).user("x").ends()
    at = Snapshot()
    for event in playing.events:
        at = apply(at, event)
    assert at == playing.at


def test_every_event_of_the_table_is_told_in_the_log() -> None:
    assert APPLY.keys() >= {"started", "message", "slots_filled", "moved", "replied", "failed"}


def test_history_is_bounded() -> None:
    moved = [Event(seq=n, kind="moved", data={"from": "a", "to": "b", "transition": 0}) for n in range(2, 120)]
    data = {"program": "p", "flow_id": "f", "state": "a", "variables": {}, "slots": {}, "locale": "en", "channel": "web", "profile": {}}
    start = Event(seq=1, kind="started", data=data)
    assert len(fold([start, *moved]).history) == 50
