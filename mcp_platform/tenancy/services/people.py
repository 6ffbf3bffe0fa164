"""Accounts, and who is a member of what."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction

from mcp_platform.errors import NotFound
from mcp_platform.tenancy import permissions, queries
from mcp_platform.tenancy.errors import AlreadyExists, CannotGrant, LastOwner
from mcp_platform.tenancy.models import Membership, Role, Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services.trail import By, actor_of, audit, changed, locked_head, refuse


def add_member(tenant: Tenant, *, user: User, role: str, by: By) -> Membership:
    """Raises AlreadyExists, CannotGrant, Invalid."""
    _check_role(role)
    require_grantable(tenant, permissions.of_role(role), by)
    try:
        with transaction.atomic():
            member: Membership = Membership.objects.create(tenant=tenant, user=user, role=role)
            changes = {"user": str(user.pk), "username": user.username, "role": role}
            audit(tenant, actor=actor_of(by), action="member.add", target=member, changes=changes)
    except IntegrityError as fault:
        raise AlreadyExists("This person is a member already.", username=user.username) from fault
    return member


def invite_member(tenant: Tenant, *, username: str, role: str, email: str = "", by: By) -> Membership:
    """Add a person by user name; somebody new gets an account without a password, which an operator or single sign-on sets."""
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(username=username, defaults={"email": email, "is_staff": True})
        if is_new:
            user.set_unusable_password()
            user.save(update_fields=("password",))
        return add_member(tenant, user=user, role=role, by=by)


def change_role(tenant: Tenant, *, member_id: int, role: str, by: By) -> Membership:
    """Raises NotFound, LastOwner, CannotGrant, Invalid."""
    _check_role(role)
    with transaction.atomic():
        member = _locked_member(tenant, member_id)
        require_grantable(tenant, permissions.of_role(role) | permissions.of_role(member.role), by)
        if member.role == role:
            return member
        if member.role == Role.OWNER:
            _require_another_owner(tenant, member)
        before, member.role = member.role, role
        member.save(update_fields=("role",))
        audit(tenant, actor=actor_of(by), action="member.change_role", target=member, changes={"user": str(member.user_id), "role": [before, role]})
    return member


def remove_member(tenant: Tenant, *, member_id: int, by: By) -> None:
    """Raises NotFound, LastOwner, CannotGrant."""
    with transaction.atomic():
        member = _locked_member(tenant, member_id)
        require_grantable(tenant, permissions.of_role(member.role), by)
        if member.role == Role.OWNER:
            _require_another_owner(tenant, member)
        changes = {"user": str(member.user_id), "role": member.role}
        audit(tenant, actor=actor_of(by), action="member.remove", target=member, changes=changes)
        member.delete()


def _locked_member(tenant: Tenant, member_id: int) -> Membership:
    # The chain's end is locked first: two owners who remove each other at the same moment go one after the other.
    locked_head(tenant)
    members = Membership.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("user")
    member: Membership | None = members.filter(pk=member_id).first()
    if member is None:
        raise NotFound("There is no such member.")
    return member


def _require_another_owner(tenant: Tenant, member: Membership) -> None:
    others = Membership.objects.for_tenant(tenant).filter(role=Role.OWNER, user__is_active=True).exclude(pk=member.pk)
    if not others.exists():
        raise LastOwner()


def _check_role(role: str) -> None:
    if role not in Role.values:
        refuse("role", "is not a role", ", ".join(Role.values))


def require_grantable(tenant: Tenant, wanted: Iterable[str], by: By) -> None:
    """Nobody hands out, or takes from others, more than they have themselves: otherwise members:manage or keys:manage would mean everything."""
    if by is None:
        return
    held = by.permissions if isinstance(by, Principal) else queries.permissions_of(by, tenant)
    beyond = sorted(set(wanted) - held)
    if beyond:
        raise CannotGrant(permissions=beyond)


def change_account(user: User, *, before: Mapping[str, Any], by: By) -> None:
    """Save an account that was edited; `before` are the fields as they were. Raises LastOwner when a tenant would be left without an owner."""
    with transaction.atomic():
        memberships = _memberships(user)
        if before.get("is_active", user.is_active) and not user.is_active:
            _require_other_owners(memberships)
        user.save()
        changes = changed(before, {name: getattr(user, name) for name in before})
        for member in memberships if changes else ():
            audit(member.tenant, actor=actor_of(by), action="account.update", target=user, changes=changes)


def remove_account(user: User, *, by: By) -> None:
    """Delete the account and its memberships. Raises LastOwner."""
    with transaction.atomic():
        memberships = _memberships(user)
        _require_other_owners(memberships)
        for member in memberships:
            remove_member(member.tenant, member_id=member.pk, by=by)
        user.delete()


def _memberships(user: User) -> list[Membership]:
    found = list(Membership.objects.filter(user=user).select_related("tenant").order_by("tenant_id"))
    for member in found:  # in one order, so that two of these never wait for each other
        locked_head(member.tenant)
    return found


def _require_other_owners(memberships: Iterable[Membership]) -> None:
    for member in memberships:
        if member.role == Role.OWNER:
            _require_another_owner(member.tenant, member)
