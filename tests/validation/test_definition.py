"""Rule documents: every problem with its path, and what is read is what was written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.strategies import conditions
from validation.core import definition, documents
from validation.core.examples import Example
from validation.core.facts import definitions
from validation.core.rules import CATEGORIES, Kind, Outcome, Severity

KNOWN = definitions()


def document(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "key": "IBC21-1010.1.1-DOOR-WIDTH",
        "title": "Door width",
        "applies_to": ["IfcDoor"],
        "when": "e.is_egress",
        "require": "e.clear_width >= p.min",
        "message": "{e.clear_width}, {p.min} needed",
        "params": {"min": {"value": 0.813, "unit": "m", "display": "32 in"}},
        "severity": "critical",
        "category": "egress",
        "citation": {"section": "1010.1.1", "paraphrase": "Wide enough.", "url": ""},
        "examples": [
            {"facts": {"e.is_egress": True, "e.clear_width": 0.9}, "expected": "pass"},
            {"facts": {"e.is_egress": True, "e.clear_width": 0.7}, "expected": "fail"},
            {"facts": {"e.is_egress": False}, "expected": "not_applicable"},
            {"facts": {"e.is_egress": True, "e.clear_width": None}, "expected": "not_evaluable"},
        ],
    }
    return {**whole, **changes}


def table(**condition: Any) -> dict[str, Any]:
    return {"min": {"value": {"by": ["e.kind"], "rows": [{"when": condition, "value": 1}]}, "unit": "m"}}


def one_example(expected: str, **facts: Any) -> dict[str, Any]:
    return {"examples": [{"facts": {f"e.{name}": value for name, value in facts.items()}, "expected": expected}]}


def problems(**changes: Any) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in definition.parse(document(**changes), KNOWN).problems]


def test_a_sound_rule_has_no_problems() -> None:
    parsed = definition.parse(document(), KNOWN)
    assert parsed.problems == ()
    assert parsed.rule is not None
    assert parsed.rule.facts == {"e.is_egress", "e.clear_width"}
    assert (parsed.rule.kind, parsed.rule.severity) == (Kind.CEL, Severity.CRITICAL)


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"key": "door width"}, "$.key", "invalid"),
        ({"titel": "x"}, "$.titel", "unknown"),
        ({"title": 5}, "$.title", "wrong_type"),
        ({"title": "x" * 201}, "$.title", "too_long"),
        ({"kind": "sql"}, "$.kind", "not_a_choice"),
        ({"severity": "high"}, "$.severity", "not_a_choice"),
        ({"category": "egres"}, "$.category", "not_a_choice"),
        ({"scope": "room"}, "$.scope", "not_a_choice"),
        ({"weight": -1}, "$.weight", "wrong_type"),
        ({"weight": True}, "$.weight", "wrong_type"),
        ({"applies_to": []}, "$.applies_to", "wrong_type"),
        ({"applies_to": ["IfcDor"]}, "$.applies_to[0]", "unknown_class"),
        ({"applies_to": ["IfcRelAggregates"]}, "$.applies_to[0]", "unknown_class"),
        ({"citation": "1010"}, "$.citation", "wrong_type"),
        ({"params": {"min": 0.8}}, "$.params.min", "wrong_type"),
        ({"params": {"min": {"value": None}}}, "$.params.min", "wrong_type"),
        ({"params": {"min": {"value": float("inf"), "unit": "m"}}}, "$.params.min.value", "wrong_type"),
        ({"params": {"min": {"value": 813, "unit": "mm"}}}, "$.params.min.unit", "unknown_unit"),
        ({"params": {"min": {"value": 0.8, "unit": "metre"}}}, "$.params.min.unit", "unknown_unit"),
        ({"params": {"min": {"value": 0.8, "unit": "m2"}}}, "$.require", "wrong_unit"),
        ({"params": {"min": {"value": "wide", "unit": ""}}}, "$.require", "wrong_type"),
        ({"params": {"min-width": {"value": 1, "unit": "m"}}}, "$.params.min-width", "invalid"),
        ({"when": "e.is_egress &&"}, "$.when", "bad_expression"),
        ({"when": "e.clear_width"}, "$.when", "wrong_type"),
        ({"when": "e.is_egress > 3.0"}, "$.when", "wrong_type"),
        ({"require": "e.clear_widht >= p.min"}, "$.require", "unknown_fact"),
        ({"require": "e.clear_width >= p.minimum"}, "$.require", "unknown_parameter"),
        ({"require": "e.travel_distance >= p.min && e.clear_width > 0.1"}, "$.require", "fact_of_another_class"),
        ({"message": "{e.clear_widht}"}, "$.message", "unknown_fact"),
        ({"message": "{width}"}, "$.message", "unknown_placeholder"),
        ({"message": "{p.max}"}, "$.message", "unknown_placeholder"),
        ({"exceptions": [{"when": "e.is_egres"}]}, "$.exceptions[0].when", "unknown_fact"),
        ({"exceptions": [{"when": "e.is_egress", "needs_signoff": "yes"}]}, "$.exceptions[0].needs_signoff", "wrong_type"),
        ({"exceptions": ["never"]}, "$.exceptions[0]", "wrong_type"),
        ({"kind": "python", "check": "travel"}, "$.check", "unknown_check"),
        ({"kind": "python", "check": "turning_circle"}, "$.require", "check_not_read"),
        ({"kind": "table"}, "$.params", "missing"),
        ({"kind": "ids"}, "$.ids", "missing"),
        ({"examples": []}, "$.examples", "missing_example"),
        ({"examples": {}}, "$.examples", "wrong_type"),
        ({"examples": [{"facts": {"e.clear_width": 1}, "expected": "maybe"}]}, "$.examples[0].expected", "not_a_choice"),
        ({"examples": [{"facts": {"clear_width": 1}, "expected": "pass"}]}, "$.examples[0].facts['clear_width']", "unknown_fact"),
        (one_example("not_evaluable", clear_width="x", is_egress=True), "$.examples[0].facts['e.clear_width']", "wrong_type"),
        (one_example("pass", clear_width=0.5, is_egress=True), "$.examples[0].expected", "example_fails"),
        ({"params": {"min": {"value": 0.8, "unit": "m"}, "max": {"value": 2, "unit": "m"}}}, "$.params.max", "not_used"),
        ({"params": table(**{"e.knd": 1})}, "$.params.min.value.rows[0].when['e.knd']", "bad_table"),
        ({"params": table(**{"e.kind": {"over": 1}})}, "$.params.min.value.rows[0].when['e.kind']", "bad_table"),
        ({"params": {"min": {"value": {"by": "e.kind", "rows": []}, "unit": "m"}}}, "$.params.min.value.by", "bad_table"),
    ],
)  # fmt: skip
def test_each_problem_is_told_with_its_path(changes: dict[str, Any], path: str, code: str) -> None:
    assert (path, code) in problems(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"require": "e.clear_widht >= p.min"}, "e.clear_width"),
        ({"require": "b.sprinklred_nfpa13 || e.clear_width >= p.min"}, "b.sprinklered_nfpa13"),
        ({"require": "e.clear_width >= p.mni"}, "p.min"),
        ({"applies_to": ["IfcDors"]}, "IfcDoor"),
        ({"severity": "majr"}, "major"),
        ({"params": {"min": {"value": 32, "unit": "in"}}}, "m"),
        ({"kind": "python", "check": "turning_circl"}, "turning_circle"),
    ],
)
def test_what_was_meant_is_suggested(changes: dict[str, Any], expected: str) -> None:
    assert expected in [problem.expected for problem in definition.parse(document(**changes), KNOWN).problems]


def test_all_problems_are_told_at_once() -> None:
    found = problems(title=5, severity="high", applies_to=["IfcDor"], params={"min": 3})
    assert {path for path, _ in found} == {"$.title", "$.severity", "$.applies_to[0]", "$.params.min"}


def test_a_problem_of_an_example_says_what_the_rule_says() -> None:
    found = definition.parse(document(examples=[{"facts": {"e.is_egress": True}, "expected": "pass"}]), KNOWN)
    (problem,) = [one for one in found.problems if one.code == "example_fails"]
    assert problem.expected == "not_evaluable"
    assert "e.clear_width" in problem.message


def test_a_rule_about_a_subtype_knows_the_facts_of_its_class() -> None:
    assert problems(applies_to=["IfcDoorStandardCase"]) == []


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(junk | st.dictionaries(st.sampled_from([*documents.MEMBERS, "other"]), junk))
def test_garbage_is_refused_and_never_raises(given_document: Any) -> None:
    parsed = definition.parse(given_document, KNOWN)
    assert parsed.problems
    assert all(problem.path.startswith("$") and problem.message for problem in parsed.problems)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(documents.MEMBERS)), junk)
def test_garbage_in_one_member_never_raises(member: str, value: Any) -> None:
    definition.parse(document(**{member: value}), KNOWN)


sound = st.fixed_dictionaries(
    {
        "key": st.from_regex(r"\A[A-Z0-9][A-Za-z0-9._-]{0,20}\Z"),
        "title": st.text(max_size=30),
        "when": conditions(1),
        "require": conditions(2),
        "severity": st.sampled_from([one.value for one in Severity]),
        "category": st.sampled_from(CATEGORIES),
        "weight": st.integers(0, 100).map(float),
        "exceptions": st.lists(
            st.fixed_dictionaries({"when": conditions(1), "citation": st.text(max_size=9), "needs_signoff": st.booleans()}), max_size=2
        ),
        "params": st.dictionaries(
            st.from_regex(r"\A[a-z_]{1,8}\Z"),
            st.fixed_dictionaries({"value": st.floats(-99, 99), "unit": st.just("m"), "display": st.text(max_size=9)}),
        ),
        "examples": st.lists(
            st.fixed_dictionaries(
                {"facts": st.dictionaries(st.sampled_from(["e.x", "b.y"]), st.booleans()), "expected": st.sampled_from([o.value for o in Outcome])}
            ),
            max_size=3,
        ),
    }
)


@settings(max_examples=200, deadline=None)
@given(sound)
def test_what_is_exported_reads_as_the_same_rule(changes: dict[str, Any]) -> None:
    rule = definition.as_rule(document(**changes))
    examples = [Example(facts=one["facts"], expected=Outcome(one["expected"])) for one in changes["examples"]]
    exported = definition.document_of(rule, examples)
    assert definition.as_rule(exported) == rule
    assert definition.document_of(definition.as_rule(exported), examples) == exported
    assert list(definition.parse(exported, KNOWN).examples) == examples


def test_a_rule_of_kind_ids_keeps_its_specification() -> None:
    xml = '<specification name="Doors"/>'
    parsed = definition.parse(document(kind="ids", ids=xml, when="true", require="true", message="", params={}, examples=[]), KNOWN)
    assert parsed.problems == ()
    assert parsed.rule is not None
    assert definition.document_of(parsed.rule)["ids"] == parsed.rule.ids == xml


def test_the_hash_of_rules_ignores_their_order_and_how_numbers_are_written() -> None:
    one, other = definition.as_rule(document()), definition.as_rule(document(key="B", params={"min": {"value": 1, "unit": "m"}}))
    same = definition.as_rule(document(key="B", params={"min": {"value": 1.0, "unit": "m"}}))
    assert definition.content_sha256([one, other]) == definition.content_sha256([same, one])
    assert definition.content_sha256([one]) != definition.content_sha256([other])
