"""Flows over REST: ETags, problems with their paths, filters, releases."""

import hashlib
import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from demo.permit_desk import PERMIT_DESK
from flows import services
from flows.models import Flow, State
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests import factories
from tests.factories import greeting
from tests.tenancy.clients import client_of

FLOWS = "/api/v1/flows"


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return client_of(tenant)


def send(client: APIClient, method: str, path: str, body: Any = None, match: str = "") -> Any:
    return getattr(client, method)(path, body, format="json", headers={"If-Match": match} if match else {})


def paths(answer: Any) -> set[str]:
    return {fault["path"] for fault in answer.json()["errors"]}


def test_from_nothing_to_a_running_flow(client: APIClient) -> None:
    made = send(client, "post", FLOWS, {"flow_id": "hello", "name": "Hello"})
    assert (made.status_code, made["Location"], made["ETag"]) == (201, "/api/v1/flows/hello", '"1"')

    refused = send(client, "post", f"{FLOWS}/hello/publish", {})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "FLOW_INVALID")

    document = greeting("hello")
    saved = send(client, "put", f"{FLOWS}/hello/draft", document, match=made["ETag"])
    assert (saved.status_code, saved["ETag"], saved.json()["publishable"]) == (200, '"2"', True)

    published = send(client, "post", f"{FLOWS}/hello/publish", {"note": "First"})
    assert published.status_code == 201
    assert published.json() | {"number": 1, "note": "First", "environments": ["production"]} == published.json()
    assert send(client, "post", f"{FLOWS}/hello/publish", {}).status_code == 200

    flow = client.get(f"{FLOWS}/hello").json()
    assert (flow["latest_version"], flow["running"], flow["problem_count"]) == (1, {"production": 1}, 0)
    version = client.get(f"{FLOWS}/hello/versions/1")
    assert version.json()["definition"]["states"]["ask"]["config"]["prompts"]["name"] == "What is your name?"
    assert version["ETag"] == f'"{version.json()["sha256"]}"'


def test_a_draft_is_saved_only_over_what_was_read(client: APIClient, tenant: Tenant) -> None:
    factories.draft(tenant)
    read = client.get(f"{FLOWS}/greeting/draft")
    assert read["ETag"] == '"1"'
    mine, theirs = {**read.json(), "name": "Mine"}, {**read.json(), "name": "Theirs"}
    assert send(client, "put", f"{FLOWS}/greeting/draft", theirs, match=read["ETag"]).status_code == 200

    stale = send(client, "put", f"{FLOWS}/greeting/draft", mine, match=read["ETag"])
    assert (stale.status_code, stale.json()["error_code"]) == (412, "STALE_ETAG")
    missing = send(client, "put", f"{FLOWS}/greeting/draft", mine)
    assert (missing.status_code, missing.json()["error_code"]) == (428, "PRECONDITION_REQUIRED")
    assert Flow.objects.get().name == "Theirs"


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_flow_changes_need_the_etag_too(client: APIClient, tenant: Tenant, method: str) -> None:
    factories.draft(tenant)
    assert send(client, method, f"{FLOWS}/greeting", {"name": "New"}).status_code == 428
    assert send(client, method, f"{FLOWS}/greeting", {"name": "New"}, match='"7"').status_code == 412
    assert send(client, method, f"{FLOWS}/greeting", {"name": "New"}, match='"7", "1"').status_code in (200, 204)


@pytest.mark.parametrize("action", ["publish", "archive", "unarchive"])
def test_an_etag_that_is_sent_counts_although_it_is_not_needed(client: APIClient, tenant: Tenant, action: str) -> None:
    factories.draft(tenant)
    assert send(client, "post", f"{FLOWS}/greeting/{action}", {}, match='"7"').status_code == 412
    assert send(client, "post", f"{FLOWS}/greeting/{action}", {}, match='"1"').status_code in (200, 201)


