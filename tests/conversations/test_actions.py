"""The six actions, what happens when they fail, and calls to the outside in the middle of them."""

from typing import Any

import pytest

from conversations.core.types import Outcome, Returned
from flows.core.types import Json
from tests.playbook import Play, ending, flow, response, to


def doing(*actions: Json, **more: Json) -> Any:
    return flow(
        states={
            "start": response("Ready?", to("next", actions=list(actions))),
            "next": response("n={{ variables.n }}", to("bye")),
            "bye": ending("Bye."),
        },
        variables={"n": 1, "total": {"type": "double"}, "items": {"type": "list", "initial": []}},
        **more,
    )


SET = {"type": "set_variable", "name": "n"}
SAY = {"type": "send_message", "text": "Said {{ variables.n }}."}
CALL = {"type": "call_integration", "integration_id": "crm", "endpoint": "/orders/{{ variables.n }}", "request_mapping": {"order": "variables.n"},
        "response_mapping": {"n": "response.count"}}  # fmt: skip


def test_actions_run_in_order_between_leaving_and_entering(play: type[Play]) -> None:
    document = doing({**SET, "value": 5}, SAY)
    document["states"]["start"]["exit_actions"] = [{"type": "send_message", "text": "Exit {{ variables.n }}."}]
    document["states"]["next"]["entry_actions"] = [{"type": "send_message", "text": "Entry {{ variables.n }}."}]
    playing = play(document).user("go").bot("Exit 1.", "Said 5.", "Entry 5.", "n=5")
    assert playing.step.actions == ("send_message", "set_variable:n", "send_message", "send_message")


def test_clearing_goes_back_to_the_initial_value(play: type[Play]) -> None:
    play(doing({**SET, "value": 5}, {"type": "clear_variable", "name": "n"})).user("go").bot("n=1")


def test_a_whole_number_becomes_a_double_where_one_is_declared(play: type[Play]) -> None:
    play(doing({"type": "set_variable", "name": "total", "expression": "variables.n * 3"})).user("go").holds(total=3.0)


def test_an_event_for_the_log(play: type[Play]) -> None:
    playing = play(doing({"type": "log_event", "name": "asked", "data": {"n": "{{ variables.n }}"}})).user("go")
    assert {"name": "asked", "data": {"n": "1"}} in [event.data for event in playing.step.events if event.kind == "logged"]


@pytest.mark.parametrize(
    ("on_error", "said"),
    [({"on_error": "continue"}, ["Said 1.", "n=1"]), ({"on_error": "goto", "goto": "bye"}, ["Bye."])],
)
def test_a_failing_set_variable_follows_on_error(play: type[Play], on_error: Any, said: Any) -> None:
    playing = play(doing({**SET, "expression": "1 / (variables.n - 1)", **on_error}, SAY)).user("go")
    assert playing.said == said
    assert "set_variable:n:failed" in playing.step.actions


def test_on_error_fail_is_a_fault(play: type[Play]) -> None:
    play(doing({**SET, "expression": "1 / (variables.n - 1)", "on_error": "fail"})).user("go").breaks("STATE_EXECUTION_ERROR")


def test_a_text_that_doubles_itself_is_stopped(play: type[Play]) -> None:
    double = {"type": "set_variable", "name": "text", "expression": "variables.text + variables.text"}
    document = flow(states={"start": response("Go?", to("start", actions=[double] * 20))}, variables={"text": "x" * 100})
    playing = play(document).user("go")
    assert len(playing.at.frames[0].variables["text"]) <= 16_384


def test_a_call_in_the_middle_of_a_list(play: type[Play]) -> None:
    playing = play(doing({**SET, "value": 7}, CALL, SAY)).user("go").calls("crm", order=7).silent()
    assert playing.call.endpoint == "/orders/7"
    playing.returns({"count": 3}).bot("Said 3.", "n=3").waits("next")
    assert playing.at.results == {"crm": {"count": 3}}


def test_two_calls_have_two_ids_and_two_keys(play: type[Play]) -> None:
    playing = play(doing(CALL, CALL)).user("go").calls("crm", order=1)
    first = playing.call
    second = playing.returns({"count": 2}).calls("crm", order=2).call
    assert (first.effect_id, first.step_key) != (second.effect_id, second.step_key)
    playing.returns({"count": 9}).bot("n=9")


def test_a_failing_call_follows_on_error(play: type[Play]) -> None:
    play(doing(CALL, SAY)).user("go").fails().bot("Said 1.", "n=1").waits("next")
    play(doing({**CALL, "on_error": "goto", "goto": "bye"}, SAY)).user("go").fails().bot("Bye.")
    play(doing({**CALL, "on_error": "fail"}, SAY)).user("go").fails().breaks("INTEGRATION_ERROR")


