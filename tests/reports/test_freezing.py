"""A request is answered at once; a worker freezes what the report says, all of it as it is at one moment, and does so once."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.test import Client
from django.utils import timezone
from websockets.asyncio.client import connect

from mcp_platform.db.snapshot import one_state
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Tenant
from reports import tasks as _tasks  # noqa: F401  a worker imports it
from reports.errors import ReportNotReady
from reports.gathering import subjects
from reports.gathering.gathered import Gathered
from reports.models import Report, ReportFile
from reports.render import data
from reports.services import freezing, making, reading, rendering
from tests.conversations.server import address, worker
from tests.factories import TenantFactory, key
from tests.reports.life import told, worked
from tests.reports.test_reports import Died, asked, client_of, house, office, run
from validation.models import Building, ValidationRun, Waiver

pytestmark = pytest.mark.django_db
__all__ = ["address", "house", "office", "run", "worker"]


def waived(house: Building) -> Waiver:
    made: Waiver = Waiver.objects.create(
        tenant=house.tenant, building=house, rule_key="X", kind="variance", justification="It was there.", requester="ada"
    )
    return made


def breaks(*_: Any) -> Gathered:
    raise ZeroDivisionError("the rows are gone")


def test_the_request_reads_no_rows_and_a_failure_to_read_them_says_why(office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(subjects.GATHER, "run", breaks)
    answer = client_of(office).post("/api/v1/reports", {"run": str(run.pk), "formats": ["json"]}, content_type="application/json")
    told_at_once = answer.json()
    assert (answer.status_code, told_at_once["state"], told_at_once["content_sha256"], told_at_once["as_of"]) == (202, "queued", "", None)
    report = Report.objects.get(pk=told_at_once["id"])
    with pytest.raises(ReportNotReady):
        reading.document_of(report)
    worked(report)
    assert (report.state, report.is_frozen) == ("failed", False)
    assert "the rows are gone" in report.problem["detail"]
    monkeypatch.undo()
    assert client_of(office).post(f"/api/v1/reports/{report.pk}/render").status_code == 202
    report.refresh_from_db()
    worked(report)
    shown = client_of(office).get(f"/api/v1/reports/{report.pk}").json()
    assert (shown["state"], shown["content_sha256"]) == ("ready", report.content_sha256)
    assert shown["created_at"] < shown["as_of"]


def test_it_tells_the_moment_at_which_its_rows_were_read(office: Tenant, house: Building, run: ValidationRun) -> None:
    report = asked(office, run, formats=["json"])
    waived(house)  # between the request and the worker
    worked(report)
    document = reading.document_of(report)
    assert [one["number"] for one in document["waivers"]] == ["W-1"]
    assert document["asked_at"] == report.created_at.isoformat(timespec="seconds")
    assert report.frozen_at is not None
    assert document["as_of"] == document["issued_at"] == report.frozen_at.isoformat(timespec="seconds")
    waived(house)
    making.render_again(office, report_id=report.pk, by=None)
    report.refresh_from_db()
    worked(report)
    assert reading.document_of(report) == document


def test_a_worker_that_dies_behind_the_freezing_leaves_what_was_frozen(
    office: Tenant, house: Building, run: ValidationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = asked(office, run, formats=["json"])

    def dies(*_: Any) -> ReportFile:
        raise Died

    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(rendering, "_store", dies)
        worked(report)
    report.refresh_from_db()
    before = report.content_sha256
    assert (report.state, bool(before)) == ("rendering", True)
    waived(house)
    worked(report)
    assert (report.state, report.content_sha256, report.files.get().sha256) == ("ready", before, before)


def test_a_revision_waits_for_the_one_before_and_names_its_hash(office: Tenant, run: ValidationRun) -> None:
    first = asked(office, run, formats=["json"])
    Report.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(days=1))
    second = asked(office, run, formats=["json"], supersedes=str(first.pk))
    worked(second)
    operation = Operation.objects.get(pk=str(second.operation_id))
    assert (second.state, operation.status, operation.attempts, operation.phase) == ("queued", "queued", 0, "waits for revision 1")
    known = Client().post(f"/api/v1/verify/{second.verify_token}", {}, content_type="application/json").json()
    assert (known["verdict"], known["revision"]) == ("known", 2)
    told(first)
    worked(second)
    assert second.state == "ready"
    (one,) = reading.document_of(second)["history"]
    assert (one["revision"], one["sha256"]) == (1, first.content_sha256)
    assert one["made_at"] == reading.document_of(first)["issued_at"]  # the date on its own cover


def test_a_revision_that_failed_before_it_said_anything_is_no_history(office: Tenant, run: ValidationRun) -> None:
    first = asked(office, run, formats=["json"])
    second = asked(office, run, formats=["json"], supersedes=str(first.pk))
    Report.objects.filter(pk=first.pk).update(state="failed")
    worked(second)
    document = reading.document_of(second)
    assert (second.state, document["history"], document["supersedes"]) == ("ready", [], "")
    again = client_of(office).post(f"/api/v1/reports/{first.pk}/render")  # it would tell of a later moment than the revision behind it
    assert (again.status_code, again.json()["error_code"]) == (409, "REPORT_OVERTAKEN")
    first.refresh_from_db()
    assert first.state == "failed"
    third = asked(office, run, formats=["json"], supersedes=str(first.pk))
    worked(third)
    assert reading.document_of(third)["supersedes"] == str(second)


def test_a_revision_that_is_overtaken_while_it_waits_says_why_and_nothing_else(office: Tenant, run: ValidationRun) -> None:
    first = asked(office, run, formats=["json"])
    second = asked(office, run, formats=["json"], supersedes=str(first.pk))
    Report.objects.filter(pk=first.pk).update(state="failed")
    making.render_again(office, report_id=first.pk, by=None)
    told(second)  # had begun before
    first.refresh_from_db()
    worked(first)
    assert (first.state, first.is_frozen, first.problem["error_code"]) == ("failed", False, "REPORT_OVERTAKEN")


def test_one_that_was_frozen_before_it_meanwhile_is_named(office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked(office, run, formats=["json"])
    second = asked(office, run, formats=["json"], supersedes=str(first.pk))
    Report.objects.filter(pk=first.pk).update(state="failed")
    with monkeypatch.context() as patched:
        frozen = {"content_sha256": "a" * 64, "frozen_at": timezone.now()}
        patched.setattr(freezing, "_hold_revisions", lambda *_: Report.objects.filter(pk=first.pk).update(**frozen))
        worked(second)
    assert (second.is_frozen, Operation.objects.get(pk=str(second.operation_id)).status) == (False, "queued")
    Report.objects.filter(pk=first.pk).update(**frozen)  # what was written above went with the worker's transaction
    worked(second)
    assert [one["sha256"] for one in reading.document_of(second)["history"]] == ["a" * 64]


class Taken:
    """Another report is being composed."""

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        assert not blocking, "a thread waits"
        return False


def test_a_report_whose_turn_has_not_come_keeps_no_thread(office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch) -> None:
    report = asked(office, run, formats=["json"])
    with monkeypatch.context() as patched:
        patched.setattr(freezing, "COMPOSING", Taken())
        worked(report)
    operation = Operation.objects.get(pk=str(report.operation_id))
    assert (report.is_frozen, operation.status, operation.attempts, operation.phase) == (False, "queued", 0, "waits for another report")
    assert worked(report).state == "ready"


def test_what_is_deleted_while_it_is_frozen_stays_deleted(office: Tenant, run: ValidationRun, monkeypatch: pytest.MonkeyPatch) -> None:
    report, looked = asked(office, run, formats=["json"]), []

    def deletes(*_: Any) -> None:
        looked.append(1)
        if len(looked) == 2:  # behind the reading of the rows
            making.delete(office, report_id=report.pk, by=None)

    monkeypatch.setattr(freezing, "require_last", deletes)
    worked(report)
    assert (report.state, bytes(report.document), report.content_sha256, report.files.count()) == ("expired", b"", "", 0)


def elsewhere(work: Callable[[], Any]) -> None:
    """In another thread, which has a connection of its own."""
    failed: list[BaseException] = []

    def body() -> None:
        from mcp_platform.tenancy import scope

        try:
            with scope.platform_scope():
                work()
        except BaseException as fault:  # noqa: BLE001  told to who asked
            failed.append(fault)
        finally:
            connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(30)
    assert not failed, failed


@pytest.mark.django_db(transaction=True)
def test_one_state_is_seen_however_others_write_and_nothing_can_be_written_in_it() -> None:
    TenantFactory.create(name="before")
    with one_state():
        assert Tenant.objects.count() == 1
        elsewhere(lambda: TenantFactory.create(name="meanwhile"))  # nobody has to wait
        assert [one.name for one in Tenant.objects.all()] == ["before"]
    assert Tenant.objects.count() == 2
    with pytest.raises(DatabaseError), one_state():
        Tenant.objects.update(name="other")
    TenantFactory.create(name="after")  # the connection writes again
    assert set(Tenant.objects.values_list("name", flat=True)) == {"before", "meanwhile", "after"}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, threading.Event]]:
    """The worker goes on behind the reading of the rows, and behind the making of the file, when it is told to."""
    gates = {"gathering": threading.Event(), "json: rendering": threading.Event()}
    gather, (media_type, make) = subjects.GATHER["run"], data.FORMATS["json"]

    def gathers(*given: Any) -> Gathered:
        gates["gathering"].wait(30)
        return gather(*given)

    def makes(document: Mapping[str, Any]) -> bytes:
        gates["json: rendering"].wait(30)
        return make(document)

    monkeypatch.setitem(subjects.GATHER, "run", gathers)
    monkeypatch.setitem(data.FORMATS, "json", (media_type, makes))
    yield gates
    for gate in gates.values():
        gate.set()


@pytest.mark.django_db(transaction=True)
async def test_its_progress_is_pushed_over_a_real_socket(
    address: str, worker: Any, held: dict[str, threading.Event], office: Tenant, run: ValidationRun
) -> None:
    token = await sync_to_async(key)(office)
    report = await sync_to_async(asked)(office, run, formats=["json"])
    url = f"ws://{address}/ws/v1/operations/{report.operation_id}/"
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(60), connect(url, subprotocols=["mcp-operation.v1"], close_timeout=0.5) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "authenticate", "token": token}))
        while not seen or seen[-1]["status"] in ("queued", "running"):
            frame = json.loads(await socket.recv())
            if frame["type"] != "progress":
                continue
            seen.append(frame)
            if gate := held.get(frame["phase"]):
                gate.set()
    phases = list(dict.fromkeys(one["phase"] for one in seen))
    percents = [one["percent"] or 0 for one in seen]
    assert [name for name in phases if name in held] == list(held)
    assert percents == sorted(percents)
    assert 0 < percents[-2] < percents[-1] == 100
    assert (seen[-1]["status"], seen[-1]["error"]) == ("succeeded", None)
    await sync_to_async(report.refresh_from_db)()
    assert report.state == "ready"
