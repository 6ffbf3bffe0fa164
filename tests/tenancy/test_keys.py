"""API keys: what is kept, when they end, how they are exchanged."""

import time
import timeit
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mcp_platform.errors import Invalid
from mcp_platform.tenancy import credentials, services
from mcp_platform.tenancy.authenticators import authenticate_bearer
from mcp_platform.tenancy.errors import CannotGrant, KeyNotActive, Unauthenticated
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Tenant
from mcp_platform.tenancy.queries import principal_of_key

HERE = "192.0.2.7"
ALL_AUDIT = AuditEntry.objects.order_by("number")


@pytest.fixture
def other_process() -> Callable[[], None]:
    """What happens elsewhere: this process's memory of checked credentials is older than 5 seconds."""

    def forget() -> None:
        for digest, known in list(credentials._known.items()):
            credentials._known[digest] = known._replace(until=0.0)

    return forget


def make(tenant: Tenant, **options: Any) -> tuple[ApiKey, str]:
    return services.create_api_key(tenant, **{"name": "crm", "scopes": ["flows:read"], "by": None, **options})


def test_a_key_opens_its_tenant_with_its_scopes(tenant: Tenant) -> None:
    key, token = make(tenant, scopes=["flows:read", "conversations:write"])
    principal = authenticate_bearer(token, address=HERE)
    assert principal.tenant == tenant
    assert principal.actor == f"key:{key.prefix}"
    assert principal.permissions == {"flows:read", "conversations:write"}
    assert principal.key_id == key.pk


def test_only_prefix_and_hash_are_kept(tenant: Tenant) -> None:
    _, token = make(tenant)
    secret = token.removeprefix("mcp_").split("_")[1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tenancy_apikey")
        row = str(cursor.fetchall())
    assert secret not in row
    assert secret not in str(list(ALL_AUDIT.values()))


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: token.rsplit("_", 1)[0] + "_",
        lambda token: token.rsplit("_", 1)[0],
        lambda token: token + "0",
        lambda token: "mcp_" + "a" * 10 + "_" + token.rsplit("_", 1)[1],
        lambda token: token.upper(),
        lambda token: "mcp_",
        lambda token: "mcp_\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00_x",
        lambda token: "mcp_" + "é" * 10 + "_x",
        lambda token: "mcp_\udcff",
        lambda token: "x" * 100_000,
        lambda token: "",
    ],
)
def test_a_token_that_is_not_quite_right_opens_nothing(tenant: Tenant, change: Callable[[str], str]) -> None:
    _, token = make(tenant)
    with pytest.raises(Unauthenticated):
        authenticate_bearer(change(token), address=HERE)


def test_expiry_is_looked_at_every_time(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = make(tenant, expires_at=timezone.now() + timedelta(seconds=2))
    authenticate_bearer(token, address=HERE)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2.1)  # sooner than the 5 seconds that a checked key is believed
    assert credentials.recall(token) is None


def test_an_expired_key_opens_nothing(tenant: Tenant, other_process: Callable[[], None]) -> None:
    key, token = make(tenant, expires_at=timezone.now() + timedelta(hours=1))
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        authenticate_bearer(token, address=HERE)


def test_a_key_revoked_here_ends_at_once(tenant: Tenant) -> None:
    key, token = make(tenant)
    authenticate_bearer(token, address=HERE)
    services.revoke_api_key(tenant, key_id=key.pk, by=None)
    with pytest.raises(Unauthenticated):
        authenticate_bearer(token, address=HERE)


def test_a_key_revoked_elsewhere_ends_within_five_seconds(tenant: Tenant, other_process: Callable[[], None]) -> None:
    key, token = make(tenant)
    authenticate_bearer(token, address=HERE)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert authenticate_bearer(token, address=HERE).tenant == tenant  # still believed
    assert credentials.BELIEVED_SECONDS == 5
    other_process()
    with pytest.raises(Unauthenticated):
        authenticate_bearer(token, address=HERE)


def test_revoking_again_changes_nothing(tenant: Tenant) -> None:
    key, _ = make(tenant)
    first = services.revoke_api_key(tenant, key_id=key.pk, by=None)
    again = services.revoke_api_key(tenant, key_id=key.pk, by=None)
    assert again.revoked_at == first.revoked_at
    assert ALL_AUDIT.filter(action="api_key.revoke").count() == 1


