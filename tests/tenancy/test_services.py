"""Tenants and members: who may come, who must stay."""

import threading

import pytest
from django.db import connection

from mcp_platform.errors import Invalid, NotFound
from mcp_platform.tenancy import scope, services
from mcp_platform.tenancy.errors import AlreadyExists, CannotGrant, LastOwner, TenantNotChosen, TenantUnknown
from mcp_platform.tenancy.models import AuditEntry, Membership, Role, Tenant, User
from mcp_platform.tenancy.queries import choose_tenant, permissions_of, principal_of_user, tenants_of
from tests.factories import MembershipFactory, TenantFactory, UserFactory


def actions(tenant: Tenant) -> list[str]:
    return list(AuditEntry.objects.for_tenant(tenant).order_by("number").values_list("action", flat=True))


@pytest.mark.django_db
def test_a_tenant_begins_with_an_owner_and_a_chain() -> None:
    olga = UserFactory.create()
    tenant = services.create_tenant(name="Permits", slug="permits", owner=olga, by=None)
    assert tenants_of(olga) == [tenant]
    assert actions(tenant) == ["tenant.create", "member.add"]
    assert services.verify_chain(tenant) == []


@pytest.mark.django_db
def test_a_slug_is_taken_once() -> None:
    services.create_tenant(name="Permits", slug="permits", by=None)
    with pytest.raises(AlreadyExists):
        services.create_tenant(name="Others", slug="permits", by=None)


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["", "-a", "A", "a b", "a/b", "a" * 64, "ä"])
def test_a_slug_is_simple(slug: str) -> None:
    with pytest.raises(Invalid):
        services.create_tenant(name="x", slug=slug, by=None)


def test_settings_are_merged_and_recorded(tenant: Tenant, owner: User) -> None:
    services.update_tenant(tenant, settings={"ended_conversation": "refuse", "default_flow": "welcome"}, by=owner)
    changed = services.update_tenant(tenant, name="Desk", settings={"default_flow": None}, by=owner)
    assert changed.settings == {"ended_conversation": "refuse"}
    assert changed.name == "Desk"
    last = AuditEntry.objects.for_tenant(tenant).first()
    assert last is not None
    assert last.actor == f"user:{owner.pk}"
    assert last.changes["name"] == [tenant.name, "Desk"]
    services.update_tenant(tenant, name="Desk", by=owner)
    assert actions(tenant) == ["tenant.update", "tenant.update"]  # a change of nothing is no entry


def test_all_faulty_settings_are_named(tenant: Tenant, owner: User) -> None:
    with pytest.raises(Invalid) as refusal:
        services.update_tenant(tenant, settings={"ended_conversation": "explode", "colour": "red", "default_flow": 7}, by=owner)
    paths = [fault["path"].removeprefix("$.settings.") for fault in refusal.value.details["errors"]]
    assert paths == ["ended_conversation", "colour", "default_flow"]


def test_somebody_new_gets_an_account_without_a_password(tenant: Tenant, owner: User) -> None:
    member = services.invite_member(tenant, username="nina", email="nina@example.org", role=Role.EDITOR, by=owner)
    assert not member.user.has_usable_password()
    assert member.user.is_staff
    assert not member.user.is_superuser


def test_somebody_known_keeps_their_account(tenant: Tenant, stranger: Tenant, owner: User) -> None:
    known = MembershipFactory.create(tenant=stranger).user
    known.set_password("a good one")
    known.save()
    member = services.invite_member(tenant, username=known.username, email="other@example.org", role=Role.VIEWER, by=owner)
    known.refresh_from_db()
    assert member.user == known
    assert known.check_password("a good one")
    assert known.email != "other@example.org"
    assert permissions_of(known, stranger) > permissions_of(known, tenant)


def test_a_member_is_added_once(tenant: Tenant, owner: User) -> None:
    with pytest.raises(AlreadyExists):
        services.add_member(tenant, user=owner, role=Role.VIEWER, by=owner)


