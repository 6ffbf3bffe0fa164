"""Everything that stores, rotates and opens secrets. Values go in and come out here only; audit entries and logs name the secret."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NoReturn
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from mcp_platform import observability, sealing
from mcp_platform.errors import Invalid
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.vault.errors import SecretExists, SecretIsNeeded, SecretNotFound
from mcp_platform.vault.models import NAME_PATTERN, NAME_RULE, Secret

log = observability.logger(__name__)

OVERLAP: Final = timedelta(hours=24)
LONGEST_OVERLAP: Final = timedelta(days=30)
LONGEST_VALUE: Final = 8_192  # characters: a key in PEM fits
NOTED_EVERY: Final = timedelta(minutes=1)  # how exact `last_used_at` is
PURPOSE: Final = "vault.secret"  # of what is sealed here

Lookup = Callable[[Tenant | UUID, str], list[str]]
_lookups: list[Lookup] = []


def tell_users(lookup: Lookup) -> None:
    """Apps whose rows refer to secrets register how to find those rows; a secret that is referred to is not deleted."""
    _lookups.append(lookup)


def users_of(tenant: Tenant | UUID, name: str) -> list[str]:
    """What refers to this secret, such as `integration:crm`."""
    return sorted(user for lookup in _lookups for user in lookup(tenant, name))


def create_secret(tenant: Tenant, *, name: str, value: str, description: str = "", by: By) -> Secret:
    """Raises Invalid, SecretExists."""
    if not re.fullmatch(NAME_PATTERN, name):
        _refuse("name", "is no name of a secret", NAME_RULE)
    _check(value, description)
    user = by.user if isinstance(by, Principal) else by if isinstance(by, User) else None
    try:
        with transaction.atomic():
            token = sealing.seal(value, purpose=PURPOSE)
            row = Secret.objects.create(tenant=tenant, name=name, description=description, sealed=token, created_by=user)
            audit(tenant, actor=actor_of(by), action="secret.create", target=row, changes={"name": name, "description": description})
    except IntegrityError as taken:
        raise SecretExists(name=name) from taken
    return row


def describe_secret(tenant: Tenant, *, name: str, description: str, by: By) -> Secret:
    """Change what people read beside the name. Raises Invalid, SecretNotFound."""
    _check("x", description)
    with transaction.atomic():
        row = _locked(tenant, name)
        if row.description != description:
            changes = {"name": name, "description": [row.description, description]}
            row.description = description
            row.save(update_fields=("description",))
            audit(tenant, actor=actor_of(by), action="secret.describe", target=row, changes=changes)
    return row


def rotate_secret(tenant: Tenant, *, name: str, value: str, overlap: timedelta = OVERLAP, by: By) -> Secret:
    """A new value at once; the one before it is still good for `overlap`. Raises Invalid, SecretNotFound."""
    _check(value, "")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        _refuse("overlap_seconds", "is out of bounds", "0 to 30 days")
    with transaction.atomic():
        row = _locked(tenant, name)
        row.previous, row.previous_until = (row.sealed, timezone.now() + overlap) if overlap else ("", None)
        row.sealed, row.version, row.rotated_at = sealing.seal(value, purpose=PURPOSE), row.version + 1, timezone.now()
        row.save(update_fields=("previous", "previous_until", "sealed", "version", "rotated_at"))
        changes = {"name": name, "version": row.version, "previous_until": row.previous_until}
        audit(tenant, actor=actor_of(by), action="secret.rotate", target=row, changes=changes)
    return row


def delete_secret(tenant: Tenant, *, name: str, by: By) -> None:
    """Raises SecretIsNeeded while something refers to it, SecretNotFound."""
    with transaction.atomic():
        row = _locked(tenant, name)
        users = users_of(tenant, name)
        if users:
            raise SecretIsNeeded(f"It is used by {', '.join(users[:10])}.", name=name, used_by=users)
        audit(tenant, actor=actor_of(by), action="secret.delete", target=row, changes={"name": name, "version": row.version})
        row.delete()


def _locked(tenant: Tenant, name: str) -> Secret:
    row: Secret | None = Secret.objects.for_tenant(tenant).select_for_update(of=("self",)).filter(name=name).first()
    if row is None:
        raise SecretNotFound(name=name[:63])
    return row


def _check(value: str, description: str) -> None:
    if not value or len(value) > LONGEST_VALUE or "\x00" in value:
        _refuse("value", "is no value of a secret", f"1 to {LONGEST_VALUE} characters")
    if len(description) > 200:
        _refuse("description", "is too long", "at most 200 characters")


def _refuse(field: str, message: str, expected: str) -> NoReturn:
    fault = {"path": f"$.{field}", "code": "invalid", "message": message, "expected": expected}
    raise Invalid("The secret cannot be taken.", errors=[fault])


def resolve(tenant: Tenant | UUID, name: str) -> str:
    """The value that is good now. For the moment of sending only: never store, log or return it. Raises SecretNotFound, SealBroken."""
    return values(tenant, name)[0]


def values(tenant: Tenant | UUID, name: str) -> tuple[str, ...]:
    """The value that is good now, then the one before it while the rotation overlaps. Raises SecretNotFound, SealBroken."""
    rows = Secret.objects.for_tenant(tenant).filter(name=name)
    row = rows.only("id", "sealed", "previous", "previous_until", "last_used_at").first()
    if row is None:
        raise SecretNotFound(f"There is no secret {name[:63]}.", name=name[:63])
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - NOTED_EVERY:
        Secret.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=now - NOTED_EVERY), pk=row.pk).update(last_used_at=now)
    overlapping = row.previous and row.previous_until and row.previous_until > now
    tokens = (row.sealed, row.previous) if overlapping else (row.sealed,)
    return tuple(sealing.unseal(token, purpose=PURPOSE) for token in tokens)


def reseal_all() -> int:
    """Seal every value anew under the newest of ENCRYPTION_KEYS, so that older keys can be retired; how many rows. Platform scope."""
    count = 0
    for row in Secret.objects.order_by("pk").iterator(chunk_size=200):
        previous = sealing.reseal(row.previous, purpose=PURPOSE) if row.previous else ""
        # Not when somebody rotates it right now: that value is under the newest key already.
        fresh = sealing.reseal(row.sealed, purpose=PURPOSE)
        count += Secret.objects.filter(pk=row.pk, sealed=row.sealed).update(sealed=fresh, previous=previous)
    log.info("secrets_resealed", count=count)
    return count


def forget_previous() -> int:
    """Erase values whose overlap is over; how many."""
    return int(Secret.objects.filter(previous_until__lt=Now()).update(previous="", previous_until=None))
