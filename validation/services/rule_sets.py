"""Rule sets and their versions: a draft is written, submitted, published by somebody else, retired. Published content never changes.

A rule changes by way of `edit`: it locks the version, refuses a closed one, and takes a version under review back to draft, so that what is
published is what was reviewed.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.queries import person_behind
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.tenancy.services.trail import user_of
from validation.core import documents
from validation.errors import FieldsRefused, RuleSetHasProblems, RuleSetVersionIsImmutable, SecondPersonNeeded, StillNeeded, WrongState
from validation.models import IdsSpecification, Rule, RuleSet, RuleSetVersion
from validation.queries import rulebook as queries
from validation.services import authoring, outdated, parameters, rule_problems
from validation.services.authoring import Fault, fault

RULE_SET: Final = ("slug", "title", "description", "code_edition")
VERSION: Final = ("number", "changelog", "overrides")
State = RuleSetVersion.State


def save_rule_set(tenant: Tenant, *, fields: Mapping[str, Any], pk: UUID | None = None, expected_rev: int | None = None, by: By) -> RuleSet:
    """Raises FieldsRefused, NameTaken, RuleSetNotFound, StaleEtag."""
    with transaction.atomic():
        before = queries.one(tenant, RuleSet, pk) if pk else None
        row = authoring.save(tenant, RuleSet, pk=pk, fields=fields, known=RULE_SET, expected_rev=expected_rev, by=by)
        if before is not None and (before.slug, before.code_edition_id) != (row.slug, row.code_edition_id):
            outdated.rule_set_changed(row, editions=[before.code_edition_id])
    return row


def set_archived(tenant: Tenant, *, pk: UUID, archived: bool, by: By) -> RuleSet:
    """An archived rule set applies to no building any more; runs that used it keep what they pinned."""
    with transaction.atomic():
        row = queries.one(tenant, RuleSet, pk, locked=True)
        if (row.archived_at is not None) != archived:
            row.archived_at = timezone.now() if archived else None
            authoring.store(row, new=False, by=by)
            audit(tenant, actor=actor_of(by), action="ruleset.archive" if archived else "ruleset.unarchive", target=row, changes={"slug": row.slug})
            outdated.rule_set_changed(row)
    return row


def delete_rule_set(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Raises StillNeeded once a version was published: runs and findings refer to it; archive it instead."""
    row = queries.one(tenant, RuleSet, pk)
    if row.versions.filter(state__in=(State.PUBLISHED, State.RETIRED)).exists():
        raise StillNeeded("A version of it was published; archive it instead.", rule_set=row.slug)
    authoring.delete(tenant, RuleSet, pk=pk, expected_rev=expected_rev, by=by)


def new_draft(
    tenant: Tenant, *, rule_set: UUID, number: str = "", copy_of: UUID | None = None, empty: bool = False, changelog: str = "", by: By
) -> RuleSetVersion:
    """A draft with the rules of `copy_of`, else of the newest published version, else none. The next minor number when none is given.

    Raises RuleSetNotFound, FieldsRefused, NameTaken.
    """
    with transaction.atomic():
        owner = queries.one(tenant, RuleSet, rule_set, locked=True)
        source = (
            None if empty else queries.one(tenant, RuleSetVersion, copy_of) if copy_of else queries.newest_published(tenant, [owner]).get(owner.pk)
        )
        if source is not None and source.rule_set_id != owner.pk:
            raise FieldsRefused(errors=[fault("copy_of", "not_found", "is no version of this rule set", "the id of one of its versions")])
        fields = {"number": number or next_number(owner), "changelog": changelog, "overrides": source.overrides if source else {}}
        made = authoring.save(tenant, RuleSetVersion, fields=fields, known=VERSION, by=by, rule_set=owner)
        _written_by(made, by)
        if source is not None:
            _copy(source, made, by)
        rule_problems.recount(made)
    return made


def next_number(owner: RuleSet) -> str:
    numbers = [queries.semver(number) for number in owner.versions.values_list("number", flat=True)]
    if not numbers:
        return "1.0.0"
    major, minor, _ = max(numbers)
    return f"{major}.{minor + 1}.0"


def _copy(source: RuleSetVersion, made: RuleSetVersion, by: By) -> None:
    files = {}
    for file in IdsSpecification.objects.for_tenant(source.tenant_id).filter(version=source):
        before, file.pk, file._state.adding, file.version = file.pk, None, True, made
        file.id = IdsSpecification._meta.pk.get_default()
        file.save(force_insert=True)
        files[before] = file
    rules = list(Rule.objects.for_tenant(source.tenant_id).filter(version=source))
    for rule in rules:
        rule.id, rule._state.adding, rule.version, rule.rev = Rule._meta.pk.get_default(), True, made, 1
        rule.ids_file = files.get(rule.ids_file_id) if rule.ids_file_id else None
    Rule.objects.bulk_create(rules)


