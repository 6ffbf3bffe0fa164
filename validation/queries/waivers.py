"""Which waivers cover what. Reads only; what happens to waivers is in `services.waivers`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Q, QuerySet
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from validation.errors import WaiverNotFound
from validation.models import Finding, Waiver

OPEN = (Waiver.State.REQUESTED, Waiver.State.APPROVED, Waiver.State.NEEDS_RECONFIRMATION)  # something can still happen to them


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What approved waivers of a building cover: whole rules, and single findings by fingerprint."""

    rules: frozenset[str]
    fingerprints: frozenset[str]

    def __contains__(self, finding: Any) -> bool:
        """Of a finding row, or anything with `rule_key` and `fingerprint`."""
        return finding.rule_key in self.rules or finding.fingerprint in self.fingerprints

    def covers(self, rule_key: str, fingerprint: str) -> bool:
        return rule_key in self.rules or fingerprint in self.fingerprints


def covered(tenant: Tenant, building_id: UUID, *, without: Iterable[UUID] = ()) -> Covered:
    """What is waived in the building now, whether the sweep has come by since a last day or not.

    A finding that appears while it is covered is born waived.
    """
    zone = "building__project__jurisdiction__timezone"
    rows = Waiver.objects.for_tenant(tenant).filter(building_id=building_id, state=Waiver.State.APPROVED).exclude(pk__in=list(without))
    now = timezone.now()
    found: list[tuple[str, str | None]] = [  # None: of the whole rule
        (rule, fingerprint)
        for rule, fingerprint, last_day, place in rows.values_list("rule_key", "finding__fingerprint", "expires_on", zone)
        if last_day is None or last_day >= today_in(place, now)
    ]
    return Covered(
        rules=frozenset(rule for rule, fingerprint in found if fingerprint is None),
        fingerprints=frozenset(fingerprint for _, fingerprint in found if fingerprint is not None),
    )


def overdue(rows: QuerySet[Waiver], now: datetime) -> QuerySet[Waiver]:
    """Those whose last day is over in the time zone of their jurisdiction; through that day they hold."""
    zone = "building__project__jurisdiction__timezone"
    # No place on earth is more than a day from UTC: only these have to be looked at.
    near = rows.filter(expires_on__lte=now.astimezone(UTC).date() + timedelta(days=1))
    zones = set(near.values_list(zone, flat=True).order_by().distinct())
    over = Q(pk__in=[])
    for name in zones:
        over |= Q(**{zone: name}, expires_on__lt=today_in(name, now))
    return near.filter(over)


def today_in(zone: str | None, now: datetime) -> date:
    """UTC where the name is of no zone."""
    try:
        return now.astimezone(ZoneInfo(zone or "UTC")).date()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return now.astimezone(UTC).date()


def waivers(tenant: Tenant, building_id: UUID | None = None) -> QuerySet[Waiver]:
    """Newest first."""
    rows: QuerySet[Waiver] = Waiver.objects.for_tenant(tenant).select_related(
        "tenant", "building", "building__project", "finding", "requested_by", "approved_by"
    )
    rows = rows.order_by("-created_at", "id")
    return rows.filter(building_id=building_id) if building_id is not None else rows


def waiver(tenant: Tenant, waiver_id: UUID, building_id: UUID | None = None) -> Waiver:
    """Raises WaiverNotFound."""
    found = waivers(tenant, building_id).filter(pk=waiver_id).first()
    if found is None:
        raise WaiverNotFound(waiver=str(waiver_id))
    return found


def of_finding(tenant: Tenant, finding: Finding) -> list[Waiver]:
    """Its own waivers and those of its rule in the building, newest first."""
    mine = Q(finding=finding) | Q(finding=None, rule_key=finding.rule_key)
    return list(waivers(tenant, finding.building_id).filter(mine))


def touched_by(waiver: Waiver) -> QuerySet[Finding]:
    """The findings that are there now and that this waiver is about."""
    return ever_touched_by(waiver).filter(resolved_seq=None)


def ever_touched_by(waiver: Waiver) -> QuerySet[Finding]:
    """Also those whose rule holds now: they may come back."""
    rows: QuerySet[Finding] = Finding.objects.filter(tenant_id=waiver.tenant_id, building_id=waiver.building_id)
    return rows.filter(pk=waiver.finding_id) if waiver.finding_id else rows.filter(rule_key=waiver.rule_key)
