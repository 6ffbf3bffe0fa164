"""Live pushes. Rows are the truth: a push says only that a stream has grown ({stream, seq}); whoever listens reads the rows.

A lost push therefore costs time, never data: listeners re-read on a gap and every few seconds.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

from channels.layers import InMemoryChannelLayer, get_channel_layer  # noqa: TID251  this is the one place
from django.db import transaction

from mcp_platform import observability

log = observability.logger(__name__)

PATIENCE_SECONDS = 5.0
LEAVE_SECONDS = 1.0
MOST_WAITING = 1000
CATALOGUE = "catalogue"  # the group that hears what of the offer to machines has changed


def layer() -> Any:
    return get_channel_layer()


def publish(group: str, message: Mapping[str, Any]) -> None:
    """Tell a group after commit (at once outside a transaction). Never raises: without the layer, listeners catch up by reading."""
    payload = {"type": "stream.changed", **message}
    transaction.on_commit(lambda: _send(group, payload), robust=True)  # noqa: TID251  this is the one place


def catalogue_changed(tenant_id: Any, what: str, *, uri: str = "") -> None:
    """Tell after commit that a tenant's offer to machines has changed. `what`: tools, resources, prompts (the list), or resource (the one `uri`)."""
    publish(CATALOGUE, {"tenant": str(tenant_id), "what": what, "uri": uri})


def _send(group: str, payload: Mapping[str, Any]) -> None:
    channels = layer()
    if isinstance(channels, MemoryLayer):
        channels.post(group, payload)
    else:
        _sender.send(group, payload)


class MemoryLayer(InMemoryChannelLayer):  # type: ignore[misc]  # channels is untyped
    """Channels' in-memory layer, safe to post to from any thread.

    The stock one puts into an asyncio queue of another thread's loop, which does not wake that loop: a push from a Celery thread arrived
    only with the next unrelated event. Here each channel remembers the loop that joined it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._loops: dict[str, asyncio.AbstractEventLoop] = {}

    async def group_add(self, group: str, channel: str) -> None:
        self._loops[channel] = asyncio.get_running_loop()
        await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await super().group_discard(group, channel)
        if not any(channel in members for members in list(self.groups.values())):
            self._loops.pop(channel, None)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.post(group, message)

    def post(self, group: str, message: Mapping[str, Any]) -> None:
        for channel in tuple(self.groups.get(group, ())):
            loop = self._loops.get(channel)
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._put, channel, dict(message))

    def _put(self, channel: str, message: dict[str, Any]) -> None:
        queue = self.channels.setdefault(channel, asyncio.Queue(maxsize=self.get_capacity(channel)))
        with suppress(asyncio.QueueFull):  # a full queue already says "read the rows"
            queue.put_nowait((time.time() + self.expiry, message))


class _Sender:
    """One thread with one event loop sends every push: a request thread must not build a loop for each, and the Redis layer keeps
    its connections per loop. A Redis that hangs costs pushes, never memory: each has its time, and few may wait."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._waiting = 0

    def send(self, group: str, payload: Mapping[str, Any]) -> None:
        if self._waiting >= MOST_WAITING:
            log.warning("push_lost", group=group, fault="too many are waiting")
            return
        self._waiting += 1
        asyncio.run_coroutine_threadsafe(self._send(group, payload), self._running_loop())

    async def _send(self, group: str, payload: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await layer().group_send(group, dict(payload))
        except Exception as fault:  # noqa: BLE001  Redis is away: the push is lost, the rows are not
            log.warning("push_lost", group=group, fault=repr(fault))
        finally:
            self._waiting -= 1

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="realtime-sender", daemon=True).start()
            return self._loop


_sender = _Sender()


def _after_fork() -> None:
    """A thread does not survive a fork (Celery's workers do that): the child makes its own."""
    global _sender
    _sender = _Sender()


os.register_at_fork(after_in_child=_after_fork)


@asynccontextmanager
async def listening(*groups: str) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Join groups for the time of the block; gives an async callable that returns the next message, and may be given up and called again.

    Neither joining nor leaving waits long for a Redis that hangs. Raises what the layer raises, TimeoutError included.
    """
    channels = layer()
    mark = f"specific.{uuid4().hex}."
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            name = await channels.new_channel(mark)
            for group in groups:
                await channels.group_add(group, name)
    except BaseException:
        _forget(channels, mark)
        raise
    ear = _Ear(channels, name)
    try:
        yield ear.hear
    finally:
        await ear.close(groups)


def _forget(channels: Any, mark: str) -> None:
    """What a join that failed leaves in the layer: it notes names before it asks Redis, and would keep those of every try."""
    for known in [known for known in channels.channels if mark in known]:
        channels.channels.pop(known, None)
        for members in channels.groups.values():
            if isinstance(members, set):
                members.discard(known)


class _Ear:
    """One channel. Giving up a wait must not cancel the layer's `receive`, which would leave the channel and ask Redis to forget it."""

    def __init__(self, channels: Any, name: str) -> None:
        self._channels, self._name = channels, name
        self._hearing: asyncio.Task[Any] | None = None

    async def hear(self) -> Any:
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._channels.receive(self._name))
        await asyncio.wait({self._hearing})  # cancelled, it leaves the task alone
        heard, self._hearing = self._hearing, None
        return heard.result()

    async def close(self, groups: Iterable[str]) -> None:
        with suppress(Exception):  # the layer is away: it forgets the channel by itself
            async with asyncio.timeout(LEAVE_SECONDS):
                for group in groups:
                    await self._channels.group_discard(group, self._name)
        if self._hearing is not None:
            for _ in range(2):  # the first one makes the layer ask Redis, which may hang; the second one ends that
                self._hearing.cancel()
                if (await asyncio.wait({self._hearing}, timeout=LEAVE_SECONDS))[0]:
                    break
