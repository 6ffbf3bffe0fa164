"""Who is asked what a server wants to know in the middle of a call: whoever has made that call, among all that share its connection.

The SDK handles a request of the server in the context of the call on whose stream it came, so a context variable leads back to the caller. On
transports that have one stream for everything (stdio, SSE) it is known only while one call is under way.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from mcp_platform import observability
from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.asking import Person, Question

if TYPE_CHECKING:
    from mcp_types import ElicitRequestParams, ElicitResult

log = observability.logger(__name__)
MOST_AT_ONCE: Final = 16  # questions over one connection; each may hold a stream for minutes
current: ContextVar[Person | None] = ContextVar("mcp_upstream_person", default=None)


class People:
    """Those whose calls are under way over one connection, None for each that has nobody to ask."""

    def __init__(self, server: str, asker: str) -> None:
        self._server, self._asker = server, asker
        self._calls: list[Person | None] = []
        self._asked = 0

    def enter(self, person: Person | None) -> Any:
        self._calls.append(person)
        return current.set(person)

    def leave(self, person: Person | None, entered: Any) -> None:
        self._calls.remove(person)
        current.reset(entered)

    async def asked(self, context: Any, params: "ElicitRequestParams") -> "ElicitResult":
        """What the SDK calls. Who cannot be asked has said nothing; it is never a fault of the connection."""
        from mcp_types import ElicitResult

        question = asking.question(self._asker, params.model_dump(by_alias=True, mode="json", exclude_none=True))
        reply = asking.NOTHING if question is None else await self._reply(question)
        return ElicitResult(action=reply.action, content=dict(reply.content) if reply.content is not None else None)

    async def _reply(self, question: Question) -> asking.Reply:
        person = current.get() or self._only()
        if person is None or self._asked >= MOST_AT_ONCE:
            log.info("upstream_question_unasked", server=self._server)
            return asking.NOTHING
        self._asked += 1
        try:
            return await person.ask(question)
        finally:
            self._asked -= 1

    def _only(self) -> Person | None:
        return self._calls[0] if len(self._calls) == 1 else None