def test_rotation_overlaps(tenant: Tenant, other_process: Callable[[], None]) -> None:
    old, old_token = make(tenant, scopes=["flows:read"])
    new, new_token = services.rotate_api_key(tenant, key_id=old.pk, overlap=timedelta(minutes=10), by=None)
    assert authenticate_bearer(old_token, address=HERE).key_id == old.pk
    assert authenticate_bearer(new_token, address=HERE).key_id == new.pk
    assert new.scopes == old.scopes
    old.refresh_from_db()
    assert old.rotated_to == new
    assert old.expires_at is not None
    assert timedelta(minutes=9) < old.expires_at - timezone.now() <= timedelta(minutes=10)
    ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now())  # ten minutes later
    other_process()
    with pytest.raises(Unauthenticated):
        authenticate_bearer(old_token, address=HERE)
    assert authenticate_bearer(new_token, address=HERE).tenant == tenant


def test_rotation_without_overlap_ends_the_old_key_at_once(tenant: Tenant) -> None:
    old, token = make(tenant)
    authenticate_bearer(token, address=HERE)
    services.rotate_api_key(tenant, key_id=old.pk, overlap=timedelta(0), by=None)
    with pytest.raises(Unauthenticated):
        authenticate_bearer(token, address=HERE)


def test_rotation_never_lengthens_a_life(tenant: Tenant) -> None:
    soon = timezone.now() + timedelta(hours=1)
    old, _ = make(tenant, expires_at=soon)
    new, _ = services.rotate_api_key(tenant, key_id=old.pk, by=None)
    old.refresh_from_db()
    assert old.expires_at == soon
    assert new.expires_at is not None
    assert new.expires_at - timezone.now() <= timedelta(hours=1)


def test_a_key_is_rotated_once(tenant: Tenant) -> None:
    old, _ = make(tenant)
    services.rotate_api_key(tenant, key_id=old.pk, by=None)
    with pytest.raises(KeyNotActive):
        services.rotate_api_key(tenant, key_id=old.pk, by=None)


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["flows:burn"]}, {"expires_at": timezone.now()}])
def test_a_key_that_makes_no_sense_is_not_created(tenant: Tenant, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        make(tenant, **wrong)
    assert refusal.value.details["errors"][0]["path"] == f"$.{next(iter(wrong))}"
    assert not ApiKey.objects.exists()


def test_nobody_creates_a_key_that_may_more_than_they_may(tenant: Tenant) -> None:
    minting, _ = make(tenant, scopes=["keys:manage", "flows:read"])
    by = principal_of_key(minting)
    make(tenant, scopes=["flows:read"], by=by)
    with pytest.raises(CannotGrant) as refusal:
        make(tenant, scopes=["flows:read", "flows:write"], by=by)
    assert refusal.value.details["permissions"] == ["flows:write"]


def test_nobody_gets_a_stronger_key_by_rotating_it(tenant: Tenant) -> None:
    strong, _ = make(tenant, scopes=["flows:write"])
    minting, _ = make(tenant, scopes=["keys:manage"])
    with pytest.raises(CannotGrant):
        services.rotate_api_key(tenant, key_id=strong.pk, by=principal_of_key(minting))


def test_a_suspended_tenant_has_no_working_credential(tenant: Tenant) -> None:
    _, token = make(tenant)
    authenticate_bearer(token, address=HERE)
    services.set_tenant_active(tenant, active=False, by=None)
    with pytest.raises(Unauthenticated):
        authenticate_bearer(token, address=HERE)
    services.set_tenant_active(tenant, active=True, by=None)
    assert authenticate_bearer(token, address=HERE).tenant == tenant


def test_use_is_noted_at_most_once_a_minute(
    tenant: Tenant, other_process: Callable[[], None], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key, token = make(tenant)
    authenticate_bearer(token, address=HERE)
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert timezone.now() - key.last_used_at < timedelta(seconds=5)
    with django_assert_num_queries(0):
        authenticate_bearer(token, address=HERE)
    other_process()
    with django_assert_num_queries(1):  # the look-up, no write
        authenticate_bearer(token, address=HERE)
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    other_process()
    authenticate_bearer(token, address=HERE)
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(seconds=5)


def test_the_memory_of_credentials_is_bounded(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_REMEMBERED", 10)
    principal = principal_of_key(make(tenant)[0])
    for number in range(50):
        credentials.remember(f"token{number}", principal)
    assert len(credentials._known) <= 10
    assert credentials.recall("token49") is principal


def test_a_believed_key_costs_next_to_nothing(tenant: Tenant) -> None:
    _, token = make(tenant)
    authenticate_bearer(token, address=HERE)
    fastest = min(timeit.repeat(lambda: authenticate_bearer(token, address=HERE), number=200, repeat=10)) / 200
    assert fastest < 30e-6
