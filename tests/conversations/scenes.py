"""Flows and small outsides that the tests of turns, doors and timers share."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from django.db import connection

from conversations import queries, sealed
from conversations.core import codec
from conversations.core.fold import fold
from conversations.core.types import Event
from conversations.models import Conversation, ConversationEvent, Turn
from flows.models import Integration
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from tests.playbook import ending, flow, response, to

T = TypeVar("T")

# Answers every message and never ends.
ECHO = flow("echo", states={"listen": response("Say something.", to("listen"))})

# Two slots, then the end: the permit office in small.
PERMIT = flow(
    "permit",
    states={
        "ask": {
            "type": "slot_filling",
            "config": {
                "required_slots": ["storeys", "sprinklers"],
                "prompts": {"storeys": "How many storeys?", "sprinklers": "Are there sprinklers?"},
            },
            "transitions": [to("done", "slot_filled")],
        },
        "done": ending("{{ slots.storeys }} storeys, noted."),
    },
    slots={"storeys": {"type": "integer", "minimum": 1, "maximum": 200}, "sprinklers": {"type": "boolean"}},
)


def calling(method: str = "POST", flow_id: str = "register", **config: Any) -> Any:
    """Waits for a word, calls the land register with it, says what came back."""
    return flow(
        flow_id,
        states={
            "ask": response("Which parcel?", to("call")),
            "call": {
                "type": "integration",
                "config": {
                    "integration_id": "land",
                    "endpoint": "parcels",
                    "method": method,
                    "timeout_ms": 2000,
                    "request_mapping": {"word": "message.text"},
                    "response_mapping": {"owner": "response.owner"},
                    **config,
                },
                "transitions": [to("found", "integration_success"), to("lost", "integration_error")],
            },
            "found": response("It belongs to {{ variables.owner }}.", to("call")),
            "lost": response("The register says: {{ error.code }}.", to("call")),
        },
        variables={"owner": {"type": "string", "initial": ""}},
    )


# Waits a minute for an answer, then reminds.
REMINDER = flow(
    "reminder",
    states={
        "ask": {
            "type": "wait",
            "config": {"prompt": {"default": "Still there?"}, "timeout_ms": 60_000},
            "transitions": [to("late", "timeout"), to("thanks")],
        },
        "late": response("We will write to you.", to("thanks")),
        "thanks": ending("Thank you."),
    },
)


class LandRegister(ThreadingHTTPServer):
    """Counts calls, remembers their idempotency keys, waits while `open` is not set, and answers with `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.requests: list[dict[str, Any]] = []
        self.status = 200
        self.open = threading.Event()
        self.open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Desk(BaseHTTPRequestHandler):
    server: LandRegister

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append({"path": self.path, "key": self.headers["Idempotency-Key"], "body": json.loads(body or b"{}")})
        self.server.open.wait(10)
        answer = json.dumps({"owner": "Ada"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815  the name is the base class's

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def land_register(settings: Any) -> Iterator[LandRegister]:
    server = LandRegister()
    settings.OUTBOUND_ALLOWED_HOSTS = [server.host]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.open.set()
        server.shutdown()
        server.server_close()
        thread.join()


def register_of(tenant: Tenant, server: LandRegister) -> Integration:
    found: Integration = Integration.objects.create(tenant=tenant, integration_id="land", name="Land register", base_url=server.url)
    return found


def check_log(conversation_id: Any) -> list[Turn]:
    """Events and turns without gaps, and folding the events gives the snapshot. Returns the turns."""
    held = Conversation.objects.get(pk=conversation_id)
    rows = list(ConversationEvent.objects.filter(conversation_id=conversation_id).order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, held.last_seq + 1))
    folded = fold(Event(seq=row.seq, kind=row.kind, data=sealed.opened(row.data)) for row in rows)
    assert codec.snapshot_to_json(folded) == codec.snapshot_to_json(queries.snapshot_of(held))
    turns = list(Turn.objects.filter(conversation_id=conversation_id).order_by("number"))
    assert [turn.number for turn in turns] == list(range(1, held.next_turn))
    assert held.queued == sum(turn.status == Turn.Status.QUEUED for turn in turns)
    return turns


def said(conversation_id: Any) -> list[str]:
    """What the bot has said, in order."""
    rows = ConversationEvent.objects.filter(conversation_id=conversation_id, kind="replied").order_by("seq")
    return [message["text"] for row in rows for message in row.data.get("messages", ())]


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """`work(0)` … `work(count - 1)`, each in a thread of its own, begun together."""
    gate = threading.Barrier(count)

    def begin(number: int) -> T:
        try:
            with scope.platform_scope():
                gate.wait()
                return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))
