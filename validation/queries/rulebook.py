"""Reads of the law: the tree of jurisdictions, what is in force there on a day, versions and their rules as documents."""

import functools
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Count, Model, Q, QuerySet

from mcp_platform.errors import NotFound
from mcp_platform.tenancy.models import Tenant
from validation.core import documents
from validation.core.documents import Document
from validation.errors import (
    AdoptionNotFound,
    AmendmentNotFound,
    BuildingNotFound,
    EditionNotFound,
    FactNotFound,
    JurisdictionNotFound,
    ProjectNotFound,
    RuleNotFound,
    RuleSetNotFound,
)
from validation.models import Adoption, Amendment, Building, CodeEdition, FactDefinition, Jurisdiction, Project, Rule, RuleSet, RuleSetVersion

M = TypeVar("M", bound=Model)
DEEPEST = 32  # levels of the tree; more is a cycle that the database let through
_NOT_FOUND: Mapping[type[Model], type[NotFound]] = {
    Jurisdiction: JurisdictionNotFound,
    CodeEdition: EditionNotFound,
    Adoption: AdoptionNotFound,
    RuleSet: RuleSetNotFound,
    RuleSetVersion: RuleSetNotFound,
    Rule: RuleNotFound,
    Amendment: AmendmentNotFound,
    FactDefinition: FactNotFound,
    Project: ProjectNotFound,
    Building: BuildingNotFound,
}


def one(tenant: Tenant, model: type[M], pk: UUID | str, *related: str, locked: bool = False) -> M:
    """The tenant's row, or the NotFound of its kind, also for a row of another tenant."""
    rows: Any = model._default_manager.for_tenant(tenant)  # type: ignore[attr-defined]  # every model here is a TenantModel
    rows = rows.select_for_update(of=("self",)) if locked else rows
    found: M | None = rows.select_related(*related).filter(pk=pk).first()
    if found is None:
        raise _NOT_FOUND[model](id=str(pk))
    return found


def chain(jurisdiction: Jurisdiction) -> list[Jurisdiction]:
    """The jurisdiction and what it is part of, root first."""
    known = {row.pk: row for row in Jurisdiction.objects.for_tenant(jurisdiction.tenant_id)}
    found: list[Jurisdiction] = []
    at: Jurisdiction | None = known.get(jurisdiction.pk, jurisdiction)
    while at is not None and len(found) < DEEPEST:
        found.insert(0, at)
        at = known.get(at.parent_id) if at.parent_id else None
    return found


def below(tenant: Tenant, places: Iterable[UUID]) -> set[UUID]:
    """The jurisdictions themselves and all that lie in them."""
    parts: dict[UUID | None, list[UUID]] = {}
    for pk, parent in Jurisdiction.objects.for_tenant(tenant).values_list("pk", "parent_id"):
        parts.setdefault(parent, []).append(pk)
    found, open_ones = set[UUID](), list(places)
    while open_ones:
        at = open_ones.pop()
        if at not in found:
            found.add(at)
            open_ones += parts.get(at, [])
    return found


def in_force(on: date) -> Q:
    """Of rows with effective_from and effective_to (the last day)."""
    return Q(effective_from__lte=on) & (Q(effective_to__isnull=True) | Q(effective_to__gte=on))


def adoptions(tenant: Tenant, places: Iterable[Jurisdiction], on: date) -> list[Adoption]:
    """Editions in force, one for each title: that of the jurisdiction nearest to the last of `places` (root first) wins."""
    depth = {place.pk: index for index, place in enumerate(places)}
    rows = Adoption.objects.for_tenant(tenant).filter(in_force(on), jurisdiction__in=depth).select_related("code_edition", "jurisdiction")
    nearest: dict[str, Adoption] = {}
    for row in sorted(rows, key=lambda row: depth[row.jurisdiction_id]):
        nearest[row.code_edition.title] = row
    return [nearest[title] for title in sorted(nearest)]


