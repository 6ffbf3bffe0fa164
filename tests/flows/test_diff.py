"""Differences between two versions: what changed in the document, and which states may act differently."""

from collections.abc import Callable
from typing import Any

import pytest

from flows.core import definition
from flows.core.diff import Change, ChangeKind, compare, states_changed
from flows.core.types import Flow
from tests.flows import samples

Edit = Callable[[dict[str, Any]], object]


def flow_of(document: dict[str, Any]) -> Flow:
    flow, problems = definition.parse(document)
    assert problems == []
    assert flow is not None
    return flow


def edited(edit: Edit) -> tuple[Flow, Flow]:
    document = samples.order_flow()
    edit(document)
    return flow_of(samples.order_flow()), flow_of(document)


def test_equal_flows_do_not_differ() -> None:
    before, after = edited(lambda document: document.update(version="2"))
    assert compare(before, after) == []
    assert states_changed(before, after) == frozenset()


def test_a_changed_text_is_one_change() -> None:
    before, after = edited(lambda document: document["states"]["hello"]["config"]["response_templates"].update(de="Servus!"))
    assert compare(before, after) == [
        Change("$.states.hello.config.response_templates.de", ChangeKind.CHANGED, "Hallo! Bestellen wir.", "Servus!"),
    ]
    assert states_changed(before, after) == {"hello"}


def test_states_are_added_and_removed() -> None:
    before, after = edited(lambda document: document["states"].update(extra={"type": "end"}))
    (added,) = compare(before, after)
    assert (added.path, added.kind, added.before) == ("$.states.extra", ChangeKind.ADDED, None)
    (removed,) = compare(after, before)
    assert (removed.path, removed.kind, removed.after) == ("$.states.extra", ChangeKind.REMOVED, None)
    assert states_changed(before, after) == states_changed(after, before) == {"extra"}


def test_an_inserted_transition_is_one_change() -> None:
    new = samples.transition("any_input", "ask", priority=900)
    before, after = edited(lambda document: document["states"]["confirm"]["transitions"].insert(1, new))
    assert [(change.path, change.kind) for change in compare(before, after)] == [("$.states.confirm.transitions[1]", ChangeKind.ADDED)]


def test_a_change_of_type_is_a_change() -> None:
    before, after = edited(lambda document: document["variables"].update(price={"type": "double", "initial": 8}))
    assert [change.path for change in compare(before, after)] == ["$.variables.price"]


@pytest.mark.parametrize(
    ("edit", "states"),
    [
        (lambda document: document["states"]["hello"].update(metadata={"x": 1}), set()),
        (lambda document: document.update(name="Other", description="Words"), set()),
        (lambda document: document["slots"]["count"].update(maximum=99), {"ask"}),
        (lambda document: document["intents"]["no"].update(keywords=["never"]), {"confirm"}),
        (lambda document: document.update(initial_state="ask"), {"hello", "ask"}),
        (lambda document: document["variables"].update(price=9), {"hello", "ask", "confirm", "sorry", "done"}),
        (lambda document: document.update(global_handlers={}), {"hello", "ask", "confirm", "sorry", "done"}),
    ],
)
def test_states_that_may_act_differently(edit: Edit, states: set[str]) -> None:
    before, after = edited(edit)
    assert states_changed(before, after) == states
