"""The sweep of old rows."""

from mcp_platform import jobs
from mcp_platform.mcp import services


@jobs.sweep(every_seconds=3600.0, name="mcp.prune")
def prune() -> int:
    services.erase_old_calls()
    return 0
