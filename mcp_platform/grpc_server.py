"""The gRPC server: the apps' services, health and reflection, TLS, and an orderly end. Runs in a process of its own (`manage.py rungrpc`) or
beside the web server (`./run serve --grpc`)."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import grpc
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs know the synchronous one only
from grpc_reflection.v1alpha import reflection

from conversations import rpc
from mcp_platform import departure, observability, pool, rest
from mcp_platform import health as checks

log = observability.logger(__name__)

HEALTH_EVERY_SECONDS = 5.0
LONGEST_MESSAGE = rest.MAX_BODY + 64 * 1024  # what lies around the body
OPTIONS = (
    ("grpc.max_receive_message_length", LONGEST_MESSAGE),
    ("grpc.max_concurrent_streams", settings.MAX_PARALLEL_EXECUTIONS),
    ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a partner
)


class Server:
    """`start` returns when the port is bound; `stop` refuses new calls and lets those in flight end, which the departure of the process does too."""

    def __init__(self, host: str, port: int) -> None:
        self._address = f"{host}:{port}"
        self.port = port
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Raises ImproperlyConfigured when the port is taken or the certificate cannot be read."""
        self._server = grpc.aio.server(options=OPTIONS)
        self._health = health.HealthServicer()
        services = [rpc.register(self._server), health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(services, self._server)
        self.port = self._bind()
        await self._tell_health()
        await self._server.start()
        self._beside = [asyncio.create_task(task) for task in (self._watch(), self._leave())]

    def _bind(self) -> int:
        try:
            secrets = _credentials()
            return self._server.add_secure_port(self._address, secrets) if secrets else self._server.add_insecure_port(self._address)
        except (RuntimeError, OSError) as fault:
            raise ImproperlyConfigured(f"gRPC cannot listen on {self._address}: {fault}") from fault

    async def stop(self, *, grace: float | None = None) -> None:
        """`grace`: seconds for the calls in flight, SHUTDOWN_SECONDS when left out. Of several callers the most impatient one counts."""
        for task in self._beside:
            if task is not asyncio.current_task():
                task.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(settings.SHUTDOWN_SECONDS if grace is None else grace)
        self._ended.set()

    async def ended(self) -> None:
        await self._ended.wait()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_EVERY_SECONDS)
            await self._tell_health()

    async def _leave(self) -> None:
        """What the process does at its end, for whom this server is one of two."""
        await departure.begun()
        await self._health.enter_graceful_shutdown()  # for good: what `_watch` finds changes nothing any more
        await departure.ended()
        await self.stop()

    async def _tell_health(self) -> None:
        """The same question as /readyz."""
        components = await pool.run(checks.run_checks, checks.READY)
        well = all(part["status"] == "healthy" for part in components.values())
        told = health_pb2.HealthCheckResponse.SERVING if well else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", rpc.SERVICE):
            await self._health.set(service, told)


def _credentials() -> grpc.ServerCredentials | None:
    if not settings.GRPC_TLS_CERT and not settings.GRPC_TLS_KEY:
        return None
    if not (settings.GRPC_TLS_CERT and settings.GRPC_TLS_KEY):
        raise ImproperlyConfigured("GRPC_TLS_CERT and GRPC_TLS_KEY go together.")
    pair = (Path(settings.GRPC_TLS_KEY).read_bytes(), Path(settings.GRPC_TLS_CERT).read_bytes())
    authority = Path(settings.GRPC_TLS_CLIENT_CA).read_bytes() if settings.GRPC_TLS_CLIENT_CA else None
    return grpc.ssl_server_credentials([pair], root_certificates=authority, require_client_auth=authority is not None)


class Beside:
    """The server on a thread with a loop of its own, beside another server in this process."""

    def __init__(self, host: str, port: int) -> None:
        self._server = Server(host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)

    def start(self) -> int:
        """The port that it listens on. Raises ImproperlyConfigured."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(30)
        return self._server.port

    def stop(self) -> None:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(settings.SHUTDOWN_SECONDS + 5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
