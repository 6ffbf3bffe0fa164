"""Servers that hang, that say what cannot be stored, that take no token: what of that is their fault, and that nobody else suffers from it."""

import asyncio
import contextlib
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from mcp.shared.exceptions import MCPError

from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import runtime, store
from mcp_platform.orchestrator.clients import connection, faults, pool
from mcp_platform.orchestrator.clients.plan import Plan, Program
from mcp_platform.orchestrator.clients.trace import Trace
from mcp_platform.orchestrator.core import asking
from mcp_platform.orchestrator.core.breaker import Breaker
from mcp_platform.orchestrator.core.types import Policy, Upstream
from mcp_platform.orchestrator.core.words import cleaned
from mcp_platform.orchestrator.errors import ArgumentsRefused, CircuitOpen, UpstreamBusy, UpstreamFailed, UpstreamTimedOut
from mcp_platform.orchestrator.models import OrchestrationSettings, RemoteServer, ServerCall, UpstreamTool
from mcp_platform.orchestrator.runtime import calls, contact, ledger
from mcp_platform.orchestrator.runtime.attending import Tries
from mcp_platform.outbound import AddressRefused
from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault import services as vault
from mcp_platform.vault.errors import SecretNotFound
from tests.orchestrator import world as worlds
from tests.orchestrator.world import ASKED, call, recorded, server

db = pytest.mark.django_db(transaction=True)


def _upstream(tenant_id: UUID) -> Upstream:
    url = "http://up.test/mcp"
    return Upstream(id=uuid4(), tenant_id=tenant_id, slug="up", name="Up", transport="streamable-http", url=url, priority=1, timeout=5.0, rev=1)


UP = _upstream(uuid4())


def _plan(**fields: Any) -> Plan:
    return Plan(upstream=UP, fingerprint=str(uuid4()), **fields)


@db
def test_a_server_that_hangs_is_left_alone(tenant: Tenant, world: None) -> None:
    server(tenant, "up", "stdio:own", transport="stdio")
    call(tenant, "up", "look", word="on")
    for _ in range(5):
        with pytest.raises(UpstreamTimedOut):
            call(tenant, "up", "sleep", 0.2, seconds=30)
    assert RemoteServer.objects.get().state == RemoteServer.State.FAILED
    with pytest.raises(CircuitOpen):
        call(tenant, "up", "look", word="on")


class Nobody:
    later = False

    async def ask(self, question: asking.Question) -> asking.Reply:
        return asking.NOTHING


@db
def test_a_server_that_hangs_is_doubted_where_somebody_could_be_asked_too(tenant: Tenant, world: None) -> None:
    row = server(tenant, "up", "stdio:own", transport="stdio")
    call(tenant, "up", "look", word="on")
    about: Any = {"server": "up", "tool": "sleep", "arguments": {"seconds": 30}, "asked": ASKED}
    with pytest.raises(UpstreamTimedOut):
        runtime.wait(calls.attended(tenant.pk, **about, person=Nobody(), resumed=None, timeout=0.2))
    row.refresh_from_db()
    assert (row.state, row.last_error) == (RemoteServer.State.FAILED, "up did not answer in time.")


@db
@pytest.mark.parametrize("known", [False, True])
def test_connecting_takes_no_longer_than_the_caller_waits(tenant: Tenant, world: None, known: bool) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(5)
        row = server(tenant, "up", f"http://127.0.0.1:{deaf.getsockname()[1]}/mcp", timeout=300)
        if known:
            fields = {"status": "approved", "approved_hash": "a" * 64, "seen_hash": "a" * 64, "definition": {}, "seen_definition": {}}
            times = {"first_seen_at": timezone.now(), "last_seen_at": timezone.now()}
            UpstreamTool.objects.create(tenant=tenant, server=row, name="look", **fields, **times)
            runtime.forget(tenant.pk)
        with pytest.raises(UpstreamTimedOut):
            call(tenant, "up", "look", 0.2, word="on")
    assert recorded(tenant, "look")[0].duration_ms < 60_000


HEALTH: list[tuple[Exception, bool | None]] = [
    (MCPError(code=-32001, message="Request 'tools/call' timed out"), False),
    (MCPError(code=-32000, message="Connection closed"), False),
    (MCPError(code=-32000, message="the printer is on fire"), True),
    (MCPError(code=-32602, message="no such word"), True),
    (SecretNotFound(), None),
    (AddressRefused(), None),
    (UpstreamBusy(), None),
]


@pytest.mark.parametrize(("fault", "health"), HEALTH)
def test_what_a_fault_says_of_the_server(fault: Exception, health: bool | None) -> None:
    assert pool.health(faults.told(fault, Trace(), _plan())) is health


