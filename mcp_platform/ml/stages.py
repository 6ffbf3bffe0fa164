"""On the way to serving: in the shadow, where a model is run and nobody hears it, and as challenger, where an experiment gives it to some.

candidate -> shadow -> challenger -> champion -> archived; `services` has the promotion, and rejection ends the way from anywhere but the last two.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from mcp_platform import jobs
from mcp_platform.ml import queries
from mcp_platform.ml.errors import ArtifactRefused, IsRejected, NotInThisStage
from mcp_platform.ml.models import ModelVersion, ShadowReading
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

Status = ModelVersion.Status
MOST_DIFFERENCES: Final = 50  # of one day that are kept apart
WAITING: Final = (Status.CANDIDATE, Status.SHADOW, Status.ARCHIVED)
RETIRED: Final = "retired"  # what a process of the release before writes for `archived`


def shadow(tenant: Tenant, *, model_id: UUID, by: By) -> ModelVersion:
    """It is run on what the serving model hears, and nobody hears it. Raises ModelNotFound, IsRejected, NotInThisStage, ArtifactRefused."""
    queries.content(tenant, model_id)  # what has been tampered with is never run
    return _moved(tenant, model_id, (Status.CANDIDATE, Status.ARCHIVED), lambda row: Status.SHADOW, "shadow", by)


def unshadow(tenant: Tenant, *, model_id: UUID, by: By) -> ModelVersion:
    """It is run no more; what was measured stays. Raises ModelNotFound, NotInThisStage."""
    return _moved(tenant, model_id, (Status.SHADOW,), _idle, "unshadow", by)


def challenge(tenant: Tenant, *, model_id: UUID, by: By) -> ModelVersion:
    """An experiment gives it to some. It may be a challenger of several. Raises ModelNotFound, IsRejected, NotInThisStage, ArtifactRefused."""
    queries.content(tenant, model_id)
    return _moved(tenant, model_id, (*WAITING, Status.CHALLENGER), lambda row: Status.CHALLENGER, "challenge", by)


def withdraw(tenant: Tenant, *, model_id: UUID, by: By) -> ModelVersion:
    """Its last experiment has ended: it is what it was before, but in the shadow only if its artifact is whole. What became champion meanwhile stays
    that. A stop hangs on it, so it never fails for what the model is. Raises ModelNotFound."""
    row = queries.model(tenant, model_id)
    if row.status != Status.CHALLENGER:
        return row
    return _moved(tenant, model_id, (Status.CHALLENGER,), _before, "withdraw", by)


def _before(row: ModelVersion) -> str:
    return _idle(row) if not row.returns_to or (row.returns_to == Status.SHADOW and not _is_whole(row)) else row.returns_to


def _is_whole(row: ModelVersion) -> bool:
    try:
        queries.content(row.tenant_id, row.pk)
    except ArtifactRefused:
        return False
    return True


def _idle(row: ModelVersion) -> str:
    return Status.ARCHIVED if row.promoted_at is not None else Status.CANDIDATE


def _moved(tenant: Tenant, model_id: UUID, before: Collection[str], after: Callable[[ModelVersion], str], deed: str, by: By) -> ModelVersion:
    with transaction.atomic():
        queries.model(tenant, model_id)
        row: ModelVersion = ModelVersion.objects.for_tenant(tenant).select_for_update().get(pk=model_id)
        row.status = Status.ARCHIVED if row.status == RETIRED else row.status
        if row.status == Status.REJECTED:
            raise IsRejected(model_id=str(model_id))
        if row.status not in before:
            raise NotInThisStage(f"A model that is {row.get_status_display().lower()} cannot do that.", state=row.status, expected=sorted(before))
        wanted = after(row)
        if wanted == row.status:
            return row
        changes = {"status": [row.status, wanted], "number": row.number}
        row.returns_to = row.status if wanted == Status.CHALLENGER else ""
        row.status = wanted
        row.save(update_fields=("status", "returns_to"))
        audit(tenant, actor=actor_of(by), action=f"model.{deed}", target=row, changes=changes)
        tenant_id, generation = tenant.pk, uuid4().hex
        jobs.after_commit(lambda: queries.forget(tenant_id, generation))
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One run of a model in the shadow. `confidence` and `served_confidence` are sums over what was compared."""

    compared: int
    agreed: int
    sure: int
    served_sure: int
    confidence: float
    served_confidence: float
    milliseconds: float
    differences: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (served, shadow) -> how often


def note(tenant: Tenant, *, model_id: UUID, served_number: int, seen: Compared, day: date | None = None) -> None:
    """Add a run to its day. What has left the shadow meanwhile is not counted."""
    if not seen.compared or not queries.models(tenant).filter(pk=model_id, status=Status.SHADOW).exists():
        return
    keys: Any = {"tenant": tenant, "model_id": model_id, "served_number": served_number, "day": day or timezone.now().date()}
    with transaction.atomic():
        ShadowReading.objects.get_or_create(**keys)
        row = ShadowReading.objects.select_for_update().get(**keys)
        for name in ("compared", "agreed", "sure", "served_sure", "confidence", "served_confidence", "milliseconds"):
            setattr(row, name, getattr(row, name) + getattr(seen, name))
        row.runs += 1
        row.slowest = max(row.slowest, seen.milliseconds)
        row.differences = _added(row.differences, seen.differences)
        row.save()


def _added(held: list[list[Any]], more: Mapping[tuple[str, str], int]) -> list[list[Any]]:
    """A pair that comes when all places are taken by pairs as frequent is left out."""
    counts = {(served, told): count for served, told, count in held}
    for pair, count in more.items():
        counts[pair] = counts.get(pair, 0) + count
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [[served, told, count] for (served, told), count in ranked[:MOST_DIFFERENCES]]


def agreement(row: ModelVersion) -> dict[str, Any]:
    """How a model in the shadow compares with what served: in all, and day by day, newest first. It tells no effect, because nobody heard it."""
    days = list(queries.shadow_readings(row)[:200])
    differences: list[list[Any]] = []
    for one in reversed(days):
        differences = _added(differences, {(served, told): count for served, told, count in one.differences})
    return {
        "model": str(row.pk),
        "number": row.number,
        "status": row.status,
        "total": _line(days),
        "days": [{"day": one.day, "served_number": one.served_number, **_line([one])} for one in days],
        "differences": [{"served": served, "shadow": told, "count": count} for served, told, count in differences[:20]],
        "claim": "Nobody heard this model: what it would have said is compared, and no effect is claimed. An experiment tells effects.",
    }


def _line(rows: Collection[ShadowReading]) -> dict[str, Any]:
    compared, runs = sum(one.compared for one in rows), sum(one.runs for one in rows)

    def share(name: str) -> float | None:
        return round(sum(getattr(one, name) for one in rows) / compared, 4) if compared else None

    return {
        "compared": compared,
        "agreement": share("agreed"),
        "sure": share("sure"),
        "served_sure": share("served_sure"),
        "confidence": share("confidence"),
        "served_confidence": share("served_confidence"),
        "milliseconds": round(sum(one.milliseconds for one in rows) / runs, 2) if runs else None,
        "slowest": round(max((one.slowest for one in rows), default=0.0), 2),
    }
