"""The endpoints of drafts and releases: the permission that each needs. Owners, viewers, strangers and anonymous: tests/platform/test_walk.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient

from flows import services
from flows.models import State
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import ALL
from tests import factories
from tests.factories import greeting
from tests.flows.test_integrations import CRM
from tests.platform.bad_input.office import committed
from tests.platform.stored import rolled_back
from tests.tenancy.clients import client_of


@dataclass(frozen=True)
class Call:
    """One request; `needs` is its permission, `ok` what who has it gets."""

    method: str
    path: str
    needs: str
    ok: int
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, client: APIClient, names: dict[str, Any]) -> Any:
        body = {**self.body, "state": names["state"]} if self.path == "transitions" and self.body else self.body
        send = getattr(client, self.method.lower())
        return send("/api/v1/" + self.path.format(**names), body, format="json", headers={"If-Match": "*"})


CALLS = [
    Call("GET", "flows", "flows:read", 200),
    Call("POST", "flows", "flows:write", 201, {"flow_id": "new"}),
    Call("POST", "flows/import", "flows:write", 201, greeting("new")),
    Call("GET", "flows/{flow}", "flows:read", 200),
    Call("PATCH", "flows/{flow}", "flows:write", 200, {"name": "New"}),
    Call("DELETE", "flows/sketch", "flows:write", 204),
    Call("GET", "flows/{flow}/draft", "flows:read", 200),
    Call("PUT", "flows/{flow}/draft", "flows:write", 200, greeting()),
    Call("POST", "flows/{flow}/validate", "flows:read", 200, {}),
    Call("POST", "flows/{flow}/publish", "flows:publish", 200, {}),
    Call("POST", "flows/{flow}/rollback", "flows:publish", 200, {"version": 1}),
    Call("POST", "flows/{flow}/archive", "flows:write", 200),
    Call("POST", "flows/{flow}/unarchive", "flows:write", 200),
    Call("GET", "flows/{flow}/export", "flows:read", 200),
    Call("GET", "flows/{flow}/diff?before=1", "flows:read", 200),
    Call("GET", "flows/{flow}/versions", "flows:read", 200),
    Call("GET", "flows/{flow}/versions/1", "flows:read", 200),
    Call("GET", "states", "flows:read", 200),
    Call("POST", "states", "flows:write", 201, {"flow": "greeting", "name": "new", "type": "end"}),
    Call("GET", "states/{state}", "flows:read", 200),
    Call("PUT", "states/{state}", "flows:write", 200, {"type": "end"}),
    Call("PATCH", "states/{state}", "flows:write", 200, {"metadata": {"x": 1}}),
    Call("DELETE", "states/{state}", "flows:write", 204),
    Call("GET", "transitions", "flows:read", 200),
    Call("POST", "transitions", "flows:write", 201, {"condition": "any_input", "target_state": "done"}),
    Call("GET", "transitions/{transition}", "flows:read", 200),
    Call("PUT", "transitions/{transition}", "flows:write", 200, {"condition": "any_input", "target_state": "done"}),
    Call("PATCH", "transitions/{transition}", "flows:write", 200, {"priority": 3}),
    Call("DELETE", "transitions/{transition}", "flows:write", 204),
    Call("GET", "environments", "flows:read", 200),
    Call("POST", "environments", "flows:publish", 201, {"name": "new"}),
    Call("GET", "environments/staging", "flows:read", 200),
    Call("PATCH", "environments/staging", "flows:publish", 200, {"is_default": True}),
    Call("DELETE", "environments/staging", "flows:publish", 204),
    Call("GET", "handlers", "flows:read", 200),
    Call("PUT", "handlers", "flows:publish", 200, {"global_handlers": {}}),
    Call("GET", "integrations", "integrations:read", 200),
    Call("POST", "integrations", "integrations:write", 201, {**CRM, "integration_id": "new"}),
    Call("GET", "integrations/crm", "integrations:read", 200),
    Call("PUT", "integrations/crm", "integrations:write", 200, CRM),
    Call("PATCH", "integrations/crm", "integrations:write", 200, {"timeout_ms": 200}),
    Call("DELETE", "integrations/crm", "integrations:write", 204),
]
walk = pytest.mark.parametrize("call", CALLS, ids=str)


@dataclass(frozen=True)
class Settled:
    """What all calls find."""

    tenant: Tenant
    names: dict[str, Any]


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: one for all calls."""
    with committed(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def settled(db: None) -> Settled:
    tenant = factories.TenantFactory.create()
    version = factories.published(tenant)
    factories.draft(tenant, greeting("sketch"))
    services.create_environment(tenant, name="staging", by=None)
    services.save_integration(tenant, integration_id="crm", fields=CRM, create=True, by=None)
    state = State.objects.get(flow=version.flow, name="ask")
    return Settled(tenant, {"flow": "greeting", "state": state.pk, "transition": state.transitions.get().pk})


@pytest.fixture
def office(settled: Settled) -> Iterator[Settled]:
    with rolled_back():
        yield settled


@walk
def test_editors_may(call: Call, office: Settled) -> None:
    answer = call.send(client_of(office.tenant, Role.EDITOR), office.names)
    assert answer.status_code == call.ok, answer.content


@walk
def test_the_permission_is_the_one_that_is_needed(call: Call, office: Settled) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=factories.bearer(office.tenant, [call.needs])["Authorization"])
    assert call.send(client, office.names).status_code == call.ok
    client.credentials(HTTP_AUTHORIZATION=factories.bearer(office.tenant, sorted(ALL - {call.needs}))["Authorization"])
    answer = call.send(client, office.names)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")


@walk
def test_no_route_ends_with_a_slash(call: Call, office: Settled) -> None:
    path, _, query = call.path.partition("?")
    slashed = Call(call.method, f"{path}/?{query}", call.needs, call.ok, call.body)
    assert slashed.send(client_of(office.tenant), office.names).status_code == 404
