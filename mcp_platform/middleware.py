"""The outermost layer of every HTTP request: correlation id, closed tenant scope, security headers. Hot routes pass `handlers` instead."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from mcp_platform import departure, observability, rest
from mcp_platform.tenancy import scope

# unfold's Alpine.js evaluates expressions, hence unsafe-eval, on the admin's pages only; those have no inline script. Swagger UI has some.
ADMIN_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
PAGE_POLICY = ADMIN_POLICY.replace("'unsafe-eval'", "'unsafe-inline'")


PROBES = frozenset({"/livez", "/readyz", "/health", "/health/detailed", "/metrics"})


def _let_probes_in(request: HttpRequest) -> None:
    """Probes and scrapers come by address: the check of the Host header, which protects links that pages make, is not for them."""
    if request.path_info in PROBES:
        request.get_host = lambda: "probe"  # type: ignore[method-assign]  # what CommonMiddleware and SecurityMiddleware ask


@sync_and_async_middleware
def entrance(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Must be first."""
    if iscoroutinefunction(get_response):
        follow: Callable[[HttpRequest], Awaitable[HttpResponse]] = get_response

        async def enter_async(request: HttpRequest) -> HttpResponse:
            with observability.correlated(request.headers.get("X-Correlation-ID", "")) as correlation_id, scope.enter(()):
                _let_probes_in(request)
                return finish(request, _nowhere(request) or await follow(request), correlation_id)

        markcoroutinefunction(enter_async)
        return enter_async

    def enter(request: HttpRequest) -> HttpResponse:
        with observability.correlated(request.headers.get("X-Correlation-ID", "")) as correlation_id, scope.enter(()):
            _let_probes_in(request)
            return finish(request, _nowhere(request) or get_response(request), correlation_id)

    return enter


def _nowhere(request: HttpRequest) -> HttpResponse | None:
    """404 for an address with a NUL character: nothing has such a name, and PostgreSQL refuses even to look for it."""
    return rest.not_found(request, Http404()) if "\x00" in request.path_info else None


def finish(request: HttpRequest, response: HttpResponse, correlation_id: str) -> HttpResponse:
    """The headers of every answer, whichever way it was made."""
    response.headers["X-Correlation-ID"] = correlation_id
    if departure.leaving():
        response.headers["Connection"] = "close"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if not response.streaming and "Content-Length" not in response.headers:  # CommonMiddleware's work, which hot routes do not pass
        response.headers["Content-Length"] = str(len(response.content))
    budget = getattr(request, "rate_budget", None)  # left by the tenancy authenticators
    for name, value in budget.headers.items() if budget else ():
        response.headers.setdefault(name, value)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        response.headers.setdefault("Content-Security-Policy", ADMIN_POLICY if request.path_info.startswith("/admin/") else PAGE_POLICY)
    return response
