"""The admin as a door: who sees which pages, what a stranger gets, and that pages stay cheap. What it looks like is in tests/e2e."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conversations import services as conversation_services
from conversations.models import Conversation
from flows import services as flow_services
from flows.models import Flow, State
from mcp_platform.tenancy import services as tenancy_services
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Role, Tenant, User
from tests.factories import UserFactory, greeting, member, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(tenant: Tenant) -> Tenant:
    """A tenant with one of everything."""
    published(tenant)
    conversation_services.start(tenant, flow_id="greeting")
    tenancy_services.create_api_key(tenant, name="site", scopes=["flows:read"], by=None)
    flow_services.save_integration(tenant, integration_id="crm", fields={"base_url": "https://crm.example"}, create=True, by=None)
    tenancy_services.add_issuer(tenant, issuer="https://id.example", audience="mcp", jwks_url="https://id.example/keys", by=None)
    member(tenant, Role.VIEWER)
    return tenant


@pytest.fixture
def tenant() -> Tenant:
    return tenancy_services.create_tenant(slug="office", name="Office")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def lists() -> list[str]:
    return [
        "admin:index",
        "admin:flows_flow_changelist",
        "admin:flows_environment_changelist",
        "admin:flows_integration_changelist",
        "admin:conversations_conversation_changelist",
        "admin:tenancy_tenant_changelist",
        "admin:tenancy_user_changelist",
        "admin:tenancy_membership_changelist",
        "admin:tenancy_apikey_changelist",
        "admin:tenancy_tokenissuer_changelist",
        "admin:tenancy_auditentry_changelist",
    ]


def details(office: Tenant) -> list[str]:
    """Every page of one thing."""
    flow = Flow.objects.for_tenant(office).get()
    states = [reverse("admin:flows_state_change", args=(pk,)) for pk in State.objects.for_tenant(office).values_list("pk", flat=True)]
    flows = [reverse(f"admin:flows_flow_{page}", args=(flow.pk,)) for page in ("change", "publish", "versions", "export")]
    rows = {
        "conversations_conversation": Conversation,
        "tenancy_apikey": ApiKey,
        "tenancy_membership": Membership,
        "tenancy_auditentry": AuditEntry,
    }
    others = [reverse(f"admin:{name}_change", args=(model.objects.for_tenant(office)[0].pk,)) for name, model in rows.items()]
    return [
        *flows,
        reverse("admin:flows_flow_version", args=(flow.pk, 1)),
        *states,
        f"{reverse('admin:flows_state_add')}?flow={flow.pk}",
        *others,
        reverse("admin:flows_environment_change", args=(flow.pointers.get().environment_id,)),
        reverse("admin:tenancy_tenant_change", args=(office.pk,)),
    ]


def buttons(office: Tenant) -> list[str]:
    flow, key = Flow.objects.for_tenant(office).get(), ApiKey.objects.for_tenant(office)[0]
    conversation = Conversation.objects.for_tenant(office).get()
    return [
        reverse("admin:flows_flow_publish", args=(flow.pk,)),
        reverse("admin:flows_flow_archive", args=(flow.pk,)),
        reverse("admin:flows_flow_connect", args=(flow.pk,)),
        reverse("admin:flows_flow_roll_back", args=(flow.pk, 1)),
        reverse("admin:tenancy_apikey_rotate", args=(key.pk,)),
        reverse("admin:tenancy_apikey_revoke", args=(key.pk,)),
        reverse("admin:conversations_conversation_reset", args=(conversation.pk,)),
    ]


def test_a_superuser_opens_every_page(office: Tenant) -> None:
    client = signed_in(UserFactory.create(is_superuser=True))
    for address in [*map(reverse, lists()), *details(office)]:
        assert client.get(address).status_code == 200, address


def test_an_owner_opens_every_page_of_the_own_tenant(office: Tenant) -> None:
    client = signed_in(member(office))
    for address in [*[reverse(name) for name in lists() if "tenancy_user" not in name], *details(office)]:
        assert client.get(address).status_code == 200, address
    assert client.get(reverse("admin:tenancy_user_changelist")).status_code == 403


def test_a_stranger_finds_nothing_there(office: Tenant) -> None:
    other = tenancy_services.create_tenant(slug="other", name="Other")
    client = signed_in(member(other))
    for address in details(office):
        assert client.get(address).status_code == 404, address
    for address in buttons(office):
        assert client.post(address).status_code == 404, address
    for name in lists():
        if "tenancy_user" not in name:
            page = client.get(reverse(name)).content.decode()
            assert "Office" not in page, name
            assert "greeting" not in page, name


def test_a_viewer_reads_and_changes_nothing(office: Tenant) -> None:
    client = signed_in(member(office, Role.VIEWER))
    flow = Flow.objects.for_tenant(office).get()
    page = client.get(reverse("admin:flows_flow_change", args=(flow.pk,))).content.decode()
    assert 'name="_save"' not in page
    assert "Add a state" not in page
    for address in buttons(office):
        assert client.post(address).status_code in (403, 404), address
    assert client.get(reverse("admin:tenancy_apikey_changelist")).status_code == 403
    assert client.get(reverse("admin:tenancy_auditentry_changelist")).status_code == 403
    assert client.get(reverse("admin:conversations_conversation_try")).status_code == 403
    assert "Try a flow" not in client.get("/admin/").content.decode()
    state = State.objects.for_tenant(office)[0]
    assert client.post(reverse("admin:flows_state_change", args=(state.pk,)), {"name": "x"}).status_code == 403
    flow.refresh_from_db()
    assert flow.rev == 1


def test_nobody_without_a_session_or_staff_rights_gets_in(office: Tenant) -> None:
    for client in (Client(), signed_in(UserFactory.create(is_staff=False))):
        for address in [*map(reverse, lists()), *details(office), *buttons(office)]:
            answer = client.get(address)
            assert answer.status_code == 302, address
            assert answer.headers["Location"].startswith("/admin/login/")


def test_the_pages_forbid_scripts_of_other_origins(office: Tenant) -> None:
    policy = signed_in(member(office)).get("/admin/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "frame-ancestors 'none'" in policy


def test_switching_tenants_narrows_the_lists_and_takes_only_own_ones(office: Tenant) -> None:
    user = member(office)
    second = tenancy_services.create_tenant(slug="second", name="Second", owner=user)
    published(second, greeting("of_second", name="Of the second"))
    stranger = tenancy_services.create_tenant(slug="stranger", name="Stranger")
    client, flows = signed_in(user), reverse("admin:flows_flow_changelist")
    assert {"of_second", "greeting"} <= set(re.findall(r"of_second|greeting", client.get(flows).content.decode()))
    client.post(reverse("admin:switch_tenant"), {"tenant": "second", "next": flows})
    shown = client.get(flows).content.decode()
    assert "of_second" in shown
    assert "greeting" not in shown
    assert client.post(reverse("admin:switch_tenant"), {"tenant": stranger.slug}).status_code == 404
    assert client.post(reverse("admin:switch_tenant"), {"tenant": "", "next": "https://elsewhere.example/"}).headers["Location"] == "/admin/"


def fields_of(page: str) -> dict[str, str]:
    """The fields of a page's form, as a browser would send them back."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: dict[str, str] = {}
            self.area = self.select = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            name = given.get("name") or ""
            if tag == "input" and name and given.get("type") not in ("submit", "checkbox"):
                self.found[name] = given.get("value") or ""
            elif tag == "textarea":
                self.area = name
                self.found[name] = ""
            elif tag == "select":
                self.select = name
            elif tag == "option" and self.select and "selected" in given:
                self.found[self.select] = given.get("value") or ""

        def handle_data(self, data: str) -> None:
            if self.area:
                self.found[self.area] += data

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea":
                self.area = ""
            elif tag == "select":
                self.select = ""

    reader = Reader()
    reader.feed(page)
    return reader.found


