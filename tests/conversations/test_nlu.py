"""Understanding by patterns, keywords and examples."""

from typing import Any

import pytest

from conversations.nlu.patterns import understand
from tests.playbook import ending, flow, program_of

PROGRAM = program_of(
    flow(
        states={"end": ending()},
        intents={
            "permit": {"keywords": ["building", "permit"], "examples": ["I want to build something", "Baugenehmigung beantragen"]},
            "fees": {"patterns": ["/how much|what does .* cost/"], "keywords": ["fees"]},
            "hours": {"examples": ["When do you open?"]},
        },
    )
)


@pytest.mark.parametrize(
    ("text", "intent", "confidence"),
    [
        ("when do you OPEN", "hours", 1.0),
        ("When do you opne?", "hours", None),
        ("I need a permit for my building.", "permit", 0.9),
        ("a permit", "", None),
        ("tell me the fees!", "fees", 0.8),
        ("feesible", "", None),
        ("so how much is it", "fees", 0.9),
        ("what does it cost", "fees", 1.0),
        ("BAUGENEHMIGUNG  beantragen!!", "permit", 1.0),
        ("", "", None),
        ("?!", "", None),
        ("x" * 50_000, "", None),
    ],
)
def test_the_best_sign_counts(text: Any, intent: Any, confidence: Any) -> None:
    heard = understand(PROGRAM, text, locale="en").intents
    assert (heard[0][0] if heard else "") == intent
    if confidence is not None:
        assert heard[0][1] == confidence
    assert all(0 < score <= 1 for _, score in heard)


def test_nearly_an_example_is_less_certain() -> None:
    (name, score), *_ = understand(PROGRAM, "When do you opne?", locale="en").intents
    assert name == "hours"
    assert 0.7 <= score < 0.95


def test_the_most_certain_comes_first() -> None:
    heard = understand(PROGRAM, "what does a building permit cost", locale="en").intents
    assert [name for name, _ in heard] == ["fees", "permit"]


def test_a_pattern_cannot_hang_us() -> None:
    evil = program_of(flow(states={"end": ending()}, intents={"x": {"patterns": ["/(a+)+$/"]}}))
    assert understand(evil, "a" * 5_000 + "!b", locale="en").intents == ()
