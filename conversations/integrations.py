"""Integrations as people look after them: try one out, keep an answer as a stub, see how it is doing."""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Now

from conversations import effects, sealed
from conversations.core import codec
from conversations.core.types import Outcome
from conversations.errors import EffectNotFound
from conversations.models import Effect
from flows import queries as flows
from flows import services as flow_services
from flows.core.types import Json
from flows.models import Stub
from mcp_platform.errors import Invalid
from mcp_platform.lanes import lanes
from mcp_platform.outbound import breaker as breakers
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

LONGEST_TRIAL_MS: Final = 15_000
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`sent` is the request as it left, secrets masked; None when it never left."""

    outcome: Outcome
    sent: effects.Sent | None
    stub: Stub | None = None


def try_out(
    tenant: Tenant,
    *,
    integration_id: str,
    endpoint: str = "",
    method: str = "GET",
    request: Mapping[str, Json] | None = None,
    timeout_ms: int = 0,
    record_as: str = "",
    by: By,
) -> Trial:
    """One real call, at once, past retries and breaker. `record_as`: keep the answer as a stub of this name.

    Raises IntegrationNotFound, Invalid, NoLaneFree; with `record_as` also what save_stub raises.
    """
    integration = flows.integration(tenant, integration_id)
    if method.upper() not in METHODS:
        _refuse("method", "is not known", ", ".join(METHODS))
    if timeout_ms and not 100 <= timeout_ms <= 30_000:
        _refuse("timeout_ms", "is out of range", "an integer from 100 to 30000")
    asked = {
        "endpoint": endpoint,
        "method": method.upper(),
        "request": dict(request or {}),
        "timeout_ms": min(timeout_ms or integration.timeout_ms, LONGEST_TRIAL_MS),
    }
    with lanes().inside(str(tenant.pk), integration_id):
        heard = effects.trial(tenant, integration, asked, idempotency_key=f"trial-{secrets.token_hex(12)}")
    with transaction.atomic():
        changes = {"integration_id": integration_id, "endpoint": endpoint[:200], "method": method.upper(), "success": heard.outcome.success}
        audit(tenant, actor=actor_of(by), action="integration.try", target=integration, changes=changes)
    stub = _kept(tenant, integration_id, record_as, asked, heard.outcome, Stub.Source.TRIAL, by) if record_as else None
    return Trial(outcome=heard.outcome, sent=heard.sent, stub=stub)


def record_effect(tenant: Tenant, *, integration_id: str, effect_id: UUID, name: str, by: By) -> Stub:
    """Keep what a conversation's call has brought as a stub. Raises IntegrationNotFound, EffectNotFound, Invalid, what save_stub raises."""
    flows.integration(tenant, integration_id)
    effect = Effect.objects.for_tenant(tenant).filter(pk=effect_id, integration_id=integration_id).first()
    if effect is None:
        raise EffectNotFound(effect_id=str(effect_id))
    if effect.result is None:
        raise Invalid(
            "The call has not ended yet.", errors=[{"path": "$.effect_id", "message": "is still under way", "expected": "a call that ended"}]
        )
    asked = dict(effect.request)
    if sealed.TOKEN in asked:  # a sensitive slot went into it: its mask fits no call, and its value has no place in a stub
        asked["request"] = {}
    return _kept(tenant, effect.integration_id, name, asked, codec.outcome_from_json(effect.result), Stub.Source.CONVERSATION, by)


def _kept(tenant: Tenant, integration_id: str, name: str, asked: Mapping[str, Any], outcome: Outcome, source: str, by: By) -> Stub:
    fields: dict[str, Json] = {
        "name": name,
        "endpoint": asked.get("endpoint", ""),
        "method": asked.get("method", ""),
        "request": dict(asked.get("request") or {}),
        "outcome": codec.outcome_to_json(outcome),
    }
    return flow_services.save_stub(tenant, integration_id=integration_id, fields=fields, source=source, by=by)


def _refuse(name: str, message: str, expected: str) -> NoReturn:
    raise Invalid("The trial cannot be made.", errors=[{"path": f"$.{name}", "code": "invalid", "message": message, "expected": expected}])


