"""How a flow goes on: conditions, loops over lists, sub-flows with inputs and outputs, calls to the outside and what takes them back, ratings."""

from typing import Any

import pytest

from tests.dialogues.script import Dialogue, always, asking, bye, calling, dialogue, on, only, run, say, sending, setting, steps

LIST: dict[str, Any] = {"variables": {"items": ["a", "b", "c"], "out": "", "none": [], "deep": [["x", "y"], ["z"]], "map": {"k": 1}, "n": 0}}
ADD = "variables.out + variables.item"


def switch(value: str, *cases: tuple[str, str]) -> Any:
    moves = [on("expression", f"c{index}", f"{value} == {case}", priority=index) for index, (case, _) in enumerate(cases)]
    return (
        ("s", {"type": "condition", "transitions": [*moves, always("other", priority=500)]}),
        *((f"c{index}", bye(text)) for index, (_, text) in enumerate(cases)),
        ("other", bye("Who are you?")),
    )


SQUARE = steps(
    ("go", {"type": "condition", "entry_actions": [setting("result", "variables.n * variables.n")], "transitions": [always("end")]}),
    ("end", {"type": "end", "config": {"outputs": {"square": "variables.result"}}}),
    flow_id="square",
    variables={"n": 1, "result": 0},
)
NAME = {**asking("text", prompt="Your name?", says=""), "flow_id": "name"}
NAME["states"] = {**NAME["states"], "done": {"type": "end", "config": {"outputs": {"who": "slots.x"}}}}
AGAIN = steps(
    (
        "ask",
        {
            "type": "slot_filling",
            "config": {"required_slots": ["more"], "prompts": {"more": "Again?"}, "ask_again": ["more"]},
            "transitions": [on("expression", "again", "filled.more && slots.more", priority=1), on("slot_filled", "end")],
        },
    ),
    ("again", {"type": "condition", "entry_actions": [setting("n", "variables.n + 1")], "transitions": [always("ask")]}),
    ("end", bye("{{ variables.n }} times.")),
    variables={"n": 0},
    slots={"more": "boolean"},
)
CRM = {"type": "call_integration", "integration_id": "crm", "endpoint": "/book", "method": "POST"}
UNDO = {
    "type": "call_integration",
    "integration_id": "crm",
    "endpoint": "/undo/{{ variables.id }}",
    "method": "DELETE",
    "request_mapping": {"id": "variables.id"},
}
TRIP = steps(
    ("start", say("Booking.", always("hotel", actions=[{**CRM, "response_mapping": {"id": "response.id"}}]))),
    (
        "hotel",
        {
            "type": "integration",
            "config": {
                "integration_id": "crm",
                "endpoint": "/hotel",
                "method": "POST",
                "response_mapping": {"id": "response.id"},
                "compensation": [sending("Giving back {{ variables.id }}."), UNDO],
            },
            "transitions": [on("integration_success", "wait"), on("integration_error", "sorry")],
        },
    ),
    ("wait", {"type": "wait", "config": {"prompt": "Sure?"}, "transitions": [on("any_input", "end")]}),
    ("end", bye("Booked {{ variables.id }}.")),
    ("sorry", bye("Sorry.")),
    variables={"id": 0},
)
FLIGHT = {
    **CRM,
    "endpoint": "/flight",
    "response_mapping": {"id": "response.id"},
    "compensation": [{**UNDO, "endpoint": "/flight/{{ variables.id }}"}],
}
SAGA = {**TRIP, "states": {**TRIP["states"], "start": say("Booking.", always("hotel", actions=[FLIGHT]))}}
RATING = steps(
    (
        "ask",
        {
            "type": "slot_filling",
            "config": {"required_slots": ["stars"], "prompts": {"stars": "How did we do?"}, "csat": {"score": "stars"}},
            "transitions": [on("slot_filled", "end")],
        },
    ),
    ("end", bye("Thanks.")),
)
COMMENT = steps(
    (
        "ask",
        {
            "type": "slot_filling",
            "config": {
                "required_slots": ["stars", "why"],
                "prompts": {"stars": "Stars?", "why": "Why?"},
                "csat": {"score": "stars", "comment": "why", "scale": 10},
            },
            "transitions": [on("slot_filled", "end")],
        },
    ),
    ("end", bye("Thanks.")),
    slots={"why": "text"},
)
WRITER = steps(
    (
        "a",
        say("We open at 9.", on("any_input", "b"), generate={"prompt": "Greet {{ profile.name }}.", "context": {"channel": "conversation.channel"}}),
    ),
    ("b", bye()),
)

