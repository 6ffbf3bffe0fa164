"""Rule packs: jurisdictions, editions, adoptions, rule sets and amendments of one file.

Importing one again changes nothing; a changed one makes new versions of what has changed.

What a pack may claim follows from how each row was checked: V (seen in the code) and S (seen in a secondary source) are published and shown as
what they are; M (from memory) stays an inactive rule of a draft until a person has confirmed it. What a tenant has changed is never overwritten.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from typing import Any, Final

from django.db import transaction

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from validation.core import canonical, documents
from validation.core.documents import Document
from validation.errors import PackRefused
from validation.models import Adoption, Amendment, CodeEdition, Jurisdiction, Rule, RuleSet, RuleSetVersion
from validation.queries import rulebook as queries
from validation.services import amendments, authoring, jurisdictions, rule_problems, rule_sets
from validation.services.authoring import fault

STARTER: Final = "starter"
PARTS: Final = ("jurisdictions", "adoptions", "rule_sets", "amendments")
LARGEST: Final = 5_000_000  # characters
MEMORY: Final = "M"


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import did: counts of what is new, and for each rule set the version that now holds it. `notes`: what was left out, and why."""

    jurisdictions: int = 0
    editions: int = 0
    adoptions: int = 0
    amendments: int = 0
    published: list[str] = field(default_factory=list)  # "ibc-2021@1.0.0"
    drafts: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.jurisdictions or self.editions or self.adoptions or self.amendments or self.published or self.drafts)


def starter_pack() -> Document:
    """The pack that comes with the product."""
    return read_pack((resources.files("validation.packs") / f"{STARTER}.yaml").read_text(encoding="utf-8"))


def read_pack(text: str) -> Document:
    """A pack from YAML (or JSON). Raises PackRefused."""
    import yaml

    if len(text) > LARGEST:
        raise PackRefused(errors=[fault("", "too_large", f"has {len(text)} characters", f"at most {LARGEST}")])
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as broken:
        raise PackRefused(errors=[fault("", "not_yaml", str(broken)[:300], "a YAML document")]) from broken
    faults = list(_shape(document))
    if faults:
        raise PackRefused(errors=faults)
    found: Document = document
    return found


