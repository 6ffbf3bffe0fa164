"""The protocol itself, by the SDK's client: both revisions, tools, flows that ask back, resources, prompts, changes that are told."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from mcp_platform import realtime, toolkit
from mcp_platform.mcp.ledger import ledger
from mcp_platform.mcp.models import Call
from mcp_platform.mcp.server import door
from mcp_platform.tenancy import services as tenancy
from mcp_platform.toolkit import Argument, Prompt, ResourceTemplate, Said, Tool
from tests.mcp.house import LEGACY, MODERN, House, modern_headers, rpc

BOTH = pytest.mark.parametrize("mode", [LEGACY, MODERN])
SEEN: list[str] = []
GO_ON = threading.Event()


def _slow(_tenant: Any, arguments: Any, _actor: str) -> dict[str, Any]:
    for step in range(arguments["steps"]):
        toolkit.report(step + 1, arguments["steps"], f"step {step + 1}")
        if toolkit.cancelled():
            SEEN.append("cancelled")
            break
        time.sleep(0.02)
    GO_ON.set()
    return {"steps": arguments["steps"]}


def _broken(_tenant: Any, _arguments: Any, _actor: str) -> Any:
    raise RuntimeError("a secret of ours")


STEPS = {"type": "object", "properties": {"steps": {"type": "integer"}}, "required": ["steps"]}
THINGS = (
    Tool(name="tests_slow", title="Slow", description="Counts.", scope="tools:echo", call=_slow, input_schema=STEPS, read_only=True),
    Tool(name="tests_broken", title="Broken", description="Breaks.", scope="tools:echo", call=_broken),
    ResourceTemplate(
        uri_template="tests://{room}/note",
        name="Note",
        description="A note of a room.",
        scope="tools:echo",
        read=lambda tenant, values: f"{tenant.slug}: {values['room']}",
        mime_type="text/plain",
        complete={"room": lambda tenant, typed: [one for one in ("kitchen", "cellar", "kitchenette") if one.startswith(typed)]},
        listed=lambda tenant: [("tests://kitchen/note", "Kitchen")],
    ),
    ResourceTemplate(
        uri_template="tests://{name}.bin", name="Bytes", description="Bytes.", scope="tools:ping", read=lambda tenant, values: b"\x00\xff"
    ),
    Prompt(
        name="tests_prompt",
        title="Look at a room",
        description="Asks for a look.",
        scope="tools:echo",
        fill=lambda tenant, given: [Said(text=f"Look at {given['room']}."), Said(resource=f"tests://{given['room']}/note")],
        arguments=(Argument(name="room", required=True, complete=lambda tenant, typed: ["kitchen"]),),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _things(house: House) -> Iterator[None]:
    toolkit.register(THINGS)
    yield
    for thing in THINGS:
        shelf, name = toolkit._shelf(thing)
        shelf.pop(name)


def answering(content: dict[str, Any] | None, action: Any = "accept") -> Any:
    async def answer(_ctx: Any, params: Any) -> types.ElicitResult:
        SEEN.append(f"{params.message}|{json.dumps(params.requested_schema, sort_keys=True)}")
        return types.ElicitResult(action=action, content=content)

    return answer


@BOTH
def test_tools_are_listed_with_schemas_and_called(house: House, mode: str) -> None:
    async def story(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"echo", "ping", "health_check", "flow_greeting"} <= set(tools)
        assert "flow_private" not in tools  # published, but not marked
        assert tools["echo"].annotations is not None
        assert (tools["echo"].annotations.read_only_hint, tools["echo"].annotations.idempotent_hint) == (True, True)
        assert tools["flow_greeting"].input_schema["properties"]["name"]["description"] == "What is your name?"
        answer = await client.call_tool("echo", {"message": "hi"})
        assert answer.structured_content == {"echo": "hi"}
        refused = await client.call_tool("echo", {"mesage": "hi"})
        assert refused.is_error
        assert "'message' is a required property" in str(refused.content)
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("nobody", {})

    house.talk("owner", mode, story)


@BOTH
def test_who_may_not_call_a_tool_does_not_see_it(house: House, mode: str) -> None:
    async def story(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    assert house.talk("echo only", mode, story) == {"echo", "tests_broken", "tests_slow"}
    assert "flow_greeting" not in house.talk("viewer", mode, story)
    assert "flow_greeting" not in house.talk("stranger", mode, story)  # the other tenant has no flows


@BOTH
def test_a_flow_asks_back(house: House, mode: str) -> None:
    SEEN.clear()

    async def story(client: Client) -> Any:
        return (await client.call_tool("flow_greeting", {})).structured_content

    told = house.talk("owner", mode, story, elicitation_callback=answering({"name": "Ada"}))
    assert (told["status"], told["text"], told["slots"]) == ("done", "Hello Ada!", {"name": "Ada"})
    assert len(SEEN) == 1
    assert SEEN[0].startswith("What is your name?|")
    assert '"name": {"title": "What is your name?", "type": "string"}' in SEEN[0]


@BOTH
def test_what_is_known_is_not_asked(house: House, mode: str) -> None:
    SEEN.clear()

    async def story(client: Client) -> Any:
        return (await client.call_tool("flow_greeting", {"name": "Bob"})).structured_content

    assert house.talk("owner", mode, story, elicitation_callback=answering({"name": "no"}))["text"] == "Hello Bob!"
    assert not SEEN


@BOTH
@pytest.mark.parametrize("declines", [True, False])
def test_who_cannot_be_asked_goes_on_in_words(house: House, mode: str, declines: bool) -> None:
    async def begin(client: Client) -> Any:
        return (await client.call_tool("flow_greeting", {})).structured_content

    how = {"elicitation_callback": answering(None, "decline")} if declines else {}
    stand = house.talk("owner", mode, begin, **how)
    assert stand["status"] == "waiting"
    going = {"conversation_id": stand["conversation_id"], "say": "Eve"}

    async def go_on(client: Client) -> Any:
        return await client.call_tool("flow_greeting", going)

    assert house.talk("owner", mode, go_on).structured_content["text"] == "Hello Eve!"


@BOTH
def test_sensitive_values_are_not_put_into_a_form(house: House, mode: str) -> None:
    SEEN.clear()

    async def story(client: Client) -> Any:
        return (await client.call_tool("flow_card", {})).structured_content

    told = house.talk("owner", mode, story, elicitation_callback=answering({"name": "4111"}))
    assert (told["status"], told["question"]) == ("waiting", "What is your name?")
    assert not SEEN


def test_a_conversation_is_of_who_began_it(house: House) -> None:
    stand = house.call("owner", "flow_greeting", name="X")["structuredContent"]
    other = factories_key(house)
    answer = house.post("", "tools/call", _call("flow_greeting", conversation_id=stand["conversation_id"], say="hi"), headers=other)
    assert answer.json()["result"]["isError"]
    assert "X" not in answer.text


def factories_key(house: House) -> dict[str, str]:
    from tests import factories

    return factories.bearer(house.ours)


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def test_a_question_is_answered_by_whom_it_was_asked(house: House) -> None:
    """The state that goes with a question is sealed: for this caller, this tool and this address, and for ten minutes."""
    asked = house.result("owner", "tools/call", _call("flow_greeting"))
    assert asked["resultType"] == "input_required"
    answered = {**_call("flow_greeting"), "inputResponses": {"answer": {"action": "accept", "content": {"name": "Ada"}}}}
    state = asked["requestState"]
    tampered = house.post("owner", "tools/call", {**answered, "requestState": state[:-2] + ("AA" if state[-2:] != "AA" else "BB")})
    by_other = house.post("", "tools/call", {**answered, "requestState": state}, headers=factories_key(house))
    assert tampered.json()["error"]["code"] == by_other.json()["error"]["code"] == types.INVALID_PARAMS
    first, again = (house.result("owner", "tools/call", {**answered, "requestState": state}) for _ in range(2))
    assert first["structuredContent"] == again["structuredContent"]  # sent twice, said once
    assert first["structuredContent"]["text"] == "Hello Ada!"


@BOTH
def test_progress_comes_in_order_and_before_the_answer(house: House, mode: str) -> None:
    heard: list[float] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (5, f"step {int(progress)}")
        heard.append(progress)

    async def story(client: Client) -> list[float]:
        await client.call_tool("tests_slow", {"steps": 5}, progress_callback=told)
        return list(heard)

    assert house.talk("owner", mode, story) == [1, 2, 3, 4, 5]


def test_who_hangs_up_stops_the_work(house: House) -> None:
    SEEN.clear()
    GO_ON.clear()
    params = _call("tests_slow", steps=400)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            house.url, content=rpc("tools/call", params), headers={**modern_headers("tools/call", params), **house.bearer("owner")}, timeout=0.3
        )
    assert GO_ON.wait(20)
    assert SEEN == ["cancelled"]
    for _ in range(200):
        ledger.settle()
        if Call.objects.filter(name="tests_slow", outcome="cancelled").exists():
            break
        time.sleep(0.05)
    else:
        pytest.fail("a cancelled call has no row")


@BOTH
def test_a_tool_that_breaks_tells_no_secrets(house: House, mode: str) -> None:
    async def story(client: Client) -> Any:
        answer = await client.call_tool("tests_broken", {})
        assert answer.is_error
        return answer

    answer = house.talk("owner", mode, story)
    assert "secret" not in str(answer)
    assert answer.meta["mcp-platform/correlationId"] in answer.content[0].text


@BOTH
def test_resources_templates_prompts_and_completion(house: House, mode: str) -> None:
    async def story(client: Client) -> None:
        listed = {one.uri for one in (await client.list_resources()).resources}
        assert {"tests://kitchen/note", "product-aliases://list"} <= {str(uri) for uri in listed}
        assert "tests://{room}/note" in {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        note = (await client.read_resource("tests://cellar%20two/note")).contents[0]
        assert isinstance(note, types.TextResourceContents)
        assert note.text == "ours: cellar two"
        blob = (await client.read_resource("tests://a.bin")).contents[0]
        assert isinstance(blob, types.BlobResourceContents)
        assert base64.b64decode(blob.blob) == b"\x00\xff"
        with pytest.raises(MCPError, match="Resource not found"):
            await client.read_resource("tests://nowhere")
        filled = await client.get_prompt("tests_prompt", {"room": "kitchen"})
        assert isinstance(filled.messages[0].content, types.TextContent)
        assert filled.messages[0].content.text == "Look at kitchen."
        assert isinstance(filled.messages[1].content, types.EmbeddedResource)
        with pytest.raises(MCPError, match="room is missing"):
            await client.get_prompt("tests_prompt", {})
        found = await client.complete(types.ResourceTemplateReference(uri="tests://{room}/note"), {"name": "room", "value": "kit"})
        assert found.completion.values == ["kitchen", "kitchenette"]

    house.talk("owner", mode, story)


def test_a_resource_needs_its_scope(house: House) -> None:
    params = {"uri": "tests://a.bin"}
    assert house.post("echo only", "resources/read", params).status_code == 403
    assert house.post("echo only", "resources/read", {"uri": "tests://x/note"}).status_code == 200


def test_changes_are_told_to_sessions_of_their_tenant(house: House) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(getattr(message, "method", ""))

    async def story(client: Client) -> None:
        await client.list_tools()
        with pytest.warns(MCPDeprecationWarning):  # newer clients listen instead; see the next test
            await client.session.subscribe_resource("tests://kitchen/note")
        for tenant, uri in ((house.theirs, "tests://kitchen/note"), (house.ours, "tests://other/note"), (house.ours, "tests://kitchen/note")):
            await asyncio.to_thread(realtime.catalogue_changed, tenant.pk, "resource", uri=uri)
        await asyncio.to_thread(realtime.catalogue_changed, house.ours.pk, "tools")
        for _ in range(200):
            if len(heard) >= 2:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)

    house.talk("owner", LEGACY, story, message_handler=hear)
    assert sorted(heard) == ["notifications/resources/updated", "notifications/tools/list_changed"]


def test_changes_are_told_to_streams_of_their_tenant(house: House) -> None:
    params = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["tests://kitchen/note"]}}
    headers = {**modern_headers("subscriptions/listen"), **house.bearer("owner")}
    told: list[str] = []
    with httpx.stream("POST", house.url, content=rpc("subscriptions/listen", params), headers=headers, timeout=20) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            told.append(json.loads(line.removeprefix("data: "))["method"])
            if len(told) == 1:
                realtime.catalogue_changed(house.theirs.pk, "tools")
                realtime.catalogue_changed(house.ours.pk, "prompts")
                realtime.catalogue_changed(house.ours.pk, "resource", uri="tests://kitchen/note")
                realtime.catalogue_changed(house.ours.pk, "tools")
            if len(told) == 3:
                break
    assert told == ["notifications/subscriptions/acknowledged", "notifications/resources/updated", "notifications/tools/list_changed"]


def test_a_revoked_key_loses_its_stream(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "RECHECK_SECONDS", 0.1)
    key, token = tenancy.create_api_key(house.ours, name="short", scopes=["tools:echo"], by=None)
    headers = {**modern_headers("subscriptions/listen"), "Authorization": f"Bearer {token}"}
    params = {"notifications": {"toolsListChanged": True}}
    with httpx.stream("POST", house.url, content=rpc("subscriptions/listen", params), headers=headers, timeout=20) as answer:
        lines = answer.iter_lines()
        assert any("acknowledged" in line for line in lines)
        tenancy.revoke_api_key(house.ours, key_id=key.pk, by=None)
        assert not any("data: {" in line for line in lines)  # and it ends


def test_a_publish_is_told_and_a_new_tool_is_there(house: House) -> None:
    from tests import factories

    factories.published(house.ours, factories.greeting("second", metadata={"offer_as_tool": True}))
    assert house.call("owner", "flow_second", name="Ada")["structuredContent"]["text"] == "Hello Ada!"


def test_what_changes_something_is_in_the_log_before_its_answer(house: House) -> None:
    stand = house.call("owner", "flow_greeting", name="Logged")
    row = Call.objects.get(correlation_id=stand["_meta"]["mcp-platform/correlationId"])
    assert (row.name, row.outcome, row.tenant_id, row.method) == ("flow_greeting", "ok", house.ours.pk, "tools/call")
    assert len(row.arguments_sha256) == 64
    assert "Logged" not in str(row.__dict__)


def test_pages_of_a_list(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp_platform.mcp.core import paging

    whole = [tool["name"] for tool in house.result("owner", "tools/list")["tools"]]
    monkeypatch.setattr(paging.page, "__kwdefaults__", {"size": 4})
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = house.result("owner", "tools/list", {"cursor": cursor} if cursor else {})
        assert len(page["tools"]) <= 4
        names += [tool["name"] for tool in page["tools"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert names == whole
    assert house.post("owner", "tools/list", {"cursor": "nonsense"}).json()["error"]["code"] == types.INVALID_PARAMS
