"""What a comparison of two checks of a building says: what became of the findings, of the rules and of the model."""

from collections.abc import Mapping
from typing import Any

from mcp_platform.tenancy.models import Tenant
from reports.core import document as documents
from reports.gathering import failures, reading, run
from reports.gathering.gathered import Gathered, Subject
from validation.core.rules import Parameter
from validation.models import ValidationRun
from validation.services import rulebook
from validation.services.evaluating import unpacked

Json = Any


def find(tenant: Tenant, wish: Mapping[str, str]) -> Subject:
    """Of {base, run}. Raises RunNotFound, RunNotDone, SchemaError."""
    before, after = _sides(tenant, wish, whole=False)
    return Subject(title=run.title_of(after), key=f"building:{after.building_id}:{before.pk}", building=after.building, run=after)


def _sides(tenant: Tenant, wish: Mapping[str, str], *, whole: bool) -> tuple[ValidationRun, ValidationRun]:
    before = run.named(tenant, reading.uuid_of(wish, "base"), whole=whole)
    after = run.named(tenant, reading.uuid_of(wish, "run"), whole=whole)
    if before.building_id != after.building_id:
        raise reading.wrong("base", wish, f"a check of the same building, {after.building}")
    return before, after


def gather(tenant: Tenant, wish: Mapping[str, str], _locale: str) -> Gathered:
    """Raises what `find` raises, and ReportTooLarge."""
    before, after = _sides(tenant, wish, whole=True)
    building = after.building
    was, now = failures.failures(before), failures.failures(after)
    about = failures.rules(before, after)
    both = sorted(was.keys() & now.keys())
    changed = [key for key in both if any(was[key][name] != now[key][name] for name in ("actual", "required", "severity"))]
    told = failures.told(tenant, building, now, changed, about)
    earlier = failures.told(tenant, building, was, changed, about)
    body = {
        "units": building.project.jurisdiction.default_units or "metric",
        "project": run.of_project(building.project),
        "parties": building.project.parties,
        "building": {"id": str(building.pk), "name": building.name},
        "before": _side(before),
        "after": _side(after),
        "rules_before": _rules(before),
        "rules_after": _rules(after),
        "opened": failures.told(tenant, building, now, sorted(now.keys() - was.keys()), about),
        "resolved": failures.told(tenant, building, was, sorted(was.keys() - now.keys()), about),
        "changed": [
            {**one, **{f"{name}_before": old[name] for name in ("actual_text", "required_text", "actual", "required", "severity")}}
            for one, old in zip(told, earlier, strict=True)
        ],
        "unchanged": len(both) - len(changed),
    }
    return Gathered(title=run.title_of(after), body=body, made_at=after.finished_at)


def _side(one: ValidationRun) -> dict[str, Json]:
    at = one.finished_at or one.created_at
    judged = unpacked(one.results)
    return {
        "run": str(one.pk),
        "at": at.isoformat(timespec="seconds"),
        "score": one.score,
        "coverage": one.coverage,
        "status": one.status,
        "outcomes": one.counts.get("by_outcome", {}),
        "by_severity": failures.by_severity({(each["rule"], each["subject"]): each for each in judged if each["outcome"] == "fail"}),
        "counts": one.counts.get("rules", {}),
        "model": run.model_of(one),
        "basis": run.basis_of(one.basis),
        "engine": {"version": one.engine_version, "input_sha256": one.input_sha256, "result_sha256": one.result_sha256},
    }


def _rules(one: ValidationRun) -> dict[str, dict[str, Json]]:
    """rule key -> what decides its judgements, after amendments and overrides."""
    return {
        rule.key: {
            "title": rule.title,
            "version": f"{rule.ruleset} {rule.version}".strip(),
            "severity": rule.severity.value,
            "require": rule.require or rule.check,
            "parameters": {name: _plain(value) for name, value in sorted(rule.params.items())},
        }
        for rule in rulebook.compiled(one.basis).rules
    }


def _plain(value: Parameter) -> str:
    if value.display:
        return value.display
    said = documents.canonical(value.value) if isinstance(value.value, dict) else str(value.value)
    return f"{said} {value.unit}".strip()
