"""What one client, one tenant or one fault may not do to the others."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import mcp_types as types
import pytest
from django.db import OperationalError
from django.test import override_settings
from mcp import Client
from mcp.shared.exceptions import MCPError

from conversations import queries
from mcp_platform import departure, toolkit
from mcp_platform.mcp import calling, catalog, ledger, talking, threads
from mcp_platform.mcp.calling import Done, Watch
from mcp_platform.mcp.catalog import Entry
from mcp_platform.mcp.errors import ArgumentsRefused
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import building, calls, identity, sessions
from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.toolkit import Argument, Prompt, ResourceTemplate, Tool
from tests.mcp.house import LEGACY, MODERN, House

BOTH = pytest.mark.parametrize("mode", [LEGACY, MODERN])
GO_ON, STARTED = threading.Event(), threading.Event()
LIST = {"type": "object", "properties": {"items": {"type": "array", "uniqueItems": True, "items": {"type": "string"}, "maxItems": 5}}}


def _waits(_tenant: Any, _arguments: Any, _actor: str) -> dict[str, Any]:
    STARTED.set()
    return {"went_on": GO_ON.wait(20)}


def _breaks(*_: Any) -> Any:
    raise RuntimeError("a secret of ours")


def _no_database(*_: Any) -> Any:
    raise OperationalError("host=10.0.0.1 refused")


def _of_thread(*_: Any) -> dict[str, Any]:
    return {"thread": threading.current_thread().name}


THINGS = (
    Tool(name="limits_waits", title="Waits", description="Waits.", scope="tools:echo", call=_waits),
    Tool(name="limits_no_database", title="No database", description="Fails.", scope="tools:echo", call=_no_database),
    Tool(
        name="limits_instant",
        title="Instant",
        description="Quick.",
        scope="tools:echo",
        call=_of_thread,
        instant=True,
        input_schema={"type": "object"},
    ),
    ResourceTemplate(
        uri_template="limits://{room}", name="Breaks", description="Breaks.", scope="tools:echo", read=_breaks, complete={"room": _breaks}
    ),
    Prompt(name="limits_prompt", title="Breaks", description="Breaks.", scope="tools:echo", fill=_breaks, arguments=(Argument(name="room"),)),
)


@pytest.fixture(scope="module", autouse=True)
def _things(house: House) -> Iterator[None]:
    toolkit.register(THINGS)
    yield
    for thing in THINGS:
        shelf, name = toolkit._shelf(thing)
        shelf.pop(name)


@pytest.fixture
def _going() -> Iterator[None]:
    GO_ON.clear()
    STARTED.clear()
    yield
    GO_ON.set()
    departure.stay()


def entry(schema: Mapping[str, Any]) -> Entry:
    return Entry(name=f"limits_{hash(json.dumps(schema))}", title="", description="", scope="", input_schema=schema)


def test_items_are_not_compared_each_with_each() -> None:
    """The library's way would take minutes for these."""
    items: list[Any] = [*range(60_000), "text", {}]
    with pytest.raises(ArgumentsRefused) as refused:
        calling.check(entry(LIST), {"items": items})
    assert [fault["expected"] for fault in refused.value.details["errors"]] == ["maxItems: 5"]  # and no item was looked at
    with pytest.raises(ArgumentsRefused, match="twice"):
        calling.check(entry(LIST), {"items": ["a", "a"]})
    calling.check(entry(LIST), {"items": ["a", "b"]})


def test_only_some_faults_are_looked_for() -> None:
    many = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "string"}}}}
    with pytest.raises(ArgumentsRefused) as refused:
        calling.check(entry(many), {"items": list(range(1000))})
    assert len(refused.value.details["errors"]) == calling.MOST_FAULTS


def test_large_arguments_are_not_checked_on_the_event_loop(house: House) -> None:
    small = house.call("owner", "limits_instant")["structuredContent"]["thread"]
    large = house.call("owner", "limits_instant", text="x" * calling.MOST_AT_ONCE)["structuredContent"]["thread"]
    assert not small.startswith("mcp")
    assert large.startswith("mcp")


def response(size: int, number: int = 1) -> types.JSONRPCResponse:
    return types.JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": "x" * size})


