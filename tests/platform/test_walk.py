"""One tenant never sees another's anything: every route, admin page and socket as owner, viewer, stranger and anonymous.

The routes come from the resolver and the pages from the admin site, so a new one without an entry here fails.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.test.client import ClientHandler
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from conversations import services as talking
from conversations.models import Conversation
from flows import services as flows
from flows.models import Environment, Flow, Integration, State
from mcp_platform.tenancy import authenticators, permissions
from mcp_platform.tenancy import queries as tenancy_queries
from mcp_platform.tenancy import services as tenancy
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Role, Tenant, TokenIssuer, User
from tests import factories
from tests.factories import greeting
from tests.flows.test_integrations import CRM
from tests.platform.bad_input import sockets
from tests.platform.bad_input.office import Office, committed, stored
from tests.platform.bad_input.sockets import OPEN, BadSocket, End

API = "/api/v1/"
OURS = "ours-"  # everything that a stranger must not read has this in its name


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `ok`: what the owner gets. `stranger`: what the owner of another tenant gets; 404 unless it names nothing of ours."""

    call: str
    ok: int = 200
    body: Any = None
    stranger: int = 404

    def __str__(self) -> str:
        return self.call

    @property
    def method(self) -> str:
        return self.call.split(" ")[0]

    @property
    def path(self) -> str:
        return self.call.split(" ")[1]

    def send(self, client: Client, names: Mapping[str, Any]) -> Any:
        body = self.body(names) if callable(self.body) else self.body
        data = b"" if body is None else json.dumps(body).encode()
        return client.generic(self.method, API + self.path.format(**names), data, content_type="application/json", headers={"If-Match": "*"})


def transition(names: Mapping[str, Any]) -> Any:
    return {"state": names["state_id"], "condition": "any_input", "target_state": "done"}


KEY = {"name": "new", "scopes": ["flows:read"]}
ISSUER = {"issuer": "https://id.example.com", "audience": "new", "jwks_url": "https://id.example.com/jwks"}

