"""The rules that are in force for a building: rows -> basis -> rulebook.

The basis is plain JSON and is what a run keeps (ValidationRun.basis): with it, next year's reading of a finding is still today's. A rulebook is
compiled from it once in each process and cached under the sha256 of the basis. What is in force for a project is kept with a stamp of the rows that
say so (`queries.rulebook.stamp`), which is read every time: a publish, an amendment or an override in any process counts from the next call on, and
what has not changed costs one query.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID

from mcp_platform.tenancy.models import Tenant
from validation.core import canonical, documents, facts, resolve
from validation.core.definition import as_rule
from validation.core.resolve import AmendmentBasis, Basis, Override, RuleSetBasis
from validation.core.rulebook import Rulebook
from validation.core.rules import Rule
from validation.errors import EditionNotFound, RuleSetWasTamperedWith
from validation.models import Adoption, Amendment, Building, CodeEdition, Jurisdiction, Project, RuleSet, RuleSetVersion
from validation.queries import facts as fact_queries
from validation.queries import rulebook as queries

Json = dict[str, Any]
K = TypeVar("K")
V = TypeVar("V")
CACHED: Final = 32  # rulebooks and versions kept in this process, each some MB at most
_rulebooks: "OrderedDict[str, Rulebook]" = OrderedDict()
_contents: "OrderedDict[tuple[UUID, str], list[Json]]" = OrderedDict()
_in_force: "OrderedDict[tuple[Any, ...], tuple[frozenset[Any], InForce]]" = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A rulebook, the basis that it was made of, and the rule set versions of it. `sha256` is that of the basis."""

    rulebook: Rulebook
    basis: Json
    sha256: str
    versions: tuple[RuleSetVersion, ...]


def rulebook_of(building: Building, *, on: date | None = None, editions: Mapping[str, str] | None = None) -> Rulebook:
    """The rules in force for the building at its permit's application date; what-if: on another day, or with other editions ({title: edition})."""
    return in_force(building, on=on, editions=editions).rulebook


def in_force(building: Building, *, on: date | None = None, editions: Mapping[str, str] | None = None) -> InForce:
    """The rulebook with its basis, for a run to keep. Raises RuleSetWasTamperedWith, EditionNotFound."""
    return of_project(building.project, on=on, editions=editions)


def of_project(project: Project, *, on: date | None = None, editions: Mapping[str, str] | None = None) -> InForce:
    day = on or project.permit_application_date
    key = (project.tenant_id, project.pk, project.jurisdiction_id, day, canonical.sha256([project.rule_overrides, dict(editions or {})]))
    stamp = queries.stamp(project)  # before the rows: a change in between makes the entry look old, never new
    with _lock:
        known = _in_force.get(key)
    if known is not None and known[0] == stamp:
        return known[1]
    return _keep(_in_force, key, (stamp, _read(project, day, editions or {})))[1]


def _read(project: Project, day: date, editions: Mapping[str, str]) -> InForce:
    places = queries.chain(project.jurisdiction)
    adopted = _adopted(project.tenant, places, day, editions)
    chosen = project.rule_sets.filter(archived_at__isnull=True)
    return of_place(project.tenant, places, day, adopted, list(chosen), project.rule_overrides)


def of_place(
    tenant: Tenant,
    places: list[Jurisdiction],
    on: date,
    adopted: Mapping[UUID, Adoption | None],
    chosen: list[RuleSet],
    overrides: Mapping[str, Any],
) -> InForce:
    """`places`: root first. `adopted`: code edition -> how it came into force (None: by a what-if). `chosen`: rule sets beside those."""
    by_adoption = RuleSet.objects.for_tenant(tenant).filter(code_edition__in=adopted, archived_at__isnull=True)
    # Those that were chosen come last: where two have a rule of the same key, the project's choice is the one that counts.
    sets = {row.pk: row for row in sorted(by_adoption, key=lambda row: row.slug)}
    sets |= {row.pk: row for row in sorted(chosen, key=lambda row: row.slug) if row.pk not in sets}
    newest = queries.newest_published(tenant, sets.values())
    versions = tuple(newest[pk] for pk in sets if pk in newest)
    basis = {
        "schema": 1,
        "jurisdiction": _place(places),
        "permit_date": on.isoformat(),
        "editions": [_edition(row) for row in adopted.values() if row is not None],
        "rule_sets": [_rule_set(version, adopted) for version in versions],
        "amendments": [_amendment(row) for row in queries.amendments(tenant, places, on)],
        "overrides": dict(overrides),
        "facts": [_fact(row) for row in fact_queries.own(tenant)],
    }
    sha256 = basis_sha256(basis)
    return InForce(rulebook=compiled(basis, sha256), basis=basis, sha256=sha256, versions=versions)


