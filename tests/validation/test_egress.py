"""Ways out of small storeys, measured with a ruler, and what must hold for any storey."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.plans import B, Plan, line_length, rect, value
from validation.core.building import Fact
from validation.core.checks import Parameters, parameters
from validation.core.functions import LoadFactor


def ground() -> Plan:
    return Plan().on("S0", 0.0, on_exit_discharge_level=True)


def close(expected: float, by: float = 0.01) -> Any:
    return pytest.approx(expected, abs=by)


def test_one_room_with_a_door_to_the_open() -> None:
    """From the far corner of 6 x 8 to the middle of the door, and half the wall's thickness."""
    facts = ground().space("R", "Office", 0, 0, 6, 8).door("D", 3, -0.1, connects=("R", "")).facts()
    assert value(facts, "R", "travel_distance") == close(math.hypot(3, 8) + 0.1)
    assert value(facts, "R", "common_path") == value(facts, "R", "travel_distance")
    assert value(facts, "R", "escape_directions") == 1
    assert value(facts, "R", "egress_door_count") == 1
    assert value(facts, "S0", "exit_count") == 1
    assert (value(facts, "D", "leads_to"), value(facts, "D", "is_egress")) == ("outside", True)


def test_the_way_bends_at_the_corner_of_an_l_shaped_corridor() -> None:
    """Arms of 10 m and 12 m, 2 m wide: from the far end one walks along the inner corner (10, 2), not through the wall."""
    ring = ((0, 0), (12, 0), (12, 10), (10, 10), (10, 2), (0, 2))
    facts = ground().space("C", "Corridor", *ring).door("D", -0.1, 1, along="y").facts()
    expected = math.hypot(2, 8) + math.hypot(10, 1) + 0.1  # (12, 10) -> (10, 2) -> (0, 1) -> the door's middle
    assert value(facts, "C", "travel_distance") == close(expected)
    assert value(facts, "C", "travel_path") == [[12, 10, 0], [10, 2, 0], [0, 1, 0], [-0.1, 1, 0]]


def test_the_path_is_as_long_as_the_distance() -> None:
    facts = office_floor().facts()
    for name in ("A", "B1", "C"):
        assert line_length(facts[name]["travel_path"].value) == close(value(facts, name, "travel_distance"))


def office_floor() -> Plan:
    """A corridor of 30 x 2 with exits at both ends; two offices on its northern side, one in the south."""
    return (
        ground()
        .space("C", "Corridor", 0, 0, 30, 2)
        .space("A", "Office", 0, 2.2, 10, 8)
        .space("B1", "Office", 10.2, 2.2, 30, 8)
        .space("S", "Office", 10, -6, 20, -0.2)
        .door("west", -0.1, 1, along="y")
        .door("east", 30.1, 1, along="y")
        .door("dA", 5, 2.1)
        .door("dB", 25, 2.1)
        .door("dS", 15, -0.1)
    )


def test_two_exits_share_the_floor() -> None:
    facts = office_floor().facts()
    assert value(facts, "S0", "exit_count") == 2
    assert value(facts, "A", "travel_distance") == close(math.hypot(5, 5.8) + 0.2 + math.hypot(5, 1) + 0.1)
    assert value(facts, "A", "common_path") == close(math.hypot(5, 5.8) + 0.1)  # at the door one may go left or right
    assert value(facts, "A", "escape_directions") == 2
    assert value(facts, "C", "dead_end_length") == 0
    assert value(facts, "C", "travel_distance") == close(math.hypot(15, 1) + 0.1)  # from the middle of a long wall


def test_a_stub_of_a_corridor_is_a_dead_end_up_to_its_mouth() -> None:
    """A T: 30 m with exits at both ends, and a stub of 10 m in the middle."""
    ring = ((0, 0), (30, 0), (30, 2), (16, 2), (16, 12), (14, 12), (14, 2), (0, 2))
    plan = ground().space("C", "Corridor", *ring).door("west", -0.1, 1, along="y").door("east", 30.1, 1, along="y")
    plan.space("R", "Office", 10, 12.2, 20, 16).door("D", 15, 12.1)
    facts = plan.facts()
    assert value(facts, "C", "dead_end_length") == close(10)
    assert value(facts, "R", "common_path") == close(math.hypot(5, 3.8) + 0.1 + 10)
    assert value(facts, "R", "escape_directions") == 2
    assert facts["C"]["dead_end_line"].value == [[15, 12, 0], [15, 2, 0]]


