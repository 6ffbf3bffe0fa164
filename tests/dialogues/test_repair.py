"""When the user goes another way: digressions, commands, corrections, doubts, silence; in the flow, in the tenant, in other flows."""

from typing import Any

import pytest

from tests.dialogues.script import Dialogue, always, asking, bye, calling, dialogue, on, run, say, sending, setting, steps

FEES = {"fees": {"on": "intent", "value": "fees", "mode": "inline", "response_templates": {"default": "It costs 100."}}}
INTENTS = {"fees": {"patterns": ["cost", "fees"], "examples": ["what does it cost"]}, "weather": {"patterns": ["weather"]}}
AGE = {"type": "integer", "minimum": 0, "maximum": 150}


def with_fees(rule: Any = "integer", **config: Any) -> Any:
    return asking(rule, prompt="How many?", more={"intents": INTENTS, "global_handlers": FEES}, **config)


TWO = steps(
    (
        "ask",
        {
            "type": "slot_filling",
            "config": {"required_slots": ["city", "storeys"], "prompts": {"city": "Which city?", "storeys": "How many storeys?"}},
            "transitions": [on("slot_filled", "branch")],
        },
    ),
    ("branch", {"type": "condition", "transitions": [on("expression", "high", "slots.storeys > 10", priority=1), always("low")]}),
    ("high", say("A tower in {{ slots.city }}.", always("more"))),
    ("low", say("A house in {{ slots.city }}.", always("more"))),
    ("more", {"type": "wait", "config": {"prompt": "Anything else?"}, "transitions": [on("intent_match", "end", "bye")]}),
    ("end", bye()),
    slots={"city": {"type": "enum", "choices": ["Vienna", "Berlin"]}, "storeys": AGE},
    intents={"bye": {"patterns": ["farewell"]}},
)
CLOSE = steps(
    (
        "menu",
        {
            "type": "intent",
            "config": {"intent_patterns": ["order", "status"], "prompt": "What can I do?"},
            "transitions": [on("intent_match", "ordered", "order"), on("intent_match", "known", "status")],
        },
    ),
    (
        "ordered",
        {"type": "slot_filling", "config": {"required_slots": ["n"], "prompts": {"n": "How many?"}}, "transitions": [on("slot_filled", "end")]},
    ),
    ("known", bye("It is under way.")),
    ("end", bye("{{ slots.n }} ordered.")),
    slots={"n": {"type": "integer"}},
    intents={
        "order": {"patterns": ["order"], "labels": {"default": "Order something", "de": "Etwas bestellen"}},
        "status": {"patterns": ["status"], "examples": ["where is it"]},
    },
)
TABLE = steps(
    (
        "ask",
        {
            "type": "slot_filling",
            "config": {"required_slots": ["people"], "prompts": {"people": "For how many people?"}},
            "transitions": [on("slot_filled", "end")],
        },
    ),
    ("end", bye("Booked for {{ slots.people }}.")),
    slots={"people": "integer"},
    intents={"book": {"patterns": ["book"]}},
    flow_id="table",
    metadata={"triggers": ["book"]},
)
SURE = {**TABLE, "metadata": {"triggers": [{"intent": "book", "replace": True, "confidence": 0.5}]}}
HOUSE = {
    "intents": {"hours": {"patterns": ["open"]}},
    "global_handlers": {"hours": {"on": "intent", "value": "hours", "response_templates": {"default": "From 9 to 5."}}},
    "metadata": {"texts": {"not_understood": "Beg your pardon?", "maximum": {"default": "No more than {{ facts.limit }}!"}}},
}
SUB = {**asking("text", prompt="Your name?", says="Hi {{ slots.x }}."), "flow_id": "name"}
CALLER = steps(
    ("a", say("Start.", on("any_input", "b", actions=[calling("name")]))),
    ("b", say("Back.", on("any_input", "c"))),
    ("c", bye()),
)

