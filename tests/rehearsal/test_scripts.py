"""Scripts: what is written as text reads back as the same script, and faults are all told at once, each in its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.core import scripts, transcripts
from flows.core.scripts import (
    Answer,
    Attach,
    Called,
    Expect,
    Fail,
    Hear,
    Match,
    More,
    NotCalled,
    Notice,
    Order,
    Press,
    Relation,
    Say,
    Script,
    Silent,
    Wait,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60).filter(lambda text: bool(text.strip()))
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_\-]{0,20}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
CONFIDENCES = st.dictionaries(NAMES, st.floats(0, 1), max_size=3)
PATHS = st.sampled_from(["state", "status", "buttons"]) | NAMES.map(lambda name: f"slots.{name}")
PLAIN = [Relation.IS, Relation.IS_NOT]
STEPS = st.one_of(
    st.builds(Say, text=TEXT, intents=st.none() | CONFIDENCES, entities=st.none() | st.dictionaries(NAMES, TEXT, min_size=1, max_size=2)),
    st.builds(Press, label=TEXT),
    st.builds(Press, intent=NAMES, slots=OBJECTS, stale=st.booleans()),
    st.builds(Notice, name=NAMES),
    st.builds(Order, name=st.sampled_from(scripts.COMMANDS)),
    st.builds(Attach, text=st.just("") | TEXT),
    st.builds(Wait, duration=st.integers(1, 366 * 24 * 3_600_000)),
    st.builds(Answer, integration=NAMES, data=VALUES, status=st.integers(200, 299)),
    st.builds(Fail, integration=NAMES, code=st.from_regex(r"[A-Z_]{1,20}", fullmatch=True), message=st.just("") | NAMES, status=st.integers(0, 599)),
    st.builds(Hear, text=TEXT, match=st.sampled_from([Match.IS, Match.CONTAINS, Match.NEVER])),
    st.just(Silent()),
    st.just(More()),
    st.builds(Expect, path=PATHS, relation=st.sampled_from(PLAIN), value=VALUES),
    st.builds(Expect, path=PATHS, relation=st.just(Relation.CONTAINS), value=TEXT),
    st.builds(Expect, path=PATHS, relation=st.sampled_from([Relation.ABSENT, Relation.PRESENT])),
    st.builds(Called, integration=NAMES, request=OBJECTS),
    st.builds(NotCalled, integration=st.just("") | NAMES),
)
SCRIPTS = st.builds(
    Script, steps=st.lists(STEPS, max_size=12).map(tuple), locale=st.sampled_from(["en", "de-AT"]), inputs=OBJECTS, profile=OBJECTS,
    at=st.sampled_from(["", "2026-11-23T09:00:00+00:00"]),
)  # fmt: skip


@given(SCRIPTS)
def test_text_reads_back_as_the_same_script(script: Script) -> None:
    written = transcripts.write(script)
    found, problems = transcripts.parse(written)
    assert problems == [], written
    assert found == script, written


@given(SCRIPTS)
def test_json_reads_back_as_the_same_script(script: Script) -> None:
    found, problems = scripts.parse(scripts.to_json(script))
    assert problems == []
    assert found == script


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    found, problems = transcripts.parse(text)
    assert (found is None) == bool(problems)


def test_faults_name_their_lines() -> None:
    text = 'user: hello\n\n# a comment\nexpekt state = x\nexpect fame = x\nwait: soon\nbot matches: (\nanswer crm: {\npress {"intent": 3}'
    found, problems = transcripts.parse(text)
    assert found is None
    assert [problem.path for problem in problems] == ["line 4", "line 5", "line 6", "line 7", "line 8", "line 9"]
    assert 'did you mean "expect"' in problems[0].message


def test_a_text_of_several_lines() -> None:
    found, _ = transcripts.parse("bot: Dear Ada,\n    | how are you?\n    |\n    | Yours\nuser: fine")
    assert found is not None
    assert found.steps[0] == Hear(text="Dear Ada,\nhow are you?\n\nYours")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "$"),
        ({}, "$.steps"),
        ({"steps": [{"type": "shout"}]}, "$.steps[0].type"),
        ({"steps": [{"type": "user"}]}, "$.steps[0].text"),
        ({"steps": [{"type": "user", "text": "x", "intents": {"a": 2}}]}, "$.steps[0].intents.a"),
        ({"steps": [{"type": "press"}]}, "$.steps[0]"),
        ({"steps": [{"type": "bot", "text": "(", "match": "matches"}]}, "$.steps[0].text"),
        ({"steps": [{"type": "expect", "path": "slots.", "value": 1}]}, "$.steps[0].path"),
        ({"steps": [{"type": "expect", "path": "state", "relation": "contains", "value": 1}]}, "$.steps[0].value"),
        ({"steps": [], "at": "tomorrow"}, "$.at"),
        ({"steps": [], "colour": "red"}, "$.colour"),
    ],
)
def test_faults_of_json_name_their_paths(document: Any, path: str) -> None:
    found, problems = scripts.parse(document)
    assert found is None
    assert path in [problem.path for problem in problems]


def test_all_faults_of_a_file_at_once() -> None:
    good: dict[str, Any] = {"steps": []}
    found, problems = scripts.parse_tests({"tests": [{"name": "", "script": {}}, {"name": "a", "script": good, "enabled": "yes"}]})
    assert found is None
    assert [problem.path for problem in problems] == ["$.tests[0].name", "$.tests[0].script.steps", "$.tests[1].enabled"]
    _, problems = scripts.parse_tests({"tests": [{"name": "a", "script": good}, {"name": "a", "script": good}]})
    assert [problem.path for problem in problems] == ["$.tests[1].name"]