def test_what_says_nothing_of_the_server_does_not_close_a_breaker() -> None:
    here = pool.Pool(lambda *_: None)
    for _ in range(5):
        with pytest.raises(UpstreamTimedOut), here.place(UP):
            raise UpstreamTimedOut
    here._breakers[UP.id] = Breaker(failures=5, until=0.0, pause=5.0)  # the pause is over: one may look
    for fault in (SecretNotFound(), ValueError()):
        with pytest.raises(type(fault)), here.place(UP):
            raise fault
        assert here.live(UP.id)["breaker"] == "half_open"
    with here.place(UP):
        pass
    assert here.live(UP.id)["breaker"] == "closed"


@pytest.mark.parametrize(("opening", "sent"), [(True, False), (False, None)])
def test_only_a_connection_that_never_stood_has_certainly_sent_nothing(opening: bool, sent: bool | None) -> None:
    assert faults.told(KeyError("odd"), Trace(), _plan(), opening=opening).details.get("sent") is sent


@pytest.mark.parametrize(("status", "repeatable", "asked"), [(404, False, 2), (400, False, 1), (400, True, 2)])
async def test_what_may_have_been_done_is_not_repeated_for_a_lost_session(
    monkeypatch: pytest.MonkeyPatch, status: int, repeatable: bool, asked: int
) -> None:
    fault = faults.told(MCPError(code=-32600, message="odd"), Trace(status=status, session_refused=True), _plan())
    assert isinstance(fault, faults.SessionLost)
    tries = Tries()

    async def once(*_: Any) -> str:
        if tries.count == 1:
            raise fault
        return "done"

    monkeypatch.setattr(calls, "_once", once)
    directory: Any = type("Directory", (), {"policy": Policy()})()
    with contextlib.suppress(PlatformError):
        await calls.made(directory, UP, once, repeatable=repeatable, timeout=5, tries=tries)
    assert tries.count == asked


async def test_programs_that_are_starting_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_self: Any) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(connection.Connection, "open", never)
    here = pool.Pool(lambda *_: None)
    starting = [asyncio.create_task(here.connection(_plan(program=Program(command=("true",))))) for _ in range(pool.PROGRAMS_PER_TENANT)]
    await asyncio.sleep(0)
    with pytest.raises(UpstreamBusy):
        await asyncio.wait_for(here.connection(_plan(program=Program(command=("true",)))), 5)
    await here.close()
    await asyncio.gather(*starting, return_exceptions=True)


async def test_what_a_server_says_again_and_again_is_followed_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[tuple[str, str]] = []

    async def follow(_plan: Plan, changed: str, uri: str) -> None:
        followed.append((changed, uri))
        await asyncio.sleep(0)

    monkeypatch.setattr(contact, "_follow", follow)
    monkeypatch.setattr(contact, "APART", 0.0)
    plan = _plan()
    for number in range(1000):
        contact._heard(plan, "tools", "")
        contact._heard(plan, "resource", f"x://{number}")
    await asyncio.sleep(0)  # the following up begins, and the server goes on talking
    for _ in range(100):
        contact._heard(plan, "tools", "")
    while contact._following:
        await asyncio.sleep(0)
    assert followed.count(("tools", "")) == 2  # at once, and once more for what was said since
    assert ("resource", "") in followed  # too many to tell apart: everything
    assert len(followed) <= contact.MOST_SAYINGS + 5


@db
def test_what_a_server_says_is_fit_to_be_stored(tenant: Tenant, world: None) -> None:
    soiled = worlds.Upstream("--name", "up\0", "--describe", "Looks\0", "--resource", "soiled", "--era", "2025").start()
    try:
        server(tenant, "up", soiled.url)
        OrchestrationSettings.objects.create(tenant=tenant, fail_fast=True)
        checked = runtime.wait(runtime.initialize(tenant.pk))
        assert checked["up"].error == ""
        assert UpstreamTool.objects.get(name="look").definition["description"] == "Looks\ufffd"
        assert call(tenant, "up", "write", word="a\0b").text() == "a\ufffdb"
        found, _ = runtime.wait(runtime.gather_all_resources(tenant.pk, asked=ASKED))
        assert "\0" not in str(found["up"].resources)
        assert store.statistics(tenant.pk, [RemoteServer.objects.get().pk])
        with pytest.raises(PlatformError):
            runtime.wait(runtime.read_resource(tenant.pk, server="up", uri="notes://\0\ud800", asked=ASKED))
        assert ServerCall.objects.filter(name="notes://\ufffd?").exists()
    finally:
        soiled.kill()


def test_numbers_that_are_none_are_not_stored() -> None:
    assert cleaned({"a\0": [float("nan"), float("inf"), 1.5, ("\ud800",)]}) == {"a\ufffd": [None, None, 1.5, ["?"]]}


