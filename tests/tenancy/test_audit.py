"""The audit chain: nothing is missing, nothing can be changed unnoticed."""

import threading
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mcp_platform.tenancy import scope, services
from mcp_platform.tenancy.models import AuditEntry, AuditHead, Tenant, TenantQuerySet
from tests.factories import TenantFactory

THREADS, EACH = 8, 12


@pytest.fixture
def unlocked(db: None) -> None:
    """As somebody with the database's own password: not even row-level security is in the way. Undone with the test's transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # ALTER TABLE waits for no pending checks
            cursor.execute("ALTER TABLE tenancy_auditentry DISABLE ROW LEVEL SECURITY")


def append(tenant: Tenant, number: int = 0, **changes: Any) -> AuditEntry:
    return services.audit(tenant, actor="system", action="tenant.update", target=tenant, changes={"n": number, **changes})


@pytest.fixture
def chain(tenant: Tenant) -> TenantQuerySet[AuditEntry]:
    for number in range(5):
        append(tenant, number)
    return AuditEntry.objects.for_tenant(tenant)


def numbers(faults: Iterable[services.ChainFault]) -> list[int]:
    return [fault.number for fault in faults]


def test_entries_are_numbered_and_chained(chain: TenantQuerySet[AuditEntry], tenant: Tenant) -> None:
    entries = list(chain.order_by("number"))
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.previous_digest for entry in entries] == ["", *(entry.digest for entry in entries[:-1])]
    assert services.verify_chain(tenant) == []


def test_an_empty_chain_is_whole(tenant: Tenant) -> None:
    assert services.verify_chain(tenant) == []


def test_every_tenant_has_its_own_chain(chain: TenantQuerySet[AuditEntry], tenant: Tenant, stranger: Tenant) -> None:
    assert append(stranger).number == 1
    assert append(tenant).number == 6
    assert services.verify_chain(stranger) == []


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "user:innocent"},
        {"action": "api_key.revoke"},
        {"changes": {"n": 99}},
        {"target_id": "x"},
        {"at": timezone.now() - timedelta(days=1)},
        {"previous_digest": "0" * 64},
        {"digest": "0" * 64},
    ],
)
def test_a_changed_entry_is_found(chain: TenantQuerySet[AuditEntry], tenant: Tenant, unlocked: None, change: dict[str, Any]) -> None:
    chain.filter(number=3).update(**change)
    assert set(numbers(services.verify_chain(tenant))) & {3, 4}


def test_a_missing_entry_is_found(chain: TenantQuerySet[AuditEntry], tenant: Tenant, unlocked: None) -> None:
    chain.filter(number=3).delete()
    assert numbers(services.verify_chain(tenant)) == [3]


def test_a_cut_off_end_is_found(chain: TenantQuerySet[AuditEntry], tenant: Tenant, unlocked: None) -> None:
    chain.filter(number__gte=4).delete()
    assert numbers(services.verify_chain(tenant)) == [4]


def test_a_whole_deleted_chain_is_found(chain: TenantQuerySet[AuditEntry], tenant: Tenant, unlocked: None) -> None:
    chain.delete()
    assert services.verify_chain(tenant)


def test_a_rewritten_entry_with_a_fresh_digest_is_found(chain: TenantQuerySet[AuditEntry], tenant: Tenant, unlocked: None) -> None:
    entry = chain.get(number=3)
    entry.actor = "user:innocent"
    chain.filter(number=3).update(actor=entry.actor, digest=services.digest_of(entry))
    assert numbers(services.verify_chain(tenant)) == [4]


def test_entries_moved_to_another_tenant_are_found(chain: TenantQuerySet[AuditEntry], tenant: Tenant, stranger: Tenant, unlocked: None) -> None:
    chain.update(tenant=stranger)
    AuditHead.objects.filter(pk=tenant.pk).delete()
    assert numbers(services.verify_chain(stranger))[:5] == [1, 2, 3, 4, 5]


def test_a_change_that_fails_leaves_no_entry(tenant: Tenant) -> None:
    @transaction.atomic
    def change() -> None:
        append(tenant)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert append(tenant).number == 1


def test_the_database_refuses_changes(chain: TenantQuerySet[AuditEntry], tenant: Tenant) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no row-level security")
    assert chain.update(actor="user:innocent") == 0
    with scope.tenant_scope(tenant):
        assert chain.all().delete()[0] == 0
    assert services.verify_chain(tenant) == []


def test_values_of_every_kind_are_recorded(tenant: Tenant) -> None:
    changes = {
        "when": timezone.now(),
        "day": timezone.now().date(),
        "id": uuid4(),
        "price": Decimal("1.10"),
        "scopes": {"b", "a"},
        "pair": (1, 2),
        "nul": "a\x00b",
        "half": "\ud800",
        "large": 1e22,
        "whole": 2.0,
        "endless": float("inf"),
        "not": float("nan"),
        "nested": {"a": [None, True, {"b": 0.1}]},
        7: "number",
    }
    append(tenant, 0, **{str(name): value for name, value in changes.items()})
    assert services.verify_chain(tenant) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.django_db
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_any_changes_survive_the_trip_through_the_database(changes: dict[str, Any]) -> None:
    with transaction.atomic():
        tenant = TenantFactory.create(slug=uuid4().hex)
        services.audit(tenant, actor="system", action="x", target=tenant, changes=changes)
        assert services.verify_chain(tenant) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", [True, False], ids=["empty chain", "begun chain"])
def test_appends_of_eight_threads_give_no_gap(first: bool) -> None:
    tenant = TenantFactory.create()
    if not first:
        append(tenant)
    start = threading.Barrier(THREADS)
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            with scope.tenant_scope(tenant):
                start.wait()
                for turn in range(EACH):
                    append(tenant, number * 100 + turn)
        except Exception as fault:  # noqa: BLE001  shown by the test
            failures.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = THREADS * EACH + (not first)
    assert list(AuditEntry.objects.for_tenant(tenant).order_by("number").values_list("number", flat=True)) == list(range(1, expected + 1))
    assert services.verify_chain(tenant) == []
