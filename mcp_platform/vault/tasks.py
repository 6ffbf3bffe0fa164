"""The sweep of the vault."""

from mcp_platform import jobs
from mcp_platform.vault import services


@jobs.sweep(every_seconds=60.0, name="vault.previous")
def forget_previous() -> int:
    services.forget_previous()
    return 0
