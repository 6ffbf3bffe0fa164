"""Replay is live: whatever is said to a running platform, the stored inputs played to the pure core give what was stored and said."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import queries, services
from conversations.core import codec
from conversations.core.machine import advance
from conversations.core.types import Snapshot, Step
from conversations.models import Conversation, ConversationEvent, Turn
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, PERMIT, REMINDER, check_log
from tests.factories import TenantFactory, published

COMMANDS = ("restart", "stop", "human", "help", "cancel", "repeat")
WORDS = ("hello", "three", "5", "no, 7", "yes", "no", "500", "-1", "what?", "storeys 4 and sprinklers", "ß\u0301 🏗️", "{{ slots.storeys }}", "'; --")
TEXTS = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)
SLOTS = st.sampled_from(["storeys", "sprinklers", "x"])
CONTENTS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXTS),
    st.builds(lambda name: {"type": "command", "text": name}, st.sampled_from(COMMANDS)),
    st.builds(lambda slots: {"type": "postback", "slots": slots}, st.dictionaries(SLOTS, st.integers(-2, 300) | st.booleans())),
    st.just({"type": "attachment", "attributes": {"url": "https://example.com/plan.pdf"}}),
    st.just({"type": "event", "text": "page_opened"}),
)


@pytest.fixture
def office(db: None) -> Tenant:
    tenant = TenantFactory.create()
    for document in (ECHO, PERMIT, REMINDER):
        published(tenant, document)
    return tenant


@settings(max_examples=40)
@given(flow_id=st.sampled_from(["echo", "permit", "reminder"]), locale=st.sampled_from(["en", "de"]), contents=st.lists(CONTENTS, max_size=6))
def test_replay_is_live(flow_id: str, locale: str, contents: list[dict[str, Any]], office: Tenant) -> None:
    begun = services.start(office, flow_id=flow_id, locale=locale)
    for content in contents:
        result = services.process_message(office, conversation_id=begun.conversation_id, content=content)
        assert result.reply["response"]["messages"] is not None
    turns = check_log(begun.conversation_id)  # the fold of the stored events is the stored snapshot
    held = Conversation.objects.get(pk=begun.conversation_id)
    at = Snapshot(locale=locale, channel="web")
    for turn in turns:
        stored = list(ConversationEvent.objects.filter(turn=turn).order_by("seq"))
        step = replayed(office, held, turn, at, stored[0].at)
        assert [(event.seq, event.kind, event.data) for event in step.events] == [(row.seq, row.kind, row.data) for row in stored]
        at = step.snapshot
    assert codec.snapshot_to_json(at) == codec.snapshot_to_json(queries.snapshot_of(held))


def replayed(tenant: Tenant, held: Conversation, turn: Turn, at: Snapshot, moment: datetime) -> Step:
    """The turn again, from its stored input at its own time, in the pure core."""
    starts = turn.request.get("flow_id", "")
    book = queries.book(tenant, held.environment_id, () if starts else [frame.program for frame in at.frames], starts)
    return advance(book, at, codec.input_from_json(turn.request["input"]), moment, conversation_id=str(held.pk))
