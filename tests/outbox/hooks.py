"""A receiver of webhooks on this machine, and what the tests of the outbox share."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mcp_platform.outbox import relay, services
from mcp_platform.outbox.models import Delivery, Endpoint
from mcp_platform.tenancy.models import Tenant


class Receiver(ThreadingHTTPServer):
    """Keeps what it got. `answers` are given in turn, then `status`; `refuse` is a set of event types that always get a 500."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.answers: list[int] = []
        self.refuse: set[str] = set()
        self.headers: dict[str, str] = {}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hooks"

    def types(self) -> list[str]:
        return [one["event"]["type"] for one in self.got]


class _Door(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        event = json.loads(body)
        status = self.server.answers.pop(0) if self.server.answers else self.server.status
        if event["type"] in self.server.refuse:
            status = 500
        self.server.got.append({"event": event, "body": body, "headers": dict(self.headers), "status": status})
        answer = b"thank you"
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiver(settings: Any) -> Iterator[Receiver]:
    server = Receiver()
    settings.OUTBOUND_ALLOWED_HOSTS = [server.host]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def endpoint(tenant: Tenant, url: str, **fields: Any) -> tuple[Endpoint, str]:
    return services.create_endpoint(tenant, fields={"name": "CRM", "url": url, **fields}, by=None)


def tell(tenant: Tenant, number: int = 1, key: str = "flow:permit") -> None:
    """Something happens."""
    data = {"flow_id": "permit", "version": number, "previous_version": None, "environment": "production", "sha256": "0"}
    services.emit(tenant, type="flow.published", subject="flows/permit", data=data, key=key)


def at_once() -> int:
    """Everything that waits is due, and no endpoint rests."""
    from django.db.models.functions import Now

    Delivery.objects.filter(status__in=Delivery.OPEN).update(due_at=Now())
    Endpoint.objects.update(resume_at=None)
    return relay.run_once()
