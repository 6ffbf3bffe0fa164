"""What people decide about findings, through the checks that come after it: a decision holds as long as what it was about."""

from datetime import date
from typing import Any

import pytest

from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.validation.live_scene import FRAME, Plugin, building, door, full, person, width
from validation.models import Building, Finding, Waiver
from validation.services import amendments, board, waivers

pytestmark = pytest.mark.django_db
RULE = "TEST-DOOR-WIDTH"
NOT_A_DOOR = {"kind": "not_applicable", "justification": "It is a hatch, nobody walks through it."}


@pytest.fixture
def office() -> Tenant:
    made: Tenant = factories.TenantFactory.create()
    return made


@pytest.fixture
def house(office: Tenant) -> Building:
    return building(office, factories.DOOR_WIDTH)


@pytest.fixture
def plugin(house: Building, office: Tenant) -> Plugin:
    """A model with one door that is too narrow, checked."""
    made = Plugin(house, person(office), "p")
    made.send(*FRAME, door("d-1", 0.7), door("d-2", 1.2, at=3.0))
    full(house)
    return made


def narrow(house: Building) -> Finding:
    found: Finding = Finding.objects.get(building=house, rule_key=RULE, subject="d-1")
    return found


def status(house: Building) -> str:
    house.refresh_from_db()
    return house.status


def waived(house: Building, **about: Any) -> tuple[Waiver, Principal]:
    asker = person(house.tenant, Role.EDITOR)
    made = waivers.request(house.tenant, building_id=house.pk, fields=NOT_A_DOOR, by=asker, **about)
    return waivers.approve(house.tenant, waiver_id=made.pk, by=person(house.tenant, Role.CODE_OFFICIAL)), asker


def set_aside(house: Building) -> None:
    by = person(house.tenant, Role.EDITOR)
    fields = {"state": "false_positive"}
    board.change(house.tenant, building_id=house.pk, finding_id=narrow(house).pk, fields=fields, comment="It is a hatch.", by=by)


def amend(house: Building, least: float) -> None:
    fields = {"jurisdiction": house.project.jurisdiction, "rule_key": RULE, "effective_from": date(1990, 1, 1), "action": "override_params"}
    payload = {"min": {"value": least, "unit": "m"}}
    amendments.save_amendment(house.tenant, fields={**fields, "payload": payload, "citation": "§ 1"}, by=None)


def test_what_was_waived_comes_back_open_when_the_waiver_has_ended(house: Building, plugin: Plugin) -> None:
    found, asker = waived(house, finding_id=narrow(house).pk)
    plugin.send(width("d-1", 1.0))
    assert narrow(house).resolved_seq is not None
    Waiver.objects.filter(pk=found.pk).update(state="approved")  # also had it stood all the time
    Finding.objects.filter(pk=narrow(house).pk).update(state="waived")
    waivers.withdraw(house.tenant, waiver_id=found.pk, by=asker)
    assert narrow(house).state == "fixed"
    Finding.objects.filter(pk=narrow(house).pk).update(state="waived")  # and rows that were left so
    plugin.send(width("d-1", 0.7))
    assert (narrow(house).state, status(house)) == ("reopened", "non-compliant")


def test_the_word_of_one_person_makes_no_building_compliant(house: Building, plugin: Plugin) -> None:
    set_aside(house)
    assert (narrow(house).state, status(house)) == ("false_positive", "non-compliant")
    full(house)
    assert (narrow(house).state, status(house)) == ("false_positive", "non-compliant")
    waived(house, finding_id=narrow(house).pk)
    assert (narrow(house).state, status(house)) == ("waived", "compliant to the rules checked")


def test_a_false_positive_is_one_of_that_element_and_that_rule(house: Building, plugin: Plugin) -> None:
    set_aside(house)
    plugin.send(width("d-2", 1.1))
    full(house)
    assert narrow(house).state == "false_positive"
    plugin.send(width("d-1", 0.6))
    assert narrow(house).state == "reopened"
    set_aside(house)
    full(house)
    assert narrow(house).state == "false_positive"
    amend(house, 0.85)
    full(house)
    assert (narrow(house).state, narrow(house).required) == ("reopened", 0.85)


def test_a_waiver_lapses_when_an_amendment_changes_the_rule(house: Building, plugin: Plugin) -> None:
    found, _ = waived(house, rule_key=RULE)
    full(house)
    assert Waiver.objects.get(pk=found.pk).state == "approved"
    amend(house, 0.85)
    full(house)
    now = Waiver.objects.get(pk=found.pk)
    assert (now.state, narrow(house).state) == ("needs_reconfirmation", "reopened")
    assert "test-rules@1.0.0+" in now.lapsed_because