def test_an_exit_in_the_side_of_a_straight_corridor_ends_the_dead_end() -> None:
    plan = ground().space("C", "Corridor", 0, 0, 30, 2).door("west", -0.1, 1, along="y").door("side", 10, -0.1)
    facts = plan.facts()
    assert value(facts, "C", "dead_end_length") == close(20)
    assert value(facts, "C", "common_path") == close(20)


def test_with_one_exit_only_the_whole_way_is_common() -> None:
    plan = ground().space("C", "Corridor", 0, 0, 30, 2).door("west", -0.1, 1, along="y").space("R", "Office", 20, 2.2, 30, 8).door("D", 25, 2.1)
    facts = plan.facts()
    assert value(facts, "C", "dead_end_length") == close(30)
    assert value(facts, "R", "common_path") == value(facts, "R", "travel_distance")
    assert value(facts, "R", "escape_directions") == 1


def test_nobody_is_sent_through_an_office_to_shorten_a_dead_end() -> None:
    """The office at the end has a second door to another corridor; for people of the corridor that is no way out."""
    plan = (
        ground()
        .space("C", "Corridor", 0, 0, 30, 2)
        .space("K", "Corridor", 0, 8.2, 30, 10)
        .space("R", "Office", 20, 2.2, 30, 8)
        .door("out1", -0.1, 1, along="y")
        .door("out2", -0.1, 9, along="y")
        .door("d1", 25, 2.1)
        .door("d2", 25, 8.1)
    )
    facts = plan.facts()
    assert value(facts, "C", "dead_end_length") == close(30)
    assert value(facts, "R", "common_path") == 0  # people of the office themselves may choose
    assert value(facts, "R", "egress_door_count") == 2


def test_an_inner_room_goes_through_the_outer_one() -> None:
    plan = (
        ground().space("outer", "Office", 0, 0, 10, 10).space("inner", "Storage", 10.2, 0, 14, 10).door("in", 10.1, 5, along="y").door("out", 5, -0.1)
    )
    facts = plan.facts()
    assert value(facts, "inner", "egress_door_count") == 1
    assert value(facts, "outer", "egress_door_count") == 1  # the store's door is no way out
    # (14, 0) -> (10.2, 5) -> the door's middle (10.1, 5) -> (10, 5) -> (5, 0) -> the door
    assert value(facts, "inner", "travel_distance") == close(math.hypot(3.8, 5) + 0.2 + math.hypot(5, 5) + 0.1)
    assert value(facts, "outer", "in_egress_path") is True


def test_a_courtyard_is_walked_around() -> None:
    """A corridor of 2 m around a court of 8 x 6, the ring given with a slit to the inner edge; one exit in the west."""
    ring = ((0, 0), (12, 0), (12, 10), (0, 10), (0, 0), (2, 2), (2, 8), (10, 8), (10, 2), (2, 2))
    plan = ground().space("C", "Corridor", *ring).door("out", -0.1, 5, along="y")
    plan.space("R", "Office", 12.2, 0, 16, 10).door("D", 12.1, 5, along="y")
    facts = plan.facts()
    around_the_court = math.hypot(2, 3) + 8 + math.hypot(2, 3)  # (12, 5) -> (10, 2) -> (2, 2) -> (0, 5)
    assert value(facts, "R", "travel_distance") == close(math.hypot(3.8, 5) + 0.2 + around_the_court + 0.1)
    # There are two ways around, but both end at the one exit.
    assert value(facts, "R", "escape_directions") == 1


