"""Stored conversations played again: the same on their own version, different where a change makes them so, and the cause is named."""

import copy
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from conversations import errors, records, rehearsals, replays, services
from conversations.core import replay
from conversations.models import Conversation, ConversationEvent, Effect, Replay, ReplayedConversation, Turn
from flows import queries as flow_queries
from flows import services as flow_services
from flows.core import scripts as script_core
from flows.core import transcripts
from flows.core.types import Json
from mcp_platform.operations.errors import Cancelled
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import PERMIT, REMINDER, calling
from tests.conversations.test_sensitive import SAFE
from tests.factories import TenantFactory, published
from tests.playbook import ending, flow, response, to

pytestmark = pytest.mark.django_db
Verdict = ReplayedConversation.Verdict
CHOICE = flow(
    "choice",
    states={
        "ask": {
            "type": "intent",
            "config": {"intent_patterns": ["yes", "no"], "prompt": "Shall we?"},
            "transitions": [to("go", "intent_match", "yes"), to("stay", "intent_match", "no")],
        },
        "go": ending("Off we go."),
        "stay": ending("We stay.", completion_type="declined"),
    },
    intents={"yes": {"patterns": ["yes", "sure"]}, "no": {"patterns": ["no", "never"]}},
)


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


def talk(tenant: Tenant, flow_id: str, *texts: Any, **start: Any) -> UUID:
    begun = services.start(tenant, flow_id=flow_id, **start)
    for text in texts:
        content = text if isinstance(text, dict) else {"type": "text", "text": text}
        services.process_message(tenant, conversation_id=begun.conversation_id, content=content)
    return begun.conversation_id


def changed(document: Json, **states: Json) -> Json:
    """The definition with some states replaced; None takes one out."""
    copied = copy.deepcopy(document)
    for name, state in states.items():
        if state is None:
            del copied["states"][name]
        else:
            copied["states"][name] = {**copied["states"].get(name, {"name": name, "transitions": []}), **state}
    return copied


def save(tenant: Tenant, document: Json) -> None:
    flow_services.save_draft(tenant, flow_id=document["flow_id"], document=document, by=None)


class Told:
    def __init__(self, stop_after: int = 10**9) -> None:
        self.seen: list[int] = []
        self.stop_after = stop_after

    def report(self, done: int, total: int, phase: str = "") -> None:
        self.seen.append(done)
        if done >= self.stop_after:
            raise Cancelled


def play(tenant: Tenant, flow_id: str, **more: Any) -> tuple[Replay, dict[str, Any]]:
    made = replays.prepare(tenant, flow_id=flow_id, by=None, **more)
    return made, replays.work(tenant, {"replay_id": str(made.pk)}, Told())


def causes(counts: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(one["cause"], one["detail"], one["count"]) for one in counts["causes"]]


def test_an_unchanged_draft_changes_nothing(office: Tenant) -> None:
    published(office, PERMIT)
    for texts in (["12", "yes"], ["hello", "500", "7", "no"], ["12"], [{"type": "command", "text": "restart"}, "3"]):
        talk(office, "permit", *texts)
    made, counts = play(office, "permit")
    assert (counts["total"], counts["same"], counts["causes"]) == (4, 4, [])
    assert made.target == "draft rev 1"
    assert not ReplayedConversation.objects.exclude(diff=None).exists()


def test_sessions_that_begin_again(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes", "hello", "5", "no")
    assert play(office, "permit")[1]["same"] == 1


def test_recorded_answers_of_an_integration_are_used_and_nobody_is_called(office: Tenant) -> None:
    register(office)
    talk_with_answer(office, "7", {"owner": "Ada"})
    assert play(office, "register")[1]["same"] == 1
    assert Effect.objects.count() == 1


def register(tenant: Tenant) -> None:
    flow_services.save_integration(tenant, integration_id="land", fields={"base_url": "https://land.example.com"}, create=True, by=None)
    published(tenant, calling())


def talk_with_answer(tenant: Tenant, text: str, data: Json) -> UUID:
    from conversations.core.types import Outcome

    begun = services.start(tenant, flow_id="register")
    services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})
    effect = Effect.objects.get(conversation_id=begun.conversation_id, status="started")
    services.deliver(tenant, effect_id=effect.pk, outcome=Outcome(success=True, status_code=200, data=data))
    return begun.conversation_id


