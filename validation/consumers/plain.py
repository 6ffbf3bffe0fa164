"""The plain broadcast: the same address without a subprotocol. After authentication the client only listens.

`{"type": "validation_update", "building_id", "data", "timestamp"}`: first how the building stands, then every change of its findings.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone

from mcp_platform import pool, sockets
from mcp_platform.db.one_reading import read_once
from mcp_platform.sockets import Asgi, Socket
from mcp_platform.tenancy.models import Tenant
from validation import events
from validation.consumers import shared
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
        tenant = self.principal.tenant
        heads = await shared.heads(tenant, self.building_id)  # Raises BuildingNotFound
        _, last = await shared.standing(tenant, self.building_id)
        self._sent = heads.findings_seq
        await self._tell(_numbers(last) if last else {"seq": 0, "at_seq": 0, "counts": {}, "score": None, "coverage": None})

    async def flow(self) -> float:
        await asyncio.sleep(GATHER_SECONDS)
        tenant, since = self.principal.tenant, self._sent
        key = (tenant.pk, self.building_id, "plain", since)
        self._sent, data = await read_once(key, partial(pool.read, _after, tenant, self.building_id, since))
        if self._sent != since:
            await self._tell(data)
        return sockets.REREAD_SECONDS

    async def _tell(self, data: Mapping[str, Any]) -> None:
        await self.send(type="validation_update", building_id=str(self.building_id), data=data, timestamp=timezone.now().isoformat())


def _numbers(diff: Diff) -> dict[str, Any]:
    return {"seq": diff.seq, "at_seq": diff.at_seq, "counts": diff.counts, "score": diff.score, "coverage": diff.coverage}


def _after(tenant: Tenant, building_id: UUID, since: int) -> tuple[int, dict[str, Any]]:
    """The number of the last diff, and what there is to tell of all after `since`."""
    waiting = reads.pending(tenant, building_id, since, most=MOST)
    if waiting.last == since:
        return since, {}
    if waiting.too_much:
        last = reads.last_diff(tenant, building_id)
        return waiting.last, {**_numbers(last), "changed": waiting.size} if last else {}
    diff = reads.diff_after(tenant, building_id, since, waiting.last)
    lists = {"added": list(diff.added), "updated": list(diff.updated), "resolved": list(diff.resolved)}
    return waiting.last, {**_numbers(diff), **lists, "rechecking": list(diff.rechecking), "changed": diff.size}
