"""Calls without a conversation around them."""

from typing import Any

from conversations import effects
from mcp_platform.tenancy.models import Tenant


def ask(tenant: Tenant, endpoint: str = "", request: Any = None, *, method: str = "GET", timeout_ms: int = 3_000, key: str = "k-1") -> effects.Heard:
    told = {"endpoint": endpoint, "method": method, "request": request or {}, "timeout_ms": timeout_ms}
    return effects.attempt(tenant, "crm", told, idempotency_key=key)
