"""The live protocol over real sockets: hello, changes, findings, snapshots, resume, presence, limits, close codes."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from tests.conversations.server import address
from tests.factories import TenantFactory, key
from tests.validation.live_scene import FRAME, Plugin, building, diffs, door, person, there, width
from validation.consumers import paced, shared
from validation.core import merging
from validation.models import Building, FindingsDiff, LiveSession
from validation.queries import live
from validation.queries.live import diff_after
from validation.services import findings

__all__ = ["address"]
SUBPROTOCOL = "mcp-validation.v1"


class Client:
    """One socket, with the findings as a client keeps them."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.findings: dict[str, Any] = {}
        self.seq = 0

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def next(self, *kinds: str, seconds: float = 60) -> dict[str, Any]:
        """The next frame of one of these kinds; findings are kept on the way."""
        async with asyncio.timeout(seconds):
            while True:
                raw = await self.socket.recv()
                frame: dict[str, Any] = json.loads(gzip.decompress(raw) if isinstance(raw, bytes) else raw)
                self.frames.append(frame)
                await self._take(frame)
                if frame["type"] in kinds:
                    return frame
                assert frame["type"] != "error", frame

    async def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "ping":
            await self.send(type="pong", id=frame["id"])
        if frame["type"] == "snapshot_begin":
            self.findings = {}
        for one in frame.get("findings", ()) if frame["type"] == "snapshot_part" else ():
            self.findings[one["fingerprint"]] = one
        if frame["type"] == "findings":
            for one in (*frame["added"], *frame["updated"]):
                self.findings[one["fingerprint"]] = one
            for mark in frame["resolved"]:
                self.findings.pop(mark, None)
        if frame["type"] in ("findings", "snapshot_end"):
            self.seq = frame["seq"]

    def pairs(self) -> dict[tuple[str, str], str]:
        return {(one["rule"], one["subject"]): one["outcome"] for one in self.findings.values()}

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self.next("findings", "snapshot_end")


@pytest.fixture
def office(transactional_db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    made = building(office)
    Plugin(made, person(office), "setup").send(*FRAME, door("d-1", 1.0), door("d-2", 0.7))
    return made


@pytest.fixture
def secret(office: Tenant) -> str:
    return key(office)


@asynccontextmanager
async def plain(
    address: str, on: Building | str, secret: str = "", *, subprotocol: str | None = SUBPROTOCOL, **options: Any
) -> AsyncIterator[Client]:
    url = f"ws://{address}/ws/v1/buildings/{getattr(on, 'pk', on)}/validation/"
    async with connect(url, subprotocols=[subprotocol] if subprotocol else None, proxy=None, **options) as socket:  # type: ignore[list-item]  # a NewType of str
        client = Client(socket)
        if secret:
            await client.send(type="authenticate", token=secret)
        yield client


@asynccontextmanager
async def joined(address: str, on: Building, secret: str, **hello: Any) -> AsyncIterator[Client]:
    async with plain(address, on, secret) as client:
        await client.send(type="hello", client="test", version="1", **hello)
        await client.next("welcome")
        yield client


async def closed(client: Client) -> tuple[int, dict[str, Any]]:
    """The close code, and the last error."""
    last: dict[str, Any] = {}
    async with asyncio.timeout(20):
        while True:
            try:
                frame = json.loads(await client.socket.recv())
            except ConnectionClosed:
                return client.socket.close_code or 0, last
            last = frame if frame["type"] == "error" else last


async def test_hello_brings_the_findings_that_are_there(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret) as client:
        end = await client.next("snapshot_end")
        assert client.pairs() == await sync_to_async(there)(house)
        welcome = next(frame for frame in client.frames if frame["type"] == "welcome")
    assert (welcome["resume"], welcome["units"], welcome["credits"], welcome["head_seq"]) == ("snapshot_required", "m", 32, 1)
    assert end["hash"] == merging.digest((one["fingerprint"], one["rev"]) for one in client.findings.values())
    assert end["total"] == len(client.findings)


async def test_a_change_is_acked_and_every_plugin_hears_its_findings(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret, client_id="a") as one, joined(address, house, secret, client_id="b") as other:
        await one.next("snapshot_end")
        await other.next("snapshot_end")
        await one.send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 0.6)])
        ack = await one.next("ack")
        assert (ack["client_seq"], ack["seq"], ack["conflicts"], ack["credits"]) == (1, 2, [], 1)
        for client in (one, other):
            await client.until(lambda client=client: ("TEST-DOOR-WIDTH", "d-1") in client.pairs())  # type: ignore[misc]  # bound now
        told = [frame for frame in other.frames if frame["type"] == "findings"][-1]
        assert told["at_seq"] == 2
        await one.send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 0.6)])
        assert (await one.next("ack"))["replayed"] is True
        await other.send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 1.1)])
        assert (await other.next("ack"))["conflicts"] == [
            {"global_id": "d-1", "field": "properties.Attributes.OverallWidth", "base": 1.0, "theirs": 0.6}
        ]
        await one.until(lambda: ("TEST-DOOR-WIDTH", "d-1") not in one.pairs())


