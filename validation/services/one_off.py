"""One model checked once, with nothing written: the file is read in a child process, and the law is the product's own pack or a tenant's rows."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from mcp_platform.tenancy.models import Tenant
from validation.core import canonical, documents, facts, incremental, score, tally
from validation.core.building import BUILDING, Element, Fact, Facts
from validation.core.results import Results
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement, Outcome, Rule, Severity
from validation.errors import JurisdictionNotFound, ModelRejected, RuleSetNotFound
from validation.models import Adoption, Jurisdiction, RuleSet
from validation.queries import facts as fact_rows
from validation.queries import rulebook as queries
from validation.services import ids, packs, reading
from validation.services import rulebook as law
from validation.services.revisions import SUFFIXES

Json = dict[str, Any]
Tell = Callable[[int, int, str], None]
MEMORY: Final = "M"
_WORST_FIRST: Final = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`jurisdiction`: a code. `rule_sets`: slugs, beside those of the editions that are in force there. `situation`: facts of the building."""

    jurisdiction: str
    on: date
    rule_sets: tuple[str, ...] = ()
    situation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What was read. state: ready or partial."""

    elements: tuple[Element, ...]
    state: str
    schema: str
    application: str
    integrity: Mapping[str, Any]
    sha256: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one check found."""

    model: Model
    basis: Json
    book: Rulebook
    results: Results
    names: Mapping[str, str]  # global id -> name
    score: score.Score
    seconds: float

    @property
    def findings(self) -> list[Judgement]:
        """Failures before what could not be judged, the worst first."""
        return sorted(
            self.results.findings.values(),
            key=lambda one: (one.outcome is not Outcome.FAIL, _WORST_FIRST[one.severity], one.rule, self.names.get(one.subject, ""), one.subject),
        )

    @property
    def evaluations(self) -> int:
        return sum(self.results.total(outcome) for outcome in Outcome)


def check(path: Path, asked: Request, *, tenant: Tenant | None = None, tell: Tell = lambda done, total, phase: None) -> Checked:
    """Raises ModelRejected, JurisdictionNotFound, RuleSetNotFound."""
    basis = basis_of(asked, tenant)
    book = law.compiled(basis)
    model = read(path, tell=tell)
    return judged(model, basis, book, asked.situation, tenant=tenant, elsewhere=_of_ids_rules(path, model, book.ids_rules))


def judged(
    model: Model,
    basis: Json,
    book: Rulebook,
    situation: Mapping[str, Any],
    *,
    tenant: Tenant | None = None,
    elsewhere: Iterable[Judgement] = (),
) -> Checked:
    """elsewhere: what rules say that facts do not decide."""
    began = time.perf_counter()
    definitions = facts.definitions(fact_rows.own(tenant) if tenant else ())
    results = incremental.full(book, model.elements, definitions=definitions, situation=stated(situation), elsewhere=elsewhere).results()
    return Checked(
        model=model,
        basis=basis,
        book=book,
        results=results,
        names={one.global_id: one.name or one.tag for one in model.elements},
        score=score.of(results.counts, book.by_key, partial=model.state == "partial"),
        seconds=time.perf_counter() - began,
    )


def _of_ids_rules(path: Path, model: Model, rules: tuple[Rule, ...]) -> list[Judgement]:
    """IDS rules read the IFC file themselves; without one they are not evaluable."""
    if not rules:
        return []
    whole = min((one.global_id for one in model.elements if one.ifc_class == BUILDING), default="")
    if SUFFIXES[path.suffix.lower()] != "ifc":
        return ids.without_file(rules, whole)
    return ids.of_file(str(path.resolve()), name=path.name, rules=rules, whole=whole)


def stated(given: Mapping[str, Any]) -> Facts:
    return {name: Fact(value=value, source="project") for name, value in given.items() if value is not None}


