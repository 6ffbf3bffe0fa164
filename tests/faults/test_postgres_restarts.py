"""PostgreSQL restarts under load: 503 with Retry-After meanwhile, then recovery without a restart of ours (promise 5)."""

import threading
import time
from collections import Counter

from tests.faults.calls import Caller, counting_register, meanwhile, together
from tests.faults.plant import Node, Plant, until
from tests.faults.sockets import Watcher

LOAD_SECONDS = 30
DOWN_SECONDS = {"fast": 2, "immediate": 8}  # the first is over before a request has waited in vain for a connection


def talk(addresses: list[str], office: dict[str, str], number: int, stop: threading.Event) -> tuple[Counter[int], list[str], float]:
    """Says the same thing again until it is answered, until `stop`; and how long the longest answer took, good or bad."""
    slowest, turn = 0.0, 0
    with Caller(addresses[number % len(addresses) :] + addresses, office["key"], seconds=30) as caller:
        conversation = caller.start("register" if number % 4 == 0 else "echo")
        while not stop.is_set():
            body = {"content": {"type": "text", "text": f"{number}-{turn}"}, "client_message_id": f"m-{turn}"}
            began = time.monotonic()
            status, _ = caller.post(f"/api/v1/conversations/{conversation}/messages", body)
            slowest = max(slowest, time.monotonic() - began)
            if status == 200:
                turn += 1
                stop.wait(0.02)
            else:
                stop.wait(0.3)
        caller.say(conversation, f"{number}-{turn}", f"m-{turn}")  # what was refused last is answered in the end
        return caller.statuses, caller.unexplained, slowest


def test_postgres_restarts_twice_in_thirty_seconds(scaled: Plant) -> None:
    nodes: list[Node] = [scaled.web("web-1"), scaled.web("web-2"), scaled.worker()]
    for node in nodes:
        node.wait_until_ready()
    pids = [node.pid for node in nodes]
    addresses = [node.address for node in nodes[:2]]
    postgres = scaled.postgres
    assert postgres is not None
    unready: list[int] = []
    stop = threading.Event()

    def breakdowns(_: threading.Event) -> None:
        for mode, seconds in DOWN_SECONDS.items():
            time.sleep(LOAD_SECONDS / 5)
            postgres.stop(mode)
            time.sleep(seconds)
            unready.append(nodes[0].probe("/readyz"))
            postgres.start()
        time.sleep(LOAD_SECONDS / 5)
        stop.set()

    with counting_register() as register:
        office = scaled.ask("office", register=register.url)
        with Caller(addresses, office["key"]) as caller:
            watched = caller.start("echo")
            with Watcher(addresses[:1], watched, office["key"]) as watcher:
                with meanwhile(breakdowns):
                    told = together([lambda number=number: talk(addresses, office, number, stop) for number in range(8)])  # type: ignore[misc]
                for _ in range(3):
                    caller.say(watched, "still there?")
                seq = int(caller.get(f"/api/v1/conversations/{watched}")[1]["last_seq"])
                watcher.wait_for(seq, 20)
            assert watcher.received == list(range(1, seq + 1))
        until(lambda: scaled.ask("open_work", tenant=office["tenant"]) == 0, seconds=40, what="every turn to end")
        assert max(register.by_word.values()) == 1
    assert [unexplained for _, unexplained, _ in told] == [[]] * len(told)
    statuses = sum((statuses for statuses, _, _ in told), Counter[int]())
    print(f"{dict(statuses)}, the slowest answer {max(slowest for *_, slowest in told):.1f} s, sockets closed with {watcher.codes}")  # noqa: T201
    assert set(statuses) <= {200, 201, 202, 503}
    assert statuses[503]
    assert unready == [503, 503]
    assert [node.pid for node in nodes if node.running] == pids
    assert nodes[0].ready()
    scaled.ask("turns", tenant=office["tenant"])  # checks the logs
