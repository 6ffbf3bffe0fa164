"""Redis down: degraded, not wrong (promise 4). Stopped as in a crash, and hanging: it takes connections and says nothing."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.calls import Caller, Json, counting_register, meanwhile, together
from tests.faults.plant import Node, Plant, Redis, until
from tests.faults.sockets import Watcher

AWAY_SECONDS = 6
REREAD_SECONDS = 15  # conversations/consumers: a lost push costs so much at most


def stopped(redis: Redis) -> Callable[[], None]:
    redis.stop()
    return redis.start


def hanging(redis: Redis) -> Callable[[], None]:
    redis.hang()
    return redis.go_on


@pytest.fixture
def nodes(scaled: Plant) -> list[Node]:
    made = [scaled.web("web-1"), scaled.web("web-2"), scaled.worker(concurrency=2)]
    for node in made:
        node.wait_until_ready()
    return made


def last_seq(caller: Caller, conversation_id: str) -> int:
    status, found = caller.get(f"/api/v1/conversations/{conversation_id}")
    assert status == 200, found
    return int(found["last_seq"])


@pytest.mark.parametrize("fault", [stopped, hanging])
def test_turns_go_on_and_sockets_catch_up(scaled: Plant, nodes: list[Node], fault: Callable[[Redis], Callable[[], None]]) -> None:
    addresses = [node.address for node in nodes[:2]]
    office = scaled.ask("office")
    slowest: list[float] = []
    counts: list[int] = []

    def talk(stop: threading.Event, conversation: str, number: int) -> Caller:
        with Caller(addresses[number % 2 :] + addresses, office["key"]) as caller:
            said = 0
            while not stop.is_set():
                began = time.monotonic()
                caller.say(conversation, f"message {said}")
                slowest.append(time.monotonic() - began)
                said += 1
                time.sleep(0.02)
            counts.append(said)
            return caller

    with Caller(addresses, office["key"]) as caller:
        conversations = [caller.start("echo") for _ in range(4)]
        assert scaled.redis is not None
        with Watcher(addresses[:1], conversations[0], office["key"]) as near, Watcher(addresses[1:], conversations[0], office["key"]) as far:
            for watcher in (near, far):
                watcher.wait_for(1, 20)
            stop = threading.Event()

            def breakdown(_: threading.Event) -> None:
                time.sleep(1)
                repair = fault(scaled.redis)  # type: ignore[arg-type]
                time.sleep(AWAY_SECONDS)
                repair()
                time.sleep(1)
                stop.set()

            with meanwhile(breakdown):
                callers = together([lambda c=c, n=n: talk(stop, c, n) for n, c in enumerate(conversations)])  # type: ignore[misc]
            assert [caller.unexplained for caller in callers] == [[]] * 4
            assert {status for one in callers for status in one.statuses} == {200}
            seq = last_seq(caller, conversations[0])
            for watcher in (near, far):
                watcher.wait_for(seq, REREAD_SECONDS + 5)
            # Live pushes are back, on the sockets that were there all the time.
            until(lambda: pushed(caller, conversations[0], [near, far]), seconds=20, what="live pushes")
            for watcher in (near, far):
                assert watcher.received == list(range(1, len(watcher.received) + 1))
                assert watcher.connected == 1
    print(f"{sum(counts)} turns, the slowest {max(slowest):.2f} s")  # noqa: T201
    scaled.ask("turns", tenant=office["tenant"])  # checks the logs


def pushed(caller: Caller, conversation: str, watchers: list[Watcher]) -> bool:
    """Whether a turn is seen much sooner than by re-reading."""
    caller.say(conversation, "is anybody there?")
    seq, began = last_seq(caller, conversation), time.monotonic()
    try:
        for watcher in watchers:
            watcher.wait_for(seq, 1)
    except AssertionError:
        return False
    return time.monotonic() - began < 2


@pytest.mark.parametrize("fault", [stopped, hanging])
def test_a_call_waits_for_redis_and_no_longer(scaled: Plant, nodes: list[Node], fault: Callable[[Redis], Callable[[], None]]) -> None:
    """Its job is lost or late; its row is not."""
    with counting_register() as register:
        office = scaled.ask("office", register=register.url)
        with Caller([nodes[0].address], office["key"]) as caller:
            conversation, reminder = caller.start("register"), ""
            assert scaled.redis is not None
            repair = fault(scaled.redis)
            reminder = caller.start("reminder")  # due in a second and a half: fires late
            status, found = caller.post(f"/api/v1/conversations/{conversation}/messages", message("parcel 1", "m-1"), wait=1)
            assert (status, found["turn"]["status"]) == (202, "running")
            time.sleep(2)
            repair()
            told = caller.say(conversation, "parcel 1", "m-1")
            assert told["response"]["text"] == "It belongs to Ada."
            until(lambda: caller.get(f"/api/v1/conversations/{reminder}")[1]["current_state"] == "late", seconds=20, what="the reminder")
        assert max(register.by_word.values()) == 1


def message(text: str, message_id: str) -> Json:
    return {"content": {"type": "text", "text": text}, "client_message_id": message_id}


@pytest.mark.parametrize("fault", [stopped, hanging])
def test_limits_are_counted_by_each_process_and_health_tells(scaled: Plant, fault: Callable[[Redis], Callable[[], None]]) -> None:
    node = scaled.web(API_RATE_LIMIT="30/minute")
    node.wait_until_ready()
    office: Any = scaled.ask("office")
    assert scaled.redis is not None
    repair = fault(scaled.redis)
    try:
        with Caller([node.address], office["key"]) as caller:
            answers = [caller.get("/api/v1/flows")[0] for _ in range(40)]
        assert (answers.count(200), answers.count(429)) == (30, 10)
        assert node.probe("/readyz") == 200
        assert node.probe("/health/detailed") == 503
    finally:
        repair()
    until(lambda: "unhealthy" not in _cache(node), seconds=40, what="the cache to be well")


def _cache(node: Node) -> str:
    import json
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://{node.address}/health/detailed", timeout=15) as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as sick:
        body = json.load(sick)
    return str(body["components"]["cache"])
