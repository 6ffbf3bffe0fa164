"""Experiments on models: the champion as control, pinned; what is wrong with the others; and challengers for as long as an experiment runs.

Rankings of findings belong to a tenant and have one subject; intents belong to a flow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from experiments.core.metrics import MEASURES
from experiments.models import Experiment, Variant
from experiments.services.checking import Fault, fault
from flows import queries as flows
from flows.errors import FlowNotFound
from mcp_platform import jobs
from mcp_platform.errors import PlatformError
from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml import stages
from mcp_platform.ml.core.gates import APPROVAL
from mcp_platform.ml.models import ModelVersion
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By

Kind, Unit = Experiment.Kind, Experiment.Unit
MODEL_KINDS: Final[Mapping[str, str]] = {Kind.INTENT_MODEL: "intent", Kind.RISK_MODEL: "risk"}
UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    Kind.FLOW: (Unit.USER, Unit.CONVERSATION),
    Kind.INTENT_MODEL: (Unit.USER, Unit.CONVERSATION),
    Kind.RISK_MODEL: (Unit.BUILDING,),
}
FLOW, RANKINGS = "flow:", "findings"
RUNS: Final = (Experiment.State.RUNNING, Experiment.State.PAUSED)
_followers: dict[str, Callable[[Tenant], None]] = {}


def use_follower(kind: str, follow: Callable[[Tenant], None]) -> None:
    """Who must do something at once when an experiment of this kind begins or ends. The app above registers it."""
    _followers[kind] = follow


def of_kind(row: Experiment) -> list[Fault]:
    """Units and metrics that do not belong to the kind of the experiment."""
    units = UNITS[row.kind]
    found = [] if row.unit in units else [fault("$.unit", "kind", f"is no unit of {row.get_kind_display().lower()}s", " or ".join(units))]
    for index, one in enumerate(row.metrics.select_related("metric")):
        if not measures(row.kind, one.metric.measure):
            known = ", ".join(name for name in MEASURES if measures(row.kind, name))
            found.append(fault(f"$.metrics[{index}]", "kind", f"{one.metric.measure} is nothing that can be measured there", known))
    return found


def measures(kind: str, measure: str) -> bool:
    """Whether a measure says something about experiments of a kind."""
    found = MEASURES[measure]
    return found.of_rankings if kind == Kind.RISK_MODEL else found.of_talks


def candidates(row: Experiment) -> list[ModelVersion]:
    """Models that may be tried out beside the champion, the newest first; none before the subject is known."""
    kind = MODEL_KINDS.get(row.kind, "")
    subject = row.subject or (RANKINGS if row.kind == Kind.RISK_MODEL else f"{FLOW}{row.flow.flow_id}" if row.flow else "")
    rows = models.models(row.tenant_id).filter(kind=kind, subject=subject).defer("metrics", "card")
    return list(rows.exclude(status__in=(ModelVersion.Status.REJECTED, ModelVersion.Status.CHAMPION)).order_by("-number")[:50])


def pin(row: Experiment, variants: Sequence[Variant]) -> list[Fault]:
    """Set the subject and the control's model, which is the champion as it is now; and everything that is wrong with the others."""
    faults = _subject(row)
    if faults:
        return faults
    champion = models.champion(row.tenant_id, kind=MODEL_KINDS[row.kind], subject=row.subject)
    if champion is None:
        return [fault("$.subject", "no_champion", f"{row.subject} has no model that serves", "a champion to compare with")]
    row.base, row.base_sha256, row.states = None, champion.sha256, []
    seen = {champion.sha256}
    for index, one in enumerate(variants):
        if one.is_control:
            one.model = champion
            continue
        wrong = _of_model(row, index, one, seen)
        faults += wrong
        if one.model is not None:
            seen.add(one.model.sha256)
    return faults


