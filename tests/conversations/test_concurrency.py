"""Promises 1 and 2: exactly once, and no lost update, with real threads on a real database."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from conversations import services, store
from conversations.models import Conversation, ConversationEvent, Turn
from conversations.turn import Result
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, PERMIT, at_once, check_log
from tests.factories import TenantFactory, published

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, PERMIT)
    published(tenant, ECHO)
    return tenant


def test_twenty_posts_with_one_id_are_one_turn(office: Tenant) -> None:
    begun = services.start(office, flow_id="permit")
    before = ConversationEvent.objects.count()

    def post(_: int) -> Result:
        return services.process_message(
            office, conversation_id=begun.conversation_id, content={"type": "text", "text": "three"}, client_message_id="m-1", wait_seconds=5
        )

    results = at_once(20, post)
    assert Counter(result.replayed for result in results) == {True: 19, False: 1}
    assert all(result.reply == results[0].reply for result in results)
    turns = check_log(begun.conversation_id)
    assert len(turns) == 2
    assert ConversationEvent.objects.count() - before == ConversationEvent.objects.filter(turn=turns[1]).count()


def test_twenty_posts_of_the_message_that_ends_it_are_one_turn(office: Tenant) -> None:
    """On PostgreSQL the duplicates find an ended conversation behind the lock, and must still get the reply."""
    office.settings = {"ended_conversation": "refuse"}
    begun = services.start(office, flow_id="permit", inputs={"storeys": 2})

    def post(_: int) -> Result:
        content = {"type": "text", "text": "yes"}
        return services.process_message(office, conversation_id=begun.conversation_id, content=content, client_message_id="m-1")

    results = at_once(20, post)
    assert Counter(result.replayed for result in results) == {True: 19, False: 1}
    assert {result.reply["status"] for result in results} == {"ended"}


class _Deaf:
    """The database commits, and its first answer does not arrive: one of the faults after which a transaction is repeated."""

    def __init__(self) -> None:
        self.lost = 0
        self._atomic, self._save = transaction.atomic, store.save

    @contextmanager
    def atomic(self) -> Iterator[None]:
        with self._atomic():
            yield
        self._lose()

    def save(self, *given: Any) -> None:
        self._save(*given)
        if not connection.in_atomic_block:  # this statement was the whole transaction
            self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = 1
            raise OperationalError("database is locked")


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> _Deaf:
    made = _Deaf()
    monkeypatch.setattr(transaction, "atomic", made.atomic)
    monkeypatch.setattr(store, "save", made.save)
    return made


def test_a_start_whose_commit_is_not_answered_is_one_conversation(office: Tenant, deaf: _Deaf) -> None:
    begun = services.start(office, flow_id="permit")
    assert deaf.lost
    assert begun.reply["response"]["text"] == "How many storeys?"
    assert Conversation.objects.count() == Turn.objects.count() == 1


def test_a_message_whose_commit_is_not_answered_is_one_turn(office: Tenant, deaf: _Deaf) -> None:
    deaf.lost = 1
    begun = services.start(office, flow_id="permit")
    deaf.lost = 0
    said = services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": "12"}, client_message_id="m")
    assert deaf.lost
    assert said.reply["context_updates"]["slots"] == {"storeys": 12}
    assert [turn.number for turn in check_log(begun.conversation_id)] == [1, 2]


@pytest.mark.servers
def test_a_statement_that_could_write_only_half_writes_nothing(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[store.Write] = []
    save = store.save

    def seen(write: store.Write, *rest: Any) -> None:
        writes.append(write)
        save(write, *rest)

    monkeypatch.setattr(store, "save", seen)
    begun = services.start(office, flow_id="echo")
    services.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": "hello"}, client_message_id="m")
    held = Conversation.objects.get(pk=begun.conversation_id)
    with pytest.raises(store.TurnTaken):  # the revision is right, the turn exists
        save(replace(writes[-1], rev=held.rev))
    with pytest.raises(store.TurnTaken):  # the revision has moved, the turn is new
        save(replace(writes[-1], turn=replace(writes[-1].turn, id=office.pk, client_message_id="n", number=9)))
    again = Conversation.objects.get(pk=begun.conversation_id)
    assert (again.rev, again.last_seq, again.updated_at) == (held.rev, held.last_seq, held.updated_at)
    check_log(begun.conversation_id)


def test_twenty_starts_with_one_id_are_one_conversation(office: Tenant) -> None:
    results = at_once(20, lambda _: services.start(office, flow_id="permit", client_message_id="s-1"))
    assert Counter(result.replayed for result in results) == {True: 19, False: 1}
    assert all(result.reply == results[0].reply for result in results)
    assert Conversation.objects.count() == Turn.objects.count() == 1


def test_sixty_four_posts_are_sixty_four_turns(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")

    def post(number: int) -> Result:
        content = {"type": "text", "text": f"message {number}"}
        return services.process_message(office, conversation_id=begun.conversation_id, content=content, client_message_id=f"m-{number}")

    results = at_once(64, post)
    assert {result.status for result in results} == {"done"}
    assert sorted(result.number for result in results) == list(range(2, 66))
    check_log(begun.conversation_id)


def test_many_jobs_for_one_queue_run_every_turn_once(office: Tenant) -> None:
    begun = services.start(office, flow_id="echo")
    for number in range(30):
        content = {"type": "text", "text": f"message {number}"}
        services.process_message(office, conversation_id=begun.conversation_id, content=content, client_message_id=f"m-{number}", defer=True)
    counts = at_once(16, lambda _: services.run_queued(office, conversation_id=begun.conversation_id))
    assert sum(counts) == 30
    turns = check_log(begun.conversation_id)
    assert {(turn.status, turn.attempts) for turn in turns} == {("done", 1)}


def test_conversations_do_not_wait_for_each_other(office: Tenant) -> None:
    begun = [services.start(office, flow_id="permit") for _ in range(16)]

    def talk(number: int) -> str:
        for text in ("three", "yes"):
            last = services.process_message(office, conversation_id=begun[number].conversation_id, content={"type": "text", "text": text})
        return str(last.reply["status"])

    assert set(at_once(16, talk)) == {"ended"}
    for one in begun:
        check_log(one.conversation_id)
