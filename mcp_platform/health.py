"""Is it alive, is it ready, and which part is not. Four routes: /livez, /readyz, /health, /health/detailed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from mcp_platform import departure, observability

log = observability.logger(__name__)
Check = Callable[[], str]


class ComponentSick(Exception):
    """A component does not do its work; the text may be shown to anybody."""


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return str(connection.vendor)


_migrated = False


def _migrations() -> str:
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            raise ComponentSick(f"{len(missing)} migrations are not applied: ./run manage migrate")
        _migrated = True
    return "applied"


def _cache() -> str:
    _in_time("cache", lambda: cache.set("health", "1", 10))
    return "embedded" if settings.EMBEDDED else "redis"


def _workers() -> str:
    from mcp_platform import celery

    if settings.EMBEDDED:
        return "embedded" if celery.embedded_is_running() else "not started in this process"
    replies: list[Any] = _in_time("workers", lambda: celery.app.control.ping(timeout=0.5))
    if not replies:
        raise ComponentSick("no Celery worker answers: ./run worker")
    return f"{len(replies)} answer"


PATIENCE_SECONDS = 3.0
_asking: dict[str, "Future[Any]"] = {}


def _in_time(name: str, ask: Callable[[], Any]) -> Any:
    """The answer of something that may hang. A question that hangs is not asked a second time beside it. Raises ComponentSick."""
    asked = _asking.get(name)
    if asked is None or asked.done():
        asked = _asking[name] = Future()
        threading.Thread(target=_answered, args=(asked, ask), name=f"health-{name}", daemon=True).start()
    try:
        return asked.result(PATIENCE_SECONDS)
    except TimeoutError:
        raise ComponentSick(f"no answer within {PATIENCE_SECONDS:.0f} s") from None


def _answered(asked: "Future[Any]", ask: Callable[[], Any]) -> None:
    try:
        asked.set_result(ask())
    except Exception as fault:  # noqa: BLE001  whoever waits gets it
        asked.set_exception(fault)


CHECKS: dict[str, Check] = {"database": _database, "migrations": _migrations, "cache": _cache, "workers": _workers}
READY = ("database", "migrations")  # what a request needs; Redis and workers away means degraded, not unready


def run_checks(names: Any = None) -> dict[str, dict[str, Any]]:
    """{component: {status: healthy|unhealthy, detail, ms}} — a failing check never raises."""
    return {name: _run(CHECKS[name]) for name in (names or CHECKS)}


def _run(check: Check) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        status, detail = "healthy", check()
    except Exception as fault:  # noqa: BLE001  whatever fails is what the caller asked about
        log.warning("unhealthy", fault=repr(fault))
        status, detail = (
            "unhealthy",
            str(fault) if isinstance(fault, ComponentSick) else type(fault).__name__,
        )  # texts of drivers name hosts and users
    return {"status": status, "detail": detail, "ms": round((time.perf_counter() - began) * 1000, 1)}


def _answer(components: dict[str, dict[str, Any]] | None) -> JsonResponse:
    well = all(part["status"] == "healthy" for part in (components or {}).values())
    body: dict[str, Any] = {"status": "healthy" if well else "unhealthy", "service": settings.SERVICE_NAME, "version": settings.VERSION}
    if components is not None:
        body["components"] = components
    return JsonResponse(body, status=200 if well else 503)


def live(_request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is asked, so that a sick database does not restart every web process."""
    return _answer(None)


def ready(_request: HttpRequest) -> JsonResponse:
    return _answer(_readiness())


def _readiness() -> dict[str, dict[str, Any]]:
    if departure.leaving():  # it still answers: whoever comes late is served
        return {"process": {"status": "unhealthy", "detail": "is shutting down", "ms": 0.0}}
    return run_checks(READY)


def health(_request: HttpRequest) -> JsonResponse:
    """Ready or not, without details: safe to show to anybody."""
    components = _readiness()
    answer = _answer(components)
    return JsonResponse(
        {"status": "healthy" if answer.status_code == 200 else "unhealthy", "service": settings.SERVICE_NAME, "version": settings.VERSION},
        status=answer.status_code,
    )


def detailed(_request: HttpRequest) -> JsonResponse:
    return _answer(run_checks())
