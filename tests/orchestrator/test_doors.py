"""The doors of the orchestrator, with a real server behind them: REST, the pages of the admin, the sweeps."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mcp_platform.orchestrator import queries, services, tasks
from mcp_platform.orchestrator.models import CachedResource, RemoteServer, ServerCall, VirtualServer
from mcp_platform.orchestrator.services import offers
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests import factories
from tests.orchestrator.world import Upstream, free_port, open_world, server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    one = Upstream("--resource", "products", "--ttl-ms", "60000").start()
    yield one
    one.kill()


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    with open_world():
        tenant: Tenant = factories.TenantFactory.create()
        yield tenant
        offers.forget(tenant)


class Api:
    def __init__(self, tenant: Tenant) -> None:
        self._client = Client(headers=factories.bearer(tenant))

    def __call__(self, call: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        method, path = call.split(" ")
        data = body.encode() if isinstance(body, str) else json.dumps(body or {}).encode()
        kind = "application/yaml" if isinstance(body, str) else "application/json"
        answer = self._client.generic(method, f"/api/v1/{path}", data, content_type=kind, headers={"If-Match": "*", **headers})
        assert answer.status_code == status, answer.content
        return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.content.decode()


@pytest.fixture
def api(tenant: Tenant) -> Api:
    return Api(tenant)


def test_from_connecting_a_server_to_offering_its_tool(tenant: Tenant, api: Api, upstream: Upstream) -> None:
    made = api("POST mcp-servers", {"slug": "up", "url": upstream.url, "domains": ["products"], "trust": "review"}, 201)
    assert (made["state"], made["tool_count"]) == ("unknown", 0)
    checked = api("POST mcp-servers/up/check")
    assert (checked["state"], checked["protocol_version"], checked["server_info"]["name"]) == ("connected", "2026-07-28", "upstream")
    assert checked["waiting_count"] == checked["tool_count"] > 0
    look = next(one for one in api("GET mcp-tools?server=up&status=new")["results"] if one["name"] == "look")
    assert (look["callable"], look["offered_name"]) == (False, "up_look")
    assert api(f"POST mcp-tools/{look['id']}/call", {"arguments": {"word": "x"}}, 403)["error_code"] == "MCP_TOOL_NOT_APPROVED"
    assert api(f"POST mcp-tools/{look['id']}/approve", {"seen_hash": "0" * 64}, 409)["error_code"] == "MCP_TOOL_CHANGED"
    assert api(f"POST mcp-tools/{look['id']}/approve", {"seen_hash": look["seen_hash"]})["callable"]
    answer = api(f"POST mcp-tools/{look['id']}/call", {"arguments": {"word": "x"}})
    assert (answer["structured"], answer["is_error"]) == ({"result": "upstream: x"}, False)
    chosen = [{"server": "up", "tool": "look", "name": "find"}]
    assert api("POST virtual-server-preview", {"tools": chosen}) == {"names": [{"name": "find", "place": "up/look"}], "clashes": []}
    office = api("POST virtual-servers", {"slug": "office", "tools": chosen}, 201)
    assert office["address"].endswith("/mcp/v/office")
    assert [(one["offered_as"], one["callable"]) for one in office["tools"]] == [("find", True)]
    calls = api("GET mcp-calls?server=up&kind=tool")["results"]
    assert [(one["name"], one["outcome"], one["via"]) for one in calls] == [("look", "ok", "rest"), ("look", "refused", "rest")]
    assert api("DELETE mcp-servers/up", status=409)["used_by"] == ["virtual:office"]


def test_all_servers_together(tenant: Tenant, api: Api, upstream: Upstream) -> None:
    for slug, url, priority in (("up", upstream.url, 20), ("down", f"http://127.0.0.1:{free_port()}/mcp", 10)):
        api("POST mcp-servers", {"slug": slug, "url": url, "domains": ["products"], "priority": priority, "timeout": 2}, 201)
    assert set(api("POST orchestrator/initialize", status=503)["failed"]) == {"down"}
    assert set(api("GET orchestrator/resources", status=503)["failed"]) == {"down"}
    api("PATCH orchestrator/settings", {"fail_fast": False, "max_retries": 0})
    told = api("POST orchestrator/initialize")["servers"]
    assert {slug: one["connected"] for slug, one in told.items()} == {"up": True, "down": False}
    found = api("GET orchestrator/resources")
    assert found["servers"]["up"]["resources"]["products"]["from"] == "upstream"
    assert set(found["failed"]) == {"down"}
    answered = api("GET orchestrator/resources?domain=products")
    assert (answered["server"], set(answered["failed"])) == ("up", {"down"})
    assert api("GET orchestrator/resources?domain=weather", status=404)["error_code"] == "MCP_NO_SERVER_AVAILABLE"
    status = api("GET orchestrator/status")
    states = {one["slug"]: (one["state"], one["connected"]) for one in status["servers"]}
    assert states == {"up": ("connected", True), "down": ("failed", False)}
    assert status["cache_stats"]["hits"] > 0
    assert status["cache_stats"]["hit_rate"].endswith("%")
    assert (status["totals"]["connected"], status["totals"]["failed"]) == (1, 1)
    assert api("POST orchestrator/invalidate", {"server": "up"})["count"] == 2
    assert not CachedResource.objects.exists()
    api("POST orchestrator/close")
    assert AuditEntry.objects.for_tenant(tenant).filter(action="mcp_cache.invalidate").exists()


def test_the_configuration_goes_out_and_in_as_yaml(api: Api) -> None:
    text = "mcp_servers:\n  up:\n    url: https://mcp.example.com/mcp\n    domains: [products]\norchestration:\n  fail_fast: false\n"
    assert api("PUT orchestrator/config", text)["created"] == ["up"]
    told = api("GET orchestrator/config", Accept="application/yaml")
    assert told.startswith("mcp_servers:\n  up:\n    name: up\n")
    assert api("PUT orchestrator/config", told)["unchanged"] == ["up"]
    assert api("GET orchestrator/config")["orchestration"]["fail_fast"] is False
    assert api("PUT orchestrator/config", "a: [", status=400)["error_code"] == "MCP_CONFIGURATION_ERROR"
    assert api("PUT orchestrator/config?replace=perhaps", text, 400)["error_code"] == "SCHEMA_ERROR"
    assert api("PUT orchestrator/config?replace=true", {"mcp_servers": {}})["deleted"] == ["up"]


def test_a_change_needs_the_revision_that_was_read(api: Api) -> None:
    api("POST mcp-servers", {"slug": "up", "url": "https://mcp.example.com/mcp"}, 201)
    api("PATCH mcp-servers/up", {"priority": 5}, 200, **{"If-Match": '"1"'})
    assert api("PATCH mcp-servers/up", {"priority": 6}, 412, **{"If-Match": '"1"'})["error_code"] == "STALE_ETAG"
    assert api("PATCH mcp-servers/up", {"priority": 6}, 428, **{"If-Match": ""})["error_code"] == "PRECONDITION_REQUIRED"
    assert api("POST mcp-servers", {"slug": "up", "url": "https://mcp.example.com/mcp"}, 409)["error_code"] == "ALREADY_EXISTS"


@pytest.fixture
def office(tenant: Tenant, upstream: Upstream) -> Client:
    """A person's browser, in a tenant with a server, a virtual server, and a call."""
    server(tenant, "up", upstream.url)
    services.check(tenant, slug="up")
    services.use(tenant, server="up", tool="look", arguments={"word": "x"}, actor="key:x")
    services.save_virtual_server(
        tenant, slug="office", fields={"name": "Office"}, chosen=[services.Chosen(server="up", tool="look")], create=True, by=None
    )
    client = Client()
    client.force_login(factories.member(tenant), backend="django.contrib.auth.backends.ModelBackend")
    return client


