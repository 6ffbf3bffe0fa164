"""Answers about a building for machines that talk to people: a check of it, what was found, why, and what would fix it."""

import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from mcp_platform import toolkit
from mcp_platform.tenancy.models import Tenant
from validation import errors
from validation.core import remedy
from validation.core.remedy import Candidate
from validation.core.rules import WEIGHTS, Severity
from validation.models import Building, Element, Finding, ValidationRun
from validation.queries import board, detail
from validation.queries.overview import titles, units_of
from validation.services import checking

MOST_LISTED: Final = 50
MOST_EXPLAINED: Final = 5
FEW: Final = 5


def building(tenant: Tenant, named: str = "") -> Building:
    """By id, by name, or the one that there is. Raises BuildingNotFound, BuildingAmbiguous."""
    every = Building.objects.for_tenant(tenant).select_related("project", "project__jurisdiction", "tenant").filter(archived_at=None)
    found = list(_named(every, named.strip()).order_by("name")[: FEW + 1])
    if not found:
        raise errors.BuildingNotFound(f"There is no building {named[:100]!r}." if named else "There is no building yet.", building=named[:100])
    if len(found) > 1:
        raise errors.BuildingAmbiguous(buildings=[{"id": str(one.pk), "name": one.name, "project": one.project.name} for one in found[:FEW]])
    return found[0]


def _named(rows: QuerySet[Building], named: str) -> QuerySet[Building]:
    if not named:
        return rows
    try:
        return rows.filter(pk=UUID(named))
    except ValueError:
        return rows.filter(name__iexact=named)


def run_and_wait(tenant: Tenant, house: Building, *, seconds: float, by: str) -> dict[str, Any]:
    """Check the whole building as it is now. What came of it, or after `seconds` only that it is on its way (`state`: running).

    Never call it inside a transaction: the worker would not see the run. Raises NothingToCheck, RunFailed.
    """
    run = checking.start(tenant, building_id=house.pk, by=by, trigger="api")
    _wait(run, seconds)
    if run.state not in (*_OPEN, ValidationRun.State.DONE):
        raise errors.RunFailed(str(run.problem.get("detail") or errors.RunFailed.__doc__), run=str(run.pk), state=run.state)
    house.refresh_from_db(fields=("score", "coverage", "status"))
    found = standing(tenant, house)
    return {
        "run": str(run.pk),
        "state": run.state if run.state == ValidationRun.State.DONE else "running",
        **found,
        "missing_facts": run.missing_facts[:3],
        "text": _told(found) if run.state == ValidationRun.State.DONE else f"The check of {house.name} is on its way.",
    }


_OPEN: Final = (ValidationRun.State.QUEUED, ValidationRun.State.RUNNING)
LOOK_SECONDS: Final = 0.1
TELL_SECONDS: Final = 1.0


def _wait(run: ValidationRun, seconds: float) -> None:
    """Until it has ended, `seconds` have passed, or nobody waits for it any more."""
    began = told = time.monotonic()
    while run.state in _OPEN and (now := time.monotonic()) < began + seconds and not toolkit.cancelled():
        if now >= told + TELL_SECONDS:
            told = now
            toolkit.report(round(now - began, 1), seconds, f"The check is {run.state}.")
        time.sleep(LOOK_SECONDS)
        run.refresh_from_db(fields=("state", "score", "coverage", "status", "counts", "missing_facts", "problem"))


def _told(found: Mapping[str, Any]) -> str:
    """ "Office: 20 violations (9 critical, 11 major), 59 checks could not be made. Score 92.8, coverage 78 %: non-compliant." """
    parts = ", ".join(f"{count} {severity}" for severity, count in found["by_severity"].items() if count)
    violations = f"{found['violations']} violation{'' if found['violations'] == 1 else 's'}{f' ({parts})' if parts else ''}"
    unknown = f", {found['not_evaluable']} checks could not be made" if found["not_evaluable"] else ""
    score = "–" if found["score"] is None else f"{found['score']:g}"
    coverage = "–" if found["coverage"] is None else f"{found['coverage']:.0%}"
    return f"{found['building']['name']}: {violations}{unknown}. Score {score}, coverage {coverage}: {found['status']}."


def standing(tenant: Tenant, house: Building) -> dict[str, Any]:
    """Score, coverage and status of the building, and how many findings of which severity are there."""
    counts = board.counts(tenant, house.pk)
    by_severity = dict.fromkeys(WEIGHTS, 0)
    for (severity, _), count in counts.matrix.items():
        by_severity[Severity(severity)] += count
    return {
        "building": {"id": str(house.pk), "name": house.name, "project": house.project.name},
        "score": None if house.score is None else round(house.score, 1),
        "coverage": None if house.coverage is None else round(house.coverage, 3),
        "status": house.status,
        "violations": counts.fail,
        "not_evaluable": counts.not_evaluable,
        "waived": counts.waived,
        "by_severity": {name.value: count for name, count in by_severity.items()},
    }


def findings(tenant: Tenant, house: Building, *, filters: Mapping[str, Any], ordering: str = board.DEFAULT_ORDER, limit: int = 10) -> dict[str, Any]:
    """The findings that are there, the first `limit` of them, each in a sentence. Raises FieldsRefused."""
    chosen = board.read_filters({name: [str(value)] for name, value in filters.items() if value})
    rows = board.findings(tenant, house.pk, chosen)
    page = board.page(rows, ordering=ordering, limit=min(limit, MOST_LISTED)).rows
    system, named = units_of(house), titles(tenant, [row.rule_key for row in page])
    lines = [_line(row, named.get(row.rule_key, row.rule_key), system) for row in page]
    return {**standing(tenant, house), "total": rows.count(), "findings": lines, "text": _listed(lines)}


