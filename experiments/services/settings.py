"""What experiments share: metrics, namespaces, holdouts."""

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from experiments import queries
from experiments.core.metrics import DEEPEST, MEASURES, depth_of
from experiments.errors import IsNeeded, NameTaken, PlanRefused
from experiments.models import Experiment, ExperimentMetric, Holdout, MetricDefinition, Namespace
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

Row = MetricDefinition | Namespace | Holdout


def save_metric(tenant: Tenant, *, fields: dict[str, Any], key: str = "", by: By) -> MetricDefinition:
    """Create one, or change some fields of the one called `key`. What is measured never changes while an experiment uses it."""
    row = queries.metric(tenant, key) if key else MetricDefinition(tenant=tenant)
    used = bool(row.pk) and ExperimentMetric.objects.for_tenant(tenant).filter(metric=row).exists()
    fixed = [name for name in ("measure", "of", "cap", "cuped") if used and name in fields and fields[name] != getattr(row, name)]
    if fixed:
        raise IsNeeded("Experiments use this metric: what it measures cannot change. Make another one.", fields=fixed)
    wanted = {"measure": row.measure, "of": row.of, **fields}
    kind = MEASURES.get(wanted["measure"])
    if kind is None:
        _refuse("$.measure", "is not known", ", ".join(MEASURES))
    elif kind.takes and wanted["measure"] == "reached_state" and not wanted["of"]:
        _refuse("$.of", "is missing", kind.takes)
    elif wanted["measure"] == "precision_at" and depth_of(wanted["of"]) is None:
        _refuse("$.of", "is no depth", f"1 to {DEEPEST}")
    saved: MetricDefinition = _save(tenant, row, fields, by)
    return saved


def delete_metric(tenant: Tenant, *, key: str, by: By) -> None:
    _delete(tenant, queries.metric(tenant, key), by)


def save_namespace(tenant: Tenant, *, fields: dict[str, Any], key: str = "", by: By) -> Namespace:
    saved: Namespace = _save(tenant, queries.namespace(tenant, key) if key else Namespace(tenant=tenant), fields, by)
    return saved


def delete_namespace(tenant: Tenant, *, key: str, by: By) -> None:
    _delete(tenant, queries.namespace(tenant, key), by)


def save_holdout(tenant: Tenant, *, fields: dict[str, Any], key: str = "", by: By) -> Holdout:
    """Its share must not shrink or grow while an experiment that keeps it runs: people would move between being held out and not."""
    row = queries.holdout(tenant, key) if key else Holdout(tenant=tenant)
    running = bool(row.pk) and Experiment.objects.for_tenant(tenant).filter(holdout=row, state=Experiment.State.RUNNING).exists()
    if running and any(name in fields and fields[name] != getattr(row, name) for name in ("share", "seed", "active")):
        raise IsNeeded("Running experiments keep this holdout.", holdout=row.key)
    if not row.pk:
        fields = {"seed": f"{tenant.slug}:{fields.get('key', '')}", **fields}
    saved: Holdout = _save(tenant, row, fields, by)
    return saved


def delete_holdout(tenant: Tenant, *, key: str, by: By) -> None:
    _delete(tenant, queries.holdout(tenant, key), by)


def _save(tenant: Tenant, row: Any, fields: dict[str, Any], by: By) -> Any:
    kind = type(row)
    key = fields.get("key", row.key)
    with transaction.atomic():
        if kind.objects.for_tenant(tenant).filter(key=key).exclude(pk=row.pk).exists():
            raise NameTaken(key=key)
        changes = {name: value for name, value in fields.items() if not row.pk or getattr(row, name) != value}
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
        audit(tenant, actor=actor_of(by), action=f"{kind._meta.model_name}.save", target=row, changes=changes)
    return row


def _delete(tenant: Tenant, row: Any, by: By) -> None:
    with transaction.atomic():
        audit(tenant, actor=actor_of(by), action=f"{type(row)._meta.model_name}.delete", target=row, changes={"key": row.key})
        try:
            row.delete()
        except ProtectedError:
            raise IsNeeded(key=row.key) from None


def _refuse(path: str, message: str, expected: str) -> None:
    raise PlanRefused(errors=[{"path": path, "code": "invalid", "message": message, "expected": expected}])
