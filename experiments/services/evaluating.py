"""Evaluating an experiment before it starts: stored conversations played again through its variants, and made-up ones.

Neither estimates what people will do. A replay is a check of consistency: what people said is fixed, so whatever follows a first difference is
no longer what they would have said. A simulation is a rehearsal with a model of people, and as good as that model.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from experiments import queries
from experiments.core import prediction
from experiments.core import sizing as sizes
from experiments.core.metrics import MEASURES, Metric
from experiments.core.prediction import Forecast
from experiments.errors import EvaluationNotFound, NotInThisState, PlanRefused
from experiments.models import Evaluation, Experiment
from experiments.services.checking import Fault, fault
from experiments.services.planning import differences
from experiments.services.rows import Key
from experiments.services.sizing import Basis, logged, metric_of, primary_of, wanted_of
from mcp_platform.operations import services as operations
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

KIND: Final = "experiments.evaluate"
KEPT: Final = 20  # of an experiment; older ones go when a new one begins
RAN_ON = ("base", "any")
UNDERSTANDING = ("auto", "recorded", "anew")
# What may be chosen, by kind: name -> (default, least, most), or (default, the values there are).
CHOICES: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "replay": {"conversations": (1_000, 1, 10_000), "ran_on": ("any", RAN_ON), "understanding": ("auto", UNDERSTANDING)},
    "simulation": {
        "conversations": (1_000, 10, 10_000),
        "learn_from": (2_000, 1, 10_000),
        "ran_on": ("base", RAN_ON),
        "seed": (1, 0, 2**31 - 1),
        "quiet_minutes": (30, 0, 10_080),
    },
}
REHEARSED: Final = ("completion", "turns_to_completion", "low_confidence_rate", "slot_retries", "integration_failures", "handoff_rate")
WORDS: Final = re.compile(
    r"\.(response_templates|prompts?|retry_prompts|default_responses|texts?|labels|message|name|description|metadata)(?=[.\[]|$)"
)
LABELS: Final = {"replay": "Consistency check, not an estimate of an effect", "simulation": "Forecast by a model of people, not an observation"}


class Progress(Protocol):
    def report(self, done: int, total: int, phase: str = "") -> None:
        """Raises what ends the work, such as Cancelled."""


Replayer = Callable[[Tenant, Evaluation, Progress], dict[str, Any]]
Simulator = Callable[[Tenant, Evaluation, Progress], Forecast]


@dataclass(slots=True)
class _Engine:
    replay: Replayer | None = None
    simulate: Simulator | None = None


_engine = _Engine()


def use_engine(replay: Replayer, simulate: Simulator) -> None:
    """The app that has conversations says how they are played again, and how they are made up."""
    _engine.replay, _engine.simulate = replay, simulate


def evaluate(tenant: Tenant, *, key: Key, kind: str, by: By, **chosen: Any) -> Evaluation:
    """`prepare`, and let a worker do it (`operation_id`)."""
    with transaction.atomic():
        made = prepare(tenant, key=key, kind=kind, by=by, **chosen)
        row = made.experiment
        title = f"{made.get_kind_display()} of {row.name}"
        arguments = {"experiment_id": str(row.pk), "evaluation_id": str(made.pk)}
        found = operations.start(tenant, kind=KIND, title=title, arguments=arguments, subject=f"experiment:{row.pk}", by=actor_of(by))
        made.operation_id = found.pk
        made.save(update_fields=("operation_id",))
    return made


def prepare(tenant: Tenant, *, key: Key, kind: str, by: By, **chosen: Any) -> Evaluation:
    """The row. `chosen` are those of `CHOICES`.

    Raises ExperimentNotFound, PlanRefused, and NotInThisState before a validation has frozen the variants.
    """
    row = queries.experiment(tenant, key)
    given = _given(kind, chosen)
    if row.kind == Experiment.Kind.RISK_MODEL:
        raise NotInThisState("Rankings are no conversations: their models are measured against their test sets.", kind=row.kind)
    if row.state == Experiment.State.DRAFT:
        raise NotInThisState("Validate it first: that freezes what the variants are.", state=row.state, expected=["validated"])
    made = Evaluation(
        tenant=tenant,
        experiment=row,
        kind=kind,
        phase=row.phase,
        base_sha256=row.base_sha256,
        arms_sha256=queries.arms_digest(row),
        chosen=given,
        created_by=actor_of(by)[:200],
        created_at=timezone.now(),
    )
    with transaction.atomic():
        made.save(force_insert=True)
        _drop_old(row)
        audit(tenant, actor=actor_of(by), action=f"experiment.{kind}", target=row, changes={"evaluation": str(made.pk), **given})
    return made


def _given(kind: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """With defaults. Raises PlanRefused."""
    known = CHOICES.get(kind)
    if known is None:
        raise PlanRefused(errors=[fault("$.kind", "unknown_value", "is not known", ", ".join(CHOICES))])
    found = [fault(f"$.{name}", "unknown", f"means nothing to a {kind}", ", ".join(known)) for name in chosen if name not in known]
    given = {name: chosen.get(name, allowed[0]) for name, allowed in known.items()}
    found += [one for name, value in given.items() if (one := _refused(name, value, known[name])) is not None]
    if found:
        raise PlanRefused(errors=found)
    return given


def _refused(name: str, value: Any, allowed: tuple[Any, ...]) -> Fault | None:
    if len(allowed) == 2:
        return None if value in allowed[1] else fault(f"$.{name}", "unknown_value", "is not known", ", ".join(allowed[1]))
    whole = isinstance(value, int) and not isinstance(value, bool)
    _, least, most = allowed
    return None if whole and least <= value <= most else fault(f"$.{name}", "out_of_range", "is out of range", f"{least} to {most}")


def _drop_old(row: Experiment) -> None:
    mine = queries.evaluations(row.tenant_id).filter(experiment=row)
    old = list(mine.order_by("-created_at").values_list("pk", flat=True)[KEPT:])
    Evaluation.objects.for_tenant(row.tenant_id).filter(pk__in=old).delete()


def drop(tenant: Tenant, *, key: Key, evaluation_id: UUID, by: By) -> None:
    """Raises ExperimentNotFound, EvaluationNotFound."""
    found = queries.evaluation(tenant, key, evaluation_id)
    with transaction.atomic():
        audit(tenant, actor=actor_of(by), action="experiment.drop_evaluation", target=found.experiment, changes={"evaluation": str(found.pk)})
        found.delete()


def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Do it and keep what came of it.

    Raises EvaluationNotFound, when it was deleted meanwhile, NotInThisState, when the arms were changed, and what the engine raises.
    """
    found = queries.evaluations(tenant).filter(pk=arguments["evaluation_id"]).first()
    if found is None:
        raise EvaluationNotFound(evaluation_id=str(arguments["evaluation_id"]))
    row = found.experiment = queries.experiment(tenant, found.experiment_id)
    if not queries.is_of_arms(found):
        raise NotInThisState("Its variants have changed since this was asked for; validate it and evaluate again.", state=row.state)
    found.results = RESULTS[found.kind](tenant, found, progress)
    found.finished_at = timezone.now()
    found.save(update_fields=("results", "finished_at"))
    return {"experiment": found.experiment.key, "evaluation_id": str(found.pk), "kind": found.kind}


