"""Tools of this platform, by the descriptors that the composition root has registered."""

import time
from collections.abc import Mapping
from typing import Any

from conversations.core.types import Outcome
from conversations.core.values import cleaned
from conversations.effects.types import Ask, Heard, Sent, failed
from flows.models import Integration
from mcp_platform import errors, observability, toolkit

log = observability.logger(__name__)


def repeatable(_integration: Integration, request: Mapping[str, Any]) -> bool:
    try:
        return toolkit.tool(str(request.get("endpoint", "")).strip()).idempotent
    except toolkit.ToolNotFound:
        return True  # nothing happens


def perform(ask: Ask) -> Heard:
    name, began = ask.endpoint.strip(), time.monotonic()
    sent = Sent(method="tool", url=name, body=ask.values)
    allowed = ask.integration.options.get("tools")
    if allowed and name not in allowed:
        return failed(f"this integration does not offer the tool {name[:60]}", sent=sent)
    try:
        tool = toolkit.tool(name)
        fault = _fault(tool, ask.values)
        if fault:
            return failed(fault, code="VALIDATION_ERROR", sent=sent)
        data = cleaned(tool.call(ask.tenant, ask.values, f"integration:{ask.integration.integration_id}"))
    except errors.PlatformError as refused:
        well = refused.kind not in (errors.Kind.BROKEN, errors.Kind.UNAVAILABLE)
        again = refused.kind in (errors.Kind.BUSY, errors.Kind.UNAVAILABLE, errors.Kind.THROTTLED)
        return failed(refused.message, code=refused.code, well=well, again=again, sent=sent)
    except Exception as broken:  # a tool's own fault must not cost the conversation its turn
        log.exception("tool_failed", tool=name)
        return failed(f"the tool failed: {type(broken).__name__}", well=False, sent=sent)
    return Heard(outcome=Outcome(success=True, data=data, execution_time_ms=int((time.monotonic() - began) * 1000)), sent=sent)


def _fault(tool: toolkit.Tool, arguments: Mapping[str, Any]) -> str:
    from jsonschema import Draft202012Validator

    found = next(iter(sorted(Draft202012Validator(tool.input_schema).iter_errors(dict(arguments)), key=lambda one: list(map(str, one.path)))), None)
    return f"{found.json_path}: {found.message[:200]}" if found is not None else ""
