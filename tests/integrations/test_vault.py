"""Secrets: written, rotated and used, never shown."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from flows import services as flows
from mcp_platform import sealing
from mcp_platform.errors import Invalid
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant, User
from mcp_platform.vault import services
from mcp_platform.vault.errors import SecretExists, SecretIsNeeded, SecretNotFound
from mcp_platform.vault.models import Secret
from tests import factories

VALUE = "sk_live_51Hx8aKq"


def test_a_secret_is_stored_sealed_and_opened_by_name(tenant: Tenant, author: User) -> None:
    made = services.create_secret(tenant, name="CRM_TOKEN", value=VALUE, description="Of the register", by=author)
    row = Secret.objects.values().get()
    assert VALUE not in repr(row)
    assert (made.version, row["created_by_id"]) == (1, author.pk)
    assert services.resolve(tenant, "CRM_TOKEN") == VALUE
    made.refresh_from_db()
    assert made.last_used_at is not None


def test_a_name_is_taken_once_per_tenant(tenant: Tenant) -> None:
    other = factories.TenantFactory.create()
    services.create_secret(tenant, name="CRM_TOKEN", value=VALUE, by=None)
    services.create_secret(other, name="CRM_TOKEN", value="theirs", by=None)
    assert services.resolve(tenant, "CRM_TOKEN") == VALUE
    with pytest.raises(SecretExists):
        services.create_secret(tenant, name="CRM_TOKEN", value="x", by=None)
    with pytest.raises(SecretNotFound):
        services.resolve(tenant, "ERP_TOKEN")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "crm token"}, "$.name"),
        ({"name": "sk_live_51Hx8aKq"}, "$.name"),
        ({"name": "C"}, "$.name"),
        ({"value": ""}, "$.value"),
        ({"value": "a\x00b"}, "$.value"),
        ({"value": "x" * 8_193}, "$.value"),
        ({"description": "d" * 201}, "$.description"),
    ],
)
def test_what_is_refused(tenant: Tenant, fields: dict[str, str], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.create_secret(tenant, **{"name": "CRM_TOKEN", "value": VALUE, **fields}, by=None)
    assert [fault["path"] for fault in refused.value.details["errors"]] == [path]
    assert VALUE not in str(refused.value.details)


def test_rotation_overlaps(tenant: Tenant) -> None:
    services.create_secret(tenant, name="CRM_TOKEN", value="old", by=None)
    services.rotate_secret(tenant, name="CRM_TOKEN", value="new", overlap=timedelta(hours=1), by=None)
    assert services.values(tenant, "CRM_TOKEN") == ("new", "old")
    Secret.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    assert services.values(tenant, "CRM_TOKEN") == ("new",)
    assert services.forget_previous() == 1
    assert Secret.objects.get().previous == ""
    services.rotate_secret(tenant, name="CRM_TOKEN", value="newer", overlap=timedelta(0), by=None)
    assert (services.values(tenant, "CRM_TOKEN"), Secret.objects.get().version) == (("newer",), 3)


def test_the_audit_names_what_was_done_and_never_a_value(tenant: Tenant, author: User) -> None:
    services.create_secret(tenant, name="CRM_TOKEN", value=VALUE, by=author)
    services.rotate_secret(tenant, name="CRM_TOKEN", value=VALUE + "2", by=author)
    services.describe_secret(tenant, name="CRM_TOKEN", description="Of the register", by=author)
    services.delete_secret(tenant, name="CRM_TOKEN", by=author)
    entries = list(AuditEntry.objects.for_tenant(tenant).order_by("number"))
    assert [entry.action for entry in entries] == ["secret.create", "secret.rotate", "secret.describe", "secret.delete"]
    assert VALUE not in str([entry.changes for entry in entries])
    assert not Secret.objects.exists()


def test_a_secret_that_is_referred_to_stays(tenant: Tenant) -> None:
    services.create_secret(tenant, name="CRM_TOKEN", value=VALUE, by=None)
    fields: dict[str, Any] = {"base_url": "https://crm.example.com", "authentication": {"type": "bearer", "secret": "CRM_TOKEN"}}
    flows.save_integration(tenant, integration_id="crm", fields=fields, create=True, by=None)
    with pytest.raises(SecretIsNeeded) as refused:
        services.delete_secret(tenant, name="CRM_TOKEN", by=None)
    assert refused.value.details["used_by"] == ["integration:crm"]
    flows.delete_integration(tenant, integration_id="crm", by=None)
    services.delete_secret(tenant, name="CRM_TOKEN", by=None)


def test_keys_are_rotated(tenant: Tenant, settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    services.create_secret(tenant, name="CRM_TOKEN", value="before", by=None)
    services.rotate_secret(tenant, name="CRM_TOKEN", value=VALUE, by=None)
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("reseal", verbosity=0)
    settings.ENCRYPTION_KEYS = [new]
    assert services.values(tenant, "CRM_TOKEN") == (VALUE, "before")
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(sealing.SealBroken):
        services.resolve(tenant, "CRM_TOKEN")


def test_rest_takes_a_value_and_never_gives_one(tenant: Tenant, client: Client) -> None:
    headers = factories.bearer(tenant)
    created = client.post("/api/v1/secrets", {"name": "CRM_TOKEN", "value": VALUE}, content_type="application/json", headers=headers)
    assert (created.status_code, created.headers["Location"]) == (201, "/api/v1/secrets/CRM_TOKEN")
    rotated = client.post(
        "/api/v1/secrets/CRM_TOKEN/rotate", {"value": VALUE + "2", "overlap_seconds": 60}, content_type="application/json", headers=headers
    )
    read = client.get("/api/v1/secrets/CRM_TOKEN", headers=headers)
    listed = client.get("/api/v1/secrets", headers=headers)
    assert (rotated.json()["version"], read.json()["used_by"], listed.json()["count"]) == (2, [], 1)
    for answer in (created, rotated, read, listed):
        assert VALUE.encode() not in answer.content
        assert b"sealed" not in answer.content
    assert services.resolve(tenant, "CRM_TOKEN") == VALUE + "2"


def test_the_page_takes_a_value_and_never_shows_one(tenant: Tenant, client: Client) -> None:
    client.force_login(factories.member(tenant, Role.EDITOR), backend="django.contrib.auth.backends.ModelBackend")
    added = client.post("/admin/vault/secret/add/", {"name": "CRM_TOKEN", "value": VALUE, "description": ""}, follow=True)
    row = Secret.objects.get()
    rotated = client.post(f"/admin/vault/secret/{row.pk}/rotate/", {"value": VALUE + "2", "overlap_hours": "1"}, follow=True)
    page = client.get(f"/admin/vault/secret/{row.pk}/change/")
    for answer in (added, rotated, page):
        assert answer.status_code == 200
        assert VALUE.encode() not in answer.content
    assert services.values(tenant, "CRM_TOKEN") == (VALUE + "2", VALUE)
    client.post(f"/admin/vault/secret/{row.pk}/change/", {"description": "Of the register"})
    row.refresh_from_db()
    assert row.description == "Of the register"
    refused = client.post("/admin/vault/secret/add/", {"name": "bad name", "value": VALUE, "description": ""})
    assert b"capital letters" in refused.content
