"""Models told to MLflow: run, metrics, card, version, alias; once, however often, and also after the server was away."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mcp_platform.ml import services, tasks, versions
from mcp_platform.ml.errors import ExportOff
from mcp_platform.ml.models import ModelExport, ModelVersion
from mcp_platform.ml.sinks import mlflow
from mcp_platform.ml.versions import exporting
from mcp_platform.tenancy.models import Role, Tenant
from tests.factories import TenantFactory, member
from tests.ml import mlflow_server
from tests.ml.mlflow_server import call
from tests.tenancy.clients import client_of, logged_in

KIND = "tests.told"


@pytest.fixture(scope="module", params=["ours", "mlflow"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "ours":
        with mlflow_server.ours() as address:
            yield address
        return
    if not mlflow_server.command():
        pytest.skip("needs MLflow's server: mlflow on the PATH, or MLFLOW_COMMAND")
    with mlflow_server.real(Path(tmp_path_factory.mktemp("mlflow"))) as address:
        yield address


@pytest.fixture
def tenant(db: None, server: str, settings: Any, request: pytest.FixtureRequest) -> Tenant:
    settings.MLFLOW_TRACKING_URI = server
    return TenantFactory.create(slug=f"permits-{request.node.name[:40]}".replace("[", "-").replace("]", "").replace("_", "-"))


def trained(tenant: Tenant, accuracy: float = 0.8) -> ModelVersion:
    card = {"purpose": "Tests", "encoder": "none", "intents": {"buy": 3}}
    metrics = {"accuracy": accuracy, "model": {"roc_auc": 0.7}, "confusion": [["a", "b", 1]]}
    return services.keep(tenant, kind=KIND, subject="flow:shop", content=b"weights", metrics=metrics, card=card, data_sha256="0" * 64, by=None)


def tell_all(later: timedelta = timedelta()) -> int:
    """What the sweep would have workers do."""
    found = versions.untold(timezone.now() + later)
    for row in found:
        tasks.export(tenant_id=str(row.tenant_id), model_id=str(row.pk))
    return len(found)


def registered(tenant: Tenant) -> str:
    return f"{tenant.slug}.{KIND}.flow.shop"


def runs_of(server: str, tenant: Tenant) -> list[Any]:
    experiment = call(server, f"experiments/get-by-name?experiment_name={registered(tenant)}")["experiment"]["experiment_id"]
    return list(call(server, "runs/search", {"experiment_ids": [experiment]})["runs"])


def aliases(server: str, tenant: Tenant) -> dict[str, str]:
    found = call(server, f"registered-models/get?name={registered(tenant)}")["registered_model"].get("aliases") or []
    return {one["alias"]: str(one["version"]) for one in found}


def test_a_model_is_a_run_and_a_version(tenant: Tenant, server: str) -> None:
    row = trained(tenant)
    assert tell_all() == 1
    told = ModelExport.objects.get(model=row)
    assert (told.error, told.status, told.version) == ("", "candidate", "1")
    (run,) = runs_of(server, tenant)
    assert run["info"]["status"] == "FINISHED"
    assert {one["key"]: one["value"] for one in run["data"]["metrics"]} == {"accuracy": 0.8, "model.roc_auc": 0.7}
    assert {one["key"]: one["value"] for one in run["data"]["params"]}["encoder"] == "none"
    tags = {one["key"]: one["value"] for one in run["data"]["tags"]}
    assert (tags["mcp.model_id"], tags["mcp.sha256"], tags["mcp.status"]) == (str(row.pk), row.sha256, "candidate")
    assert "## Purpose" in tags["mlflow.note.content"]
    (version,) = call(server, f"model-versions/search?filter=name%3D'{registered(tenant)}'")["model_versions"]
    assert version["run_id"] == run["info"]["run_id"]
    assert aliases(server, tenant) == {}


def test_promotion_and_roll_back_move_the_alias(tenant: Tenant, server: str) -> None:
    one, two = trained(tenant), trained(tenant, 0.9)
    services.promote(tenant, model_id=one.pk, by=None)
    assert tell_all() == 2
    assert aliases(server, tenant) == {"champion": "1"}
    services.promote(tenant, model_id=two.pk, by=None)
    assert tell_all() == 2, "who came and who went"
    assert aliases(server, tenant) == {"champion": "2"}
    services.roll_back(tenant, model_id=two.pk, by=None)
    tell_all()
    assert aliases(server, tenant) == {"champion": "1"}
    services.reject(tenant, model_id=two.pk, by=None)
    tell_all()
    states = {one["key"]: one["value"] for one in runs_of(server, tenant)[0]["data"]["tags"]}
    assert states["mcp.status"] in ("champion", "rejected")
    assert tell_all() == 0, "nothing is new"


def test_telling_twice_changes_nothing(tenant: Tenant, server: str) -> None:
    row = trained(tenant)
    tell_all()
    ModelExport.objects.all().delete()  # as if the worker had died before it wrote what it had done
    tell_all()
    assert ModelExport.objects.get(model=row).version == "1"
    assert len(runs_of(server, tenant)) == 1
    versions.start_export(tenant, model_id=row.pk)
    tell_all()
    assert ModelExport.objects.get(model=row).version == "1"


def test_two_workers_do_not_tell_at_once(tenant: Tenant) -> None:
    row = trained(tenant)
    now = timezone.now()
    ModelExport.objects.create(tenant=tenant, model=row, registered_as=registered(tenant), due_at=now + timedelta(minutes=1))
    assert versions.export(tenant, model_id=row.pk) is None
    assert versions.untold(now) == []


def test_a_server_that_is_away_is_told_later(tenant: Tenant, server: str, settings: Any) -> None:
    row = trained(tenant)
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    tell_all()
    held = ModelExport.objects.get(model=row)
    assert held.error
    assert (held.attempts, held.version) == (1, "")
    assert held.due_at is not None
    assert versions.untold() == [], "not at once again"
    settings.MLFLOW_TRACKING_URI = server
    ModelExport.objects.update(due_at=timezone.now())
    assert tell_all() == 1
    held.refresh_from_db()
    assert (held.error, held.attempts, held.version) == ("", 0, "1")


def test_the_doors_and_the_page(tenant: Tenant, settings: Any, django_capture_on_commit_callbacks: Any) -> None:
    row = trained(tenant)
    tell_all()
    owner, viewer = client_of(tenant, Role.OWNER), client_of(tenant, Role.VIEWER)
    found = viewer.get(f"/api/v1/models/{row.pk}/export").json()
    assert (found["configured"], found["version"], found["registered_as"]) == (True, "1", registered(tenant))
    assert viewer.post(f"/api/v1/models/{row.pk}/export").status_code == 403
    with django_capture_on_commit_callbacks():
        assert owner.post(f"/api/v1/models/{row.pk}/export").status_code == 202
    staff = logged_in(member(tenant))
    assert f'Version 1 of <code class="mcp-mono">{registered(tenant)}' in staff.get(f"/admin/ml/modelversion/{row.pk}/change/").content.decode()
    settings.MLFLOW_TRACKING_URI = ""
    assert versions.untold() == []
    assert owner.post(f"/api/v1/models/{row.pk}/export").json()["error_code"] == "MODEL_EXPORT_OFF"
    with pytest.raises(ExportOff):
        versions.start_export(tenant, model_id=row.pk)


def test_credentials_are_sent_as_their_clients_do(settings: Any) -> None:
    settings.MLFLOW_TRACKING_TOKEN, settings.MLFLOW_TRACKING_USERNAME = "t", "ada"
    assert mlflow._credentials() == {"Authorization": "Bearer t"}
    settings.MLFLOW_TRACKING_TOKEN, settings.MLFLOW_TRACKING_PASSWORD = "", "pw"
    assert mlflow._credentials() == {"Authorization": "Basic YWRhOnB3"}
    assert mlflow.name_of("permits/office.intent.flow:permit desk") == "permits.office.intent.flow.permit.desk"


class Portal(BaseHTTPRequestHandler):
    """A proxy's page for people, instead of MLflow."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Sign in</html>")

    def log_message(self, *_: Any) -> None: ...


def test_an_answer_that_is_none_of_mlflows_is_noted_and_tried_later(db: None, settings: Any) -> None:
    row = trained(TenantFactory.create())
    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as portal:
        threading.Thread(target=portal.serve_forever, daemon=True).start()
        settings.MLFLOW_TRACKING_URI = f"http://127.0.0.1:{portal.server_port}"
        tell_all()
        portal.shutdown()
    held = ModelExport.objects.get(model=row)
    assert (held.attempts, held.version) == (1, "")
    assert held.error.startswith("MODEL_EXPORT_FAILED")


def test_the_address_for_people_has_no_password(settings: Any) -> None:
    settings.MLFLOW_TRACKING_URI = "https://ada:s3cret@mlflow.example:8443/base/?token=t"
    assert mlflow.page_of("run", "a b", "3") == "https://mlflow.example:8443/base/#/models/a%20b/versions/3"


def test_nobody_else_takes_a_model_while_its_requests_may_still_run() -> None:
    requests = 25  # two or three to find its run, one for each batch and file, a dozen for its version, tags and aliases
    assert requests * timedelta(milliseconds=mlflow.TIMEOUT_MS) < exporting.CLAIMED
