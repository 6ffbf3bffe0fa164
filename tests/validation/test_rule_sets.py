"""Versions of rule sets: four eyes, mandatory examples, and content that never changes once it is published."""

from typing import Any

import pytest
from django.db import IntegrityError, InternalError, connection, transaction

from mcp_platform.errors import Denied
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.factories import DOOR_WIDTH
from validation.core import documents
from validation.errors import (
    FieldsRefused,
    NameTaken,
    RuleSetHasProblems,
    RuleSetVersionIsImmutable,
    SecondPersonNeeded,
    StillNeeded,
    WrongState,
)
from validation.models import Rule, RuleSetVersion
from validation.queries import rulebook as queries
from validation.services import rule_problems, rule_sets, rules

pytestmark = pytest.mark.django_db
DOCUMENT = {
    **{name: value for name, value in DOOR_WIDTH.items() if name not in ("section", "paraphrase")},
    "citation": {"section": "1.1", "paraphrase": "Doors clear 0.8 m."},
}


@pytest.fixture
def office() -> Tenant:
    return factories.TenantFactory.create()


def person(tenant: Tenant, role: str = "owner") -> Principal:
    return tenancy.principal_of_user(factories.member(tenant, role), tenant)


@pytest.fixture
def author(office: Tenant) -> Principal:
    return person(office)


@pytest.fixture
def draft(office: Tenant, author: Principal) -> RuleSetVersion:
    owner = rule_sets.save_rule_set(office, fields={"slug": "house", "title": "House rules"}, by=author)
    made = rule_sets.new_draft(office, rule_set=owner.pk, by=author)
    rules.save_rule(office, version=made.pk, fields=DOCUMENT, by=author)
    return made


def published(office: Tenant, draft: RuleSetVersion, author: Principal) -> RuleSetVersion:
    rule_sets.submit(office, pk=draft.pk, by=author)
    return rule_sets.publish(office, pk=draft.pk, by=person(office))


def test_who_wrote_it_does_not_publish_it(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    second, third = person(office), person(office)
    with pytest.raises(WrongState):
        rule_sets.publish(office, pk=draft.pk, by=second)
    row = Rule.objects.get(version=draft)
    rules.save_rule(office, version=draft.pk, pk=row.pk, fields={"title": "Wider"}, by=second)
    rule_sets.submit(office, pk=draft.pk, by=author)
    for writer in (author, second):
        with pytest.raises(SecondPersonNeeded):
            rule_sets.publish(office, pk=draft.pk, by=writer)
    with pytest.raises(Denied):
        rule_sets.publish(office, pk=draft.pk, by=Principal(tenant=office, actor="key:1", permissions=third.permissions))
    done = rule_sets.publish(office, pk=draft.pk, by=third)
    assert (done.state, done.published_by, done.number) == ("published", third.user, "1.0.0")
    assert done.content_sha256 == queries.content_sha256(done)
    actions = AuditEntry.objects.filter(tenant=office, target_type="validation.rulesetversion").order_by("number").values_list("action", flat=True)
    assert list(actions) == ["rulesetversion.create", "rulesetversion.submit", "rulesetversion.publish"]


def submitted_then_refused(office: Tenant, draft: RuleSetVersion, author: Principal, reader: Principal) -> None:
    rule_sets.submit(office, pk=draft.pk, by=author)
    with pytest.raises(SecondPersonNeeded):
        rule_sets.publish(office, pk=draft.pk, by=reader)


def test_who_was_overwritten_has_written_too(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    second, row = person(office), Rule.objects.get(version=draft)
    rules.save_rule(office, version=draft.pk, pk=row.pk, fields={"title": "Wider"}, by=second)
    rules.save_rule(office, version=draft.pk, pk=row.pk, fields={"title": "Wider still"}, by=author)
    submitted_then_refused(office, draft, author, second)


def test_who_took_a_rule_out_or_set_a_parameter_has_written_too(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    deleter, setter = person(office), person(office)
    other = rules.save_rule(office, version=draft.pk, fields={**DOCUMENT, "key": "TEST-OTHER"}, by=author)
    rules.delete_rule(office, version=draft.pk, pk=other.pk, by=deleter)
    wider = {"TEST-DOOR-WIDTH": {"min": {"value": 0.82, "unit": "m"}}}
    rule_sets.save_version(office, pk=draft.pk, fields={"overrides": wider}, by=setter)
    rule_sets.save_version(office, pk=draft.pk, fields={"overrides": {}}, by=author)
    rule_sets.submit(office, pk=draft.pk, by=author)
    for reader in (deleter, setter):
        with pytest.raises(SecondPersonNeeded):
            rule_sets.publish(office, pk=draft.pk, by=reader)
    assert rule_sets.publish(office, pk=draft.pk, by=person(office)).state == "published"


@pytest.mark.parametrize("known", [True, False])
def test_who_writes_with_a_key_has_written_too(office: Tenant, draft: RuleSetVersion, author: Principal, known: bool) -> None:
    maker = person(office)
    key = ApiKey.objects.create(tenant=office, name="CI", prefix="ci", secret_sha256="x", created_by=maker.user if known else None)
    program = Principal(tenant=office, actor="key:ci", permissions=maker.permissions, key_id=key.pk)
    rules.save_rule(office, version=draft.pk, pk=Rule.objects.get(version=draft).pk, fields={"title": "Wider"}, by=program)
    submitted_then_refused(office, draft, author, maker if known else person(office))


def test_an_edit_takes_a_version_out_of_review(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    rule_sets.submit(office, pk=draft.pk, by=author)
    rules.save_rule(office, version=draft.pk, pk=Rule.objects.get(version=draft).pk, fields={"title": "Late change"}, by=author)
    draft.refresh_from_db()
    assert (draft.state, draft.submitted_by) == ("draft", None)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"examples": []}, "$.rules['TEST-DOOR-WIDTH'].examples"),
        ({"examples": [{"facts": {"e.clear_width": 0.9}, "expected": "pass"}]}, "$.rules['TEST-DOOR-WIDTH'].examples"),
        ({"require": "e.clear_width <= p.min"}, "$.rules['TEST-DOOR-WIDTH'].examples[0].expected"),
        ({"require": "e.clear_wdith >= p.min"}, "$.rules['TEST-DOOR-WIDTH'].require"),
        ({"require": "e.clear_width >= "}, "$.rules['TEST-DOOR-WIDTH'].require"),
        ({"params": {"min": {"value": 800, "unit": "mm"}}}, "$.rules['TEST-DOOR-WIDTH'].params.min.unit"),
        ({"applies_to": ["IfcDooor"]}, "$.rules['TEST-DOOR-WIDTH'].applies_to[0]"),
        ({"provenance": "M"}, "$.rules['TEST-DOOR-WIDTH'].is_active"),
    ],
)
def test_a_rule_is_saved_with_its_problems_and_they_stop_the_review(
    office: Tenant, draft: RuleSetVersion, author: Principal, fields: Any, path: str
) -> None:
    row = rules.save_rule(office, version=draft.pk, pk=Rule.objects.get(version=draft).pk, fields=fields, by=author)
    assert row.rev == 2
    draft.refresh_from_db()
    assert draft.problem_count > 0
    with pytest.raises(RuleSetHasProblems) as refused:
        rule_sets.submit(office, pk=draft.pk, by=author)
    assert path in [one["path"] for one in refused.value.details["errors"]]


