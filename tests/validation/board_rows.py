"""A checked building as rows: a storey with doors, findings of several kinds, a run. Made without files, so that the people's side stands alone."""

import hashlib
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from mcp_platform.tenancy.models import Tenant, User
from validation.core.units import shown
from validation.models import Building, Element, Finding, Jurisdiction, Project, ValidationRun

STOREYS = ("storey-0", "storey-1")


def building(tenant: Tenant, *, name: str = "Town hall", units: str = "metric", **more: Any) -> Building:
    place, _ = Jurisdiction.objects.get_or_create(
        tenant=tenant, code=f"XX-{units.upper()}", defaults={"name": "Testland", "kind": "country", "default_units": units}
    )
    project = Project.objects.create(tenant=tenant, name=f"{name} project", permit_application_date=date(2025, 3, 1), jurisdiction=place)
    found: Building = Building.objects.create(
        tenant=tenant, project=project, name=name, head_seq=1, checked_seq=1,
        **{"score": 72.5, "coverage": 0.9, "status": "non-compliant", **more},
    )  # fmt: skip
    for index, gid in enumerate(STOREYS):
        element(found, gid, "IfcBuildingStorey", name=f"Level {index}", storey=gid, box=[0, 0, index * 3.2, 20, 12, index * 3.2 + 3])
    return found


def element(on: Building, global_id: str, ifc_class: str = "IfcDoor", *, storey: str = STOREYS[0], content: str = "a", **more: Any) -> Element:
    made: Element = Element.objects.create(
        tenant_id=on.tenant_id, building=on, global_id=global_id, ifc_class=ifc_class, storey=storey, valid_from_seq=more.pop("seq", 1),
        content_hash=hashlib.sha256(content.encode()).hexdigest(), facts=more.pop("facts", {}), **more,
    )  # fmt: skip
    return made


def finding(on: Building, subject: str = "door-1", rule: str = "IBC21-DOOR-WIDTH", **more: Any) -> Finding:
    fields = {
        "outcome": "fail", "severity": "critical", "category": "egress", "discipline": "architecture",
        "storey": STOREYS[0], "ifc_class": "IfcDoor",
        "subject_name": f"Door {subject}", "actual": 0.762, "required": 0.813, "unit": "m", "margin": -0.051, "message": f"{subject} is too narrow.",
        "rule_version": "ibc-2021@1.0.0",
        "citation": {"section": "1010.1.1", "paraphrase": "Doors let people through.", "title": "IBC", "edition": "2021"},
        "parameters": {"min": {"value": 0.813, "unit": "m", "display": "32 in", "origin": "amendment 7 (XX-METRIC)"}},
        "evidence": [
            {"fact": "e.clear_width", "value": 0.762, "unit": "m", "source": "derived:door_clear_width", "assumed": True, "note": "Frame 50 mm."}
        ],
    }  # fmt: skip
    mark = hashlib.sha1(f"{rule}\n{subject}".encode()).hexdigest()
    made: Finding = Finding.objects.create(
        tenant_id=on.tenant_id, building=on, rule_key=rule, subject=subject, fingerprint=mark, first_seen_seq=1, last_seen_seq=1,
        bcf_topic_guid=uuid4(), **{**fields, **more},
    )  # fmt: skip
    return made


def run(on: Building, **more: Any) -> ValidationRun:
    now = timezone.now()
    made: ValidationRun = ValidationRun.objects.create(
        tenant_id=on.tenant_id, building=on, at_seq=1, trigger="full", engine_version="1", state="done", requested_by="system", started_at=now,
        finished_at=now, score=72.5, coverage=0.9, counts={"by_outcome": {"pass": 20, "fail": 3}},
        missing_facts=[{"fact": "e.fire_rating", "rules": 12, "subjects": 40, "unlocks": 41}], **more,
    )  # fmt: skip
    return made


def office(tenant: Tenant) -> Building:
    """Three doors and a room with a finding each, of every severity, on two storeys; a run."""
    found = building(tenant)
    for index in range(1, 4):
        element(found, f"door-{index}", name=f"Door {index}", storey=STOREYS[index % 2], box=[index, 0, 0, index + 0.9, 0.2, 2.1])
    element(found, "room-1", "IfcSpace", name="Hall", box=[0, 0, 0, 10, 8, 3])
    finding(found, "door-1", storey=STOREYS[1])
    finding(found, "door-2", severity="major", storey=STOREYS[0])
    finding(found, "door-3", "IBC21-FIRE-DOOR", severity="minor", category="fire", storey=STOREYS[1], margin=None)
    finding(
        found, "room-1", "ADA-TURNING", severity="info", category="accessibility", outcome="not_evaluable", ifc_class="IfcSpace",
        subject_name="Hall", missing=["e.max_free_circle"], actual=None, required=None, margin=None, message="The free circle is not known.",
    )  # fmt: skip
    run(found)
    return found


