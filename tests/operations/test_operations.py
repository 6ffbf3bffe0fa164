"""Long-running work: it runs, tells how far it is, stops when told to, survives its worker, and is nobody else's business."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from mcp_platform import errors
from mcp_platform.operations import services
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress, Result
from mcp_platform.tenancy.models import Role, Tenant
from tests.factories import TenantFactory
from tests.tenancy.clients import client_of

KIND = "tests.count"


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits")


@pytest.fixture
def kind() -> Iterator[dict[str, Any]]:
    """A kind whose work the test replaces."""
    held: dict[str, Any] = {"work": lambda tenant, arguments, progress: {"sum": sum(arguments["numbers"])}}

    @services.kind(KIND, reads="flows:read")
    def work(*given: Any) -> Result:
        result: Result = held["work"](*given)
        return result

    yield held
    del services.KINDS[KIND]


def started(tenant: Tenant, **arguments: Any) -> Operation:
    return services.start(tenant, kind=KIND, title="Count", arguments=arguments or {"numbers": [1, 2]}, by="system")


def run(row: Operation, attempt: int = 0) -> Operation:
    services.run(row.tenant, operation_id=row.pk, attempt=attempt)
    row.refresh_from_db()
    return row


def test_the_result_is_kept(tenant: Tenant, kind: dict[str, Any]) -> None:
    row = run(started(tenant))
    assert (row.status, row.result, row.percent, row.attempts) == ("succeeded", {"sum": 3}, 100, 1)
    assert row.finished_at


def test_only_one_of_several_jobs_runs_it(tenant: Tenant, kind: dict[str, Any]) -> None:
    ran = []

    def work(*given: Any) -> Result:
        ran.append(1)
        return {}

    kind["work"] = work
    row = started(tenant)
    for _ in range(3):
        run(row)
    assert ran == [1]


def test_progress_is_seen_while_it_runs(tenant: Tenant, kind: dict[str, Any]) -> None:
    seen: list[tuple[int, int | None, str]] = []

    def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> Result:
        row = Operation.objects.get(pk=progress.operation_id)
        for done in (1, 3):
            progress.report(done, 4, f"part {done}")
            row.refresh_from_db()
            seen.append((row.done, row.percent, row.phase))
        return {}

    kind["work"] = work
    run(started(tenant))
    assert seen == [(1, 25, "part 1"), (3, 75, "part 3")]


def test_a_refusal_is_told_as_a_problem(tenant: Tenant, kind: dict[str, Any]) -> None:
    def work(*given: Any) -> Result:
        raise errors.Invalid("There is nothing to count.", path="$.numbers")

    kind["work"] = work
    row = run(started(tenant))
    assert row.status == "failed"
    assert row.error is not None
    assert (row.error["error_code"], row.error["detail"], row.error["path"]) == ("VALIDATION_ERROR", "There is nothing to count.", "$.numbers")


def test_our_own_fault_tells_nothing_of_the_inside(tenant: Tenant, kind: dict[str, Any]) -> None:
    kind["work"] = lambda *given: {"x": 1 / 0}
    row = run(started(tenant))
    assert row.status == "failed"
    assert row.error is not None
    assert row.error["error_code"] == "OPERATION_FAILED"
    assert "division" not in str(row.error)


def test_a_kind_that_no_worker_knows_fails(tenant: Tenant) -> None:
    row = services.start(tenant, kind="tests.unknown", title="?", arguments={}, by="system")
    assert run(row).status == "failed"


def test_cancelled_while_it_waits_it_never_runs(tenant: Tenant, kind: dict[str, Any]) -> None:
    row = started(tenant)
    answer = client_of(tenant).post(f"/api/v1/operations/{row.pk}/cancel")
    assert answer.json()["status"] == "cancelled"
    assert run(row).status == "cancelled"
    assert client_of(tenant).post(f"/api/v1/operations/{row.pk}/cancel").json()["error_code"] == "OPERATION_ENDED"


def test_cancelled_while_it_runs_it_stops_at_the_next_report(tenant: Tenant, kind: dict[str, Any]) -> None:
    reached = []

    def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> Result:
        client_of(tenant).post(f"/api/v1/operations/{progress.operation_id}/cancel")
        progress.report(1, 2)
        reached.append("behind the report")
        return {}

    kind["work"] = work
    assert run(started(tenant)).status == "cancelled"
    assert reached == []


def _silent(row: Operation, attempts: int) -> None:
    Operation.objects.filter(pk=row.pk).update(status="running", attempts=attempts, heartbeat_at=timezone.now() - timedelta(minutes=5))


def test_one_whose_heart_has_stopped_is_run_again_and_given_up_at_last(tenant: Tenant, kind: dict[str, Any]) -> None:
    row = started(tenant)
    _silent(row, 1)
    assert services.recover() == 1
    assert services.recover() == 0  # it has just been enqueued
    assert run(row, attempt=1).status == "succeeded"
    _silent(row, 3)
    assert services.recover() == 1
    row.refresh_from_db()
    assert (row.status, row.error and row.error["error_code"]) == ("failed", "OPERATION_GIVEN_UP")


def test_a_worker_that_was_thought_dead_changes_nothing_any_more(tenant: Tenant, kind: dict[str, Any]) -> None:
    def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> Result:
        Operation.objects.filter(pk=progress.operation_id).update(attempts=2)  # another worker has taken it up
        return {"late": True}

    kind["work"] = work
    row = run(started(tenant))
    assert (row.status, row.result) == ("running", None)


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_is_done_by_another_worker(kind: dict[str, Any]) -> None:
    tenant = TenantFactory.create(slug="permits")
    row = started(tenant)

    def die(*given: Any) -> Result:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    def worker() -> None:
        kind["work"] = die
        services.run(tenant, operation_id=row.pk, attempt=0)

    connection.close()
    child = multiprocessing.get_context("fork").Process(target=worker)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("running", 1)
    Operation.objects.filter(pk=row.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert services.recover() == 1
    assert run(row, attempt=1).result == {"sum": 3}


def test_who_may_see_and_stop_it(tenant: Tenant, kind: dict[str, Any]) -> None:
    row = started(tenant)
    stranger = TenantFactory.create(slug="elsewhere")
    expected = {(tenant, Role.OWNER): 200, (tenant, Role.VIEWER): 200, (tenant, Role.AGENT): 404, (stranger, Role.OWNER): 404, (None, ""): 401}
    for (whose, role), status in expected.items():
        answer = client_of(whose, role).get(f"/api/v1/operations/{row.pk}")
        assert answer.status_code == status, (whose, role)
    assert client_of(tenant, Role.VIEWER).post(f"/api/v1/operations/{row.pk}/cancel").json()["error_code"] == "PERMISSION_DENIED"
    listed = {role: client_of(tenant, role).get("/api/v1/operations?kind=tests.count").json()["count"] for role in (Role.VIEWER, Role.AGENT)}
    assert listed == {Role.VIEWER: 1, Role.AGENT: 0}
    assert client_of(stranger).get("/api/v1/operations").json()["count"] == 0
