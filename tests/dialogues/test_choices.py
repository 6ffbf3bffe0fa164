"""One of a few: by words, number, place or mistake; several of them; choices that an expression makes; rich messages and their plain words."""

import pytest

from tests.dialogues.script import Dialogue, asking, bye, dialogue, on, run, say, sending, setting, steps

COLOURS = {
    "type": "enum",
    "choices": ["red", {"value": "green", "synonyms": ["emerald"]}, {"value": "blue", "labels": {"en": "Ocean blue", "de": "Meerblau"}}],
}
MANY = {**COLOURS, "multiple": True}
FROM_LIST = {"type": "enum", "choices_from": "variables.menu"}
MENU = {"variables": {"menu": ["soup", {"value": "fish", "label": "Fish of the day", "synonyms": ["seafood"]}, "cake"]}}
PICK = {
    "buttons": [
        {"label": "Track it", "intent": "track"},
        {"label": "Send it back", "intent": "return"},
        {"label": "Help pages", "url": "https://example.com/help"},
    ]
}
SHOP = steps(
    (
        "menu",
        {
            "type": "intent",
            "config": {"intent_patterns": ["track: track", "return: send back"], "prompt": {"text": "What about your order?", **PICK}},
            "transitions": [on("intent_match", "tracked", "track"), on("intent_match", "returned", "return")],
        },
    ),
    ("tracked", bye("On its way.")),
    ("returned", bye("Here is your label.")),
)
CARDS = {
    "text": "Our rooms:",
    "layout": "list",
    "cards": [
        {
            "title": "Single",
            "subtitle": "{{ variables.price }} a night",
            "image": "https://example.com/1.png",
            "buttons": [{"label": "Take the single", "slots": {"x": "single"}}],
        },
        {"title": "Double", "url": "https://example.com/double", "buttons": [{"label": "Take the double", "slots": {"x": "double"}}]},
    ],
}
ROOM = asking({"type": "enum", "choices": ["single", "double"]}, prompt=CARDS, more={"variables": {"price": 80}})

