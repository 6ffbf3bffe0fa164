"""The tables of the orchestrator: which MCP servers a tenant uses, what they offer, what was asked of them."""

from mcp_platform.orchestrator.models.servers import OrchestrationSettings, RemoteServer, UpstreamTool
from mcp_platform.orchestrator.models.traffic import CachedResource, ServerCall
from mcp_platform.orchestrator.models.virtual import VirtualServer, VirtualTool

__all__ = ["CachedResource", "OrchestrationSettings", "RemoteServer", "ServerCall", "UpstreamTool", "VirtualServer", "VirtualTool"]
