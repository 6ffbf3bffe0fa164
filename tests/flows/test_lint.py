"""What the linter proves about a flow. Each test is one small flow with one thing wrong, and the problem that tells it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from flows.core import definition, lint
from flows.core.types import Problem, Severity
from tests.flows import samples, strategies, test_definition
from tests.flows.samples import transition

END = {"type": "end"}
ALWAYS = transition("expression", "end", expression="true")


def say(text: str = "Hi", *transitions: Any, **more: Any) -> dict[str, Any]:
    return {"type": "response", "config": {"response_templates": {"default": text}}, "transitions": list(transitions) or [ALWAYS], **more}


def ask(*slots: str, then: str = "end", **more: Any) -> dict[str, Any]:
    config = {"required_slots": list(slots), "prompts": {slot: f"{slot}?" for slot in slots}, **more}
    return {"type": "slot_filling", "config": config, "transitions": [transition("slot_filled", then)]}


def wait(*transitions: Any, **config: Any) -> dict[str, Any]:
    return {"type": "wait", "config": config, "transitions": list(transitions)}


def decide(*transitions: Any) -> dict[str, Any]:
    return {"type": "condition", "transitions": list(transitions)}


def guard(target: str, expression: str, **more: Any) -> dict[str, Any]:
    return transition("expression", target, expression=expression, **more)


def flow(slots: Any = None, variables: Any = None, **states: Any) -> dict[str, Any]:
    """States by name, the first is the initial one; `end` is added. Keywords in capitals are keys of the flow."""
    keys = {name.lower(): states.pop(name) for name in list(states) if name.isupper()}
    body = {"flow_id": "f", "name": "F", "initial_state": next(iter(states)), "states": {**states, "end": END}}
    return {**body, "slots": slots or {}, "variables": variables or {}, **keys}


def problems(document: dict[str, Any], **known: Any) -> list[Problem]:
    parsed, found = definition.parse(document)
    assert found == []
    assert parsed is not None
    return lint.check(parsed, **known)


def codes(document: dict[str, Any], **known: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in problems(document, **known)]


@pytest.mark.parametrize("document", samples.good_flows(), ids=lambda document: document["flow_id"])
def test_samples_are_clean(document: dict[str, Any]) -> None:
    assert problems(document, known_flows={"address"}, known_integrations={"crm"}) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strategies.documents)
def test_every_flow_that_parses_can_be_checked(document: dict[str, Any]) -> None:
    for problem in problems(document):
        assert problem.path.startswith("$.")
        assert problem.code
        assert problem.message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strategies.damaged_documents())
def test_damaged_documents_can_be_checked(document: Any) -> None:
    parsed, found = lint.check_document(document)
    assert parsed is not None or found


def test_a_thousand_states_are_checked_in_time() -> None:
    parsed, _ = definition.parse(samples.big_flow(1000))
    assert parsed is not None
    began = time.thread_time()
    assert lint.check(parsed) == []
    assert time.thread_time() - began < 15  # seconds of computing; a check of every pair would take minutes


GOTO = {"type": "clear_variable", "name": "v", "on_error": "goto", "goto": "nowhere"}
MISSING: list[tuple[dict[str, Any], str, str]] = [
    (flow(INITIAL_STATE="nowhere", a=say()), "unknown_state", "$.initial_state"),
    (flow(a=say("Hi", guard("ned", "true"))), "unknown_state", "$.states.a.transitions[0].target_state"),
    (flow(a=say(entry_actions=[GOTO]), variables={"v": 1}), "unknown_state", "$.states.a.entry_actions[0].goto"),
    (flow(a=wait(transition("intent_match", "end", "bye"))), "unknown_intent", "$.states.a.transitions[0].condition_value"),
    (flow(a={**wait(transition("any_input", "end")), "type": "intent", "config": {"intent_patterns": ["bye"]}}), "unknown_intent",
     "$.states.a.config.intent_patterns[0]"),
    (flow(a=wait(transition("slot_filled", "end", "size"), transition("any_input", "end"))), "unknown_slot",
     "$.states.a.transitions[0].condition_value"),
    (flow(a=ask("size", prompts={"size": "?", "sise": "?"})), "unknown_slot", "$.states.a.config.prompts.sise"),
    (flow(a=say(entry_actions=[{"type": "trigger_flow", "flow_id": "other"}])), "unknown_flow", "$.states.a.entry_actions[0].flow_id"),
    (flow(a=say(entry_actions=[{"type": "call_integration", "integration_id": "erp", "endpoint": "/"}])), "unknown_integration",
     "$.states.a.entry_actions[0].integration_id"),
    (flow(a=say(), GLOBAL_HANDLERS={"h": {"on": "error", "mode": "goto", "target_state": "x"}}), "unknown_state", "$.global_handlers.h.target_state"),
    (flow(a=say(), GLOBAL_HANDLERS={"h": {"on": "error", "mode": "push", "flow_id": "x"}}), "unknown_flow", "$.global_handlers.h.flow_id"),
    (flow(a=say(), GLOBAL_HANDLERS={"h": {"on": "intent", "value": "x"}}), "unknown_intent", "$.global_handlers.h.value"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "code", "path"), MISSING)
def test_references_to_what_is_not_there(document: dict[str, Any], code: str, path: str) -> None:
    found = [problem for problem in problems(document, known_flows={"sub"}, known_integrations={"crm"}) if problem.severity is Severity.ERROR]
    assert [(problem.code, problem.path) for problem in found if problem.code != "dead_end"] == [(code, path)]


def test_missing_references_come_with_a_suggestion() -> None:
    (problem,) = [found for found in problems(flow(a=say("Hi", guard("ned", "true")))) if found.code == "unknown_state"]
    assert problem.message == 'There is no state "ned"; did you mean "end"?'
    assert problem.expected == "a, end"


def test_a_flow_may_call_itself_and_the_flows_that_exist() -> None:
    calls = [{"type": "trigger_flow", "flow_id": name} for name in ("f", "sub")]
    assert codes(flow(a=say(entry_actions=calls)), known_flows={"sub"}) == []


def test_masked_handlers_are_handlers_or_commands() -> None:
    document = flow(a=say())
    document["states"]["a"]["config"]["masked_handlers"] = ["human", "hep"]
    assert codes(document) == [("unknown_handler", "$.states.a.config.masked_handlers")]


def test_states_that_nothing_reaches() -> None:
    document = flow(a=say(), lost=say())
    assert codes(document) == [("unreachable_state", "$.states.lost")]


@pytest.mark.parametrize(
    "way",
    [
        {"GLOBAL_HANDLERS": {"h": {"on": "error", "mode": "goto", "target_state": "lost"}}},
        {"a": say(entry_actions=[{"type": "clear_variable", "name": "v", "on_error": "goto", "goto": "lost"}])},
        {"a": wait(transition("any_input", "end"), transition("timeout", "lost", "PT5S"))},
    ],
)
def test_handlers_gotos_and_timers_reach_states(way: dict[str, Any]) -> None:
    assert codes(flow(variables={"v": 1}, **{"a": say(), "lost": say(), **way})) == []


@pytest.mark.parametrize(
    "state",
    [
        {"type": "wait"},
        {"type": "response", "config": {"response_templates": "x"}},
        wait(transition("integration_success", "end")),
        wait(transition("timeout", "end")),
        decide(transition("any_input", "end")),
        wait(guard("end", "false")),
    ],
)
def test_dead_ends(state: dict[str, Any]) -> None:
    assert ("dead_end", "$.states.a.transitions") in codes(flow(a=state))


@pytest.mark.parametrize(
    ("transitions", "index"),
    [
        ([transition("any_input", "end"), transition("low_confidence", "b")], 1),
        ([transition("any_input", "end"), transition("intent_match", "b", "yes")], 1),
        ([transition("intent_match", "end"), transition("intent_match", "b", "yes")], 1),
        ([transition("intent_match", "end", "yes"), transition("intent_match", "b", "yes")], 1),
        ([transition("intent_match", "b", "yes", priority=200), transition("any_input", "end")], 0),
        ([guard("end", "true"), transition("timeout", "b", "500")], 1),
        ([transition("any_input", "end"), transition("integration_error", "b")], 1),
        ([transition("any_input", "end"), transition("timeout", "b")], 1),
    ],
)
def test_transitions_that_can_never_be_taken(transitions: list[Any], index: int) -> None:
    document = flow(INTENTS={"yes": {"keywords": ["yes"]}}, a=wait(*transitions), b=say())
    assert ("never_fires", f"$.states.a.transitions[{index}]") in codes(document)


def test_a_timeout_may_take_its_duration_from_the_state() -> None:
    assert codes(flow(a=wait(transition("timeout", "end"), timeout_ms=500))) == []


@pytest.mark.parametrize("kind", ["condition", "response"])
def test_guards_without_a_default(kind: str) -> None:
    state = {**say("Hi", guard("end", "variables.n > 1")), "type": kind}
    if kind == "condition":
        state["config"] = {}
    assert codes(flow(variables={"n": 1}, a=state)) == [("no_default", "$.states.a.transitions")]


@pytest.mark.parametrize(
    "transitions",
    [
        [guard("end", "variables.n > 1"), guard("end", "true", priority=900)],
        [guard("end", "variables.yes"), guard("end", "!variables.yes")],
        [guard("end", "variables.n > 1"), guard("end", "!(variables.n > 1)")],
    ],
)
def test_guards_that_leave_no_gap(transitions: list[Any]) -> None:
    assert codes(flow(variables={"n": 1, "yes": True}, a=decide(*transitions))) == []


def test_integration_states_need_both_branches() -> None:
    call = {"type": "integration", "config": {"integration_id": "crm", "endpoint": "/"}}
    one = flow(a={**call, "transitions": [transition("integration_success", "end")]})
    other = flow(a={**call, "transitions": [transition("timeout", "end"), transition("integration_error", "end")]})
    assert codes(one, known_integrations={"crm"}) == [("no_error_branch", "$.states.a.transitions")]
    assert codes(other, known_integrations={"crm"}) == [("no_success_branch", "$.states.a.transitions")]


COUNT = {"type": "set_variable", "name": "n", "expression": "variables.n + 1"}
CALL = {"type": "call_integration", "integration_id": "crm", "endpoint": "/"}
LOOPS: list[tuple[str, dict[str, Any], str]] = [
    ("a state that goes to itself", flow(a=say("Hi", guard("a", "true"))), "silent_loop"),
    ("two states", flow(a=say("Hi", guard("b", "true")), b=decide(guard("a", "true"))), "silent_loop"),
    ("guards over data that nothing changes", flow(variables={"n": 1}, a=decide(guard("a", "variables.n < 3"), ALWAYS)), "silent_loop"),
    ("slots stay filled", flow(a=ask("x", then="b"), b=decide(guard("a", "slots.x == ''"), ALWAYS)), "silent_loop"),
    ("a wait state that goes on by itself", flow(a=wait(guard("b", "true")), b=say("Hi", guard("a", "true"))), "silent_loop"),
    ("an open slot for which nothing on the way waits", flow(a=say("Hi", guard("b", "true")), b=decide(guard("a", "!filled.x"), guard("c", "true")),
                                                             c=ask("x")), "silent_loop"),
    ("a guard over data that the loop changes",
     flow(variables={"n": 1}, a=decide(guard("a", "variables.n < 3", actions=[COUNT]), ALWAYS)), "possible_loop"),
    ("a call in the loop", flow(a=say("Hi", guard("a", "true"), entry_actions=[CALL])), "call_loop"),
    ("an integration that is tried for ever",
     flow(a={"type": "integration", "config": {"integration_id": "crm", "endpoint": "/"},
             "transitions": [transition("integration_error", "a"), transition("integration_success", "end")]}), "call_loop"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "code"), [(document, code) for _, document, code in LOOPS], ids=[name for name, _, _ in LOOPS])
def test_loops(document: dict[str, Any], code: str) -> None:
    assert [name for name, _ in codes(document, known_integrations={"crm"}) if name.endswith("_loop")] == [code]


NO_LOOPS = [
    flow(a=say("Hi", guard("b", "true")), b=wait(transition("any_input", "a"))),
    flow(a=say("Hi", transition("any_input", "a"))),
    flow(a=say("Hi", guard("b", "true")), b=wait(guard("a", "size(message.text) > 3"), transition("any_input", "end"))),
    flow(a=wait(transition("timeout", "a", "PT1M"), transition("any_input", "end"))),
    flow(a=say("Hi", guard("a", "false"), guard("end", "true"))),
    flow(a=say("Hi", guard("end", "true"), guard("a", "true"))),
    flow(a=ask("x", then="b"), b=decide(guard("a", "!filled.x"), ALWAYS)),
    flow(a=ask("x", then="b"), b=decide(guard("end", "filled.x"), guard("c", "true")), c=say("Hi", guard("a", "true"))),
    flow(a=say("Hi", guard("a", "true"), entry_actions=[{"type": "trigger_flow", "flow_id": "sub"}])),
]


@pytest.mark.parametrize("document", NO_LOOPS)
def test_what_waits_is_no_loop(document: dict[str, Any]) -> None:
    assert [name for name, _ in codes(document, known_flows={"sub"}) if name.endswith("_loop")] == []


def test_loops_are_shown() -> None:
    document = flow(a=say("Hi", guard("b", "true")), b=decide(guard("c", "true")), c=decide(guard("b", "true")))
    (problem,) = [found for found in problems(document) if found.code == "silent_loop"]
    assert problem.message == "This goes round without waiting for input: b → c → b."
    assert problem.path == "$.states.b"
    assert problem.severity is Severity.ERROR


TYPED: list[tuple[dict[str, Any], str, str]] = [
    (flow(a=say("Hi", guard("end", "1 + 1"), ALWAYS)), "not_bool", "$.states.a.transitions[0].expression"),
    (flow(a=say("{{ variables.x }}")), "bad_template", "$.states.a.config.response_templates"),
    (flow(a=say("Hi", guard("end", "slots.x > 1"), ALWAYS)), "bad_expression", "$.states.a.transitions[0].expression"),
    (flow(variables={"n": 1}, a=say(entry_actions=[{"type": "set_variable", "name": "n", "value": "x"}])), "type_mismatch",
     "$.states.a.entry_actions[0].value"),
    (flow(variables={"n": 1}, a=say(entry_actions=[{"type": "set_variable", "name": "n", "expression": "'x'"}])), "type_mismatch",
     "$.states.a.entry_actions[0].expression"),
    (flow(variables={"n": 1}, a=say(entry_actions=[{"type": "set_variable", "name": "n", "expression": "b'x'"}])), "type_mismatch",
     "$.states.a.entry_actions[0].expression"),
    (flow(slots={"x": {"type": "integer", "expression": "value.startsWith('a')"}}, a=ask("x")), "bad_expression", "$.slots.x.expression"),
    (flow(slots={"x": {"type": "integer", "expression": "value + 1"}}, a=ask("x")), "not_bool", "$.slots.x.expression"),
    (flow(a=say("{{ response.x }}")), "bad_template", "$.states.a.config.response_templates"),
    (flow(a=say("{{ value }}")), "bad_template", "$.states.a.config.response_templates"),
    (flow(a=ask("x", validation_rules={"x": {"type": "number", "expression": "value > 'x'"}})), "bad_expression",
     "$.states.a.config.validation_rules.x.expression"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "code", "path"), TYPED)
def test_expressions_are_typed_where_they_stand(document: dict[str, Any], code: str, path: str) -> None:
    assert codes(document) == [(code, path)]


@pytest.mark.parametrize(
    ("variables", "expression"),
    [({"n": 1.5}, "1"), ({"n": {"type": "dyn", "initial": 1}}, "'x'"), ({"n": ""}, "now"), ({"n": 1}, "profile.age"), ({"n": 1}, "null")],
)
def test_values_that_fit_their_variable(variables: dict[str, Any], expression: str) -> None:
    assert codes(flow(variables=variables, a=say(entry_actions=[{"type": "set_variable", "name": "n", "expression": expression}]))) == []


def test_messages_of_slots_may_show_the_value() -> None:
    assert codes(flow(slots={"x": {"message": "{{ value }} is not good."}}, a=ask("x"))) == []


X = "{{ slots.x }}"


def test_a_slot_that_is_filled_on_every_way_may_be_read() -> None:
    assert codes(flow(a=ask("x", then="b"), b=say(X))) == []


def test_a_slot_that_is_asked_for_later_is_an_error() -> None:
    (problem,) = problems(flow(a=say(X, guard("b", "true")), b=ask("x")))
    assert (problem.code, problem.path, problem.severity) == ("unset_slot", "$.states.a.config.response_templates", Severity.ERROR)


def test_a_slot_that_is_filled_on_one_of_two_ways_is_a_warning() -> None:
    document = flow(a=wait(transition("any_input", "b"), transition("timeout", "c", "500")), b=ask("x", then="c"), c=say(X))
    (problem,) = problems(document)
    assert (problem.code, problem.path, problem.severity) == ("maybe_unset_slot", "$.states.c.config.response_templates", Severity.WARNING)


def test_a_way_out_before_the_slot_is_filled() -> None:
    document = flow(a=ask("x", then="b"), b=say(X))
    document["states"]["a"]["transitions"].append(transition("low_confidence", "b"))
    assert codes(document) == [("maybe_unset_slot", "$.states.b.config.response_templates")]


@pytest.mark.parametrize("text", ["{{ slots.x | default('?') }}", "{{ filled.x ? slots.x : '' }}"])
def test_guarded_reads_are_fine(text: str) -> None:
    assert codes(flow(a=say(text, guard("b", "true")), b=ask("x"))) == []


@pytest.mark.parametrize(
    "transitions",
    [
        [guard("b", "filled.x"), guard("end", "true")],
        [guard("b", "filled.x && size(slots.x) > 1"), guard("end", "true")],
        [guard("ask", "!filled.x"), guard("b", "true")],
        [guard("end", "!filled.x || slots.x == ''"), guard("b", "true")],
        [transition("slot_filled", "b", "x"), guard("end", "true")],
    ],
)
def test_conditions_tell_what_is_filled(transitions: list[Any]) -> None:
    document = flow(a=wait(transition("any_input", "ask"), transition("timeout", "c", "9")), ask=ask("x", then="c"), c=decide(*transitions), b=say(X))
    assert codes(document) == []


def test_required_slots_are_filled_in_order() -> None:
    document = flow(a=ask("x", "y", prompts={"x": "{{ slots.y }}?", "y": "{{ slots.x }}?"}))
    assert codes(document) == [("maybe_unset_slot", "$.states.a.config.prompts.x")]


def test_a_slot_that_no_state_asks_for_is_left_to_the_inputs() -> None:
    assert codes(flow(slots={"x": "text"}, a=say(X))) == [("only_input_slot", "$.states.a.config.response_templates")]


def test_variables_are_followed_like_slots() -> None:
    number = {"type": "set_variable", "name": "n", "value": 1}
    read = say("{{ variables.n }}")
    declared = {"n": {"type": "int"}}
    assert codes(flow(variables=declared, a=say("Hi", guard("b", "true"), entry_actions=[number]), b=read)) == []
    assert codes(flow(variables=declared, a={**read, "entry_actions": [number]})) == []
    assert codes(flow(variables=declared, a={**read, "exit_actions": [number]})) == [("unset_variable", "$.states.a.config.response_templates")]
    assert codes(flow(variables=declared, a=read)) == [("only_input_variable", "$.states.a.config.response_templates")]
    cleared = say("Hi", guard("b", "true"), entry_actions=[number], exit_actions=[{"type": "clear_variable", "name": "n"}])
    assert codes(flow(variables=declared, a=cleared, b=read)) == [("unset_variable", "$.states.b.config.response_templates")]


def test_a_response_is_mapped_only_when_the_call_succeeds() -> None:
    document = samples.lookup_flow()
    document["states"]["apologise"]["config"]["response_templates"] = {"default": "{{ variables.state_of_order }}"}
    assert codes(document, known_integrations={"crm"}) == [("maybe_unset_variable", "$.states.apologise.config.response_templates")]


def test_handlers_may_fire_before_anything_is_filled() -> None:
    handler = {"on": "no_match", "response_templates": {"default": X}}
    assert codes(flow(a=ask("x"), GLOBAL_HANDLERS={"h": handler})) == [("maybe_unset_slot", "$.global_handlers.h.response_templates")]


DETAILS: list[tuple[dict[str, Any], str, str]] = [
    (flow(slots={"x": "enum"}, a=ask("x")), "no_choices", "$.slots.x.choices"),
    (flow(slots={"x": {"type": "enum", "choices": ["a", "A"]}}, a=ask("x")), "duplicate", "$.slots.x.choices"),
    (flow(slots={"x": "pattern"}, a=ask("x")), "no_pattern", "$.slots.x.pattern"),
    (flow(slots={"x": {"type": "pattern", "pattern": "(?=a)"}}, a=ask("x")), "bad_pattern", "$.slots.x.pattern"),
    (flow(slots={"x": {"type": "date", "maximum": 3}}, a=ask("x")), "ignored_field", "$.slots.x.maximum"),
    (flow(a=ask("x", prompts={})), "no_prompt", "$.states.a.config.prompts"),
    (flow(a={**ask(), "transitions": [transition("any_input", "end")]}), "no_slots", "$.states.a.config.required_slots"),
    (flow(a=say(), INTENTS={"i": {"patterns": ["/(/"]}}), "bad_pattern", "$.intents.i.patterns[0]"),
    (flow(a=say(), INTENTS={"i": {}}), "empty_intent", "$.intents.i"),
    (flow(a=say() | {"config": {"response_templates": {"de": "Hallo"}}}), "no_default_text", "$.states.a.config.response_templates"),
    (flow(a=say("")), "no_text", "$.states.a.config.response_templates"),
    (flow(a=wait(transition("any_input", "end", expression="true"))), "ignored_field", "$.states.a.transitions[0].expression"),
    (flow(a=wait(transition("any_input", "end", "x"))), "ignored_field", "$.states.a.transitions[0].condition_value"),
    (flow(a=say(entry_actions=[{"type": "set_variable", "name": "n", "value": 1}])), "undeclared_variable", "$.states.a.entry_actions[0]"),
    (flow(a=say(entry_actions=[{"type": "clear_variable", "name": "n"}])), "unknown_variable", "$.states.a.entry_actions[0].name"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "code", "path"), DETAILS)
def test_details(document: dict[str, Any], code: str, path: str) -> None:
    assert codes(document) == [(code, path)]


def test_slot_filled_without_a_slot_belongs_to_slot_filling() -> None:
    document = flow(a=wait(transition("slot_filled", "end"), transition("any_input", "end")))
    assert codes(document) == [("missing", "$.states.a.transitions[0].condition_value")]


def test_the_default_locale_may_be_given_by_its_language() -> None:
    document = flow(a=say() | {"config": {"response_templates": {"de": "Hallo"}}}, METADATA={"default_locale": "de-AT"})
    assert codes(document) == []


def test_errors_come_before_warnings() -> None:
    document = flow(a=say("Hi", guard("ned", "true")), lost=say())
    severities = [problem.severity for problem in problems(document)]
    assert severities == sorted(severities)
    assert set(severities) == {Severity.ERROR, Severity.WARNING}


def test_faults_of_shape_do_not_hide_missing_states_and_loops() -> None:
    document = flow(a=say("Hi", guard("ned", "true")), b=say("Hi", guard("b", "true")))
    document["states"]["c"] = {"type": "tlak"}
    parsed, found = lint.check_document(document)
    assert parsed is None
    assert [(problem.code, problem.path) for problem in found] == [
        ("unknown_state_type", "$.states.c.type"),
        ("unknown_state", "$.states.a.transitions[0].target_state"),
        ("silent_loop", "$.states.b"),
    ]


def test_a_good_document_is_parsed_and_checked() -> None:
    parsed, found = lint.check_document(json.loads(json.dumps(samples.order_flow())))
    assert found == []
    assert parsed is not None


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "protocol" / "flow.md"


def test_every_code_is_documented() -> None:
    page = DOCUMENTATION.read_text()
    tables = (
        {code for _, code, _ in (*MISSING, *TYPED, *DETAILS)} | {code for _, _, code in LOOPS} | {code for _, _, _, code in test_definition.FAULTS}
    )
    assert {code for code in tables if f"`{code}`" not in page} == set()


def test_the_example_of_the_documentation_is_clean() -> None:
    example = DOCUMENTATION.read_text().split("```json")[1].split("```")[0]
    assert problems(json.loads(example)) == []
