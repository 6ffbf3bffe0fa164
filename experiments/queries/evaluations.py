"""Evaluations: replays and simulations of an experiment."""

from uuid import UUID

from django.db.models import QuerySet

from experiments.errors import EvaluationNotFound
from experiments.models import Evaluation, Experiment
from experiments.queries.rows import Whose, experiment
from mcp_platform.tenancy.models import Tenant


def evaluations(tenant: Whose) -> QuerySet[Evaluation]:
    found: QuerySet[Evaluation] = Evaluation.objects.for_tenant(tenant)
    return found.select_related("experiment")


def evaluation(tenant: Tenant, key: str | UUID, evaluation_id: UUID) -> Evaluation:
    """One of this experiment's. Raises ExperimentNotFound, EvaluationNotFound."""
    row = experiment(tenant, key)
    found = evaluations(tenant).filter(experiment=row, pk=evaluation_id).first()
    if found is None:
        raise EvaluationNotFound(evaluation_id=str(evaluation_id))
    return found


def of_now(row: Experiment) -> QuerySet[Evaluation]:
    """Those of the phase and the base that the experiment has now, newest first."""
    return evaluations(row.tenant_id).filter(experiment=row, phase=row.phase, base_sha256=row.base_sha256)


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
