"""IDS (Information Delivery Specification): check and audit uploads, take files in as rules, judge models by them, give them out again."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.core.files.base import File

from mcp_platform.lanes import Lanes
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from validation import errors
from validation.core import ifc_classes
from validation.core.building import BUILDING
from validation.core.rules import MODEL_FILE, Evidence, Judgement, Outcome, Rule
from validation.ingest.ids import reading, runner, writing
from validation.models import Building, Element, IdsSpecification, ModelRevision, RuleSetVersion
from validation.models import Rule as RuleRow
from validation.queries import rulebook as queries
from validation.services import reading as reading_files
from validation.services import rule_problems, rule_sets, rules

MAX_FILE: Final = reading.MAX_BYTES
MAX_MODEL: Final = 64 * 1024 * 1024  # of an upload that is checked while somebody waits; larger models become revisions
UPLOAD_SECONDS: Final = 90
MOST_CLASSES: Final = 200
LONGEST_MESSAGE: Final = 2000
INVALID: Final = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """verdict: pass, fail, invalid. problem: why a file could not be read, or "". faults of the audit: {path, line, code, message, severity}."""

    verdict: str
    problem: str
    faults: list[dict[str, Any]]
    specifications: list[dict[str, Any]]

    @property
    def summary(self) -> dict[str, int]:
        statuses = [one["status"] for one in self.specifications]
        return {"specifications": len(statuses), "passed": statuses.count("pass"), "failed": statuses.count("fail")}


def check_pairs(pairs: Sequence[tuple[str, str]]) -> Iterator[Checked]:
    """(path of the IDS file, path of the model), answered in order. What cannot be read is invalid."""
    for answer in runner.run_all([{"kind": "check", "ids": str(Path(ids).absolute()), "ifc": str(Path(ifc).absolute())} for ids, ifc in pairs]):
        yield _checked(answer)


# Each of these holds a thread of the web process, a processor and up to a gigabyte while somebody waits.
_uploads: Final = Lanes(total=4, per_tenant=2, per_partner=2)


def check_upload(tenant: Tenant, *, ids: "File[bytes]", ifc: "File[bytes]") -> Checked:
    """Nothing is kept. Raises IdsTooLarge, NoLaneFree while as many of the tenant's are checked in this process as may be."""
    for file, most in ((ids, reading.MAX_BYTES), (ifc, MAX_MODEL)):
        if (file.size or 0) > most:
            raise errors.IdsTooLarge(limit_bytes=most, size_bytes=file.size)
    with _uploads.inside(str(tenant.pk), "ids"), _on_disk(ids, ".ids") as ids_path, _on_disk(ifc, ".ifc") as ifc_path:
        return _checked(runner.run({"kind": "check", "ids": ids_path, "ifc": ifc_path}, seconds=UPLOAD_SECONDS, caged=reading_files.caged()))


def audit_upload(tenant: Tenant, file: "File[bytes]") -> dict[str, Any]:
    """{verdict: valid | invalid, faults, info, specifications}. Raises IdsTooLarge, NoLaneFree."""
    if (file.size or 0) > reading.MAX_BYTES:
        raise errors.IdsTooLarge(limit_bytes=reading.MAX_BYTES, size_bytes=file.size)
    return _audited(tenant, file.read())


