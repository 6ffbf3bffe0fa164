"""The sockets of a building (docs/protocol/validation_ws.md): the protocol of plugins and pages, and the plain broadcast."""

from collections.abc import Mapping
from typing import Any

from django.urls import path

from mcp_platform.sockets import Asgi
from validation.consumers.building import BuildingSocket
from validation.consumers.plain import PlainSocket

__all__ = ["websocket_urlpatterns"]


async def by_subprotocol(asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
    """Who offers a subprotocol speaks the protocol, or is told which one it is; who offers none gets the broadcast."""
    kind = BuildingSocket if asgi.get("subprotocols") else PlainSocket
    await kind(asgi, receive, send).serve()


websocket_urlpatterns = [path("ws/v1/buildings/<uuid:building_id>/validation/", by_subprotocol)]  # type: ignore[arg-type]  # an ASGI application
