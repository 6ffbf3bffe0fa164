"""Parsing and exporting definitions: every fault is found at once, with its path; what is good survives the round trip."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from flows.core import definition
from flows.core.durations import milliseconds
from flows.core.types import Choice, HandlerMode, IntentConfig, ResponseConfig, SetVariable, SlotFillingConfig, SlotRule, SlotType, Transition
from tests.flows import samples, strategies

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def flow_with(**states: Any) -> dict[str, Any]:
    return {"flow_id": "f", "name": "F", "initial_state": next(iter(states)), "states": states}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The order flow with one value changed; `path` is dotted."""
    document = samples.order_flow()
    node: Any = document
    *steps, last = path.split(".")
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    node[int(last) if isinstance(node, list) else last] = value
    return document


def faults(document: Any) -> list[tuple[str, str]]:
    flow, problems = definition.parse(document)
    assert (flow is None) == bool(problems)
    return [(problem.path, problem.code) for problem in problems]


@pytest.mark.parametrize("document", samples.good_flows(), ids=lambda document: document["flow_id"])
def test_samples_parse_and_survive_the_round_trip(document: dict[str, Any]) -> None:
    flow, problems = definition.parse(document)
    assert problems == []
    assert flow is not None
    assert definition.parse(json.loads(definition.canonical(definition.export(flow)))) == (flow, [])


@relaxed
@given(strategies.documents)
def test_export_then_parse_is_the_same_flow(document: dict[str, Any]) -> None:
    flow, problems = definition.parse(document)
    assert problems == []
    assert flow is not None
    text = definition.canonical(definition.export(flow))
    again, problems = definition.parse(json.loads(text))
    assert problems == []
    assert again == flow
    assert definition.canonical(definition.export(again)) == text


def test_defaults_are_those_of_the_contract() -> None:
    flow, _ = definition.parse(
        flow_with(
            say={"type": "response", "config": {"response_templates": "Hi"}, "transitions": [{"condition": "any_input", "target_state": "hear"}]},
            hear={"type": "intent", "config": {"intent_patterns": ["yes: yes"]}},
            fill={"type": "slot_filling", "config": {"required_slots": ["s"]}},
            call={"type": "integration", "config": {"integration_id": "crm", "endpoint": "/x"}},
        )
    )
    assert flow is not None
    say, hear, fill, call = (flow.states[name].config for name in ("say", "hear", "fill", "call"))
    assert say == ResponseConfig(response_templates={"default": "Hi"}, response_type="text", personalization=True, typing_indicator=True, delay_ms=0)
    assert hear == IntentConfig(intents=("yes",), confidence_threshold=0.7, fallback_intent="", context_aware=True)
    assert fill == SlotFillingConfig(required_slots=("s",), max_retries=3)
    assert (call.method, call.timeout_ms) == ("GET", 5000)  # type: ignore[union-attr]  # an integration's
    assert flow.states["say"].transitions == (Transition(condition="any_input", target_state="hear", index=0, priority=100),)  # type: ignore[arg-type]  # equal
    assert (flow.version, flow.default_locale, flow.slots["s"].type) == ("1", "en", SlotType.TEXT)


def test_null_means_absent_where_there_is_a_default() -> None:
    document = samples.order_flow() | {"tenant_id": None, "description": None, "global_handlers": None}
    document["states"]["confirm"]["config"]["fallback_intent"] = None
    assert faults(document) == []


def test_rules_of_states_are_merged_over_those_of_the_flow() -> None:
    document = flow_with(ask={"type": "slot_filling", "config": {"required_slots": ["n"], "validation_rules": {"n": {"minimum": 1}}}})
    document["slots"] = {"n": {"type": "integer", "minimum": 0, "maximum": 9}, "unused": "date"}
    flow, _ = definition.parse(document)
    assert flow is not None
    assert flow.slots == {
        "n": SlotRule(name="n", type=SlotType.INTEGER, minimum=1, maximum=9),
        "unused": SlotRule(name="unused", type=SlotType.DATE),
    }
    assert definition.export(flow)["slots"] == {"n": {"type": "integer", "maximum": 9}, "unused": {"type": "date"}}


