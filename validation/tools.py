"""What this app offers to machines: flows, and the Model Context Protocol."""

from mcp_platform.toolkit import Tool

TOOLS: tuple[Tool, ...] = ()
