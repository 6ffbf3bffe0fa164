"""Programs: everything is compiled once, in the order in which it is tried."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from flows.core import definition
from flows.core.program import compile_program, scope_types, timeout_ms
from flows.core.types import Flow, Program
from tests.flows import samples, strategies


def flow_of(document: dict[str, Any]) -> Flow:
    flow, problems = definition.parse(document)
    assert problems == []
    assert flow is not None
    return flow


def program_of(document: dict[str, Any]) -> Program:
    program, problems = compile_program(flow_of(document), "key")
    assert problems == []
    assert program is not None
    return program


@pytest.mark.parametrize("document", samples.good_flows(), ids=lambda document: document["flow_id"])
def test_samples_compile(document: dict[str, Any]) -> None:
    program = program_of(document)
    assert program.key == "key"
    assert set(program.ordered) == set(program.flow.states) == set(program.reads)


def test_scope_has_the_names_of_the_flow_with_their_types() -> None:
    scope = scope_types(flow_of(samples.order_flow()))
    assert {name: scope[name] for name in scope if name.startswith(("slots.", "filled.", "variables."))} == {
        "slots.count": "int",
        "slots.size": "string",
        "filled.count": "bool",
        "filled.size": "bool",
        "variables.price": "int",
        "variables.total": "int",
    }
    assert scope_types(flow_of(samples.lookup_flow()))["results.crm"] == "dyn"


def test_integrations_with_a_hyphen_are_read_by_key() -> None:
    document = samples.lookup_flow()
    document["states"]["fetch"]["config"]["integration_id"] = "my-crm"
    document["states"]["apologise"]["config"]["response_templates"] = {"default": "{{ results['my-crm'].state }}"}
    assert "results" in program_of(document).templates["{{ results['my-crm'].state }}"].reads


def test_transitions_are_ordered_by_priority_then_place() -> None:
    document = samples.order_flow()
    document["states"]["confirm"]["transitions"] = [
        samples.transition("any_input", "ask"),
        samples.transition("intent_match", "done", "yes", priority=5),
        samples.transition("low_confidence", "ask"),
        samples.transition("intent_match", "sorry", "no", priority=0),
    ]
    assert [item.index for item in program_of(document).ordered["confirm"]] == [3, 1, 0, 2]


def test_reads_are_the_slots_of_a_state() -> None:
    assert program_of(samples.order_flow()).reads == {
        "hello": frozenset(),
        "ask": {"count", "size"},
        "confirm": {"count", "size"},
        "sorry": frozenset(),
        "done": {"count", "size"},
    }


def test_problems_have_the_path_of_the_expression_and_the_column() -> None:
    document = samples.order_flow()
    document["states"]["hello"]["transitions"][0]["expression"] = "slots.cuont > 3"
    document["states"]["sorry"]["config"]["response_templates"] = {"en": "{{ nope }}", "de": "gut"}
    document["slots"]["count"]["expression"] = "value > 'x' + 1"
    program, problems = compile_program(flow_of(document), "key")
    assert program is None
    assert [(problem.path, problem.code) for problem in problems] == [
        ("$.states.hello.transitions[0].expression", "bad_expression"),
        ("$.states.sorry.config.response_templates.en", "bad_template"),
        ("$.slots.count.expression", "bad_expression"),
    ]
    assert problems[0].message == 'Column 6: "slots.cuont" is not known here.'


def test_timeouts_say_how_long_or_leave_it_to_the_state() -> None:
    state = flow_of(samples.lookup_flow()).states["answer"]
    assert timeout_ms(state, state.transitions[1]) == 60_000


def test_a_hundred_states_compile_in_time() -> None:
    began = time.thread_time()
    program_of(samples.big_flow(100))
    assert time.thread_time() - began < 0.3


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strategies.documents)
def test_every_source_of_a_program_can_be_looked_up(document: dict[str, Any]) -> None:
    program, problems = compile_program(flow_of(document), "key")
    assert (program is None) == bool(problems)
    for state in program.flow.states.values() if program else ():
        for transition in state.transitions:
            assert not transition.expression or transition.condition != "expression" or transition.expression in program.expressions  # type: ignore[union-attr]  # there is one