def admin(client: Client, path: str, body: Any = None, status: int = 200) -> str:
    answer = client.get(f"/admin/orchestrator/{path}") if body is None else client.post(f"/admin/orchestrator/{path}", body, follow=True)
    assert answer.status_code == status, answer.content[:2000]
    return answer.content.decode()


def test_every_page_shows_what_is_there(tenant: Tenant, office: Client) -> None:
    row, tool = queries.server(tenant, "up"), queries.known_tool(tenant, "up", "look")
    assert tool is not None
    listed = admin(office, "remoteserver/")
    for words in ("connected", "1 / 1", "up"):
        assert words in listed
    page = admin(office, f"remoteserver/{row.pk}/change/")
    assert "up_look" in page
    assert "virtual:office" in page
    assert "Looks something up" in admin(office, f"upstreamtool/{tool.pk}/change/")
    assert "/mcp/v/office" in admin(office, f"virtualserver/{VirtualServer.objects.get().pk}/change/")
    assert "look" in admin(office, "servercall/")
    admin(office, f"servercall/{ServerCall.objects.filter(name='look').get().pk}/change/")
    assert "mcp_servers" in admin(office, "remoteserver/config/")
    for page_of in (
        "upstreamtool/",
        "virtualserver/",
        "virtualserver/add/",
        "remoteserver/add/",
        "orchestrationsettings/",
        "orchestrationsettings/add/",
    ):
        admin(office, page_of)


