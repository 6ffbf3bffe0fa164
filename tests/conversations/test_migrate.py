"""The pure part of live versions: what becomes of a conversation that moves to another version of its flow, and why it may not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.core import codec, mapping
from conversations.core.fold import fold
from conversations.core.machine import advance
from conversations.core.mapping import Route
from conversations.core.migrate import Migrated, Refused, migrate, restore
from conversations.core.types import Book, CancelTimer, Said, SetTimer, Snapshot, Started, Status
from flows.core.types import Json, Program
from tests.conversations.test_fold import BOOKS, MOMENTS, concrete, flows
from tests.playbook import MONDAY, Play, ending, flow, program_of, response, to


def version(document: Json, number: int) -> Program:
    return replace(program_of(document), key=f"{document['flow_id']}@{number}")


def route(old: Json, new: Json, given: Json = None) -> Route:
    read, faults = mapping.read(given or {})
    assert not faults, faults
    made, problems = mapping.prepare(read, version(old, 1), version(new, 2))
    assert not problems, problems
    return made


def book(playing: Play, way: Route) -> Book:
    return replace(playing.book, programs={**playing.book.programs, way.before.key: way.before, way.after.key: way.after})


def move(playing: Play, way: Route, **more: Any) -> Migrated:
    """Moves the conversation, and checks what must always hold: the fold of the events is the snapshot, and it survives JSON."""
    found = migrate(playing.at, way, book(playing, way), MONDAY, conversation_id="c1", plan="p", **more)
    assert isinstance(found, Migrated), found
    after = found.step.snapshot
    assert fold([*playing.events, *found.step.events]) == after
    assert codec.snapshot_from_json(codec.snapshot_to_json(after)) == after
    assert [event.seq for event in found.step.events] == list(range(playing.at.seq + 1, after.seq + 1))
    assert not any(frame.program == way.before.key for frame in after.frames)
    return found


def refuse(playing: Play, way: Route, **more: Any) -> list[str]:
    found = migrate(playing.at, way, book(playing, way), MONDAY, **more)
    assert isinstance(found, Refused)
    return [reason.code for reason in found.reasons]


def asking(slot: str, target: str = "done", **more: Any) -> Json:
    return {"type": "slot_filling", "config": {"required_slots": [slot], **more}, "transitions": [to(target, "slot_filled")]}


OLD = flow(
    "permit",
    states={"ask": asking("storeys", "name"), "name": asking("owner"), "done": ending("{{ slots.storeys }}")},
    slots={"storeys": {"type": "integer"}, "owner": {"type": "text"}},
    variables={"fee": {"type": "int", "initial": 10}, "old": {"type": "string", "initial": "x"}},
)
NEW = flow(
    "permit",
    states={"ask": asking("levels", "holder"), "holder": asking("owner"), "done": ending("{{ slots.levels }}")},
    slots={"levels": {"type": "integer", "maximum": 20}, "owner": {"type": "text", "sensitive": True}, "kind": {"type": "text"}},
    variables={"fee": {"type": "double", "initial": 0.0}, "fresh": {"type": "bool", "initial": True}},
)
MAP = {"states": {"name": "holder"}, "slots": {"storeys": {"to": "levels"}, "kind": {"default": "house"}}}


def test_states_slots_and_variables_find_their_places() -> None:
    playing = Play(OLD).user("12")
    found = move(playing, route(OLD, NEW, MAP))
    after = found.step.snapshot
    assert (after.state, after.slots) == ("holder", {"levels": 12, "kind": "house"})
    assert after.frames[0].variables == {"fee": 10.0, "fresh": True}
    assert found.moves == (("name", "holder"),)
    assert (found.slots_lost, found.variables_lost) == ((), ("old",))
    assert not found.step.replies, "nobody is spoken to unasked"


def test_the_conversation_goes_on_in_the_new_version() -> None:
    playing = Play(OLD).user("12")
    way = route(OLD, NEW, MAP)
    after = move(playing, way).step.snapshot
    step = advance(book(playing, way), after, Said(text="Ada Lovelace"), MONDAY)
    assert step.snapshot.status is Status.ENDED
    assert step.replies[-1].text == "12"
    assert step.snapshot.sensitive == ("owner",), "the rule of the new version"


def test_a_state_without_a_counterpart_refuses_or_falls_back() -> None:
    playing = Play(OLD).user("12")
    bare = {key: value for key, value in MAP.items() if key != "states"}
    assert refuse(playing, route(OLD, NEW, bare)) == ["no_state"]
    assert move(playing, route(OLD, NEW, bare), force=True).step.snapshot.state == "ask"
    assert move(playing, route(OLD, NEW, {**bare, "missing": "initial"})).step.snapshot.state == "ask"
    assert move(playing, route(OLD, NEW, {**bare, "missing": "state", "fallback": "holder"})).step.snapshot.state == "holder"


def test_values_that_do_not_fit() -> None:
    playing = Play(OLD).user("30")
    assert move(playing, route(OLD, NEW, MAP)).slots_lost == ("storeys",)
    assert refuse(playing, route(OLD, NEW, {**MAP, "misfit": "refuse"})) == ["slot_misfit"]
    halved = {**MAP, "slots": {"storeys": {"to": "levels", "convert": "value / 2"}}}
    found = move(playing, route(OLD, NEW, halved))
    assert (found.step.snapshot.slots["levels"], found.slots_converted) == (15, ("storeys",))
    dropped = {**MAP, "slots": {"storeys": {"drop": True}}}
    assert move(playing, route(OLD, NEW, dropped)).slots_lost == ("storeys",)


def test_a_number_becomes_a_text() -> None:
    new = flow("permit", states=OLD["states"], slots={"storeys": {"type": "text"}, "owner": "text"})
    found = move(Play(OLD).user("12"), route(OLD, new))
    assert found.step.snapshot.slots == {"storeys": "12"}


def test_the_new_question_is_asked_when_the_author_wants_it() -> None:
    new = flow("permit", states={**NEW["states"], "holder": asking("owner", prompts={"owner": "Who owns it?"})}, slots=NEW["slots"])
    way = route(OLD, new, {**MAP, "ask": True})
    playing = Play(OLD).user("12")
    assert [said.text for said in move(playing, way).step.replies] == ["Who owns it?"]
    assert not move(playing, way, silent=True).step.replies
    assert not move(Play(OLD), way).step.replies, "its state is the same: it was asked already"


def test_timers_are_set_anew() -> None:
    def waiting(milliseconds: int) -> Json:
        wait = {"type": "wait", "config": {"prompt": "Well?", "timeout_ms": milliseconds}, "transitions": [to("done", "timeout"), to("done")]}
        return flow("permit", states={"ask": wait, "done": ending()})

    playing = Play(waiting(60_000))
    found = move(playing, route(waiting(60_000), waiting(5_000)))
    assert [effect.token for effect in found.step.effects if isinstance(effect, CancelTimer)] == list(playing.at.timers)
    assert [effect.after_ms for effect in found.step.effects if isinstance(effect, SetTimer)] == [5_000]


def calling(**config: Any) -> Json:
    call = {"type": "integration", "config": {"integration_id": "crm", "endpoint": "x", **config}, "transitions": [to("ask", "integration_success")]}
    return flow("permit", states={"ask": response("Well?", to("call")), "call": call, "done": ending()})


def test_a_call_on_its_way_is_waited_for_or_given_up() -> None:
    playing = Play(calling()).user("go")
    way = route(calling(), calling(timeout_ms=900))
    assert refuse(playing, way) == ["awaiting"]
    after = move(playing, way, force=True).step.snapshot
    assert (after.awaiting, after.state, after.agenda, after.stable) == ("", "ask", (), ())


def test_a_call_of_the_very_first_turn_given_up_begins_again_with_the_next_message() -> None:
    first = flow("permit", states={"call": calling()["states"]["call"], "ask": response("Well?", to("call")), "done": ending()})
    playing = Play(first)
    way = route(first, first)
    after = move(playing, way, force=True).step.snapshot
    assert (after.status, after.state) == (Status.FAILED, "call")
    step = advance(book(playing, way), after, Said(text="hello"), MONDAY)
    assert step.snapshot.awaiting


INNER = flow("inner", states={"q": asking("code"), "done": ending()}, slots={"code": "text"})


def outer(*actions: Json) -> Json:
    done = {"type": "end", "config": {"response_templates": {"default": "Done {{ variables.got }}."}}}
    call = {**response("Now.", to("done", "expression", "true")), "entry_actions": [{"type": "trigger_flow", "flow_id": "inner"}, *actions]}
    return flow("outer", states={"call": call, "done": done}, variables={"got": {"type": "string", "initial": "it"}})


def test_frames_below_a_sub_flow_move_too() -> None:
    say = {"type": "send_message", "text": "Back."}
    playing = Play(outer(say), INNER)
    way = route(outer(say), outer(say))
    after = move(playing, way).step.snapshot
    assert [frame.program for frame in after.frames] == ["outer@2", "inner@1"]
    step = advance(book(playing, way), after, Said(text="4711"), MONDAY)
    assert [said.text for said in step.replies] == ["Back.", "Now.", "Done it."]


def test_what_was_left_to_do_is_cut_short_where_it_changed() -> None:
    playing = Play(outer({"type": "send_message", "text": "Back."}), INNER)
    way = route(outer({"type": "send_message", "text": "Back."}), outer({"type": "send_message", "text": "Changed."}))
    found = move(playing, way)
    assert found.remarks
    step = advance(book(playing, way), found.step.snapshot, Said(text="4711"), MONDAY)
    assert step.snapshot.status is Status.ENDED


def test_a_sub_flow_moves_and_its_caller_stays() -> None:
    new = flow("inner", states={"question": asking("code"), "done": ending()}, slots={"code": "text"})
    playing = Play(outer(), INNER)
    after = move(playing, route(INNER, new, {"states": {"q": "question"}})).step.snapshot
    assert [(frame.program, frame.state) for frame in after.frames] == [("outer@1", "call"), ("inner@2", "question")]


def test_ended_and_foreign_conversations_do_not_move() -> None:
    way = route(OLD, NEW, MAP)
    assert refuse(Play(OLD).user("3").user("Ada"), way) == ["ended"]
    assert refuse(Play(NEW | {"flow_id": "other"}), way) == ["elsewhere"]


def test_a_conversation_goes_back_as_it_was() -> None:
    playing = Play(OLD).user("12")
    way = route(OLD, NEW, {**MAP, "slots": {"storeys": {"to": "levels", "convert": "value + 1"}}})
    found = move(playing, way)
    step = restore(found.step.snapshot, playing.at, book(playing, way), MONDAY)
    back = step.snapshot
    assert fold([*playing.events, *found.step.events, *step.events]) == back
    same = ("frames", "slots", "history", "retries", "sensitive", "status", "locale", "results")
    assert {name: getattr(back, name) for name in same} == {name: getattr(playing.at, name) for name in same}


def test_old_buttons_are_stale_only_where_the_question_is_another() -> None:
    playing = Play(OLD).user("12")
    same = flow("permit", states=OLD["states"], slots=OLD["slots"], variables=OLD["variables"])
    assert move(playing, route(OLD, same)).step.snapshot.frames[0].visit == playing.at.frames[0].visit
    assert move(playing, route(OLD, NEW, MAP)).step.snapshot.frames[0].visit == playing.at.seq + 1


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ([], ["$"]),
        ({"stats": {}}, ["$.stats"]),
        ({"states": {"ask": 3}, "missing": "maybe", "ask": 1}, ["$.states.ask", "$.missing", "$.ask"]),
        ({"slots": {"storeys": {"too": "x"}}}, ["$.slots.storeys.too"]),
    ],
)
def test_faults_of_shape(given: Any, paths: list[str]) -> None:
    _, faults = mapping.read(given)
    assert sorted(fault.path for fault in faults) == sorted(paths)


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"states": {"nowhere": "ask"}}, "$.states.nowhere", "unknown_state"),
        ({"states": {"name": "nowhere"}}, "$.states.name", "unknown_state"),
        ({"states": {"name": "done"}}, "$.states.name", "does_not_wait"),
        ({"missing": "state", "fallback": "done"}, "$.fallback", "does_not_wait"),
        ({"slots": {"storeys": {"to": "nothing"}}}, "$.slots.storeys.to", "unknown_slot"),
        ({"slots": {"storeys": {"to": "kind"}, "owner": {"to": "kind"}}}, "$.slots.owner.to", "taken_twice"),
        ({"slots": {"storeys": {"to": "levels", "convert": "value +"}}}, "$.slots.storeys.convert", "bad_expression"),
    ],
)
def test_what_does_not_fit_the_versions(given: Any, path: str, code: str) -> None:
    read, _ = mapping.read(given)
    _, problems = mapping.prepare(read, version(OLD, 1), version(NEW, 2))
    assert (path, code) in [(problem.path, problem.code) for problem in problems]


def test_a_map_survives_json() -> None:
    given = {
        **MAP,
        "missing": "state",
        "fallback": "ask",
        "misfit": "refuse",
        "ask": True,
        "variables": {"old": {"drop": True}, "x": {"default": False}},
    }
    assert mapping.write(mapping.read(given)[0]) == given


def test_renamed_states_and_slots_are_suggested() -> None:
    new = flow(
        "permit",
        states={"ask": asking("levels", "name_of_owner"), "name_of_owner": asking("owner"), "done": ending()},
        slots={"levels": {"type": "integer"}, "owner": {"type": "text"}},
    )
    found = mapping.suggested(version(OLD, 1), version(new, 2))
    assert dict(found.states) == {"name": "name_of_owner"}
    assert mapping.write(found)["slots"] == {"storeys": {"to": "levels"}}


def test_the_way_back() -> None:
    back = mapping.inverse(mapping.read(MAP)[0], version(OLD, 1).flow)
    assert mapping.write(back) == {"states": {"holder": "name"}, "slots": {"levels": {"to": "storeys"}}}


def test_an_empty_conversation_is_nobodys() -> None:
    way = route(OLD, NEW, MAP)
    found = migrate(Snapshot(), way, Book(programs={}, current={}), MONDAY)
    assert isinstance(found, Refused)


@pytest.mark.timeout(600)  # large flows: half a minute alone, minutes on a busy machine
@settings(max_examples=30)
@given(
    known=BOOKS,
    other=flows("one"),
    moments=st.lists(MOMENTS, max_size=8),
    force=st.booleans(),
    ask=st.booleans(),
    after=st.lists(MOMENTS, max_size=4),
)
def test_random_dialogues_move(known: Book, other: Json, moments: Any, force: bool, ask: bool, after: Any) -> None:
    """The fold stays true through a move and after it, nothing raises, and what has moved goes back as it was."""
    at = Snapshot(locale="de")
    for moment in [Started(flow_id="one"), *moments]:
        at = advance(known, at, concrete(moment, at, list(at.timers)), MONDAY, conversation_id="c1").snapshot
    new = version(other, 2)
    way, _ = mapping.prepare(mapping.read({"ask": ask})[0], known.programs["one@1"], new)
    wider = replace(known, programs={**known.programs, new.key: new}, current={**known.current, "one": new.key})
    found = migrate(at, way, wider, MONDAY, conversation_id="c1", force=force)
    if isinstance(found, Refused):
        assert not force or {reason.code for reason in found.reasons} <= {"elsewhere", "ended", "engine"}
        return
    moved = found.step.snapshot
    assert fold(found.step.events, start=at) == moved
    assert codec.snapshot_from_json(json.loads(json.dumps(codec.snapshot_to_json(moved)))) == moved
    assert not moved.awaiting or ask
    if not moved.awaiting and not at.awaiting and not found.step.replies:
        back = restore(moved, at, wider, MONDAY, conversation_id="c1").snapshot
        assert (back.frames, back.slots, back.history, back.retries, back.sensitive) == (at.frames, at.slots, at.history, at.retries, at.sensitive)
    for moment in after:
        step = advance(wider, moved, concrete(moment, moved, list(moved.timers)), MONDAY, conversation_id="c1")
        assert fold(step.events, start=moved) == step.snapshot
        assert (step.error or {}).get("code") != "INTERNAL_ERROR", step.error
        moved = step.snapshot
