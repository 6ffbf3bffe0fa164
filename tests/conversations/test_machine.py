"""Conversations as users have them: states, transitions, bounds and faults."""

from dataclasses import replace

from conversations.core.fold import fold
from conversations.core.machine import advance
from conversations.core.types import Command, Outcome, Returned, Said, Snapshot, Started, Status, TimerFired
from tests.conversations.scenes import calling
from tests.playbook import MONDAY, Play, book_of, ending, flow, response, to

GREETING = flow(
    states={
        "hello": response("Hello!", to("menu", "expression", "true")),
        "menu": {
            "type": "intent",
            "config": {"intent_patterns": ["permit", "fees"], "prompt": {"default": "Permit or fees?", "de": "Genehmigung oder Gebühren?"}},
            "transitions": [
                to("fees", "intent_match", "fees"),
                to("storeys", "intent_match", "permit"),
            ],
        },
        "fees": response("100 dollars.", to("menu", "expression", "true")),
        "storeys": {
            "type": "slot_filling",
            "config": {
                "required_slots": ["storeys"],
                "validation_rules": {"storeys": {"type": "integer", "minimum": 1, "maximum": 100}},
                "prompts": {"storeys": {"default": "How many storeys?"}},
            },
            "transitions": [to("done", "slot_filled")],
        },
        "done": ending("{{ slots.storeys }} storeys it is."),
    },
    intents={"permit": {"keywords": ["permit"], "examples": ["I want to build"]}, "fees": {"keywords": ["fees"]}},
)


def test_a_conversation_runs_to_its_end(play: type[Play]) -> None:
    play(GREETING).bot("Hello!", "Permit or fees?").waits("menu").user("a permit please").bot("How many storeys?").waits("storeys") \
        .user("5").bot("5 storeys it is.").ends().knows(storeys=5)  # fmt: skip


def test_a_state_can_be_visited_again(play: type[Play]) -> None:
    play(GREETING).user("fees?").bot("100 dollars.", "Permit or fees?").waits("menu").user("and the fees?").bot("100 dollars.", "Permit or fees?")


def test_the_user_is_spoken_to_in_their_language(play: type[Play]) -> None:
    play(GREETING, locale="de-AT").bot("Hello!", "Genehmigung oder Gebühren?")


def test_a_usual_turn_writes_few_events(play: type[Play]) -> None:
    play(GREETING).wrote("started", "moved", "replied").user("permit").wrote("message", "moved", "replied") \
        .user("5").wrote("message", "slots_filled", "moved", "ended", "replied")  # fmt: skip


def test_the_trace_says_why(play: type[Play]) -> None:
    play(GREETING).user("permit", permit=0.42).because("menu", 1, "confidence 0.42 < 0.7").because("menu", 0, "intent permit (0.42), not fees") \
        .user("permit").because("menu", 1, "intent permit with confidence 0.80").because("storeys", 0, "slots.storeys not filled")  # fmt: skip


def test_one_message_takes_one_transition(play: type[Play]) -> None:
    document = flow(states={"a": response("A", to("b")), "b": response("B", to("c")), "c": ending("C")})
    play(document).bot("A").user("next").bot("B").waits("b").because("b", 0, "not tried: message already consumed").user("next").bot("C").ends()


def test_an_expression_over_the_message_does_not_see_it_twice(play: type[Play]) -> None:
    again = to("c", "expression", "message.text == 'go'")
    document = flow(states={"a": response("A", to("b")), "b": response("B", again), "c": ending("C")})
    play(document).user("go").bot("B").waits("b").user("stay").waits("b").user("go").bot("C")


def test_a_condition_state_may_look_at_the_message_that_led_to_it(play: type[Play]) -> None:
    choice = {"type": "condition", "transitions": [to("yes", "expression", "message.text == 'go'"), to("no", "expression", "true")]}
    document = flow(states={"a": response("A", to("b")), "b": choice, "yes": ending("Yes"), "no": ending("No")})
    play(document).user("go").bot("Yes")
    play(document).user("stay").bot("No").because("b", 0, "expression false")


def test_the_third_misunderstanding_in_a_row_escalates(play: type[Play]) -> None:
    play(GREETING).user("qwertz").mentions("didn't understand", "Permit or fees?").user("asdfgh").user("yxcvbn").mentions("still don't").waits("menu")


