"""A slow integration of one tenant does not slow another (promise 6)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.calls import Caller, counting_register
from tests.faults.plant import Plant, until

pytestmark = pytest.mark.quiet
SLOW_SECONDS = 10.0
CONVERSATIONS = 9  # of the slow tenant: more calls than one tenant has lanes, and than an embedded worker has threads
TURNS = 12
LANES = 8


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95) - 1]


def measured(caller: Caller, conversations: dict[str, str]) -> dict[str, list[float]]:
    """Seconds of every turn, by flow: `register` calls an integration that is quick, `echo` none."""
    found: dict[str, list[float]] = {flow: [] for flow in conversations}
    for number in range(TURNS):
        for flow, conversation in conversations.items():
            began = time.monotonic()
            caller.say(conversation, f"{flow}-{number}")
            found[flow].append(time.monotonic() - began)
    return found


@contextmanager
def crowd(address: str, key: str) -> Iterator[None]:
    """Many conversations that all wait for the slow integration; nobody waits for their answers."""
    with Caller([address], key) as caller:
        for number in range(CONVERSATIONS):
            conversation = caller.start("register")
            body = {"content": {"type": "text", "text": f"slow-{number}"}, "client_message_id": "m-1"}
            assert caller.post(f"/api/v1/conversations/{conversation}/messages", body, wait=0)[0] == 202
    yield


def beside_a_slow_one(plant: Plant, address: str, lanes: int) -> None:
    with counting_register() as quick, counting_register(seconds=SLOW_SECONDS) as slow:
        theirs, ours = plant.ask("office", register=slow.url, timeout_ms=30_000), plant.ask("office", register=quick.url, timeout_ms=5_000)
        with Caller([address], ours["key"]) as caller:
            conversations = {flow: caller.start(flow) for flow in ("register", "echo")}
            caller.say(conversations["register"], "warm")
            alone = measured(caller, conversations)
            with crowd(address, theirs["key"]):
                until(lambda: slow.by_word.total() >= 4, what="the slow calls to begin")
                beside = measured(caller, conversations)
                under_way = slow.by_word.total()
        told = {flow: (round(p95(alone[flow]) * 1000), round(p95(beside[flow]) * 1000)) for flow in alone}
        print(f"p95 in ms, alone and beside {CONVERSATIONS} calls of {SLOW_SECONDS} s: {told}; {under_way} of those were under way")  # noqa: T201
        assert 4 <= under_way <= lanes
        for flow in alone:  # 150 ms of slack: turns of ten milliseconds double by chance; who stood in line would wait for seconds
            assert p95(beside[flow]) <= 2 * p95(alone[flow]) + 0.15, told

        # What found no lane waits in its row, loses nothing, and is made once.
        until(lambda: plant.ask("open_work", tenant=theirs["tenant"]) == 0, seconds=90, what="every slow turn to end")
        assert set(slow.by_key.values()) == {1}
        assert slow.by_word.total() == CONVERSATIONS
        assert {turn["call"]["status"] for turn in plant.ask("turns", tenant=theirs["tenant"]) if turn["call"]} == {"succeeded"}


def test_in_one_embedded_process(embedded: Plant) -> None:
    web = embedded.web()
    web.wait_until_ready()
    beside_a_slow_one(embedded, web.address, LANES)


def test_with_workers_of_their_own(scaled: Plant) -> None:
    web, worker = scaled.web(), scaled.worker(concurrency=2)
    for node in (web, worker):
        node.wait_until_ready()
    beside_a_slow_one(scaled, web.address, 2 * LANES)  # in each of the pool's two processes
