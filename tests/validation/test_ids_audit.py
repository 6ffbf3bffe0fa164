"""The audit of IDS files: what it finds, where, and what it does with files that are not what they say."""

import pytest

from tests.validation.ids_cases import NS, REQUIRED, attribute, entity, ids, like, limited, material, one_of, part_of, prop, wall
from validation.ingest.ids import audit, reading
from validation.ingest.ids.terms import Fault

OPEN = f"<ids {NS}><info><title>Case</title></info><specifications>"
CLOSE = "</specifications></ids>"


def faults(text: str | bytes) -> list[Fault]:
    document, found = reading.read(text.encode() if isinstance(text, str) else text)
    return found or audit.audit(document)


def codes(text: str | bytes) -> list[str]:
    return [fault.code for fault in faults(text)]


def specification(inside: str, head: str = 'name="Case" ifcVersion="IFC4"') -> str:
    return f"{OPEN}<specification {head}>{inside}</specification>{CLOSE}"


ABOUT = f"<applicability {REQUIRED}>{entity('IFCWALL')}</applicability>"


def test_a_fault_names_its_line_and_its_path() -> None:
    text = (
        wall(attribute("Name"), attribute("Farbe"), versions="IFC4")
        .replace("<requirements>", "<requirements>\n")
        .replace("</attribute>", "</attribute>\n")
    )
    (fault,) = faults(text)
    assert (fault.code, fault.severity, fault.place.line) == ("unknown_name", "error", 3)
    assert fault.place.path == "/ids/specifications[1]/specification[1]/requirements[1]/attribute[2]/name[1]/simpleValue[1]"
    assert "'Farbe'" in fault.message


def test_every_fault_is_found_and_none_twice() -> None:
    text = ids(entity("IFCWALL"), attribute("Farbe"), prop("Pset_Mine", "x"), versions="IFC4 IFC4X3_ADD2")
    assert [(fault.code, "IFC4X3" in fault.message) for fault in faults(text)] == [
        ("unknown_name", False),
        ("reserved_prefix", False),
        ("unknown_name", True),
        ("reserved_prefix", True),
    ]


def test_a_class_that_only_a_newer_schema_has() -> None:
    (fault,) = faults(ids(entity("IFCBRIDGE"), versions="IFC4 IFC4X3_ADD2"))
    assert fault.code == "unknown_name"
    assert "IFC4 " in fault.message
    assert faults(ids(entity("IFCBRIDGE"), versions="IFC4X3_ADD2")) == []


def test_a_near_miss_is_named() -> None:
    (fault,) = faults(ids(entity("IfcWall")))[:1]
    assert "IFCWALL" in fault.message


