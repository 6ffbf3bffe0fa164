"""Plan an experiment: create, change, validate (which freezes its variants as versions), rebase."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from experiments import queries
from experiments.core.overlay import overlay
from experiments.errors import BaseHasMoved, NameTaken, NotInThisState, OverlayRefused, PlanRefused
from experiments.models import Assignment, Experiment, ExperimentMetric, Variant
from experiments.services import challenging, checking
from experiments.services.checking import fault
from experiments.services.rows import Key, locked, note, require, saved
from flows import queries as flows
from flows import services as flow_services
from flows.core import definition
from flows.core.diff import compare, states_changed
from flows.core.types import Condition
from flows.core.types import Flow as Definition
from flows.errors import FlowHasProblems
from flows.models import FlowVersion, Pointer
from mcp_platform.ml import queries as models
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of

State = Experiment.State
PLANNED: Final = (State.DRAFT, State.VALIDATED)
JUDGED: Final = ("flow", "environment", "subject", "unit")  # by a validation, beside variants and metrics
VARIED: Final = ("name", "is_control", "percentage", "patch_format", "model_id", "position")


def create(tenant: Tenant, *, fields: Mapping[str, Any], by: By) -> Experiment:
    """A draft. `fields` are the columns, with `flow`, `environment`, `namespace` and `holdout` by their names, `variants` and `metrics` as lists.

    Raises PlanRefused with every fault, NameTaken, FlowNotFound, EnvironmentNotFound, MetricNotFound, NamespaceNotFound, HoldoutNotFound.
    """
    given = _resolved(tenant, fields)
    faults = checking.of_fields(given) + checking.of_variants(fields.get("variants") or []) + checking.of_metrics(fields.get("metrics") or [])
    if faults:
        raise PlanRefused(errors=faults)
    with transaction.atomic():
        if Experiment.objects.for_tenant(tenant).filter(key=given["key"]).exists():
            raise NameTaken(key=given["key"])
        given.setdefault("unit", challenging.UNITS[given.get("kind", Experiment.Kind.FLOW)][-1])
        row = Experiment(tenant=tenant, created_by=actor_of(by)[:200], **given)
        row.environment = given.get("environment") or flow_services.default_environment(tenant)
        row.seed = row.seed or f"{tenant.slug}:{row.key}"
        row.rev = 0
        row.save()
        _put_variants(row, fields.get("variants") or [])
        _put_metrics(row, fields.get("metrics") or [])
        return saved(row, by=by, deed="create", changes={"key": row.key, "kind": row.kind})


def change(tenant: Tenant, *, key: Key, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> Experiment:
    """Change a draft (a validated one becomes a draft again when something changes that was judged), or what may move while it runs."""
    given = _resolved(tenant, fields)
    with transaction.atomic():
        row = locked(tenant, key, expected_rev)
        require(row, (State.DRAFT, State.VALIDATED, State.RUNNING, State.PAUSED), "changed")
        asked = {"metrics": checking.plain_metrics(fields["metrics"])} if "metrics" in fields else {}
        faults = checking.of_change(row, {**given, **asked, **({"variants": 1} if "variants" in fields else {})})
        faults += checking.of_fields({**_columns(row), **given})
        faults += checking.of_variants(fields["variants"]) if "variants" in fields else []
        faults += checking.of_metrics(fields["metrics"]) if "metrics" in fields else []
        if faults:
            raise PlanRefused(errors=faults)
        if row.state in PLANNED:
            _replan(row, given, fields)
        else:
            for name, value in given.items():
                setattr(row, name, value)
            if "variants" in fields:
                _put_weights(row, fields["variants"], by)
        return saved(row, by=by, deed="change", changes=dict.fromkeys(fields, "changed"))


def _replan(row: Experiment, given: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Set what is given; what a validation has judged and frozen is open again when any of that is another now."""
    moved = {name for name in JUDGED if name in given and given[name] != getattr(row, name)}
    for name, value in given.items():
        setattr(row, name, value)
    if "flow" in moved and "subject" not in given:
        row.subject = ""  # it named the flow of before
    if {"flow", "environment"} & moved:
        row.base, row.base_sha256 = None, ""
    moved |= {"variants"} if "variants" in fields and _put_variants(row, fields["variants"]) else set()
    moved |= {"metrics"} if "metrics" in fields and _put_metrics(row, fields["metrics"]) else set()
    if moved:
        row.state = State.DRAFT
        row.variants.update(version=None)


