"""Clients of a plant: one that repeats what was not answered, as the documentation tells clients to, and a register that counts."""

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from tests.faults.plant import PATIENCE

T = TypeVar("T")
Json = dict[str, Any]
LOST = 0  # no answer at all: refused, cut off, or too late


class Caller:
    """One client with one connection at a time. `addresses`: the next one is tried when one does not answer."""

    def __init__(self, addresses: Sequence[str], key: str, *, seconds: float = 20) -> None:
        self._addresses, self._key, self._seconds = list(addresses), key, seconds
        self._at = 0
        self._connection: http.client.HTTPConnection | None = None
        self.statuses: Counter[int] = Counter()
        self.unexplained: list[str] = []  # 503 without Retry-After, and every other 5xx

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def post(self, path: str, body: Json, *, wait: int = 10) -> tuple[int, Json]:
        """One try."""
        return self.send("POST", path, body, {"Prefer": f"wait={wait}"})

    def get(self, path: str) -> tuple[int, Json]:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Json | None = None, headers: dict[str, str] | None = None) -> tuple[int, Json]:
        try:
            status, found = self._exchange(method, path, body, headers or {})
        except (OSError, http.client.HTTPException):
            self.hang_up()
            self._at += 1
            status, found = LOST, {}
        self.statuses[status] += 1
        return status, found

    def _exchange(self, method: str, path: str, body: Json | None, headers: dict[str, str]) -> tuple[int, Json]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._addresses[self._at % len(self._addresses)], timeout=self._seconds)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **headers}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.getheader("Connection", "").lower() == "close":
            self.hang_up()
        if answer.status >= 500 and not (answer.status == 503 and answer.getheader("Retry-After")):
            self.unexplained.append(f"{answer.status} {text[:300]!r}")
        return answer.status, json.loads(text) if text else {}

    def until_answered(self, path: str, body: Json, *, seconds: float = 60) -> tuple[int, Json]:
        """The same message again, until it has an answer that is not "try again"."""
        end = time.monotonic() + seconds * PATIENCE
        while True:
            status, found = self.post(path, body)
            if status not in (LOST, 202, 429) and status < 500:
                return status, found
            assert time.monotonic() < end, f"no answer within {seconds * PATIENCE} s: {status} {found}"
            time.sleep(0.05 if status == LOST else 0.2)

    def start(self, flow_id: str, **more: Any) -> str:
        """The conversation's id."""
        status, found = self.until_answered("/api/v1/conversations", {"flow_id": flow_id, "client_message_id": uuid.uuid4().hex, **more})
        assert status == 201, (status, found)
        return str(found["conversation_id"])

    def say(self, conversation_id: str, text: str, message_id: str = "", *, seconds: float = 60) -> Json:
        body = {"content": text_content(text), "client_message_id": message_id or uuid.uuid4().hex}
        status, found = self.until_answered(f"/api/v1/conversations/{conversation_id}/messages", body, seconds=seconds)
        assert status == 200, (status, found)
        return found


def text_content(text: str) -> Json:
    return {"type": "text", "text": text}


def together(work: Sequence[Callable[[], T]]) -> list[T]:
    """All at once, each in a thread."""
    with ThreadPoolExecutor(len(work)) as pool:
        return [done.result() for done in [pool.submit(one) for one in work]]


@contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """`work` runs beside the block and is told when to stop; what it raises is raised."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work, stop)
        try:
            yield
        finally:
            stop.set()
        running.result(60 * PATIENCE)


class CountingRegister(ThreadingHTTPServer):
    """A land register that counts what it was asked, by idempotency key, and takes `seconds` for each answer."""

    daemon_threads = True

    def __init__(self, seconds: float = 0.02) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.seconds = seconds
        self.by_key: Counter[str] = Counter()
        self.by_word: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers are killed in the middle of a call."""


class _Desk(BaseHTTPRequestHandler):
    server: CountingRegister

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        with self.server.lock:
            self.server.by_key[self.headers["Idempotency-Key"] or ""] += 1
            self.server.by_word[str(body.get("word", self.path))] += 1
        time.sleep(self.server.seconds)
        answer = b'{"owner": "Ada"}'
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815  the name is the base class's

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def counting_register(seconds: float = 0.02) -> Iterator[CountingRegister]:
    server = CountingRegister(seconds)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
