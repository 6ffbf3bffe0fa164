"""Reads that more than one door uses."""

from django.conf import settings


def stateless() -> bool:
    """Sessions live in one process. Where several share the work and nobody says that a client always comes to the same one, there are none."""
    return bool(settings.MCP_SESSIONS == "stateless" or (settings.MCP_SESSIONS == "auto" and settings.WEB_PROCESSES > 1))