def test_faults_of_shape_refuse_the_save_with_every_path(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    bad = {"key": "no key", "severity": "terrible", "params": [], "colour": "red", "citation": {"page": "7"}}
    with pytest.raises(FieldsRefused) as refused:
        rules.save_rule(office, version=draft.pk, fields=bad, by=author)
    assert {one["path"] for one in refused.value.details["errors"]} == {"$.colour", "$.params", "$.citation.page"}
    with pytest.raises(FieldsRefused) as refused:
        rules.save_rule(office, version=draft.pk, fields={"key": "no key", "severity": "terrible", "title": "T", "category": "egress"}, by=author)
    assert {one["path"] for one in refused.value.details["errors"]} == {"$.key", "$.severity"}
    with pytest.raises(NameTaken):
        rules.save_rule(office, version=draft.pk, fields=DOCUMENT, by=author)


def test_a_version_without_rules_is_not_submitted(office: Tenant, author: Principal) -> None:
    owner = rule_sets.save_rule_set(office, fields={"slug": "empty", "title": "Empty"}, by=author)
    made = rule_sets.new_draft(office, rule_set=owner.pk, by=author)
    with pytest.raises(RuleSetHasProblems):
        rule_sets.submit(office, pk=made.pk, by=author)


def test_published_content_never_changes_whoever_asks(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    version = published(office, draft, author)
    row = Rule.objects.get(version=version)
    for attempt in (
        lambda: rules.save_rule(office, version=version.pk, pk=row.pk, fields={"title": "x"}, by=author),
        lambda: rules.delete_rule(office, version=version.pk, pk=row.pk, by=author),
        lambda: rule_sets.save_version(office, pk=version.pk, fields={"changelog": "x"}, by=author),
        lambda: rule_sets.delete_version(office, pk=version.pk, by=author),
        lambda: rule_sets.withdraw(office, pk=version.pk, by=author),
    ):
        with pytest.raises(RuleSetVersionIsImmutable):
            attempt()
    statements = [
        "UPDATE validation_rule SET require = 'true'",
        "UPDATE validation_rule SET is_active = NOT is_active",
        "UPDATE validation_rule SET section_provenance = 'V'",
        "UPDATE validation_rulesetversion SET state = 'draft'",
        "UPDATE validation_rulesetversion SET content_sha256 = 'x'",
    ]
    for statement in statements:
        with pytest.raises((IntegrityError, InternalError)), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
        Rule.objects.create(tenant=office, version=version, key="LATE", category="egress")
    with pytest.raises(StillNeeded):
        rule_sets.delete_rule_set(office, pk=version.rule_set_id, by=author)
    assert rule_sets.retire(office, pk=version.pk, by=author).state == "retired"
    with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
        RuleSetVersion.objects.filter(pk=version.pk).update(state="published")


def test_a_new_draft_begins_as_a_copy_and_the_diff_tells_the_difference(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    first = published(office, draft, author)
    second = rule_sets.new_draft(office, rule_set=first.rule_set_id, by=author)
    assert (second.number, queries.rules(second)) == ("1.1.0", queries.rules(first))
    row = Rule.objects.get(version=second)
    rules.save_rule(office, version=second.pk, pk=row.pk, fields={"params": {"min": {"value": 0.9, "unit": "m", "display": "900 mm"}}}, by=author)
    rules.save_rule(office, version=second.pk, fields={**DOCUMENT, "key": "TEST-NEW"}, by=author)
    found = documents.compare(queries.rules(first), queries.rules(second))
    assert {(one.kind, one.path, one.before, one.after) for one in found} == {
        ("changed", "TEST-DOOR-WIDTH.params.min.value", 0.8, 0.9),
        ("changed", "TEST-DOOR-WIDTH.params.min.display", "800 mm", "900 mm"),
        ("added", "TEST-NEW", None, "Doors are wide enough"),
    }


def test_the_author_of_an_older_version_may_publish_what_others_changed(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    first = published(office, draft, author)
    other = person(office)
    second = rule_sets.new_draft(office, rule_set=first.rule_set_id, by=other)
    rules.save_rule(office, version=second.pk, fields={**DOCUMENT, "key": "TEST-NEW"}, by=other)
    rule_sets.submit(office, pk=second.pk, by=other)
    assert rule_sets.publish(office, pk=second.pk, by=author).state == "published"


def test_an_export_comes_back_as_a_draft_with_the_same_content(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    version = published(office, draft, author)
    exported = rule_sets.export_version(office, pk=version.pk)
    assert exported["sha256"] == version.content_sha256
    back = rule_sets.import_version(office, rule_set=version.rule_set_id, document=exported, by=author)
    assert (back.state, back.number, queries.content_sha256(back)) == ("draft", "1.1.0", version.content_sha256)
    with pytest.raises(FieldsRefused) as refused:
        rule_sets.import_version(office, rule_set=version.rule_set_id, document={"rules": [{"key": 7}, {"key": "A", "params": 1}]}, by=author)
    assert {one["path"] for one in refused.value.details["errors"]} >= {"$.rules[0].key", "$.rules[1].params"}


def test_overrides_of_a_version_name_its_own_rules(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    with pytest.raises(FieldsRefused) as refused:
        rule_sets.save_version(office, pk=draft.pk, fields={"overrides": {"NOTHING": {"min": {"value": 1}}}}, by=author)
    assert "$.overrides.NOTHING" in [one["path"] for one in refused.value.details["errors"]]
    saved = rule_sets.save_version(office, pk=draft.pk, fields={"overrides": {"TEST-DOOR-WIDTH": {"min": {"value": 0.85}}}}, by=author)
    assert saved.overrides == {"TEST-DOOR-WIDTH": {"min": {"value": 0.85}}}


def test_a_rule_from_memory_waits_for_a_person(office: Tenant, draft: RuleSetVersion, author: Principal) -> None:
    row = Rule.objects.get(version=draft)
    rules.save_rule(office, version=draft.pk, pk=row.pk, fields={"provenance": "M", "is_active": False}, by=author)
    assert rule_problems.problems(draft) == []
    with pytest.raises(Denied):
        rules.confirm_rule(office, pk=row.pk, source="the book", by=Principal(tenant=office, actor="key:1", permissions=author.permissions))
    with pytest.raises(FieldsRefused):
        rules.confirm_rule(office, pk=row.pk, source="  ", by=author)
    done = rules.confirm_rule(office, pk=row.pk, source="the book, page 7", by=author)
    assert (done.is_active, done.confirmed_by, rule_problems.problems(draft)) == (True, author.user, [])
    changed = rules.save_rule(office, version=draft.pk, pk=row.pk, fields={"params": {"min": {"value": 0.81, "unit": "m"}}}, by=author)
    assert changed.confirmed_by is None, "another number has to be compared again"
