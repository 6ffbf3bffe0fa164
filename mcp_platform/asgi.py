"""The ASGI entry point (daphne, uvicorn, granian): HTTP to Django, WebSockets to the apps' consumers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")  # noqa: TID251

import django
from channels.routing import ProtocolTypeRouter, URLRouter

django.setup(set_prefix=False)

from conversations.consumers import websocket_urlpatterns as conversation_sockets  # noqa: E402  apps must be loaded first
from conversations.urls import HOT_ROUTES  # noqa: E402
from mcp_platform import composition  # noqa: E402
from mcp_platform.bodies import Measured  # noqa: E402
from mcp_platform.handlers import HotASGIHandler  # noqa: E402
from mcp_platform.mcp.server.door import Door  # noqa: E402
from mcp_platform.tenancy import scope  # noqa: E402
from validation.consumers import websocket_urlpatterns as building_sockets  # noqa: E402

composition.start_serving()
# The last pattern of the conversations' takes every other address.
sockets = URLRouter([*building_sockets, *conversation_sockets])
application = ProtocolTypeRouter({"http": Measured(Door(HotASGIHandler(HOT_ROUTES))), "websocket": scope.closed(sockets)})
