"""The sweep of tokens that can do nothing any more."""

from mcp_platform import jobs
from mcp_platform.oauth import services


@jobs.sweep(every_seconds=600.0, name="oauth.purge")
def purge() -> int:
    services.purge()
    return 0
