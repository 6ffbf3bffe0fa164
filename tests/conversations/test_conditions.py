"""The eight conditions, one by one, with the reason that the trace gives."""

from typing import Any

import pytest

from flows.core.types import Condition, Json
from tests.playbook import Play, ending, flow, response, to

NUMBERS = {"n": {"type": "integer"}, "m": {"type": "integer"}}


def asking(*transitions: Json, **config: Json) -> Any:
    return flow(
        states={
            "ask": {
                "type": "slot_filling",
                "config": {"required_slots": ["n", "m"], "validation_rules": NUMBERS, "prompts": {"n": "N?", "m": "M?"}, **config},
                "transitions": list(transitions),
            },
            "yes": ending("Yes."),
            "no": ending("No."),
        }
    )


def listening(*transitions: Json, **config: Json) -> Any:
    return flow(
        states={
            "ask": {"type": "intent", "config": {"intent_patterns": ["buy", "sell"], **config}, "transitions": list(transitions)},
            "yes": ending("Yes."),
            "no": ending("No."),
        },
        intents={"buy": {"examples": ["buy"]}, "sell": {"examples": ["sell"]}, "joke": {"examples": ["joke"]}},
    )


def test_every_condition_has_a_predicate() -> None:
    from conversations.core.conditions import CONDITIONS

    assert CONDITIONS.keys() == set(Condition)


def test_the_lowest_priority_number_is_tried_first_and_ties_keep_their_order(play: type[Play]) -> None:
    play(listening(to("no"), to("yes", priority=0))).user("x").bot("Yes.").because("ask", 0, "another transition was taken first")
    play(listening(to("yes"), to("no"))).user("x").bot("Yes.")


def test_slot_filled_by_name_or_all(play: type[Play]) -> None:
    play(asking(to("yes", "slot_filled", "n"))).user("1").bot("Yes.").because("ask", 0, "slots.n is filled")
    play(asking(to("yes", "slot_filled"))).user("1").bot("M?").because("ask", 0, "slots.m not filled").user("2").bot("Yes.")


def test_any_input_in_slot_filling_takes_what_fills_nothing(play: type[Play]) -> None:
    document = asking(to("yes", "slot_filled"), to("no"))
    play(document).user("1").bot("M?").user("no idea").bot("No.")


def test_intent_match(play: type[Play]) -> None:
    document = listening(to("yes", "intent_match", "buy"), to("no", "intent_match", ""))
    play(document).user("buy").bot("Yes.")
    play(document).user("sell").bot("No.").because("ask", 0, "intent sell (1.00), not buy")
    play(document).user("?").because("ask", 1, "no intent was recognised")


def test_only_the_states_own_intents_compete_unless_it_says_otherwise(play: type[Play]) -> None:
    moves = (to("yes", "intent_match", "buy"),)
    play(listening(*moves)).user("x", joke=0.95, buy=0.8).bot("Yes.")
    play(listening(*moves, context_aware=False)).user("x", joke=0.95, buy=0.8).waits("ask").because("ask", 0, "intent joke (0.95), not buy")


def test_the_states_threshold_counts(play: type[Play]) -> None:
    play(listening(to("yes", "intent_match", "buy"), confidence_threshold=0.9)).user("x", buy=0.89).because("ask", 0, "confidence 0.89 < 0.9")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("slots.n > 10", "expression false: slots.n > 10"),
        ("slots.m > 10", "expression failed: slots.m > 10 (slots.m"),
        ("1 / (slots.n - 5) > 0", "expression failed"),
        ("filled.m && slots.m > 10", "expression false"),
    ],
)
def test_an_expression_that_fails_is_false_and_says_so(play: type[Play], expression: Any, why: Any) -> None:
    play(asking(to("yes", "expression", expression))).user("5").bot("M?").because("ask", 0, why)


def test_expressions_see_the_conversation(play: type[Play]) -> None:
    seen = "conversation.channel == 'sms' && conversation.locale == 'de' && conversation.id == 'c1' && now > timestamp('2026-01-01T00:00:00Z')"
    document = flow(states={"a": {"type": "condition", "transitions": [to("yes", "expression", seen)]}, "yes": ending("Yes.")})
    play(document, locale="de", channel="sms").bot("Yes.")


def test_texts_by_locale_and_channel(play: type[Play]) -> None:
    texts = {"default": "Hello", "de": "Hallo", "sms": "Hi", "de/sms": "Na", "pt-BR": "Oi"}
    document = flow(states={"a": {**response("", to("a")), "config": {"response_templates": texts}}})
    for locale, channel, said in [
        ("de", "web", "Hallo"), ("de-AT", "web", "Hallo"), ("de", "sms", "Na"), ("fr", "sms", "Hi"), ("fr", "web", "Hello"), ("pt-BR", "web", "Oi"),
    ]:  # fmt: skip
        play(document, locale=locale, channel=channel).bot(said)


def test_a_response_without_personalisation_does_not_see_the_profile() -> None:
    from conversations.core.machine import advance
    from conversations.core.types import Snapshot, Started
    from tests.playbook import MONDAY, book_of

    for personal, said in [(True, "Hello Ann"), (False, "Hello ")]:
        book = book_of(flow(states={"a": response("Hello {{ profile.name }}", to("a"), personalization=personal)}))
        step = advance(book, Snapshot(profile={"name": "Ann"}), Started(flow_id="main"), MONDAY)
        assert step.replies[0].text == said
