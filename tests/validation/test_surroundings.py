"""Storeys among each other: their order, what they hand over at stairs, and that a recheck gives the same facts as starting over."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.plans import KNOWN, B, Plan, value
from tests.validation.test_egress import ground, tower
from validation.core.building import Element, Fact, Facts
from validation.core.checks import Parameters
from validation.core.facts import derive
from validation.core.surroundings import EVERYWHERE, Placed, dirty_storeys, joined, levels, of_building, of_storey, recheck, storey_models


def storeys(*heights: float, **given: dict[str, Any]) -> list[Placed]:
    plan = Plan()
    for number, height in enumerate(heights):
        plan.on(f"S{number}", height, **given.get(f"S{number}", {}))
    return [one for one in plan.placed() if one.element.ifc_class == "IfcBuildingStorey"]


def test_the_level_of_exit_discharge_is_stated_or_nearest_to_zero() -> None:
    order = levels(storeys(-3.0, 0.1, 3.0, 6.0))
    assert [(order[name].rank, order[name].below) for name in ("S0", "S1", "S2", "S3")] == [(1, True), (0, False), (1, False), (2, False)]
    assert order["S1"].assumed
    stated = levels(storeys(-3.0, 0.1, 3.0, S2={"on_exit_discharge_level": True}))
    assert [stated[name].rank for name in ("S0", "S1", "S2")] == [2, 1, 0]
    assert not stated["S2"].assumed
    denied = levels(storeys(0.0, 3.0, S0={"on_exit_discharge_level": False}))
    assert denied["S1"].discharge
    assert levels([]) == {}


def test_a_sloping_site_has_two_levels_of_exit_discharge() -> None:
    order = levels(storeys(0.0, 3.0, 6.0, S0={"on_exit_discharge_level": True}, S1={"on_exit_discharge_level": True}))
    assert [order[name].rank for name in ("S0", "S1", "S2")] == [0, 0, 1]


def test_a_stair_joins_the_storeys_at_its_ends() -> None:
    order = levels(storeys(0.0, 3.0, 6.0))
    assert joined(Element(global_id="x", ifc_class="IfcStair", box=(0, 0, 0.1, 1, 1, 3.0)), order) == ("S0", "S1")
    assert joined(Element(global_id="x", ifc_class="IfcStair", box=(0, 0, 0.0, 1, 1, 6.0)), order) == ("S0", "S1", "S2")
    assert joined(Element(global_id="x", ifc_class="IfcStair", connects=("S2", "S1")), order) == ("S1", "S2")
    assert joined(Element(global_id="x", ifc_class="IfcStair"), order) == ()


def test_which_storeys_a_change_touches() -> None:
    order = levels(storeys(0.0, 3.0, 6.0))
    door = Element(global_id="d", ifc_class="IfcDoor", storey="S1")
    assert dirty_storeys(None, door, order) == {"S1"}
    assert dirty_storeys(door, dataclasses.replace(door, storey="S2"), order) == {"S1", "S2"}
    stair = Element(global_id="t", ifc_class="IfcStair", storey="S0", box=(0, 0, 0, 1, 1, 3))
    assert dirty_storeys(stair, dataclasses.replace(stair, tag="9"), order) == {"S0", "S1"}
    assert dirty_storeys(stair, None, order) == {"S0", "S1", "S2"}  # whatever stands above it is in a shorter stack now
    assert dirty_storeys(None, Element(global_id="S1", ifc_class="IfcBuildingStorey", storey="S1"), order) == {"S0", "S1", "S2"}
    assert dirty_storeys(None, dataclasses.replace(door, storey="gone"), order) == set()


def test_sums_of_the_building() -> None:
    one: Facts = {"occupant_load": Fact(value=40, source="s"), "exits_required": Fact(value=2, source="s"), "fire_area": Fact(value=1, source="s")}
    two: Facts = {"occupant_load": Fact(value=600, source="s", assumed=True, note="n"), "exits_required": Fact(value=3, source="s")}
    made = of_building([one, two, {}], B)
    assert (made["occupant_load"].value, made["occupant_load"].assumed, made["exits_required"].value) == (640, True, 3)
    assert made["occupancy"] == B["occupancy"]
    unknown: Facts = {"fire_area": Fact(value=5, source="s")}  # a storey with spaces whose load nobody knows
    assert "occupant_load" not in of_building([one, unknown], B)


def test_a_flight_serves_whom_its_stair_serves() -> None:
    plan = tower()
    plan.elements.append(Element(global_id="flight", ifc_class="IfcStairFlight", storey="S0", box=(20.5, 0.5, 0, 21.5, 5.5, 1.5)))
    facts = plan.facts()
    assert value(facts, "flight", "occupant_load_served") == value(facts, "stair0", "occupant_load_served") == 15
    assert value(facts, "flight", "is_egress") is True


def test_open_stairs_over_two_storeys_add_up() -> None:
    plan = Plan()
    for number in range(3):
        plan.on(f"S{number}", number * 3.0, **({"on_exit_discharge_level": True} if number == 0 else {})).space(f"R{number}", "Office", 0, 0, 20, 10)
        if number < 2:
            plan.stair(f"stair{number}", 17, 0.5, 19.2, 5.5)
    plan.storey, plan.height = "S0", 0.0
    facts = plan.door("out", 10, -0.1, connects=("R0", "")).facts()
    first, second = value(facts, "R1", "travel_distance"), value(facts, "R2", "travel_distance")
    slope = (3**2 + 5**2) ** 0.5
    assert second == pytest.approx(first + slope, abs=0.01)  # the stairs stand above each other: nothing to walk between them
    assert value(facts, "stair0", "occupant_load_served") == 15  # one storey at a time
    assert value(facts, "stair0", "storeys_connected") == 3


class House:
    """A building whose stored facts are kept up to date by rechecks alone."""

    def __init__(self, plan: Plan) -> None:
        self.elements = {element.global_id: element for element in plan.elements}
        self.around: dict[str, Facts] = dict(plan.facts())

    def placed(self) -> list[Placed]:
        return [Placed(element=element, facts=derive(element, KNOWN)) for element in self.elements.values()]

    def change(self, name: str, after: Element | None) -> None:
        order = self._order()
        dirty = dirty_storeys(self.elements.get(name), after, order)
        self.elements.pop(name, None)
        if after is not None:
            self.elements[name] = after
        self._forget(name)
        found = recheck(dirty, order=order, load=self._model, links={storey: value(self.around, storey, "stair_links") or {} for storey in order})
        for storey, facts in found.items():
            for one in [one for one in self.elements.values() if one.storey == storey]:
                self.around.pop(one.global_id, None)
            self.around.update(facts)

    def _order(self) -> Any:
        return levels(one for one in self.placed() if one.element.ifc_class == "IfcBuildingStorey")

    def _forget(self, name: str) -> None:
        self.around.pop(name, None)

    def _model(self, storey: str) -> Any:
        needed = [one for one in self.placed() if one.element.storey == storey or one.element.ifc_class in EVERYWHERE]
        return storey_models(needed, parameters=Parameters(), situation=B, only=[storey])[storey]

    def fresh(self) -> Mapping[str, Facts]:
        return Plan(elements=list(self.elements.values())).facts()


def without_building(facts: Mapping[str, Facts]) -> dict[str, Facts]:
    return {name: one for name, one in facts.items() if name != "house" and one}


EDITS = ("drop door", "narrow door", "rename room", "drop exit", "restore", "drop stair", "shift door")


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 3)), min_size=1, max_size=5))
def test_rechecks_equal_a_full_check(enclosed: bool, edits: list[tuple[str, int]]) -> None:
    plan = tower(4, enclosed=enclosed)
    first = {element.global_id: element for element in plan.elements}
    house = House(plan)
    for what, at in edits:
        edit(house, first, what, at)
        assert without_building(house.around) == without_building(house.fresh()), (what, at)


def edit(house: House, first: Mapping[str, Element], what: str, at: int) -> None:
    names = {
        "drop door": f"dT{at}",
        "narrow door": f"dT{at}",
        "shift door": "out",
        "rename room": f"R{at}",
        "drop exit": "out",
        "drop stair": f"stair{at}",
    }
    if what == "restore":
        for name in sorted(set(first) - set(house.elements)):
            house.change(name, first[name])
        return
    element = house.elements.get(names[what])
    if element is None:
        return
    changed = {
        "narrow door": dataclasses.replace(element, given={"clear_width": 0.7}),
        "rename room": dataclasses.replace(element, name="Classroom"),
        "shift door": dataclasses.replace(element, box=_shifted(element), footprint=None),
    }
    house.change(element.global_id, changed.get(what))


def _shifted(element: Element) -> Any:
    assert element.box is not None
    x0, y0, z0, x1, y1, z1 = element.box
    return (x0 - 0.5, y0, z0, x1 - 0.5, y1, z1)


def test_a_recheck_stops_where_nothing_is_handed_over() -> None:
    """A door's width upstairs is nobody's business on other storeys; losing the exit is."""
    house = House(tower(4, enclosed=False))
    loaded: list[str] = []
    model = house._model

    def counted(storey: str) -> Any:
        loaded.append(storey)
        return model(storey)

    house._model = counted  # type: ignore[method-assign]
    room = house.elements["R2"]
    house.change("R2", dataclasses.replace(room, tag="101"))
    assert loaded == ["S2"]
    loaded.clear()
    house.change("out", None)
    assert sorted(loaded) == ["S0", "S1", "S2", "S3"]


def test_one_storey_alone_does_not_know_what_lies_beyond_its_stairs() -> None:
    plan = tower(2, enclosed=False)
    models = storey_models(plan.placed(), parameters=Parameters(), situation=B)
    assert value(of_storey(models["S1"]), "R1", "reaches_exit") is False
    assert value(of_storey(models["S0"]), "R0", "reaches_exit") is True


def test_surroundings_of_a_stated_fact_are_left_out() -> None:
    facts = ground().space("R", "Office", 0, 0, 6, 8, occupancy="A-3").door("D", 3, -0.1, connects=("R", ""), is_egress=False).facts()
    assert "is_egress" not in facts["D"]
    assert "occupancy" not in facts["R"]
