"""Live changes: idempotent batches, conflicts, findings in the same transaction, storeys a moment later."""

import pytest

from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.validation.live_scene import FRAME, Plugin, building, delete, diffs, door, person, there, width
from validation.models import Building, ChangeBatch, Element
from validation.services import live

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    return building(office)


@pytest.fixture
def plugin(house: Building, office: Tenant) -> Plugin:
    return Plugin(house, person(office))


def test_an_edit_makes_a_finding_and_the_next_one_takes_it_away(plugin: Plugin, house: Building) -> None:
    plugin.send(*FRAME, door("d-1", 1.0))
    assert ("TEST-DOOR-WIDTH", "d-1") not in there(house)
    plugin.send(width("d-1", 0.7))
    assert there(house)["TEST-DOOR-WIDTH", "d-1"] == "fail"
    last = diffs(house)[-1]
    assert [one["rule"] for one in last.added] == ["TEST-DOOR-WIDTH"]
    assert last.at_seq == 2
    plugin.send(width("d-1", 0.95))
    assert ("TEST-DOOR-WIDTH", "d-1") not in there(house)
    assert len(diffs(house)[-1].resolved) == 1


def test_the_same_batch_again_is_the_same_ack_and_another_one_is_refused(plugin: Plugin, house: Building) -> None:
    first = plugin.send(door("d-1", 0.7))
    again = plugin.again(door("d-1", 0.7), base=0)
    assert (again.seq, again.replayed) == (first.seq, True)
    assert Element.objects.filter(building=house).count() == 1
    with pytest.raises(live.ClientSeqReused):
        plugin.again(door("d-1", 0.9), base=0)


def test_two_writers_of_one_field_the_later_wins_and_is_told(plugin: Plugin, house: Building, office: Tenant) -> None:
    plugin.send(door("d-1", 1.0))
    other = Plugin(house, person(office), "plugin-2")
    other.seq = plugin.seq
    plugin.send(width("d-1", 0.7))
    conflicts = other.send(width("d-1", 1.2)).conflicts
    assert conflicts == ({"global_id": "d-1", "field": "properties.Attributes.OverallWidth", "base": 1.0, "theirs": 0.7},)
    assert Element.objects.get(global_id="d-1", valid_to_seq=None).properties["Attributes.OverallWidth"] == 1.2


def test_two_writers_of_different_fields_do_not_conflict_and_both_stay(plugin: Plugin, house: Building, office: Tenant) -> None:
    plugin.send(door("d-1", 1.0))
    other = Plugin(house, person(office), "plugin-2")
    other.seq = plugin.seq
    plugin.send(width("d-1", 0.7))
    assert other.send({"op": "upsert", "global_id": "d-1", "set": {"name": "Front door"}}).conflicts == ()
    row = Element.objects.get(global_id="d-1", valid_to_seq=None)
    assert (row.name, row.properties["Attributes.OverallWidth"]) == ("Front door", 0.7)


def test_own_earlier_batches_are_no_conflict(plugin: Plugin) -> None:
    plugin.send(door("d-1", 1.0))
    plugin.send(width("d-1", 0.7), base=1)
    assert plugin.send(width("d-1", 0.8), base=1).conflicts == ()


def test_a_change_brings_back_what_another_has_deleted_and_says_so(plugin: Plugin, house: Building, office: Tenant) -> None:
    plugin.send(door("d-1", 1.0))
    other = Plugin(house, person(office), "plugin-2")
    other.seq = plugin.seq
    plugin.send(delete("d-1"))
    conflicts = other.send(width("d-1", 0.7)).conflicts
    assert conflicts == ({"global_id": "d-1", "field": "*", "base": "IfcDoor", "theirs": None},)
    assert Element.objects.get(global_id="d-1", valid_to_seq=None).name == "Door d-1"


def test_a_deleted_element_takes_its_findings_and_counts_along(plugin: Plugin, house: Building) -> None:
    plugin.send(door("d-1", 0.7), door("d-2", 1.0))
    plugin.send(delete("d-1"))
    house.refresh_from_db()
    assert not [pair for pair in there(house) if pair[1] == "d-1"]
    assert house.counts["TEST-DOOR-WIDTH"] == {"pass": 1, "fail": 0, "not_applicable": 0, "not_evaluable": 0}


def test_every_fault_is_told_with_its_path_and_nothing_is_written(plugin: Plugin, house: Building) -> None:
    ops = [{"op": "dance"}, {"op": "upsert", "global_id": "", "set": {"colour": 1, "box": [1]}}, {"op": "delete", "global_id": "x", "hash": "y"}]
    with pytest.raises(live.ChangesRefused) as refused:
        plugin.send(*ops)
    assert {one["path"] for one in refused.value.details["errors"]} == {
        "$.ops[0].op", "$.ops[1].global_id", "$.ops[1].set", "$.ops[1].set['box']", "$.ops[2].hash",
    }  # fmt: skip
    with pytest.raises(live.ChangesRefused) as refused:
        plugin.send(width("nobody", 1.0))
    assert [one["path"] for one in refused.value.details["errors"]] == ["$.ops[0].ifc_class"]
    assert not ChangeBatch.objects.filter(building=house).exists()


def test_a_base_that_has_not_happened_is_refused(plugin: Plugin) -> None:
    with pytest.raises(live.BaseAhead):
        plugin.send(door("d-1"), base=5)
