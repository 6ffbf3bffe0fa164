"""What turns tell the world, and what they keep to themselves."""

import dataclasses
import time
from typing import Any

import jsonschema
import pytest

from conversations import services as talking
from flows import services as flows
from mcp_platform.outbox import queries, services
from mcp_platform.outbox.core.catalogue import TYPES
from mcp_platform.outbox.models import OutboxEvent
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, PERMIT
from tests.factories import TenantFactory, published
from tests.playbook import ending, flow, to

SECRET = "DE89370400440532013000"
ACCOUNT = flow(
    "account",
    states={
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["iban", "city"], "prompts": {"iban": "Your IBAN?", "city": "Where do you live?"}},
            "transitions": [to("done", "slot_filled")],
        },
        "done": ending("{{ slots.city }}, noted: {{ slots.iban }}."),
    },
    slots={"iban": {"type": "text", "sensitive": True}, "city": {"type": "text"}},
)


@pytest.fixture
def office(db: None) -> Tenant:
    tenant = TenantFactory.create()
    for document in (ECHO, PERMIT, ACCOUNT):
        published(tenant, document)
    services.create_endpoint(tenant, fields={"name": "CRM", "url": "https://crm.example.com/hooks"}, by=None)
    queries.forget_listeners()
    return tenant


def told() -> list[OutboxEvent]:
    rows = list(OutboxEvent.objects.order_by("pk"))
    for row in rows:
        jsonschema.validate(row.data, TYPES[row.type].schema, format_checker=jsonschema.FormatChecker())
    return rows


def say(tenant: Tenant, begun: Any, text: str) -> Any:
    return talking.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})


def test_a_conversation_is_told_from_start_to_end(office: Tenant) -> None:
    begun = talking.start(office, flow_id="permit", user_ref="ada", channel="chat")
    say(office, begun, "five")
    say(office, begun, "yes")
    rows = told()
    assert [row.type for row in rows] == [
        "conversation.started", "turn.finished", "slot.filled", "turn.finished", "slot.filled", "conversation.ended", "turn.finished",
    ]  # fmt: skip
    assert {row.key for row in rows} == {str(begun.conversation_id)}
    assert {row.subject for row in rows} == {f"conversations/{begun.conversation_id}"}
    assert rows[2].data["slots"] == {"storeys": 5}
    last = rows[-1].data
    assert (last["status"], last["conversation_status"], last["flow_id"], last["environment"]) == ("done", "ended", "permit", "production")
    assert (last["user_id"], last["channel"], last["turn"]["number"], last["turn"]["kind"]) == ("ada", "chat", 3, "message")


def test_no_word_and_no_secret_leaves(office: Tenant) -> None:
    begun = talking.start(office, flow_id="account")
    say(office, begun, SECRET)
    say(office, begun, "Bremerhaven")
    rows = told()
    filled = {name: value for row in rows if row.type == "slot.filled" for name, value in row.data["slots"].items()}
    assert filled == {"iban": "•••", "city": "Bremerhaven"}
    assert [row.data["masked"] for row in rows if row.type == "slot.filled"] == [["iban"], []]
    everything = str([row.data for row in rows])
    assert SECRET not in everything
    assert "Your IBAN?" not in everything


def test_a_repeated_message_is_told_once(office: Tenant) -> None:
    begun = talking.start(office, flow_id="echo")
    for _ in range(3):
        content = {"type": "text", "text": "hello"}
        talking.process_message(office, conversation_id=begun.conversation_id, content=content, client_message_id="m-1")
    assert [row.data["turn"]["number"] for row in told() if row.type == "turn.finished"] == [1, 2]


def test_only_what_somebody_wants_is_written(office: Tenant) -> None:
    row = queries.endpoints(office).get()
    services.change_endpoint(office, endpoint_id=row.pk, fields={"types": ["conversation.ended"]}, by=None)
    queries.forget_listeners()
    begun = talking.start(office, flow_id="permit")
    say(office, begun, "five")
    say(office, begun, "yes")
    assert [one.type for one in told()] == ["conversation.ended"]


def test_without_endpoints_a_turn_writes_no_event_and_asks_nothing(db: None, django_assert_num_queries: Any) -> None:
    tenant = TenantFactory.create()
    published(tenant, ECHO)
    begun = talking.start(tenant, flow_id="echo")
    say(tenant, begun, "one")
    assert queries.listener(tenant.pk) is None
    with django_assert_num_queries(0):
        assert queries.listener(tenant.pk) is None
    assert not OutboxEvent.objects.exists()


def test_a_handoff_and_the_way_back_are_told(office: Tenant) -> None:
    begun = talking.start(office, flow_id="echo")
    talking.process_message(office, conversation_id=begun.conversation_id, content={"type": "command", "text": "human"})
    talking.process_message(office, conversation_id=begun.conversation_id, content={"type": "command", "text": "resume"})
    types = [row.type for row in told()]
    assert "conversation.handoff" in types
    assert types.index("conversation.handoff") < types.index("conversation.resumed")


def test_publishing_is_told_in_the_order_of_the_flow(office: Tenant) -> None:
    OutboxEvent.objects.all().delete()
    flows.import_flow(office, document={**ECHO, "name": "Echo again"}, replace=True, by=None)
    flows.publish(office, flow_id="echo", by=None)
    flows.roll_back(office, flow_id="echo", number=1, by=None)
    rows = told()
    assert [(row.type, row.data["version"], row.data["previous_version"]) for row in rows] == [("flow.published", 2, 1), ("flow.rolled_back", 1, 2)]
    assert {row.key for row in rows} == {"flow:echo"}


def test_a_type_that_is_not_in_the_catalogue_is_a_fault_of_ours(office: Tenant) -> None:
    with pytest.raises(ValueError, match="catalogue"):
        services.emit(office, type="flow.forgotten", subject="flows/echo", data={}, key="flow:echo")


def test_a_breaker_that_opens_and_closes_is_told(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from conversations.effects import calls
    from conversations.effects.types import failed
    from flows.models import Integration

    OutboxEvent.objects.all().delete()
    land = Integration.objects.create(tenant=office, integration_id="land", name="Land register", base_url="https://land.example.com")
    outcome = {"well": False}

    def heard(_ask: Any) -> Any:
        found = failed("no answer", code="INTEGRATION_ERROR")
        return dataclasses.replace(found, well=outcome["well"])

    monkeypatch.setattr(calls, "_perform", heard)
    monkeypatch.setattr(calls, "_ask", lambda *_: None)
    for _ in range(20):
        calls._guarded(office, land, {}, "key")
    outcome["well"] = True
    later = time.time() + 30
    monkeypatch.setattr("mcp_platform.outbound.breaker.time.time", lambda: later)  # the pause is over
    calls._guarded(office, land, {}, "key")
    rows = told()
    assert [row.type for row in rows] == ["integration.breaker_opened", "integration.breaker_closed"]
    assert {row.key for row in rows} == {"integration:land"}
