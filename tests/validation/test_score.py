"""The published formula, the wording of the status, and which facts to fill in first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.rules import rule
from validation.core import canonical, score
from validation.core.results import Results
from validation.core.rules import MODEL_FILE, Judgement, Outcome, Severity
from validation.core.score import Status

RULES = {
    "CRITICAL": rule("true", key="CRITICAL", severity=Severity.CRITICAL),
    "MAJOR": rule("true", key="MAJOR", severity=Severity.MAJOR),
    "MINOR": rule("true", key="MINOR", severity=Severity.MINOR, weight=2.0, category="fire"),
    "INFO": rule("true", key="INFO", severity=Severity.INFO),
}


def counts(**held: tuple[int, int, int]) -> dict[str, dict[str, int]]:
    """rule=(pass, fail, not evaluable)"""
    return {key: {"pass": numbers[0], "fail": numbers[1], "not_evaluable": numbers[2]} for key, numbers in held.items()}


def test_the_formula() -> None:
    held = counts(CRITICAL=(8, 0, 0), MAJOR=(3, 1, 4), MINOR=(1, 1, 0), INFO=(0, 9, 0))
    found = score.of(held, RULES)
    assert found.score == pytest.approx(100 * (80 + 9 + 2) / (80 + 12 + 4), abs=1e-3)
    assert found.coverage == pytest.approx(23 / 27, abs=1e-3)
    assert found.status == "compliant to the rules checked"
    assert score.groups(held, RULES)["by_category"]["fire"] == {"pass": 1, "fail": 1, "not_applicable": 0, "not_evaluable": 0}


@pytest.mark.parametrize(
    ("held", "more", "status"),
    [
        (counts(CRITICAL=(9, 1, 0)), {}, Status.NON_COMPLIANT),
        (counts(CRITICAL=(9, 1, 0)), {"waived": {"CRITICAL": 1}}, Status.COMPLIANT),
        (counts(CRITICAL=(9, 2, 0)), {"waived": {"CRITICAL": 1}}, Status.NON_COMPLIANT),
        (counts(CRITICAL=(9, 1, 90)), {"partial": True}, Status.NON_COMPLIANT),
        (counts(MAJOR=(0, 5, 0)), {}, Status.COMPLIANT),
        (counts(MAJOR=(7, 0, 3)), {}, Status.INDETERMINATE),
        (counts(MAJOR=(7, 0, 3)), {"threshold": 0.7}, Status.COMPLIANT),
        (counts(MAJOR=(7, 0, 0)), {"partial": True}, Status.INDETERMINATE),
        (counts(MAJOR=(0, 0, 0)), {}, Status.INDETERMINATE),
        ({}, {}, Status.INDETERMINATE),
    ],
)
def test_the_status(held: Any, more: Any, status: Status) -> None:
    assert score.of(held, RULES, **more).status is status


def test_there_is_no_bare_compliant() -> None:
    assert "compliant" not in [status.value for status in Status]


def test_nothing_judged_has_no_score() -> None:
    found = score.of(counts(CRITICAL=(0, 0, 5)), RULES)
    assert (found.score, found.coverage) == (None, 0.0)


def missing(rule_key: str, subject: str, *facts: str) -> Judgement:
    return Judgement(rule=rule_key, subject=subject, outcome=Outcome.NOT_EVALUABLE, severity=Severity.MAJOR, missing=tuple(sorted(facts)))


def test_the_facts_that_unlock_most_come_first() -> None:
    gaps = [missing("A", f"door {number}", "e.width") for number in range(5)]
    gaps += [missing("B", f"door {number}", "e.width", "b.group") for number in range(5)]
    gaps += [missing("C", f"wall {number}", "e.rating") for number in range(3)]
    gaps += [missing("D", "house", "b.group", "b.load")]
    found = score.unlocks(gaps, most=3)
    assert [(one.fact, one.unlocks, one.rules, one.subjects) for one in found] == [
        ("e.width", 5, ("A",), 5),
        ("b.group", 5, ("B",), 6),
        ("e.rating", 3, ("C",), 3),
    ]
    assert score.sentence(found) == "Fill in 3 facts (e.width, b.group, e.rating) to unlock 13 judgements of 3 rules."


def test_a_judgement_that_waits_for_a_file_waits_for_no_fact() -> None:
    found = score.unlocks([missing("IDS", "house", MODEL_FILE), missing("A", "door", "e.width")])
    assert [one.fact for one in found] == ["e.width"]
    assert score.sentence(found) == "Fill in 1 fact (e.width) to unlock 1 judgement of 1 rule."


def test_two_facts_that_only_help_together_are_both_named() -> None:
    found = score.unlocks([missing("A", "door", "e.x", "e.y")])
    assert [(one.fact, one.unlocks) for one in found] == [("e.x", 0), ("e.y", 1)]
    assert score.unlocks([]) == ()
    assert score.sentence([]) == ""


judgements = st.builds(
    Judgement,
    rule=st.sampled_from("ABC"),
    subject=st.integers(0, 30).map(str),
    outcome=st.sampled_from(Outcome),
    severity=st.just(Severity.MAJOR),
    actual=st.none() | st.floats(-9, 9),
    required=st.none() | st.floats(-9, 9),
    margin=st.none() | st.floats(-9, 9),
    missing=st.sampled_from([(), ("e.x",), ("b.y", "e.x")]),
)


@given(st.lists(judgements, max_size=20, unique_by=lambda one: (one.rule, one.subject)), st.randoms(use_true_random=False))
def test_the_hash_of_results_does_not_depend_on_their_order(found: list[Judgement], dice: Any) -> None:
    other = list(found)
    dice.shuffle(other)
    assert Results(found).sha256() == Results(other).sha256()


def test_the_hash_of_results_depends_on_what_they_say() -> None:
    one = missing("A", "door", "e.x")
    assert Results([one]).sha256() != Results([missing("A", "door", "e.y")]).sha256()
    assert Results([one]).sha256() != Results([one, missing("A", "door 2", "e.x")]).sha256()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (1, "1"), (0.1 + 0.2, "0.3"), (-0.0, "0"), (1e-12, "0"), ({"b": 1, "a": (True, None)}, '{"a":[true,null],"b":1}'),
     ({"x", "a"}, '["a","x"]'), ("é", '"\\u00e9"')],
)  # fmt: skip
def test_numbers_have_one_text(value: Any, text: str) -> None:
    assert canonical.text(value) == text