def test_buttons_and_timers_are_translated(office: Tenant) -> None:
    published(office, REMINDER)
    begun = services.start(office, flow_id="reminder")
    token = next(iter(Conversation.objects.get().snapshot["timers"]))
    services.fire_timer(office, conversation_id=begun.conversation_id, token=token, attempt=0)
    # an entry action shifts every number of the log, so tokens of timers and buttons are others
    entry = [{"type": "log_event", "name": "seen"}]
    save(office, changed(REMINDER, ask={"entry_actions": entry}, late={"entry_actions": entry}))
    assert play(office, "reminder")[1]["same"] == 1


def test_only_words_differ(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes")
    talk(office, "permit", "12")
    save(office, changed(PERMIT, done=ending("{{ slots.storeys }} floors.")))
    _, counts = play(office, "permit")
    assert (counts["same"], counts["differs"], counts["texts_only"]) == (1, 1, 1)
    assert causes(counts) == [("text", "done", 1)]
    row = ReplayedConversation.objects.get(verdict="differs")
    assert (row.diverged_at, row.texts_only) == (3, True)
    pair = (row.diff or {})["turns"][2]
    assert [one["replies"][0]["text"] for one in (pair["before"], pair["after"])] == ["12 storeys, noted.", "12 floors."]


@pytest.mark.parametrize(
    ("states", "cause"),
    [
        (
            {"done": None, "bye": ending("{{ slots.storeys }} storeys, noted."), "ask": {"transitions": [to("bye", "slot_filled")]}},
            ("state_missing", "done"),
        ),
        ({"bye": ending("Bye."), "ask": {"transitions": [to("bye", "slot_filled")]}}, ("transition", "ask: done → bye")),
        ({"done": ending("{{ slots.storeys }} storeys, noted.", completion_type="filed")}, ("completion", "completed → filed")),
        ({"done": {**ending("{{ slots.storeys }} storeys, noted."), "entry_actions": [{"type": "send_message", "text": "So:"}]}}, ("reply", "done")),
    ],
)
def test_causes(office: Tenant, states: dict[str, Any], cause: tuple[str, str]) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes")
    save(office, changed(PERMIT, **states))
    _, counts = play(office, "permit")
    assert [(one["cause"], one["detail"]) for one in counts["causes"]] == [cause]


def test_a_slot_that_is_refused_now(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes")
    save(office, {**PERMIT, "slots": {**PERMIT["slots"], "storeys": {"type": "integer", "minimum": 1, "maximum": 9}}})
    _, counts = play(office, "permit")
    assert causes(counts) == [("slot", "storeys", 1)]
    assert ReplayedConversation.objects.get().diverged_at == 2


def test_words_are_understood_anew_where_the_intents_have_changed(office: Tenant) -> None:
    published(office, CHOICE)
    talk(office, "choice", "sure")
    save(office, {**CHOICE, "intents": {"yes": {"patterns": ["yes"]}, "no": {"patterns": ["no", "never", "sure"]}}})
    assert causes(play(office, "choice")[1]) == [("intent", "yes → no", 1)]
    assert play(office, "choice", understanding="recorded")[1]["same"] == 1


def test_a_call_that_the_record_has_no_answer_to(office: Tenant) -> None:
    published(office, REMINDER)
    flow_services.save_integration(office, integration_id="land", fields={"base_url": "https://land.example.com"}, create=True, by=None)
    talk(office, "reminder", "yes")
    moves = [to("thanks", "integration_success"), to("late", "integration_error")]
    look = {"type": "integration", "config": {"integration_id": "land", "endpoint": "x"}, "transitions": moves}
    save(office, changed(REMINDER, look=look, ask={"transitions": [to("late", "timeout"), to("look")]}))
    assert causes(play(office, "reminder")[1]) == [("unanswered", "land", 1)]


def test_a_turn_that_fails_now(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes")
    broken = {"entry_actions": [{"type": "set_variable", "name": "x", "expression": "1 / (slots.storeys - slots.storeys)", "on_error": "fail"}]}
    save(office, {**changed(PERMIT, done=broken), "variables": {"x": {"type": "int", "initial": 0}}})
    _, counts = play(office, "permit")
    assert [(one["cause"], one["detail"].split(" ")[0]) for one in counts["causes"]] == [("error", "STATE_EXECUTION_ERROR")]


def test_conversations_are_chosen(office: Tenant) -> None:
    published(office, PERMIT)
    for _ in range(3):
        talk(office, "permit", "12")
    save(office, changed(PERMIT, done=ending("Fine.")))
    flow_services.publish(office, flow_id="permit", by=None)
    talk(office, "permit", "12", "yes")
    assert play(office, "permit", count=2)[1]["total"] == 2
    assert play(office, "permit", ran_on=1)[1]["total"] == 3
    made, counts = play(office, "permit", ran_on=2, number=1)
    assert (made.target, causes(counts)) == ("version 1", [("text", "done", 1)])
    with pytest.raises(errors.NothingToReplay):
        play(office, "permit", environment="", since=Conversation.objects.latest("updated_at").updated_at.replace(year=2100))


def test_it_goes_on_where_it_was(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    published(office, PERMIT)
    for _ in range(5):
        talk(office, "permit", "12")
    monkeypatch.setattr(replays, "BATCH", 2)
    made = replays.prepare(office, flow_id="permit", by=None)
    with pytest.raises(Cancelled):
        replays.work(office, {"replay_id": str(made.pk)}, Told(stop_after=2))
    assert made.results.filter(verdict=Verdict.PENDING).count() == 3
    told = Told()
    assert replays.work(office, {"replay_id": str(made.pk)}, told)["same"] == 5
    assert told.seen == [2, 4, 5]


def test_the_draft_may_change_meanwhile(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes")
    made = replays.prepare(office, flow_id="permit", by=None)
    save(office, changed(PERMIT, done=ending("Something else.")))
    assert replays.work(office, {"replay_id": str(made.pk)}, Told())["same"] == 1


def test_a_log_that_cannot_be_read_fails_alone(office: Tenant) -> None:
    published(office, PERMIT)
    broken, _ = talk(office, "permit", "12"), talk(office, "permit", "12")
    ConversationEvent.objects.filter(conversation_id=broken, kind="started").delete()
    _, counts = play(office, "permit")
    assert (counts["same"], counts["skipped"] + counts["failed"] + counts["differs"]) == (1, 1)


def test_only_the_newest_replays_are_kept(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12")
    monkeypatch.setattr(replays, "KEPT", 2)
    made = [replays.prepare(office, flow_id="permit", by=None).pk for _ in range(3)]
    assert set(Replay.objects.values_list("pk", flat=True)) == set(made[1:])


def test_a_stranger_sees_no_replay(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12")
    made = replays.prepare(office, flow_id="permit", by=None)
    with pytest.raises(errors.ReplayNotFound):
        records.replay(TenantFactory.create(), made.pk)


def test_sensitive_values_are_masked(office: Tenant) -> None:
    document = changed(SAFE, end=ending("Your pin is {{ slots.pin }}."))
    published(office, document)
    talk(office, "safe", "12", "4711")
    save(office, changed(document, end=ending("Keep {{ slots.pin }} to yourself.")))
    made, counts = play(office, "safe")
    assert counts["texts_only"] == 1
    row = made.results.get()
    assert "4711" not in str(row.diff) + row.detail
    assert (row.diff or {})["turns"][2]["said"] == "•••"
    assert (row.diff or {})["turns"][2]["after"]["slots"]["pin"] == "•••"


def test_what_if_the_user_had_said_something_else(office: Tenant) -> None:
    published(office, PERMIT)
    key = talk(office, "permit", "12", "yes")
    assert replays.what_if(office, conversation_id=key).same
    found = replays.what_if(office, conversation_id=key, changes={2: {"type": "text", "text": "44"}})
    assert (found.diverged_at, found.cause and found.cause.where) == (2, "storeys")
    assert found.turns[2].after is not None
    assert found.turns[2].after.replies[0]["text"] == "44 storeys, noted."
    with pytest.raises(errors.TurnNotFound):
        replays.what_if(office, conversation_id=key, changes={9: {"type": "text", "text": "44"}})


def test_what_if_leaves_no_trace(office: Tenant) -> None:
    published(office, PERMIT)
    key = talk(office, "permit", "12", "yes")
    before = (Turn.objects.count(), ConversationEvent.objects.count())
    replays.what_if(office, conversation_id=key, changes={2: {"type": "text", "text": "44"}})
    assert (Turn.objects.count(), ConversationEvent.objects.count()) == before


def test_whole_logs_are_found_whole(office: Tenant) -> None:
    published(office, PERMIT)
    talk(office, "permit", "12", "yes")
    assert list(replays.verify(office)) == []


def test_a_log_that_does_not_fold_to_its_snapshot_is_found(office: Tenant) -> None:
    published(office, PERMIT)
    key, gap = talk(office, "permit", "12"), talk(office, "permit", "12")
    held = Conversation.objects.get(pk=key)
    Conversation.objects.filter(pk=key).update(snapshot={**held.snapshot, "slots": {"storeys": 13}})
    ConversationEvent.objects.filter(conversation_id=gap, seq=2).delete()
    assert dict(replays.verify(office)) == {key: ["the fold differs in slots"], gap: ["event 2 is missing or out of order"]}


def test_a_record_begins_with_a_start() -> None:
    assert replay.rerun(replay.Record(conversation_id="x", moments=()), None).skipped != ""  # type: ignore[arg-type]  # never looked at


def test_a_conversation_becomes_a_test_that_passes(office: Tenant) -> None:
    published(office, PERMIT)
    key = talk(office, "permit", "hello", "12", "yes")
    row = rehearsals.record_test(office, conversation_id=key, by=None)
    assert (row.flow.flow_id, row.recorded_from) == ("permit", key)
    script, _ = script_core.parse(row.script)
    assert script is not None
    text = transcripts.write(script)
    assert "bot: 12 storeys, noted.\nexpect state = done\nexpect slots.sprinklers = true\nexpect status = ended" in text
    assert flow_services.run_tests(office, flow_id="permit").failed == ()
    again = rehearsals.record_test(office, conversation_id=key, by=None)
    assert again.name == f"{row.name} (2)"


def test_the_test_fails_when_the_flow_changes(office: Tenant) -> None:
    published(office, PERMIT)
    rehearsals.record_test(office, conversation_id=talk(office, "permit", "12", "yes"), by=None)
    save(office, changed(PERMIT, done=ending("Noted.")))
    [failed] = flow_services.run_tests(office, flow_id="permit").failed
    assert failed.verdict.divergence is not None
    assert failed.verdict.divergence.got == "Noted."


def test_calls_and_answers_are_recorded(office: Tenant) -> None:
    register(office)
    row = rehearsals.record_test(office, conversation_id=talk_with_answer(office, "7", {"owner": "Ada"}), by=None)
    kinds = [step["type"] for step in row.script["steps"]]
    assert kinds == ["bot", "expect", "user", "calls", "answer", "bot", "expect"]
    assert flow_services.run_tests(office, flow_id="register").failed == ()


def test_a_timer_becomes_a_wait(office: Tenant) -> None:
    published(office, REMINDER)
    begun = services.start(office, flow_id="reminder")
    token = next(iter(Conversation.objects.get().snapshot["timers"]))
    ConversationEvent.objects.update(at=ConversationEvent.objects.latest("seq").at - timedelta(days=30))
    services.fire_timer(office, conversation_id=begun.conversation_id, token=token, attempt=0)
    row = rehearsals.record_test(office, conversation_id=begun.conversation_id, by=None)
    assert "wait" in [step["type"] for step in row.script["steps"]]
    assert flow_services.run_tests(office, flow_id="reminder").failed == ()


@pytest.mark.parametrize("said", [["12", "4711"], ["12 storeys, pin 4711"], ["12", "47110", "4711"]])
def test_no_sensitive_value_gets_into_a_test(office: Tenant, said: list[str]) -> None:
    document = changed(SAFE, end=ending("Your pin {{ slots.pin }} is noted."))
    published(office, document)
    key = talk(office, "safe", *said)
    row = rehearsals.record_test(office, conversation_id=key, by=None)
    assert "4711" not in str(row.script)
    report = flow_services.run_tests(office, flow_id="safe")
    assert report.failed == ()
    assert any("is noted" in line.text for line in report.ran[0].verdict.lines)


def test_a_conversation_of_somebody_else_is_no_test(office: Tenant) -> None:
    published(office, PERMIT)
    key = talk(office, "permit", "12")
    stranger = TenantFactory.create()
    published(stranger, PERMIT)
    with pytest.raises(errors.ConversationNotFound):
        rehearsals.record_test(stranger, conversation_id=key, by=None)
    assert not flow_queries.tests(stranger, "permit").exists()


def test_response_states_are_played(office: Tenant) -> None:
    published(office, flow("echo", states={"listen": response("You said {{ message.text }}.", to("listen"))}))
    talk(office, "echo", "a", "b", {"type": "attachment", "attributes": {"url": "https://example.com/plan.pdf"}}, {"type": "event", "text": "opened"})
    assert play(office, "echo")[1]["same"] == 1