def test_after_a_fault_behind_a_call_the_conversation_is_where_it_last_waited(play: type[Play]) -> None:
    playing = (
        play(doing(CALL, {**SET, "expression": "1 / 0 * variables.n", "on_error": "fail"}))
        .user("go")
        .returns({"count": 3})
        .breaks("STATE_EXECUTION_ERROR")
    )
    assert (playing.at.state, playing.at.awaiting, playing.at.stable) == ("start", "", ())
    playing.user("go").calls("crm", order=1)


def test_an_answer_that_somebody_else_delivered_is_ignored(play: type[Play]) -> None:
    late = Returned(effect_id="e1", outcome=Outcome(success=True, data={"count": 100}))
    play(doing(CALL)).user("go").returns({"count": 3}).bot("n=3").take(late).wrote().waits("next").holds(n=3)
    play(doing(CALL)).take(late).wrote().waits("start")


def test_an_answer_to_another_call_is_ignored_while_one_is_awaited(play: type[Play]) -> None:
    late = Returned(effect_id="e1", outcome=Outcome(success=True, data={"count": 100}))
    playing = play(doing(CALL, CALL)).user("go").returns({"count": 3}).take(late).wrote()
    assert playing.at.awaiting == "e2"
    playing.returns({"count": 4}).bot("n=4")


def test_while_a_call_is_under_way_nothing_else_is_taken(play: type[Play]) -> None:
    play(doing(CALL)).user("go").user("hello?").breaks("AWAITING").wrote().returns({"count": 3}).bot("n=3")


def test_an_unmappable_answer_leaves_the_variable_alone(play: type[Play]) -> None:
    playing = play(doing(CALL)).user("go").returns({"other": 1}).bot("n=1")
    assert any(line.get("note") == "response_mapping" for line in playing.step.trace)


def test_a_huge_answer_is_mapped_but_not_kept(play: type[Play]) -> None:
    playing = play(doing(CALL)).user("go").returns({"count": 3, "blob": "x" * 100_000}).bot("n=3")
    assert playing.at.results == {"crm": None}


def looking_up(*transitions: Json, **config: Json) -> Any:
    return flow(
        states={
            "start": response("Which order?", to("look")),
            "look": {
                "type": "integration",
                "config": {
                    "integration_id": "crm",
                    "endpoint": "/orders",
                    "request_mapping": {"text": "'17'"},
                    "response_mapping": {"state": "response.state"},
                    **config,
                },
                "entry_actions": [{"type": "send_message", "text": "One moment."}],
                "transitions": [to("found", "integration_success", priority=50), *transitions],
            },
            "found": response("It is {{ variables.state }}.", to("start")),
            "gone": response("We have none ({{ error.code }}).", to("start")),
        },
        variables={"state": ""},
    )


def test_an_integration_state_waits_for_its_answer(play: type[Play]) -> None:
    play(looking_up()).user("17").bot("One moment.").calls("crm", text="17").returns({"state": "on its way"}).bot("It is on its way.").waits("found")


def test_an_error_takes_its_branch(play: type[Play]) -> None:
    playing = play(looking_up(to("gone", "integration_error"))).user("17").fails().bot("We have none (INTEGRATION_ERROR).").waits("gone")
    playing.because("look", 0, "failed: INTEGRATION_ERROR")


def test_a_timeout_may_have_its_own_branch(play: type[Play]) -> None:
    document = looking_up(to("start", "timeout", "1000"), to("gone", "integration_error"))
    play(document).user("17").times_out().bot("Which order?").waits("start")
    play(document).user("17").fails().mentions("We have none")


def test_an_expression_looks_at_the_result(play: type[Play]) -> None:
    document = looking_up(to("gone", "expression", "results.crm.state == 'gone'", priority=10))
    play(document).user("17").returns({"state": "gone"}).mentions("We have none")
    play(document).user("17").returns({"state": "here"}).bot("It is here.")


def test_without_a_branch_the_user_is_told_and_asked_where_they_were(play: type[Play]) -> None:
    playing = play(looking_up()).user("17").times_out().mentions("took too long").breaks("INTEGRATION_TIMEOUT")
    assert playing.at.state == "start"
    play(looking_up(error_handling={"message": "Our system sleeps."})).user("17").fails().bot("Our system sleeps.").breaks("INTEGRATION_ERROR")
    play(looking_up(error_handling={"goto": "gone"})).user("17").fails().mentions("We have none").waits("gone")


def test_a_request_that_cannot_be_made_is_an_integration_error(play: type[Play]) -> None:
    play(looking_up(to("gone", "integration_error"), request_mapping={"n": "int(variables.state)"})).user("17").bot(
        "One moment.", "We have none (INTEGRATION_ERROR)."
    )


def test_calls_cannot_spin_for_ever(play: type[Play]) -> None:
    document = looking_up()
    document["states"]["look"]["transitions"] = [to("look", "integration_success")]
    playing = play(document).user("17")
    for _ in range(60):
        if not playing.at.awaiting:
            break
        playing.returns({"state": "x"})
    playing.breaks("STATE_EXECUTION_ERROR")
    assert playing.at.state == "start"