def save(client: Client, address: str, **changes: Any) -> Any:
    fields = fields_of(client.get(address).content.decode())
    return client.post(address, {**fields, "_continue": "1", **changes}, follow=True)


def test_a_state_and_its_transitions_are_one_save_with_one_audit_entry(office: Tenant) -> None:
    client, state = signed_in(member(office)), State.objects.for_tenant(office).get(name="greet")
    before = AuditEntry.objects.for_tenant(office).count()
    answer = save(client, reverse("admin:flows_state_change", args=(state.pk,)), **{"name": "welcome", "transitions-0-target_state": "nowhere"})
    page = answer.content.decode()
    assert "There is no state &quot;nowhere&quot;" in page
    state.refresh_from_db()
    assert (state.name, state.transitions.get().target_state) == ("welcome", "nowhere")
    assert State.objects.get(flow=state.flow, name="ask").transitions.get().target_state == "welcome"
    entries = AuditEntry.objects.for_tenant(office)
    assert entries.count() == before + 1
    assert tenancy_services.verify_chain(office) == []


def test_a_save_on_top_of_somebody_elses_is_refused_with_the_input_kept(office: Tenant) -> None:
    client, state = signed_in(member(office)), State.objects.for_tenant(office).get(name="greet")
    address = reverse("admin:flows_state_change", args=(state.pk,))
    mine = fields_of(client.get(address).content.decode())
    flow_services.update_flow(office, flow_id="greeting", fields={"name": "Changed meanwhile"}, by=None)
    page = client.post(address, {**mine, "name": "welcome"}).content.decode()
    assert "Somebody saved the draft after you read it" in page
    assert 'value="welcome"' in page
    state.refresh_from_db()
    assert state.name == "greet"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "Not JSON at line 1, column 2"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ('{"a": NaN}', "not a JSON number"),
        ("[" * 100_000, "nested"),
        ('{"colour": "blue"}', "colour"),
        ("[]", "config"),
    ],
)
def test_json_that_is_wrong_is_shown_again_with_the_place_of_the_fault(office: Tenant, config: str, said: str) -> None:
    client, state = signed_in(member(office)), State.objects.for_tenant(office).get(name="greet")
    page = save(client, reverse("admin:flows_state_change", args=(state.pk,)), config=config).content.decode()
    assert said in page
    state.refresh_from_db()
    assert state.config == greeting()["states"]["greet"]["config"]


