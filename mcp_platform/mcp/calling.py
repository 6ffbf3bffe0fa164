"""A call of a tool: arguments checked, work done in a thread, errors in the words of the protocol, and its row in the ledger."""

import asyncio
import functools
import hashlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.utils import timezone

from mcp_platform import errors, observability, toolkit
from mcp_platform.errors import Kind, PlatformError
from mcp_platform.mcp import threads
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.catalog import Entry
from mcp_platform.mcp.errors import ArgumentsRefused, CallTookTooLong, ToolFailed
from mcp_platform.mcp.ledger import ledger, write
from mcp_platform.mcp.models import Call
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.orchestrator.core.types import Asked as Sender

log = observability.logger(__name__)

MOST_REPORTS = 1000  # of progress, waiting to be sent
MOST_FAULTS = 20
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


async def perform(asked: Asked, entry: Entry, arguments: Mapping[str, Any], tell: Tell | None = None) -> Done:
    """Run a function of the platform or an upstream tool. Never raises but CancelledError. `tell` is told of its progress."""
    try:
        if entry.upstream is not None:
            return Done(data=await _sent_on(asked, entry, arguments, tell))
        check(entry, arguments)
        return Done(data=await _work(asked, entry, arguments, tell))
    except PlatformError as error:
        return Done(error=error)
    except TimeoutError:
        return Done(error=CallTookTooLong(seconds=settings.MCP_CALL_TIMEOUT_SECONDS))
    except Exception:  # a tool's own fault must not end the session
        log.exception("tool_failed", tool=entry.name)
        return Done(error=ToolFailed(f"The tool {entry.name} failed; the correlation id is {asked.correlation_id}."))


async def _sent_on(asked: Asked, entry: Entry, arguments: Mapping[str, Any], tell: Tell | None) -> Answer:
    """To the connected server, over a connection of this loop: no thread waits. Nothing of the caller's credential goes along."""
    from mcp_platform.orchestrator.services import gateway

    async def onward(progress: float, total: float | None, message: str | None) -> None:
        if tell is not None:
            await tell(progress, total, message or "")

    by = Sender(actor=asked.actor, correlation_id=asked.correlation_id)
    return await gateway.acall(asked.tenant, virtual=asked.virtual or None, name=entry.name, arguments=arguments, asked=by, progress=onward)


async def _work(asked: Asked, entry: Entry, arguments: Mapping[str, Any], tell: Tell | None) -> Any:
    assert entry.tool is not None
    if entry.tool.instant:
        return entry.tool.call(asked.tenant, arguments, asked.actor)
    work = entry.tool.call
    watch = Watch(asyncio.get_running_loop(), tell)
    async with threads.turnstile(str(asked.tenant.pk)):
        try:
            async with asyncio.timeout(settings.MCP_CALL_TIMEOUT_SECONDS):
                return await threads.run(functools.partial(_watched, watch, work), asked.tenant, arguments, asked.actor)
        finally:
            watch.leave()
            await watch.told()


def _watched(watch: "Watch", work: Callable[..., Any], *args: Any) -> Any:
    with toolkit.watched(watch):
        return work(*args)


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
        """Every report has been sent: none may follow the answer."""
        if self._sending is not None:
            await self._reports.put(None)
            await self._sending

    def _put(self, report: tuple[float, float | None, str]) -> None:
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        if not self._reports.full():  # what a slow client does not take is left out
            self._reports.put_nowait(report)

    async def _send(self) -> None:
        assert self._tell is not None
        while (report := await self._reports.get()) is not None:
            await self._tell(*report)


def check(entry: Entry, arguments: Mapping[str, Any]) -> None:
    """Raises ArgumentsRefused with every fault: {path, message, expected}."""
    validator = _validator(entry.name, json.dumps(entry.input_schema, sort_keys=True))
    faults = [
        {"path": fault.json_path, "message": fault.message[:300], "expected": _expected(fault)}
        for fault in sorted(validator.iter_errors(dict(arguments)), key=lambda one: one.json_path)[:MOST_FAULTS]
    ]
    if faults:
        told = "; ".join(f"{fault['path']}: {fault['message']}" for fault in faults)
        raise ArgumentsRefused(f"The arguments do not fit: {told}", errors=faults)


@functools.lru_cache(maxsize=1024)
def _validator(_name: str, schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


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
        await threads.look(write, row)


def _storable(text: str, longest: int) -> str:
    return text.replace("\x00", "")[:longest]


def _digest(arguments: Any) -> str:
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest() if arguments else ""


def as_error(fault: BaseException) -> PlatformError:
    return fault if isinstance(fault, PlatformError) else errors.Broken()
