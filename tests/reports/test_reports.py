"""Reports over REST: asked for, made by a worker, downloaded, revised, verified by anybody."""

import hashlib
import io
import json
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from reports import tasks as _tasks  # noqa: F401  a worker imports it
from reports.models import FileHash, Report, ReportFile
from reports.services import handing_out, making, reading, rendering
from tests.factories import TenantFactory, bearer, member
from tests.reports.attached import attached
from tests.reports.life import told
from tests.validation.live_scene import FRAME, Plugin, building, door, full, person, space
from validation.models import Building, ValidationRun

pytestmark = pytest.mark.django_db


class Died(BaseException):
    """What no handler of errors takes: the process is gone."""


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    made = building(office)
    Plugin(made, person(office), "setup").send(
        *FRAME,
        space("s-1", 900.0),
        space("s-2", 30.0, at=200.0),
        door("d-1", 0.7, spaces=("s-1", "")),
        door("d-2", 1.2, spaces=("s-2", "s-1"), at=150.0),
    )
    return made


@pytest.fixture
def run(house: Building) -> ValidationRun:
    made: ValidationRun = full(house)
    return made


def client_of(tenant: Tenant, role: str = Role.OWNER) -> Client:
    return Client(headers=bearer(tenant, of_role(role)))


def asked(tenant: Tenant, run: ValidationRun, **more: Any) -> Report:
    answer = client_of(tenant).post("/api/v1/reports", {"run": str(run.pk), **more}, content_type="application/json")
    assert answer.status_code == 202, answer.content
    return Report.objects.get(pk=answer.json()["id"])


def render(report: Report) -> None:
    operation = Operation.objects.get(pk=str(report.operation_id))
    operations.run(report.tenant, operation_id=operation.pk, attempt=operation.attempts)
    report.refresh_from_db()


def status(client: Client, path: str) -> int:
    answer: Any = client.get(path)
    if answer.streaming:
        assert b"".join(answer.streaming_content)  # to the end, which closes the file
    return int(answer.status_code)


