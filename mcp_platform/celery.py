"""The Celery application: the same tasks in this process (embedded) or in real workers. ADR 0002 has the choice and what was measured."""

import os
import threading
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")  # noqa: TID251

app = Celery("mcp_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
# retry() and apply_async() use the *default* app: without this line they dial a broker that is not there.
app.set_default()
# After each task Celery would close the process's whole connection pool: it costs every task a new connection, and takes the connections of
# the calls that run in lanes beside it. Tasks give back their own (`jobs.TenantTask`).
app.conf.update(CELERY_DB_REUSE_MAX=2**60)
app.autodiscover_tasks(
    [
        "mcp_platform.operations",
        "mcp_platform.vault",
        "mcp_platform.outbox",
        "mcp_platform.ml",
        "mcp_platform.oauth",
        "mcp_platform.orchestrator",
        "conversations",
        "conversations.analytics",
        "validation",
        "reports",
        "mcp_platform.mcp",
    ],
    related_name="tasks",
)


class EmbeddedWorker:
    """A Celery worker in a thread of this process, over the in-memory broker."""

    def __init__(self, concurrency: int = 8) -> None:
        self._concurrency = concurrency
        self._worker: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        app.finalize()
        app.loader.import_default_modules()
        self._worker = app.WorkController(
            pool="threads", concurrency=self._concurrency, without_heartbeat=True, without_mingle=True, without_gossip=True, quiet=True
        )
        self._thread = threading.Thread(target=self._worker.start, name="embedded-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let running tasks finish, then end the thread."""
        if self._worker is not None:
            self._worker.stop()
        if self._thread is not None:
            self._thread.join(timeout=10)


_embedded: EmbeddedWorker | None = None
_embedded_lock = threading.Lock()


def start_embedded_once() -> None:
    """Called by the server's entry points when no REDIS_URL is set."""
    global _embedded
    with _embedded_lock:
        if _embedded is None:
            _embedded = EmbeddedWorker()
            _embedded.start()


def stop_embedded() -> None:
    global _embedded
    with _embedded_lock:
        if _embedded is not None:
            _embedded.stop()
            _embedded = None


def embedded_is_running() -> bool:
    return _embedded is not None
