"""The calls to the outside: one integration call, from the journal's request to contracts "integration result"."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from conversations.core.types import Outcome
from conversations.core.values import cleaned
from conversations.core.words import clean
from flows.models import Integration
from mcp_platform import errors, observability, outbound
from mcp_platform.tenancy.models import Tenant

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_IN_THE_QUERY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


def may_repeat(request: Mapping[str, Any]) -> bool:
    """Whether a call that may have happened may happen again."""
    return str(request.get("method", "GET")).upper() in IDEMPOTENT or bool((request.get("retry") or {}).get("idempotent"))


def call(tenant: Tenant, integration_id: str, request: Mapping[str, Any], *, idempotency_key: str) -> Outcome:
    """Perform one call. Never raises for what the other side does: that is an Outcome without success."""
    integration = Integration.objects.for_tenant(tenant).filter(integration_id=integration_id).first()
    if integration is None:
        outcome = Outcome(success=False, code="INTEGRATION_ERROR", error=f"there is no integration {integration_id}")
    else:
        outcome = _call(integration, request, idempotency_key)
    who = observability.bounded(str(tenant.pk), "tenants"), observability.bounded(integration_id, "integrations")
    observability.INTEGRATION_CALLS.labels(*who, "success" if outcome.success else outcome.code).inc()
    observability.INTEGRATION_DURATION.labels(*who).observe(outcome.execution_time_ms / 1000)
    return outcome


def _call(integration: Integration, request: Mapping[str, Any], idempotency_key: str) -> Outcome:
    method = str(request.get("method", "GET")).upper()
    body = dict(request.get("request") or {})
    refusal = _refusal(integration)
    if refusal:
        return Outcome(success=False, code="INTEGRATION_ERROR", error=refusal)
    try:
        answer = outbound.request(
            method,
            joined(integration.base_url, str(request.get("endpoint", "")), body),
            headers={**integration.headers, "Idempotency-Key": idempotency_key, "X-Correlation-ID": observability.correlation_id()},
            params={name: _as_text(value) for name, value in body.items()} if method in _IN_THE_QUERY else None,
            json=None if method in _IN_THE_QUERY else body,
            timeout_ms=int(request.get("timeout_ms") or integration.timeout_ms),
        )
    except errors.PlatformError as fault:
        code = fault.code if fault.code == "INTEGRATION_TIMEOUT" else "INTEGRATION_ERROR"
        return Outcome(success=False, code=code, error=fault.message)
    return _outcome(answer)


def _refusal(integration: Integration) -> str:
    if integration.type != "rest":
        return f"calls of type {integration.type} are not supported"
    kind = integration.authentication.get("type", "none")
    return "" if kind == "none" else f"authentication of type {kind} needs a secret store"


def joined(base_url: str, endpoint: str, values: dict[str, Any]) -> str:
    """The endpoint below the base URL, with {name} replaced by values of the request, which are taken out of it. It cannot leave the base."""
    parts = []
    for part in endpoint.split("/"):
        if part in ("", ".", ".."):
            continue
        name = part[1:-1] if part.startswith("{") and part.endswith("}") else ""
        parts.append(quote(_as_text(values.pop(name)), safe="") if name in values else part)
    path = "/".join(parts) + ("/" if parts and endpoint.endswith("/") else "")
    base = base_url.rstrip("/")
    return f"{base}/{path}" if path else base_url if urlsplit(base_url).path else f"{base}/"


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _outcome(answer: outbound.Answer) -> Outcome:
    success = 200 <= answer.status < 300
    return Outcome(
        success=success,
        status_code=answer.status,
        data=_data(answer),
        error="" if success else f"the answer was {answer.status}",
        code="" if success else "INTEGRATION_ERROR",
        execution_time_ms=answer.elapsed_ms,
    )


def _data(answer: outbound.Answer) -> Any:
    """JSON as its value, other text as text, nothing else: bytes do not belong into a snapshot."""
    if not answer.body:
        return None
    text = clean(answer.body.decode("utf-8", errors="replace"))
    if "json" not in answer.headers.get("content-type", ""):
        return text
    try:
        return cleaned(json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except (ValueError, RecursionError):
        return text


def _finite(number: str) -> float:
    value = float(number)
    return value if isfinite(value) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
