"""JWTs of a trusted issuer, and every known way to pass off something else as one."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from mcp_platform.errors import Invalid, Unavailable
from mcp_platform.tenancy import credentials, permissions, services, tokens
from mcp_platform.tenancy.authenticators import authenticate_bearer, issue_ticket, recheck, redeem_ticket
from mcp_platform.tenancy.errors import AlreadyExists, CannotGrant, Unauthenticated
from mcp_platform.tenancy.models import Role, Tenant, TokenIssuer, User
from mcp_platform.tenancy.queries import principal_of_user
from mcp_platform.tenancy.scope import Principal
from tests.factories import MembershipFactory
from tests.tenancy.issuer import Issuer

HERE = "192.0.2.7"
GOOD = {"issuer": "https://idp.example", "audience": "mcp", "jwks_url": "https://idp.example/jwks"}


@pytest.fixture
def issuer(settings: Settings) -> Iterator[Issuer]:
    running = Issuer()
    settings.OUTBOUND_ALLOWED_HOSTS = [running.host]
    yield running
    running.stop()


@pytest.fixture
def trusted(tenant: Tenant, issuer: Issuer) -> TokenIssuer:
    return services.add_issuer(tenant, issuer=issuer.url, audience=issuer.audience, jwks_url=issuer.jwks_url, algorithms=["RS256", "ES256"], by=None)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock that the caches look at."""
    moved = [0.0]
    real = time.monotonic

    def move(seconds: float) -> None:
        moved[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: real() + moved[0])
    return move


def enter(token: str) -> Principal:
    return authenticate_bearer(token, address=HERE)


def encoded(part: Any) -> bytes:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def forged(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    signed = encoded(header) + b"." + encoded(claims)
    return (signed + b"." + encoded(sign(signed))).decode()


def hmac_of(secret: bytes, digest: Callable[..., Any]) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(secret, signed, digest).digest()


def good_claims(issuer: Issuer) -> dict[str, Any]:
    return {"iss": issuer.url, "aud": issuer.audience, "sub": "ada", "exp": int(time.time()) + 300, "roles": ["owner"]}


def test_a_token_opens_the_tenant_of_its_issuer(issuer: Issuer, trusted: TokenIssuer, tenant: Tenant) -> None:
    principal = enter(issuer.token(roles=["operator", "emperor"]))
    assert principal.tenant == tenant
    assert principal.actor == tokens.actor_of(issuer.url, "ada")
    assert principal.permissions == permissions.of_role(Role.OPERATOR)
    assert principal.expires_at is not None
    assert 250 < principal.expires_at.timestamp() - time.time() <= 300 + tokens.LEEWAY_SECONDS
    assert enter(issuer.token(alg="ES256", key=issuer.keys["ec-1"], headers={"kid": "ec-1"})).tenant == tenant


def test_a_token_without_known_roles_may_nothing(issuer: Issuer, trusted: TokenIssuer) -> None:
    assert enter(issuer.token(roles=None)).permissions == frozenset()


def test_one_of_several_audiences_may_be_ours(issuer: Issuer, trusted: TokenIssuer, tenant: Tenant) -> None:
    assert enter(issuer.token(aud=["billing", "mcp"])).tenant == tenant


def test_keys_are_read_once(issuer: Issuer, trusted: TokenIssuer) -> None:
    for subject in "abc":
        enter(issuer.token(sub=subject))
    assert issuer.requests == 1


def test_algorithm_none_is_refused(issuer: Issuer, trusted: TokenIssuer) -> None:
    for name in ("none", "None", "NONE", ""):
        with pytest.raises(Unauthenticated):
            enter(forged({"alg": name, "typ": "JWT", "kid": "rsa-1"}, good_claims(issuer), lambda _: b""))
    assert issuer.requests == 0


def test_the_public_key_is_no_shared_secret(issuer: Issuer, trusted: TokenIssuer) -> None:
    """The classic confusion: everybody has the public key, so an HMAC with it proves nothing."""
    for secret in (issuer.public_pem(), issuer.public_pem().strip(), json.dumps(issuer.published()[0]).encode()):
        for name, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
            with pytest.raises(Unauthenticated):
                enter(forged({"alg": name, "kid": "rsa-1"}, good_claims(issuer), hmac_of(secret, digest)))


def test_a_row_with_a_symmetric_algorithm_changes_nothing(issuer: Issuer, trusted: TokenIssuer) -> None:
    type(trusted).objects.filter(pk=trusted.pk).update(algorithms=["HS256", "none", "RS256"])
    with pytest.raises(Unauthenticated):
        enter(forged({"alg": "HS256", "kid": "rsa-1"}, good_claims(issuer), hmac_of(issuer.public_pem(), hashlib.sha256)))
    with pytest.raises(Unauthenticated):
        enter(forged({"alg": "none"}, good_claims(issuer), lambda _: b""))


def test_an_algorithm_that_the_tenant_did_not_allow_is_refused(issuer: Issuer, trusted: TokenIssuer) -> None:
    with pytest.raises(Unauthenticated):
        enter(issuer.token(alg="RS512"))


def test_an_algorithm_that_does_not_fit_the_key_is_refused(issuer: Issuer, trusted: TokenIssuer) -> None:
    with pytest.raises(Unauthenticated):
        enter(issuer.token(alg="ES256", key=issuer.keys["ec-1"], headers={"kid": "rsa-1"}))


def test_keys_that_the_token_brings_along_are_ignored(issuer: Issuer, trusted: TokenIssuer) -> None:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    evil = Issuer()
    evil.keys = {"rsa-1": own}
    try:
        for header in ({"jku": evil.jwks_url}, {"jwk": evil.published()[0]}, {"x5u": evil.jwks_url}):
            with pytest.raises(Unauthenticated):
                enter(issuer.token(key=own, headers=header))
        assert evil.requests == 0
    finally:
        evil.stop()


def test_a_published_symmetric_key_is_ignored(issuer: Issuer, trusted: TokenIssuer) -> None:
    issuer.body = json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa-1"}]}).encode()
    with pytest.raises(Unauthenticated):
        enter(issuer.token())


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "billing"},
        {"aud": None},
        {"aud": []},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 99_999_999_999},
        {"sub": None},
        {"sub": 7},
        {"sub": "a\x00b"},
        {"sub": "a\nb"},
        {"iss": ["x"]},
        {"iss": "a\x00b"},
        {"aud": {"a": 1}},
    ],
)
def test_a_wrong_claim_is_refused(issuer: Issuer, trusted: TokenIssuer, wrong: dict[str, Any]) -> None:
    claims = {**good_claims(issuer), **wrong}
    claims = {name: value for name, value in claims.items() if value is not None}
    key = issuer.keys["rsa-1"]
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    with pytest.raises(Unauthenticated):
        enter(forged({"alg": "RS256", "kid": "rsa-1"}, claims, lambda signed: algorithm.sign(signed, key)))


