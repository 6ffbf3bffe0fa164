"""Changes of several clients in one transaction: the same as one after the other, each with its own answer."""

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.scope import Principal
from tests.conversations.server import address
from tests.factories import TenantFactory
from tests.validation.live_scene import FRAME, GROUND, RULES, UPPER, building, delete, diffs, door, person, settle, space, storey, there, width
from tests.validation.test_live_oracle import EGRESS, Draughtsman, agree
from tests.validation.test_protocol import closed, house, joined, office, secret
from validation.consumers import gathering
from validation.models import Building, ChangeBatch, Element
from validation.services import live
from validation.services.live import Applied, Batch

__all__ = ["address", "house", "office", "secret"]


class Crowd:
    """Clients that number their batches; what they send at a time is applied together."""

    def __init__(self, on: Building, by: Principal) -> None:
        self.on, self.by = on, by
        self.numbers: dict[str, int] = {}

    def batch(self, client: str, *ops: Any, base: int | None = None, again: bool = False) -> Batch:
        self.numbers[client] = self.numbers.get(client, 0) + (0 if again else 1)
        if base is None:
            self.on.refresh_from_db()
            base = self.on.head_seq
        return Batch(client_id=client, client_seq=self.numbers[client], base_seq=base, ops=list(ops), by=self.by)

    def send(self, *batches: Batch) -> list[Applied | PlatformError]:
        return live.apply_batches(self.on.tenant, building_id=self.on.pk, batches=batches)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(10))
def test_together_is_full(seed: int, django_capture_on_commit_callbacks: Any) -> None:
    """As `test_incremental_is_full`, with up to six batches in one transaction: they meet the same elements, and some move storeys."""
    dice = random.Random(1000 + seed)
    tenant = TenantFactory.create()
    on = building(tenant, *RULES, *EGRESS)
    crowd, editor = Crowd(on, person(tenant)), Draughtsman(dice)
    crowd.send(crowd.batch("a", *FRAME))
    for _ in range(3):
        for _ in range(dice.randint(2, 4)):
            clients = dice.sample("abcdefgh", k=dice.randint(1, 6))
            sent = crowd.send(*[crowd.batch(client, *[op for _ in range(dice.randint(1, 2)) for op in editor.edit()]) for client in clients])
            assert [type(one) for one in sent] == [Applied] * len(clients)
            if dice.random() < 0.2:
                settle(on)
        settle(on)
        agree(on)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "steps",
    [
        [[width("d-1", 0.6)], [width("d-1", 1.2)]],
        [[delete("d-1")], [door("d-1", 0.6, storey=UPPER)]],
        [[door("d-9", 0.6)], [delete("d-9")]],
        [[door("d-9", 0.6)], [delete("d-9")], [door("d-9", 0.7, storey=UPPER)]],
        [[door("d-1", 0.6, storey="nowhere")], [door("d-1", 0.6, storey=UPPER)]],
        [[space("s-1", 900.0)], [storey(UPPER, 4.0)], [door("d-1", 0.7, spaces=("s-1", ""))]],
        [[width("d-1", 0.6)], [width("d-1", 1.0)]],
        [[{"op": "upsert", "global_id": "d-1", "set": {"storey": UPPER, "connects": []}}], [width("d-1", 0.6)]],
    ],
    ids=[
        "twice",
        "deleted and back",
        "came and went",
        "came, went, came",
        "off and on a storey",
        "a storey in between",
        "there and back",
        "moved, then widened",
    ],
)
def test_together_is_one_after_the_other(steps: list[list[Any]]) -> None:
    found = []
    for together in (True, False):
        tenant = TenantFactory.create()
        on = building(tenant)
        crowd = Crowd(on, person(tenant))
        doors = (door("d-1", 1.0, spaces=("s-0", "")), door("d-2", 0.7, spaces=("s-0", ""), at=3.0))
        crowd.send(crowd.batch("setup", *FRAME, space("s-0", 900.0), *doors))
        settle(on)
        if together:
            crowd.send(*[crowd.batch(f"client-{number}", *ops) for number, ops in enumerate(steps)])
        else:
            for number, ops in enumerate(steps):
                crowd.send(crowd.batch(f"client-{number}", *ops))
        on.refresh_from_db()
        rows = Element.objects.filter(building=on).order_by("valid_from_seq", "global_id")
        history = list(rows.values_list("global_id", "valid_from_seq", "valid_to_seq", "content_hash", "facts"))
        assert set(on.dirty_storeys) <= {GROUND, UPPER, "*"}
        settle(on)
        agree(on)
        found.append((on.head_seq, history, there(on), on.counts, on.score))
    assert found[0] == found[1]


@pytest.mark.django_db
@pytest.mark.parametrize("first", [[door("d-9", 0.6, spaces=("s-0", ""))], [width("d-1", 0.6)]], ids=["new", "changed"])
def test_what_waits_for_its_storey_waits_when_a_later_batch_changes_nothing_that_matters(first: list[Any]) -> None:
    told = []
    for together in (True, False):
        tenant = TenantFactory.create()
        on = building(tenant)
        crowd = Crowd(on, person(tenant))
        crowd.send(crowd.batch("setup", *FRAME, space("s-0", 900.0), door("d-1", 1.0, spaces=("s-0", ""))))
        settle(on)
        later = [{"op": "upsert", "global_id": first[0]["global_id"], "set": {"tag": "A-1"}}]
        if together:
            crowd.send(crowd.batch("a", *first), crowd.batch("b", *later))
        else:
            crowd.send(crowd.batch("a", *first))
            crowd.send(crowd.batch("b", *later))
        told.append((there(on), diffs(on)[-1].rechecking))
        settle(on)
        agree(on)
    assert told[0][0] == told[1][0]
    assert told[0][1] == ["DOOR-OF-BIG-BUILDING", "DOOR-ON-BUSY-STOREY"]