def _replayed(tenant: Tenant, made: Evaluation, progress: Progress) -> dict[str, Any]:
    found = _engine.replay(tenant, made, progress) if _engine.replay is not None else {}
    return {"label": LABELS["replay"], **found}


def _simulated(tenant: Tenant, made: Evaluation, progress: Progress) -> dict[str, Any]:
    if _engine.simulate is None:
        return {"label": LABELS["simulation"]}
    found = _engine.simulate(tenant, made, progress)
    row = made.experiment
    variants = list(row.variants.all())
    control = next(one.key for one in variants if one.is_control)
    metrics = metrics_of(row)
    rows = prediction.predicted(metrics, found.arms, control)
    calibration = prediction.calibrated(metrics, found)
    basis = _basis(row, rows[control])
    arms = [
        {
            "key": one.key,
            "control": one.is_control,
            "version": one.version.number if one.version else None,
            "model": str(one.model_id) if one.model_id else None,
            "words_only": not one.is_control and words_only(row, one),
            "metrics": rows[one.key],
            "states": _shares(found, one.key),
            **found.notes.get(one.key, {}),
        }
        for one in variants
    ]
    primary = primary_of(row)
    usable = primary is not None and prediction.may_plan(calibration, primary.key)
    return {
        "label": LABELS["simulation"],
        "conversations": made.chosen["conversations"],
        "learned_from": found.conversations,
        "arms": arms,
        "people": dict(found.people),
        "calibration": calibration,
        "basis": {name: getattr(basis, name) for name in ("metric", "mean", "deviation", "units")} if basis and usable else None,
        "power": _power(row, basis, arms),
    }


RESULTS: Final[Mapping[str, Callable[[Tenant, Evaluation, Progress], dict[str, Any]]]] = {"replay": _replayed, "simulation": _simulated}


def metrics_of(row: Experiment) -> list[tuple[Metric, str]]:
    """The experiment's own, and the usual ones that it does not have: what a change does elsewhere."""
    held = [(metric_of(one.metric), one.metric.name) for one in row.metrics.select_related("metric")]
    measured = {metric.measure for metric, _ in held}
    return held + [(Metric(key=f"_{name}", measure=name), MEASURES[name].label) for name in REHEARSED if name not in measured]


def _shares(found: Forecast, arm: str) -> dict[str, float]:
    outcomes = found.arms[arm]
    names = sorted({state for one in outcomes for state in one.states if state})
    return {name: sum(name in one.states for one in outcomes) / len(outcomes) for name in names}


def words_only(row: Experiment, variant: Any) -> bool:
    """Whether an arm differs in nothing that the model of people can see."""
    changes = differences(row, variant)
    return bool(changes) and all(WORDS.search(change.path) for change in changes)


def _basis(row: Experiment, control: Sequence[Mapping[str, Any]]) -> Basis | None:
    """The primary metric of the control, as the simulation has it."""
    primary = primary_of(row)
    found = next((one for one in control if primary is not None and one["metric"] == primary.key), None)
    if found is None or found["value"] is None or found["variance"] is None:
        return None
    traffic = logged(row)
    spread, daily = max(found["variance"], 0.0) ** 0.5, traffic.daily if traffic else 0.0
    return Basis(mean=found["value"], deviation=spread, units=found["units"], daily=daily, source="simulated", metric=found["metric"])


def _power(row: Experiment, basis: Basis | None, arms: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Units that an arm needs for the smallest effect worth knowing of, and for the difference that the simulation foresees."""
    primary = primary_of(row)
    if basis is None or primary is None:
        return None
    wanted = wanted_of(row, basis)
    found = sizes.size(wanted)
    expected = []
    for arm in arms:
        difference = next((one["difference"] for one in arm["metrics"] if one["metric"] == primary.key), None)
        if difference is None:
            continue
        told = difference["lower"] > 0 or difference["upper"] < 0
        needed = sizes.size(replace(wanted, effect=abs(difference["value"]))) if told else None
        units = needed["units_per_arm"] if needed and needed["possible"] else None
        expected.append({"arm": arm["key"], "difference": difference["value"], "units_per_arm": units})
    return {**found, "metric": primary.key, "expected": expected}
