"""IFC files as elements: what is read, in which units, where things are, and what a damaged file is worth."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.validation.models import LIMITS, SAMPLES, Read, demo_file, needs_samples, zipped
from validation.ingest import child, demo, neutral
from validation.ingest.child import ROOT


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return Read(demo_file(), tmp_path_factory.mktemp("house"))


def test_the_demo_building_is_the_same_every_time() -> None:
    code = "import sys; from validation.ingest import demo; sys.stdout.buffer.write(demo.write())"
    again = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": "99"}, capture_output=True, check=True).stdout
    assert again == demo_file()


def test_another_seed_is_another_building() -> None:
    assert demo_file(seed=2) != demo_file()


def test_every_planted_violation_has_its_subject(house: Read) -> None:
    planted = demo.violations()
    assert len(planted) == len(demo.VIOLATIONS) > 15
    subjects = {one.global_id: one for one in house.elements}
    for one in planted:
        assert subjects[one.global_id].ifc_class == one.violation.ifc_class, one.violation.key


def test_a_corrected_variant_keeps_the_ids_of_everything_else(house: Read, tmp_path: Path) -> None:
    better = Read(demo_file("narrow_door"), tmp_path)
    assert {one.global_id for one in better.elements} == {one.global_id for one in house.elements}
    changed = [one.name for one in better.elements if one != next(old for old in house.elements if old.global_id == one.global_id)]
    assert changed == ["Door 0.S3"]


def test_a_whole_file_is_ready(house: Read) -> None:
    assert (house.problem, house.state, house.header["schema"]) == ("", "ready", "IFC4")
    numbers = house.integrity
    assert numbers["trailer"]
    assert numbers["statements"] == numbers["loaded"] > 5000
    assert (numbers["log_errors"], numbers["projects"]) == (0, 1)


def test_progress_is_told(house: Read) -> None:
    assert list(dict.fromkeys(house.told)) == ["checking", "parsing", "relations", "elements"]


def test_lengths_are_metres_whatever_the_file_has(house: Read) -> None:
    door, space = house.named("Door 0.S3"), house.named("0.S4")
    assert door.properties["Attributes.OverallWidth"] == 0.75
    assert space.quantities["Qto_SpaceBaseQuantities.FinishCeilingHeight"] == 2.7
    assert space.quantities["Qto_SpaceBaseQuantities.NetFloorArea"] == pytest.approx(8.4 * 6.8)
    assert house.named("Stair B flight 2").properties["Pset_StairFlightCommon.Headroom"] == 1.95
    assert house.named("First floor").properties["Attributes.Elevation"] == 3.6


def test_properties_of_types_are_inherited_and_own_ones_win(house: Read) -> None:
    way_out = house.named("Exit 0.K1")
    assert way_out.properties["Pset_DoorCommon.FireRating"] == "EI 30"
    assert way_out.properties["Pset_DoorCommon.FireExit"] is True
    assert way_out.properties["Attributes.TypeName"] == "Door type exit"
    assert house.named("Wall 0.S4 corridor").properties["Pset_WallCommon.AcousticRating"] == "42 dB"


def test_footprints_and_boxes_come_from_the_extrusions(house: Read) -> None:
    room, way_out = house.named("0.K2"), house.named("Exit 0.N1")
    assert room.box == (21.0, 9.2, 0.0, 21.85, 15.8, 2.2)
    assert room.footprint is not None
    assert set(room.footprint) == {(21.0, 9.2), (21.85, 9.2), (21.85, 15.8), (21.0, 15.8)}
    assert way_out.box == pytest.approx((0.07, 9.4, 0.0, 0.13, 10.6, 2.15))  # in a wall that runs along y
    flight = house.named("Stair A flight 2")
    assert flight.box == pytest.approx((1.7, 11.0, 1.8, 2.9, 14.0, 3.4364), abs=1e-3)


def test_doors_join_spaces_and_stairs_join_storeys(house: Read) -> None:
    ids = {one.name: one.global_id for one in house.elements}
    assert set(house.named("Door 0.S3").connects) == {ids["0.S3"], ids["0.K1"]}
    assert set(house.named("Exit 0.S1").connects) == {ids["0.S1"], ""}
    assert house.named("Stair A").connects == (ids["Ground floor"], ids["First floor"])
    assert set(house.named("Wall 0.N7-0.N8").connects) == {ids["0.N7"], ids["0.N8"]}
    assert len(house.named("Fire compartment ground").connects) == 18


def test_places_come_from_containment_and_from_the_whole(house: Read) -> None:
    ids = {one.name: one.global_id for one in house.elements}
    assert house.named("Desk 0.S3-1").space == ids["0.S3"]
    assert house.named("Desk 0.S3-1").storey == ids["Ground floor"]
    assert house.named("Stair B flight 1").storey == ids["Ground floor"]  # a part of a stair that is contained
    assert house.named("Stair B flight 1").properties["Attributes.PartOf"] == ids["Stair B"]
    assert house.named("1.K1").storey == ids["First floor"]


def test_a_global_id_that_occurs_twice_gets_a_number(house: Read) -> None:
    desks = [one for one in house.elements if one.name in ("Desk 0.S2-1", "Desk 0.S2-2")]
    assert [one.global_id.partition("#")[2] for one in desks] == ["", "2"]
    assert all(one.properties["Data.DuplicateGlobalId"] is True for one in desks)
    assert list(house.integrity["duplicate_ids"].values()) == [2]


def test_texts_of_step_are_decoded(tmp_path: Path) -> None:
    wanted = "Tür \u5ba4 \U0001f6aa 'quoted' back\\slash"
    coded = "T\\X\\FCr \\X2\\5BA4\\X0\\ \\X4\\0001F6AA\\X0\\ ''quoted'' back\\\\slash"
    content = demo_file().replace(b"'Desk 0.S3-1'", f"'{coded}'".encode())
    assert wanted in {one.name for one in Read(content, tmp_path).elements}


def test_an_ifczip_is_the_model_in_it(house: Read, tmp_path: Path) -> None:
    assert Read(zipped(demo_file(), more={"readme": b"hello"}), tmp_path).elements == house.elements


@pytest.mark.parametrize("schema", ["IFC2X3", "IFC4", "IFC4X3_ADD2"])
def test_every_schema_is_read(schema: str, tmp_path: Path) -> None:
    read = Read(minimal(schema), tmp_path)
    assert (read.problem, read.state) == ("", "ready")
    wall = read.named("Wall")
    assert wall.box == (0.0, 0.0, 0.0, 0.3048, 0.1524, 0.9144)  # feet
    assert wall.properties["Custom.Length"] == pytest.approx(0.6096)
    assert wall.properties["Custom.Angle"] == pytest.approx(0.785398, abs=1e-5)  # degrees
    assert wall.properties["Custom.Metres"] == 3.0  # with a unit of its own


def minimal(schema: str) -> bytes:
    """A wall in feet, written out by hand."""
    wall = "IFCWALL('2O2Fr$t4X7Zf8NOew3FLO1',$,'Wall',$,$,#20,#30,'7'" + (")" if schema == "IFC2X3" else ",.SOLIDWALL.)")
    storey = "IFCBUILDINGSTOREY('2O2Fr$t4X7Zf8NOew3FLO4',$,'Level',$,$,#19,$,$,.ELEMENT.,0.)"
    owner = "#2" if schema == "IFC2X3" else "$"
    rows = [
        f"#1=IFCPROJECT('2O2Fr$t4X7Zf8NOew3FLO0',{owner},'P',$,$,$,$,(#10),#5)",
        "#2=IFCOWNERHISTORY(#3,#4,$,.ADDED.,$,$,$,0)",
        "#3=IFCPERSONANDORGANIZATION(#6,#7,$)",
        "#4=IFCAPPLICATION(#7,'1','Hand','Hand')",
        "#6=IFCPERSON($,'N',$,$,$,$,$,$)",
        "#7=IFCORGANIZATION($,'O',$,$,$)",
        "#5=IFCUNITASSIGNMENT((#50,#53))",
        "#50=IFCCONVERSIONBASEDUNIT(#51,.LENGTHUNIT.,'FOOT',#52)",
        "#51=IFCDIMENSIONALEXPONENTS(1,0,0,0,0,0,0)",
        "#52=IFCMEASUREWITHUNIT(IFCLENGTHMEASURE(0.3048),#60)",
        "#53=IFCCONVERSIONBASEDUNIT(#54,.PLANEANGLEUNIT.,'DEGREE',#55)",
        "#54=IFCDIMENSIONALEXPONENTS(0,0,0,0,0,0,0)",
        "#55=IFCMEASUREWITHUNIT(IFCPLANEANGLEMEASURE(0.017453292519943295),#61)",
        "#60=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.)",
        "#61=IFCSIUNIT(*,.PLANEANGLEUNIT.,$,.RADIAN.)",
        "#10=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,#11,$)",
        "#11=IFCAXIS2PLACEMENT3D(#12,$,$)",
        "#12=IFCCARTESIANPOINT((0.,0.,0.))",
        "#19=IFCLOCALPLACEMENT($,#11)",
        "#20=IFCLOCALPLACEMENT(#19,#11)",
        f"#21={wall}",
        f"#22={storey}",
        f"#23=IFCRELAGGREGATES('2O2Fr$t4X7Zf8NOew3FLO5',{owner},$,$,#1,(#22))",
        f"#24=IFCRELCONTAINEDINSPATIALSTRUCTURE('2O2Fr$t4X7Zf8NOew3FLO6',{owner},$,$,(#21),#22)",
        "#30=IFCPRODUCTDEFINITIONSHAPE($,$,(#31))",
        "#31=IFCSHAPEREPRESENTATION(#10,'Body','SweptSolid',(#32))",
        "#32=IFCEXTRUDEDAREASOLID(#33,#11,#34,3.)",
        "#33=IFCRECTANGLEPROFILEDEF(.AREA.,$,#35,1.,0.5)",
        "#34=IFCDIRECTION((0.,0.,1.))",
        "#35=IFCAXIS2PLACEMENT2D(#36,$)",
        "#36=IFCCARTESIANPOINT((0.5,0.25))",
        f"#40=IFCPROPERTYSET('2O2Fr$t4X7Zf8NOew3FLO2',{owner},'Custom',$,(#41,#42,#43))",
        "#41=IFCPROPERTYSINGLEVALUE('Length',$,IFCLENGTHMEASURE(2.),$)",
        "#42=IFCPROPERTYSINGLEVALUE('Angle',$,IFCPLANEANGLEMEASURE(45.),$)",
        "#43=IFCPROPERTYSINGLEVALUE('Metres',$,IFCLENGTHMEASURE(3.),#60)",
        f"#44=IFCRELDEFINESBYPROPERTIES('2O2Fr$t4X7Zf8NOew3FLO3',{owner},$,$,(#21),#40)",
    ]
    head = "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\n"
    data = "".join(f"{row};\n" for row in rows)
    return f"{head}FILE_SCHEMA(('{schema}'));\nENDSEC;\nDATA;\n{data}ENDSEC;\nEND-ISO-10303-21;\n".encode()


@needs_samples
@pytest.mark.parametrize(("name", "schema", "elements"), [("large_building_ifc2x3", "IFC2X3", 127), ("openhouse_ifc4", "IFC4", 46)])
def test_real_models_are_read_whole(name: str, schema: str, elements: int, tmp_path: Path) -> None:
    read = Read((SAMPLES / f"{name}.ifc").read_bytes(), tmp_path)
    assert (read.state, read.header["schema"], len(read.elements)) == ("ready", schema, elements)
    with_shape = [one for one in read.elements if one.box]
    assert len(with_shape) > 0.9 * len(read.elements)


def test_what_the_reader_gives_can_be_uploaded(house: Read, tmp_path: Path) -> None:
    document = {"format": neutral.FORMAT, "schema": "IFC4", "elements": [neutral.document(one) for one in house.elements]}
    again = Read(json.dumps(document).encode(), tmp_path, kind="json")
    assert (again.problem, again.elements) == ("", house.elements)


def test_every_fault_of_a_neutral_document_is_named_with_its_path(tmp_path: Path) -> None:
    document = {
        "format": "other/9",
        "elements": [
            {"global_id": "a", "ifc_class": "IfcDoor", "box": [1, 0, 0, 0, 1, 1], "properties": {"P.x": {"deep": 1}}},
            {"global_id": "a", "ifc_class": "door", "quantities": {"Q.w": "wide"}, "colour": "red"},
            {"ifc_class": "IfcWall", "footprint": [[0, 0], [1, 1]], "name": "x" * 256, "connects": [1]},
        ],
    }
    ended = Read(json.dumps(document).encode(), tmp_path, kind="json").ended
    assert ended.problem["code"] == "NEUTRAL_INVALID"
    assert {one["path"] for one in ended.problem["errors"]} == {
        "$.format",
        "$.elements[0].box",
        "$.elements[0].properties['P.x']",
        "$.elements[1].global_id",
        "$.elements[1].ifc_class",
        "$.elements[1].quantities['Q.w']",
        "$.elements[1].colour",
        "$.elements[2].global_id",
        "$.elements[2].footprint",
        "$.elements[2].name",
        "$.elements[2].connects",
    }


def test_triangles_are_a_binary_gltf_with_a_node_for_each_element(house: Read, tmp_path: Path) -> None:
    source, out = tmp_path / "demo.ifc", tmp_path / "demo.glb"
    source.write_bytes(demo_file())
    ended = child.run("meshes", {"source": str(source), "out": str(out)}, limits=LIMITS)
    assert ended.problem == {}
    document, binary = glb(out.read_bytes())
    names = {node["name"] for node in document["nodes"][1:]}
    drawn = {one.global_id for one in house.elements if one.ifc_class in ("IfcDoor", "IfcWall", "IfcStairFlight", "IfcRailing")}
    assert drawn <= names
    assert len(binary) == document["buffers"][0]["byteLength"]
    assert all(view["byteOffset"] + view["byteLength"] <= len(binary) for view in document["bufferViews"])


def glb(content: bytes) -> tuple[dict[str, list[dict[str, int]]], bytes]:
    size = int.from_bytes(content[12:16], "little")
    assert content[:4] == b"glTF"
    assert int.from_bytes(content[8:12], "little") == len(content)
    return json.loads(content[20 : 20 + size]), content[28 + size :]
