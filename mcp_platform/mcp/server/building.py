"""The SDK's server with our handlers. One for each event loop, because the SDK's manager belongs to one."""

import hashlib
import warnings
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from django.conf import settings
from django.utils.encoding import force_str
from django.utils.module_loading import import_string
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning

from mcp_platform import rest
from mcp_platform.mcp import asking
from mcp_platform.mcp.server import calls, reading, subscriptions
from mcp_platform.mcp.server.asked import Context, inside, of
from mcp_platform.mcp.server.sessions import IDLE_SECONDS, Sessions

NAME = "mcp-platform"
INSTRUCTIONS = (
    "Conversations, building-code validation and reports of one tenant. Tools named flow_… run conversation flows; they ask back for what they need. "
    "Findings and reports always name their sources: quote them."
)
FRESH_MS = 60_000  # how long a client may keep a list: changes are told, but not every client listens


def build(bus: subscriptions.Bus, *, stateless: bool) -> Sessions:
    server = _server(bus)
    server.middleware.append(RequestStateBoundary(_security(), default_audience=NAME))
    server.middleware.append(inside)
    if settings.MCP_FIXTURES:  # of the conformance suite; not read from the environment, so that no deployment can have them
        import_string(settings.MCP_FIXTURES)(server)
    return Sessions(server, stateless=stateless, max_request_body_size=rest.MAX_BODY, session_idle_timeout=None if stateless else IDLE_SECONDS)


def _server(bus: subscriptions.Bus) -> Server[Any]:
    heard = subscriptions.handlers(bus)
    hints = {name: CacheHint(ttl_ms=FRESH_MS) for name in ("tools/list", "prompts/list", "resources/list", "resources/templates/list")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)  # logging/setLevel is for clients of older revisions
        server: Server[Any] = Announcing(
            NAME,
            version=settings.VERSION,
            title="MCP Platform",
            instructions=INSTRUCTIONS,
            website_url=settings.PUBLIC_URL,
            cache_hints=hints,  # type: ignore[arg-type]  # a dict of the literal names
            get_tool_input_schema=_schema_of,
            on_list_tools=reading.list_tools,
            on_call_tool=calls.call_tool,
            on_list_resources=reading.list_resources,
            on_list_resource_templates=reading.list_templates,
            on_read_resource=reading.read_resource,
            on_subscribe_resource=heard["subscribe"],
            on_unsubscribe_resource=heard["unsubscribe"],
            on_subscriptions_listen=ListenHandler(bus),
            on_list_prompts=reading.list_prompts,
            on_get_prompt=reading.get_prompt,
            on_completion=reading.complete,
            on_set_logging_level=_set_level,
        )
    server.add_notification_handler("notifications/initialized", types.NotificationParams, heard["initialized"])
    return server


class Announcing(Server[Any]):
    """Says to older clients, too, that it tells of changed lists."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        told = notification_options or NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(told, experimental_capabilities, extensions)


async def _set_level(_ctx: Context, _params: types.SetLevelRequestParams) -> types.EmptyResult:
    """Our tools say nothing in the log of the client; the level is taken and there is nothing to filter."""
    return types.EmptyResult()


def _schema_of(name: str) -> Mapping[str, Any] | None:
    """For the SDK's check of Mcp-Param headers. The guard has found the tool already; without this the SDK would list all tools for each call."""
    asked = asking.now()
    return asked.entry.input_schema if asked is not None and asked.entry is not None and asked.entry.name == name else None


def _security() -> RequestStateSecurity:
    """The same keys in every process, so that the answer to a question may come to any of them."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)  # the first one seals, each of them opens
    keys = [hashlib.sha256(f"mcp.request-state|{force_str(secret)}".encode()).digest() for secret in secrets]
    return RequestStateSecurity(keys=keys, ttl=calls.STATE_SECONDS, bind_principal=_bound)


def _bound(ctx: Context) -> str:
    asked = of(ctx)
    return f"{asked.tenant.pk}|{asked.actor}|{asked.path}"
