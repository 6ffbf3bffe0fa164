"""Many who miss the same answer at the same time: one asks the server, all are answered, and the figures say so."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_platform.orchestrator import runtime
from mcp_platform.orchestrator.errors import UpstreamUnreachable
from mcp_platform.orchestrator.models import ServerCall
from mcp_platform.orchestrator.runtime import Asked, cached, flights, resources
from mcp_platform.orchestrator.runtime import directory as directories
from mcp_platform.tenancy.models import Tenant
from tests.orchestrator.world import Upstream, free_port, server

URI = "aliases://all"


@pytest.fixture
def tenant(transactional_db: None, tenant: Tenant) -> Tenant:
    return tenant


@pytest.fixture(params=[("60000", "public"), ("60000", "private"), ("0", "public")], ids=["for all", "for one", "for once"])
def kept(request: pytest.FixtureRequest, tenant: Tenant, world: None, counter: Path) -> Iterator[str]:
    """How long and for whom the server lets its answers be kept."""
    seconds, scope = request.param
    upstream = Upstream("--resource", "aliases", "--ttl-ms", seconds, "--scope", scope, "--counter", str(counter)).start()
    server(tenant, "up", upstream.url)
    yield f"{scope} {seconds}"
    upstream.kill()


def read_by(tenant: Tenant, *actors: str) -> list[Any]:
    async def together() -> list[Any]:
        reads = (runtime.read_resource(tenant.pk, server="up", uri=URI, asked=Asked(actor=actor)) for actor in actors)
        return await asyncio.gather(*reads, return_exceptions=True)

    return runtime.wait(together())


ASKED_OF_THE_SERVER = {"public 60000": 1, "private 60000": 3, "public 0": 12}


def test_one_asks_for_all_who_may_have_the_answer(tenant: Tenant, kept: str, counter: Path) -> None:
    found = read_by(tenant, *("ada", "bo", "cy") * 4)
    assert [one.value["contents"][0]["uri"] for one in found] == [URI] * 12
    times = ASKED_OF_THE_SERVER[kept]
    assert counter.read_text().splitlines() == ["read:aliases"] * times
    assert sum(not one.cached for one in found) == times
    figures = runtime.status(tenant.pk)["cache"]
    assert (figures["misses"], figures["hits"]) == (times, 12 - times)
    assert ServerCall.objects.for_tenant(tenant).filter(kind="resource").count() == times


ASKED_BY_TWO_WHO_MISSED = {"public 60000": 0, "private 60000": 1, "public 0": 2}


def test_an_answer_of_one_that_was_kept_after_both_had_missed_it_is_not_the_others(tenant: Tenant, kept: str, counter: Path) -> None:
    (first,) = read_by(tenant, "ada")

    async def both_who_missed() -> list[Any]:
        directory = await directories.of(tenant.pk)
        upstream = directory.server("up")
        flying = (cached._joined(directory, upstream, Asked(actor=one), "resources/read", URI, resources._contents) for one in ("ada", "bo"))
        return await asyncio.gather(*flying)

    adas, bos = runtime.wait(both_who_missed())
    more = ASKED_BY_TWO_WHO_MISSED[kept]
    assert counter.read_text().splitlines() == ["read:aliases"] * (1 + more)
    assert (adas.value == first.value, bos.value == first.value) == (more < 2, more < 1)
    assert bos.value == adas.value or not bos.cached


def test_of_a_server_that_is_away_everybody_hears_after_one_try(tenant: Tenant, world: None) -> None:
    server(tenant, "up", f"http://127.0.0.1:{free_port()}/mcp")
    found = read_by(tenant, *("ada",) * 6)
    assert all(isinstance(one, UpstreamUnreachable) for one in found)
    assert ServerCall.objects.for_tenant(tenant).count() == 1
    figures = runtime.status(tenant.pk)["cache"]
    assert (figures["misses"], figures["hits"]) == (1, 0)


def test_who_came_first_may_leave_and_when_all_have_left_it_ends() -> None:
    async def story() -> list[str]:
        told, ended = asyncio.Event(), []

        async def work() -> str:
            try:
                await told.wait()
            except asyncio.CancelledError:
                ended.append("given up")
                raise
            return "answer"

        first, second = (asyncio.create_task(flights.shared("key", work)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        told.set()
        ended.append((await second)[0])
        told.clear()
        alone = asyncio.create_task(flights.shared("key", work))
        await asyncio.sleep(0.01)
        alone.cancel()
        await asyncio.gather(alone, return_exceptions=True)
        await asyncio.sleep(0)
        return ended

    assert asyncio.run(story()) == ["answer", "given up"]