def test_what_a_session_remembers_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "KEPT_BYTES_OF_ALL", 100_000)
    shelf = sessions.Shelf()
    one, other = sessions.Remembered(shelf), sessions.Remembered(shelf)
    heard: list[Any] = []

    async def hear(event: Any) -> None:
        heard.append(event.message)

    async def story() -> None:
        first = await one.store_event("1", None)
        await one.store_event("1", response(sessions.LARGEST_KEPT))
        assert await one.replay_events_after(first, hear) == "1"
        assert heard[0].error.message == sessions.LOST
        last = ""
        for number in range(50):
            last = await other.store_event("2", response(5_000, number))
            assert shelf.size <= 100_000
        assert await one.replay_events_after(first, hear) is None  # the oldest has gone
        await other.store_event("2", response(10, 99))
        await other.replay_events_after(last, hear)
        assert heard[-1] == response(10, 99)
        other.clear()
        one.clear()
        assert shelf.size == 0

    asyncio.run(story())


def test_a_slow_issuer_holds_up_nobody_else() -> None:
    assert identity.may_need_network("e30.e30.c2ln")
    assert not identity.may_need_network("mcpo_abc")
    go_on = threading.Event()

    async def story() -> None:
        slow = [asyncio.create_task(threads.at(threads.Pool.ISSUERS, lambda: go_on.wait(20))) for _ in range(20)]
        await asyncio.sleep(0)
        assert await threads.look(lambda: 1) == 1
        go_on.set()
        await asyncio.gather(*slow)

    asyncio.run(story())


@override_settings(MCP_CALLS_PER_TENANT=1, MCP_CALL_TIMEOUT_SECONDS=0.2)
def test_a_thread_counts_until_its_work_ends() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def slow() -> None:
        go_on.wait(20)
        ended.set()

    async def story() -> None:
        for what in (slow, lambda: None):  # the second one never gets a thread
            with pytest.raises(TimeoutError):
                await threads.work("t", what)
        assert await threads.work("another tenant", lambda: 1) == 1
        go_on.set()
        await asyncio.to_thread(ended.wait, 20)
        assert await threads.work("t", lambda: 2) == 2

    asyncio.run(story())


def test_reports_of_progress_are_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "TOLD_SECONDS", 0.05)

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async def gone(*_: Any) -> None:
        raise ConnectionError

    async def story() -> None:
        for tell in (never, gone):
            watch = Watch(asyncio.get_running_loop(), tell)
            watch.report(1, None, "")
            await asyncio.sleep(0.01)
            await watch.told()

    asyncio.run(story())


def test_a_database_that_does_not_answer_passes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = house.call("owner", "limits_no_database")
    assert problem["_meta"]["mcp-platform/error"]["error_code"] == "SERVICE_UNAVAILABLE"
    assert "10.0.0.1" not in str(problem)

    async def refused(*_: Any, **__: Any) -> Any:
        raise OperationalError("host=10.0.0.1 refused")

    monkeypatch.setattr(identity, "principal_of", refused)
    answer = house.post("owner", "tools/list")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "10.0.0.1" not in answer.text


@BOTH
def test_whatever_breaks_tells_no_secrets(house: House, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: Client) -> None:
        with pytest.raises(MCPError, match="correlation id"):
            await client.read_resource("limits://kitchen")
        with pytest.raises(MCPError, match="correlation id"):
            await client.get_prompt("limits_prompt", {})
        with pytest.raises(MCPError, match="correlation id"):
            await client.complete(types.ResourceTemplateReference(uri="limits://{room}"), {"name": "room", "value": "k"})
        monkeypatch.setattr(catalog, "tools", _breaks)
        with pytest.raises(MCPError, match="correlation id") as listed:
            await client.list_tools()
        assert "secret" not in str(listed.value.error)

    house.talk("owner", mode, story)
    ledger.ledger.settle()
    assert set(Call.objects.filter(name__in=["limits://kitchen", "limits_prompt"]).values_list("outcome", flat=True)) == {"failed"}


@pytest.mark.usefixtures("_going")
def test_a_call_that_runs_is_answered_when_the_process_ends(house: House) -> None:
    answers: list[Any] = []
    calling_it = threading.Thread(target=lambda: answers.append(house.call("owner", "limits_waits")))
    calling_it.start()
    assert STARTED.wait(20)
    departure.end()
    late = house.post("owner", "tools/list")
    assert (late.status_code, late.headers["retry-after"]) == (503, "1")
    GO_ON.set()
    calling_it.join(20)
    assert answers[0]["structuredContent"] == {"went_on": True}
    departure.stay()
    assert house.post("owner", "tools/list").status_code == 200


def test_a_conversation_that_works_asks_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.result("owner", "tools/call", {"name": "flow_greeting", "arguments": {}})
    conversation_id = str(_newest())
    shown = queries.masked_snapshot
    monkeypatch.setattr(queries, "masked_snapshot", lambda held: replace(shown(held), awaiting="1"))
    looked = house.call("owner", "flow_greeting", conversation_id=conversation_id)
    assert (looked["structuredContent"]["status"], looked["structuredContent"]["question"]) == ("working", None)


