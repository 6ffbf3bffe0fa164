"""What has gone wrong, as one of our errors: out of exception groups, error numbers of the protocol, and what HTTP has said underneath."""

from collections.abc import Iterator
from typing import Any, Final

from mcp_platform import errors
from mcp_platform.orchestrator.clients.plan import Plan
from mcp_platform.orchestrator.clients.trace import Trace
from mcp_platform.orchestrator.core.words import clean
from mcp_platform.orchestrator.errors import ArgumentsRefused, ResourceGone, UpstreamFailed, UpstreamTimedOut, UpstreamUnreachable

LONGEST: Final = 300
INVALID_PARAMS, METHOD_NOT_FOUND = -32602, -32601
NOT_FOUND: Final = 404
REQUEST_TIMEOUT, CONNECTION_CLOSED, RESOURCE_NOT_FOUND = -32001, -32000, -32002
ABOUT_THE_REQUEST: Final = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND})
OURS: Final = ("Connection closed", "SSE stream")  # servers use the number of a closed connection for anything; these are the SDK's own words


class SessionLost(errors.Unavailable):
    """The server does not know our session any more: it was started anew. With `sent` False it has certainly done nothing."""

    code = "MCP_CONNECTION_ERROR"


def told(fault: BaseException, trace: Trace | None, plan: Plan, *, complaint: str = "", opening: bool = False) -> errors.PlatformError:
    """`sent` in the details: False when the request has certainly not reached the server, as while a connection is `opening`;
    `protocol_code`: the server itself has answered with this error."""
    facts: dict[str, Any] = {"server": plan.upstream.slug}
    leaf = next(_leaves(fault))
    if isinstance(leaf, errors.PlatformError):
        return leaf
    if trace is not None:
        found = _from_http(trace, facts, getattr(leaf, "code", 0))
        if found is not None:
            return found
    return _from_protocol(leaf, facts, plan, complaint) or _from_transport(leaf, facts, plan, complaint, opening)


def _leaves(fault: BaseException) -> Iterator[BaseException]:
    """Those inside of a group, the cancelled ones last: they are cancelled because of the others."""
    if isinstance(fault, BaseExceptionGroup):
        inner = [leaf for one in fault.exceptions for leaf in _leaves(one)]
        yield from sorted(inner, key=lambda one: not isinstance(one, Exception))
    else:
        yield fault


def _from_http(trace: Trace, facts: dict[str, Any], code: Any) -> errors.PlatformError | None:
    import httpx2

    if isinstance(trace.fault, errors.PlatformError):
        return trace.fault
    if isinstance(trace.fault, httpx2.ConnectError | httpx2.ConnectTimeout):
        return UpstreamUnreachable(f"{facts['server']} cannot be reached.", **facts, sent=False)
    if isinstance(trace.fault, httpx2.TimeoutException):
        return UpstreamTimedOut(f"{facts['server']} did not answer in time.", **facts)
    if trace.fault is not None:
        return UpstreamUnreachable(f"The connection to {facts['server']} broke: {_said(trace.fault)}.", **facts)
    if trace.session_refused and code not in ABOUT_THE_REQUEST:
        return SessionLost(**facts, sent=False) if trace.status == NOT_FOUND else SessionLost(**facts, status=trace.status)
    if trace.status in (401, 403):
        why = trace.token_refused or f"{facts['server']} does not take our credentials ({trace.status})"
        return UpstreamFailed(f"{why}.", **facts, status=trace.status, sent=False)
    if trace.status == 429 or trace.status >= 500:
        return UpstreamFailed(f"{facts['server']} answered {trace.status}.", **facts, status=trace.status)
    return None


def _from_protocol(leaf: BaseException, facts: dict[str, Any], plan: Plan, complaint: str) -> errors.PlatformError | None:
    from mcp.shared.exceptions import MCPError

    if not isinstance(leaf, MCPError):
        return None
    said = plan.veiled(clean(leaf.message))[:LONGEST]
    if leaf.code == REQUEST_TIMEOUT and leaf.message.endswith("timed out"):
        return UpstreamTimedOut(f"{facts['server']} did not answer in time.", **facts)
    if leaf.code == CONNECTION_CLOSED and leaf.message.startswith(OURS):
        why = f": {plan.veiled(complaint[:LONGEST])}" if complaint else "."
        return UpstreamUnreachable(f"The connection to {facts['server']} was lost{why}", **facts, lost=True)
    facts["protocol_code"] = leaf.code  # from here on it is the server that has answered: the SDK's own words are above
    if leaf.code == RESOURCE_NOT_FOUND:
        return ResourceGone(f"{facts['server']} has no such resource.", **facts)
    kind = ArgumentsRefused if leaf.code == INVALID_PARAMS else UpstreamFailed
    return kind(f"{facts['server']} answered: {said}", **facts)


def _from_transport(leaf: BaseException, facts: dict[str, Any], plan: Plan, complaint: str, opening: bool) -> errors.PlatformError:
    import httpx2

    if isinstance(leaf, TimeoutError):
        return UpstreamTimedOut(f"{facts['server']} did not answer in time.", **facts)
    if isinstance(leaf, RuntimeError | ValueError):  # what the SDK says of an answer that breaks its own schema or the protocol
        return UpstreamFailed(f"{facts['server']} gave an answer that is not what it promises: {plan.veiled(_said(leaf))}.", **facts)
    why = plan.veiled(complaint[:LONGEST]) or _said(leaf)
    if opening or isinstance(leaf, httpx2.ConnectError | httpx2.ConnectTimeout):
        facts["sent"] = False
    return UpstreamUnreachable(f"{facts['server']} cannot be reached: {why}", **facts)


def _said(fault: BaseException) -> str:
    return (clean(str(fault)).split("\n")[0] or type(fault).__name__)[:LONGEST]