def test_the_buttons_of_the_pages(tenant: Tenant, office: Client) -> None:
    row, tool = queries.server(tenant, "up"), queries.known_tool(tenant, "up", "look")
    assert tool is not None
    assert "Connected in" in admin(office, f"remoteserver/{row.pk}/check/", {})
    assert "upstream: hello" in admin(office, f"upstreamtool/{tool.pk}/call/", {"arguments": '{"word": "hello"}'})
    assert "not called any more" in admin(office, f"upstreamtool/{tool.pk}/reject/", {})
    assert "held back" in admin(office, f"virtualserver/{VirtualServer.objects.get().pk}/change/")
    assert "approved as it is now" in admin(office, f"upstreamtool/{tool.pk}/approve/", {"seen_hash": tool.seen_hash})
    assert "Nothing is cached" in admin(office, "remoteserver/invalidate/", {})
    text = "mcp_servers: {other: {url: 'https://mcp.example.com/mcp'}}"
    assert "1 new" in admin(office, "remoteserver/config/", {"text": text})
    assert "a YAML document" in admin(office, "remoteserver/config/", {"text": "a: ["})


def test_the_forms_of_the_pages(tenant: Tenant, office: Client) -> None:
    form = {
        "slug": "third", "name": "Third", "description": "", "transport": "streamable-http", "url": "https://mcp.example.com/mcp", "priority": "7",
        "timeout": "5", "trust": "review", "enabled": "on", "domains": "products, metadata", "capabilities": "", "allowed_tools": "get_*",
        "denied_tools": "", "auth_type": "none",
    }  # fmt: skip
    admin(office, "remoteserver/add/", form)
    row = queries.server(tenant, "third")
    assert (row.domains, row.allowed_tools, row.priority, row.trust) == (["products", "metadata"], ["get_*"], 7, "review")
    assert "is no address" in admin(office, f"remoteserver/{row.pk}/change/", {**form, "url": "nonsense"})
    admin(office, f"remoteserver/{row.pk}/change/", {**form, "priority": "8"})
    assert queries.server(tenant, "third").priority == 8
    look = queries.known_tool(tenant, "up", "look")
    assert look is not None
    chosen = {"slug": "second", "name": "Second", "description": "", "enabled": "on", "chosen": [str(look.pk)], "names": "up/look = find"}
    admin(office, "virtualserver/add/", chosen)
    assert [one.name for one in services.offered(tenant, "second")] == ["find"]
    assert "is no name of a tool" in admin(office, "virtualserver/add/", {**chosen, "slug": "bad", "names": "up/look = not a name"})
    admin(office, "orchestrationsettings/add/", {"resource_cache_ttl": "60", "max_retries": "1", "log_level": "INFO"})
    assert queries.settings_of(tenant).fail_fast is False


def test_workers_look_at_every_server_and_at_each_once(tenant: Tenant, upstream: Upstream, settings: Any) -> None:
    settings.MCP_CHECK_SECONDS = 60
    server(tenant, "up", upstream.url)
    server(tenant, "down", f"http://127.0.0.1:{free_port()}/mcp", timeout=2)
    server(tenant, "off", upstream.url, enabled=False)
    assert services.check_due() == 2
    assert services.check_due() == 0  # another worker comes right after
    until = time.monotonic() + 20
    while RemoteServer.objects.filter(state="unknown", enabled=True).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert dict(RemoteServer.objects.values_list("slug", "state")) == {"up": "connected", "down": "failed", "off": "unknown"}
    RemoteServer.objects.update(checked_at=timezone.now() - timedelta(seconds=61))
    assert services.check_due() == 2
    settings.MCP_CHECK_SECONDS = 0
    assert services.check_due() == 0


def test_old_calls_are_forgotten(tenant: Tenant, settings: Any) -> None:
    settings.MCP_CALLS_KEPT_DAYS = 30
    for days in (29, 31):
        ServerCall.objects.create(
            tenant=tenant,
            at=timezone.now() - timedelta(days=days),
            server_id=tenant.pk,
            server="x",
            kind="tool",
            name=str(days),
            actor="a",
            outcome="ok",
        )
    tasks.forget_old()
    assert list(ServerCall.objects.values_list("name", flat=True)) == ["29"]
