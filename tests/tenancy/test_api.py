"""Every route as owner, as member, as stranger and as nobody; then what each of them does."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from mcp_platform.tenancy import authenticators, queries, scope, services
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import ApiKey, Membership, Role, Tenant, User
from mcp_platform.tenancy.queries import principal_of_key, principal_of_user
from mcp_platform.tenancy.scope import Principal
from tests.factories import MembershipFactory, UserFactory, bearer
from tests.tenancy.clients import client_of, logged_in

ISSUER = {"issuer": "https://idp.example", "audience": "mcp", "jwks_url": "https://idp.example/jwks", "algorithms": ["ES256"], "role_claim": "groups"}
KEY: dict[str, Any] = {"name": "crm", "scopes": ["flows:read"]}


@pytest.fixture
def rows(tenant: Tenant, owner: User) -> dict[str, Any]:
    """One of everything in the tenant, as path parameters."""
    key, _ = services.create_api_key(tenant, name="old", scopes=["flows:read"], by=owner)
    issuer = services.add_issuer(tenant, issuer="https://other.example", audience="x", jwks_url="https://other.example/jwks", by=owner)
    return {"key": key.pk, "issuer": issuer.pk, "member": MembershipFactory.create(tenant=tenant, role=Role.VIEWER).pk}


# (method, path, body, owner's status, viewer's status)
ROUTES: list[tuple[str, str, Any, int, int]] = [
    ("get", "tenant", None, 200, 200),
    ("patch", "tenant", {"name": "Desk"}, 200, 403),
    ("get", "members", None, 200, 403),
    ("post", "members", {"username": "nina", "role": "editor"}, 201, 403),
    ("get", "members/{member}", None, 200, 403),
    ("patch", "members/{member}", {"role": "agent"}, 200, 403),
    ("delete", "members/{member}", None, 204, 403),
    ("get", "api-keys", None, 200, 403),
    ("post", "api-keys", KEY, 201, 403),
    ("get", "api-keys/{key}", None, 200, 403),
    ("post", "api-keys/{key}/rotate", {"overlap_seconds": 60}, 201, 403),
    ("post", "api-keys/{key}/revoke", None, 200, 403),
    ("get", "issuers", None, 200, 403),
    ("post", "issuers", ISSUER, 201, 403),
    ("get", "issuers/{issuer}", None, 200, 403),
    ("patch", "issuers/{issuer}", {"audience": "y"}, 200, 403),
    ("delete", "issuers/{issuer}", None, 204, 403),
    ("get", "audit", None, 200, 403),
    ("get", "audit/verification", None, 200, 403),
    ("post", "ws-tickets", None, 201, 201),
]
routes = pytest.mark.parametrize(("method", "path", "body", "of_owner", "of_viewer"), ROUTES, ids=[f"{route[0]} {route[1]}" for route in ROUTES])


def ask(client: APIClient, method: str, path: str, body: Any, rows: dict[str, Any]) -> Any:
    return getattr(client, method)(f"/api/v1/{path.format(**rows)}", body, format="json")


@routes
def test_the_owner(tenant: Tenant, rows: dict[str, Any], method: str, path: str, body: Any, of_owner: int, of_viewer: int) -> None:
    answer = ask(client_of(tenant), method, path, body, rows)
    assert answer.status_code == of_owner, answer.content


@routes
def test_a_viewer(tenant: Tenant, rows: dict[str, Any], method: str, path: str, body: Any, of_owner: int, of_viewer: int) -> None:
    answer = ask(client_of(tenant, Role.VIEWER), method, path, body, rows)
    assert answer.status_code == of_viewer
    if of_viewer == 403:
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
        assert answer.json()["permission"]


@routes
def test_a_stranger_sees_nothing_of_it(
    tenant: Tenant, stranger: Tenant, rows: dict[str, Any], method: str, path: str, body: Any, of_owner: int, of_viewer: int
) -> None:
    answer = ask(client_of(stranger), method, path, body, rows)
    if "{" in path:
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "NOT_FOUND"
        return
    assert answer.status_code == of_owner  # their own tenant's
    for secret in (tenant.slug, str(tenant.pk), "other.example", '"old"'):
        assert secret not in answer.content.decode()


@routes
def test_nobody(rows: dict[str, Any], method: str, path: str, body: Any, of_owner: int, of_viewer: int) -> None:
    answer = ask(client_of(None), method, path, body, rows)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mcp-platform"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


@routes
def test_a_member_of_both_must_choose(
    tenant: Tenant, stranger: Tenant, owner: User, rows: dict[str, Any], method: str, path: str, body: Any, of_owner: int, of_viewer: int
) -> None:
    MembershipFactory.create(tenant=stranger, user=owner, role=Role.OWNER)
    client = logged_in(owner)
    assert ask(client, method, path, body, rows).json()["error_code"] == "TENANT_REQUIRED"
    client.credentials(HTTP_X_TENANT="elsewhere")
    assert ask(client, method, path, body, rows).status_code == (404 if "{" in path else of_owner)


def test_no_method_is_forgotten(tenant: Tenant, rows: dict[str, Any]) -> None:
    client = client_of(tenant)
    for path in {route[1] for route in ROUTES}:
        known = {route[0] for route in ROUTES if route[1] == path}
        for method in {"get", "post", "put", "patch", "delete"} - known:
            answer = ask(client, method, path, {}, rows)
            assert (answer.status_code, answer.json()["error_code"]) == (405, "METHOD_NOT_ALLOWED"), (method, path)


def test_a_view_that_forgot_its_permissions_lets_nobody_in(tenant: Tenant) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from rest_framework.views import APIView

    class Forgetful(APIView):
        def get(self, request: Request) -> Response:
            raise AssertionError("reached")

    from django.test import RequestFactory

    with pytest.raises(ImproperlyConfigured):
        Forgetful.as_view()(RequestFactory().get("/", headers=bearer(tenant)))


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer mcp_x", "Bearer \xff", "bearer nonsense"])
def test_a_malformed_header_is_401(tenant: Tenant, client: Client, header: str) -> None:
    answer = client.get("/api/v1/tenant", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_a_wrong_key_is_not_rescued_by_a_session(owner: User) -> None:
    client = logged_in(owner)
    assert client.get("/api/v1/tenant").status_code == 200
    assert client.get("/api/v1/tenant", headers={"Authorization": "Bearer mcp_aaaaaaaaaa_b"}).status_code == 401


def test_an_expired_key_is_401(tenant: Tenant, client: Client) -> None:
    key, token = services.create_api_key(tenant, **KEY, expires_at=timezone.now() + timedelta(hours=1), by=None)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    assert client.get("/api/v1/tenant", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_session_needs_the_csrf_token(owner: User) -> None:
    client = logged_in(owner, enforce_csrf_checks=True)
    assert client.get("/api/v1/tenant").status_code == 200
    assert client.patch("/api/v1/tenant", {"name": "x"}, format="json").status_code == 403


def test_people_who_are_not_staff_or_not_active_have_no_session_here(tenant: Tenant, owner: User) -> None:
    for change in ({"is_staff": False}, {"is_staff": True, "is_active": False}):
        client = logged_in(owner)
        type(owner).objects.filter(pk=owner.pk).update(**change)
        assert client.get("/api/v1/tenant").status_code == 401


def test_a_removed_member_is_out_at_the_next_request(tenant: Tenant, owner: User) -> None:
    second = MembershipFactory.create(tenant=tenant, role=Role.OWNER)
    client = logged_in(second.user)
    assert client.get("/api/v1/tenant").status_code == 200
    services.remove_member(tenant, member_id=second.pk, by=owner)
    assert client.get("/api/v1/tenant").json()["error_code"] == "TENANT_REQUIRED"


def test_a_foreign_tenant_by_name_does_not_exist(owner: User, stranger: Tenant) -> None:
    answer = logged_in(owner).get("/api/v1/tenant", headers={"X-Tenant": stranger.slug})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "TENANT_NOT_FOUND")


def test_a_superuser_names_any_tenant(tenant: Tenant, stranger: Tenant) -> None:
    client = logged_in(UserFactory.create(is_superuser=True))
    assert client.get("/api/v1/tenant", headers={"X-Tenant": stranger.slug}).json()["slug"] == stranger.slug


def test_a_request_leaves_no_scope_behind(tenant: Tenant) -> None:
    with scope.enter(()):
        client = client_of(None)
        with scope.platform_scope():
            client.credentials(HTTP_AUTHORIZATION=bearer(tenant)["Authorization"])
        assert client.get("/api/v1/tenant").status_code == 200
        assert scope.current() == scope.NOBODY


def test_the_tenant(tenant: Tenant) -> None:
    client = client_of(tenant)
    changed = client.patch("/api/v1/tenant", {"name": "Desk", "settings": {"ended_conversation": "refuse"}}, format="json").json()
    assert changed == {**client.get("/api/v1/tenant").json(), "name": "Desk", "settings": {"ended_conversation": "refuse"}}


@pytest.mark.parametrize(
    ("path", "method", "body", "at"),
    [
        ("tenant", "patch", {"slug": "mine"}, "$.slug"),
        ("tenant", "patch", {"name": ""}, "$.name"),
        ("tenant", "patch", {"name": "x" * 201}, "$.name"),
        ("tenant", "patch", {"settings": []}, "$.settings"),
        ("tenant", "patch", {"settings": {"colour": "red"}}, "$.settings.colour"),
        ("tenant", "patch", [], "$"),
        ("members", "post", {"role": "editor"}, "$.username"),
        ("members", "post", {"username": "a b", "role": "editor"}, "$.username"),
        ("members", "post", {"username": "nina", "role": "emperor"}, "$.role"),
        ("api-keys", "post", {"name": "x"}, "$.scopes"),
        ("api-keys", "post", {"name": "x", "scopes": []}, "$.scopes"),
        ("api-keys", "post", {"name": "x", "scopes": ["flows:read", "flows:burn"]}, "$.scopes[1]"),
        ("api-keys", "post", {**KEY, "expires_at": "yesterday"}, "$.expires_at"),
        ("api-keys", "post", {**KEY, "expires_at": "2001-01-01T00:00:00Z"}, "$.expires_at"),
        ("api-keys/{key}/rotate", "post", {"overlap_seconds": -1}, "$.overlap_seconds"),
        ("api-keys/{key}/rotate", "post", {"overlap_seconds": 10**9}, "$.overlap_seconds"),
        ("issuers", "post", {**ISSUER, "algorithms": ["HS256"]}, "$.algorithms[0]"),
        ("issuers", "post", {**ISSUER, "jwks_url": "http://idp.example/jwks"}, "$.jwks_url"),
        ("issuers", "post", {**ISSUER, "jwks_url": "file:///etc/passwd"}, "$.jwks_url"),
        ("issuers/{issuer}", "patch", {"algorithms": []}, "$.algorithms"),
    ],
)
def test_a_wrong_body_names_the_fault_and_changes_nothing(tenant: Tenant, rows: dict[str, Any], path: str, method: str, body: Any, at: str) -> None:
    before = queries.audit_entries(tenant).count()
    client = client_of(tenant)  # creating its key is one entry
    answer = ask(client, method, path, body, rows)
    assert answer.status_code == 400, answer.content
    assert at in [fault["path"] for fault in answer.json()["errors"]]
    assert queries.audit_entries(tenant).count() == before + 1


def test_a_key_is_shown_once(tenant: Tenant, client: Client) -> None:
    owner = client_of(tenant)
    made = owner.post("/api/v1/api-keys", {**KEY, "scopes": ["tenants:read"]}, format="json")
    assert made.headers["Cache-Control"] == "no-store"
    token = made.json()["token"]
    assert client.get("/api/v1/tenant", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    listed = owner.get("/api/v1/api-keys").content.decode() + owner.get(f"/api/v1/api-keys/{made.json()['id']}").content.decode()
    secret = token.rsplit("_", 1)[1]
    assert secret not in listed
    assert "sha256" not in listed
    owner.post(f"/api/v1/api-keys/{made.json()['id']}/revoke")
    assert client.get("/api/v1/tenant", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_rotating_a_revoked_key_is_a_conflict(tenant: Tenant, rows: dict[str, Any]) -> None:
    client = client_of(tenant)
    client.post(f"/api/v1/api-keys/{rows['key']}/revoke")
    answer = client.post(f"/api/v1/api-keys/{rows['key']}/rotate", {}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "KEY_NOT_ACTIVE")


def test_lists_are_filtered_ordered_and_paged(tenant: Tenant, rows: dict[str, Any]) -> None:
    client = client_of(tenant)
    for name in "abc":
        client.post("/api/v1/api-keys", {**KEY, "name": name}, format="json")
    client.post(f"/api/v1/api-keys/{rows['key']}/revoke")
    page = client.get("/api/v1/api-keys?ordering=name&limit=2&revoked=false").json()
    assert [row["name"] for row in page["results"]] == ["a", "b"]
    assert page["count"] == 4
    assert "offset=2" in page["next"]
    assert [row["name"] for row in client.get("/api/v1/api-keys?revoked=true").json()["results"]] == ["old"]
    assert client.get("/api/v1/members?role=viewer").json()["count"] == 1
    assert client.get("/api/v1/members?role=emperor").status_code == 400


def test_the_last_owner_stays(tenant: Tenant, owner: User) -> None:
    member = Membership.objects.get(user=owner)
    for method, body in (("patch", {"role": "viewer"}), ("delete", None)):
        answer = ask(client_of(tenant), method, f"members/{member.pk}", body, {})
        assert (answer.status_code, answer.json()["error_code"]) == (409, "LAST_OWNER")


def test_a_known_user_name_tells_nothing(tenant: Tenant, stranger: Tenant) -> None:
    known = MembershipFactory.create(tenant=stranger).user
    client = client_of(tenant)
    old = client.post("/api/v1/members", {"username": known.username, "role": "viewer"}, format="json")
    new = client.post("/api/v1/members", {"username": "brand-new", "role": "viewer"}, format="json")
    assert old.status_code == new.status_code == 201
    assert old.json().keys() == new.json().keys()
    assert known.email not in old.content.decode()


def test_the_audit_list(tenant: Tenant, rows: dict[str, Any], owner: User) -> None:
    client = client_of(tenant)
    client.patch("/api/v1/tenant", {"name": "Desk"}, format="json")
    newest = client.get("/api/v1/audit").json()["results"][0]
    assert newest["action"] == "tenant.update"
    assert newest["actor"].startswith("key:")
    assert newest["changes"] == {"name": [tenant.name, "Desk"]}
    assert client.get(f"/api/v1/audit?actor=user:{owner.pk}").json()["count"] == 2
    assert client.get(f"/api/v1/audit?target_type=tenancy.apikey&target_id={rows['key']}").json()["count"] == 1
    assert client.get("/api/v1/audit?since=2099-01-01T00:00:00Z").json()["count"] == 0
    assert client.get("/api/v1/audit?ordering=number&limit=1").json()["results"][0]["number"] == 1
    assert client.get("/api/v1/audit/verification").json() == {"intact": True, "faults": []}


@pytest.fixture
def principal(tenant: Tenant) -> Principal:
    return principal_of_key(services.create_api_key(tenant, **KEY, by=None)[0])


def test_a_ticket_works_once(tenant: Tenant, principal: Principal) -> None:
    answer = client_of(tenant, Role.VIEWER).post("/api/v1/ws-tickets").json()
    assert answer["expires_in"] == 60
    holder = authenticators.redeem_ticket(answer["ticket"])
    assert holder.tenant == tenant
    assert holder.may("conversations:read")
    assert not holder.may("conversations:write")
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(answer["ticket"])


def test_a_used_ticket_is_remembered_among_many(principal: Principal) -> None:
    ticket = authenticators.issue_ticket(principal)
    authenticators.redeem_ticket(ticket)
    for _ in range(400):
        authenticators.redeem_ticket(authenticators.issue_ticket(principal))
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(ticket)


def test_a_ticket_ends_after_a_minute(principal: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = authenticators.issue_ticket(principal)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(ticket)


@pytest.mark.parametrize(
    "change", [lambda ticket: ticket[:-1] + "x" + ticket[-1], lambda _: "", lambda _: "a:b:c", lambda _: "\x00", lambda ticket: ticket.upper()]
)
def test_a_changed_ticket_opens_nothing(principal: Principal, change: Callable[[str], str]) -> None:
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(change(authenticators.issue_ticket(principal)))


def test_a_ticket_ends_with_its_key(tenant: Tenant, principal: Principal) -> None:
    ticket = authenticators.issue_ticket(principal)
    assert principal.key_id is not None
    services.revoke_api_key(tenant, key_id=principal.key_id, by=None)
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(ticket)


def test_a_ticket_of_a_person_has_their_role_of_now(tenant: Tenant, owner: User) -> None:
    second = MembershipFactory.create(tenant=tenant, role=Role.OWNER)
    first, later = (authenticators.issue_ticket(principal_of_user(second.user, tenant)) for _ in range(2))
    services.change_role(tenant, member_id=second.pk, role=Role.VIEWER, by=owner)
    assert not authenticators.redeem_ticket(first).may("flows:write")
    services.remove_member(tenant, member_id=second.pk, by=owner)
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(later)


def test_a_ticket_of_a_token_ends_with_the_token(tenant: Tenant) -> None:
    short = scope.Principal(tenant=tenant, actor="jwt:ada", permissions=frozenset({"flows:read"}), expires_at=timezone.now() + timedelta(seconds=30))
    assert authenticators.redeem_ticket(authenticators.issue_ticket(short)).permissions == {"flows:read"}
    over = scope.Principal(tenant=tenant, actor="jwt:ada", permissions=frozenset({"flows:read"}), expires_at=timezone.now())
    with pytest.raises(Unauthenticated):
        authenticators.redeem_ticket(authenticators.issue_ticket(over))


@pytest.mark.parametrize(
    "asked",
    [
        "api-keys?revoked=maybe",
        "issuers?is_active=2",
        "oauth-authorizations?revoked=maybe",
        "oauth-clients?withdrawn=no%00",
        "event-endpoints?enabled=on",
    ],
)
def test_a_filter_that_is_neither_true_nor_false_is_refused(tenant: Tenant, asked: str) -> None:
    client: APIClient = client_of(tenant)
    answer = client.get(f"/api/v1/{asked}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json"), answer.content
    for good in ("true", "False", "1", ""):
        assert client.get(f"/api/v1/{asked.partition('=')[0]}={good}").status_code == 200


def test_unknown_ids_are_404(tenant: Tenant) -> None:
    client: APIClient = client_of(tenant)
    for path in (f"api-keys/{uuid4()}", "members/0", "members/99999999999999999999", "issuers/0", "issuers/99999999999999999999"):
        assert client.get(f"/api/v1/{path}").status_code == 404, path
