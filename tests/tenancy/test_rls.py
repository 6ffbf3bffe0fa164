"""The second lock: raw SQL that forgets its tenant, on connections that other tenants used before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.db.utils import InternalError

from mcp_platform.tenancy import rls, scope, services
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Tenant
from tests.factories import MembershipFactory, TenantFactory
from tests.tenancy.clients import client_of


@pytest.fixture(autouse=True)
def _needs_postgresql(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("row-level security exists on PostgreSQL only: set DATABASE_URL")
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone()[0]:
            pytest.skip("the role of DATABASE_URL is a superuser or has BYPASSRLS, so no policy binds it")


@pytest.fixture
def two() -> tuple[Tenant, Tenant]:
    """Two tenants with a key each."""
    tenants = TenantFactory.create_batch(2)
    for tenant in tenants:
        services.create_api_key(tenant, name=tenant.slug, scopes=["flows:read"], by=None)
    return tenants[0], tenants[1]


def raw(sql: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else [cursor.rowcount]


def names() -> set[str]:
    return {name for (name,) in raw("SELECT name FROM tenancy_apikey")}


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        yield


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction, or a savepoint inside one, that ends in an error."""
    with suppress(ZeroDivisionError), transaction.atomic():
        yield
        raise ZeroDivisionError


def test_nothing_here_is_unlocked() -> None:
    assert rls.faults() == []


def test_a_table_with_a_tenant_and_no_lock_is_named() -> None:
    raw("CREATE TABLE forgotten (tenant_id uuid)")
    assert rls.faults() == ["the table forgotten has a tenant and no row-level security"]


def test_without_a_tenant_there_are_no_rows(two: tuple[Tenant, Tenant]) -> None:
    with scope.enter(()):
        assert names() == set()
        assert ApiKey.objects.count() == 0
        assert AuditEntry.objects.count() == 0
        assert raw("UPDATE tenancy_apikey SET name = 'x'") == [0]
        assert raw("DELETE FROM tenancy_apikey") == [0]


def test_each_tenant_sees_its_own(two: tuple[Tenant, Tenant]) -> None:
    one, other = two
    with scope.tenant_scope(one):
        assert names() == {one.slug}
        assert raw("SELECT count(*) FROM tenancy_apikey WHERE tenant_id = %s", other.pk) == [(0,)]
    with scope.tenant_scope(other):
        assert names() == {other.slug}
    with scope.enter(two):
        assert names() == {one.slug, other.slug}
    assert names() >= {one.slug, other.slug}  # tests act as the platform


def test_rows_for_another_tenant_are_refused(two: tuple[Tenant, Tenant]) -> None:
    one, other = two
    with scope.tenant_scope(one):
        with refused():
            services.create_api_key(other, name="planted", scopes=["flows:read"], by=None)
        with refused():
            raw("UPDATE tenancy_apikey SET tenant_id = %s", other.pk)
    with scope.enter(()), refused():
        MembershipFactory.create(tenant=one)
    assert not ApiKey.objects.filter(name="planted").exists()


def test_a_setting_that_is_no_id_shows_nothing(two: tuple[Tenant, Tenant]) -> None:
    with scope.enter(()):
        names()
        for value, rows in (("", 0), ("00000000-0000-0000-0000-000000000000", 0)):
            raw("SELECT set_config('mcp.tenants', %s, false)", value)
            assert len(names()) == rows
        raw("SELECT set_config('mcp.tenants', 'garbage', false)")
        with pytest.raises(DatabaseError), transaction.atomic():
            names()


