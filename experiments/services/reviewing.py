"""A plan looked at before it is validated: every fault at its path, and what somebody should know although it refuses nothing. Keeps nothing."""

import json
from typing import Any

from django.conf import settings
from django.db import transaction

from experiments import queries
from experiments.core.overlay import overlay
from experiments.errors import BaseHasMoved, Overlaps
from experiments.models import Experiment, ExperimentMetric, Variant
from experiments.services import challenging, checking
from experiments.services.checking import Fault, fault
from experiments.services.planning import differences, materialise, require_base, running_base
from experiments.services.running import require_alone
from flows import queries as flows
from flows.core import definition
from flows.core.diff import Change
from mcp_platform.errors import PlatformError

LONG_DAYS = 42
State = Experiment.State


def review(row: Experiment, needed: dict[str, Any]) -> dict[str, list[Fault]]:
    """`faults` would refuse a validation. `advice` would not. `needed`: the sizing."""
    return {"faults": _faults(row), "advice": _advice(row, needed)}


def changed(row: Experiment, variant: Variant) -> tuple[str, list[Change]]:
    """(why it cannot be said, what the variant changes of the base)."""
    if variant.is_control or row.flow is None:
        return "", []
    try:
        return "", differences(row, variant)
    except PlatformError as refused:
        faults = refused.details.get("errors") or ()
        return next((str(one.get("message", "")) for one in faults), "") or refused.message, []


def _faults(row: Experiment) -> list[Fault]:
    variants = list(row.variants.all())
    metrics = [{"metric": one.metric_id, "role": one.role} for one in row.metrics.all()]
    found = checking.of_fields({name: getattr(row, name) for name in checking.CHECKED})
    found += checking.of_variants([_plain(one) for one in variants]) + checking.of_metrics(metrics)
    found += [] if metrics else [fault("$.metrics", "missing", "are missing", "a primary metric")]
    found += challenging.of_kind(row)
    if row.kind != Experiment.Kind.FLOW:
        return found or _tried(row)
    if row.flow is None:
        return [*found, fault("$.flow", "missing", "is missing", "a flow that runs")]
    return found + _of_overlays(row, variants)


def _plain(one: Variant) -> dict[str, Any]:
    return {"key": one.key, "percentage": one.percentage, "is_control": one.is_control, "modifications": one.modifications}


def _tried(row: Experiment) -> list[Fault]:
    """Of models: validated, and taken back."""
    try:
        with transaction.atomic():
            materialise(queries.experiment(row.tenant, row.pk), None)
            transaction.set_rollback(True)
    except PlatformError as refused:
        return list(refused.details.get("errors") or [fault("$", refused.code, refused.message)])
    return []


def _of_overlays(row: Experiment, variants: list[Variant]) -> list[Fault]:
    try:
        base = running_base(row)
    except PlatformError as refused:
        return list(refused.details.get("errors", ()))
    document = json.loads(base.definition)
    seen: dict[str, int] = {base.sha256: -1}
    found: list[Fault] = []
    for index, one in enumerate(variants):
        if not one.is_control:
            found += _of_overlay(row, index, one, document, seen)
    return found


def _of_overlay(row: Experiment, index: int, one: Variant, document: Any, seen: dict[str, int]) -> list[Fault]:
    where = f"$.variants[{index}].modifications"
    made, refused = overlay(document, one.modifications, one.patch_format)
    if refused:
        return [fault(f"{where}{each.path[1:]}", each.code, each.message, each.expected) for each in refused]
    checked = flows.check(row.tenant, made)
    if checked.definition is None or checked.errors:
        problems = [problem for problem in flows.as_errors(checked.problems) if problem.get("severity", "error") == "error"]
        return [{**problem, "path": f"{where}: {problem.get('path', '$')}"} for problem in problems]
    digest = definition.digest(definition.canonical(definition.export(checked.definition)))
    if digest in seen:
        return [fault(where, "same", "is the same flow as another variant")]
    seen[digest] = index
    return []


def _advice(row: Experiment, needed: dict[str, Any]) -> list[Fault]:
    found = [] if settings.ENABLE_AB_TESTING else [fault("$", "off", "This installation runs no experiments (ENABLE_AB_TESTING): it cannot start.")]
    found += _of_numbers(row, needed)
    if not any(one.role == ExperimentMetric.Role.GUARDRAIL for one in row.metrics.all()):
        found.append(fault("$.metrics", "guardrail", "There is no guardrail: nothing would stop a variant by itself that does harm elsewhere."))
    if row.state == State.VALIDATED:
        found += _of_start(row)
    return found


def _of_numbers(row: Experiment, needed: dict[str, Any]) -> list[Fault]:
    if not needed["possible"]:
        return [fault("$.minimum_effect", "impossible", "No share can change by so much from this baseline.")]
    days = needed["days"]
    if days is not None and days > LONG_DAYS:
        told = f"With today's traffic this takes {days:,.0f} days; look for a larger effect, or let more take part."
        return [fault("$.minimum_effect", "long", told)]
    return []


def _of_start(row: Experiment) -> list[Fault]:
    try:
        require_base(row)
        require_alone(row)
    except BaseHasMoved as moved:
        return [fault("$.flow", "moved", moved.message)]
    except Overlaps as meets:
        return [fault("$.namespace", "overlaps", f"{meets.message} Give both a namespace with ranges apart, or stop the other one.")]
    return []
