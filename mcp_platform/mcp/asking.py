"""One request of a client: who asks, at which address, and for what. The guard makes it, everything behind the guard reads it."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal

if TYPE_CHECKING:
    from mcp_platform.mcp.catalog import Entry

KEY = "mcp_platform.asked"  # in the ASGI scope


@dataclass(slots=True, kw_only=True)
class Asked:
    """`entry` is the tool that is called, when there is one of this name for this tenant at this address; `size` the bytes of the body."""

    principal: Principal
    path: str
    virtual: str
    correlation_id: str
    method: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    entry: "Entry | None" = None
    size: int = 0

    @property
    def tenant(self) -> Tenant:
        return self.principal.tenant

    @property
    def actor(self) -> str:
        return self.principal.actor


_now: ContextVar[Asked | None] = ContextVar("mcp_asked", default=None)


def entered(asked: Asked) -> None:
    """Until the request's task ends."""
    _now.set(asked)


def now() -> Asked | None:
    """For the SDK's look-ups that are given no context."""
    return _now.get()
