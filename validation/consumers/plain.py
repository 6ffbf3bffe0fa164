"""The plain broadcast: the same address without a subprotocol. After authentication the client only listens.

`{"type": "validation_update", "building_id", "data", "timestamp"}`: first how the building stands, then every change of its findings.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from mcp_platform import pool, sockets
from mcp_platform.sockets import Asgi, Socket
from validation import events
from validation.core.merging import Diff
from validation.queries import live as reads

GATHER_SECONDS = 0.05  # diffs that come together are told together
MOST = 500  # findings in one message; of more only the numbers are told


class PlainSocket(Socket):
    SUBPROTOCOL = ""
    PERMISSION = "validation:read"
    LONGEST_FRAME = 16 * 1024

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self.building_id: UUID = asgi["url_route"]["kwargs"]["building_id"]
        self._sent = -1

    def facts(self) -> dict[str, Any]:
        return {"building_id": self.building_id}

    def groups(self) -> tuple[str, ...]:
        return (events.building_group(self.building_id),)

    async def enter(self) -> None:
        heads = await pool.run(reads.heads, self.principal.tenant, self.building_id)  # Raises BuildingNotFound
        last = await pool.run(reads.last_diff, self.principal.tenant, self.building_id)
        self._sent = heads.findings_seq
        await self._tell(_numbers(last) if last else {"seq": 0, "at_seq": 0, "counts": {}, "score": None, "coverage": None})

    async def flow(self) -> float:
        await asyncio.sleep(GATHER_SECONDS)
        tenant = self.principal.tenant
        waiting = await pool.run(reads.pending, tenant, self.building_id, self._sent, most=MOST)
        if waiting.last == self._sent:
            return sockets.REREAD_SECONDS
        if waiting.too_much:
            last = await pool.run(reads.last_diff, tenant, self.building_id)
            data = {**_numbers(last), "changed": waiting.size} if last else {}
        else:
            diff = await pool.run(reads.diff_after, tenant, self.building_id, self._sent, waiting.last)
            lists = {"added": list(diff.added), "updated": list(diff.updated), "resolved": list(diff.resolved)}
            data = {**_numbers(diff), **lists, "rechecking": list(diff.rechecking), "changed": diff.size}
        self._sent = waiting.last
        await self._tell(data)
        return sockets.REREAD_SECONDS

    async def _tell(self, data: Mapping[str, Any]) -> None:
        await self.send(type="validation_update", building_id=str(self.building_id), data=data, timestamp=timezone.now().isoformat())


def _numbers(diff: Diff) -> dict[str, Any]:
    return {"seq": diff.seq, "at_seq": diff.at_seq, "counts": diff.counts, "score": diff.score, "coverage": diff.coverage}