def has_run(row: Experiment) -> bool:
    """Whether units, numbers or decisions hang on it, in this phase or an earlier one."""
    return row.state not in (*PLANNED, State.ARCHIVED) or row.phase > 1 or row.decision_count > 0


def delete(tenant: Tenant, *, key: Key, expected_rev: int | None = None, by: By) -> None:
    """Only what has never run: decisions are kept, and so is what they rest on. Raises NotInThisState."""
    with transaction.atomic():
        row = locked(tenant, key, expected_rev)
        require(row, PLANNED, "deleted")
        if has_run(row):
            raise NotInThisState("An experiment with an earlier phase cannot be deleted; archive it.", state=row.state, phase=row.phase)
        saved(row, by=by, deed="delete", changes={"key": row.key})
        row.delete()


def _resolved(tenant: Tenant, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns, with rows in place of names."""
    given = {name: value for name, value in fields.items() if name not in ("variants", "metrics")}
    if "flow" in given:
        given["flow"] = flows.flow(tenant, given["flow"]) if given["flow"] else None
    if "environment" in given:
        given["environment"] = flows.environment(tenant, given["environment"])
    for name, find in (("namespace", queries.namespace), ("holdout", queries.holdout)):
        if name in given:
            given[name] = find(tenant, given[name]) if given[name] else None
    return given


def _columns(row: Experiment) -> dict[str, Any]:
    return {name: getattr(row, name) for name in checking.CHECKED}


def _put_variants(row: Experiment, variants: list[Mapping[str, Any]]) -> bool:
    """Whether they differ from those there are. A variant that keeps its key keeps its row: forced units and earlier phases hang on it.

    Raises PlanRefused when one would go that units have been assigned to.
    """
    held = {one.key: one for one in row.variants.all()}
    wanted = [_variant(row, held.get(one["key"]), position, one) for position, one in enumerate(variants)]
    gone = [one for key, one in held.items() if key not in {kept.key for kept in wanted}]
    _require_unmet(row, gone)
    row.variants.filter(pk__in=[one.pk for one in gone]).delete()
    moved = [one for one in wanted if one.key not in held or _plain(one) != _plain(held[one.key])]
    for one in sorted(moved, key=lambda one: one.is_control):  # there is never more than one control: the old one ceases first
        one.save()
    return bool(gone or moved)


def _variant(row: Experiment, held: Variant | None, position: int, one: Mapping[str, Any]) -> Variant:
    given = {name: value for name, value in one.items() if name != "model"}
    model = models.model(row.tenant, one["model"]) if one.get("model") else None
    return Variant(pk=held.pk if held else None, tenant_id=row.tenant_id, experiment=row, position=position, model=model, **given)


def _plain(one: Variant) -> list[Any]:
    """To be compared; what is authored to the letter, as it is kept."""
    return [*(getattr(one, name) for name in VARIED), json.dumps([one.modifications, one.metadata])]


def _require_unmet(row: Experiment, gone: list[Variant]) -> None:
    assigned = Assignment.objects.for_tenant(row.tenant_id).filter(experiment=row)
    met = [one.key for one in gone if assigned.filter(variant=one).exists()]
    if met:
        told = f"{', '.join(met)}: units of an earlier phase are in it, so it stays under this key"
        raise PlanRefused(errors=[fault("$.variants", "fixed", told, "a share of 0 where nobody should get it")])


def _put_weights(row: Experiment, variants: list[Mapping[str, Any]], by: By) -> None:
    """Percentages only: whoever has a variant keeps it. Others count from now on, in a phase of their own, or two plans would be mixed up in its
    numbers; a bandit's shares move anyway."""
    held = {one.key: one for one in row.variants.all()}
    if held.keys() != {one["key"] for one in variants}:
        raise PlanRefused(errors=[fault("$.variants", "fixed", "may change their percentages only", ", ".join(held))])
    moved = [one for one in variants if held[one["key"]].percentage != one["percentage"]]
    for one in moved:
        Variant.objects.filter(pk=held[one["key"]].pk).update(percentage=one["percentage"])
    if moved and row.allocation == Experiment.Allocation.WEIGHTED:
        note(row, "weights", reason=f"phase {row.phase} ends: " + ", ".join(f"{one['key']} {one['percentage']:g} %" for one in variants), by=by)
        row.phase += 1
        row.started_at, row.findings = timezone.now(), {}


def _put_metrics(row: Experiment, metrics: list[Mapping[str, Any]]) -> bool:
    """Whether they differ from those there are; the first primary one is what is tested, so their order counts."""
    held = [(one.metric.key, str(one.role), one.margin) for one in row.metrics.select_related("metric")]
    if held == [(one["metric"], str(one["role"]), float(one.get("margin", 0.0))) for one in metrics]:
        return False
    found = [(queries.metric(row.tenant, one["metric"]), one) for one in metrics]
    row.metrics.all().delete()
    for metric, one in found:
        ExperimentMetric.objects.create(tenant_id=row.tenant_id, experiment=row, metric=metric, role=one["role"], margin=one.get("margin", 0.0))
    return True


def validate(tenant: Tenant, *, key: Key, by: By) -> Experiment:
    """Apply the variants to the flow that the environment runs now, check the results as a publish does, and freeze them as versions.

    Raises PlanRefused, OverlayRefused or FlowHasProblems with every fault.
    """
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, PLANNED, "validated")
        materialise(row, by)
        row.state = State.VALIDATED
        return saved(row, by=by, deed="validate", changes={"base_sha256": row.base_sha256, "states": len(row.states)})


