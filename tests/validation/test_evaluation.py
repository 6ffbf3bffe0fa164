"""Evaluation with unknown facts: what is known of an expression is what CEL says of it, however the unknown facts turn out."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.core.types import EvaluationFailed
from tests.validation.strategies import FACTS, PARAMETERS, completions, conditions, split
from validation.core import evaluation, expressions
from validation.core.expressions import Expression
from validation.core.gaps import Failed, Scope, Unknown


def parsed(source: str) -> Expression:
    expression, faults = expressions.parse(source)
    assert expression is not None, (source, faults)
    return expression


def ours(expression: Expression, facts: dict[str, Any], parameters: dict[str, Any] | None = None) -> Any:
    return evaluation.compiled(expression.tree, PARAMETERS if parameters is None else parameters)(Scope(**split(facts)))


def cels(expression: Expression, facts: dict[str, Any]) -> Any:
    """The reference. `Failed` where CEL gives an error."""
    try:
        return expression.reference.evaluate({**split(facts), "p": PARAMETERS})
    except EvaluationFailed as error:
        return Failed(str(error))


def value(source: str, **facts: Any) -> Any:
    return ours(parsed(source), {name.replace("_", ".", 1): one for name, one in facts.items()})


@settings(max_examples=400, deadline=None)
@given(conditions(3), completions())
def test_with_all_facts_known_it_is_cel(source: str, facts: dict[str, Any]) -> None:
    expression = parsed(source)
    mine, reference = ours(expression, facts), cels(expression, facts)
    if isinstance(reference, Failed):
        assert isinstance(mine, Failed), (mine, reference.message)
    else:
        assert mine is reference


@settings(max_examples=400, deadline=None)
@given(conditions(3), completions(), completions(), st.sets(st.sampled_from(FACTS)))
def test_what_is_known_stays_however_the_unknown_facts_turn_out(source: str, facts: dict[str, Any], others: dict[str, Any], hidden: set[str]) -> None:
    expression = parsed(source)
    before = ours(expression, {name: one for name, one in facts.items() if name not in hidden})
    for completed in (facts, {**facts, **{name: others[name] for name in hidden}}):
        if before is True or before is False:
            assert cels(expression, completed) is before


@settings(max_examples=400, deadline=None)
@given(conditions(3), completions(), st.sets(st.sampled_from(FACTS)))
def test_the_missing_facts_are_unknown_ones_and_enough(source: str, facts: dict[str, Any], hidden: set[str]) -> None:
    expression = parsed(source)
    known = {name: one for name, one in facts.items() if name not in hidden}
    before = ours(expression, known)
    if isinstance(before, Unknown):
        assert before.facts
        assert before.facts <= hidden & expression.reads
        assert not isinstance(ours(expression, {**known, **{name: facts[name] for name in before.facts}}), Unknown)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("b.sprinklered || e.width >= p.min", True),
        ("e.width >= p.min || b.sprinklered", True),
        ("!(b.sprinklered || e.width >= p.min)", False),
        ("b.sprinklered ? true : e.width >= p.min", True),
        ("e.width == null || e.width >= p.min", True),
        ("e.width != null && e.width >= p.min", False),
        ("has(e.width) && e.width >= p.min", False),
        ("has(b.sprinklered)", True),
        ("'width' in e", False),
        ("null == e.width", True),
    ],
)
def test_a_branch_that_is_not_needed_needs_no_facts(source: str, expected: bool) -> None:
    assert value(source, b_sprinklered=True) is expected


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("e.width >= p.min", {"e.width"}),
        ("b.sprinklered && e.width >= p.min", {"e.width"}),
        ("b.area > 3.0 ? e.width >= p.min : e.height >= p.min", {"b.area", "e.width"}),
        ("e.kind in p.groups && e.width + e.height > 1.0", {"e.kind", "e.width"}),
        ("p.limits[e.kind] <= e.height", {"e.kind"}),
        ('e["width"] >= p.min', {"e.width"}),
    ],
)
def test_exactly_the_facts_that_can_still_matter_are_missing(source: str, missing: set[str]) -> None:
    found = value(source, b_sprinklered=True, e_height=2.0)
    assert isinstance(found, Unknown)
    assert found.facts == missing


def test_what_holds_for_both_values_of_a_choice_holds() -> None:
    """Sprinklered or not: 20 m is inside both limits, 80 m outside both, and only between them the answer depends."""
    source = "e.width <= (b.sprinklered ? 76.2 : 60.96)"
    assert value(source, e_width=20.0) is True
    assert value(source, e_width=80.0) is False
    between = value(source, e_width=70.0)
    assert isinstance(between, Unknown)
    assert between.facts == {"b.sprinklered"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("2.0 * e.riser + e.tread >= 0.55", True),  # 0.175 * 2 + 0.2 is 0.5499999999999999 in floats
        ("e.riser * 2 + e.tread <= 0.55", True),
        ("e.riser + 1 > 1", True),
        ("e.load / 2 == 3.5", True),
        ("7 / 2 == 3.5", True),
        ("size(e.parts) > 1 && e.riser * 2 < 1", True),
        ("1 < e.parts.size() && e.parts[1] == 'b' && [1, 2][0] == 1", True),
        ("int(e.load) % 2 == 1", True),
        ("e.parts[0].substring(0, 1) == 'a' && 'B'.substring(0, 1) == 'B'", True),
        ("2 + math_ceil(e.load / 4) == 4", True),
        ("e.load >= (e.riser > 1 ? 4 : 3)", True),
    ],
)
def test_numbers_are_what_engineers_mean(source: str, expected: bool) -> None:
    assert ours(parsed(source), {"e.riser": 0.175, "e.tread": 0.2, "e.load": 7.0, "e.parts": ["a", "b"]}) is expected


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("p.limits[e.kind] > 1.0", "no row for"),
        ("e.kind > 1.0", "cannot be compared"),
        ("e.kind.substring(5) == ''", "has no characters"),
        ("e.kind", "true"),
        ("p.nothing > e.width", "no parameter p.nothing"),
        ("[1, 2][7] == 1", "2 items"),
        ("-e.kind == 1.0", "no meaning"),
    ],
)
def test_what_cannot_be_evaluated_says_why(source: str, part: str) -> None:
    found = ours(parsed(f"{source} && true"), {"e.kind": "Z", "e.width": 1.0})
    assert isinstance(found, Failed)
    assert part in found.message


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("e.width >=", "ends too early"),
        ("width >= 1.0", "not known"),
        ("size(e) > 1", "e.<name>"),
        ("e[b.group] > 1.0", "e.<name>"),
        ("e.widths.exists(p, p > 1.0)", "already has a meaning"),
        ("e.a.all(x, e.a.all(y, e.a.all(z, x > y + z)))", "inside each other"),
        ("timestamp('2024-01-01T00:00:00Z') > e.day", "not a function of rules"),
        ("e.kind.replace('a', 'b') == 'b'", "not a function"),
        ("(" * 60 + "e.exit" + ")" * 60, ""),
        ("e.exit" * 500, ""),
    ],
)
def test_expressions_that_cannot_run_are_told_with_a_column(source: str, part: str) -> None:
    expression, faults = expressions.parse(source)
    if part:
        assert expression is None
        assert part in faults[0][1]
        assert faults[0][0] >= 1


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="est.bp[]()'\"<>=&|!?:+-*/ 01.5,in_width", max_size=40))
def test_garbage_never_raises(source: str) -> None:
    expression, faults = expressions.parse(source)
    assert (expression is None) is bool(faults)
    if expression is not None:
        ours(expression, {"e.width": 1.0, "b.group": "A"})


def test_the_work_of_one_evaluation_is_bounded() -> None:
    expression = parsed("e.many.all(x, e.many.all(y, x + y > -1.0))")
    found = evaluation.compiled(expression.tree, {})(Scope({"many": [1.0] * 2_000}, {}, {}))
    assert isinstance(found, Failed)
    assert "too many steps" in found.message