async def test_a_crowd_reads_what_is_new_together(address: str, house: Building, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = []

    def counted(tenant: Tenant, building_id: UUID, after: int, upto: int) -> merging.Diff:
        readings.append(after)
        return diff_after(tenant, building_id, after, upto)

    monkeypatch.setattr(live, "diff_after", counted)
    async with AsyncExitStack() as crowd:
        clients = [await crowd.enter_async_context(joined(address, house, secret)) for _ in range(12)]
        for client in clients:
            await client.next("snapshot_end")
        await clients[0].send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 0.6)])
        for client in clients:
            await client.until(lambda client=client: ("TEST-DOOR-WIDTH", "d-1") in client.pairs())  # type: ignore[misc]  # bound now
    assert 0 < len(readings) < 12


async def test_who_comes_back_gets_what_was_missed_as_one_diff(address: str, house: Building, secret: str, office: Tenant) -> None:
    async with joined(address, house, secret, client_id="a") as client:
        await client.next("snapshot_end")
        stream = client.frames[0]["stream_id"]
    plugin = Plugin(house, await sync_to_async(person)(office), "b")
    for metres in (0.6, 0.7, 0.5, 0.6):
        await sync_to_async(plugin.send)(width("d-1", metres), base=1)
    async with joined(address, house, secret, client_id="a", resume={"stream_id": stream, "last_seq": client.seq}) as again:
        again.findings = client.findings
        assert again.frames[-1]["resume"] == "replayed"
        told = await again.next("findings")
        assert (told["since"], told["seq"]) == (client.seq, client.seq + 4)
        assert again.pairs() == await sync_to_async(there)(house)
    async with joined(address, house, secret, resume={"stream_id": str(house.pk), "last_seq": 0}) as stranger:
        assert stranger.frames[-1]["resume"] == "snapshot_required"


async def test_a_refused_batch_names_its_faults_and_the_socket_goes_on(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret) as client:
        await client.send(type="changes", client_seq=1, base_seq=0, ops=[{"op": "upsert", "global_id": "x", "set": {"colour": 1}}])
        error = await client.next("error")
        assert (error["code"], error["fatal"], error["client_seq"], error["credits"]) == ("CHANGES_REFUSED", False, 1, 1)
        assert error["errors"][0]["path"] == "$.ops[0].set"
        await client.send(type="changes", client_seq=2, base_seq=0, ops=[{"op": "delete", "global_id": "x"}] * 501)
        assert (await client.next("error"))["errors"][0]["code"] == "too_many"
        await client.send(type="changes", client_seq=3, base_seq=9, ops=[width("d-1", 1.0)])
        assert (await client.next("error"))["code"] == "BASE_AHEAD"
        await client.send(type="ping", id=7)
        assert (await client.next("pong"))["id"] == 7


