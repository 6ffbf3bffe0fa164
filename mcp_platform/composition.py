"""What a serving process starts besides answering requests."""

import atexit
import fcntl
import time
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django_prometheus import exports

from conversations import tools as talking
from experiments import tools as experiments
from mcp_platform import observability, toolkit, tools
from mcp_platform.metadata import tools as product_metadata
from mcp_platform.tenancy import scope
from reports import tools as reports
from validation import tools as building_codes

log = observability.logger(__name__)
COUNT_EVERY_SECONDS = 15.0
_claim: Any = None
_counted_at = -COUNT_EVERY_SECONDS


# What every app offers to machines, in one list.
TOOLS: tuple[Iterable[toolkit.Thing], ...] = (
    tools.TOOLS,
    product_metadata.TOOLS,
    talking.TOOLS,
    experiments.TOOLS,
    building_codes.OFFERED,
    reports.TOOLS,
)


def register_tools() -> None:
    for offered in TOOLS:
        toolkit.register(offered)


def start_serving() -> None:
    """Start the embedded worker, once, in the one process that may have it. With REDIS_URL the workers are processes of their own."""
    from mcp_platform import celery

    if not settings.EMBEDDED:
        return
    claim_single_process()
    celery.start_embedded_once()
    atexit.register(celery.stop_embedded)


def claim_single_process() -> None:
    """Without Redis pushes and jobs stay inside one process, so a second one would silently miss half of them. Raises ImproperlyConfigured."""
    global _claim
    if _claim is not None:
        return
    lock = (settings.STATE_DIR / "serving.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        lock.close()
        raise ImproperlyConfigured(
            f"Another process serves {settings.STATE_DIR} already. Several processes need REDIS_URL (and DATABASE_URL); see .env.example."
        ) from taken
    _claim = lock


def metrics(request: HttpRequest) -> HttpResponse:
    """/metrics. Gauges that are counts of rows are counted here, so that every web process tells them, also where workers are apart."""
    from conversations import dead, services
    from mcp_platform.outbox import services as outbox

    global _counted_at
    if time.monotonic() - _counted_at >= COUNT_EVERY_SECONDS:
        _counted_at = time.monotonic()
        try:
            with scope.platform_scope():
                services.count_active()
                dead.count()
                outbox.count_backlog()
        except DatabaseError as fault:
            log.warning("metrics_without_database", fault=repr(fault))
    found: HttpResponse = exports.ExportToDjangoView(request)
    return found
