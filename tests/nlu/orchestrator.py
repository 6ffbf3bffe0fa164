"""An example of the model service that MODEL_ORCHESTRATOR_URL may name: a real HTTP server that knows a few words and writes simple texts.

It shows the contract of docs/protocol/model_orchestrator.md. Run it by hand: `python -m tests.nlu.orchestrator 8090`.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = {"refund": ("money", "refund", "reimburse"), "track": ("parcel", "delivery", "track"), "account": ("account", "register", "sign")}


@dataclass
class Service:
    """What came in, and what to answer instead of the truth: a status, a body, or nothing for some seconds."""

    url: str = ""
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    status: int = 200
    body: Any = None
    slow: threading.Event | None = None


def detect(asked: dict[str, Any]) -> dict[str, Any]:
    known = [intent["name"] for intent in asked["intents"]]
    said = asked["text"].lower()
    found = [{"name": name, "confidence": 0.93} for name, words in WORDS.items() if name in known and any(word in said for word in words)]
    return {"intents": found, "entities": {slot["name"]: "blue" for slot in asked["slots"] if slot["name"] == "colour" and "blue" in said}}


def generate(asked: dict[str, Any]) -> dict[str, Any]:
    return {"text": f"[{asked['locale']}] {asked['prompt'][:60]}", "model": "example-1"}


ANSWERS = {"/v1/detect": detect, "/v1/generate": generate}


@contextmanager
def serving(port: int = 0) -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.asked.append((self.path, asked, dict(self.headers)))
            if service.slow is not None:
                service.slow.wait(5)
            answer = service.body if service.body is not None else ANSWERS[self.path](asked)
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            try:
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # whoever asked has gone

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with serving(int(sys.argv[1]) if len(sys.argv) > 1 else 8090) as running:
        sys.stdout.write(f"{running.url}\n")
        threading.Event().wait()
