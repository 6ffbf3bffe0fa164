"""Scripts played to the engine: what passes, and where exactly it differs."""

from typing import Any

import pytest

from conversations.core.rehearsal import rehearse
from conversations.core.types import Call, Outcome, Understanding
from conversations.nlu.patterns import understand
from flows.core import transcripts
from flows.core.types import Json
from flows.core.verdicts import Verdict
from tests.conversations.scenes import PERMIT, REMINDER, calling
from tests.playbook import book_of

PERMIT_STORY = """
bot: How many storeys?
user: 12
bot: Are there sprinklers?
expect slots.storeys = 12
expect slots.sprinklers absent
expect state = ask
user: yes
bot: 12 storeys, noted.
expect completion = completed
expect status = ended
no calls
"""


def play(document: Json, text: str, **stubs: Json) -> Verdict:
    script, problems = transcripts.parse(text)
    assert script is not None, problems

    def answer(call: Call) -> Outcome | None:
        return Outcome(success=True, status_code=200, data=stubs[call.integration_id]) if call.integration_id in stubs else None

    def hear(programs: Any, words: str, locale: str) -> Understanding:
        return understand(programs[-1], words, locale=locale)

    return rehearse(book_of(document), script, flow_id=document["flow_id"], understand=hear, stubs=answer)


def test_a_story_that_holds() -> None:
    verdict = play(PERMIT, PERMIT_STORY)
    assert verdict.passed, verdict.divergence
    assert verdict.visits == {"ask", "done"}
    assert [line.text for line in verdict.lines if line.by == "user"] == ["12", "yes"]


@pytest.mark.parametrize(
    ("text", "step", "message", "got"),
    [
        ("bot: How many floors?", 0, "something else", "How many storeys?"),
        ("bot more\nuser: 12\nbot: Are there sprinklers?\nbot: And?", 3, "says nothing", "nothing"),
        ("user: 12\nexpect slots.storeys = 13", 1, "slots.storeys", "12"),
        ("user: 12\nexpect slots.storeys = true", 1, "slots.storeys", "12"),
        ("user: 12\nexpect slots.height present", 1, "slots.height", "absent"),
        ("user: 12\nexpect state = done", 1, "state", '"ask"'),
        ("user: 12\nbot silent", 1, "not silent", "Are there sprinklers?"),
        ("user: 12\nuser: yes\nbot never: noted", 2, "must never", "12 storeys, noted."),
        ("press: Maybe", 0, "no such button", ""),
        ("user: 12\nanswer crm: {}", 1, "Nothing waits", "no call"),
        ("user: 12\ncalls crm", 1, "not made", "no call"),
        ("user: 12\nuser: yes\nuser: more", 2, "does not take this now", "CONVERSATION_ENDED"),
    ],
)
def test_the_first_divergence_is_named(text: str, step: int, message: str, got: str) -> None:
    divergence = play(PERMIT, text).divergence
    assert divergence is not None
    assert (divergence.step, got in divergence.got) == (step, True), divergence
    assert message in divergence.message


def test_a_bot_that_says_more_than_the_script() -> None:
    land = 'user: 7\nanswer land: {"owner": "Ada"}\nbot: It belongs to Ada.\nuser: 8\nanswer land: {"owner": "Bob"}'
    assert play(calling(), land).passed
    more = play(PERMIT, "bot: How many storeys?\nuser: twelve, and yes\nbot contains: sprink\nuser: yes").divergence
    assert more is None or "more" not in more.message
    silent = play(REMINDER, "bot: Still there?\nwait: PT2M\nbot: We will write to you.\nexpect state = late")
    assert silent.passed, silent.divergence


def test_calls_are_answered_by_the_script_before_a_stub() -> None:
    story = 'user: 7\ncalls land: {"word": "7"}\nanswer land: {"owner": "Ada"}\nbot: It belongs to Ada.\nexpect variables.owner = Ada'
    assert play(calling(), story, land={"owner": "Stub"}).passed
    stubbed = play(calling(), "user: 7\nbot: It belongs to Stub.\ncalls land", land={"owner": "Stub"})
    assert stubbed.passed, stubbed.divergence


def test_a_call_that_nobody_answers_fails_clearly() -> None:
    divergence = play(calling(), "user: 7").divergence
    assert divergence is not None
    assert divergence.message == "The flow calls land, and neither the script nor a stub answers."
    assert '"word": "7"' in divergence.got


def test_a_call_that_fails() -> None:
    verdict = play(calling(), "user: 7\nfail land 503: INTEGRATION_TIMEOUT too late\nbot: The register says: INTEGRATION_TIMEOUT.")
    assert verdict.passed, verdict.divergence


def test_another_request_than_expected() -> None:
    divergence = play(calling(), 'user: 7\ncalls land: {"word": "8"}\nanswer land: {}').divergence
    assert divergence is not None
    assert (divergence.step, divergence.got) == (1, 'land {"word": "7"}')


def test_time_passes_when_the_script_says_so() -> None:
    assert play(REMINDER, "wait: PT59S\nexpect state = ask\nwait: PT1S\nexpect state = late").passed


def test_the_clock_is_the_scripts() -> None:
    document = {
        **PERMIT,
        "states": {**PERMIT["states"], "done": {"name": "done", "type": "end", "config": {"response_templates": {"default": "{{ now | date }}"}}}},
    }
    verdict = play(document, "at: 2031-02-03T10:00:00+00:00\nuser: 12\nuser: yes\nbot contains: 2031")
    assert verdict.passed, verdict.divergence


def test_understanding_can_be_given() -> None:
    verdict = play(PERMIT, 'user {"finish": 0.5}: 12\nexpect intent = finish')
    assert verdict.passed, verdict.divergence


def test_the_same_script_gives_the_same_verdict() -> None:
    assert play(PERMIT, PERMIT_STORY) == play(PERMIT, PERMIT_STORY)