def _line(row: Finding, title: str, system: str) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "rule": row.rule_key,
        "title": title,
        "severity": row.severity,
        "outcome": row.outcome,
        "element": row.subject_name or row.subject,
        "global_id": row.subject,
        "message": row.message,
        "section": row.citation.get("section", ""),
        "state": row.state,
        "score": row.ml_score,
        "remedy": _remedy(row, system),
    }


def _listed(lines: list[dict[str, Any]]) -> str:
    return "\n".join(f"{one['severity']}: {_about(one['element'], one['message'] or one['title'])}" for one in lines)


def _about(name: str, said: str) -> str:
    """The sentence, with the name of the element unless it names it itself."""
    return said if name.casefold() in said.casefold() else f"{name}: {said}"


def _remedy(row: Finding, system: str) -> str:
    return remedy.remedy(actual=row.actual, required=row.required, unit=row.unit, margin=row.margin, missing=row.missing, system=system)


def explain(tenant: Tenant, house: Building, *, element: str = "", finding_id: str = "", rule: str = "") -> dict[str, Any]:
    """Citation, required and actual value, evidence and remedy: of one finding, or of those of the element that `element` names or a question
    is about. Raises FindingNotFound, ElementNotFound."""
    rows = board.findings(tenant, house.pk)
    if finding_id:
        chosen, about = rows.filter(pk=_uuid(finding_id)), ""
        if not chosen.exists():
            raise errors.FindingNotFound(finding=finding_id[:64])
    else:
        meant = named(tenant, house, element)
        chosen = rows.filter(subject__in=[one.global_id for one in meant])
        about = ", ".join(one.name or one.tag or one.global_id for one in meant)
    chosen = chosen.filter(rule_key__iexact=rule) if rule else chosen
    page = _first(chosen)
    system = units_of(house)
    told = [_explained(tenant, house, row, system) for row in page]
    return {
        "building": {"id": str(house.pk), "name": house.name},
        "element": about or (told[0]["element"] if told else ""),
        "total": chosen.count(),
        "explanations": told,
        "text": _whole(told, about, chosen.count()),
    }


def _whole(told: list[dict[str, Any]], about: str, total: int) -> str:
    if not told:
        return f"{about or 'It'} has no findings: no rule that was checked fails for it."
    more = [f"And {total - len(told)} more findings."] if total > len(told) else []
    return "\n\n".join([*(one["text"] for one in told), *more])


def _first(rows: QuerySet[Finding]) -> list[Finding]:
    """What fails before what could not be judged, the worst first."""
    violated = board.page(rows.filter(outcome="fail"), limit=MOST_EXPLAINED).rows
    return [*violated, *board.page(rows.exclude(outcome="fail"), limit=MOST_EXPLAINED).rows][:MOST_EXPLAINED]


def _explained(tenant: Tenant, house: Building, row: Finding, system: str) -> dict[str, Any]:
    row.building = house
    whole = detail.detail(tenant, row)
    citation = row.citation
    source = " ".join(str(citation.get(name) or "") for name in ("title", "edition") if citation.get(name))
    place = ", ".join(filter(None, (source, str(citation.get("section") or ""))))
    facts, fix = remedy.fact_sheet(row.evidence, system), _remedy(row, system)
    name = row.subject_name or row.subject
    said = row.message or whole["rule_title"] or row.rule_key
    parts = [
        f"{_about(name, said)} ({row.severity})",
        place and f"{place}: {citation.get('paraphrase', '')}".rstrip(": "),
        facts and f"It stands on: {'; '.join(facts)}.",
        fix,
    ]
    return {
        "finding": str(row.pk),
        "rule": row.rule_key,
        "title": whole["rule_title"],
        "severity": row.severity,
        "outcome": row.outcome,
        "element": name,
        "message": row.message,
        "citation": {"place": place, "says": citation.get("paraphrase", ""), "url": citation.get("url", "")},
        "actual": whole["exact"]["actual"],
        "required": whole["exact"]["required"],
        "evidence": facts,
        "parameters": [{"name": one["name"], "value": one["shown"], "origin": one.get("origin", "rule")} for one in whole["parameters"]],
        "missing": row.missing,
        "remedy": fix,
        "state": row.state,
        "text": "\n".join(part for part in parts if part),
    }


def named(tenant: Tenant, house: Building, text: str) -> list[Candidate]:
    """The elements that a text names; those with findings are asked first. Raises ElementNotFound."""
    rows = Element.objects.for_tenant(tenant).filter(building=house, valid_to_seq=None)
    troubled = rows.filter(global_id__in=board.findings(tenant, house.pk).values("subject"))
    for some in (troubled, rows.exclude(name="", tag="")):
        columns = some.values_list("global_id", "ifc_class", "name", "tag").iterator(chunk_size=2_000)
        found = remedy.meant(text, (Candidate(global_id=one, ifc_class=kind, name=name, tag=tag) for one, kind, name, tag in columns))
        if found:
            return found
    raise errors.ElementNotFound(f"The building has no element that {text[:100]!r} names.", element=text[:100])


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as fault:
        raise errors.FindingNotFound(finding=text[:64]) from fault
