"""Addresses, credentials and programs: what a server may be, what it gets to see, and what is left of it when it is gone."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from mcp_platform.orchestrator import runtime
from mcp_platform.orchestrator.errors import CircuitOpen, ProgramNotAllowed, UpstreamFailed, UpstreamUnreachable
from mcp_platform.orchestrator.models import RemoteServer, ServerCall
from mcp_platform.outbound import AddressRefused
from mcp_platform.tenancy.models import Tenant
from mcp_platform.vault import services as vault
from mcp_platform.vault.models import Secret
from tests.orchestrator.world import UPSTREAM, Upstream, call, free_port, open_world, recorded, server

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "s3cret-of-the-tenant"


def _bearer(tenant: Tenant) -> dict[str, str]:
    vault.create_secret(tenant, name="UP_TOKEN", value=SECRET, by=None)
    return {"type": "bearer", "secret": "UP_TOKEN"}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/mcp", "http://localhost:{port}/mcp", "http://[::1]:{port}/mcp", "http://169.254.169.254/mcp"]
)
def test_private_addresses_are_refused(tenant: Tenant, url: str) -> None:
    with open_world(), override_settings(OUTBOUND_ALLOWED_HOSTS=[]):
        server(tenant, "up", url.format(port=free_port()))
        with pytest.raises(AddressRefused):
            call(tenant, "up", "look", word="a")
    assert "not on the public internet" in RemoteServer.objects.get().last_error


def test_an_operator_can_allow_a_tenant_an_address(tenant: Tenant) -> None:
    upstream = Upstream().start()
    tenant.settings = {"outbound_allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    tenant.save()
    try:
        with open_world(), override_settings(OUTBOUND_ALLOWED_HOSTS=[]):
            server(tenant, "up", upstream.url)
            assert call(tenant, "up", "write", word="a").text() == "a"
    finally:
        upstream.kill()


def test_a_server_sees_its_own_credential_and_nothing_of_the_caller(tenant: Tenant, world: None) -> None:
    upstream = Upstream("--era", "2025").start()
    try:
        server(tenant, "up", upstream.url, authentication=_bearer(tenant))
        seen = call(tenant, "up", "headers").structured
        assert seen["authorization"] == f"Bearer {SECRET}"
        assert not {"cookie", "x-api-key", "x-forwarded-for"} & set(seen)
        assert "key:tests" not in str(seen)
        vault.rotate_secret(tenant, name="UP_TOKEN", value="another", by=None)
        runtime.forget(tenant.pk)
        assert call(tenant, "up", "headers").structured["authorization"] == "Bearer another"  # over a new connection
    finally:
        upstream.kill()


def test_while_a_rotation_overlaps_the_secret_of_before_is_shown_where_the_new_one_is_refused(
    tenant: Tenant, world: None, tmp_path: Path, counter: Path
) -> None:
    taken = tmp_path / "token"
    taken.write_text(SECRET)
    upstream = Upstream("--era", "2025", "--token-file", str(taken), "--counter", str(counter)).start()
    try:
        server(tenant, "up", upstream.url, authentication=_bearer(tenant))
        assert call(tenant, "up", "write", word="a").text() == "a"
        vault.rotate_secret(tenant, name="UP_TOKEN", value="another", by=None)
        runtime.forget(tenant.pk)
        assert call(tenant, "up", "headers").structured["authorization"] == f"Bearer {SECRET}"  # the server has not learnt of it yet
        taken.write_text("another")
        assert call(tenant, "up", "headers").structured["authorization"] == "Bearer another"
        taken.write_text(SECRET)
        Secret.objects.update(previous_until=timezone.now())
        runtime.forget(tenant.pk)
        with pytest.raises(UpstreamFailed, match="does not take our credentials"):  # its time is over
            call(tenant, "up", "write", word="b")
    finally:
        upstream.kill()


def test_a_program_gets_the_secret_in_the_variable_that_the_operator_has_named(tenant: Tenant, world: None) -> None:
    server(tenant, "up", "stdio:own", transport="stdio", authentication=_bearer(tenant))
    seen = call(tenant, "up", "headers").structured
    assert seen["TOKEN"] == SECRET
    assert not {"DATABASE_URL", "SECRET_KEY", "STATE_DIR", "ENCRYPTION_KEYS", "DJANGO_SETTINGS_MODULE"} & set(seen)
    assert seen["HOME"].endswith(f"{tenant.pk}/up")


@pytest.mark.parametrize("url", ["stdio:bash", "stdio:/bin/sh", "stdio:others"])
def test_only_programs_of_the_operators_list(tenant: Tenant, url: str) -> None:
    with open_world(others={"command": ["true"], "tenants": ["somebody-else"]}):
        server(tenant, "up", url, transport="stdio")
        with pytest.raises(ProgramNotAllowed):
            call(tenant, "up", "look")
    assert [one.outcome for one in ServerCall.objects.all()] == [ServerCall.Outcome.REFUSED]


def test_a_program_that_cannot_start_says_why(tenant: Tenant) -> None:
    with open_world(broken={"command": [sys.executable, "-c", "import sys; sys.exit('no licence found')"]}, missing={"command": ["no-such-program"]}):
        for name, why in (("broken", "no licence found"), ("missing", "cannot start no-such-program")):
            server(tenant, name, f"stdio:{name}", transport="stdio")
            with pytest.raises(UpstreamUnreachable, match=why):
                call(tenant, name, "look")


def test_programs_are_limited_and_reaped(tenant: Tenant, tmp_path: Path) -> None:
    told = tmp_path / "pids"
    child = f"import subprocess, sys, os; open({str(told)!r}, 'w').write(str(os.getpid())); b'x' * 300_000_000"
    with open_world(hungry={"command": [sys.executable, "-c", child]}, own={"command": [sys.executable, str(UPSTREAM)]}):
        with override_settings(MCP_STDIO_MEMORY_MB=100):
            server(tenant, "hungry", "stdio:hungry", transport="stdio")
            with pytest.raises(UpstreamUnreachable, match="MemoryError"):
                call(tenant, "hungry", "look")
        server(tenant, "up", "stdio:own", transport="stdio")
        seen = call(tenant, "up", "headers")
        assert not seen.is_error
        children = _programs(str(UPSTREAM))
        assert len(children) == 1
        runtime.wait(runtime.close(tenant.pk))
        assert _programs(str(UPSTREAM)) == []
    assert told.read_text().isdigit()


def test_a_server_that_keeps_failing_is_left_alone_for_a_while(tenant: Tenant, world: None) -> None:
    upstream = Upstream()
    server(tenant, "up", upstream.url)
    for _ in range(5):
        with pytest.raises(UpstreamUnreachable):
            call(tenant, "up", "look", 0.2, word="a")
    with pytest.raises(CircuitOpen) as refused:
        call(tenant, "up", "look", word="a")
    assert refused.value.details["retry_after"] <= 5
    upstream.start()
    try:
        assert runtime.wait(runtime.check(tenant.pk, server="up", insist=True)).connected  # somebody presses the button
        assert call(tenant, "up", "write", word="a").text() == "a"
    finally:
        upstream.kill()


def test_an_answer_of_a_server_never_shows_our_secret(tenant: Tenant, world: None) -> None:
    answer = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "bad token ' + SECRET.encode() + b'"}}'
    with _answering(answer, status=b"400 Bad Request") as url:
        server(tenant, "up", url, authentication=_bearer(tenant))
        with pytest.raises(UpstreamFailed) as failed:
            call(tenant, "up", "look", word="a")
    assert SECRET not in failed.value.message
    assert "•••" in failed.value.message
    assert SECRET not in RemoteServer.objects.get().last_error
    assert all(SECRET not in str(vars(one)) for one in ServerCall.objects.all())


@pytest.mark.parametrize(
    ("answer", "headers"),
    [
        (b"x" * (9 * 1024 * 1024), b"Content-Type: application/json"),
        (b"\x1f\x8b" + b"0" * 100, b"Content-Type: application/json\r\nContent-Encoding: gzip"),
        (b"[[[[", b"Content-Type: application/json"),
        (b"<html>", b"Content-Type: text/html"),
    ],
)
def test_hostile_answers_end_in_a_clear_error(tenant: Tenant, world: None, answer: bytes, headers: bytes) -> None:
    with _answering(answer, headers) as url:
        server(tenant, "up", url, timeout=5)
        with pytest.raises((UpstreamUnreachable, UpstreamFailed)):
            call(tenant, "up", "look", word="a")


async def test_a_caller_that_gives_up_is_on_record_and_the_connection_lives(tenant: Tenant) -> None:
    """On this loop, as our own endpoint calls: with a connection of this loop's own."""
    from asgiref.sync import sync_to_async

    upstream = await sync_to_async(Upstream().start)()
    with override_settings(OUTBOUND_ALLOWED_HOSTS=["127.0.0.1"]):
        try:
            await sync_to_async(server)(tenant, "up", upstream.url)
            seconds = {"seconds": 30}
            asked = runtime.Asked(actor="key:a")
            sleeping = asyncio.create_task(runtime.call_tool(tenant.pk, server="up", tool="sleep", arguments=seconds, asked=asked))
            while not runtime.live((await sync_to_async(RemoteServer.objects.get)()).pk)["connections"]:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            sleeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeping
            answer = await runtime.call_tool(tenant.pk, server="up", tool="write", arguments={"word": "on"}, asked=asked)
            assert answer.text() == "on"
            (given_up,) = await sync_to_async(recorded)(tenant, "sleep")
            assert given_up.outcome == ServerCall.Outcome.CANCELLED
        finally:
            await runtime.close()
            await sync_to_async(upstream.kill)()


def _programs(part: str) -> list[int]:
    """Children of this process whose command line has `part`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                line = (entry / "cmdline").read_text()
            except (OSError, IndexError):
                continue
            if parent == os.getpid() and part in line:
                found.append(int(entry.name))
    return found


def _answering(body: bytes, headers: bytes = b"Content-Type: application/json", status: bytes = b"200 OK") -> Any:
    """An address that answers everything with the same."""
    import contextlib
    import socket
    import threading
    from collections.abc import Iterator

    head = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n\r\n" % (status, len(body), headers)

    def answer(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = listening.accept()
                with taken, contextlib.suppress(OSError):
                    taken.settimeout(5)
                    taken.recv(65536)
                    time.sleep(0.05)
                    taken.sendall(head + body)

    @contextlib.contextmanager
    def running() -> Iterator[str]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(20)
            threading.Thread(target=answer, args=(listening,), daemon=True).start()
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
            listening.shutdown(socket.SHUT_RDWR)

    return running()
