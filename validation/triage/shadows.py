"""Rankings in the shadow: after findings were ranked, a model in the shadow ranks the same ones in a worker. Nobody sees its order.

What is compared are the first places of the two lists: agreeing is a finding that both have among them.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.utils import timezone

from mcp_platform import jobs
from mcp_platform.ml import queries as models
from mcp_platform.ml import stages
from mcp_platform.ml.stages import Compared
from mcp_platform.tenancy.models import Tenant
from validation.models import Finding
from validation.triage import cases, champions
from validation.triage.champions import Ranking

DEPTH: Final = 10
MOST: Final = 2_000
SURE: Final = 0.5  # a score above it says that people will confirm the finding


def follow(tenant: Tenant, buildings: Iterable[UUID]) -> None:
    """Findings of these buildings were ranked: have it compared when a model is in the shadow."""
    if (champions.KIND, champions.SUBJECT) in models.shadows(tenant.pk):
        for building_id in sorted(set(buildings)):
            jobs.enqueue("validation.shadow_ranking", tenant_id=str(tenant.pk), building_id=str(building_id))


def compare(tenant: Tenant, *, building_id: UUID) -> int:
    """The worker's part: how many models in the shadow were run, on the undecided findings of the building as they are now."""
    rows = Finding.objects.for_tenant(tenant).filter(building_id=building_id, resolved_seq=None, ml_score__isnull=False)
    rows = rows.filter(state__in=(Finding.State.OPEN, Finding.State.REOPENED)).order_by("-ml_score", "pk")
    todo = list(rows.values_list("pk", "ml_model_version")[:MOST])
    waiting = models.shadows(tenant.pk).get((champions.KIND, champions.SUBJECT), ())
    if len(todo) < 2 or not waiting:
        return 0
    found = cases.cases(tenant, Finding.objects.for_tenant(tenant).filter(pk__in=[pk for pk, _ in todo]))
    features = champions.rows_of(found, champions.history(tenant), timezone.now().timestamp())
    served = champions.ranking(tenant.pk, todo[0][1])
    number = models.model(tenant, served.model).number if served.model is not None else 0
    count = 0
    for shadow_id in waiting:
        forest = champions.forest_of(tenant.pk, shadow_id)
        if forest is None or shadow_id == served.model:
            continue
        began = time.perf_counter()
        told = Ranking(model=shadow_id, forest=forest).scores(features)
        spent = (time.perf_counter() - began) * 1000
        stages.note(tenant, model_id=shadow_id, served_number=number, seen=_seen(served.scores(features), told, spent))
        count += 1
    return count


def _seen(served: Sequence[float], told: Sequence[float], milliseconds: float) -> Compared:
    depth = min(DEPTH, len(served))
    first, other = _first(served, depth), _first(told, depth)
    return Compared(
        compared=depth,
        agreed=len(first & other),
        sure=sum(told[place] >= SURE for place in other),
        served_sure=sum(served[place] >= SURE for place in first),
        confidence=sum(told[place] for place in other),
        served_confidence=sum(served[place] for place in first),
        milliseconds=milliseconds,
    )


def _first(scores: Sequence[float], depth: int) -> set[int]:
    return set(sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:depth])
