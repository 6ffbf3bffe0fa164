"""Calls of the tool `echo` over keep-alive connections, one after another on each; prints one JSON object.

`python -m benchmarks.mcp_load PORT PATH KEY CONCURRENCY SECONDS modern|legacy`. One thread and one selector, so that it costs little beside what
it measures.
"""

import json
import selectors
import socket
import statistics
import sys
import time

MESSAGE = {"name": "echo", "arguments": {"message": "hello"}}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
FEWEST = 20  # answers, however long they take: the first ones load the server's libraries
MODERN = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n"


class Caller:
    """One connection with one call under way."""

    def __init__(self, port: int, path: str, key: str, *, legacy: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        common = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        )
        self._head = common + (f"Authorization: Bearer {key}\r\n" if key != "none" else "")
        self._received = b""
        self.sent_at = 0.0
        self.errors = 0
        params = MESSAGE if legacy else {**MESSAGE, "_meta": META}
        self._call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        self._extra = self._begun() if legacy else MODERN

    def _begun(self) -> str:
        """The headers of a session that has begun."""
        self._send(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE}).encode(), "")
        head, _ = self._whole()
        session = next((line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("mcp-session-id")), "")
        extra = f"MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n"
        self._send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}', extra)
        self._whole()
        return extra

    def _send(self, body: bytes, extra: str) -> None:
        self.socket.sendall(f"{self._head}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _whole(self) -> tuple[str, bytes]:
        while (answer := self.hear()) is None:
            pass
        return answer

    def ask(self) -> None:
        self.sent_at = time.perf_counter()
        self._send(self._call, self._extra)

    def hear(self) -> tuple[str, bytes] | None:
        """Head and body of what has come; None while it is not whole."""
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError("the server has closed the connection")
        self._received += got
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or not _is_whole(head.lower(), body):
            return None
        self._received = b""
        return head.decode("latin-1"), body


def _is_whole(head: bytes, body: bytes) -> bool:
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


def measure(callers: list[Caller], seconds: float) -> dict[str, float]:
    times: list[float] = []
    errors = 0
    with selectors.DefaultSelector() as ready:
        for caller in callers:
            ready.register(caller.socket, selectors.EVENT_READ, caller)
            caller.ask()
        began = time.perf_counter()
        while time.perf_counter() - began < seconds or len(times) < FEWEST:
            for key, _ in ready.select(1):
                caller = key.data
                answer = caller.hear()
                if answer is not None:
                    times.append(time.perf_counter() - caller.sent_at)
                    errors += b"hello" not in answer[1] or b'"isError":true' in answer[1]
                    caller.ask()
        took = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=20)
    return {"req_per_s": round(len(times) / took, 1), "p50_ms": round(cuts[9] * 1000, 2), "p95_ms": round(cuts[18] * 1000, 2), "errors": errors}


def main() -> None:
    port, path, key, concurrency, seconds, revision = sys.argv[1:]
    callers = [Caller(int(port), path, key, legacy=revision == "legacy") for _ in range(int(concurrency))]
    measure(callers, min(1.0, float(seconds) / 3))  # warm; a call that is under way then is heard in the next round
    callers = [Caller(int(port), path, key, legacy=revision == "legacy") for _ in range(int(concurrency))]
    print(json.dumps(measure(callers, float(seconds))))


if __name__ == "__main__":
    main()