def test_clocks_may_differ_by_half_a_minute(issuer: Issuer, trusted: TokenIssuer) -> None:
    now = int(time.time())
    assert enter(issuer.token(exp=now - 20, sub="late")).tenant == trusted.tenant
    with pytest.raises(Unauthenticated):
        enter(issuer.token(exp=now - tokens.LEEWAY_SECONDS - 5))


def test_a_believed_token_ends_at_its_expiry(issuer: Issuer, trusted: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issuer.token(exp=int(time.time()) - 28)
    enter(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 4)
    assert credentials.recall(token) is None


def test_a_changed_payload_is_refused(issuer: Issuer, trusted: TokenIssuer) -> None:
    header, payload, signature = issuer.token().split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(payload + "==")), "roles": ["owner"]}
    with pytest.raises(Unauthenticated):
        enter(f"{header}.{encoded(claims).decode()}.{signature}")


@pytest.mark.parametrize("nonsense", ["a.b.c", "...", "eyJhbGciOiJSUzI1NiJ9.e30.", "Bearer", "\x00", "é.é.é", "a" * 20_000, "[" * 5000 + ".e30.x"])
def test_nonsense_is_refused(issuer: Issuer, trusted: TokenIssuer, nonsense: str) -> None:
    with pytest.raises(Unauthenticated):
        enter(nonsense)


def test_a_rotated_key_is_found(issuer: Issuer, trusted: TokenIssuer, later: Callable[[float], None]) -> None:
    enter(issuer.token())
    issuer.rotate()
    later(tokens.REFRESH_SECONDS + 1)
    assert enter(issuer.token(headers={"kid": "rsa-2"})).tenant == trusted.tenant
    assert issuer.requests == 2


def test_a_flood_of_unknown_key_ids_reads_the_keys_once_in_ten_seconds(
    issuer: Issuer, trusted: TokenIssuer, later: Callable[[float], None], settings: Settings
) -> None:
    settings.ADDRESS_RATE_LIMIT = "100000/minute"

    def attempt(number: int) -> None:
        with pytest.raises(Unauthenticated):
            tokens.principal_of(issuer.token(headers={"kid": f"random-{number}"}))

    for number in range(200):
        attempt(number)
    assert issuer.requests == 1
    later(tokens.REFRESH_SECONDS + 1)
    for number in range(200):
        attempt(number)
    assert issuer.requests == 2
    assert enter(issuer.token()).tenant == trusted.tenant  # who has a good token notices nothing