def test_a_client_that_has_the_draft_gets_304(client: APIClient, tenant: Tenant) -> None:
    factories.draft(tenant)
    again = client.get(f"{FLOWS}/greeting/draft", headers={"If-None-Match": 'W/"1"'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{FLOWS}/greeting/draft", headers={"If-None-Match": '"2"'}).status_code == 200


def test_every_fault_of_a_document_comes_with_its_path(client: APIClient, tenant: Tenant) -> None:
    factories.draft(tenant)
    document = greeting(surprise=1)
    document["states"]["ask"]["type"] = "telepathy"
    document["states"]["greet"]["transitions"][0] = {"condition": "expression", "target_state": "done", "priority": 5000}
    refused = send(client, "put", f"{FLOWS}/greeting/draft", document, match="*")
    assert (refused.status_code, refused.json()["error_code"], refused["Content-Type"]) == (422, "FLOW_PARSE_ERROR", "application/problem+json")
    assert {
        "$.surprise",
        "$.states.ask.type",
        "$.states.greet.transitions[0].expression",
        "$.states.greet.transitions[0].priority",
    } <= paths(refused)
    unknown = next(fault for fault in refused.json()["errors"] if fault["path"] == "$.states.ask.type")
    assert "slot_filling" in unknown["expected"]


BAD_BODIES = [
    b"{",
    b"[]",
    b"7",
    b"null",
    b'"text"',
    b'{"flow_id": "a", "flow_id": "b"}',
    b'{"name": NaN}',
    b'{"name": "\\u0000"}',
    b'{"name": "\\ud800"}',
    b"\xff\xfe",
    b'{"states": ' + b"[" * 200 + b"]" * 200 + b"}",
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
@pytest.mark.parametrize(("method", "path"), [("post", ""), ("post", "/import"), ("put", "/greeting/draft"), ("patch", "/greeting")])
def test_bad_bodies_write_nothing(client: APIClient, tenant: Tenant, method: str, path: str, body: bytes) -> None:
    factories.draft(tenant)
    before = AuditEntry.objects.count()
    answer = getattr(client, method)(FLOWS + path, body, content_type="application/json", headers={"If-Match": "*"})
    assert answer.status_code in (400, 422), answer.content
    assert answer.json()["error_code"] in ("SCHEMA_ERROR", "FLOW_PARSE_ERROR", "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["path"]
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": 7}, "$.name"),
        ({"name": ""}, "$.name"),
        ({"version": 2}, "$.version"),
        ({"variables": []}, "$.variables"),
        ({"initial_state": "two words"}, "$.initial_state"),
        ({"slots": {"storeys": {"type": "intger"}}}, "$.slots.storeys.type"),
        ({"global_handlers": {"stop": {"on": "telegram"}}}, "$.global_handlers.stop.on"),
        ({"states": {}}, "$.states"),
        ({"flow_id": "other"}, "$.flow_id"),
    ],
)
def test_fields_of_a_flow_are_checked(client: APIClient, tenant: Tenant, body: dict[str, Any], path: str) -> None:
    factories.draft(tenant)
    refused = send(client, "patch", f"{FLOWS}/greeting", body, match="*")
    assert refused.status_code in (400, 422)
    assert path in paths(refused)


@pytest.mark.parametrize("flow_id", ["", "9", "a b", "x" * 64, "ä", 7, None, ["x"], "import"])
def test_a_flow_needs_a_good_name(client: APIClient, flow_id: Any) -> None:
    assert send(client, "post", FLOWS, {"flow_id": flow_id}).status_code in (400, 409, 422)
    assert not Flow.objects.exists()


def test_a_name_is_taken_once(client: APIClient, tenant: Tenant) -> None:
    factories.draft(tenant)
    taken = send(client, "post", FLOWS, {"flow_id": "greeting"})
    assert (taken.status_code, taken.json()["error_code"]) == (409, "ALREADY_EXISTS")


def test_import_export_and_import_again(client: APIClient, tenant: Tenant, codes: None) -> None:
    imported = send(client, "post", f"{FLOWS}/import", PERMIT_DESK)
    assert (imported.status_code, imported.json()["error_count"]) == (201, 0)
    once = client.get(f"{FLOWS}/permit_desk/export")
    assert once["Content-Disposition"] == 'attachment; filename="permit_desk.draft.json"'
    assert send(client, "post", f"{FLOWS}/import", json.loads(once.content)).status_code == 409
    assert send(client, "post", f"{FLOWS}/import?replace=true", json.loads(once.content), match='"9"').status_code == 412
    assert send(client, "post", f"{FLOWS}/import?replace=true", json.loads(once.content)).status_code == 200
    assert client.get(f"{FLOWS}/permit_desk/export").content == once.content
    version = send(client, "post", f"{FLOWS}/permit_desk/publish", {}).json()
    frozen = client.get(f"{FLOWS}/permit_desk/export?version=1").content
    assert frozen == once.content
    assert hashlib.sha256(frozen).hexdigest() == version["sha256"]
    assert client.get(f"{FLOWS}/permit_desk/export?version=2").status_code == 404
    assert client.get(f"{FLOWS}/permit_desk/export?version=x").status_code == 400


def test_validate_checks_the_draft_or_what_it_might_become(client: APIClient, tenant: Tenant) -> None:
    factories.draft(tenant)
    assert send(client, "post", f"{FLOWS}/greeting/validate", {}).json()["publishable"] is True
    broken = greeting()
    broken["states"]["ask"]["transitions"][0]["target_state"] = "gret"
    found = send(client, "post", f"{FLOWS}/greeting/validate", {"document": broken}).json()
    assert found["publishable"] is False
    assert "$.states.ask.transitions[0].target_state" in [problem["path"] for problem in found["problems"]]
    assert Flow.objects.get().rev == 1


def test_roll_back_and_diff(client: APIClient, tenant: Tenant) -> None:
    factories.published(tenant)
    send(client, "patch", f"{FLOWS}/greeting", {"name": "Better"}, match="*")
    changes = client.get(f"{FLOWS}/greeting/diff?before=1").json()["changes"]
    assert changes == [{"path": "$.name", "kind": "changed", "before": "Greeting", "after": "Better"}]
    send(client, "post", f"{FLOWS}/greeting/publish", {})
    assert client.get(f"{FLOWS}/greeting").json()["running"] == {"production": 2}
    assert send(client, "post", f"{FLOWS}/greeting/rollback", {"version": 1}).json()["environments"] == ["production"]
    assert client.get(f"{FLOWS}/greeting").json()["running"] == {"production": 1}
    assert [version["number"] for version in client.get(f"{FLOWS}/greeting/versions").json()["results"]] == [2, 1]
    assert [version["number"] for version in client.get(f"{FLOWS}/greeting/versions?environment=production").json()["results"]] == [1]
    for bad in ({}, {"version": 0}, {"version": "x"}, {"version": 1, "enviroment": "production"}):
        assert send(client, "post", f"{FLOWS}/greeting/rollback", bad).status_code == 400
    assert send(client, "post", f"{FLOWS}/greeting/rollback", {"version": 9}).status_code == 404
    assert client.get(f"{FLOWS}/greeting/diff?before=x").status_code == 400
    assert client.get(f"{FLOWS}/greeting/diff").status_code == 400


def test_lists_are_filtered_ordered_and_paged(client: APIClient, tenant: Tenant, stranger: Tenant) -> None:
    factories.published(tenant, greeting("alpha", name="Alpha desk"))
    factories.draft(tenant, greeting("beta", name="Beta desk"))
    services.create_flow(tenant, flow_id="gamma", by=None)
    services.archive(tenant, flow_id="beta", by=None)
    factories.published(stranger, greeting("delta"))

    def listed(query: str) -> list[str]:
        return [flow["flow_id"] for flow in client.get(f"{FLOWS}?{query}").json()["results"]]

    assert listed("") == ["alpha", "beta", "gamma"]
    assert listed("ordering=-flow_id") == ["gamma", "beta", "alpha"]
    assert listed("archived=false") == ["alpha", "gamma"]
    assert listed("archived=true") == ["beta"]
    assert listed("published=true") == ["alpha"]
    assert listed("has_problems=true") == ["gamma"]
    assert listed("has_problems=false") == ["alpha", "beta"]
    assert listed("environment=production") == ["alpha"]
    assert listed("name=DESK") == ["alpha", "beta"]
    assert listed("flow_id=beta") == ["beta"]
    page = client.get(f"{FLOWS}?limit=2&offset=2").json()
    assert (page["count"], [flow["flow_id"] for flow in page["results"]], page["next"]) == (3, ["gamma"], None)
    assert client.get(f"{FLOWS}?updated_since=soon").status_code == 400


def test_lists_cost_the_same_for_one_flow_and_for_many(client: APIClient, tenant: Tenant, django_assert_max_num_queries: Any) -> None:
    client.get(FLOWS)  # the key is in the cache now
    for number in range(5):
        factories.published(tenant, greeting(f"flow{number}"))
    with django_assert_max_num_queries(6):
        assert client.get(FLOWS).json()["count"] == 5
    with django_assert_max_num_queries(6):
        assert client.get("/api/v1/states").json()["count"] == 15


def test_states_and_transitions_one_by_one(client: APIClient, tenant: Tenant) -> None:
    send(client, "post", FLOWS, {"flow_id": "hello"})
    made = send(
        client, "post", "/api/v1/states", {"flow": "hello", "name": "greet", "type": "response", "config": {"response_templates": {"en": "Hello"}}}
    )
    assert (made.status_code, made["ETag"]) == (201, '"2"')
    state = made.json()
    move = send(client, "post", "/api/v1/transitions", {"state": state["id"], "condition": "any_input", "target_state": "later"}, match='"2"')
    assert (move.status_code, move["ETag"], move.json()["priority"]) == (201, '"3"', 100)
    changed = send(client, "patch", move["Location"], {"priority": 5}, match='"3"')
    assert (changed.status_code, changed.json()["priority"], changed.json()["id"]) == (200, 5, move.json()["id"])
    assert send(client, "patch", move["Location"], {"priority": 6}, match='"3"').status_code == 412
    assert send(client, "patch", move["Location"], {"priority": 6}).status_code == 428
    replaced = send(client, "put", move["Location"], {"condition": "expression", "expression": "true", "target_state": "later"}, match="*")
    assert (replaced.json()["condition"], replaced.json()["priority"]) == ("expression", 100)
    read = client.get(made["Location"]).json()
    assert [transition["target_state"] for transition in read["transitions"]] == ["later"]
    assert send(client, "delete", move["Location"], match="*").status_code == 204
    assert send(client, "delete", made["Location"], match="*").status_code == 204
    assert client.get(made["Location"]).status_code == 404


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.flow"),
        ({"flow": 7}, "$.flow"),
        ({"flow": "greeting"}, "$.name"),
        ({"flow": "greeting", "name": "new"}, "$.type"),
        ({"flow": "greeting", "name": "new", "type": "telepathy"}, "$.type"),
        ({"flow": "greeting", "name": "new", "type": "end", "colour": "red"}, "$.colour"),
        ({"flow": "greeting", "name": "new", "type": "slot_filling", "config": {"required_slots": "name"}}, "$.config.required_slots"),
        ({"flow": "greeting", "name": "new", "type": "wait", "config": []}, "$.config"),
        ({"flow": "greeting", "name": "new", "type": "end", "entry_actions": [{"type": "dance"}]}, "$.entry_actions[0].type"),
        ({"flow": "greeting", "name": "new", "type": "end", "transitions": [{"condition": "x", "target_state": "y"}]}, "$.transitions[0].condition"),
        ({"flow": "greeting", "name": "new", "type": "end", "transitions": "none"}, "$.transitions"),
    ],
)
def test_bad_states_are_refused_with_paths_into_the_body(client: APIClient, tenant: Tenant, body: dict[str, Any], path: str) -> None:
    factories.draft(tenant)
    refused = send(client, "post", "/api/v1/states", body)
    assert refused.status_code in (400, 422), refused.content
    assert path in paths(refused)
    assert State.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"condition": "any_input"}, "$.target_state"),
        ({"target_state": "done"}, "$.condition"),
        ({"condition": "sometimes", "target_state": "done"}, "$.condition"),
        ({"condition": "expression", "target_state": "done"}, "$.expression"),
        ({"condition": "any_input", "target_state": "done", "priority": 1001}, "$.priority"),
        ({"condition": "any_input", "target_state": "done", "priority": "high"}, "$.priority"),
        ({"condition": "timeout", "condition_value": "soon", "target_state": "done"}, "$.condition_value"),
        ({"condition": "any_input", "target_state": "done", "actions": [{}]}, "$.actions[0].type"),
        ({"condition": "any_input", "target_state": "done", "actions": 5}, "$.actions"),
        ({"condition": "any_input", "target_state": "done", "position": "first"}, "$.position"),
        ({"condition": "expression", "expression": "x" * 2001, "target_state": "done"}, "$.expression"),
    ],
)
def test_bad_transitions_are_refused_with_paths_into_the_body(client: APIClient, tenant: Tenant, body: dict[str, Any], path: str) -> None:
    state = State.objects.get(flow=factories.draft(tenant), name="ask")
    refused = send(client, "post", "/api/v1/transitions", {"state": state.pk, **body})
    assert refused.status_code in (400, 422), refused.content
    assert path in paths(refused)
    assert state.transitions.count() == 1


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 2**70])
def test_ids_that_cannot_be_are_not_found(client: APIClient, tenant: Tenant, number: int) -> None:
    factories.draft(tenant)
    assert client.get(f"/api/v1/states/{number}").status_code == 404
    assert client.get(f"/api/v1/transitions/{number}").status_code == 404
    assert client.get(f"{FLOWS}/greeting/versions/{number}").status_code == 404
    assert send(client, "post", "/api/v1/transitions", {"state": number, "condition": "any_input", "target_state": "done"}).status_code == 404