RULES = (  # key, severity, category, discipline, class, unit, required, message
    (
        "IBC21-1010.1.1-DOOR-WIDTH",
        "critical",
        "egress",
        "architecture",
        "IfcDoor",
        "m",
        0.813,
        "The clear width of {name} is {actual}; {required} are needed.",
    ),
    (
        "IBC21-1017.2-TRAVEL",
        "critical",
        "egress",
        "architecture",
        "IfcSpace",
        "m",
        60.96,
        "From {name} it is {actual} to the exit, farther than {required}.",
    ),
    ("IBC21-716.1-DOOR-RATING", "major", "fire", "fire protection", "IfcDoor", "min", 45, "{name} resists fire for {actual}; {required} are needed."),
    (
        "ADA10-304.3-TURNING",
        "major",
        "accessibility",
        "architecture",
        "IfcSpace",
        "m",
        1.524,
        "The free circle in {name} is {actual} wide; {required} are needed.",
    ),
    (
        "IBC21-1011.5.2-RISER",
        "minor",
        "egress",
        "architecture",
        "IfcStair",
        "m",
        0.178,
        "The risers of {name} are {actual} high, more than {required}.",
    ),
    (
        "IBC21-2902.1-FIXTURES",
        "minor",
        "plumbing",
        "plumbing",
        "IfcSpace",
        "persons",
        15,
        "{name} has fixtures for {actual}; {required} come together there.",
    ),
    ("MODEL-NAMES", "info", "data", "", "IfcWall", "", None, "{name} has no tag."),
)


def big_office(tenant: Tenant, size: int = 180) -> Building:
    """What a real board looks like: findings of many rules on four storeys, in every state, some assigned, some not evaluable."""
    found = building(tenant, name="City library, east wing")
    storeys = [*STOREYS, "storey-2", "storey-3"]
    for index, gid in enumerate(storeys[2:], 2):
        element(found, gid, "IfcBuildingStorey", name=f"Level {index}", storey=gid, box=[0, 0, index * 3.2, 20, 12, index * 3.2 + 3])
    people = list(User.objects.filter(memberships__tenant=tenant))
    for number in range(size):
        rule, severity, category, discipline, ifc_class, unit, required, says = RULES[number * number % len(RULES) if number % 3 else number % 5]
        storey, name = storeys[number * 7 % 4], f"{ifc_class[3:]} {number % 4}.{number:03d}"
        actual = round(required * (0.72 + number % 9 / 40), 3) if required else None
        silent = number % 11 == 5
        element(
            found, f"el-{number}", ifc_class, storey=storey, name=name, box=[number % 12 * 1.6, number // 12 % 12 * 1.0, storeys.index(storey) * 3.2,
            number % 12 * 1.6 + 0.9, number // 12 % 12 * 1.0 + 0.3, storeys.index(storey) * 3.2 + 2.1],
            facts={"clear_width": {"value": actual,
            "source": "derived:door_clear_width", "assumed": True, "note": "Frame."}} if actual else {},
        )  # fmt: skip
        told = {"name": name, "actual": shown(actual, unit), "required": shown(required, unit)}
        finding(
            found, f"el-{number}", rule, severity=severity, category=category, discipline=discipline, ifc_class=ifc_class, storey=storey,
            subject_name=name, unit=unit, required=required if not silent else None, actual=actual if not silent else None,
            margin=round(actual - required, 3) if actual and required and not silent else None, outcome="not_evaluable" if silent else "fail",
            missing=["e.clear_width"] if silent else [], message="The model does not say how wide it is." if silent else says.format(**told),
            state=("open", "open", "open", "acknowledged", "in_progress", "open", "reopened", "fixed")[number % 8],
            assignee=people[number % len(people)] if people and number % 4 == 0 else None,
            due_on=timezone.now().date() + timedelta(days=number % 40 - 6) if number % 5 == 0 else None,
        )  # fmt: skip
    start = timezone.now()
    for index, score in enumerate((48.2, 51.0, 50.1, 58.4, 63.3, 66.9, 65.2, 72.5)):
        made = run(found)
        ValidationRun.objects.filter(pk=made.pk).update(score=score, created_at=start - timedelta(days=20 - index))
    return found