def _adopted(tenant: Tenant, places: list[Jurisdiction], on: date, editions: Mapping[str, str]) -> dict[UUID, Adoption | None]:
    found: dict[UUID, Adoption | None] = {
        row.code_edition_id: row for row in queries.adoptions(tenant, places, on) if row.code_edition.title not in editions
    }
    for title, edition in editions.items():
        row = CodeEdition.objects.for_tenant(tenant).filter(title=title, edition=edition).order_by("language").first()
        if row is None:
            raise EditionNotFound(title=title, edition=edition)
        found[row.pk] = None
    return found


def _place(places: list[Jurisdiction]) -> Json:
    leaf = places[-1]
    return {"code": leaf.code, "name": leaf.name, "units": leaf.default_units, "chain": [place.code for place in places]}


def _edition(row: Adoption) -> Json:
    edition = row.code_edition
    return {
        "title": edition.title,
        "edition": edition.edition,
        "publisher": edition.publisher,
        "adopted_by": row.jurisdiction.code,
        "effective_from": row.effective_from.isoformat(),
        "effective_to": row.effective_to.isoformat() if row.effective_to else None,
        "legal_reference": row.legal_reference,
    }


def _rule_set(version: RuleSetVersion, adopted: Mapping[UUID, Adoption | None]) -> Json:
    owner = version.rule_set
    edition = owner.code_edition
    adoption = adopted.get(owner.code_edition_id) if owner.code_edition_id else None
    because = f"adopted by {adoption.jurisdiction.code}" if adoption else "what if" if owner.code_edition_id in adopted else "project"
    return {
        "slug": owner.slug,
        "title": owner.title,
        "version": version.number,
        "sha256": version.content_sha256,
        "id": str(version.pk),
        "because": because,
        "edition": {"title": edition.title, "edition": edition.edition} if edition else None,
        "overrides": version.overrides,
        "rules": _content(version),
    }


def _content(version: RuleSetVersion) -> list[Json]:
    """The active rules of a published version, as they run. Read once in a process: they never change, and it is checked that they did not."""
    key = (version.pk, version.content_sha256)
    with _lock:
        known = _contents.get(key)
    if known is not None:
        return known
    whole = queries.rules(version)
    if documents.content_sha256(whole, version.overrides) != version.content_sha256:
        raise RuleSetWasTamperedWith(rule_set=version.rule_set.slug, number=version.number)
    active = [documents.as_run(rule) for rule in sorted(whole, key=lambda rule: str(rule["key"])) if rule["is_active"]]
    return _keep(_contents, key, active)


def _amendment(row: Amendment) -> Json:
    return {
        "id": str(row.pk),
        "jurisdiction": row.jurisdiction.code,
        "rule": row.rule_key,
        "action": row.action,
        "payload": row.payload,
        "citation": row.citation,
        "effective_from": row.effective_from.isoformat(),
        "effective_to": row.effective_to.isoformat() if row.effective_to else None,
    }


def _fact(row: facts.FactDefinition) -> Json:
    return {"name": row.name, "type": row.type, "unit": row.unit, "applies_to": list(row.applies_to), "sources": list(row.sources), **_assumed(row)}


def _assumed(row: facts.FactDefinition) -> Json:
    return {"assumption": row.assumption, "params": dict(row.params)}


