"""Accounts are the platform's; what happens to them is in the audit chain of every tenant that they belong to."""

import pytest
from django.urls import reverse

from mcp_platform.tenancy import services
from mcp_platform.tenancy.errors import LastOwner
from mcp_platform.tenancy.models import AuditEntry, Membership, Role, Tenant, User
from tests.factories import MembershipFactory, UserFactory
from tests.tenancy.clients import logged_in


@pytest.fixture
def operator(db: None) -> User:
    return UserFactory.create(username="root", is_superuser=True)


def test_the_last_owner_can_be_neither_deleted_nor_switched_off(tenant: Tenant, owner: User, operator: User) -> None:
    with pytest.raises(LastOwner):
        services.remove_account(owner, by=operator)
    owner.is_active = False
    with pytest.raises(LastOwner):
        services.change_account(owner, before={"is_active": True}, by=operator)
    assert User.objects.get(pk=owner.pk).is_active
    assert Membership.objects.filter(user=owner).exists()


def test_removing_an_account_is_recorded_in_each_of_its_tenants(tenant: Tenant, stranger: Tenant, owner: User, operator: User) -> None:
    person = MembershipFactory.create(tenant=tenant, role=Role.EDITOR).user
    MembershipFactory.create(tenant=stranger, user=person, role=Role.VIEWER)
    services.remove_account(person, by=operator)
    told = AuditEntry.objects.filter(action="member.remove").values_list("tenant_id", "actor")
    assert set(told) == {(tenant.pk, f"user:{operator.pk}"), (stranger.pk, f"user:{operator.pk}")}
    assert services.verify_chain(tenant) == services.verify_chain(stranger) == []


def test_the_admin_refuses_with_a_message_and_records_a_change(tenant: Tenant, owner: User, operator: User) -> None:
    client = logged_in(operator)
    refused = client.post(reverse("admin:tenancy_user_delete", args=(owner.pk,)), {"post": "yes"}, follow=True)
    assert refused.status_code == 200
    assert "owner" in str(next(iter(refused.context["messages"])))
    form = {"username": "olga", "first_name": "Olga", "last_name": "", "email": "", "is_active": "on", "is_staff": "on"}
    assert client.post(reverse("admin:tenancy_user_change", args=(owner.pk,)), form).status_code == 302
    entry = AuditEntry.objects.get(tenant=tenant, action="account.update")
    assert entry.changes["first_name"] == ["", "Olga"]


def test_a_selection_with_the_last_owner_deletes_nobody(tenant: Tenant, owner: User, operator: User) -> None:
    other = MembershipFactory.create(tenant=tenant, role=Role.VIEWER).user
    chosen = {"action": "delete_selected", "_selected_action": [str(owner.pk), str(other.pk)], "post": "yes"}
    answer = logged_in(operator).post(reverse("admin:tenancy_user_changelist"), chosen, follow=True)
    assert answer.status_code == 200
    assert User.objects.filter(pk__in=(owner.pk, other.pk)).count() == 2
