"""What the walk through all doors (tests/platform/test_walk.py) finds of findings, plans and waivers: a row of each, and the calls.

A call: method and path, what the owner gets, body, what a stranger gets (404 when none is said).
"""

from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model

from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import Role
from tests import factories
from tests.validation import board_rows
from validation.models import Building, Finding, Waiver
from validation.services import waivers

BUILDING = "validation/buildings/{building_id}"
FINDING = BUILDING + "/findings/{finding_id}"
WAIVER = BUILDING + "/waivers/{waiver_id}"
ASKED = {"kind": "variance", "justification": "ours-reason"}

# The owner of a tenant is no code official, and has not asked for the waiver: it is not theirs to decide on or to change.
PEOPLE: tuple[tuple[Any, ...], ...] = (
    (f"GET {BUILDING}/summary",),
    (f"GET {BUILDING}/scene",),
    (f"GET {BUILDING}/violations",),
    (f"GET {BUILDING}/plan?storey=storey-0",),
    (f"GET {BUILDING}/findings",),
    (f"GET {BUILDING}/findings/groups?by=rule",),
    (f"POST {BUILDING}/findings/bulk", 200, {"filters": {}, "state": "acknowledged"}),
    (f"GET {FINDING}",),
    (f"PATCH {FINDING}", 200, {"state": "acknowledged"}),
    (f"GET {FINDING}/notes",),
    (f"POST {FINDING}/notes", 201, {"text": "Seen."}),
    (f"GET {BUILDING}/waivers",),
    (f"POST {BUILDING}/waivers", 201, {**ASKED, "rule": "IBC21-FIRE-DOOR"}),
    (f"GET {WAIVER}",),
    (f"PATCH {WAIVER}", 403, {"conditions": "None."}),
    (f"POST {WAIVER}/approve", 200, {}),
    (f"POST {WAIVER}/reject", 200, {"note": "No."}),
    (f"POST {WAIVER}/withdraw", 200, {}),
    (f"POST {WAIVER}/attachments", 415, {}),
    (f"GET {WAIVER}/attachments/{{attachment_id}}",),
)
BY_HAND = {f"POST {WAIVER}/approve", f"POST {WAIVER}/reject"}  # a person decides, never a program's key


def people(house: Building) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages: findings, and a waiver that an editor has asked for."""
    ours = house.tenant
    board_rows.element(house, "storey-0", "IfcBuildingStorey", storey="storey-0", name="ours-storey")
    found = board_rows.finding(house, message="ours-message", subject_name="ours-door", storey="storey-0")
    board_rows.finding(house, "door-2", "IBC21-FIRE-DOOR", message="ours-other-message")
    by = tenancy.principal_of_user(factories.member(ours, Role.EDITOR), ours)
    asked: Waiver = waivers.request(ours, building_id=house.pk, finding_id=found.pk, fields=ASKED, by=by)
    letter = waivers.attach(ours, waiver_id=asked.pk, name="ours-letter.txt", content=SimpleUploadedFile("ours-letter.txt", b"ours-words"), by=by)
    return {"finding_id": found.pk, "waiver_id": asked.pk, "attachment_id": letter.pk}, {Finding: found, Waiver: asked}


def below(names: Mapping[str, Any]) -> dict[str, Any]:
    """What the converters of admin pages mean."""
    return {"building": names["building_id"], "attachment": names["attachment_id"]}
