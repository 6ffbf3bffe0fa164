"""A person lets a program in, and what it gets."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mcp_platform.oauth import services
from mcp_platform.oauth.models import AccessToken, Authorization, Code, RefreshToken
from mcp_platform.oauth.models import Client as OAuthClient
from mcp_platform.oauth.provider.validator import Validator
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import AuditEntry, Membership, Role, Tenant, User
from tests.factories import MembershipFactory
from tests.oauth.program import BASE, CALLBACK, RESOURCE, Program, told

pytestmark = pytest.mark.django_db


def test_a_program_gets_in_with_what_the_person_has_chosen(program: Program, tenant: Tenant, olga: User) -> None:
    page = program.look()
    text = page.content.decode()
    assert page.status_code == 200
    assert "Plan viewer wants to act for you in Permits" in text
    assert "Start conversations and send messages" in text

    back = told(program.decide("tools:echo", "conversations:read"))
    assert (back["state"], back["iss"]) == (program.state, BASE)

    answer = program.exchange(back["code"])
    given = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (given["token_type"], given["scope"], given["expires_in"]) == ("Bearer", "tools:echo conversations:read", 3600)

    who = services.principal_of_token(given["access_token"], resource=RESOURCE)
    assert (who.tenant, who.user, who.actor) == (tenant, olga, f"user:{olga.pk}")
    assert who.permissions == {"tools:echo", "conversations:read"}
    assert AuditEntry.objects.for_tenant(tenant).filter(action="oauth.authorize", actor=f"user:{olga.pk}").exists()


def test_nothing_of_a_token_is_kept_but_its_digest(program: Program) -> None:
    given = program.tokens()
    rows = [*AccessToken.objects.values(), *RefreshToken.objects.values()]
    assert given["access_token"] not in str(rows)
    assert given["refresh_token"] not in str(rows)


def test_who_refuses_lets_nobody_in(program: Program) -> None:
    back = told(program.decide(decision="refuse"))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", program.state, BASE)
    assert not Authorization.objects.exists()
    assert not Code.objects.exists()


def test_to_choose_nothing_is_no_answer(program: Program) -> None:
    answer = program.decide("not:asked")
    assert answer.status_code == 200
    assert "Choose at least one thing" in answer.content.decode()


def test_nobody_gives_away_what_they_may_not_do_themselves(registered: OAuthClient, tenant: Tenant, olga: User) -> None:
    Membership.objects.filter(user=olga).update(role=Role.VIEWER)
    program = Program(registered.client_id, olga)
    assert "1 thing that you may not do yourself" in program.look().content.decode()
    assert program.tokens("conversations:read", "conversations:write")["scope"] == "conversations:read"


@pytest.mark.parametrize("scope", ["tenant:manage", "secrets:write", "keys:manage", "nonsense", "tools:echo nonsense"])
def test_what_administers_the_tenant_cannot_be_asked_for(program: Program, scope: str) -> None:
    assert told(program.look(scope=scope))["error"] == "invalid_scope"


def test_who_asks_for_nothing_in_particular_may_look_and_try(program: Program) -> None:
    text = program.look(scope=None).content.decode()
    assert "conversations:read" in text
    assert "conversations:write" not in text


def test_the_words_of_other_standards_ask_for_nothing(program: Program) -> None:
    page = program.look(scope="openid offline_access tools:echo")
    assert page.status_code == 200
    assert 'value="offline_access"' not in page.content.decode()
    assert program.tokens("tools:echo", scope="openid offline_access tools:echo")["scope"] == "tools:echo"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"response_type": None}, "invalid_request"),
        ({"resource": "https://elsewhere.example.com/mcp"}, "invalid_target"),
        ({"resource": f"{BASE}/mcp/"}, "invalid_target"),
        ({"resource": f"{BASE}/mcp/../api"}, "invalid_target"),
        ({"resource": f"{BASE}/api/v1"}, "invalid_target"),
        ({"resource": f"{BASE}.evil.example.com/mcp"}, "invalid_target"),
        ({"resource": [RESOURCE, f"{BASE}/mcp/v/other"]}, "invalid_target"),
    ],
)
def test_a_request_that_is_not_in_order_is_told_to_the_client(program: Program, changes: dict[str, str], error: str) -> None:
    for answer in (program.look(**changes), program.decide(**changes)):
        back = told(answer)
        assert (back["error"], back["state"], back["iss"]) == (error, program.state, BASE)
        assert answer.headers["Location"].startswith(CALLBACK)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "client_unknown"},
        {"client_id": None},
        {"client_id": "x\x00y"},
        {"redirect_uri": "https://evil.example.com/back"},
        {"redirect_uri": "http://127.0.0.1/back/more"},
        {"redirect_uri": "http://127.0.0.1/back?more=1"},
        {"redirect_uri": "http://localhost/back"},
        {"redirect_uri": "http://user@127.0.0.1/back"},
        {"redirect_uri": "javascript:alert(1)"},
        {"state": "x" * 9000},
        {"redirect_uri": "https://evil.example.com/back", "response_type": "token"},
        {"redirect_uri": ["https://evil.example.com/back", CALLBACK]},
    ],
)
def test_a_person_is_never_sent_to_an_address_that_is_not_the_clients(program: Program, changes: dict[str, str]) -> None:
    for answer in (program.look(**changes), program.decide(**changes)):
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "cannot be let in" in answer.content.decode()


def test_the_port_of_a_program_on_ones_own_computer_is_free(program: Program) -> None:
    program.callback = "http://127.0.0.1:53682/back"
    assert program.tokens()["access_token"].startswith("mcpo_")


def test_who_is_not_signed_in_is_asked_to_and_comes_back(registered: OAuthClient) -> None:
    program = Program(registered.client_id, None)
    answer = program.look()
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/?next=/oauth/authorize%3F")


def test_another_site_cannot_press_the_button(program: Program, olga: User) -> None:
    program.browser = Client(enforce_csrf_checks=True)
    program.browser.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    program.look()
    assert program.decide().status_code == 403
    assert not Code.objects.exists()


def test_the_page_is_in_no_frame_and_no_cache(program: Program) -> None:
    headers = program.look().headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "form-action 'self' http://127.0.0.1;" in policy + ";"


def test_the_name_of_a_program_is_text(tenant: Tenant, olga: User) -> None:
    made, _ = services.register_client(tenant, name="<script>alert(1)</script>", redirect_uris=[CALLBACK], by=None)
    assert "<script>alert" not in Program(made.client_id, olga).look().content.decode()


def test_of_several_tenants_the_person_chooses_one(tenant: Tenant, stranger: Tenant, olga: User) -> None:
    MembershipFactory.create(tenant=stranger, user=olga, role=Role.OWNER)
    nobodys = OAuthClient.objects.create(
        client_id="https://viewer.example.com/client.json",
        name="Viewer",
        redirect_uris=CALLBACK,
        client_type="public",
        authorization_grant_type="authorization-code",
        registration_source="cimd",
        cimd_expires_at=timezone.now() + timedelta(hours=1),
    )
    program = Program(nobodys.client_id, olga)
    assert "In which tenant may Viewer act for you?" in program.look().content.decode()
    assert told(program.decide())["error"] == "access_denied"  # none chosen
    who = services.principal_of_token(program.tokens(tenant="elsewhere")["access_token"], resource=RESOURCE)
    assert who.tenant == stranger
    assert not Authorization.objects.for_tenant(tenant).exists()


def test_a_client_of_one_tenant_is_of_no_use_to_people_of_another(registered: OAuthClient, stranger: Tenant) -> None:
    person = MembershipFactory.create(tenant=stranger, role=Role.OWNER).user
    program = Program(registered.client_id, person)
    assert program.look().status_code == 403
    assert told(program.decide(tenant="permits"))["error"] == "access_denied"


@pytest.mark.parametrize(("setting", "status"), [("any", 200), ("registered", 403), (["viewer.example.com"], 200), (["other.example.com"], 403)])
def test_a_tenant_says_which_unregistered_clients_it_takes(tenant: Tenant, olga: User, setting: object, status: int) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(settings={"oauth_clients": setting})
    OAuthClient.objects.create(
        client_id="https://viewer.example.com/client.json",
        name="Viewer",
        redirect_uris=CALLBACK,
        client_type="public",
        authorization_grant_type="authorization-code",
        registration_source="cimd",
        cimd_expires_at=timezone.now() + timedelta(hours=1),
    )
    assert Program("https://viewer.example.com/client.json", olga).look().status_code == status


class TestCode:
    def test_it_is_good_once_and_who_brings_it_again_ends_what_came_of_it(self, program: Program, tenant: Tenant) -> None:
        code = program.let_in()
        first = program.exchange(code).json()
        second = program.refresh(first["refresh_token"]).json()
        assert program.exchange(code).json()["error"] == "invalid_grant"
        for token in (first["access_token"], second["access_token"]):
            with pytest.raises(Unauthenticated):
                services.principal_of_token(token, resource=RESOURCE)
        assert program.refresh(second["refresh_token"]).status_code == 400
        assert AuditEntry.objects.for_tenant(tenant).filter(action="oauth.tokens_end", changes__used_twice="code").exists()

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_verifier": "x" * 50}, "invalid_grant"),
            ({"code_verifier": None}, "invalid_request"),
            ({"redirect_uri": "http://127.0.0.1:1/back"}, "invalid_request"),
            ({"code": "guessed"}, "invalid_grant"),
            ({"code": "x\x00"}, "invalid_request"),
            ({"client_id": "client_other"}, "invalid_client"),
            ({"client_id": ["client_other", "client_more"]}, "invalid_request"),
            ({"resource": f"{BASE}/mcp/v/other"}, "invalid_target"),
            ({"resource": [RESOURCE, RESOURCE]}, "invalid_target"),
            ({"grant_type": "password", "username": "olga", "password": "x"}, "unsupported_grant_type"),
            ({"grant_type": "nonsense"}, "unsupported_grant_type"),
            ({"mcp_tenant": "elsewhere", "refresh_token_instance": "x", "tenant": "x", "user": "x", "client": "x"}, None),
        ],
    )
    def test_it_is_good_only_for_whom_and_what_it_was_given(self, program: Program, changes: dict[str, str], error: str | None) -> None:
        answer = program.exchange(program.let_in(), **changes)
        assert answer.json().get("error") == error, answer.content
        assert AccessToken.objects.exists() is (error is None)

    def test_who_takes_it_back_at_that_moment_wins(self, program: Program, tenant: Tenant, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
        code = program.let_in()
        save = Validator.save_bearer_token

        def taken_back_before(*args: Any, **kwargs: Any) -> Any:
            services.revoke_authorization(tenant, authorization_id=Authorization.objects.get().pk, by=olga)
            return save(*args, **kwargs)

        monkeypatch.setattr(Validator, "save_bearer_token", taken_back_before)
        answer = program.exchange(code)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert not AccessToken.objects.exists()

    def test_another_client_cannot_use_it(self, program: Program, tenant: Tenant, olga: User) -> None:
        code = program.let_in()
        other, _ = services.register_client(tenant, name="Other", redirect_uris=[CALLBACK], by=None)
        assert program.exchange(code, client_id=other.client_id).json()["error"] == "invalid_grant"

    def test_it_expires(self, program: Program) -> None:
        code = program.let_in()
        Code.objects.update(expires=timezone.now() - timedelta(seconds=1))
        assert program.exchange(code).json()["error"] == "invalid_grant"

    def test_it_ends_with_the_membership(self, program: Program, olga: User) -> None:
        code = program.let_in()
        Membership.objects.filter(user=olga).delete()
        assert program.exchange(code).json()["error"] == "invalid_grant"


class TestRefresh:
    def test_each_use_gives_a_new_one(self, program: Program) -> None:
        first = program.tokens()
        second = program.refresh(first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert second["scope"] == first["scope"]
        assert services.principal_of_token(second["access_token"], resource=RESOURCE).scopes == frozenset(first["scope"].split())
        with pytest.raises(Unauthenticated):
            services.principal_of_token(first["access_token"], resource=RESOURCE)

    def test_a_used_one_ends_the_family(self, program: Program, tenant: Tenant) -> None:
        first = program.tokens()
        second = program.refresh(first["refresh_token"]).json()
        services.principal_of_bearer(second["access_token"], resource=RESOURCE, address="192.0.2.1")  # and is believed now
        assert program.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
        with pytest.raises(Unauthenticated):
            services.principal_of_bearer(second["access_token"], resource=RESOURCE, address="192.0.2.1")
        assert program.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
        assert AuditEntry.objects.for_tenant(tenant).filter(action="oauth.tokens_end").count() == 1  # not one for each time it is brought

    def test_it_never_widens(self, program: Program) -> None:
        given = program.tokens("tools:echo")
        assert program.refresh(given["refresh_token"], scope="tools:echo conversations:read").json()["error"] == "invalid_scope"
        assert program.refresh(given["refresh_token"], resource=f"{BASE}/mcp/v/other").json()["error"] == "invalid_target"

    @pytest.mark.parametrize("end", ["membership", "taken back", "tenant", "age", "withdrawn"])
    def test_it_ends(self, program: Program, registered: OAuthClient, tenant: Tenant, olga: User, end: str) -> None:
        given = program.tokens()
        if end == "membership":
            Membership.objects.filter(user=olga).delete()
        elif end == "taken back":
            services.revoke_authorization(tenant, authorization_id=Authorization.objects.get().pk, by=olga)
        elif end == "tenant":
            Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
        elif end == "age":
            AccessToken.objects.update(expires=timezone.now() - timedelta(days=31))
        else:
            services.withdraw_client(tenant, client_id=registered.pk, by=None)
        assert program.refresh(given["refresh_token"]).json()["error"] in ("invalid_grant", "invalid_client")
        with pytest.raises(Unauthenticated):
            services.principal_of_token(given["access_token"], resource=RESOURCE)

    def test_another_client_cannot_use_it(self, program: Program, tenant: Tenant) -> None:
        given = program.tokens()
        other, _ = services.register_client(tenant, name="Other", redirect_uris=[CALLBACK], by=None)
        assert program.refresh(given["refresh_token"], client_id=other.client_id).json()["error"] == "invalid_grant"
        assert program.refresh(given["refresh_token"]).status_code == 200


def test_a_program_gives_its_tokens_back(program: Program) -> None:
    given = program.tokens()
    assert program.revoke("mcpo_unknown").status_code == 200
    assert program.revoke(given["access_token"]).status_code == 200
    assert program.refresh(given["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_person_takes_it_back(program: Program, olga: User) -> None:
    given = program.tokens()
    page = program.browser.get("/oauth/programs").content.decode()
    assert "Plan viewer" in page
    assert "Start conversations and send messages" in page
    program.browser.post("/oauth/programs", {"authorization": str(Authorization.objects.get().pk)})
    assert "Plan viewer" not in program.browser.get("/oauth/programs").content.decode()
    with pytest.raises(Unauthenticated):
        services.principal_of_token(given["access_token"], resource=RESOURCE)


def test_nobody_takes_back_for_somebody_else(program: Program, tenant: Tenant) -> None:
    program.tokens()
    other = MembershipFactory.create(tenant=tenant, role=Role.OWNER).user
    browser = Client()
    browser.force_login(other, backend="django.contrib.auth.backends.ModelBackend")
    browser.post("/oauth/programs", {"authorization": str(Authorization.objects.get().pk)})
    assert Authorization.objects.get().revoked_at is None


def test_one_address_asks_only_so_often(program: Program, settings: object) -> None:
    settings.OAUTH_RATE_LIMIT = "3/minute"  # type: ignore[attr-defined]
    answers = [program.ask(grant_type="refresh_token", client_id="x", refresh_token="y") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert json.loads(answers[-1].content)["error"] == "temporarily_unavailable"
    assert "Retry-After" in answers[-1].headers


def test_what_can_do_nothing_any_more_is_erased(program: Program) -> None:
    program.tokens()
    program.let_in()
    kept = program.tokens()
    first = RefreshToken.objects.order_by("pk").first()
    assert first is not None
    RefreshToken.objects.filter(pk=first.pk).update(revoked=timezone.now() - timedelta(days=8), access_token=None)
    AccessToken.objects.filter(refresh_token=None).update(expires=timezone.now() - timedelta(hours=1))
    Code.objects.update(expires=timezone.now() - timedelta(minutes=2))
    assert services.purge() == 3
    assert program.refresh(kept["refresh_token"]).status_code == 200
