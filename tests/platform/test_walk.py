"""One tenant never sees another's anything: every route, admin page and socket as owner, viewer, stranger and anonymous.

The routes come from the resolver and the pages from the admin site, so a new one without an entry here fails.
"""

import copy
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any, TypeAlias, cast

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.test.client import ClientHandler
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from conversations import channels, handoff, replays, versions
from conversations import services as talking
from conversations.analytics.models import FlowAnalytics
from conversations.models import (
    CannedResponse,
    Conversation,
    Effect,
    Handoff,
    IntegrationHealth,
    MigrationPlan,
    Replay,
    Turn,
    UnderstoodFlow,
    WebChannel,
)
from flows import services as flows
from flows.models import Environment, Flow, Integration, State, Stub, TenantHandlers
from mcp_platform.ml import services as models
from mcp_platform.ml import stages
from mcp_platform.ml.models import ModelVersion
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.outbox import services as outbox
from mcp_platform.outbox.models import Delivery, Endpoint
from mcp_platform.tenancy import authenticators, permissions
from mcp_platform.tenancy import queries as tenancy_queries
from mcp_platform.tenancy import services as tenancy
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Role, Tenant, TokenIssuer, User
from mcp_platform.vault import services as vault
from mcp_platform.vault.models import Secret
from tests import factories
from tests.experiments import walked as walked_experiments
from tests.factories import greeting
from tests.flows.test_integrations import CRM
from tests.mcp import walked as walked_mcp
from tests.metadata import walked as walked_metadata
from tests.oauth import walked as walked_oauth
from tests.orchestrator import walked as walked_orchestrator
from tests.platform.bad_input import sockets
from tests.platform.bad_input.office import Office, committed
from tests.platform.bad_input.sockets import OPEN, BadSocket, End
from tests.platform.stored import Digests, rolled_back, stored
from tests.reports import walked as walked_reports
from tests.validation import judged, walked_files, walked_models, walked_people, walked_rules, walked_runs, walked_triage
from validation.models import TriageReading, ValidationRun

API = "/api/v1/"
operations.kind("tests.walk", reads="tenants:read")(lambda tenant, arguments, progress: {})
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
        answer: Any = client.generic(self.method, API + self.path.format(**names), data, content_type="application/json", headers={"If-Match": "*"})
        if answer.streaming:
            b"".join(answer.streaming_content)  # to the end, which closes the file
        return answer


def transition(names: Mapping[str, Any]) -> Any:
    return {"state": names["state_id"], "condition": "any_input", "target_state": "done"}