def rebase(tenant: Tenant, *, key: Key, by: By) -> Experiment:
    """Apply the same modifications to the version that runs now: a new phase with a new seed, so that nobody keeps the arm of the old one."""
    with transaction.atomic():
        row = locked(tenant, key)
        require(row, (State.VALIDATED, State.RUNNING, State.PAUSED, State.STOPPED), "rebased")
        before, ran = row.base_sha256, row.state in (State.RUNNING, State.PAUSED)
        note(row, "rebase", reason=f"phase {row.phase} ends", by=by)
        materialise(row, by)
        row.phase += 1
        row.bucket_version += 1
        row.seed = f"{tenant.slug}:{row.key}:{row.phase}"
        row.state, row.started_at, row.findings, row.sized = State.VALIDATED, None, {}, {}
        saved(row, by=by, deed="rebase", changes={"phase": row.phase, "base_sha256": [before, row.base_sha256]})
        if ran:
            challenging.end(row, by)
    return row


def materialise(row: Experiment, by: By) -> None:
    """Check the whole plan, and freeze its variants. Called with the experiment locked, which is saved afterwards."""
    variants = list(row.variants.all())
    plain = [{"key": one.key, "percentage": one.percentage, "is_control": one.is_control, "modifications": one.modifications} for one in variants]
    metrics = [{"metric": one.metric_id, "role": one.role} for one in row.metrics.all()]
    faults = checking.of_variants(plain) + checking.of_metrics(metrics)
    faults += [fault("$.metrics", "missing", "are missing", "a primary metric")] if not metrics else []
    faults += challenging.of_kind(row)
    if row.kind != Experiment.Kind.FLOW:
        faults += challenging.pin(row, variants)
    elif row.flow is None:
        faults.append(fault("$.flow", "missing", "is missing", "a flow that runs"))
    if faults:
        raise PlanRefused(errors=faults)
    if row.kind == Experiment.Kind.FLOW:
        _freeze(row, variants, by)
    else:
        _pinned(row, variants)


