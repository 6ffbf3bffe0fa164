"""What happened underneath a request: the protocol's SDK keeps HTTP to itself, and "error" alone helps nobody.

The SDK sends a request in the context of the one who makes it, so a context variable leads from the exchange back to the caller.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


@dataclass(slots=True)
class Trace:
    """`status` of the last answer; `fault` when there was none; `session_refused`: the server does not know our session any more;
    `token_refused`: why no access token was had for it."""

    status: int = 0
    fault: BaseException | None = None
    session_refused: bool = False
    token_refused: str = ""


current: ContextVar[Trace | None] = ContextVar("mcp_upstream_trace", default=None)
_UNKNOWN_SESSION = (400, 404)  # 404 is what the protocol says; servers in the field say 400, too, but that may mean anything else as well


def watch(request: "httpx2.Request", response: "httpx2.Response") -> None:
    trace = current.get()
    if trace is None:
        return
    trace.status = response.status_code
    trace.fault = response.extensions.get("fault")
    trace.session_refused = response.status_code in _UNKNOWN_SESSION and "mcp-session-id" in request.headers