CALLS = [
    Call("GET tenant", stranger=200),
    Call("PATCH tenant", 200, {"name": "New"}, stranger=200),
    Call("GET members", stranger=200),
    Call("POST members", 201, {"username": "newcomer", "role": "viewer"}, stranger=201),
    Call("GET members/{member_id}"),
    Call("PATCH members/{member_id}", 200, {"role": "editor"}),
    Call("DELETE members/{member_id}", 204),
    Call("GET api-keys", stranger=200),
    Call("POST api-keys", 201, KEY, stranger=201),
    Call("GET api-keys/{key_id}"),
    Call("POST api-keys/{key_id}/rotate", 201, {}),
    Call("POST api-keys/{key_id}/revoke"),
    Call("GET issuers", stranger=200),
    Call("POST issuers", 201, ISSUER, stranger=201),
    Call("GET issuers/{issuer_id}"),
    Call("PATCH issuers/{issuer_id}", 200, {"is_active": False}),
    Call("DELETE issuers/{issuer_id}", 204),
    Call("GET audit", stranger=200),
    Call("GET audit/verification", stranger=200),
    Call("POST ws-tickets", 201, stranger=201),
    Call("GET flows", stranger=200),
    Call("POST flows", 201, {"flow_id": "new"}, stranger=201),
    Call("POST flows/import", 201, greeting("new"), stranger=201),
    Call("GET flows/{flow_id}"),
    Call("PATCH flows/{flow_id}", 200, {"name": "New"}),
    Call("DELETE flows/{sketch}", 204),
    Call("GET flows/{flow_id}/draft"),
    Call("PUT flows/{flow_id}/draft", 200, greeting("ours-flow")),
    Call("POST flows/{flow_id}/validate", 200, {}),
    Call("POST flows/{flow_id}/publish", 200, {}),
    Call("POST flows/{flow_id}/rollback", 200, {"version": 1}),
    Call("POST flows/{flow_id}/archive"),
    Call("POST flows/{flow_id}/unarchive"),
    Call("GET flows/{flow_id}/export"),
    Call("GET flows/{flow_id}/diff?before=1"),
    Call("GET flows/{flow_id}/versions"),
    Call("GET flows/{flow_id}/versions/{number}"),
    Call("GET states", stranger=200),
    Call("POST states", 201, {"flow": "ours-flow", "name": "new", "type": "end"}),
    Call("GET states/{state_id}"),
    Call("PUT states/{state_id}", 200, {"type": "end"}),
    Call("PATCH states/{state_id}", 200, {"metadata": {"x": 1}}),
    Call("DELETE states/{state_id}", 204),
    Call("GET transitions", stranger=200),
    Call("POST transitions", 201, transition),
    Call("GET transitions/{transition_id}"),
    Call("PUT transitions/{transition_id}", 200, {"condition": "any_input", "target_state": "done"}),
    Call("PATCH transitions/{transition_id}", 200, {"priority": 3}),
    Call("DELETE transitions/{transition_id}", 204),
    Call("GET environments", stranger=200),
    Call("POST environments", 201, {"name": "new"}, stranger=201),
    Call("GET environments/{name}"),
    Call("PATCH environments/{name}", 200, {"is_default": True}),
    Call("DELETE environments/{name}", 204),
    Call("GET integrations", stranger=200),
    Call("POST integrations", 201, {**CRM, "integration_id": "new"}, stranger=201),
    Call("GET integrations/{integration_id}"),
    Call("PUT integrations/{integration_id}", 200, CRM),
    Call("PATCH integrations/{integration_id}", 200, {"timeout_ms": 200}),
    Call("DELETE integrations/{integration_id}", 204),
    Call("GET conversations?user_id=ours-user", stranger=200),
    Call("POST conversations", 201, {"flow_id": "ours-flow"}),
    Call("GET conversations/{conversation_id}"),
    Call("GET conversations/{conversation_id}/messages"),
    Call("POST conversations/{conversation_id}/messages", 200, {"content": "Ada"}),
    Call("GET conversations/{conversation_id}/events"),
    Call("GET conversations/{conversation_id}/turns/{number}"),
    Call("POST conversations/{conversation_id}/reset", 200, {}),
]
HOT = {"POST conversations", "POST conversations/{conversation_id}/messages"}  # no sessions there: bearer tokens only


# ── what there is to walk ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Route:
    path: str  # with {names} for converters
    view: Any

    @property
    def methods(self) -> list[str]:
        return [name.upper() for name in self.view.http_method_names if hasattr(self.view, name) and name not in ("options", "head")]


def _routes(patterns: Iterable[URLPattern | URLResolver], before: str = "") -> Iterator[Route]:
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, here)
        elif here.startswith(API.lstrip("/")):
            yield Route(_template(here.removeprefix(API.lstrip("/"))), pattern.callback.cls)  # type: ignore[attr-defined]  # of DRF's and the hot views


