"""What people do with findings: assign, set a state and a day, comment; one at a time or many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from mcp_platform.tenancy.models import Membership, Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import actor_of, audit
from validation import errors
from validation.models import Building, Finding, FindingNote
from validation.queries import board as queries
from validation.queries.board import Filters
from validation.services import findings

State = Finding.State
# Waived is what an approved waiver makes of a finding, and reopened what a check does when it is there again: nobody sets them by hand.
STATES: Final = (State.OPEN, State.ACKNOWLEDGED, State.IN_PROGRESS, State.FIXED, State.FALSE_POSITIVE)
FIELDS: Final = ("state", "assignee", "due_on")
MOST_AT_ONCE: Final = 5000
LONGEST_COMMENT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """`skipped`: findings that are waived, whose state only their waiver changes."""

    changed: int
    skipped: int


def change(
    tenant: Tenant,
    *,
    building_id: UUID,
    finding_id: UUID,
    fields: Mapping[str, Any],
    comment: str = "",
    expected_rev: int | None = None,
    by: Principal,
) -> Finding:
    """Change some of `FIELDS` (assignee: the id of a member, or None). Raises FindingNotFound, HasChanged, WrongState, FieldsRefused."""
    by.require("findings:write")
    wanted = _checked(tenant, fields, comment)
    with transaction.atomic():
        building = _locked(tenant, building_id)
        found = queries.finding(tenant, building_id, finding_id)
        if expected_rev is not None and found.rev != expected_rev:
            raise errors.HasChanged(rev=found.rev)
        if "state" in wanted and found.state == State.WAIVED and wanted["state"] != State.WAIVED:
            raise errors.WrongState("A waived finding follows its waiver; withdraw that first.", state=found.state)
        _apply(building, [found], wanted, comment, by)
    return queries.finding(tenant, building_id, finding_id)


def change_many(
    tenant: Tenant,
    *,
    building_id: UUID,
    finding_ids: Sequence[UUID] | None = None,
    filters: Filters | None = None,
    fields: Mapping[str, Any],
    comment: str = "",
    by: Principal,
) -> Changed:
    """The same change for many: those named, or all that the filters leave. At most `MOST_AT_ONCE`. Raises FieldsRefused."""
    by.require("findings:write")
    wanted = _checked(tenant, fields, comment)
    with transaction.atomic():
        building = _locked(tenant, building_id)
        rows = _chosen(tenant, building_id, finding_ids, filters)
        chosen = list(rows.only("id", "state", "assignee_id", "due_on", "rev")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            raise errors.FieldsRefused(errors=[_fault("ids", "too_many", "names too many findings", f"at most {MOST_AT_ONCE} at once")])
        may = [row for row in chosen if "state" not in wanted or row.state != State.WAIVED]
        _apply(building, may, wanted, comment, by)
    return Changed(changed=len(may), skipped=len(chosen) - len(may))


def _chosen(tenant: Tenant, building_id: UUID, finding_ids: Sequence[UUID] | None, filters: Filters | None) -> QuerySet[Finding]:
    if finding_ids is not None:
        return queries.findings(tenant, building_id, Filters(there="all")).filter(pk__in=list(finding_ids)[: MOST_AT_ONCE + 1])
    return queries.findings(tenant, building_id, filters or Filters())


def comment(tenant: Tenant, *, building_id: UUID, finding_id: UUID, text: str, by: Principal) -> FindingNote:
    """Raises FindingNotFound, FieldsRefused."""
    by.require("findings:write")
    faults = _comment_faults(text) or ([] if text.strip() else [_fault("text", "missing", "is empty", "what there is to say")])
    if faults:
        raise errors.FieldsRefused(errors=faults)
    with transaction.atomic():
        building = _locked(tenant, building_id)
        found = queries.finding(tenant, building_id, finding_id)
        made: FindingNote = FindingNote.objects.create(
            tenant=tenant, finding=found, kind="comment", text=text.strip(), actor=by.actor, author=by.user
        )
        findings.tell_people(building, [found])
    return made


def _locked(tenant: Tenant, building_id: UUID) -> Building:
    """Everything that writes findings locks the building first, so that none of them waits for another in the wrong order."""
    found: Building | None = Building.objects.for_tenant(tenant).select_for_update(no_key=True, of=("self",)).filter(pk=building_id).first()
    if found is None:
        raise errors.BuildingNotFound(building=str(building_id))
    return found


def _apply(building: Building, rows: Sequence[Finding], wanted: Mapping[str, Any], text: str, by: Principal) -> None:
    """Write what is different, a note of each difference, and one audit entry."""
    notes: list[FindingNote] = []
    touched: list[UUID] = []
    for row in rows:
        before = {name: getattr(row, _COLUMN.get(name, name)) for name in wanted}
        differences = {name: value for name, value in wanted.items() if before[name] != value}
        touched += [row.pk] if differences or text else []
        notes += [_note(row, name, before[name], value, text, by) for name, value in differences.items()]
        if text and not differences:
            notes.append(FindingNote(tenant_id=building.tenant_id, finding_id=row.pk, kind="comment", text=text, actor=by.actor, author=by.user))
    if not touched:
        return
    values = {_COLUMN.get(name, name): value for name, value in wanted.items()}
    if wanted.get("state") == State.FALSE_POSITIVE:
        values["aside_hash"] = findings.content_hash_now()
    for start in range(0, len(touched), 500):  # SQLite takes a bounded number of parameters
        some = Finding.objects.filter(tenant_id=building.tenant_id, pk__in=touched[start : start + 500])
        some.update(**values, rev=F("rev") + 1, updated_at=timezone.now())
    FindingNote.objects.bulk_create(notes, batch_size=500)
    told = {**{name: _plain(value) for name, value in wanted.items()}, "findings": len(touched), "first": [str(pk) for pk in touched[:20]]}
    audit(building.tenant, actor=actor_of(by), action="finding.change", target=building, changes=told | ({"comment": text} if text else {}))
    told_of = Finding.objects.for_tenant(building.tenant_id)
    findings.tell_people(building, [row for start in range(0, len(touched), 500) for row in told_of.filter(pk__in=touched[start : start + 500])])


_COLUMN: Final = {"assignee": "assignee_id"}
_NOTE_KINDS: Final = {"state": "state", "assignee": "assignee", "due_on": "due"}


def _note(row: Finding, name: str, before: Any, value: Any, text: str, by: Principal) -> FindingNote:
    data = {"from": _plain(before), "to": _plain(value)}
    said = text if name == "state" else ""
    return FindingNote(tenant_id=by.tenant.pk, finding_id=row.pk, kind=_NOTE_KINDS[name], text=said, data=data, actor=by.actor, author=by.user)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else value.isoformat() if isinstance(value, date) else str(value)


def _checked(tenant: Tenant, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The fields as columns take them. Raises FieldsRefused with every fault."""
    faults = _comment_faults(text)
    faults += [_fault(name, "unknown", "is not known here", ", ".join(FIELDS)) for name in fields if name not in FIELDS]
    if not fields and not text:
        faults.append(_fault("", "missing", "nothing is to be changed", ", ".join(FIELDS)))
    state = fields.get("state")
    if "state" in fields and state not in STATES:
        faults.append(_fault("state", "unknown", "is no state that people set", ", ".join(STATES)))
    if state == State.FALSE_POSITIVE and not text.strip():
        faults.append(_fault("comment", "missing", "is missing", "why the check is wrong here: somebody will ask"))
    person = fields.get("assignee")
    if person is not None and not may_be_assigned(tenant).filter(pk=person).exists():
        faults.append(_fault("assignee", "unknown", "is no member of the tenant", "the id of a member, or null"))
    if faults:
        raise errors.FieldsRefused(errors=faults)
    return {name: fields[name] for name in FIELDS if name in fields}


def may_be_assigned(tenant: Tenant) -> QuerySet[User]:
    """Members, by name."""
    members = Membership.objects.for_tenant(tenant).values("user_id")
    return User.objects.filter(pk__in=members, is_active=True).order_by("first_name", "last_name", "username")


def _comment_faults(text: str) -> list[dict[str, str]]:
    return [_fault("comment", "too_long", "is too long", f"at most {LONGEST_COMMENT} characters")] if len(text) > LONGEST_COMMENT else []


def _fault(field: str, code: str, message: str, expected: str) -> dict[str, str]:
    return {"path": f"$.{field}" if field else "$", "code": code, "message": message, "expected": expected}
