"""What people answer: texts, numbers, yes and no, dates, files; and what happens when the answer will not do."""

import pytest

from tests.dialogues.script import Dialogue, always, asking, bye, dialogue, on, run, say, steps

AGE = {"type": "integer", "minimum": 0, "maximum": 150}
NAME_TWICE = asking("text", prompt="Your name?", says="Hello {{ slots.x }}, nice to meet you.")

DIALOGUES = [
    dialogue("a text is taken as it is", NAME_TWICE, "< Your name?", "> Carlos", "< Hello Carlos, nice to meet you.", "@ done (end)"),
    dialogue(
        "a text that is too short is asked for in other words",
        asking({"type": "text", "min_length": 3, "message": "That is short."}, prompt="Your name?", retry_prompts={"x": "How shall I call you?"}),
        "> c",
        "< That is short.",
        "< How shall I call you?",
        "> Carlos",
        '= x "Carlos"',
    ),
    dialogue(
        "a rule over the value refuses",
        asking({"type": "text", "expression": "value.startsWith('A')", "message": "Not {{ value }}."}),
        "> Bob",
        "< Not Bob.",
        "< Tell me.",
        "> Ann",
        '= x "Ann"',
    ),
    dialogue(
        "a pattern finds its word in a sentence",
        asking({"type": "pattern", "pattern": "[A-Z]{2}[0-9]{4}"}),
        "> it is AB1234, I think",
        '= x "AB1234"',
    ),
    dialogue("a slot that has a value is not asked for", asking("text"), "< Got Ann.", "@ done (end)", inputs={"x": "Ann"}),
    dialogue(
        "a value expression answers in the user's place",
        asking("text", prefill={"x": "profile.name"}),
        "< Got Ann.",
        "@ done (end)",
        profile={"name": "Ann"},
    ),
    dialogue("a value expression without a value asks", asking("text", prefill={"x": "profile.name"}), "< Tell me.", "> Bo", "< Got Bo."),
    dialogue("a value expression must fit the rule", asking(AGE, prefill={"x": "profile.age"}), "< Tell me.", "> 40", "= x 40", profile={"age": 900}),
    dialogue("an empty text is no answer", asking({"type": "text"}), ">  ", "< Sorry, I didn't understand that.", "< Tell me.", "@ ask"),
    dialogue("a sensitive answer is taken", asking({"type": "text", "sensitive": True}), "> secret stuff", '= x "secret stuff"'),
    dialogue("a number", asking("integer"), "> 22", "= x 22"),
    dialogue("a number in words", asking("integer"), "> twenty two", "= x 22"),
    dialogue("a number inside a sentence", asking("number"), "> about 3.5 I think", "= x 3.5"),
    dialogue("a large number", asking("integer"), "> 1234567890123", "= x 1234567890123"),
    dialogue("a number with a decimal comma", asking("number"), "> 1.250,5", "= x 1250.5", locale="de"),
    dialogue("a number out of bounds", asking(AGE), "> 200", "< It must be at most 150.", "< Tell me.", "> 20", "= x 20"),
    dialogue("a fraction where a whole number is wanted", asking("integer"), "> 2.5", "< It must be a whole number.", "< Tell me."),
    dialogue("words where a number is wanted", asking("integer"), "> why do you ask", "< Sorry, I didn't understand that.", "< Tell me."),
    dialogue("a unit is turned into the stored one", asking({"type": "number", "units": {"m": 1, "ft": 0.3048}}), "> 10 ft", "= x 3.048"),
    dialogue("a number without a unit is in the stored one", asking({"type": "number", "units": {"m": 1, "cm": 0.01}}), "> 12", "= x 12.0"),
    dialogue("a unit right behind the number", asking({"type": "number", "units": {"m": 1, "cm": 0.01}}), "> 250cm", "= x 2.5"),
    dialogue(
        "an unknown unit",
        asking({"type": "number", "units": {"m": 1, "ft": 0.3048}}),
        "> 3 parsecs",
        "< I don't know this unit. I know: m, ft.",
        "< Tell me.",
    ),
    dialogue("an amount of money", asking("money"), "> $1,250.50 please", "= x 1250.5"),
    dialogue("a yes", asking("boolean", says="{{ slots.x | choose('good', 'pity') }}"), '& ["Yes", "No"]', "> sure", "< good"),
    dialogue("a no", asking("boolean", says="{{ slots.x | choose('good', 'pity') }}"), "> nope", "< pity"),
    dialogue("yes and no by number", asking("boolean"), "> 2", "= x false"),
    dialogue("yes and no by button", asking("boolean"), '+ {"slots": {"x": true}}', "= x true"),
    dialogue("neither yes nor no", asking("boolean"), "> purple", "< Sorry, I didn't understand that.", "< Tell me.", "> yes", "= x true"),
    dialogue("a German yes", asking("boolean"), '& ["Ja", "Nein"]', "> ja klar", "= x true", locale="de"),
    dialogue("a Spanish no", asking("boolean"), '& ["Sí", "No"]', "> para nada", "= x false", locale="es"),
    dialogue("a French yes", asking("boolean"), '& ["Oui", "Non"]', "> bien sûr", "= x true", locale="fr"),
    dialogue(
        "the answer decides where it goes on",
        asking(
            "boolean",
            transitions=[on("expression", "yes", "filled.x && slots.x", priority=1), on("slot_filled", "done")],
            more={"states": {"yes": bye("Great.")}},
        ),
        "> yes",
        "< Great.",
        "@ yes (end)",
    ),
    dialogue("a date", asking("date"), "> tomorrow", '= x "2026-11-24"'),
    dialogue("a date in German", asking("date"), "> am 3. Dezember 2026", '= x "2026-12-03"', locale="de"),
    dialogue("a time", asking("time"), "> at 5 pm", '= x "17:00"'),
    dialogue("no date at all", asking("date"), "> hello there", "< Sorry, I didn't understand that.", "< Tell me."),
    dialogue(
        "from one day to another",
        asking("date_range"),
        "> from 3 December 2026 to 7 December 2026",
        '= x {"start": "2026-12-03", "end": "2026-12-07"}',
    ),
    dialogue("the month stands once", asking("date_range"), "> 3 to 7 December 2026", '= x {"start": "2026-12-03", "end": "2026-12-07"}'),
    dialogue("next week is a range", asking("date_range"), "> next week", '= x {"start": "2026-11-30", "end": "2026-12-06"}'),
    dialogue("an ISO range", asking("date_range"), "> 2026-12-01/2026-12-05", '= x {"start": "2026-12-01", "end": "2026-12-05"}'),
    dialogue("one day is no range", asking("date_range"), "> tomorrow", "< Sorry, I didn't understand that.", "< Tell me."),
    dialogue(
        "the members of a range can be shown",
        asking("date_range", says="{{ slots.x.start }} till {{ slots.x.end }}"),
        "> 2026-12-01 to 2026-12-05",
        "< 2026-12-01 till 2026-12-05",
    ),
    dialogue("from one hour to another", asking("time_range"), "> from 9:00 to 17:30", '= x {"start": "09:00", "end": "17:30"}'),
    dialogue("an e-mail address", asking("email"), "> it's ann@example.com.", '= x "ann@example.com"'),
    dialogue("a broken e-mail address", asking("email"), "> ann@", "< This is not a valid e-mail address.", "< Tell me."),
    dialogue("a phone number", asking("phone"), "> +1 650 253 0000", '= x "+16502530000"'),
    dialogue("a web address", asking("url"), "> see https://example.com/a?b=1", '= x "https://example.com/a?b=1"'),
    dialogue(
        "a file",
        asking("attachment", says="Got {{ slots.x.name }}."),
        '^ {"url": "https://files.example.com/1", "name": "plan.pdf"}',
        "< Got plan.pdf.",
    ),
    dialogue(
        "words are no file", asking("attachment"), "> here it is", "< Please send a file.", "< Tell me.", '^ {"id": "f-1"}', '= x {"id": "f-1"}'
    ),
    dialogue("a file without an address", asking("attachment"), '^ {"name": "plan.pdf"}', "< Please send a file.", "< Tell me."),
    dialogue(
        "only some kinds of files",
        asking(
            {"type": "attachment", "expression": "has(value.content_type) && value.content_type == 'application/pdf'", "message": "A PDF, please."}
        ),
        '^ {"url": "https://f.example.com/1", "content_type": "image/png"}',
        "< A PDF, please.",
        "< Tell me.",
        '^ {"url": "https://f.example.com/2", "content_type": "application/pdf"}',
        "@ done (end)",
    ),
    dialogue(
        "a default value after too many refused answers",
        asking(AGE, prompt="Your age?", max_retries=1, default_values={"x": "10"}, default_responses={"x": "I'll say {{ slots.x }}."}),
        "> why",
        "< Sorry, I didn't understand that.",
        "< Your age?",
        "> no idea",
        "< I'll say 10.",
        "< Got 10.",
        "# defaulted",
        "= x 10",
    ),
    dialogue(
        "a way out after too many refused answers",
        asking(
            AGE, max_retries=1, transitions=[on("slot_filled", "done"), on("low_confidence", "out")], more={"states": {"out": bye("Another time.")}}
        ),
        "> why",
        "> but why",
        "< Another time.",
        "@ out (end)",
    ),
    dialogue(
        "a person after too many refused answers",
        asking(
            AGE,
            max_retries=1,
            more={"global_handlers": {"person": {"on": "command", "value": "human", "response_templates": {"default": "Calling someone."}}}},
        ),
        "> why",
        "> but why",
        "< Calling someone.",
        "< Tell me.",
        "# escalated",
    ),
    dialogue("a good answer in time", asking(AGE, max_retries=2), "> a", "> b", "> 7", "= x 7", "@ done (end)"),
    dialogue("a default that does not fit is none", asking(AGE, max_retries=1, default_values={"x": "900"}), "> a", "> b", "# escalated", "= x null"),
    dialogue(
        "a yes confirms",
        asking({"type": "integer", "confirm": "{{ value }}, right?"}),
        "> 5",
        "< 5, right?",
        '& ["Yes", "No"]',
        "> yes",
        "= x 5",
        "< Got 5.",
    ),
    dialogue(
        "a no asks again",
        asking({"type": "integer", "confirm": "{{ value }}, right?"}),
        "> 5",
        "> no",
        "< Tell me.",
        "= x null",
        "> 6",
        "< 6, right?",
        "> yes",
        "= x 6",
    ),
    dialogue(
        "no, and the right value", asking({"type": "integer", "confirm": "{{ value }}, right?"}), "> 5", "> no, 7", "< 7, right?", "> yes", "= x 7"
    ),
    dialogue(
        "another value instead of a yes", asking({"type": "integer", "confirm": "{{ value }}, right?"}), "> 5", "> 8", "< 8, right?", "> ok", "= x 8"
    ),
    dialogue(
        "a turn ends and goes on", steps(("a", say("Hi.", on("any_input", "b"))), ("b", bye("And bye."))), "< Hi.", "@ a", "> whatever", "< And bye."
    ),
    dialogue("two texts in one turn", steps(("a", say("One.", always("b"))), ("b", bye("Two."))), "< One.", "< Two.", "@ b (end)"),
]


@pytest.mark.parametrize("told", DIALOGUES, ids=str)
def test_dialogue(told: Dialogue) -> None:
    run(told)
