"""Waivers end by themselves."""

from mcp_platform import jobs
from validation.services import waivers


@jobs.sweep(every_seconds=300.0, name="validation.expired_waivers")
def expire_waivers() -> int:
    return waivers.expire_due()
