"""The person behind a client, for servers of others that want to know something in the middle of a call.

A client with a session is asked by a request of ours, and the call waits. One of the newest revision is asked by the result of its call: where the
server asks in that way too, everything that is needed to go on is in the sealed state; else the call stays in this process, parked, until the
client comes back with the reply.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from mcp.shared.exceptions import MCPError

from mcp_platform import observability
from mcp_platform.mcp.calling import Done, Tell
from mcp_platform.mcp.server.asked import Context
from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.asking import Question, Reply

log = observability.logger(__name__)
WAITS_SECONDS: Final = 600.0  # how long a question waits for its answer
MOST_PARKED: Final = 500  # calls of this process
MOST_OF_TENANT: Final = 100
MOST_OF_ONE: Final = 20  # of one caller
Work: TypeAlias = Callable[["Parked"], Coroutine[Any, Any, Done]]


class Present:
    """A client that can be asked while its call goes on."""

    later = False

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def ask(self, question: Question) -> Reply:
        try:
            async with asyncio.timeout(WAITS_SECONDS):
                given = await self._ctx.session.elicit_form(question.message, dict(question.form), related_request_id=self._ctx.request_id)
        except (TimeoutError, MCPError) as fault:
            log.info("client_not_asked", fault=repr(fault))
            return asking.NOTHING
        return asking.reply(given.action, given.content)


class Parked:
    """A client that is asked by the results of its calls, and the call that meanwhile goes on. `tell` is told of its progress while it is here."""

    later = True

    def __init__(self, tenant: str, owner: str, work: Work) -> None:
        self.tenant, self.owner, self.key = tenant, owner, ""
        self.tell: Tell | None = None
        self.question: Question | None = None
        self._asked: asyncio.Queue[tuple[Question, asyncio.Future[Reply]]] = asyncio.Queue()
        self._waits: asyncio.Future[Reply] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(work(self))

    async def ask(self, question: Question) -> Reply:
        """By the server, on its way. Nothing is said where too many calls are parked."""
        if not self._has_room():
            return asking.NOTHING
        waits: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked.put_nowait((question, waits))
        return await waits

    def _has_room(self) -> bool:
        """One caller does not take the places of their tenant, nor one tenant those of the others."""
        others = list(_parked.values())
        ours = [one.owner for one in others if one.tenant == self.tenant]
        return len(others) < MOST_PARKED and len(ours) < MOST_OF_TENANT and ours.count(self.owner) < MOST_OF_ONE

    async def next(self) -> Done | Question:
        """How the call ends, or what is asked before that; who goes away before takes the call with them."""
        asked = asyncio.create_task(self._asked.get())
        try:
            await asyncio.wait({self._task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                return self._task.result()
            self.question, self._waits = asked.result()
            self.key = secrets.token_urlsafe(18)  # another one for each question: a reply to the one before is none to this
            self._park()
            return self.question
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            asked.cancel()
            self.tell = None

    def _park(self) -> None:
        _parked[self.key] = self
        self._end = asyncio.get_running_loop().call_later(WAITS_SECONDS, self._forsaken)

    def _forsaken(self) -> None:
        _parked.pop(self.key, None)
        self._task.cancel()

    def reply(self, given: Reply | None) -> bool:
        """Whether the call goes on: not without a reply. Then it waits as before."""
        if given is None:
            self._park()
            return False
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(given)
        return True

    def is_elsewhere(self) -> bool:
        return self._task.get_loop() is not asyncio.get_running_loop()

    def taken(self) -> "Parked":
        if self._end is not None:
            self._end.cancel()
        return self


_parked: dict[str, Parked] = {}


def take(key: str, owner: str) -> Parked | None:
    """The call that waits for this client, in this process; each reply takes it once."""
    found = _parked.get(key)
    if found is None or found.owner != owner or found.is_elsewhere():
        return None
    del _parked[key]
    return found.taken()