def _subject(row: Experiment) -> list[Fault]:
    if row.kind == Kind.RISK_MODEL:
        row.subject = row.subject or RANKINGS
        return [] if row.subject == RANKINGS else [fault("$.subject", "unknown", "is not what rankings are for", RANKINGS)]
    if row.flow is not None and row.subject not in ("", f"{FLOW}{row.flow.flow_id}"):
        return [fault("$.subject", "other_flow", f"names another flow than {row.flow.flow_id}", f"{FLOW}{row.flow.flow_id}")]
    if row.flow is not None:
        row.subject = f"{FLOW}{row.flow.flow_id}"
        return []
    try:
        row.flow = flows.flow(row.tenant, row.subject.removeprefix(FLOW)) if row.subject.startswith(FLOW) else None
    except FlowNotFound:
        row.flow = None
    return [] if row.flow is not None else [fault("$.subject", "missing", "names no flow", "flow:<flow_id>, or `flow`")]


def _of_model(row: Experiment, index: int, one: Variant, seen: set[str]) -> list[Fault]:
    where = f"$.variants[{index}].model"
    model = one.model
    found = [fault(f"$.variants[{index}].modifications", "kind", "change flows, not models", "none")] if one.modifications else []
    if model is None:
        return [*found, fault(where, "missing", "is missing", f"a model of {row.subject}")]
    kind = MODEL_KINDS[row.kind]
    if (model.kind, model.subject) != (kind, row.subject):
        return [*found, fault(where, "kind", f"is a model of {model.kind} {model.subject}", f"one of {kind} {row.subject}")]
    if model.status == ModelVersion.Status.REJECTED:
        return [*found, fault(where, "rejected", "was rejected: it never serves", "candidate, shadow, challenger or archived")]
    if model.sha256 in seen:
        found.append(fault(where, "same", "is the same model as another variant's"))
    closed = [gate for gate in ml.judge(row.tenant, model) if not gate.passed and gate.name != APPROVAL]  # a person approves a promotion
    found += [fault(where, "gate_closed", f"{gate.name}: {gate.why}", "open gates") for gate in closed]
    return found + _of_artifact(row, model, where)


def _of_artifact(row: Experiment, model: ModelVersion, where: str) -> list[Fault]:
    try:
        models.content(row.tenant_id, model.pk)
    except PlatformError as refused:
        return [fault(where, "artifact", refused.message)]
    return []


def is_tried(tenant: Tenant, model_id: UUID) -> bool:
    """Whether an arm of an experiment that is under way answers with it; of the control, also when another model serves meanwhile."""
    return bool(Variant.objects.for_tenant(tenant).filter(model_id=model_id, experiment__state__in=RUNS).exists())


def moved(row: Experiment) -> bool:
    """Whether another model serves than the one that is the control."""
    champion = models.champion(row.tenant_id, kind=MODEL_KINDS[row.kind], subject=row.subject)
    return champion is None or champion.sha256 != row.base_sha256


def begin(row: Experiment, by: By) -> None:
    """It starts: its models are challengers. Raises NotInThisStage, IsRejected, ArtifactRefused."""
    if row.kind in MODEL_KINDS:
        for model_id in _challengers(row):
            stages.challenge(row.tenant, model_id=model_id, by=by)
        _follow(row)


def end(row: Experiment, by: By) -> None:
    """It runs no more, and is saved: its models are what they were, unless another experiment tries them still."""
    if row.kind not in MODEL_KINDS:
        return
    mine = _challengers(row)
    list(models.models(row.tenant_id).select_for_update().filter(pk__in=mine).order_by("pk"))  # of two that end at once the second sees the first
    others = Variant.objects.for_tenant(row.tenant_id).filter(model__in=mine, is_control=False, experiment__state__in=RUNS)
    tried = set(others.exclude(experiment=row).values_list("model_id", flat=True))
    for model_id in mine:
        if model_id not in tried:
            stages.withdraw(row.tenant, model_id=model_id, by=by)
    _follow(row)


def _challengers(row: Experiment) -> list[UUID]:
    rows = row.variants.filter(is_control=False, model__isnull=False)
    return list(rows.order_by("model_id").values_list("model_id", flat=True))


def _follow(row: Experiment) -> None:
    follow: Any = _followers.get(row.kind)
    tenant = row.tenant
    if follow is not None:
        jobs.after_commit(lambda: follow(tenant))
