"""A small client of the live validation protocol: copy it. Needs the `websockets` package.

with Plugin("http://127.0.0.1:8002", key, building_id) as plugin:
    ack = plugin.send([{"op": "upsert", "global_id": "2O2Fr…", "set": {"properties.Attributes.OverallWidth": 0.9}}])
    for news in plugin.news(quiet=5):
        print(news.added, news.resolved, news.score)

A thread holds the socket. When it is cut, the thread connects again, resumes from the last diff it has, and sends again whatever has no ack: the
server applies a batch once, however often it comes.
"""

import gzip
import json
import queue
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

Json = dict[str, Any]
SUBPROTOCOL = "mcp-validation.v1"
HOPELESS = (4400, 4401, 4403, 4404, 4406)  # closed for a reason that trying again does not change
TOO_BIG = 4413  # a frame was too long: trying that one again does not change it either
ROUND_A_BATCH = 512  # bytes of a frame beside its operations
MOST_FIELDS = 500  # of one operation
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0  # seconds between attempts
VERSION = "1.0"


class Refused(Exception):
    """The server refused a batch, or the socket for good; `problem` is its error frame."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = dict(problem)
        super().__init__(f"{problem.get('code')}: {problem.get('message')}")


@dataclass(frozen=True)
class Ack:
    client_seq: int
    seq: int
    conflicts: Sequence[Json]
    diverged: Sequence[str]


@dataclass(frozen=True)
class News:
    """What became known: findings that appeared, changed, vanished (whole, as they were), and how the building stands."""

    added: Sequence[Json] = ()
    updated: Sequence[Json] = ()
    resolved: Sequence[Json] = ()
    rechecking: Sequence[str] = ()
    at_seq: int = 0
    score: float | None = None
    coverage: float | None = None
    first: bool = False  # what was there already when the client came


@dataclass
class _Batch:
    frame: Json
    done: threading.Event = field(default_factory=threading.Event)
    ack: Ack | None = None
    problem: Json | None = None


class Plugin:
    """`client_id` names the installation; every Plugin adds a word of its own to it, because it counts its batches from 1.

    `findings` is what is there now, by fingerprint. `credits`, `max_ops` and `max_frame_bytes` are what the server has said.
    """

    def __init__(self, base_url: str, key: str, building_id: str, *, client: str = "cad_plugin", client_id: str = "") -> None:
        self.url = base_url.rstrip("/").replace("http", "ws", 1) + f"/ws/v1/buildings/{building_id}/validation/"
        self.client_id = f"{(client_id or client)[:50]}-{uuid.uuid4().hex[:12]}"
        self.findings: dict[str, Json] = {}
        self.users: list[Json] = []
        self.seq = 0  # of the model, as far as this client knows it
        self.connections = 0
        self.credits, self.max_ops, self.max_frame_bytes = 0, 0, 0  # until the first welcome nothing may be sent
        self._key, self._building_id, self._client = key, building_id, client
        self._batches: dict[int, _Batch] = {}  # without an ack
        self._client_seq = 0
        self._stream_id, self._last_seq = "", -1
        self._before: dict[str, Json] | None = None  # while a snapshot comes: what there was
        self._news: queue.Queue[News] = queue.Queue()
        self._socket: ClientConnection | None = None
        self._ready, self._stop = threading.Event(), threading.Event()
        self._room = threading.Condition()  # of the batches on their way
        self._fatal: Json = {}  # what the server has said last before it closed
        self.failure: Refused | None = None
        self._thread = threading.Thread(target=self._run, name="cad-plugin", daemon=True)

    def __enter__(self) -> "Plugin":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stop.set()
        if self._socket is not None:
            with suppress(Exception):  # it may be gone already
                self._socket.close()
        self._thread.join(5)

    def wait(self, seconds: float = 30) -> None:
        """Until the findings that are there have come. Raises Refused, TimeoutError."""
        if not self._ready.wait(seconds):
            raise self.failure or TimeoutError("the server did not answer")
        if self.failure is not None:
            raise self.failure

    def send(self, ops: Sequence[Json], seconds: float = 60) -> Ack:
        """One batch (see `batches`); comes back with its ack, over as many cuts as it takes. Raises Refused, TimeoutError."""
        with self._room:
            if not self._room.wait_for(lambda: self.failure is not None or len(self._batches) < self.credits, seconds):
                raise TimeoutError("the server gives no credit")
            if self.failure is not None:
                raise self.failure
            frame = {"type": "changes", "client_seq": self._client_seq + 1, "base_seq": self.seq, "ops": list(ops)}
            size = len(json.dumps(frame))
            if size > self.max_frame_bytes:
                raise Refused({"code": "PAYLOAD_TOO_LARGE", "message": f"a batch of {size:,} bytes; a frame has at most {self.max_frame_bytes:,}"})
            self._client_seq += 1
            batch = self._batches[self._client_seq] = _Batch(frame)
        self._say(frame)
        if not batch.done.wait(seconds):
            raise TimeoutError("no ack; the batch is sent again when the server is back")
        if batch.problem is not None:
            raise Refused(batch.problem)
        assert batch.ack is not None
        return batch.ack

    def batches(self, ops: Sequence[Json]) -> Iterator[list[Json]]:
        """The operations as batches that the server takes: it has said how many in one, and how long a frame may be. After `wait`."""
        return split(ops, most=self.max_ops, size=self.max_frame_bytes)

    def select(self, global_ids: Sequence[str]) -> None:
        """Tell the others what is selected here."""
        self._say({"type": "presence", "selection": list(global_ids)[:200]})

    def news(self, quiet: float | None = None) -> Iterator[News]:
        """What becomes known, as it does; ends after `quiet` seconds without any (never, when None)."""
        while not self._stop.is_set():
            try:
                yield self._news.get(timeout=quiet)
            except queue.Empty:
                return

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                self._connect()
            except ConnectionClosed as closed:
                if closed.rcvd is not None and self._is_over(closed.rcvd.code, closed.rcvd.reason):
                    return
            except (OSError, InvalidHandshake, EOFError):
                pass
            pause = FIRST_PAUSE if self._socket is not None else min(2 * pause, LONGEST_PAUSE)  # it had been welcomed
            self._socket = None
            self._stop.wait(pause * (0.5 + random.random()))  # noqa: S311  so that not all come back at once

    def _is_over(self, code: int, reason: str) -> bool:
        """Whether trying again is of no use. A batch that is too long is refused; the others go on."""
        problem = self._fatal or {"code": str(code), "message": reason}
        with self._room:
            longest = max(self._batches, key=lambda number: len(json.dumps(self._batches[number].frame)), default=None)
        if code == TOO_BIG and longest is not None:
            self._settle(longest, problem=problem)
            return False
        if code in (*HOPELESS, TOO_BIG):
            self._give_up(problem)
            return True
        return False

    def _connect(self) -> None:
        with connect(self.url, subprotocols=[SUBPROTOCOL], proxy=None, max_size=None, open_timeout=10) as socket:  # type: ignore[list-item]  # a NewType of str
            self.connections += 1
            self._fatal = {}
            socket.send(json.dumps({"type": "authenticate", "token": self._key}))
            hello: Json = {"type": "hello", "client": self._client, "version": VERSION, "client_id": self.client_id}
            hello |= {"building_id": self._building_id, "capabilities": ["gzip", "partial"]}
            if self._stream_id and self._last_seq >= 0:
                hello["resume"] = {"stream_id": self._stream_id, "last_seq": self._last_seq}
            socket.send(json.dumps(hello))
            while not self._stop.is_set():
                raw = socket.recv(timeout=90)
                frame = json.loads(gzip.decompress(raw) if isinstance(raw, bytes) else raw)
                self._FRAMES.get(frame["type"], Plugin._ignored)(self, socket, frame)

    def _say(self, frame: Json) -> None:
        """Now when there is a socket; what matters is sent again after the next welcome."""
        socket = self._socket
        if socket is not None:
            with suppress(ConnectionClosed, OSError):
                socket.send(json.dumps(frame))

    def _give_up(self, problem: Json) -> None:
        self.failure = self.failure or Refused(problem)
        for number in list(self._batches):
            self._settle(number, problem=problem)
        self._ready.set()

    def _settle(self, number: int, *, ack: Ack | None = None, problem: Json | None = None) -> None:
        """The batch is done with, and there is room for another."""
        with self._room:
            batch = self._batches.pop(number, None)
            self._room.notify_all()
        if batch is not None:
            batch.ack, batch.problem = ack, problem
            batch.done.set()

    def _welcome(self, socket: ClientConnection, frame: Json) -> None:
        self._stream_id = frame["stream_id"]
        if not self.seq:
            self.seq = frame["head_seq"]
        with self._room:
            self.credits, self.max_ops, self.max_frame_bytes = frame["credits"], frame["max_ops"], frame["max_frame_bytes"]
            waiting = [self._batches[number].frame for number in sorted(self._batches)]
            self._socket = socket  # whoever comes after this says it here; twice does no harm, never would
            self._room.notify_all()
        for again in waiting:
            socket.send(json.dumps(again))
        if frame["resume"] == "replayed":
            self._ready.set()

    def _ack(self, socket: ClientConnection, frame: Json) -> None:
        self.seq = max(self.seq, frame["seq"])
        self._settle(frame["client_seq"], ack=Ack(frame["client_seq"], frame["seq"], frame["conflicts"], frame["diverged"]))

    def _error(self, socket: ClientConnection, frame: Json) -> None:
        batch = self._batches.get(frame.get("client_seq", 0))
        if batch is not None and frame.get("retry_after"):
            threading.Timer(frame["retry_after"], self._say, (batch.frame,)).start()
        elif batch is not None:
            self._settle(frame["client_seq"], problem=frame)
        elif frame.get("fatal"):
            self._fatal = frame

    def _findings(self, socket: ClientConnection, frame: Json) -> None:
        gone = [self.findings.pop(mark) for mark in frame["resolved"] if mark in self.findings]
        new = [one for one in frame["added"] if one["fingerprint"] not in self.findings]
        known = [one for one in (*frame["added"], *frame["updated"]) if one["fingerprint"] in self.findings or one in frame["updated"]]
        self.findings |= {one["fingerprint"]: one for one in (*frame["added"], *frame["updated"])}
        if not frame["more"]:
            self._have(socket, frame["seq"])
        self._tell(frame, added=new, updated=known, resolved=gone)

    def _begin(self, socket: ClientConnection, frame: Json) -> None:
        self._before, self.findings = self.findings, {}

    def _part(self, socket: ClientConnection, frame: Json) -> None:
        self.findings |= {one["fingerprint"]: one for one in frame["findings"]}

    def _end(self, socket: ClientConnection, frame: Json) -> None:
        before, self._before = self._before or {}, None
        first = self._last_seq < 0
        self._have(socket, frame["seq"])
        added = [one for mark, one in self.findings.items() if mark not in before]
        updated = [one for mark, one in self.findings.items() if mark in before and before[mark] != one]
        self._tell(frame, added=added, updated=updated, resolved=[one for mark, one in before.items() if mark not in self.findings], first=first)
        self._ready.set()

    def _have(self, socket: ClientConnection, seq: int) -> None:
        self._last_seq = seq
        socket.send(json.dumps({"type": "ack_findings", "seq": seq}))

    def _tell(self, frame: Json, **lists: Any) -> None:
        rechecking = frame.get("rechecking", ())
        self._news.put(News(**lists, score=frame["score"], coverage=frame["coverage"], rechecking=rechecking, at_seq=frame["at_seq"]))

    def _ping(self, socket: ClientConnection, frame: Json) -> None:
        socket.send(json.dumps({"type": "pong", "id": frame["id"]}))

    def _presence(self, socket: ClientConnection, frame: Json) -> None:
        self.users = frame["users"]

    def _ignored(self, socket: ClientConnection, frame: Json) -> None:
        """A frame of a newer protocol."""

    _FRAMES: Mapping[str, Callable[["Plugin", ClientConnection, Json], None]] = {
        "welcome": _welcome,
        "ack": _ack,
        "error": _error,
        "findings": _findings,
        "snapshot_begin": _begin,
        "snapshot_part": _part,
        "snapshot_end": _end,
        "ping": _ping,
        "presence": _presence,
    }


def split(ops: Sequence[Json], *, most: int, size: int) -> Iterator[list[Json]]:
    """In order, at most `most` operations and `size` bytes of frame each."""
    batch: list[Json] = []
    held = ROUND_A_BATCH
    for op in ops:
        for piece in _pieces(op, size - ROUND_A_BATCH):
            long = len(json.dumps(piece)) + 2
            if batch and (len(batch) >= most or held + long > size):
                yield batch
                batch, held = [], ROUND_A_BATCH
            batch.append(piece)
            held += long
    if batch:
        yield batch


def _pieces(op: Json, size: int) -> Iterator[Json]:
    """An operation that is too long for one frame, or has too many fields, as several: fields are set one by one anyhow."""
    fields = [*(("set", name, value) for name, value in op.get("set", {}).items()), *(("unset", name, None) for name in op.get("unset", ()))]
    if len(json.dumps(op)) + 2 <= size and len(fields) <= MOST_FIELDS:
        yield op
        return
    bare = {name: value for name, value in op.items() if name not in ("set", "unset", "hash")}
    piece: Json = {**bare, "set": {}, "unset": []}
    held = room = len(json.dumps(piece)) + 2
    for kind, name, value in fields:
        long = len(json.dumps({name: value})) + 2
        if (piece["set"] or piece["unset"]) and (held + long > size or len(piece["set"]) + len(piece["unset"]) >= MOST_FIELDS):
            yield piece
            piece, held = {**bare, "set": {}, "unset": []}, room
        if kind == "set":
            piece["set"][name] = value
        else:
            piece["unset"].append(name)
        held += long
    yield piece
