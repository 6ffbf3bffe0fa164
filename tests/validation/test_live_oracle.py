"""After any edits and rechecks, in any order: findings, counts and score are those of a fresh check of the whole model."""

import random
from typing import Any

import pytest

from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.validation.live_scene import FRAME, GROUND, UPPER, Plugin, building, delete, door, full, person, settle, space, storey, there, width
from validation.core import score
from validation.core.rules import Outcome
from validation.models import Building, Element
from validation.services import evaluating, rulebook
from validation.services.findings import THERE

pytestmark = pytest.mark.django_db
SEQUENCES = 12


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
        kinds += [self.lift] if self.dice.random() < 0.15 else []
        return self.dice.choice(kinds)()

    def _new(self, kind: str) -> str:
        self.number += 1
        return f"{kind}-{self.number}"

    def add_space(self) -> list[dict[str, Any]]:
        mark = self._new("space")
        self.spaces.append(mark)
        return [space(mark, self.dice.choice([20, 60, 300, 900]), storey=self.dice.choice([GROUND, UPPER]), at=self.number * 60.0)]

    def add_door(self) -> list[dict[str, Any]]:
        mark = self._new("door")
        self.doors.append(mark)
        sides = (self.dice.choice([*self.spaces, ""]), self.dice.choice([*self.spaces, ""]))
        return [door(mark, self.dice.choice([0.7, 0.9, 1.1]), storey=self.dice.choice([GROUND, UPPER]), spaces=sides, at=self.number * 60.0 + 1)]

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
        return [{"op": "upsert", "global_id": self.dice.choice(self.spaces), "set": {"facts.function": self.dice.choice(["business", "storage"])}}]

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
    dice = random.Random(seed)
    house = building(office)
    plugin, editor = Plugin(house, person(office)), Draughtsman(dice)
    plugin.send(*FRAME)
    for _ in range(dice.randint(4, 14)):
        plugin.send(*[op for _ in range(dice.randint(1, 3)) for op in editor.edit()])
        if dice.random() < 0.4:
            settle(house)
        if dice.random() < 0.05:
            full(house)
    settle(house)
    agree(house)


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