def test_a_flow_is_imported_with_all_its_faults_named(office: Tenant) -> None:
    client = signed_in(member(office))
    address = reverse("admin:flows_flow_import")
    broken = {**greeting("second"), "initial_state": 7, "states": {"ask": {"type": "riddle"}}}
    page = client.post(address, {"document": json.dumps(broken)}).content.decode()
    assert "$.initial_state" in page
    assert "$.states.ask.type" in page
    assert client.post(address, {"document": json.dumps(greeting("second"))}).status_code == 302
    assert Flow.objects.for_tenant(office).filter(flow_id="second").exists()


def test_a_key_is_shown_in_the_answer_to_its_creation_and_nowhere_else(office: Tenant) -> None:
    client = signed_in(member(office))
    shown = client.post(reverse("admin:tenancy_apikey_add"), {"name": "Website", "scopes": ["flows:read"]})
    key = ApiKey.objects.for_tenant(office).get(name="Website")
    token = re.search(rf"mcp_{key.prefix}_[0-9a-f]{{64}}", shown.content.decode())
    assert token is not None
    assert "no-store" in shown.headers["Cache-Control"]
    again = client.get(reverse("admin:tenancy_apikey_secret", args=(key.pk,))).content.decode()
    assert token[0] not in again
    assert "shown already" in again
    assert not any(token[0] in str(value) for value in client.session.values())


def test_nobody_gives_a_key_more_than_they_have(office: Tenant) -> None:
    client = signed_in(member(office, Role.OPERATOR))
    assert client.get(reverse("admin:tenancy_apikey_add")).status_code == 403


def large(count: int) -> dict[str, Any]:
    """A chain of waiting states, each with a way back."""
    states: dict[str, Any] = {}
    for number in range(count):
        name, onward = f"s{number}", f"s{number + 1}" if number + 1 < count else "done"
        states[name] = {
            "name": name,
            "type": "intent",
            "config": {"intent_patterns": [f"go{number}: go {number}"], "prompt": {"default": f"Step {number}?"}},
            "transitions": [
                {"condition": "intent_match", "condition_value": f"go{number}", "target_state": onward},
                {"condition": "any_input", "target_state": f"s{max(number - 3, 0)}", "priority": 200},
            ],
        }
    states["done"] = {"name": "done", "type": "end", "config": {}}
    return {"flow_id": f"large{count}", "name": "Large", "initial_state": "s0", "states": states}


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def test_pages_of_a_flow_of_100_states_ask_the_database_no_more_than_those_of_10(office: Tenant) -> None:
    client = signed_in(member(office))
    counts = []
    for size in (10, 100):
        flow = flow_services.import_flow(office, document=large(size), by=None)
        state = flow.states.all()[0]
        pages = [reverse("admin:flows_flow_change", args=(flow.pk,)), reverse("admin:flows_state_change", args=(state.pk,))]
        counts.append([queries_of(client, page) for page in pages])
    assert counts[0] == counts[1]
    assert max(counts[1]) < 30


def test_a_list_costs_the_same_however_many_rows_it_has(office: Tenant) -> None:
    client, address = signed_in(member(office)), reverse("admin:conversations_conversation_changelist")
    few = queries_of(client, address)
    for _ in range(10):
        conversation_services.start(office, flow_id="greeting")
    assert queries_of(client, address) == few
