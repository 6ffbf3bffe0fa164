"""Trying an integration out, keeping answers as stubs, and seeing how it is doing: over REST and in the admin."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conversations import effects, services, tasks
from conversations.core.types import Call
from conversations.models import Effect
from flows import services as flows
from flows.models import Integration, Stub
from mcp_platform.outbound import breaker
from mcp_platform.tenancy import services as tenancy
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.vault.models import Secret
from tests import factories
from tests.conversations.scenes import calling
from tests.integrations.outside import Reply, Web

Crm = Callable[..., Integration]
API = "/api/v1/integrations/crm"


def post(client: Client, tenant: Tenant, path: str, body: Any) -> Any:
    return client.post(path, body, content_type="application/json", headers=factories.bearer(tenant))


def staff(client: Client, tenant: Tenant, role: str = Role.EDITOR) -> Client:
    client.force_login(factories.member(tenant, role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def call(**more: Any) -> Call:
    told = {"endpoint": "parcels", "method": "GET", "request": {}, **more}
    return Call(effect_id="e1", step_key="1:x", integration_id="crm", timeout_ms=1_000, **told)


def test_a_trial_shows_what_was_sent_and_what_came_back(tenant: Tenant, web: Web, crm: Crm, client: Client, secret: Callable[..., str]) -> None:
    secret()
    crm(authentication={"type": "bearer", "secret": "CRM_TOKEN"})
    web.answer = lambda request: Reply(status=201, body={"you": request.headers["authorization"]})
    answer = post(client, tenant, f"{API}/try", {"endpoint": "people/{id}", "method": "POST", "request": {"id": "7", "name": "Ada"}})
    assert answer.status_code == 200
    told = answer.json()
    assert told["outcome"]["data"] == {"you": "Bearer •••"}
    assert (told["outcome"]["success"], told["outcome"]["status_code"], told["stub"]) == (True, 201, None)
    assert (told["sent"]["method"], told["sent"]["url"], told["sent"]["body"]) == ("POST", f"{web.url}/v1/people/7", {"name": "Ada"})
    assert told["sent"]["headers"]["Authorization"] == "•••"
    assert b"s3cret" not in answer.content
    entry = AuditEntry.objects.for_tenant(tenant).get(action="integration.try")
    assert entry.changes == {"integration_id": "crm", "endpoint": "people/{id}", "method": "POST", "success": True}


def test_a_trial_goes_past_an_open_breaker_and_counts_for_nothing(tenant: Tenant, web: Web, crm: Crm, client: Client) -> None:
    crm()
    name = effects.breaker_name(tenant, "crm")
    for _ in range(breaker.LEAST_FAILURES):
        breaker.report(name, healthy=False)
    assert post(client, tenant, f"{API}/try", {}).json()["outcome"]["success"]
    assert breaker.read(name).state == "open"
    closed = post(client, tenant, f"{API}/breaker/close", None)
    assert closed.json()["breaker"]["state"] == "closed"


def test_who_may_try_and_who_may_keep(tenant: Tenant, web: Web, crm: Crm, client: Client) -> None:
    crm()
    headers = factories.bearer(tenant, ["integrations:try"])
    assert client.post(f"{API}/try", {}, content_type="application/json", headers=headers).status_code == 200
    kept = client.post(f"{API}/try", {"record_as": "x"}, content_type="application/json", headers=headers)
    assert (kept.status_code, len(web.got), Stub.objects.count()) == (403, 1, 0)
    headers = factories.bearer(tenant, ["integrations:read", "integrations:write"])
    assert client.post(f"{API}/try", {}, content_type="application/json", headers=headers).status_code == 403


def test_a_trial_is_kept_and_answers_in_its_place(tenant: Tenant, web: Web, crm: Crm, client: Client) -> None:
    crm()
    web.answer = lambda _: Reply(body={"owner": "Ada"})
    told = post(client, tenant, f"{API}/try", {"endpoint": "parcels", "request": {"id": "7"}, "record_as": "parcel 7"}).json()
    assert told["stub"]["source"] == "trial"
    answer = effects.stubbed(tenant)
    found = answer(call(request={"id": "7", "extra": True}))
    assert found is not None
    assert (found.success, found.data) == (True, {"owner": "Ada"})
    assert answer(call(request={"id": "8"})) is None
    assert answer(call(endpoint="people", request={"id": "7"})) is None
    assert len(web.got) == 1


def test_the_stub_that_says_most_answers(tenant: Tenant, web: Web, crm: Crm) -> None:
    crm()
    written: dict[str, Any] = {
        "any": {"outcome": {"data": "any"}},
        "parcels": {"endpoint": "parcels", "outcome": {"data": "parcels"}},
        "seven": {"request": {"id": "7"}, "outcome": {"data": "seven"}},
        "down": {"request": {"id": "9"}, "outcome": {"success": False, "code": "INTEGRATION_TIMEOUT", "error": "too late"}},
    }
    for name, fields in written.items():
        flows.save_stub(tenant, integration_id="crm", fields={"name": name, **fields}, by=None)
    answer = effects.stubbed(tenant)
    told = [answer(one) for one in (call(endpoint="x"), call(), call(request={"id": "7"}), call(request={"id": "9"}))]
    assert [one.data for one in told if one] == ["any", "parcels", "seven", None]
    assert told[3] is not None
    assert (told[3].success, told[3].code) == (False, "INTEGRATION_TIMEOUT")


@pytest.fixture
def ended(tenant: Tenant, web: Web, crm: Crm) -> Effect:
    """A call that a conversation has made."""
    crm()
    web.answer = lambda _: Reply(status=404, body={"owner": None})
    factories.published(tenant, calling(integration_id="crm"))
    begun = services.start(tenant, flow_id="register")
    services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": "12/4"})
    effect = Effect.objects.get()
    tasks.perform_effect(tenant_id=str(tenant.pk), effect_id=str(effect.pk), attempt=0)
    return effect


def test_what_a_conversation_has_met_is_kept(tenant: Tenant, ended: Effect, client: Client) -> None:
    answer = post(client, tenant, f"{API}/stubs/record", {"effect_id": str(ended.pk), "name": "not there"})
    assert (answer.status_code, answer.json()["source"]) == (201, "conversation")
    found = effects.stubbed(tenant)(call(method="POST", request={"word": "12/4"}))
    assert found is not None
    assert (found.success, found.status_code, found.data) == (False, 404, {"owner": None})
    again = post(client, tenant, f"{API}/stubs/record", {"effect_id": str(ended.pk), "name": "not there"})
    assert (again.status_code, again.json()["error_code"]) == (409, "ALREADY_EXISTS")


def test_stubs_over_rest(tenant: Tenant, crm: Crm, client: Client) -> None:
    crm()
    made = post(client, tenant, f"{API}/stubs", {"name": "fine", "outcome": {"data": 1}}).json()
    assert made["outcome"] == {"success": True, "status_code": 200, "data": 1, "error": "", "code": "", "execution_time_ms": 0, "retries": 0}
    headers, path = factories.bearer(tenant), f"{API}/stubs/{made['id']}"
    changed = client.patch(path, {"endpoint": "parcels"}, content_type="application/json", headers=headers).json()
    assert (changed["endpoint"], changed["name"]) == ("parcels", "fine")
    assert client.get(f"{API}/stubs?name=fin", headers=headers).json()["count"] == 1
    assert client.delete(path, headers=headers).status_code == 204
    assert not Stub.objects.exists()


def ends(effect: Effect, number: int, status: str, *, ms: int = 10, code: str = "", hours: float = 0, **more: Any) -> None:
    Effect.objects.create(
        tenant=effect.tenant, turn=effect.turn, conversation=effect.conversation, effect_id=f"x{number}", step_key=f"x{number}", integration_id="crm",
        request={}, request_sha256="", idempotency_key="", status=status, deadline=timezone.now(), created_at=timezone.now(),
        result={"success": status == "succeeded", "code": code, "error": f"{code} happened", "execution_time_ms": ms},
        finished_at=timezone.now() - timedelta(hours=hours), **more,
    )  # fmt: skip


def test_health_counts_what_has_ended(tenant: Tenant, ended: Effect, client: Client) -> None:
    Effect.objects.all().update(finished_at=timezone.now() - timedelta(days=40))
    for number in range(20):
        ends(ended, number, "succeeded", ms=(number + 1) * 10, tries=1 if number < 3 else 0)
    ends(ended, 20, "failed", code="INTEGRATION_TIMEOUT", ms=5_000)
    ends(ended, 21, "unknown", code="unknown_outcome", ms=0)
    ends(ended, 22, "failed", code="discarded")  # the conversation was reset: nobody's fault
    ends(ended, 23, "failed", code="INTEGRATION_ERROR", hours=30)
    told = client.get(f"{API}/health", headers=factories.bearer(tenant)).json()
    assert (told["calls"], told["succeeded"], told["failed"], told["unknown"], told["repeated"]) == (22, 20, 1, 1, 3)
    assert (told["p50_ms"], told["p95_ms"]) == (110, 200)
    assert told["success_rate"] == pytest.approx(20 / 22)
    assert told["codes"] == {"INTEGRATION_TIMEOUT": 1, "unknown_outcome": 1}
    assert [one["code"] for one in told["last_failures"]] == ["unknown_outcome", "INTEGRATION_TIMEOUT"]
    assert told["last_failures"][0]["conversation_id"] == str(ended.conversation_id)
    assert client.get(f"{API}/health?hours=48", headers=factories.bearer(tenant)).json()["failed"] == 2


def test_health_without_calls(tenant: Tenant, crm: Crm, client: Client) -> None:
    crm()
    told = client.get(f"{API}/health", headers=factories.bearer(tenant)).json()
    assert (told["calls"], told["success_rate"], told["p50_ms"], told["breaker"]["state"]) == (0, None, None, "closed")


FORM = {
    "name": "Customer register",
    "integration_id": "crm",
    "type": "rest",
    "base_url": "https://crm.example.com/api",
    "timeout_ms": "3000",
    "auth_type": "oauth2_client_credentials",
    "auth_secret": "CRM_TOKEN",
    "auth_token_url": "https://id.example.com/token",
    "auth_client_id": "us",
    "auth_username": "left over from another choice",
    "auth_in": "header",
    "auth_send": "body",
    "auth_algorithm": "sha256",
    "header_lines": "Accept-Language: de\nX-Office: north",
    "max_attempts": "4",
    "backoff_ms": "300",
    "idempotent": "yes",
    "body": "form",
}


def test_the_form_makes_the_definition(tenant: Tenant, client: Client, secret: Callable[..., str]) -> None:
    secret()
    answer = staff(client, tenant).post(reverse("admin:flows_integration_add"), FORM)
    assert answer.status_code == 302, answer.context["errors"]
    row = Integration.objects.get()
    assert row.authentication == {
        "type": "oauth2_client_credentials", "secret": "CRM_TOKEN", "token_url": "https://id.example.com/token", "client_id": "us", "send": "body",
    }  # fmt: skip
    assert row.headers == {"Accept-Language": "de", "X-Office": "north"}
    assert row.retry_policy == {"max_attempts": 4, "backoff_ms": 300, "idempotent": True}
    assert row.options == {"body": "form"}
    page = client.get(reverse("admin:flows_integration_change", args=(row.pk,)))
    initial = page.context["adminform"].form
    assert {name: initial[name].value() for name in ("auth_type", "auth_client_id", "max_attempts", "idempotent", "header_lines")} == {
        "auth_type": "oauth2_client_credentials", "auth_client_id": "us", "max_attempts": 4, "idempotent": "yes",
        "header_lines": "Accept-Language: de\nX-Office: north",
    }  # fmt: skip
    again = client.post(
        reverse("admin:flows_integration_change", args=(row.pk,)), {**FORM, "type": "graphql", "operations": "### order\n{ order }\n"}
    )
    assert again.status_code == 302
    row.refresh_from_db()
    assert (row.type, row.options) == ("graphql", {"operations": {"order": "{ order }"}})


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"base_url": "crm"}, "base_url", "is no address"),
        ({"auth_client_id": ""}, "auth_client_id", "is missing"),
        ({"header_lines": "Authorization: Bearer abc"}, "header_lines", "would carry a secret"),
        ({"header_lines": "no colon"}, "header_lines", "Not a header"),
        ({"type": "graphql", "operations": "{ order }"}, "operations", "### order"),
        ({"backoff_ms": "999999"}, "backoff_ms", "out of range"),
    ],
)
def test_faults_are_shown_at_their_fields(
    tenant: Tenant, client: Client, secret: Callable[..., str], fields: dict[str, str], field: str, words: str
) -> None:
    secret()
    answer = staff(client, tenant).post(reverse("admin:flows_integration_add"), {**FORM, **fields})
    assert answer.status_code == 200
    assert words in str(answer.context["adminform"].form.errors[field])
    assert not Integration.objects.exists()


def test_a_missing_secret_is_told_on_the_page_and_refuses_a_publish(tenant: Tenant, crm: Crm, client: Client) -> None:
    row = crm(authentication={"type": "bearer", "secret": "CRM_TOKEN"})
    assert not Secret.objects.exists()
    page = staff(client, tenant).get(reverse("admin:flows_integration_change", args=(row.pk,)))
    assert b"There is no secret CRM_TOKEN yet" in page.content
    told = client.get(API, headers=factories.bearer(tenant)).json()
    assert [problem["code"] for problem in told["problems"]] == ["missing_secret"]
    factories.draft(tenant, calling(integration_id="crm"))
    refused = post(client, tenant, "/api/v1/flows/register/publish", {})
    assert refused.status_code == 422
    assert [(one["path"], one["code"]) for one in refused.json()["errors"]] == [("$.states.call.config.integration_id", "missing_secret")]


def test_the_page_of_health_tries_and_keeps(tenant: Tenant, web: Web, ended: Effect, client: Client) -> None:
    row = Integration.objects.get()
    page = staff(client, tenant).get(reverse("admin:conversations_integrationhealth_change", args=(row.pk,)))
    assert page.status_code == 200
    assert str(ended.conversation_id).encode() in page.content
    web.answer = lambda _: Reply(body={"owner": "Grace"})
    given = {"endpoint": "parcels", "method": "GET", "request": '{"id": "7"}', "record_as": "grace"}
    tried = client.post(reverse("admin:conversations_integrationhealth_try", args=(row.pk,)), given)
    assert b"Grace" in tried.content
    assert Stub.objects.get().name == "grace"
    client.post(reverse("admin:conversations_integrationhealth_record", args=(row.pk,)), {"effect_id": str(ended.pk), "name": "404"})
    assert set(Stub.objects.values_list("name", flat=True)) == {"grace", "404"}
    bad = client.post(reverse("admin:conversations_integrationhealth_try", args=(row.pk,)), {**given, "request": "{"})
    assert b"Not JSON at line 1" in bad.content
    listed = client.get(reverse("admin:conversations_integrationhealth_changelist"))
    assert b"0.0%" in listed.content
    viewer = staff(Client(), tenant, Role.VIEWER)
    assert b'id="try"' not in viewer.get(reverse("admin:conversations_integrationhealth_change", args=(row.pk,))).content
    assert viewer.post(reverse("admin:conversations_integrationhealth_try", args=(row.pk,)), given).status_code == 403


def test_only_an_operator_of_the_platform_opens_private_addresses(tenant: Tenant, client: Client) -> None:
    body = {"settings": {"outbound_allowed_hosts": ["10.0.0.5:8080"]}}
    answer = client.patch("/api/v1/tenant", body, content_type="application/json", headers=factories.bearer(tenant))
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    operator = factories.UserFactory.create(is_superuser=True)
    saved = tenancy.update_tenant(tenant, settings=body["settings"], by=operator)
    assert saved.settings == body["settings"]
    assert AuditEntry.objects.for_tenant(tenant).filter(action="tenant.update").exists()
    kept = client.patch("/api/v1/tenant", {**body, "name": "New"}, content_type="application/json", headers=factories.bearer(tenant))
    assert kept.status_code == 200  # as it was
    bad = {"settings": {"outbound_allowed_hosts": ["http://x"]}}
    refused = client.patch("/api/v1/tenant", bad, content_type="application/json", headers=factories.bearer(tenant))
    assert refused.json()["errors"][0]["path"] == "$.settings.outbound_allowed_hosts"
