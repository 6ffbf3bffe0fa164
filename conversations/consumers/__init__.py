"""The sockets (docs/protocol/ws.md), all kinds of `mcp_platform.sockets.Socket`; those over numbered rows share `stream`."""

from collections.abc import Mapping
from typing import Any

from django.urls import path, re_path

from conversations.consumers.conversation import ConversationSocket
from conversations.consumers.inbox import InboxSocket
from conversations.consumers.operation import OperationSocket
from conversations.consumers.visitor import VisitorSocket
from mcp_platform import errors
from mcp_platform.sockets import NOT_FOUND, Asgi, Socket, dump, error_frame

__all__ = ["websocket_urlpatterns"]


def _application(kind: type[Socket]) -> Any:
    async def application(asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
        await kind(asgi, receive, send).serve()

    return application


async def no_such_socket(asgi: Mapping[str, Any], receive: Asgi, send: Asgi) -> None:
    """Every other address: accepted first, so that the client can read why."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": dump(error_frame(errors.NotFound("There is no socket at this address.")))})
    await send({"type": "websocket.close", "code": NOT_FOUND, "reason": "no such socket"})


websocket_urlpatterns = [
    path("ws/v1/conversations/<uuid:conversation_id>/", _application(ConversationSocket)),
    path("ws/v1/inbox/", _application(InboxSocket)),
    path("ws/v1/operations/<uuid:operation_id>/", _application(OperationSocket)),
    path("ws/v1/chat/<slug:public_id>/", _application(VisitorSocket)),
    re_path(r"", no_such_socket),  # type: ignore[arg-type]  # an ASGI application, for URLRouter
]
