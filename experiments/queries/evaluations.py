"""Evaluations: replays and simulations of an experiment."""

import json
from hashlib import sha256
from uuid import UUID

from django.db.models import QuerySet

from experiments.errors import EvaluationNotFound
from experiments.models import Evaluation, Experiment
from experiments.queries.rows import Whose, experiment
from mcp_platform.tenancy.models import Tenant


def evaluations(tenant: Whose) -> QuerySet[Evaluation]:
    found: QuerySet[Evaluation] = Evaluation.objects.for_tenant(tenant)
    return found.select_related("experiment").prefetch_related("experiment__variants")


def evaluation(tenant: Tenant, key: str | UUID, evaluation_id: UUID) -> Evaluation:
    """One of this experiment's. Raises ExperimentNotFound, EvaluationNotFound."""
    row = experiment(tenant, key)
    found = evaluations(tenant).filter(experiment=row, pk=evaluation_id).first()
    if found is None:
        raise EvaluationNotFound(evaluation_id=str(evaluation_id))
    return found


def arms_digest(row: Experiment) -> str:
    """Over what its arms run. Names and shares are left out: they change nothing of what somebody meets."""
    arms = sorted([one.key, one.is_control, str(one.version_id or ""), str(one.model_id or "")] for one in row.variants.all())
    return sha256(json.dumps(arms).encode()).hexdigest()


def is_current(made: Evaluation) -> bool:
    """Whether the experiment is still what was evaluated; a draft is nothing yet."""
    row = made.experiment
    return is_of_arms(made) and made.phase == row.phase


def is_of_arms(made: Evaluation) -> bool:
    """Whether the arms are still the ones that were evaluated, whatever the phase."""
    row = made.experiment
    return row.state != Experiment.State.DRAFT and (made.base_sha256, made.arms_sha256) == (row.base_sha256, arms_digest(row))


def of_now(row: Experiment) -> QuerySet[Evaluation]:
    """Those of the phase, the base and the arms that the experiment has now, newest first."""
    found = evaluations(row.tenant_id).filter(experiment=row)
    if row.state == Experiment.State.DRAFT:
        return found.none()
    return found.filter(phase=row.phase, base_sha256=row.base_sha256, arms_sha256=arms_digest(row))


def latest(row: Experiment) -> dict[str, Evaluation]:
    """By kind, the newest one of now that is finished."""
    found = of_now(row).exclude(finished_at=None).order_by("created_at")
    return {one.kind: one for one in found}


def newest_forecast(row: Experiment) -> Evaluation | None:
    """The newest simulation of now that was finished before the start."""
    found = of_now(row).filter(kind=Evaluation.Kind.SIMULATION).exclude(finished_at=None)
    if row.started_at is not None:
        found = found.filter(finished_at__lte=row.started_at)
    return found.order_by("-created_at").first()
