"""The pages of live versions: counts, the plan's form, its buttons, and who may press them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from conversations import services, versions
from conversations.models import MigrationPlan
from flows import services as flow_services
from flows.models import Flow
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Role, Tenant
from tests.conversations.test_versions import MAP, permit, publish, work
from tests.factories import TenantFactory, member, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, permit())
    begun = services.start(tenant, flow_id="permit")
    services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": "12"})
    publish(tenant, permit("levels", "owner", "holder"))
    return tenant


def staff(tenant: Tenant, role: str = Role.OWNER) -> Client:
    client = Client()
    client.force_login(member(tenant, role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, pk: Any) -> str:
    return reverse(f"admin:conversations_migrationplan_{name}", args=(pk,))


FORM = {
    "policy": "migrate_at_wait",
    "missing": "refuse",
    "fallback": "",
    "misfit": "drop",
    "at_end": "expire",
    "state:name": "holder",
    "slot-to:storeys": "levels",
    "slot-convert:storeys": "value + 1",
    "slot-default:owner": "nobody",
}


def test_from_the_counts_over_the_form_to_the_move(office: Tenant) -> None:
    client, flow = staff(office), Flow.objects.get()
    counts = client.get(page("live", flow.pk)).content.decode()
    assert "Plan a move" in counts
    assert "name <b>1</b>" in counts
    answer: Any = client.post(page("live", flow.pk), {"source": "1", "environment": "production"})
    plan = MigrationPlan.objects.get()
    assert answer.url == page("change", plan.pk)
    shown = client.get(answer.url).content.decode()
    assert "<b>1</b> live conversation on version 1" in shown
    assert client.post(page("change", plan.pk), {**FORM, "rev": plan.rev}).status_code == 302
    plan.refresh_from_db()
    changes = {"storeys": {"to": "levels", "convert": "value + 1"}, "owner": {"default": "nobody"}}
    assert (plan.mapping["states"], plan.mapping["slots"]) == ({"name": "holder"}, changes)
    client.post(page("dry_run", plan.pk))
    work(office)
    assert "none is refused" in client.get(page("change", plan.pk)).content.decode()
    begun: Any = client.post(page("apply", plan.pk))
    assert begun.url == reverse("admin:operations_operation_change", args=(Operation.objects.latest("created_at").pk,))
    assert work(office).result["migrated"] == 1
    client.post(page("revert", plan.pk))
    assert work(office).result["restored"] == 1


def test_what_is_wrong_is_told_and_what_was_typed_stays(office: Tenant) -> None:
    client, plan = staff(office), versions.create(office, flow_id="permit", source=1, by=None)
    shown = client.post(page("change", plan.pk), {**FORM, "slot-convert:storeys": "value +", "rev": plan.rev}).content.decode()
    assert "$.mapping.slots.storeys.convert" in shown
    assert 'value="value +"' in shown
    plan.refresh_from_db()
    assert plan.rev == 1


def test_an_older_form_is_refused(office: Tenant) -> None:
    client, plan = staff(office), versions.create(office, flow_id="permit", source=1, by=None)
    versions.change(office, plan_id=plan.pk, fields={"note": "mine"}, by=None)
    client.post(page("change", plan.pk), {**FORM, "note": "theirs", "rev": 1})
    plan.refresh_from_db()
    assert plan.note == "mine"


def test_who_may_look_may_not_press(office: Tenant) -> None:
    plan = versions.create(office, flow_id="permit", source=1, fields={"mapping": MAP}, by=None)
    viewer, stranger = staff(office, Role.VIEWER), staff(TenantFactory.create())
    assert viewer.get(page("change", plan.pk)).status_code == 200
    assert "mcp-apply" not in viewer.get(page("change", plan.pk)).content.decode()
    for name in ("dry_run", "apply", "stop", "revert", "delete", "change"):
        assert viewer.post(page(name, plan.pk)).status_code == 403
        assert stranger.post(page(name, plan.pk)).status_code == 404
    assert viewer.post(page("live", plan.flow_id), {"source": "1"}).status_code == 403
    assert stranger.get(page("live", plan.flow_id)).status_code == 404
    assert not Operation.objects.exists()


def test_the_publish_form_leads_running_conversations(office: Tenant) -> None:
    client, flow = staff(office), Flow.objects.get()
    assert "Running conversations" in client.get(reverse("admin:flows_flow_publish", args=(flow.pk,))).content.decode()
    publish_form = {"environment": "production", "note": "", "live": "drain", "days": "3", "at_end": "force", "fallback": ""}
    flow_services.import_flow(office, document=permit("floors", "owner", "holder"), replace=True, by=None)
    answer: Any = client.post(reverse("admin:flows_flow_publish", args=(flow.pk,)), publish_form)
    assert answer.url == page("live", flow.pk)
    plan = MigrationPlan.objects.get()
    assert (plan.policy, plan.status, plan.at_end) == ("drain", "active", "force")
    assert "Draining" in client.get(page("live", flow.pk)).content.decode()


def test_what_a_drain_has_moved_by_force_can_be_taken_back(office: Tenant) -> None:
    client = staff(office)
    plan = versions.create(office, flow_id="permit", source=1, fields={"mapping": MAP, "policy": "drain", "at_end": "expire"}, by=None)
    client.post(page("dry_run", plan.pk))
    client.post(page("apply", plan.pk))
    assert "mcp-revert" not in client.get(page("change", plan.pk)).content.decode()
    MigrationPlan.objects.update(at_end="force")
    assert "mcp-revert" in client.get(page("change", plan.pk)).content.decode()
