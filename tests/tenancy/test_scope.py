"""The scope opens what it says, closes again, and starts closed everywhere."""

import asyncio
import threading
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory

from mcp_platform.tenancy import scope, services
from mcp_platform.tenancy.middleware import staff_scope
from mcp_platform.tenancy.models import Tenant, User
from tests.factories import MembershipFactory, UserFactory


def test_a_new_thread_starts_closed() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(scope.current()))
    thread.start()
    thread.join()
    assert seen == [scope.NOBODY]


def test_scopes_nest_and_close() -> None:
    one, two = uuid4(), Tenant(slug="two")
    with scope.tenant_scope(one):
        assert scope.current() == str(one)
        with scope.enter([one, two]):
            assert scope.current() == f"{one},{two.pk}"
            with scope.platform_scope():
                assert scope.current() == "*"
        with suppress(ZeroDivisionError), scope.enter(()):
            assert scope.current() == scope.NOBODY
            raise ZeroDivisionError
        assert scope.current() == str(one)


@pytest.mark.parametrize("text", ["*", "", "07b3af29-56d2-4d75-9cab-47a3c98b9b0b,8261f0b7-f3ae-48d4-9169-0a478fb57feb", "1' OR true --"])
def test_a_text_that_is_no_id_opens_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="badly formed"), scope.tenant_scope(text):
        pass


async def test_threads_of_an_async_door_share_its_scope() -> None:
    tenant = uuid4()
    with scope.tenant_scope(tenant):
        assert await sync_to_async(scope.current)() == str(tenant)


async def test_an_asgi_application_starts_closed_and_tasks_do_not_mix() -> None:
    seen = []

    async def application(name: UUID) -> None:
        before = scope.current()
        scope.become(name)
        await asyncio.sleep(0.01)
        seen.append((before, scope.current() == str(name)))

    with scope.platform_scope():
        await asyncio.gather(*(scope.closed(application)(uuid4()) for _ in range(5)))
        assert scope.current() == scope.PLATFORM
    assert seen == [(scope.NOBODY, True)] * 5


def scope_of(user: User | AnonymousUser, path: str = "/admin/") -> str:
    request = RequestFactory().get(path)
    request.user = user
    with scope.enter(()):
        return str(staff_scope(lambda _request: scope.current())(request))


def test_staff_see_the_tenants_they_are_members_of(tenant: Tenant, stranger: Tenant, owner: User) -> None:
    assert scope_of(owner) == str(tenant.pk)
    MembershipFactory.create(tenant=stranger, user=owner)
    assert set(scope_of(owner).split(",")) == {str(tenant.pk), str(stranger.pk)}
    services.set_tenant_active(stranger, active=False, by=None)
    assert scope_of(owner) == str(tenant.pk)


def test_superusers_see_all_and_others_nothing(tenant: Tenant, owner: User) -> None:
    assert scope_of(UserFactory.create(is_superuser=True)) == scope.PLATFORM
    for user in (
        AnonymousUser(),
        UserFactory.create(),
        UserFactory.create(is_superuser=True, is_staff=False),
        UserFactory.create(is_superuser=True, is_active=False),
    ):
        assert scope_of(user) == scope.NOBODY
    assert scope_of(owner, "/api/v1/tenant") == scope.NOBODY  # there the authenticators open one tenant


async def test_staff_pages_that_are_async(monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(_request: HttpRequest) -> str:
        return scope.current()

    monkeypatch.setattr("mcp_platform.tenancy.middleware._scope_of", lambda _request: scope.platform_scope())
    with scope.enter(()):
        assert await staff_scope(page)(RequestFactory().get("/admin/")) == scope.PLATFORM
        assert await staff_scope(page)(RequestFactory().get("/api/v1/tenant")) == scope.NOBODY
