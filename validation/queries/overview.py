"""A building at a glance: score and coverage, what is open, how it went, what would help, who is connected, and the next step."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from mcp_platform.operations.models import OPEN as AT_WORK
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Tenant, User
from validation.core.rules import CATEGORIES, WEIGHTS
from validation.core.units import METRIC
from validation.models import Building, Element, ModelRevision, Rule, RuleSetVersion, ValidationRun
from validation.models.rulebook import SEVERITIES
from validation.queries import board, live

FORMULA: Final = "100 × Σ (weight × passed) ÷ Σ (weight × (passed + failed))"
FORMULA_WEIGHTS: Final = ", ".join(f"{severity} {weight}" for severity, weight in WEIGHTS.items() if weight)
TREND: Final = 20  # runs
MODEL_IS_THERE: Final = (ModelRevision.State.READY, ModelRevision.State.PARTIAL)


def summary(tenant: Tenant, building: Building) -> dict[str, Any]:
    """Everything beside the list of findings, as JSON."""
    counts = board.counts(tenant, building.pk)
    storeys = board.storeys(tenant, building.pk)
    last = last_run(tenant, building.pk)
    return {
        "building": {"id": str(building.pk), "name": building.name, "project": building.project.name},
        "units": units_of(building),
        "score": building.score,
        "coverage": building.coverage,
        "status": building.status,
        "formula": FORMULA,
        "weights": FORMULA_WEIGHTS,
        "head_seq": building.head_seq,
        "checked_seq": building.checked_seq,
        "rechecking": bool(building.dirty_storeys) or building.checked_seq < building.head_seq,
        "totals": {name: getattr(counts, name) for name in ("total", "fail", "not_evaluable", "waived", "unhandled")},
        "matrix": [
            {"severity": severity, "category": category, "count": counts.matrix.get((severity, category), 0)}
            for severity, _ in SEVERITIES
            for category in CATEGORIES
            if counts.matrix.get((severity, category))
        ],
        "facets": facets(tenant, counts.facets, storeys),
        "storeys": storeys,
        "trend": trend(tenant, building.pk),
        "unlocks": (last.missing_facts if last else [])[:5],
        "last_run": last_run_shown(last),
        "present": live.present(tenant, building.pk),
        "stream": _stream(tenant, building.pk),
        "ranked": board.findings(tenant, building.pk).filter(ml_score__isnull=False).exists(),
        "work": work(tenant, building),
        "next_step": next_step(tenant, building, last),
    }


def units_of(building: Building) -> str:
    return building.project.jurisdiction.default_units or METRIC


def facets(tenant: Tenant, found: Mapping[str, Mapping[str, int]], storeys: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Of each filter its values with a name and how many findings have them; the storeys from below, the rest by number."""
    names = {
        "rule": titles(tenant, found["rule"]),
        "storey": {one["id"]: one["name"] for one in storeys},
        "assignee": people(found["assignee"]),
    }
    order = {one["id"]: index for index, one in enumerate(storeys)}

    def value(facet: str, key: str, count: int) -> dict[str, Any]:
        return {"key": key, "name": names.get(facet, {}).get(key, ""), "count": count}

    by_number = {facet: sorted(values.items(), key=lambda one: (-one[1], one[0])) for facet, values in found.items()}
    by_number["storey"] = sorted(found["storey"].items(), key=lambda one: order.get(one[0], len(order)))
    return {facet: [value(facet, key, count) for key, count in values] for facet, values in by_number.items()}


def titles(tenant: Tenant, keys: Iterable[str]) -> dict[str, str]:
    """Of rules, by key; of several versions the newest that runs."""
    rows = Rule.objects.for_tenant(tenant).filter(key__in=list(keys)).order_by("created_at")
    found = dict(rows.values_list("key", "title"))
    return found | dict(rows.filter(version__state="published").values_list("key", "title"))


def people(ids: Iterable[str]) -> dict[str, str]:
    known = [one for one in ids if one != board.NOBODY]
    return {str(user.pk): name_of(user) for user in User.objects.filter(pk__in=known)}


def actor_name(actor: str) -> str:
    """Of a user by name; of a key or a program as it stands."""
    kind, _, key = actor.partition(":")
    return next(iter(people([key]).values()), actor) if kind == "user" else actor


def name_of(user: Any) -> str:
    return str(user.get_full_name() or user.get_username()) if user is not None else ""


def last_run(tenant: Tenant, building_id: UUID) -> ValidationRun | None:
    """The last full check that came to an end."""
    rows = ValidationRun.objects.for_tenant(tenant).filter(building_id=building_id, state=ValidationRun.State.DONE, is_what_if=False)
    found: ValidationRun | None = rows.defer("passes", "results", "basis").order_by("-created_at").first()
    return found


def last_run_shown(run: ValidationRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    at = run.finished_at.isoformat() if run.finished_at else None
    return {"id": str(run.pk), "at": at, "counts": run.counts, "result_sha256": run.result_sha256}


def trend(tenant: Tenant, building_id: UUID) -> list[dict[str, Any]]:
    """The last full checks, the oldest first."""
    rows = ValidationRun.objects.for_tenant(tenant).filter(building_id=building_id, state=ValidationRun.State.DONE, is_what_if=False)
    found = rows.order_by("-created_at").values("created_at", "score", "coverage")[:TREND]
    return [{"at": one["created_at"].isoformat(), "score": one["score"], "coverage": one["coverage"]} for one in reversed(list(found))]


def _stream(tenant: Tenant, building_id: UUID) -> dict[str, Any]:
    """Where a page that has read this may go on to listen."""
    heads = live.heads(tenant, building_id)
    return {"stream_id": str(heads.stream_id), "last_seq": heads.findings_seq}


def work(tenant: Tenant, building: Building) -> dict[str, Any] | None:
    """What is under way for this building: a model that is read, a check that runs."""
    about = [f"building:{building.pk}", str(building.pk)]
    rows = Operation.objects.for_tenant(tenant).filter(status__in=AT_WORK, kind__startswith="validation.")
    row = rows.filter(subject__in=about).order_by("created_at").first()
    if row is None:
        return None
    return {"id": str(row.pk), "title": row.title, "phase": row.phase, "done": row.done, "total": row.total}


def next_step(tenant: Tenant, building: Building, last: ValidationRun | None) -> str:
    """upload | rules | run | "" (there is nothing that keeps one from working)."""
    there = Element.objects.for_tenant(tenant).filter(building=building, valid_to_seq=None)
    if not there.exists():
        return "upload"
    if not RuleSetVersion.objects.for_tenant(tenant).filter(state="published").exists():
        return "rules"
    return "run" if last is None else ""
