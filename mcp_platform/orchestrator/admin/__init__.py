"""Pages of servers of others, their tools, virtual servers, calls and settings."""

from mcp_platform.orchestrator.admin import calls, servers, settings, tools, virtual

__all__ = ["calls", "servers", "settings", "tools", "virtual"]
