"""The socket of a public chat page: `ws/v1/chat/{public_id}/`, subprotocol mcp-chat.v1 (docs/protocol/ws.md).

A visitor hears what is said in the one conversation of the ticket, and nothing of how the bot comes to it: no slots, no trace, no results.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from conversations import bodies, errors, queries, visitors
from conversations.consumers.conversation import Talk
from conversations.turn import Result
from mcp_platform import observability, pool, rest
from mcp_platform.sockets import Asgi, Frame
from mcp_platform.tenancy import throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.scope import Principal, platform_scope

LONGEST_TEXT = 4000
LONGEST_CONTENT = 8 * 1024  # characters of its JSON
COMMANDS = ("human", "restart", "stop", "help", "cancel", "repeat")  # what the page's buttons do, or a visitor may as well say in words
MESSAGE = {"content": bodies.MESSAGE["content"], "client_message_id": bodies.message_id}
CONTENT = {
    "type": bodies.one_of("text", "postback", "command"),
    "text": bodies.text(LONGEST_TEXT),
    "intent": bodies.text(63),
    "slots": bodies.mapping,
    "token": bodies.text(200),
}


class VisitorSocket(Talk):
    SUBPROTOCOL = "mcp-chat.v1"
    LONGEST_FRAME = 32 * 1024  # the longest text of any script fits, also with every character escaped

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self._public_id: str = asgi["url_route"]["kwargs"]["public_id"]
        self._visitor: visitors.Visitor
        self._seat = ExitStack()

    async def serve(self) -> None:
        with self._seat:
            await super().serve()

    def facts(self) -> dict[str, Any]:
        return {"chat": self._public_id}

    async def authenticate(self) -> Principal:
        ticket = self.ticket()
        if not ticket:
            raise Unauthenticated("The address carries no ticket.")
        with platform_scope():  # which tenant it is, is what we are finding out
            self._visitor = await pool.run(visitors.redeem_ticket, self._public_id, ticket)
        self._seat.enter_context(visitors.seat(self._visitor.address))
        self.conversation_id = self._visitor.conversation_id
        observability.bind(conversation_id=self.conversation_id)
        return self._visitor.principal

    async def recheck(self) -> Principal:
        await pool.run(visitors.channel, self._public_id)
        return self.principal

    async def enter(self) -> None:
        last_seq = await self.last_seq()
        await self.send(type="hello", protocol=self.SUBPROTOCOL, last_seq=last_seq)

    def body_of(self, given: Frame) -> dict[str, Any]:
        bodies.checked(given, MESSAGE, ("content", "client_message_id"))
        body = bodies.message(given)
        content = bodies.checked(body["content"], CONTENT)
        if content.get("type") == "command":
            bodies.checked({"text": content.get("text")}, {"text": bodies.one_of(*COMMANDS)})
        if len(json.dumps(content, ensure_ascii=False)) > LONGEST_CONTENT:
            expected = f"at most {LONGEST_CONTENT} characters of JSON"
            raise rest.SchemaError(errors=[{"path": "$.content", "code": "too_long", "message": "is too large", "expected": expected}])
        return body

    def process(self, body: Frame) -> Result:
        """A token is no secret of the bot's: a visitor presses buttons that are there, and no others."""
        content = body["content"]
        if content.get("type") == "postback" and not queries.was_offered(self.principal.tenant, self.conversation_id, content):
            raise errors.NotOffered(path="$.content", expected="intent, slots and token of a button that was shown")
        return super().process(body)

    def spend(self) -> None:
        throttling.spend_visitor("chat", self._visitor.address)
        throttling.spend(self.principal)

    async def _reply(self, message_id: str | None, result: Result) -> None:
        """What the bot says comes as lines."""

    def typist(self) -> tuple[str, str]:
        return "user", ""

    async def rows_after(self, seq: int, limit: int) -> list[Frame]:
        return await pool.run(queries.heard_after, self.principal.tenant, self.conversation_id, seq, limit)
