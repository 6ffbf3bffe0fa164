"""A call of a tool: arguments checked, work done in a thread, errors in the words of the protocol, and its row in the ledger."""

import asyncio
import functools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from mcp_platform import observability, rest, toolkit
from mcp_platform.db.together import Together
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.mcp import threads
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.catalog import Entry
from mcp_platform.mcp.errors import ArgumentsRefused, CallTookTooLong, ToolFailed
from mcp_platform.mcp.ledger import ledger, write
from mcp_platform.mcp.models import Call
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.orchestrator.core.asking import Person, Resumed, Wanted
from mcp_platform.orchestrator.core.types import Asked as Sender

log = observability.logger(__name__)

MOST_REPORTS = 1000  # of progress, waiting to be sent
MOST_FAULTS = 20
MOST_AT_ONCE = 16 * 1024  # bytes of a request that are looked at on the event loop
TOLD_SECONDS = 5.0  # for a slow client to take the last reports of progress
OUTCOMES: Mapping[Kind, Call.Outcome] = {
    Kind.DENIED: Call.Outcome.DENIED,
    Kind.BROKEN: Call.Outcome.FAILED,
    Kind.UNAVAILABLE: Call.Outcome.FAILED,
}

Tell = Callable[[float, float | None, str], Awaitable[None]]


class Client(Protocol):
    """What is known of the program at the other end."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a call ended. `data` is None when it was refused or failed; then there is an `error`."""

    data: Any = None
    error: PlatformError | None = None

    @property
    def outcome(self) -> Call.Outcome:
        return Call.Outcome.OK if self.error is None else OUTCOMES.get(self.error.kind, Call.Outcome.REFUSED)


async def perform(
    asked: Asked,
    entry: Entry,
    arguments: Mapping[str, Any],
    tell: Tell | None = None,
    *,
    person: Person | None = None,
    resumed: Resumed | None = None,
) -> Done:
    """Run a function of the platform or an upstream tool. Never raises but CancelledError. `tell` is told of its progress; `person` is asked what
    an upstream tool wants to know, or has been (`resumed`)."""
    try:
        if entry.upstream is not None:
            return Done(data=await _sent_on(asked, entry, arguments, tell, person, resumed))
        return Done(data=await _work(asked, entry, arguments, tell))
    except Exception as fault:  # noqa: BLE001  a tool's own fault must not end the session
        return Done(error=as_error(fault, f"The tool {entry.name}", asked.correlation_id))


def as_error(fault: Exception, what: str, correlation_id: str) -> PlatformError:
    """Ours as they are, a database that does not answer as what passes, and of everything else nothing but the correlation id.

    `what` failed, as a sentence begins.
    """
    if isinstance(fault, TimeoutError):
        return CallTookTooLong(seconds=settings.MCP_CALL_TIMEOUT_SECONDS)
    known = rest.as_platform_error(fault)
    if known is not None:
        return known
    log.error("tool_failed", what=what, exc_info=fault)
    return ToolFailed(f"{what} failed; the correlation id is {correlation_id}.")


async def _sent_on(
    asked: Asked, entry: Entry, arguments: Mapping[str, Any], tell: Tell | None, person: Person | None, resumed: Resumed | None
) -> Answer | Wanted:
    """To the connected server, over a connection of this loop: no thread waits. Nothing of the caller's credential goes along."""
    from mcp_platform.orchestrator.services import gateway

    async def onward(progress: float, total: float | None, message: str | None) -> None:
        if tell is not None:
            await tell(progress, total, message or "")

    by = Sender(actor=asked.actor, correlation_id=asked.correlation_id)
    whom: dict[str, Any] = {"person": person, "resumed": resumed, "progress": onward}
    return await gateway.attended(asked.tenant, virtual=asked.virtual or None, name=entry.name, arguments=arguments, asked=by, **whom)


async def _work(asked: Asked, entry: Entry, arguments: Mapping[str, Any], tell: Tell | None) -> Any:
    assert entry.tool is not None
    if entry.tool.instant and asked.size <= MOST_AT_ONCE:
        return _called(entry, asked, arguments)
    watch = Watch(asyncio.get_running_loop(), tell)
    try:
        return await threads.work(str(asked.tenant.pk), _watched, watch, entry, asked, arguments)
    finally:
        watch.leave()
        await watch.told()


def _watched(watch: "Watch", entry: Entry, asked: Asked, arguments: Mapping[str, Any]) -> Any:
    with toolkit.watched(watch):
        return _called(entry, asked, arguments)


def _called(entry: Entry, asked: Asked, arguments: Mapping[str, Any]) -> Any:
    assert entry.tool is not None
    check(entry, arguments)
    return entry.tool.call(asked.tenant, arguments, asked.actor)


