"""The client that people copy, against a real server: findings come and vanish, cuts change nothing, an IFC file is watched."""

import socket as plain
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clients.cad_plugin import ifc
from clients.cad_plugin.client import Plugin, Refused
from mcp_platform.tenancy.models import Tenant
from tests.conversations.server import address
from tests.factories import TenantFactory, key
from tests.validation.live_scene import FRAME, building, door, person, there, width
from tests.validation.live_scene import Plugin as Direct
from validation.models import Building, ChangeBatch

__all__ = ["address"]
SEVERED = 15


@pytest.fixture
def office(transactional_db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    made = building(office)
    Direct(made, person(office), "setup").send(*FRAME, door("d-1", 1.0), door("d-2", 0.7))
    return made


def open_plugin(address: str, house: Building, secret: str, **more: Any) -> Plugin:
    return Plugin(f"http://{address}", secret, str(house.pk), **more)


def test_findings_appear_and_vanish(address: str, house: Building, office: Tenant) -> None:
    with open_plugin(address, house, key(office)) as plugin:
        plugin.wait()
        assert {(one["rule"], one["subject"]) for one in plugin.findings.values()} == set(there(house))
        list(plugin.news(quiet=0.2))
        plugin.send([width("d-1", 0.5)])
        news = next(plugin.news(quiet=10))
        assert [one["subject"] for one in news.added] == ["d-1"]
        plugin.send([width("d-1", 1.0)])
        news = next(plugin.news(quiet=10))
        assert [one["message"] for one in news.resolved]


def test_a_refused_batch_says_why(address: str, house: Building, office: Tenant) -> None:
    with open_plugin(address, house, key(office)) as plugin:
        plugin.wait()
        with pytest.raises(Refused) as refused:
            plugin.send([{"op": "upsert", "global_id": "new", "set": {}}])
        assert refused.value.problem["errors"][0]["path"] == "$.ops[0].ifc_class"
        assert plugin.send([width("d-1", 0.9)]).seq == 2


def test_a_wrong_key_is_no_reason_to_try_for_ever(address: str, house: Building) -> None:
    with open_plugin(address, house, "mcp_wrong") as plugin, pytest.raises(Refused):
        plugin.wait()


def test_cuts_lose_and_repeat_nothing(address: str, house: Building, office: Tenant) -> None:
    """The socket is cut under the client's feet while it sends; every batch is applied once, and the findings are those of the server."""
    with open_plugin(address, house, key(office), client_id="cut") as plugin:
        plugin.wait()
        stop = threading.Event()

        def cut() -> None:
            while not stop.wait(0.4):
                if plugin._socket is not None:
                    with suppress(OSError):  # it is cut already
                        plugin._socket.socket.shutdown(plain.SHUT_RDWR)

        cutter = threading.Thread(target=cut)
        cutter.start()
        for number in range(SEVERED):
            plugin.send([width("d-1", 0.5 if number % 2 else 1.0)])
        stop.set()
        cutter.join()
        final = plugin.send([width("d-1", 0.4)])
        for _ in plugin.news(quiet=3):
            if {(one["rule"], one["subject"]) for one in plugin.findings.values()} == set(there(house)) and final.seq == SEVERED + 2:
                break
        assert {(one["rule"], one["subject"]) for one in plugin.findings.values()} == set(there(house))
        assert plugin.connections > 1
    numbers = ChangeBatch.objects.filter(building=house, client_id="cut").order_by("seq").values_list("client_seq", flat=True)
    assert list(numbers) == list(range(1, SEVERED + 2))


def test_the_difference_of_two_savings() -> None:
    before = {"a": {"ifc_class": "IfcDoor", "name": "A", "tag": "1"}, "b": {"ifc_class": "IfcDoor", "name": "B"}}
    after = {"a": {"ifc_class": "IfcDoor", "name": "A2"}, "c": {"ifc_class": "IfcWall", "name": "C"}}
    assert ifc.difference(before, after) == [
        {"op": "delete", "global_id": "b"},
        {"op": "upsert", "global_id": "a", "ifc_class": "IfcDoor", "set": {"name": "A2"}, "unset": ["tag"]},
        {"op": "upsert", "global_id": "c", "ifc_class": "IfcWall", "set": {"name": "C"}, "unset": []},
    ]
    assert ifc.difference(after, after) == []


def test_a_file_that_a_cad_program_saves_again(tmp_path: Path) -> None:
    import ifcopenshell
    import ifcopenshell.guid

    model = ifcopenshell.file(schema="IFC4")
    unit = model.create_entity("IfcSIUnit", UnitType="LENGTHUNIT", Prefix="MILLI", Name="METRE")
    assignment = model.create_entity("IfcUnitAssignment", Units=[unit])
    model.create_entity("IfcProject", GlobalId=ifcopenshell.guid.new(), Name="P", UnitsInContext=assignment)
    made = model.create_entity("IfcDoor", GlobalId=ifcopenshell.guid.new(), Name="Front", OverallWidth=900.0, OverallHeight=2100.0)
    path = str(tmp_path / "house.ifc")
    model.write(path)
    first = ifc.read(path)
    made.OverallWidth = 700.0
    model.write(path)
    ops = ifc.difference(first, ifc.read(path))
    assert ops == [
        {"op": "upsert", "global_id": made.GlobalId, "ifc_class": "IfcDoor", "set": {"properties.Attributes.OverallWidth": 0.7}, "unset": []}
    ]
