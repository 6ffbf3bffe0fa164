"""Which questions of servers are passed on, what counts as a reply, and that a call's time stands still meanwhile."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.types import Upstream
from mcp_platform.orchestrator.runtime import contact
from mcp_platform.orchestrator.runtime.attending import Attended, Tries

FORM: dict[str, Any] = {"type": "object", "properties": {"day": {"type": "string", "enum": ["Monday"]}}, "required": ["day"]}


def test_a_question_says_who_asks() -> None:
    found = asking.question("Rooms", {"message": " When?\0", "requestedSchema": FORM})
    assert found == asking.Question(message="Rooms asks: When?\ufffd", form=FORM)
    assert len(asking.question("Rooms", {"message": "x" * 9_000, "requestedSchema": FORM}).message) < 2_100  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "url", "message": "Log in", "url": "https://evil.example/", "elicitationId": "1"},
        {"message": "no form"},
        {"message": "a list", "requestedSchema": []},
        {"message": "nothing in it", "requestedSchema": {"type": "object", "properties": {}}},
        {"message": "deep", "requestedSchema": {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}},
        {"message": "lists of objects", "requestedSchema": {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}},
        {"message": "long", "requestedSchema": {"type": "object", "properties": {"a": {"type": "string", "description": "x" * 20_000}}}},
        {"message": "many", "requestedSchema": {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(51)}}},
    ],
)
def test_what_fits_no_form_is_not_passed_on(params: dict[str, Any]) -> None:
    assert asking.question("Rooms", params) is None


def test_what_no_form_can_give_counts_as_nothing_said() -> None:
    assert asking.reply("accept", {"day": "Monday", "tags": ["a"], "n": 1.5, "none": None}).content is not None
    for content in ({"a": {"b": 1}}, {"a": [1]}, {"a": "x" * 20_000}, {f"f{n}": 1 for n in range(51)}):
        assert asking.reply("accept", content) == asking.NOTHING
    assert asking.reply("decline", {"a": "b"}) == asking.Reply(action="decline")
    assert asking.reply("obey", {}) == asking.NOTHING


class Slow:
    later = False

    async def ask(self, question: asking.Question) -> asking.Reply:
        await asyncio.sleep(0.3)
        return asking.Reply(action="accept", content={"said": question.message})


UP = Upstream(id=uuid4(), tenant_id=uuid4(), slug="up", name="Up", transport="sse", url="http://up.test/", priority=1, timeout=1.0, rev=1)


def test_while_somebody_thinks_the_time_of_the_call_stands_still_and_its_place_is_free() -> None:
    async def story() -> tuple[list[Any], int, bool]:
        tries = Tries()
        attended = Attended(Slow(), UP, tries)
        with contact.pool().place(UP):
            async with asyncio.timeout(0.1) as tries.limit:
                asked = [asyncio.create_task(attended.ask(asking.Question(message=name, form=FORM))) for name in ("a", "b")]
                await asyncio.sleep(0.05)
                free = contact.pool().live(UP.id)["under_way"]
                said = await asyncio.gather(*asked)
            return said, free, tries.asked

    said, under_way, asked = asyncio.run(story())
    assert [one.content for one in said] == [{"said": "a"}, {"said": "b"}]
    assert (under_way, asked) == (-1, True)


def test_what_is_asked_ends_with_the_call() -> None:
    async def story() -> asking.Reply:
        attended = Attended(Slow(), UP, Tries())
        asked = asyncio.create_task(attended.ask(asking.Question(message="a", form=FORM)))
        await asyncio.sleep(0.01)
        attended.leave()
        return await asked

    assert asyncio.run(story()) == asking.NOTHING
