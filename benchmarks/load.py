"""A small HTTP load generator: keep-alive connections, one scripted conversation after another on each, nothing but the standard library.

It shares the machine with what it measures, so it is made cheap: one thread, one selector, no parsing beyond the status, the length and the
conversation's id (measured: a fifth of what asyncio's streams cost a request).

Run as a process of its own: `python -m benchmarks.load PROTOCOL HOST PORT KEY FLOW CONCURRENCY SECONDS` prints one JSON object. PROTOCOL is ours
or a peer's (`PROTOCOLS`): the same conversation, said in its own words.
"""

import json
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

SCRIPT = ("2", "large", "yes")  # with the start, four turns that fill two slots


class Connection:
    """One keep-alive HTTP/1.1 connection with at most one request under way."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f" HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: ".encode()
        self._received = b""

    def post(self, path: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.socket.sendall(b"POST " + path.encode() + self._head + str(len(data)).encode() + b"\r\n\r\n" + data)

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body of what has come; None while it is not whole. Raises ConnectionError."""
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError("the server has closed the connection")
        self._received += got
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return None
        self._received = b""
        return int(head[9:12]), body


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


Conversing = Iterator[tuple[str, dict[str, Any]]]


class User:
    """Conversations one after another; every request is a turn and is counted."""

    def __init__(self, connection: Connection, protocol: str, flow: str, number: int) -> None:
        self.connection = connection
        self.flow, self.name = flow, f"u{number}"
        self.conversation = ""
        self.sent_at = 0.0
        self._script = PROTOCOLS[protocol](self)

    def ask(self) -> None:
        path, body = next(self._script)
        self.sent_at = time.perf_counter()
        self.connection.post(path, body)

    def hear(self, status: int, body: bytes) -> None:
        if status == 201:
            self.conversation = json.loads(body)["conversation_id"]


def ours(user: User) -> Conversing:
    """Every message with an id, so that a retry would be safe."""
    for round_ in count():
        user.conversation = ""
        yield "/api/v1/conversations", {"flow_id": user.flow, "user_id": user.name}
        for place, text in enumerate(SCRIPT if user.conversation else ()):
            body = {"content": {"type": "text", "text": text}, "client_message_id": f"{round_}-{place}"}
            yield f"/api/v1/conversations/{user.conversation}/messages", body


def rasa(user: User) -> Conversing:
    for round_ in count():
        for text in ("begin", *SCRIPT):
            yield "/webhooks/rest/webhook", {"sender": f"{user.name}-{round_}", "message": text}


def botbuilder(user: User) -> Conversing:
    """`expectReplies`: the answer comes in the response, where the default is a callback."""
    for round_ in count():
        for place, text in enumerate(("begin", *SCRIPT)):
            yield "/api/messages", {
                "type": "message", "id": f"{round_}-{place}", "text": text, "channelId": "test", "deliveryMode": "expectReplies",
                "serviceUrl": "http://localhost", "from": {"id": user.name}, "recipient": {"id": "bot"},
                "conversation": {"id": f"{user.name}-{round_}"},
            }  # fmt: skip


PROTOCOLS = {"ours": ours, "rasa": rasa, "botbuilder": botbuilder}


def load(protocol: str, host: str, port: int, key: str, flow: str, concurrency: int, seconds: float) -> dict[str, Any]:
    users = [User(Connection(host, port, key), protocol, flow, number) for number in range(concurrency)]
    times: list[float] = []
    errors: list[str] = []
    began = time.perf_counter()
    with selectors.DefaultSelector() as ready:
        for user in users:
            ready.register(user.connection.socket, selectors.EVENT_READ, user)
            user.ask()
        under_way = len(users)
        while under_way:
            for event, _ in ready.select(timeout=30) or _stalled(users):
                user = event.data
                found = user.connection.answer()
                if found is None:
                    continue
                now = time.perf_counter()
                times.append(now - user.sent_at)
                if found[0] >= 300:
                    errors.append(f"{found[0]} {found[1][:300].decode(errors='replace')}")
                user.hear(*found)
                if now - began < seconds:
                    user.ask()
                else:
                    under_way -= 1
    return _told(times, errors, time.perf_counter() - began)


def _stalled(users: list[User]) -> Any:
    raise TimeoutError(f"no answer to any of {len(users)} connections in 30 s")


def _told(times: list[float], errors: list[str], took: float) -> dict[str, Any]:
    cuts = statistics.quantiles(times, n=100)
    return {
        "turns_per_s": round(len(times) / took, 1),
        "p50_ms": round(cuts[49] * 1000, 2),
        "p95_ms": round(cuts[94] * 1000, 2),
        "turns": len(times),
        "errors": len(errors),
        **({"first_error": errors[0]} if errors else {}),
    }


if __name__ == "__main__":
    protocol, host, port, key, flow, concurrency, seconds = sys.argv[1:]
    print(json.dumps(load(protocol, host, int(port), key, flow, int(concurrency), float(seconds))))
