"""Events out: the pages of endpoints and deliveries."""

from mcp_platform.outbox.admin import deliveries, endpoints

__all__ = ["deliveries", "endpoints"]