def save_version(tenant: Tenant, *, pk: UUID, fields: Mapping[str, Any], expected_rev: int | None = None, by: By) -> RuleSetVersion:
    """Change number, changelog or overrides of an open version. Raises RuleSetVersionIsImmutable, FieldsRefused, StaleEtag."""
    with edit(tenant, pk, by) as version:
        authoring.require_rev(version, expected_rev)
        saved = authoring.save(tenant, RuleSetVersion, pk=pk, fields=fields, known=VERSION, check=_version_faults, by=by)
        rule_problems.recount(saved)
    return saved


def _version_faults(row: RuleSetVersion) -> Iterable[Fault]:
    for key, given in row.overrides.items():
        rules = list(row.rules.filter(key=key))
        if not rules:
            yield fault(f"overrides.{key[:80]}", "not_found", "is no rule of this version", "the key of one of its rules")
        yield from parameters.faults_of(given, f"overrides.{key[:80]}", rules)


def delete_version(tenant: Tenant, *, pk: UUID, expected_rev: int | None = None, by: By) -> None:
    """Drafts only. Raises RuleSetVersionIsImmutable."""
    with transaction.atomic():
        _open(queries.one(tenant, RuleSetVersion, pk, locked=True))
        authoring.delete(tenant, RuleSetVersion, pk=pk, expected_rev=expected_rev, by=by)


@contextmanager
def edit(tenant: Tenant, pk: UUID | str, by: By) -> Iterator[RuleSetVersion]:
    """The locked version, for a change of its content. Raises RuleSetNotFound, RuleSetVersionIsImmutable."""
    with transaction.atomic():
        version = _open(queries.one(tenant, RuleSetVersion, pk, "rule_set", locked=True))
        if version.state == State.IN_REVIEW:
            _move(version, State.DRAFT, "rulesetversion.back_to_draft", by, submitted_by=None)
        _written_by(version, by)
        yield version


def _open(version: RuleSetVersion) -> RuleSetVersion:
    if not version.is_open:
        raise RuleSetVersionIsImmutable(rule_set=version.rule_set.slug, number=version.number, state=version.state)
    return version


def submit(tenant: Tenant, *, pk: UUID, by: By) -> RuleSetVersion:
    """Ask for review. Raises RuleSetHasProblems with every problem, WrongState, RuleSetVersionIsImmutable."""
    with transaction.atomic():
        version = queries.one(tenant, RuleSetVersion, pk, "rule_set", locked=True)
        _require(_open(version), State.DRAFT)
        _require_sound(version)
        _written_by(version, by)
        return _move(version, State.IN_REVIEW, "rulesetversion.submit", by, submitted_by=user_of(by))


def withdraw(tenant: Tenant, *, pk: UUID, note: str = "", by: By) -> RuleSetVersion:
    """Back to draft: its author goes on, or the reviewer has said no (`note`). Raises WrongState."""
    with transaction.atomic():
        version = queries.one(tenant, RuleSetVersion, pk, "rule_set", locked=True)
        _require(_open(version), State.IN_REVIEW)
        return _move(version, State.DRAFT, "rulesetversion.withdraw", by, {"note": note[:2000]}, submitted_by=None)


def publish(tenant: Tenant, *, pk: UUID, by: By) -> RuleSetVersion:
    """Fix the content for good; buildings are checked by it from now on. Four eyes: who wrote any of it, or submitted it, may not.

    Raises SecondPersonNeeded, RuleSetHasProblems, WrongState, RuleSetVersionIsImmutable.
    """
    with transaction.atomic():
        version = queries.one(tenant, RuleSetVersion, pk, "rule_set", locked=True)
        _require(_open(version), State.IN_REVIEW)
        reader = _person(by)
        if reader.pk in authors(version):
            raise SecondPersonNeeded("Somebody who has written none of this version has to publish it.", number=version.number)
        unknown = unknown_authors(version)
        if unknown:
            why = "Nobody knows who wrote some of this version, so nobody can be told to be another person. Copy it to a draft of somebody's own."
            raise SecondPersonNeeded(why, number=version.number, authors=unknown)
        _require_sound(version)
        return close(version, by, published_by=reader)


def close(version: RuleSetVersion, by: By, **people: Any) -> RuleSetVersion:
    """Publish without review: for the importer of packs that come with the product, and at the end of `publish`."""
    content = {"content_sha256": queries.content_sha256(version), "published_at": timezone.now()}
    return _move(version, State.PUBLISHED, "rulesetversion.publish", by, {"sha256": content["content_sha256"]}, **content, **people)


def retire(tenant: Tenant, *, pk: UUID, by: By) -> RuleSetVersion:
    """No check uses it any more; the version that was published before it does, if there is one. Raises WrongState."""
    with transaction.atomic():
        version = queries.one(tenant, RuleSetVersion, pk, "rule_set", locked=True)
        _require(version, State.PUBLISHED)
        return _move(version, State.RETIRED, "rulesetversion.retire", by)


