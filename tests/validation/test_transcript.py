"""The transcript on the protocol's page is a real session: the same frames, but for ids, hashes and the numbers of the house."""

import json
import re
from pathlib import Path

from asgiref.sync import sync_to_async

from tests.conversations.server import address
from tests.factories import TenantFactory, key
from tests.validation.live_scene import FRAME, Plugin, building, door, person, width
from tests.validation.test_protocol import plain

__all__ = ["address"]
PAGE = Path(__file__).parents[2] / "docs" / "protocol" / "validation_ws.md"


async def test_the_transcript_is_what_happens(address: str, transactional_db: None) -> None:
    office = await sync_to_async(TenantFactory.create)()
    house = await sync_to_async(building)(office)
    setup = Plugin(house, await sync_to_async(person)(office), "setup")
    await sync_to_async(setup.send)(*FRAME, door("d-1", 1.0))
    secret = await sync_to_async(key)(office)
    async with plain(address, house, secret) as client:
        await client.send(type="hello", client="cad", client_id="cad-1")
        await client.next("snapshot_end")
        await client.send(type="changes", client_seq=1, base_seq=1, ops=[width("d-1", 0.7)])
        await client.next("ack")
        await client.next("findings")
        kinds = [frame["type"] for frame in client.frames if frame["type"] not in ("presence", "ping")]
        shapes = {frame["type"]: set(frame) for frame in client.frames}
    written = [json.loads(line[2:]) for line in PAGE.read_text().splitlines() if re.match(r"← \{", line)]
    assert [frame["type"] for frame in written] == kinds
    for frame in written:
        assert set(frame) == shapes[frame["type"]], frame["type"]
