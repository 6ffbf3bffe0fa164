"""Judgements become findings: rows that keep their identity from check to check, and one diff that tells what is new.

A finding is the fact that a rule fails, or cannot be judged, for a subject. Its fingerprint is made of these two alone, so it is the same row after
a thousand checks, with what people have said about it. Everything is written in bulk: a first check may find 50,000.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

from django.db.models import F, Max, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from validation import events
from validation.core import lifecycle
from validation.core.building import Element
from validation.core.rules import Judgement, Outcome, Rule
from validation.models import Building, Finding, FindingNote, FindingsDiff, ValidationRun
from validation.models import Element as ElementRow
from validation.queries import waivers
from validation.queries.waivers import Covered
from validation.services import metered, triage
from validation.services import standing as standings
from validation.services.standing import Standing

T = TypeVar("T")
CHUNK: Final = 500  # names in one SQL list
ROWS: Final = 1000  # rows in one statement, where the database takes so many
MOST_TOLD: Final = 5000  # findings in one diff; whoever follows takes a snapshot instead of more
THERE: Final = (Outcome.FAIL, Outcome.NOT_EVALUABLE)  # outcomes that are findings
SYSTEM: Final = "system:check"

_CONTENT: Final = (
    "outcome", "severity", "category", "discipline", "storey", "ifc_class", "subject_name", "actual", "required", "unit", "margin", "message",
    "missing", "evidence", "geometry", "citation", "parameters", "rule_version",
)  # fmt: skip
_WRITTEN: Final = (*_CONTENT, "last_seen_seq", "last_seen_run", "resolved_seq", "resolved_at", "updated_at", "rev")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was judged. Findings of pairs that were judged and are no findings now are resolved; all others stay as they are.

    judgements: of every pair, or only those that are findings when `judged` is None. judged: fingerprints of the pairs that were judged; None: all
    there are, as in a full check. gone: subjects that are no more.
    """

    judgements: Collection[Judgement]
    elements: Mapping[str, Element]
    rules: Mapping[str, Rule]
    seq: int
    judged: Collection[str] | None = None
    gone: Collection[str] = ()
    run: ValidationRun | None = None
    rechecking: Sequence[str] = ()


def fingerprint(rule_key: str, subject: str) -> str:
    return hashlib.sha1(f"{rule_key}\n{subject}".encode(), usedforsecurity=False).hexdigest()


def topic_guid(building_id: UUID, mark: str) -> UUID:
    """Of the BCF topic of a finding: the same in every export."""
    return uuid5(building_id, mark)


def persist(building: Building, check: Check, standing: Standing) -> FindingsDiff | None:
    """Write what the check found, and the diff; None when there is nothing to tell. The caller holds the building's row."""
    there = {fingerprint(one.rule, one.subject): one for one in check.judgements if one.outcome in THERE}
    known = _known(building, check)
    covered = waivers.covered(building.tenant, building.pk)
    made = [_new(building, mark, one, check, covered) for mark, one in there.items() if mark not in known]
    changed, reopened = _seen_again(check, there, known, covered, _altered(building, known.values()))
    resolved = [row for mark, row in known.items() if mark not in there and row.resolved_seq is None and _was_judged(row, check)]
    _write(building, made, changed)
    _resolve(resolved, check)
    _remember(building, check, there)
    _note(building, [*reopened, *((row, lifecycle.when_holding(row.state)) for row in resolved)])
    if made:
        metered.found(made)
        triage.follow(building.tenant, building_id=building.pk)
    return tell(
        building,
        at_seq=check.seq,
        added=[*made, *(row for row, _, back in changed if back)],
        updated=[row for row, _, back in changed if not back],
        resolved=[row.fingerprint for row in resolved],
        rechecking=check.rechecking,
        standing=standing,
        always=check.judged is None,
    )


