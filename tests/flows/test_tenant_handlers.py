"""The tenant's own handlers: checked like a flow's, saved once for the whole tenant, heard at once in every conversation."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings

from conversations import services as talking
from flows import queries, services
from flows.core import lint
from flows.core.definition import tenant as tenant_definition
from flows.errors import DefinitionRefused, DraftHasChanged
from flows.models import TenantHandlers
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from tests import factories
from tests.factories import greeting
from tests.flows.strategies import anything
from tests.tenancy.clients import client_of

HOURS: Any = {
    "intents": {"hours": {"patterns": ["open"], "examples": ["when are you open?"]}},
    "global_handlers": {"hours": {"on": "intent", "value": "hours", "mode": "inline", "response_templates": {"default": "From 9 to 5."}}},
    "metadata": {"texts": {"help": {"default": "Call 123."}}},
}
TABLE = {
    **greeting("table"),
    "intents": {"book": {"patterns": ["book"]}},
    "metadata": {"triggers": ["book"]},
}


def problems_of(document: Any) -> dict[str, str]:
    _, found = lint.check_tenant(document, known_flows={"table"})
    return {problem.path: problem.code for problem in found}


def test_a_good_document_has_no_problems() -> None:
    assert problems_of(HOURS) == {}


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"mode": "goto", "target_state": "x"}, "$.global_handlers.hours.mode", "unknown_mode"),
        ({"actions": [{"type": "set_variable", "name": "a", "value": 1}]}, "$.global_handlers.hours.actions[0].type", "unknown_value"),
        ({"actions": [{"type": "send_message", "text": "{{ slots.a }}"}]}, "$.global_handlers.hours.actions[0].text", "bad_template"),
        ({"value": "nothing"}, "$.global_handlers.hours.value", "unknown_intent"),
        ({"mode": "push", "flow_id": "nowhere"}, "$.global_handlers.hours.flow_id", "unknown_flow"),
        ({"response_templates": {"default": "{{ 1 + }}"}}, "$.global_handlers.hours.response_templates", "bad_template"),
        ({"when": "'x'"}, "$.global_handlers.hours.when", "not_bool"),
        ({"colour": "red"}, "$.global_handlers.hours.colour", "unknown_key"),
    ],
)
def test_each_fault_has_its_path(change: Any, path: str, code: str) -> None:
    document = {**HOURS, "global_handlers": {"hours": {**HOURS["global_handlers"]["hours"], **change}}}
    assert problems_of(document).get(path) == code, problems_of(document)


def test_an_unknown_sentence_is_a_warning() -> None:
    assert problems_of({"metadata": {"texts": {"hlep": "x"}}}) == {"$.metadata.texts.hlep": "unknown_sentence"}


@settings(max_examples=60)
@given(anything)
def test_garbage_never_crashes(document: Any) -> None:
    flow, problems = tenant_definition.parse(document)
    assert flow is not None or problems


def test_what_was_read_is_written_and_read_again() -> None:
    flow, _ = tenant_definition.parse(HOURS)
    assert flow is not None
    assert tenant_definition.parse(tenant_definition.export(flow)) == (flow, [])


db = pytest.mark.django_db


@db
def test_there_is_one_document_and_every_change_is_in_the_audit(tenant: Tenant) -> None:
    assert queries.tenant_handlers(tenant).rev == 0
    saved = services.save_tenant_handlers(tenant, document=HOURS, by=None)
    again = services.save_tenant_handlers(tenant, document=HOURS, by=None)
    assert (saved.rev, again.rev, TenantHandlers.objects.for_tenant(tenant).count()) == (1, 1, 1)
    with pytest.raises(DraftHasChanged):
        services.save_tenant_handlers(tenant, document={}, expected_rev=0, by=None)
    assert services.save_tenant_handlers(tenant, document={}, expected_rev=1, by=None).rev == 2
    assert AuditEntry.objects.filter(tenant=tenant, action="tenant_handlers.save").count() == 2


@db
def test_nothing_is_saved_while_it_has_errors(tenant: Tenant) -> None:
    with pytest.raises(DefinitionRefused) as refused:
        services.save_tenant_handlers(tenant, document={"global_handlers": {"a": {"on": "moon"}}}, by=None)
    assert refused.value.details["errors"][0]["path"] == "$.global_handlers.a.on"
    assert not TenantHandlers.objects.for_tenant(tenant).exists()


def said(result: Any) -> list[str]:
    return [message["text"] for message in result.reply["response"]["messages"]]


@db
def test_a_running_conversation_hears_them_at_once(tenant: Tenant) -> None:
    factories.published(tenant)
    talk = talking.start(tenant, flow_id="greeting")
    services.save_tenant_handlers(tenant, document=HOURS, by=None)
    answer = talking.process_message(tenant, conversation_id=talk.conversation_id, content={"type": "text", "text": "are you open on Sundays?"})
    assert said(answer) == ["From 9 to 5.", "What is your name?"]
    helped = talking.process_message(tenant, conversation_id=talk.conversation_id, content={"type": "command", "text": "help"})
    assert said(helped)[0] == "Call 123."


@db
def test_they_are_the_tenants_own(tenant: Tenant) -> None:
    other = factories.TenantFactory.create(slug="other")
    services.save_tenant_handlers(tenant, document=HOURS, by=None)
    factories.published(other)
    talk = talking.start(other, flow_id="greeting")
    answer = talking.process_message(other, conversation_id=talk.conversation_id, content={"type": "command", "text": "help"})
    assert said(answer)[0] != "Call 123."


@db
def test_words_start_another_flow(tenant: Tenant) -> None:
    factories.published(tenant, {**greeting(), "initial_state": "wait", "states": {**greeting()["states"], "wait": {
        "type": "wait", "config": {"prompt": "Well?"}, "transitions": [{"condition": "intent_match", "target_state": "ask"}]}}})  # fmt: skip
    factories.published(tenant, TABLE)
    talk = talking.start(tenant, flow_id="greeting")
    answer = talking.process_message(tenant, conversation_id=talk.conversation_id, content={"type": "text", "text": "book a table"})
    assert said(answer) == ["What is your name?"]
    assert answer.reply["current_state"] == "ask"
    last = talking.process_message(tenant, conversation_id=talk.conversation_id, content={"type": "text", "text": "Ann"})
    assert said(last) == ["Hello Ann!", "Well?"]


@db
def test_over_rest(tenant: Tenant) -> None:
    client = client_of(tenant, Role.OWNER)
    read = client.get("/api/v1/handlers")
    assert (read.status_code, read.json()["rev"], read["ETag"]) == (200, 0, '"0"')
    saved = client.put("/api/v1/handlers", HOURS, format="json", headers={"If-Match": read["ETag"]})
    assert (saved.status_code, saved.json()["rev"], saved.json()["publishable"]) == (200, 1, True)
    stale = client.put("/api/v1/handlers", HOURS, format="json", headers={"If-Match": read["ETag"]})
    assert (stale.status_code, stale.json()["error_code"]) == (412, "STALE_ETAG")
    bad = client.put("/api/v1/handlers", {"global_handlers": {"a": {"on": "moon"}}}, format="json", headers={"If-Match": saved["ETag"]})
    assert (bad.status_code, bad.json()["error_code"], bad.json()["errors"][0]["path"]) == (422, "FLOW_PARSE_ERROR", "$.global_handlers.a.on")


@db
def test_in_the_admin(tenant: Tenant) -> None:
    browser = Client()
    browser.force_login(factories.member(tenant), backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("admin:flows_tenanthandlers_add")
    refused = browser.post(page, {"document": json.dumps({"global_handlers": {"a": {"on": "moon"}}})})
    assert refused.status_code == 200
    assert "is not known" in refused.content.decode()
    assert browser.post(page, {"document": json.dumps(HOURS)}).status_code == 302
    row = TenantHandlers.objects.for_tenant(tenant).get()
    assert row.document["global_handlers"].keys() == {"hours"}
    shown = browser.get(reverse("admin:flows_tenanthandlers_change", args=(row.pk,)))
    assert shown.status_code == 200
    assert "From 9 to 5." in shown.content.decode()
