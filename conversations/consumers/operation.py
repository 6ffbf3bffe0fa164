"""The progress of long-running work: `ws/v1/operations/{id}/`, subprotocol mcp-operation.v1 (docs/protocol/ws.md).

A push wakes the socket, which reads the row and sends it when it is different from what was sent. There is nothing to subscribe to or to resume.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mcp_platform import pool, sockets
from mcp_platform.operations import events, queries, services
from mcp_platform.sockets import Asgi, Frame, Socket

REREAD_SECONDS = 5.0  # while it runs


class OperationSocket(Socket):
    SUBPROTOCOL = "mcp-operation.v1"
    PERMISSION = "tenants:read"

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self._operation_id: UUID = asgi["url_route"]["kwargs"]["operation_id"]
        self._sent: Frame = {}

    def groups(self) -> tuple[str, ...]:
        return (events.group(self._operation_id),)

    async def _row(self) -> Frame:
        kinds = services.readable(self.principal)
        return events.shown(await pool.run(queries.operation, self.principal.tenant, self._operation_id, kinds=kinds))

    async def enter(self) -> None:
        await self._row()  # Raises OperationNotFound
        await self.send(type="hello", protocol=self.SUBPROTOCOL, operation_id=str(self._operation_id))
        self.wake.set()

    async def flow(self) -> float:
        row = await self._row()
        if row != self._sent:
            self._sent = row
            await self.send(type="progress", **row)
        return REREAD_SECONDS if row["finished_at"] is None else sockets.REREAD_SECONDS