def tell(
    building: Building,
    *,
    at_seq: int,
    added: Sequence[Finding] = (),
    updated: Sequence[Finding] = (),
    resolved: Sequence[str] = (),
    rechecking: Sequence[str] = (),
    standing: Standing,
    always: bool = False,
) -> FindingsDiff | None:
    """One more entry of the building's findings stream, pushed after commit. The caller holds the building's row."""
    size = len(added) + len(updated) + len(resolved)
    if not (size or rechecking or always):
        return None
    last = FindingsDiff.objects.for_tenant(building.tenant_id).filter(building=building).aggregate(last=Max("number"))["last"]
    told = size <= MOST_TOLD
    made: FindingsDiff = FindingsDiff.objects.create(
        tenant_id=building.tenant_id,
        building=building,
        number=(last or 0) + 1,
        at_seq=at_seq,
        size=size,
        added=[events.finding(row) for row in added] if told else [],
        updated=[events.finding(row) for row in updated] if told else [],
        resolved=sorted(resolved) if told else [],
        rechecking=sorted(rechecking),
        counts=dict(standing.counts),
        score=standing.score,
        coverage=standing.coverage,
    )
    events.publish_findings(building.pk, made.number)
    return made


def tell_people(building: Building, rows: Sequence[Finding]) -> FindingsDiff | None:
    """People have changed these findings (state, assignee): whoever follows hears it, and the building's status may be another one.

    The caller is in the transaction of the change.
    """
    locked = Building.objects.select_for_update(of=("self",)).select_related("project", "tenant").get(pk=building.pk)
    book = standings.book_of(locked)
    standings.save(locked, book)
    return tell(locked, at_seq=locked.checked_seq, updated=rows, standing=standings.of(locked, book))


def _known(building: Building, check: Check) -> dict[str, Finding]:
    """The rows that the check may touch: all of a full check, else those of its subjects."""
    rows = Finding.objects.for_tenant(building.tenant_id).filter(building=building)
    if check.judged is None:
        return {row.fingerprint: row for row in rows.iterator(chunk_size=2000)}
    subjects = {one.subject for one in check.judgements} | set(check.gone) | set(check.elements)  # no rule may be about one any more
    return {row.fingerprint: row for some in _chunks(sorted(subjects), CHUNK) for row in rows.filter(subject__in=some)}


def content_hash_now() -> Coalesce:
    """Of the elements that findings are about, as an expression for an update of findings."""
    there = ElementRow.objects.filter(building_id=OuterRef("building_id"), global_id=OuterRef("subject"), valid_to_seq=None)
    return Coalesce(Subquery(there.values("content_hash")[:1]), Value(""))


def _altered(building: Building, rows: Iterable[Finding]) -> set[str]:
    """Fingerprints of false positives whose element is another one than when somebody said so."""
    said = {row.fingerprint: row for row in rows if row.state == Finding.State.FALSE_POSITIVE and row.aside_hash}
    subjects = sorted({row.subject for row in said.values()})
    there = ElementRow.objects.for_tenant(building.tenant_id).filter(building=building, valid_to_seq=None)
    now: dict[str, str] = {}
    for some in _chunks(subjects, CHUNK):
        now.update(there.filter(global_id__in=some).values_list("global_id", "content_hash"))
    return {mark for mark, row in said.items() if now.get(row.subject, "") not in ("", row.aside_hash)}


def _was_judged(row: Finding, check: Check) -> bool:
    return check.judged is None or row.fingerprint in check.judged or row.subject in check.gone


def _new(building: Building, mark: str, one: Judgement, check: Check, covered: Covered) -> Finding:
    return Finding(
        tenant_id=building.tenant_id,
        building=building,
        rule_key=one.rule,
        subject=one.subject,
        fingerprint=mark,
        bcf_topic_guid=topic_guid(building.pk, mark),
        first_seen_seq=check.seq,
        first_seen_run=check.run,
        last_seen_seq=check.seq,
        last_seen_run=check.run,
        state=lifecycle.at_first(covered=covered.covers(one.rule, mark)),
        **_content(one, check),
    )


def _seen_again(
    check: Check, there: Mapping[str, Judgement], known: Mapping[str, Finding], covered: Covered, altered: Collection[str]
) -> tuple[list[tuple[Finding, bool, bool]], list[tuple[Finding, lifecycle.State]]]:
    """Rows that are to be written, each with whether its state changes and whether it was away; and those whose state changes with the new one."""
    changed: list[tuple[Finding, bool, bool]] = []
    moved: list[tuple[Finding, lifecycle.State]] = []
    for mark in there.keys() & known.keys():
        row, content = known[mark], _content(there[mark], check)
        moved_on = mark in altered or row.rule_version != content["rule_version"]
        state = lifecycle.when_failing(row.state, covered=covered.covers(row.rule_key, mark), moved=moved_on)
        away = row.resolved_seq is not None
        if not away and state == row.state and all(getattr(row, name) == value for name, value in content.items()):
            continue
        other = state != row.state
        if other:
            moved.append((_copy_of_state(row), state))
        changed.append((_rewritten(row, content, state, check), other, away))
    return changed, moved


