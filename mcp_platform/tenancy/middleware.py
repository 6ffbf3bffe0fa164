"""The scope of pages for staff. Requests start with nobody's rows (`middleware.entrance`); authenticators open one tenant for the API."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from mcp_platform.tenancy import queries, scope
from mcp_platform.tenancy.models import User


@sync_and_async_middleware
def staff_scope(answer: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Pages of the admin see the rows of every tenant that the person is a member of; superusers those of all. After AuthenticationMiddleware."""
    if iscoroutinefunction(answer):

        async def enter_async(request: HttpRequest) -> Any:
            if request.path_info.startswith("/api/"):
                return await answer(request)
            with await sync_to_async(_scope_of)(request):
                return await answer(request)

        markcoroutinefunction(enter_async)
        return enter_async

    def enter(request: HttpRequest) -> Any:
        with _scope_of(request):
            return answer(request)

    return enter


def _scope_of(request: HttpRequest) -> AbstractContextManager[None]:
    # Not for the API: a request with a bearer token must not even read the session.
    user = None if request.path_info.startswith("/api/") else getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_active or not user.is_staff:
        return nullcontext()
    return scope.platform_scope() if user.is_superuser else scope.enter(queries.tenants_of(user))
