"""The WSGI entry point: REST by a fast WSGI server beside daphne, which keeps the WebSockets (docs/operations.md)."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")  # noqa: TID251

import django

django.setup(set_prefix=False)

from conversations.urls import HOT_ROUTES  # noqa: E402  apps must be loaded first
from mcp_platform import composition  # noqa: E402
from mcp_platform.handlers import HotWSGIHandler  # noqa: E402

composition.start_serving()
application = HotWSGIHandler(HOT_ROUTES)