def test_a_door_into_a_closed_court_is_no_exit() -> None:
    """Beyond the door there is no space, but the building goes on all around it."""
    plan = ground().space("R", "Office", 0, 0, 6, 6).space("W", "Office", -4, 0, -0.2, 20).space("E", "Office", 6.2, 0, 10, 20)
    plan.space("Q", "Office", 0, 14, 6, 20).door("D", 3, 6.1)
    facts = plan.facts()
    assert value(facts, "D", "leads_to") == "unknown"
    assert value(facts, "R", "reaches_exit") is False
    assert "travel_distance" not in facts["R"]
    assert plan.without("Q").facts()["R"]["reaches_exit"].value is True


def test_a_room_without_a_door_is_a_fact_and_no_crash() -> None:
    plan = office_floor().space("cell", "Office", 40, 40, 44, 44)
    facts = plan.facts()
    assert value(facts, "cell", "reaches_exit") is False
    assert value(facts, "cell", "egress_door_count") == 0
    assert "travel_distance" not in facts["cell"]
    assert value(facts, "cell", "occupant_load") == 2  # 16 m² / 13.94


def test_a_door_without_spaces_and_elements_without_geometry() -> None:
    plan = office_floor().door("lonely", 100, 100)
    plan.elements.append(plan.elements[-1].__class__(global_id="bare", ifc_class="IfcDoor", storey="S0"))
    plan.elements.append(
        plan.elements[-1].__class__(global_id="flat", ifc_class="IfcSpace", storey="S0", footprint=((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)))
    )
    facts = plan.facts()
    assert "lonely" not in facts
    assert "bare" not in facts
    assert "travel_distance" not in facts["flat"]
    assert value(facts, "A", "travel_distance") is not None


def test_an_empty_building_has_no_surroundings() -> None:
    assert Plan().facts() == {"house": B}
    assert value(Plan().on("S0", 0.0).facts(), "S0", "exit_count") == 0


def test_sides_are_found_by_geometry_and_say_so() -> None:
    facts = office_floor().facts()
    assert facts["A"]["travel_distance"].assumed
    assert "by their place" in facts["A"]["travel_distance"].note
    related = ground().space("R", "Office", 0, 0, 6, 8).door("D", 3, -0.1, connects=("R", ""), is_external=True).facts()
    assert not related["R"]["travel_distance"].assumed


def test_at_a_junction_of_walls_the_door_joins_what_lies_across_it() -> None:
    """Three rooms meet beside the door; only two are opposite each other."""
    plan = (
        ground()
        .space("A", "Office", 0, 0, 5, 5)
        .space("B", "Office", 5.2, 0, 10, 5)
        .space("C", "Corridor", 0, 5.2, 10, 7)
        .door("D", 4.3, 5.1)
        .door("E", -0.1, 6, along="y")
    )
    facts = plan.facts()
    assert value(facts, "A", "reaches_exit") is True
    assert value(facts, "B", "reaches_exit") is False


def test_an_open_edge_without_a_wall_is_walked_through() -> None:
    plan = (
        ground()
        .space("A", "Office", 0, 0, 5, 5)
        .space("B", "Lobby", 5, 0, 10, 5)
        .door("out", 10.1, 2.5, along="y")
        .wall("W", 4.9, 0, 5.1, 3)
        .wall("N", 0, 5, 10, 5.2)
    )
    facts = plan.facts()
    assert value(facts, "A", "reaches_exit") is True
    walled = plan.wall("W2", 4.9, 3, 5.1, 5).facts()
    assert value(walled, "A", "reaches_exit") is False


def test_an_opening_is_a_way_and_one_in_a_sill_is_not() -> None:
    plan = ground().space("A", "Office", 0, 0, 5, 5).space("B", "Lobby", 5.2, 0, 10, 5).door("out", 10.1, 2.5, along="y")
    opening = plan.add("O", "IfcOpeningElement", rect(5, 2, 5.2, 3), top=2.1)
    assert value(opening.facts(), "A", "reaches_exit") is True
    plan.elements[-1] = plan.elements[-1].__class__(
        global_id="O", ifc_class="IfcOpeningElement", storey="S0", footprint=rect(5, 2, 5.2, 3), box=(5, 2, 0.9, 5.2, 3, 2.1)
    )
    assert value(plan.facts(), "A", "reaches_exit") is False


