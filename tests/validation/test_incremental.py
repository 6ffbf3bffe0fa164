"""Judged again after changes is judged from the start: the oracle of incremental checks, over random sequences of edits."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.validation import small_building as small
from tests.validation.small_building import GROUND, STOREYS, UPPER
from validation.core import incremental
from validation.core.building import Element, Facts
from validation.core.incremental import Standing
from validation.core.rules import Judgement, Outcome, Severity

ORIGINAL = {element.global_id: element for element in small.elements()}
BOOK = small.book()
Edit = Callable[[Standing], incremental.Changes]


def full(elements: Any, situation: Facts | None = None) -> Standing:
    return incremental.full(BOOK, elements, definitions=small.KNOWN, situation=small.situation() if situation is None else situation)


@lru_cache
def first() -> Standing:
    return full(small.elements())


def start() -> Standing:
    """The standing of the original building; rechecks change it in place."""
    standing = copy.copy(first())
    for name in ("elements", "own", "around"):
        setattr(standing, name, dict(getattr(standing, name)))
    for name in ("members", "classes", "parts"):
        setattr(standing, name, {key: set(values) for key, values in getattr(standing, name).items()})
    standing.judgements = {key: dict(values) for key, values in standing.judgements.items()}
    return standing


def comparable(standing: Standing) -> Any:
    around = {name: facts for name, facts in standing.around.items() if facts and name != "house"}
    judgements = {name: rules for name, rules in standing.judgements.items() if rules}
    return judgements, around, standing.b.facts, standing.results().sha256()


PART = {"Attributes.PartOf": "stair"}
EXTRA = {
    "side door 0": small.door(GROUND, "side door", 11, 0, "corridor", ""),
    "closet 0": small.space(GROUND, "closet", 12, 0, 3, 2, function="storage"),
    "balcony door 1": small.door(UPPER, "balcony door", 3, 7, "office", ""),
    "zone 2": small.element("zone 2", "IfcZone", "", connects=("office 1",)),
    "stair 2": small.element("stair 2", "IfcStair", UPPER, (0, 0, 0, 2, 2, 3), connects=(GROUND, UPPER)),
    "flight": small.element(
        "flight", "IfcStairFlight", GROUND, (10, 0, 0, 12, 2, 3), properties=PART, given={"tread_length": 0.28, "clear_width": 0.9}
    ),
    "wall 1": small.element("wall 1", "IfcWall", UPPER, (0, 1.9, 3, 12, 2.1, 5.8)),
}
NAMES = sorted({**ORIGINAL, **EXTRA})
DOORS = [name for name in NAMES if "door" in name or name == "exit 0"]
SPACES = [name for name in NAMES if name.startswith(("office ", "hall ", "corridor ", "closet ")) and "door" not in name]
WIDTHS = st.sampled_from([0.7, 0.85, 0.9, 1.0, 1.3])
FACTS = st.one_of(
    st.tuples(st.just("clear_width"), WIDTHS | st.none()),
    st.tuples(st.just("declared_occupants"), st.sampled_from([0, 5, 200]) | st.none()),
    st.tuples(st.just("function"), st.sampled_from(["business", "assembly_chairs", "corridor"]) | st.none()),
    st.tuples(st.just("occupant_load"), st.sampled_from([1, 55]) | st.none()),
    st.tuples(st.just("fire_rating_min"), st.sampled_from([30, 60])),
    st.tuples(st.just("is_egress"), st.booleans()),
)


def changed(name: str, change: Callable[[Element], Element]) -> Edit:
    """Of an element that is there; nothing when it is gone."""
    return lambda standing: {name: change(standing.elements[name])} if name in standing.elements else {}


def stated(name: str, fact: tuple[str, Any]) -> Edit:
    def change(element: Element) -> Element:
        given = {key: value for key, value in {**element.given, fact[0]: fact[1]}.items() if value is not None}
        return replace(element, given=given)

    return changed(name, change)


def lifted(name: str, elevation: float) -> Edit:
    return changed(name, lambda one: replace(one, properties={"Attributes.Elevation": elevation}))


def resized(name: str, width: float) -> Edit:
    def change(element: Element) -> Element:
        box = element.box or (0, 0, 0, 1, 1, 3)
        box = (box[0], box[1], box[2], box[0] + width, box[4], box[5])
        return replace(element, box=box, footprint=small.outline(box), properties={**element.properties, "Attributes.OverallWidth": width})

    return changed(name, change)


names, spaces, doors = st.sampled_from(NAMES), st.sampled_from(SPACES), st.sampled_from(DOORS)
movable = st.sampled_from(sorted({*DOORS, *SPACES, "stair", "wall"}))
storeys, elevations = st.sampled_from([*STOREYS, ""]), st.sampled_from([-3.0, 0.0, 3.0])
edits: st.SearchStrategy[Edit] = st.one_of(
    st.builds(stated, names, FACTS),
    st.builds(resized, doors, WIDTHS),
    st.builds(resized, spaces, st.sampled_from([2.0, 5.5, 12.0])),
    st.builds(lambda name: lambda standing: {name: None}, names),
    st.builds(lambda name: lambda standing: {name: {**ORIGINAL, **EXTRA}[name]}, names),
    st.builds(lambda name, storey: changed(name, lambda one: replace(one, storey=storey)), movable, storeys),
    st.builds(lambda name, sides: changed(name, lambda one: replace(one, connects=sides)), doors, st.tuples(spaces, spaces | st.just(""))),
    st.builds(lambda members: changed("zone", lambda one: replace(one, connects=tuple(members))), st.lists(spaces, max_size=3, unique=True)),
    st.builds(lambda whole: changed("flight", lambda one: replace(one, properties={"Attributes.PartOf": whole})), st.sampled_from(["stair", ""])),
    st.builds(lambda joins: changed("stair", lambda one: replace(one, connects=joins)), st.sampled_from([(), (GROUND, UPPER), (GROUND,)])),
    st.builds(lifted, st.sampled_from([GROUND, UPPER]), elevations),
    st.builds(lambda name, text: changed(name, lambda one: replace(one, name=text)), names, st.sampled_from(["A", "B"])),
)  # fmt: skip
situations = st.builds(
    lambda wet, old, group, high: small.situation(sprinklered_nfpa13=wet, existing=old, occupancy=group, storeys_above=high),
    st.booleans() | st.none(),
    st.booleans(),
    st.sampled_from(["B", "A-2"]),
    st.none() | st.just(5),
)
steps = st.lists(st.tuples(st.lists(edits, max_size=3), st.none() | situations | st.none()), min_size=1, max_size=4)


@pytest.mark.timeout(900)
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
def test_after_any_edits_it_is_what_a_full_check_finds(sequence: list[tuple[list[Edit], Facts | None]]) -> None:
    standing = start()
    for batch, situation in sequence:
        changes: dict[str, Element | None] = {}
        for edit in batch:
            changes |= edit(standing)
        incremental.recheck(standing, changes, situation=situation)
    again = full(standing.elements.values(), standing.situation)
    assert comparable(standing) == comparable(again)


def test_an_edit_of_a_door_judges_that_door_and_what_its_facts_change() -> None:
    standing = start()
    before = standing.judged
    touched = incremental.recheck(standing, stated("office door 1", ("clear_width", 1.0))(standing))
    assert touched == {"office door 1"}
    assert standing.judged - before == len(BOOK.of_class("IfcDoor"))


def test_more_people_in_a_room_reach_its_storey_and_the_building_but_not_other_rooms() -> None:
    standing = start()
    touched = incremental.recheck(standing, stated("office 0", ("declared_occupants", 3))(standing))
    assert "office 0" in touched
    assert "hall door 1" not in touched
    touched = incremental.recheck(standing, stated("hall 1", ("occupant_load", 90))(standing))
    assert {"hall 1", UPPER, GROUND, "house", "stair"} <= touched
    assert standing.judgements["house"]["HOUSE"].outcome is Outcome.FAIL
    assert "wall" not in touched


def test_nothing_changed_is_nothing_judged() -> None:
    standing = start()
    assert incremental.recheck(standing, {"office door 0": standing.elements["office door 0"], "never there": None}) == set()


def test_what_is_gone_has_no_findings() -> None:
    standing = start()
    incremental.recheck(standing, {"hall door 0": None})
    assert "hall door 0" not in standing.judgements
    assert not [key for key in standing.results().findings if key[1] == "hall door 0"]


def test_rules_that_are_judged_elsewhere_are_counted_with_the_others() -> None:
    one = Judgement(rule="IDS-1", subject="wall", outcome=Outcome.FAIL, severity=Severity.MINOR)
    with_it = incremental.full(BOOK, small.elements(), definitions=small.KNOWN, situation=small.situation(), elsewhere=(one,)).results()
    assert with_it.counts["IDS-1"]["fail"] == 1
    assert with_it.findings["IDS-1", "wall"] is one


def test_the_same_building_has_the_same_hash_in_any_order() -> None:
    assert full(reversed(small.elements())).results().sha256() == full(small.elements()).results().sha256()


def test_the_same_building_has_the_same_hash_in_every_process() -> None:
    """Sets and maps are in another order in each of them."""
    source = "from tests.validation import test_incremental as t; print(t.full(t.small.elements()).results().sha256())"
    texts = {
        subprocess.run([sys.executable, "-c", source], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert texts == {f"{full(small.elements()).results().sha256()}\n"}
