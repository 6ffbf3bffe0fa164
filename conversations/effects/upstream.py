"""Tools of other Model Context Protocol servers, through the orchestrator: its allow-lists, approvals, breaker and audit hold here as well."""

from collections.abc import Mapping
from typing import Any

from conversations.core.types import Outcome
from conversations.core.values import cleaned
from conversations.effects.types import Ask, Heard, Sent, failed
from flows.models import Integration
from mcp_platform import errors
from mcp_platform.orchestrator import queries as orchestrator
from mcp_platform.orchestrator import services as gateway
from mcp_platform.orchestrator.core import drift

AGAIN = frozenset({errors.Kind.BUSY, errors.Kind.UNAVAILABLE, errors.Kind.THROTTLED})
UNWELL = frozenset({errors.Kind.BROKEN, errors.Kind.UNAVAILABLE})


def repeatable(integration: Integration, request: Mapping[str, Any]) -> bool:
    """When the tool that was approved says that it is read-only or idempotent."""
    server = str((integration.options or {}).get("server", ""))
    tool = orchestrator.known_tool(integration.tenant_id, server, str(request.get("endpoint", "")).strip())
    return tool is None or drift.may_repeat(tool.definition)  # a tool that nobody knows is not called


def perform(ask: Ask) -> Heard:
    name, options = ask.endpoint.strip(), ask.integration.options or {}
    server = str(options.get("server", ""))
    sent = Sent(method="MCP", url=f"{server}/{name}", body=ask.values)
    allowed = options.get("tools")
    if allowed is not None and name not in allowed:
        return failed(f"this integration does not offer the tool {name[:60]}", sent=sent)
    actor = f"integration:{ask.integration.integration_id}"
    try:
        answer = gateway.use(ask.tenant, server=server, tool=name, arguments=ask.values, actor=actor, seconds=ask.left_ms / 1000)
    except errors.PlatformError as fault:
        return failed(fault.message, code=fault.code, well=fault.kind not in UNWELL, again=fault.kind in AGAIN, sent=sent)
    data = cleaned(answer.plain())
    if answer.is_error:
        outcome = Outcome(success=False, code="INTEGRATION_ERROR", error=answer.text()[:500] or "the tool failed", data=data)
    else:
        outcome = Outcome(success=True, data=data, execution_time_ms=answer.duration_ms)
    return Heard(outcome=outcome, sent=sent)
