"""One try of one call, whatever its kind: who is asked, whether the breaker lets it through, what was heard."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from conversations.core.types import Outcome
from conversations.effects import adaptor, generated, graphql, grpc_unary, rest, retries, tools, upstream
from conversations.effects.types import Ask, Heard, failed
from flows.models import Integration
from mcp_platform import observability
from mcp_platform.outbound import breaker
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)


class Kind(NamedTuple):
    """`repeatable(integration, request)`: whether a call that may have happened may happen again, as far as the protocol tells."""

    perform: Callable[[Ask], Heard]
    repeatable: Callable[[Integration, Mapping[str, Any]], bool]
    outside: bool = True  # leaves the platform, so an adaptor may stand in


KINDS: Final[dict[str, Kind]] = {
    "rest": Kind(rest.perform, rest.repeatable),
    "graphql": Kind(graphql.perform, graphql.repeatable),
    "grpc": Kind(grpc_unary.perform, grpc_unary.repeatable),
    "tool": Kind(tools.perform, tools.repeatable, outside=False),
    "mcp": Kind(upstream.perform, upstream.repeatable, outside=False),
}

Other = Callable[[Tenant, Mapping[str, Any], str], Heard]
# Calls that are no integration's, by `kind` of the journal's request: (tenant, request, idempotency key) -> what was heard.
OTHERS: Final[dict[str, Other]] = {"generate": generated.perform}


def integration_of(tenant: Tenant, integration_id: str) -> Integration | None:
    found: Integration | None = Integration.objects.for_tenant(tenant).filter(integration_id=integration_id).first()
    return found


def attempt(tenant: Tenant, integration_id: str, request: Mapping[str, Any], *, idempotency_key: str) -> Heard:
    """Perform one try. Never raises for what the other side does: that is a Heard without success."""
    other = OTHERS.get(str(request.get("kind", "integration")))
    if other is not None:
        return other(tenant, request, idempotency_key)
    integration = integration_of(tenant, integration_id)
    if integration is None:
        return failed(f"there is no integration {integration_id}")
    heard = _guarded(tenant, integration, request, idempotency_key)
    _count(tenant, integration_id, heard.outcome)
    return heard


def trial(tenant: Tenant, integration: Integration, request: Mapping[str, Any], *, idempotency_key: str) -> Heard:
    """One try for a person who wants to see it: past the breaker, and it counts for nothing."""
    return _perform(_ask(tenant, integration, request, idempotency_key))


def may_repeat(integration: Integration | None, request: Mapping[str, Any]) -> bool:
    """Whether a call that may have happened may happen again: what the author says, else what its kind tells. A generated text always may."""
    if str(request.get("kind", "integration")) in OTHERS:
        return True
    if integration is None:
        return True  # nothing is called
    said = policy_of(integration, request).idempotent
    if said is not None:
        return said or KINDS[integration.type].repeatable(integration, request)
    return KINDS[integration.type].repeatable(integration, request)


def policy_of(integration: Integration | None, request: Mapping[str, Any]) -> retries.Policy:
    flow: Any = request.get("retry")
    return retries.policy_of(integration.retry_policy if integration else {}, flow if isinstance(flow, Mapping) else {})


def breaker_name(tenant: Tenant, integration_id: str) -> str:
    return f"{tenant.pk}:{integration_id}"


def _guarded(tenant: Tenant, integration: Integration, request: Mapping[str, Any], idempotency_key: str) -> Heard:
    name = breaker_name(tenant, integration.integration_id)
    if not breaker.admits(name):
        after = breaker.read(name).retry_after
        return failed(f"it has failed too often; it is asked again in {max(1, after)} s", code="CIRCUIT_OPEN")
    told = False
    try:
        heard = _perform(_ask(tenant, integration, request, idempotency_key))
        changed = breaker.report(name, healthy=heard.well)
        told = True
        if changed:
            _tell_world(tenant, integration.integration_id, changed)
        return heard
    finally:
        if not told:
            breaker.release(name)


def _tell_world(tenant: Tenant, integration_id: str, changed: str) -> None:
    """`changed`: the breaker has opened or closed."""
    now = breaker.read(breaker_name(tenant, integration_id))
    facts = {"failures": now.failures, "retry_after_ms": now.retry_after * 1000} if changed == "opened" else {}
    outbox.emit(
        tenant,
        type=f"integration.breaker_{changed}",
        subject=f"integrations/{integration_id}",
        data={"integration_id": integration_id, **facts},
        key=f"integration:{integration_id}",
    )


def _ask(tenant: Tenant, integration: Integration, request: Mapping[str, Any], idempotency_key: str) -> Ask:
    timeout_ms = int(request.get("timeout_ms") or integration.timeout_ms)
    return Ask(
        tenant=tenant,
        integration=integration,
        request=request,
        key=idempotency_key,
        deadline=time.monotonic() + timeout_ms / 1000,
        allowed=tuple(host for host in tenant.settings.get("outbound_allowed_hosts") or () if isinstance(host, str)),
    )


def _perform(ask: Ask) -> Heard:
    began = time.monotonic()
    kind = KINDS[ask.integration.type]
    perform = adaptor.perform if kind.outside and adaptor.is_used() else kind.perform
    heard = perform(ask)
    if heard.outcome.execution_time_ms:
        return heard
    return replace(heard, outcome=replace(heard.outcome, execution_time_ms=int((time.monotonic() - began) * 1000)))


def _count(tenant: Tenant, integration_id: str, outcome: Outcome) -> None:
    who = observability.bounded(str(tenant.pk), "tenants"), observability.bounded(integration_id, "integrations")
    observability.INTEGRATION_CALLS.labels(*who, "success" if outcome.success else observability.bounded(outcome.code, "codes")).inc()
    observability.INTEGRATION_DURATION.labels(*who).observe(outcome.execution_time_ms / 1000)