async def test_presence_tells_everybody_who_is_there(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret, client_id="a") as one:
        async with joined(address, house, secret, client_id="b") as other:
            await other.send(type="presence", selection=["d-1"])
            seen = await one.next("presence")
            while ["d-1"] not in [user["selection"] for user in seen["users"]]:
                seen = await one.next("presence")
            assert len(seen["users"]) == 2
        while len(seen["users"]) == 2:
            seen = await one.next("presence")
        assert [user["selection"] for user in seen["users"]] == [[]]


async def test_pull_says_unchanged_or_gives_everything(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret) as client:
        end = await client.next("snapshot_end")
        await client.send(type="pull", result_id=end["result_id"])
        assert (await client.next("unchanged"))["result_id"] == end["result_id"]
        await client.send(type="pull")
        assert (await client.next("snapshot_end"))["hash"] == end["hash"]
        await client.send(type="ack_findings", seq=end["seq"])
    for _ in range(50):
        row: Any = await LiveSession.objects.filter(building=house).afirst()
        if row.state == "closed":
            break
        await asyncio.sleep(0.05)
    assert (row.state, row.last_ack_seq) == ("closed", end["seq"])


async def test_gzip_both_ways(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret, capabilities=["gzip", "telepathy"]) as client:
        assert client.frames[-1]["capabilities"] == ["gzip"]
        await client.next("snapshot_end")
        frame = json.dumps({"type": "changes", "client_seq": 1, "base_seq": 1, "ops": [width("d-1", 0.6)]})
        await client.socket.send(gzip.compress(frame.encode()))
        assert (await client.next("ack"))["seq"] == 2
        await client.socket.send(gzip.compress(b"[" * 3_000_000))
        code, error = await closed(client)
    assert (code, error["code"]) == (4413, "PAYLOAD_TOO_LARGE")


