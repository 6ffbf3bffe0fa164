"""`manage.py serve`: migrate, then serve everything with daphne."""

import gc
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_platform import departure, observability

log = observability.logger(__name__)


class Command(BaseCommand):
    help = "Apply migrations and serve HTTP and WebSockets with daphne."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.HTTP_PORT)
        parser.add_argument("--no-migrate", action="store_true")
        parser.add_argument("--grpc", action="store_true", help="also serve gRPC, in the same process")
        parser.add_argument("--grpc-port", type=int, default=settings.GRPC_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        require_free(options["host"], options["port"])
        if not options["no_migrate"]:
            call_command("migrate", verbosity=0, skip_checks=False)
        host, port = options["host"], options["port"]
        with self._grpc(host, options["grpc_port"]) if options["grpc"] else nullcontext():
            self.stderr.write(f"Serving http://{host}:{port}/ (admin at /admin/, API documentation at /api/docs/). Ctrl-C stops.")
            serve(host, port)

    @contextmanager
    def _grpc(self, host: str, port: int) -> Iterator[None]:
        """Beside the web server. It is stopped before the interpreter ends, which takes the threads away that answer its last calls."""
        from mcp_platform.grpc_server import Beside

        server = Beside(host, port)
        try:
            bound = server.start()
        except ImproperlyConfigured as fault:
            raise CommandError(str(fault)) from fault
        self.stderr.write(f"Serving gRPC on {host}:{bound}.")
        try:
            yield
        finally:
            server.stop()


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
    server = Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        signal_handlers=False,
        server_name="mcp-platform",
        http_timeout=120,
        websocket_timeout=-1,
        application_close_timeout=15,
    )
    farewell = Farewell(server)

    def ready() -> None:
        server.ws_factory.protocol = bounded(server.ws_factory.protocol)
        # How long a slow client may take to read up to the close frame, which tells it why; after one second, the default, it would be cut off.
        server.ws_factory.setProtocolOptions(closeHandshakeTimeout=CLOSE_SECONDS)
        farewell.wait_for_a_signal()

    server.ready_callable = ready
    server.run()


CLOSE_SECONDS = 20
MOST_UNSENT = 8 * 1024 * 1024


def bounded(protocol: Any) -> Any:
    """The WebSocket protocol of daphne for clients that do not read: what waits to be sent is kept in memory without bound, and nobody is told.

    Sockets that only receive are closed with a code long before (conversations/consumers/stream.py); this one ends whoever goes on asking.
    """

    class Bounded(protocol):  # type: ignore[misc]  # daphne is untyped
        def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802  the name is the base class's
            super().serverSend(content, binary)
            if _unsent(self.transport) > MOST_UNSENT:
                log.warning("socket_does_not_read", client=str(self.client_addr))
                self.transport.abortConnection()

    return Bounded


def _unsent(transport: Any) -> int:
    """Bytes that Twisted keeps for a connection; it has no public way to ask."""
    try:
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)
    except AttributeError:
        return 0


class Farewell:
    """What SIGTERM and SIGINT begin, instead of daphne's own way, which cancels the requests that are being answered.

    For DRAIN_SECONDS everything goes on but the readiness probe; then the door closes, sockets are told to connect elsewhere, and requests have
    SHUTDOWN_SECONDS to be answered. A second signal ends it at once.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._until = 0.0

    def wait_for_a_signal(self) -> None:
        from twisted.internet import reactor

        self._reactor: Any = reactor
        for number in (signal.SIGTERM, signal.SIGINT):
            self._reactor._asyncioEventloop.add_signal_handler(number, self._begin)

    def _begin(self) -> None:
        if departure.leaving():
            self._reactor.stop()
            return
        log.info("leaving", drain_seconds=settings.DRAIN_SECONDS)
        departure.begin()
        self._reactor.callLater(settings.DRAIN_SECONDS, self._close_the_door)

    def _close_the_door(self) -> None:
        for listener in self._server.listeners:
            listener.addCallback(lambda port: port.stopListening())
        departure.end()
        self._until = time.monotonic() + settings.SHUTDOWN_SECONDS
        self._when_all_have_gone()

    def _when_all_have_gone(self) -> None:
        running = [held for held in self._server.connections.values() if held.get("application_instance") and not held["application_instance"].done()]
        if running and time.monotonic() < self._until:
            self._reactor.callLater(0.05, self._when_all_have_gone)
            return
        if running:
            log.warning("left_behind", requests=len(running))
        self._reactor.callLater(0.05, self._reactor.stop)  # what was answered last is still on its way out


def know_json() -> None:
    """Twisted runs the email package's header parser over the Content-Type of every POST, to look for forms; for our JSON that took a tenth of
    the server's computing time (`./run bench turn`). It has no public switch."""
    from twisted.web import http

    parse, known = http._parseContentType, b"application/json"
    http._parseContentType = lambda line: known if line == known else parse(line)
