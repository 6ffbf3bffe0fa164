"""Slot filling as a dialogue: retries, validation messages, over-answering, corrections."""

from typing import Any

from demo.permit_desk import PERMIT_DESK
from tests.playbook import Play, ending, flow, response, to

BUILDING = flow(
    states={
        "hello": {
            "type": "intent",
            "config": {"intent_patterns": ["build"], "prompt": {"default": "Hello!"}},
            "transitions": [to("ask", "intent_match", "build")],
        },
        "ask": {
            "type": "slot_filling",
            "config": {
                "required_slots": ["kind", "storeys", "sprinklers"],
                "optional_slots": ["mail"],
                "validation_rules": {
                    "kind": {"type": "enum", "choices": ["house", "office"]},
                    "storeys": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 100,
                        "message": {"default": "1 to 100, please.", "de": "1 bis 100, bitte."},
                    },
                    "sprinklers": "boolean",
                    "mail": "email",
                },
                "prompts": {"kind": "What kind?", "storeys": "How many storeys?", "sprinklers": "Sprinklers?"},
                "retry_prompts": {"storeys": "So how many?"},
                "max_retries": 2,
            },
            "transitions": [to("done", "slot_filled")],
        },
        "done": ending("{{ slots.kind }}, {{ slots.storeys }}, {{ slots.sprinklers }}"),
        "form": response("Use the form.", to("ask")),
    },
    intents={"build": {"keywords": ["build"]}},
)


def with_way_out() -> Any:
    ask = BUILDING["states"]["ask"]
    return {**BUILDING, "states": {**BUILDING["states"], "ask": {**ask, "transitions": [*ask["transitions"], to("form", "low_confidence")]}}}


def test_one_slot_after_the_other(play: type[Play]) -> None:
    play(BUILDING).user("I want to build").bot("What kind?").user("house").bot("How many storeys?").user("two").bot("Sprinklers?").user("no").bot(
        "house, 2, false"
    ).ends()


def test_one_sentence_may_answer_everything(play: type[Play]) -> None:
    play(BUILDING).user("I want to build an office with 5 storeys and no sprinklers").bot("office, 5, false").ends()


def test_more_than_was_asked_for_is_welcome(play: type[Play]) -> None:
    play(BUILDING).user("build").user("an office, 5 storeys, ann@example.com").bot("Sprinklers?").knows(
        kind="office", storeys=5, mail="ann@example.com"
    )


def test_an_answer_to_another_question_is_taken_and_costs_no_retry(play: type[Play]) -> None:
    playing = play(BUILDING).user("build").user("5 storeys").bot("What kind?").knows(storeys=5)
    assert not playing.at.retries


def test_a_refused_answer_says_why_and_asks_again(play: type[Play]) -> None:
    play(BUILDING).user("build").user("house").user("500").bot("1 to 100, please.", "So how many?").user("5").bot("Sprinklers?")
    play(BUILDING, locale="de").user("build").user("house").user("500").bot("1 bis 100, bitte.", "So how many?")


def test_no_answer_asks_again(play: type[Play]) -> None:
    play(BUILDING).user("build").user("hm").bot("Please choose one of: house, office.", "What kind?").user("house").user("hm").bot("So how many?")


def test_after_max_retries_the_low_confidence_transition_leads_on(play: type[Play]) -> None:
    play(with_way_out()).user("build").user("house").user("500").user("600").waits("ask").user("700").bot("Use the form.").waits("form") \
        .because("ask", 1, "3 refused answers, 2 retries allowed")  # fmt: skip


def test_after_max_retries_without_a_way_out_it_escalates(play: type[Play]) -> None:
    playing = play(BUILDING).user("build").user("a").user("b").user("c").mentions("still don't", "What kind?").waits("ask")
    assert not playing.at.retries


def test_a_good_answer_clears_the_count(play: type[Play]) -> None:
    playing = play(BUILDING).user("build").user("house").user("500").user("5")
    assert not playing.at.retries


def test_a_correction_of_what_was_said_before(play: type[Play]) -> None:
    play(BUILDING).user("build").user("house").user("5").bot("Sprinklers?").user("no, 6 storeys").bot("Sprinklers?").knows(kind="house", storeys=6)
    play(BUILDING).user("build").user("house").user("sorry, office").bot("How many storeys?").knows(kind="office")


def test_a_plain_no_is_an_answer(play: type[Play]) -> None:
    play(BUILDING).user("build").user("house").user("5").user("no thanks").bot("house, 5, false")


def test_a_correction_of_a_summary(play: type[Play]) -> None:
    summary = response("A {{ slots.kind }}?", to("done", "intent_match", "yes"))
    ask = {**BUILDING["states"]["ask"], "transitions": [to("sure", "slot_filled")]}
    document = {
        **BUILDING,
        "states": {**BUILDING["states"], "ask": ask, "sure": summary},
        "intents": {**BUILDING["intents"], "yes": {"examples": ["yes"]}},
    }
    play(document).user("build an office, 5 storeys, no sprinklers").bot("A office?").user("no, a house").bot("A house?").user("yes").bot(
        "house, 5, false"
    )


def test_a_rule_may_look_at_the_other_answers(play: type[Play]) -> None:
    rules = {
        "low": "integer",
        "high": {"type": "integer", "expression": "value > slots.low", "message": "{{ value }} is not more than {{ slots.low }}."},
    }
    ask = {
        "type": "slot_filling",
        "config": {"required_slots": ["low", "high"], "validation_rules": rules},
        "transitions": [to("done", "slot_filled")],
    }
    document = flow(states={"ask": ask, "done": ending("Done.")})
    play(document).bot("Please tell me: low").user("5").user("4").bot("4 is not more than 5.", "Please tell me: high").user("6").bot("Done.")


def test_slots_given_at_the_start_are_not_asked_for(play: type[Play]) -> None:
    given = {"kind": "office", "storeys": 500, "sprinklers": True, "note": "x"}
    playing = play(BUILDING, inputs=given).user("build").bot("How many storeys?").knows(kind="office", sprinklers=True)
    assert playing.at.frames[0].variables == {"note": "x"}


def test_an_entity_of_the_understanding_fills_its_slot() -> None:
    from conversations.core.types import Said, Understanding
    from tests.playbook import Play

    heard = Understanding(intents=(("build", 0.9),), entities={"storeys": "five"})
    Play(BUILDING).take(Said(text="a tall one", understanding=heard)).bot("What kind?").knows(storeys=5)


def test_an_attachment_answers_nothing_but_any_input(play: type[Play]) -> None:
    from conversations.core.types import Said

    play(BUILDING).user("build").take(Said(text="", attachment=True)).mentions("What kind?").waits("ask")
    play(flow(states={"a": response("Plan?", to("b")), "b": ending("Got it.")})).take(Said(text="", attachment=True)).bot("Got it.")


def test_a_summary_shows_the_label_of_a_choice_in_the_users_language(play: type[Play]) -> None:
    talk = play(PERMIT_DESK, locale="de").user("Ein Wohngebäude in Deutschland").user("vier").user("nein")
    assert talk.said[0] == "Zusammenfassung: Wohngebäude, 4 Geschosse, ohne Sprinkler, Deutschland (MBO)."
