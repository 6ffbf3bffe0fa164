"""Clients that name themselves by the address of a document: a real server with TLS, fetched as everything outside is."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from mcp_platform.oauth import services
from mcp_platform.oauth.models import Client as OAuthClient
from mcp_platform.outbound import client as outbound_client
from mcp_platform.tenancy.models import Tenant, User
from tests.oauth.program import CALLBACK, RESOURCE, Program
from tests.oauth.publisher import Publisher

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    found = Publisher(Path(tmp_path_factory.mktemp("ca")))
    yield found
    found.stop()


@pytest.fixture
def site(publisher: Publisher, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """The publisher, trusted as a public site would be."""
    settings.OUTBOUND_ALLOWED_HOSTS = [publisher.host]
    monkeypatch.setattr(outbound_client, "_trusted", lambda: ssl.create_default_context(cafile=str(publisher.authority)))
    publisher.requests = 0
    publisher.publish(redirect_uris=[CALLBACK])
    return publisher


def test_a_client_that_nobody_knows_is_let_in(site: Publisher, tenant: Tenant, olga: User) -> None:
    program = Program(site.client_id, olga)
    text = program.look().content.decode()
    assert "Viewer wants to act for you in Permits" in text
    assert "published at <b>localhost</b>" in text
    who = services.principal_of_token(program.tokens()["access_token"], resource=RESOURCE)
    assert who.tenant == tenant
    assert site.requests == 1  # for all of that
    row = OAuthClient.objects.get()
    assert (row.tenant, row.client_secret, row.client_type) == (None, "", "public")


def test_only_for_a_person_who_is_there(site: Publisher) -> None:
    assert Program(site.client_id, None).look().status_code == 302
    assert Program(site.client_id, None).exchange("x").status_code == 401
    assert site.requests == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "https://other.example.com/client.json"},
        {"client_secret": "x"},
        {"redirect_uris": ["https://evil.example.com/#"]},
        {"body": b"{"},
        {"body": b"[]"},
        {"body": b'{"a":' * 2000},
        {"body": b" " * 20_000},
        {"status": 404},
        {"status": 302},
    ],
)
def test_a_document_that_is_wrong_is_nobodys(site: Publisher, olga: User, wrong: dict[str, Any]) -> None:
    site.publish(**{"redirect_uris": [CALLBACK], **wrong})
    answer = Program(site.client_id, olga).look()
    assert answer.status_code == 400
    assert "not known" in answer.content.decode()
    assert not OAuthClient.objects.exists()
    Program(site.client_id, olga).look()
    assert site.requests == 1  # not again for a minute


@pytest.mark.parametrize(
    "client_id",
    ["https://127.0.0.1/client.json", "https://169.254.169.254/latest/meta-data", "https://localhost/client.json", "https://[::1]/client.json"],
)
def test_nothing_inside_is_reached(olga: User, client_id: str) -> None:
    assert Program(client_id, olga).look().status_code == 400
    assert not OAuthClient.objects.exists()


def test_a_document_that_changes_is_read_again(site: Publisher, olga: User) -> None:
    program = Program(site.client_id, olga)
    program.look()
    site.publish(redirect_uris=["http://127.0.0.1/new"], client_name="Viewer 2")
    assert program.look().status_code == 200  # fresh for at least five minutes
    OAuthClient.objects.update(cimd_expires_at=timezone.now())
    assert program.look().status_code == 400  # the old address is not in it any more
    program.callback = "http://127.0.0.1/new"
    assert "Viewer 2" in program.look().content.decode()


def test_a_site_that_is_away_locks_nobody_out(site: Publisher, olga: User) -> None:
    program = Program(site.client_id, olga)
    program.look()
    OAuthClient.objects.update(cimd_expires_at=timezone.now())
    site.publish(status=500)
    assert program.look().status_code == 200


def test_a_document_does_not_take_over_a_registered_client(site: Publisher, tenant: Tenant, olga: User) -> None:
    row, _ = services.register_client(tenant, name="Mine", redirect_uris=[CALLBACK], by=None)
    OAuthClient.objects.filter(pk=row.pk).update(client_id=site.client_id)
    cache.clear()
    assert "Mine wants" in Program(site.client_id, olga).look().content.decode()
    assert site.requests == 0


def test_the_document_is_json(site: Publisher) -> None:
    assert json.loads(site.body)["client_id"] == site.client_id