def amendments(tenant: Tenant, places: Iterable[Jurisdiction], on: date) -> list[Amendment]:
    """In force that day, root first; in one place the earlier first."""
    depth = {place.pk: index for index, place in enumerate(places)}
    rows = Amendment.objects.for_tenant(tenant).filter(in_force(on), jurisdiction__in=depth).select_related("jurisdiction")
    return sorted(rows, key=lambda row: (depth[row.jurisdiction_id], row.effective_from, str(row.pk)))


def stamp(project: Project) -> frozenset[Any]:
    """Another one whenever what is in force for the project may be another: in one query, number, revisions and last change of the rows that say so.

    The project's own columns are not in it. Which clock an `updated_at` is of does not matter: `rev` grows too.
    """
    asked = [_key(project.tenant_id)] * len(_LAW)
    with connection.cursor() as cursor:
        cursor.execute(_stamped(), [*asked, asked[0], RuleSetVersion.State.PUBLISHED.value, _key(project.pk)])
        return frozenset(cursor.fetchall())


_LAW: tuple[type[Model], ...] = (Jurisdiction, CodeEdition, Adoption, RuleSet, Amendment, FactDefinition)


@functools.cache
def _stamped() -> str:
    """Put together once: every live change asks, and to build eight querysets takes longer than to run them."""
    counted = "SELECT '{0}', COUNT(*), SUM(rev), MAX(updated_at) FROM {0} WHERE tenant_id = %s"
    law = [counted.format(model._meta.db_table) for model in _LAW]
    published = counted.format(RuleSetVersion._meta.db_table) + " AND state = %s"
    chosen = f"SELECT 'chosen', COUNT(*), MAX(id), NULL FROM {Project.rule_sets.through._meta.db_table} WHERE project_id = %s"  # noqa: S608  a table of ours
    return " UNION ALL ".join((*law, published, chosen))


def _key(value: UUID) -> Any:
    """As this database keeps it."""
    return Project._meta.pk.get_db_prep_value(value, connection)


_SAME = tuple(name for name in documents.MEMBERS if name not in ("check", "citation", "ids", "weight"))
COLUMNS: Mapping[str, str] = {**{name: name for name in _SAME}, "check": "check_name", "ids": "ids_xml", "weight": "weight"}


def document(rule: Rule) -> Document:
    """The rule as packs and exports have it."""
    found = {member: getattr(rule, column) for member, column in COLUMNS.items()}
    citation = {"section": rule.section, "paraphrase": rule.paraphrase, "url": rule.url}
    return documents.complete({**found, "weight": float(rule.weight), "citation": citation})


def columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a rule document, whole or in part, as columns of a row."""
    found = {COLUMNS[member]: value for member, value in given.items() if member in COLUMNS}
    citation = given.get("citation")
    return found | ({name: citation[name] for name in documents.CITATION if name in citation} if isinstance(citation, Mapping) else {})


def rules(version: RuleSetVersion) -> list[Document]:
    return [document(rule) for rule in Rule.objects.for_tenant(version.tenant_id).filter(version=version)]


def content_sha256(version: RuleSetVersion) -> str:
    return documents.content_sha256(rules(version), version.overrides)


def newest_published(tenant: Tenant, rule_sets: Iterable[RuleSet]) -> dict[UUID, RuleSetVersion]:
    """Rule set -> the version that was published last and is not retired."""
    rows = RuleSetVersion.objects.for_tenant(tenant).filter(rule_set__in=list(rule_sets), state=RuleSetVersion.State.PUBLISHED)
    newest: dict[UUID, RuleSetVersion] = {}
    for row in sorted(rows.select_related("rule_set__code_edition"), key=lambda row: semver(row.number)):
        newest[row.rule_set_id] = row
    return newest


def semver(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))


def versions(tenant: Tenant) -> QuerySet[RuleSetVersion]:
    rows: QuerySet[RuleSetVersion] = RuleSetVersion.objects.for_tenant(tenant)
    return rows.select_related("rule_set", "submitted_by", "published_by").annotate(rule_count=Count("rules"))
