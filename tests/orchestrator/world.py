"""Upstream servers that tests start, end and start again, and the rows that point to them."""

import contextlib
import multiprocessing
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.test import override_settings

from mcp_platform.orchestrator import runtime
from mcp_platform.orchestrator.models import RemoteServer, ServerCall
from mcp_platform.orchestrator.runtime import Asked, rows
from mcp_platform.tenancy.models import Tenant
from tests.orchestrator import upstream

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.orchestrator.upstream"])  # the SDK takes seconds to import: once for all of them
UPSTREAM = Path(__file__).with_name("upstream.py")
ASKED = Asked(actor="key:tests", via="tests")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Upstream:
    """One process; `start` waits until it answers."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.arguments = arguments
        self._process: multiprocessing.process.BaseProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{'sse' if 'sse' in self.arguments else 'mcp'}"

    def start(self, *more: str) -> "Upstream":
        self._process = _processes.Process(target=upstream.main, args=(["--port", str(self.port), *self.arguments, *more],), daemon=True)
        self._process.start()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.02)
        raise AssertionError("the upstream did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


@contextlib.contextmanager
def open_world(**programs: Any) -> Iterator[None]:
    """Addresses of this machine and these programs are allowed; afterwards nothing is left open."""
    with override_settings(OUTBOUND_ALLOWED_HOSTS=["127.0.0.1"], MCP_STDIO_SERVERS=programs):
        runtime.forget()
        try:
            yield
        finally:
            runtime.wait(runtime.close())
            rows.close()


def server(tenant: Tenant, slug: str, url: str, **fields: Any) -> RemoteServer:
    row: RemoteServer = RemoteServer.objects.create(tenant=tenant, slug=slug, url=url, **{"name": slug.title(), "timeout": 10, **fields})
    runtime.forget(tenant.pk)
    return row


def call(tenant: Tenant, slug: str, tool: str, timeout: float | None = None, /, **arguments: Any) -> runtime.Answer:
    return runtime.wait(runtime.call_tool(tenant.pk, server=slug, tool=tool, arguments=arguments, asked=ASKED, timeout=timeout))


def recorded(tenant: Tenant, tool: str) -> list[ServerCall]:
    return list(ServerCall.objects.for_tenant(tenant).filter(name=tool).order_by("at"))
