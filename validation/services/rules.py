"""The rules of an open version: create, change, delete, confirm. A rule is saved with its problems; `submit` and `publish` look at all of them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.tenancy.services.trail import user_of
from validation.core import documents
from validation.errors import FieldsRefused, NameTaken
from validation.models import Rule
from validation.queries import rulebook as queries
from validation.services import authoring, rule_problems, rule_sets
from validation.services.authoring import fault


def save_rule(tenant: Tenant, *, version: UUID, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> Rule:
    """Create a rule, or change some members of one: `fields` is a rule document, whole or in part, and may hold `position`.

    Only faults of shape refuse the save; `rule_problems.problems_of` the row has everything else that is wrong with it. A changed rule has to be
    confirmed again when it was one from memory. Raises FieldsRefused, NameTaken, RuleSetVersionIsImmutable, RuleNotFound, StaleEtag.
    """
    with rule_sets.edit(tenant, version, by) as owner:
        row = queries.one(tenant, Rule, pk, locked=True) if pk else Rule(tenant=tenant, version=owner, position=_last(owner) + 1)
        if row.version_id != owner.pk:
            raise FieldsRefused(errors=[fault("version", "not_found", "is not the rule's version", str(row.version_id))])
        authoring.require_rev(row, expected_rev)
        before = queries.document(row) if pk else {}
        faults = rule_problems.set_members(row, fields)
        if faults:
            raise FieldsRefused(errors=faults)
        after = queries.document(row)
        if pk and before == after and "position" not in fields:
            return row
        if Rule.objects.for_tenant(tenant).filter(version=owner, key=row.key).exclude(pk=row.pk).exists():
            raise NameTaken("The version has a rule with this key already.", key=row.key)
        if documents.as_run(before) != documents.as_run(after):
            row.confirmed_by = row.confirmed_at = None
        row.facts = rule_problems.facts_of(row)
        authoring.store(row, new=pk is None, by=by)
        changes = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
        rule_problems.recount(owner)
        audit(
            tenant, actor=actor_of(by), action="rule.save" if pk else "rule.create", target=row, changes={"key": row.key, **authoring.shown(changes)}
        )
    return row


def _last(owner: Any) -> int:
    return int(owner.rules.aggregate(last=Max("position"))["last"] or 0)


def delete_rule(tenant: Tenant, *, version: UUID, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    with rule_sets.edit(tenant, version, by) as owner:
        row = queries.one(tenant, Rule, pk, locked=True)
        if row.version_id != owner.pk:
            raise FieldsRefused(errors=[fault("version", "not_found", "is not the rule's version", str(row.version_id))])
        authoring.require_rev(row, expected_rev)
        audit(tenant, actor=actor_of(by), action="rule.delete", target=row, changes={"key": row.key, "number": owner.number})
        row.delete()
        rule_problems.recount(owner)


def confirm_rule(tenant: Tenant, *, pk: UUID, source: str, by: By) -> Rule:
    """A person has compared the rule with the code's text (`source`: where they saw it): it becomes active and may be published.

    Raises Denied for an API key: somebody has to answer for it. Raises FieldsRefused without a source.
    """
    person = user_of(by)
    if person is None:
        raise Denied("A person has to confirm a rule: sign in, an API key is nobody who can answer for it.")
    if not source.strip():
        raise FieldsRefused(errors=[fault("source", "missing", "says not where you saw it", "the text that you compared it with, with its date")])
    with rule_sets.edit(tenant, queries.one(tenant, Rule, pk).version_id, by) as owner:
        row = queries.one(tenant, Rule, pk, locked=True)
        row.confirmed_by, row.confirmed_at, row.is_active = person, timezone.now(), True
        row.source = f"{row.source}; confirmed: {source.strip()}" if row.source and row.source != "memory" else source.strip()
        authoring.store(row, new=False, by=by)
        rule_problems.recount(owner)
        audit(tenant, actor=actor_of(by), action="rule.confirm", target=row, changes={"key": row.key, "source": source})
    return row
