"""The pages of tests in the admin: a test is written, carried about in a file and deleted, and made of a conversation."""

import json
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from conversations import services as talking
from flows.models import Flow, FlowTest
from mcp_platform.tenancy.models import Role, Tenant
from tests.factories import TenantFactory, greeting, member, published
from tests.rehearsal.test_publish import STORY, WRONG, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    tenant: Tenant = TenantFactory.create()
    published(tenant, greeting())
    return tenant


@pytest.fixture
def flow(office: Tenant) -> Flow:
    return Flow.objects.get(tenant=office, flow_id="greeting")


def browser(tenant: Tenant, role: Role = Role.OWNER) -> Client:
    client = Client()
    client.force_login(member(tenant, role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_test_is_written_and_runs_at_once(office: Tenant, flow: Flow) -> None:
    address = reverse("admin:flows_flow_test_add", args=(flow.pk,))
    author = browser(office)
    assert b"script" in author.get(address).content
    answer = author.post(address, {"name": "greets", "script": WRONG, "enabled": "on"}, follow=True)
    saved = FlowTest.objects.get(tenant=office)
    assert answer.redirect_chain == [(reverse("admin:flows_flow_test", args=(flow.pk, saved.pk)), 302)]
    assert (saved.name, saved.enabled, saved.passed) == ("greets", True, False)
    assert "It fails on the draft" in answer.content.decode()


def test_a_script_that_cannot_be_read_is_shown_again(office: Tenant, flow: Flow) -> None:
    answer = browser(office).post(reverse("admin:flows_flow_test_add", args=(flow.pk,)), {"name": "greets", "script": "what is this"})
    assert answer.status_code == 200
    assert "what is this" in answer.content.decode()
    assert not FlowTest.objects.filter(tenant=office).exists()


def test_tests_are_carried_about_in_a_file(office: Tenant, flow: Flow) -> None:
    written(office, script=STORY)
    address = reverse("admin:flows_flow_tests_file", args=(flow.pk,))
    author = browser(office)
    file = author.get(address)
    assert file.headers["Content-Disposition"] == 'attachment; filename="greeting.tests.json"'
    assert [one["name"] for one in json.loads(file.content)["tests"]] == ["greets"]
    FlowTest.objects.filter(tenant=office).delete()
    told = author.post(address, {"file": SimpleUploadedFile("greeting.tests.json", file.content)}, follow=True)
    assert "1 tests imported" in told.content.decode()
    assert FlowTest.objects.get(tenant=office).name == "greets"
    author.post(address, {"file": SimpleUploadedFile("broken.json", b"{")}, follow=True)
    assert FlowTest.objects.filter(tenant=office).count() == 1


def test_a_test_is_deleted_by_its_button_alone(office: Tenant, flow: Flow) -> None:
    row = written(office)
    address = reverse("admin:flows_flow_test_delete", args=(flow.pk, row.pk))
    author = browser(office)
    author.get(address)
    assert FlowTest.objects.filter(pk=row.pk).exists()
    assert author.post(address).headers["Location"] == reverse("admin:flows_flow_tests", args=(flow.pk,))
    assert not FlowTest.objects.filter(pk=row.pk).exists()


def test_a_conversation_becomes_a_test(office: Tenant, flow: Flow) -> None:
    held = talking.start(office, flow_id="greeting").conversation_id
    talking.process_message(office, conversation_id=held, content={"type": "text", "text": "Ada"})
    address = reverse("admin:conversations_conversation_make_test", args=(held,))
    author = browser(office)
    author.get(address)
    assert not FlowTest.objects.filter(tenant=office).exists()
    answer = author.post(address)
    made = FlowTest.objects.get(tenant=office)
    assert answer.headers["Location"] == reverse("admin:flows_flow_test", args=(flow.pk, made.pk))
    assert made.recorded_from == held


@pytest.mark.parametrize("who", ["viewer", "stranger", "anonymous"])
def test_nobody_else_presses_a_button(who: str, office: Tenant, flow: Flow) -> None:
    row = written(office)
    held = talking.start(office, flow_id="greeting").conversation_id
    client = Client() if who == "anonymous" else browser(office, Role.VIEWER) if who == "viewer" else browser(TenantFactory.create())
    addresses = (
        reverse("admin:flows_flow_tests_file", args=(flow.pk,)),
        reverse("admin:flows_flow_test_add", args=(flow.pk,)),
        reverse("admin:flows_flow_test_delete", args=(flow.pk, row.pk)),
        reverse("admin:flows_flow_test_delete", args=(flow.pk, uuid4())),
        reverse("admin:conversations_conversation_make_test", args=(held,)),
    )
    expected = {"viewer": 403, "stranger": 404, "anonymous": 302}[who]
    assert [client.post(address, {"name": "x", "script": STORY}).status_code for address in addresses] == [expected] * len(addresses)
    assert list(FlowTest.objects.filter(tenant=office)) == [row]