def basis_sha256(basis: Json) -> str:
    """Of everything in it; the rules of a version count by the sha256 that they were published with."""
    slim = [{name: value for name, value in one.items() if name != "rules"} for one in basis["rule_sets"]]
    return canonical.sha256({**basis, "rule_sets": slim})


def compiled(basis: Json, sha256: str = "") -> Rulebook:
    """The rulebook of a basis, also of one that a run has kept."""
    sha256 = sha256 or basis_sha256(basis)
    with _lock:
        known = _rulebooks.get(sha256)
        if known is not None:
            _rulebooks.move_to_end(sha256)
            return known
    return _keep(_rulebooks, sha256, resolve.resolve(core_basis(basis)))


def _keep(cache: "OrderedDict[K, V]", key: K, value: V) -> V:
    with _lock:
        cache[key] = value
        while len(cache) > CACHED:
            cache.popitem(last=False)
    return value


def core_basis(basis: Json) -> Basis:
    rule_sets = tuple(_core_rule_set(one) for one in basis["rule_sets"])
    known = {rule.key: rule for one in rule_sets for rule in one.rules}
    by_place: dict[str, list[AmendmentBasis]] = {code: [] for code in basis["jurisdiction"]["chain"]}
    for one in basis["amendments"]:
        by_place[one["jurisdiction"]].append(_core_amendment(one, basis, known))
    definitions = (*fact_queries.built_in(), *(_core_fact(one) for one in basis["facts"]))
    return Basis(
        on=date.fromisoformat(basis["permit_date"]),
        rule_sets=rule_sets,
        amendments=tuple(tuple(found) for found in by_place.values()),
        overrides={key: Override(values=one.get("params") or {}, reason=one.get("reason", "")) for key, one in basis["overrides"].items()},
        units={one.name: one.unit for one in definitions if one.unit},
        system=basis["jurisdiction"]["units"],
        around=frozenset(f"{ifc_class}.{one.name}" for one in definitions if one.level is not facts.Level.OWN for ifc_class in one.applies_to),
    )


def _core_rule_set(one: Json) -> RuleSetBasis:
    rules = tuple(_core_rule(rule, one["edition"]) for rule in one["rules"])
    return RuleSetBasis(slug=one["slug"], version=one["version"], rules=rules, overrides=one["overrides"], sha256=one["sha256"])


def _core_rule(rule: Json, edition: Json | None) -> Rule:
    made = as_rule(rule)
    return replace(made, citation=replace(made.citation, **edition)) if edition else made


def _core_amendment(one: Json, basis: Json, known: Mapping[str, Rule]) -> AmendmentBasis:
    values, rule = (one["payload"], None) if one["action"] == "override_params" else ({}, _amended(one, basis))
    return AmendmentBasis(
        id=one["id"],
        jurisdiction=one["jurisdiction"],
        rule_key=one["rule"],
        action=one["action"],
        citation=one["citation"],
        effective_from=date.fromisoformat(one["effective_from"]),
        effective_to=date.fromisoformat(one["effective_to"]) if one["effective_to"] else None,
        values=values,
        rule=rule,
    )


def _amended(one: Json, basis: Json) -> Rule | None:
    """The rule of a replacement or an addition: what the payload leaves out is as in the rule that it replaces. None: it makes no whole rule."""
    if one["action"] == "disable":
        return None
    before: Json = next((rule for owner in basis["rule_sets"] for rule in owner["rules"] if rule["key"] == one["rule"]), {})
    try:
        return as_rule(documents.as_run({**before, **one["payload"], "key": one["rule"]}))
    except ValueError:  # only a part of a rule, and the rule that it is a part of is not in force
        return None


def _core_fact(one: Json) -> facts.FactDefinition:
    levels = {definition.name: definition.level for definition in fact_queries.built_in()}
    return facts.FactDefinition(
        name=one["name"],
        type=one["type"],
        applies_to=tuple(one["applies_to"]),
        sources=tuple(one["sources"]),
        unit=one["unit"],
        assumption=one["assumption"],
        params=one["params"],
        level=levels.get(one["name"], facts.Level.OWN),
    )
