"""`manage.py rungrpc`: the gRPC server in a process of its own."""

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_platform import departure, observability

if TYPE_CHECKING:
    from mcp_platform.grpc_server import Server

log = observability.logger(__name__)


class Command(BaseCommand):
    help = "Serve gRPC (mcp.v2.MCPEngine, health, reflection). Without REDIS_URL it must be the only process: use `serve --grpc` for both."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.GRPC_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        from mcp_platform import composition

        try:
            composition.start_serving()
            asyncio.run(self._serve(options["host"], options["port"]))
        except ImproperlyConfigured as fault:
            raise CommandError(str(fault)) from fault

    async def _serve(self, host: str, port: int) -> None:
        from mcp_platform.grpc_server import Server

        server, loop = Server(host, port), asyncio.get_running_loop()
        await server.start()
        self.stderr.write(f"Serving gRPC on {host}:{server.port}{' with TLS' if settings.GRPC_TLS_CERT else ''}. Ctrl-C stops.")
        asked, hurried = asyncio.Event(), asyncio.Event()

        def told() -> None:
            (hurried if asked.is_set() else asked).set()

        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, told)
        await asked.wait()
        await _leave(server, hurried)


async def _leave(server: "Server", hurried: asyncio.Event) -> None:
    """As `serve` does: DRAIN_SECONDS in which only the health check has changed, then calls in flight have SHUTDOWN_SECONDS. `hurried`: at once."""
    log.info("leaving", drain_seconds=settings.DRAIN_SECONDS)
    departure.begin()
    with suppress(TimeoutError):
        await asyncio.wait_for(hurried.wait(), settings.DRAIN_SECONDS)
    departure.end()  # which stops the server
    either = {asyncio.create_task(server.ended()), asyncio.create_task(hurried.wait())}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    await server.stop(grace=0)
