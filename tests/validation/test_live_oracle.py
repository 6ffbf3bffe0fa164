"""After any edits and rechecks, in any order: findings, counts and score are those of a fresh check of the whole model."""

import random
from typing import Any

import pytest

from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.validation.live_scene import (
    FRAME,
    GROUND,
    RULES,
    UPPER,
    Plugin,
    building,
    delete,
    door,
    full,
    person,
    rule,
    settle,
    space,
    storey,
    there,
    width,
)
from validation.core import score
from validation.core.rules import Outcome
from validation.models import Building, Element
from validation.services import evaluating, rulebook
from validation.services.findings import THERE

pytestmark = pytest.mark.django_db
SEQUENCES, EDITS, COMPARED = 25, 40, 4  # a thousand edits, compared a hundred times


def check(key: str, name: str, applies_to: str, require: str, **more: Any) -> dict[str, Any]:
    """A rule of kind python: the registered check finds the facts, over the geometry of a whole storey."""
    return rule(key, applies_to, require, kind="python", check_name=name, category="egress", **more)


FACTORS = {"business": {"factor": 5.0, "basis": "gross"}, "storage": {"factor": 28.0, "basis": "gross"}}
EGRESS = (
    check("TRAVEL", "exit_access_travel_distance", "IfcSpace", "e.travel_distance <= p.max", params={"max": {"value": 12.0, "unit": "m"}}),
    check("CAPACITY", "egress_capacity", "IfcDoor", "e.clear_width >= e.occupant_load_served * p.each", when="e.is_egress",
          params={"each": {"value": 0.01, "unit": "m"}}),
    check("ONE-WAY-OUT", "space_egress_doors", "IfcSpace", "e.occupant_load <= p.max && e.common_path <= p.path", when="e.egress_door_count <= 1",
          params={"max": {"value": 20, "unit": "persons"}, "path": {"value": 10.0, "unit": "m"}}),
    check("EXITS", "exits_per_storey", "IfcBuildingStorey", "st.exit_count >= 2", when="st.occupant_load > 0"),
    check("LOAD", "occupant_load", "IfcSpace", "e.occupant_load <= 30", when="e.function in p.factors",
          params={"factors": {"value": FACTORS, "unit": "m2/person"}}),
)  # fmt: skip


def fresh(on: Building) -> evaluating.Evaluation:
    on.refresh_from_db()
    return evaluating.evaluate(on, rulebook.rulebook_of(on), seq=on.head_seq)


def agree(on: Building) -> None:
    found = fresh(on)
    assert not on.dirty_storeys
    assert there(on) == {(one.rule, one.subject): one.outcome.value for one in found.findings if one.outcome in THERE}
    counted = {key: held for key, held in on.counts.items() if any(held.values())}
    assert counted == {key: held for key, held in found.counts.items() if any(held.values())}
    expected = score.of(found.counts, found.ground.book.by_key)
    assert (on.score, on.coverage) == (expected.score, expected.coverage)
    assert not Element.objects.filter(building=on, valid_to_seq=None).exclude(deferred={}).exists()


