"""A server of others that asks something in the middle of a call: whoever called through us is asked, whichever revisions the two speak."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp import Client

from mcp_platform.mcp.calling import Done
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import persons
from mcp_platform.orchestrator import services
from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.services import Chosen
from tests.mcp.house import LEGACY, MODERN, House, modern_headers, rpc
from tests.orchestrator import world

PATH = "/mcp/v/desk"
ERAS = (LEGACY, MODERN)
Answers = Callable[[str], Any]


class Desk:
    """A virtual server with the tool `book` of two servers, which asks for the day and the hour: `book_2025` by requests, `book_2026` by results."""

    def __init__(self, house: House, counter: Path) -> None:
        self.house, self._counter = house, counter

    def booked(self, room: str) -> int:
        return self._counter.read_text().splitlines().count(f"book {room}") if self._counter.exists() else 0

    def book(self, era: str, upstream: str, room: str, answers: Answers | None, *, who: str = "owner") -> tuple[Any, list[str]]:
        """The result, and what the person at the other end was asked."""
        asked: list[str] = []

        async def person(_context: Any, params: Any) -> types.ElicitResult:
            assert answers is not None
            asked.append(params.message)
            content = await asyncio.to_thread(answers, params.message)
            return types.ElicitResult(action="accept", content=content) if isinstance(content, dict) else types.ElicitResult(action=content)

        async def story(client: Client) -> Any:
            return await client.call_tool(f"book_{upstream}", {"room": room})

        callbacks = {"elicitation_callback": person} if answers is not None else {}
        return self.house.talk(who, era, story, path=PATH, **callbacks), asked

    def post(self, who: str, arguments: dict[str, Any], **more: Any) -> httpx.Response:
        params = {"name": "book_2025", "arguments": arguments, **more}
        return httpx.post(
            f"{self.house.base}{PATH}",
            content=rpc("tools/call", params),
            headers={**modern_headers("tools/call", params), **self.house.bearer(who)},
            timeout=30,
        )


@contextmanager
def up(house: House, era: str, counter: Path) -> Iterator[None]:
    upstream = world.Upstream("--era", era, "--counter", str(counter)).start()
    try:
        world.server(house.ours, f"up{era}", upstream.url, name=f"Rooms of {era}", timeout=20)
        services.check(house.ours, slug=f"up{era}")
        yield
    finally:
        upstream.kill()


@pytest.fixture(scope="module")
def desk(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    counter = tmp_path_factory.mktemp("desk") / "counter"
    with world.open_world(), up(house, "2025", counter), up(house, "2026", counter):
        chosen = [Chosen(server=f"up{era}", tool="book", name=f"book_{era}") for era in ("2025", "2026")]
        services.save_virtual_server(house.ours, slug="desk", fields={}, chosen=chosen, create=True, by=None)
        yield Desk(house, counter)


def willing(message: str) -> dict[str, Any]:
    return {"day": "Monday"} if "which day" in message else {"hour": 9}


@pytest.mark.parametrize("upstream", ["2025", "2026"])
@pytest.mark.parametrize("era", ERAS)
def test_what_it_asks_is_put_to_the_caller_and_what_they_say_goes_back(desk: Desk, era: str, upstream: str) -> None:
    room = f"hall {era} {upstream}"
    answer, asked = desk.book(era, upstream, room, willing)
    assert (answer.is_error, answer.content[0].text) == (False, f"{room}: Monday, 9:00")
    assert asked == [f"Rooms of {upstream} asks: On which day do you need the {room}?", f"Rooms of {upstream} asks: From which hour on Monday?"]
    assert desk.booked(room) == 1
    outcomes = ServerCall.objects.for_tenant(desk.house.ours).filter(name="book").order_by("-at").values_list("outcome", "attempts")
    assert outcomes[0] == ("ok", 1)
    row = Call.objects.for_tenant(desk.house.ours).filter(method="tools/call", name=f"book_{upstream}").order_by("-at").first()
    assert row is not None
    assert row.outcome == Call.Outcome.OK


@pytest.mark.parametrize("upstream", ["2025", "2026"])
@pytest.mark.parametrize("era", ERAS)
def test_who_declines_is_told_so_and_nothing_is_done(desk: Desk, era: str, upstream: str) -> None:
    room = f"attic {era} {upstream}"
    answer, asked = desk.book(era, upstream, room, lambda _message: "decline")
    assert (answer.is_error, len(asked), desk.booked(room)) == (True, 1, 0)


@pytest.mark.parametrize("upstream", ["2025", "2026"])
@pytest.mark.parametrize("era", ERAS)
def test_a_client_that_cannot_ask_ends_without_an_answer_and_without_waiting(desk: Desk, era: str, upstream: str) -> None:
    room = f"cellar {era} {upstream}"
    answer, _ = desk.book(era, upstream, room, None)
    assert (answer.is_error, desk.booked(room)) == (True, 0)


@pytest.mark.parametrize("upstream", ["2025", "2026"])
def test_callers_who_share_a_connection_are_asked_what_is_theirs(desk: Desk, upstream: str) -> None:
    def of(number: int) -> Answers:
        return lambda message: {"day": f"day {number}"} if "room" in message else {"hour": number}

    async def both() -> list[tuple[Any, list[str]]]:
        calls = [(ERAS[n % 2], f"room {n} {upstream}", of(n)) for n in range(4)]
        return await asyncio.gather(*(asyncio.to_thread(desk.book, era, upstream, room, answers) for era, room, answers in calls))

    for number, (answer, asked) in enumerate(asyncio.run(both())):
        assert answer.content[0].text == f"room {number} {upstream}: day {number}, {number}:00"
        assert f"room {number}" in asked[0]
        assert f"day {number}" in asked[1]


def test_a_call_that_waits_belongs_to_its_caller_and_takes_each_reply_once(desk: Desk) -> None:
    begun = desk.post("owner", {"room": "vault"}).json()["result"]
    assert begun["resultType"] == "input_required"
    (request,) = begun["inputRequests"].values()
    assert request["params"]["requestedSchema"]["properties"]["day"]["type"] == "string"
    going = {"requestState": begun["requestState"], "inputResponses": {"answer": {"action": "accept", "content": {"day": "Friday"}}}}
    for thief in ("viewer", "colleague"):
        stolen = desk.post(thief, {"room": "vault"}, **going).json()
        assert "result" not in stolen or stolen["result"].get("isError")
    other = desk.post("owner", {"room": "another"}, **going)
    assert "result" not in other.json()  # the state is that of the other call
    silent = desk.post("owner", {"room": "vault"}, requestState=begun["requestState"]).json()["result"]
    assert silent["inputRequests"] == begun["inputRequests"]  # asked again
    going["requestState"] = silent["requestState"]
    second = desk.post("owner", {"room": "vault"}, **going).json()["result"]
    assert "From which hour on Friday?" in json.dumps(second["inputRequests"])
    again = desk.post("owner", {"room": "vault"}, **going).json()["result"]
    assert (again["isError"], again["_meta"]["mcp-platform/error"]["error_code"]) in ((True, "MCP_QUESTION_GONE"),)
    assert desk.booked("vault") == 0


async def begun(tenant: str, owner: str) -> tuple[persons.Parked, Any]:
    """A call that asks one question and ends with the reply; and what its caller is told first."""

    async def work(person: persons.Parked) -> Done:
        return Done(data=await person.ask(asking.Question(message="When?", form={})))

    call = persons.Parked(tenant, owner, work)
    return call, await call.next()


async def test_the_sealed_state_of_another_takes_no_call() -> None:
    call, told = await begun("ours", "ada")
    assert told == asking.Question(message="When?", form={})
    assert persons.take(call.key, "bo") is None
    assert persons.take(call.key, "ada") is call
    assert persons.take(call.key, "ada") is None
    reply = asking.Reply(action="accept", content={"day": "Monday"})
    assert call.reply(reply)
    assert await call.next() == Done(data=reply)


async def test_who_has_many_calls_parked_takes_no_places_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persons, "_parked", {})
    for name, most in (("MOST_OF_ONE", 2), ("MOST_OF_TENANT", 3), ("MOST_PARKED", 5)):
        monkeypatch.setattr(persons, name, most)
    wanted = ["ours ada", "ours ada", "ours ada", "ours bo", "ours cy", "theirs dee", "theirs eve", "others fay"]
    calls = [await begun(*one.split()) for one in wanted]
    refused = [one for one, (_, told) in zip(wanted, calls, strict=True) if told == Done(data=asking.NOTHING)]
    for call, _ in calls:
        call._forsaken()
    assert refused == ["ours ada", "ours cy", "others fay"]
