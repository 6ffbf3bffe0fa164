"""Events out, whoever is killed: none is lost, and after deduplication by id each conversation's come in its order (promise 11)."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

from standardwebhooks import Webhook

from tests.faults.calls import Caller, meanwhile, together
from tests.faults.plant import Node, Plant, until
from tests.faults.test_killed import killer_of

CLIENTS, MESSAGES = 8, 15


class Receiver(ThreadingHTTPServer):
    """Writes down what comes, in its order, and refuses every tenth."""

    daemon_threads = True

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.dice = random.Random(seed)
        self.lock = threading.Lock()
        self.taken: list[dict[str, Any]] = []
        self.secret = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Senders are killed in the middle of a request."""


class _Door(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.secret:
            Webhook(self.server.secret).verify(body, dict(self.headers))
        with self.server.lock:
            refused = self.server.dice.random() < 0.1
            if not refused:
                self.server.taken.append(json.loads(body))
        time.sleep(0.05)  # long enough to be killed between the event and its answer
        with suppress(OSError):
            self.send_response(503 if refused else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiver(seed: int) -> Iterator[Receiver]:
    server = Receiver(seed)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def talk(addresses: list[str], key: str) -> None:
    with Caller(addresses, key, seconds=15) as caller:
        conversation = caller.start("echo")
        for turn in range(MESSAGES):
            caller.say(conversation, f"word {turn}", seconds=90)


def arrived(plant: Plant, tenant: str) -> bool:
    """Asked every second, because each question is a process. SQLite refuses a reader who comes while a killed writer's files are recovered."""
    time.sleep(1)
    try:
        return bool(plant.ask("told", tenant=tenant)["open"] == 0)
    except AssertionError as refused:
        if "unable to open database file" not in str(refused):
            raise
        return False


def judge(plant: Plant, tenant: str, hooks: Receiver) -> str:
    found = plant.ask("told", tenant=tenant)
    events = found["events"]
    finished = sum(one["type"] == "turn.finished" for one in events.values())
    assert finished == found["turns"] == CLIENTS * (MESSAGES + 1)  # written with the turns, each once
    first: dict[str, Any] = {}
    for event in hooks.taken:
        first.setdefault(event["id"], event)
    assert set(first) == set(events)  # 0 lost, none made up
    places: dict[str, list[int]] = {}
    for event in first.values():
        places.setdefault(event["partitionkey"], []).append(events[event["id"]]["place"])
    breaks = sum(later < earlier for line in places.values() for earlier, later in pairwise(line))
    assert breaks == 0
    return f"{len(events)} events, {len(hooks.taken)} arrivals, {len(places)} conversations, 0 lost, {breaks} order breaks"


def run(plant: Plant, addresses: list[str], nodes: list[Node], dice: random.Random, *, most: int) -> None:
    office = plant.ask("office")
    kills: list[str] = []
    with receiver(7) as hooks:
        hooks.secret = plant.ask("listening", tenant=office["tenant"], url=hooks.url)
        with meanwhile(killer_of(nodes, dice, kills, most=most, children=False)):
            together([lambda: talk(addresses, office["key"])] * CLIENTS)
            until(lambda: len(kills) >= most, seconds=90, what="kills")
        for node in nodes:
            if not node.running:
                node.start(wait=False)
        until(lambda: arrived(plant, office["tenant"]), seconds=90, what="every event to arrive")
        print(f"{len(kills)} kills {dict(Counter(kills))}: {judge(plant, office['tenant'], hooks)}")  # noqa: T201


def test_relays_of_a_scaled_site_are_killed(scaled: Plant) -> None:
    webs = [scaled.web("web")]
    workers = [scaled.worker(name, OUTBOX_GRACE_SECONDS="1") for name in ("worker-1", "worker-2")]
    for node in (*webs, *workers):
        node.wait_until_ready()
    run(scaled, [node.address for node in webs], workers, random.Random(11), most=6)


def test_the_relay_of_the_embedded_mode_is_killed(embedded: Plant) -> None:
    node = embedded.web(OUTBOX_GRACE_SECONDS="1")
    node.wait_until_ready()
    run(embedded, [node.address], [node], random.Random(12), most=3)
