"""Experiments, their metrics and what was counted, as doors show them."""

from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet

from experiments.core.sums import Sums
from experiments.errors import ExperimentNotFound, HoldoutNotFound, MetricNotFound, NamespaceNotFound
from experiments.models import Decision, Experiment, Exposure, Holdout, MetricDefinition, MetricSnapshot, Namespace
from mcp_platform.tenancy.models import Tenant

Whose = Tenant | UUID
REACHED = "state:"  # snapshots of the funnel: whether a conversation came to a state


def experiments(tenant: Whose) -> QuerySet[Experiment]:
    found: QuerySet[Experiment] = Experiment.objects.for_tenant(tenant)
    found = found.select_related("flow", "environment", "base", "namespace", "holdout", "tenant")
    return found.prefetch_related("variants__version", "variants__model", "metrics__metric")


def experiment(tenant: Whose, key: str | UUID) -> Experiment:
    """By its key or its id. Raises ExperimentNotFound."""
    by = {"pk": key} if isinstance(key, UUID) else _by(key)
    found = experiments(tenant).filter(**by).first()
    if found is None:
        raise ExperimentNotFound(experiment=str(key))
    return found


def _by(key: str) -> dict[str, Any]:
    try:
        return {"pk": UUID(key)}
    except ValueError:
        return {"key": key}


def metrics(tenant: Whose) -> QuerySet[MetricDefinition]:
    found: QuerySet[MetricDefinition] = MetricDefinition.objects.for_tenant(tenant)
    return found


def metric(tenant: Whose, key: str) -> MetricDefinition:
    """Raises MetricNotFound."""
    found = metrics(tenant).filter(key=key).first()
    if found is None:
        raise MetricNotFound(metric=key)
    return found


def namespaces(tenant: Whose) -> QuerySet[Namespace]:
    found: QuerySet[Namespace] = Namespace.objects.for_tenant(tenant)
    return found


def namespace(tenant: Whose, key: str) -> Namespace:
    """Raises NamespaceNotFound."""
    found = namespaces(tenant).filter(key=key).first()
    if found is None:
        raise NamespaceNotFound(namespace=key)
    return found


def holdouts(tenant: Whose) -> QuerySet[Holdout]:
    found: QuerySet[Holdout] = Holdout.objects.for_tenant(tenant)
    return found


def holdout(tenant: Whose, key: str) -> Holdout:
    """Raises HoldoutNotFound."""
    found = holdouts(tenant).filter(key=key).first()
    if found is None:
        raise HoldoutNotFound(holdout=key)
    return found


def decisions(row: Experiment) -> QuerySet[Decision]:
    return Decision.objects.for_tenant(row.tenant_id).filter(experiment=row).order_by("number")


def trend(row: Experiment) -> list[dict[str, Any]]:
    """Exposed units of each arm at the end of each day of this phase, and what each metric was then."""
    found = MetricSnapshot.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase).exclude(metric__startswith=REACHED)
    days: dict[str, dict[str, Any]] = {}
    for one in found.select_related("variant").order_by("day", "variant__position"):
        day = days.setdefault(one.day.isoformat(), {"day": one.day.isoformat(), "arms": {}})
        arm = day["arms"].setdefault(one.variant.key, {"units": 0, "metrics": {}})
        sums = Sums.from_json(one.sums)
        if one.metric:
            arm["metrics"][one.metric] = sums.ratio if sums.d else None
        else:
            arm["units"] = int(sums.n)
    return list(days.values())


def newest(rows: QuerySet[MetricSnapshot]) -> list[MetricSnapshot]:
    """The last row of each arm and metric. Which days these are an index knows, so that of a long phase few rows are read."""
    last = {(variant, metric): day for variant, metric, day in rows.order_by().values_list("variant_id", "metric").annotate(last=Max("day"))}
    return [one for one in rows.filter(day__in=set(last.values())) if last.get((one.variant_id, one.metric)) == one.day]


def state_funnel(row: Experiment) -> dict[str, dict[str, Sums]]:
    """State -> arm -> how many exposed conversations came there."""
    found = MetricSnapshot.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase, metric__startswith=REACHED)
    funnel: dict[str, dict[str, Sums]] = {}
    for one in newest(found.select_related("variant")):
        funnel.setdefault(one.metric.removeprefix(REACHED), {})[one.variant.key] = Sums.from_json(one.sums)
    return funnel


def exposed(row: Experiment) -> dict[int, int]:
    """Variant -> units that were exposed in this phase and count."""
    rows = Exposure.objects.for_tenant(row.tenant_id).filter(experiment=row, phase=row.phase, analysed=True)
    return dict(rows.values_list("variant").annotate(n=Count("assignment", distinct=True)).order_by())
