"""What a token is good for: one resource, as long as it lasts, and never more than its person may do."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.oauth import services
from mcp_platform.oauth.errors import ScopeMissing
from mcp_platform.oauth.models import AccessToken, Authorization
from mcp_platform.oauth.models import Client as OAuthClient
from mcp_platform.tenancy import authenticators, scope, throttling, tokens
from mcp_platform.tenancy import services as tenancy
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import Membership, Role, Tenant, User
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.oauth.program import BASE, RESOURCE, Program
from tests.tenancy.issuer import Issuer

pytestmark = pytest.mark.django_db
HERE = "192.0.2.1"


def enter(token: str, resource: str = RESOURCE) -> Principal:
    return services.principal_of_bearer(token, resource=resource, address=HERE)


@pytest.mark.parametrize(
    "resource", [f"{BASE}/mcp/v/other", f"{BASE}/mcp/", "https://testserver/mcp", "http://testserver:80/mcp", "http://elsewhere/mcp", ""]
)
def test_a_token_for_one_resource_is_good_at_no_other(program: Program, resource: str) -> None:
    token = program.tokens()["access_token"]
    assert enter(token).permissions
    with pytest.raises(Unauthenticated, match="another resource"):
        enter(token, resource)  # also not while it is believed at its own


def test_a_token_for_a_virtual_server_is_good_there_only(program: Program) -> None:
    token = program.tokens(resource=f"{RESOURCE}/v/plans")["access_token"]
    assert enter(token, f"{RESOURCE}/v/plans").permissions
    with pytest.raises(Unauthenticated):
        enter(token)


def test_a_token_is_no_credential_of_the_rest_api(program: Program) -> None:
    token = program.tokens()["access_token"]
    enter(token)
    answer = Client().get("/api/v1/tenant", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    with pytest.raises(Unauthenticated):
        authenticators.authenticate_bearer(token, address=HERE)


def test_an_address_before_the_token_opens_no_other_door(program: Program) -> None:
    token = program.tokens()["access_token"]
    enter(token)
    for text in (f"{RESOURCE} {token}", f"{RESOURCE}\t{token}", f"{RESOURCE}{token}"):
        with pytest.raises(Unauthenticated):
            authenticators.authenticate_bearer(text, address=HERE)  # what every door asks, also those that do not look for blanks


def test_who_lets_a_program_do_less_narrows_what_it_has(program: Program) -> None:
    wide = program.tokens()
    assert "conversations:write" in enter(wide["access_token"]).permissions
    program.let_in("conversations:read")
    assert enter(wide["access_token"]).permissions == {"conversations:read"}
    again = json.loads(program.refresh(wide["refresh_token"]).content)
    assert again["scope"] == "conversations:read"
    refused = program.refresh(again["refresh_token"], scope="conversations:write")
    assert refused.status_code == 400


@pytest.mark.parametrize("token", ["mcpo_guessed", "mcpo_", "mcpr_x", "x", "a.b.c", "", "mcp_nonsense", "mcpo_\x00", "mcpo_\ud800"])
def test_nonsense_is_no_token(db: None, token: str) -> None:
    with pytest.raises(Unauthenticated):
        enter(token)


def test_a_refresh_token_opens_nothing(program: Program) -> None:
    with pytest.raises(Unauthenticated):
        enter(program.tokens()["refresh_token"])


def test_it_expires(program: Program) -> None:
    token = program.tokens()["access_token"]
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        enter(token)


def test_a_person_who_may_do_less_now_lets_the_program_do_less(program: Program, olga: User) -> None:
    token = program.tokens()["access_token"]
    assert "conversations:write" in services.principal_of_token(token, resource=RESOURCE).permissions
    Membership.objects.filter(user=olga).update(role=Role.VIEWER)
    assert "conversations:write" not in services.principal_of_token(token, resource=RESOURCE).permissions


@pytest.mark.parametrize("end", ["membership", "account", "tenant", "client", "taken back"])
def test_it_ends_with_what_it_stands_on(program: Program, registered: OAuthClient, tenant: Tenant, olga: User, end: str) -> None:
    token = program.tokens()["access_token"]
    who = services.principal_of_token(token, resource=RESOURCE)
    assert services.recheck(who) == who
    if end == "membership":
        Membership.objects.filter(user=olga).delete()
    elif end == "account":
        User.objects.filter(pk=olga.pk).update(is_active=False)
    elif end == "tenant":
        tenancy.set_tenant_active(tenant, active=False, by=None)
    elif end == "client":
        services.withdraw_client(tenant, client_id=registered.pk, by=None)
    else:
        services.revoke_authorization(tenant, authorization_id=Authorization.objects.get().pk, by=olga)
    with pytest.raises(Unauthenticated):
        enter(token)
    with pytest.raises(Unauthenticated):
        services.recheck(who)  # streams outlive requests


def test_what_is_taken_back_is_not_believed_a_moment_longer(program: Program, tenant: Tenant, olga: User) -> None:
    token = program.tokens()["access_token"]
    enter(token)
    services.revoke_authorization(tenant, authorization_id=Authorization.objects.get().pk, by=olga)
    with pytest.raises(Unauthenticated):
        enter(token)


def test_what_is_missing_is_named(program: Program) -> None:
    who = enter(program.tokens("tools:echo")["access_token"])
    services.require_scopes(who, ["tools:echo"])
    with pytest.raises(ScopeMissing) as fault:
        services.require_scopes(who, ["tools:echo", "conversations:read"])
    assert fault.value.scopes == ("conversations:read", "tools:echo")


def test_where_no_other_token_would_help_the_answer_is_no(tenant: Tenant, program: Program, olga: User) -> None:
    token = program.tokens()["access_token"]
    Membership.objects.filter(user=olga).update(role=Role.VIEWER)
    with pytest.raises(Denied) as fault:
        services.require_scopes(services.principal_of_token(token, resource=RESOURCE), ["conversations:write"])
    assert not isinstance(fault.value, ScopeMissing)


def test_an_api_key_gets_in_as_everywhere(tenant: Tenant) -> None:
    who = enter(factories.key(tenant, ["tools:echo"]))
    assert (who.tenant, who.permissions) == (tenant, frozenset({"tools:echo"}))


def test_guesses_are_counted(db: None, settings: Any) -> None:
    settings.ADDRESS_RATE_LIMIT = "3/minute"
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            enter("mcpo_guess")
    with pytest.raises(throttling.TooMany):
        enter("mcpo_guess")


def test_a_socket_that_outlives_the_request_gets_no_more_than_the_token(program: Program) -> None:
    """Permissions are read anew there; they must not become those of the person."""
    who = enter(program.tokens("tools:echo")["access_token"])
    assert authenticators.recheck(who).permissions == {"tools:echo"}
    ticket = authenticators.issue_ticket(who)
    assert authenticators.redeem_ticket(ticket).permissions == {"tools:echo"}


class TestIssuers:
    """JWTs of an issuer that the tenant trusts for our endpoint. (Algorithms and keys: tests/tenancy/test_tokens.py; the code is the same.)"""

    @pytest.fixture
    def issuer(self, tenant: Tenant, settings: Any) -> Iterator[Issuer]:
        found = Issuer()
        found.audience = f"{settings.PUBLIC_URL}/mcp"
        settings.OUTBOUND_ALLOWED_HOSTS = [found.host]
        tenancy.add_issuer(
            tenant, issuer=found.url, audience=found.audience, jwks_url=found.jwks_url, algorithms=["RS256"], by=factories.member(tenant)
        )
        yield found
        found.stop()

    def test_its_audience_is_our_endpoint(self, issuer: Issuer, tenant: Tenant) -> None:
        who = enter(issuer.token(), issuer.audience)
        assert (who.tenant, who.actor) == (tenant, tokens.actor_of(issuer.url, "ada"))
        assert "flows:read" in who.permissions

    def test_its_scope_narrows_the_role(self, issuer: Issuer) -> None:
        assert enter(issuer.token(scope="flows:read tenant:manage openid"), issuer.audience).permissions == {"flows:read"}
        assert enter(issuer.token(scp=["flows:read"]), issuer.audience).permissions == {"flows:read"}
        assert enter(issuer.token(scope=""), issuer.audience).permissions == frozenset()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"aud": "mcp"},
            {"aud": "https://elsewhere.example.com/mcp"},
            {"aud": None},
            {"iss": "https://evil.example.com"},
            {"exp": 1},
            {"exp": None},
            {"sub": None},
            {"nbf": 99_999_999_999},
        ],
    )
    def test_a_token_that_is_wrong_is_refused(self, issuer: Issuer, wrong: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated):
            enter(issuer.token(**wrong), issuer.audience)

    def test_audience_is_equality_not_the_beginning(self, issuer: Issuer) -> None:
        for other in (f"{issuer.audience}/v/plans", issuer.audience + "/", issuer.audience[:-1]):
            with pytest.raises(Unauthenticated):
                enter(issuer.token(), other)

    def test_algorithm_tricks(self, issuer: Issuer) -> None:
        claims = jwt.decode(issuer.token(), options={"verify_signature": False})
        unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "rsa-1"})
        by_public_key = _hs256(issuer)
        for token in (unsigned, by_public_key, issuer.token(key=issuer.keys["ec-1"], alg="ES256", headers={"kid": "ec-1"})):
            with pytest.raises(Unauthenticated):
                enter(token, issuer.audience)

    def test_for_our_endpoint_is_for_nothing_else(self, issuer: Issuer) -> None:
        answer = Client().get("/api/v1/tenant", headers={"Authorization": f"Bearer {issuer.token()}"})
        assert answer.status_code == 401

    def test_for_the_rest_api_is_not_for_our_endpoint(self, issuer: Issuer, tenant: Tenant) -> None:
        tenancy.add_issuer(tenant, issuer=issuer.url, audience="rest", jwks_url=issuer.jwks_url, algorithms=["RS256"], by=factories.member(tenant))
        token = issuer.token(aud="rest")
        assert Client().get("/api/v1/tenant", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        for resource in (issuer.audience, "rest/mcp"):
            with pytest.raises(Unauthenticated):
                enter(token, resource)


def _hs256(issuer: Issuer) -> str:
    """Signed with the public key as if it were a shared secret; by hand, because the library refuses to."""
    import base64
    import hashlib
    import hmac

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    signed = f"{part(json.dumps({'alg': 'HS256', 'kid': 'rsa-1', 'typ': 'JWT'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(issuer.public_pem(), signed.encode(), hashlib.sha256).digest())}"


def test_nobody_else_sees_the_rows(program: Program, tenant: Tenant, stranger: Tenant) -> None:
    """Every query starts from a tenant; on PostgreSQL row-level security is the second lock, also over clients that belong to nobody."""
    program.tokens()
    with scope.tenant_scope(stranger):
        assert not Authorization.objects.for_tenant(stranger).exists()
        assert not AccessToken.objects.for_tenant(stranger).exists()
        assert not OAuthClient.objects.for_tenant(stranger).exists()
