"""Flows inside flows: push, outputs, interruption, replacement, depth."""

from typing import Any

from flows.core.types import Json
from tests.playbook import Play, ending, flow, response, to

NAME = flow(
    "name",
    states={
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["name"], "validation_rules": {"name": "text"}, "prompts": {"name": "Your name?"}},
            "transitions": [to("done", "slot_filled")],
        },
        "done": {"type": "end", "config": {"outputs": {"who": "slots.name + variables.suffix", "broken": "variables.nothing"}}},
    },
    variables={"suffix": "", "nothing": {"type": "string"}},
)


def calling(**action: Json) -> Any:
    call = {"type": "trigger_flow", "flow_id": "name", "inputs": {"suffix": "'!'"}, "outputs": {"greeted": "who", "lost": "broken"}, **action}
    return flow(
        states={
            "start": response("Welcome.", to("greet", actions=[call, {"type": "send_message", "text": "Nice to meet you."}])),
            "greet": response("Hello {{ variables.greeted }}", to("bye")),
            "bye": ending("Bye."),
        },
        variables={"greeted": "nobody"},
    )


def test_a_sub_flow_runs_in_the_middle_of_an_action_list(play: type[Play]) -> None:
    play(calling(), NAME).user("go").bot("Your name?").waits("ask").user("Ann").bot("Nice to meet you.", "Hello Ann!").waits("greet") \
        .holds(greeted="Ann!", lost=None).user("ok").bot("Bye.").ends()  # fmt: skip


def test_cancel_leaves_the_sub_flow_and_goes_on_without_outputs(play: type[Play]) -> None:
    play(calling(), NAME).user("go").user("cancel").bot("Cancelled.", "Nice to meet you.", "Hello nobody").waits("greet")


def test_replace_does_not_come_back(play: type[Play]) -> None:
    playing = play(calling(mode="replace", outputs={}), NAME).user("go").bot("Your name?")
    assert len(playing.at.frames) == 1
    playing.user("Ann").ends()


def test_a_missing_sub_flow_follows_on_error(play: type[Play]) -> None:
    play(calling(flow_id="nobody")).user("go").bot("Nice to meet you.", "Hello nobody").waits("greet")
    play(calling(flow_id="nobody", on_error="goto", goto="bye")).user("go").bot("Bye.").ends()
    play(calling(flow_id="nobody", on_error="fail")).user("go").breaks("FLOW_NOT_FOUND")


def test_flows_inside_each_other_are_bounded(play: type[Play]) -> None:
    dive = [{"type": "trigger_flow", "flow_id": "main"}]
    document = flow(states={"start": response("Deeper?", to("end", actions=dive)), "end": ending()})
    playing = play(document)
    for _ in range(9):
        playing.user("yes").waits("start")
    playing.user("yes").breaks("STATE_EXECUTION_ERROR")
    assert len(playing.at.frames) == 10


COUNTED = [{"type": "set_variable", "name": "entered", "expression": "variables.entered + 1"}]


def interrupted(**handler: Json) -> Any:
    return flow(
        states={
            "kind": {
                "type": "slot_filling",
                "config": {
                    "required_slots": ["kind"],
                    "validation_rules": {"kind": {"type": "enum", "choices": ["house", "office"]}},
                    "prompts": {"kind": "What kind?"},
                },
                "entry_actions": COUNTED,
                "transitions": [to("done", "slot_filled"), to("done", "timeout", "60000")],
            },
            "done": ending("Done."),
        },
        variables={"entered": 0},
        intents={"who": {"examples": ["who are you"]}},
        global_handlers={"who": {"on": "intent", "value": "who", **handler}},
    )


def test_the_interrupted_state_is_asked_again_without_its_entry_actions(play: type[Play]) -> None:
    document = interrupted(mode="push", flow_id="name")
    play(document, NAME).holds(entered=1).user("who are you").bot("Your name?").waits("ask").user("Ann").bot("What kind?").waits("kind") \
        .holds(entered=1).user("house").bot("Done.").ends()  # fmt: skip


def test_timers_of_the_interrupted_state_start_anew_when_it_is_asked_again(play: type[Play]) -> None:
    playing = play(interrupted(mode="push", flow_id="name"), NAME).wait(seconds=50).user("who are you")
    assert not playing.due
    playing.wait(seconds=100).waits("ask").user("Ann").waits("kind").wait(seconds=59).waits("kind").wait(seconds=1).bot("Done.")


def test_an_old_button_of_the_interrupted_state_still_counts(play: type[Play]) -> None:
    playing = play(interrupted(mode="push", flow_id="name"), NAME)
    token = playing.token
    playing.user("who are you").user("Ann").press(token=token, kind="house").bot("Done.")


def test_what_the_sub_flow_filled_is_not_asked_again(play: type[Play]) -> None:
    asks = {"type": "slot_filling", "config": {"required_slots": ["kind"], "prompts": {"kind": "Which?"}}, "transitions": [to("b", "slot_filled")]}
    fills = flow("fills", states={"a": asks, "b": ending()}, slots={"kind": "text"})
    play(interrupted(mode="push", flow_id="fills"), fills).user("who are you").bot("Which?").user("house").bot("Done.").ends()


def test_a_handler_of_the_root_works_inside_a_sub_flow(play: type[Play]) -> None:
    root = interrupted(mode="goto", target_state="done")
    play(
        {**root, "states": {**root["states"], "kind": {**root["states"]["kind"], "entry_actions": [{"type": "trigger_flow", "flow_id": "name"}]}}},
        NAME,
    ).waits("ask").user("who are you", who=0.9).bot("Done.").ends()


def test_an_inline_handler_of_the_root_speaks_with_the_roots_variables(play: type[Play]) -> None:
    root = interrupted(
        mode="inline", response_templates={"default": "I am {{ variables.me }}."}, actions=[{"type": "set_variable", "name": "me", "value": "Bob"}]
    )
    kind = {**root["states"]["kind"], "entry_actions": [{"type": "trigger_flow", "flow_id": "name"}]}
    document = {**root, "variables": {"entered": 0, "me": "nobody"}, "states": {**root["states"], "kind": kind}}
    playing = play(document, NAME).user("who are you", who=0.9).bot("I am Bob.", "Your name?").waits("ask")
    assert playing.at.frames[0].variables["me"] == "Bob"


def test_restart_leaves_every_sub_flow(play: type[Play]) -> None:
    playing = play(calling(), NAME).user("go").waits("ask").user("restart").bot("Welcome.").waits("start")
    assert len(playing.at.frames) == 1
