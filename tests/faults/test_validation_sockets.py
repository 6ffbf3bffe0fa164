"""Promises 8 and 9 on the live protocol of buildings: a plugin that is cut misses no finding; one that does not read costs bounded memory."""

import json
import random
import socket as plain
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from clients.cad_plugin.client import Plugin
from tests.faults.calls import meanwhile
from tests.faults.plant import Node, Plant, free_port
from tests.faults.test_sockets import MEBI, TOO_SLOW, deaf

SUBPROTOCOL = "mcp-validation.v1"
CUTS = 50
DEAF, BEHIND_SECONDS = 4, 5


class Follower:
    """What one client knows of a building's findings, over all its connections."""

    def __init__(self, building: str, key: str) -> None:
        self.building, self._key = building, key
        self.findings: dict[str, int] = {}  # fingerprint -> rev
        self.seq, self.stream_id = -1, ""  # of the last diff that it has whole
        self.welcomes: list[str] = []
        self.gaps: list[tuple[int, int]] = []
        self.snapshot_bytes = 0

    @contextmanager
    def enter(self, address: str, **options: Any) -> Iterator[ClientConnection]:
        url = f"ws://{address}/ws/v1/buildings/{self.building}/validation/"
        options = {"subprotocols": [SUBPROTOCOL], "proxy": None, "open_timeout": 20, "close_timeout": 1, "max_size": None, **options}
        resume = {"resume": {"stream_id": self.stream_id, "last_seq": self.seq}} if self.seq >= 0 else {}
        with connect(url, **options) as socket:
            socket.send(json.dumps({"type": "authenticate", "token": self._key}))
            socket.send(json.dumps({"type": "hello", "client": "test", "version": "1", "client_id": "follower", "capabilities": [], **resume}))
            yield socket

    def take(self, socket: ClientConnection, seconds: float, *, answer: bool = True) -> None:
        with suppress(TimeoutError):
            text = socket.recv(timeout=seconds)
            frame = json.loads(text)
            getattr(self, f"_{frame['type']}", lambda _: None)(frame)
            self.snapshot_bytes += len(text) if frame["type"] == "snapshot_part" else 0
            if frame["type"] == "ping" and answer:
                socket.send(json.dumps({"type": "pong", "id": frame["id"]}))

    def _welcome(self, frame: dict[str, Any]) -> None:
        self.stream_id = frame["stream_id"]
        self.welcomes.append(frame["resume"])

    def _snapshot_begin(self, frame: dict[str, Any]) -> None:
        self.findings, self.seq = {}, -1

    def _snapshot_part(self, frame: dict[str, Any]) -> None:
        self.findings |= {one["fingerprint"]: one["rev"] for one in frame["findings"]}

    def _snapshot_end(self, frame: dict[str, Any]) -> None:
        self.seq = frame["seq"]

    def _findings(self, frame: dict[str, Any]) -> None:
        if frame["since"] != self.seq:
            self.gaps.append((self.seq, frame["since"]))
        self.findings |= {one["fingerprint"]: one["rev"] for one in [*frame["added"], *frame["updated"]]}
        for mark in frame["resolved"]:
            self.findings.pop(mark, None)
        self.seq = frame["seq"]


