"""The way to serving: into the shadow and out, challengers for as long as an experiment runs, and what was compared on its page."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from mcp_platform.ml import queries, services, stages
from mcp_platform.ml.errors import ArtifactRefused, IsChallenger, IsRejected, ModelNotFound, NotInThisStage
from mcp_platform.ml.models import ModelArtifact, ModelVersion, ShadowReading
from mcp_platform.ml.stages import Compared
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from tests.factories import TenantFactory, member
from tests.ml.test_models import KIND, judge, trained
from tests.tenancy.clients import logged_in

DAY, NEXT = date(2026, 3, 2), date(2026, 3, 3)


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    services.kind(services.Kind(name=KIND, title="Scores of a test", gates=judge))
    yield
    services.KINDS.pop(KIND, None)


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits")


def status(row: ModelVersion) -> str:
    return ModelVersion.objects.get(pk=row.pk).status


def seen(**more: Any) -> Compared:
    values: dict[str, Any] = {
        "compared": 1, "agreed": 1, "sure": 1, "served_sure": 1, "confidence": 0.8, "served_confidence": 0.9, "milliseconds": 2.0
    }  # fmt: skip
    return Compared(**{**values, **more})


def test_into_the_shadow_and_out(tenant: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    row = trained(tenant)
    assert queries.shadows(tenant.pk) == {}
    with django_capture_on_commit_callbacks(execute=True):
        stages.shadow(tenant, model_id=row.pk, by=None)
    assert queries.shadows(tenant.pk) == {(KIND, "flow:shop"): (row.pk,)}
    assert AuditEntry.objects.for_tenant(tenant).filter(action="model.shadow").exists()
    with pytest.raises(NotInThisStage):
        stages.shadow(tenant, model_id=row.pk, by=None)
    with django_capture_on_commit_callbacks(execute=True):
        stages.unshadow(tenant, model_id=row.pk, by=None)
    assert (status(row), queries.shadows(tenant.pk)) == ("candidate", {})


def test_a_champion_and_the_rejected_stay_out_of_the_shadow(tenant: Tenant) -> None:
    champion, rejected, torn = trained(tenant), trained(tenant, content=b"b"), trained(tenant, content=b"c")
    services.promote(tenant, model_id=champion.pk, by=None)
    services.reject(tenant, model_id=rejected.pk, by=None)
    ModelArtifact.objects.filter(model=torn).update(content=b"evil")
    for row, error in ((champion, NotInThisStage), (rejected, IsRejected), (torn, ArtifactRefused)):
        with pytest.raises(error):
            stages.shadow(tenant, model_id=row.pk, by=None)
    with pytest.raises(ModelNotFound):
        stages.shadow(TenantFactory.create(), model_id=torn.pk, by=None)


@pytest.mark.parametrize("before", ["candidate", "shadow", "archived"])
def test_a_challenger_returns_to_what_it_was(tenant: Tenant, before: str) -> None:
    row = trained(tenant)
    ModelVersion.objects.filter(pk=row.pk).update(status=before)
    assert stages.challenge(tenant, model_id=row.pk, by=None).status == "challenger"
    assert stages.challenge(tenant, model_id=row.pk, by=None).returns_to == before, "of several experiments"
    with pytest.raises(IsChallenger):
        services.reject(tenant, model_id=row.pk, by=None)
    assert stages.withdraw(tenant, model_id=row.pk, by=None).status == before
    assert stages.withdraw(tenant, model_id=row.pk, by=None).status == before


def test_a_challenger_that_was_promoted_is_not_taken_back(tenant: Tenant) -> None:
    row = trained(tenant)
    stages.challenge(tenant, model_id=row.pk, by=None)
    services.promote(tenant, model_id=row.pk, by=None)
    assert stages.withdraw(tenant, model_id=row.pk, by=None).status == "champion"
    other = services.promote(tenant, model_id=trained(tenant, 0.9, content=b"b").pk, by=None)
    assert (status(row), status(other)) == ("archived", "champion")
    stages.shadow(tenant, model_id=row.pk, by=None)
    assert stages.unshadow(tenant, model_id=row.pk, by=None).status == "archived", "it served once"


def test_runs_are_summed_up_by_day_and_by_what_served(tenant: Tenant) -> None:
    row = stages.shadow(tenant, model_id=trained(tenant).pk, by=None)
    stages.note(tenant, model_id=row.pk, served_number=1, seen=seen(), day=DAY)
    stages.note(tenant, model_id=row.pk, served_number=1, seen=seen(agreed=0, milliseconds=6.0, differences={("a", "b"): 1}), day=DAY)
    stages.note(tenant, model_id=row.pk, served_number=2, seen=seen(compared=2, agreed=1, differences={("a", "b"): 1, ("a", "c"): 4}), day=NEXT)
    found = stages.agreement(row)
    assert [(one["day"], one["served_number"], one["compared"], one["agreement"]) for one in found["days"]] == [(NEXT, 2, 2, 0.5), (DAY, 1, 2, 0.5)]
    assert found["total"] == {
        "compared": 4, "agreement": 0.5, "sure": 0.75, "served_sure": 0.75, "confidence": 0.6, "served_confidence": 0.675,
        "milliseconds": 3.33, "slowest": 6.0,
    }  # fmt: skip
    assert found["differences"] == [{"served": "a", "shadow": "c", "count": 4}, {"served": "a", "shadow": "b", "count": 2}]
    stages.unshadow(tenant, model_id=row.pk, by=None)
    stages.note(tenant, model_id=row.pk, served_number=2, seen=seen(), day=NEXT)
    assert stages.agreement(row)["total"]["compared"] == 4, "a job that comes late says nothing any more"
    assert ShadowReading.objects.count() == 2


def test_only_the_most_frequent_differences_are_kept(tenant: Tenant) -> None:
    row = stages.shadow(tenant, model_id=trained(tenant).pk, by=None)
    many = {("often", "else"): 9, **{(f"a{n:03}", "b"): 1 for n in range(stages.MOST_DIFFERENCES + 20)}}
    stages.note(tenant, model_id=row.pk, served_number=1, seen=seen(differences=many))
    kept = ShadowReading.objects.get().differences
    assert (len(kept), kept[0]) == (stages.MOST_DIFFERENCES, ["often", "else", 9])


def test_the_page_tells_the_next_step_and_then_what_was_compared(tenant: Tenant) -> None:
    row = trained(tenant)
    page = f"/admin/ml/modelversion/{row.pk}/shadow/"
    owner = logged_in(member(tenant))
    empty = owner.get(page).content.decode()
    assert "Nothing was compared yet." in empty
    assert "Run it in the shadow" in empty
    assert owner.post(f"{page}enter/").status_code == 302
    assert status(row) == "shadow"
    stages.note(tenant, model_id=row.pk, served_number=0, seen=seen(agreed=0, differences={("refund", "track"): 1}))
    shown = owner.get(page).content.decode()
    assert "no effect is claimed" in shown
    for text in ("the baseline", "refund", "track", "Run it no more"):
        assert text in shown
    viewer = logged_in(member(tenant, Role.VIEWER))
    assert "Run it no more" not in viewer.get(page).content.decode()
    assert viewer.post(f"{page}leave/").status_code == 403
    stranger = logged_in(member(TenantFactory.create()))
    assert stranger.get(page).status_code == 404
    assert stranger.post(f"{page}leave/").status_code == 404
    assert owner.post(f"{page}leave/").status_code == 302
    assert status(row) == "candidate"


def test_a_stop_never_fails_for_an_artifact(tenant: Tenant) -> None:
    row = trained(tenant)
    stages.shadow(tenant, model_id=row.pk, by=None)
    assert stages.challenge(tenant, model_id=row.pk, by=None).returns_to == "shadow"
    ModelArtifact.objects.filter(model=row).update(content=b"evil")
    assert stages.withdraw(tenant, model_id=row.pk, by=None).status == "candidate", "what has been tampered with is never run"
    with pytest.raises(ArtifactRefused):
        stages.challenge(tenant, model_id=row.pk, by=None)


def test_a_process_of_the_release_before_writes_its_rows(tenant: Tenant) -> None:
    row = trained(tenant)
    columns = [str(one.column) for one in ModelVersion._meta.concrete_fields if one.column not in ("id", "number", "status", "returns_to")]
    table, names = ModelVersion._meta.db_table, ", ".join(columns)
    new = ModelVersion._meta.pk.get_db_prep_save(uuid4(), connection)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (id, number, status, {names}) SELECT %s, 7, 'retired', {names} FROM {table}", [new])
    found = ModelVersion.objects.get(number=7)
    assert (found.returns_to, found.sha256) == ("", row.sha256)
    assert stages._moved(tenant, found.pk, ("archived",), lambda one: one.status, "look", None).status == "archived"
