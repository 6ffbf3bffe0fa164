"""A tenant whose people have judged findings for months: some rules are usually right, some usually not, and far outside the limit is more so."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from mcp_platform.tenancy.models import Tenant, User
from validation.core.risk import Case, Disposition
from validation.models import Building, Finding, FindingNote, Jurisdiction, Project

BEGAN = datetime(2026, 3, 2, 8, tzinfo=UTC)
RULES = [f"RULE-{number}" for number in range(25)]
PER_CHECK = 20


def cases(count: int, *, seed: int = 7, tells: bool = True) -> list[Case]:
    """`tells`: whether anything about a finding tells what people will make of it; else they toss a coin."""
    dice = random.Random(seed)
    liked = {rule: dice.random() for rule in RULES}
    made: list[Case] = []
    at = BEGAN.timestamp()
    for check in range(count // PER_CHECK):
        at += 86_400 * dice.random()
        building = f"building-{dice.randrange(6)}"
        for place in range(PER_CHECK):
            rule, margin, evidence = dice.choice(RULES), -dice.random() * 0.4, dice.randrange(1, 5)
            assumed = dice.randrange(evidence + 1)
            chance = 0.5 * liked[rule] - 1.4 * margin - 0.5 * assumed / evidence + 0.1
            right = dice.random() < (min(0.97, max(0.03, chance)) if tells else 0.5)
            judged = Disposition(confirmed=right, at=at + 86_400 * 4 * dice.random()) if dice.random() < 0.85 else None
            made.append(
                Case(
                    finding=f"{check}-{place}",
                    check=f"check-{check}",
                    building=building,
                    rule=rule,
                    subject=f"element-{dice.randrange(300)}",
                    severity=dice.choice(["critical", "major", "minor"]),
                    category="egress",
                    storey=f"storey-{dice.randrange(3)}",
                    ifc_class=dice.choice(["IfcDoor", "IfcStair", "IfcSpace"]),
                    seen_at=at,
                    margin=margin,
                    limit=1.0,
                    evidence=evidence,
                    assumed=assumed,
                    disposition=judged,
                )
            )
    return made


def a_building(tenant: Tenant, name: str = "House") -> Building:
    place, _ = Jurisdiction.objects.get_or_create(tenant=tenant, code="US-WA", defaults={"name": "Washington", "kind": "state"})
    project = Project.objects.create(tenant=tenant, name=name, permit_application_date=BEGAN.date(), jurisdiction=place)
    building: Building = Building.objects.create(tenant=tenant, project=project, name=name)
    return building


def a_finding(building: Building, **more: Any) -> Finding:
    values: dict[str, Any] = {
        "rule_key": "RULE-0", "subject": "element-0", "fingerprint": uuid4().hex, "outcome": "fail", "severity": "major", "category": "egress",
        "ifc_class": "IfcDoor", "first_seen_seq": 1, "last_seen_seq": 1, "bcf_topic_guid": uuid4(),
    }  # fmt: skip
    return Finding(tenant_id=building.tenant_id, building=building, **{**values, **more})


def judge(finding: Finding, state: str, *, by: User | None, at: datetime | None = None, actor: str = "") -> None:
    """The note that a person's decision leaves."""
    note = FindingNote.objects.create(
        tenant_id=finding.tenant_id, finding=finding, kind="state", data={"from": finding.state, "to": state}, author=by,
        actor=actor or (f"user:{by.pk}" if by else "system"),
    )  # fmt: skip
    Finding.objects.filter(pk=finding.pk).update(state=state)
    if at is not None:
        FindingNote.objects.filter(pk=note.pk).update(at=at)


def stored(tenant: Tenant, some: list[Case], by: User) -> dict[str, Building]:
    """The cases as rows."""
    buildings = {name: a_building(tenant, name) for name in sorted({case.building for case in some})}
    checks = {name: number for number, name in enumerate(dict.fromkeys(case.check for case in some), 1)}
    rows, notes = [], []
    for case in some:
        state = "open" if case.disposition is None else "acknowledged" if case.disposition.confirmed else "false_positive"
        row = a_finding(
            buildings[case.building], rule_key=case.rule, subject=case.subject, severity=case.severity, category=case.category, state=state,
            ifc_class=case.ifc_class, storey=case.storey, margin=case.margin, required=case.limit, first_seen_seq=checks[case.check],
            evidence=[{"fact": f"e.fact_{number}", "value": 1, "assumed": number < case.assumed} for number in range(case.evidence)],
        )  # fmt: skip
        rows.append(row)
        if case.disposition is not None:
            note = FindingNote(tenant=tenant, finding=row, kind="state", data={"from": "open", "to": state}, actor=f"user:{by.pk}", author=by)
            notes.append((note, datetime.fromtimestamp(case.disposition.at, UTC)))
    Finding.objects.bulk_create(rows)
    for row, case in zip(rows, some, strict=True):
        row.created_at = datetime.fromtimestamp(case.seen_at, UTC)
    Finding.objects.bulk_update(rows, ("created_at",))
    FindingNote.objects.bulk_create([note for note, _ in notes])
    for note, at in notes:
        note.at = at
    FindingNote.objects.bulk_update([note for note, _ in notes], ("at",))
    return buildings


def later(case: Case, **more: float) -> datetime:
    return datetime.fromtimestamp(case.seen_at, UTC) + timedelta(**more)