def test_a_flood_from_one_address_is_throttled_before_anything_is_read(
    issuer: Issuer, trusted: TokenIssuer, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.ADDRESS_RATE_LIMIT = "5/minute"
    for number in range(5):
        with pytest.raises(Unauthenticated):
            enter(issuer.token(headers={"kid": f"random-{number}"}))
    with django_assert_num_queries(0), pytest.raises(Exception, match="slow down"):
        enter(issuer.token(headers={"kid": "random-6"}))


def test_many_threads_read_the_keys_once(issuer: Issuer, trusted: TokenIssuer) -> None:
    key_set = tokens._key_set(issuer.jwks_url)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: key_set.key("rsa-1", "RS256"), range(16)))
    assert len(found) == 16
    assert issuer.requests == 1


def test_known_keys_serve_while_the_issuer_is_down(issuer: Issuer, trusted: TokenIssuer, later: Callable[[float], None]) -> None:
    enter(issuer.token())
    issuer.status = 500
    later(tokens.KEYS_FRESH_SECONDS + 1)
    assert enter(issuer.token(sub="bo")).tenant == trusted.tenant
    later(tokens.KEYS_USABLE_SECONDS)
    with pytest.raises(Unavailable):
        enter(issuer.token(sub="cy"))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"keys": 7}', b"[" * 100_000, b'{"keys": [null, {"kid": "rsa-1"}, {"kid": "rsa-1", "kty": "RSA"}]}']
)
def test_an_issuer_that_publishes_nonsense_opens_nothing(issuer: Issuer, trusted: TokenIssuer, body: bytes) -> None:
    issuer.body = body
    with pytest.raises((Unauthenticated, Unavailable)):
        enter(issuer.token())


def test_without_a_key_id_only_a_single_key_is_clear(issuer: Issuer, trusted: TokenIssuer, later: Callable[[float], None]) -> None:
    with pytest.raises(Unauthenticated):
        enter(issuer.token(headers={"kid": None}))
    del issuer.keys["ec-1"]
    later(tokens.REFRESH_SECONDS + 1)
    assert enter(issuer.token(headers={"kid": None})).tenant == trusted.tenant


def test_the_outbound_guard_protects_the_inside(tenant: Tenant, issuer: Issuer, trusted: TokenIssuer, settings: Settings) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = []
    with pytest.raises(Unavailable):
        enter(issuer.token())
    assert issuer.requests == 0


def test_an_audience_belongs_to_one_tenant(issuer: Issuer, trusted: TokenIssuer, stranger: Tenant) -> None:
    with pytest.raises(AlreadyExists):
        services.add_issuer(stranger, issuer=issuer.url, audience=issuer.audience, jwks_url=issuer.jwks_url, by=None)


def test_a_token_for_another_tenant_opens_only_that_one(issuer: Issuer, trusted: TokenIssuer, tenant: Tenant, stranger: Tenant) -> None:
    services.add_issuer(stranger, issuer=issuer.url, audience="elsewhere", jwks_url=issuer.jwks_url, by=None)
    assert enter(issuer.token(aud="elsewhere")).tenant == stranger
    assert enter(issuer.token()).tenant == tenant
    with pytest.raises(Unauthenticated):  # which of the two?
        enter(issuer.token(aud=["mcp", "elsewhere"]))


def test_tenants_share_an_identity_provider_by_a_claim(issuer: Issuer, tenant: Tenant, stranger: Tenant) -> None:
    shared: dict[str, Any] = {"issuer": issuer.url, "audience": issuer.audience, "jwks_url": issuer.jwks_url, "by": None}
    services.add_issuer(tenant, **shared, tenant_claim="org_id", tenant_value="permits")
    services.add_issuer(stranger, **shared, tenant_claim="org_id", tenant_value="others")
    assert enter(issuer.token(org_id="permits")).tenant == tenant
    assert enter(issuer.token(org_id="others")).tenant == stranger
    for wrong in (None, "", "PERMITS", "neither", ["permits"], {"permits": 1}, True):
        with pytest.raises(Unauthenticated):
            enter(issuer.token(org_id=wrong))
    for claim, value in (("", ""), ("sub", "ada"), ("org_id", "permits")):  # would take tokens away from who came first
        with pytest.raises(AlreadyExists):
            services.add_issuer(stranger, **shared, tenant_claim=claim, tenant_value=value)


