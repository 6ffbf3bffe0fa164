"""Definitions of external systems: secrets by name only."""

from typing import Any

import pytest

from flows import errors, services
from flows.models import Integration
from mcp_platform.tenancy.models import AuditEntry, Tenant, User
from mcp_platform.vault import services as vault
from tests import factories
from tests.factories import greeting

CRM: dict[str, Any] = {
    "name": "Customer register",
    "base_url": "https://crm.example.com/api",
    "authentication": {"type": "bearer", "secret": "CRM_TOKEN"},
    "headers": {"Accept-Language": "en"},
    "timeout_ms": 3000,
    "retry_policy": {"max_attempts": 3, "backoff_ms": 200, "idempotent": True},
}

# What is sent, the path of the fault, its code.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"base_url": "ftp://crm.example.com"}, "$.base_url", "bad_url"),
    ({"base_url": "crm.example.com"}, "$.base_url", "bad_url"),
    ({"base_url": "https://"}, "$.base_url", "bad_url"),
    ({"base_url": "https://crm.example.com:99999"}, "$.base_url", "bad_url"),
    ({"base_url": "https://[::1"}, "$.base_url", "bad_url"),
    ({"base_url": "https://crm.example.com/a b"}, "$.base_url", "bad_url"),
    ({"base_url": "https://crm.example.com?token=1"}, "$.base_url", "bad_url"),
    ({"base_url": "https://joe:secret@crm.example.com"}, "$.base_url", "literal_secret"),
    ({"base_url": 5}, "$.base_url", "bad_url"),
    ({"base_url": "https://crm.example.com/" + "x" * 300}, "$.base_url", "bad_url"),
    ({"authentication": "bearer"}, "$.authentication", "wrong_type"),
    ({"authentication": {"type": "magic"}}, "$.authentication.type", "unknown_value"),
    ({"authentication": {"type": ["bearer"]}}, "$.authentication.type", "unknown_value"),
    ({"authentication": {"secret": "CRM_TOKEN"}}, "$.authentication.type", "unknown_value"),
    ({"authentication": {"type": "bearer"}}, "$.authentication.secret", "missing"),
    ({"authentication": {"type": "bearer", "secret": "sk_live_51Hx8aKq"}}, "$.authentication.secret", "literal_secret"),
    ({"authentication": {"type": "bearer", "token": "abc", "secret": "CRM_TOKEN"}}, "$.authentication.token", "unknown_key"),
    ({"authentication": {"type": "basic", "secret": "CRM_TOKEN"}}, "$.authentication.username", "missing"),
    ({"authentication": {"type": "basic", "username": "joe", "password": "pw", "secret": "X1"}}, "$.authentication.password", "unknown_key"),
    ({"authentication": {"type": "header", "header": "X Key", "secret": "CRM_TOKEN"}}, "$.authentication.header", "bad_value"),
    ({"headers": {"Authorization": "Bearer abc"}}, "$.headers.Authorization", "literal_secret"),
    ({"headers": {"X-Api-Key": "abc"}}, "$.headers.X-Api-Key", "literal_secret"),
    ({"headers": {"Cookie": "a=b"}}, "$.headers.Cookie", "literal_secret"),
    ({"headers": {"Host": "internal"}}, "$.headers.Host", "bad_name"),
    ({"headers": {"Accept": "a\r\nX-Evil: 1"}}, "$.headers.Accept", "bad_value"),
    ({"headers": ["Accept"]}, "$.headers", "wrong_type"),
    ({"timeout_ms": 99}, "$.timeout_ms", "out_of_range"),
    ({"timeout_ms": 30_001}, "$.timeout_ms", "out_of_range"),
    ({"timeout_ms": True}, "$.timeout_ms", "out_of_range"),
    ({"timeout_ms": "3000"}, "$.timeout_ms", "out_of_range"),
    ({"retry_policy": {"max_attempts": 99}}, "$.retry_policy.max_attempts", "out_of_range"),
    ({"retry_policy": {"forever": True}}, "$.retry_policy.forever", "unknown_key"),
    ({"retry_policy": {"idempotent": "yes"}}, "$.retry_policy.idempotent", "wrong_type"),
    ({"retry_policy": []}, "$.retry_policy", "wrong_type"),
    ({"type": "soap"}, "$.type", "unknown_value"),
    ({"name": ""}, "$.name", "wrong_type"),
    ({"name": None}, "$.name", "wrong_type"),
    ({"password": "x"}, "$.password", "unknown"),
]