def fetched(tenant: Tenant, report: Report, name: str) -> bytes:
    answer: Any = client_of(tenant).get(f"/api/v1/reports/{report.pk}/files/{name}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_a_report_is_made_and_downloaded(office: Tenant, run: ValidationRun) -> None:
    report = asked(office, run, formats=["pdf", "json", "csv", "xlsx", "html"])
    assert report.state == "queued"
    render(report)
    assert (report.state, report.problem) == ("ready", {})
    assert fetched(office, report, "pdf").startswith(b"%PDF-")
    document = json.loads(fetched(office, report, "json"))
    assert document["number"] == report.number
    assert document["summary"]["score"] == run.score
    assert document["summary"]["findings"] == run.counts["by_outcome"]["fail"] > 0
    assert document["findings"][0]["section"]
    assert (
        hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest() == report.content_sha256
    )
    assert Operation.objects.get(pk=str(report.operation_id)).status == "succeeded"
    assert AuditEntry.objects.filter(tenant=office, action="report.download").count() == 2


def test_what_was_frozen_stays_whatever_happens_to_the_model(office: Tenant, house: Building, run: ValidationRun) -> None:
    report = asked(office, run, formats=["json", "pdf"])
    render(report)
    before = {one.format: one.sha256 for one in report.files.all()}
    Plugin(house, person(office), "later").send(door("d-1", 1.0, spaces=("s-1", "")))
    full(house)
    making.render_again(office, report_id=report.pk, by=None)
    report.refresh_from_db()
    render(report)
    assert {one.format: one.sha256 for one in report.files.all()} == before


def test_a_worker_that_died_leaves_one_report_whole(office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch) -> None:
    report = asked(office, run, formats=["json", "csv"])
    stored = rendering._store

    def dies(*arguments: Any) -> Any:
        stored(*arguments)
        raise Died

    monkeypatch.setattr(rendering, "_store", dies)
    with pytest.raises(Died):
        render(report)
    monkeypatch.setattr(rendering, "_store", stored)
    report.refresh_from_db()
    assert report.state == "rendering"
    render(report)
    assert report.state == "ready"
    assert sorted(ReportFile.objects.filter(report=report).values_list("format", flat=True)) == ["csv", "json"]


def test_a_failure_says_why_and_keeps_what_was_frozen(office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch) -> None:
    from reports.render import data

    report = asked(office, run, formats=["json"])
    monkeypatch.setitem(data.FORMATS, "json", ("application/json", lambda document: 1 / 0))
    render(report)
    assert report.state == "failed"
    assert "ZeroDivisionError" in report.problem["detail"]
    monkeypatch.undo()
    assert client_of(office).post(f"/api/v1/reports/{report.pk}/render").status_code == 202
    report.refresh_from_db()
    render(report)
    assert report.state == "ready"


def test_the_next_revision_supersedes(office: Tenant, run: ValidationRun) -> None:
    first = asked(office, run, formats=["json"])
    render(first)
    second = asked(office, run, formats=["json"], supersedes=str(first.pk))
    render(second)
    assert (second.number, second.revision) == (first.number, 2)
    assert asked(office, run).number != first.number
    digest = first.files.get().sha256
    answer = Client().post(f"/api/v1/verify/{first.verify_token}", {"sha256": digest}, content_type="application/json")
    assert answer.json() | {"made_at": ""} == {"verdict": "superseded", "number": first.number, "revision": 1, "made_at": "", "later_revision": 2}


def test_anybody_may_verify_and_learns_nothing_else(office: Tenant, run: ValidationRun) -> None:
    report = asked(office, run, formats=["pdf"])
    render(report)
    content = fetched(office, report, "pdf")
    path = f"/api/v1/verify/{report.verify_token}"
    upload = io.BytesIO(content)
    upload.name = "report.pdf"
    assert Client().post(path, {"file": upload}).json()["verdict"] == "genuine"
    changed = io.BytesIO(content.replace(b"%%EOF", b"%%EOX"))
    changed.name = "report.pdf"
    answer = Client().post(path, {"file": changed}).json()
    assert answer["verdict"] == "altered"
    assert set(answer) == {"verdict", "number", "revision", "made_at", "later_revision"}
    assert Client().post(path, {}, content_type="application/json").json()["verdict"] == "known"
    assert Client().post("/api/v1/verify/nothing-of-ours", {}, content_type="application/json").status_code == 404
    garbage = Client().post(f"/verify/{report.verify_token}", {"sha256": "report.pdf"})
    assert (garbage.status_code, "That is no SHA-256" in garbage.content.decode()) == (400, True)
    assert "Altered" not in garbage.content.decode()
    page = Client().get(f"/verify/{report.verify_token}").content.decode()
    assert report.number in page
    assert office.name not in page
    assert report.title not in page


def test_the_printed_hash_and_what_the_pdf_carries_are_genuine(office: Tenant, run: ValidationRun) -> None:
    report = asked(office, run, formats=["pdf"])
    render(report)
    carried = attached(fetched(office, report, "pdf"))
    hashes = [hashlib.sha256(carried[name]).hexdigest() for name in ("findings.json", "findings.xlsx")]
    assert hashes[0] == report.content_sha256
    for digest in (*hashes, report.content_sha256.upper()):
        answer = Client().post(f"/api/v1/verify/{report.verify_token}", {"sha256": digest}, content_type="application/json")
        assert answer.json()["verdict"] == "genuine"
    FileHash.objects.filter(format="json").delete()  # reports of before knew their files only
    answer = Client().post(f"/api/v1/verify/{report.verify_token}", {"sha256": hashes[0]}, content_type="application/json")
    assert answer.json()["verdict"] == "genuine"


def test_a_link_opens_one_file_for_a_while(office: Tenant, run: ValidationRun) -> None:
    report = asked(office, run, formats=["json"])
    render(report)
    answer = client_of(office).post(f"/api/v1/reports/{report.pk}/files/json/link", {"seconds": 600}, content_type="application/json")
    href = answer.json()["href"]
    opened: Any = Client().get(href)
    assert b"".join(opened.streaming_content) == fetched(office, report, "json")
    old = signing.dumps([str(office.pk), str(report.pk), "json", 1], salt=handing_out.SALT, compress=True)
    assert Client().get(f"/reports/file/{old}").status_code == 403
    assert Client().get(href[:-3] + "abc").status_code == 403


def test_who_may_what(office: Tenant, run: ValidationRun) -> None:
    report = asked(office, run, formats=["json"])
    render(report)
    stranger = TenantFactory.create()
    body = {"run": str(run.pk)}
    for path in (f"/api/v1/reports/{report.pk}", f"/api/v1/reports/{report.pk}/files/json"):
        assert status(client_of(office, Role.VIEWER), path) == 200
        assert status(client_of(office, Role.AGENT), path) == 403
        assert status(client_of(stranger), path) == 404
        assert status(Client(), path) == 401
    assert client_of(office, Role.VIEWER).post("/api/v1/reports", body, content_type="application/json").status_code == 403
    assert client_of(stranger).post("/api/v1/reports", body, content_type="application/json").status_code == 404
    assert client_of(office, Role.VIEWER).delete(f"/api/v1/reports/{report.pk}").status_code == 403
    assert client_of(stranger).delete(f"/api/v1/reports/{report.pk}").status_code == 404
    assert client_of(office).delete(f"/api/v1/reports/{report.pk}").status_code == 204
    assert status(client_of(office), f"/api/v1/reports/{report.pk}") == 404


def test_what_was_handed_out_of_a_deleted_report_stays_known_and_its_number_taken(
    office: Tenant, house: Building, run: ValidationRun, django_capture_on_commit_callbacks: Any
) -> None:
    from django.core.files.storage import default_storage

    first = asked(office, run, formats=["json"])
    render(first)
    second = asked(office, run, formats=["json"], supersedes=str(first.pk), notify=["ada@example.com"])
    render(second)
    file = second.files.get()
    with django_capture_on_commit_callbacks(execute=True):
        assert client_of(office).delete(f"/api/v1/reports/{second.pk}").status_code == 204
    second.refresh_from_db()
    assert (bytes(second.document), second.title, second.notify, second.building, second.files.count()) == (b"", "", [], None, 0)
    assert not default_storage.exists(str(file.file.name))
    assert [one["id"] for one in client_of(office).get("/api/v1/reports").json()["results"]] == [str(first.pk)]
    answer = Client().post(f"/api/v1/verify/{second.verify_token}", {"sha256": file.sha256}, content_type="application/json")
    assert answer.json()["verdict"] == "expired"
    assert asked(office, run, formats=["json"], supersedes=str(first.pk)).revision == 3
    for path in (f"/admin/reports/report/{second.pk}/change/", f"/admin/reports/report/{second.pk}/preview/"):
        client = Client()
        client.force_login(member(office, Role.OWNER))
        assert client.get(path).status_code in (302, 404)


def test_bad_wishes_are_refused_with_their_path(office: Tenant, run: ValidationRun) -> None:
    client = client_of(office)
    for body, path in (
        ({}, "$.run"),
        ({"run": str(run.pk), "formats": ["docx"]}, "$.formats"),
        ({"run": str(run.pk), "sections": ["poem"]}, "$.sections"),
        ({"run": str(run.pk), "locale": "xx"}, "$.locale"),
    ):
        answer = client.post("/api/v1/reports", body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["path"].startswith(path)
    assert Report.objects.count() == 0


def test_a_run_that_is_not_done_has_no_report(office: Tenant, run: ValidationRun) -> None:
    ValidationRun.objects.filter(pk=run.pk).update(state="running")
    answer = client_of(office).post("/api/v1/reports", {"run": str(run.pk)}, content_type="application/json")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "RUN_NOT_DONE")


def test_what_was_handed_out_stays_genuine_when_the_same_document_gives_other_bytes(
    office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.render import data

    report = asked(office, run, formats=["json"])
    render(report)
    before = report.files.get().sha256
    monkeypatch.setitem(data.FORMATS, "json", ("application/json", lambda document: b"{}"))
    assert client_of(office).post(f"/api/v1/reports/{report.pk}/render").status_code == 202
    report.refresh_from_db()
    render(report)
    assert report.files.get().sha256 != before
    answer = Client().post(f"/api/v1/verify/{report.verify_token}", {"sha256": before}, content_type="application/json")
    assert answer.json()["verdict"] == "genuine"


def test_a_building_with_reports_stays(office: Tenant, house: Building, run: ValidationRun) -> None:
    asked(office, run)
    answer = client_of(office).get(f"/api/v1/validation/buildings/{house.pk}")
    gone = client_of(office).delete(f"/api/v1/validation/buildings/{house.pk}", headers={"If-Match": answer.headers["ETag"]})
    assert (gone.status_code, gone.json()["error_code"]) == (409, "STILL_NEEDED")
    assert Report.objects.count() == 1


def test_numbers_are_given_once(office: Tenant, run: ValidationRun) -> None:
    first = asked(office, run)
    assert client_of(office).delete(f"/api/v1/reports/{first.pk}").status_code == 204
    assert asked(office, run).number != first.number


def test_a_waiver_that_ended_after_the_run_is_not_on_the_cover(office: Tenant, house: Building, run: ValidationRun) -> None:
    """The status is that of the day on which the report is frozen, like the waivers that it lists."""
    report = told(asked(office, run, formats=["json"]))
    assert reading.document_of(report)["summary"]["status"] == "non-compliant"
    ValidationRun.objects.filter(pk=run.pk).update(status="compliant to the rules checked")
    assert reading.document_of(told(asked(office, run)))["summary"]["status"] == "non-compliant"


def test_branding_and_template_shape_a_report(office: Tenant, run: ValidationRun) -> None:
    from reports.services import looks

    brand = looks.save_branding(office, fields={"name": "Harbour Architects", "locale": "de", "is_default": True}, by=None)
    other = looks.save_branding(office, fields={"name": "Pier", "is_default": True}, by=None)
    brand.refresh_from_db()
    assert (brand.is_default, other.is_default) == (False, True)
    template = looks.save_template(office, fields={"name": "Short", "sections": ["summary"], "formats": ["json"], "branding": brand}, by=None)
    report = told(asked(office, run, template=str(template.pk)))
    document = reading.document_of(report)
    assert (document["sections"], document["locale"], report.formats) == (["summary"], "de", ["json"])
    assert report.look["name"] == "Harbour Architects"


def test_a_logo_is_a_picture(office: Tenant) -> None:
    from django.core.files.base import ContentFile

    from mcp_platform.rest import SchemaError
    from reports.services import looks

    with pytest.raises(SchemaError) as refused:
        looks.save_branding(office, fields={"name": "X", "logo": ContentFile(b"<svg/>", "logo.png"), "colour": "red"}, by=None)
    assert {fault["path"] for fault in refused.value.details["errors"]} == {"$.logo", "$.colour"}


@pytest.mark.parametrize(("size", "cut"), [((40, 20), 45), ((5_000, 1_000), 0)])
def test_a_logo_is_whole_and_no_poster(office: Tenant, size: tuple[int, int], cut: int) -> None:
    from django.core.files.base import ContentFile
    from PIL import Image

    from mcp_platform.rest import SchemaError
    from reports.services import looks

    made = io.BytesIO()
    Image.new("1", size).save(made, "PNG")
    content = made.getvalue()[: cut or None]
    with pytest.raises(SchemaError) as refused:
        looks.save_branding(office, fields={"name": "X", "logo": ContentFile(content, "logo.png")}, by=None)
    assert [fault["path"] for fault in refused.value.details["errors"]] == ["$.logo"]
