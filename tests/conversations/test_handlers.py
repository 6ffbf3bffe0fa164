"""Handlers: which one comes first, what masks them, and the four modes."""

from typing import Any

import pytest

from flows.core.types import Json
from tests.playbook import Play, ending, flow, response, to

FEES = {"on": "intent", "value": "fees", "mode": "inline", "response_templates": {"default": "100 dollars."}}


def asking(kind: Json = "integer", handlers: Any = None, *transitions: Json, **config: Json) -> Any:
    return flow(
        states={
            "ask": {
                "type": "slot_filling",
                "config": {"required_slots": ["x"], "validation_rules": {"x": kind}, "prompts": {"x": "X?"}, **config},
                "transitions": [to("done", "slot_filled"), *transitions],
            },
            "done": ending("{{ slots.x }}"),
            "menu": response("Menu.", to("ask")),
        },
        intents={"fees": {"examples": ["what does it cost"]}},
        global_handlers=handlers if handlers is not None else {"fees": FEES},
    )


def test_a_digression_is_answered_and_costs_no_retry(play: type[Play]) -> None:
    playing = play(asking()).user("what does it cost").bot("100 dollars.", "X?").waits("ask")
    assert not playing.at.retries
    playing.user("5").bot("5")


@pytest.mark.parametrize(("confidence", "answer"), [(0.84, "what does it cost"), (0.85, "100 dollars.")])
def test_free_text_needs_a_more_certain_digression(play: type[Play], confidence: Any, answer: Any) -> None:
    assert play(asking("text")).user("what does it cost", fees=confidence).said[0] == answer


def test_a_number_in_a_question_is_not_the_answer(play: type[Play]) -> None:
    play(asking()).user("what does section 1017 cost", fees=0.9).bot("100 dollars.", "X?").knows()
    play(asking()).user("what does section 1017 cost", fees=0.8).knows(x=1017)
    play(asking({"type": "integer", "maximum": 100})).user("what does section 1017 cost", fees=0.9).bot("100 dollars.", "X?")


def test_an_uncertain_intent_fires_nothing(play: type[Play]) -> None:
    play(asking()).user("cost", fees=0.74).mentions("didn't understand")


def test_a_state_that_must_not_be_interrupted(play: type[Play]) -> None:
    play(asking(interruptible=False)).user("what does it cost").mentions("didn't understand").user("cancel").waits("ask").user("stop").ends("stopped")


def test_a_masked_handler_does_not_fire(play: type[Play]) -> None:
    play(asking(masked_handlers=["fees"])).user("what does it cost").mentions("didn't understand")
    play(asking(masked_handlers=["stop"])).user("stop").waits("ask")


def test_the_state_comes_before_the_handler_and_the_handler_before_any_input(play: type[Play]) -> None:
    state = {"type": "wait", "config": {}, "transitions": [to("mine", "intent_match", "fees"), to("any")]}
    document = flow(
        states={"wait": state, "mine": ending("Mine."), "any": ending("Any.")},
        intents={"fees": {"examples": ["what does it cost"]}, "hours": {"examples": ["when do you open"]}},
        global_handlers={"fees": FEES, "hours": {**FEES, "value": "hours", "response_templates": {"default": "At nine."}}},
    )
    play(document).user("what does it cost").bot("Mine.")
    play(document).user("when do you open").bot("At nine.").waits("wait").because("wait", 1, "handler hours comes first")
    play(document).user("whatever").bot("Any.")


def test_the_flows_own_command_handler_replaces_the_default(play: type[Play]) -> None:
    handlers = {"away": {"on": "command", "value": "stop", "mode": "goto", "target_state": "menu"}}
    play(asking("integer", handlers)).user("stop").bot("Menu.").waits("menu")


def test_a_choice_that_sounds_like_a_command_is_an_answer(play: type[Play]) -> None:
    play(asking({"type": "enum", "choices": ["go", "stop"]})).user("stop").bot("stop").ends()


def test_no_match_is_the_flows_fallback(play: type[Play]) -> None:
    handlers = {"lost": {"on": "no_match", "mode": "inline", "response_templates": {"default": "Lost?"}}}
    menu = {"type": "intent", "config": {"intent_patterns": ["a"], "prompt": "A?"}, "transitions": [to("end", "intent_match", "a")]}
    document = flow(states={"menu": menu, "end": ending()}, intents={"a": {"examples": ["aaa"]}}, global_handlers=handlers)
    play(document).user("x1").bot("Lost?", "A?").user("x2").bot("Lost?", "A?").user("x3").mentions("still don't")


def test_replace_goes_to_another_flow(play: type[Play]) -> None:
    other = flow("other", states={"hi": response("Other.", to("end")), "end": ending("End.")})
    handlers = {"fees": {"on": "intent", "value": "fees", "mode": "replace", "flow_id": "other"}}
    playing = play(asking("integer", handlers), other).user("what does it cost").bot("Other.").waits("hi")
    assert [frame.flow_id for frame in playing.at.frames] == ["other"]


def test_a_handler_that_leads_nowhere_is_a_fault(play: type[Play]) -> None:
    handlers = {"fees": {"on": "intent", "value": "fees", "mode": "push", "flow_id": "nobody"}}
    playing = play(asking("integer", handlers)).user("what does it cost").breaks("FLOW_NOT_FOUND")
    assert playing.at.state == "ask"


def test_exit_actions_run_when_a_handler_leaves_the_state(play: type[Play]) -> None:
    handlers = {"fees": {"on": "intent", "value": "fees", "mode": "goto", "target_state": "menu"}}
    document = asking("integer", handlers)
    document["states"]["ask"]["exit_actions"] = [{"type": "send_message", "text": "Leaving."}]
    play(document).user("what does it cost").bot("Leaving.", "Menu.")
