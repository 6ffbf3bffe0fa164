"""Plugins on one building over their sockets: `python -m benchmarks.plugins PORT KEY BUILDING PLUGINS EDITS PAUSE` prints one JSON object.

Each plugin edits doors of its own, one at a time, and waits after each edit until the diff that tells its findings has come. At the end every
plugin asks for a snapshot: what it has gathered from diffs must be exactly that, so nothing was lost on the way.
"""

import asyncio
import hashlib
import json
import random
import secrets
import statistics
import sys
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

SUBPROTOCOL = "mcp-validation.v1"
PATIENCE = 120.0


class Plugin:
    def __init__(self, socket: ClientConnection, number: int, run: str) -> None:
        # a client's name goes with its numbers: each run has names of its own
        self.socket, self.name, self.dice = socket, f"bench-{run}-{number}", random.Random(number)
        self.head = self.client_seq = self.at_seq = 0
        self.findings: dict[str, int] = {}  # fingerprint -> rev
        self.acked: dict[int, int] = {}
        self.snapshot_hash = ""
        self.settled = asyncio.Event()
        self.moved = asyncio.Condition()
        self.times: list[float] = []
        self.faults: list[str] = []

    async def begin(self, key: str, building: str) -> None:
        await self.say(type="authenticate", token=key)
        await self.say(type="hello", client="benchmark", version="1", client_id=self.name, capabilities=[], building_id=building)

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def listen(self) -> None:
        async for text in self.socket:
            await self.heard(json.loads(text))

    async def heard(self, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        if kind == "ping":
            await self.say(type="pong", id=frame.get("id"))
        elif kind == "error":
            self.faults.append(f"{frame.get('error_code')}: {frame.get('message')}")
        elif kind == "welcome":
            self.head = frame["head_seq"]
        elif kind == "snapshot_begin":
            self.findings.clear()
        elif kind in ("snapshot_part", "findings"):
            for one in [*frame.get("findings", ()), *frame.get("added", ()), *frame.get("updated", ())]:
                self.findings[one["fingerprint"]] = one["rev"]
            for mark in frame.get("resolved", ()):
                self.findings.pop(mark, None)
        elif kind == "ack":
            self.acked[frame["client_seq"]] = frame["seq"]
            self.head = max(self.head, frame["seq"])
        if kind == "snapshot_end":
            self.snapshot_hash = frame["hash"]
            self.settled.set()
        if "at_seq" in frame:
            self.at_seq = max(self.at_seq, frame["at_seq"])
        async with self.moved:
            self.moved.notify_all()

    async def edit(self, doors: list[str]) -> None:
        """Until the findings of this very change are here."""
        self.client_seq += 1
        mine = self.client_seq
        width = 0.55 + self.dice.random() / 5  # about the limits: some rules begin or cease to fail
        op = {"op": "upsert", "global_id": self.dice.choice(doors), "set": {"properties.Attributes.OverallWidth": width}}
        began = time.perf_counter()
        await self.say(type="changes", client_seq=mine, base_seq=self.head, ops=[op])
        async with asyncio.timeout(PATIENCE), self.moved:
            await self.moved.wait_for(lambda: (mine in self.acked and self.at_seq >= self.acked[mine]) or self.faults)
        self.times.append((time.perf_counter() - began) * 1000)

    async def compare(self) -> bool:
        """Whether what was gathered from diffs is what a snapshot holds."""
        self.settled.clear()
        gathered = digest(self.findings)
        await self.say(type="pull")
        async with asyncio.timeout(PATIENCE):
            await self.settled.wait()
        return gathered == self.snapshot_hash == digest(self.findings)


def digest(findings: dict[str, int]) -> str:
    return hashlib.sha256("\n".join(sorted(f"{mark} {rev}" for mark, rev in findings.items())).encode()).hexdigest()


async def run(port: int, key: str, building: str, plugins: int, edits: int, pause: float) -> dict[str, Any]:
    address = f"ws://127.0.0.1:{port}/ws/v1/buildings/{building}/validation/"
    sockets = [await connect(address, subprotocols=[SUBPROTOCOL], max_size=None, proxy=None) for _ in range(plugins)]  # type: ignore[list-item]
    name = secrets.token_hex(4)
    made = [Plugin(socket, number, name) for number, socket in enumerate(sockets)]
    ears = [asyncio.create_task(one.listen()) for one in made]
    for one in made:
        await one.begin(key, building)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(one.settled.wait() for one in made))  # the first snapshot
    began = time.perf_counter()
    await asyncio.gather(*(_work(one, plugins, number, edits, pause) for number, one in enumerate(made)))
    took = time.perf_counter() - began
    await _quiet(made)
    whole = await asyncio.gather(*(one.compare() for one in made))
    for ear, socket in zip(ears, sockets, strict=True):
        ear.cancel()
        await socket.close()
    times = [value for one in made for value in one.times[2 if plugins == 1 else 0 :]]
    cuts = statistics.quantiles(times, n=100)
    return {
        "plugins": plugins,
        "edits": len(times),
        "edits_per_s": round(len(times) / took, 1),
        "p50_ms": round(cuts[49], 1),
        "p95_ms": round(cuts[94], 1),
        "unacknowledged": sum(one.client_seq - len(one.acked) for one in made),
        "faults": sum(len(one.faults) for one in made),
        **({"first_fault": faults[0]} if (faults := [fault for one in made for fault in one.faults]) else {}),
        "lost": sum(not same for same in whole),
    }


async def _work(plugin: Plugin, plugins: int, number: int, edits: int, pause: float) -> None:
    doors = [f"d-{place}" for place in range(number, 200, plugins)] or ["d-0"]
    await asyncio.sleep(pause * plugin.dice.random())  # they have not begun at one stroke
    for _ in range(edits):
        await plugin.edit(doors)
        await asyncio.sleep(pause * (0.5 + plugin.dice.random()))


async def _quiet(plugins: list[Plugin]) -> None:
    """Until no diff has come for two seconds: storeys are checked again a moment after the last edit."""
    seen: list[int] = []
    while seen != (now := [len(one.findings) + one.at_seq * 1_000_000 for one in plugins]):
        seen = now
        await asyncio.sleep(2.0)


if __name__ == "__main__":
    port, key, building, plugins, edits, pause = sys.argv[1:]
    print(json.dumps(asyncio.run(run(int(port), key, building, int(plugins), int(edits), float(pause)))))
