"""Facts of single elements: what real models write, in which order it is believed, and what has to be assumed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.plans import rect
from validation.core import shapes
from validation.core.building import Element, Fact, Facts
from validation.core.checks import CHECKS, parameters
from validation.core.derivations import DERIVATIONS
from validation.core.fact_table import BUILT_IN
from validation.core.facts import FactDefinition, Level, definitions, derive
from validation.core.functions import DEFAULT_FACTORS, FUNCTIONS, by_words, function_of, suggest
from validation.core.readings import boolean, minutes, number, text

PACK = Path(__file__).parents[2] / "validation" / "packs" / "starter.yaml"
KNOWN = definitions()


def facts(ifc_class: str, *, known: Any = KNOWN, **fields: Any) -> Facts:
    return derive(Element(global_id="x", ifc_class=ifc_class, **fields), known)


def read(reading: Any) -> Any:
    return None if reading is None else reading.value


RATINGS: dict[int | None, list[Any]] = {
    0: [0, "0", "none", "not rated"],
    30: ["EI 30-S200", "T30", "T 30-RS", "FD30", "feuerhemmend", "-/60/30"],
    45: ["3/4 HR"],
    60: ["1 HR", "1 hour", "1-HR", "1h", "EI 60", "EI60", "60", "60 min", "60 minutes", 60, 1, "60/60/60"],
    90: ["1.5 hrs", "1 1/2 hr", "F90", "F 90-AB", "90min", "feuerbeständig"],
    120: ["2 Hr.", "REI 120", 2.0, "120/-/-"],
    None: ["", "_FIRE-RATING_", "Inside door: Fire Rating", "--FIRE_CODE--", "yes", True, None, "EI2 30-C", "FD30S"],
}


@pytest.mark.parametrize(("written", "expected"), [(written, value) for value, ways in RATINGS.items() for written in ways])
def test_fire_ratings_as_they_are_written(written: Any, expected: int | None) -> None:
    assert read(minutes(written)) == expected


def test_a_bare_hour_is_noted() -> None:
    hours, sixty = minutes("2"), minutes("60")
    assert hours is not None
    assert sixty is not None
    assert "hours" in hours.note
    assert sixty.note == ""


LENGTHS: dict[float | None, list[Any]] = {
    0.9: [0.9, "0,9", "900 mm", "90cm", 900],
    0.9144: ['36"', "3'", "3'-0\""],
    0.8255: ["2'-8 1/2\""],
    None: ["about a metre", float("nan"), True, "5 bananas", "", None],
}


@pytest.mark.parametrize(("written", "expected"), [(written, value) for value, ways in LENGTHS.items() for written in ways])
def test_lengths_as_they_are_written(written: Any, expected: float | None) -> None:
    assert read(number(written, "m")) == (None if expected is None else pytest.approx(expected))


def test_areas_and_shares_as_they_are_written() -> None:
    assert read(number("12 m²", "m2")) == 12.0
    assert read(number("100 sf", "m2")) == pytest.approx(9.290304)
    assert read(number("8%", "rise/run")) == pytest.approx(0.08)


def test_millimetres_are_recognised_and_said() -> None:
    found = facts("IfcDoor", properties={"Attributes.OverallWidth": 915})["width"]
    assert (found.value, found.source, found.assumed) == (0.915, "attribute:OverallWidth", True)
    assert found.note == "915 without a unit was read as millimetres"


BOOLEANS = [("Ja", True), (".T.", True), ("no", False), (0, False), (True, True), ("maybe", None), (None, None)]


@pytest.mark.parametrize(("written", "expected"), BOOLEANS)
def test_booleans_as_they_are_written(written: Any, expected: bool | None) -> None:
    assert read(boolean(written)) is expected


@given(st.text(max_size=30))
def test_no_text_breaks_a_reading(written: str) -> None:
    for reader in (number, boolean, text):
        reader(written, "m")
    minutes(written)


def test_a_stated_fact_wins_then_the_model_then_the_assumption() -> None:
    width = {"Attributes.OverallWidth": 1.0}
    assumed = facts("IfcDoor", properties=width)["clear_width"]
    assert (assumed.value, assumed.assumed) == (0.9, True)
    assert "50 mm" in assumed.note
    told = facts("IfcDoor", properties=width | {"Pset_DoorCommon.ClearWidth": 0.87})["clear_width"]
    assert told == Fact(value=0.87, source="pset:Pset_DoorCommon.ClearWidth")
    stated = facts("IfcDoor", properties=width, given={"clear_width": 0.95})["clear_width"]
    assert stated == Fact(value=0.95, source="user")


@pytest.mark.parametrize(
    "name", ["Pset_WallCommon.FireRating", "pset_wallcommon.fire_rating", "Other.Fire Rating", "Brandschutz.Feuerwiderstandsklasse"]
)
def test_spelling_of_sets_and_properties_does_not_matter(name: str) -> None:
    assert facts("IfcWallStandardCase", properties={name: "F 90"})["fire_rating_min"].value == 90


def test_a_placeholder_is_no_value_and_the_next_source_is_asked() -> None:
    found = facts("IfcWall", properties={"Pset_WallCommon.FireRating": "_FIRE-RATING_", "Other.Fire Resistance": "1 HR"})
    assert found["fire_rating_min"].value == 60


def test_what_is_not_known_is_absent() -> None:
    assert facts("IfcDoor") == {}
    assert "headroom" not in facts("IfcStairFlight", box=(0, 0, 0, 3, 1, 1.5))


def test_a_tenants_definition_wins_for_its_classes() -> None:
    own = FactDefinition(
        name="clear_width",
        type="number",
        unit="m",
        applies_to=("IfcDoor",),
        sources=("derived:door_clear_width",),
        params={"frame": 0.1},
        assumption="Ours",
    )
    known = definitions([own])
    door = facts("IfcDoor", known=known, properties={"Attributes.OverallWidth": 1.0, "Pset_DoorCommon.ClearWidth": 0.99})["clear_width"]
    assert (door.value, door.assumed) == (0.8, True)
    assert door.note.startswith("Ours")
    flight = facts("IfcStairFlight", known=known, quantities={"Qto_StairFlightBaseQuantities.Width": 1.2})
    assert flight["clear_width"].value == 1.2


def test_a_source_that_nobody_knows_and_a_circle_end_in_not_known() -> None:
    odd = FactDefinition(name="odd", type="number", applies_to=("IfcDoor",), sources=("magic:x", "derived:nothing_like_it"))
    assert "odd" not in facts("IfcDoor", known=definitions([odd]))
    circle = FactDefinition(name="width", type="number", applies_to=("IfcDoor",), sources=("derived:door_clear_width",))
    assert "width" not in facts("IfcDoor", known=definitions([circle]))


def test_the_narrowest_flight_of_a_stair_counts() -> None:
    stair = Element(global_id="s", ifc_class="IfcStair")
    widths = (1.2, 1.0)
    flights = [Element(global_id=str(one), ifc_class="IfcStairFlight", quantities={"Qto_StairFlightBaseQuantities.Width": one}) for one in widths]
    assert derive(stair, KNOWN, children=flights)["clear_width"].value == 1.0


def test_steps_from_the_standard_set_and_from_the_body() -> None:
    stated = facts("IfcStairFlight", properties={"Pset_StairFlightCommon.RiserHeight": 0.17, "Pset_StairFlightCommon.TreadLength": 0.28})
    assert (stated["riser_height"].value, stated["tread_length"].value) == (0.17, 0.28)
    risers = {"Attributes.NumberOfRisers": 10}
    body = facts("IfcStairFlight", properties=risers, footprint=rect(0, 0, 2.7, 1.1), box=(0, 0, 0, 2.7, 1.1, 1.7))
    assert (body["riser_height"].value, body["tread_length"].value, body["clear_width"].value) == (0.17, 0.3, 1.1)
    assert body["riser_height"].assumed


SLOPES = [(0.0833, 0.0833), (4.76, 0.08327), ("8 %", 0.08), ("8,5%", 0.085), (90, None), (-1, None), ("abc %", None), ("%", None)]


@pytest.mark.parametrize(("written", "expected"), SLOPES)
def test_slopes_as_ratio_degrees_and_per_cent(written: Any, expected: float | None) -> None:
    found = facts("IfcRampFlight", properties={"Pset_RampFlightCommon.Slope": written}).get("slope")
    assert (found.value if found else None) == (None if expected is None else pytest.approx(expected, abs=1e-4))


def test_a_railing_on_a_stair_has_no_height_from_its_body() -> None:
    assert facts("IfcRailing", box=(0, 0, 0, 4, 0.05, 1.0))["height"].value == 1.0
    assert "height" not in facts("IfcRailing", box=(0, 0, 0, 4, 0.05, 2.6))


def test_type_by_name_needs_whole_words_when_they_are_short() -> None:
    assert facts("IfcFlowTerminal", name="WC wall hung")["predefined_type"].value == "TOILETPAN"
    assert "predefined_type" not in facts("IfcFlowTerminal", name="TWCX-4")
    stated = facts("IfcSanitaryTerminal", predefined_type="URINAL", name="WC")["predefined_type"]
    assert stated == Fact(value="URINAL", source="attribute:PredefinedType")


NAMES = {
    "assembly_tables": ["Meeting Room", "Salle de réunion"],
    "business": ["Office", "Office 2.14", "Open office", "Büro", "BÜRO 1.OG"],
    "classroom": ["Classroom 4"],
    "corridor": ["Office corridor", "Flur EG 01", "Kellerflur"],
    "dwelling": ["Bedroom 1"],
    "elevator": ["Elevator"],
    "exit_stair": ["Treppenhaus A"],
    "lobby": ["Stair lobby", "Elevator lobby"],
    "mercantile": ["Verkaufsraum"],
    "outside": ["Balcony"],
    "parking": ["Tiefgarage"],
    "storage_mechanical": ["Plant room", "Server room"],
    "toilet": ["WC Damen", "Accessible toilet"],
}


@pytest.mark.parametrize(("name", "function"), [(name, function) for function, names in NAMES.items() for name in names])
def test_names_of_spaces_tell_their_function(name: str, function: str) -> None:
    mapped = by_words(name)
    assert mapped is not None
    assert mapped.function == function


@pytest.mark.parametrize("name", ["", "1", "R-204", "Room", "xyz", "Space 12"])
def test_names_that_tell_nothing(name: str) -> None:
    assert by_words(name) is None


def test_the_buildings_map_goes_first_and_is_no_assumption() -> None:
    known = definitions(function_map={"Studio*": "classroom", "Studio 9": "business"})
    first = facts("IfcSpace", known=known, name="Studio 1")["function"]
    assert (first.value, first.assumed) == ("classroom", False)
    assert facts("IfcSpace", known=known, name="studio 9")["function"].value == "business"
    assert facts("IfcSpace", name="7", properties={"Attributes.LongName": "Flur"})["function"].assumed


def test_a_function_of_the_map_that_the_table_does_not_have() -> None:
    found = facts("IfcSpace", known=definitions(function_map={"Lab*": "cleanroom"}), name="Lab 1")
    assert found["function"].value == "cleanroom"
    assert found["is_corridor"].value is False
    assert "occupancy" not in found


def test_classification_codes_map_what_names_do_not() -> None:
    mapped = function_of(["204"], {}, ["13-55 11 13: Office"])
    assert mapped is not None
    assert mapped.function == "business"
    coded = facts("IfcSpace", name="204", properties={"Attributes.Classifications": ["13-55 29 Conference"]})
    assert coded["function"].value == "assembly_tables"


def test_suggestions_are_by_frequency_and_never_repeat_what_is_mapped() -> None:
    made = suggest(["Office", "Office", "Offfice", "Zzyzx", "Studio 1"], {"Studio*": "classroom"})
    assert [(one.name, one.spaces, one.function) for one in made] == [("Office", 2, "business"), ("Offfice", 1, "business"), ("Zzyzx", 1, "")]
    assert made[0].confidence > made[1].confidence > made[2].confidence == 0


def test_the_stated_group_wins_over_the_function() -> None:
    found = facts("IfcSpace", name="Office", properties={"Pset_SpaceOccupancyRequirements.OccupancyType": "A-2"})
    assert (found["occupancy"].value, found["occupancy"].assumed, found["occupancy_class"].value) == ("A-2", False, "A")
    assert facts("IfcSpace", name="Office")["occupancy"].assumed


WIDTHS = {
    "a rectangle": (1.118, rect(0, 0, 10, 1.118)),
    "an arm of 1.5 m": (1.5, ((0, 0), (10, 0), (10, 2), (2, 2), (2, 8), (0.5, 8), (0.5, 2), (0, 2))),
    "a pier leaves 1.2 m": (1.2, ((0, 0), (10, 0), (10, 2), (6, 2), (6, 1.2), (5, 1.2), (5, 2), (0, 2))),
    "a door recess adds nothing": (2.0, ((0, 0), (10, 0), (10, 2), (6, 2), (6, 2.3), (5, 2.3), (5, 2), (0, 2))),
    "an angle": (2.0, ((0, 0), (12, 0), (12, 10), (10, 10), (10, 2), (0, 2))),
}


@pytest.mark.parametrize("which", WIDTHS)
def test_the_width_that_can_be_walked_through(which: str) -> None:
    width, ring = WIDTHS[which]
    shape = shapes.polygon(ring)
    assert shape is not None
    assert shapes.passage_width(shape) == pytest.approx(width, abs=0.001)


def test_the_largest_circle() -> None:
    shape = shapes.polygon(((0, 0), (4, 0), (4, 1.5), (1.5, 1.5), (1.5, 4), (0, 4)))
    assert shape is not None
    centre, diameter = shapes.widest_circle(shape)
    # It touches both outer walls and the inner corner: (1.5 - r) * sqrt(2) = r.
    assert diameter == pytest.approx(2 * 1.5 * 2**0.5 / (1 + 2**0.5), abs=0.002)
    assert centre[0] == pytest.approx(centre[1], abs=0.005)


def test_rings_without_area_or_with_odd_numbers_have_no_shape() -> None:
    assert shapes.polygon(((0, 0), (1, 1))) is None
    assert shapes.polygon(((0, 0), (1, 1), (2, 2))) is None
    assert shapes.polygon(((0, 0), (1, float("inf")), (2, 2))) is None
    bow = shapes.polygon(((0, 0), (2, 2), (2, 0), (0, 2)))
    assert bow is not None
    assert bow.is_valid


def test_every_fact_that_the_starter_pack_reads_is_defined() -> None:
    pack = yaml.safe_load(PACK.read_text(encoding="utf-8"))
    space = {"st": "IfcBuildingStorey", "b": "IfcBuilding"}
    rules = [rule for rule_set in pack["rule_sets"] for rule in rule_set["rules"]]
    assert len(rules) >= 39
    missing = []
    for rule in rules:
        words = " ".join(str(rule.get(name, "")) for name in ("when", "require", "exceptions"))
        for prefix, name in re.findall(r"\b(e|st|b)\.([a-z][a-z_0-9]*)", words):
            classes = [space[prefix]] if prefix in space else rule["applies_to"]
            missing += [f"{one}.{name}" for one in classes if name not in KNOWN.of(one)]
    assert not missing


def test_every_derivation_of_the_table_exists_and_every_check_gives_known_facts() -> None:
    for definition in BUILT_IN:
        for source in definition.sources:
            kind, _, what = source.partition(":")
            assert kind in ("user", "attribute", "pset", "quantity", "derived"), definition.name
            assert kind != "derived" or what in DERIVATIONS, (definition.name, what)
    names = {definition.name for definition in BUILT_IN}
    for check in CHECKS.values():
        assert {name.partition(".")[2] for name in check.gives} <= names, check.name


def test_the_last_rule_with_factors_gives_them_and_the_rest_stays() -> None:
    factors = {"business": {"factor": 9.3, "basis": "gross"}, "broken": {"factor": 0}, "odd": 3}
    made = parameters([("A", "occupant_load", {"factors": factors}), ("B", "egress_capacity", {})])
    assert (made.factors["business"].area, made.factors_from) == (9.3, "A")
    assert "broken" not in made.factors
    assert made.factors["classroom"] == DEFAULT_FACTORS["classroom"]


def test_functions_have_factors_or_are_not_counted() -> None:
    for function in FUNCTIONS.values():
        assert (function.factor is None) == (not function.occupied), function.name


def test_facts_are_marked_with_what_they_depend_on() -> None:
    levels = {definition.name: definition.level for definition in BUILT_IN}
    expected = {
        "travel_distance": Level.AROUND,
        "exit_count": Level.STOREY,
        "wc_count": Level.BUILDING,
        "existing": Level.PROJECT,
        "riser_height": Level.OWN,
    }
    assert {name: levels[name] for name in expected} == expected
