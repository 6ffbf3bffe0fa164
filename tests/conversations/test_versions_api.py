"""Plans over REST: who may, what the answers look like, and what is refused."""

import json
from typing import Any

import pytest
from django.test import Client

from conversations import services, versions
from conversations.models import MigrationPlan
from flows import services as flow_services
from flows.models import Flow
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from tests.conversations.test_versions import MAP, permit, publish, work
from tests.factories import TenantFactory, bearer, published

pytestmark = pytest.mark.django_db
BASE = "/api/v1/migration-plans"


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, permit())
    services.start(tenant, flow_id="permit")
    publish(tenant, permit("levels", "owner", "holder"))
    return tenant


class Caller:
    def __init__(self, tenant: Tenant | None, role: str = Role.OWNER) -> None:
        self._client = Client(headers=bearer(tenant, of_role(role)) if tenant else {})

    def call(self, method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        text = b"" if body is None else json.dumps(body).encode()
        return self._client.generic(method, path if path.startswith("/api") else BASE + path, text, content_type="application/json", headers=headers)


@pytest.fixture
def owner(office: Tenant) -> Caller:
    return Caller(office)


def made(owner: Caller, **more: Any) -> Any:
    answer = owner.call("POST", body={"flow_id": "permit", "source": 1, "mapping": MAP, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_from_the_counts_to_a_finished_plan_and_back(office: Tenant, owner: Caller) -> None:
    counts = owner.call("GET", "/api/v1/flows/permit/live").json()["versions"]
    assert [(row["version"], row["runs"], row["total"], row["states"]) for row in counts] == [(2, True, 0, {}), (1, False, 1, {"ask": 1})]
    plan = made(owner)
    assert (plan["status"], plan["source"], plan["target"], plan["environment"]) == ("draft", 1, 2, "production")
    assert owner.call("POST", f"/{plan['id']}/dry-run").status_code == 202
    assert work(office).kind == "conversations.dry_run_plan"
    assert owner.call("GET", f"/{plan['id']}").json()["report"]["movable"] == 1
    answer = owner.call("POST", f"/{plan['id']}/apply")
    assert answer.status_code == 202
    operation = answer.json()["operation_id"]
    assert answer["Location"] == f"/api/v1/operations/{operation}/"
    assert work(office).result["migrated"] == 1
    assert owner.call("GET", f"/{plan['id']}").json()["status"] == "finished"
    assert owner.call("POST", f"/{plan['id']}/revert", {"inverse": True}).status_code == 202
    assert work(office).result["restored"] == 1


def test_a_plan_is_changed_with_its_etag(owner: Caller) -> None:
    plan = made(owner)
    path = f"/{plan['id']}"
    etag = owner.call("GET", path)["ETag"]
    assert owner.call("PATCH", path, {"note": "x"}).status_code == 428
    assert owner.call("PATCH", path, {"note": "x"}, **{"If-Match": '"0"'}).status_code == 412
    answer = owner.call("PATCH", path, {"policy": "force", "note": "x"}, **{"If-Match": etag})
    assert (answer.status_code, answer.json()["policy"], answer.json()["rev"]) == (200, "force", 2)


def test_an_applied_plan_is_stopped_and_kept(owner: Caller) -> None:
    plan = made(owner)
    owner.call("POST", f"/{plan['id']}/apply")
    again = owner.call("POST", f"/{plan['id']}/apply")
    assert (again.status_code, again.json()["error_code"]) == (409, "PLAN_STATE")
    assert owner.call("PATCH", f"/{plan['id']}", {"note": "x"}, **{"If-Match": "*"}).status_code == 409
    assert owner.call("POST", f"/{plan['id']}/stop").json()["status"] == "stopped"
    assert owner.call("DELETE", f"/{plan['id']}").status_code == 409


def test_a_plan_that_was_never_applied_is_deleted(owner: Caller) -> None:
    plan = made(owner)
    assert owner.call("POST", f"/{plan['id']}/revert", {}).json()["error_code"] == "PLAN_STATE"
    assert owner.call("POST", f"/{plan['id']}/stop").json()["error_code"] == "PLAN_STATE"
    assert owner.call("DELETE", f"/{plan['id']}").status_code == 204
    assert owner.call("GET", f"/{plan['id']}").json()["error_code"] == "PLAN_NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "status", "code", "at"),
    [
        ({}, 400, "SCHEMA_ERROR", "$.flow_id"),
        ({"flow_id": "permit", "source": 1, "colour": "red"}, 400, "SCHEMA_ERROR", "$.colour"),
        ({"flow_id": "permit", "source": 0}, 400, "SCHEMA_ERROR", "$.source"),
        ({"flow_id": "permit", "source": 1, "policy": "hope"}, 400, "SCHEMA_ERROR", "$.policy"),
        ({"flow_id": "permit", "source": 1, "mapping": []}, 400, "SCHEMA_ERROR", "$.mapping"),
        ({"flow_id": "permit", "source": 1, "mapping": {"states": {"x": "ask"}}}, 400, "PLAN_INVALID", "$.mapping.states.x"),
        ({"flow_id": "permit", "source": 1, "mapping": {"states": {"ask": "done"}}}, 400, "PLAN_INVALID", "$.mapping.states.ask"),
        (
            {"flow_id": "permit", "source": 1, "mapping": {"slots": {"storeys": {"convert": "1 +"}}}},
            400,
            "PLAN_INVALID",
            "$.mapping.slots.storeys.convert",
        ),
        ({"flow_id": "permit", "source": 1, "policy": "drain", "ends_at": "2001-01-01T00:00:00Z"}, 400, "PLAN_INVALID", "$.ends_at"),
        ({"flow_id": "permit", "source": 2}, 400, "PLAN_INVALID", "$.target"),
        ({"flow_id": "permit", "source": 9}, 404, "FLOW_VERSION_NOT_FOUND", ""),
        ({"flow_id": "nothing", "source": 1}, 404, "FLOW_NOT_FOUND", ""),
        ({"flow_id": "permit", "source": 1, "environment": "moon"}, 404, "ENVIRONMENT_NOT_FOUND", ""),
    ],
)
def test_bad_plans(owner: Caller, body: Any, status: int, code: str, at: str) -> None:
    answer = owner.call("POST", body=body)
    told = answer.json()
    assert (answer.status_code, told["error_code"]) == (status, code), told
    assert not at or at in [fault["path"] for fault in told["errors"]], told
    assert all(fault.get("expected") or status == 400 for fault in told.get("errors", ()))
    assert not MigrationPlan.objects.exists()


@pytest.mark.parametrize(("role", "status"), [(Role.OWNER, 201), (Role.EDITOR, 201), (Role.VIEWER, 403), (Role.OPERATOR, 403), (None, 401)])
def test_who_may_write_plans(office: Tenant, role: Any, status: int) -> None:
    caller = Caller(office, role) if role else Caller(None)
    assert caller.call("POST", body={"flow_id": "permit", "source": 1}).status_code == status
    assert caller.call("GET").status_code == (401 if role is None else 200)


def test_a_stranger_finds_no_plan(owner: Caller) -> None:
    plan = made(owner)
    stranger = Caller(TenantFactory.create())
    assert stranger.call("GET").json()["count"] == 0
    assert stranger.call("GET", "/api/v1/flows/permit/live").status_code == 404
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/dry-run"), ("POST", "/apply"), ("POST", "/stop"), ("POST", "/revert")):
        assert stranger.call(method, f"/{plan['id']}{path}").json()["error_code"] == "PLAN_NOT_FOUND"


def test_a_publish_over_rest_leads_them(office: Tenant, owner: Caller) -> None:
    flow_services.import_flow(office, document=permit("floors", "owner", "holder"), replace=True, by=None)
    answer = owner.call("POST", "/api/v1/flows/permit/publish", {"live": {"policy": "migrate_at_wait"}})
    assert answer.status_code == 201, answer.content
    assert (MigrationPlan.objects.get().status, Operation.objects.count()) == ("active", 1)


def test_a_publish_that_cannot_lead_them_publishes_nothing(office: Tenant, owner: Caller) -> None:
    flow_services.import_flow(office, document=permit("floors", "owner", "holder"), replace=True, by=None)
    answer = owner.call("POST", "/api/v1/flows/permit/publish", {"live": {"policy": "force", "fallback": "done"}})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "PLAN_INVALID")
    assert Flow.objects.get(flow_id="permit").running == {"production": 2}
    assert owner.call("POST", "/api/v1/flows/permit/publish", {"live": {"policy": "luck"}}).json()["error_code"] == "SCHEMA_ERROR"


def test_plans_are_filtered(office: Tenant, owner: Caller) -> None:
    made(owner)
    versions.create(office, flow_id="permit", source=2, target=1, by=None)
    assert owner.call("GET", "?status=draft&flow=permit").json()["count"] == 2
    assert owner.call("GET", "?status=active").json()["count"] == 0