def _audited(tenant: Tenant, content: bytes) -> dict[str, Any]:
    with _uploads.inside(str(tenant.pk), "ids"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.ids"
        path.write_bytes(content)
        answer = runner.run({"kind": "audit", "ids": str(path)}, seconds=UPLOAD_SECONDS, caged=reading_files.caged())
    if "error" in answer:
        fault = {"path": "/", "line": 0, "code": "unreadable", "message": answer["error"], "severity": "error"}
        return {"verdict": INVALID, "faults": [fault], "info": {}, "specifications": []}
    return answer


def _checked(answer: Mapping[str, Any]) -> Checked:
    return Checked(
        verdict=answer.get("verdict", INVALID),
        problem=answer.get("error", ""),
        faults=answer.get("faults", []),
        specifications=answer.get("specifications", []),
    )


@contextmanager
def _on_disk(file: Any, suffix: str) -> Iterator[str]:
    """The path of a file that may live in memory or in a store elsewhere."""
    try:
        yield str(file.path)
        return
    except (AttributeError, NotImplementedError):
        pass
    with tempfile.NamedTemporaryFile(suffix=suffix) as copy:
        for chunk in file.chunks():
            copy.write(chunk)
        copy.flush()
        yield copy.name


def import_file(
    tenant: Tenant, *, version: UUID, name: str, content: bytes, severity: str = "major", category: str = "data", by: By
) -> IdsSpecification:
    """Each specification becomes a rule of kind ids in an open version. A file of the same name replaces the earlier one: rules keep their keys.

    Raises IdsInvalid with every fault of the audit, RuleSetNotFound, RuleSetVersionIsImmutable, FieldsRefused.
    """
    queries.one(tenant, RuleSetVersion, version)
    found = _audited(tenant, content)
    if found["verdict"] == INVALID:
        raise errors.IdsInvalid(errors=found["faults"])
    with rule_sets.edit(tenant, version, by) as owner:
        row = _row(tenant, owner, name, content, found)
        kept = {str(rule.key): rule for rule in row.rules.all()}
        taken = set(owner.rules.exclude(ids_file=row).values_list("key", flat=True))
        for one in found["specifications"]:
            key = _free(_key(one), taken)
            taken.add(key)
            _save_rule(tenant, owner, row, key, one, kept.pop(key, None), {"severity": severity, "category": category}, by)
        for gone in kept.values():
            rules.delete_rule(tenant, version=owner.pk, pk=gone.pk, by=by)
        rule_problems.recount(owner)
        audit(tenant, actor=actor_of(by), action="ids.import", target=row, changes={"file": name, "rules": len(found["specifications"])})
    return row


def _row(tenant: Tenant, owner: RuleSetVersion, name: str, content: bytes, found: Mapping[str, Any]) -> IdsSpecification:
    import hashlib

    name = Path(name.replace("\\", "/")).name[:255] or "file.ids"
    row = IdsSpecification.objects.for_tenant(tenant).filter(version=owner, file_name=name).first()
    row = row or IdsSpecification(tenant=tenant, version=owner, file_name=name)
    row.content, row.sha256 = content.decode("utf-8", "replace"), hashlib.sha256(content).hexdigest()
    row.title, row.specification_count = str(found["info"].get("title", ""))[:300], len(found["specifications"])
    row.audit = {"verdict": found["verdict"], "faults": found["faults"], "info": found["info"]}
    row.save()
    return row


def _save_rule(
    tenant: Tenant,
    owner: RuleSetVersion,
    row: IdsSpecification,
    key: str,
    one: Mapping[str, Any],
    known: RuleRow | None,
    more: Mapping[str, str],
    by: By,
) -> None:
    paraphrase = " ".join(part for part in (one["description"], *one["asks"]) if part)
    fields = {
        "key": key,
        "title": (one["name"] or key)[:200],
        "kind": "ids",
        "applies_to": [name for name in one["classes"] if name in ifc_classes.PARENTS][:MOST_CLASSES],
        "ids": one["xml"],
        "citation": {"section": (one["identifier"] or one["name"])[:200], "paraphrase": paraphrase[:LONGEST_MESSAGE], "url": ""},
        "rationale": one["instructions"],
        "source": f"IDS file {row.file_name}, SHA-256 {row.sha256}",
        **({} if known else more),  # what people have set stays
    }
    saved = rules.save_rule(tenant, version=owner.pk, fields=fields, pk=known.pk if known else None, by=by)
    if saved.ids_file_id != row.pk:
        RuleRow.objects.for_tenant(tenant).filter(pk=saved.pk).update(ids_file=row)


def _key(one: Mapping[str, Any]) -> str:
    words = re.sub(r"[^A-Za-z0-9._]+", "-", one["identifier"] or one["name"]).strip("-.")
    return f"IDS-{words[:60] or 'SPECIFICATION'}"


def _free(key: str, taken: set[str]) -> str:
    number = 2
    wanted = key
    while wanted in taken:
        wanted = f"{key}-{number}"
        number += 1
    return wanted


def export_version(tenant: Tenant, *, version: UUID) -> tuple[str, bytes]:
    """File name and content: all active ids rules of the version, in their order. Raises RuleSetNotFound, NoIdsRules."""
    owner = queries.one(tenant, RuleSetVersion, version, "rule_set")
    rows = list(RuleRow.objects.for_tenant(tenant).filter(version=owner, kind="ids", is_active=True).exclude(ids_xml="").order_by("position", "key"))
    if not rows:
        raise errors.NoIdsRules(rule_set=owner.rule_set.slug, number=owner.number)
    files = list(IdsSpecification.objects.for_tenant(tenant).filter(version=owner).order_by("file_name"))
    info = dict(files[0].audit.get("info", {})) if len(files) == 1 else {}
    info |= {"title": info.get("title") or owner.rule_set.title, "version": owner.number}
    return f"{owner.rule_set.slug}-{owner.number}.ids", writing.write([row.ids_xml for row in rows], info=info)


def judgements(tenant: Tenant, *, revision: ModelRevision | None, rules: Iterable[Rule], building: Building | None = None) -> list[Judgement]:
    """One for each object that a rule is about, and one for the building where a rule fails as a whole (nothing there that has to be).

    IDS reads the file itself: a building that came live or as JSON has none, and every rule is not evaluable.
    """
    wanted = list(rules)
    if not wanted:
        return []
    building = building or (revision.building if revision is not None else None)
    whole = _building_element(tenant, building)
    if revision is None or not revision.file:
        return without_file(wanted, whole)
    with _on_disk(revision.file, ".ifc") as path:
        return of_file(path, name=f"{revision.file_name} r{revision.number}", rules=wanted, whole=whole)


def of_file(path: str, *, name: str, rules: Iterable[Rule], whole: str) -> list[Judgement]:
    """Of a model file on this disk. name: as the evidence calls it. whole: global id of what a rule that fails as a whole is about."""
    wanted = list(rules)
    answer = runner.run({"kind": "judge", "ifc": path, "rules": {rule.key: rule.ids for rule in wanted}}, caged=reading_files.caged())
    if "error" in answer:
        return [_unknown(rule, whole, answer["error"]) for rule in wanted]
    seen = Evidence(fact=MODEL_FILE, value=name, source="ids")
    return [judgement for rule in wanted for judgement in _judged(rule, answer["rules"][rule.key], whole, seen)]


def without_file(rules: Iterable[Rule], whole: str) -> list[Judgement]:
    return [_unknown(rule, whole, "IDS rules are checked on an IFC file, and this building has none.") for rule in rules]


def _building_element(tenant: Tenant, building: Building | None) -> str:
    rows = Element.objects.for_tenant(tenant).filter(building=building, ifc_class=BUILDING, valid_to_seq=None)
    return str(rows.order_by("global_id").values_list("global_id", flat=True).first() or "")


def _unknown(rule: Rule, subject: str, why: str) -> Judgement:
    return Judgement(rule=rule.key, subject=subject, outcome=Outcome.NOT_EVALUABLE, severity=rule.severity, message=why, missing=(MODEL_FILE,))


def _judged(rule: Rule, found: Mapping[str, Any], whole: str, seen: Evidence) -> Iterator[Judgement]:
    if "status" not in found:
        yield _unknown(rule, whole, found["problem"])
        return
    by_subject: dict[str, list[str]] = {}
    for subject, messages in found["subjects"]:  # the same global id twice is one subject
        by_subject.setdefault(subject, []).extend(messages)
    of_all = [found["problem"]] if found["problem"] and not any(by_subject.values()) else []
    of_all += found["nameless"]
    if of_all:
        by_subject.setdefault(whole, []).extend(of_all)
    for subject, messages in by_subject.items():
        yield Judgement(
            rule=rule.key,
            subject=subject,
            outcome=Outcome.FAIL if messages else Outcome.PASS,
            severity=rule.severity,
            message=" ".join(dict.fromkeys(messages))[:LONGEST_MESSAGE],
            evidence=(seen,) if messages else (),
        )
