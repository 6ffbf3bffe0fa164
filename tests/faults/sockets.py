"""A watcher of one conversation over a real socket, as clients are told to write one: it connects again from the last number it has."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

SUBPROTOCOL = "mcp-conversation.v1"


@contextmanager
def enter(address: str, conversation_id: str, key: str, after: int = 0, **options: Any) -> Iterator[ClientConnection]:
    """Authenticated and subscribed."""
    url = f"ws://{address}/ws/v1/conversations/{conversation_id}/"
    options = {"subprotocols": [SUBPROTOCOL], "proxy": None, "open_timeout": 20, "close_timeout": 1, **options}
    with connect(url, **options) as socket:
        socket.send(json.dumps({"type": "authenticate", "token": key}))
        socket.send(json.dumps({"type": "subscribe", "after": after}))
        yield socket


class Watcher:
    """Collects the numbers of all events, with the time at which each came, until `stop`."""

    def __init__(self, addresses: list[str], conversation_id: str, key: str) -> None:
        self.received: list[int] = []
        self.at: dict[int, float] = {}
        self.codes: list[int | None] = []
        self.connected = 0
        self._addresses, self._conversation_id, self._key = addresses, conversation_id, key
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait_for(self, seq: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.received or self.received[-1] < seq:
            assert time.monotonic() < end, f"event {seq} did not come within {seconds} s; the last is {self.received[-1:]}; closed with {self.codes}"
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stop.is_set():
            address = self._addresses[self.connected % len(self._addresses)]
            self.connected += 1
            try:
                with enter(address, self._conversation_id, self._key, self.received[-1] if self.received else 0) as socket:
                    self._read(socket)
            except ConnectionClosed as closed:
                self.codes.append(closed.rcvd.code if closed.rcvd else None)
            except (OSError, InvalidHandshake, TimeoutError, EOFError):
                self.codes.append(None)
                time.sleep(0.1)

    def _read(self, socket: ClientConnection) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                frame = json.loads(socket.recv(timeout=0.2))
                if frame["type"] == "event":
                    self.received.append(frame["seq"])
                    self.at[frame["seq"]] = time.monotonic()
                if frame["type"] == "ping":
                    socket.send(json.dumps({"type": "pong", "seq": frame["seq"]}))
