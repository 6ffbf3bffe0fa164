"""A policy decision point has the last word on flows: over HTTP, against a real server that decides as the test says."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.fixtures import Settings

from conversations import services as conversations
from conversations.models import Conversation
from flows import queries
from flows import services as flows
from flows.models import Flow
from mcp_platform.tenancy import access
from mcp_platform.tenancy.models import Tenant, User
from tests.factories import TenantFactory, UserFactory
from tests.integrations import outside
from tests.tenancy.clients import client_of, logged_in

pytestmark = pytest.mark.django_db
DOCUMENT: dict[str, Any] = {
    "flow_id": "greeting",
    "name": "Greeting",
    "initial_state": "greet",
    "states": {"greet": {"type": "end", "config": {"response_templates": {"default": "Hello!"}}}},
}


@pytest.fixture
def tenant() -> Tenant:
    found: Tenant = TenantFactory.create()
    flows.import_flow(found, document=DOCUMENT, by=None)
    flows.publish(found, flow_id="greeting", by=None)
    return found


@pytest.fixture
def author() -> User:
    return UserFactory.create()


@pytest.fixture
def hub(settings: Settings) -> Iterator[outside.Web]:
    with outside.web() as server:
        settings.SECURITY_HUB_URL = server.url
        settings.SECURITY_HUB_TOKEN = "hub-token"
        server.answer = lambda _: outside.Reply(body={"decision": True})
        yield server


def refuse(hub: outside.Web, context: Any = None) -> None:
    hub.answer = lambda _: outside.Reply(body={"decision": False, "context": context})


def test_it_is_asked_who_wants_what_of_which_flow(hub: outside.Web, tenant: Tenant, author: User) -> None:
    flows.update_flow(tenant, flow_id="greeting", fields={"description": "Polite"}, by=author)
    asked = hub.got[0]
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/access/v1/evaluation", "Bearer hub-token")
    about = {"tenant_id": str(tenant.pk), "tenant": tenant.slug}
    assert asked.json["subject"] == {"type": "user", "id": str(author.pk), "properties": about}
    assert asked.json["action"] == {"name": "edit"}
    assert asked.json["resource"] == {"type": "flow", "id": "greeting", "properties": about}


def doors(tenant: Tenant, author: User) -> dict[str, Any]:
    flow = queries.flow(tenant, "greeting")
    return {
        "create": lambda: flows.create_flow(tenant, flow_id="second", by=author),
        "edit": lambda: flows.update_flow(tenant, flow_id=flow.pk, fields={"name": "x"}, by=author),
        "save": lambda: flows.save_draft(tenant, flow_id="greeting", document={**DOCUMENT, "name": "x"}, by=author),
        "import": lambda: flows.import_flow(tenant, document={**DOCUMENT, "name": "x"}, replace=True, by=author),
        "state": lambda: flows.save_state(tenant, flow_id="greeting", fields={"name": "x", "type": "end"}, by=author),
        "publish": lambda: flows.publish(tenant, flow_id="greeting", by=author),
        "roll back": lambda: flows.roll_back(tenant, flow_id="greeting", number=1, environment="production", by=author),
        "archive": lambda: flows.archive(tenant, flow_id="greeting", by=author),
        "delete": lambda: flows.delete_flow(tenant, flow_id="greeting", by=author),
        "start": lambda: conversations.start(tenant, flow_id="greeting", actor=f"user:{author.pk}"),
    }


@pytest.mark.parametrize("door", ["create", "edit", "save", "import", "state", "publish", "roll back", "archive", "delete", "start"])
def test_what_it_refuses_is_not_done_and_its_reason_is_told(hub: outside.Web, tenant: Tenant, author: User, door: str) -> None:
    refuse(hub, {"reason_user": {"en": "Closed until Monday."}})
    with pytest.raises(access.Refused, match="Closed until Monday"):
        doors(tenant, author)[door]()
    assert [(flow.flow_id, flow.rev, flow.archived_at) for flow in Flow.objects.for_tenant(tenant)] == [("greeting", 1, None)]
    assert not Conversation.objects.for_tenant(tenant).exists()


@pytest.mark.parametrize(
    "reply",
    [
        outside.Reply(status=500),
        outside.Reply(body=b"<html>"),
        outside.Reply(body={"decision": "yes"}),
        outside.Reply(body=[True]),
        outside.Reply(body={"decision": True}, after_seconds=1.5),
    ],
)
def test_without_an_answer_nothing_is_allowed(hub: outside.Web, tenant: Tenant, author: User, reply: outside.Reply, settings: Settings) -> None:
    settings.SECURITY_HUB_TIMEOUT_MS = 500
    hub.answer = lambda _: reply
    with pytest.raises(access.HubAway):
        conversations.start(tenant, flow_id="greeting", actor=f"user:{author.pk}")
    assert not Conversation.objects.for_tenant(tenant).exists()


def test_a_decision_is_believed_for_a_while_only(hub: outside.Web, tenant: Tenant, author: User, settings: Settings) -> None:
    actor = f"user:{author.pk}"
    conversations.start(tenant, flow_id="greeting", actor=actor)
    refuse(hub)
    conversations.start(tenant, flow_id="greeting", actor=actor)
    assert len(hub.got) == 1
    access.forget()
    settings.SECURITY_HUB_CACHE_SECONDS = 0
    with pytest.raises(access.Refused):
        conversations.start(tenant, flow_id="greeting", actor=actor)
    hub.answer = lambda _: outside.Reply(body={"decision": True})
    conversations.start(tenant, flow_id="greeting", actor=actor)


def test_the_platforms_own_work_is_not_asked_about(hub: outside.Web, tenant: Tenant) -> None:
    refuse(hub)
    flows.publish(tenant, flow_id="greeting", by=None)
    conversations.start(tenant, flow_id="greeting")
    assert hub.got == []


def test_over_rest_a_refusal_is_a_problem_document(hub: outside.Web, tenant: Tenant) -> None:
    client = client_of(tenant)
    refuse(hub)
    answer = client.post("/api/v1/conversations", {"flow_id": "greeting"}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (403, "REFUSED_BY_SECURITY_HUB")
    access.forget()
    hub.answer = lambda _: outside.Reply(status=503)
    answer = client.post("/api/v1/conversations", {"flow_id": "greeting"}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (503, "SECURITY_HUB_UNAVAILABLE")


def test_the_admin_asks_before_its_transaction_and_shows_the_reason(hub: outside.Web, tenant: Tenant, settings: Settings) -> None:
    settings.SECURITY_HUB_CACHE_SECONDS = 0  # whatever is asked inside the transaction is asked anew
    owner = UserFactory.create(is_superuser=True, is_staff=True)
    client = logged_in(owner)
    flow = queries.flow(tenant, "greeting")
    page = reverse("admin:flows_flow_change", args=(flow.pk,))
    form = client.get(page).context["adminform"].form
    given = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
    refuse(hub, {"reason_user": "Closed until Monday."})
    answer = client.post(page, {**given, "name": "x", "rev": flow.rev})
    assert "Closed until Monday." in answer.content.decode()
    hub.answer = lambda _: outside.Reply(body={"decision": True})
    before = len(hub.got)
    client.post(page, {**given, "name": "Hello", "rev": flow.rev})
    assert Flow.objects.get(pk=flow.pk).name == "Hello"
    assert len(hub.got) == before + 1
