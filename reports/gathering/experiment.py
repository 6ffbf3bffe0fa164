"""What a report of an experiment says: its plan, its numbers as they were counted last, and what was decided."""

from collections.abc import Mapping
from typing import Any

from experiments import queries, services
from experiments.models import Decision, Experiment
from mcp_platform.tenancy.models import Tenant
from reports.gathering import reading
from reports.gathering.gathered import Gathered, Subject

Json = Any
PLAN = (
    *("key", "name", "hypothesis", "kind", "state", "unit", "allocation", "seed", "hash_version", "coverage", "targeting", "stats_mode", "alpha"),
    *("power", "minimum_effect", "baseline", "auto_stop", "ramp", "phase", "stop_reason", "base_sha256", "states"),
)


def find(tenant: Tenant, wish: Mapping[str, str]) -> Subject:
    """Of {experiment}, its key or id. Raises ExperimentNotFound, SchemaError."""
    row = _named(tenant, wish)
    return Subject(title=row.name or row.key, key=f"experiment:{row.pk}")


def _named(tenant: Tenant, wish: Mapping[str, str]) -> Experiment:
    if not wish.get("experiment"):
        raise reading.wrong("experiment", wish, "the key or the id of an experiment")
    return queries.experiment(tenant, wish["experiment"])


def gather(tenant: Tenant, wish: Mapping[str, str], _locale: str) -> Gathered:
    """Raises what `find` raises."""
    row = _named(tenant, wish)
    broken = services.verify_decisions(row)
    body = {
        "units": "metric",
        "project": {},
        "plan": _plan(row),
        "numbers": row.findings,
        "counted_at": _moment(row.counted_at),
        "days": queries.trend(row),
        "funnel": _funnel(row),
        "decisions": [_decision(one) for one in queries.decisions(row)],
        "chain": "whole" if broken is None else str(broken),
        "variants": [_variant(one) for one in row.variants.all()],
        "metrics": [
            {
                "key": one.metric.key,
                "name": one.metric.name,
                "role": one.role,
                "margin": one.margin,
                "measure": one.metric.measure,
                "of": one.metric.of,
            }
            for one in row.metrics.all()
        ],
    }
    return Gathered(title=row.name or row.key, body=body)


def _plan(row: Experiment) -> dict[str, Json]:
    return {
        "id": str(row.pk),
        **{name: getattr(row, name) for name in PLAN},
        "flow": row.flow.name if row.flow is not None else "",
        "environment": row.environment.name,
        "base": row.base.number if row.base is not None else None,
        "namespace": f"{row.namespace.key} {row.namespace_start:g} – {row.namespace_end:g}" if row.namespace is not None else "",
        "holdout": row.holdout.key if row.holdout is not None else "",
        **{name: _moment(getattr(row, name)) for name in ("starts_at", "ends_at", "started_at", "stopped_at")},
    }


def _moment(at: Any) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _variant(one: Any) -> dict[str, Json]:
    return {
        "key": one.key,
        "name": one.name,
        "control": one.is_control,
        "percentage": one.percentage,
        "version": one.version.number if one.version is not None else None,
        "model": str(one.model) if one.model is not None else "",
        "modifications": one.modifications,
    }


def _funnel(row: Experiment) -> list[dict[str, Json]]:
    return [
        {"state": state, "arm": arm, "units": int(sums.n), "reached": sums.mean if sums.n else None}
        for state, arms in sorted(queries.state_funnel(row).items())
        for arm, sums in arms.items()
    ]


def _decision(one: Decision) -> dict[str, Json]:
    names = ("number", "phase", "verdict", "variant", "reason", "by", "digest", "previous_digest")
    return {**{name: getattr(one, name) for name in names}, "at": _moment(one.at)}