def _newest() -> Any:
    from conversations.models import Conversation

    found = Conversation.objects.order_by("-created_at").first()
    assert found is not None
    return found.pk


@pytest.mark.parametrize(
    "arguments",
    [
        {"conversation_id": "not-an-id", "say": "Eve"},
        {"conversation_id": "", "say": "Eve"},
        {"say": "Eve"},
        {"conversation_id": "00000000-0000-4000-8000-000000000000", "name": "Eve"},
    ],
)
def test_a_call_never_begins_another_conversation_in_silence(house: House, arguments: dict[str, Any]) -> None:
    before = _newest() if Call.objects.filter(name="flow_greeting").exists() else None
    refused = house.call("owner", "flow_greeting", **arguments)
    assert refused["_meta"]["mcp-platform/error"]["error_code"] == "SCHEMA_ERROR"
    assert before is None or _newest() == before


def test_an_answer_is_said_once_whatever_the_client_calls_its_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, str]] = []
    answer = talking.answer

    def hear(*args: Any, **facts: Any) -> Any:
        heard.append((str(facts["conversation_id"]), facts["message_id"]))
        return answer(*args, **facts)

    async def told(_ctx: Any, _params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def story(client: Client) -> None:
        await client.call_tool("flow_greeting", {})

    monkeypatch.setattr(talking, "answer", hear)
    house.talk("owner", LEGACY, story, elicitation_callback=told)
    ((conversation_id, message_id),) = heard
    assert message_id.rpartition(":")[0] == f"mcp:{conversation_id}"


def test_a_form_is_not_waited_for_without_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "STATE_SECONDS", 0.1)

    async def away(_ctx: Any, _params: Any) -> types.ElicitResult:
        await asyncio.sleep(2)
        return types.ElicitResult(action="cancel")

    async def story(client: Client) -> Any:
        return (await client.call_tool("flow_greeting", {})).structured_content

    assert house.talk("owner", LEGACY, story, elicitation_callback=away)["status"] == "waiting"


def test_one_row_that_cannot_be_written_costs_the_others_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.utils import timezone

    kept: list[str] = []

    def bulk_create(rows: Any) -> None:
        if any(row.name == "bad" for row in rows):
            raise ValueError("bad")
        kept.extend(row.name for row in rows)

    monkeypatch.setattr(Call.objects, "bulk_create", bulk_create)
    ledger.write(*(Call(tenant_id=house.ours.pk, at=timezone.now(), name=name) for name in ("a", "bad", "b")))
    assert kept == ["a", "b"]


def test_a_digest_of_arguments_cannot_be_tried_out(house: House) -> None:
    told = calling._digest({"pin": "1234"})
    assert told == calling._digest({"pin": "1234"})
    assert told != hashlib.sha256(b'{"pin": "1234"}').hexdigest()
    with override_settings(SECRET_KEY="another"):
        assert told != calling._digest({"pin": "1234"})
    stand = house.call("owner", "flow_card")["structuredContent"]
    said = house.call("owner", "flow_card", conversation_id=stand["conversation_id"], say="4111")
    row = Call.objects.get(correlation_id=said["_meta"]["mcp-platform/correlationId"])
    assert row.arguments_sha256 == ""


@pytest.mark.parametrize(("headers", "status"), [({"Origin": "http://["}, 403), ({"Host": "LOCALHOST"}, 200)])
def test_strange_addresses(house: House, headers: dict[str, str], status: int) -> None:
    with override_settings(ALLOWED_HOSTS=["localhost", "127.0.0.1"]):
        assert house.post("owner", "tools/list", headers=headers).status_code == status


def test_a_question_outlives_a_new_key() -> None:
    with override_settings(SECRET_KEY="old", SECRET_KEY_FALLBACKS=[]):
        sealed = building._security().codec.seal(b"state")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert building._security().codec.unseal(sealed) == b"state"


def test_an_answer_of_an_upstream_that_is_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nonsense(*_: Any) -> Done:
        return Done(data=Answer(server="s", tool="t", content=({"type": "a secret of theirs"},)))

    monkeypatch.setattr(calling, "perform", nonsense)
    told = house.call("owner", "limits_waits")
    assert told["isError"]
    assert "secret" not in str(told)
    row = Call.objects.get(correlation_id=told["_meta"]["mcp-platform/correlationId"])
    assert (row.outcome, row.error_code) == ("failed", "TOOL_FAILED")