def test_a_rule_may_be_a_type_or_an_expression() -> None:
    document = flow_with(
        ask={"type": "slot_filling", "config": {"required_slots": ["a", "b"], "validation_rules": {"a": "email", "b": "value != 'x'"}}}
    )
    flow, _ = definition.parse(document)
    assert flow is not None
    assert flow.slots["a"] == SlotRule(name="a", type=SlotType.EMAIL)
    assert flow.slots["b"] == SlotRule(name="b", expression="value != 'x'")


def test_choices_are_words_or_objects() -> None:
    flow, _ = definition.parse(samples.order_flow())
    assert flow is not None
    assert flow.slots["size"].choices == (Choice(value="small"), Choice(value="large", synonyms=("big", "family")))


def test_intents_are_declared_or_written_inline() -> None:
    items = ["yes", "no: never ever", {"intent": "yes", "keywords": ["ok"]}, "no: /^n$/"]
    document = flow_with(hear={"type": "intent", "config": {"intent_patterns": items}}) | {"intents": {"yes": {"patterns": ["Of Course"]}}}
    flow, problems = definition.parse(document)
    assert problems == []
    assert flow is not None
    assert flow.intents["yes"].patterns == (r"\bof\W+course\b",)
    assert flow.intents["yes"].keywords == ("ok",)
    assert flow.intents["no"].patterns == (r"\bnever\W+ever\b", "^n$")
    assert flow.states["hear"].config.intents == ("yes", "no")  # type: ignore[union-attr]  # an intent state
    assert definition.export(flow)["intents"]["no"] == {"patterns": ["never ever", "/^n$/"]}


@pytest.mark.parametrize(
    ("written", "kind", "initial"),
    [
        (5, "int", 5),
        (2.5, "double", 2.5),
        ("x", "string", "x"),
        (True, "bool", True),
        ([1], "list", [1]),
        ({"a": 1}, "map", {"a": 1}),
        (None, "dyn", None),
        ({"type": "double", "initial": 5}, "double", 5.0),
        ({"type": "string"}, "string", None),
    ],
)
def test_variables_have_a_type(written: Any, kind: str, initial: Any) -> None:
    flow, problems = definition.parse(samples.order_flow() | {"variables": {"v": written, "price": 1, "total": 2}})
    assert problems == []
    assert flow is not None
    assert (flow.variables["v"].type, flow.variables["v"].initial) == (kind, initial)
    assert type(flow.variables["v"].initial) is type(initial)


def test_handlers_are_in_the_order_of_priority_then_name() -> None:
    one = {"on": "no_match", "mode": "inline"}
    flow, _ = definition.parse(samples.order_flow() | {"global_handlers": {"b": one, "z": {**one, "priority": 1}, "a": one}})
    assert flow is not None
    assert [handler.name for handler in flow.handlers] == ["z", "a", "b"]
    assert flow.handlers[0].mode is HandlerMode.INLINE


def test_null_is_a_value_of_set_variable() -> None:
    document = changed("states.hello.entry_actions", [{"type": "set_variable", "name": "total", "value": None}])
    flow, problems = definition.parse(document)
    assert problems == []
    assert flow is not None
    assert flow.states["hello"].entry_actions == (SetVariable(name="total", value=None),)
    assert definition.parse(definition.export(flow)) == (flow, [])


def test_canonical_text_does_not_depend_on_the_order_of_keys() -> None:
    one, other = {"b": 1, "a": {"ä": [1, 2]}}, {"a": {"ä": [1, 2]}, "b": 1}
    assert definition.canonical(one) == definition.canonical(other) == '{"a":{"ä":[1,2]},"b":1}'
    assert len(definition.digest(definition.canonical(one))) == 64