KEY = {"name": "new", "scopes": ["flows:read"]}
HOOK = {"name": "new", "url": "https://crm.example.com/hooks", "types": ["conversation.ended"]}
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
    Call("GET operations", stranger=200),
    Call("GET operations/{operation_id}"),
    Call("POST operations/{operation_id}/cancel"),
    Call("GET models", stranger=200),
    Call("GET models/{model_id}"),
    Call("POST models/{model_id}/promote", 200, {}),
    Call("POST models/{model_id}/reject", 200, {}),
    Call("POST models/{champion_id}/rollback"),
    Call("GET models/{model_id}/shadow"),
    Call("POST models/{model_id}/shadow"),
    Call("DELETE models/{shadowed_id}/shadow"),
    Call("GET models/registry", stranger=200),
    Call("GET models/{model_id}/comparison"),
    Call("GET models/{model_id}/drift"),
    Call("POST models/{model_id}/drift", 409),
    Call("GET models/{model_id}/card"),
    Call("GET models/{model_id}/export"),
    Call("POST models/{model_id}/export", 409),
    Call("POST flows/{flow_id}/intents/train", 409, {}),
    Call("GET flows/{flow_id}/unhandled"),
    Call("POST flows/{flow_id}/unhandled/learn", 404, {"intent": "nothing", "texts": ["x"]}),
    Call("GET analytics/flows", stranger=200),
    Call("GET analytics/flows/{flow_id}"),
    Call("GET analytics/flows/{flow_id}/funnel"),
    Call("GET analytics/flows/{flow_id}/days"),
    Call("GET analytics/flows/{flow_id}/versions"),
    Call("GET event-endpoints", stranger=200),
    Call("POST event-endpoints", 201, HOOK, stranger=201),
    Call("GET event-endpoints/{endpoint_id}"),
    Call("PATCH event-endpoints/{endpoint_id}", 200, {"enabled": False}),
    Call("DELETE event-endpoints/{endpoint_id}", 204),
    Call("POST event-endpoints/{endpoint_id}/rotate-secret", 201, {}),
    Call("POST event-endpoints/{endpoint_id}/test", 202),
    Call("POST event-endpoints/{endpoint_id}/redeliver", 202, {}),
    Call("GET event-deliveries", stranger=200),
    Call("GET event-deliveries/{delivery_id}"),
    Call("POST event-deliveries/{delivery_id}/redeliver", 202),
    Call("GET event-types", stranger=200),
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
    Call("GET flows/{flow_id}/tests"),
    Call("POST flows/{flow_id}/tests", 201, {"name": "new", "script": "user: Ada"}),
    Call("POST flows/{flow_id}/tests/run", 200, {}),
    Call("POST flows/{flow_id}/tests/try", 200, {"script": "user: Ada"}),
    Call("GET flows/{flow_id}/tests/file"),
    Call("POST flows/{flow_id}/tests/file", 200, {"tests": []}),
    Call("GET flows/{flow_id}/tests/{test_id}"),
    Call("PATCH flows/{flow_id}/tests/{test_id}", 200, {"enabled": False}),
    Call("DELETE flows/{flow_id}/tests/{test_id}", 204),
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
    Call("GET handlers", stranger=200),
    Call("PUT handlers", 200, {"global_handlers": {}}, stranger=200),
    Call("GET integrations", stranger=200),
    Call("POST integrations", 201, {**CRM, "integration_id": "new"}, stranger=201),
    Call("GET integrations/{integration_id}"),
    Call("PUT integrations/{integration_id}", 200, CRM),
    Call("PATCH integrations/{integration_id}", 200, {"timeout_ms": 200}),
    Call("DELETE integrations/{integration_id}", 204),
    Call("GET integrations/{integration_id}/stubs"),
    Call("POST integrations/{integration_id}/stubs", 201, {"name": "new", "outcome": {"success": True}}),
    Call("GET integrations/{integration_id}/stubs/{stub_id}"),
    Call("PATCH integrations/{integration_id}/stubs/{stub_id}", 200, {"endpoint": "people"}),
    Call("DELETE integrations/{integration_id}/stubs/{stub_id}", 204),
    Call("POST integrations/{integration_id}/stubs/record", 201, lambda names: {"effect_id": str(names["effect_id"]), "name": "new"}),
    Call("POST integrations/{integration_id}/try", 200, {"endpoint": "people"}),
    Call("GET integrations/{integration_id}/health"),
    Call("POST integrations/{integration_id}/breaker/close"),
    Call("GET secrets", stranger=200),
    Call("POST secrets", 201, {"name": "NEW", "value": "x"}, stranger=201),
    Call("GET secrets/{secret_name}"),
    Call("PATCH secrets/{secret_name}", 200, {"description": "new"}),
    Call("DELETE secrets/{secret_name}", 204),
    Call("POST secrets/{secret_name}/rotate", 200, {"value": "y"}),
    Call("GET conversations?user_id=ours-user", stranger=200),
    Call("POST conversations", 201, {"flow_id": "ours-flow"}),
    Call("GET conversations/{conversation_id}"),
    Call("GET conversations/{conversation_id}/messages"),
    Call("POST conversations/{conversation_id}/messages", 200, {"content": "Ada"}),
    Call("GET conversations/{conversation_id}/events"),
    Call("GET conversations/{conversation_id}/turns/{number}"),
    Call("POST conversations/{conversation_id}/reset", 200, {}),
    Call("POST conversations/{conversation_id}/replay", 200, {}),
    Call("POST conversations/{conversation_id}/test", 201, {}),
    Call("GET replays", stranger=200),
    Call("POST replays", 202, {"flow_id": "ours-flow"}),
    Call("GET replays/{replay_id}"),
    Call("DELETE replays/{replay_id}", 204),
    Call("GET replays/{replay_id}/results"),
    Call("GET replays/{replay_id}/results/{conversation_id}"),
    Call("GET flows/{flow_id}/live"),
    Call("GET migration-plans", stranger=200),
    Call("POST migration-plans", 201, {"flow_id": "ours-flow", "source": 1}),
    Call("GET migration-plans/{plan_id}"),
    Call("PATCH migration-plans/{plan_id}", 200, {"note": "new"}),
    Call("DELETE migration-plans/{plan_id}", 204),
    Call("POST migration-plans/{plan_id}/dry-run", 202),
    Call("POST migration-plans/{plan_id}/apply", 202),
    Call("POST migration-plans/{active_plan_id}/stop"),
    Call("POST migration-plans/{active_plan_id}/revert", 202, {}),
    Call("POST conversations/{conversation_id}/handoff", 201, {}),
    Call("GET dead-turns", stranger=200),
    Call("POST dead-turns/{turn_id}/retry", 202),
    Call("POST dead-turns/{turn_id}/bury", 200, {"note": "ours-note"}),
    Call("GET inbox/handoffs", stranger=200),
    Call("GET inbox/handoffs/{handoff_id}"),
    Call("POST inbox/handoffs/{handoff_id}/take", 200, {}),
    Call("POST inbox/handoffs/{handoff_id}/reply", 409, {"text": "hello"}),  # who answers must have taken it first
    Call("POST inbox/handoffs/{handoff_id}/transfer", 200, {"queue": "other"}),
    Call("POST inbox/handoffs/{handoff_id}/resume", 409, {}),
    Call("POST inbox/handoffs/{handoff_id}/end", 409, {}),
    Call("POST inbox/handoffs/{handoff_id}/read"),
    Call("POST inbox/handoffs/{handoff_id}/notes", 201, {"text": "hello"}),
    Call("GET inbox/agents", stranger=200),
    Call("PUT inbox/presence", 200, {"status": "away"}, stranger=200),
    Call("GET inbox/canned-responses", stranger=200),
    Call("POST inbox/canned-responses", 201, {"shortcut": "new", "texts": {"en": "Hello"}}, stranger=201),
    Call("PUT inbox/canned-responses/{canned_id}", 200, {"shortcut": "new", "texts": {"en": "Hello"}}),
    Call("DELETE inbox/canned-responses/{canned_id}", 204),
    Call("GET web-chats", stranger=200),
    Call("POST web-chats", 201, {"name": "new", "flow_id": "ours-flow"}, stranger=400),
    Call("GET web-chats/{channel_id}"),
    Call("PATCH web-chats/{channel_id}", 200, {"greeting": "Hello"}),
    Call("DELETE web-chats/{channel_id}", 204),
    *(Call(*given) for given in walked_models.MODELS),
    *(Call(*given) for given in walked_runs.RUNS),
    *(Call(*given) for given in walked_files.FILES),
    *(Call(*given) for given in walked_rules.RULES),
    *(Call(*given) for given in walked_people.PEOPLE),
    *(Call(*given) for given in walked_triage.TRIAGE),
    *(Call(*given) for given in walked_reports.REPORTS),
    *(Call(*given) for given in walked_experiments.EXPERIMENTS),
    *(Call(*given) for given in walked_orchestrator.ORCHESTRATOR),
    *(Call(*given) for given in walked_metadata.METADATA),
    *(Call(*given) for given in walked_oauth.OAUTH),
]
HOT = {"POST conversations", "POST conversations/{conversation_id}/messages"}  # no sessions there: bearer tokens only
STANDS_FOR = {
    "{sketch}": "{flow_id}", "{active_plan_id}": "{plan_id}", "{champion_id}": "{model_id}", "{shadowed_id}": "{model_id}", "{format}": "{name}",
    **walked_experiments.STANDS_FOR,
}  # in the routes  # fmt: skip


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
    return ROUTES[re.sub(r"\{\w+\}", lambda name: STANDS_FOR.get(name[0], name[0]), call.path.split("?")[0])]