@pytest.mark.django_db
def test_an_element_that_comes_back_as_something_else_leaves_no_finding() -> None:
    tenant = TenantFactory.create()
    on = building(tenant)
    crowd = Crowd(on, person(tenant))
    crowd.send(crowd.batch("setup", *FRAME, door("d-1", 0.6)))
    settle(on)
    assert ("TEST-DOOR-WIDTH", "d-1") in there(on)
    wall = {"op": "upsert", "global_id": "d-1", "ifc_class": "IfcWall", "set": {"name": "Wall", "storey": GROUND}}
    crowd.send(crowd.batch("a", delete("d-1")), crowd.batch("b", wall))
    settle(on)
    agree(on)


@pytest.mark.django_db
def test_each_gets_its_own_answer() -> None:
    tenant = TenantFactory.create()
    on = building(tenant)
    crowd = Crowd(on, person(tenant))
    crowd.send(crowd.batch("setup", *FRAME, door("d-1", 1.0)))
    told = len(diffs(on))
    answers = crowd.send(
        crowd.batch("a", width("d-1", 0.6)),
        crowd.batch("b", {"op": "upsert", "global_id": "new", "set": {"name": "of no class"}}),
        crowd.batch("a", width("d-1", 0.6), again=True),
        crowd.batch("a", width("d-1", 0.5), again=True),
        crowd.batch("c", width("d-1", 1.1), base=99),
        crowd.batch("d", width("d-1", 1.2), base=1),
        crowd.batch("e"),
    )
    codes = [one.code if isinstance(one, PlatformError) else (one.seq, one.replayed, len(one.conflicts)) for one in answers]
    assert codes == [(2, False, 0), "CHANGES_REFUSED", (2, True, 0), "CLIENT_SEQ_REUSED", "BASE_AHEAD", (3, False, 1), "CHANGES_REFUSED"]
    assert len(diffs(on)) == told + 1
    assert diffs(on)[-1].at_seq == 3
    assert ("TEST-DOOR-WIDTH", "d-1") not in there(on)


@pytest.mark.parametrize(("sizes", "together"), [([1] * 60, 50), ([300, 300, 1], 1), ([300, 200, 1], 2), ([501, 1], 0)])
def test_a_transaction_stays_short(sizes: list[int], together: int) -> None:
    by = cast("Principal", "system")
    waiting = [gathering._Asked(Batch(client_id="a", client_seq=1, base_seq=0, ops=[{}] * size, by=by)) for size in sizes]
    assert gathering._fits(waiting) == together  # of a batch that is too long for any one is taken, and refused


@pytest.mark.django_db(transaction=True)
async def test_a_crowd_that_sends_at_once_is_written_together(address: str, house: Building, secret: str) -> None:
    async with AsyncExitStack() as crowd:
        clients = [await crowd.enter_async_context(joined(address, house, secret, client_id=f"c-{number}")) for number in range(12)]
        for client in clients:
            await client.next("snapshot_end")
        before = len(await sync_to_async(diffs)(house))
        await asyncio.gather(
            *[client.send(type="changes", client_seq=1, base_seq=1, ops=[door(f"n-{number}", 0.5)]) for number, client in enumerate(clients)]
        )
        acks = [await client.next("ack") for client in clients]
        assert sorted(ack["seq"] for ack in acks) == list(range(2, 14))
        for client in clients:
            await client.until(lambda client=client: sum(rule == "TEST-DOOR-WIDTH" for rule, _ in client.pairs()) == 13)  # type: ignore[misc]  # bound now
            assert client.pairs() == await sync_to_async(there)(house)
    assert len(await sync_to_async(diffs)(house)) - before < 12


@pytest.mark.django_db(transaction=True)
async def test_what_breaks_one_breaks_no_other(address: str, house: Building, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    applying = live._apply

    def apply(gathered: live.Gathered, ops: Any, batch: Batch, sha256: str) -> Any:
        if batch.client_id == "bad":
            raise ZeroDivisionError
        return applying(gathered, ops, batch, sha256)

    monkeypatch.setattr(live, "_apply", apply)
    async with AsyncExitStack() as crowd:
        clients = [await crowd.enter_async_context(joined(address, house, secret, client_id=name)) for name in ("a", "bad", "b", "c")]
        for client in clients:
            await client.next("snapshot_end")
        await asyncio.gather(*[client.send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 0.6)]) for client in clients])
        code, _ = await closed(clients.pop(1))
        assert code == 4500
        assert sorted([(await client.next("ack"))["seq"] for client in clients]) == [2, 3, 4]
    assert await ChangeBatch.objects.filter(building=house).acount() == 4


@pytest.mark.django_db(transaction=True)
async def test_a_busy_database_is_tried_again_for_all_of_them(address: str, house: Building, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    applying, tries = live.apply_batches, []

    def busy_at_first(*args: Any, batches: list[Batch], **more: Any) -> list[Applied | PlatformError]:
        tries.append(len(batches))
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return applying(*args, batches=batches, **more)

    async with AsyncExitStack() as crowd:
        clients = [await crowd.enter_async_context(joined(address, house, secret, client_id=f"c-{number}")) for number in range(3)]
        for client in clients:
            await client.next("snapshot_end")
        monkeypatch.setattr(live, "apply_batches", busy_at_first)
        await asyncio.gather(*[client.send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 0.6)]) for client in clients])
        acks = [await client.next("ack") for client in clients]
    assert sorted((ack["seq"], ack["replayed"]) for ack in acks) == [(2, False), (3, False), (4, False)]
