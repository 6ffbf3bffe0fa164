"""A virtual server at its own address: the whole way from a client through the door to a server of others, and back."""

from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client

from mcp_platform.orchestrator import services
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.services import Chosen
from tests.mcp.house import LEGACY, MODERN, House
from tests.orchestrator import world

PATH = "/mcp/v/workshop"


@pytest.fixture(scope="module")
def workshop(house: House) -> Iterator[House]:
    upstream = world.Upstream().start()
    try:
        with world.open_world():
            world.server(house.ours, "up", upstream.url)
            services.check(house.ours, slug="up")
            chosen = [Chosen(server="up", tool="look"), Chosen(server="up", tool="headers", name="shown")]
            services.save_virtual_server(house.ours, slug="workshop", fields={}, chosen=chosen, create=True, by=None)
            yield house
    finally:
        upstream.kill()


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_a_client_calls_a_tool_of_a_server_of_others(workshop: House, era: str) -> None:
    async def story(client: Client) -> tuple[list[str], Any, Any]:
        listed = await client.list_tools()
        answer = await client.call_tool("up_look", {"word": era})
        return sorted(tool.name for tool in listed.tools), answer.structured_content, (await client.call_tool("shown", {})).structured_content

    names, answer, shown = workshop.talk("owner", era, story, path=PATH)
    assert names == ["shown", "up_look"]
    assert answer == {"result": f"upstream: {era}"}
    assert "authorization" not in shown  # the caller's key stays here
    assert workshop.keys["owner"] not in str(shown)
    kept = ServerCall.objects.for_tenant(workshop.ours).filter(name="look").order_by("-at").first()
    assert kept is not None
    assert (kept.outcome, kept.via) == ("ok", "virtual:workshop")


def test_it_offers_nothing_else_and_is_for_those_who_may(workshop: House) -> None:
    look = {"name": "up_look", "arguments": {"word": "x"}}
    assert workshop.post("stranger", "tools/call", look, path=PATH).status_code == 404
    assert workshop.post("", "tools/call", look, path=PATH).status_code == 401
    before = ServerCall.objects.for_tenant(workshop.ours).count()
    for who, asked in (
        ("echo only", look),
        ("owner", {"name": "up_write", "arguments": {"word": "x"}}),
        ("owner", {"name": "echo", "arguments": {}}),
    ):
        assert "result" not in workshop.post(who, "tools/call", asked, path=PATH).json()
    assert ServerCall.objects.for_tenant(workshop.ours).count() == before
