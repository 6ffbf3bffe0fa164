"""The numbers over REST and on pages, for those who may see them."""

from typing import Any

import pytest
from django.urls import reverse

from conversations import services as talking
from conversations.analytics import services
from flows.models import Flow
from mcp_platform.tenancy.models import Role, Tenant
from tests.conversations.scenes import PERMIT
from tests.factories import draft, member, published
from tests.tenancy.clients import client_of, logged_in
from tests.tenancy.conftest import stranger, tenant

__all__ = ["stranger", "tenant"]
HERE = "/api/v1/analytics/flows"


@pytest.fixture
def office(tenant: Tenant) -> Tenant:
    published(tenant, PERMIT)
    begun = talking.start(tenant, flow_id="permit")
    for text in ("five", "yes"):
        talking.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})
    services.count_new(tenant)
    return tenant


def test_the_reports(office: Tenant) -> None:
    client = client_of(office, Role.ANALYST)
    (row,) = client.get(HERE).json()["results"]
    assert (row["flow_id"], row["starts"], row["completed"], row["completion_rate"]) == ("permit", 1, 1, 1.0)
    found = client.get(f"{HERE}/permit").json()
    assert (found["starts"], found["completions"], found["latency_ms"]["count"]) == (1, {"completed": 1}, 3)
    assert found["counted_at"] is not None
    states = client.get(f"{HERE}/permit/funnel?version=1&environment=production&channel=web").json()["states"]
    assert [(one["state"], one["reached"], one["reached_share"]) for one in states] == [("ask", 1, 1.0), ("done", 1, 1.0)]
    days = client.get(f"{HERE}/permit/days").json()["days"]
    assert len(days) == 28
    assert days[-1]["starts"] == 1
    assert [one["version"] for one in client.get(f"{HERE}/permit/versions").json()["versions"]] == [1]
    assert client.get(f"{HERE}/permit?until=2020-01-31&since=2020-01-01").json()["starts"] == 0


@pytest.mark.parametrize(
    ("query", "path"),
    [("since=yesterday", "?since"), ("since=2026-02-01&until=2026-01-01", "?since"), ("since=2020-01-01&until=2026-01-01", "?since"),
     ("version=new", "?version"), ("until=0001-01-01", "?until"), ("until=2026-13-01", "?until")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_the_path(office: Tenant, query: str, path: str) -> None:
    answer = client_of(office).get(f"{HERE}/permit?{query}")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "SCHEMA_ERROR")
    assert path in [fault["path"] for fault in answer.json()["errors"]]


def test_who_may_see_numbers(office: Tenant, stranger: Tenant) -> None:
    for address in (HERE, f"{HERE}/permit", f"{HERE}/permit/funnel", f"{HERE}/permit/days", f"{HERE}/permit/versions"):
        assert client_of(office, Role.VIEWER).get(address).status_code == 403
        assert client_of(None).get(address).status_code == 401
    assert client_of(stranger).get(f"{HERE}/permit").status_code == 404
    assert client_of(stranger).get(HERE).json()["results"] == []


def page(flow_id: str = "permit") -> str:
    return reverse("admin:analytics_flowanalytics_change", args=(Flow.objects.get(flow_id=flow_id).pk,))


def test_the_page_draws_the_funnel_on_the_graph(office: Tenant) -> None:
    client = logged_in(member(office, Role.ANALYST))
    listed = client.get(reverse("admin:analytics_flowanalytics_changelist"))
    assert "100 %" in listed.content.decode()
    shown = client.get(page()).content.decode()
    assert "Funnel" in shown
    assert "1 · 100 %" in shown
    assert client.get(f"{page()}?since=2020-01-01&until=2020-01-31").status_code == 200
    assert "is no day" in client.get(f"{page()}?since=nonsense").content.decode()


def test_a_flow_that_nobody_has_talked_to_says_what_to_do(tenant: Tenant) -> None:
    client = logged_in(member(tenant))
    draft(tenant, PERMIT)
    assert "never been published" in client.get(page()).content.decode()
    Flow.objects.all().delete()
    published(tenant, PERMIT)
    assert "Try it now" in client.get(page()).content.decode()


def test_strangers_see_no_page(office: Tenant, stranger: Tenant) -> None:
    client: Any = logged_in(member(stranger))
    assert client.get(page()).status_code == 404
    assert b"permit" not in client.get(reverse("admin:analytics_flowanalytics_changelist")).content
    assert logged_in(member(office, Role.VIEWER)).get(page()).status_code in (403, 404)