def test_escalation_goes_to_a_person_when_the_flow_says_how(play: type[Play]) -> None:
    person = {"on": "command", "value": "human", "mode": "goto", "target_state": "desk"}
    states = {**GREETING["states"], "desk": ending("A colleague will call you.")}
    document = {**GREETING, "states": states, "global_handlers": {"person": person}}
    play(document).user("qwertz").user("asdfgh").user("yxcvbn").bot("A colleague will call you.").ends()


def test_understanding_in_between_starts_the_count_again(play: type[Play]) -> None:
    play(GREETING).user("qwertz").user("asdfgh").user("fees").user("yxcvbn").mentions("didn't understand")


def test_the_fallback_intent_is_the_states_own_no_match(play: type[Play]) -> None:
    menu = {**GREETING["states"]["menu"], "config": {"intent_patterns": ["permit", "fees"], "fallback_intent": "fees"}}
    document = {**GREETING, "states": {**GREETING["states"], "menu": menu}}
    play(document).user("qwertz").bot("100 dollars.").because("menu", 0, "fallback intent fees")


def test_a_fallback_that_asks_again_does_not_hide_that_nothing_is_understood(play: type[Play]) -> None:
    again = response("Sorry?", to("menu", "expression", "true"))
    menu = {
        "type": "intent",
        "config": {"intent_patterns": ["permit"], "fallback_intent": "other"},
        "transitions": [to("done", "intent_match", "permit"), to("again", "intent_match", "other")],
    }
    document = flow(
        states={"menu": menu, "again": again, "done": ending("Done.")},
        intents={"permit": {"examples": ["a permit"]}, "other": {"examples": ["something else"]}},
    )
    play(document).user("x1").bot("Sorry?").user("x2").bot("Sorry?").user("x3").mentions("still don't").user("a permit").bot("Done.")


def test_low_confidence_is_a_transition(play: type[Play]) -> None:
    state = {
        "type": "intent",
        "config": {"intent_patterns": ["permit"]},
        "transitions": [to("yes", "intent_match", "permit"), to("huh", "low_confidence")],
    }
    document = flow(states={"ask": state, "yes": ending("Yes"), "huh": ending("Pardon?")})
    play(document).user("permit", permit=0.6).bot("Pardon?").because("ask", 1, "confidence 0.60 < 0.7")
    play(document).user("permit", permit=0.8).bot("Yes")


SPINNING = flow(
    states={
        "start": response("Ready?", to("a")),
        "a": {"type": "condition", "transitions": [to("b", "expression", "true")]},
        "b": {"type": "condition", "transitions": [to("a", "expression", "true")]},
    },
    metadata={"apology": {"default": "Oh dear.", "de": "Oje."}},
)


def test_a_loop_without_change_ends_in_the_flows_apology_where_it_last_waited(play: type[Play]) -> None:
    play(SPINNING).user("go").bot("Oh dear.").breaks("STATE_EXECUTION_ERROR").user("go").bot("Oh dear.")
    playing = play(SPINNING).user("go")
    assert (playing.at.state, playing.step.visits) == ("start", ("a", "b"))
    play(SPINNING, locale="de").user("go").bot("Oje.")


def test_a_loop_that_counts_is_stopped_after_fifty_states(play: type[Play]) -> None:
    count = [{"type": "set_variable", "name": "n", "expression": "variables.n + 1"}]
    document = flow(
        states={
            "start": response("Ready?", to("a")),
            "a": {"type": "condition", "entry_actions": count, "transitions": [to("a", "expression", "true")]},
        },
        variables={"n": 0},
    )
    playing = play(document).user("go").breaks("STATE_EXECUTION_ERROR").holds(n=0)
    assert playing.at.state == "start"
    assert playing.at.error_count == 1
    assert playing.step.visits == ("a",) * 50
    assert len(playing.step.trace) < 410
    playing.because("a", 0, "expression true: true")


def test_the_error_handler_takes_over(play: type[Play]) -> None:
    recovery = {"oops": {"on": "error", "mode": "goto", "target_state": "sorry"}}
    states = {**SPINNING["states"], "sorry": response("Let us start again ({{ error.code }}).", to("start"))}
    play({**SPINNING, "states": states, "global_handlers": recovery}).user("go").bot("Let us start again (STATE_EXECUTION_ERROR).").waits("sorry") \
        .user("ok").bot("Ready?").waits("start")  # fmt: skip