def test_a_connection_that_was_told_nothing_shows_nothing(two: tuple[Tenant, Tenant]) -> None:
    raw("RESET mcp.tenants")
    assert names() == set()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every value that the server was told."""
    sent: list[str] = []
    connection.ensure_connection()
    real = connection.connection.execute

    def execute(query: Any, params: Any = None, **options: Any) -> Any:
        if "mcp.tenants" in str(query):
            sent.append(params[0])
        return real(query, params, **options)

    monkeypatch.setattr(connection.connection, "execute", execute)
    return sent


def test_a_change_of_tenant_costs_one_statement_and_staying_none(two: tuple[Tenant, Tenant], told: list[str]) -> None:
    one, other = two
    with scope.tenant_scope(one):
        for _ in range(3):
            names()
    with scope.tenant_scope(one):
        names()
    with scope.tenant_scope(other):
        names()
    assert told == [str(one.pk), str(other.pk)]


def test_a_scope_that_asks_nothing_costs_nothing(two: tuple[Tenant, Tenant], told: list[str]) -> None:
    with scope.tenant_scope(two[0]):
        pass
    assert told == []


def test_a_cursor_follows_the_scope(two: tuple[Tenant, Tenant]) -> None:
    one, other = two
    with scope.tenant_scope(one), connection.cursor() as cursor:
        with scope.tenant_scope(other):
            cursor.execute("SELECT name FROM tenancy_apikey")
            assert cursor.fetchall() == [(other.slug,)]
        cursor.execute("SELECT name FROM tenancy_apikey")
        assert cursor.fetchall() == [(one.slug,)]


def test_copy_follows_the_scope(two: tuple[Tenant, Tenant]) -> None:
    names()  # told '*'
    with scope.tenant_scope(two[0]), connection.cursor() as cursor, cursor.copy("COPY (SELECT name FROM tenancy_apikey) TO STDOUT") as rows:
        assert [row[0] for row in rows.rows()] == [two[0].slug]


def test_a_savepoint_that_is_rolled_back_takes_no_tenant_with_it(two: tuple[Tenant, Tenant]) -> None:
    one, other = two
    with scope.tenant_scope(one):
        assert names() == {one.slug}
        with rolled_back(), scope.tenant_scope(other):
            assert names() == {other.slug}  # told inside the savepoint
        assert names() == {one.slug}
    with scope.tenant_scope(other):
        assert names() == {other.slug}


def test_an_error_inside_a_savepoint_leaves_the_right_tenant(two: tuple[Tenant, Tenant]) -> None:
    one, other = two
    with scope.tenant_scope(one):
        with rolled_back():
            with pytest.raises(DatabaseError):
                raw("SELECT 1/0")
            with scope.tenant_scope(other), pytest.raises(InternalError):
                names()  # the transaction has failed: refused, and nothing is told
        assert names() == {one.slug}
    with scope.tenant_scope(other):
        assert names() == {other.slug}


@pytest.fixture
def committed(transactional_db: None) -> list[Tenant]:
    """Two tenants that other connections can see."""
    tenants = TenantFactory.create_batch(2)
    for tenant in tenants:
        services.create_api_key(tenant, name=tenant.slug, scopes=["flows:read"], by=None)
    return tenants


def test_a_transaction_that_is_rolled_back_takes_no_tenant_with_it(committed: list[Tenant]) -> None:
    one, other = committed
    with scope.tenant_scope(one):
        names()
    with scope.tenant_scope(other):
        with rolled_back():
            assert names() == {other.slug}
        assert names() == {other.slug}


def test_a_commit_that_is_a_rollback_takes_no_tenant_with_it(committed: list[Tenant]) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with a rollback, without an error."""
    one, other = committed
    with scope.tenant_scope(one):
        names()
    with scope.tenant_scope(other):
        connection.set_autocommit(False)
        try:
            assert names() == {other.slug}
            with pytest.raises(DatabaseError):
                raw("SELECT 1/0")
            connection.commit()
        finally:
            connection.set_autocommit(True)
        assert names() == {other.slug}


def test_a_pooled_connection_forgets_its_last_tenant(committed: list[Tenant]) -> None:
    """Every way a connection can go back to the pool, followed by somebody else."""
    one, other = committed
    assert connection.pool is not None  # type: ignore[attr-defined]  # only Django's PostgreSQL backend has one

    def leave_quietly() -> None:
        names()

    def leave_a_transaction_open() -> None:
        connection.set_autocommit(False)
        names()

    def leave_a_failed_transaction() -> None:
        connection.set_autocommit(False)
        names()
        with pytest.raises(DatabaseError):
            raw("SELECT 1/0")

    backends: set[int] = set()
    for leave in (leave_quietly, leave_a_transaction_open, leave_a_failed_transaction):
        for mine in (one, other):
            with scope.tenant_scope(mine):
                leave()
                connection.close()
            theirs = other if mine is one else one
            with scope.tenant_scope(theirs):
                assert names() == {theirs.slug}
                backends |= {pid for (pid,) in raw("SELECT pg_backend_pid()")}
                connection.close()
            with scope.enter(()):
                assert names() == set()
                connection.close()
    assert len(backends) <= connection.settings_dict["OPTIONS"]["pool"]["max_size"]


def test_threads_that_share_the_pool_never_see_each_other(committed: list[Tenant]) -> None:
    wrong: list[tuple[str, set[str]]] = []
    start = threading.Barrier(8)

    def work(tenant: Tenant) -> None:
        start.wait()
        for turn in range(30):
            with scope.tenant_scope(tenant):
                found = names()
                if found != {tenant.slug}:
                    wrong.append((tenant.slug, found))
                if turn % 3 == 0:
                    with rolled_back():
                        names()
            connection.close()

    threads = [threading.Thread(target=work, args=(committed[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_view_that_forgets_the_tenant_still_shows_only_its_own(two: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    from mcp_platform.tenancy import queries

    monkeypatch.setattr(queries, "members", lambda _tenant: Membership.objects.select_related("user").order_by("id"))
    mine, foreign = MembershipFactory.create(tenant=two[0]), MembershipFactory.create(tenant=two[1])
    client = client_of(two[0])
    assert [row["id"] for row in client.get("/api/v1/members").json()["results"]] == [mine.pk]
    assert client.get(f"/api/v1/members/{foreign.pk}").status_code == 404


def test_a_tenant_can_be_deleted_with_its_chain_by_the_platform_only(two: tuple[Tenant, Tenant]) -> None:
    one, other = two
    one.delete()
    assert not AuditEntry.objects.filter(tenant_id=one.pk).exists()
    with scope.tenant_scope(other):
        assert AuditEntry.objects.filter(tenant_id=other.pk).delete()[0] == 0
