"""A real daphne in a thread of the test process: real HTTP and sockets, the test's own database and settings."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mcp_platform import celery, pool

_started: dict[str, int] = {}


def _free_port() -> int:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _serve(port: int) -> None:
    from channels.routing import ProtocolTypeRouter, URLRouter
    from daphne.server import Server

    from conversations.consumers import websocket_urlpatterns as conversation_sockets
    from conversations.urls import HOT_ROUTES
    from mcp_platform.handlers import HotASGIHandler
    from mcp_platform.tenancy import scope
    from validation.consumers import websocket_urlpatterns as building_sockets

    sockets = URLRouter([*building_sockets, *conversation_sockets])
    application = ProtocolTypeRouter({"http": HotASGIHandler(HOT_ROUTES), "websocket": scope.closed(sockets)})
    Server(application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"], signal_handlers=False, verbosity=0).run()


@pytest.fixture
def address(transactional_db: None) -> Iterator[str]:
    """host:port. The reactor of daphne runs once per process, so the server stays; only its database connections go with each test."""
    if "port" not in _started:
        _started["port"] = _free_port()
        threading.Thread(target=_serve, args=(_started["port"],), name="daphne", daemon=True).start()
        _until_it_listens(_started["port"])
    yield f"127.0.0.1:{_started['port']}"
    pool.close_connections()


def _until_it_listens(port: int) -> None:
    for _ in range(200):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("daphne does not listen")


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Any]:
    """The embedded Celery worker with its sweeps, for the time of one test."""
    running = celery.EmbeddedWorker(concurrency=2)
    running.start()
    yield running
    running.stop()
