"""What a report of a period says: of each building of the project the checks before its first and at its last day, and what lies between."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from mcp_platform.tenancy.models import Tenant
from reports.gathering import failures, project, reading, run
from reports.gathering.gathered import Gathered, Subject
from validation.models import Building, Finding, FindingNote, ModelRevision, Project, ValidationRun, Waiver

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `begin` until before `end`; in days of the project's time zone both are included."""

    begin: datetime
    end: datetime
    since: date
    until: date


def find(tenant: Tenant, wish: Mapping[str, str]) -> Subject:
    """Of {project, since, until}. Raises ProjectNotFound, SchemaError."""
    found = project.named(tenant, reading.uuid_of(wish, "project"))
    since, until = reading.days_of(wish)
    return Subject(title=_title(found, since, until), key=f"project:{found.pk}:{since}:{until}", project=found)


def gather(tenant: Tenant, wish: Mapping[str, str], _locale: str) -> Gathered:
    """Raises what `find` raises, and ReportTooLarge."""
    found = project.named(tenant, reading.uuid_of(wish, "project"))
    since, until = reading.days_of(wish)
    zone = ZoneInfo(found.jurisdiction.timezone)
    span = Span(begin=_midnight(since, zone), end=_midnight(until + timedelta(days=1), zone), since=since, until=until)
    body = {
        "units": found.jurisdiction.default_units or "metric",
        "project": run.of_project(found),
        "parties": found.parties,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "time_zone": found.jurisdiction.timezone,
        "buildings": [_building(tenant, one, span) for one in project.buildings(tenant, found)],
    }
    return Gathered(title=_title(found, since, until), body=body)


def _title(found: Project, since: date, until: date) -> str:
    return f"{found.name}, {since} – {until}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _building(tenant: Tenant, building: Building, span: Span) -> dict[str, Json]:
    rows = _checks(tenant, building)
    before = rows.filter(created_at__lt=span.begin).order_by("-created_at").first()
    inside = rows.filter(created_at__gte=span.begin, created_at__lt=span.end)
    after = inside.order_by("-created_at").first() or before
    was, now = failures.failures(before), failures.failures(after)
    about = failures.rules(before, after)
    opened, resolved = sorted(now.keys() - was.keys()), sorted(was.keys() - now.keys())
    return {
        "id": str(building.pk),
        "name": building.name,
        "before": _state(before, was),
        "after": _state(after, now),
        "runs": [_point(one, building) for one in inside.defer("passes", "results", "basis").order_by("created_at")],
        "opened": failures.told(tenant, building, now, opened, about),
        "resolved": failures.told(tenant, building, was, resolved, about),
        "handled": _handled(tenant, building, span),
        "waivers": _waivers(tenant, building, span),
        "models": _models(tenant, building, span),
        "days_to_fix": _days_to_fix(tenant, building, span),
    }


def _checks(tenant: Tenant, building: Building) -> QuerySet[ValidationRun]:
    rows: QuerySet[ValidationRun] = ValidationRun.objects.for_tenant(tenant)
    return rows.filter(building=building, state=ValidationRun.State.DONE, is_what_if=False)


def _state(one: ValidationRun | None, judged: failures.Judged) -> dict[str, Json] | None:
    if one is None:
        return None
    at = one.finished_at or one.created_at
    said = {"run": str(one.pk), "at": at.isoformat(timespec="seconds"), "result_sha256": one.result_sha256}
    return {**said, "score": one.score, "coverage": one.coverage, "status": one.status, "by_severity": failures.by_severity(judged)}


def _point(one: ValidationRun, building: Building) -> dict[str, Json]:
    severities = one.counts.get("by_severity", {})
    return {
        "run": str(one.pk),
        "at": one.created_at.isoformat(timespec="seconds"),
        "building": building.name,
        "trigger": one.trigger,
        "score": one.score,
        "coverage": one.coverage,
        "status": one.status,
        "by_severity": severities,
    }


def _handled(tenant: Tenant, building: Building, span: Span) -> dict[str, int]:
    """What people did: kind of note → count. What checks did by themselves is not counted."""
    rows = FindingNote.objects.for_tenant(tenant).filter(finding__building=building, at__gte=span.begin, at__lt=span.end)
    return dict(Counter(rows.filter(~Q(actor__startswith="system")).values_list("kind", flat=True)))


def _waivers(tenant: Tenant, building: Building, span: Span) -> list[dict[str, Json]]:
    """Those that were asked for, decided or that ended in the period; each with the number that it has in the building's other reports."""
    rows = Waiver.objects.for_tenant(tenant).filter(building=building).order_by("created_at")
    asked = Q(created_at__gte=span.begin, created_at__lt=span.end)
    decided = Q(decided_at__gte=span.begin, decided_at__lt=span.end)
    numbers = {pk: f"W-{place}" for place, pk in enumerate(rows.values_list("pk", flat=True), 1)}
    found = rows.filter(asked | decided | Q(expires_on__gte=span.since, expires_on__lte=span.until))
    return [
        {
            "number": numbers[row.pk],
            "rule": row.rule_key,
            "kind": row.kind,
            "state": row.state,
            "justification": row.justification,
            "approver": row.approver,
            "authority_reference": row.authority_reference,
            "expires_on": row.expires_on.isoformat() if row.expires_on else "",
        }
        for row in found
    ]


def _models(tenant: Tenant, building: Building, span: Span) -> list[dict[str, Json]]:
    rows = ModelRevision.objects.for_tenant(tenant).filter(building=building, created_at__gte=span.begin, created_at__lt=span.end)
    return [
        {
            "revision": row.number,
            "file_name": row.file_name or row.source,
            "sha256": row.sha256,
            "state": row.state,
            "at": row.created_at.isoformat(timespec="seconds"),
        }
        for row in rows.order_by("number")
    ]


def _days_to_fix(tenant: Tenant, building: Building, span: Span) -> Sequence[int]:
    rows = Finding.objects.for_tenant(tenant).filter(building=building, outcome="fail", resolved_at__gte=span.begin, resolved_at__lt=span.end)
    return sorted((gone - seen).days for seen, gone in rows.values_list("created_at", "resolved_at") if gone is not None)