def test_a_door_that_is_not_external_by_default_leads_out_when_nothing_is_in_the_way() -> None:
    """Authoring programs write IsExternal = false for every door.

    With walls in the model geometry tells better, without any the model is believed.
    """

    def room() -> Plan:
        plan = ground().space("R", "Office", 0, 0, 6, 8)
        return plan.add("D", "IfcDoor", rect(2.5, -0.2, 3.5, 0), properties={"Pset_DoorCommon.IsExternal": False})

    assert value(room().facts(), "D", "leads_to") == "unknown"
    walled = room().wall("W", -0.2, -0.2, 6.2, 0)
    facts = walled.facts()
    assert value(facts, "D", "leads_to") == "outside"
    assert facts["R"]["travel_distance"].assumed
    boxed = walled.wall("S", -5, -4, 11, -3.8).wall("E", 11, -4, 11.2, 8).wall("V", -5.2, -4, -5, 8)  # a room without a space in front of it
    assert value(boxed.facts(), "D", "leads_to") == "unknown"


def test_loads_come_from_the_rulebooks_factors() -> None:
    """58 m²: 150 sq ft a person gives 5, 100 sq ft a person gives 7."""
    plan = office_floor()
    assert value(plan.facts(), "A", "occupant_load") == 5
    older = parameters([("OLD-1004", "occupant_load", {"factors": {"business": {"factor": 9.29, "basis": "gross"}}})])
    facts = plan.facts(parameters=older)
    assert value(facts, "A", "occupant_load") == 7
    assert "OLD-1004" in facts["A"]["occupant_load"].note


def test_a_full_square_metre_is_not_rounded_up_twice() -> None:
    exact = Parameters(factors={"business": LoadFactor(2.0, "gross")}, factors_from="R")
    assert value(ground().space("R", "Office", 0, 0, 5, 4).facts(parameters=exact), "R", "occupant_load") == 10


def test_people_walk_to_the_nearest_exit_and_doors_count_them() -> None:
    facts = office_floor().facts()
    people = {name: value(facts, name, "occupant_load") for name in ("A", "B1", "S")}
    assert people == {"A": 5, "B1": 9, "S": 5}
    assert value(facts, "dB", "occupant_load_served") == 9
    assert value(facts, "west", "occupant_load_served") + value(facts, "east", "occupant_load_served") == 19
    assert value(facts, "C", "occupant_load_served") == 19
    assert value(facts, "S0", "occupant_load") == 19
    assert value(facts, "house", "occupant_load") == 19


def test_two_doors_of_a_room_share_its_people() -> None:
    plan = office_floor().door("dB2", 14, 2.1)
    facts = plan.facts()
    assert (value(facts, "dB", "occupant_load_served"), value(facts, "dB2", "occupant_load_served")) == (5, 5)  # 4.5 each


def test_a_storey_whose_rooms_have_no_names_has_no_load() -> None:
    facts = office_floor().space("X", "", 50, 0, 80, 20).door("dX", 65, -0.1).facts()
    assert "occupant_load" not in facts["S0"]
    assert "occupant_load_served" not in facts["west"]
    assert "occupant_load" not in facts["house"]
    assert value(facts, "A", "travel_distance") is not None


def test_stated_numbers_win() -> None:
    more = ground().space("R", "Office", 0, 0, 6, 8, declared_occupants=30).facts()
    fewer = ground().space("R", "Office", 0, 0, 6, 8, declared_occupants=1).facts()
    agreed = ground().space("R", "Office", 0, 0, 6, 8, declared_occupants=1, load_reduction_approved=True).facts()
    assert [value(facts, "R", "occupant_load") for facts in (more, fewer, agreed)] == [30, 4, 1]
    stated = office_floor().space("Z", "Office", 50, 0, 52, 2, occupant_load=77, travel_distance=5).facts()
    assert "travel_distance" not in stated["Z"]
    assert value(stated, "S0", "occupant_load") == 96


