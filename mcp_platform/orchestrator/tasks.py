"""The sweeps of the orchestrator."""

from mcp_platform import jobs
from mcp_platform.orchestrator import services


@jobs.sweep(every_seconds=5.0, name="orchestrator.check")
def check_servers() -> int:
    """Looks for more at its next time, not at once: what it has begun is still under way."""
    services.check_due()
    return 0


@jobs.sweep(every_seconds=3600.0, name="orchestrator.forget")
def forget_old() -> int:
    services.forget_old()
    return 0
