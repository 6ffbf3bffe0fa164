"""From the bot to a person and back: the queue, taking, answering, giving back; exactly once and by one agent."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from conversations import desk, errors, events, handoff, queries, sealed, services
from conversations.core.types import Snapshot
from conversations.core.words import sentence
from conversations.models import Conversation, ConversationEvent, Effect, Handoff, Turn
from mcp_platform.errors import Conflict, Invalid
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from mcp_platform.tenancy.scope import Principal
from tests.conversations.scenes import LandRegister, at_once, calling, check_log, land_register, register_of, said
from tests.conversations.server import worker
from tests.conversations.test_properties import replayed
from tests.factories import TenantFactory, key, member, published
from tests.playbook import ending, flow, response, to

__all__ = ["worker"]
pytestmark = pytest.mark.django_db(transaction=True)

DESK = flow(
    "desk",
    states={
        "ask": {
            "type": "slot_filling",
            "config": {
                "required_slots": ["storeys", "phone"],
                "prompts": {"storeys": "How many storeys?", "phone": "Which number may we call?"},
            },
            "transitions": [to("done", "slot_filled")],
            "metadata": {"handoff": {"skills": ["fire safety"]}},
        },
        "lounge": response("Here is the lounge.", to("done")),
        "done": ending("{{ slots.storeys }} storeys, noted."),
    },
    slots={"storeys": {"type": "integer", "minimum": 1, "maximum": 200}, "phone": {"type": "text", "sensitive": True}},
    metadata={"handoff": {"queue": "permits", "priority": 7, "sla_seconds": 30, "timeout_seconds": 60, "nonsense": 1}},
)


class Scene:
    """A conversation that has asked for a person, and two agents."""

    def __init__(self, **metadata: Any) -> None:
        self.tenant: Tenant = TenantFactory.create()
        document = {**DESK, "metadata": {"handoff": {**DESK["metadata"]["handoff"], **metadata}}}
        published(self.tenant, document)
        self.ada, self.bob = self.agent("Ada"), self.agent("Bob")
        self.id: UUID = services.start(self.tenant, flow_id="desk", user_ref="visitor").conversation_id

    def agent(self, name: str) -> Principal:
        user = member(self.tenant, Role.AGENT)
        user.first_name = name
        user.save()
        return tenancy.principal_of_user(user, self.tenant)

    def hears(self, text: str, message_id: str = "") -> Any:
        content = {"type": "text", "text": text}
        return services.process_message(self.tenant, conversation_id=self.id, content=content, client_message_id=message_id).reply

    def waiting(self) -> Handoff:
        self.hears("a person, please: human")
        self.hears("human")
        return self.row()

    def taken(self) -> Handoff:
        return handoff.take(self.tenant, handoff_id=self.waiting().pk, by=self.ada)

    def interrupted(self, by: Principal, reason: str = "") -> Handoff:
        row = handoff.hand_over(self.tenant, conversation_id=self.id, by=by, reason=reason)
        assert isinstance(row, Handoff)
        return row

    def row(self) -> Handoff:
        return Handoff.objects.filter(conversation_id=self.id).latest("opened_at")

    def kinds(self) -> list[str]:
        return list(ConversationEvent.objects.filter(conversation_id=self.id).order_by("seq").values_list("kind", flat=True))

    def status(self) -> str:
        return Conversation.objects.get(pk=self.id).status


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_asking_for_a_person_opens_an_entry_on_the_flows_terms(scene: Scene) -> None:
    row = scene.waiting()
    assert (row.status, row.queue, row.priority, row.skills, row.reason) == ("waiting", "permits", 7, ["fire safety"], "asked for")
    assert row.answer_due_at is not None
    assert row.answer_due_at - row.opened_at == timedelta(seconds=30)
    assert row.give_up_at is not None
    assert 50 < (row.give_up_at - timezone.now()).total_seconds() < 70
    assert (row.last_by, row.last_text, row.unread) == ("user", "human", 1)
    check_log(scene.id)


def test_while_a_person_is_awaited_the_bot_is_silent_and_the_queue_hears(scene: Scene) -> None:
    row = scene.waiting()
    before = said(scene.id)
    answer = scene.hears("It is urgent")
    assert (answer["response"]["messages"], answer["status"], said(scene.id)) == ([], "handoff", before)
    again = scene.row()
    assert (again.unread, again.last_text, again.rev) == (row.unread + 1, "It is urgent", row.rev + 1)
    assert again.waiting_since == row.waiting_since


def test_an_operator_takes_a_conversation_from_the_bot(scene: Scene) -> None:
    scene.hears("3")
    row = scene.interrupted(scene.ada, "looks lost")
    assert (row.status, row.agent, row.reason, scene.status()) == ("taken", scene.ada.actor, "looks lost", "handoff")
    with pytest.raises(Conflict):
        scene.interrupted(scene.bob)
    check_log(scene.id)


def waiting_for_the_register(land: LandRegister) -> tuple[Principal, UUID]:
    """An agent, and a conversation whose call is under way for as long as the register is shut."""
    tenant = TenantFactory.create()
    register_of(tenant, land)
    published(tenant, calling())
    begun = services.start(tenant, flow_id="register")
    land.open.clear()
    services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": "12/4"})
    return tenancy.principal_of_user(member(tenant, Role.AGENT), tenant), begun.conversation_id


def test_behind_a_call_it_is_pending_and_then_in_the_queue(settings: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoff, "PATIENCE_SECONDS", 0.0)
    with land_register(settings) as land:
        agent, conversation = waiting_for_the_register(land)
        token = key(agent.tenant, of_role(Role.AGENT))
        answer = client.post(f"/api/v1/conversations/{conversation}/handoff", {}, "application/json", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["turn"]["status"]) == (202, "queued")
        assert answer.headers["Location"] == f"/api/v1/conversations/{conversation}/turns/3"
        assert Conversation.objects.get(pk=conversation).status != "handoff"
        land.open.set()
        services.perform_effect(agent.tenant, effect_id=Effect.objects.get().pk, attempt=0)
        services.run_queued(agent.tenant, conversation_id=conversation)
    assert Handoff.objects.get(conversation_id=conversation).status == "waiting"
    check_log(conversation)


def test_behind_a_short_call_it_waits(settings: Any, worker: Any) -> None:
    with land_register(settings) as land:
        agent, conversation = waiting_for_the_register(land)
        threading.Timer(0.3, land.open.set).start()
        row = handoff.hand_over(agent.tenant, conversation_id=conversation, by=agent)
    assert isinstance(row, Handoff)
    assert (row.status, row.agent) == ("taken", agent.actor)
    check_log(conversation)


def test_escalation_opens_an_entry_where_the_flow_names_a_queue() -> None:
    tenant = TenantFactory.create()
    menu = {"type": "intent", "config": {"intent_patterns": ["permit"]}, "transitions": [to("done", "intent_match", "permit")]}
    document = flow("menu", states={"menu": menu, "done": ending("Done.")}, intents={"permit": {"examples": ["a permit"]}})
    published(tenant, {**document, "metadata": {**document.get("metadata", {}), "handoff": {"queue": "permits"}}})
    conversation = services.start(tenant, flow_id="menu").conversation_id
    for text in ("qwertz", "asdfgh", "yxcvbn"):
        assert not Handoff.objects.exists()
        services.process_message(tenant, conversation_id=conversation, content={"type": "text", "text": text})
    row = Handoff.objects.get(conversation_id=conversation)
    assert (row.status, row.queue, row.reason) == ("waiting", "permits", "3 messages in a row were not understood")
    check_log(conversation)


def test_the_detail_masks_sensitive_slots(scene: Scene) -> None:
    scene.hears("3")
    row = scene.interrupted(scene.ada)
    handoff.resume(scene.tenant, handoff_id=row.pk, by=scene.ada, slots={"phone": "0171 555 0199"})
    found = desk.detail(scene.tenant, desk.handoff(scene.tenant, row.pk))
    assert found["context"]["slots"] == {"storeys": 3, "phone": "•••"}
    assert "0171" not in repr(found)
    assert found["ways_back"]["states"] == ["ask", "done", "lounge"]


def test_of_two_agents_one_takes_it(scene: Scene) -> None:
    row = scene.waiting()

    def grab(number: int) -> str:
        try:
            return handoff.take(scene.tenant, handoff_id=row.pk, by=(scene.ada, scene.bob)[number % 2]).agent
        except errors.HandoffTaken as taken:
            return f"too late: {taken.details['agent_name']}"

    outcomes = at_once(6, grab)
    winner = scene.row().agent
    assert scene.kinds().count("agent_joined") == 1
    name = "Ada" if winner == scene.ada.actor else "Bob"
    assert set(outcomes) == {winner, f"too late: {name}"}
    check_log(scene.id)


def test_who_has_it_answers_once_and_the_others_do_not(scene: Scene) -> None:
    row = scene.taken()
    first = handoff.reply(scene.tenant, handoff_id=row.pk, text="Hello, Ada here.", by=scene.ada, client_message_id="r-1")
    again = handoff.reply(scene.tenant, handoff_id=row.pk, text="Hello, Ada here.", by=scene.ada, client_message_id="r-1")
    assert (again.turn_id, again.replayed) == (first.turn_id, True)
    with pytest.raises(errors.MessageIdReused):
        handoff.reply(scene.tenant, handoff_id=row.pk, text="Another text", by=scene.ada, client_message_id="r-1")
    with pytest.raises(errors.HandoffNotYours):
        handoff.reply(scene.tenant, handoff_id=row.pk, text="Me too", by=scene.bob)
    assert scene.kinds().count("agent_said") == 1
    lines = [events.spoken(line, line.turn.number) for line in queries.spoken(scene.tenant, scene.id)]
    assert (lines[-1]["by"], lines[-1]["text"], lines[-1]["data"]["name"]) == ("agent", "Hello, Ada here.", "Ada")
    assert Turn.objects.get(pk=first.turn_id).kind == Turn.Kind.AGENT
    now = scene.row()
    assert (now.unread, now.waiting_since, now.last_by) == (0, None, "agent")
    assert now.answered_at is not None
    check_log(scene.id)


def test_a_message_id_of_the_user_is_not_the_agents(scene: Scene) -> None:
    row = scene.taken()
    scene.hears("hello?", "m-1")
    handoff.reply(scene.tenant, handoff_id=row.pk, text="Yes?", by=scene.ada, client_message_id="m-1")
    assert scene.kinds().count("agent_said") == 1


def test_answers_and_questions_at_once_are_all_in_the_log(scene: Scene) -> None:
    row = scene.taken()

    def talk(number: int) -> None:
        if number % 2:
            handoff.reply(scene.tenant, handoff_id=row.pk, text=f"answer {number}", by=scene.ada, client_message_id=f"r-{number}")
        else:
            scene.hears(f"question {number}", f"m-{number}")

    at_once(8, talk)
    assert (scene.kinds().count("agent_said"), scene.status()) == (4, "handoff")
    check_log(scene.id)


def test_passing_it_on(scene: Scene) -> None:
    row = scene.taken()
    given = handoff.transfer(scene.tenant, handoff_id=row.pk, by=scene.ada, agent=scene.bob.actor)
    assert (given.agent, given.agent_name) == (scene.bob.actor, "Bob")
    back = handoff.transfer(scene.tenant, handoff_id=row.pk, by=scene.bob, queue="fire")
    assert (back.status, back.queue, back.agent) == ("waiting", "fire", "")
    assert back.give_up_at is not None
    assert back.waiting_since is not None
    assert scene.kinds()[-3:] == ["agent_joined", "agent_joined", "agent_left"]
    stranger = tenancy.principal_of_user(member(TenantFactory.create(), Role.AGENT), TenantFactory.create())
    for wrong in ({"agent": stranger.actor}, {"agent": "user:nobody"}, {}, {"agent": scene.ada.actor, "queue": "x"}):
        with pytest.raises(Invalid):
            handoff.transfer(scene.tenant, handoff_id=row.pk, by=scene.ada, **wrong)
    viewer = tenancy.principal_of_user(member(scene.tenant, Role.VIEWER), scene.tenant)
    with pytest.raises(Invalid):
        handoff.transfer(scene.tenant, handoff_id=row.pk, by=scene.ada, agent=viewer.actor)
    check_log(scene.id)


def test_back_to_the_bot_where_it_was(scene: Scene) -> None:
    row = scene.taken()
    done = handoff.resume(scene.tenant, handoff_id=row.pk, by=scene.ada)
    assert done.reply["response"]["text"] == f"{sentence('handed_back', 'en')}\n\nHow many storeys?"
    assert (scene.status(), scene.row().status, scene.row().outcome) == ("waiting", "closed", "resumed")
    assert "number" in scene.hears("7")["response"]["text"]
    with pytest.raises(errors.HandoffClosed):
        handoff.reply(scene.tenant, handoff_id=row.pk, text="Wait!", by=scene.ada)
    with pytest.raises(errors.HandoffClosed):
        handoff.take(scene.tenant, handoff_id=row.pk, by=scene.bob)
    check_log(scene.id)


def test_back_to_the_bot_with_slots_and_into_a_state(scene: Scene) -> None:
    row = scene.taken()
    for wrong in ({"state": "nowhere"}, {"slots": {"storeys": 9999}}, {"slots": {"colour": "red"}}):
        with pytest.raises(Invalid):
            handoff.resume(scene.tenant, handoff_id=row.pk, by=scene.ada, **wrong)
    assert scene.row().status == "taken"
    done = handoff.resume(scene.tenant, handoff_id=row.pk, by=scene.ada, state="lounge", slots={"storeys": "four"})
    assert done.reply["current_state"] == "lounge"
    assert done.reply["context_updates"]["slots"] == {"storeys": 4}
    check_log(scene.id)


def test_an_agent_ends_it(scene: Scene) -> None:
    row = scene.taken()
    handoff.end(scene.tenant, handoff_id=row.pk, by=scene.ada, completion="solved")
    assert (scene.status(), scene.row().outcome) == ("ended", "solved")
    check_log(scene.id)


def test_a_user_who_starts_again_leaves_the_queue(scene: Scene) -> None:
    scene.waiting()
    services.process_message(scene.tenant, conversation_id=scene.id, content={"type": "command", "text": "restart"})
    assert (scene.status(), scene.row().status, scene.row().outcome) == ("waiting", "closed", "restarted")
    scene.hears("human")
    assert (Handoff.objects.count(), scene.row().status) == (2, "waiting")
    services.reset(scene.tenant, conversation_id=scene.id)
    assert Handoff.objects.exclude(status="closed").count() == 0


def test_the_queue_keeps_no_secret(scene: Scene) -> None:
    scene.hears("3")
    scene.hears("0171 555 0199")
    services.process_message(scene.tenant, conversation_id=scene.id, content={"type": "command", "text": "restart"})
    scene.hears("3")
    row = scene.interrupted(scene.ada)
    handoff.resume(scene.tenant, handoff_id=row.pk, by=scene.ada, slots={"phone": "0171 555 0199"}, state="lounge")
    row = scene.interrupted(scene.ada)
    handoff.reply(scene.tenant, handoff_id=row.pk, text="I shall call 0171 555 0199.", by=scene.ada)
    assert "0171" not in scene.row().last_text
    assert "0171" not in repr(desk.detail(scene.tenant, desk.handoff(scene.tenant, row.pk)))


def test_replay_is_live_with_people_too(scene: Scene) -> None:
    row = scene.taken()
    scene.hears("hello?")
    handoff.reply(scene.tenant, handoff_id=row.pk, text="Yes?", by=scene.ada)
    handoff.transfer(scene.tenant, handoff_id=row.pk, by=scene.ada, agent=scene.bob.actor)
    handoff.resume(scene.tenant, handoff_id=row.pk, by=scene.bob, state="ask", slots={"storeys": 4})
    again = scene.interrupted(scene.bob)
    handoff.end(scene.tenant, handoff_id=again.pk, by=scene.bob)
    held = Conversation.objects.get(pk=scene.id)
    at = Snapshot(locale="en", channel="web")
    for turn in check_log(scene.id):
        stored = list(ConversationEvent.objects.filter(turn=turn).order_by("seq"))
        turn.request = sealed.opened(turn.request)
        step = replayed(scene.tenant, held, turn, at, stored[0].at)
        assert [(event.seq, event.kind, event.data) for event in step.events] == [(one.seq, one.kind, sealed.opened(one.data)) for one in stored]
        at = step.snapshot


def overdue(row: Handoff) -> None:
    Handoff.objects.filter(pk=row.pk).update(give_up_at=timezone.now() - timedelta(seconds=1))


def test_when_nobody_comes_the_bot_goes_on(worker: Any) -> None:
    scene = Scene(timeout_text={"en": "Everybody is busy.", "de": "Alle sind beschäftigt."}, timeout_state="lounge")
    row = scene.waiting()
    overdue(row)
    deadline = timezone.now() + timedelta(seconds=15)
    while scene.status() == "handoff" and timezone.now() < deadline:
        pass
    assert said(scene.id)[-2:] == ["Everybody is busy.", "Here is the lounge."]
    assert scene.row().outcome == "unanswered"
    check_log(scene.id)


def test_giving_up_happens_once_and_not_to_who_was_taken(scene: Scene) -> None:
    row = scene.waiting()
    overdue(row)
    at_once(4, lambda _: handoff.give_up(scene.tenant, handoff_id=row.pk))
    assert scene.kinds().count("resumed") == 1
    assert said(scene.id)[-2:] == [sentence("nobody_free", "en"), "How many storeys?"]
    second = scene.taken()
    overdue(second)
    assert handoff.claim_unanswered() == 0
    assert handoff.give_up(scene.tenant, handoff_id=second.pk) is None
    assert scene.status() == "handoff"
    check_log(scene.id)


def test_no_limit_no_giving_up(scene: Scene) -> None:
    patient = Scene(timeout_seconds=0)
    assert patient.waiting().give_up_at is None


def test_notes_are_for_colleagues(scene: Scene) -> None:
    row = scene.taken()
    handoff.add_note(scene.tenant, handoff_id=row.pk, text="Called before.", by=scene.ada)
    found = desk.detail(scene.tenant, desk.handoff(scene.tenant, row.pk))
    assert [(note["author_name"], note["text"]) for note in found["notes"]] == [("Ada", "Called before.")]
    assert "Called before." not in repr(queries.log_after(scene.tenant, scene.id, 0, 100))
    assert found["rev"] > row.rev


def test_who_is_here(scene: Scene) -> None:
    handoff.be_present(scene.tenant, by=scene.ada)
    handoff.be_present(scene.tenant, by=scene.bob, status="away")
    scene.taken()
    assert [(one["name"], one["status"], one["conversations"]) for one in desk.agents(scene.tenant)] == [("Ada", "available", 1), ("Bob", "away", 0)]
    handoff.be_gone(scene.tenant, by=scene.bob)
    assert [one["name"] for one in desk.agents(scene.tenant)] == ["Ada"]


def test_canned_responses(scene: Scene) -> None:
    row = handoff.save_canned(scene.tenant, shortcut="hours", texts={"en": "We are here from 8 to 4."}, queue="permits")
    handoff.save_canned(scene.tenant, shortcut="bye", texts={"en": "Goodbye."})
    with pytest.raises(Conflict):
        handoff.save_canned(scene.tenant, shortcut="bye", texts={"en": "Farewell."})
    assert [one["shortcut"] for one in desk.canned(scene.tenant, "fire")] == ["bye"]
    assert [one["shortcut"] for one in desk.canned(scene.tenant, "permits")] == ["bye", "hours"]
    handoff.delete_canned(scene.tenant, canned_id=row.pk)
    assert [one["shortcut"] for one in desk.canned(scene.tenant)] == ["bye"]
