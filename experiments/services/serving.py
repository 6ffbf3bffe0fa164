"""The platform's experiments as a feature document that any GrowthBook SDK evaluates to the same variants."""

from typing import Any

from django.conf import settings

from experiments import queries
from experiments.core.assign import HOLDOUT
from experiments.models import Experiment
from experiments.queries import trial_of
from flows import queries as flows
from mcp_platform.tenancy.models import Tenant

HASHED = {"user": "id", "conversation": "id", "building": "id"}


def features(tenant: Tenant, *, environment: str = "") -> dict[str, Any]:
    """One feature for each running experiment; its value is the key of the variant, and null for who takes no part. Raises EnvironmentNotFound."""
    rows = queries.experiments(tenant).filter(state=Experiment.State.RUNNING)
    rows = rows.filter(environment=flows.environment(tenant, environment)) if environment else rows.filter(environment__is_default=True)
    found = list(rows.prefetch_related("forces__variant").order_by("key")) if settings.ENABLE_AB_TESTING else []
    updated = max((row.updated_at for row in found), default=None)
    return {
        "status": 200,
        "features": {row.key: _feature(row) for row in found},
        "experiments": [],
        "dateUpdated": updated.isoformat() if updated else None,
    }


def _feature(row: Experiment) -> dict[str, Any]:
    """Those that are held out first, then the experiment. Its dates are the server's business: outside them it is not served. So are forced units:
    who may read what runs need not learn who they are."""
    trial = trial_of(row)
    plan = trial.plan
    rule: dict[str, Any] = {
        "key": row.key,
        "variations": [arm.key for arm in plan.arms],
        "weights": [arm.weight for arm in plan.arms],
        "meta": [{"key": arm.key, "name": arm.key} for arm in plan.arms],
        "coverage": plan.coverage,
        "hashAttribute": HASHED[row.unit],
        "hashVersion": plan.hash_version,
        "seed": plan.seed,
        "phase": str(row.phase),
        "bucketVersion": row.bucket_version,
        "name": row.name,
    }
    if plan.targeting:
        rule["condition"] = dict(plan.targeting)
    filters = []
    if plan.holdout is not None:
        filters.append({"attribute": "id", "seed": HOLDOUT + plan.holdout.seed, "hashVersion": 2, "ranges": [[plan.holdout.share, 1]]})
    if plan.namespace is not None and filters:  # filters take the place of a namespace
        name, start, end = plan.namespace
        filters.append({"attribute": "id", "seed": f"__{name}", "hashVersion": 1, "ranges": [[start, end]]})
    if filters:
        rule["filters"] = filters
    elif plan.namespace is not None:
        rule["namespace"] = list(plan.namespace)
    return {"defaultValue": None, "rules": [rule]}
