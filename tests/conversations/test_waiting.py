"""HTTP requests that wait for a turn: told by its end, not by asking again and again. Real daphne, real worker, real outside."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conversations import services
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, LandRegister, at_once, calling, check_log, land_register, register_of
from tests.conversations.server import address, worker
from tests.factories import TenantFactory, key, published

__all__ = ["address", "worker"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def land(settings: Any) -> Iterator[LandRegister]:
    with land_register(settings) as server:
        yield server


@pytest.fixture
def office(transactional_db: None, land: LandRegister) -> Tenant:
    tenant = TenantFactory.create()
    register_of(tenant, land)
    published(tenant, calling(timeout_ms=30_000))  # server, worker, outside and twenty clients share one interpreter
    published(tenant, ECHO)
    return tenant


@pytest.fixture
def web(address: str, office: Tenant) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key(office)}", "Prefer": "wait=40"}
    with httpx.Client(base_url=f"http://{address}", headers=headers, timeout=60) as client:
        yield client


def begin(web: httpx.Client) -> str:
    return str(web.post("/api/v1/conversations", json={"flow_id": "register"}).headers["Location"])


def test_a_request_waits_for_the_answer_of_the_outside(web: httpx.Client, worker: Any) -> None:
    here = begin(web)
    answer = web.post(f"{here}/messages", json={"content": "12/4", "client_message_id": "m-1"})
    assert (answer.status_code, answer.json()["response"]["text"]) == (200, "It belongs to Ada.")


def test_it_is_told_at_once(web: httpx.Client, worker: Any, land: LandRegister, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_AGAIN_SECONDS", 60.0)
    here = begin(web)
    began = time.monotonic()
    assert web.post(f"{here}/messages", json={"content": "12/4"}).status_code == 200
    assert time.monotonic() - began < 30


def test_patience_ends_with_202_and_the_turn_goes_on(web: httpx.Client, worker: Any, land: LandRegister) -> None:
    here = begin(web)
    land.open.clear()
    began = time.monotonic()
    accepted = web.post(f"{here}/messages", json={"content": "12/4", "client_message_id": "m-1"}, headers={"Prefer": "wait=1"})
    assert (accepted.status_code, accepted.headers["Location"]) == (202, f"{here}/turns/2")
    assert time.monotonic() - began > 0.9
    land.open.set()
    again = web.post(f"{here}/messages", json={"content": "12/4", "client_message_id": "m-1"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert web.get(accepted.headers["Location"]).json()["reply"] == again.json()
    assert len(land.requests) == 1


def test_an_asynchronous_message_is_run_by_a_worker(web: httpx.Client, worker: Any) -> None:
    here = begin(web)
    accepted = web.post(f"{here}/messages", json={"content": "12/4", "client_message_id": "m-1"}, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    assert web.post(f"{here}/messages", json={"content": "12/4", "client_message_id": "m-1"}).json()["response"]["text"] == "It belongs to Ada."


def test_twenty_retries_while_the_first_still_runs(web: httpx.Client, worker: Any, land: LandRegister, office: Tenant) -> None:
    here = begin(web)
    answers = at_once(20, lambda _: web.post(f"{here}/messages", json={"content": "12/4", "client_message_id": "m-1"}))
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len(land.requests) == 1
    check_log(here.rpartition("/")[2])


def test_thirty_two_requests_at_a_time(web: httpx.Client) -> None:
    here = str(web.post("/api/v1/conversations", json={"flow_id": "echo"}).headers["Location"])
    answers = at_once(32, lambda number: web.post(f"{here}/messages", json={"content": f"message {number}"}))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["turn"]["number"] for answer in answers) == list(range(2, 34))
    check_log(here.rpartition("/")[2])


def test_a_browser_s_request_takes_the_long_way_and_gets_the_same(web: httpx.Client) -> None:
    answer = web.post("/api/v1/conversations", json={"flow_id": "echo"}, headers={"Origin": "http://localhost:8002"})
    assert (answer.status_code, answer.json()["response"]["text"]) == (201, "Say something.")
