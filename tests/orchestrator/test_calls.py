"""Calls of tools over all three transports, to servers of both eras; what is repeated and what never is; what is recorded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_platform.orchestrator.errors import ToolDenied, UpstreamTimedOut, UpstreamToolNotFound, UpstreamUnreachable
from mcp_platform.orchestrator.models import RemoteServer, ServerCall, UpstreamTool
from mcp_platform.tenancy.models import Tenant
from tests.orchestrator.world import Upstream, call, recorded, server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def upstream(counter: Path) -> Iterator[Upstream]:
    one = Upstream("--counter", str(counter)).start()
    yield one
    one.kill()


@pytest.mark.parametrize(
    ("transport", "era", "spoken"),
    [
        ("streamable-http", "2026", "2026-07-28"),
        ("streamable-http", "2025", "2025-11-25"),
        ("sse", "2025", "2025-11-25"),
        ("stdio", "2026", "2026-07-28"),
    ],
)
def test_every_transport_and_era(tenant: Tenant, world: None, transport: str, era: str, spoken: str) -> None:
    if transport == "stdio":
        server(tenant, "up", "stdio:own", transport=transport)
        answer = call(tenant, "up", "look", word="hello")
    else:
        upstream = Upstream("--transport", transport, "--era", era).start()
        try:
            server(tenant, "up", upstream.url, transport=transport)
            answer = call(tenant, "up", "look", word="hello")
        finally:
            upstream.kill()
    assert answer.plain() == {"result": "upstream: hello"}
    row = RemoteServer.objects.get(slug="up")
    assert (row.state, row.protocol_version, row.server_info["name"]) == ("connected", spoken, "upstream")
    assert UpstreamTool.objects.get(name="look").offered_name == "up_look"
    (kept,) = recorded(tenant, "look")
    assert (kept.outcome, kept.actor, kept.via, kept.attempts) == ("ok", "key:tests", "tests", 1)
    assert kept.arguments_bytes == len('{"word": "hello"}')
    assert kept.result_bytes


def test_a_tool_that_fails_is_an_answer(tenant: Tenant, world: None, upstream: Upstream) -> None:
    server(tenant, "up", upstream.url)
    answer = call(tenant, "up", "fail")
    assert answer.is_error
    assert "there is no paper" in answer.text()
    assert [one.outcome for one in recorded(tenant, "fail")] == [ServerCall.Outcome.TOOL_ERROR]


def test_a_tool_that_reads_is_called_again_after_a_crash(tenant: Tenant, world: None, counter: Path) -> None:
    server(tenant, "up", "stdio:own", transport="stdio")
    assert call(tenant, "up", "die_once").text() == "alive"
    assert counter.read_text().splitlines() == ["die_once", "die_once"]
    assert recorded(tenant, "die_once")[0].attempts == 2


def test_a_tool_that_writes_is_never_called_twice(tenant: Tenant, world: None, counter: Path) -> None:
    server(tenant, "up", "stdio:own", transport="stdio")
    with pytest.raises(UpstreamUnreachable, match="was lost"):
        call(tenant, "up", "die_once_writing")
    assert counter.read_text().splitlines() == ["die_once_writing"]
    assert recorded(tenant, "die_once_writing")[0].outcome == ServerCall.Outcome.UNREACHABLE
    assert call(tenant, "up", "write", word="again").text() == "again"  # over a new process


@pytest.mark.parametrize("era", ["2025", "2026"])
def test_recovers_when_the_server_was_started_anew(tenant: Tenant, world: None, counter: Path, era: str) -> None:
    upstream = Upstream("--counter", str(counter), "--era", era).start()
    server(tenant, "up", upstream.url)
    call(tenant, "up", "write", word="one")
    upstream.kill()
    with pytest.raises(UpstreamUnreachable):
        call(tenant, "up", "write", word="two")
    assert RemoteServer.objects.get().state == RemoteServer.State.FAILED
    upstream.start()
    try:
        assert call(tenant, "up", "write", word="three").text() == "three"
    finally:
        upstream.kill()
    assert RemoteServer.objects.get().state == RemoteServer.State.CONNECTED
    assert counter.read_text().splitlines() == ["write", "write"]


def test_a_session_that_the_server_forgot_is_begun_anew(tenant: Tenant, world: None, counter: Path) -> None:
    """Nobody noticed the restart: the first call after it just works, also one that must not be repeated."""
    upstream = Upstream("--counter", str(counter), "--era", "2025").start()
    server(tenant, "up", upstream.url)
    call(tenant, "up", "write", word="one")
    upstream.kill()
    upstream.start()
    try:
        assert call(tenant, "up", "write", word="two").text() == "two"
    finally:
        upstream.kill()
    assert counter.read_text().splitlines() == ["write", "write"]


def test_a_slow_call_ends_in_time_and_disturbs_nobody(tenant: Tenant, world: None, upstream: Upstream) -> None:
    server(tenant, "up", upstream.url)
    with pytest.raises(UpstreamTimedOut):
        call(tenant, "up", "sleep", 0.3, seconds=30)
    assert call(tenant, "up", "look", word="on").plain() == {"result": "upstream: on"}
    assert recorded(tenant, "sleep")[0].outcome == ServerCall.Outcome.TIMED_OUT


def test_rules_of_the_server(tenant: Tenant, world: None, upstream: Upstream) -> None:
    server(tenant, "up", upstream.url, allowed_tools=["l*", "write"], denied_tools=["wr*"])
    assert call(tenant, "up", "look", word="on").plain() == {"result": "upstream: on"}
    for denied in ("write", "sleep"):
        with pytest.raises(ToolDenied):
            call(tenant, "up", denied)
    with pytest.raises(UpstreamToolNotFound):
        call(tenant, "up", "lost")
    assert [one.outcome for one in recorded(tenant, "write")] == [ServerCall.Outcome.REFUSED]
