"""The experiment's page: what it shows, and its buttons."""

from typing import Any

import pytest
from django.urls import reverse

from experiments import services
from experiments.models import Experiment
from experiments.services import assigning
from mcp_platform.tenancy.models import Role, Tenant
from tests import factories
from tests.experiments.scenes import begun, desk, planned, say
from tests.tenancy.clients import logged_in

pytestmark = pytest.mark.django_db


def press(person: Any, row: Experiment, verb: str, **given: str) -> str:
    answer = person.post(reverse("admin:experiments_experiment_press", args=(row.pk, verb)), given, follow=True)
    return str(answer.content.decode())


def test_from_plan_to_decision(client: Any) -> None:
    assigning.forget_everything()
    office: Tenant = factories.TenantFactory.create()
    desk(office)
    row = planned(office, hypothesis="<b>Shorter</b> is better")
    owner = logged_in(factories.member(office))
    page = reverse("admin:experiments_experiment_change", args=(row.pk,))
    text = owner.get(page).content.decode()
    assert "&lt;b&gt;Shorter&lt;/b&gt;" in text
    assert "Storeys?" in text, "the difference, before anything is frozen"
    assert "Validate and freeze" in text
    assert "frozen" in press(owner, row, "validate")
    assert "It runs." in press(owner, row, "start")
    say(office, begun(office), "hi")
    services.count(office, key=row.key)
    assert "too early" in owner.get(page).content.decode()
    assert "Stopped: enough" in press(owner, row, "stop", reason="enough")
    assert "the decision is kept" in press(owner, row, "decide", verdict="promote:short", reason="it is shorter")
    row.refresh_from_db()
    assert row.state == "decided"
    listed = owner.get(reverse("admin:experiments_experiment_changelist")).content.decode()
    assert "A shorter question" in listed
    viewer, stranger = logged_in(factories.member(office, Role.VIEWER)), logged_in(factories.member(factories.TenantFactory.create()))
    assert viewer.get(page).status_code == 200
    assert viewer.post(reverse("admin:experiments_experiment_press", args=(row.pk, "archive"))).status_code == 403
    assert stranger.get(page).status_code in (302, 404)
