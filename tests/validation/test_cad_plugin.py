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
from tests.validation.models import SAMPLES, Read, demo_file
from validation.models import Building, ChangeBatch, Element

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
    numbers = ChangeBatch.objects.filter(building=house, client_id=plugin.client_id).order_by("seq").values_list("client_seq", flat=True)
    assert list(numbers) == list(range(1, SEVERED + 2))


def test_the_same_installation_started_again(address: str, house: Building, office: Tenant) -> None:
    """Both processes count from 1, with different batches and with the same: every one is applied."""
    for width_now in (0.5, 0.6, 0.6):
        with open_plugin(address, house, key(office), client_id="desk-7") as plugin:
            plugin.wait()
            assert plugin.send([width("d-1", width_now)]).client_seq == 1
    batches = ChangeBatch.objects.filter(building=house, client_id__startswith="desk-7-")
    assert batches.count() == 3
    assert len(set(batches.values_list("client_id", flat=True))) == 3


def test_what_is_longer_than_a_frame_goes_in_several(address: str, house: Building, office: Tenant) -> None:
    """200 elements with half a megabyte, one of which alone is longer than a frame."""
    texts = {f"properties.Notes.N{number}": "ü" * 1000 for number in range(100)}  # six bytes a letter, as JSON
    ops: list[dict[str, Any]] = [{"op": "upsert", "global_id": "d-1", "set": texts, "unset": []}]
    ops += [{"op": "upsert", "global_id": f"w-{number}", "ifc_class": "IfcWall", "set": {"name": "w" * 200, **LONG}} for number in range(200)]
    with open_plugin(address, house, key(office)) as plugin:
        plugin.wait()
        batches = list(plugin.batches(ops))
        assert len(batches) > 3
        for batch in batches:
            plugin.send(batch)
        assert plugin.connections == 1
        with pytest.raises(Refused) as refused:  # told here: the server would cut the socket
            plugin.send(ops)
        assert refused.value.problem["code"] == "PAYLOAD_TOO_LARGE"
        assert plugin.send([width("d-1", 0.9)]).client_seq == len(batches) + 1
    rows = Element.objects.filter(building=house, valid_to_seq=None)
    assert rows.filter(ifc_class="IfcWall").count() == 200
    held = rows.get(global_id="d-1").properties
    assert {f"properties.{name}": value for name, value in held.items() if name.startswith("Notes.")} == texts


LONG = {"properties.Notes.Long": "x" * 2000}


def test_a_frame_that_the_server_finds_too_long_is_refused_and_the_next_goes_on(address: str, house: Building, office: Tenant) -> None:
    """As when the limit has been lowered since the welcome: no endless loop of sending it again."""
    with open_plugin(address, house, key(office)) as plugin:
        plugin.wait()
        plugin.max_frame_bytes = 10_000_000
        with pytest.raises(Refused):
            plugin.send([{"op": "upsert", "global_id": f"w-{n}", "ifc_class": "IfcWall", "set": LONG} for n in range(200)], 20)
        assert plugin.send([width("d-1", 0.9)]).seq == 2


def test_no_more_batches_are_on_their_way_than_the_server_gives_credit_for() -> None:
    plugin = Plugin("http://127.0.0.1:1", "", "")
    with pytest.raises(TimeoutError, match="credit"):
        plugin.send([width("d-1", 1.0)], 0.01)  # before the welcome there is none
    plugin.credits, plugin.max_frame_bytes = 2, 1000
    for _ in range(2):
        with pytest.raises(TimeoutError, match="no ack"):
            plugin.send([width("d-1", 1.0)], 0.01)
    with pytest.raises(TimeoutError, match="credit"):
        plugin.send([width("d-1", 1.0)], 0.01)


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
    clear = model.create_entity("IfcPropertySingleValue", Name="ClearWidth", NominalValue=model.create_entity("IfcPositiveLengthMeasure", 850.0))
    depth = model.create_entity("IfcQuantityLength", Name="Depth", LengthValue=40.0)
    for definition in (
        model.create_entity("IfcPropertySet", GlobalId=ifcopenshell.guid.new(), Name="Custom", HasProperties=[clear]),
        model.create_entity("IfcElementQuantity", GlobalId=ifcopenshell.guid.new(), Name="Qto_Door", Quantities=[depth]),
    ):
        new = ifcopenshell.guid.new()
        model.create_entity("IfcRelDefinesByProperties", GlobalId=new, RelatedObjects=[made], RelatingPropertyDefinition=definition)
    path = str(tmp_path / "house.ifc")
    model.write(path)
    first = ifc.read(path)
    made.OverallWidth = 700.0
    clear.NominalValue = model.create_entity("IfcPositiveLengthMeasure", 650.0)
    depth.LengthValue = 50.0
    model.write(path)
    ops = ifc.difference(first, ifc.read(path))
    changed = {"properties.Attributes.OverallWidth": 0.7, "properties.Custom.ClearWidth": 0.65, "quantities.Qto_Door.Depth": 0.05}
    assert ops == [{"op": "upsert", "global_id": made.GlobalId, "ifc_class": "IfcDoor", "set": changed, "unset": []}]


def test_a_file_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    half = tmp_path / "half.ifc"
    half.write_bytes(demo_file()[:-40])
    with pytest.raises(RuntimeError, match="being written"):
        ifc.read(str(half))


def uploaded(content: bytes, folder: Path) -> dict[str, dict[str, Any]]:
    """What an upload of the file stores, as fields of the protocol; without what only bodies tell."""
    made = {}
    for one in Read(content, folder).elements:
        plain = {name: getattr(one, name) for name in ("ifc_class", "predefined_type", "name", "tag", "storey", "space", "discipline")}
        plain["connects"] = list(one.connects) if one.ifc_class not in ifc.OF_STAIRS else []
        fields = {name: value for name, value in plain.items() if value or name in ("name", "tag")}
        fields |= {f"properties.{name}": value for name, value in one.properties.items()}
        made[one.global_id] = fields | {f"quantities.{name}": value for name, value in one.quantities.items()}
    return made


def alike(fields: dict[str, Any]) -> dict[str, Any]:
    """Materials by name: an upload names one that is assigned twice twice."""
    return {name: sorted(set(value)) if name.endswith("Attributes.Materials") else value for name, value in fields.items()}


@pytest.mark.parametrize("name", ["", "openhouse_ifc4.ifc", "tall_building_ifc2x3.ifc", "large_building_ifc2x3.ifc"])
def test_a_file_says_the_same_watched_as_uploaded(name: str, tmp_path: Path) -> None:
    if name and not (SAMPLES / name).exists():
        pytest.skip(f"the sample {name} is not on this machine")
    content = (SAMPLES / name).read_bytes() if name else demo_file()
    path = tmp_path / "model.ifc"
    path.write_bytes(content)
    watched = {mark: alike(fields) for mark, fields in ifc.read(str(path)).items()}
    assert watched == {mark: alike(fields) for mark, fields in uploaded(content, tmp_path).items()}


def test_the_second_of_two_with_the_same_id(tmp_path: Path) -> None:
    content = demo_file()
    rows = [line for line in content.splitlines() if b"=IFCDOOR(" in line]
    first, second = (row.split(b"'")[1] for row in rows[:2])
    path = tmp_path / "model.ifc"
    path.write_bytes(content.replace(b"'" + second + b"'", b"'" + first + b"'"))
    watched = ifc.read(str(path))
    assert f"{first.decode()}#2" in watched
    assert watched == uploaded(path.read_bytes(), tmp_path)