class Watch:
    """Carries a thread's progress to the loop of its client, in order, and tells the thread when nobody waits for it any more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Tell | None) -> None:
        self._loop, self._tell = loop, tell
        self._left = threading.Event()
        self._reports: asyncio.Queue[tuple[float, float | None, str] | None] = asyncio.Queue(MOST_REPORTS)
        self._sending: asyncio.Task[None] | None = None

    def report(self, done: float, total: float | None, message: str) -> None:
        if self._tell is not None and not self._left.is_set():
            self._loop.call_soon_threadsafe(self._put, (done, total, message))

    def cancelled(self) -> bool:
        return self._left.is_set()

    def leave(self) -> None:
        self._left.set()

    async def told(self) -> None:
        """Every report has been sent, or the client has been too slow for them: none may follow the answer."""
        if self._sending is None:
            return
        try:
            async with asyncio.timeout(TOLD_SECONDS):
                await self._reports.put(None)
                await self._sending
        except TimeoutError:
            log.info("progress_untold", waiting=self._reports.qsize())
        finally:
            self._sending.cancel()

    def _put(self, report: tuple[float, float | None, str]) -> None:
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        if not self._reports.full():  # what a slow client does not take is left out
            self._reports.put_nowait(report)

    async def _send(self) -> None:
        assert self._tell is not None
        try:
            while (report := await self._reports.get()) is not None:
                await self._tell(*report)
        except Exception as fault:  # noqa: BLE001  the client has gone: what the tool gives is not worth less for that
            log.info("progress_untold", fault=repr(fault))
            while await self._reports.get() is not None:
                pass


def check(entry: Entry, arguments: Mapping[str, Any]) -> None:
    """Raises ArgumentsRefused with the first faults: {path, message, expected}. It takes long for much: call it in a thread."""
    validator = _validator(entry.name, json.dumps(entry.input_schema, sort_keys=True))
    faults = [
        {"path": fault.json_path, "message": fault.message[:300], "expected": _expected(fault)}
        for fault in sorted(islice(validator.iter_errors(dict(arguments)), MOST_FAULTS), key=lambda one: one.json_path)
    ]
    if faults:
        told = "; ".join(f"{fault['path']}: {fault['message']}" for fault in faults)
        raise ArgumentsRefused(f"The arguments do not fit: {told}", errors=faults)


@functools.lru_cache(maxsize=1024)
def _validator(_name: str, schema: str) -> Any:
    from jsonschema import Draft202012Validator, validators

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"uniqueItems": _each_once, "items": _items})(json.loads(schema))


def _each_once(_validator: Any, wanted: bool, items: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    """In place of the library's, which compares each with each."""
    from jsonschema import ValidationError

    if wanted and isinstance(items, list) and len({json.dumps(one, sort_keys=True) for one in items}) != len(items):
        yield ValidationError("has items that occur twice")


def _items(validator: Any, each: Any, items: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Of a list that is too long, no item is looked at."""
    from jsonschema import Draft202012Validator

    if not isinstance(items, list) or len(items) <= schema.get("maxItems", len(items)):
        yield from Draft202012Validator.VALIDATORS["items"](validator, each, items, schema)


def _expected(fault: Any) -> str:
    return f"{fault.validator}: {json.dumps(fault.validator_value, default=str)[:200]}"


def problem(error: PlatformError) -> dict[str, Any]:
    """What a client's program reads of an error, beside the sentence that its model reads."""
    return {"error_code": error.code, "kind": error.kind.value, **{name: value for name, value in error.details.items() if _is_plain(value)}}


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


async def record(
    asked: Asked, *, name: str, outcome: Call.Outcome, began: float, client: Client, code: str = "", arguments: Any = None, changes: bool = False
) -> None:
    """Count and write down what was called. What `changes` something is in the database before its answer leaves."""
    seconds = time.monotonic() - began
    if asked.method == "tools/call":
        label = observability.bounded(name, "tools")
        observability.TOOL_CALLS.labels(observability.bounded(str(asked.tenant.pk), "tenants"), label, outcome.value).inc()
        observability.TOOL_DURATION.labels(label).observe(seconds)
    row = Call(
        tenant_id=asked.tenant.pk,
        at=timezone.now(),
        method=asked.method[:40],
        name=_storable(name, 300),
        virtual=asked.virtual[:63],
        actor=asked.actor[:200],
        outcome=outcome,
        error_code=code[:80],
        duration_ms=int(seconds * 1000),
        arguments_sha256=_digest(arguments),
        client=_storable(client.name, 120),
        protocol=client.protocol[:20],
        correlation_id=asked.correlation_id[:80],
    )
    if changes or not ledger.note(row):
        await _rows.add(row)


async def _stored(_kind: object, rows: list[Call]) -> None:
    await threads.at(threads.Pool.ROWS, functools.partial(write, *rows))


_rows = Together(_stored)


def _storable(text: str, longest: int) -> str:
    return text.replace("\x00", "")[:longest]


def _digest(arguments: Any) -> str:
    """Of equal arguments the same; with a key of this server, so that nobody who reads the rows can try out what they were."""
    return salted_hmac(_digest.__qualname__, json.dumps(arguments, sort_keys=True, default=str), algorithm="sha256").hexdigest() if arguments else ""
