"""The live view of a conversation: `ws/v1/conversations/{id}/`, subprotocol mcp-conversation.v1 (docs/protocol/ws.md)."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID, uuid4

from conversations import bodies, events, queries, services
from conversations.consumers.stream import BATCH, Stream
from conversations.turn import Result
from mcp_platform import errors, pool
from mcp_platform.errors import PlatformError
from mcp_platform.sockets import Asgi, BadFrame, Frame
from mcp_platform.tenancy import throttling

REPLY_SECONDS = 60.0
TYPING_SECONDS = 0.5  # of what one types no more often than this is passed on


class Talk(Stream):
    """One conversation: its rows, messages to it, and who is typing."""

    conversation_id: UUID

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self._me = uuid4().hex  # what this socket has typed is not told to itself
        self._typed_at = {True: 0.0, False: 0.0}  # each by itself, so that a stop right after a start is told

    def facts(self) -> dict[str, Any]:
        return {"conversation_id": self.conversation_id}

    def groups(self) -> tuple[str, ...]:
        return (events.conversation_group(self.conversation_id),)

    async def last_seq(self) -> int:
        return await pool.run(queries.last_seq, self.principal.tenant, self.conversation_id)

    def body_of(self, given: Frame) -> dict[str, Any]:
        """What may be said here. Raises SchemaError with every fault."""
        body = bodies.message(given)
        bodies.checked(given, bodies.MESSAGE, ("client_message_id",))
        return body

    def spend(self) -> None:
        """Raises Denied, TooMany."""
        self.principal.require("conversations:write")
        throttling.spend(self.principal)

    def process(self, body: Frame) -> Result:
        """Runs on a thread of the pool. Raises PlatformError."""
        return services.process_message(
            self.principal.tenant,
            conversation_id=self.conversation_id,
            content=body["content"],
            client_message_id=body["client_message_id"],
            user_id=body.get("user_id", ""),
            channel=body.get("channel", ""),
            metadata=body.get("metadata"),
            hints=body.get("hints"),
        )

    def result_of(self, result: Result) -> dict[str, Any]:
        return result.reply

    async def _message(self, frame: Frame) -> None:
        given = {name: value for name, value in frame.items() if name != "type"}
        message_id = given.get("client_message_id") if isinstance(given.get("client_message_id"), str) else None
        try:
            body = self.body_of(given)
            self.spend()
            result = await pool.run(self.process, body)
        except errors.Throttled:
            raise
        except PlatformError as error:  # of this message; the socket goes on
            await self.send_error(error, client_message_id=message_id)
            return
        turn = {"id": str(result.turn_id), "number": result.number, "status": result.status}
        await self.send(type="ack", client_message_id=message_id, turn=turn, replayed=result.replayed)
        if not result.pending:
            await self._reply(message_id, result)
        elif len(self.aside) < BATCH:  # the others are in the events too
            self.beside(self._reply_later(message_id, result))

    async def _reply_later(self, message_id: str | None, result: Result) -> None:
        ended = await services.ended(self.principal.tenant, result, REPLY_SECONDS)
        if not ended.pending:
            await self._reply(message_id, ended)

    async def _reply(self, message_id: str | None, result: Result) -> None:
        await self.send(type="reply", client_message_id=message_id, replayed=result.replayed, result=self.result_of(result))

    def typist(self) -> tuple[str, str]:
        """Who is typing here, as the others see it: agent or user, and a name."""
        user = self.principal.user
        return ("agent", user.get_full_name() or user.get_username()) if user is not None else ("user", "")

    async def _typing(self, frame: Frame) -> None:
        active = frame.get("active", True)
        if not isinstance(active, bool):
            raise BadFrame("active says whether somebody is typing.", path="$.active", expected="true or false")
        self.principal.require("conversations:write")
        now = time.monotonic()
        if now - self._typed_at[active] < TYPING_SECONDS:
            return
        self._typed_at[active] = now
        by, name = self.typist()
        await pool.run(events.publish_typing, self.conversation_id, by=by, name=name, active=active, source=self._me)

    async def told(self, message: Frame) -> None:
        typing = message.get("typing")
        if typing is None:
            self.wake.set()
        elif self.subscribed and typing["source"] != self._me:
            await self.send(type="typing", by=typing["by"], name=typing["name"], active=typing["active"])

    FRAMES: ClassVar = {**Stream.FRAMES, "message": _message, "typing": _typing}


class ConversationSocket(Talk):
    SUBPROTOCOL = "mcp-conversation.v1"
    PERMISSION = "conversations:read"

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self.conversation_id = asgi["url_route"]["kwargs"]["conversation_id"]

    async def enter(self) -> None:
        last_seq = await self.last_seq()
        await self.send(type="hello", protocol=self.SUBPROTOCOL, conversation_id=str(self.conversation_id), last_seq=last_seq)

    async def rows_after(self, seq: int, limit: int) -> list[Frame]:
        rows = await pool.run(queries.log_after, self.principal.tenant, self.conversation_id, seq, limit)
        return [{"type": "event", **row} for row in rows]