def test_nobody_takes_a_part_of_an_issuer_that_is_trusted_whole(issuer: Issuer, trusted: TokenIssuer, tenant: Tenant, stranger: Tenant) -> None:
    shared: dict[str, Any] = {"issuer": issuer.url, "audience": issuer.audience, "jwks_url": issuer.jwks_url, "by": None}
    with pytest.raises(AlreadyExists):
        services.add_issuer(stranger, **shared, tenant_claim="sub", tenant_value="ada")
    services.change_issuer(tenant, issuer_id=trusted.pk, changes={"tenant_claim": "org_id", "tenant_value": "permits"}, by=None)
    services.add_issuer(stranger, **shared, tenant_claim="org_id", tenant_value="others")
    with pytest.raises(AlreadyExists):
        services.change_issuer(tenant, issuer_id=trusted.pk, changes={"tenant_claim": "", "tenant_value": ""}, by=None)


def test_an_actor_is_a_subject_of_one_issuer() -> None:
    assert tokens.actor_of("https://a.example", "ada") != tokens.actor_of("https://b.example", "ada")
    long = [tokens.actor_of("https://a.example", "x" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert {len(one) for one in long} == {tokens.LONGEST_ACTOR}


def test_a_foreign_issuer_cannot_speak_for_this_tenant(issuer: Issuer, trusted: TokenIssuer, stranger: Tenant, settings: Settings) -> None:
    other = Issuer()
    other.keys = {"rsa-1": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
    settings.OUTBOUND_ALLOWED_HOSTS = [issuer.host, other.host]
    services.add_issuer(stranger, issuer=other.url, audience="mcp", jwks_url=other.jwks_url, by=None)
    try:
        assert enter(other.token()).tenant == stranger
        with pytest.raises(Unauthenticated):  # signed by the stranger's issuer in our issuer's name
            enter(other.token(iss=issuer.url))
    finally:
        other.stop()


def test_an_issuer_that_is_removed_or_paused_ends_its_tokens(issuer: Issuer, trusted: TokenIssuer, tenant: Tenant) -> None:
    token = issuer.token()
    enter(token)
    services.change_issuer(tenant, issuer_id=trusted.pk, changes={"is_active": False}, by=None)
    with pytest.raises(Unauthenticated):
        enter(token)
    services.change_issuer(tenant, issuer_id=trusted.pk, changes={"is_active": True}, by=None)
    enter(token)
    services.remove_issuer(tenant, issuer_id=trusted.pk, by=None)
    with pytest.raises(Unauthenticated):
        enter(token)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"algorithms": ["HS256"]}, "$.algorithms"),
        ({"algorithms": ["none"]}, "$.algorithms"),
        ({"algorithms": []}, "$.algorithms"),
        ({"jwks_url": "http://idp.example/jwks"}, "$.jwks_url"),
        ({"tenant_claim": "org_id"}, "$.tenant_value"),
        ({"tenant_value": "permits"}, "$.tenant_value"),
    ],
)
def test_an_unsafe_issuer_is_not_trusted(tenant: Tenant, wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        services.add_issuer(tenant, **{**GOOD, **wrong}, by=None)
    assert refusal.value.details["errors"][0]["path"] == path


def test_only_who_may_everything_may_trust_an_issuer(tenant: Tenant, owner: User) -> None:
    editor = MembershipFactory.create(tenant=tenant, role=Role.EDITOR).user
    with pytest.raises(CannotGrant):
        services.add_issuer(tenant, **GOOD, by=principal_of_user(editor, tenant))
    assert services.add_issuer(tenant, **GOOD, by=principal_of_user(owner, tenant)).tenant == tenant


@pytest.mark.parametrize("end", ["paused", "removed", "suspended"])
def test_sockets_and_tickets_end_with_the_trust_in_their_issuer(end: str, tenant: Tenant, issuer: Issuer, trusted: TokenIssuer) -> None:
    principal = enter(issuer.token(roles=["owner"]))
    ticket = issue_ticket(principal)
    assert recheck(principal) == principal
    if end == "paused":
        services.change_issuer(tenant, issuer_id=trusted.pk, changes={"is_active": False}, by=None)
    elif end == "removed":
        services.remove_issuer(tenant, issuer_id=trusted.pk, by=None)
    else:
        services.set_tenant_active(tenant, active=False, by=None)
    with pytest.raises(Unauthenticated):
        recheck(principal)
    with pytest.raises(Unauthenticated):
        redeem_ticket(ticket)
