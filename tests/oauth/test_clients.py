"""Clients that a tenant registers: REST, the admin's services, client credentials, registration by a program."""

import base64
import json
from typing import Any

import pytest
from django.test import Client

from mcp_platform.errors import Invalid
from mcp_platform.oauth import services
from mcp_platform.oauth.errors import ClientHasNoSecret, ClientNotFound
from mcp_platform.oauth.models import Authorization
from mcp_platform.oauth.models import Client as OAuthClient
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.errors import CannotGrant, Unauthenticated
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant, User
from tests import factories
from tests.factories import MembershipFactory
from tests.oauth.program import CALLBACK, RESOURCE, Program
from tests.tenancy.clients import client_of

pytestmark = pytest.mark.django_db
ROBOT: dict[str, Any] = {"name": "Robot", "acts_for": "itself", "scopes": ["tools:echo", "flows:read"]}
URL = "/api/v1/oauth-clients"


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


def ask(headers: dict[str, str], **form: str) -> Any:
    body = {"grant_type": "client_credentials", **form}
    return Client().post(
        "/oauth/token", "&".join(f"{n}={v}" for n, v in body.items()), content_type="application/x-www-form-urlencoded", headers=headers
    )


def test_a_client_that_acts_for_itself(tenant: Tenant) -> None:
    made = client_of(tenant).post(URL, ROBOT, format="json")
    assert made.status_code == 201, made.content
    row = made.json()
    assert row["client_secret"].startswith("mcps_")
    assert row["client_secret"] not in str(OAuthClient.objects.values())
    assert "client_secret" not in client_of(tenant).get(f"{URL}/{row['id']}").json()

    answer = ask(basic(row["client_id"], row["client_secret"]), scope="tools:echo")
    assert answer.status_code == 200, answer.content
    assert "refresh_token" not in answer.json()
    who = services.principal_of_token(answer.json()["access_token"], resource="http://testserver/mcp")
    assert (who.tenant, who.user, who.permissions) == (tenant, None, frozenset({"tools:echo"}))
    assert who.actor == f"client:{row['client_id']}"
    assert ask(basic(row["client_id"], row["client_secret"])).json()["scope"] == "flows:read tools:echo"


def test_it_gets_no_more_than_it_was_registered_for(tenant: Tenant) -> None:
    row, secret = services.register_client(tenant, **ROBOT, by=factories.member(tenant))
    assert ask(basic(row.client_id, secret), scope="flows:write").json()["error"] == "invalid_scope"
    token = ask(basic(row.client_id, secret)).json()["access_token"]
    services.change_client(tenant, client_id=row.pk, changes={"scopes": ["tools:echo"]}, by=None)
    assert services.principal_of_token(token, resource=RESOURCE).permissions == {"tools:echo"}


@pytest.mark.parametrize("secret", ["", "mcps_wrong", "x\x00", "ä"])
def test_a_wrong_secret(tenant: Tenant, secret: str) -> None:
    row, _ = services.register_client(tenant, **ROBOT, by=None)
    assert ask(basic(row.client_id, secret)).status_code == 401


def test_a_public_client_cannot_act_for_itself(registered: OAuthClient) -> None:
    assert ask(basic(registered.client_id, "")).status_code == 401
    assert ask({}, client_id=registered.client_id).status_code == 401


def test_a_new_secret_ends_the_old_one(tenant: Tenant) -> None:
    row, old = services.register_client(tenant, **ROBOT, by=None)
    _, new = services.rotate_secret(tenant, client_id=row.pk, by=None)
    assert ask(basic(row.client_id, old)).status_code == 401
    assert ask(basic(row.client_id, new)).status_code == 200


def test_a_withdrawn_client_is_gone_with_its_tokens(tenant: Tenant) -> None:
    row, secret = services.register_client(tenant, **ROBOT, by=None)
    token = ask(basic(row.client_id, secret)).json()["access_token"]
    assert client_of(tenant).delete(f"{URL}/{row.pk}").status_code == 204
    assert ask(basic(row.client_id, secret)).status_code == 401
    with pytest.raises(Unauthenticated):
        services.principal_of_token(token, resource=RESOURCE)
    assert client_of(tenant).patch(f"{URL}/{row.pk}", {"name": "x"}, format="json").status_code == 409
    said = AuditEntry.objects.for_tenant(tenant).filter(action__startswith="oauth").order_by("number")
    assert [entry.action for entry in said] == ["oauth_client.register", "oauth_client.withdraw"]