def tower(storeys: int = 3, *, enclosed: bool = True) -> Plan:
    """Offices of 20 x 10 over each other; a stair of 3 x 6 at their eastern side, in its own room or open in the office."""
    plan = Plan()
    for number in range(storeys):
        plan.on(f"S{number}", number * 3.0, **({"on_exit_discharge_level": True} if number == 0 else {}))
        plan.space(f"R{number}", "Office", 0, 0, 20, 10)
        if enclosed:
            plan.space(f"T{number}", "Stair A", 20.2, 0, 23, 6).door(f"dT{number}", 20.1, 3, along="y")
        if number < storeys - 1:
            plan.stair(f"stair{number}", *((20.5, 0.5, 22.7, 5.5) if enclosed else (17, 0.5, 19.2, 5.5)))
    plan.storey, plan.height = "S0", 0.0
    if enclosed:
        plan.door("out", 21.6, -0.1, connects=("T0", ""))
    else:
        plan.door("out", 10, -0.1, connects=("R0", ""))
    return plan


def test_an_exit_stair_is_the_exit_upstairs() -> None:
    facts = tower().facts()
    assert value(facts, "R2", "travel_distance") == close(math.hypot(20, 7) + 0.1)
    assert value(facts, "S2", "exit_count") == 1
    assert value(facts, "dT2", "leads_to") == "exit_stair"
    assert value(facts, "T2", "travel_distance") == 0
    # Downstairs the stair is a room on the way to the open.
    assert value(facts, "R0", "travel_distance") == close(math.hypot(20, 7) + 0.2 + math.hypot(1.4, 3) + 0.1)


def test_stairs_serve_the_worst_single_storey() -> None:
    plan = tower().space("more", "Office", 0, 10, 20, 20)  # on the ground, with no door
    facts = plan.facts()
    per_storey = value(facts, "R1", "occupant_load")
    assert per_storey == 15
    assert value(facts, "stair0", "occupant_load_served") == 15
    assert value(facts, "stair1", "occupant_load_served") == 15
    assert value(facts, "out", "occupant_load_served") == 30  # those of the ground, and one storey that comes down
    assert value(facts, "stair0", "storeys_connected") == 3


def test_an_open_stair_is_walked_to_the_exit() -> None:
    facts = tower(2, enclosed=False).facts()
    slope = math.hypot(3, 5)  # 3 m up over a stair that is 5 m long
    down = math.hypot(8.1, 3) + 0.1  # from the stair's middle (18.1, 3) to the door (10, 0)
    assert value(facts, "R1", "travel_distance") == close(math.hypot(18.1, 7) + slope + down)
    assert value(facts, "S1", "exit_count") == 1
    assert value(facts, "out", "occupant_load_served") == 30


def test_without_an_exit_below_nobody_gets_out_above() -> None:
    facts = tower(2, enclosed=False).without("out").facts()
    assert value(facts, "R1", "reaches_exit") is False
    assert value(facts, "S1", "exit_count") == 0


def test_a_door_to_the_open_upstairs_is_no_exit_unless_stated() -> None:
    plan = tower().on("S3", 9.0).space("R3", "Office", 0, 0, 10, 10).door("balcony", 5, -0.1, connects=("R3", ""), is_external=True)
    assert value(plan.facts(), "R3", "reaches_exit") is False
    stated = tower().on("S3", 9.0).space("R3", "Office", 0, 0, 10, 10).door("bridge", 5, -0.1, connects=("R3", ""), is_exit=True)
    assert value(stated.facts(), "R3", "reaches_exit") is True


def test_corridor_walls_know_whom_the_corridor_serves() -> None:
    facts = office_floor().wall("inner", 0, 2, 10, 2.2, rating="1 HR").wall("facade", -0.2, 2.2, 0, 8).facts()
    assert value(facts, "inner", "bounds_corridor") is True
    assert value(facts, "inner", "corridor_load") == 19
    assert value(facts, "facade", "bounds_corridor") is False


