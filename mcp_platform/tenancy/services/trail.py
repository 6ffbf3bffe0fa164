"""The audit chain that records every change of an authored object, and who did it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from math import isfinite
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.errors import Invalid
from mcp_platform.tenancy.models import AuditEntry, AuditHead, Tenant, User
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

By = User | Principal | None  # who does it; None is the platform itself


def actor_of(by: By) -> str:
    """The actor as audit entries name it."""
    if isinstance(by, Principal):
        return by.actor
    return f"user:{by.pk}" if by is not None else "system"


def user_of(by: By) -> User | None:
    return by.user if isinstance(by, Principal) else by


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """`number` is the entry at fault; `fault` says what is wrong with it."""

    number: int
    fault: str


def audit(tenant: Tenant, *, actor: str, action: str, target: models.Model, changes: Mapping[str, Any]) -> AuditEntry:
    """Append to the tenant's chain, inside the caller's transaction: the change and its record are saved together or not at all.

    Appends of one tenant queue on the end of its chain until the transaction ends, so call it late. `changes` must not hold secrets.
    """
    with transaction.atomic():
        head = locked_head(tenant)
        entry = AuditEntry(
            tenant=tenant,
            number=head.number + 1,
            at=timezone.now(),
            actor=actor[:200],
            action=action,
            target_type=target._meta.label_lower,
            target_id=str(target.pk),
            changes=_plain(changes),
            previous_digest=head.digest,
        )
        entry.digest = digest_of(entry)
        entry.save(force_insert=True)
        AuditHead.objects.filter(pk=tenant.pk).update(number=entry.number, digest=entry.digest)
    # In the log the digest is out of the database's reach: whoever rewrites the whole chain cannot rewrite what was logged.
    log.info("audit", tenant_id=str(tenant.pk), number=entry.number, actor=entry.actor, action=action, target=entry.target_id, digest=entry.digest)
    return entry


def verify_chain(tenant: Tenant) -> list[ChainFault]:
    """Every place where the tenant's chain is not what was appended; empty when it is whole."""
    faults: list[ChainFault] = []
    previous, expected = "", 1
    for entry in AuditEntry.objects.for_tenant(tenant).order_by("number").iterator(chunk_size=1000):
        if entry.number != expected:
            faults.append(ChainFault(number=expected, fault=f"entries {expected} to {entry.number - 1} are missing"))
        elif entry.previous_digest != previous:
            faults.append(ChainFault(number=entry.number, fault="does not continue the entry before it"))
        if digest_of(entry) != entry.digest:
            faults.append(ChainFault(number=entry.number, fault="is not what was written"))
        previous, expected = entry.digest, entry.number + 1
    head = AuditHead.objects.filter(pk=tenant.pk).first()
    if (head.number, head.digest) != (expected - 1, previous) if head else expected != 1:
        faults.append(ChainFault(number=expected, fault="the chain does not end where it ended: entries after this are missing or added"))
    return faults


def digest_of(entry: AuditEntry) -> str:
    """sha256 over the entry and the digest before it, in canonical JSON."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    where = [entry.previous_digest, str(entry.tenant_id), entry.number, at]
    parts = [*where, entry.actor, entry.action, entry.target_type, entry.target_id, entry.changes]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def locked_head(tenant: Tenant) -> AuditHead:
    # no_key: a row that points at the tenant may be inserted meanwhile.
    found = AuditHead.objects.select_for_update(no_key=True).filter(pk=tenant.pk).first()
    if found is None:
        AuditHead.objects.bulk_create([AuditHead(tenant=tenant)], ignore_conflicts=True)
        found = AuditHead.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def _plain(value: Any) -> Any:
    """JSON that is the same after a trip through the database: PostgreSQL reads 1e22 back as an integer and takes no NUL character."""
    if isinstance(value, Mapping):
        return {str(_plain(str(name))): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        if not isfinite(value):
            return str(value)
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, bool | int):
        return value
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def refuse(field: str, message: str, expected: str) -> None:
    raise Invalid(f"{field} {message}.", errors=[{"path": f"$.{field}", "code": "invalid", "message": message, "expected": expected}])
