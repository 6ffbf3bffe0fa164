"""Reads of the live protocol: where the streams are, diffs after a number, all findings in pages, who is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from validation import events
from validation.core.merging import Diff, merged
from validation.errors import BuildingNotFound
from validation.models import Building, ChangeBatch, Finding, FindingsDiff, LiveSession, ValidationRun

PAGE: Final = 500
MERGED_AT_ONCE: Final = 200  # diffs held in memory while many are made one
SILENT: Final = timedelta(seconds=90)  # a session that has not been heard of for so long is not there any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    stream_id: UUID
    head_seq: int
    checked_seq: int
    findings_seq: int
    oldest: int  # number of the oldest diff that is kept; findings_seq + 1 when there is none


def heads(tenant: Tenant, building_id: UUID) -> Heads:
    """Raises BuildingNotFound."""
    row = Building.objects.for_tenant(tenant).filter(pk=building_id).values_list("stream_id", "head_seq", "checked_seq").first()
    if row is None:
        raise BuildingNotFound(id=str(building_id))
    numbers = FindingsDiff.objects.for_tenant(tenant).filter(building_id=building_id)
    first, last = numbers.aggregate(first=Min("number"))["first"], numbers.aggregate(last=Max("number"))["last"]
    return Heads(stream_id=row[0], head_seq=row[1], checked_seq=row[2], findings_seq=last or 0, oldest=first or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What there is after a number. `too_much`: a diff is not kept in full, or together they are more than anybody should replay."""

    last: int
    size: int
    too_much: bool


def pending(tenant: Tenant, building_id: UUID, after: int, *, most: int) -> Pending:
    rows = FindingsDiff.objects.for_tenant(tenant).filter(building_id=building_id, number__gt=after)
    sizes = list(rows.order_by("number").values_list("number", "size"))
    total = sum(size for _, size in sizes)
    gap = bool(sizes) and sizes[0][0] != after + 1
    return Pending(last=sizes[-1][0] if sizes else after, size=total, too_much=gap or total > most or any(size > most for _, size in sizes))


def diff_after(tenant: Tenant, building_id: UUID, after: int, upto: int) -> Diff:
    """All diffs with after < number <= upto as one. There is at least one."""
    found: Diff | None = None
    rows = FindingsDiff.objects.for_tenant(tenant).filter(building_id=building_id, number__lte=upto)
    while found is None or found.seq < upto:
        some = [_diff(row) for row in rows.filter(number__gt=found.seq if found else after).order_by("number")[:MERGED_AT_ONCE]]
        found = merged([*([found] if found else []), *some])
    return found


def _diff(row: FindingsDiff) -> Diff:
    return Diff(
        since=row.number - 1,
        seq=row.number,
        at_seq=row.at_seq,
        added=tuple(row.added),
        updated=tuple(row.updated),
        resolved=tuple(row.resolved),
        rechecking=tuple(row.rechecking),
        counts=row.counts,
        score=row.score,
        coverage=row.coverage,
    )


def last_diff(tenant: Tenant, building_id: UUID) -> Diff | None:
    row = FindingsDiff.objects.for_tenant(tenant).filter(building_id=building_id).order_by("-number").first()
    return _diff(row) if row else None


def findings_page(tenant: Tenant, building_id: UUID, after: str) -> list[dict[str, Any]]:
    """Findings that are there now, in the order of their fingerprints; the page after `after` ("" for the first)."""
    rows = Finding.objects.for_tenant(tenant).filter(building_id=building_id, resolved_seq=None, fingerprint__gt=after)
    return [events.finding(row) for row in rows.defer("evidence", "geometry", "parameters").order_by("fingerprint")[:PAGE]]


def findings_now(tenant: Tenant, building_id: UUID) -> Iterator[dict[str, Any]]:
    after = ""
    while page := findings_page(tenant, building_id, after):
        yield from page
        after = page[-1]["fingerprint"]


def finding_count(tenant: Tenant, building_id: UUID) -> int:
    return int(Finding.objects.for_tenant(tenant).filter(building_id=building_id, resolved_seq=None).count())


def rule_set_versions(tenant: Tenant, building_id: UUID) -> list[str]:
    """Of the last full check that ended: `<slug>@<number>`."""
    run = ValidationRun.objects.for_tenant(tenant).filter(building_id=building_id, state="done", is_what_if=False).order_by("-created_at").first()
    rows = run.rule_set_versions.select_related("rule_set") if run else ()
    return sorted(f"{row.rule_set.slug}@{row.number}" for row in rows)


def present(tenant: Tenant, building_id: UUID) -> list[dict[str, Any]]:
    """Who is connected now, oldest first."""
    rows = LiveSession.objects.for_tenant(tenant).filter(building_id=building_id, state="open", seen_at__gt=timezone.now() - SILENT)
    return [
        {"id": str(row.pk), "name": _name(row), "client": row.client, "selection": row.selection}
        for row in rows.select_related("user").order_by("connected_at", "id")
    ]


def _name(row: LiveSession) -> str:
    return (row.user.get_full_name() or row.user.get_username()) if row.user else row.actor


def sessions(tenant: Tenant, building_id: UUID) -> QuerySet[LiveSession]:
    """All sessions of a building, newest first."""
    rows: QuerySet[LiveSession] = LiveSession.objects.for_tenant(tenant).filter(building_id=building_id)
    return rows.select_related("user").order_by("-connected_at", "id")


def batches(tenant: Tenant, building_id: UUID, after: int) -> QuerySet[ChangeBatch]:
    """The model's changes after a number, in their order."""
    rows: QuerySet[ChangeBatch] = ChangeBatch.objects.for_tenant(tenant).filter(building_id=building_id, seq__gt=after)
    return rows.order_by("seq")