@pytest.mark.parametrize("mode", ["scaled", "embedded"])
def test_a_plugin_that_is_cut_fifty_times_has_exactly_the_stored_findings(mode: str, request: pytest.FixtureRequest) -> None:
    """Cut without a word, in the middle of a frame or between two, while another plugin draws; on a site with two servers alternately."""
    plant: Plant = request.getfixturevalue(mode)
    nodes = [plant.web(f"web-{number}") for number in range(2 if mode == "scaled" else 1)]
    drawn = plant.ask("drawn")
    for node in nodes:
        node.wait_until_ready()
    follower, dice = Follower(drawn["building"], drawn["key"]), random.Random(8)

    def draw(stop: threading.Event) -> None:
        widths = random.Random(9)
        with Plugin(f"http://{nodes[0].address}", drawn["key"], drawn["building"]) as plugin:
            plugin.wait()
            while not stop.is_set():
                mark = widths.choice(drawn["doors"])
                plugin.send([{"op": "upsert", "global_id": mark, "set": {"properties.Attributes.OverallWidth": widths.uniform(0.6, 1.1)}}])

    with follower.enter(nodes[0].address) as socket:
        while follower.seq < 0:
            follower.take(socket, 10)
    with meanwhile(draw):
        for cut in range(CUTS):
            with suppress(ConnectionClosed), follower.enter(nodes[cut % len(nodes)].address) as socket:
                for _ in range(dice.randint(0, 8)):
                    follower.take(socket, 0.3)
                socket.socket.shutdown(plain.SHUT_RDWR)  # not even a close frame
    stored = plant.ask("stream", building=drawn["building"])
    with follower.enter(nodes[0].address) as socket:
        while follower.seq < stored["last"]:
            follower.take(socket, 10)
        stored = until_quiet(plant, follower, socket)
    assert follower.findings == stored["findings"] == stored["replayed"]
    assert follower.gaps == []
    assert set(follower.welcomes[1:]) == {"replayed"}
    assert stored["last"] > CUTS / 2


def until_quiet(plant: Plant, follower: Follower, socket: ClientConnection) -> dict[str, Any]:
    """Storeys are rechecked a moment after the last change; then nothing comes any more."""
    end = time.monotonic() + 20
    while True:
        follower.take(socket, 1)
        stored: dict[str, Any] = plant.ask("stream", building=follower.building)
        if (stored["last"] == follower.seq and not stored["dirty"]) or time.monotonic() > end:
            return stored


def test_plugins_that_do_not_read_cost_bounded_memory_and_may_resume(embedded: Plant) -> None:
    """Four ask for a snapshot of 10 MB each and read nothing; the kernel's buffers are small."""
    drawn = embedded.ask("drawn", findings=8_000, characters=1_000)
    node = hasty(embedded).wait_until_ready()
    follower = Follower(drawn["building"], drawn["key"])
    others = [Follower(drawn["building"], drawn["key"]) for _ in range(DEAF - 1)]
    first = Follower(drawn["building"], drawn["key"])
    with first.enter(node.address) as socket:  # what any first client costs, such as modules that are loaded late, is not counted
        while first.seq < 0:
            first.take(socket, 10)
    before, began = node.memory(), time.monotonic()
    with follower.enter(node.address, max_queue=1, sock=deaf(node.port)) as slow:
        with (
            others[0].enter(node.address, max_queue=1, sock=deaf(node.port)),
            others[1].enter(node.address, max_queue=1, sock=deaf(node.port)),
            others[2].enter(node.address, max_queue=1, sock=deaf(node.port)),
        ):
            time.sleep(3)
            grown = node.memory() - before
            time.sleep(max(0.0, BEHIND_SECONDS + 3 - (time.monotonic() - began)))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                follower.take(slow, 10, answer=False)
    print(f"{grown / MEBI:.1f} MiB for {DEAF} deaf sockets; {follower.snapshot_bytes / MEBI:.1f} MiB of the snapshot before the close")  # noqa: T201
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == TOO_SLOW
    assert grown < DEAF * 12 * MEBI
    assert follower.seq < 0  # the snapshot had not ended
    with follower.enter(node.address) as again:
        while follower.seq < 0:
            follower.take(again, 10)
    stored = embedded.ask("stream", building=drawn["building"])
    assert follower.findings == stored["findings"]
    assert len(follower.findings) >= 8_000


def hasty(plant: Plant) -> Node:
    port = free_port()
    command = [sys.executable, "-m", "tests.faults.hasty", str(BEHIND_SECONDS), "serve", "--host", "127.0.0.1", "--port", str(port), "--no-migrate"]
    return plant._node("web", command, port, True, {})