def test_walls_of_an_exit_stair() -> None:
    plan = tower(4)
    plan.storey, plan.height = "S1", 3.0
    facts = plan.wall("W", 20, 0, 20.2, 6).facts()
    assert value(facts, "W", "bounds_exit_stair") is True
    assert value(facts, "W", "storeys_connected") == 4


def test_a_wheelchair_turns_beside_the_bowl() -> None:
    """2.2 x 2.0 with a bowl of 0.4 x 0.7 in a corner: the widest circle lies against the two far walls and the bowl's corner."""
    plan = (
        ground()
        .space("WC", "Accessible toilet", 0, 0, 2.2, 2.0)
        .add("bowl", "IfcSanitaryTerminal", rect(0.2, 1.3, 0.6, 2.0), top=0.4, predefined_type="TOILETPAN")
    )
    facts = plan.facts()
    x, y, r = 1.2, 1.0, 1.0  # the room's own circle of 2.0 would reach the bowl's corner (0.6, 1.3)
    assert math.dist((x, y), (0.6, 1.3)) < r
    assert 1.6 < value(facts, "WC", "max_free_circle") < 2.0
    assert value(facts, "bowl", "accessible") is True
    assert (value(facts, "bowl", "clear_x"), value(facts, "bowl", "clear_y")) == (close(2.2), close(2.0))
    assert value(facts, "house", "wc_count") == 1
    small = ground().space("WC", "Toilet", 0, 0, 1.2, 1.4).facts()
    assert value(small, "WC", "t_turn_fits") is False
    assert value(facts, "WC", "t_turn_fits") is True


def test_accessible_routes_rescue_openings_and_drops_are_assumed_where_nothing_is_said() -> None:
    plan = office_floor().space("store", "Storage", 22, -6, 28, -0.2).door("dStore", 25, -0.1).space("bed", "Bedroom", 40, 0, 46, 6)
    plan.add("window", "IfcWindow", rect(2, 8, 4, 8.2)).add("bedroom window", "IfcWindow", rect(42, 6, 44, 6.2))
    plan.on("S1", 3.6).add("guard", "IfcRailing", rect(0, 0, 5, 0.05), top=0.9, predefined_type="GUARDRAIL")
    plan.add("handrail", "IfcRailing", rect(0, 1, 5, 1.05), top=0.9, predefined_type="HANDRAIL")
    facts = plan.facts()
    assert [value(facts, name, "on_accessible_route") for name in ("dA", "west", "dStore")] == [
        True,
        True,
        None,
    ]  # nobody said that storage is on none
    assert facts["dA"]["on_accessible_route"].assumed
    assert value(facts, "window", "is_eero") is False
    assert "is_eero" not in facts["bedroom window"]  # which of a bedroom's windows serves is for the model to say
    assert value(facts, "guard", "drop") == 3.6
    assert "handrail" not in facts


def test_a_zone_adds_up_its_spaces() -> None:
    plan = office_floor()
    plan.elements.append(plan.elements[0].__class__(global_id="Z", ifc_class="IfcZone", connects=("A", "S")))
    facts = plan.facts()
    assert value(facts, "Z", "fire_area") == close(116)
    assert value(facts, "Z", "fire_area_load") == 10
    assert value(facts, "Z", "occupancy") == "B"
    assert value(facts, "Z", "on_exit_discharge_level") is True


_DISTANCES = ("travel_distance", "common_path", "dead_end_length")


@st.composite
def floors(draw: st.DrawFn) -> Plan:
    """A corridor with rooms on both sides, some of them L-shaped, and at least one exit."""
    rooms = draw(st.integers(2, 6))
    wide = draw(st.sampled_from([1.5, 2.0, 2.4]))
    plan = ground().space("C", "Corridor", 0, 0, rooms * 5.0, wide)
    for at in range(rooms):
        x, deep = at * 5.0, draw(st.sampled_from([4.0, 6.0]))
        y = wide + 0.2
        ring = rect(x, y, x + 4.8, y + deep)
        if draw(st.booleans()):
            ring = ((x, y), (x + 2.4, y), (x + 2.4, y + 2), (x + 4.8, y + 2), (x + 4.8, y + deep), (x, y + deep))
        plan.space(f"R{at}", draw(st.sampled_from(["Office", "Meeting room", "Storage"])), *ring).door(f"D{at}", x + 1.2, wide + 0.1)
    for name in sorted(draw(st.sets(st.sampled_from(["west", "east"]), min_size=1))):
        plan.door(name, -0.1 if name == "west" else rooms * 5.0 + 0.1, wide / 2, along="y", width=0.9)
    return plan


