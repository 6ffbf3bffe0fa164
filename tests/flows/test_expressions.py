"""Expressions: typed, with columns, bounded, and reading only what they name."""

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.core import expressions
from flows.core.types import EvaluationFailed

SCOPE = {
    "slots.storeys": "int",
    "slots.area": "double",
    "slots.kind": "string",
    "filled.storeys": "bool",
    "variables.tags": "list",
    "profile": "map",
    "results.crm": "dyn",
    "value": "dyn",
    "now": "timestamp",
}
VALUES = {
    "slots.storeys": 3,
    "slots.area": 120.5,
    "slots.kind": "school",
    "filled.storeys": True,
    "variables.tags": ["a", "b"],
    "profile": {"name": "Ada", "vip": True},
    "results.crm": {"order": {"id": 7, "lines": [1, 2.5]}},
    "value": 4,
    "now": datetime(2026, 5, 4, 12, tzinfo=UTC),
}


def compiled(source: str) -> expressions.Compiled:
    found, faults = expressions.compile(source, SCOPE)
    assert faults == []
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("slots.storeys > 2 && slots.kind == 'school'", True),
        ("slots.storeys * 2 + 1", 7),
        ("slots.area > 100", True),
        ("100 < slots.area", True),
        ("slots.area * 2 - 1 >= 240", True),
        ("(100) <= slots.area && slots.area != 5", True),
        ("slots.area > -5", True),
        ("slots.area * 2 * 3 - 4 + 5 > 6", True),
        ("&&".join(["slots.area > 1"] * 100), True),
        ("profile.name + '!'", "Ada!"),
        ("has(profile.age) ? profile.age : 0", 0),
        ("results.crm.order.id == 7", True),
        ("results.crm.order.lines", [1, 2.5]),
        ("'b' in variables.tags", True),
        ("variables.tags.exists(tag, tag == 'a')", True),
        ("slots.kind.matches('^s.*l$')", True),
        ("value > 3.5", True),
        ("now > timestamp('2026-01-01T00:00:00Z')", True),
        ("{'a': [1, null]}", {"a": [1, None]}),
        ("// a comment\ntrue", True),
    ],
)
def test_values(source: str, expected: Any) -> None:
    assert compiled(source).evaluate(VALUES) == expected


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        ("slots.storey > 2", 6, '"slots.storey" is not known here'),
        ("slots.storeys > 'two'", 15, "> does not work on (int, string)"),
        ("slots.storeys > slots.area", 15, "> does not work on (int, double); double(x) makes a whole number one with decimals"),
        ("slots.storeys +", 16, "the expression ends too early"),
        ("slots.area > 5 && nope", 19, '"nope" is not known here'),
        ("true &&\n  nope", 11, '"nope" is not known here'),
        ("'ä' == nope", 8, '"nope" is not known here'),
        ("slots.area > 5 && slots.area < 6 && nope", 37, '"nope" is not known here'),
        ("'\ud800'", 1, "this is no Unicode text"),
        ("", 1, "the expression ends too early"),
        ("(" * 500 + ")" * 500, 1, "the expression is nested too deeply (at most 32 levels)"),
        ("1" * 2001, 1, "This expression has 2001 characters; at most 2000 are allowed."),
    ],
)
def test_faults_have_columns_and_plain_words(source: str, column: int, message: str) -> None:
    found, faults = expressions.compile(source, SCOPE)
    assert found is None
    assert faults[0] == (column, message)


def test_all_faults_of_an_expression_are_told() -> None:
    assert [column for column, _ in expressions.compile("one + slots.area + two", SCOPE)[1]] == [1, 20]


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("slots.storeys > 2 || filled.storeys", {"slots.storeys", "filled.storeys"}),
        ("results.crm.order.id == 1", {"results.crm"}),
        ("profile['name'] == 'slots.area'", {"profile"}),
        ('slots.kind == "now" // value', {"slots.kind"}),
        ("slots . kind == r'\\d' + '''now'''", {"slots.kind"}),
        ("'it\\'s now' == slots.kind", {"slots.kind"}),
        ("[1].exists(value, value > 0)", {"value"}),
        ("1 + 1", set()),
    ],
)
def test_reads_are_the_names_outside_strings_and_comments(source: str, reads: set[str]) -> None:
    assert compiled(source).reads == reads


@pytest.mark.parametrize(
    ("source", "values", "message"),
    [
        ("slots.storeys > 2", {}, "slots.storeys is not set"),
        ("slots.storeys > 2", {"slots.storeys": "3"}, "Unexpected value type"),
        ("slots.storeys > 2", {"slots.storeys": None}, "Unexpected value type"),
        ("slots.storeys > 2", {"slots.storeys": 10**30}, "int too big"),
        ("slots.area > 2", {"slots.area": 10**400}, "too large"),
        ("profile.age > 2", {"profile": {}}, 'Key not found in map : "age"'),
        ("1 / 0", {}, "divide by zero"),
        ("value", {"value": object()}, "Non-CEL value"),
        ("slots.kind.matches('(')", {"slots.kind": "x"}, "missing"),
    ],
)
def test_what_cannot_be_evaluated_fails_with_a_reason(source: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationFailed, match=message.replace("(", r"\(")):
        compiled(source).evaluate(values)


def test_unset_names_do_not_matter_where_they_are_not_reached() -> None:
    assert compiled("filled.storeys && slots.storeys > 2").evaluate({"filled.storeys": False}) is False


def test_whole_numbers_are_taken_where_decimals_are_declared() -> None:
    assert compiled("slots.area > 2.5").evaluate({"slots.area": 3}) is True


@pytest.mark.parametrize("macro", ["map", "all", "exists", "filter"])
def test_hostile_comprehensions_stop_in_bounded_time(macro: str) -> None:
    inner = {"map": "slots.kind + slots.kind", "all": "true", "exists": "false", "filter": "true"}[macro]
    source = "".join(f"[0,1,2,3,4,5,6,7,8,9].{macro}(a{depth}, " for depth in range(9)) + inner + ")" * 9
    found, _ = expressions.compile(source, SCOPE)
    began = time.thread_time()
    if found is not None:
        with pytest.raises(EvaluationFailed, match="budget"):
            found.evaluate({"slots.kind": "x" * 10_000})
    assert time.thread_time() - began < 1


def test_evaluation_is_fast() -> None:
    expression = compiled("filled.storeys && slots.storeys > 2 && slots.area > 5")
    began = time.thread_time()
    for _ in range(2_000):
        expression.evaluate(VALUES)
    assert time.thread_time() - began < 0.5  # 4 µs each; a slow machine may take ten times that


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("slot.area'\"()[]{}!=<>&|+-*/?:,0123 \n\\r", max_size=60))
def test_any_text_compiles_or_has_faults(source: str) -> None:
    found, faults = expressions.compile(source, SCOPE)
    assert (found is None) == bool(faults)
    assert all(1 <= column <= len(source) + 2 for column, _ in faults)
    if found is not None:
        with contextlib.suppress(EvaluationFailed):
            found.evaluate(VALUES)
