"""The bridge between the SDK's context and ours."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from mcp_platform import observability
from mcp_platform.mcp import asking, calling
from mcp_platform.mcp.asking import Asked
from mcp_platform.mcp.server import translate
from mcp_platform.tenancy import scope

Context: TypeAlias = ServerRequestContext[Any, Any]
Handler = Callable[..., Awaitable[Any]]


def of(ctx: Context) -> Asked:
    """Who asks. A session's handlers run in the task of its first request, so it is never taken from a context variable."""
    assert ctx.request is not None
    found: Asked = ctx.request.scope[asking.KEY]
    return found


@dataclass(frozen=True, slots=True)
class Client:
    """What the client says of itself."""

    ctx: Context

    @property
    def name(self) -> str:
        params = self.ctx.session.client_params
        return f"{params.client_info.name} {params.client_info.version}".strip() if params is not None else ""

    @property
    def protocol(self) -> str:
        return self.ctx.protocol_version


async def inside(ctx: Context, call_next: CallNext) -> HandlerResult:
    """The SDK's middleware: everything happens in the tenant of this request, with its ids in the log."""
    asked = of(ctx)
    with observability.correlated(asked.correlation_id, tenant_id=asked.tenant.pk, actor=asked.actor), scope.tenant_scope(asked.tenant):
        asking.entered(asked)
        try:
            return await call_next(ctx)
        except (MCPError, ValidationError):  # the SDK has words for them, and none of ours in them
            raise
        except Exception as fault:
            error = calling.as_error(fault, asked.method, asked.correlation_id)
            raise translate.protocol_error(error, asked.correlation_id) from fault
