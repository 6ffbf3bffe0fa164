"""`manage.py rungrpc`: the gRPC server in a process of its own."""

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser


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
        asked = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, asked.set)
        await asked.wait()
        await server.stop()
