"""Waivers: asked for by one person, decided by another one who is a code official; they end, and they lapse when what they were about changes.

Every change locks the building first, as checks do: a check that runs meanwhile sees the waiver or does not, never half of it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from itertools import islice
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from django.core.files import File
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.errors import Denied
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.queries import person_behind
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import actor_of, audit
from validation import errors
from validation.models import Building, Element, Finding, FindingNote, Waiver, WaiverAttachment
from validation.queries import waivers as queries
from validation.services import files, findings, standing

log = observability.logger(__name__)
State = Waiver.State
FIELDS: Final = ("kind", "justification", "authority_reference", "conditions", "expires_on")
MAY_HAPPEN: Final[Mapping[str, tuple[str, ...]]] = {
    "change": (State.REQUESTED,),
    "attach": (State.REQUESTED, State.NEEDS_RECONFIRMATION),  # what was decided on stays as it was then
    "approve": (State.REQUESTED, State.NEEDS_RECONFIRMATION),
    "reject": (State.REQUESTED, State.NEEDS_RECONFIRMATION),
    "withdraw": queries.OPEN,
}
MAX_ATTACHMENT: Final = 10 * 1024 * 1024
MAX_ATTACHMENTS: Final = 10
ATTACHMENT_TYPES: Final = (".pdf", ".png", ".jpg", ".jpeg", ".txt", ".md", ".docx", ".xlsx", ".odt", ".eml", ".ifc", ".bcf", ".bcfzip", ".zip")


def request(
    tenant: Tenant, *, building_id: UUID, finding_id: UUID | None = None, rule_key: str = "", fields: Mapping[str, Any], by: Principal
) -> Waiver:
    """Ask for a waiver of one finding, or with `rule_key` of every finding of that rule in the building.

    fields: `FIELDS`. Raises BuildingNotFound, FindingNotFound, WaiverExists, Invalid with every fault.
    """
    by.require("waivers:request")
    with transaction.atomic():
        building = _locked_building(tenant, building_id)
        finding = _finding(tenant, building, finding_id) if finding_id else None
        if finding is None:
            _refuse_unknown_rule(tenant, building, rule_key)
        _refuse(fields)
        key = finding.rule_key if finding else rule_key
        _refuse_second(tenant, building, finding, key)
        made: Waiver = Waiver.objects.create(
            tenant=tenant, building=building, finding=finding, rule_key=key, requester=by.actor, requested_by=person_behind(by), created_by=by.user,
            **{name: fields[name] for name in FIELDS if name in fields},
        )  # fmt: skip
        _noted(_findings(made), made, "requested", by)
        _recorded(made, "waiver.request", by, {name: fields.get(name) for name in FIELDS} | {"rule": key, "finding": finding_id})
        _tell(building, _findings(made))
    return queries.waiver(tenant, made.pk)


def change(tenant: Tenant, *, waiver_id: UUID, fields: Mapping[str, Any], expected_rev: int | None = None, by: Principal) -> Waiver:
    """Change what was asked for, as long as nobody has decided; by whoever asked. Raises WaiverNotFound, HasChanged, WrongState, Denied."""
    by.require("waivers:request")
    with transaction.atomic():
        found = _locked(tenant, waiver_id, "change")
        _require_requester(found, by)
        if expected_rev is not None and found.rev != expected_rev:
            raise errors.HasChanged(rev=found.rev)
        wanted = {name: fields[name] for name in FIELDS if name in fields}
        _refuse({name: getattr(found, name) for name in FIELDS} | wanted)
        before = {name: getattr(found, name) for name in wanted}
        _save(found, by, **wanted)
        _recorded(found, "waiver.change", by, {name: [before[name], value] for name, value in wanted.items() if before[name] != value})
    return queries.waiver(tenant, waiver_id)


def withdraw(tenant: Tenant, *, waiver_id: UUID, note: str = "", by: Principal) -> Waiver:
    """Take it back: whoever asked for it, or a code official; also after it was approved. Its findings count again."""
    with transaction.atomic():
        found = _locked(tenant, waiver_id, "withdraw")
        if not by.may("waivers:approve"):
            by.require("waivers:request")
            _require_requester(found, by)
        _decide(found, State.WITHDRAWN, note, by)
    return queries.waiver(tenant, waiver_id)


def approve(
    tenant: Tenant,
    *,
    waiver_id: UUID,
    note: str = "",
    conditions: str | None = None,
    expires_on: date | None = None,
    expected_rev: int | None = None,
    by: Principal,
) -> Waiver:
    """Agree to it, or confirm one that has lapsed. The official may add conditions and shorten its time.

    expected_rev: of what the official has read. Raises WaiverNotFound, Denied, SecondPersonNeeded, WrongState, HasChanged, Invalid.
    """
    with transaction.atomic():
        found = _locked(tenant, waiver_id, "approve")
        _require_second_person(found, by)
        if expected_rev is not None and found.rev != expected_rev:
            raise errors.HasChanged(rev=found.rev)
        _refuse_longer(found, expires_on)
        if conditions is not None:
            found.conditions = conditions
        if expires_on is not None:
            found.expires_on = expires_on
        _refuse({name: getattr(found, name) for name in FIELDS})
        found.model_hash, found.rule_version = _stands_on(found)
        found.approved_by, found.approver, found.lapsed_because = by.user, by.actor, ""
        _decide(found, State.APPROVED, note, by)
    return queries.waiver(tenant, waiver_id)


def _refuse_longer(found: Waiver, expires_on: date | None) -> None:
    if expires_on is not None and found.expires_on is not None and expires_on > found.expires_on:
        expected = f"{found.expires_on} or before, or nothing"
        raise errors.FieldsRefused(errors=[_fault("expires_on", "too_late", "is later than what was asked for", expected)])


def reject(tenant: Tenant, *, waiver_id: UUID, note: str, by: Principal) -> Waiver:
    """Refuse it, and say why. Raises WaiverNotFound, Denied, SecondPersonNeeded, WrongState, Invalid without a reason."""
    with transaction.atomic():
        found = _locked(tenant, waiver_id, "reject")
        _require_second_person(found, by)
        if not note.strip():
            raise errors.FieldsRefused(errors=[_fault("note", "missing", "is missing", "why it is rejected")])
        found.approved_by, found.approver = by.user, by.actor
        _decide(found, State.REJECTED, note, by)
    return queries.waiver(tenant, waiver_id)


def _require_second_person(found: Waiver, by: Principal) -> None:
    """A person with the right, who is not the one who asked. Programs decide nothing: nobody would have taken responsibility."""
    by.require("waivers:approve")
    if by.user is None:
        raise errors.SecondPersonNeeded("A waiver is decided by a person who has logged in, not by a program's key.")
    if by.actor == found.requester or (found.requested_by_id is not None and by.user.pk == found.requested_by_id):
        raise errors.SecondPersonNeeded("Whoever asked for a waiver cannot decide on it.", requester=found.requester)
    if found.requested_by_id is None and found.requester.startswith("key:"):
        raise errors.SecondPersonNeeded("A program asked, and nobody knows whose key it has: a person has to ask again.", requester=found.requester)


def _require_requester(found: Waiver, by: Principal) -> None:
    if by.actor != found.requester:
        raise Denied("Only whoever asked for the waiver can do this.", requester=found.requester)


def _stands_on(found: Waiver) -> tuple[str, str]:
    """What the approval is about: the state of the element, and the version of the rule."""
    rows = queries.touched_by(found).exclude(rule_version="").order_by("-last_seen_seq", "-updated_at", "id")
    version = found.finding.rule_version if found.finding else rows.values_list("rule_version", flat=True).first()
    if found.finding is None:
        return "", version or ""
    current = Element.objects.filter(tenant_id=found.tenant_id, building_id=found.building_id, global_id=found.finding.subject, valid_to_seq=None)
    return current.values_list("content_hash", flat=True).first() or "", version or ""


def lapse_for(
    tenant: Tenant, building: Building, *, hashes: Mapping[str, str] | None = None, rule_versions: Mapping[str, str] | None = None
) -> list[Waiver]:
    """Approved waivers whose ground has moved need to be confirmed again, and their findings count again. For checks, inside their transaction,
    when the model is written and before `findings.persist` asks what is covered.

    hashes: global id -> content hash; None: as the elements are now. rule_versions: rule key -> "<rule set>@<number>" as it runs now.
    """
    approved = Waiver.objects.for_tenant(tenant).filter(building=building, state=State.APPROVED)
    if not approved.exists():
        return []
    rows = list(approved.select_related("finding", "building", "tenant"))
    if hashes is None:
        subjects = {found.finding.subject for found in rows if found.finding}
        there = Element.objects.for_tenant(tenant).filter(building=building, valid_to_seq=None, global_id__in=subjects)
        hashes = dict(there.values_list("global_id", "content_hash"))
    lapsed = []
    for found in rows:
        reason = _moved(found, hashes or {}, rule_versions or {})
        if reason:
            _end(found, State.NEEDS_RECONFIRMATION, reason)
            lapsed.append(found)
    return lapsed


def _moved(found: Waiver, hashes: Mapping[str, str], rule_versions: Mapping[str, str]) -> str:
    now = hashes.get(found.finding.subject, "") if found.finding else ""
    if now and found.model_hash and now != found.model_hash:
        return "The element has changed since it was approved."
    version = rule_versions.get(found.rule_key, "")
    if version and found.rule_version and version != found.rule_version:
        return f"The rule is in {version} now; it was approved for {found.rule_version}."
    return ""


def expire_due(*, now: datetime | None = None, limit: int = 100) -> int:
    """End the waivers whose last day is over where their building stands. How many have ended. For the sweep, in every tenant.

    One that cannot be ended is logged and left for the next time: it stops no other, and covers nothing meanwhile.
    """
    due = queries.overdue(Waiver.objects.filter(state=State.APPROVED).select_related("tenant"), now or timezone.now())
    return sum(islice((1 for found in due.order_by("expires_on", "id") if _expire(found)), limit))


def _expire(found: Waiver) -> bool:
    try:
        with transaction.atomic():
            _locked_building(found.tenant, found.building_id)
            row = Waiver.objects.filter(pk=found.pk, state=State.APPROVED).select_related("finding", "building", "tenant").first()
            if row is not None:
                _end(row, State.EXPIRED, f"Its last day was {row.expires_on}.")
            return row is not None
    except Exception:  # whatever is wrong with this building, the waivers of all others end on their day
        log.exception("waiver_not_expired", tenant_id=str(found.tenant_id), waiver=str(found.pk))
        return False


def _end(found: Waiver, state: str, reason: str) -> None:
    found.lapsed_because = reason[:200]
    _decide(found, state, reason, None)


def attach(tenant: Tenant, *, waiver_id: UUID, name: str, content: "File[bytes]", by: Principal) -> WaiverAttachment:
    """Add a document. Raises WaiverNotFound, WrongState, AttachmentRefused."""
    by.require("waivers:request")
    clean = PurePath(name.replace("\\", "/")).name.strip()[:200]
    with transaction.atomic():  # before anything is stored
        _may_attach(tenant, waiver_id, clean, content.size, by)
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    content.seek(0)
    made = WaiverAttachment(tenant=tenant, name=clean, size=content.size, sha256=digest.hexdigest(), actor=by.actor)
    with files.kept(made.file, f"{made.pk}{PurePath(clean).suffix.lower()}", content), transaction.atomic():
        found = made.waiver = _may_attach(tenant, waiver_id, clean, content.size, by)
        made.save(force_insert=True)
        _recorded(found, "waiver.attach", by, {"name": clean, "size": content.size, "sha256": made.sha256})
    return made


def attachment(tenant: Tenant, *, waiver_id: UUID, attachment_id: UUID) -> WaiverAttachment:
    """Raises AttachmentNotFound."""
    rows = WaiverAttachment.objects.for_tenant(tenant).filter(pk=attachment_id, waiver_id=waiver_id)
    found: WaiverAttachment | None = rows.first()
    if found is None:
        raise errors.AttachmentNotFound(attachment=str(attachment_id))
    return found


def _may_attach(tenant: Tenant, waiver_id: UUID, name: str, size: int, by: Principal) -> Waiver:
    found = _locked(tenant, waiver_id, "attach")
    if not by.may("waivers:approve"):
        _require_requester(found, by)
    _refuse_attachment(found, name, size)
    return found


def _refuse_attachment(found: Waiver, name: str, size: int) -> None:
    if size > MAX_ATTACHMENT:
        raise errors.AttachmentTooLarge(limit_bytes=MAX_ATTACHMENT, size_bytes=size)
    faults = []
    if PurePath(name).suffix.lower() not in ATTACHMENT_TYPES:
        faults.append(_fault("file", "wrong_type", f"{name!r} is of a kind that is not taken", ", ".join(ATTACHMENT_TYPES)))
    if not size:
        faults.append(_fault("file", "empty", "is empty", "a file with content"))
    if found.attachments.count() >= MAX_ATTACHMENTS:
        faults.append(_fault("file", "too_many", "the waiver has as many as it may", f"at most {MAX_ATTACHMENTS}"))
    if faults:
        raise errors.FieldsRefused(errors=faults)


def _locked_building(tenant: Tenant, building_id: UUID) -> Building:
    found: Building | None = Building.objects.for_tenant(tenant).select_for_update(no_key=True, of=("self",)).filter(pk=building_id).first()
    if found is None:
        raise errors.BuildingNotFound(building=str(building_id))
    return found


def _locked(tenant: Tenant, waiver_id: UUID, deed: str) -> Waiver:
    """The waiver, its building locked; the deed is possible in its state."""
    _locked_building(tenant, queries.waiver(tenant, waiver_id).building_id)
    found = queries.waiver(tenant, waiver_id)
    if found.state not in MAY_HAPPEN[deed]:
        raise errors.WrongState(state=found.state, expected=", ".join(MAY_HAPPEN[deed]))
    return found


def _finding(tenant: Tenant, building: Building, finding_id: UUID) -> Finding:
    found: Finding | None = Finding.objects.for_tenant(tenant).filter(building=building, pk=finding_id).first()
    if found is None:
        raise errors.FindingNotFound(finding=str(finding_id))
    return found


def _refuse_unknown_rule(tenant: Tenant, building: Building, rule_key: str) -> None:
    if not rule_key or not Finding.objects.for_tenant(tenant).filter(building=building, rule_key=rule_key).exists():
        expected = "the key of a rule that has findings in this building, or finding_id"
        raise errors.FieldsRefused(errors=[_fault("rule_key", "unknown", "has no findings in this building", expected)])


def _refuse_second(tenant: Tenant, building: Building, finding: Finding | None, rule_key: str) -> None:
    rows = Waiver.objects.for_tenant(tenant).filter(building=building, finding=finding, rule_key=rule_key, state__in=queries.OPEN)
    there = rows.values_list("pk", flat=True).first()
    if there is not None:
        raise errors.WaiverExists(waiver=str(there))


def _refuse(fields: Mapping[str, Any]) -> None:
    """Raises FieldsRefused with every fault of the fields as they would be."""
    faults = []
    if fields.get("kind") not in Waiver.Kind.values:
        faults.append(_fault("kind", "unknown", "is no kind of waiver", ", ".join(Waiver.Kind.values)))
    if not str(fields.get("justification") or "").strip():
        faults.append(_fault("justification", "missing", "is missing", "why the requirement need not be met"))
    faults += [
        _fault(name, "too_long", "is too long", f"at most {most} characters")
        for name, most in _LONGEST.items()
        if len(str(fields.get(name) or "")) > most
    ]
    expires = fields.get("expires_on")
    if expires is not None and expires <= timezone.now().date():
        faults.append(_fault("expires_on", "past", "is not to come", "a day after today, or nothing"))
    if faults:
        raise errors.FieldsRefused(errors=faults)


_LONGEST: Final = {"justification": 10_000, "conditions": 10_000, "authority_reference": 300}


def _fault(field: str, code: str, message: str, expected: str) -> dict[str, str]:
    return {"path": f"$.{field}", "code": code, "message": message, "expected": expected}


def _save(found: Waiver, by: Principal | None, **values: Any) -> None:
    for name, value in values.items():
        setattr(found, name, value)
    found.rev += 1
    if by is not None:
        found.updated_by = by.user
    found.save()


def _decide(found: Waiver, state: str, note: str, by: Principal | None) -> None:
    """The new state, and what it means for the findings and for the building."""
    before = found.state
    if state != State.NEEDS_RECONFIRMATION:
        found.decided_at, found.decision_note = timezone.now(), note
    _save(found, by, state=state)
    settled = _settle(found, by)
    _noted([pk for pk in _findings(found) if pk not in settled], found, state, by)
    _recorded(found, f"waiver.{_DEEDS[state]}", by, {"state": [before, state], "note": note, "findings": len(settled)})
    if settled and state != State.NEEDS_RECONFIRMATION:  # a check makes it lapse, and tells how the building stands when it is done
        standing.settled(_locked_building(found.tenant, found.building_id))
    _tell(found.building, _findings(found))


_DEEDS: Final[Mapping[str, str]] = {
    State.APPROVED: "approve",
    State.REJECTED: "reject",
    State.WITHDRAWN: "withdraw",
    State.EXPIRED: "expire",
    State.NEEDS_RECONFIRMATION: "lapse",
}


def _tell(building: Building, touched: Iterable[UUID]) -> None:
    rows, keys = Finding.objects.for_tenant(building.tenant_id), list(touched)
    some = (rows.filter(pk__in=keys[at : at + findings.CHUNK]) for at in range(0, len(keys), findings.CHUNK))
    findings.tell_people(building, [row for found in some for row in found])


def _findings(found: Waiver) -> list[UUID]:
    return list(queries.touched_by(found).values_list("pk", flat=True))


def _settle(found: Waiver, by: Principal | None) -> set[UUID]:
    """Findings become waived, or come back, as the building's approved waivers now say. Gives those that changed."""
    covered = queries.covered(found.tenant, found.building_id)
    rows = list(queries.ever_touched_by(found).only("id", "rule_key", "fingerprint", "state", "resolved_seq"))
    there, gone = [row for row in rows if row.resolved_seq is None], [row for row in rows if row.resolved_seq is not None]
    waived = Finding.State.WAIVED
    moves = {
        waived: [row.pk for row in there if row in covered and row.state != waived],
        Finding.State.REOPENED: [row.pk for row in there if row not in covered and row.state == waived],
        Finding.State.FIXED: [row.pk for row in gone if row not in covered and row.state == waived],  # as if it had never been waived
    }
    for state, chosen in moves.items():
        if chosen:
            Finding.objects.filter(tenant_id=found.tenant_id, pk__in=chosen).update(state=state, rev=F("rev") + 1, updated_at=timezone.now())
            _noted(chosen, found, found.state, by, to=state)
    return {pk for chosen in moves.values() for pk in chosen}


def _noted(about: Iterable[UUID], found: Waiver, what: str, by: Principal | None, *, to: str = "") -> None:
    data = {"waiver": str(found.pk), "state": what, **({"finding_state": to} if to else {})}
    text = found.lapsed_because or found.decision_note if what != "requested" else found.justification
    FindingNote.objects.bulk_create(
        [
            FindingNote(
                tenant_id=found.tenant_id, finding_id=pk, kind="waiver", text=text, data=data, actor=actor_of(by), author=by.user if by else None
            )
            for pk in about
        ],
        batch_size=500,
    )


def _recorded(found: Waiver, action: str, by: Principal | None, changes: Mapping[str, Any]) -> None:
    audit(found.tenant, actor=actor_of(by), action=action, target=found, changes={**changes, "rule": found.rule_key})
