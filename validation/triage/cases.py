"""Findings and what people made of them, as the triage's cases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from mcp_platform.tenancy.models import Tenant
from validation.core.risk import Case, Disposition, confirmed, number
from validation.models import Finding, FindingNote, Waiver

CHUNK: Final = 2_000
COLUMNS: Final = (
    "id", "building_id", "rule_key", "subject", "severity", "category", "ifc_class", "storey", "outcome", "margin", "required", "evidence",
    "missing", "first_seen_seq", "created_at",
)  # fmt: skip
BRIEF: Final = tuple(name for name in COLUMNS if name not in ("margin", "required", "evidence", "missing"))
# Programs may set states, too, but only a person's word is a disposition. People of trusted issuers have no account: their actor says who they are.
PROGRAMS: Final = ("system", "key:")
ALL: Final = Q()
BY_PEOPLE: Final = ~Q(actor__startswith=PROGRAMS[0]) & ~Q(actor__startswith=PROGRAMS[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A state that somebody gave a finding. `confirms` is None where it says nothing (open, reopened)."""

    finding: UUID
    building: UUID
    state: str
    confirms: bool | None
    at: datetime
    by_person: bool


def cases(tenant: Tenant, rows: QuerySet[Finding] | None = None) -> list[Case]:
    """Of every finding of the tenant, those that are gone included; or of `rows`. Oldest first."""
    findings = Finding.objects.for_tenant(tenant) if rows is None else rows
    known = dispositions(tenant, None if rows is None else rows.values("pk"))
    found = findings.order_by("created_at", "pk").values_list(*COLUMNS).iterator(chunk_size=CHUNK)
    return [_case(dict(zip(COLUMNS, row, strict=True)), known) for row in found]


def brief(tenant: Tenant) -> list[Case]:
    """Every finding of the tenant without its evidence: enough to know what was found and judged."""
    known = dispositions(tenant)
    found = Finding.objects.for_tenant(tenant).order_by("created_at", "pk").values_list(*BRIEF).iterator(chunk_size=CHUNK)
    return [_case(dict(zip(BRIEF, row, strict=True)), known) for row in found]


def dispositions(tenant: Tenant, only: Any = None) -> dict[UUID, Disposition]:
    """Finding -> the last word that people said on it. A finding that was reopened by a person has none."""
    found: dict[UUID, Disposition] = {}
    for word in words(tenant, only, BY_PEOPLE):
        if word.confirms is None:
            found.pop(word.finding, None)
        else:
            found[word.finding] = Disposition(confirmed=word.confirms, at=word.at.timestamp())
    return found


def words(tenant: Tenant, only: Any = None, whose: Q = ALL) -> Iterator[Word]:
    """Every state that was given, oldest first."""
    waivers = dict(Waiver.objects.for_tenant(tenant).values_list("pk", "kind"))
    notes = FindingNote.objects.for_tenant(tenant).filter(whose, kind__in=("state", "waiver"))
    notes = notes if only is None else notes.filter(finding__in=only)
    columns = notes.order_by("at", "pk").values_list("finding_id", "finding__building_id", "data", "at", "actor")
    for finding, building, data, at, actor in columns.iterator(chunk_size=CHUNK):
        state = state_of(data)
        if state:
            confirms = confirmed(state, waivers.get(_id(data.get("waiver")), ""))
            person = not actor.startswith(PROGRAMS)
            yield Word(finding=finding, building=building, state=state, confirms=confirms, at=at, by_person=person)


def state_of(data: Mapping[str, Any]) -> str:
    """The state that a note of the kind "state" or "waiver" gave the finding; "" when it gave none."""
    found = data.get("finding_state") or data.get("to") or data.get("state") or ""
    if isinstance(found, list):
        found = found[-1] if found else ""
    return found if found in Finding.State.values else ""


def _id(text: Any) -> Any:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _case(row: Mapping[str, Any], known: Mapping[UUID, Disposition]) -> Case:
    evidence = row.get("evidence") or []
    return Case(
        finding=str(row["id"]),
        check=f"{row['building_id']}/{row['first_seen_seq']}",
        building=str(row["building_id"]),
        rule=row["rule_key"],
        subject=row["subject"],
        severity=row["severity"],
        category=row["category"],
        ifc_class=row["ifc_class"],
        storey=row["storey"],
        seen_at=row["created_at"].timestamp(),
        evaluable=row["outcome"] == "fail",
        margin=row.get("margin"),
        limit=number(row.get("required")),
        evidence=len(evidence),
        assumed=sum(bool(one.get("assumed")) for one in evidence if isinstance(one, Mapping)),
        missing=len(row.get("missing") or []),
        disposition=known.get(row["id"]),
    )