async def test_a_diff_that_is_too_long_becomes_a_snapshot_or_pieces(
    address: str, house: Building, secret: str, office: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PART_BYTES", 600)
    plugin = Plugin(house, await sync_to_async(person)(office), "b")
    async with joined(address, house, secret) as one, joined(address, house, secret, capabilities=["partial"]) as other:
        await one.next("snapshot_end")
        await other.next("snapshot_end")
        await sync_to_async(plugin.send)(*[door(f"e-{number}", 0.5) for number in range(6)], base=1)
        assert (await one.next("snapshot_required"))["pending"] > 6
        await one.next("snapshot_end")
        while (await other.next("findings"))["more"]:
            pass
        assert other.frames[-1]["part"] > 1
        assert one.pairs() == other.pairs() == await sync_to_async(there)(house)


async def test_more_than_anybody_should_replay_becomes_a_snapshot(
    address: str, house: Building, secret: str, office: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with joined(address, house, secret) as client:
        await client.next("snapshot_end")
        monkeypatch.setattr(shared, "MOST_TOLD", 3)
        monkeypatch.setattr(findings, "MOST_TOLD", 3)
        plugin = Plugin(house, await sync_to_async(person)(office), "b")
        await sync_to_async(plugin.send)(*[door(f"e-{number}", 0.5) for number in range(6)], base=1)
        assert (await client.next("snapshot_required"))["since"] == 1
        await client.next("snapshot_end")
        assert client.pairs() == await sync_to_async(there)(house)
        assert (await sync_to_async(diffs)(house))[-1].added == []


async def test_a_client_that_does_not_answer_is_told_to_resume(address: str, house: Building, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "WINDOW_BYTES", 100)
    monkeypatch.setattr(paced, "BEHIND_SECONDS", 0.2)
    async with plain(address, house, secret) as client:
        await client.send(type="hello")
        code, _ = await closed(client)
    assert code == 4408


async def test_a_new_stream_sends_everybody_away(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret) as client:
        await client.next("snapshot_end")
        await Building.objects.filter(pk=house.pk).aupdate(stream_id="00000000-0000-4000-8000-000000000001")
        await client.send(type="pull")
        code, error = await closed(client)
    assert (code, error["code"], error["fatal"]) == (4409, "STREAM_RESET", True)


async def test_who_may_do_what(address: str, house: Building, office: Tenant, secret: str) -> None:
    stranger = await sync_to_async(key)(await sync_to_async(TenantFactory.create)())
    viewer = await sync_to_async(key)(office, of_role(Role.VIEWER))
    nobody = await sync_to_async(key)(office, ["flows:read"])
    tries: Any = ((stranger, house, 4404), (nobody, house, 4403), ("mcp_garbage", house, 4401), (secret, office.pk, 4404))
    for token, on, code in tries:
        async with plain(address, on, token) as client:
            assert (await closed(client))[0] == code
    async with plain(address, house, subprotocol="chat.v7") as client:
        assert (await closed(client))[0] == 4406
    async with joined(address, house, viewer) as client:
        await client.send(type="changes", client_seq=1, base_seq=0, ops=[width("d-1", 1.0)])
        error = await client.next("error")
        assert (error["code"], error["fatal"]) == ("PERMISSION_DENIED", False)
    async with plain(address, house, additional_headers={"Authorization": f"Bearer {secret}"}) as client:
        await client.send(type="hello")
        await client.next("welcome")


@pytest.mark.parametrize(
    ("frame", "code", "path"),
    [
        ({"type": "changes", "client_seq": 1, "base_seq": 0, "ops": []}, 4409, "$.type"),
        ({"type": "hello", "capabilities": "gzip"}, 4400, "$.capabilities"),
        ({"type": "hello", "client_id": "a b"}, 4400, "$.client_id"),
        ({"type": "hello", "building_id": "another"}, 4400, "$.building_id"),
        ({"type": "hello", "resume": {"stream_id": "x", "last_seq": -1}}, 4400, "$.resume.stream_id"),
        ({"type": "presence", "selection": []}, 4409, "$.type"),
        ({"type": "pong", "id": 5}, 4409, "$.id"),
        ({"type": "dance"}, 4400, "$.type"),
    ],
)
async def test_bad_frames(address: str, house: Building, secret: str, frame: dict[str, Any], code: int, path: str) -> None:
    async with plain(address, house, secret) as client:
        await client.send(**frame)
        ended, error = await closed(client)
    paths = [error.get("path"), *(one["path"] for one in error.get("errors", ()))]
    assert (ended, path in paths) == (code, True), error


async def test_the_plain_broadcast_needs_no_protocol(address: str, house: Building, secret: str, office: Tenant) -> None:
    plugin = Plugin(house, await sync_to_async(person)(office), "b")
    async with plain(address, house, secret, subprotocol=None) as client:
        first = await client.next("validation_update")
        assert (first["building_id"], first["data"]["at_seq"]) == (str(house.pk), 1)
        await sync_to_async(plugin.send)(width("d-1", 0.5), base=1)
        update = await client.next("validation_update")
        assert [one["subject"] for one in update["data"]["added"]] == ["d-1"]
        assert update["data"]["score"] < first["data"]["score"]
        assert set(update) == {"type", "building_id", "data", "timestamp"}


async def test_more_batches_than_credits_end_the_socket(address: str, house: Building, secret: str) -> None:
    async with joined(address, house, secret) as client:
        with suppress(ConnectionClosed):
            for number in range(1, 90):
                await client.send(type="changes", client_seq=number, base_seq=0, ops=[width("d-1", 1.0)] * 300)
        code, error = await closed(client)
    # Who goes on writing may lose the last words together with the connection.
    assert (code, error.get("error_code")) in ((4429, "RATE_LIMITED"), (4429, None), (1006, None))


def test_numbers_of_the_stream_have_no_gaps(house: Building) -> None:
    numbers = list(FindingsDiff.objects.filter(building=house).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