def _copy_of_state(row: Finding) -> Finding:
    """For the note: the row as it was."""
    return Finding(pk=row.pk, tenant_id=row.tenant_id, state=row.state)


def _rewritten(row: Finding, content: Mapping[str, Any], state: str, check: Check) -> Finding:
    for name, value in content.items():
        setattr(row, name, value)
    row.state, row.resolved_seq, row.resolved_at = state, None, None
    row.last_seen_seq, row.last_seen_run, row.rev = check.seq, check.run or row.last_seen_run, row.rev + 1
    return row


def _content(one: Judgement, check: Check) -> dict[str, Any]:
    """What a finding says, as its columns hold it."""
    rule, element = check.rules[one.rule], check.elements.get(one.subject)
    return {
        "outcome": one.outcome.value,
        "severity": one.severity.value,
        "category": rule.category,
        "discipline": rule.discipline or (element.discipline if element else ""),
        "storey": element.storey if element else "",
        "ifc_class": element.ifc_class if element else "",
        "subject_name": (element.name or element.tag)[:255] if element else "",
        "actual": _json(one.actual),
        "required": _json(one.required),
        "unit": one.unit,
        "margin": one.margin,
        "message": one.message,
        "missing": list(one.missing),
        "evidence": [_json(asdict(fact)) for fact in one.evidence],
        "geometry": _json(dict(one.geometry)),
        "citation": asdict(rule.citation),
        "parameters": {name: _json(asdict(given)) for name, given in rule.params.items()},
        "rule_version": f"{rule.ruleset}@{rule.version}" if rule.ruleset else "",
    }


def _json(value: Any) -> Any:
    """As the value comes back from a JSON column, so that what is equal compares equal."""
    if isinstance(value, Mapping):
        return {str(name): _json(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_json(inner) for inner in value]
    return sorted(value) if isinstance(value, set | frozenset) else value


def _write(building: Building, made: Sequence[Finding], changed: Sequence[tuple[Finding, bool, bool]]) -> None:
    Finding.objects.bulk_create(made, batch_size=ROWS)
    rows = [row for row, _, _ in changed]
    now = timezone.now()
    for row in rows:
        row.updated_at = now
    if rows:
        Finding.objects.bulk_create(
            rows, batch_size=ROWS, update_conflicts=True, unique_fields=["building", "fingerprint"], update_fields=list(_WRITTEN)
        )
    states: dict[str, list[UUID]] = {}
    for row, moved, _ in changed:
        if moved:
            states.setdefault(row.state, []).append(row.pk)
    for state, keys in states.items():
        for some in _chunks(keys, CHUNK):
            Finding.objects.filter(pk__in=some).update(state=state)


def _resolve(rows: Sequence[Finding], check: Check) -> None:
    states: dict[str, list[UUID]] = {}
    for row in rows:
        states.setdefault(lifecycle.when_holding(row.state), []).append(row.pk)
    now = timezone.now()
    for state, keys in states.items():
        for some in _chunks(keys, CHUNK):
            Finding.objects.filter(pk__in=some).update(state=state, resolved_seq=check.seq, resolved_at=now, updated_at=now, rev=F("rev") + 1)


def _remember(building: Building, check: Check, there: Mapping[str, Judgement]) -> None:
    """A full check has seen every finding that is there, also those that say the same as before."""
    if check.judged is None and there:
        rows = Finding.objects.for_tenant(building.tenant_id).filter(building=building, resolved_seq=None)
        rows.update(last_seen_seq=check.seq, **({"last_seen_run": check.run} if check.run else {}))


def _note(building: Building, moved: Iterable[tuple[Finding, lifecycle.State]]) -> None:
    notes = (
        FindingNote(tenant_id=building.tenant_id, finding_id=row.pk, kind="state", actor=SYSTEM, data={"from": str(row.state), "to": str(state)})
        for row, state in moved
        if row.state != state
    )
    FindingNote.objects.bulk_create(list(notes), batch_size=ROWS)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