def test_filters_of_states_and_transitions(client: APIClient, tenant: Tenant) -> None:
    flow = factories.draft(tenant)
    factories.draft(tenant, greeting("other"))
    ask = State.objects.get(flow=flow, name="ask")
    assert client.get("/api/v1/states?flow=greeting").json()["count"] == 3
    assert client.get("/api/v1/states?flow=greeting&type=end").json()["count"] == 1
    assert client.get("/api/v1/states?type=telepathy").status_code == 400
    assert client.get(f"/api/v1/transitions?state={ask.pk}").json()["count"] == 1
    assert client.get("/api/v1/transitions?condition=slot_filled").json()["count"] == 2
    assert client.get("/api/v1/transitions?flow=other&target_state=done").json()["count"] == 1


def test_environments(client: APIClient, tenant: Tenant) -> None:
    factories.published(tenant)
    assert send(client, "post", "/api/v1/environments", {"name": "staging"}).json() == {"name": "staging", "is_default": False, "flows": {}}
    assert send(client, "post", "/api/v1/environments", {"name": "staging"}).status_code == 409
    assert send(client, "post", "/api/v1/environments", {"name": "two words"}).status_code == 400
    assert client.get("/api/v1/environments/production").json()["flows"] == {"greeting": 1}
    assert send(client, "patch", "/api/v1/environments/staging", {"is_default": True}).json()["is_default"] is True
    assert send(client, "delete", "/api/v1/environments/staging").status_code == 409
    assert client.get("/api/v1/environments?is_default=true").json()["results"][0]["name"] == "staging"