class Draughtsman:
    """Makes the next edit: adds, moves, widens, deletes doors and spaces on two storeys."""

    def __init__(self, dice: random.Random) -> None:
        self.dice, self.number = dice, 0
        self.doors: list[str] = []
        self.spaces: list[str] = []

    def edit(self) -> list[dict[str, Any]]:
        kinds = [self.add_space, self.add_door, self.add_door]
        kinds += [self.widen, self.rate, self.state, self.move, self.drop_door] if self.doors else []
        kinds += [self.resize, self.drop_space, self.rename] if self.spaces else []
        kinds += [self.stair, self.zone]
        kinds += [self.lift] if self.dice.random() < 0.15 else []
        return self.dice.choice(kinds)()

    def _new(self, kind: str) -> str:
        self.number += 1
        return f"{kind}-{self.number}"

    def add_space(self) -> list[dict[str, Any]]:
        """In a row along its storey; a neighbour may be missing, or overlap."""
        mark = self._new("space")
        self.spaces.append(mark)
        return [space(mark, self.dice.choice([20, 60, 300]), storey=self.dice.choice([GROUND, UPPER]), at=self._place(mark))]

    def add_door(self) -> list[dict[str, Any]]:
        """In the wall of a space, mostly: to another one or to the outside."""
        mark = self._new("door")
        self.doors.append(mark)
        sides = (self.dice.choice([*self.spaces, ""]), self.dice.choice([*self.spaces, ""]))
        at = self._place(sides[0] or sides[1] or mark) + 0.5
        return [door(mark, self.dice.choice([0.7, 0.9, 1.1]), storey=self.dice.choice([GROUND, UPPER]), spaces=sides, at=at)]

    def _place(self, mark: str) -> float:
        return float(mark.rpartition("-")[2]) * 7.5

    def stair(self) -> list[dict[str, Any]]:
        """There, elsewhere, or gone again."""
        if self.dice.random() < 0.3:
            return [delete("stair")]
        at = self.dice.choice([0.0, 15.0])
        joins = self.dice.choice([[GROUND, UPPER], [UPPER], []])
        fields = {"name": "Stair", "storey": GROUND, "connects": joins, "box": [at, 0.0, 0.0, at + 3.0, 6.0, 6.0]}
        return [{"op": "upsert", "global_id": "stair", "ifc_class": "IfcStair", "set": fields}]

    def zone(self) -> list[dict[str, Any]]:
        members = self.dice.sample(self.spaces, k=min(2, len(self.spaces)))
        return [{"op": "upsert", "global_id": "zone", "ifc_class": "IfcZone", "set": {"name": "Zone", "connects": members}}]

    def widen(self) -> list[dict[str, Any]]:
        return [width(self.dice.choice(self.doors), self.dice.choice([0.6, 0.85, 0.95, 1.2]))]

    def rate(self) -> list[dict[str, Any]]:
        return [
            {
                "op": "upsert",
                "global_id": self.dice.choice(self.doors),
                "set": {"properties.Pset_DoorCommon.FireRating": self.dice.choice(["T30", "T15", ""])},
            }
        ]

    def state(self) -> list[dict[str, Any]]:
        mark = self.dice.choice(self.doors)
        if self.dice.random() < 0.5:
            return [{"op": "upsert", "global_id": mark, "set": {"facts.clear_width": self.dice.choice([0.75, 1.0])}}]
        return [{"op": "upsert", "global_id": mark, "unset": ["facts.clear_width", "properties.Attributes.OverallWidth"]}]

    def move(self) -> list[dict[str, Any]]:
        return [{"op": "upsert", "global_id": self.dice.choice(self.doors), "set": {"storey": self.dice.choice([GROUND, UPPER, "nowhere"])}}]

    def resize(self) -> list[dict[str, Any]]:
        area = self.dice.choice([15, 250, 700])
        return [{"op": "upsert", "global_id": self.dice.choice(self.spaces), "set": {"quantities.Qto_SpaceBaseQuantities.NetFloorArea": area}}]

    def rename(self) -> list[dict[str, Any]]:
        return [
            {
                "op": "upsert",
                "global_id": self.dice.choice(self.spaces),
                "set": {"facts.function": self.dice.choice(["business", "storage", "corridor"])},
            }
        ]

    def lift(self) -> list[dict[str, Any]]:
        return [storey(UPPER, self.dice.choice([3.0, 3.2, 4.0]))]

    def drop_door(self) -> list[dict[str, Any]]:
        return [delete(self.doors.pop(self.dice.randrange(len(self.doors))))]

    def drop_space(self) -> list[dict[str, Any]]:
        return [delete(self.spaces.pop(self.dice.randrange(len(self.spaces))))]


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_incremental_is_full(seed: int, office: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    """Edits come in batches of one to three, some while the storeys of earlier ones still wait."""
    dice = random.Random(seed)
    house = building(office, *RULES, *EGRESS)
    plugin, editor = Plugin(house, person(office)), Draughtsman(dice)
    plugin.send(*FRAME)
    for _ in range(COMPARED):
        left = EDITS // COMPARED
        while left:
            some = min(left, dice.randint(1, 3))
            plugin.send(*[op for _ in range(some) for op in editor.edit()])
            left -= some
            if dice.random() < 0.2:
                settle(house)
            if dice.random() < 0.02:
                full(house)
        settle(house)
        agree(house)


def test_the_edits_reach_the_ways_out(office: Tenant) -> None:
    """Else the comparisons above would be of rules that have nothing to judge."""
    reached: dict[str, set[str]] = {}
    for seed in range(2):
        house = building(TenantFactory.create(), *RULES, *EGRESS)
        plugin, editor = Plugin(house, person(house.tenant)), Draughtsman(random.Random(seed))
        plugin.send(*FRAME)
        plugin.send(*[op for _ in range(EDITS) for op in editor.edit()])
        for key, held in fresh(house).counts.items():
            reached.setdefault(key, set()).update(outcome for outcome, count in held.items() if count)
    assert [one["key"] for one in EGRESS if not reached[one["key"]] & {"pass", "fail"}] == []


def test_a_recheck_tells_only_what_it_changed(office: Tenant) -> None:
    house = building(office)
    plugin = Plugin(house, person(office))
    plugin.send(*FRAME, space("s-1", 900.0), door("d-1", 0.85, spaces=("s-1", "")))
    settle(house)
    assert there(house)["SPACE-LOAD", "s-1"] == Outcome.FAIL
    plugin.send(*[{"op": "upsert", "global_id": "s-1", "set": {"quantities.Qto_SpaceBaseQuantities.NetFloorArea": 100.0}}])
    assert there(house)["SPACE-LOAD", "s-1"] == Outcome.FAIL, "until its storey is rechecked"
    settle(house)
    assert ("SPACE-LOAD", "s-1") not in there(house)
    agree(house)
