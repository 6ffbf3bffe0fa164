"""What a report of one check says."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from reports.core import plans
from reports.core.document import RANK
from reports.errors import RunNotDone
from reports.gathering import reading
from reports.gathering.gathered import Gathered, Subject
from validation.core import plan, score
from validation.core.units import pair, shown
from validation.errors import RunNotFound
from validation.models import Element, Finding, Project, ValidationRun, Waiver
from validation.queries import elements
from validation.queries.overview import name_of, trend, units_of
from validation.services.evaluating import unpacked

Json = Any
MOST_ELEMENTS: Final = 5_000
MOST_PLANS: Final = 24
EVIDENCE_SHOWN: Final = 3


def find(tenant: Tenant, wish: Mapping[str, str]) -> Subject:
    """Of {run}. Raises RunNotFound, RunNotDone, ReportTooLarge, SchemaError."""
    run = named(tenant, reading.uuid_of(wish, "run"), whole=False)
    reading.require_few(run.counts.get("by_outcome", {}).get("fail", 0))
    return Subject(title=title_of(run), key=f"building:{run.building_id}", building=run.building, run=run)


def gather(tenant: Tenant, wish: Mapping[str, str], _locale: str) -> Gathered:
    """Raises what `find` raises."""
    run = named(tenant, reading.uuid_of(wish, "run"))
    return Gathered(title=title_of(run), body=of_run(tenant, run), made_at=run.finished_at)


def title_of(run: ValidationRun) -> str:
    return f"{run.building.project.name}, {run.building.name}"


def named(tenant: Tenant, run_id: UUID, *, whole: bool = True) -> ValidationRun:
    """Not `whole`: without what is large. Raises RunNotFound, RunNotDone."""
    rows = ValidationRun.objects.for_tenant(tenant).select_related("building__project__jurisdiction", "revision")
    rows = rows if whole else rows.defer("passes", "results", "basis")
    run: ValidationRun | None = rows.filter(pk=run_id, is_what_if=False).first()
    if run is None:
        raise RunNotFound(run=str(run_id))
    if run.state != ValidationRun.State.DONE:
        raise RunNotDone(run=str(run_id), state=run.state)
    return run


def of_run(tenant: Tenant, run: ValidationRun, *, drawn: bool = True) -> dict[str, Json]:
    """Everything of one run that `reports.core.document.compose` asks for beside the head. Not `drawn`: without its storey plans."""
    building = run.building
    system = units_of(building)
    rules = rules_of(run.basis)
    judged = unpacked(run.results)
    failed = [one for one in judged if one["outcome"] == "fail"]
    reading.require_few(len(failed))
    things = _elements(tenant, run, {one["subject"] for one in failed})
    rows = {(row.rule_key, row.subject): row for row in _rows(tenant, run)}
    waived, listed = _waivers(tenant, run)
    storeys = {one.storey for one in things.values()}
    names = _names(tenant, run, storeys)
    findings = [
        _finding(one, rules.get(one["rule"], {}), things.get(one["subject"]), rows.get((one["rule"], one["subject"])), names, waived, system)
        for one in failed
    ]
    return {
        "units": system,
        "project": of_project(building.project),
        "building": {"id": str(building.pk), "name": building.name, "occupancy_groups": building.occupancy_groups},
        "basis": basis_of(run.basis),
        "model": model_of(run),
        "engine": {"version": run.engine_version, "run": str(run.pk), "input_sha256": run.input_sha256, "result_sha256": run.result_sha256},
        "score": run.score,
        "coverage": run.coverage,
        "status": _status(run, findings),
        "counts": run.counts.get("rules", {}),
        "rules": rules,
        "findings": findings,
        "not_evaluable": _not_evaluable(judged, rules),
        "unlock": [{"fact": one["fact"], "rules": len(one["rules"]), "subjects": one["subjects"]} for one in run.missing_facts],
        "waivers": listed,
        "data_quality": _data_quality(run),
        "plans": _plans(tenant, run, things, findings, names) if drawn else [],
        "trend": _trend(tenant, run),
        "elements": _index(things, names, findings),
        "parties": run.building.project.parties,
    }


def _status(run: ValidationRun, findings: Iterable[Mapping[str, Json]]) -> str:
    """By the waivers of the day on which the report is frozen: they are what it lists."""
    critical = sum(one["severity"] == "critical" and not one["waiver"] for one in findings)
    partial = run.revision is not None and run.revision.state == "partial"
    return score.status_of(critical, run.coverage, run.building.project.coverage_threshold, partial=partial).value


def rules_of(basis: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """rule key -> what the report says of it, as the run has kept it."""
    return {
        rule["key"]: {
            "title": rule.get("title", ""),
            "section": (rule.get("citation") or {}).get("section", ""),
            "category": rule.get("category", ""),
            "severity": rule.get("severity", ""),
            "paraphrase": (rule.get("citation") or {}).get("paraphrase", ""),
            "edition": (owner.get("edition") or {}).get("edition", ""),
        }
        for owner in basis.get("rule_sets", ())
        for rule in owner.get("rules", ())
    }


def _rows(tenant: Tenant, run: ValidationRun) -> Iterable[Finding]:
    rows = Finding.objects.for_tenant(tenant).filter(building=run.building_id).select_related("assignee")
    return rows.defer("geometry", "citation", "message", "missing").iterator(2_000)


def _elements(tenant: Tenant, run: ValidationRun, wanted: set[str]) -> dict[str, Element]:
    """The elements of the findings as they were when the run looked."""
    rows = Element.objects.for_tenant(tenant).filter(building=run.building_id, valid_from_seq__lte=run.at_seq)
    rows = rows.exclude(valid_to_seq__lte=run.at_seq).only("global_id", "ifc_class", "name", "tag", "storey", "box", "discipline")
    return {row.global_id: row for row in rows.iterator(2_000) if row.global_id in wanted}


def _names(tenant: Tenant, run: ValidationRun, storeys: set[str]) -> dict[str, str]:
    rows = Element.objects.for_tenant(tenant).filter(building=run.building_id, global_id__in=storeys, valid_to_seq=None)
    return dict(rows.values_list("global_id", "name"))


def _finding(
    one: Mapping[str, Json],
    rule: Mapping[str, Json],
    thing: Element | None,
    row: Finding | None,
    names: Mapping[str, str],
    waived: Mapping[tuple[str, str], str],
    system: str,
) -> dict[str, Json]:
    numbers = one["actual"] is not None and one["required"] is not None
    actual, required = pair(one["actual"], one["required"], one["unit"], system) if numbers else ("", "")
    # The row is as things are now. What it says of a fact belongs to this judgement only while both see the same.
    same = row is not None and (row.actual, row.required) == (one["actual"], one["required"])
    evidence = list(row.evidence) if row is not None and same else []
    storey = thing.storey if thing else ""
    return {
        "id": row.fingerprint if row else "",
        "rule": one["rule"],
        "title": rule.get("title", ""),
        "section": rule.get("section", ""),
        "edition": rule.get("edition", ""),
        "severity": one["severity"],
        "category": rule.get("category", ""),
        "discipline": (row.discipline if row else "") or (thing.discipline if thing else ""),
        "subject": one["subject"],
        "name": thing.name if thing else "",
        "tag": thing.tag if thing else "",
        "ifc_class": thing.ifc_class if thing else "",
        "storey": storey,
        "storey_name": names.get(storey, storey),
        "at_text": _place(thing.box if thing else None, system),
        "box": rounded(thing.box if thing else None),
        "required": one["required"],
        "actual": one["actual"],
        "margin": one["margin"],
        "unit": one["unit"],
        "required_text": required,
        "actual_text": actual,
        "margin_text": shown(one["margin"], one["unit"], system).replace("-", "−") if one["margin"] is not None else "",
        "message": one["message"],
        "evidence": evidence,
        "evidence_text": "; ".join(_evidence(fact, system) for fact in evidence[:EVIDENCE_SHOWN]),
        "parameters": dict(row.parameters) if row is not None and same else {},
        "state": row.state if row else "",
        "responsible": name_of(row.assignee) if row and row.assignee else "",
        "due": row.due_on.isoformat() if row and row.due_on else "",
        "waiver": waived.get((one["rule"], one["subject"]), "") or waived.get((one["rule"], ""), ""),
    }


def rounded(box: Json) -> list[float] | None:
    """To millimetres."""
    return [round(value, 3) for value in box] if box else None


def _place(box: Json, system: str) -> str:
    """The middle of the element, x / y / z."""
    if not box:
        return ""
    return " / ".join(shown((box[axis] + box[axis + 3]) / 2, "m", system) for axis in range(3))


def _evidence(fact: Mapping[str, Json], system: str) -> str:
    said = f"{fact['fact']} {shown(fact.get('value'), fact.get('unit', ''), system)}"
    return f"{said} ({fact.get('source', '')}{', assumed' if fact.get('assumed') else ''})"


def of_project(project: Project) -> dict[str, Json]:
    return {
        "id": str(project.pk),
        "name": project.name,
        "address": project.address,
        "permit_number": project.permit_number,
        "permit_application_date": project.permit_application_date.isoformat(),
        "jurisdiction": {"code": project.jurisdiction.code, "name": project.jurisdiction.name},
        "construction_type": project.construction_type,
        "sprinkler": project.sprinkler,
    }


def basis_of(basis: Mapping[str, Json]) -> dict[str, Json]:
    slim = [{name: one.get(name, "") for name in ("slug", "title", "version", "sha256")} for one in basis.get("rule_sets", ())]
    return {
        "editions": basis.get("editions", []),
        "rule_sets": slim,
        "amendments": basis.get("amendments", []),
        "overrides": basis.get("overrides", {}),
    }


def model_of(run: ValidationRun) -> dict[str, Json]:
    revision = run.revision
    if revision is None:
        return {"at_seq": run.at_seq, "state": "ready"}
    found = revision.integrity or {}
    read = f"{found.get('loaded')} of {found.get('statements')} statements" if found.get("statements") else ""
    return {
        "revision": revision.number,
        "file_name": revision.file_name,
        "sha256": revision.sha256,
        "schema": revision.schema,
        "application": revision.application,
        "state": revision.state,
        "integrity": found,
        "integrity_text": f"{revision.state}{', ' + read if read else ''}",
        "elements": sum(revision.counts.values()) if revision.counts else None,
        "at_seq": run.at_seq,
    }


def _waivers(tenant: Tenant, run: ValidationRun) -> tuple[dict[tuple[str, str], str], list[dict[str, Json]]]:
    """(rule, subject or "") -> number of the approved waiver; and all of them as the report lists them."""
    rows = Waiver.objects.for_tenant(tenant).filter(building=run.building_id).select_related("finding").order_by("created_at")
    today = timezone.localdate(timezone=ZoneInfo(run.building.project.jurisdiction.timezone))
    marks: dict[tuple[str, str], str] = {}
    listed = []
    for place, row in enumerate(rows, 1):
        number = f"W-{place}"
        if row.state == Waiver.State.APPROVED and (row.expires_on is None or row.expires_on >= today):
            marks[row.rule_key, row.finding.subject if row.finding else ""] = number
        listed.append(
            {
                "number": number,
                "rule": row.rule_key,
                "kind": row.kind,
                "state": row.state,
                "justification": row.justification,
                "conditions": row.conditions,
                "approver": row.approver,
                "authority_reference": row.authority_reference,
                "expires_on": row.expires_on.isoformat() if row.expires_on else "",
            }
        )
    return marks, listed


def _not_evaluable(judged: Iterable[Mapping[str, Json]], rules: Mapping[str, Mapping[str, Json]]) -> list[dict[str, Json]]:
    subjects: Counter[str] = Counter()
    missing: dict[str, set[str]] = {}
    for one in judged:
        if one["outcome"] == "not_evaluable":
            subjects[one["rule"]] += 1
            missing.setdefault(one["rule"], set()).update(one["missing"])
    return [
        {"rule": key, "title": rules.get(key, {}).get("title", ""), "missing": sorted(missing[key]), "subjects": subjects[key]}
        for key in sorted(subjects)
    ]


def _data_quality(run: ValidationRun) -> list[dict[str, Json]]:
    found = (run.revision.integrity or {}) if run.revision else {}
    rows = [{"kind": "parser_error", "detail": text, "count": 1} for text in found.get("complaints") or ()]
    twins = found.get("duplicate_ids") or ()
    if twins:
        detail = f"Elements that share a GlobalId; the later ones were numbered: {', '.join(list(twins)[:20])}"
        rows.append({"kind": "duplicate_global_id", "detail": detail, "count": len(twins)})
    return rows


def _trend(tenant: Tenant, run: ValidationRun) -> list[dict[str, Json]]:
    points = [{"at": str(one["at"]), "score": one["score"], "coverage": one["coverage"]} for one in trend(tenant, run.building_id)]
    return [{**one, "coverage": None if one["coverage"] is None else one["coverage"] * 100} for one in points]


def _plans(
    tenant: Tenant, run: ValidationRun, things: Mapping[str, Element], findings: Iterable[Mapping[str, Json]], names: Mapping[str, str]
) -> list[dict[str, Json]]:
    """The storeys that have findings, those with most of them first, drawn as the run saw them."""
    counted = Counter(things[one["subject"]].storey for one in findings if one["subject"] in things)
    worst = _marks(findings)
    drawn = []
    for storey, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_PLANS]:
        rows = elements.at(tenant, run.building, run.at_seq).filter(storey=storey)
        known = list(elements.walk(rows))
        level = next((one.element for one in known if one.element.global_id == storey), None)
        if level is None:
            continue
        seen = [plan.Seen(element=one.element, facts=one.all_facts) for one in known]
        drawing = plan.draw(level, seen, marks=worst, routes=plan.ways_out(seen))
        if drawing.shapes:
            drawn.append({"storey": storey, "name": names.get(storey, storey), "drawing": plans.as_json(plans.picture(drawing))})
    return drawn


def _marks(findings: Iterable[Mapping[str, Json]]) -> dict[str, plan.Mark]:
    found: dict[str, plan.Mark] = {}
    for one in sorted(findings, key=lambda one: RANK.get(one["severity"], 9)):
        before = found.get(one["subject"])
        found[one["subject"]] = plan.Mark(
            severity=before.severity if before else one["severity"], count=(before.count if before else 0) + 1, title=one["rule"]
        )
    return found


def _index(things: Mapping[str, Element], names: Mapping[str, str], findings: Iterable[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """The elements with findings. The numbers of their findings are known only after these are numbered; `compose` puts them in."""
    counted = Counter(one["subject"] for one in findings)
    ordered = sorted(counted, key=lambda subject: (-counted[subject], subject))[:MOST_ELEMENTS]
    return [
        {
            "global_id": subject,
            "ifc_class": things[subject].ifc_class,
            "name": things[subject].name,
            "storey_name": names.get(things[subject].storey, ""),
            "findings": [],
        }
        for subject in ordered
        if subject in things
    ]
