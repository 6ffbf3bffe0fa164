"""The pages of buildings and findings: what they show, to whom, and that nothing in them runs that should not."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mcp_platform.tenancy.models import Role, Tenant
from tests import factories
from tests.validation import board_rows
from validation.models import Building, Element, Finding, Waiver
from validation.services import live

pytestmark = pytest.mark.django_db
RING = [[0, 0], [4, 0], [4, 3], [0, 3]]


@pytest.fixture
def house() -> Building:
    tenant: Tenant = factories.TenantFactory.create()
    made = board_rows.office(tenant)
    Element.objects.filter(building=made, global_id="room-1").update(footprint=RING)
    return made


def by(tenant: Tenant, role: str = Role.OWNER) -> Client:
    client = Client()
    client.force_login(factories.member(tenant, role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def finding(house: Building, subject: str = "door-1") -> Finding:
    found: Finding = Finding.objects.get(building=house, subject=subject)
    return found


PAGES: dict[str, Callable[[Building], str]] = {
    "board": lambda house: reverse("admin:validation_finding_board", args=(house.pk,)),
    "plan": lambda house: reverse("admin:validation_finding_plan", args=(house.pk,)),
    "model": lambda house: reverse("admin:validation_finding_model", args=(house.pk,)),
    "finding": lambda house: reverse("admin:validation_finding_change", args=(finding(house).pk,)),
    "panel": lambda house: reverse("admin:validation_finding_panel", args=(finding(house).pk,)),
}


@pytest.mark.parametrize("page", PAGES)
def test_who_sees_them(page: str, house: Building) -> None:
    address = PAGES[page](house)
    for role in (Role.OWNER, Role.CODE_OFFICIAL, Role.VIEWER):
        assert by(house.tenant, role).get(address).status_code == 200
    assert by(house.tenant, Role.AGENT).get(address).status_code in (403, 404)
    assert by(factories.TenantFactory.create()).get(address).status_code == 404
    assert Client().get(address).headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
def test_no_script_stands_in_the_page(page: str, house: Building) -> None:
    """The policy of the admin forbids it; data for scripts is JSON."""
    finding(house)
    Finding.objects.filter(building=house).update(message="</script><img src=x onerror=alert(1)>", subject_name="<b>Door</b>")
    html = by(house.tenant).get(PAGES[page](house)).content.decode()
    assert "<img src=x" not in html
    assert "<b>Door</b>" not in html
    inline = [tag for tag in re.findall(r"<script\b[^>]*>", html) if "src=" not in tag and 'type="application/json"' not in tag]
    assert inline == []
    assert not re.search(r"<[^<>]*\son(click|load|error|change)=", html)


def test_all_buildings_at_a_glance(house: Building) -> None:
    html = by(house.tenant).get(reverse("admin:validation_finding_changelist")).content.decode()
    assert "Town hall" in html
    assert PAGES["board"](house) in html
    other = by(factories.TenantFactory.create()).get(reverse("admin:validation_finding_changelist")).content.decode()
    assert "Town hall" not in other
    assert "There is no building yet." in other


def test_a_finding_shows_what_it_stands_on(house: Building) -> None:
    html = by(house.tenant).get(PAGES["panel"](house)).content.decode()
    for told in ("813 mm", "762 mm", "Doors let people through.", "1010.1.1", "assumed", "Frame 50 mm.", "amendment 7 (XX-METRIC)", "Level 1"):
        assert told in html, told
    assert "Request a waiver" in html
    assert "Request a waiver" not in by(house.tenant, Role.VIEWER).get(PAGES["panel"](house)).content.decode()


def test_the_story_of_a_waiver_in_the_admin(house: Building) -> None:
    editor, official = by(house.tenant, Role.EDITOR), by(house.tenant, Role.CODE_OFFICIAL)
    body = {"kind": "variance", "justification": "A listed wall.", "finding": str(finding(house).pk)}
    made = editor.post(f"/api/v1/validation/buildings/{house.pk}/waivers", body, content_type="application/json")
    assert made.status_code == 201, made.content
    waiver = Waiver.objects.get()
    page, decide = (reverse(f"admin:validation_waiver_{name}", args=(waiver.pk,)) for name in ("change", "decide"))
    assert b'value="approve"' not in editor.get(page).content
    assert b'value="approve"' in official.get(page).content
    editor.post(decide, {"deed": "approve", "rev": waiver.rev})
    assert Waiver.objects.get().state == "requested"
    official.post(decide, {"deed": "reject"})  # without a reason
    assert Waiver.objects.get().state == "requested"
    for wrong in ({"rev": waiver.rev + 1}, {"rev": ""}, {"rev": waiver.rev, "expires_on": "next year"}):
        official.post(decide, {"deed": "approve", **wrong})
        assert Waiver.objects.get().state == "requested"
    assert f'name="rev" value="{waiver.rev}"' in official.get(page).content.decode()
    official.post(decide, {"deed": "approve", "rev": waiver.rev, "note": "Seen.", "conditions": "Keep it open."})
    assert (Waiver.objects.get().state, finding(house).state) == ("approved", "waived")
    assert by(factories.TenantFactory.create(), Role.CODE_OFFICIAL).post(decide, {"deed": "withdraw"}).status_code == 404
    assert b"approved" in official.get(reverse("admin:validation_waiver_changelist")).content


def plan(house: Building, **query: Any) -> Any:
    return Client().get(f"/api/v1/validation/buildings/{house.pk}/plan", query, headers=factories.bearer(house.tenant))


def test_the_plan_is_a_picture_with_what_fails(house: Building) -> None:
    board_rows.finding(house, "room-1", "OTHER", severity="major", ifc_class="IfcSpace", message="Too <small>.")
    drawn = plan(house, storey=board_rows.STOREYS[0])
    assert (drawn.status_code, drawn.headers["Content-Type"]) == (200, "image/svg+xml")
    text = drawn.content.decode()
    assert 'data-id="room-1"' in text
    assert 'class="finding major"' in text
    assert "<small>" not in text
    again = Client().get(
        f"/api/v1/validation/buildings/{house.pk}/plan?storey={board_rows.STOREYS[0]}",
        headers={**factories.bearer(house.tenant), "If-None-Match": drawn.headers["ETag"]},
    )
    assert again.status_code == 304
    assert plan(house, storey="nowhere").json()["error_code"] == "STOREY_NOT_FOUND"
    assert plan(house, storey=board_rows.STOREYS[0], finding="x").status_code == 400


def test_what_could_not_be_judged_is_drawn_when_it_is_asked_for(house: Building) -> None:
    assert 'class="finding info"' not in plan(house, storey=board_rows.STOREYS[0]).content.decode()
    assert 'class="finding info"' in plan(house, storey=board_rows.STOREYS[0], unknown="true").content.decode()


def test_a_change_of_the_element_makes_its_waiver_lapse(house: Building) -> None:
    """Through the check itself: a plugin changes the door."""
    body = {"kind": "variance", "justification": "A listed wall.", "finding": str(finding(house).pk)}
    by(house.tenant, Role.EDITOR).post(f"/api/v1/validation/buildings/{house.pk}/waivers", body, content_type="application/json")
    decide = reverse("admin:validation_waiver_decide", args=(Waiver.objects.get().pk,))
    by(house.tenant, Role.CODE_OFFICIAL).post(decide, {"deed": "approve", "rev": 1})
    assert Waiver.objects.get().state == "approved"
    ops = [{"op": "upsert", "global_id": "door-1", "ifc_class": "IfcDoor", "set": {"facts.clear_width": 0.7}}]
    live.apply_changes(house.tenant, building_id=house.pk, client_id="cad", client_seq=1, base_seq=1, ops=ops, by=None)
    assert Waiver.objects.get().state == "needs_reconfirmation"
