"""Background work on the embedded worker: after commit, with retries at their time, with the tenant, past a task that fails."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.db import connection, transaction

from mcp_platform import celery, jobs, observability
from mcp_platform.tenancy import scope

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not settings.EMBEDDED, reason="the embedded worker exists only without REDIS_URL"),
]
seen: list[Any] = []


@jobs.task("tests.note")
def note(text: str, tenant_id: str = "") -> None:
    seen.append((text, scope.current(), observability.correlation_id(), connection.in_atomic_block))


@jobs.task("tests.stubborn", bind=True, max_retries=3)
def stubborn(self: Any) -> None:
    seen.append((self.request.retries, time.monotonic()))
    if self.request.retries < 1:
        raise self.retry(countdown=0.4)


@jobs.task("tests.broken")
def broken() -> None:
    raise ZeroDivisionError


@jobs.task("tests.slow")
def slow() -> None:
    time.sleep(0.5)
    seen.append("slow")


@pytest.fixture(autouse=True)
def _worker() -> Iterator[None]:
    seen.clear()
    worker = celery.EmbeddedWorker(concurrency=2)
    worker.start()
    yield
    worker.stop()


def eventually(count: int) -> list[Any]:
    until = time.monotonic() + 10
    while len(seen) < count and time.monotonic() < until:
        time.sleep(0.01)
    return list(seen)


def test_a_job_runs_after_the_commit_and_not_before() -> None:
    with transaction.atomic():
        jobs.enqueue("tests.note", text="committed")
        time.sleep(0.3)
        assert seen == []
    assert [text for text, *_ in eventually(1)] == ["committed"]


def test_a_job_of_a_rolled_back_transaction_never_runs() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue("tests.note", text="rolled back")
        raise ZeroDivisionError
    jobs.enqueue("tests.note", text="later")
    assert [text for text, *_ in eventually(1)] == ["later"]


def test_of_many_that_ask_before_it_begins_one_job_runs_and_the_next_gets_its_own() -> None:
    for _ in range(20):
        jobs.enqueue_once("tests.note", within=0.5, text="gathered")
    jobs.enqueue_once("tests.note", within=0.5, text="another")
    assert sorted(text for text, *_ in eventually(2)) == ["another", "gathered"]
    time.sleep(0.5)
    jobs.enqueue_once("tests.note", within=0, text="gathered")
    assert [text for text, *_ in eventually(3)][2:] == ["gathered"]
    time.sleep(0.3)
    assert len(seen) == 3


def test_a_job_that_could_not_be_sent_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(celery.app.tasks["tests.note"], "apply_async", Mock(side_effect=OSError("away")))
        jobs.enqueue_once("tests.note", within=0, text="first")
    jobs.enqueue_once("tests.note", within=0, text="first")
    assert [text for text, *_ in eventually(1)] == ["first"]


def test_a_change_that_is_committed_while_the_job_runs_gets_a_job_of_its_own() -> None:
    jobs.enqueue_once("tests.slow", within=0)
    time.sleep(0.25)  # it has begun
    jobs.enqueue_once("tests.slow", within=0)
    assert eventually(2) == ["slow", "slow"]


def test_a_job_carries_its_tenant_and_the_correlation_id_of_its_request() -> None:
    tenant = str(uuid.uuid4())
    with observability.correlated("request-7"):
        jobs.enqueue("tests.note", text="mine", tenant_id=tenant)
    ((_, inside, correlation, _),) = eventually(1)
    assert inside == tenant
    assert correlation == "request-7"


def test_a_retry_waits_for_its_countdown() -> None:
    jobs.enqueue("tests.stubborn")
    (first, began), (second, again) = eventually(2)
    assert (first, second) == (0, 1)
    assert again - began >= 0.4


def test_a_task_that_fails_does_not_stop_the_next() -> None:
    jobs.enqueue("tests.broken")
    jobs.enqueue("tests.note", text="still here")
    assert len(eventually(1)) == 1


def test_a_slow_task_does_not_hold_up_the_others() -> None:
    jobs.enqueue("tests.slow")
    jobs.enqueue("tests.note", text="quick")
    assert [one if one == "slow" else one[0] for one in eventually(2)] == ["quick", "slow"]


def test_a_sweep_that_fails_is_tried_again_at_its_next_time() -> None:
    called = threading.Event()
    calls: list[int] = []

    def work() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        called.set()
        return 0

    dispatcher = jobs.Dispatcher({"tests": jobs.Sweep(name="tests", every_seconds=0.05, work=work)})
    dispatcher.start()
    assert called.wait(5)
    dispatcher.stop()