ASK = "$.states.ask.config"
FAULTS: list[tuple[str, Any, str, str]] = [
    ("flow_id", "1 bad", "$.flow_id", "bad_name"),
    ("flow_id", None, "$.flow_id", "missing"),
    ("flow_id", "x" * 64, "$.flow_id", "bad_name"),
    ("name", "  ", "$.name", "empty"),
    ("name", "a\x00b", "$.name", "bad_character"),
    ("name", "\ud800", "$.name", "bad_character"),
    ("name", 7, "$.name", "wrong_type"),
    ("description", "x" * 16_385, "$.description", "too_long"),
    ("states", [], "$.states", "wrong_type"),
    ("states", {}, "$.states", "empty"),
    ("states.hello", 3, "$.states.hello", "wrong_type"),
    ("states.hello.type", "talk", "$.states.hello.type", "unknown_state_type"),
    ("states.hello.type", ["x"], "$.states.hello.type", "wrong_type"),
    ("states.hello.name", "other", "$.states.hello.name", "wrong_name"),
    ("states.hello.typ", "response", "$.states.hello.typ", "unknown_key"),
    ("states.hello.config.delay_ms", 5001, "$.states.hello.config.delay_ms", "out_of_range"),
    ("states.hello.config.delay_ms", True, "$.states.hello.config.delay_ms", "wrong_type"),
    ("states.hello.config.delay_ms", 1.5, "$.states.hello.config.delay_ms", "wrong_type"),
    ("states.hello.config.personalization", "yes", "$.states.hello.config.personalization", "wrong_type"),
    ("states.hello.config.response_templates", {"de AT": "x"}, '$.states.hello.config.response_templates["de AT"]', "bad_name"),
    ("states.hello.config.response_templates", {"de": 1}, "$.states.hello.config.response_templates.de", "wrong_type"),
    ("states.hello.config.response_templates", None, "$.states.hello.config.response_templates", "missing"),
    ("states.hello.transitions.0.condition", "whenever", "$.states.hello.transitions[0].condition", "unknown_condition"),
    ("states.hello.transitions.0.expression", None, "$.states.hello.transitions[0].expression", "missing"),
    ("states.hello.transitions.0.expression", "", "$.states.hello.transitions[0].expression", "missing"),
    ("states.hello.transitions.0.expression", "1" * 2001, "$.states.hello.transitions[0].expression", "too_long"),
    ("states.hello.transitions.0.priority", 1001, "$.states.hello.transitions[0].priority", "out_of_range"),
    ("states.hello.transitions.0.target_state", "", "$.states.hello.transitions[0].target_state", "bad_name"),
    ("states.hello.transitions", [{}] * 201, "$.states.hello.transitions", "too_many"),
    ("states.hello.transitions", {}, "$.states.hello.transitions", "wrong_type"),
    ("states.hello.entry_actions", [{"type": "sing"}], "$.states.hello.entry_actions[0].type", "unknown_action_type"),
    ("states.hello.entry_actions", [{}], "$.states.hello.entry_actions[0].type", "missing"),
    ("states.hello.entry_actions", ["x"], "$.states.hello.entry_actions[0]", "wrong_type"),
    ("states.hello.entry_actions", [{"type": "set_variable", "name": "x"}], "$.states.hello.entry_actions[0]", "missing"),
    (
        "states.hello.entry_actions",
        [{"type": "set_variable", "name": "x", "value": 1, "expression": "1"}],
        "$.states.hello.entry_actions[0]",
        "conflicting_fields",
    ),
    (
        "states.hello.entry_actions",
        [{"type": "clear_variable", "name": "x", "on_error": "goto"}],
        "$.states.hello.entry_actions[0].goto",
        "missing",
    ),
    ("states.ask.config.max_retries", 6, f"{ASK}.max_retries", "out_of_range"),
    ("states.ask.config.max_retries", 0, f"{ASK}.max_retries", "out_of_range"),
    ("states.ask.config.required_slots", ["a", "a"], f"{ASK}.required_slots[1]", "duplicate"),
    ("states.ask.config.required_slots", ["for"], f"{ASK}.required_slots[0]", "bad_name"),
    ("states.ask.config.required_slots", ["a-b"], f"{ASK}.required_slots[0]", "bad_name"),
    ("states.ask.config.validation_rules", {"count": {"type": "text"}}, f"{ASK}.validation_rules.count", "conflicting_rule"),
    ("states.confirm.config.confidence_threshold", 1.1, "$.states.confirm.config.confidence_threshold", "out_of_range"),
    ("states.confirm.config.confidence_threshold", float("nan"), "$.states.confirm.config.confidence_threshold", "out_of_range"),
    ("states.confirm.config.intent_patterns", ["where is it"], "$.states.confirm.config.intent_patterns[0]", "bad_name"),
    ("slots.count.type", "integr", "$.slots.count.type", "unknown_slot_type"),
    ("slots.count.minimum", 21, "$.slots.count.minimum", "out_of_range"),
    ("slots.count.minimum", 10**400, "$.slots.count.minimum", "out_of_range"),
    ("slots.count.region", "us", "$.slots.count.region", "bad_name"),
    ("variables.price", {"type": "money"}, "$.variables.price.type", "unknown_value"),
    ("variables.price", {"type": "int", "initial": "x"}, "$.variables.price.initial", "wrong_type"),
    ("variables.price", 2**63, "$.variables.price", "bad_json"),
    ("variables.price", float("inf"), "$.variables.price", "bad_json"),
    ("global_handlers.prices.on", "always", "$.global_handlers.prices.on", "unknown_trigger"),
    ("global_handlers.prices.mode", "goto", "$.global_handlers.prices.target_state", "missing"),
    ("global_handlers.prices.value", None, "$.global_handlers.prices.value", "missing"),
    ("metadata.default_locale", 1, "$.metadata.default_locale", "wrong_type"),
    ("metadata.deep", json.loads("[" * 30 + "]" * 30), "$.metadata", "bad_json"),
]


