"""Models as rows: kept, judged, promoted, taken back, never served when tampered with, and nobody else's business."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection

from mcp_platform import errors
from mcp_platform.ml import queries, services
from mcp_platform.ml.core.gates import Gate, Metrics, at_least, not_worse
from mcp_platform.ml.errors import ArtifactRefused, GatesClosed, IsChampion, IsRejected, NotChampion, NothingBefore
from mcp_platform.ml.models import ModelArtifact, ModelVersion
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from tests.factories import TenantFactory, member
from tests.tenancy.clients import client_of, logged_in

KIND = "tests.score"


def judge(candidate: Metrics, champion: Metrics | None) -> list[Gate]:
    return [
        at_least("usable", candidate["accuracy"], 0.5, what="Accuracy"),
        not_worse("champion", candidate["accuracy"], champion["accuracy"] if champion else None, margin=0.02, what="Accuracy"),
    ]


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    services.kind(services.Kind(name=KIND, title="Scores of a test", gates=judge))
    yield
    services.KINDS.pop(KIND, None)


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits")


def trained(tenant: Tenant, accuracy: float = 0.8, content: bytes = b"weights", subject: str = "flow:shop") -> ModelVersion:
    return services.keep(
        tenant, kind=KIND, subject=subject, content=content, metrics={"accuracy": accuracy}, card={"for": "tests"}, data_sha256="0" * 64, by=None
    )


def test_numbers_have_no_gaps_and_the_artifact_comes_back(tenant: Tenant) -> None:
    one, two, other = trained(tenant), trained(tenant, content=b"more"), trained(tenant, subject="flow:other")
    assert (one.number, two.number, other.number) == (1, 2, 1)
    assert queries.content(tenant, two.pk) == b"more"
    assert one.status == ModelVersion.Status.CANDIDATE


def test_promotion_and_roll_back_move_one_pointer(tenant: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    one, two = trained(tenant), trained(tenant, 0.9)
    key = (KIND, "flow:shop")
    assert key not in queries.serving(tenant.pk)
    with django_capture_on_commit_callbacks(execute=True):
        services.promote(tenant, model_id=one.pk, by=None)
    assert queries.serving(tenant.pk)[key] == one.pk
    with django_capture_on_commit_callbacks(execute=True):
        services.promote(tenant, model_id=two.pk, by=None)
    assert queries.serving(tenant.pk)[key] == two.pk
    with django_capture_on_commit_callbacks(execute=True):
        back = services.roll_back(tenant, model_id=two.pk, by=None)
    assert back.pk == one.pk
    assert queries.serving(tenant.pk)[key] == one.pk
    assert [row.status for row in queries.models(tenant).order_by("number")] == ["champion", "archived"]
    actions = list(AuditEntry.objects.for_tenant(tenant).order_by("number").values_list("action", flat=True))
    assert actions == ["model.train", "model.train", "model.promote", "model.promote", "model.roll_back"]


def test_closed_gates_need_a_reason_and_that_is_audited(tenant: Tenant) -> None:
    services.promote(tenant, model_id=trained(tenant, 0.9).pk, by=None)
    worse = trained(tenant, 0.6)
    assert [gate["name"] for gate in worse.gates if not gate["passed"]] == ["champion"]
    with pytest.raises(GatesClosed) as refused:
        services.promote(tenant, model_id=worse.pk, by=None)
    assert refused.value.details["errors"][0]["path"] == "$.gates.champion"
    services.promote(tenant, model_id=worse.pk, override="the old one is biased", by=None)
    entry = AuditEntry.objects.for_tenant(tenant).filter(action="model.promote").order_by("-number")[0]
    assert entry.changes["override"] == "the old one is biased"
    assert entry.changes["closed_gates"] == ["champion"]


def test_a_little_worse_is_no_difference(tenant: Tenant) -> None:
    services.promote(tenant, model_id=trained(tenant, 0.90).pk, by=None)
    assert services.promote(tenant, model_id=trained(tenant, 0.885).pk, by=None).status == "champion"


def test_what_cannot_be_done(tenant: Tenant) -> None:
    one, two = trained(tenant), trained(tenant)
    services.promote(tenant, model_id=one.pk, by=None)
    with pytest.raises(NothingBefore):
        services.roll_back(tenant, model_id=one.pk, by=None)
    with pytest.raises(NotChampion):
        services.roll_back(tenant, model_id=two.pk, by=None)
    with pytest.raises(IsChampion):
        services.reject(tenant, model_id=one.pk, by=None)
    assert services.reject(tenant, model_id=two.pk, by=None).status == "rejected"
    with pytest.raises(errors.NotFound):
        services.promote(tenant, model_id=uuid4(), by=None)


def test_what_was_rejected_never_serves(tenant: Tenant) -> None:
    one, two = trained(tenant), trained(tenant, 0.9)
    services.promote(tenant, model_id=one.pk, by=None)
    services.promote(tenant, model_id=two.pk, by=None)
    services.reject(tenant, model_id=one.pk, by=None)
    with pytest.raises(IsRejected):
        services.promote(tenant, model_id=one.pk, override="but I like it", by=None)
    with pytest.raises(IsRejected):
        services.roll_back(tenant, model_id=two.pk, by=None)
    assert [row.status for row in queries.models(tenant).order_by("number")] == ["rejected", "champion"]
    staff = logged_in(member(tenant))
    rejected, serving = (staff.get(f"/admin/ml/modelversion/{row.pk}/change/").content.decode() for row in (one, two))
    assert "Let it serve" not in rejected
    assert "serve again" not in serving
    assert "it was rejected" in serving


def test_promoting_the_champion_changes_nothing(tenant: Tenant) -> None:
    one, two = trained(tenant), trained(tenant)
    services.promote(tenant, model_id=one.pk, by=None)
    services.promote(tenant, model_id=two.pk, by=None)
    services.promote(tenant, model_id=two.pk, by=None)
    assert services.roll_back(tenant, model_id=two.pk, by=None).pk == one.pk


def test_other_bytes_are_refused(tenant: Tenant) -> None:
    row = trained(tenant)
    ModelArtifact.objects.filter(model=row).update(content=b"evil")
    with pytest.raises(ArtifactRefused):
        queries.content(tenant, row.pk)
    with pytest.raises(ArtifactRefused):
        services.promote(tenant, model_id=row.pk, by=None)


def test_other_bytes_with_their_own_digest_are_refused_too(tenant: Tenant) -> None:
    from mcp_platform.ml import signing

    row = trained(tenant)
    ModelArtifact.objects.filter(model=row).update(content=b"evil")
    ModelVersion.objects.filter(pk=row.pk).update(sha256=signing.digest(b"evil"))
    with pytest.raises(ArtifactRefused):
        queries.content(tenant, row.pk)


def test_an_artifact_moved_to_another_model_is_refused(tenant: Tenant) -> None:
    one, two = trained(tenant, content=b"one"), trained(tenant, content=b"two")
    ModelArtifact.objects.filter(model=two).update(content=b"one")
    ModelVersion.objects.filter(pk=two.pk).update(sha256=one.sha256, signature=one.signature)
    with pytest.raises(ArtifactRefused):
        queries.content(tenant, two.pk)


def test_old_keys_still_verify(tenant: Tenant, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["old"]
    row = trained(tenant)
    settings.ENCRYPTION_KEYS = ["new", "old"]
    assert queries.content(tenant, row.pk) == b"weights"
    settings.ENCRYPTION_KEYS = ["new"]
    with pytest.raises(ArtifactRefused):
        queries.content(tenant, row.pk)


def test_a_first_key_leaves_earlier_signatures_good(tenant: Tenant, settings: Any) -> None:
    row = trained(tenant)
    settings.ENCRYPTION_KEYS = ["first"]
    assert queries.content(tenant, row.pk) == b"weights"


def test_models_are_signed_anew(tenant: Tenant, settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    row, forged = trained(tenant), trained(tenant, content=b"other")
    ModelArtifact.objects.filter(model=forged).update(content=b"evil")
    settings.ENCRYPTION_KEYS = [new, old]
    told = StringIO()
    call_command("reseal", json=True, stdout=told)
    assert {name: json.loads(told.getvalue())[name] for name in ("models", "models_refused")} == {"models": 1, "models_refused": 1}
    settings.ENCRYPTION_KEYS = [new]
    assert queries.content(tenant, row.pk) == b"weights"
    with pytest.raises(ArtifactRefused):
        queries.content(tenant, forged.pk)


def test_another_tenants_models_do_not_exist(tenant: Tenant) -> None:
    row = trained(tenant)
    stranger = TenantFactory.create(slug="strangers")
    with pytest.raises(errors.NotFound):
        queries.content(stranger, row.pk)
    with pytest.raises(errors.NotFound):
        services.promote(stranger, model_id=row.pk, by=None)
    assert queries.serving(stranger.pk) == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="row-level security is PostgreSQL's")
def test_the_database_itself_hides_them() -> None:
    from mcp_platform.tenancy import scope

    tenant, stranger = TenantFactory.create(), TenantFactory.create()
    trained(tenant)
    with scope.tenant_scope(stranger):
        assert not ModelVersion.objects.exists()
        assert not ModelArtifact.objects.exists()


def test_the_doors(tenant: Tenant) -> None:
    one, two = trained(tenant), trained(tenant, 0.9)
    owner, viewer, stranger = client_of(tenant, Role.OWNER), client_of(tenant, Role.VIEWER), client_of(TenantFactory.create(), Role.OWNER)
    listed = owner.get("/api/v1/models?kind=tests.score").json()
    assert [row["number"] for row in listed["results"]] == [2, 1]
    assert "metrics" not in listed["results"][0]
    found = viewer.get(f"/api/v1/models/{one.pk}").json()
    assert found["metrics"] == {"accuracy": 0.8}
    assert found["gates"][0] == {"name": "usable", "passed": True, "why": "Accuracy: 0.8; at least 0.5 are needed"}
    assert viewer.post(f"/api/v1/models/{one.pk}/promote", {}, content_type="application/json").status_code == 403
    assert stranger.post(f"/api/v1/models/{one.pk}/promote", {}, content_type="application/json").status_code == 404
    assert stranger.get("/api/v1/models").json()["results"] == []
    assert owner.post(f"/api/v1/models/{one.pk}/promote", {}, content_type="application/json").json()["status"] == "champion"
    assert owner.post(f"/api/v1/models/{two.pk}/promote", {}, content_type="application/json").json()["status"] == "champion"
    assert owner.post(f"/api/v1/models/{two.pk}/rollback").json()["number"] == 1
    refused = owner.post(f"/api/v1/models/{two.pk}/rollback")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "MODEL_NOT_CHAMPION")
    bad = owner.post(f"/api/v1/models/{two.pk}/promote", {"overide": "x"}, content_type="application/json")
    assert (bad.status_code, bad.json()["errors"][0]["path"]) == (400, "$.overide")