DIALOGUES = [
    dialogue(
        "a question in between is answered and the question asked again",
        with_fees(),
        "> what does it cost",
        "< It costs 100.",
        "< How many?",
        "> 5",
        "= x 5",
    ),
    dialogue("a question in between costs no retry", with_fees(max_retries=1), "> cost", "> cost", "> cost", "> 5", "= x 5", "@ done (end)"),
    dialogue("an answer with a question in it is an answer", with_fees("text"), "> cost is no matter to me, call it Ann", "= x null"),
    dialogue(
        "no interruption where there must be none",
        with_fees(interruptible=False),
        "> what does it cost",
        "< Sorry, I didn't understand that.",
        "< How many?",
    ),
    dialogue(
        "an interruption under a condition",
        asking(
            "integer",
            prompt="How many?",
            interruptible="variables.open",
            more={"intents": INTENTS, "global_handlers": FEES, "variables": {"open": True}},
        ),
        "> fees",
        "< It costs 100.",
        "< How many?",
    ),
    dialogue(
        "no interruption under a condition",
        asking(
            "integer",
            prompt="How many?",
            interruptible="variables.open",
            more={"intents": INTENTS, "global_handlers": FEES, "variables": {"open": False}},
        ),
        "> fees",
        "< Sorry, I didn't understand that.",
        "< How many?",
    ),
    dialogue("a masked handler", with_fees(masked_handlers=["fees"]), "> fees", "< Sorry, I didn't understand that.", "< How many?"),
    dialogue(
        "a handler under a condition",
        asking("integer", prompt="How many?", more={"intents": INTENTS, "global_handlers": {"fees": {**FEES["fees"], "when": "filled.x"}}}),
        "> fees",
        "< Sorry, I didn't understand that.",
        "< How many?",
    ),
    dialogue(
        "a sub-flow in between",
        asking(
            "integer",
            prompt="How many?",
            more={"intents": INTENTS, "global_handlers": {"fees": {"on": "intent", "value": "fees", "mode": "push", "flow_id": "name"}}},
        ),
        "> fees",
        "< Your name?",
        "> 7",
        "< Hi 7.",
        "< How many?",
        beside=(
            {
                **SUB,
                "slots": {"y": "text"},
                "states": {
                    "ask": {
                        "type": "slot_filling",
                        "config": {"required_slots": ["y"], "prompts": {"y": "Your name?"}},
                        "transitions": [on("slot_filled", "done")],
                    },
                    "done": bye("Hi {{ slots.y }}."),
                },
            },
        ),
    ),
    dialogue(
        "a handler leads elsewhere",
        asking(
            "integer",
            more={
                "intents": INTENTS,
                "global_handlers": {"w": {"on": "intent", "value": "weather", "mode": "goto", "target_state": "out"}},
                "states": {"out": bye("Sunny.")},
            },
        ),
        "> weather",
        "< Sunny.",
        "@ out (end)",
    ),
    dialogue(
        "the state comes before the handler",
        steps(
            ("a", {"type": "intent", "config": {"intent_patterns": ["fees"], "prompt": "Ask."}, "transitions": [on("intent_match", "b", "fees")]}),
            ("b", bye("Mine.")),
            intents=INTENTS,
            global_handlers=FEES,
        ),
        "> fees",
        "< Mine.",
    ),
    dialogue("help", asking("integer"), "> help", '< You can write "restart", "repeat", "cancel", "human" or "stop" at any time.', "< Tell me."),
    dialogue(
        "help, politely",
        asking("integer"),
        "> can you help me please",
        '< You can write "restart", "repeat", "cancel", "human" or "stop" at any time.',
        "< Tell me.",
    ),
    dialogue(
        "a flow's own help",
        asking("integer", more={"global_handlers": {"h": {"on": "command", "value": "help", "response_templates": {"default": "Just a number."}}}}),
        "> help",
        "< Just a number.",
        "< Tell me.",
    ),
    dialogue("repeat", asking("integer"), "> say that again", "< Tell me."),
    dialogue("repeat in Spanish", asking("integer"), "> otra vez", "< Tell me.", locale="es"),
    dialogue("restart", asking("integer"), "> start over", "< Tell me.", "@ ask"),
    dialogue("stop", asking("integer"), "> stop", "< Goodbye!", "% stopped"),
    dialogue("stop in French", asking("integer"), "> arrêter", "< Au revoir !", "% stopped", locale="fr"),
    dialogue("cancel ends the only flow", asking("integer"), "> never mind", "< Cancelled.", "% cancelled"),
    dialogue(
        "a person is asked for", asking("integer"), "> speak to a human", "< I'm handing you over to a colleague. Please wait a moment.", "% handoff"
    ),
    dialogue("a person takes over and gives back", asking("integer"), "> human", "> are you there?", "-", "! resume", "< Tell me.", "> 4", "= x 4"),
    dialogue("a command that is an answer", asking({"type": "enum", "choices": ["stop", "go"]}), "> stop", '= x "stop"'),
    dialogue("both answers in one sentence", TWO, "> Vienna, 5 storeys", "< A house in Vienna.", "< Anything else?"),
    dialogue("a correction while asking", TWO, "> Vienna", "> no, Berlin", "< How many storeys?", '= city "Berlin"'),
    dialogue(
        "a correction takes another branch",
        TWO,
        "> Vienna, 5 storeys",
        "> no, 20 storeys",
        "< A tower in Vienna.",
        "< Anything else?",
        "= storeys 20",
    ),
    dialogue("a correction in Spanish", TWO, "> Vienna", "> perdón, Berlin", '= city "Berlin"', locale="es"),
    dialogue("a refused correction changes nothing", TWO, "> Vienna, 5 storeys", "> no, 500 storeys", "= storeys 5"),
    dialogue(
        "a correction inside a sub-flow goes back to where the caller read it",
        steps(
            (
                "ask",
                {
                    "type": "slot_filling",
                    "config": {"required_slots": ["storeys"], "prompts": {"storeys": "Storeys?"}},
                    "transitions": [on("slot_filled", "branch")],
                },
            ),
            ("branch", {"type": "condition", "transitions": [on("expression", "high", "slots.storeys > 10", priority=1), always("low")]}),
            ("high", say("High.", always("sub"))),
            ("low", say("Low.", always("sub"))),
            ("sub", {"type": "condition", "entry_actions": [calling("name")], "transitions": [always("end")]}),
            ("end", bye()),
            slots={"storeys": AGE},
        ),
        "> 5",
        "< Low.",
        "< Your name?",
        "> no, 20 storeys",
        "< High.",
        "< Your name?",
        "= storeys 20",
        "> Ann",
        "< Hi Ann.",
        "< Bye.",
        beside=(SUB,),
    ),
    dialogue(
        "a correction of the sub-flow's own slot",
        steps(("sub", {"type": "condition", "entry_actions": [calling("two")], "transitions": [always("end")]}), ("end", bye())),
        "> Vienna",
        "> no, Berlin",
        "< How many storeys?",
        "> 3",
        "< A house in Berlin.",
        "< Anything else?",
        "> no, 30 storeys",
        "< A tower in Berlin.",
        "< Anything else?",
        beside=({**TWO, "flow_id": "two"},),
    ),
    dialogue(
        "two close intents are asked about",
        CLOSE,
        "> the status of my order",
        "< What do you mean?",
        '& ["Order something", "Where is it", "Something else"]',
        "> 2",
        "< It is under way.",
    ),
    dialogue(
        "the answer by label takes up what was said",
        CLOSE,
        "> order 5 n or the status",
        "< What do you mean?",
        "> order something",
        "< 5 ordered.",
        "= n 5",
    ),
    dialogue("the answer by button", CLOSE, "> status of my order", '+ {"intent": "status"}', "< It is under way."),
    dialogue("something else", CLOSE, "> status of my order", "> something else", "< Then please say it in other words.", "> order", "< How many?"),
    dialogue("an answer that is clear now", CLOSE, "> status of my order", "> just the status", "< It is under way."),
    dialogue(
        "doubts do not go on for ever",
        CLOSE,
        "> order status",
        "< What do you mean?",
        "> order status",
        "< What do you mean?",
        "> order status",
        "< Sorry, I didn't understand that.",
        "< What can I do?",
    ),
    dialogue(
        "the labels of a doubt in German",
        CLOSE,
        "> order status",
        "< Was meinen Sie?",
        '& ["Etwas bestellen", "Where is it", "Etwas anderes"]',
        locale="de",
    ),
    dialogue(
        "no doubts where the author wants none",
        {
            **CLOSE,
            "states": {
                **CLOSE["states"],
                "menu": {**CLOSE["states"]["menu"], "config": {**CLOSE["states"]["menu"]["config"], "disambiguation_margin": 0}},
            },
        },
        "> order status",
        "< How many?",
    ),
    dialogue("not understood", CLOSE, "> zzz", "< Sorry, I didn't understand that.", "< What can I do?"),
    dialogue(
        "the third time in a row",
        CLOSE,
        "> zzz",
        "> yyy",
        "> xxx",
        '< I still don\'t understand, I\'m afraid. You can rephrase it, or write "restart" or "human".',
        "< What can I do?",
        "# escalated",
    ),
    dialogue("not understood in four languages", CLOSE, "> zzz", "< Désolé, je n'ai pas compris.", "< What can I do?", locale="fr"),
    dialogue(
        "the flow's own words",
        {**CLOSE, "metadata": {"texts": {"not_understood": {"en": "Hm, {{ profile.name }}?", "de": "Hm?"}}}},
        "> zzz",
        "< Hm, Ann?",
        "< What can I do?",
        profile={"name": "Ann"},
    ),
    dialogue(
        "a fallback intent",
        {
            **CLOSE,
            "states": {
                **CLOSE["states"],
                "menu": {**CLOSE["states"]["menu"], "config": {**CLOSE["states"]["menu"]["config"], "fallback_intent": "status"}},
            },
        },
        "> zzz",
        "< It is under way.",
    ),
    dialogue(
        "a flow's own no match",
        asking("integer", prompt="N?", more={"global_handlers": {"nm": {"on": "no_match", "response_templates": {"default": "What?"}}}, "states": {}})
        | {
            "initial_state": "w",
            "states": {
                "w": {
                    "type": "intent",
                    "config": {"intent_patterns": ["go: go"], "prompt": "Go?"},
                    "transitions": [on("intent_match", "done", "go")],
                },
                "done": bye(),
            },
        },
        "> zzz",
        "< What?",
        "< Go?",
    ),
    dialogue("a tenant's handler works in every flow", asking("integer"), "> are you open", "< From 9 to 5.", "< Tell me.", tenant=HOUSE),
    dialogue("a tenant's words", CLOSE, "> zzz", "< Beg your pardon?", "< What can I do?", tenant=HOUSE),
    dialogue("a tenant's words with facts", asking(AGE), "> 200", "< No more than 150!", "< Tell me.", tenant=HOUSE),
    dialogue(
        "the flow's words come before the tenant's",
        {**CLOSE, "metadata": {"texts": {"not_understood": "Hm?"}}},
        "> zzz",
        "< Hm?",
        "< What can I do?",
        tenant=HOUSE,
    ),
    dialogue(
        "the flow's handler comes before the tenant's",
        asking(
            "integer",
            more={
                "intents": {"hours": {"patterns": ["open"]}},
                "global_handlers": {"mine": {"on": "intent", "value": "hours", "response_templates": {"default": "Never."}}},
            },
        ),
        "> open?",
        "< Never.",
        "< Tell me.",
        tenant=HOUSE,
    ),
    dialogue(
        "a tenant's handler does not interrupt what must not be",
        asking("integer", interruptible=False),
        "> are you open",
        "< Beg your pardon?",
        "< Tell me.",
        tenant=HOUSE,
    ),
    dialogue(
        "a tenant's command",
        asking("integer"),
        "> help",
        "< Call 123.",
        "< Tell me.",
        tenant={"global_handlers": {"h": {"on": "command", "value": "help", "response_templates": {"default": "Call 123."}}}},
    ),
    dialogue(
        "a tenant's handler starts a flow",
        asking("integer"),
        "> open",
        "< For how many people?",
        "> 4",
        "< Booked for 4.",
        "< Tell me.",
        beside=(TABLE,),
        tenant={"intents": HOUSE["intents"], "global_handlers": {"b": {"on": "intent", "value": "hours", "mode": "push", "flow_id": "table"}}},
    ),
    dialogue(
        "words start another flow and come back",
        CLOSE,
        "> book a table",
        "< For how many people?",
        "> 4",
        "< Booked for 4.",
        "< What can I do?",
        beside=(TABLE,),
    ),
    dialogue("what was said is not asked again", CLOSE, "> book for 4 people", "< Booked for 4.", "< What can I do?", beside=(TABLE,)),
    dialogue(
        "words start another flow instead of this one",
        CLOSE,
        "> book",
        "< For how many people?",
        "> 4",
        "< Booked for 4.",
        "% completed",
        beside=(SURE,),
    ),
    dialogue(
        "a trigger interrupts a question",
        asking("integer"),
        "> book a table",
        "< For how many people?",
        "> 4",
        "< Booked for 4.",
        "< Tell me.",
        beside=(TABLE,),
    ),
    dialogue("a running flow does not trigger itself", TABLE, "> book a table", "< Sorry, I didn't understand that.", "< For how many people?"),
    dialogue(
        "the nearest comes first",
        {**CLOSE, "intents": {**CLOSE["intents"], "order": {"patterns": ["order", "book"]}}},
        "> book",
        "< How many?",
        beside=(TABLE,),
    ),
    dialogue(
        "an event has a handler",
        asking("integer", more={"global_handlers": {"idle": {"on": "event", "value": "idle", "response_templates": {"default": "Still there?"}}}}),
        "? idle",
        "< Still there?",
        "< Tell me.",
        "> 3",
        "= x 3",
    ),
    dialogue("an event that nobody heeds", asking("integer", max_retries=1), "? idle", "-", "? idle", "? idle", "@ ask"),
    dialogue(
        "an event takes a transition",
        steps(("a", say("Hi.", on("intent_match", "b", "closed"))), ("b", bye("Closed.")), intents={"closed": {"patterns": ["closed"]}}),
        "? closed",
        "< Closed.",
    ),
    dialogue(
        "silence",
        steps(
            ("a", {"type": "wait", "config": {"prompt": "Well?"}, "transitions": [on("any_input", "c"), on("timeout", "b", "PT5M")]}),
            ("b", bye("Too late.")),
            ("c", bye("Fine.")),
        ),
        "~ PT4M",
        "~ PT1M",
        "< Too late.",
    ),
    dialogue(
        "an answer in time",
        steps(
            ("a", {"type": "wait", "config": {"prompt": "Well?"}, "transitions": [on("any_input", "c"), on("timeout", "b", "PT5M")]}),
            ("b", bye("Too late.")),
            ("c", bye("Fine.")),
        ),
        "> here",
        "< Fine.",
    ),
    dialogue("cancel leaves the flow on top", CALLER, "> x", "< Your name?", "> cancel", "< Cancelled.", "< Back.", beside=(SUB,)),
    dialogue("cancel everything", CALLER, "> x", "> cancel everything", "< Cancelled.", "% cancelled", beside=(SUB,)),
    dialogue(
        "cancel goes on to the caller",
        steps(("a", say("Start.", on("any_input", "b", actions=[calling("name", on_cancel="cancel"), sending("Not said.")]))), ("b", bye())),
        "> x",
        "> cancel",
        "< Cancelled.",
        "% cancelled",
        beside=(SUB,),
    ),
    dialogue(
        "the caller learns that it was cancelled",
        steps(
            ("a", say("Start.", on("any_input", "b", actions=[calling("name", outputs={"how": "completion"})]))),
            ("b", bye("It was {{ variables.how }}.")),
            variables={"how": ""},
        ),
        "> x",
        "> cancel",
        "< Cancelled.",
        "< It was cancelled.",
        beside=(SUB,),
    ),
    dialogue(
        "cancelling in the middle of a list of actions",
        steps(
            ("a", say("Start.", on("any_input", "b", actions=[calling("name"), setting("n", "1")]))),
            ("b", bye("{{ variables.n }}")),
            variables={"n": 0},
        ),
        "> x",
        "> cancel",
        "< Cancelled.",
        "< 1",
        beside=(SUB,),
    ),
]


@pytest.mark.parametrize("told", DIALOGUES, ids=str)
def test_dialogue(told: Dialogue) -> None:
    run(told)
