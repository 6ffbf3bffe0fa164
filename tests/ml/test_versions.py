"""The registry: keys at a glance, side by side, drift from readings, approval by a person, and its doors."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mcp_platform import checks
from mcp_platform.errors import NotFound
from mcp_platform.ml import queries, services, stages, tasks, versions
from mcp_platform.ml.core.comparison import Measure
from mcp_platform.ml.core.drift import Seen
from mcp_platform.ml.core.gates import Gate, Metrics, at_least
from mcp_platform.ml.errors import ArtifactRefused, GatesClosed, NothingToMeasure
from mcp_platform.ml.models import ModelReading, ModelVersion
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from tests.factories import TenantFactory, member
from tests.tenancy.clients import client_of, logged_in

KIND = "tests.watched"
PAGE = "/admin/ml/modelversion"
TRAINING = {"told": {"buy": 500, "sell": 500}}


def judge(candidate: Metrics, champion: Metrics | None) -> list[Gate]:
    return [at_least("usable", candidate["accuracy"], 0.5, what="Accuracy")]


class Ears:
    """What the model of the tests says about what users lately said."""

    seen: Seen | None = None


@pytest.fixture(autouse=True)
def ears() -> Iterator[Ears]:
    made = Ears()
    watch = services.Watch(features={"told": "What is told"}, training=lambda _: TRAINING, look=lambda _: made.seen)
    measures = (Measure(path="accuracy", title="Accuracy"),)
    services.kind(services.Kind(name=KIND, title="Watched models", gates=judge, measures=measures, watch=watch))
    yield made
    services.KINDS.pop(KIND, None)


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits")


def trained(tenant: Tenant, accuracy: float = 0.8, subject: str = "flow:shop", by: Any = None) -> ModelVersion:
    return services.keep(
        tenant, kind=KIND, subject=subject, content=b"weights", metrics={"accuracy": accuracy}, card={"purpose": "Tests"}, data_sha256="0" * 64, by=by
    )


def heard(buy: int, sell: int) -> Seen:
    return Seen(count=buy + sell, counts={"told": {"buy": buy, "sell": sell}})


def test_the_registry_has_a_line_for_each_key(tenant: Tenant, ears: Ears) -> None:
    one, two, poor = trained(tenant), trained(tenant, 0.9), trained(tenant, 0.3)
    other = trained(tenant, subject="flow:desk")
    trained(TenantFactory.create(), subject="flow:theirs")
    services.promote(tenant, model_id=one.pk, by=None)
    ears.seen = heard(95, 5)
    versions.measure(tenant, model_id=one.pk)
    found = {entry.subject: entry for entry in versions.registry(queries.models(tenant))}
    assert set(found) == {"flow:shop", "flow:desk"}
    shop, desk = found["flow:shop"], found["flow:desk"]
    assert shop.champion == one
    assert shop.newest == poor
    assert shop.ready == (two,), "the poor one waits for better examples"
    assert shop.states == {"champion": 1, "candidate": 2}
    assert shop.headline == (("Accuracy", "80.0 %"),)
    assert shop.worst is not None
    assert shop.worst.reading == "drifted"
    assert (desk.champion, desk.ready, desk.worst) == (None, (other,), None)


def test_versions_beside_the_one_that_serves(tenant: Tenant) -> None:
    one, two, poor = trained(tenant), trained(tenant, 0.9), trained(tenant, 0.3)
    services.promote(tenant, model_id=one.pk, by=None)
    found = versions.compare(tenant, model_id=two.pk)
    assert [row.number for row in found.versions] == [1, 2, 3]
    assert found.champion == 0
    (line,) = found.lines
    assert [cell.verdict for cell in line.cells] == [0, 1, -1]
    assert [[gate.passed for gate in verdicts if gate] for _, verdicts in found.gates] == [[True, True, False]]
    chosen = versions.compare(tenant, model_id=two.pk, beside=[poor.pk])
    assert [row.number for row in chosen.versions] == [2, 3]
    stranger = TenantFactory.create()
    with pytest.raises(NotFound):
        versions.compare(stranger, model_id=two.pk)
    with pytest.raises(NotFound):
        versions.compare(tenant, model_id=two.pk, beside=[trained(stranger).pk])


def test_a_reading_a_day_makes_the_curve(tenant: Tenant, ears: Ears) -> None:
    row = trained(tenant)
    today = timezone.now()
    for ago, (buy, sell) in ((2, (50, 50)), (1, (70, 30)), (0, (95, 5))):
        ears.seen = heard(buy, sell)
        versions.measure(tenant, model_id=row.pk, now=today - timedelta(days=ago))
    found = versions.drift_of(row)
    indices = [point.indices["told"] for point in found.points]
    assert indices == sorted(indices)
    assert found.shifts[0].reading == "drifted"
    assert [round(one.after, 2) for one in found.shifts[0].bins] == [0.95, 0.05]
    ears.seen = heard(50, 50)
    versions.measure(tenant, model_id=row.pk, again=False, now=today)
    assert versions.drift_of(row).shifts[0].reading == "drifted", "today's is there already"
    versions.measure(tenant, model_id=row.pk, now=today)
    assert versions.drift_of(row).shifts[0].reading == "stable"
    assert ModelReading.objects.count() == 3


def test_models_that_are_run_are_measured_once_a_day(tenant: Tenant, ears: Ears, django_capture_on_commit_callbacks: Any) -> None:
    ears.seen = heard(50, 50)
    champion, shadow = trained(tenant), trained(tenant)
    trained(tenant)
    services.promote(tenant, model_id=champion.pk, by=None)
    stages.shadow(tenant, model_id=shadow.pk, by=None)
    with django_capture_on_commit_callbacks(execute=True):
        assert {row.pk for row in versions.unmeasured()} == {champion.pk, shadow.pk}
        for row in versions.unmeasured():
            tasks.measure(tenant_id=str(row.tenant_id), model_id=str(row.pk))
    assert versions.unmeasured() == []
    assert {row.model_id for row in ModelReading.objects.all()} == {champion.pk, shadow.pk}


def test_nothing_said_is_no_point(tenant: Tenant) -> None:
    row = trained(tenant)
    assert versions.measure(tenant, model_id=row.pk) is None
    assert versions.drift_of(row).points == ()
    plain = services.keep(tenant, kind="tests.plain", subject="x", content=b"", metrics={}, card={}, data_sha256="", by=None)
    assert not versions.is_watched(plain)
    with pytest.raises(NothingToMeasure):
        versions.measure(tenant, model_id=plain.pk)


def test_a_person_approves_where_the_operator_asks_for_one(tenant: Tenant, settings: Any) -> None:
    settings.MODEL_APPROVAL = "second_person"
    ada, bob = member(tenant), member(tenant)
    row = trained(tenant, by=ada)
    assert [gate["name"] for gate in row.gates if not gate["passed"]] == ["approval"]
    for by in ("system", ada):
        with pytest.raises(GatesClosed):
            services.promote(tenant, model_id=row.pk, override="I want it", by=by)
    served = services.promote(tenant, model_id=row.pk, note="better at refunds", by=bob)
    assert served.status == "champion"
    entry = AuditEntry.objects.for_tenant(tenant).get(action="model.promote")
    assert (entry.actor, entry.changes["note"]) == (f"user:{bob.pk}", "better at refunds")
    assert f"approved by user:{bob.pk}" in [gate["why"] for gate in served.gates]


def test_the_pages(tenant: Tenant, ears: Ears) -> None:
    one, two = trained(tenant), trained(tenant, 0.9)
    services.promote(tenant, model_id=one.pk, by=None)
    ears.seen = heard(95, 5)
    versions.measure(tenant, model_id=one.pk)
    staff = logged_in(member(tenant))
    registry = staff.get(f"{PAGE}/registry/").content.decode()
    assert "flow:shop" in registry
    assert "drifted" in registry
    assert f"{PAGE}/{two.pk}/approve/" in registry
    beside = staff.get(f"{PAGE}/{two.pk}/versions/?beside={one.pk}&beside=nonsense").content.decode()
    assert "+10.0 pp" in beside
    drift = staff.get(f"{PAGE}/{one.pk}/drift/").content.decode()
    assert "<svg" in drift
    assert "95 %" in drift
    assert "Take today's reading" in staff.get(f"{PAGE}/{two.pk}/drift/").content.decode().replace("&#x27;", "'")
    approve = staff.get(f"{PAGE}/{two.pk}/approve/").content.decode()
    assert "Let version 2 serve" in approve
    card = staff.get(f"{PAGE}/{two.pk}/card/")
    assert card.headers["Content-Type"].startswith("text/markdown")
    assert b"## Purpose\n\nTests" in card.content
    page = staff.get(f"{PAGE}/{two.pk}/change/").content.decode()
    assert "<dt>Purpose</dt>" in page
    assert "(&#x27;" not in page, "no Python in what people read"
    assert staff.post(f"{PAGE}/{two.pk}/promote/", {"note": "go", "read": "on"}).status_code == 302
    assert queries.champion(tenant, kind=KIND, subject="flow:shop") == two
    assert staff.post(f"{PAGE}/{two.pk}/rollback/").status_code == 302
    assert queries.champion(tenant, kind=KIND, subject="flow:shop") == one


def test_closed_gates_ask_for_a_reason_on_the_page(tenant: Tenant) -> None:
    poor = trained(tenant, 0.3)
    staff = logged_in(member(tenant))
    page = staff.get(f"{PAGE}/{poor.pk}/approve/").content.decode()
    assert "1 gate closed" in page
    assert "Accuracy: 0.3; at least 0.5 are needed" in page


def test_an_empty_registry_says_what_to_do(tenant: Tenant) -> None:
    page = logged_in(member(tenant)).get(f"{PAGE}/registry/").content.decode()
    assert "No model has been trained yet." in page
    assert "/admin/flows/flow/" in page


def test_the_doors(tenant: Tenant, ears: Ears, django_capture_on_commit_callbacks: Any) -> None:
    one, two = trained(tenant), trained(tenant, 0.9)
    services.promote(tenant, model_id=one.pk, by=None)
    owner, viewer, stranger = client_of(tenant, Role.OWNER), client_of(tenant, Role.VIEWER), client_of(TenantFactory.create(), Role.OWNER)
    (entry,) = viewer.get("/api/v1/models/registry").json()
    assert (entry["champion"]["number"], entry["newest"]["number"], entry["states"]) == (1, 2, {"champion": 1, "candidate": 1})
    assert stranger.get("/api/v1/models/registry").json() == []
    compared = viewer.get(f"/api/v1/models/{two.pk}/comparison").json()
    assert compared["champion"] == str(one.pk)
    assert compared["measures"][0]["values"][1] == {"value": 0.9, "against": 0.1, "verdict": 1, "best": True}
    ears.seen = heard(95, 5)
    with django_capture_on_commit_callbacks():
        assert owner.post(f"/api/v1/models/{one.pk}/drift").status_code == 202
    versions.measure(tenant, model_id=one.pk)
    drift = viewer.get(f"/api/v1/models/{one.pk}/drift").json()
    assert (drift["points"][0]["count"], drift["shifts"][0]["reading"]) == (100, "drifted")
    assert viewer.post(f"/api/v1/models/{one.pk}/drift").status_code == 403
    assert viewer.get(f"/api/v1/models/{one.pk}/card").content.decode().startswith("# Watched models: flow:shop, version 1")
    assert viewer.get(f"/api/v1/models/{one.pk}/export").json()["configured"] is False
    for address in ("comparison", "drift", "card", "export"):
        assert stranger.get(f"/api/v1/models/{one.pk}/{address}").status_code == 404


def test_settings_that_cannot_work_are_told(settings: Any) -> None:
    assert checks.models_can_be_approved_and_told() == []
    settings.MODEL_APPROVAL, settings.MLFLOW_TRACKING_URI = "emperor", "file:///tmp/mlruns"
    assert [found.id for found in checks.models_can_be_approved_and_told()] == ["platform.E008", "platform.E009"]


def test_a_model_that_cannot_be_run_is_tried_once_a_day(tenant: Tenant, ears: Ears) -> None:
    row = trained(tenant)
    services.promote(tenant, model_id=row.pk, by=None)

    def torn(_: ModelVersion) -> Seen | None:
        raise ArtifactRefused

    whole = services.KINDS[KIND].watch
    assert whole is not None
    services.kind(replace(services.KINDS[KIND], watch=replace(whole, look=torn)))
    tasks.measure(tenant_id=str(tenant.pk), model_id=str(row.pk))
    assert versions.unmeasured() == [], "the others have their turn"
    assert versions.drift_of(row).points == ()
    services.kind(replace(services.KINDS[KIND], watch=whole))
    ears.seen = heard(50, 50)
    versions.measure(tenant, model_id=row.pk)
    services.kind(replace(services.KINDS[KIND], watch=replace(whole, look=torn)))
    versions.measure(tenant, model_id=row.pk)
    assert ModelReading.objects.get().count == 100, "what was read today stays"
