"""Chat pages over REST: made, found by visitors, changed, taken away."""

from datetime import timedelta

import pytest
from django.test import Client

from conversations import channels
from mcp_platform.rest import StaleEtag
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests.conversations.scenes import ECHO
from tests.factories import TenantFactory, bearer, published

pytestmark = pytest.mark.django_db
CHATS = "/api/v1/web-chats"


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = TenantFactory.create(slug="permits")
    published(made, ECHO)
    return made


@pytest.fixture
def client(tenant: Tenant) -> Client:
    return Client(headers=bearer(tenant))


def test_a_chat_page_from_its_making_to_its_end(client: Client, tenant: Tenant) -> None:
    body = {"name": "Permits", "flow_id": "echo", "allowed_origins": ["https://WWW.example.org/"], "greeting": "Good day"}
    made = client.post(CHATS, body, content_type="application/json")
    assert made.status_code == 201, made.content
    chat, address = made.json(), made.headers["Location"]
    assert chat["allowed_origins"] == ["https://www.example.org"]
    assert client.get(address).json() == chat
    assert [row["id"] for row in client.get(CHATS, {"flow": "echo", "enabled": "true"}).json()["results"]] == [chat["id"]]
    assert client.get(CHATS, {"flow": "other"}).json()["results"] == []
    visitor = Client()
    assert b"Good day" in visitor.get(chat["page_url"]).content
    assert visitor.get(chat["embed_url"]).status_code == 200

    off = client.patch(address, {"enabled": False}, content_type="application/json", headers={"If-Match": made.headers["ETag"]})
    assert (off.status_code, off.json()["enabled"], off.json()["name"]) == (200, False, "Permits")
    assert visitor.get(chat["page_url"]).status_code == 404
    late = client.delete(address, headers={"If-Match": made.headers["ETag"]})
    assert (late.status_code, late.json()["error_code"]) == (412, "STALE_ETAG")
    assert client.delete(address, headers={"If-Match": off.headers["ETag"]}).status_code == 204
    assert client.get(address).status_code == 404
    actions = AuditEntry.objects.filter(tenant=tenant, action__startswith="channel.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["channel.create", "channel.save", "channel.delete"]


def test_the_lock_finds_who_came_between(tenant: Tenant) -> None:
    row = channels.save(tenant, fields={"name": "Permits", "flow_id": "echo"}, by=None)
    before = row.updated_at - timedelta(seconds=1)
    with pytest.raises(StaleEtag):
        channels.save(tenant, channel_id=row.pk, fields={"name": "Mine"}, expected=before, by=None)
    with pytest.raises(StaleEtag):
        channels.delete(tenant, channel_id=row.pk, expected=before, by=None)
    assert channels.channel(tenant, row.pk).name == "Permits"
