"""Experiments on the ranking of findings: which model ranks the findings of a building.

The unit is the building, because its board is one list: a list in which two models had placed findings would be in no order at all. Who works on
several buildings may see several models at work, each on lists of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from experiments import queries as experiments
from experiments.core.assign import decide
from experiments.models import Assignment
from experiments.queries import Trial
from experiments.services import assigning
from experiments.services.exposing import expose
from mcp_platform.tenancy.models import Tenant
from validation.models import Building, Finding
from validation.triage import champions
from validation.triage.champions import Ranking

WHERE = "findings"  # what an exposure says of where it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What ranks a building's findings. `trial` and `arm` are those of an experiment, if the building takes part in one."""

    ranking: Ranking
    trial: Trial | None = None
    arm: str = ""

    @property
    def exposes(self) -> bool:
        """Whether the arm's own model ranks: where it cannot be used the champion does, and nothing was met."""
        return self.trial is not None and self.ranking.model == self.trial.models.get(self.arm)


def any_run(tenant_id: UUID) -> bool:
    return bool(experiments.running_rankings(tenant_id))


def met(tenant: Tenant, building_id: UUID, now: datetime) -> Met:
    """The building gets its arm here, when it has none yet."""
    for trial in experiments.running_rankings(tenant.pk):
        arm = _arm(tenant, building_id, trial, now)
        if arm in trial.models:
            return Met(ranking=champions.ranking(tenant.pk, trial.models[arm]), trial=trial, arm=arm)
    return Met(ranking=champions.ranking(tenant.pk))


def _arm(tenant: Tenant, building_id: UUID, trial: Trial, now: datetime) -> str:
    if trial.plan.running:
        return assigning.arm_for(tenant.pk, trial, str(building_id), _attributes(tenant, building_id, trial), now)
    held = assigning.stored(trial, str(building_id))
    return _still(trial, str(building_id), held.arm, now) if held is not None else ""


def _still(trial: Trial, unit: str, arm: str, now: datetime) -> str:
    """Whether the unit has the arm of its row now: a pause takes nobody's arm, the end of the experiment does."""
    return decide(replace(trial.plan, running=True), unit, {}, now, forced=trial.forced.get(unit, ""), sticky=arm).arm if arm else ""


def _attributes(tenant: Tenant, building_id: UUID, trial: Trial) -> Mapping[str, Any]:
    """What targeting may ask. `id` is what is hashed."""
    known: dict[str, Any] = {"id": str(building_id), "building_id": str(building_id)}
    if not trial.plan.targeting:
        return known
    names = ("project_id", "project__jurisdiction__code", "project__construction_type", "project__sprinkler", "project__is_existing")
    found = Building.objects.for_tenant(tenant).filter(pk=building_id).values(*names).first() or {}
    return known | {name.rpartition("__")[2] if name != names[1] else "jurisdiction": _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def exposed(tenant: Tenant, building_id: UUID, found: Met, now: datetime) -> None:
    """Inside the transaction that writes the scores. Nothing when the experiment was stopped or paused since `found` was looked up."""
    if found.trial is not None and found.exposes and _runs(tenant, found.trial):
        expose(tenant, found.trial, unit=str(building_id), arm=found.arm, met=building_id, where=WHERE, at=now)


def _runs(tenant: Tenant, trial: Trial) -> bool:
    return any((one.id, one.phase, one.plan.running) == (trial.id, trial.phase, True) for one in experiments.running_rankings(tenant.pk))


def stale(tenant: Tenant, rows: QuerySet[Finding], now: datetime) -> QuerySet[Finding]:
    """Those of these ranked findings that another model has ranked than the one that should: a champion moved, an experiment began or ended."""
    usual = champions.ranking(tenant.pk).model
    by_model = _by_model(tenant, now)
    taking_part = [building for buildings in by_model.values() for building in buildings]
    wrong = ~Q(ml_model_version=usual) if usual is not None else Q(ml_model_version__isnull=False)
    wrong &= ~Q(building_id__in=taking_part)
    for model_id, buildings in by_model.items():
        really = champions.ranking(tenant.pk, model_id).model
        other = ~Q(ml_model_version=really) if really is not None else Q(ml_model_version__isnull=False)
        wrong |= Q(building_id__in=buildings) & other
    return rows.filter(wrong)


def _by_model(tenant: Tenant, now: datetime) -> dict[UUID, list[str]]:
    """The buildings that have an arm now, by its model."""
    found: dict[UUID, list[str]] = {}
    for trial in experiments.running_rankings(tenant.pk):
        arms = {pk: arm for arm, pk in trial.rows.items()}
        held = Assignment.objects.for_tenant(tenant).filter(experiment_id=trial.id, unit_type=trial.unit, bucket_version=trial.bucket_version)
        for unit, variant in held.values_list("unit_id", "variant_id"):
            arm = _still(trial, unit, arms.get(variant, ""), now)
            if arm in trial.models:
                found.setdefault(trial.models[arm], []).append(unit)
    return found
