"""A correction takes the conversation back to where the old value was first read, and asks first when something was sent since."""

from typing import Any

from tests.playbook import Play, ending, response, to

ALWAYS = "true"


def house(*, method: str = "") -> Any:
    """Asks for storeys, branches on them, perhaps sends them, then waits for questions."""
    states: dict[str, Any] = {
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["storeys"], "prompts": {"storeys": "How many storeys?"}},
            "transitions": [to("branch", "slot_filled")],
        },
        "branch": {
            "type": "condition",
            "config": {},
            "transitions": [to("high", "expression", "slots.storeys > 10", priority=1), to("low", "expression", ALWAYS)],
        },
        "high": response("High-rise rules.", to("send" if method else "more", "expression", ALWAYS)),
        "low": response("Low-rise rules.", to("send" if method else "more", "expression", ALWAYS)),
        "more": {"type": "wait", "config": {"prompt": "Anything else?"}, "transitions": [to("bye", "intent_match", "bye")]},
        "bye": ending("Bye."),
    }
    if method:
        config = {"integration_id": "office", "endpoint": "/permits", "method": method, "request_mapping": {"storeys": "slots.storeys"}}
        states["send"] = {"type": "integration", "config": config, "transitions": [to("more", "integration_success")]}
    slots = {"storeys": {"type": "integer", "minimum": 1, "maximum": 100}}
    intents = {"bye": {"patterns": ["farewell"]}}
    return {"flow_id": "house", "name": "House", "version": "1", "initial_state": "ask", "states": states, "slots": slots, "intents": intents}


def test_a_branch_is_taken_anew(play: type[Play]) -> None:
    talk = play(house()).user("5").bot("Low-rise rules.", "Anything else?")
    talk.user("no, 20 storeys").bot("High-rise rules.", "Anything else?").knows(storeys=20)


def test_a_value_that_is_refused_changes_nothing(play: type[Play]) -> None:
    talk = play(house()).user("5").user("no, 500 storeys")
    talk.knows(storeys=5).waits("more")


def test_what_was_sent_is_not_sent_again_without_a_yes(play: type[Play]) -> None:
    talk = play(house(method="POST")).user("5").calls("office", storeys=5).returns({"id": 1}).bot("Anything else?")
    talk.user("no, 20 storeys").mentions("Change it anyway?").knows(storeys=5)
    talk.user("yes").knows(storeys=20).calls("office", storeys=20).returns({"id": 2}).waits("more")


def test_a_no_keeps_the_old_value(play: type[Play]) -> None:
    talk = play(house(method="POST")).user("5").returns({"id": 1}).user("no, 20 storeys")
    talk.user("no").bot("Anything else?").knows(storeys=5)
    talk.user("farewell").ends()


def test_something_else_drops_the_question(play: type[Play]) -> None:
    talk = play(house(method="POST")).user("5").returns({"id": 1}).user("no, 20 storeys")
    talk.user("farewell").ends()
    talk.knows(storeys=5)


def test_a_call_that_may_be_repeated_does_not_ask(play: type[Play]) -> None:
    talk = play(house(method="GET")).user("5").returns({"id": 1}).user("no, 20 storeys")
    talk.calls("office", storeys=20).knows(storeys=20)
