"""The live queue of the agents: `ws/v1/inbox/`, subprotocol mcp-inbox.v1 (docs/protocol/ws.md).

Rows are the truth and few: the socket knows which revision of which row it has sent, and after a push, a while or a cut it sends what is
different. So there is nothing to resume: whoever connects gets the queue as it is.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from conversations import desk, events, handoff
from conversations.models import AgentPresence
from mcp_platform import pool, sockets
from mcp_platform.sockets import Asgi, BadFrame, Frame, OutOfOrder, Socket

HEARTBEAT_SECONDS = 15.0
GATHER_SECONDS = 0.05  # pushes that come together are answered together


class InboxSocket(Socket):
    SUBPROTOCOL = "mcp-inbox.v1"
    PERMISSION = "inbox:work"

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self._subscribed = self._ready = False
        self._known: dict[UUID, int] = {}
        self._agents: list[dict[str, Any]] = []
        self._present_at = 0.0

    def groups(self) -> tuple[str, ...]:
        return (events.inbox_group(self.principal.tenant.pk),)

    async def enter(self) -> None:
        await self.send(type="hello", protocol=self.SUBPROTOCOL, agent=self.principal.actor, name=handoff.name_of(self.principal))

    async def leave(self) -> None:
        if self._subscribed:
            await pool.run(handoff.be_gone, self.principal.tenant, by=self.principal)

    async def _subscribe(self, frame: Frame) -> None:
        if self._subscribed:
            raise OutOfOrder("The socket is subscribed already.", path="$.type")
        _only(frame, "type", "status")
        await self._be(_status(frame) if "status" in frame else "")
        self._subscribed = True
        self.wake.set()

    async def _presence(self, frame: Frame) -> None:
        if not self._subscribed:
            raise OutOfOrder("Subscribe first.", path="$.type", expected="subscribe")
        _only(frame, "type", "status")
        await self._be(_status(frame))

    async def _be(self, status: str) -> None:
        self._present_at = time.monotonic()
        await pool.run(handoff.be_present, self.principal.tenant, by=self.principal, status=status)

    FRAMES: ClassVar = {"subscribe": _subscribe, "presence": _presence}

    async def flow(self) -> float:
        if not self._subscribed:
            return sockets.REREAD_SECONDS
        await asyncio.sleep(GATHER_SECONDS)
        self.wake.clear()
        if time.monotonic() - self._present_at > HEARTBEAT_SECONDS:
            await self._be("")
        await self._tell()
        return min(sockets.REREAD_SECONDS, HEARTBEAT_SECONDS)

    async def _tell(self) -> None:
        """What is different from what this client has."""
        tenant = self.principal.tenant
        now = await pool.run(desk.revisions, tenant)
        changed = [pk for pk, rev in now.items() if self._known.get(pk) != rev]
        gone = [pk for pk in self._known if pk not in now]
        for item in await pool.run(desk.items, tenant, [*changed, *gone]) if changed or gone else ():
            await self.send(type="closed" if item["status"] == "closed" else "item", item=item)
        self._known = now
        agents = await pool.run(desk.agents, tenant)
        if agents != self._agents:
            self._agents = agents
            await self.send(type="agents", agents=agents)
        if not self._ready:
            self._ready = True
            await self.send(type="ready", open=len(now))


def _only(frame: Frame, *names: str) -> None:
    unknown = [name for name in frame if name not in names]
    if unknown:
        raise BadFrame("This member is not known here.", path=f"$.{unknown[0]}", expected=", ".join(names))


def _status(frame: Frame) -> str:
    status = frame.get("status")
    if status not in AgentPresence.Status.values:
        raise BadFrame("status says whether the agent takes conversations.", path="$.status", expected=", ".join(AgentPresence.Status.values))
    return str(status)