def test_integrations(client: APIClient) -> None:
    body = {"integration_id": "crm", "base_url": "https://crm.example.com", "authentication": {"type": "bearer", "secret": "CRM_TOKEN"}}
    made = send(client, "post", "/api/v1/integrations", body)
    assert (made.status_code, made["ETag"], made["Location"]) == (201, '"1"', "/api/v1/integrations/crm")
    assert send(client, "patch", made["Location"], {"timeout_ms": 200}).status_code == 428
    assert send(client, "patch", made["Location"], {"timeout_ms": 200}, match='"1"')["ETag"] == '"2"'
    assert send(client, "patch", made["Location"], {"timeout_ms": 300}, match='"1"').status_code == 412
    replaced = send(client, "put", made["Location"], {"base_url": "https://crm2.example.com"}, match='"2"').json()
    assert (replaced["timeout_ms"], replaced["authentication"], replaced["name"]) == (5000, {}, "crm")
    refused = send(client, "patch", made["Location"], {"authentication": {"type": "bearer", "secret": "hunter2"}, "base_url": "x"}, match="*")
    assert (refused.status_code, paths(refused)) == (400, {"$.authentication.secret", "$.base_url"})
    assert b"hunter2" not in refused.content
    assert send(client, "delete", made["Location"], match="*").status_code == 204