def _template(route: str) -> str:
    """`flows/<str:flow_id>` as `flows/{flow_id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


ROUTES = {route.path: route for route in _routes(get_resolver().url_patterns)}


def route_of(call: Call) -> Route:
    return ROUTES[call.path.split("?")[0].replace("{sketch}", "{flow_id}")]


def needs(call: Call) -> str:
    """The permission that the view declares; "" lets every authenticated caller in."""
    declared: str = route_of(call).view.permissions[call.method]
    return declared


def test_every_route_and_method_has_an_entry() -> None:
    there = {f"{method} {path}" for path, route in ROUTES.items() for method in route.methods}
    walked = [f"{call.method} {route_of(call).path}" for call in CALLS]
    assert sorted(walked) == sorted(there)


# ── the two tenants ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    ours: Tenant
    theirs: Tenant
    people: Mapping[str, User]
    names: Mapping[str, Any]
    rows: Mapping[type[Model], Model]


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: one for all calls; what a call writes is rolled back by `world`."""
    with committed(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def settled(db: None) -> World:
    ours, theirs = factories.TenantFactory.create(slug="ours-office", name="ours-office"), factories.TenantFactory.create(slug="theirs")
    people = {"owner": factories.member(ours), "viewer": factories.member(ours, Role.VIEWER), "stranger": factories.member(theirs)}
    member = factories.MembershipFactory.create(tenant=ours, user__username="ours-editor", role=Role.EDITOR)
    version = factories.published(ours, greeting("ours-flow", name="ours-flow"))
    factories.draft(ours, greeting("ours-sketch", name="ours-sketch"))
    factories.published(theirs, greeting("their-flow"))
    environment = flows.create_environment(ours, name="ours-staging", by=None)
    integration = flows.save_integration(ours, integration_id="ours-crm", fields=CRM, create=True, by=None)
    issuer = tenancy.add_issuer(ours, issuer="https://ours-id.example.com", audience="ours-mcp", jwks_url="https://ours-id.example.com/jwks", by=None)
    key, _ = tenancy.create_api_key(ours, name="ours-key", scopes=["flows:read"], by=None)
    state = State.objects.get(flow=version.flow, name="ask")
    talk = talking.start(ours, flow_id="ours-flow", user_ref="ours-user")
    names = {
        "member_id": member.pk, "key_id": key.pk, "issuer_id": issuer.pk, "flow_id": "ours-flow", "sketch": "ours-sketch", "number": 1,
        "state_id": state.pk, "transition_id": state.transitions.get().pk, "name": "ours-staging", "integration_id": "ours-crm",
        "conversation_id": talk.conversation_id,
    }  # fmt: skip
    rows: dict[type[Model], Model] = {
        Tenant: ours, User: people["owner"], Membership: member, ApiKey: key, TokenIssuer: issuer, Flow: version.flow, State: state,
        Environment: environment, Integration: integration, Conversation: Conversation.objects.get(pk=talk.conversation_id),
        AuditEntry: AuditEntry.objects.filter(tenant=ours)[0],
    }  # fmt: skip
    return World(ours=ours, theirs=theirs, people=people, names=names, rows=rows)


@pytest.fixture
def world(settled: World) -> Iterator[World]:
    with transaction.atomic():
        yield settled
        transaction.set_rollback(True)


@functools.cache
def _handler() -> ClientHandler:
    return ClientHandler(enforce_csrf_checks=False)


def anonymous(**defaults: Any) -> Client:
    """A client that shares its middleware with the others: to load it anew takes longer than a request."""
    client = Client(**defaults)
    client.handler = _handler()
    return client


def by_key(world: World, who: str) -> Client:
    tenant, role = (world.theirs, Role.OWNER) if who == "stranger" else (world.ours, Role(who))
    return anonymous(headers=factories.bearer(tenant, permissions.of_role(role)))


def by_session(world: World, who: str) -> Client:
    client = anonymous()
    client.force_login(world.people[who], backend="django.contrib.auth.backends.ModelBackend")
    return client


walk = pytest.mark.parametrize("call", CALLS, ids=str)
doors = pytest.mark.parametrize("enter", [by_key, by_session])
Doors: TypeAlias = Any


# ── the walk over REST ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@walk
@doors
def test_the_owner_may(call: Call, enter: Doors, world: World) -> None:
    answer = call.send(enter(world, "owner"), world.names)
    assert answer.status_code == (401 if enter is by_session and call.call in HOT else call.ok), answer.content


@walk
@doors
def test_a_viewer_may_look(call: Call, enter: Doors, world: World) -> None:
    client = enter(world, "viewer")
    before = stored(world.ours)
    answer = call.send(client, world.names)
    if enter is by_session and call.call in HOT:
        assert answer.status_code == 401
    elif needs(call) and needs(call) not in permissions.of_role(Role.VIEWER):
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert stored(world.ours) == before
    else:
        assert answer.status_code == call.ok, answer.content
        assert stored(world.ours) == before


@walk
@doors
def test_a_stranger_finds_nothing(call: Call, enter: Doors, world: World) -> None:
    before, client = stored(world.ours), enter(world, "stranger")
    answer = call.send(client, world.names)
    assert answer.status_code == (401 if enter is by_session and call.call in HOT else call.stranger), answer.content
    if call.stranger != 404:  # a refusal may repeat the name that was asked for
        assert OURS.encode() not in answer.content
    assert stored(world.ours) == before


@walk
def test_anonymous_is_asked_who_it_is(call: Call, world: World) -> None:
    before = stored()
    answer = call.send(anonymous(), world.names)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored() == before


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_tell_anonymous_nothing(path: str, method: str, world: World) -> None:
    answer = anonymous().generic(method, API + path.format(**world.names))
    assert answer.status_code in (401, 405), answer.content


@pytest.mark.parametrize("path", [path for path in ROUTES if "{" in path])
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_other_methods_tell_strangers_nothing(path: str, method: str, world: World) -> None:
    answer = by_key(world, "stranger").generic(method, API + path.format(**world.names))
    assert OURS.encode() not in answer.content
    if method == "HEAD":
        assert answer.status_code in (400, 404, 405)


def test_another_tenant_cannot_be_chosen(world: World) -> None:
    for client in (by_session(world, "stranger"), by_key(world, "stranger")):
        answer = client.get(f"{API}flows", headers={"X-Tenant": "ours-office"})
        assert answer.status_code in (200, 404)
        assert OURS not in json.dumps(answer.json().get("results"))


# ── the walk through the admin ──────────────────────────────────────────────────────────────────────────────────────────────────────

PAGES = dict(admin.site._registry)
OF_THE_PLATFORM: tuple[type[Model], ...] = (Group, User)  # for superusers; no set: every test process must see the same order
LISTS = [page for page in PAGES.values() if page.model not in OF_THE_PLATFORM]


def _addresses(page: Any, world: World) -> Iterator[str]:
    """Every page of one row: its change, delete and history pages, and whatever else hangs below it."""
    base = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    for pattern in page.get_urls():
        if pattern.pattern.converters:
            names = {name: 1 if name == "number" else world.rows[page.model].pk for name in pattern.pattern.converters}
            yield base + _template(str(pattern.pattern)).format(**names)


def test_every_page_has_a_row(world: World) -> None:
    assert set(PAGES) - {*OF_THE_PLATFORM} == set(world.rows) - {*OF_THE_PLATFORM}


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.opts.label)
def test_lists_show_strangers_no_row_of_ours(page: Any, world: World) -> None:
    answer = by_session(world, "stranger").get(reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"), {"q": "", "all": ""})
    assert answer.status_code in (200, 302, 403)
    assert OURS.encode() not in answer.content


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.opts.label)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_rows_of_ours_are_not_there_for_strangers(page: Any, method: str, world: World) -> None:
    client, before = by_session(world, "stranger"), stored(world.ours)
    for address in _addresses(page, world):
        answer = client.generic(method, address)
        if answer.status_code == 302:  # back to the page of the row, which is not there
            answer = client.get(answer.headers["Location"], follow=True)
        assert answer.status_code in (403, 404), address
        assert OURS.encode() not in answer.content, address
    assert stored(world.ours) == before


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.opts.label)
def test_viewers_change_nothing_in_the_admin(page: Any, world: World) -> None:
    client, before = by_session(world, "viewer"), stored(world.ours)
    for address in _addresses(page, world):
        assert client.post(address, {"name": "mine", "post": "yes"}).status_code < 500, address
        assert stored(world.ours) == before, address