def test_nobody_makes_a_client_that_can_do_more_than_they(tenant: Tenant) -> None:
    analyst = tenancy.principal_of_user(factories.member(tenant, Role.ANALYST), tenant)
    with pytest.raises(CannotGrant):
        services.register_client(tenant, name="x", acts_for="itself", scopes=["flows:write"], by=analyst)
    row, _ = services.register_client(tenant, name="x", acts_for="itself", scopes=["flows:write"], by=None)
    with pytest.raises(CannotGrant):
        services.rotate_secret(tenant, client_id=row.pk, by=analyst)


def test_a_client_with_a_secret_must_show_it(tenant: Tenant, olga: User) -> None:
    row, secret = services.register_client(tenant, name="Site", confidential=True, redirect_uris=["https://site.example.com/back"], by=None)
    program = Program(row.client_id, olga, callback="https://site.example.com/back")
    assert program.exchange(program.let_in()).status_code == 401
    assert program.exchange(program.let_in(), client_secret="mcps_wrong").status_code == 401
    assert program.exchange(program.let_in(), client_secret=secret).status_code == 200


def test_only_one_that_has_a_secret_gets_a_new_one(registered: OAuthClient, tenant: Tenant) -> None:
    with pytest.raises(ClientHasNoSecret):
        services.rotate_secret(tenant, client_id=registered.pk, by=None)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": " "}, "$.name"),
        ({"name": "x\n"}, "$.redirect_uris"),  # stripped, so only the addresses are missing
        ({"name": "a\u202eb", "redirect_uris": [CALLBACK]}, "$.name"),
        ({"name": "x", "redirect_uris": []}, "$.redirect_uris"),
        ({"name": "x", "redirect_uris": ["http://evil.example.com"]}, "$.redirect_uris[0]"),
        ({"name": "x", "redirect_uris": [CALLBACK], "scopes": ["secrets:read"]}, "$.scopes"),
        ({"name": "x", "redirect_uris": [CALLBACK], "scopes": ["nonsense"]}, "$.scopes"),
        ({"name": "x", "acts_for": "itself"}, "$.scopes"),
        ({"name": "x", "acts_for": "itself", "scopes": ["tools:echo"], "redirect_uris": [CALLBACK]}, "$.redirect_uris"),
        ({"name": "x", "acts_for": "nobody", "redirect_uris": [CALLBACK]}, "$.acts_for"),
    ],
)
def test_what_is_wrong_with_a_client_is_said(tenant: Tenant, wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as fault:
        services.register_client(tenant, **wrong, by=None)
    assert path in [one["path"] for one in fault.value.details["errors"]]


def test_clients_are_the_tenants_own(registered: OAuthClient, tenant: Tenant, stranger: Tenant) -> None:
    for client, status in ((client_of(tenant), 200), (client_of(stranger), 404), (client_of(tenant, Role.EDITOR), 403), (client_of(None), 401)):
        assert client.get(f"{URL}/{registered.pk}").status_code == status
        assert client.patch(f"{URL}/{registered.pk}", {"name": "New"}, format="json").status_code == status
    assert client_of(stranger).get(URL).json()["count"] == 0
    with pytest.raises(ClientNotFound):
        services.withdraw_client(stranger, client_id=registered.pk, by=None)


def test_who_has_let_what_in_is_seen_and_taken_back(program: Program, tenant: Tenant, stranger: Tenant) -> None:
    token = program.tokens()["access_token"]
    rows = client_of(tenant).get("/api/v1/oauth-authorizations").json()["results"]
    assert [(row["client_name"], row["username"]) for row in rows] == [("Plan viewer", "olga")]
    one = f"/api/v1/oauth-authorizations/{rows[0]['id']}"
    assert client_of(stranger).delete(one).status_code == 404
    assert client_of(tenant, Role.EDITOR).delete(one).status_code == 403
    assert client_of(tenant).get(URL).json()["results"][0]["authorizations"] == 1
    assert client_of(tenant).delete(one).status_code == 204
    assert Authorization.objects.get().revoked_at is not None
    with pytest.raises(Unauthenticated):
        services.principal_of_token(token, resource=RESOURCE)


class TestRegistration:
    def register(self, headers: dict[str, str], **document: Any) -> Any:
        body = {"client_name": "Tool", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", **document}
        return Client().post("/oauth/register", json.dumps(body), content_type="application/json", headers=headers)

    def test_nobody_registers_without_a_credential(self, tenant: Tenant) -> None:
        assert self.register({}).status_code == 401
        assert self.register(factories.bearer(tenant, ["flows:read"])).status_code == 403
        assert not OAuthClient.objects.exists()

    def test_a_key_that_manages_clients_registers(self, tenant: Tenant, olga: User) -> None:
        made = self.register(factories.bearer(tenant, ["clients:manage"]))
        assert made.status_code == 201, made.content
        assert made.json()["token_endpoint_auth_method"] == "none"
        assert "client_secret" not in made.json()
        assert OAuthClient.objects.get().tenant == tenant
        assert Program(made.json()["client_id"], olga).tokens()["access_token"]

    def test_with_a_secret(self, tenant: Tenant) -> None:
        made = self.register(factories.bearer(tenant, ["clients:manage"]), token_endpoint_auth_method="client_secret_post").json()
        assert made["client_secret"]
        assert made["client_secret_expires_at"] == 0

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [
            ({"redirect_uris": ["javascript:x"]}, "invalid_redirect_uri"),
            ({"redirect_uris": "x"}, "invalid_redirect_uri"),
            ({"scope": "tenant:manage"}, "invalid_client_metadata"),
            ({"client_name": "x" * 200}, "invalid_client_metadata"),
        ],
    )
    def test_what_is_wrong_is_said_in_the_words_of_the_standard(self, tenant: Tenant, wrong: dict[str, Any], error: str) -> None:
        answer = self.register(factories.bearer(tenant, ["clients:manage"]), **wrong)
        assert (answer.status_code, answer.json()["error"]) == (400, error)


class TestAdmin:
    @pytest.fixture
    def browser(self, tenant: Tenant) -> Client:
        found = Client()
        owner = MembershipFactory.create(tenant=tenant, role=Role.OWNER, user__is_staff=True).user
        found.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
        return found

    def test_a_client_is_registered_and_its_secret_shown_once(self, browser: Client, tenant: Tenant) -> None:
        form = {"name": "Robot", "kind": "itself", "redirect_uris": "", "scopes": ["tools:echo"]}
        page = browser.post("/admin/oauth/client/add/", form).content.decode()
        assert "mcps_" in page
        row = OAuthClient.objects.get()
        assert "mcps_" not in browser.get(f"/admin/oauth/client/{row.pk}/registered/").content.decode()
        assert "mcps_" in browser.post(f"/admin/oauth/client/{row.pk}/rotate/").content.decode()
        browser.post(f"/admin/oauth/client/{row.pk}/withdraw/")
        row.refresh_from_db()
        assert row.withdrawn_at is not None
        assert "withdrawn" in browser.get("/admin/oauth/client/").content.decode()

    def test_what_is_wrong_is_shown_at_its_field(self, browser: Client) -> None:
        page = browser.post("/admin/oauth/client/add/", {"name": "x", "kind": "person", "redirect_uris": "http://evil.example.com", "scopes": []})
        assert "is not encrypted" in page.content.decode()
        assert not OAuthClient.objects.exists()

    def test_who_has_let_what_in_is_taken_back(self, browser: Client, program: Program) -> None:
        program.tokens()
        row = Authorization.objects.get()
        assert "Plan viewer" in browser.get("/admin/oauth/authorization/").content.decode()
        assert "tools:echo" in browser.get(f"/admin/oauth/authorization/{row.pk}/change/").content.decode()
        browser.post(f"/admin/oauth/authorization/{row.pk}/revoke/")
        row.refresh_from_db()
        assert row.revoked_at is not None
