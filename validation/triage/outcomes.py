"""What experiments on rankings ask of buildings: what people made of the findings that an arm's model ranks there, the highest first."""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from django.db.models import Count, Q

from experiments.core.metrics import Outcome
from experiments.services.counting import Ranked
from mcp_platform.tenancy.models import Tenant
from validation.core.risk import Disposition
from validation.models import Finding
from validation.triage import cases

MOST = 2_000  # places of a building's list
_Place = tuple[UUID, bool, bool]  # finding, whether the rule holds again, whether somebody says that it is fixed


def outcomes(tenant: Tenant, seen: Mapping[UUID, Ranked]) -> Mapping[UUID, Outcome]:
    """Of the buildings where something has happened since `seq`. A finding keeps the score that it had when people decided it."""
    counts = _movement(tenant, list(seen))
    moved = [building for building, count in counts.items() if count != seen[building].seq]
    if not moved:
        return {}
    models = {seen[building].model for building in moved}
    rows = Finding.objects.for_tenant(tenant).filter(building_id__in=moved, ml_model_version__in=[one for one in models if one is not None])
    ranked: dict[UUID, list[_Place]] = defaultdict(list)
    order = rows.exclude(ml_score=None).order_by("building_id", "-ml_score", "severity_rank", "pk")
    for pk, building, model, state, resolved in order.values_list("pk", "building_id", "ml_model_version", "state", "resolved_at"):
        if model == seen[building].model and len(ranked[building]) < MOST:
            gone = resolved is not None and resolved >= seen[building].since
            ranked[building].append((pk, gone, state == Finding.State.FIXED))
    known = cases.dispositions(tenant, rows.values("pk"))
    return {building: _outcome(ranked[building], known, seen[building], counts[building]) for building in moved}


def _outcome(ranked: list[_Place], known: Mapping[UUID, Disposition], since: Ranked, seq: int) -> Outcome:
    began = since.since.timestamp()
    lately = {pk: one.confirmed for pk, _, _ in ranked if (one := known.get(pk)) is not None and one.at >= began}
    fixed = sum(gone or (told and pk in lately) for pk, gone, told in ranked)
    return Outcome(seq=seq, verdicts=tuple(lately.get(pk) for pk, _, _ in ranked), findings_fixed=fixed)


def _movement(tenant: Tenant, buildings: list[UUID]) -> dict[UUID, int]:
    """A number that moves whenever people or models did something there."""
    rows = Finding.objects.for_tenant(tenant).filter(building_id__in=buildings).values("building_id").order_by()
    found = rows.annotate(
        said=Count("notes", distinct=True),
        gone=Count("pk", filter=Q(resolved_at__isnull=False), distinct=True),
        scored=Count("pk", filter=Q(ml_score__isnull=False), distinct=True),
    )
    return {one["building_id"]: one["said"] + one["gone"] + one["scored"] for one in found}