def needs(call: Call) -> str:
    """The permission that the view declares; "" lets every authenticated caller in."""
    if call.call in walked_reports.PUBLIC:
        return ""
    declared: str = route_of(call).view.permissions[call.method]
    return declared


def test_every_route_and_method_has_an_entry() -> None:
    there = {f"{method} {path}" for path, route in ROUTES.items() for method in route.methods}
    walked = [f"{call.method} {route_of(call).path}" for call in CALLS]
    assert sorted(walked) == sorted(there)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    ours: Tenant
    theirs: Tenant
    people: Mapping[str, User]
    keys: Mapping[str, Mapping[str, str]]
    cookies: Mapping[str, SimpleCookie]
    before: Digests
    before_all: Digests
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
    integration = flows.save_integration(ours, integration_id="ours-crm", fields={**CRM, "base_url": "http://127.0.0.1:9"}, create=True, by=None)
    stub = flows.save_stub(ours, integration_id="ours-crm", fields={"name": "ours-stub", "outcome": {"success": True}}, by=None)
    secret = vault.create_secret(ours, name="OURS", value="ours-value", description="ours-secret", by=None)
    greet = {"on": "command", "value": "help", "response_templates": {"default": "ours-help"}}
    own_handlers = flows.save_tenant_handlers(ours, document={"global_handlers": {"ours-help": greet}}, by=None)
    issuer = tenancy.add_issuer(ours, issuer="https://ours-id.example.com", audience="ours-mcp", jwks_url="https://ours-id.example.com/jwks", by=None)
    key, _ = tenancy.create_api_key(ours, name="ours-key", scopes=["flows:read"], by=None)
    state = State.objects.get(flow=version.flow, name="ask")
    work = operations.start(ours, kind="tests.walk", title="ours-work", arguments={}, by="system")
    endpoint, _ = outbox.create_endpoint(ours, fields={**HOOK, "name": "ours-hook", "url": "https://ours-crm.example.com/hooks"}, by=None)
    delivery = outbox.send_test(ours, endpoint_id=endpoint.pk, by=None)
    Delivery.objects.filter(pk=delivery.pk).update(status="delivered", key="ours-key")
    talk = talking.start(ours, flow_id="ours-flow", user_ref="ours-user")
    waiting = talking.start(ours, flow_id="ours-flow", user_ref="ours-caller").conversation_id
    talking.process_message(ours, conversation_id=waiting, content={"type": "command", "text": "human"})
    canned = handoff.save_canned(ours, shortcut="ours-hours", texts={"en": "ours-text"}, by=None)
    chat = channels.save(ours, fields={"name": "ours-chat", "flow_id": "ours-flow"}, by=None)
    flows.import_flow(ours, document=greeting("ours-flow", name="ours-flow", description="The second version"), replace=True, by=None)
    flows.publish(ours, flow_id="ours-flow", by=None)
    plan = versions.create(ours, flow_id="ours-flow", source=1, by=None)
    active = versions.create(ours, flow_id="ours-flow", source=2, target=1, by=None)
    versions.apply(ours, plan_id=active.pk, by=None)
    tested = flows.save_test(ours, flow_id="ours-flow", fields={"name": "ours-test", "script": "user: Ada"}, by=None)
    replayed = replays.prepare(ours, flow_id="ours-flow", by=None)
    turn = Turn.objects.get(conversation_id=talk.conversation_id)
    dead = Turn.objects.create(
        tenant=ours, conversation_id=waiting, number=99, kind="message", client_message_id="ours-poison", request_sha256="", status="dead",
        request={"type": "message", "content": {"type": "text", "text": "ours-poison"}}, created_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    called = Effect.objects.create(
        tenant=ours, turn=turn, conversation_id=talk.conversation_id, effect_id="e1", step_key="1:ours", integration_id="ours-crm",
        request={"endpoint": "ours"}, request_sha256="", idempotency_key="", status="succeeded", result={"success": True, "data": "ours-data"},
        deadline=timezone.now(), created_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    learned = [
        models.keep(ours, kind="tests", subject="ours-subject", content=b"", metrics={}, card={"ours": 1}, data_sha256="", by=None) for _ in "abcd"
    ]
    for row in learned[:2]:
        models.promote(ours, model_id=row.pk, by=None)
    stages.shadow(ours, model_id=learned[3].pk, by=None)
    finding = judged.a_finding(judged.a_building(ours, "ours-house"), message="ours-message")
    finding.save()
    reading = TriageReading.objects.create(tenant=ours, day=timezone.now().date(), drift={"ours-feature": 0.1})
    names = {
        "finding_id": finding.pk,
        "model_id": learned[2].pk, "champion_id": learned[1].pk, "shadowed_id": learned[3].pk,
        "test_id": tested.pk, "replay_id": replayed.pk, "turn_id": dead.pk, "plan_id": plan.pk, "active_plan_id": active.pk,
        "member_id": member.pk, "key_id": key.pk, "issuer_id": issuer.pk, "flow_id": "ours-flow", "sketch": "ours-sketch", "number": 1,
        "state_id": state.pk, "transition_id": state.transitions.get().pk, "name": "ours-staging", "integration_id": "ours-crm",
        "stub_id": stub.pk, "secret_name": "OURS", "effect_id": called.pk,
        "conversation_id": talk.conversation_id, "handoff_id": Handoff.objects.get(conversation_id=waiting).pk, "canned_id": canned.pk,
        "channel_id": chat.pk,
        "operation_id": work.pk, "endpoint_id": endpoint.pk, "delivery_id": delivery.pk,
    }  # fmt: skip
    rows: dict[type[Model], Model] = {
        Replay: replayed, Turn: dead, Handoff: Handoff.objects.get(conversation_id=waiting), CannedResponse: canned, WebChannel: chat,
        Tenant: ours, User: people["owner"], Membership: member, ApiKey: key, TokenIssuer: issuer, Flow: version.flow, State: state,
        Environment: environment, Integration: integration, Stub: stub, Secret: secret,
        IntegrationHealth: IntegrationHealth.objects.get(pk=integration.pk), TenantHandlers: own_handlers,
        Conversation: Conversation.objects.get(pk=talk.conversation_id),
        AuditEntry: AuditEntry.objects.filter(tenant=ours)[0], Operation: work, MigrationPlan: plan,
        Endpoint: endpoint, Delivery: delivery, FlowAnalytics: FlowAnalytics.objects.get(pk=version.flow_id),
        TriageReading: reading,
        ModelVersion: learned[2], UnderstoodFlow: UnderstoodFlow.objects.get(pk=version.flow_id),
    }  # fmt: skip
    house, rule_names, rule_rows = walked_rules.rules(ours)
    experiment_names, experiment_rows = walked_experiments.experiments(version.flow)
    model_names, model_rows = walked_models.models(ours, house)
    run_names, run_rows = walked_runs.runs(house)
    more_names, more_rows = walked_people.people(house)
    names |= more_names
    rows |= more_rows
    report_names, report_rows = walked_reports.reports(cast(ValidationRun, run_rows[ValidationRun]))
    names |= report_names
    rows |= report_rows
    server_names, server_rows = walked_orchestrator.orchestrator(ours)
    names |= server_names
    rows |= server_rows
    metadata_names, metadata_rows = walked_metadata.metadata(ours)
    names |= metadata_names
    rows |= metadata_rows
    oauth_names, oauth_rows = walked_oauth.oauth(ours, people["owner"])
    names |= oauth_names
    rows |= oauth_rows
    rows |= walked_mcp.calls(ours)
    all_names, all_rows = rule_names | model_names | run_names | experiment_names | names, rows | experiment_rows | rule_rows | model_rows | run_rows
    keys = {who: factories.bearer(ours, permissions.of_role(Role(who))) for who in ("owner", "viewer")}
    keys["stranger"] = factories.bearer(theirs, permissions.of_role(Role.OWNER))
    cookies = {who: _logged_in(person) for who, person in people.items()}
    before, before_all = stored(ours), stored()
    return World(
        ours=ours, theirs=theirs, people=people, keys=keys, cookies=cookies, names=all_names, rows=all_rows, before=before, before_all=before_all
    )


@pytest.fixture
def world(settled: World) -> Iterator[World]:
    with rolled_back():
        yield settled


@functools.cache
def _handler() -> ClientHandler:
    return ClientHandler(enforce_csrf_checks=False)


def anonymous(**defaults: Any) -> Client:
    """A client that shares its middleware with the others: to load it anew takes longer than a request."""
    client = Client(**defaults)
    client.handler = _handler()
    return client


def by_key(world: World, who: str) -> Client:
    return anonymous(headers=world.keys[who])


def by_session(world: World, who: str) -> Client:
    client = anonymous()
    client.cookies = copy.deepcopy(world.cookies[who])
    return client


def _logged_in(person: User) -> SimpleCookie:
    client = anonymous()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies


walk = pytest.mark.parametrize("call", CALLS, ids=str)
doors = pytest.mark.parametrize("enter", [by_key, by_session])
Doors: TypeAlias = Any


@walk
@doors
def test_the_owner_may(call: Call, enter: Doors, world: World) -> None:
    answer = call.send(enter(world, "owner"), world.names)
    by_hand = enter is by_key and call.call in walked_people.BY_HAND
    assert answer.status_code == (401 if enter is by_session and call.call in HOT else 403 if by_hand else call.ok), answer.content


@walk
@doors
def test_a_viewer_may_look(call: Call, enter: Doors, world: World) -> None:
    client, before = enter(world, "viewer"), world.before
    answer = call.send(client, world.names)
    if enter is by_session and call.call in HOT:
        assert answer.status_code == 401
    elif needs(call) and needs(call) not in permissions.of_role(Role.VIEWER):
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert stored(world.ours) == before
    else:
        assert answer.status_code == call.ok, answer.content
        left = {name for name, digest in stored(world.ours).items() if digest != before[name]}
        assert left == ({"tenancy.AuditEntry"} if call.call in walked_reports.TRACED else set())


@walk
@doors
def test_a_stranger_finds_nothing(call: Call, enter: Doors, world: World) -> None:
    before, client = world.before, enter(world, "stranger")
    answer = call.send(client, world.names)
    assert answer.status_code == (401 if enter is by_session and call.call in HOT else call.stranger), answer.content
    if call.stranger != 404:  # a refusal may repeat the name that was asked for
        assert OURS.encode() not in answer.content
    assert stored(world.ours) == before


@pytest.mark.parametrize("call", [call for call in CALLS if call.call not in walked_reports.PUBLIC], ids=str)
def test_anonymous_is_asked_who_it_is(call: Call, world: World) -> None:
    before = world.before_all
    answer = call.send(anonymous(), world.names)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored() == before


@pytest.mark.parametrize("path", ROUTES)
def test_other_methods_tell_anonymous_nothing(path: str, world: World) -> None:
    for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"):
        answer = anonymous().generic(method, API + path.format(**world.names))
        described = method == "OPTIONS" and any(call.endswith(f" {path}") for call in walked_reports.PUBLIC)
        assert answer.status_code in ((200,) if described else (401, 405)), (method, answer.content)
        assert OURS.encode() not in answer.content, method


@pytest.mark.parametrize("path", [path for path in ROUTES if "{" in path])
def test_other_methods_tell_strangers_nothing(path: str, world: World) -> None:
    for method in ("HEAD", "OPTIONS"):
        answer = by_key(world, "stranger").generic(method, API + path.format(**world.names))
        assert OURS.encode() not in answer.content, method
        assert method != "HEAD" or answer.status_code in (400, 404, 405)


def test_another_tenant_cannot_be_chosen(world: World) -> None:
    for client in (by_session(world, "stranger"), by_key(world, "stranger")):
        answer = client.get(f"{API}flows", headers={"X-Tenant": "ours-office"})
        assert answer.status_code in (200, 404)
        assert OURS not in json.dumps(answer.json().get("results"))


@pytest.mark.parametrize("call", [call for call in CALLS if call.call in walked_reports.PUBLIC], ids=str)
def test_a_public_door_tells_anonymous_no_names(call: Call, world: World) -> None:
    before = world.before_all
    answer = call.send(anonymous(), world.names)
    assert answer.status_code == call.ok
    assert OURS.encode() not in answer.content
    assert stored() == before


@pytest.mark.parametrize("door", ["POST /api/v1/verify/nobody", "GET /verify/nobody", "POST /verify/nobody", "GET /reports/file/nobody"])
def test_a_guessed_token_opens_nothing(door: str, world: World) -> None:
    before, (method, path) = world.before_all, door.split(" ")
    answer = anonymous().generic(method, path, b"{}", content_type="application/json")
    assert answer.status_code == (403 if "/file/" in path else 404)
    assert OURS.encode() not in answer.content
    assert stored() == before


PAGES = dict(admin.site._registry)
OF_THE_PLATFORM: tuple[type[Model], ...] = (Group, User)  # for superusers; no set: every test process must see the same order
LISTS = [page for page in PAGES.values() if page.model not in OF_THE_PLATFORM]


def _addresses(page: Any, world: World) -> Iterator[str]:
    """Every page of one row: its change, delete and history pages, and whatever else hangs below it."""
    base = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    for pattern in page.get_urls():
        if pattern.pattern.converters:
            below = {"number": 1, "test": world.names["test_id"], "conversation": world.names["conversation_id"], **walked_people.below(world.names)}
            below |= walked_reports.below(world.names)
            names = {name: below.get(name, world.rows[page.model].pk) for name in pattern.pattern.converters}
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
    client, before = by_session(world, "stranger"), world.before
    for address in _addresses(page, world):
        answer = client.generic(method, address)
        if answer.status_code == 302:  # back to the page of the row, which is not there
            answer = client.get(answer.headers["Location"], follow=True)
        assert answer.status_code in (403, 404), address
        assert OURS.encode() not in answer.content, address
    assert stored(world.ours) == before


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.opts.label)
def test_viewers_change_nothing_in_the_admin(page: Any, world: World) -> None:
    client, before = by_session(world, "viewer"), world.before
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
    client, before = by_session(world, "stranger"), world.before
    answer = client.post(f"/admin/{TRY}start/", {"tenant": "ours-office", "flow": "ours-flow", "flow_id": "ours-flow"})
    assert OURS.encode() not in answer.content
    assert stored(world.ours) == before


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
