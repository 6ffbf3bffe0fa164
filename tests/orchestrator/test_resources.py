"""Resources: gathered from all, routed by domain with failover, kept as long as servers say, and used in need when they are old."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mcp_platform.orchestrator import runtime, store
from mcp_platform.orchestrator.core import freshness
from mcp_platform.orchestrator.errors import ConnectionFailed, DomainUnknown, NoServerAvailable, ResourceFetchFailed
from mcp_platform.orchestrator.models import CachedResource, OrchestrationSettings, ServerCall
from mcp_platform.orchestrator.runtime import Asked
from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.orchestrator.world import ASKED, Upstream, free_port, server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def first(counter: Path) -> Iterator[Upstream]:
    one = Upstream("--name", "first", "--resource", "aliases", "--resource", "columns", "--era", "2025", "--counter", str(counter)).start()
    yield one
    one.kill()


@pytest.fixture
def second() -> Iterator[Upstream]:
    one = Upstream("--name", "second", "--resource", "aliases").start()
    yield one
    one.kill()


def _for_domain(tenant: Tenant, domain: str = "products") -> runtime.Found:
    return runtime.wait(runtime.resources_for_domain(tenant.pk, domain=domain, asked=ASKED))


def _statistics(tenant: Tenant) -> dict[str, Any]:
    found: dict[str, Any] = runtime.status(tenant.pk)["cache"]
    return found


def _age(**which: Any) -> None:
    CachedResource.objects.filter(**which).update(fresh_until=timezone.now())


def test_gathered_from_all_and_kept(tenant: Tenant, world: None, first: Upstream, second: Upstream, counter: Path) -> None:
    server(tenant, "first", first.url, priority=10, domains=["products"], capabilities=["list_resources"])
    server(tenant, "second", second.url, priority=1)
    for _ in range(2):
        found, failed = runtime.wait(runtime.gather_all_resources(tenant.pk, asked=ASKED))
        assert list(found) == ["second", "first"]  # in the order of priority
        assert failed == {}
        assert found["first"].resources == {"aliases": {"from": "first", "read": 1}, "columns": {"from": "first", "read": 1}}
        assert (found["first"].priority, found["first"].domains, found["first"].capabilities) == (10, ("products",), ("list_resources",))
    assert sorted(counter.read_text().splitlines()) == ["read:aliases", "read:columns"]  # a server of 2025: kept for the tenant's time
    figures = {one["slug"]: one["cache"] for one in runtime.status(tenant.pk)["servers"]}
    assert (figures["first"]["hits"], figures["first"]["misses"], figures["first"]["entries"]) == (3, 3, 3)
    assert (figures["second"]["hits"], figures["second"]["misses"]) == (0, 4)  # of 2026, and it says: good for 0 ms
    together = _statistics(tenant)
    assert (together["hits"], together["misses"], together["hit_rate"]) == (3, 7, 0.3)
    assert runtime.invalidate(tenant.pk) == 5
    assert _statistics(tenant)["entries"] == 0


def test_fails_over_by_priority_says_who_answered_and_recovers(tenant: Tenant, world: None, first: Upstream, second: Upstream) -> None:
    server(tenant, "first", first.url, priority=1, domains=["products"])
    server(tenant, "second", second.url, priority=2, domains=["products"])
    assert _for_domain(tenant).server == "first"
    first.kill()
    _age()
    found = _for_domain(tenant)
    assert (found.server, found.stale) == ("second", False)
    assert found.failed == {"first": "first cannot be reached."}
    second.kill()
    _age()
    old = _for_domain(tenant)  # both are away: what is kept of the first is better than nothing
    assert (old.server, old.stale, old.resources["aliases"]) == ("first", True, {"from": "first", "read": 1})
    assert set(old.failed) == {"first", "second"}
    assert _statistics(tenant)["stale"] == 3
    CachedResource.objects.all().delete()
    with pytest.raises(NoServerAvailable) as none:
        _for_domain(tenant)
    assert set(none.value.details["failed"]) == {"first", "second"}
    first.start()
    back = _for_domain(tenant)
    assert (back.server, back.failed, back.stale) == ("first", {}, False)
    with pytest.raises(DomainUnknown):
        _for_domain(tenant, "weather")


def test_an_old_answer_of_one_server_in_need(tenant: Tenant, world: None, first: Upstream) -> None:
    server(tenant, "first", first.url)

    def read() -> runtime.Read:
        return runtime.wait(runtime.read_resource(tenant.pk, server="first", uri="aliases://all", asked=ASKED))

    assert not read().cached
    first.kill()
    assert (read().cached, read().stale) == (True, False)
    _age()
    assert (read().cached, read().stale) == (True, True)


@pytest.mark.parametrize(("scope", "shared"), [("private", False), ("public", True)])
def test_a_private_answer_is_for_the_one_who_asked(tenant: Tenant, world: None, counter: Path, scope: str, shared: bool) -> None:
    upstream = Upstream("--resource", "notes", "--ttl-ms", "60000", "--scope", scope, "--counter", str(counter)).start()
    stranger = TenantFactory.create()
    try:
        for owner in (tenant, stranger):
            server(owner, "up", upstream.url)

        def read(owner: Tenant, actor: str) -> bool:
            return runtime.wait(runtime.read_resource(owner.pk, server="up", uri="notes://all", asked=Asked(actor=actor))).cached

        assert [read(tenant, "key:a"), read(tenant, "key:a")] == [False, True]
        assert read(tenant, "key:b") is shared
        assert read(stranger, "key:a") is False  # no answer crosses tenants, not even a public one
    finally:
        upstream.kill()


def test_twenty_servers_of_which_five_are_dead(tenant: Tenant, world: None) -> None:
    """One after the other the dead ones alone would take 5 times their timeout."""
    upstream = Upstream("--resource", "aliases").start()
    try:
        for number in range(15):
            server(tenant, f"good-{number:02}", upstream.url)
        for number in range(4):
            server(tenant, f"dead-{number}", f"http://127.0.0.1:{free_port()}/mcp")
        with _silent() as url:
            server(tenant, "dead-4", url, timeout=3)
            with pytest.raises(ConnectionFailed) as failed:
                runtime.wait(runtime.initialize(tenant.pk))
            assert sorted(failed.value.details["failed"]) == [f"dead-{number}" for number in range(5)]
            OrchestrationSettings.objects.create(tenant=tenant, fail_fast=False)
            runtime.forget(tenant.pk)
            checked = runtime.wait(runtime.initialize(tenant.pk))
            assert sum(one.connected for one in checked.values()) == 15
            assert checked["dead-4"].error_code == "INTEGRATION_TIMEOUT"
            found, missed = runtime.wait(runtime.gather_all_resources(tenant.pk, asked=ASKED))
        assert (len(found), len(missed)) == (15, 5)
        status = runtime.status(tenant.pk)
        assert sum(one["connected"] for one in status["servers"]) == 15
        assert all(one["last_error"] for one in status["servers"] if one["slug"].startswith("dead"))
        assert {one["here"]["connections"] for one in status["servers"] if one["connected"]} == {1}
    finally:
        upstream.kill()


def test_gathering_that_fails_fast_names_every_server(tenant: Tenant, world: None) -> None:
    for number in range(3):
        server(tenant, f"dead-{number}", f"http://127.0.0.1:{free_port()}/mcp")
    with pytest.raises(ResourceFetchFailed) as failed:
        runtime.wait(runtime.gather_all_resources(tenant.pk, asked=ASKED))
    assert set(failed.value.details["failed"]) == {"dead-0", "dead-1", "dead-2"}
    assert {one.outcome for one in ServerCall.objects.all()} == {ServerCall.Outcome.UNREACHABLE}


def test_the_oldest_answers_make_room(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 20)
    row = server(tenant, "up", "http://127.0.0.1:1/mcp")
    keeping = freshness.keeping(freshness.Hint(), actor="a", default_ttl=60, now=timezone.now())
    for number in range(22):
        store.write(tenant.pk, row.pk, keeping=keeping, method="resources/read", subject=f"x://{number}", value={"n": number})
    assert _statistics(tenant)["entries"] <= 20
    assert _statistics(tenant)["evictions"] >= 2
    assert store.read(tenant.pk, row.pk, actor="a", key=store.key_of("resources/read", "x://0")) is None
    assert store.read(tenant.pk, row.pk, actor="a", key=store.key_of("resources/read", "x://21")) is not None


def _silent() -> Any:
    """An address that takes connections and never says a word."""
    import contextlib
    import socket

    @contextlib.contextmanager
    def listening() -> Iterator[str]:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(50)
            yield f"http://127.0.0.1:{deaf.getsockname()[1]}/mcp"

    return listening()
