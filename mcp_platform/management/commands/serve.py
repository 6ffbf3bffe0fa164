"""`manage.py serve`: migrate, then serve everything with daphne."""

import gc
import socket
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Apply migrations and serve HTTP and WebSockets with daphne."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.HTTP_PORT)
        parser.add_argument("--no-migrate", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        require_free(options["host"], options["port"])
        if not options["no_migrate"]:
            call_command("migrate", verbosity=0)
        self.stderr.write(f"Serving http://{options['host']}:{options['port']}/ (admin at /admin/, API documentation at /api/docs/). Ctrl-C stops.")
        serve(options["host"], options["port"])


def require_free(host: str, port: int) -> None:
    """Raises CommandError when somebody listens there: daphne itself would only log it and go on without a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as taken:
            raise CommandError(f"Port {port} on {host} is taken ({taken.strerror}); choose another one with --port.") from taken


def serve(host: str, port: int) -> None:
    """Blocks until a signal."""
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server

    from mcp_platform.asgi import application

    know_json()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: full collections need not walk it again
    Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        server_name="mcp-platform",
        http_timeout=120,
        websocket_timeout=-1,
        application_close_timeout=15,
    ).run()


def know_json() -> None:
    """Twisted runs the email package's header parser over the Content-Type of every POST, to look for forms; for our JSON that took a tenth of
    the server's computing time (`./run bench turn`). It has no public switch."""
    from twisted.web import http

    parse, known = http._parseContentType, b"application/json"
    http._parseContentType = lambda line: known if line == known else parse(line)
