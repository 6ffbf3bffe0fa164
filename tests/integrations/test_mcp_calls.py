"""Integrations of type `mcp`: a flow calls an approved tool of a connected server."""

from collections.abc import Iterator
from typing import Any

import pytest

from conversations import effects
from flows import queries
from flows import services as flows
from flows.errors import FieldsRefused, FlowHasProblems
from flows.models import Integration
from mcp_platform.orchestrator import services as orchestrator
from mcp_platform.orchestrator.errors import ServerIsNeeded
from mcp_platform.orchestrator.services import offers
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.integrations.asking import ask
from tests.orchestrator.world import Upstream, open_world, recorded, server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    one = Upstream().start()
    yield one
    one.kill()


@pytest.fixture
def tenant(upstream: Upstream) -> Iterator[Tenant]:
    with open_world():
        tenant: Tenant = factories.TenantFactory.create()
        server(tenant, "up", upstream.url)
        orchestrator.check(tenant, slug="up")
        yield tenant
        offers.forget(tenant)


def integration(tenant: Tenant, **options: Any) -> Integration:
    fields = {"type": "mcp", "options": {"server": "up", **options}}
    return flows.save_integration(tenant, integration_id="crm", fields=fields, create=True, by=None)


def test_an_approved_tool_is_called(tenant: Tenant) -> None:
    integration(tenant)
    heard = ask(tenant, "look", {"word": "hello"})
    assert (heard.outcome.success, heard.outcome.data) == (True, {"result": "upstream: hello"})
    assert heard.sent is not None
    assert heard.sent.url == "up/look"
    (kept,) = recorded(tenant, "look")
    assert (kept.actor, kept.outcome) == ("integration:crm", "ok")


def test_what_fails_is_a_failed_outcome(tenant: Tenant) -> None:
    integration(tenant, tools=["look", "fail", "sleep"])
    assert ask(tenant, "write", {"word": "x"}).outcome.error == "this integration does not offer the tool write"
    failed = ask(tenant, "fail")
    assert (failed.outcome.success, failed.well, failed.again) == (False, True, False)
    assert "there is no paper" in failed.outcome.error
    late = ask(tenant, "sleep", {"seconds": 30}, timeout_ms=300)
    assert (late.outcome.code, late.well, late.again) == ("INTEGRATION_TIMEOUT", False, True)


def test_rules_and_approvals_hold_for_flows_too(tenant: Tenant) -> None:
    integration(tenant)
    orchestrator.save_server(tenant, slug="up", fields={"denied_tools": ["write"]}, by=None)
    denied = ask(tenant, "write", {"word": "x"})
    assert (denied.outcome.code, denied.again) == ("MCP_TOOL_DENIED", False)


def test_only_what_says_so_may_be_repeated(tenant: Tenant) -> None:
    row = integration(tenant)
    assert effects.may_repeat(row, {"endpoint": "look"})
    assert not effects.may_repeat(row, {"endpoint": "write"})


@pytest.mark.parametrize(
    ("options", "path"),
    [({}, "$.options.server"), ({"server": "../up"}, "$.options.server"), ({"server": "up", "tools": "look"}, "$.options.tools"),
     ({"server": "up", "url": "x"}, "$.options.url")],
)  # fmt: skip
def test_a_definition_with_a_fault_is_refused(tenant: Tenant, options: dict[str, Any], path: str) -> None:
    with pytest.raises(FieldsRefused) as refused:
        flows.save_integration(tenant, integration_id="crm", fields={"type": "mcp", "options": options}, create=True, by=None)
    assert [one["path"] for one in refused.value.details["errors"]] == [path]


def test_a_server_that_is_not_there_keeps_the_flow_from_being_published(tenant: Tenant) -> None:
    row = flows.save_integration(tenant, integration_id="crm", fields={"type": "mcp", "options": {"server": "later"}}, create=True, by=None)
    assert [one["code"] for one in queries.integration_problems([row])[row.pk]] == ["missing_server"]
    document = factories.greeting()
    document["states"]["greet"] = {
        "name": "greet",
        "type": "integration",
        "config": {"integration_id": "crm", "endpoint": "look"},
        "transitions": [
            {"condition": "integration_success", "target_state": "done"},
            {"condition": "integration_error", "target_state": "done"},
        ],
    }
    draft = factories.draft(tenant, document)
    with pytest.raises(FlowHasProblems) as refused:
        flows.publish(tenant, flow_id=draft.flow_id, by=None)
    assert "missing_server" in str(refused.value.details)


def test_a_server_that_an_integration_calls_is_not_deleted(tenant: Tenant) -> None:
    integration(tenant)
    with pytest.raises(ServerIsNeeded, match="integration:crm"):
        orchestrator.delete_server(tenant, slug="up", by=None)
