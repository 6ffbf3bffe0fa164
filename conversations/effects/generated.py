"""Texts from a language model: a response state's `generate`. The remote model service writes them; without one the flow's own text is said."""

from collections.abc import Mapping
from typing import Any

from conversations.core.types import Outcome
from conversations.effects.types import Heard, failed
from conversations.nlu import orchestrator
from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

OFF = "GENERATION_OFF"


def perform(tenant: Tenant, request: Mapping[str, Any], key: str) -> Heard:
    """`request` is the journal's: its `request` has prompt, locale, channel and context."""
    if not orchestrator.configured():
        return failed("no model service is configured (MODEL_ORCHESTRATOR_URL)", code=OFF)
    timeout_ms = int(request.get("timeout_ms") or 8000)
    try:
        text = orchestrator.generate(dict(request.get("request") or {}), timeout_ms=timeout_ms, tenant=str(tenant.pk), key=key)
    except PlatformError as fault:
        log.warning("not_generated", fault=fault.message)
        return failed(fault.message, code=fault.code)
    return Heard(outcome=Outcome(success=True, status_code=200, data={"text": text}))