def test_an_integration_is_created_and_changed(tenant: Tenant, author: User) -> None:
    made = services.save_integration(tenant, integration_id="crm", fields=CRM, create=True, by=author)
    assert (made.rev, made.type) == (1, "rest")
    changed = services.save_integration(tenant, integration_id="crm", fields={"timeout_ms": 100}, expected_rev=1, by=author)
    assert (changed.rev, changed.timeout_ms, changed.base_url) == (2, 100, CRM["base_url"])
    assert services.save_integration(tenant, integration_id="crm", fields={"timeout_ms": 100}, by=author).rev == 2
    actions = list(AuditEntry.objects.for_tenant(tenant).order_by("number").values_list("action", "changes"))
    assert actions[0][0] == "integration.create"
    assert actions[1] == ("integration.save", {"integration_id": "crm", "timeout_ms": [3000, 100]})
    assert len(actions) == 2


@pytest.mark.parametrize(("fields", "path", "code"), REFUSED, ids=[f"{path} {number}" for number, (_, path, _) in enumerate(REFUSED)])
def test_what_is_refused(tenant: Tenant, author: User, fields: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(errors.FieldsRefused) as refused:
        services.save_integration(tenant, integration_id="crm", fields={**CRM, **fields}, create=True, by=author)
    assert [(fault["path"], fault["code"]) for fault in refused.value.details["errors"]] == [(path, code)]
    assert not Integration.objects.exists()
    assert not AuditEntry.objects.filter(action="integration.create").exists()


def test_every_fault_is_named_at_once(tenant: Tenant, author: User) -> None:
    bad = {"base_url": "x", "timeout_ms": 1, "headers": {"Cookie": "a"}, "authentication": {"type": "bearer", "secret": "plain text"}}
    with pytest.raises(errors.FieldsRefused) as refused:
        services.save_integration(tenant, integration_id="9", fields=bad, create=True, by=author)
    assert len(refused.value.details["errors"]) == 5
    assert "plain text" not in str(refused.value.details)


def test_names_are_taken_once_per_tenant(tenant: Tenant, stranger: Tenant, author: User) -> None:
    services.save_integration(tenant, integration_id="crm", fields=CRM, create=True, by=author)
    services.save_integration(stranger, integration_id="crm", fields=CRM, create=True, by=None)
    with pytest.raises(errors.NameTaken):
        services.save_integration(tenant, integration_id="crm", fields=CRM, create=True, by=author)


def test_the_second_of_two_savers_is_told(tenant: Tenant, author: User) -> None:
    services.save_integration(tenant, integration_id="crm", fields=CRM, create=True, by=author)
    services.save_integration(tenant, integration_id="crm", fields={"timeout_ms": 200}, expected_rev=1, by=author)
    with pytest.raises(errors.DraftHasChanged):
        services.save_integration(tenant, integration_id="crm", fields={"timeout_ms": 300}, expected_rev=1, by=author)


def test_an_integration_that_a_running_flow_calls_stays(tenant: Tenant, author: User) -> None:
    services.save_integration(tenant, integration_id="crm", fields=CRM, create=True, by=author)
    vault.create_secret(tenant, name="CRM_TOKEN", value="s3cret", by=author)
    document = greeting()
    document["states"]["greet"]["entry_actions"] = [{"type": "call_integration", "integration_id": "crm", "endpoint": "/people"}]
    factories.published(tenant, document)
    with pytest.raises(errors.IntegrationIsNeeded) as refused:
        services.delete_integration(tenant, integration_id="crm", by=author)
    assert refused.value.details["used_by"] == ["greeting"]
    services.archive(tenant, flow_id="greeting", by=author)
    services.delete_integration(tenant, integration_id="crm", by=author)
    with pytest.raises(errors.IntegrationNotFound):
        services.delete_integration(tenant, integration_id="crm", by=author)
