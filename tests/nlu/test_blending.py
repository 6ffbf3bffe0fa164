"""Signs and models together, and near choices."""

import pytest

from conversations.nlu.blending import blended
from conversations.nlu.ear import understand
from conversations.nlu.entities import near_choices
from flows.core.definition import parse
from flows.core.types import Flow
from tests.playbook import ending, flow, program_of

KNOWN = ("refund", "track", "hours")


@pytest.mark.parametrize(
    ("signs", "learned", "expected"),
    [
        ((), (("track", 0.9), ("refund", 0.2)), [("track", 0.9), ("refund", 0.2)]),
        ((("refund", 1.0),), (("track", 0.99),), [("refund", 1.0), ("track", 0.95)]),
        ((("refund", 0.9),), (("track", 0.99), ("refund", 0.95)), [("refund", 0.95), ("track", 0.85)]),
        ((("refund", 0.8),), (("track", 0.95),), [("track", 0.95), ("refund", 0.8)]),
        ((("refund", 0.8),), (("refund", 0.4),), [("refund", 0.8)]),
        ((), (("gone", 0.99), ("track", 0.7)), [("track", 0.7)]),
        ((), (("out_of_scope", 0.9), ("track", 0.3)), [("track", 0.3)]),
    ],
)
def test_what_the_author_wrote_beats_what_a_model_believes(
    signs: tuple[tuple[str, float], ...], learned: tuple[tuple[str, float], ...], expected: list[tuple[str, float]]
) -> None:
    assert list(blended(signs, learned, KNOWN)) == expected


def test_out_of_scope_is_told_to_a_flow_that_listens_for_it() -> None:
    known = (*KNOWN, "out_of_scope")
    assert blended((), (("out_of_scope", 0.9),), known)[0] == ("out_of_scope", 0.9)
    assert blended((("refund", 0.8),), (("out_of_scope", 0.9),), known) == (("refund", 0.8),)


def catalogue() -> Flow:
    document = flow(
        states={"end": ending()},
        slots={
            "material": {"type": "enum", "choices": ["steel", {"value": "concrete", "synonyms": ["reinforced concrete", "beton"]}, "timber"]},
            "product": {
                "type": "enum",
                "choices": [{"value": "HEB-200", "synonyms": ["wide flange beam", "H beam"]}, {"value": "IPE-300", "synonyms": ["european i beam"]}],
            },
            "note": {"type": "text"},
        },
    )
    parsed, problems = parse(document)
    assert parsed is not None, problems
    return parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a wall of concret please", {"material": "concrete"}),
        ("we take the wide flanges beam here", {"product": "HEB-200"}),
        ("the frame is tymber and an euopean i beam", {"material": "timber", "product": "IPE-300"}),
        ("a wall of concrete please", {}),  # the slot finds it itself
        ("something else entirely", {}),
        ("concret", {}),  # a single word is an answer
        ("", {}),
        ("is it still there", {}),
    ],
)
def test_misspelt_choices_inside_a_sentence(text: str, expected: dict[str, str]) -> None:
    assert near_choices(catalogue(), text) == expected


def test_without_a_tenant_patterns_understand_alone() -> None:
    program = program_of(flow(states={"end": ending()}, intents={"refund": {"keywords": ["refund"]}}))
    assert understand(program, "a refund", locale="en", tenant_id=None, thorough=True).intents == (("refund", 0.8),)