def _shape(document: Any) -> Any:
    if not isinstance(document, dict) or document.get("schema") != 1 or not isinstance(document.get("name"), str):
        yield fault("", "wrong_type", "is no rule pack", "an object with schema: 1 and a name")
        return
    for part in PARTS:
        rows = document.get(part, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            yield fault(part, "wrong_type", "is no list of objects", "a list")
    for index, one in enumerate(document.get("rule_sets") or ()):
        if not isinstance(one, dict) or not isinstance(one.get("slug"), str) or not isinstance(one.get("rules"), list) or not one["rules"]:
            yield fault(f"rule_sets[{index}]", "wrong_type", "is no rule set", "slug, title, edition and rules")


def import_pack(tenant: Tenant, *, document: Document, publish: bool, by: By) -> Imported:
    """All of it, or nothing. `publish`: the rows are trusted as far as they claim to be checked (the product's own pack, or the operator of the
    platform); else every rule set stays a draft for a review.

    Raises PackRefused with every fault of its rules; FieldsRefused of rows that cannot be.
    """
    done = Imported()
    with transaction.atomic():
        for row in document.get("jurisdictions") or ():
            _jurisdiction(tenant, row, done, by)
        editions = {one["slug"]: _edition(tenant, one, done, by) for one in document.get("rule_sets") or ()}
        for row in document.get("adoptions") or ():
            _adoption(tenant, row, editions, done, by)
        for one in document.get("rule_sets") or ():
            _rule_set(tenant, one, editions[one["slug"]], done, publish, by)
        for row in document.get("amendments") or ():
            _amendment(tenant, row, done, by)
        if done.changed:
            summary = {"published": done.published, "drafts": done.drafts, "sha256": canonical.sha256(document)}
            audit(tenant, actor=actor_of(by), action="rule_pack.import", target=tenant, changes={"pack": document["name"], **summary})
    return done


def _jurisdiction(tenant: Tenant, row: Mapping[str, Any], done: Imported, by: By) -> None:
    if Jurisdiction.objects.for_tenant(tenant).filter(code=row.get("code", "")).exists():
        return
    fields = {**row, "parent": _place(tenant, row["parent"]) if row.get("parent") else None}
    jurisdictions.save_jurisdiction(tenant, fields=fields, by=by)
    done.jurisdictions += 1


def _place(tenant: Tenant, code: Any) -> Jurisdiction:
    found: Jurisdiction | None = Jurisdiction.objects.for_tenant(tenant).filter(code=code).first()
    if found is None:
        raise PackRefused(
            errors=[fault("jurisdictions", "not_found", f"does not have {code}", "the code of a jurisdiction of the pack or the tenant")]
        )
    return found


def _edition(tenant: Tenant, one: Mapping[str, Any], done: Imported, by: By) -> CodeEdition | None:
    given = one.get("edition")
    if not given:
        return None
    same = {name: given.get(name, "") for name in ("title", "edition")} | {"language": given.get("language", "en")}
    found: CodeEdition | None = CodeEdition.objects.for_tenant(tenant).filter(**same).first()
    if found is None:
        found = jurisdictions.save_edition(tenant, fields=given, by=by)
        done.editions += 1
    return found


def _adoption(tenant: Tenant, row: Mapping[str, Any], editions: Mapping[str, CodeEdition | None], done: Imported, by: By) -> None:
    edition = editions.get(row.get("edition", ""))
    if edition is None:
        raise PackRefused(errors=[fault("adoptions", "not_found", f"adopts {row.get('edition')}", "the slug of a rule set with an edition")])
    place = _place(tenant, row.get("jurisdiction"))
    there = Adoption.objects.for_tenant(tenant).filter(jurisdiction=place, code_edition__title=edition.title)
    if there.filter(code_edition=edition).exists():
        return
    if there.exists():
        done.notes.append(f"{place.code} has its own adoptions of {edition.title}; that of the pack was left out.")
        return
    fields = {**{name: value for name, value in row.items() if name != "edition"}, "jurisdiction": place, "code_edition": edition}
    jurisdictions.save_adoption(tenant, fields=fields, by=by)
    done.adoptions += 1


def _amendment(tenant: Tenant, row: Mapping[str, Any], done: Imported, by: By) -> None:
    place = _place(tenant, row.get("jurisdiction"))
    start = date.fromisoformat(str(row.get("effective_from")))
    same = Amendment.objects.for_tenant(tenant).filter(jurisdiction=place, rule_key=row.get("rule", ""), action=row.get("action", ""))
    if same.filter(effective_from=start).exists():
        return
    names = ("effective_to", "action", "payload", "citation")
    fields = {**{name: row[name] for name in names if name in row}, "jurisdiction": place, "rule_key": row.get("rule", ""), "effective_from": start}
    amendments.save_amendment(tenant, fields=fields, by=by)
    done.amendments += 1


def _rule_set(tenant: Tenant, one: Mapping[str, Any], edition: CodeEdition | None, done: Imported, publish: bool, by: By) -> None:
    sha256 = canonical.sha256(one)
    owner: RuleSet | None = RuleSet.objects.for_tenant(tenant).select_for_update().filter(slug=one["slug"]).first()
    if owner is not None and owner.pack_sha256 == sha256:
        done.unchanged.append(owner.slug)
        return
    if owner is not None and not owner.pack_sha256:
        done.notes.append(f"There is a rule set {owner.slug} of your own; that of the pack was left out.")
        return
    if owner is None:
        fields = {"slug": one["slug"], "title": one.get("title", one["slug"]), "description": one.get("description", ""), "code_edition": edition}
        owner = authoring.save(tenant, RuleSet, fields=fields, known=rule_sets.RULE_SET, by=by, owner="system" if publish else "tenant")
    rules = [rule_document(row) for row in one["rules"]]
    kept = _confirmed(tenant, owner)
    trusted = [rule for rule in rules if rule["provenance"] != MEMORY or _still(rule, kept)]
    _forget_untouched_drafts(owner, by)
    if publish and trusted:
        version = _write(owner, trusted, kept, by, "Imported from the rule pack.")
        done.published.append(f"{owner.slug}@{rule_sets.close(version, by).number}")
    if not publish or len(trusted) < len(rules):
        why = "With the rules that were written from memory: confirm each with the code's text." if publish else "Imported, to be reviewed."
        done.drafts.append(f"{owner.slug}@{_write(owner, rules, kept, by, why).number}")
    RuleSet.objects.for_tenant(tenant).filter(pk=owner.pk).update(pack_sha256=sha256)


def rule_document(row: Mapping[str, Any]) -> Document:
    status = str(row.get("status", ""))
    given = {**row, "provenance": status, "section_provenance": row.get("section_status", ""), "is_active": status != MEMORY}
    return {name: value for name, value in given.items() if name in documents.MEMBERS}


def _confirmed(tenant: Tenant, owner: RuleSet) -> dict[str, Rule]:
    """Rules from memory that a person has confirmed in a published version: a new pack does not take that back while they stay the same."""
    rows = Rule.objects.for_tenant(tenant).filter(version__rule_set=owner, version__state=RuleSetVersion.State.PUBLISHED, confirmed_at__isnull=False)
    return {row.key: row for row in rows.order_by("version__published_at")}


def _still(rule: Document, kept: Mapping[str, Rule]) -> bool:
    row = kept.get(rule["key"])
    return row is not None and documents.as_run(queries.document(row)) == documents.as_run(rule)


def _forget_untouched_drafts(owner: RuleSet, by: By) -> None:
    """Drafts that an earlier import has made and nobody has worked on."""
    for draft in owner.versions.filter(state=RuleSetVersion.State.DRAFT, changelog__startswith="With the rules that were written from memory"):
        if draft.rev == 1 and not draft.rules.exclude(rev=1).exists():
            rule_sets.delete_version(owner.tenant, pk=draft.pk, by=by)


def _write(owner: RuleSet, rules: list[Document], kept: Mapping[str, Rule], by: By, changelog: str) -> RuleSetVersion:
    fields = {"number": rule_sets.next_number(owner), "changelog": changelog}
    version = authoring.save(owner.tenant, RuleSetVersion, fields=fields, known=rule_sets.VERSION, by=by, rule_set=owner)
    rule_sets.write_rules(version, [{**rule, "is_active": True} if _still(rule, kept) else rule for rule in rules], by)
    for rule in rules:
        if _still(rule, kept):
            row = kept[rule["key"]]
            Rule.objects.for_tenant(owner.tenant).filter(version=version, key=row.key).update(
                confirmed_by=row.confirmed_by_id, confirmed_at=row.confirmed_at, source=row.source
            )
    problems = rule_problems.problems(version)
    if problems:
        raise PackRefused(rule_set=owner.slug, errors=problems)
    rule_problems.recount(version)
    return version
