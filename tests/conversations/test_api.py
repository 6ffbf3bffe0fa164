"""REST: every endpoint as owner, viewer, stranger and anonymous; what the answers look like; bad input."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from conversations import services
from conversations.models import Conversation, Turn
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from tests.conversations.scenes import ECHO, PERMIT, REMINDER, check_log
from tests.factories import TenantFactory, bearer, published

pytestmark = pytest.mark.django_db
BASE = "/api/v1/conversations"


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    for document in (PERMIT, ECHO, REMINDER):
        published(tenant, document)
    return tenant


class Caller:
    """A program that talks JSON."""

    def __init__(self, tenant: Tenant | None, role: str = Role.OWNER) -> None:
        self._client = Client(headers=bearer(tenant, of_role(role)) if tenant else {})

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(path, query)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        text = body if isinstance(body, str | bytes) else json.dumps({} if body is None else body)
        return self._client.post(path, text, content_type="application/json", headers=headers)


@pytest.fixture
def owner(office: Tenant) -> Caller:
    return Caller(office)


@pytest.fixture
def talk(office: Tenant) -> str:
    """The address of a conversation that waits for the number of storeys."""
    return f"{BASE}/{services.start(office, flow_id='permit', user_ref='u-1').conversation_id}"


def test_start_talk_and_read(owner: Caller) -> None:
    begun = owner.post(BASE, {"flow_id": "permit", "user_id": "u-7", "locale": "en"})
    assert begun.status_code == 201
    here = begun.headers["Location"]
    assert begun.json()["response"]["text"] == "How many storeys?"

    answered = owner.post(f"{here}/messages", {"content": {"type": "text", "text": "three"}, "client_message_id": "m-1"})
    assert answered.status_code == 200
    assert answered.json()["context_updates"] == {"slots": {"storeys": 3}}
    again = owner.post(f"{here}/messages", {"content": {"type": "text", "text": "three"}, "client_message_id": "m-1"})
    assert again.json() == answered.json()
    assert (answered.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert owner.post(f"{here}/messages", {"content": "yes"}).json()["response"]["text"] == "3 storeys, noted."

    context = owner.get(here).json()
    assert context["slots"] == {"storeys": 3, "sprinklers": True}
    assert (context["current_state"], context["status"], context["previous_states"]) == ("done", "ended", ["ask"])
    expected = {
        "conversation_id", "tenant_id", "user_id", "current_state", "previous_states", "slots", "variables", "user_profile", "intent_history",
        "integration_results", "error_count", "created_at", "updated_at",
    }  # fmt: skip
    assert expected <= set(context)

    transcript = owner.get(f"{here}/messages").json()
    assert [(line["by"], line["text"]) for line in transcript["results"]] == [
        ("bot", "How many storeys?"),
        ("user", "three"),
        ("bot", "Are there sprinklers?"),
        ("user", "yes"),
        ("bot", "3 storeys, noted."),
    ]
    log = owner.get(f"{here}/events", limit=200).json()
    assert [row["seq"] for row in log["results"]] == list(range(1, log["count"] + 1))
    assert [turn["number"] for turn in log["turns"]] == [1, 2, 3]
    assert any("why" in line for line in log["turns"][2]["trace"])
    later = owner.get(f"{here}/events", after=log["count"] - 1).json()
    assert [row["seq"] for row in later["results"]] == [log["count"]]
    turn = owner.get(f"{here}/turns/2").json()
    assert turn["reply"] == answered.json()
    assert turn["request"]["input"]["text"] == "three"


def test_the_idempotency_key_header_is_a_message_id(owner: Caller, talk: str) -> None:
    first = owner.post(f"{talk}/messages", {"content": "three"}, **{"Idempotency-Key": "k-1"})
    again = owner.post(f"{talk}/messages", {"content": "three"}, **{"Idempotency-Key": "k-1"})
    assert (first.json(), again.headers["Idempotency-Replayed"]) == (again.json(), "true")
    other = owner.post(f"{talk}/messages", {"content": "four"}, **{"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["error_code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_respond_async_is_accepted_and_has_an_address(owner: Caller, office: Tenant, talk: str) -> None:
    accepted = owner.post(f"{talk}/messages", {"content": "three"}, Prefer="respond-async")
    assert (accepted.status_code, accepted.headers["Location"]) == (202, f"{talk}/turns/2")
    assert owner.get(accepted.headers["Location"]).json()["status"] == "queued"
    services.run_queued(office, conversation_id=Conversation.objects.get().pk)
    assert owner.get(accepted.headers["Location"]).json()["reply"]["context_updates"] == {"slots": {"storeys": 3}}


def test_reset(owner: Caller, talk: str) -> None:
    owner.post(f"{talk}/messages", {"content": "three"})
    fresh = owner.post(f"{talk}/reset", {"client_message_id": "r-1"})
    assert (fresh.status_code, fresh.json()["response"]["text"]) == (200, "How many storeys?")
    assert owner.post(f"{talk}/reset", {"client_message_id": "r-1"}).headers["Idempotency-Replayed"] == "true"
    assert owner.get(talk).json()["slots"] == {}


def test_an_ended_conversation_is_a_conflict_when_the_tenant_wants_it(owner: Caller, office: Tenant) -> None:
    Tenant.objects.filter(pk=office.pk).update(settings={"ended_conversation": "refuse"})
    begun = owner.post(BASE, {"flow_id": "permit", "inputs": {"storeys": 1, "sprinklers": False}})
    refused = owner.post(f"{begun.headers['Location']}/messages", {"content": "hello"})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "CONVERSATION_ENDED")


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["conversation_id"] for row in answer.json()["results"]]


def test_the_list_filters_orders_and_pages(owner: Caller, office: Tenant) -> None:
    a, b, c = (
        str(services.start(office, flow_id=flow, user_ref=user, channel=channel).conversation_id)
        for flow, user, channel in (("permit", "u-1", "web"), ("echo", "u-1", "sms"), ("permit", "u-2", "web"))
    )
    services.process_message(office, conversation_id=Conversation.objects.get(pk=a).pk, content={"type": "text", "text": "3"})
    assert ids(owner.get(BASE)) == [a, c, b]
    assert set(ids(owner.get(BASE, flow="permit"))) == {a, c}
    assert ids(owner.get(BASE, channel="sms")) == [b]
    assert set(ids(owner.get(BASE, user_id="u-1"))) == {a, b}
    assert ids(owner.get(BASE, state="listen")) == [b]
    assert set(ids(owner.get(BASE, status=["waiting", "ended"]))) == {a, b, c}
    assert ids(owner.get(BASE, status="ended")) == []
    assert set(ids(owner.get(BASE, environment="production"))) == {a, b, c}
    assert ids(owner.get(BASE, environment="nowhere")) == []
    assert ids(owner.get(BASE, ordering="created_at")) == [a, b, c]
    assert ids(owner.get(BASE, ordering="created_at", limit=1, offset=1)) == [b]
    at = Conversation.objects.get(pk=b).created_at.isoformat()
    assert ids(owner.get(BASE, created_after=at, ordering="created_at")) == [b, c]
    assert ids(owner.get(BASE, created_before=at)) == [a]
    assert ids(owner.get(BASE, updated_after=Conversation.objects.get(pk=a).updated_at.isoformat())) == [a]
    assert owner.get(BASE, status="nonsense").status_code == 400
    assert owner.get(BASE, created_after="yesterday").status_code == 400


def test_the_list_without_the_permission_to_operate_needs_a_user(office: Tenant) -> None:
    services.start(office, flow_id="permit", user_ref="u-1")
    viewer = Caller(office, Role.VIEWER)
    assert viewer.get(BASE).status_code == 403
    assert len(ids(viewer.get(BASE, user_id="u-1"))) == 1


READS = ("", "/messages", "/events", "/turns/1")


def test_a_viewer_reads_and_does_not_talk(office: Tenant, talk: str) -> None:
    viewer = Caller(office, Role.VIEWER)
    assert {viewer.get(f"{talk}{path}").status_code for path in READS} == {200}
    for answer in (viewer.post(BASE, {"flow_id": "permit"}), viewer.post(f"{talk}/messages", {"content": "3"}), viewer.post(f"{talk}/reset")):
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert Turn.objects.count() == 1


def test_a_stranger_finds_nothing(talk: str) -> None:
    stranger = Caller(TenantFactory.create())
    assert {stranger.get(f"{talk}{path}").status_code for path in READS} == {404}
    assert stranger.post(f"{talk}/messages", {"content": "3"}).status_code == 404
    assert stranger.post(f"{talk}/reset").status_code == 404
    assert stranger.post(BASE, {"flow_id": "permit"}).status_code == 404
    assert ids(stranger.get(BASE)) == []
    assert Turn.objects.count() == 1


def test_anonymous_is_told_how_to_authenticate(talk: str) -> None:
    anonymous = Caller(None)
    answers = [anonymous.get(f"{talk}{path}") for path in READS]
    answers += [anonymous.get(BASE), anonymous.post(BASE, {}), anonymous.post(f"{talk}/messages", {"content": "3"}), anonymous.post(f"{talk}/reset")]
    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)
    assert Turn.objects.count() == 1


NUL = json.dumps("a\x00b")
BAD_MESSAGES: list[tuple[Any, int, str]] = [
    ("", 400, "$"),
    ("{", 400, "$"),
    ("[]", 400, "$"),
    ("null", 400, "$"),
    ('{"content": "a", "content": "b"}', 400, "$"),
    ('{"content": NaN}', 400, "$"),
    (b'{"content": "\xff"}', 400, "$"),
    (f'{{"content": {NUL}}}', 400, "$.content"),
    ("[" * 2000, 400, "$"),
    ({}, 400, "$.content"),
    ({"content": None}, 400, "$.content"),
    ({"content": 7}, 400, "$.content"),
    ({"content": "   "}, 400, "$.content"),
    ({"content": "x" * 10_001}, 400, "$.content"),
    ({"content": "x" * 1_100_000}, 413, ""),
    ({"content": {"type": "text"}}, 400, "$.content.text"),
    ({"content": {"type": "shout", "text": "a"}}, 400, "$.content.type"),
    ({"content": {"type": ["text"], "text": "a"}}, 400, "$.content.type"),
    ({"content": {"type": "text", "text": ["a"]}}, 400, "$.content.text"),
    ({"content": {"text": "a", "colour": "red"}}, 400, "$.content.colour"),
    ({"content": {"text": "a", "attributes": {"n": 1}}}, 400, "$.content.attributes.n"),
    ({"content": {"type": "command", "text": "explode"}}, 400, "$.content.text"),
    ({"content": {"type": "event", "text": "no spaces here"}}, 400, "$.content.text"),
    ({"content": "a", "client_message_id": ""}, 400, "$.client_message_id"),
    ({"content": "a", "client_message_id": "x" * 121}, 400, "$.client_message_id"),
    ({"content": "a", "client_message_id": "with space"}, 400, "$.client_message_id"),
    ({"content": "a", "client_message_id": "timer:1"}, 400, "$.client_message_id"),
    ({"content": "a", "client_message_id": 5}, 400, "$.client_message_id"),
    ({"content": "a", "metadata": []}, 400, "$.metadata"),
    ({"content": "a", "hints": {"force_flow": 1}}, 400, "$.hints.force_flow"),
    ({"content": "a", "hints": {"bypass_cache": "yes"}}, 400, "$.hints.bypass_cache"),
    ({"content": "a", "user_id": "u" * 201}, 400, "$.user_id"),
    ({"content": "a", "mood": "good"}, 400, "$.mood"),
]


@pytest.mark.parametrize(("body", "status", "path"), BAD_MESSAGES, ids=lambda value: str(value)[:40])
def test_bad_messages_are_refused_with_the_path_of_the_fault(owner: Caller, talk: str, body: Any, status: int, path: str) -> None:
    answer = owner.post(f"{talk}/messages", body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.content
    assert not path or path in [fault["path"] for fault in answer.json()["errors"]]
    assert answer.json()["error_code"]
    assert Turn.objects.count() == 1


def test_all_faults_are_told_at_once(owner: Caller, talk: str) -> None:
    answer = owner.post(f"{talk}/messages", {"content": {"type": "shout", "text": 1}, "user_id": 7, "what": 1})
    assert {fault["path"] for fault in answer.json()["errors"]} == {"$.content.type", "$.content.text", "$.user_id", "$.what"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"flow_id": "no spaces"}, "$.flow_id"),
        ({"flow_id": "permit", "locale": "!"}, "$.locale"),
        ({"flow_id": "permit", "channel": ""}, "$.channel"),
        ({"flow_id": "permit", "inputs": [1]}, "$.inputs"),
        ({"flow_id": "permit", "inputs": {str(n): n for n in range(201)}}, "$.inputs"),
        ({"flow_id": "permit", "client_message_id": "server:1"}, "$.client_message_id"),
        ({"flow": "permit"}, "$.flow"),
    ],
)
def test_bad_starts_are_refused(owner: Caller, body: Any, path: str) -> None:
    answer = owner.post(BASE, body)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (400, [path])
    assert Conversation.objects.count() == 0


def test_other_refusals(owner: Caller, office: Tenant, talk: str) -> None:
    cases = [
        (owner.post(BASE, {"flow_id": "nothing"}), 404, "FLOW_NOT_FOUND"),
        (owner.post(BASE, {"flow_id": "permit", "environment": "moon"}), 404, "ENVIRONMENT_NOT_FOUND"),
        (owner.post(f"{BASE}/{uuid4()}/messages", {"content": "a"}), 404, "CONVERSATION_NOT_FOUND"),
        (owner.get(f"{BASE}/{uuid4()}"), 404, "CONVERSATION_NOT_FOUND"),
        (owner.get(f"{talk}/turns/99"), 404, "TURN_NOT_FOUND"),
        (owner.post(f"{talk}/reset", {"nonsense": 1}), 400, "SCHEMA_ERROR"),
        (owner.post(f"{talk}/messages", {"content": "a"}, **{"Idempotency-Key": "two words"}), 400, "SCHEMA_ERROR"),
        (owner._client.post(f"{talk}/messages", {"content": "a"}), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (owner._client.put(f"{talk}/messages", "{}", content_type="application/json"), 405, "METHOD_NOT_ALLOWED"),
        (owner._client.delete(BASE), 405, "METHOD_NOT_ALLOWED"),
    ]
    for answer, status, code in cases:
        assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    check_log(Conversation.objects.get().pk)


def test_the_hot_answers_carry_the_rate_limit(office: Tenant, talk: str, settings: Any) -> None:
    settings.API_RATE_LIMIT = "3/minute"
    program = Caller(office)
    answers = [program.post(f"{talk}/messages", {"content": "3"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert all("RateLimit" in answer.headers for answer in answers)
    assert answers[4].json()["error_code"] == "RATE_LIMITED"
    assert int(answers[4].headers["Retry-After"]) >= 1


def test_the_routes_are_in_the_openapi_document() -> None:
    document = json.loads(Client().get("/api/schema", {"format": "json"}).content)
    operations = {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}
    expected = {
        f"post {BASE}", f"get {BASE}", f"post {BASE}/{{conversation_id}}/messages", f"get {BASE}/{{conversation_id}}/messages",
        f"get {BASE}/{{conversation_id}}", f"get {BASE}/{{conversation_id}}/events", f"post {BASE}/{{conversation_id}}/reset",
        f"get {BASE}/{{conversation_id}}/turns/{{number}}",
    }  # fmt: skip
    assert expected <= operations
    assert "202" in document["paths"][f"{BASE}/{{conversation_id}}/messages"]["post"]["responses"]
    listed = document["paths"][BASE]["get"]
    assert {"limit", "offset", "status"} <= {parameter["name"] for parameter in listed["parameters"]}
    assert listed["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/PaginatedSummaryList")
