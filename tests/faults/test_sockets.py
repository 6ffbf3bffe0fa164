"""A socket that is cut misses nothing (promise 8); one that does not read costs bounded memory and is told where to resume (promise 9)."""

import json
import random
import socket as plain
import threading
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.calls import Caller, meanwhile
from tests.faults.plant import Plant
from tests.faults.sockets import enter

CUTS = 50
TOO_SLOW = 4408
MEBI = 1024 * 1024


@pytest.mark.parametrize("mode", ["scaled", "embedded"])
def test_a_client_that_is_cut_fifty_times_misses_nothing(mode: str, request: pytest.FixtureRequest) -> None:
    """Cut without a word, in the middle of a frame or between two, while another client talks; on a site with two servers alternately."""
    plant: Plant = request.getfixturevalue(mode)
    nodes = [plant.web(f"web-{number}") for number in range(2 if mode == "scaled" else 1)]
    for node in nodes:
        node.wait_until_ready()
    office, dice = plant.ask("office"), random.Random(8)
    received: list[int] = []
    with Caller([node.address for node in nodes], office["key"]) as caller:
        conversation = caller.start("echo")

        def talk(stop: threading.Event) -> None:
            while not stop.is_set():
                caller.say(conversation, "hello")
                time.sleep(0.03)

        with meanwhile(talk):
            for cut in range(CUTS):
                address = nodes[cut % len(nodes)].address
                with suppress(ConnectionClosed), enter(address, conversation, office["key"], received[-1] if received else 0) as socket:
                    for _ in range(dice.randint(0, 8)):
                        take(socket, received, 1)
                    socket.socket.shutdown(plain.SHUT_RDWR)  # not even a close frame
        seq = int(caller.get(f"/api/v1/conversations/{conversation}")[1]["last_seq"])
        with enter(nodes[0].address, conversation, office["key"], received[-1]) as socket:
            while received[-1] < seq:
                take(socket, received, 10)
    assert received == list(range(1, seq + 1))
    assert seq > CUTS


def take(socket: object, received: list[int], seconds: float) -> None:
    with suppress(TimeoutError):
        frame = json.loads(socket.recv(timeout=seconds))  # type: ignore[attr-defined]
        if frame["type"] == "event":
            received.append(frame["seq"])
        if frame["type"] == "ping":
            socket.send(json.dumps({"type": "pong", "seq": frame["seq"]}))  # type: ignore[attr-defined]


def test_clients_that_do_not_read_cost_bounded_memory_and_may_resume(embedded: Plant) -> None:
    """Ten clients subscribe to 6 MiB of events each and read nothing; the kernel's buffers are small."""
    office = embedded.ask("office")
    conversation = embedded.ask("long_log", tenant=office["tenant"], events=600, characters=10_000)
    node = embedded.web().wait_until_ready()
    with Caller([node.address], office["key"]) as caller:
        seq = int(caller.get(f"/api/v1/conversations/{conversation}")[1]["last_seq"])
        before = node.memory()
        began = time.monotonic()
        with (
            enter(node.address, conversation, office["key"], max_queue=1, sock=deaf(node.port)) as slow,
            enter(node.address, conversation, office["key"], max_queue=1, sock=deaf(node.port)),
            enter(node.address, conversation, office["key"], max_queue=1, sock=deaf(node.port)),
            enter(node.address, conversation, office["key"], max_queue=1, sock=deaf(node.port)),
        ):
            time.sleep(5)
            grown = node.memory() - before
            caller.say(conversation, "others are served")
            time.sleep(max(0.0, 34 - (time.monotonic() - began)))  # conversations/consumers/stream.BEHIND_SECONDS, and a look
            received: list[int] = []
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    frame = json.loads(slow.recv(timeout=10))
                    received += [frame["seq"]] if frame["type"] == "event" else []
        print(f"{grown / MEBI:.1f} MiB for four deaf sockets; {len(received)} of {seq} events before the close")  # noqa: T201
        assert grown < 4 * 8 * MEBI
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == TOO_SLOW
        assert received == list(range(1, len(received) + 1))
        assert len(received) < seq
        with enter(node.address, conversation, office["key"], received[-1]) as again:
            while received[-1] < seq:
                take(again, received, 10)
        assert received == list(range(1, seq + 1))


def test_a_client_that_asks_on_and_does_not_read_is_cut_off(embedded: Plant) -> None:
    office = embedded.ask("office")
    node = embedded.web().wait_until_ready()
    with Caller([node.address], office["key"]) as caller:
        conversation = caller.start("echo")
    before, ping = node.memory(), json.dumps({"type": "ping", "id": "x" * 50_000})
    with enter(node.address, conversation, office["key"], max_queue=1, sock=deaf(node.port)) as socket, pytest.raises((ConnectionClosed, OSError)):
        for _ in range(2_000):  # 100 MB of pongs
            socket.send(ping)
    assert node.memory() - before < 60 * MEBI
    assert node.ready()


def deaf(port: int) -> plain.socket:
    """A connection whose kernel buffer takes little, so that what is not read stays with the server."""
    made = plain.socket()
    made.setsockopt(plain.SOL_SOCKET, plain.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    return made
