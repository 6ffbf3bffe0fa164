"""The addresses of Django's part; /mcp itself is answered before Django (server/door.py)."""

from django.urls import path

from mcp_platform.mcp.api import CapabilitiesView

urlpatterns = [path("mcp/capabilities", CapabilitiesView.as_view(), name="mcp-capabilities")]
