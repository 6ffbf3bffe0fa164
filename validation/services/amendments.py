"""Amendments: what a jurisdiction does to a rule for a time."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By
from validation.models import Amendment, Rule
from validation.queries import rulebook as queries
from validation.services import authoring, outdated, parameters, rule_problems
from validation.services.authoring import Fault, fault

FIELDS: Final = ("jurisdiction", "rule_key", "effective_from", "effective_to", "action", "payload", "citation")
Action = Amendment.Action
PUBLISHES: Final = (Action.REPLACE, Action.ADD, Action.DISABLE)


def save_amendment(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Amendment:
    """Raises Denied, FieldsRefused with every fault, also those of a rule in `payload`; StaleEtag, AmendmentNotFound."""
    with transaction.atomic():
        before = queries.one(tenant, Amendment, pk, locked=True) if pk else None
        _require_right((fields.get("action"), before.action if before else ""), by)
        row = authoring.save(tenant, Amendment, pk=pk, fields=fields, known=FIELDS, expected_rev=expected_rev, check=_faults, by=by)
        if before is None or before.rev != row.rev:
            outdated.places_changed(tenant, {row.jurisdiction_id, *([before.jurisdiction_id] if before else ())})
    return row


def delete_amendment(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises Denied, StaleEtag, AmendmentNotFound."""
    with transaction.atomic():
        row = queries.one(tenant, Amendment, pk, locked=True)
        _require_right((row.action,), by)
        place = row.jurisdiction_id
        authoring.delete(tenant, Amendment, pk=pk, expected_rev=expected_rev, by=by)
        outdated.places_changed(tenant, [place])


def _require_right(actions: Iterable[Any], by: By) -> None:
    """An amendment is in force at once: one that takes the place of published rules does what publishing does, and so does taking it back."""
    if isinstance(by, Principal) and any(action in PUBLISHES for action in actions):
        by.require("rules:publish")


def _faults(row: Amendment) -> Iterable[Fault]:
    if row.effective_to is not None and row.effective_to < row.effective_from:
        yield fault("effective_to", "before_start", "is before effective_from", f"{row.effective_from} or later")
    rules = list(Rule.objects.for_tenant(row.tenant_id).filter(key=row.rule_key))
    if row.action != Action.ADD and not rules:
        yield fault("rule_key", "not_found", "is the key of no rule", "the key of a rule")
    yield from PAYLOADS[Action(row.action)](row, rules)


def _parameters(row: Amendment, rules: list[Rule]) -> Iterable[Fault]:
    return parameters.faults_of(row.payload, "payload", rules)


def _nothing(row: Amendment, rules: list[Rule]) -> Iterable[Fault]:
    if row.payload:
        yield fault("payload", "unknown", "a rule that is disabled has no payload", "an empty object")


def _rule(row: Amendment, rules: list[Rule]) -> Iterable[Fault]:
    """The whole rule as it will be: of `replace`, what the payload leaves out is as in the newest stored rule of the key."""
    whole = {**(queries.document(rules[-1]) if rules else {}), **row.payload, "key": row.rule_key}
    for found in rule_problems.document_problems(row.tenant, whole, path="$.payload", examples=False):
        if found["severity"] == "error":
            yield found
    if not row.payload:
        yield fault("payload", "missing", "is empty", "the members of the rule that take the place of the old ones")


PAYLOADS: Final = {Action.OVERRIDE_PARAMS: _parameters, Action.DISABLE: _nothing, Action.REPLACE: _rule, Action.ADD: _rule}