MOST_LOOKED_AT: Final = 5_000  # calls; of more, the newest
ERRORS_SHOWN: Final = 20
OVER: Final = (Effect.Status.SUCCEEDED, Effect.Status.FAILED, Effect.Status.UNKNOWN)
# Ends that tell nothing of the other side: the conversation was reset, or the breaker kept the call at home.
NOT_ITS_FAULT: Final = ("discarded",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    at: datetime
    code: str
    error: str
    conversation_id: UUID
    effect_id: UUID
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Of the calls that have ended in the last `hours`. Latencies are milliseconds of the last try of each, over successes and failures;
    None when there was none. `waiting` and `running` are as of now."""

    hours: int
    calls: int = 0
    succeeded: int = 0
    failed: int = 0
    unknown: int = 0
    repeated: int = 0
    success_rate: float | None = None
    p50_ms: int | None = None
    p95_ms: int | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    running: int = 0
    breaker: breakers.Reading = field(default_factory=lambda: breakers.Reading(state=breakers.CLOSED, failures=0, calls=0))
    last_failures: tuple[Failure, ...] = ()
    cut: bool = False  # only the newest MOST_LOOKED_AT were looked at


def health(tenant: Tenant, *, integration_id: str, hours: int = 24) -> Health:
    """Raises IntegrationNotFound, Invalid."""
    flows.integration(tenant, integration_id)
    if not 1 <= hours <= 24 * 30:
        _refuse("hours", "is out of range", "1 to 720")
    rows = _ended(tenant, hours).filter(integration_id=integration_id).order_by("-finished_at")
    found = list(
        rows.annotate(code=KT("result__code"), ms=KT("result__execution_time_ms")).values_list("status", "code", "ms", "tries")[:MOST_LOOKED_AT]
    )
    told = [row for row in found if row[1] not in NOT_ITS_FAULT]
    statuses = Counter(status for status, *_ in told)
    times = sorted(_whole(ms) for status, code, ms, _ in told if status != Effect.Status.UNKNOWN and code != "CIRCUIT_OPEN")
    now = _now(tenant, integration_id)
    return Health(
        hours=hours,
        calls=len(told),
        succeeded=statuses[Effect.Status.SUCCEEDED],
        failed=statuses[Effect.Status.FAILED],
        unknown=statuses[Effect.Status.UNKNOWN],
        repeated=sum(tries for *_, tries in told),
        success_rate=statuses[Effect.Status.SUCCEEDED] / len(told) if told else None,
        p50_ms=_rank(times, 0.50),
        p95_ms=_rank(times, 0.95),
        codes=dict(Counter(code for _, code, *_ in told if code).most_common()),
        waiting=now["waiting"],
        running=now["running"],
        breaker=breakers.read(effects.breaker_name(tenant, integration_id)),
        last_failures=_last_failures(tenant, integration_id, hours),
        cut=len(found) == MOST_LOOKED_AT,
    )


def with_counts(rows: Any, *, hours: int = 24) -> Any:
    """Integrations with `calls` that have ended in the last hours and `good` ones among them, for lists; None when there was none."""
    ended = Effect.objects.filter(
        tenant_id=OuterRef("tenant_id"), integration_id=OuterRef("integration_id"), finished_at__gte=Now() - timedelta(hours=hours), status__in=OVER
    )
    good = ended.filter(status=Effect.Status.SUCCEEDED)
    return rows.annotate(calls=_count_of(ended), good=_count_of(good))


def _count_of(rows: QuerySet[Effect]) -> Subquery:
    return Subquery(rows.order_by().values("integration_id").annotate(count=Count("pk")).values("count"))


def close_breaker(tenant: Tenant, *, integration_id: str, by: By) -> None:
    """Somebody knows that the other side is well again: let calls through at once. Raises IntegrationNotFound."""
    integration = flows.integration(tenant, integration_id)
    breakers.reset(effects.breaker_name(tenant, integration_id))
    with transaction.atomic():
        audit(tenant, actor=actor_of(by), action="integration.close_breaker", target=integration, changes={"integration_id": integration_id})


def _ended(tenant: Tenant, hours: int) -> Any:
    return Effect.objects.for_tenant(tenant).filter(finished_at__gte=Now() - timedelta(hours=hours), status__in=OVER)


def _now(tenant: Tenant, integration_id: str) -> dict[str, int]:
    open_ = Effect.objects.for_tenant(tenant).filter(integration_id=integration_id, status=Effect.Status.STARTED)
    found: dict[str, int] = open_.aggregate(
        waiting=Count("pk", filter=Q(attempts=F("tries"))), running=Count("pk", filter=Q(attempts__gt=F("tries")))
    )
    return found


def _last_failures(tenant: Tenant, integration_id: str, hours: int) -> tuple[Failure, ...]:
    rows = _ended(tenant, hours).filter(integration_id=integration_id).exclude(status=Effect.Status.SUCCEEDED).order_by("-finished_at")
    told = rows.annotate(code=KT("result__code"), error=KT("result__error"))
    columns = ("finished_at", "code", "error", "conversation_id", "pk", "tries")
    return tuple(
        Failure(at=at, code=code or "", error=(error or "")[:300], conversation_id=conversation, effect_id=pk, tries=tries + 1)
        for at, code, error, conversation, pk, tries in told.values_list(*columns)[:ERRORS_SHOWN]
        if code not in NOT_ITS_FAULT
    )


def _rank(times: list[int], share: float) -> int | None:
    return times[min(len(times) - 1, round(share * (len(times) - 1)))] if times else None


def _whole(text: Any) -> int:
    return int(float(text)) if text not in (None, "") else 0