def test_an_error_handler_that_fails_too_ends_in_the_apology(play: type[Play]) -> None:
    document = {**SPINNING, "global_handlers": {"oops": {"on": "error", "mode": "goto", "target_state": "a"}}}
    play(document).user("go").bot("Oh dear.").breaks("STATE_EXECUTION_ERROR")


def test_a_condition_state_without_a_way_on_is_a_fault(play: type[Play]) -> None:
    document = flow(states={"start": response("Ready?", to("a")), "a": {"type": "condition", "transitions": [to("start", "expression", "false")]}})
    play(document).user("go").breaks("TRANSITION_ERROR")


def test_a_conversation_that_fails_before_it_ever_waited_tries_again(play: type[Play]) -> None:
    document = flow(
        states={"a": {"type": "condition", "transitions": [to("b", "expression", "variables.x > 0")]}, "b": ending("Fine")}, variables={"x": 0}
    )
    playing = play(document).breaks("TRANSITION_ERROR")
    assert playing.at.status is Status.FAILED
    playing.user("hello?").breaks("TRANSITION_ERROR")


def test_an_unknown_flow_starts_the_default_flow(play: type[Play]) -> None:
    play(GREETING, start="nobody", default="main").bot("Hello!", "Permit or fees?")
    play(GREETING, start="nobody").breaks("FLOW_NOT_FOUND").silent()


def test_what_cannot_be_taken_changes_nothing() -> None:
    book = book_of(GREETING)
    step = advance(book, Snapshot(), Said(text="hi"), MONDAY)
    assert (step.error or {})["code"] == "CONTEXT_LOAD_ERROR"
    assert not step.events
    assert step.snapshot == Snapshot()


def test_an_ended_conversation_takes_nothing_but_a_restart(play: type[Play]) -> None:
    play(GREETING).user("permit").user("5").ends().user("hello?").breaks("CONVERSATION_ENDED").wrote().command("restart").waits("menu").knows()


def test_a_version_that_is_missing_is_said_so() -> None:
    at = advance(book_of(GREETING), Snapshot(), Started(flow_id="main"), MONDAY).snapshot
    step = advance(book_of(), at, Said(text="hi"), MONDAY)
    assert (step.error or {})["code"] == "FLOW_NOT_FOUND"
    assert step.snapshot.frames == at.frames


def test_restart_forgets_and_begins_again(play: type[Play]) -> None:
    play(GREETING).user("permit").user("Start over!").bot("Hello!", "Permit or fees?").waits("menu").knows()


def test_stop_ends_the_conversation(play: type[Play]) -> None:
    play(GREETING).user("stop").bot("Goodbye!").ends("stopped")


def test_a_person_takes_over_and_gives_back(play: type[Play]) -> None:
    play(GREETING).user("talk to a human").hands_over().user("are you there?").silent().hands_over().wrote("message") \
        .command("resume").bot("Permit or fees?").waits("menu")  # fmt: skip


def test_timers_run_again_after_a_person_has_given_back(play: type[Play]) -> None:
    playing = play(PATIENT).user("human").hands_over()
    assert not playing.due
    assert len(playing.command("resume").waits("ask").due) == 2


def test_repeat_and_help_stay_where_they_are(play: type[Play]) -> None:
    play(GREETING).user("permit").user("repeat").bot("How many storeys?").user("help").mentions("restart", "How many storeys?").waits("storeys")


def test_cancel_ends_the_root_flow(play: type[Play]) -> None:
    play(GREETING).user("permit").user("cancel").bot("Cancelled.").ends("cancelled")


def test_an_unknown_command_is_refused() -> None:
    book = book_of(GREETING)
    at = advance(book, Snapshot(), Started(flow_id="main"), MONDAY).snapshot
    assert (advance(book, at, Command(name="fly"), MONDAY).error or {})["code"] == "VALIDATION_ERROR"


PATIENT = flow(
    states={
        "ask": {
            "type": "wait",
            "config": {"prompt": {"default": "Still there?"}},
            "transitions": [to("thanks", "any_input"), to("nudge", "timeout", "PT30S"), to("bye", "timeout", "60000")],
        },
        "nudge": response("Hello?", to("thanks", "any_input"), to("bye", "timeout", "10000")),
        "thanks": ending("Thanks."),
        "bye": ending("Bye."),
    }
)


def test_time_runs_out(play: type[Play]) -> None:
    play(PATIENT).waits("ask").wait(seconds=29).waits("ask").wait(seconds=1).bot("Hello?").waits("nudge").wait(seconds=10).bot("Bye.").ends()