@pytest.mark.parametrize(("path", "value", "where", "code"), FAULTS)
def test_one_fault_is_one_problem_at_its_path(path: str, value: Any, where: str, code: str) -> None:
    assert faults(changed(path, value)) == [(where, code)]


def test_all_faults_are_found_at_once() -> None:
    document = samples.order_flow()
    document["initial_state"] = 3
    document["staes"] = {}
    document["states"]["hello"]["type"] = "respond"
    document["states"]["ask"]["config"]["max_retries"] = 9
    document["states"]["ask"]["transitions"][0]["actions"][0]["type"] = "set"
    assert faults(document) == [
        ("$.staes", "unknown_key"),
        ("$.initial_state", "wrong_type"),
        ("$.states.hello.type", "unknown_state_type"),
        ("$.states.ask.transitions[0].actions[0].type", "unknown_action_type"),
        ("$.states.ask.config.max_retries", "out_of_range"),
    ]


def test_problems_say_what_would_be_right() -> None:
    document = changed("states.hello.type", "respons") | {"staes": 1}
    unknown_key, unknown_type = definition.parse(document)[1]
    assert 'did you mean "states"?' in unknown_key.message
    assert 'did you mean "response"?' in unknown_type.message
    assert unknown_type.expected == "response, intent, slot_filling, integration, condition, wait, end"


@pytest.mark.parametrize("document", [None, [], "x", 3, float("nan"), True, {}, {"states": None}, {"states": {"": {}}}])
def test_what_is_no_flow_at_all_is_refused(document: Any) -> None:
    assert faults(document)


@relaxed
@given(strategies.anything)
def test_garbage_never_crashes_the_parser(document: Any) -> None:
    assert faults(document)


@settings(relaxed, max_examples=150)
@given(strategies.damaged_documents())
def test_damaged_flows_never_crash_the_parser(document: Any) -> None:
    before = copy.deepcopy(document)
    flow, problems = definition.parse(document)
    assert (flow is None) == bool(problems)
    assert repr(document) == repr(before)
    assert all(problem.path.startswith("$") for problem in problems)
    if flow is not None:
        assert definition.parse(definition.export(flow)) == (flow, [])


def test_a_thousand_states_are_the_limit() -> None:
    wait = {"type": "wait", "transitions": []}
    assert faults(flow_with(**{f"s{number}": wait for number in range(1000)})) == []
    assert faults(flow_with(**{f"s{number}": wait for number in range(1001)})) == [("$.states", "too_many")]


def test_the_list_of_problems_is_capped() -> None:
    assert len(faults(samples.order_flow() | {f"x{number}": 1 for number in range(5000)})) == 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30000", 30_000), ("PT30S", 30_000), ("PT1H30M", 5_400_000), ("P1DT1S", 86_401_000), ("P1W", 604_800_000), ("PT0.5S", 500),
        ("", None), ("0", None), ("-5", None), ("P", None), ("PT", None), ("1 minute", None), ("P1Y", None), ("P400D", None),
        ("٣", None), ("9" * 30, None),
    ],
)  # fmt: skip
def test_durations(text: str, expected: int | None) -> None:
    assert milliseconds(text) == expected