DIALOGUES = [
    dialogue(
        "if",
        steps(
            ("a", {"type": "condition", "transitions": [on("expression", "b", "has(profile.name)", priority=1), always("c")]}),
            ("b", bye("Hi {{ profile.name }}.")),
            ("c", bye("Hi.")),
        ),
        "< Hi Ann.",
        profile={"name": "Ann"},
    ),
    dialogue(
        "else",
        steps(
            ("a", {"type": "condition", "transitions": [on("expression", "b", "has(profile.name)", priority=1), always("c")]}),
            ("b", bye("Hi {{ profile.name }}.")),
            ("c", bye("Hi.")),
        ),
        "< Hi.",
    ),
    dialogue(
        "switch over texts",
        steps(*switch("variables.who", ("'susan'", "hi susan"), ("'frank'", "hi frank")), variables={"who": "frank"}),
        "< hi frank",
    ),
    dialogue("switch over numbers", steps(*switch("variables.n", ("21", "21!"), ("22", "22!")), variables={"n": 22}), "< 22!"),
    dialogue("switch over yes and no", steps(*switch("variables.vip", ("true", "VIP"), ("false", "not")), variables={"vip": False}), "< not"),
    dialogue("switch without a match", steps(*switch("variables.who", ("'susan'", "hi susan")), variables={"who": "zoe"}), "< Who are you?"),
    dialogue(
        "an action under a condition", only(sending("no", when="variables.n > 5"), sending("yes", when="variables.n < 5"), **LIST), "< yes", "< Done."
    ),
    dialogue("a condition of an action that fails is false", only(sending("no", when="variables.items[9] == 'a'"), **LIST), "< Done."),
    dialogue("for each item", only(setting("out", ADD, for_each="variables.items"), text="{{ variables.out }}", **LIST), "< abc"),
    dialogue(
        "for each with its number",
        only(sending("{{ variables.i }} {{ variables.it }}", for_each={"items": "variables.items", "item": "it", "index": "i"}), **LIST),
        "< 0 a",
        "< 1 b",
        "< 2 c",
        "< Done.",
    ),
    dialogue("for each of nothing", only(sending("never", for_each="variables.none"), **LIST), "< Done."),
    dialogue(
        "for each member of a map",
        only(sending("{{ variables.item.key }}={{ variables.item.value }}", for_each={"items": "[{'key': 'k', 'value': variables.map.k}]"}), **LIST),
        "< k=1",
        "< Done.",
    ),
    dialogue(
        "page by page",
        only(sending("{{ variables.item | join('+') }}", for_each={"items": "variables.items", "page_size": 2}), **LIST),
        "< a+b",
        "< c",
        "< Done.",
    ),
    dialogue("a list that is no list", only(sending("never", for_each="variables.nothing"), variables={"nothing": {"type": "dyn"}}), "< Done."),
    dialogue(
        "only some items",
        only(sending("{{ variables.item }}", for_each="variables.items", when="variables.item != 'b'"), **LIST),
        "< a",
        "< c",
        "< Done.",
    ),
    dialogue(
        "the list changes on the way",
        only(
            setting("items", "variables.items + ['d']", for_each="variables.items", when="size(variables.items) < 5"),
            text="{{ variables.items | join(',') }}",
            **LIST,
        ),
        "< a,b,c,d,d",
    ),
    dialogue(
        "a question for each item",
        only(
            calling("name", for_each="variables.items", outputs={"last": "who"}),
            {"type": "clear_variable", "slot": "x"},
            text="{{ variables.last }}",
            variables={"items": [1, 2], "last": ""},
            slots={"x": "text"},
        ),
        "< Your name?",
        "> Ann",
        "< Your name?",
        "> Bob",
        "< Bob",
        beside=(
            {
                **NAME,
                "states": {**NAME["states"], "ask": {**NAME["states"]["ask"], "config": {**NAME["states"]["ask"]["config"], "ask_again": ["x"]}}},
            },
        ),
    ),
    dialogue(
        "a call for each item",
        only({**CRM, "for_each": "variables.items", "request_mapping": {"item": "variables.item"}}, variables={"items": [1, 2]}),
        "* {}",
        "* {}",
        "< Done.",
    ),
    dialogue(
        "one call of several fails",
        only({**CRM, "for_each": "variables.items"}, text="{{ error.code | default('fine') }}", variables={"items": [1, 2]}),
        "x INTEGRATION_ERROR",
        "* {}",
        "< fine",
    ),
    dialogue("again and again", AGAIN, "< Again?", "> yes", "< Again?", "> yes", "< Again?", "> no", "< 2 times."),
    dialogue(
        "lists grow and shrink",
        only(
            setting("l", "variables.l + ['todo2']"),
            sending("{{ variables.l | join(',') }}"),
            setting("l", "variables.l.filter(x, x != 'todo1')"),
            sending("{{ variables.l | join(',') }}"),
            setting("l", "variables.l + ['todo3', 'todo4']"),
            setting("l", "variables.l.slice(0, size(variables.l) - 1)"),
            sending("{{ variables.l | join(',') }}"),
            setting("l", "variables.l.slice(1, size(variables.l))"),
            sending("{{ variables.l | join(',') }}"),
            {"type": "set_variable", "name": "l", "value": []},
            text="{{ size(variables.l) }}",
            variables={"l": ["todo1"]},
        ),
        "< todo1,todo2",
        "< todo2",
        "< todo2,todo3",
        "< todo3",
        "< 0",
    ),
    dialogue(
        "texts and numbers are worked with",
        only(sending("{{ variables.t.upperAscii() }} {{ math.greatest(3, 7) }} {{ variables.t.split('-').size() }}"), variables={"t": "a-b"}),
        "< A-B 7 2",
        "< Done.",
    ),
    dialogue(
        "a variable is set and cleared",
        only(setting("n", "variables.n + 1"), {"type": "clear_variable", "name": "n"}, text="{{ variables.n }}", variables={"n": 5}),
        "< 5",
    ),
    dialogue("a slot is set", only({"type": "set_variable", "slot": "x", "value": 7}, text="{{ slots.x }}", slots={"x": "integer"}), "< 7", "= x 7"),
    dialogue(
        "a slot takes only what its rule allows",
        only(
            {"type": "set_variable", "slot": "x", "value": 700},
            text="{{ slots.x | default('nothing') }}",
            slots={"x": {"type": "integer", "maximum": 9}},
        ),
        "< nothing",
    ),
    dialogue(
        "a slot is cleared and asked for again",
        steps(
            (
                "ask",
                {
                    "type": "slot_filling",
                    "config": {"required_slots": ["x"], "prompts": {"x": "N?"}},
                    "transitions": [on("expression", "no", "filled.x && slots.x > 5", priority=1), on("slot_filled", "end")],
                },
            ),
            ("no", say("Too many.", always("ask", actions=[{"type": "clear_variable", "slot": "x"}]))),
            ("end", bye("{{ slots.x }}.")),
            slots={"x": "integer"},
        ),
        "> 9",
        "< Too many.",
        "< N?",
        "> 3",
        "< 3.",
    ),
    dialogue(
        "a value of the wrong type follows on_error",
        only(
            {"type": "set_variable", "name": "n", "expression": "'x'", "on_error": "goto", "goto": "end"},
            text="{{ variables.n }}",
            variables={"n": {"type": "dyn", "initial": 1}},
        ),
        "< x",
    ),
    dialogue(
        "what cannot be worked out follows on_error",
        steps(
            (
                "go",
                {
                    "type": "condition",
                    "entry_actions": [setting("n", "1 / variables.n", on_error="goto", goto="sorry")],
                    "transitions": [always("end")],
                },
            ),
            ("end", bye("Fine.")),
            ("sorry", bye("Sorry.")),
            variables={"n": 0},
        ),
        "< Sorry.",
    ),
    dialogue(
        "an event is logged",
        only({"type": "log_event", "name": "seen", "data": {"n": "{{ variables.n }}"}}, **LIST),
        "< Done.",
        '# logged {"name": "seen"}',
    ),
    dialogue(
        "inputs and outputs",
        only(calling("square", inputs={"n": "6"}, outputs={"out": "square"}), text="{{ variables.out }}", variables={"out": 0}),
        "< 36",
        beside=(SQUARE,),
    ),
    dialogue(
        "a sub-flow that asks",
        only(calling("name", outputs={"out": "who"}), text="Hi {{ variables.out }}.", variables={"out": ""}),
        "< Your name?",
        "> Ann",
        "< Hi Ann.",
        beside=(NAME,),
    ),
    dialogue(
        "how a sub-flow ended",
        only(calling("name", outputs={"how": "completion"}), text="{{ variables.how }}", variables={"how": ""}),
        "> Ann",
        "< completed",
        beside=(NAME,),
    ),
    dialogue(
        "two sub-flows after each other",
        only(
            calling("square", inputs={"n": "2"}, outputs={"out": "square"}),
            calling("square", inputs={"n": "variables.out"}, outputs={"out": "square"}),
            text="{{ variables.out }}",
            variables={"out": 0},
        ),
        "< 16",
        beside=(SQUARE,),
    ),
    dialogue(
        "a flow repeats itself",
        asking(
            "boolean",
            prompt="Again?",
            ask_again=["x"],
            transitions=[
                on("expression", "done", "filled.x && slots.x", priority=1, actions=[calling("main", mode="replace")]),
                on("slot_filled", "done"),
            ],
            says="Enough.",
        ),
        "> yes",
        "< Again?",
        "> yes",
        "< Again?",
        "> no",
        "< Enough.",
    ),
    dialogue(
        "a flow is replaced by another",
        asking("boolean", prompt="Leave?", transitions=[on("slot_filled", "done", actions=[calling("name", mode="replace")])]),
        "> yes",
        "< Your name?",
        "@ ask",
        beside=(
            {
                **NAME,
                "slots": {"y": "text"},
                "states": {
                    "ask": {
                        "type": "slot_filling",
                        "config": {"required_slots": ["y"], "prompts": {"y": "Your name?"}},
                        "transitions": [on("slot_filled", "done")],
                    },
                    "done": bye(),
                },
            },
        ),
    ),
    dialogue(
        "a sub-flow ends the whole conversation",
        only(calling("leave"), sending("Not said.")),
        "< Leaving.",
        "% left",
        beside=(steps(("e", bye("Leaving.", whole=True, completion_type="left")), flow_id="leave"),),
    ),
    dialogue(
        "the sub-flow's own variables",
        only(calling("square", inputs={"n": "3"}), text="{{ variables.n }}", variables={"n": 1}),
        "< 1",
        beside=(SQUARE,),
    ),
    dialogue(
        "a handler of the caller works inside",
        only(
            calling("name"),
            global_handlers={"f": {"on": "intent", "value": "fees", "response_templates": {"default": "100."}}},
            intents={"fees": {"patterns": ["fees"]}},
        ),
        "> fees",
        "< 100.",
        "< Your name?",
        beside=(NAME,),
    ),
    dialogue(
        "a call",
        only({**CRM, "response_mapping": {"out": "response.name"}}, text="{{ variables.out }}", variables={"out": ""}),
        '* {"name": "Ann"}',
        "< Ann",
    ),
    dialogue("a call that fails", only({**CRM, "on_error": "fail"}), "x INTEGRATION_ERROR", "% INTEGRATION_ERROR"),
    dialogue("a state that calls, and fails", TRIP, '* {"id": 1}', "x INTEGRATION_TIMEOUT", "< Sorry."),
    dialogue(
        "the branch for one error",
        steps(
            (
                "a",
                {
                    "type": "integration",
                    "config": {"integration_id": "crm", "endpoint": "/x"},
                    "transitions": [
                        on("integration_success", "ok"),
                        on("integration_error", "late", "INTEGRATION_TIMEOUT"),
                        on("integration_error", "bad"),
                    ],
                },
            ),
            ("ok", bye("Fine.")),
            ("late", bye("Late.")),
            ("bad", bye("Bad.")),
        ),
        "x INTEGRATION_TIMEOUT",
        "< Late.",
    ),
    dialogue(
        "what came back is kept",
        steps(
            (
                "a",
                {
                    "type": "integration",
                    "config": {"integration_id": "crm", "endpoint": "/x"},
                    "transitions": [on("integration_success", "ok"), on("integration_error", "ok")],
                },
            ),
            ("ok", bye("{{ results.crm.name }}")),
        ),
        '* {"name": "Ann"}',
        "< Ann",
    ),
    dialogue(
        "a cancel takes back what the state did",
        TRIP,
        '* {"id": 1}',
        '* {"id": 7}',
        "< Sure?",
        "> cancel",
        "# cancelling",
        "* {}",
        "# compensated",
        "% cancelled",
    ),
    dialogue(
        "the newest first",
        SAGA,
        '* {"id": 1}',
        '* {"id": 7}',
        "> cancel",
        '# awaiting {"step_key": "3:hotel/undo/1"}',
        "* {}",
        '# compensated {"state": "hotel", "place": "undo"}',
        "* {}",
        '# compensated {"state": "start", "place": "t0.0.undo"}',
        "% cancelled",
    ),
    dialogue("nothing to take back when it failed", SAGA, "x INTEGRATION_ERROR", '* {"id": 7}', "> cancel", "* {}", "% cancelled"),
    dialogue("taking back may fail", TRIP, '* {"id": 1}', '* {"id": 7}', "> cancel", "x INTEGRATION_ERROR", "# compensated", "% cancelled"),
    dialogue("nothing is taken back at a good end", SAGA, '* {"id": 1}', '* {"id": 7}', "> yes", "< Booked 7.", "% completed"),
    dialogue(
        "what a sub-flow did is taken back with its caller",
        steps(
            ("a", {"type": "condition", "entry_actions": [calling("book")], "transitions": [always("b")]}),
            ("b", {"type": "wait", "config": {"prompt": "Well?"}, "transitions": [on("any_input", "c")]}),
            ("c", bye()),
        ),
        '* {"id": 4}',
        "< Well?",
        "> cancel",
        "* {}",
        "# compensated",
        "% cancelled",
        beside=(
            {**only({**CRM, "response_mapping": {"id": "response.id"}, "compensation": [UNDO]}, text="", variables={"id": 0}), "flow_id": "book"},
        ),
    ),
    dialogue(
        "for each item its own",
        only(
            {**CRM, "for_each": "variables.items", "compensation": [{**UNDO, "endpoint": "/x", "request_mapping": {"item": "variables.item"}}]},
            calling("name"),
            variables={"items": [1, 2]},
        ),
        "* {}",
        "* {}",
        "< Your name?",
        "! cancel_all",
        "* {}",
        "* {}",
        "% cancelled",
        beside=(NAME,),
    ),
    dialogue("a rating", RATING, '& ["1", "2", "3", "4", "5"]', "> 4", "< Thanks.", '# rated {"score": 4, "scale": 5}'),
    dialogue("a rating by button", RATING, '+ {"slots": {"stars": 5}}', '# rated {"score": 5}'),
    dialogue("a rating out of range", RATING, "> 9", "< It must be at most 5.", "< How did we do?", "> 5", '# rated {"score": 5}'),
    dialogue(
        "a rating with a comment", COMMENT, "> 9", "< Why?", "> very quick", "< Thanks.", '# rated {"score": 9, "scale": 10, "comment": "very quick"}'
    ),
    dialogue("a rating without the comment", COMMENT, "> 9", "> no thanks", "< Thanks.", '# rated {"score": 9}'),
    dialogue("nobody is forced to rate", RATING, "> skip", "< Thanks.", '# rated {"declined": true}'),
    dialogue("nobody is forced to rate in German", RATING, "> nein danke", "< Thanks.", '# rated {"declined": true}', locale="de"),
    dialogue("a generated text", WRITER, '* {"text": "Good morning, Ann!"}', "< Good morning, Ann!", "@ a", profile={"name": "Ann"}),
    dialogue("no generated text: the template", WRITER, "x INTEGRATION_ERROR", "< We open at 9.", "@ a"),
    dialogue("an empty generated text", WRITER, '* {"text": "  "}', "< We open at 9."),
    dialogue(
        "the flow asks for a person",
        steps(
            (
                "a",
                {
                    "type": "wait",
                    "config": {"prompt": "One moment.", "handoff": {"queue": "billing", "reason": "refund"}},
                    "transitions": [on("any_input", "b")],
                },
            ),
            ("b", bye("Anything else, tell me.")),
        ),
        "< One moment.",
        "% handoff",
        '# handed_over {"queue": "billing", "reason": "refund"}',
        "> hello?",
        "-",
        "! resume",
        "< Anything else, tell me.",
    ),
    dialogue("a pause before a text", only(sending("Thinking…", delay_ms=500)), "< Thinking…", "< Done."),
    dialogue(
        "a loop without waiting comes to an end",
        steps(
            (
                "a",
                {
                    "type": "condition",
                    "entry_actions": [setting("n", "variables.n + 1")],
                    "transitions": [on("expression", "b", "variables.n > 1000", priority=1), always("a")],
                },
            ),
            ("b", bye()),
            variables={"n": 0},
        ),
        "% STATE_EXECUTION_ERROR",
    ),
]


@pytest.mark.parametrize("told", DIALOGUES, ids=str)
def test_dialogue(told: Dialogue) -> None:
    run(told)
