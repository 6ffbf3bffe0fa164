"""A report's life: schedules that fire once, letters, retention, what becomes of a report whose worker is gone."""

import email
import email.policy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import Client
from django.utils import timezone

from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from reports import tasks as _tasks  # noqa: F401  a worker imports it
from reports.core import packed
from reports.models import Occasion, Report, ReportMail, ReportSchedule
from reports.services import handing_out, keeping, mailing, making, rendering, scheduling
from tests.factories import TenantFactory, UserFactory, bearer, member
from tests.reports.life import frozen, mail_server, worked
from tests.validation.live_scene import FRAME, Plugin, building, door, full, person, space
from validation.models import Building

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    """It has been checked."""
    made = building(office)
    Plugin(made, person(office), "setup").send(*FRAME, space("s-1", 900.0), door("d-1", 0.7, spaces=("s-1", "")))
    full(made)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`clock(moment)` is what the services take for now."""

    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


def client_of(tenant: Tenant, role: str = Role.OWNER) -> Client:
    return Client(headers=bearer(tenant, of_role(role)))


def every_monday(office: Tenant, about: Mapping[str, str], **more: Any) -> ReportSchedule:
    fields = {"name": "Weekly", "about": dict(about), "at": "08:00", "time_zone": "Europe/Berlin", "formats": ["json"], **more}
    return scheduling.save_schedule(office, fields=fields, by=None)


def begun(schedule: ReportSchedule) -> list[dict[str, Any]]:
    """What the workers find of each occasion."""
    return [scheduling.perform(schedule.tenant, occasion_id=occasion.pk) for occasion in schedule.occasions.order_by("due_at")]


def test_a_schedule_makes_a_report_of_each_building_once(office: Tenant, house: Building, clock: Any) -> None:
    clock(MONDAY - timedelta(days=2))
    schedule = every_monday(office, {"project": str(house.project_id)}, recipients=["ada@example.com"])
    assert schedule.next_at == MONDAY
    assert scheduling.claim_due() == 0
    clock(MONDAY + timedelta(minutes=1))
    assert (scheduling.claim_due(), scheduling.claim_due()) == (1, 0)
    occasion = schedule.occasions.get()
    assert (occasion.period, occasion.due_at) == ("2026-W48", MONDAY)
    begun(schedule)
    begun(schedule)  # the worker died behind its work, and another took it up
    report = Report.objects.get(occasion=occasion)
    occasion.refresh_from_db()
    assert (occasion.state, report.building_id, report.notify) == ("done", house.pk, ["ada@example.com"])
    schedule.refresh_from_db()
    assert schedule.next_at == MONDAY + timedelta(days=7)


def test_times_that_were_missed_are_made_up_for_once(office: Tenant, house: Building, clock: Any) -> None:
    clock(MONDAY - timedelta(days=2))
    schedule = every_monday(office, {"building": str(house.pk)})
    clock(MONDAY + timedelta(days=15))
    assert scheduling.claim_due() == 1
    assert [one.period for one in schedule.occasions.all()] == ["2026-W50"]
    schedule.refresh_from_db()
    assert schedule.next_at == MONDAY + timedelta(days=21)


def test_a_period_that_was_reported_is_not_reported_again_when_the_day_is_changed(office: Tenant, house: Building, clock: Any) -> None:
    clock(MONDAY - timedelta(days=2))
    schedule = every_monday(office, {"building": str(house.pk)})
    clock(MONDAY)
    assert scheduling.claim_due() == 1
    scheduling.save_schedule(office, pk=schedule.pk, fields={"weekday": 3}, by=None)
    clock(MONDAY + timedelta(days=3, hours=1))
    scheduling.claim_due()
    assert schedule.occasions.count() == 1


def test_next_revisions_where_that_is_wished(office: Tenant, house: Building) -> None:
    schedule = every_monday(office, {"building": str(house.pk)}, revises=True)
    for _ in range(2):
        scheduling.run_now(office, pk=schedule.pk, by=None)
        begun(schedule)
    assert [(one.revision, one.number) for one in Report.objects.order_by("revision")] == [(1, "R-2026-00001"), (2, "R-2026-00001")]


def test_an_unchecked_project_has_nothing_to_report(office: Tenant) -> None:
    bare = building(office)
    schedule = every_monday(office, {"project": str(bare.project_id)})
    scheduling.run_now(office, pk=schedule.pk, by=None)
    begun(schedule)
    occasion = schedule.occasions.get()
    assert (occasion.state, occasion.problem["error_code"]) == (Occasion.State.NOTHING, "NOTHING_TO_REPORT")


def test_schedules_over_rest(office: Tenant, house: Building) -> None:
    client = client_of(office)
    json: dict[str, Any] = {"content_type": "application/json"}
    body = {"name": "Weekly", "about": {"project": str(house.project_id)}, "at": "08:00", "time_zone": "Asia/Tokyo", "recipients": ["a@example.com"]}
    made = client.post("/api/v1/reports/schedules", body, **json)
    assert made.status_code == 201, made.content
    assert made.json()["next_at"].endswith("T23:00:00Z")
    href = made.headers["Location"]
    assert client.patch(href, {"enabled": False}, **json).status_code == 428
    changed = client.patch(href, {"enabled": False}, headers={"If-Match": made.headers["ETag"]}, **json)
    assert (changed.status_code, changed.json()["next_at"]) == (200, None)
    assert client.patch(href, {"enabled": True}, headers={"If-Match": made.headers["ETag"]}, **json).status_code == 412
    ran = client.post(f"{href}/run")
    assert ran.status_code == 202
    begun(ReportSchedule.objects.get())
    listed = client.get(f"{href}/occasions").json()["results"]
    assert [(one["state"], len(one["reports"])) for one in listed] == [("done", 1)]
    assert client.delete(href, headers={"If-Match": "*"}).status_code == 204
    assert Report.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"time_zone": "Europe/Atlantis"}, "$.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "$.time_zone"),
        ({"weekday": 7}, "$.weekday"),
        ({"day": 0}, "$.day"),
        ({"at": "25:00"}, "$.at"),
        ({"cadence": "hourly"}, "$.cadence"),
        ({"kind": "comparison"}, "$.kind"),
        ({"about": {"flow": "x"}}, "$.about"),
        ({"about": {"project": "x"}}, "$.about"),
        ({"about": []}, "$.about"),
        ({"formats": ["docx"]}, "$.formats"),
        ({"formats": "pdf"}, "$.formats"),
        ({"recipients": ["a@example.com", "nobody"]}, "$.recipients[1]"),
        ({"recipients": "a@example.com"}, "$.recipients"),
        ({"recipients": [f"a{n}@example.com" for n in range(21)]}, "$.recipients"),
        ({"template": "00000000-0000-0000-0000-000000000000"}, "$.template"),
        ({"template": 7}, "$.template"),
        ({"next_at": "2026-01-01"}, "$.next_at"),
    ],
)
def test_schedules_that_cannot_be_are_refused_with_their_path(office: Tenant, wrong: dict[str, Any], path: str) -> None:
    body = {"name": "W", "about": {"project": "6f3f6a9e-6a3c-4a58-9d0c-0d4b8f8a1a11"}, "at": "08:00", **wrong}
    answer = client_of(office).post("/api/v1/reports/schedules", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert path in [fault["path"] for fault in answer.json()["errors"]]
    assert not ReportSchedule.objects.exists()


def letters(report: Report) -> None:
    for letter in ReportMail.objects.filter(report=report):
        mailing.send(report.tenant, letter_id=letter.pk)


def test_a_letter_tells_that_it_is_ready_and_its_link_opens_the_file(office: Tenant) -> None:
    report = worked(frozen(office, title="Tower\r\nBcc: spy@example.com", notify=["ada@example.com", "bo@example.com", "ada@example.com"]))
    letters(report)
    letters(report)  # the job is handed out twice
    assert sorted(one.to[0] for one in mail.outbox) == ["ada@example.com", "bo@example.com"]
    letter = mail.outbox[0]
    assert letter.subject == f"Report {report.number} is ready: Tower Bcc: spy@example.com"
    assert letter.attachments == []
    link = next(line for line in str(letter.body).splitlines() if "/reports/file/" in line)
    opened: Any = Client().get(link.removeprefix("http://localhost:8002"))
    assert b"".join(opened.streaming_content).startswith(b'{"as_of"')
    making.render_again(office, report_id=report.pk, by=None)
    report.refresh_from_db()
    letters(worked(report))
    assert len(mail.outbox) == 2  # what has been told is not told again


def test_a_report_whose_document_alone_knows_its_language_has_letters_in_it(office: Tenant) -> None:
    report = frozen(office, notify=["ada@example.com"])
    document = packed.inflated(bytes(report.document))
    text = packed.deflated(packed.pieces({**document, "locale": "de"}))
    Report.objects.filter(pk=report.pk).update(document=text.content, content_sha256=text.sha256)
    assert (worked(report).head, ReportMail.objects.get(report=report).locale) == ({}, "de")


def test_a_document_that_cannot_be_read_any_more_fails_alone(office: Tenant) -> None:
    report = frozen(office, notify=["ada@example.com"], user=UserFactory.create(email="ada@example.com"))
    Report.objects.filter(pk=report.pk).update(document=b"torn")
    assert worked(report).state == "failed"
    assert ReportMail.objects.get(report=report).locale == "en"


def test_letters_carry_the_file_where_the_tenant_wants_that(office: Tenant) -> None:
    keeping.save_policy(office, fields={"attach_files": True}, by=None)
    report = worked(frozen(office, notify=["ada@example.com"]))
    letters(report)
    (name, content, media_type), *_ = mail.outbox[0].attachments
    assert (name, media_type) == (f"{report.number}-r1.json", "application/json")
    assert "/reports/file/" not in str(mail.outbox[0].body)
    with report.files.get().file.open("rb") as kept:
        assert (content if isinstance(content, bytes) else content.encode()) == kept.read()


def test_a_mail_server_that_refuses_is_asked_again_with_the_same_letter(office: Tenant, settings: Any) -> None:
    report = worked(frozen(office, notify=["ada@example.com"]))
    with mail_server(settings) as server:
        server.refuses = [b"451 come back later"]
        letters(report)
        row = ReportMail.objects.get()
        assert (row.state, row.attempts, server.letters) == ("queued", 1, [])
        assert "come back later" in row.problem
        assert row.next_at > timezone.now()
        letters(report)  # not yet
        assert server.letters == []
        ReportMail.objects.update(next_at=timezone.now() - timedelta(seconds=1))
        letters(report)
    row.refresh_from_db()
    assert (row.state, row.problem) == ("sent", "")
    sent = email.message_from_bytes(server.letters[0], policy=email.policy.default)
    assert (sent["To"], sent["Message-ID"], sent["Auto-Submitted"]) == ("ada@example.com", f"<{row.pk}@localhost>", "auto-generated")


def test_a_letter_that_is_never_taken_is_given_up(office: Tenant, settings: Any) -> None:
    report = worked(frozen(office, notify=["ada@example.com"]))
    with mail_server(settings) as server:
        server.refuses = [b"550 never"] * 9
        for _ in range(9):
            ReportMail.objects.update(next_at=timezone.now() - timedelta(seconds=1))
            letters(report)
    row = ReportMail.objects.get()
    assert (row.state, row.attempts) == ("failed", len(mailing.PAUSES) + 1)


def test_that_it_failed_is_told_only_to_who_asked(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from reports.render import data

    monkeypatch.setitem(data.FORMATS, "json", ("application/json", lambda document: 1 / 0))
    asker = UserFactory.create()
    report = worked(frozen(office, notify=["outsider@example.com"], user=asker))
    assert report.state == "failed"
    letters(report)
    assert [one.to for one in mail.outbox] == [[asker.email]]
    assert "ZeroDivisionError" in str(mail.outbox[0].body)


def verdict(report: Report, sha256: str) -> str:
    answer = Client().post(f"/api/v1/verify/{report.verify_token}", {"sha256": sha256}, content_type="application/json")
    return str(answer.json()["verdict"])


def test_what_is_older_than_its_time_expires_and_can_still_be_verified(office: Tenant) -> None:
    old, new = worked(frozen(office)), worked(frozen(office))
    Report.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    other = worked(frozen(TenantFactory.create(), created_at=timezone.now() - timedelta(days=31)))
    file = old.files.get()
    assert keeping.expire_due() == 0  # nobody has said how long
    keeping.save_policy(office, fields={"keep_days": 30}, by=None)
    assert (keeping.expire_due(), keeping.expire_due()) == (1, 0)
    old.refresh_from_db()
    assert (old.state, bytes(old.document), old.files.count()) == ("expired", b"", 0)
    assert {new.pk, other.pk} == set(Report.objects.filter(state="ready").values_list("pk", flat=True))
    assert AuditEntry.objects.filter(tenant=office, action="report.expire").count() == 1
    assert (verdict(old, file.sha256), verdict(old, "0" * 64), verdict(new, new.files.get().sha256)) == ("expired", "altered", "genuine")
    assert "Genuine, and expired" in Client().post(f"/verify/{old.verify_token}", {"sha256": file.sha256}).content.decode()
    again = client_of(office).post(f"/api/v1/reports/{old.pk}/render")
    assert (again.status_code, again.json()["error_code"]) == (404, "REPORT_EXPIRED")
    assert client_of(office).get(f"/api/v1/reports/{old.pk}/files/json").status_code == 404


def test_the_files_of_what_expired_are_gone(office: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    report = worked(frozen(office))
    name = str(report.files.get().file.name)
    assert default_storage.exists(name)
    with django_capture_on_commit_callbacks(execute=True):
        keeping.expire(office, report)
    assert not default_storage.exists(name)


def test_superseded_reports_may_go_sooner(office: Tenant) -> None:
    first = worked(frozen(office, number="R-2026-00001"))
    second = worked(frozen(office, number="R-2026-00001", revision=2))
    Report.objects.update(created_at=timezone.now() - timedelta(days=8))
    keeping.save_policy(office, fields={"keep_superseded_days": 7}, by=None)
    digest = first.files.get().sha256
    assert keeping.expire_due() == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("expired", "ready")
    assert verdict(first, digest) == "superseded"


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_a_revision_that_was_never_made_supersedes_nothing(office: Tenant, state: str) -> None:
    good = worked(frozen(office, number="R-2026-00001"))
    later = frozen(office, number="R-2026-00001", revision=2)
    Report.objects.filter(pk=later.pk).update(state=state)
    Report.objects.update(created_at=timezone.now() - timedelta(days=8))
    keeping.save_policy(office, fields={"keep_superseded_days": 7}, by=None)
    assert keeping.expire_due() == 0
    assert verdict(good, good.files.get().sha256) == "genuine"


def test_the_admin_shows_what_has_expired_without_what_is_gone(office: Tenant) -> None:
    report = worked(frozen(office))
    keeping.expire(office, report)
    client = Client()
    client.force_login(member(office, Role.OWNER))
    assert "expired" in client.get("/admin/reports/report/").content.decode()
    page = client.get(f"/admin/reports/report/{report.pk}/change/")
    assert page.status_code == 200
    assert not any(f"/{name}/" in page.content.decode() for name in ("preview", "again", "revise"))
    assert client.get(f"/admin/reports/report/{report.pk}/preview/").status_code == 404


def test_the_policy_over_rest(office: Tenant) -> None:
    client, path = client_of(office), "/api/v1/reports/policy"
    first = client.get(path)
    assert first.json() == {"keep_days": None, "keep_superseded_days": None, "attach_files": False, "link_days": 7, "rev": 1}
    for body, fault in (({"keep_days": 0}, "$.keep_days"), ({"link_days": 8}, "$.link_days"), ({"keep_days": "x"}, "$.keep_days"), ({"x": 1}, "$.x")):
        answer = client.patch(path, body, content_type="application/json", headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, fault)
    changed = client.patch(path, {"keep_days": 365}, content_type="application/json", headers={"If-Match": first.headers["ETag"]})
    assert changed.json()["keep_days"] == 365
    assert client.patch(path, {"keep_days": 1}, content_type="application/json", headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert client_of(office, Role.VIEWER).patch(path, {}, content_type="application/json", headers={"If-Match": "*"}).status_code == 403


def test_a_report_whose_operation_was_given_up_has_failed_and_says_why(office: Tenant) -> None:
    report = frozen(office)
    Report.objects.filter(pk=report.pk).update(state="rendering")
    assert rendering.find_forsaken() == 0
    gone = {"error_code": "OPERATION_GIVEN_UP", "detail": "Its workers died."}
    Operation.objects.filter(pk=str(report.operation_id)).update(status="failed", error=gone)
    assert (rendering.find_forsaken(), rendering.find_forsaken()) == (1, 0)
    report.refresh_from_db()
    assert (report.state, report.problem) == ("failed", gone)
    making.render_again(office, report_id=report.pk, by=None)
    report.refresh_from_db()
    assert worked(report).state == "ready"


def test_a_cancelled_report_says_so(office: Tenant) -> None:
    report = frozen(office)
    Operation.objects.filter(pk=str(report.operation_id)).update(status="cancelled")
    rendering.find_forsaken()
    report.refresh_from_db()
    assert (report.state, report.problem["error_code"]) == ("failed", "OPERATION_CANCELLED")


def test_what_is_being_made_is_not_made_twice(office: Tenant) -> None:
    report = frozen(office)
    answer = client_of(office).post(f"/api/v1/reports/{report.pk}/render")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "REPORT_NOT_READY")
    assert Operation.objects.count() == 1


def test_a_link_of_an_expired_report_opens_nothing(office: Tenant) -> None:
    report = worked(frozen(office))
    sealed, _ = handing_out.link(office, report_id=report.pk, name="json", seconds=600, by=None)
    keeping.expire(office, report)
    assert Client().get(f"/reports/file/{sealed}").status_code == 403


def test_branding_and_templates_over_rest(office: Tenant) -> None:
    import io

    from PIL import Image

    client = client_of(office)
    json: dict[str, Any] = {"content_type": "application/json"}
    brand = client.post("/api/v1/reports/branding", {"name": "Pier", "colour": "#102030"}, **json)
    assert brand.status_code == 201, brand.content
    picture = io.BytesIO()
    Image.new("RGB", (30, 10)).save(picture, "PNG")
    picture.seek(0)
    picture.name = "logo.png"
    kept = Client(headers=bearer(office, of_role(Role.OWNER))).generic("GET", brand.headers["Location"])
    assert kept.json()["has_logo"] is False
    from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

    put = client.put(f"{brand.headers['Location']}/logo", encode_multipart(BOUNDARY, {"file": picture}), content_type=MULTIPART_CONTENT)
    assert (put.status_code, put.json()["has_logo"]) == (200, True)
    template = client.post("/api/v1/reports/templates", {"name": "Short", "sections": ["summary"], "branding": brand.json()["id"]}, **json)
    assert template.status_code == 201, template.content
    stranger = client_of(TenantFactory.create())
    assert stranger.post("/api/v1/reports/templates", {"name": "X", "branding": brand.json()["id"]}, **json).status_code == 400
    for made in (brand, template):
        assert stranger.get(made.headers["Location"]).status_code == 404
        assert client_of(office, Role.VIEWER).delete(made.headers["Location"], headers={"If-Match": "*"}).status_code == 403
    assert client.patch(template.headers["Location"], {"sections": ["poem"]}, headers={"If-Match": "*"}, **json).status_code == 400
    assert client.delete(template.headers["Location"], headers={"If-Match": template.headers["ETag"]}).status_code == 204


def test_a_worker_that_is_shut_out_of_the_storage_says_why(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(FileSystemStorage, "_save", refuse)
    report = worked(frozen(office))
    assert (report.state, "not yours" in report.problem["detail"]) == ("failed", True)
