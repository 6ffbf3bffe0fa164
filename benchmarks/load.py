"""A small HTTP load generator: keep-alive connections, one scripted conversation after another on each, nothing but the standard library.

Run as a process of its own, so that it does not share the interpreter with what it measures:
`python -m benchmarks.load HOST PORT KEY FLOW CONCURRENCY SECONDS` prints one JSON object.
"""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

SCRIPT = ("2", "large", "yes")  # with the start, four turns that fill two slots


class Connection:
    """One keep-alive HTTP/1.1 connection that posts JSON."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._address = (host, port)
        self._head = f"Host: {host}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._address)

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        data = json.dumps(body).encode()
        self._writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = int(head.split(" ", 2)[1])
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
        text = await self._reader.readexactly(length)
        answer: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {"detail": text[:200].decode()}
        return status, answer

    def close(self) -> None:
        self._writer.close()


class Run:
    def __init__(self, flow: str, until: float) -> None:
        self.flow, self.until = flow, until
        self.times: list[float] = []
        self.errors: list[str] = []

    async def user(self, connection: Connection, number: int) -> None:
        """Conversations one after another until the time is up; every request is a durable turn and is counted."""
        await connection.open()
        turn = 0
        while time.perf_counter() < self.until:
            answer = await self._timed(connection, "/api/v1/conversations", {"flow_id": self.flow, "user_id": f"u{number}"})
            for text in SCRIPT if "conversation_id" in answer else ():
                conversation = answer["conversation_id"]
                turn += 1
                body = {"content": {"type": "text", "text": text}, "client_message_id": f"{number}-{turn}"}
                await self._timed(connection, f"/api/v1/conversations/{conversation}/messages", body)
        connection.close()

    async def _timed(self, connection: Connection, path: str, body: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        status, answer = await connection.post(path, body)
        self.times.append(time.perf_counter() - began)
        if status >= 300:
            self.errors.append(f"{status} {answer.get('error_code')} {answer.get('detail')}")
        return answer


async def load(host: str, port: int, key: str, flow: str, concurrency: int, seconds: float) -> dict[str, Any]:
    began = time.perf_counter()
    run = Run(flow, began + seconds)
    await asyncio.gather(*(run.user(Connection(host, port, key), number) for number in range(concurrency)))
    took = time.perf_counter() - began
    cuts = statistics.quantiles(run.times, n=100)
    return {
        "turns_per_s": round(len(run.times) / took, 1),
        "p50_ms": round(cuts[49] * 1000, 2),
        "p95_ms": round(cuts[94] * 1000, 2),
        "turns": len(run.times),
        "errors": len(run.errors),
        **({"first_error": run.errors[0]} if run.errors else {}),
    }


if __name__ == "__main__":
    host, port, key, flow, concurrency, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(load(host, int(port), key, flow, int(concurrency), float(seconds)))))
