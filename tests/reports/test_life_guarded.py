"""What must not happen in a report's life: twins, late workers, letters without end, files and numbers in the wrong hands."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.operations import services as operations
from mcp_platform.operations.errors import Cancelled
from mcp_platform.operations.models import Operation
from mcp_platform.rest import SchemaError
from mcp_platform.tenancy.models import Membership, Role, Tenant
from mcp_platform.tenancy.queries import principal_of_user
from reports import tasks as _tasks  # noqa: F401  a worker imports it
from reports.models import Occasion, Report, ReportMail, ReportSchedule, folder_of
from reports.services import keeping, mailing, making, rendering, scheduling
from tests.factories import TenantFactory, UserFactory, member
from tests.reports.life import frozen, worked
from tests.reports.test_life import MONDAY, begun, client_of, clock, every_monday, house, letters, office
from validation.models import Building

pytestmark = pytest.mark.django_db
__all__ = ["clock", "house", "office"]


def test_an_occasion_asks_for_a_building_once_though_a_worker_died_between(office: Tenant, house: Building) -> None:
    schedule = every_monday(office, {"building": str(house.pk)})
    occasion = scheduling.run_now(office, pk=schedule.pk, by=None)
    first = begun(schedule)
    Occasion.objects.filter(pk=occasion.pk).update(state=Occasion.State.QUEUED)
    assert begun(schedule) == first
    assert Report.objects.count() == 1


def test_what_is_about_other_days_each_time_revises_nothing(office: Tenant, house: Building) -> None:
    with pytest.raises(SchemaError) as refused:
        every_monday(office, {"project": str(house.project_id)}, kind="period", revises=True)
    assert [fault["path"] for fault in refused.value.details["errors"]] == ["$.revises"]


def test_a_schedule_ends_with_the_membership_of_who_saved_it(office: Tenant, house: Building) -> None:
    gone = member(office, Role.EDITOR)
    schedule = every_monday(office, {"building": str(house.pk)})
    scheduling.save_schedule(office, pk=schedule.pk, fields={"name": "Mine"}, by=principal_of_user(gone, office))
    Membership.objects.filter(user=gone).delete()
    scheduling.run_now(office, pk=schedule.pk, by=None)
    with pytest.raises(Denied):
        begun(schedule)
    schedule.refresh_from_db()
    assert (schedule.enabled, schedule.occasions.get().state, Report.objects.count()) == (False, "failed", 0)


def test_an_occasion_that_breaks_says_so(office: Tenant, house: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = every_monday(office, {"building": str(house.pk)})
    scheduling.run_now(office, pk=schedule.pk, by=None)
    monkeypatch.setattr(making, "request", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        begun(schedule)
    occasion = schedule.occasions.get()
    assert (occasion.state, occasion.problem["error_code"]) == ("failed", "OCCASION_FAILED")


def test_a_schedule_that_cannot_be_read_stops_no_other(office: Tenant, house: Building, clock: Any) -> None:
    clock(MONDAY - timedelta(days=2))
    broken, good = (every_monday(office, {"building": str(house.pk)}) for _ in range(2))
    idle = every_monday(TenantFactory.create(), {"building": str(house.pk)})
    ReportSchedule.objects.filter(pk=broken.pk).update(time_zone="Europe/Atlantis", next_at=MONDAY - timedelta(days=1))
    Tenant.objects.filter(pk=idle.tenant_id).update(is_active=False)
    clock(MONDAY)
    assert (scheduling.claim_due(), scheduling.claim_due()) == (1, 0)
    assert [one.schedule_id for one in Occasion.objects.all()] == [good.pk]


def test_whatever_breaks_a_letter_is_counted(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    report = worked(frozen(office, notify=["ada@example.com"]))
    monkeypatch.setattr(mailing, "_message", lambda *_: 1 / 0)
    for _ in range(9):
        ReportMail.objects.update(next_at=timezone.now() - timedelta(seconds=1))
        letters(report)
    row = ReportMail.objects.get()
    assert (row.state, row.attempts) == ("failed", len(mailing.PAUSES) + 1)


def test_no_letter_tells_of_what_has_expired(office: Tenant) -> None:
    report = worked(frozen(office, notify=["ada@example.com"]))
    keeping.expire(office, report)
    letters(report)
    assert (ReportMail.objects.get().state, mail.outbox) == ("failed", [])


def test_who_asked_is_told_of_a_failure_without_any_reader(office: Tenant) -> None:
    report = frozen(office, user=UserFactory.create())
    Operation.objects.filter(pk=str(report.operation_id)).update(status="cancelled")
    rendering.find_forsaken()
    assert [one.says for one in ReportMail.objects.all()] == ["failed"]


def test_a_worker_that_was_given_up_spoils_nothing(office: Tenant) -> None:
    report = frozen(office)
    operation = Operation.objects.get(pk=str(report.operation_id))
    late = operations.Progress(operation.pk, 1)
    Operation.objects.filter(pk=operation.pk).update(attempts=1, status="running")
    worked(report)  # another took it up, as the second
    kept = report.files.get()
    with pytest.raises(Cancelled):
        rendering._store(office, report, "json", "application/json", b"{}", {}, late)
    Report.objects.filter(pk=report.pk).update(state="rendering")
    with pytest.raises(Cancelled):
        rendering.render(office, report_id=report.pk, progress=late)
    report.refresh_from_db()
    assert (report.state, report.files.get().sha256) == ("rendering", kept.sha256)
    assert stored(office, report) == [f"{report.number}-r1.json"]


def stored(office: Tenant, report: Report) -> list[str]:
    folder = folder_of(office.pk, report.pk)
    return [name for place in default_storage.listdir(folder)[0] for name in default_storage.listdir(f"{folder}/{place}")[1]]


def test_what_a_dead_worker_has_stored_is_deleted(office: Tenant) -> None:
    report = frozen(office)
    default_storage.save(f"{folder_of(office.pk, report.pk)}/0123/left.json", ContentFile(b"{"))
    worked(report)
    assert stored(office, report) == [f"{report.number}-r1.json"]


def test_no_two_tenants_share_the_name_of_a_file(office: Tenant) -> None:
    ours, theirs = (str(worked(frozen(tenant, number="R-2026-00001")).files.get().file.name) for tenant in (office, TenantFactory.create()))
    assert ours != theirs
    assert str(office.pk) in ours


@pytest.mark.parametrize("logo", ["branding/logo.png", 7, ["x"], {"url": "x"}])
def test_a_logo_is_no_name_of_somebodys_file(office: Tenant, logo: Any) -> None:
    answer = client_of(office).post("/api/v1/reports/branding", {"name": "Pier", "logo": logo}, content_type="application/json")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "$.logo")


def test_who_may_not_see_numbers_sees_no_reports_of_them(office: Tenant) -> None:
    numbers, plain = worked(frozen(office, kind="analytics")), worked(frozen(office))
    viewer, owner = client_of(office, Role.VIEWER), client_of(office)
    assert [one["id"] for one in viewer.get("/api/v1/reports").json()["results"]] == [str(plain.pk)]
    assert len(owner.get("/api/v1/reports").json()["results"]) == 2
    for path in ("", "/files/json"):
        assert viewer.get(f"/api/v1/reports/{numbers.pk}{path}").status_code == 403
        seen: Any = owner.get(f"/api/v1/reports/{numbers.pk}{path}")
        assert seen.status_code == 200
        b"".join(seen)  # to the end, which closes the file


def test_an_editor_deletes_nothing_and_keeps_no_policy(office: Tenant) -> None:
    report, editor = worked(frozen(office)), client_of(office, Role.EDITOR)
    assert editor.delete(f"/api/v1/reports/{report.pk}").status_code == 403
    assert editor.patch("/api/v1/reports/policy", {}, content_type="application/json", headers={"If-Match": "*"}).status_code == 403
    assert client_of(office).delete(f"/api/v1/reports/{report.pk}").status_code == 204