DIALOGUES = [
    dialogue("a choice by its word", asking(COLOURS), '& ["red", "green", "Ocean blue"]', "> red", '= x "red"'),
    dialogue("a choice by its synonym", asking(COLOURS), "> emerald please", '= x "green"'),
    dialogue("a choice by its label", asking(COLOURS), "> ocean blue", '= x "blue"'),
    dialogue("a choice by its label in another language", asking(COLOURS), '& ["red", "green", "Meerblau"]', "> meerblau", '= x "blue"', locale="de"),
    dialogue("a choice by its number", asking(COLOURS), "> 2", '= x "green"'),
    dialogue("a choice by its place", asking(COLOURS), "> the second one", '= x "green"'),
    dialogue("the last choice", asking(COLOURS), "> the last", '= x "blue"'),
    dialogue("a choice by its place in German", asking(COLOURS), "> die erste bitte", '= x "red"', locale="de"),
    dialogue("a choice by its place in Spanish", asking(COLOURS), "> la segunda", '= x "green"', locale="es"),
    dialogue("a choice by its place in French", asking(COLOURS), "> le premier", '= x "red"', locale="fr"),
    dialogue("a misspelt choice", asking(COLOURS), "> grene", '= x "green"'),
    dialogue("a choice by its button", asking(COLOURS), '+ {"slots": {"x": "blue"}}', '= x "blue"'),
    dialogue("no choice", asking(COLOURS), "> purple", "< Please choose one of: red, green, Ocean blue.", "< Tell me.", "@ ask"),
    dialogue("two choices where one is wanted", asking(COLOURS), "> red or green", "@ ask"),
    dialogue("a number that is no choice", asking(COLOURS), "> 7", "@ ask"),
    dialogue("the choices in plain words", asking(COLOURS, prompt="Which?"), '" Which?|1. red|2. green|3. Ocean blue'),
    dialogue("several choices", asking(MANY), "> red and blue", '= x ["red", "blue"]'),
    dialogue("several choices by number", asking(MANY), "> 1, 3", '= x ["red", "blue"]'),
    dialogue("several numbers without commas", asking(MANY), "> 1 2", '= x ["red", "green"]'),
    dialogue("all of them", asking(MANY), "> all", '= x ["red", "green", "blue"]'),
    dialogue("one where several are allowed", asking(MANY), "> emerald", '= x ["green"]'),
    dialogue(
        "too few",
        asking({**MANY, "expression": "size(value) >= 2", "message": "At least two."}),
        "> red",
        "< At least two.",
        "< Tell me.",
        "> red, green",
        '= x ["red", "green"]',
    ),
    dialogue("several are shown with their labels", asking(MANY, says="{{ labels.x }}"), "> red and blue", "< red, Ocean blue"),
    dialogue("none of several", asking(MANY), "> purple", "@ ask"),
    dialogue("choices from a list", asking(FROM_LIST, more=MENU), '& ["soup", "Fish of the day", "cake"]', "> cake", '= x "cake"'),
    dialogue("a choice from a list by its label", asking(FROM_LIST, more=MENU), "> fish of the day", '= x "fish"'),
    dialogue("a choice from a list by its synonym", asking(FROM_LIST, more=MENU), "> seafood", '= x "fish"'),
    dialogue("a choice from a list by number", asking(FROM_LIST, more=MENU), "> 3", '= x "cake"'),
    dialogue("a choice from a list by button", asking(FROM_LIST, more=MENU), '+ {"slots": {"x": "fish"}}', '= x "fish"'),
    dialogue("an empty list offers nothing", asking(FROM_LIST, more={"variables": {"menu": []}}), "& []", "> cake", "@ ask"),
    dialogue("a button's label is typed", SHOP, '& ["Track it", "Send it back", "Help pages"]', "> Track it", "< On its way."),
    dialogue("a button's number is typed", SHOP, "> 2", "< Here is your label."),
    dialogue("a button's place is typed", SHOP, "> the first one", "< On its way."),
    dialogue("a button is pressed", SHOP, '+ {"intent": "return"}', "< Here is your label."),
    dialogue(
        "words still work beside buttons",
        SHOP,
        "> please send it back",
        "< Sorry, I didn't understand that.",
        "< What about your order?",
        "> send back",
        "< Here is your label.",
    ),
    dialogue("a rich message in plain words", SHOP, '" What about your order?|1. Track it|2. Send it back|Help pages: https://example.com/help'),
    dialogue(
        "an old button does nothing",
        SHOP,
        '+ {"intent": "return", "token": "menu#0"}',
        "< That button belongs to an earlier question. Here is the current one:",
        "< What about your order?",
        "@ menu",
    ),
    dialogue(
        "a card in plain words", ROOM, '" Our rooms:|Single – 80 a night|  1. Take the single|Double: https://example.com/double|  2. Take the double'
    ),
    dialogue("a card's button by number", ROOM, "> 2", '= x "double"'),
    dialogue("a card's button by label", ROOM, "> take the single", '= x "single"'),
    dialogue(
        "quick replies say their words",
        asking("text", prompt={"text": "How was it?", "quick_replies": ["Great", {"label": "Meh", "text": "it was not so good"}]}),
        '& ["Great", "Meh"]',
        "> 2",
        '= x "it was not so good"',
    ),
    dialogue(
        "a number beside quick replies is a number where one is asked for",
        asking("integer", prompt={"text": "How many?", "quick_replies": ["4", "2"]}),
        "> 2",
        "= x 2",
    ),
    dialogue(
        "rich messages by channel",
        asking("text", prompt={"default": {"text": "Name?", "quick_replies": ["Ann"]}, "sms": "Your name please"}),
        "< Your name please",
        channel="sms",
    ),
    dialogue(
        "rich messages by locale",
        asking("text", prompt={"en": {"text": "Name?", "quick_replies": ["Ann"]}, "de": {"text": "Name, bitte?", "quick_replies": ["Änne"]}}),
        "< Name, bitte?",
        '& ["Änne"]',
        "> 1",
        '= x "Änne"',
        locale="de",
    ),
    dialogue(
        "an address that no client may open is left out",
        steps(
            ("a", say({"default": {"text": "Look", "images": [{"url": "{{ variables.u }}", "alt": "It"}]}}, on("any_input", "b"))),
            ("b", bye()),
            variables={"u": "javascript:alert(1)"},
        ),
        '" Look',
    ),
    dialogue(
        "a picture in plain words",
        steps(
            ("a", say({"default": {"text": "Look", "images": [{"url": "https://example.com/p.png", "alt": "A plan"}]}}, on("any_input", "b"))),
            ("b", bye()),
        ),
        '" Look|A plan: https://example.com/p.png',
    ),
    dialogue(
        "an action sends a rich message",
        steps(
            (
                "a",
                say(
                    "Hi.",
                    on(
                        "any_input",
                        "b",
                        actions=[setting("n", "variables.n + 1"), sending({"text": "You are no {{ variables.n }}.", "buttons": ["Thanks"]})],
                    ),
                ),
            ),
            ("b", say("More?", on("any_input", "c"))),
            ("c", bye()),
            variables={"n": 1},
        ),
        "> x",
        "< You are no 2.",
        "< More?",
    ),
]


@pytest.mark.parametrize("told", DIALOGUES, ids=str)
def test_dialogue(told: Dialogue) -> None:
    run(told)