def test_quantities_of_ones_own_are_a_warning() -> None:
    (fault,) = faults(wall(prop("Qto_Mine", "x"), versions="IFC4"))
    assert (fault.code, fault.severity) == ("reserved_prefix", "warning")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wall(prop("Pset_WallCommon", "IsExternal", "IFCBOOLEAN"), versions="IFC4"), []),
        (wall(prop("Pset_WallCommon", "IsExternal", "IFCLABEL"), versions="IFC4"), ["standard_data_type"]),
        (wall(prop("Pset_WallCommon", "Farbe"), versions="IFC4"), ["unknown_name"]),
        (wall(prop("Pset_DoorCommon", "IsExternal"), versions="IFC4"), ["contradiction"]),
        (wall(prop("Mine", "x", "IFCCOLOUR"), versions="IFC4"), ["data_type"]),
        (wall(prop("Mine", "x", "", "y"), versions="IFC4"), ["value_without_data_type"]),
        (wall(prop("Mine", "x", "IFCINTEGER", "1.5"), versions="IFC4"), ["value_format"]),
        (wall(prop("Mine", "x", "IFCINTEGER", limited("xs:double", minInclusive="1")), versions="IFC4"), ["restriction_base"]),
        (wall(prop("Mine", "x", "IFCREAL", limited(minInclusive="2", maxInclusive="1")), versions="IFC4"), ["impossible_range"]),
        (wall(prop("Mine", "x", "IFCREAL", limited(minLength="2")), versions="IFC4"), ["restriction_kind"]),
        (wall(prop("Mine", "x", "IFCLABEL", limited("xs:string", minLength="two")), versions="IFC4"), ["value_format"]),
        (wall(attribute("Name", like("[")), versions="IFC4"), ["pattern"]),
        (wall(attribute("Name", one_of("1", base="xs:integer")), versions="IFC4"), ["restriction_base"]),
        (wall(attribute("ObjectPlacement", "x"), versions="IFC4"), ["no_value"]),
        (wall(attribute("Name", is_="optional"), versions="IFC4"), ["cardinality"]),
        (wall(material(is_="optional"), versions="IFC4"), ["cardinality"]),
        (wall(prop("Mine", "x", "IFCLABEL", is_="prohibited"), versions="IFC4"), ["cardinality"]),
        (wall(part_of("IFCWALL", "IFCRELCONTAINEDINSPATIALSTRUCTURE"), versions="IFC4"), ["relation"]),
        (wall(entity("IFCDOOR"), versions="IFC4"), ["contradiction"]),
        (ids(entity("IFCWALL", "PARTITIONING"), versions="IFC4"), []),
        (ids(entity("IFCCARTESIANPOINT", "ROUND"), versions="IFC4"), ["unknown_name"]),
    ],
)
def test_what_no_model_can_have(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ids/>", "not_ids"),
        (f"<ids {NS}><info><title>Case</title></info></ids>", "missing_element"),
        (f"{OPEN}{CLOSE}", "missing_element"),
        (specification(ABOUT, 'name="Case"'), "missing_attribute"),
        (specification(ABOUT, 'name="Case" ifcVersion="IFC5"'), "ifc_version"),
        (specification(ABOUT, 'name="Case" ifcVersion="IFC4" minOccurs="1"'), "unexpected_attribute"),
        (specification("<requirements/>"), "missing_element"),
        (specification(f"{ABOUT}<requirements/>"), "empty_requirements"),
        (specification(f"<requirements>{attribute('Name')}</requirements>{ABOUT}"), "wrong_order"),
        (specification(f"{ABOUT}{ABOUT}"), "too_many"),
        (specification(f"{ABOUT}text"), "stray_text"),
        (specification(ABOUT.replace(REQUIRED, 'minOccurs="2" maxOccurs="3"')), "occurrence"),
        (specification(f"{ABOUT}<requirements><colour/></requirements>"), "unexpected_element"),
        (specification(f"{ABOUT}<requirements>{part_of('IFCSITE', 'IFCRELSOMETHING')}</requirements>"), "relation"),
        (specification(f"{ABOUT}<requirements>{part_of('IFCSITE', is_='optional')}</requirements>"), "cardinality"),
        (specification(f"{ABOUT}<requirements>{prop('Mine', 'x', 'IfcLabel')}</requirements>"), "data_type"),
        (specification(f"{ABOUT}<requirements>{attribute('Name', limited('xs:string'))}</requirements>"), "empty_restriction"),
        (specification(ABOUT).replace("</title>", "</title><author>nobody</author>"), "author"),
        (specification(ABOUT).replace("</title>", "</title><date>yesterday</date>"), "date"),
    ],
)
def test_what_is_no_ids(text: str, expected: str) -> None:
    assert expected in codes(text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not_xml"),
        (b"PK\x03\x04", "not_xml"),
        (b"<ids>", "not_xml"),
        (b'<?xml version="1.0" encoding="no-such"?><ids/>', "not_xml"),
        (b'<!DOCTYPE ids [<!ENTITY a SYSTEM "file:///etc/passwd">]><ids>&a;</ids>', "forbidden_xml"),
        (b'<!DOCTYPE ids [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><ids>&b;</ids>', "forbidden_xml"),
        (b'<!DOCTYPE ids SYSTEM "http://127.0.0.1/ids.dtd"><ids/>', "forbidden_xml"),
        (b"<a>" * 100 + b"</a>" * 100, "too_deep"),
        (b"<ids>" + b" " * reading.MAX_BYTES + b"</ids>", "too_large"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_hostile_files(content: bytes, expected: str) -> None:
    (fault,) = faults(content)
    assert fault.code == expected
    assert "root:" not in fault.message


def test_there_is_an_end_to_faults() -> None:
    many = "<colour/>" * (reading.MAX_FAULTS + 10)
    assert len(faults(specification(f"{ABOUT}<requirements>{many}</requirements>"))) == reading.MAX_FAULTS