@db
def test_a_failure_that_nobody_foresaw_is_one_of_its_server(tenant: Tenant, world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = worlds.Upstream("--resource", "aliases").start()
    whole = store.write

    def write(tenant_id: Any, server_id: Any, **fields: Any) -> None:
        if server_id == odd.pk:
            raise ValueError("odd")
        whole(tenant_id, server_id, **fields)

    try:
        odd = server(tenant, "odd", upstream.url, domains=["x"], priority=1)
        server(tenant, "good", upstream.url, domains=["x"], priority=2)
        OrchestrationSettings.objects.create(tenant=tenant, fail_fast=False)
        monkeypatch.setattr(store, "write", write)
        found, failed = runtime.wait(runtime.gather_all_resources(tenant.pk, asked=ASKED))
        assert (list(found), list(failed)) == (["good"], ["odd"])
        assert runtime.wait(runtime.resources_for_domain(tenant.pk, domain="x", asked=ASKED)).server == "good"
    finally:
        upstream.kill()


@db
def test_a_record_that_cannot_be_stored_takes_no_other_with_it(tenant: Tenant, world: None) -> None:
    entries = [ledger.Entry(_upstream(tenant.pk), ASKED, kind="tool", name=name) for name in ("first", "broken", "last")]
    entries[1].row.id = entries[0].row.id

    async def keep() -> None:
        await asyncio.gather(*(ledger.keep(entry, Policy(enable_logging=False)) for entry in entries))

    runtime.wait(keep())
    assert sorted(one.name for one in ServerCall.objects.all()) == ["first", "last"]


@pytest.fixture
def guarded(tenant: Tenant, tmp_path: Path, counter: Path, world: None) -> Iterator[Path]:
    """A server behind OAuth 2; the file holds the token that is good now."""
    token = tmp_path / "token"
    token.write_text("first-token")
    upstream = worlds.Upstream("--token-file", str(token), "--counter", str(counter), "--era", "2025").start()
    vault.create_secret(tenant, name="CLIENT", value="client-secret", by=None)
    address = f"http://127.0.0.1:{upstream.port}/token"
    how = {"type": "oauth2_client_credentials", "token_url": address, "client_id": "us", "secret": "CLIENT", "scope": "tools", "audience": "up"}
    server(tenant, "up", upstream.url, authentication=how)
    yield token
    upstream.kill()


@db
def test_client_credentials_become_a_token_that_is_kept_and_renewed(tenant: Tenant, guarded: Path, counter: Path) -> None:
    for _ in range(2):
        assert call(tenant, "up", "headers").structured["authorization"] == "Bearer first-token"
    pair = b64encode(b"us:client-secret").decode()
    (asked,) = [line for line in counter.read_text().splitlines() if line.startswith("token")]
    assert asked == f"token Basic {pair} grant_type=client_credentials&scope=tools&audience=up"
    guarded.write_text("second-token")  # the first one is refused from now on
    assert call(tenant, "up", "headers").structured["authorization"] == "Bearer second-token"
    assert len([line for line in counter.read_text().splitlines() if line.startswith("token")]) == 2


@db
def test_while_a_rotation_overlaps_the_token_is_had_with_the_secret_of_before(tenant: Tenant, guarded: Path, counter: Path) -> None:
    guarded.write_text("first-token\nclient-secret")
    vault.rotate_secret(tenant, name="CLIENT", value="newer-secret", by=None)
    assert call(tenant, "up", "headers").structured["authorization"] == "Bearer first-token"
    guarded.write_text("second-token\nnewer-secret")
    assert call(tenant, "up", "headers").structured["authorization"] == "Bearer second-token"
    shown = [line.split()[2] for line in counter.read_text().splitlines() if line.startswith("token")]
    new, old = (b64encode(f"us:{secret}".encode()).decode() for secret in ("newer-secret", "client-secret"))
    assert shown == [new, old, old, new]


@db
def test_a_token_that_is_refused_ends_one_call_and_no_other(tenant: Tenant, guarded: Path) -> None:
    assert call(tenant, "up", "write", word="one").text() == "one"
    guarded.write_text("")
    with pytest.raises(UpstreamFailed, match="The token endpoint gave no token: it answered 401") as refused:
        call(tenant, "up", "write", word="two")
    assert "first-token" not in refused.value.message
    guarded.write_text("third-token")
    row = RemoteServer.objects.get()
    assert runtime.live(row.pk)["connections"] == 1  # the transport has survived it
    assert call(tenant, "up", "write", word="three").text() == "three"


def test_no_text_shows_an_access_token() -> None:
    plan = _plan()
    plan.fetched.append("access-token")
    assert "access-token" not in faults.told(MCPError(code=-32603, message="bad access-token"), Trace(), plan).message
    assert isinstance(faults.told(MCPError(code=-32602, message="x"), Trace(), plan), ArgumentsRefused)