def test_leaving_the_state_cancels_its_timers(play: type[Play]) -> None:
    playing = play(PATIENT)
    assert len(playing.due) == 2
    assert not playing.user("yes").ends().due
    assert not playing.at.timers


def test_a_timer_of_a_state_that_was_left_changes_nothing(play: type[Play]) -> None:
    playing = play(PATIENT)
    token = next(iter(playing.due))
    playing.wait(seconds=30).waits("nudge").take(TimerFired(token=token)).wrote().waits("nudge")


def test_a_misunderstanding_does_not_restart_the_clock(play: type[Play]) -> None:
    ask = {
        "type": "intent",
        "config": {"intent_patterns": ["permit"]},
        "transitions": [to("bye", "intent_match", "permit"), to("late", "timeout", "30000")],
    }
    document = flow(states={"ask": ask, "bye": ending("Bye."), "late": ending("Late.")})
    play(document).wait(seconds=20).user("qwertz").waits("ask").wait(seconds=10).bot("Late.")


BUTTONS = flow(
    states={
        "kind": {
            "type": "slot_filling",
            "config": {
                "required_slots": ["kind"],
                "validation_rules": {"kind": {"type": "enum", "choices": ["house", {"value": "office", "labels": {"de": "Büro"}}]}},
                "prompts": {"kind": {"default": "What kind?"}},
            },
            "transitions": [to("more", "slot_filled")],
        },
        "more": response("A {{ slots.kind }}. More?", to("done")),
        "done": ending("Done."),
    }
)


def test_a_button_fills_its_slot(play: type[Play]) -> None:
    playing = play(BUTTONS, locale="de")
    assert [button["label"] for button in playing.step.replies[0].buttons] == ["house", "Büro"]
    button = playing.step.replies[0].buttons[1]["postback"]
    playing.press(token=button["token"], **button["slots"]).bot("A office. More?").waits("more").knows(kind="office")


def test_a_stale_button_is_never_applied_silently(play: type[Play]) -> None:
    playing = play(BUTTONS)
    old = playing.token
    playing.user("house").waits("more").press(token=old, kind="office").mentions("earlier question", "A house. More?").waits("more").knows(
        kind="house"
    )


def test_a_button_cannot_fill_what_its_rule_refuses(play: type[Play]) -> None:
    play(BUTTONS).press(kind="castle").waits("kind").knows()


def test_starting_over_forgets_everything_but_the_numbers(play: type[Play]) -> None:
    playing = play(PATIENT)
    old = set(playing.due)
    playing.take(Started(flow_id="main")).waits("ask")
    assert not old & set(playing.due)
    assert len(playing.due) == len(playing.at.timers) == 2
    assert playing.at.effects == 4


def test_an_error_handler_that_leads_back_to_a_failing_call_ends(play: type[Play]) -> None:
    document = flow(
        states={
            "ask": response("Go?", to("call")),
            "call": {"type": "integration", "config": {"integration_id": "x", "endpoint": "e"}, "transitions": [to("ask", "integration_success")]},
        },
        global_handlers={"again": {"on": "error", "mode": "goto", "target_state": "call"}},
    )
    playing = play(document).user("yes")
    calls = 0
    while playing.at.awaiting and calls < 200:
        playing.fails()
        calls += 1
    assert calls < 100
    playing.breaks("INTEGRATION_ERROR")
    assert playing.at.state == "ask"


def test_an_outcome_that_cannot_be_taken_in_lets_the_conversation_go_on(play: type[Play]) -> None:
    """The stored agenda names a state that the version does not have: neither the step nor its recovery can read it."""
    waiting = play(calling()).user("12/4").at
    broken = replace(waiting, agenda=(["result", "gone"],))
    step = advance(book_of(calling()), broken, Returned(effect_id=broken.awaiting, outcome=Outcome(success=True)), MONDAY)
    assert (step.snapshot.awaiting, step.snapshot.status, step.snapshot.state) == ("", Status.WAITING, "ask")
    assert step.error is not None
    assert [event.kind for event in step.events] == ["failed", "replied"]
    assert fold(step.events, start=broken) == step.snapshot
    assert step.replies
    again = advance(book_of(calling()), step.snapshot, Said(text="12/5"), MONDAY)
    assert again.snapshot.awaiting