def read(path: Path, *, tell: Tell = lambda done, total, phase: None) -> Model:
    """Raises ModelRejected, also for a file that is not there."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ModelRejected("The name of a model ends in .ifc, .ifczip or .json.", reason="EXTENSION", expected=", ".join(SUFFIXES))
    if not path.is_file():
        raise ModelRejected(f"There is no file {path}.", reason="NO_FILE")
    with reading.of_file(path.resolve(), kind=kind, tell=tell) as found:
        if found.problem:
            more = {name: value for name, value in found.problem.items() if name not in ("code", "detail", "integrity")}
            raise ModelRejected(found.problem["detail"], reason=found.problem["code"], **more)
        return Model(
            elements=tuple(found.elements()),
            state=found.state,
            schema=found.schema,
            application=found.application,
            integrity=found.integrity,
            sha256=_sha256(path),
            seconds=found.seconds,
            peak_bytes=found.peak_bytes,
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def basis_of(asked: Request, tenant: Tenant | None) -> Json:
    return _from_rows(tenant, asked) if tenant is not None else _from_pack(packs.starter_pack(), asked)


def _from_rows(tenant: Tenant, asked: Request) -> Json:
    """As it is in force for a project of this tenant. Nothing is saved."""
    place: Jurisdiction | None = Jurisdiction.objects.for_tenant(tenant).filter(code=asked.jurisdiction).first()
    if place is None:
        raise _no_place(asked.jurisdiction, Jurisdiction.objects.for_tenant(tenant).values_list("code", flat=True))
    places = queries.chain(place)
    adopted: dict[Any, Adoption | None] = {row.code_edition_id: row for row in queries.adoptions(tenant, places, asked.on)}
    chosen = list(RuleSet.objects.for_tenant(tenant).filter(slug__in=asked.rule_sets, archived_at=None))
    _refuse_unknown(asked, {row.slug for row in chosen}, RuleSet.objects.for_tenant(tenant).values_list("slug", flat=True))
    return law.of_place(tenant, places, asked.on, adopted, chosen, {}).basis


def _from_pack(pack: Json, asked: Request) -> Json:
    """As an import of the pack would have it: rows that are from memory alone do not run."""
    places = {one["code"]: one for one in pack["jurisdictions"]}
    if asked.jurisdiction not in places:
        raise _no_place(asked.jurisdiction, places)
    chain = _chain(places, asked.jurisdiction)
    sets = {one["slug"]: one for one in pack["rule_sets"]}
    _refuse_unknown(asked, set(sets), sets)
    adopted = {one["edition"]: one for one in pack["adoptions"] if one["jurisdiction"] in chain and _in_force(one, asked.on)}
    slugs = [*sorted(adopted), *(slug for slug in asked.rule_sets if slug not in adopted)]
    leaf = places[asked.jurisdiction]
    amendments = [one for code in chain for one in pack.get("amendments", ()) if one["jurisdiction"] == code and _in_force(one, asked.on)]
    return {
        "schema": 1,
        "jurisdiction": {"code": leaf["code"], "name": leaf["name"], "units": leaf["default_units"], "chain": chain},
        "permit_date": asked.on.isoformat(),
        "editions": [_edition(sets[slug], one) for slug, one in sorted(adopted.items())],
        "rule_sets": [_rule_set(sets[slug]) for slug in slugs],
        "amendments": [_amendment(one, number) for number, one in enumerate(amendments, 1)],
        "overrides": {},
        "facts": [],
    }


def _chain(places: Mapping[str, Json], code: str) -> list[str]:
    """Root first."""
    found: list[str] = []
    while code and code not in found:
        found.insert(0, code)
        code = places[code].get("parent") or ""
    return found


def _in_force(one: Json, on: date) -> bool:
    end = one.get("effective_to")
    return str(one["effective_from"]) <= on.isoformat() and (not end or str(end) >= on.isoformat())


def _edition(rule_set: Json, adoption: Json) -> Json:
    edition = rule_set["edition"]
    return {
        "title": edition["title"],
        "edition": edition["edition"],
        "publisher": edition.get("publisher", ""),
        "adopted_by": adoption["jurisdiction"],
        "effective_from": str(adoption["effective_from"]),
        "effective_to": str(adoption["effective_to"]) if adoption.get("effective_to") else None,
        "legal_reference": adoption.get("legal_reference", ""),
    }


def _rule_set(one: Json) -> Json:
    rules = [documents.as_run(packs.rule_document(rule)) for rule in one["rules"] if str(rule.get("status", "")) != MEMORY]
    edition = one.get("edition")
    return {
        "slug": one["slug"],
        "title": one.get("title", one["slug"]),
        "version": "0.0.0",
        "sha256": canonical.sha256(rules),
        "id": "",
        "because": "pack",
        "edition": {"title": edition["title"], "edition": edition["edition"]} if edition else None,
        "overrides": {},
        "rules": sorted(rules, key=lambda rule: str(rule["key"])),
    }


def _amendment(one: Json, number: int) -> Json:
    return {
        "id": str(number),
        "jurisdiction": one["jurisdiction"],
        "rule": one["rule"],
        "action": one["action"],
        "payload": one.get("payload", {}),
        "citation": one.get("citation", ""),
        "effective_from": str(one["effective_from"]),
        "effective_to": str(one["effective_to"]) if one.get("effective_to") else None,
    }


def _no_place(code: str, known: Iterable[str]) -> JurisdictionNotFound:
    return JurisdictionNotFound(f"There is no jurisdiction {code}; there are {', '.join(sorted(known)) or 'none'}.", code=code)


def _refuse_unknown(asked: Request, found: Iterable[str], known: Iterable[str]) -> None:
    missing = sorted(set(asked.rule_sets) - set(found))
    if missing:
        raise RuleSetNotFound(f"There is no rule set {', '.join(missing)}; there are {', '.join(sorted(known)) or 'none'}.", rule_sets=missing)


def report(found: Checked, *, file: str) -> Json:
    """Everything, for programs. The same file and law give the same document, but for `seconds`."""
    model, findings = found.model, found.findings
    unlocks = score.unlocks(findings)
    return {
        "file": file,
        "sha256": model.sha256,
        "schema": model.schema,
        "application": model.application,
        "state": model.state,
        "integrity": dict(model.integrity),
        "elements": len(model.elements),
        "basis": {
            **{name: found.basis[name] for name in ("jurisdiction", "permit_date", "editions")},
            "rule_sets": [{name: one[name] for name in ("slug", "title", "version", "sha256")} for one in found.basis["rule_sets"]],
            "amendments": [{name: one[name] for name in ("jurisdiction", "rule", "action", "citation")} for one in found.basis["amendments"]],
            "rules": len(found.book.rules),
        },
        "score": found.score.score,
        "coverage": found.score.coverage,
        "status": found.score.status.value,
        "score_breakdown": {**found.score.breakdown, **score.groups(found.results.counts, found.book.by_key)},
        "counts": {**tally.summary(found.results.counts, found.book.by_key), "rules": found.results.counts},
        "missing_facts": [one.json() for one in unlocks],
        "findings": [_finding(one, found) for one in findings],
        "passed": found.results.passed(),
        "result_sha256": found.results.sha256(),
        "seconds": {"reading": round(model.seconds, 3), "checking": round(found.seconds, 3)},
    }


def _finding(one: Judgement, found: Checked) -> Json:
    rule = found.book.by_key[one.rule]
    return {
        "rule": one.rule,
        "title": rule.title,
        "severity": one.severity.value,
        "category": rule.category,
        "outcome": one.outcome.value,
        "subject": one.subject,
        "name": found.names.get(one.subject, ""),
        "message": one.message,
        "actual": one.actual,
        "required": one.required,
        "unit": one.unit,
        "margin": one.margin,
        "missing": list(one.missing),
        "evidence": [
            {"fact": fact.fact, "value": fact.value, "unit": fact.unit, "source": fact.source, "assumed": fact.assumed} for fact in one.evidence
        ],
        "citation": {name: getattr(rule.citation, name) for name in ("title", "edition", "section", "paraphrase", "url")},
        "parameters": {name: {"value": given.value, "unit": given.unit, "origin": given.origin} for name, given in rule.params.items()},
    }
