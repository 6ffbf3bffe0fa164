"""Judgements: outcome, margin, missing facts, exceptions, evidence and words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.rules import exception, judged, rule
from tests.validation.strategies import FACTS, PARAMETERS, completions, conditions
from validation.core import expressions, margins, units
from validation.core.building import Fact
from validation.core.rules import Kind, Outcome, Parameter
from validation.services import packs

DOOR = rule("e.clear_width >= (b.existing ? p.existing : p.min)", when="e.is_egress", params={"min": 0.81, "existing": 0.71})


@pytest.mark.parametrize(
    ("facts", "outcome", "missing"),
    [
        ({"e_is_egress": True, "e_clear_width": 0.9, "b_existing": False}, Outcome.PASS, ()),
        ({"e_is_egress": True, "e_clear_width": 0.75, "b_existing": False}, Outcome.FAIL, ()),
        ({"e_is_egress": True, "e_clear_width": 0.75, "b_existing": True}, Outcome.PASS, ()),
        ({"e_is_egress": False}, Outcome.NOT_APPLICABLE, ()),
        ({"e_is_egress": True, "e_clear_width": 0.75}, Outcome.NOT_EVALUABLE, ("b.existing",)),
        ({"e_is_egress": True, "e_clear_width": 0.9}, Outcome.PASS, ()),
        ({"e_clear_width": 0.9}, Outcome.NOT_EVALUABLE, ("e.is_egress",)),
        ({"e_clear_width": 0.75}, Outcome.NOT_EVALUABLE, ("b.existing", "e.is_egress")),
        ({}, Outcome.NOT_EVALUABLE, ("b.existing", "e.clear_width", "e.is_egress")),
        ({"e_is_egress": True, "e_clear_width": None, "b_existing": True}, Outcome.NOT_EVALUABLE, ("e.clear_width",)),
        ({"e_is_egress": True, "e_clear_width": float("nan"), "b_existing": True}, Outcome.NOT_EVALUABLE, ("e.clear_width",)),
    ],
)
def test_the_four_outcomes(facts: dict[str, Any], outcome: Outcome, missing: tuple[str, ...]) -> None:
    found = judged(DOOR, **facts)
    assert (found.outcome, found.missing) == (outcome, missing)


@pytest.mark.parametrize(
    ("require", "facts", "actual", "required", "margin"),
    [
        ("e.clear_width >= p.min", {"e_clear_width": 0.9}, 0.9, 0.8, 0.1),
        ("p.min <= e.clear_width", {"e_clear_width": 0.75}, 0.75, 0.8, -0.05),
        ("!(e.clear_width < p.min)", {"e_clear_width": 0.75}, 0.75, 0.8, -0.05),
        ("e.clear_width <= p.max", {"e_clear_width": 1.5}, 1.5, 1.2, -0.3),
        ("e.clear_width >= p.min && e.clear_width <= p.max", {"e_clear_width": 1.1}, 1.1, 1.2, 0.1),
        ("e.clear_width >= p.min && e.clear_height >= p.max", {"e_clear_width": 0.5, "e_clear_height": 1.19}, 0.5, 0.8, -0.3),
        ("e.clear_width >= p.min || e.clear_height >= p.max", {"e_clear_width": 0.5, "e_clear_height": 1.1}, 1.1, 1.2, -0.1),
        ("b.sprinklered || e.clear_width >= p.min", {"b_sprinklered": True, "e_clear_width": 0.5}, None, None, None),
        ("b.sprinklered || e.clear_width >= p.min", {"b_sprinklered": False, "e_clear_width": 0.5}, 0.5, 0.8, -0.3),
        ("e.clear_width >= (b.wide ? p.max : p.min)", {"b_wide": True, "e_clear_width": 1.25}, 1.25, 1.2, 0.05),
        ("e.clear_width >= (b.wide ? p.max : p.min)", {"e_clear_width": 1.25}, 1.25, 1.2, 0.05),
        ("e.clear_width >= e.clear_height * p.min", {"e_clear_width": 1.0, "e_clear_height": 1.5}, 1.0, 1.2, -0.2),
        ("e.clear_width >= 1", {"e_clear_width": 0.5}, 0.5, 1.0, -0.5),
        ("e.kind in ['A']", {"e_kind": "B"}, None, None, None),
    ],
)
def test_the_margin_is_that_of_the_comparison_that_decides(require: str, facts: dict[str, Any], actual: Any, required: Any, margin: Any) -> None:
    found = judged(rule(require, params={"min": 0.8, "max": 1.2}), **facts)
    assert (found.actual, found.required) == (actual, pytest.approx(required) if required else required)
    assert found.margin == (None if margin is None else pytest.approx(margin))
    assert margin is None or (found.outcome is Outcome.PASS) is (margin >= 0)
    assert found.unit == ("m" if margin is not None else "")


def test_a_pass_close_to_its_limit_is_a_near_miss() -> None:
    one = rule("e.clear_width >= p.min", params={"min": 0.8})
    assert margins.near_miss(judged(one, e_clear_width=0.82))
    assert not margins.near_miss(judged(one, e_clear_width=0.9))
    assert not margins.near_miss(judged(one, e_clear_width=0.79))


def test_the_unit_is_that_of_the_row_that_a_table_gives() -> None:
    one = rule("e.travel_distance <= p.limits[b.group].plain", params={"limits": ({"B": {"plain": 60.96}}, "m")})
    assert judged(one, e_travel_distance=70.0, b_group="B").unit == "m"


def test_an_exception_makes_a_failure_not_applicable_and_says_which() -> None:
    one = rule("e.clear_width >= p.min", params={"min": 0.8}, exemptions=(exception("e.room_area < 1.0", "1010.1.1 ex. 3"),))
    found = judged(one, e_clear_width=0.6, e_room_area=0.8)
    assert (found.outcome, found.exemption) == (Outcome.NOT_APPLICABLE, "1010.1.1 ex. 3")


def test_an_exception_that_needs_a_signature_leaves_the_failure() -> None:
    one = rule("e.clear_width >= p.min", params={"min": 0.8}, exemptions=(exception("b.historic", "ch. 12", signed=True),))
    found = judged(one, e_clear_width=0.6, b_historic=True)
    assert (found.outcome, found.exemption) == (Outcome.FAIL, "ch. 12")
    assert "signature: ch. 12" in found.message


def test_an_exception_that_is_not_known_excuses_nothing_and_hides_nothing() -> None:
    one = rule("e.clear_width >= p.min", params={"min": 0.8}, exemptions=(exception("e.room_area < 1.0"),))
    assert judged(one, e_clear_width=0.6).outcome is Outcome.FAIL
    assert judged(one, e_clear_width=0.9, e_room_area=0.5).outcome is Outcome.PASS


@settings(max_examples=300, deadline=None)
@given(conditions(2), conditions(2), conditions(1), completions(), completions(), st.sets(st.sampled_from(FACTS)))
def test_filling_in_facts_never_turns_an_answer_around(
    when: str, require: str, excuse: str, facts: dict[str, Any], others: dict[str, Any], hidden: set[str]
) -> None:
    """A pass stays a pass and "not applicable" stays so; a failure stays or is excused by an exception that has become known."""
    params = {name: (value, "") for name, value in PARAMETERS.items()}
    one = rule(require, when=when, params=params, exemptions=(exception(excuse),))
    known = {name.replace(".", "_", 1): value for name, value in facts.items() if name not in hidden}
    before = judged(one, **known)
    after = judged(one, **known, **{name.replace(".", "_", 1): others[name] for name in hidden})
    allowed = {
        Outcome.PASS: {Outcome.PASS},
        Outcome.NOT_APPLICABLE: {Outcome.NOT_APPLICABLE},
        Outcome.FAIL: {Outcome.FAIL, Outcome.NOT_APPLICABLE},
        Outcome.NOT_EVALUABLE: set(Outcome),
    }
    if before.exemption and before.outcome is Outcome.NOT_APPLICABLE:
        allowed[Outcome.NOT_APPLICABLE] = {Outcome.NOT_APPLICABLE, Outcome.PASS}  # it may comply besides
    assert after.outcome in allowed[before.outcome]
    assert before.outcome is not Outcome.FAIL or after.outcome is Outcome.FAIL or after.exemption
    assert set(before.missing) <= hidden


def test_evidence_names_what_was_read_with_its_source_and_assumption() -> None:
    width = Fact(value=0.7, source="derived:door_clear_width", assumed=True, note="frame of 50 mm")
    found = judged(DOOR, e_is_egress=True, e_clear_width=width, b_existing=False, e_clear_height=2.0)
    assert [(one.fact, one.value, one.unit, one.assumed) for one in found.evidence] == [
        ("e.is_egress", True, "", False),
        ("e.clear_width", 0.7, "m", True),
        ("b.existing", False, "", False),
    ]
    assert found.evidence[1].note == "frame of 50 mm"


def test_evidence_leaves_out_what_was_not_needed() -> None:
    one = rule("b.sprinklered || e.clear_width >= p.min", params={"min": 0.8})
    found = judged(one, b_sprinklered=True, e_clear_width=0.5, explain=True)
    assert [fact.fact for fact in found.evidence] == ["b.sprinklered"]


def test_a_failed_way_out_carries_its_path() -> None:
    one = rule("e.travel_distance <= p.max", params={"max": 60.96}, kind=Kind.PYTHON, check="exit_access_travel_distance")
    path = {"path": [[0, 0, 0], [70, 0, 0]]}
    assert judged(one, e_travel_distance=70.0, e_travel_path=path).geometry == path


def test_the_authors_words_are_filled_in_and_never_evaluated() -> None:
    message = "{name} ({class}) is {e.clear_width}; {p.min} are needed, {e.nothing} and {{braces}} {e.__class__} {actual.real} stay."
    one = rule("e.clear_width >= p.min", params={"min": 0.813}, message=message)
    assert judged(one, e_clear_width=0.75, name="{p.min}").message == (
        "{p.min} (Door) is 750 mm; 813 mm are needed, unknown and {braces} unknown unknown stay."
    )


@pytest.mark.parametrize(
    ("system", "facts", "words"),
    [
        ("metric", 0.8, "Door width: 800 mm, at least 813 mm is required."),
        ("imperial", 0.8, "Door width: 31 1/2 in, at least 32 in is required."),
        ("imperial", 0.8125, "Door width: 31 63/64 in, at least 32 1/64 in is required."),
    ],
)
def test_words_are_in_the_units_of_the_place(system: str, facts: float, words: str) -> None:
    assert judged(rule("e.clear_width >= p.min", params={"min": 0.813}), system=system, e_clear_width=facts).message == words


def test_what_cannot_be_judged_says_why() -> None:
    one = rule("e.load <= p.most[e.group]", params={"most": ({"B": 49}, "persons")})
    assert judged(one, e_load=3, e_group="Z").message == 'Door width: cannot be judged. There is no row for "Z".'
    assert judged(one, e_load="many", e_group="B").outcome is Outcome.NOT_EVALUABLE
    assert judged(one, e_load=3).message == "Door width: cannot be judged without e.group."


@pytest.mark.parametrize(
    ("value", "unit", "metric", "imperial"),
    [
        (0.813, "m", "813 mm", "32 in"),
        (60.96, "m", "60.96 m", "200 ft"),
        (6.2484, "m", "6.25 m", "20 ft 6 in"),
        (-0.05, "m", "-50 mm", "-1 15/16 in"),
        (464.515, "m2", "464.51 m²", "5000 sq ft"),
        (60, "min", "1 h", "1 h"),
        (45, "min", "45 min", "45 min"),
        (1 / 12, "rise/run", "1:12 (8.3 %)", "1:12 (8.3 %)"),
        (0.0076, "m/person", "7.6 mm/person", "0.3 in/person"),
        (50, "persons", "50 persons", "50 persons"),
        (True, "", "yes", "yes"),
        (["B", "E"], "group", "B, E", "B, E"),
        (None, "m", "unknown", "unknown"),
        (2.5, "1", "2.5", "2.5"),
    ],
)
def test_values_are_shown_as_people_read_them(value: Any, unit: str, metric: str, imperial: str) -> None:
    assert (units.shown(value, unit), units.shown(value, unit, "imperial")) == (metric, imperial)


ROWS = {
    "by": ["e.group", "e.load"],
    "rows": [
        {"when": {"e.group": ["A", "E"], "e.load": {"above": 49}}, "value": 2},
        {"when": {"e.group": "H"}, "value": {"plain": 3}},
        {"when": {"e.load": {"from": 1000}}, "value": 4},
    ],
    "default": 1,
}


@pytest.mark.parametrize(
    ("facts", "outcome", "required", "missing"),
    [
        ({"e_group": "A", "e_load": 50}, Outcome.FAIL, 2.0, ()),
        ({"e_group": "A", "e_load": 49}, Outcome.PASS, 1.0, ()),
        ({"e_group": "B", "e_load": 1000}, Outcome.FAIL, 4.0, ()),
        ({"e_group": "A"}, Outcome.NOT_EVALUABLE, None, ("e.load",)),
        ({"e_load": 10}, Outcome.NOT_EVALUABLE, None, ("e.group",)),
        ({"e_group": "H", "e_load": 10}, Outcome.NOT_EVALUABLE, None, ()),
    ],
)
def test_a_table_is_looked_up_by_facts(facts: dict[str, Any], outcome: Outcome, required: Any, missing: tuple[str, ...]) -> None:
    found = judged(rule("e.exits >= p.exits", kind=Kind.TABLE, params={"exits": (ROWS, "count")}), e_exits=1, **facts)
    assert (found.outcome, found.required, found.missing) == (outcome, required, missing)


def test_a_table_whose_possible_rows_agree_needs_no_more_facts() -> None:
    value = {"by": ["e.group"], "rows": [{"when": {"e.group": "A"}, "value": 2}, {"when": {"e.group": "B"}, "value": 3}], "default": 2}
    one = rule("e.exits >= p.exits", kind=Kind.TABLE, params={"exits": (value, "count")})
    assert judged(one, e_exits=3).outcome is Outcome.PASS
    assert judged(one, e_exits=1).outcome is Outcome.FAIL
    assert judged(one, e_exits=2).missing == ("e.group",)


def test_every_expression_of_the_starter_pack_runs() -> None:
    for one in (one for rules in packs.starter_pack()["rule_sets"] for one in rules["rules"]):
        for source in (one["when"], one["require"]):
            expression, faults = expressions.parse(source)
            assert expression is not None, (one["key"], faults)
            assert expression.params <= one.get("params", {}).keys()
        made = rule(one["require"], when=one["when"], params={name: (value["value"], "") for name, value in one.get("params", {}).items()})
        assert judged(made).outcome in (Outcome.NOT_EVALUABLE, Outcome.PASS)


def test_parameters_are_plain_numbers() -> None:
    assert Parameter(value=1).origin == "rule"
    assert judged(rule("e.clear_width >= p.min", params={"min": 1}), e_clear_width=1).outcome is Outcome.PASS