def authors(version: RuleSetVersion) -> set[UUID]:
    """Everybody who made or changed anything of the version, also what is gone again or was changed by others since, or submitted it."""
    columns = {version.created_by_id, version.updated_by_id, version.submitted_by_id}
    return {UUID(mark) for mark in version.authors if ":" not in mark} | {pk for pk in columns if pk is not None}


def unknown_authors(version: RuleSetVersion) -> list[str]:
    """Keys that nobody is known to have made; without any author at all, the platform. An issuer's JWT names a person of its own."""
    if not authors(version) and not version.authors:
        return ["system"]
    return [mark for mark in version.authors if mark.startswith("key:")]


def _written_by(version: RuleSetVersion, by: By) -> None:
    """Remember whoever changes the version, for good: a row remembers only who came last. The caller holds it."""
    person = person_behind(by) if isinstance(by, Principal) else by
    mark = str(person.pk) if person is not None else actor_of(by)
    if mark != actor_of(None) and mark not in version.authors:
        version.authors = [*version.authors, mark]
        version.save(update_fields=("authors",))


def _person(by: By) -> User:
    found = user_of(by)
    if found is None:
        raise Denied("A person has to do this: sign in, an API key is nobody who can answer for it.")
    return found


def _require(version: RuleSetVersion, state: str) -> None:
    if version.state != state:
        raise WrongState(
            f"The version is {version.get_state_display().lower()}; it has to be {State(state).label.lower()} for this.", state=version.state
        )


def _require_sound(version: RuleSetVersion) -> None:
    problems = rule_problems.problems(version)
    if not version.rules.exists():
        problems = [fault("rules", "missing", "has no rule", "at least one rule")]
    if problems:
        raise RuleSetHasProblems(rule_set=version.rule_set.slug, number=version.number, errors=problems)


def _move(version: RuleSetVersion, state: str, action: str, by: By, more: Mapping[str, Any] | None = None, **columns: Any) -> RuleSetVersion:
    before, version.state = version.state, state
    for name, value in columns.items():
        setattr(version, name, value)
    version.rev += 1
    version.save(update_fields=("state", "rev", "updated_at", *columns))
    named = {"rule_set": version.rule_set.slug, "number": version.number}
    audit(version.tenant, actor=actor_of(by), action=action, target=version, changes={**named, "state": [before, state], **(more or {})})
    if state in (State.PUBLISHED, State.RETIRED):
        outdated.rule_set_changed(version.rule_set)
    return version


def export_version(tenant: Tenant, *, pk: UUID) -> documents.Document:
    """The version as a document that `import_version` takes."""
    version = queries.one(tenant, RuleSetVersion, pk, "rule_set__code_edition")
    edition = version.rule_set.code_edition
    return {
        "schema": 1,
        "slug": version.rule_set.slug,
        "title": version.rule_set.title,
        "edition": {"publisher": edition.publisher, "title": edition.title, "edition": edition.edition} if edition else None,
        "number": version.number,
        "changelog": version.changelog,
        "overrides": version.overrides,
        "rules": queries.rules(version),
        "sha256": queries.content_sha256(version),
    }


def import_version(tenant: Tenant, *, rule_set: UUID, document: Any, by: By) -> RuleSetVersion:
    """A draft from an exported document, whatever its state was there; nobody's confirmations come with it. Raises PackRefused-like FieldsRefused."""
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise FieldsRefused(errors=[fault("rules", "wrong_type", "is no list of rules", "a document that the export gave")])
    keys = [str(rule.get("key", "")) for rule in rules]
    twice = [
        fault(f"rules[{index}].key", "twice", f"{key} is there twice", "one rule for each key")
        for index, key in enumerate(keys)
        if key in keys[:index]
    ]
    if twice:
        raise FieldsRefused(errors=twice)
    with transaction.atomic():
        taken = RuleSetVersion.objects.for_tenant(tenant).filter(rule_set=rule_set, number=document.get("number", "")).exists()
        number = "" if taken else str(document.get("number") or "")
        made = new_draft(tenant, rule_set=rule_set, number=number, empty=True, changelog=str(document.get("changelog") or ""), by=by)
        write_rules(made, rules, by)
        overrides = document.get("overrides") or {}
        if overrides:
            made = save_version(tenant, pk=made.pk, fields={"overrides": overrides}, by=by)
        rule_problems.recount(made)
    return made


def write_rules(version: RuleSetVersion, rules: Iterable[Mapping[str, Any]], by: By) -> None:
    """Rows of these documents, in their order, in a version that has none of them. Raises FieldsRefused with every fault of shape."""
    rows, faults = [], []
    for index, given in enumerate(rules):
        row = Rule(tenant=version.tenant, version=version, created_by=user_of(by), updated_by=user_of(by))
        found = rule_problems.set_members(row, given)
        faults += [{**one, "path": one["path"].replace("$", f"$.rules[{index}]", 1)} for one in found]
        row.position = index
        row.facts = [] if found else rule_problems.facts_of(row)
        rows.append(row)
    if faults:
        raise FieldsRefused(errors=faults)
    Rule.objects.bulk_create(rows)