def _pinned(row: Experiment, variants: list[Variant]) -> None:
    """The models are named; where an intent leads on is where a better one shows, so that is what the funnel counts."""
    for one in variants:
        one.save(update_fields=("model",))
    if row.kind == Experiment.Kind.INTENT_MODEL:
        states = flows.program_for(running_base(row).pk).flow.states.values()
        row.states = sorted({way.target_state for state in states for way in state.transitions if way.condition is Condition.INTENT_MATCH})


def _freeze(row: Experiment, variants: list[Variant], by: By) -> None:
    base = running_base(row)
    row.base, row.base_sha256 = base, base.sha256
    document = json.loads(base.definition)
    control = flows.program_for(base.pk).flow
    states: set[str] = set()
    for index, one in enumerate(variants):
        one.version = base if one.is_control else _frozen(row, index, one, document, by)
        one.save(update_fields=("version",))
        states |= states_changed(control, flows.program_for(one.version.pk).flow)
    row.states = sorted(states)
    versions = [one.version_id for one in variants]
    twice = [index for index, version in enumerate(versions) if version in versions[:index]]
    if twice:
        raise OverlayRefused(errors=[fault(f"$.variants[{index}].modifications", "same", "is the same flow as another variant") for index in twice])


def running_base(row: Experiment) -> FlowVersion:
    """The version that the environment runs. Raises PlanRefused."""
    pointer = Pointer.objects.for_tenant(row.tenant_id).filter(environment=row.environment, flow=row.flow).select_related("version").first()
    if pointer is None:
        raise PlanRefused(errors=[fault("$.flow", "not_running", f"does not run in {row.environment.name}", "a published flow")])
    version: FlowVersion = pointer.version
    return version


def require_base(row: Experiment) -> None:
    """Raises BaseHasMoved when the environment runs something else than what was validated, or another model serves."""
    if row.kind == Experiment.Kind.FLOW and running_base(row).sha256 != row.base_sha256:
        raise BaseHasMoved(base_sha256=row.base_sha256)
    if row.kind != Experiment.Kind.FLOW and challenging.moved(row):
        raise BaseHasMoved("Another model serves than when this experiment was validated; rebase it.", base_sha256=row.base_sha256)


def _frozen(row: Experiment, index: int, one: Variant, base: Mapping[str, Any], by: By) -> FlowVersion:
    made, faults = overlay(base, one.modifications, one.patch_format)
    where = f"$.variants[{index}].modifications"
    if faults:
        raise OverlayRefused(errors=[fault(f"{where}{found.path[1:]}", found.code, found.message, found.expected) for found in faults])
    if row.flow is None:
        raise PlanRefused(errors=[fault("$.flow", "missing", "is missing")])
    try:
        return flow_services.freeze(row.tenant, flow_id=row.flow.pk, document=made, note=f"experiment {row.key}: {one.key}", by=by)
    except FlowHasProblems as refused:
        problems = [{**found, "path": f"{where}: {found.get('path', '$')}"} for found in refused.details.get("errors", ())]
        raise FlowHasProblems(flow_id=row.flow.flow_id, variant=one.key, errors=problems) from refused


def differences(row: Experiment, variant: Variant) -> list[Any]:
    """What a variant changes of the base, as flow diffs show it: of the frozen version, or of what it would be. Models change no flow."""
    if row.kind != Experiment.Kind.FLOW:
        return []
    base = row.base or running_base(row)
    control = flows.program_for(base.pk).flow
    if variant.version_id:
        return compare(control, flows.program_for(variant.version_id).flow)
    made, faults = overlay(json.loads(base.definition), variant.modifications, variant.patch_format)
    parsed: Definition | None = definition.parse(made)[0] if not faults else None
    return compare(control, parsed) if parsed is not None else []
