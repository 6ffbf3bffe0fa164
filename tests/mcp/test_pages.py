"""The catalogue in the admin, a trial call, the log; and /mcp/capabilities."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from flows import services as flows
from flows.models import Flow
from mcp_platform.mcp import services
from mcp_platform.mcp.ledger import ledger
from mcp_platform.mcp.models import Call
from mcp_platform.tenancy.models import Role
from tests import factories
from tests.mcp.house import House

CATALOGUE = "/admin/mcp/call/catalogue/"


@pytest.fixture(scope="module")
def owner(house: House) -> Client:
    return entered(house, Role.OWNER)


def entered(house: House, role: Role) -> Client:
    client = Client()
    client.force_login(factories.member(house.ours, role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_catalogue_is_what_clients_list(house: House, owner: Client) -> None:
    page = owner.get(CATALOGUE).content.decode()
    for tool in house.result("owner", "tools/list")["tools"]:
        assert f">{tool['name']}</code>" in page
    assert "product-aliases://list" in page


def test_a_tool_is_tried_for_real(house: House, owner: Client) -> None:
    answer = owner.post(f"{CATALOGUE}echo/", {"arguments": '{"message": "over here"}'}).content.decode()
    assert "&quot;echo&quot;: &quot;over here&quot;" in answer
    ledger.settle()
    row = Call.objects.filter(name="echo", client="admin").latest("at")
    assert (row.outcome, row.actor.split(":")[0]) == ("ok", "user")
    refused = owner.post(f"{CATALOGUE}echo/", {"arguments": "{}"}).content.decode()
    assert "message&#x27; is a required property" in refused
    flow = owner.post(f"{CATALOGUE}flow_greeting/", {"arguments": '{"name": "Ada"}'}).content.decode()
    assert "Hello Ada!" in flow


def test_a_trial_needs_the_permission_of_the_tool(house: House) -> None:
    viewer = entered(house, Role.VIEWER)
    assert viewer.get(CATALOGUE).status_code == 200
    refused = viewer.post(f"{CATALOGUE}flow_greeting/", {"arguments": "{}"})
    assert "conversations:write" in refused.content.decode()
    assert not Call.objects.filter(name="flow_greeting", outcome="ok", actor__startswith="user:", client="admin", at__gt=timezone.now()).exists()
    assert owner_is_told_404(viewer)


def owner_is_told_404(client: Client) -> bool:
    return client.get(f"{CATALOGUE}nobody/").status_code == 404


def test_the_log_is_read_only_and_of_the_tenant(house: House, owner: Client) -> None:
    house.call("owner", "flow_greeting", name="Ada")
    page = owner.get("/admin/mcp/call/")
    assert b"flow_greeting" in page.content
    assert owner.get("/admin/mcp/call/add/").status_code == 403
    stranger = Client()
    stranger.force_login(factories.member(house.theirs), backend="django.contrib.auth.backends.ModelBackend")
    assert b"flow_greeting" not in stranger.get("/admin/mcp/call/").content


def test_capabilities_tell_anybody_how_and_callers_what(house: House) -> None:
    told = Client().get("/mcp/capabilities")
    body = json.loads(told.content)
    assert told.status_code == 200
    assert body["protocol_versions"][:2] == ["2026-07-28", "2025-11-25"]
    assert body["tools"] == []
    assert body["authentication"]["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")
    mine = json.loads(Client(headers=house.bearer("owner")).get("/mcp/capabilities").content)
    assert {"echo", "flow_greeting"} <= {tool["name"] for tool in mine["tools"]}
    few = json.loads(Client(headers=house.bearer("echo only")).get("/mcp/capabilities").content)
    assert [tool["name"] for tool in few["tools"]] == ["echo"]


def test_old_calls_are_erased(house: House) -> None:
    old = Call.objects.create(
        tenant=house.ours,
        at=timezone.now() - timedelta(days=91),
        method="tools/call",
        name="old",
        actor="x",
        outcome="ok",
        duration_ms=1,
        correlation_id="x",
    )
    assert services.erase_old_calls() == 1
    assert not Call.objects.filter(pk=old.pk).exists()


def test_a_box_offers_a_flow(house: House, owner: Client) -> None:
    flow = Flow.objects.get(tenant=house.ours, flow_id="private")
    page = f"/admin/flows/flow/{flow.pk}/change/"
    form = owner.get(page).context["adminform"].form
    assert form["offer_as_tool"].value() is False
    given = {name: form[name].value() for name in form.fields if name != "offer_as_tool"}
    sent = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in given.items()}
    saved = owner.post(page, {**sent, "rev": flow.rev, "offer_as_tool": "on"}, follow=True)
    flow.refresh_from_db()
    assert flow.metadata == {"offer_as_tool": True}, saved.content.decode()[:2000]
    assert "flow_private" not in {tool["name"] for tool in house.result("owner", "tools/list")["tools"]}  # with the publish, not before
    flows.publish(house.ours, flow_id=flow.pk, by=None)
    assert house.call("owner", "flow_private", name="Eve")["structuredContent"]["text"] == "Hello Eve!"
