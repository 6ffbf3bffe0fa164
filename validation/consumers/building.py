"""The live protocol of a building: `ws/v1/buildings/{id}/validation/`, subprotocol mcp-validation.v1 (docs/protocol/validation_ws.md).

Rows are the truth: a change is committed with its findings before anybody hears of it, and every socket reads diffs by their number.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar, ParamSpec, TypeVar
from uuid import UUID

from django.db import DatabaseError, OperationalError

from mcp_platform import errors, observability, pool, sockets
from mcp_platform.db.busy import is_busy
from mcp_platform.errors import PlatformError
from mcp_platform.sockets import Asgi, Frame, OutOfOrder
from mcp_platform.tenancy import throttling
from validation import events
from validation.consumers import frames, gathering, shared
from validation.consumers.paced import HEARTBEAT_SECONDS, Paced
from validation.core.merging import digest
from validation.models import LiveSession
from validation.queries import live as reads
from validation.services import live, sessions

log = observability.logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 3  # each waits for the database's own lock timeout
CREDITS = 32  # batches on their way without an ack


class StreamReset(errors.Conflict):
    """The building's stream has begun anew; connect again without resuming."""

    code = "STREAM_RESET"


class BuildingSocket(Paced):
    SUBPROTOCOL = "mcp-validation.v1"
    PERMISSION = "validation:read"
    WAITING = CREDITS + 16
    WAITING_BYTES = 4 * 1024 * 1024

    def __init__(self, asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        super().__init__(asgi, receive, send)
        self.building_id: UUID = asgi["url_route"]["kwargs"]["building_id"]
        self._session: LiveSession | None = None
        self._stream_id: UUID
        self._changes_here: gathering.Changes
        self._sent: int | None = None  # number of the last diff that the client has; None: it needs a snapshot
        self._acked = 0
        self._capabilities: frozenset[str] = frozenset()
        self._present: list[dict[str, Any]] = []
        self._look_around = False

    def facts(self) -> dict[str, Any]:
        return {"building_id": self.building_id}

    def groups(self) -> tuple[str, ...]:
        return (events.building_group(self.building_id),)

    async def enter(self) -> None:
        self._stream_id = (await self._heads()).stream_id  # Raises BuildingNotFound
        self._changes_here = gathering.changes_of(self.principal.tenant, self.building_id)

    async def leave(self) -> None:
        """Who cannot be written off now counts as gone when nothing has been heard for a while (`sessions.close_silent`)."""
        if self._session is not None:
            try:
                await pool.run(sessions.end, self.principal.tenant, session=self._session, last_ack_seq=self._acked)
            except DatabaseError as fault:
                log.info("session_end_unwritten", fault=repr(fault))

    async def beat(self) -> None:
        if self._session is not None:
            try:
                await pool.run(sessions.beat, self.principal.tenant, session=self._session, last_ack_seq=self._acked)
            except DatabaseError as fault:  # busy or away; the next beat is soon
                log.info("session_beat_unwritten", fault=repr(fault))

    async def told(self, message: Frame) -> None:
        self._look_around = self._look_around or message.get("stream") == "presence"
        self.wake.set()

    async def _heads(self) -> reads.Heads:
        return await shared.heads(self.principal.tenant, self.building_id)

    async def _patiently(self, work: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Again while others write. Raises Unavailable when they do not come to an end."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await work(*args, **kwargs)
            except OperationalError as fault:
                if not is_busy(fault):
                    raise
                log.info("database_busy", attempt=attempt, work=getattr(work, "__name__", ""))
            await asyncio.sleep(0.1 * attempt)
        raise errors.Unavailable("Others write to the database; send it again.", retry_after=2)

    async def _hello(self, frame: Frame) -> None:
        if self._session is not None:
            raise OutOfOrder("The session has begun already.", path="$.type")
        given = frames.hello(frame, self.building_id)
        heads = await self._heads()
        begin = partial(
            sessions.begin,
            self.principal.tenant,
            building_id=self.building_id,
            client_id=given.client_id,
            client=given.client,
            version=given.version,
            protocol=self.SUBPROTOCOL,
            by=self.principal,
        )
        session = await self._patiently(pool.run, begin)
        resumed = _resumes(given.resume, heads)
        await self.send(
            type="welcome",
            session_id=str(session.pk),
            client_id=session.client_id,
            stream_id=str(heads.stream_id),
            head_seq=heads.head_seq,
            findings_seq=heads.findings_seq,
            ruleset_versions=await pool.run(reads.rule_set_versions, self.principal.tenant, self.building_id),
            units="m",
            heartbeat_s=int(HEARTBEAT_SECONDS),
            max_frame_bytes=self.LONGEST_FRAME,
            max_ops=live.MAX_OPS,
            credits=CREDITS,
            capabilities=sorted(given.capabilities),
            resume="replayed" if resumed else "snapshot_required",
        )
        self._capabilities, self.packs = given.capabilities, "gzip" in given.capabilities
        self._sent = given.resume.last_seq if given.resume and resumed else None
        self._session, self._look_around = session, True
        self.wake.set()

    def _welcomed(self) -> LiveSession:
        if self._session is None:
            raise OutOfOrder("Say hello first.", path="$.type", expected="hello")
        return self._session

    async def _changes(self, frame: Frame) -> None:
        session = self._welcomed()
        number = frame.get("client_seq")
        try:
            given = frames.changes(frame)
            self.principal.require("validation:write")
            throttling.spend(self.principal)
            batch = live.Batch(client_id=session.client_id, client_seq=given.client_seq, base_seq=given.base_seq, ops=given.ops, by=self.principal)
            applied = await self._patiently(self._changes_here.apply, batch)
        except PlatformError as error:  # of this batch; the socket goes on
            about: dict[str, Any] = {"client_seq": number} if isinstance(number, int) else {}
            await self.send_error(error, fatal=False, credits=1, **about)
            return
        await self.send(
            type="ack",
            client_seq=given.client_seq,
            seq=applied.seq,
            conflicts=list(applied.conflicts),
            diverged=list(applied.diverged),
            replayed=applied.replayed,
            credits=1,
        )
        self.wake.set()

    async def _ack_findings(self, frame: Frame) -> None:
        self._welcomed()
        self._acked = max(self._acked, frames.number(frame, "seq"))

    async def _presence(self, frame: Frame) -> None:
        session = self._welcomed()
        select = partial(sessions.select, self.principal.tenant, session=session, selection=frames.selection(frame))
        await self._patiently(pool.run, select)

    async def _pull(self, frame: Frame) -> None:
        self._welcomed()
        wanted = frames.result_id(frame)
        heads = await self._heads()
        now = shared.result_id(heads.stream_id, heads.findings_seq)
        if wanted == now:
            await self.send(type="unchanged", result_id=now, seq=heads.findings_seq)
        else:
            self._sent = None
            self.wake.set()

    FRAMES: ClassVar = {
        **Paced.FRAMES,
        "hello": _hello,
        "changes": _changes,
        "ack_findings": _ack_findings,
        "presence": _presence,
        "pull": _pull,
    }

    async def flow(self) -> float:
        if self._session is None:
            return sockets.REREAD_SECONDS
        if self._look_around:
            await self._tell_presence()
        heads = await self._heads()
        if heads.stream_id != self._stream_id:
            raise StreamReset(stream_id=str(heads.stream_id))
        await self.until_there_is_room()
        if self._sent is None:
            await self._snapshot(heads)
        elif heads.findings_seq > self._sent:
            await self._diffs(self._sent)
        return sockets.REREAD_SECONDS

    async def _tell_presence(self) -> None:
        self._look_around = False
        now = await shared.present(self.principal.tenant, self.building_id)
        if now != self._present:
            self._present = now
            await self.send(type="presence", users=now)

    async def _diffs(self, since: int) -> None:
        """Everything after `since` as one diff; the snapshot where that is more than anybody should replay."""
        news = await shared.news(self.principal.tenant, self.building_id, self._stream_id, since)
        if news.too_much or (len(news.frames) > 1 and "partial" not in self._capabilities):
            await self._too_far(since, news.size)
            return
        if not news.frames:
            return
        for text in news.frames:
            await self.send_paced_text(text)
        if self._sent == since:  # nobody has asked for a snapshot meanwhile
            self._sent = news.seq
        self.wake.set()

    async def _too_far(self, since: int, pending: int) -> None:
        await self.send(type="snapshot_required", since=since, pending=pending)
        self._sent = None
        self.wake.set()

    async def _snapshot(self, heads: reads.Heads) -> None:
        """All findings. They are read page by page while changes go on; the diffs after `seq` make good what came in between."""
        tenant = self.principal.tenant
        total, standing = await shared.standing(tenant, self.building_id)
        await self.send_paced(type="snapshot_begin", seq=heads.findings_seq, at_seq=heads.checked_seq, total=total)
        marks: list[tuple[str, int]] = []
        while (page := await shared.page(tenant, self.building_id, marks[-1][0] if marks else "")).marks:
            marks += page.marks
            for text in page.frames:
                await self.send_paced_text(text)
        self._sent = heads.findings_seq
        await self.send_paced(
            type="snapshot_end",
            seq=heads.findings_seq,
            at_seq=heads.checked_seq,
            total=len(marks),
            hash=digest(marks),
            counts=standing.counts if standing else {},
            score=standing.score if standing else None,
            coverage=standing.coverage if standing else None,
            result_id=shared.result_id(heads.stream_id, heads.findings_seq),
        )
        self.wake.set()


def _resumes(resume: frames.Resume | None, heads: reads.Heads) -> bool:
    """Whether every diff after the client's last one is still there."""
    return resume is not None and resume.stream_id == heads.stream_id and heads.oldest - 1 <= resume.last_seq <= heads.findings_seq
