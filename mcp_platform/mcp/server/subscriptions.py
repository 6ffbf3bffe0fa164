"""Changes of the catalogue, brought to whoever listens: streams of the newest revision, and sessions of older ones.

The channel layer carries them between processes (Redis in scaled mode); a listener hears of its own tenant only.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import mcp_types as types
from mcp.server.subscriptions import PromptsListChanged, ResourcesListChanged, ResourceUpdated, ServerEvent, ToolsListChanged

from mcp_platform import observability, realtime
from mcp_platform.mcp.server.asked import Context, of
from mcp_platform.tenancy import scope

log = observability.logger(__name__)

Listener = Callable[[ServerEvent], None]
LISTS: dict[str, ServerEvent] = {"tools": ToolsListChanged(), "prompts": PromptsListChanged(), "resources": ResourcesListChanged()}
DEAF_SECONDS = 2.0
FOLLOWING = "mcp_platform.following"  # in a connection's state


class Bus:
    """The SDK's SubscriptionBus, by tenant."""

    def __init__(self) -> None:
        self._listeners: dict[object, tuple[str, Listener]] = {}

    async def publish(self, event: ServerEvent) -> None:
        """Not the way in: what changes is told after commit by whoever changes it (realtime.catalogue_changed)."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self.join(scope.current(), listener)

    def join(self, tenant_id: str, listener: Listener) -> Callable[[], None]:
        mark = object()
        self._listeners[mark] = (tenant_id, listener)

        def leave() -> None:
            self._listeners.pop(mark, None)

        return leave

    def tell(self, tenant_id: str, event: ServerEvent) -> None:
        for whose, listener in list(self._listeners.values()):
            if whose == tenant_id:
                try:
                    listener(event)
                except Exception:  # one bad listener must not keep the others from hearing
                    log.exception("mcp_listener_failed")

    async def listen(self) -> None:
        """For ever: hear what the channel layer says. What is said while the layer is away is lost; clients have time limits of their own."""
        while True:
            try:
                async with realtime.listening(realtime.CATALOGUE) as heard:
                    while True:
                        self._told(await heard())
            except Exception as fault:  # noqa: BLE001  each layer has its own errors
                log.warning("mcp_deaf", fault=repr(fault))
                await asyncio.sleep(DEAF_SECONDS)

    def _told(self, message: dict[str, Any]) -> None:
        uri, what, tenant_id = str(message.get("uri", "")), str(message.get("what", "")), str(message.get("tenant", ""))
        event = ResourceUpdated(uri=uri) if what == "resource" else LISTS.get(what)
        if event is not None:
            self.tell(tenant_id, event)


class Follower:
    """One session of an older revision: the resources that it has subscribed to, and the lists, which it is told of without asking."""

    def __init__(self, ctx: Context) -> None:
        self._session = ctx.session
        self._loop = asyncio.get_running_loop()
        self.uris: set[str] = set()
        self._sending: set[asyncio.Task[None]] = set()

    def hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri not in self.uris:
            return
        task = self._loop.create_task(self._send(event))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, event: ServerEvent) -> None:
        try:
            if isinstance(event, ResourceUpdated):
                await self._session.send_resource_updated(event.uri)
            elif isinstance(event, ToolsListChanged):
                await self._session.send_tool_list_changed()
            elif isinstance(event, PromptsListChanged):
                await self._session.send_prompt_list_changed()
            else:
                await self._session.send_resource_list_changed()
        except Exception as fault:  # noqa: BLE001  the client has gone
            log.info("mcp_session_unreachable", fault=repr(fault))


def follower(ctx: Context, bus: Bus) -> Follower:
    """The one of this session, made with its first use and gone with the session."""
    connection = ctx.session._connection
    found: Follower | None = connection.state.get(FOLLOWING)
    if found is None:
        found = connection.state[FOLLOWING] = Follower(ctx)
        connection.exit_stack.callback(bus.join(str(of(ctx).tenant.pk), found.hear))
    return found


def handlers(bus: Bus) -> dict[str, Any]:
    """What older clients say about changes."""

    async def subscribe(ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        follower(ctx, bus).uris.add(str(params.uri))
        return types.EmptyResult()

    async def unsubscribe(ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        follower(ctx, bus).uris.discard(str(params.uri))
        return types.EmptyResult()

    async def initialized(ctx: Context, _params: types.NotificationParams | None) -> None:
        if ctx.session._connection.session_id is not None:
            follower(ctx, bus)

    return {"subscribe": subscribe, "unsubscribe": unsubscribe, "initialized": initialized}