@settings(max_examples=25, deadline=None)
@given(floors(), st.floats(0, 6.28), st.floats(-500, 500), st.floats(-500, 500))
def test_moving_and_turning_the_building_changes_nothing(plan: Plan, turned: float, x: float, y: float) -> None:
    before, after = plan.facts(), plan.moved(by=(x, y), turned=turned).facts()
    assert before.keys() == after.keys()
    for name, facts in before.items():
        assert facts.keys() == after[name].keys(), name
        for fact in _DISTANCES:
            if fact in facts:
                assert after[name][fact].value == close(facts[fact].value, 0.02), (name, fact)
        for fact in ("occupant_load", "occupant_load_served", "egress_door_count", "exit_count", "escape_directions", "leads_to", "is_egress"):
            assert value(after, name, fact) == value(before, name, fact), (name, fact)


@settings(max_examples=25, deadline=None)
@given(floors(), st.integers(0, 5))
def test_another_exit_never_makes_a_way_longer(plan: Plan, room: int) -> None:
    names = [element.global_id for element in plan.elements if element.global_id.startswith("R")]
    at = room % len(names)
    before = plan.facts()
    ring = next(element.footprint for element in plan.elements if element.global_id == names[at])
    assert ring is not None
    top = max(y for _, y in ring)
    after = plan.door("new", at * 5.0 + 1.2, top + 0.1).facts()
    for name in (*names, "C"):
        assert value(after, name, "travel_distance") <= value(before, name, "travel_distance") + 0.02


@settings(max_examples=15, deadline=None)
@given(floors())
def test_the_way_never_leaves_the_floor(plan: Plan) -> None:
    import shapely

    bodies = [shapely.Polygon(element.footprint) for element in plan.elements if element.footprint]
    floor = shapely.union_all(bodies).buffer(0.01)
    for facts in plan.facts().values():
        if "travel_path" in facts:
            assert floor.covers(shapely.LineString([point[:2] for point in facts["travel_path"].value]))


@settings(max_examples=15, deadline=None)
@given(floors())
def test_the_common_path_is_a_part_of_the_way(plan: Plan) -> None:
    for facts in plan.facts().values():
        if "travel_distance" in facts and "common_path" in facts:
            assert 0 <= facts["common_path"].value <= facts["travel_distance"].value + 1e-9


@settings(max_examples=15, deadline=None)
@given(floors())
def test_everybody_leaves_once(plan: Plan) -> None:
    facts = plan.facts()
    out = sum(value(facts, name, "occupant_load_served") for name in ("west", "east") if name in facts)
    assert 0 <= out - value(facts, "S0", "occupant_load") <= 1  # shares of a person count as one


def test_twice_as_large_is_twice_as_far() -> None:
    import dataclasses

    plan = office_floor()
    double = Plan(
        elements=[
            dataclasses.replace(
                one,
                footprint=tuple((2 * x, 2 * y) for x, y in one.footprint),
                box=tuple(2 * part for part in one.box),  # type: ignore[arg-type]
            )
            if one.footprint and one.box
            else one
            for one in plan.elements
        ]
    )
    before, after = plan.facts(), double.facts()
    for name in ("A", "B1", "C"):
        assert value(after, name, "travel_distance") == close(2 * value(before, name, "travel_distance"), 0.05)


def test_the_project_gives_the_building_its_group() -> None:
    facts = office_floor().facts(situation={"occupancy": Fact(value="M", source="project")})
    assert value(facts, "C", "occupancy") == "M"
    assert "occupancy" not in facts["A"]  # an office says itself what it is
