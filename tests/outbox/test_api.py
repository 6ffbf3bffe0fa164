"""The doors of events: endpoints, deliveries, the catalogue; as owner, member, stranger and anonymous."""

from typing import Any

import jsonschema
import pytest

from mcp_platform.outbox.core.catalogue import TYPES
from mcp_platform.outbox.models import Delivery, Endpoint
from mcp_platform.tenancy.models import Role, Tenant
from tests.tenancy.clients import client_of
from tests.tenancy.conftest import stranger, tenant

__all__ = ["stranger", "tenant"]
ENDPOINTS = "/api/v1/event-endpoints"
DELIVERIES = "/api/v1/event-deliveries"
CRM = {"name": "CRM", "url": "https://crm.example.com/hooks", "types": ["conversation.*"], "headers": {"Authorization": "Bearer abc"}}


def made(client: Any, **fields: Any) -> dict[str, Any]:
    answer = client.post(ENDPOINTS, {**CRM, **fields}, format="json")
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def test_the_secret_is_shown_once_and_header_values_never(tenant: Tenant) -> None:
    client = client_of(tenant)
    new = made(client)
    assert new["secret"].startswith("whsec_")
    shown = client.get(f"{ENDPOINTS}/{new['id']}")
    assert "secret" not in shown.json()
    assert shown.json()["headers"] == ["Authorization"]
    row = Endpoint.objects.get()
    assert b"Bearer abc" not in shown.content
    assert new["secret"] not in row.sealed_secret
    assert "Bearer abc" not in row.sealed_headers


def test_an_endpoint_is_changed_and_deleted(tenant: Tenant) -> None:
    client = client_of(tenant)
    new = made(client)
    changed = client.patch(f"{ENDPOINTS}/{new['id']}", {"enabled": False, "types": [], "headers": {"Authorization": None, "X-A": "b"}}, format="json")
    assert changed.status_code == 200, changed.content
    assert (changed.json()["enabled"], changed.json()["types"], changed.json()["headers"]) == (False, [], ["Authorization", "X-A"])
    assert client.delete(f"{ENDPOINTS}/{new['id']}").status_code == 204
    assert client.get(ENDPOINTS).json()["count"] == 0


def test_a_secret_is_rotated(tenant: Tenant) -> None:
    client = client_of(tenant)
    new = made(client)
    rotated = client.post(f"{ENDPOINTS}/{new['id']}/rotate-secret", {"overlap_seconds": 60}, format="json")
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != new["secret"]
    assert rotated.json()["previous_until"] is not None
    assert rotated.headers["Cache-Control"] == "no-store"


def test_a_test_event_can_be_followed_and_sent_again(tenant: Tenant) -> None:
    client = client_of(tenant)
    new = made(client)
    answer = client.post(f"{ENDPOINTS}/{new['id']}/test")
    assert answer.status_code == 202
    found = client.get(answer.headers["Location"]).json()
    assert (found["status"], found["event"]["type"], found["event"]["id"]) == ("pending", "endpoint.test", found["event_id"])
    assert client.post(f"{DELIVERIES}/{found['id']}/redeliver").json()["error_code"] == "DELIVERY_IS_OPEN"
    Delivery.objects.update(status="dead")
    assert client.get(f"{DELIVERIES}?status=dead&endpoint_id={new['id']}").json()["count"] == 1
    assert client.post(f"{ENDPOINTS}/{new['id']}/redeliver", {}, format="json").json() == {"count": 1}
    Delivery.objects.update(status="dead")
    assert client.post(f"{DELIVERIES}/{found['id']}/redeliver").status_code == 202
    assert Delivery.objects.get().redeliveries == 2


def test_the_catalogue_is_there_with_valid_schemas(tenant: Tenant) -> None:
    client = client_of(tenant, Role.ANALYST)
    found = client.get("/api/v1/event-types").json()
    assert [one["name"] for one in found] == list(TYPES)
    for one in found:
        jsonschema.Draft202012Validator.check_schema(one["schema"])
    assert [one["key"] for one in client.get("/api/v1/event-types?name=turn.finished").json()] == ["the conversation"]
    assert client.get("/api/v1/event-types?name=turn.lost").json() == []


def test_who_may_see_may_not_change(tenant: Tenant) -> None:
    new = made(client_of(tenant))
    member = client_of(tenant, Role.EDITOR)
    assert member.get(f"{ENDPOINTS}/{new['id']}").status_code == 200
    for method, address in (("post", ""), ("patch", f"/{new['id']}"), ("delete", f"/{new['id']}"), ("post", f"/{new['id']}/rotate-secret")):
        answer = getattr(member, method)(ENDPOINTS + address, {}, format="json")
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert client_of(tenant, Role.VIEWER).get(ENDPOINTS).status_code == 403


def test_strangers_find_nothing_and_anonymous_is_asked(tenant: Tenant, stranger: Tenant) -> None:
    new = made(client_of(tenant))
    client_of(tenant).post(f"{ENDPOINTS}/{new['id']}/test")
    delivery = Delivery.objects.get()
    theirs = client_of(stranger)
    assert theirs.get(ENDPOINTS).json()["count"] == theirs.get(DELIVERIES).json()["count"] == 0
    for address in (f"{ENDPOINTS}/{new['id']}", f"{DELIVERIES}/{delivery.pk}"):
        assert theirs.get(address).status_code == 404
        assert client_of(None).get(address).status_code == 401
    assert theirs.post(f"{DELIVERIES}/{delivery.pk}/redeliver").status_code == 404


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "ftp://crm.example.com"}, "$.url"),
        ({"url": "http://crm.example.com"}, "$.url"),
        ({"url": "https://user:word@crm.example.com"}, "$.url"),
        ({"url": "https://"}, "$.url"),
        ({"url": "https://[::1"}, "$.url"),
        ({"url": ""}, "$.url"),
        ({"name": " "}, "$.name"),
        ({"types": ["conversation.started", "nothing.*"]}, "$.types[1]"),
        ({"headers": {"webhook-id": "1"}}, "$.headers.webhook-id"),
        ({"headers": {"Host": "x"}}, "$.headers.Host"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "$.headers.X-A"),
        ({"headers": {"X-A": None}}, "$.headers.X-A"),
        ({"timeout_ms": 5}, "$.timeout_ms"),
        ({"max_attempts": 100}, "$.max_attempts"),
        ({"kind": "analytics"}, "$.kind"),
        ({"secret": "whsec_mine"}, "$.secret"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_with_the_path(tenant: Tenant, fields: dict[str, Any], path: str) -> None:
    answer = client_of(tenant).post(ENDPOINTS, {**CRM, **fields}, format="json")
    assert answer.status_code == 400, answer.content
    assert path in [fault["path"] for fault in answer.json()["errors"]]
    assert not Endpoint.objects.exists()


def test_two_endpoints_have_two_names(tenant: Tenant) -> None:
    client = client_of(tenant)
    made(client)
    answer = client.post(ENDPOINTS, CRM, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "$.name")