def test_the_last_owner_stays(tenant: Tenant, owner: User) -> None:
    alone = Membership.objects.get(user=owner)
    with pytest.raises(LastOwner):
        services.remove_member(tenant, member_id=alone.pk, by=owner)
    with pytest.raises(LastOwner):
        services.change_role(tenant, member_id=alone.pk, role=Role.EDITOR, by=owner)
    services.change_role(tenant, member_id=alone.pk, role=Role.OWNER, by=owner)
    second = MembershipFactory.create(tenant=tenant, role=Role.OWNER)
    services.remove_member(tenant, member_id=alone.pk, by=owner)
    with pytest.raises(LastOwner):
        services.remove_member(tenant, member_id=second.pk, by=second.user)


def test_an_owner_who_cannot_log_in_does_not_count(tenant: Tenant, owner: User) -> None:
    MembershipFactory.create(tenant=tenant, role=Role.OWNER, user__is_active=False)
    with pytest.raises(LastOwner):
        services.remove_member(tenant, member_id=Membership.objects.get(user=owner).pk, by=owner)


def test_members_of_others_do_not_exist(tenant: Tenant, owner: User) -> None:
    foreign = MembershipFactory.create()
    with pytest.raises(NotFound):
        services.remove_member(tenant, member_id=foreign.pk, by=owner)
    with pytest.raises(NotFound):
        services.change_role(tenant, member_id=foreign.pk, role=Role.VIEWER, by=owner)


def test_nobody_makes_an_owner_without_being_one(tenant: Tenant, owner: User) -> None:
    limited = scope.Principal(tenant=tenant, actor="key:x", permissions=frozenset({"members:manage"}))
    with pytest.raises(CannotGrant):
        services.invite_member(tenant, username="nina", role=Role.OWNER, by=limited)
    assert not User.objects.filter(username="nina").exists()
    second = MembershipFactory.create(tenant=tenant, role=Role.OWNER)
    with pytest.raises(CannotGrant):
        services.remove_member(tenant, member_id=second.pk, by=limited)


def test_a_role_is_one_of_the_list(tenant: Tenant, owner: User) -> None:
    with pytest.raises(Invalid):
        services.invite_member(tenant, username="nina", role="emperor", by=owner)


def test_a_person_chooses_among_their_tenants(tenant: Tenant, stranger: Tenant, owner: User) -> None:
    assert choose_tenant(owner) == tenant
    with pytest.raises(TenantUnknown):
        choose_tenant(owner, "elsewhere")
    MembershipFactory.create(tenant=stranger, user=owner, role=Role.VIEWER)
    with pytest.raises(TenantNotChosen) as refusal:
        choose_tenant(owner)
    assert set(refusal.value.details["tenants"]) == {"permits", "elsewhere"}
    assert choose_tenant(owner, "elsewhere") == stranger


def test_a_superuser_may_everything_everywhere(tenant: Tenant) -> None:
    root = UserFactory.create(is_superuser=True)
    assert choose_tenant(root, "permits") == tenant
    assert principal_of_user(root, tenant).may("keys:manage")
    root.is_active = False
    assert not principal_of_user(root, tenant).permissions


@pytest.mark.django_db(transaction=True)
def test_two_owners_cannot_remove_each_other() -> None:
    tenant = TenantFactory.create()
    first, second = MembershipFactory.create_batch(2, tenant=tenant, role=Role.OWNER)
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def remove(member: Membership, by: User) -> None:
        try:
            with scope.tenant_scope(tenant):
                start.wait()
                services.remove_member(tenant, member_id=member.pk, by=by)
                outcomes.append("removed")
        except (LastOwner, CannotGrant) as fault:
            outcomes.append(type(fault).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=pair) for pair in ((first, second.user), (second, first.user))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("removed") == 1
    assert Membership.objects.for_tenant(tenant).filter(role=Role.OWNER).count() == 1