@pytest.mark.parametrize("model", OF_THE_PLATFORM, ids=lambda model: model._meta.label)
def test_pages_of_the_platform_are_for_superusers(model: type[Model], world: World) -> None:
    if model in PAGES:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert by_session(world, "owner").get(address).status_code == 403


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.opts.label)
def test_pages_ask_anonymous_to_log_in(page: Any, world: World) -> None:
    lists = [reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{name}") for name in ("changelist", "add")]
    for address in [*lists, *(_addresses(page, world) if page.model in world.rows else ())]:
        for answer in (anonymous().get(address), anonymous().post(address)):
            assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/admin/login/")


TRY = "conversations/conversation/try/"


@pytest.mark.parametrize("address", ["", "search/?s=ours", "flows/", "tenancy/", "conversations/", "flows/flow/import/", f"{TRY}?tenant=ours-office"])
def test_other_pages_show_strangers_nothing_of_ours(address: str, world: World) -> None:
    answer = by_session(world, "stranger").get(f"/admin/{address}")
    assert answer.status_code in (200, 403, 404)
    asked_for = b"tenant=ours-office"  # may be repeated
    assert OURS.encode() not in answer.content.replace(asked_for, b"")


def test_strangers_cannot_switch_to_our_tenant(world: World) -> None:
    client = by_session(world, "stranger")
    assert client.post("/admin/tenant/", {"tenant": "ours-office"}).status_code == 404
    assert OURS.encode() not in client.get("/admin/flows/flow/").content


def test_strangers_cannot_try_our_flows(world: World) -> None:
    client, before = by_session(world, "stranger"), stored(world.ours)
    answer = client.post(f"/admin/{TRY}start/", {"tenant": "ours-office", "flow": "ours-flow", "flow_id": "ours-flow"})
    assert OURS.encode() not in answer.content
    assert stored(world.ours) == before


# ── the walk through the socket ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def office(settled: World) -> Office:
    """Not rolled back: sockets have threads, and so connections, of their own."""
    tokens = {who: by_key(settled, who).defaults["HTTP_AUTHORIZATION"] for who in ("owner", "viewer", "stranger")}
    return Office(tenant=settled.ours, names=settled.names, credentials=tokens)


def knock(office: Office, **how: Any) -> End:
    """Says something over the socket: the owner is let in and heard."""
    frame = sockets.say("Ada", "m-1", hints={"force_flow": "nobody"})
    return sockets.end_of(BadSocket("", (frame,), close=OPEN, code="", to="conversations/{conversation_id}/", **how), office)


def test_the_socket_lets_the_owner_talk_and_the_viewer_listen(office: Office) -> None:
    owner, viewer = knock(office, by="owner"), knock(office, by="viewer")
    assert (owner.code, owner.error["error_code"]) == (OPEN, "FLOW_NOT_FOUND")  # it was heard
    assert (viewer.code, viewer.error["error_code"]) == (OPEN, "PERMISSION_DENIED")


@pytest.mark.parametrize("credential", ["key", "ticket"])
def test_the_socket_knows_no_strangers(credential: str, office: Office, settled: World) -> None:
    before = stored(settled.ours)
    principal = tenancy_queries.principal_of_user(settled.people["stranger"], settled.theirs)
    query = f"?ticket={authenticators.issue_ticket(principal)}" if credential == "ticket" else ""
    by = "stranger" if credential == "key" else ""
    end = sockets.end_of(BadSocket("", (), close=4404, code="", by=by, to=f"conversations/{{conversation_id}}/{query}"), office)
    assert (end.code, end.error["error_code"]) == (4404, "CONVERSATION_NOT_FOUND")
    assert OURS not in json.dumps(dict(end.error))
    assert stored(settled.ours) == before


def test_the_socket_asks_anonymous_who_it_is(office: Office) -> None:
    end = sockets.end_of(BadSocket("", ({"type": "subscribe"},), close=4409, code="", by="", to="conversations/{conversation_id}/"), office)
    assert (end.code, end.error["error_code"]) == (4409, "FRAME_OUT_OF_ORDER")
