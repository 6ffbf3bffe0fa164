"""Full checks: a run is one judgement of a whole model by a frozen rulebook. Also what-if runs, which change no finding.

Computing takes no lock, so people and plugins go on. What has changed meanwhile is judged anew under the lock, when the results are taken over.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice, zip_longest
from typing import Any, Final
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from mcp_platform import errors, jobs, rest
from mcp_platform.db.busy import is_busy
from mcp_platform.operations import services as operations
from mcp_platform.operations.errors import Cancelled
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of
from validation.core import comparison, score, tally
from validation.core.building import BUILDING, STOREY, ZONE
from validation.core.rulebook import Rulebook
from validation.core.rules import Judgement
from validation.errors import BuildingNotFound, RunNotFound
from validation.models import Building, Element, ModelRevision, ValidationRun
from validation.queries import elements
from validation.services import evaluating, findings, ground, metered, outdated, rechecking, standing, waivers
from validation.services import rulebook as law
from validation.services.evaluating import ENGINE_VERSION, NO_FILE, Evaluation, FileJudged
from validation.services.findings import Check
from validation.services.live import EVERYTHING, locked
from validation.services.rulebook import InForce

KIND: Final = "validation.run"
MOST_AT_ONCE: Final = 200  # scheduled checks that one sweep begins
PATIENCE: Final = 12  # times that a run waits for its building while others write
State = ValidationRun.State


class NothingToCheck(errors.Conflict):
    """The building has no model yet."""

    code = "NOTHING_TO_CHECK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Of a what-if run: another day of the permit, other editions ({title: edition}), another jurisdiction (its code)."""

    on: date | None = None
    editions: Mapping[str, str] = field(default_factory=dict)
    jurisdiction: str = ""

    def json(self) -> dict[str, Any]:
        return {"on": self.on.isoformat() if self.on else None, "editions": dict(self.editions), "jurisdiction": self.jurisdiction}

    @staticmethod
    def of(given: Mapping[str, Any]) -> "Question":
        on = date.fromisoformat(given["on"]) if given["on"] else None
        return Question(on=on, editions=given["editions"], jurisdiction=given["jurisdiction"])

    def __str__(self) -> str:
        parts = [f"{title} {edition}" for title, edition in sorted(self.editions.items())]
        parts += [f"permit of {self.on.isoformat()}"] if self.on else []
        parts += [self.jurisdiction] if self.jurisdiction else []
        return ", ".join(parts) or "as it is"


def start(tenant: Tenant, *, building_id: UUID, by: By | str, trigger: str = "full", question: Question | None = None) -> ValidationRun:
    """The run and its operation (progress, cancelling). Raises BuildingNotFound, NothingToCheck, EditionNotFound, JurisdictionNotFound."""
    building = _building(tenant, building_id)
    if not elements.at(tenant, building).exists():
        raise NothingToCheck(building=str(building_id))
    asked = in_force(building, question)
    with transaction.atomic():
        run: ValidationRun = ValidationRun.objects.create(
            tenant=tenant,
            building=building,
            revision=_revision(building),
            at_seq=building.head_seq,
            basis={**asked.basis, "question": question.json()} if question else asked.basis,
            trigger="what_if" if question else trigger,
            is_what_if=question is not None,
            engine_version=ENGINE_VERSION,
            requested_by=by if isinstance(by, str) else actor_of(by),
        )
        metered.requested(building)
        run.rule_set_versions.set(asked.versions)
        title = f"What if: {building.name}, {question}" if question else f"Check of {building.name}"
        made = operations.start(
            tenant, kind=KIND, title=title, arguments={"run": str(run.pk)}, by=by if isinstance(by, str) else actor_of(by), subject=str(building.pk)
        )
        run.operation_id = made.pk
        run.save(update_fields=["operation_id"])
    return run


def in_force(building: Building, question: Question | None = None) -> InForce:
    """The rules now, or those of the question. Raises EditionNotFound, JurisdictionNotFound."""
    if question is None:
        return law.in_force(building)
    project = building.project
    if question.jurisdiction:
        project.jurisdiction = _jurisdiction(building.tenant, question.jurisdiction)  # of this copy of the row alone; it is never saved
    return law.of_project(project, on=question.on, editions=question.editions)


def _jurisdiction(tenant: Tenant, code: str) -> Any:
    from validation.errors import JurisdictionNotFound
    from validation.models import Jurisdiction

    found = Jurisdiction.objects.for_tenant(tenant).filter(code=code).first()
    if found is None:
        raise JurisdictionNotFound(code=code)
    return found


def _building(tenant: Tenant, building_id: UUID) -> Building:
    rows = Building.objects.for_tenant(tenant).select_related("project__jurisdiction", "tenant")
    found: Building | None = rows.filter(pk=building_id, archived_at=None).first()
    if found is None:
        raise BuildingNotFound(id=str(building_id))
    return found


def _revision(building: Building) -> ModelRevision | None:
    rows = ModelRevision.objects.for_tenant(building.tenant_id).filter(building=building, state__in=("ready", "partial"))
    found: ModelRevision | None = rows.exclude(at_seq__gt=building.head_seq).order_by("-number").first()
    return found


def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The operation. It may begin anew after a crash: nothing is written before the end, and that in one transaction."""
    run = _run(tenant, UUID(arguments["run"]))
    if run.state == State.DONE:
        return _told(run)
    building = _building(tenant, run.building_id)
    run.at_seq, run.revision = building.head_seq, _revision(building)
    ValidationRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, started_at=run.started_at or timezone.now(), at_seq=run.at_seq, revision=run.revision
    )
    try:
        with metered.timed("what_if" if run.is_what_if else "full"):
            (_work_what_if if run.is_what_if else _work)(tenant, run, progress)
    except Cancelled:
        _end(run, State.CANCELLED)
        raise
    except errors.PlatformError as fault:
        _end(run, State.FAILED, rest.problem(fault))
        raise
    except Exception:
        _end(run, State.FAILED, {"error_code": "INTERNAL_ERROR", "detail": "The check failed."})
        raise
    run.refresh_from_db()
    return _told(run)


def _run(tenant: Tenant, run_id: UUID) -> ValidationRun:
    found: ValidationRun | None = ValidationRun.objects.for_tenant(tenant).filter(pk=run_id).first()
    if found is None:
        raise RunNotFound(id=str(run_id))
    return found


def _end(run: ValidationRun, state: str, problem: Mapping[str, Any] | None = None) -> None:
    ValidationRun.objects.filter(pk=run.pk).update(state=state, finished_at=timezone.now(), problem=dict(problem or {}))


def _told(run: ValidationRun) -> dict[str, Any]:
    return {"run": str(run.pk), "score": run.score, "coverage": run.coverage, "status": run.status, "counts": run.counts}


def _work(tenant: Tenant, run: ValidationRun, progress: Progress) -> None:
    building = _building(tenant, run.building_id)
    book = law.compiled(run.basis)
    found = evaluating.evaluate(building, book, seq=run.at_seq, file=_file_judged(building, run, book), tell=progress.report)
    progress.report(0, 1, "writing")
    for attempt in range(1, PATIENCE + 1):
        held: Building | None = None
        try:
            with transaction.atomic():
                held = locked(tenant, building.pk)
                _take_over(held, run, found)
            return
        except OperationalError as fault:
            if held is not None or attempt == PATIENCE or not is_busy(fault):  # once begun, it is not the others' writing that was in the way
                raise


def _file_judged(building: Building, run: ValidationRun, book: Rulebook) -> FileJudged:
    """IDS rules are judged on the file of the revision, in a child process."""
    if not book.ids_rules:
        return NO_FILE
    from validation.services import ids

    judgements = ids.judgements(building.tenant, building=building, revision=run.revision, rules=book.ids_rules)
    return FileJudged(judgements=judgements, sha256=run.revision.sha256 if run.revision is not None and run.revision.file else "")


def _take_over(building: Building, run: ValidationRun, found: Evaluation) -> None:
    """The results become those of the building; what has changed since the evaluation is judged as it is now.

    Not when others have become those of the building meanwhile, or the rules are other ones: then they are the run's alone.
    """
    outlived = ground.of(building).basis_sha256 != found.ground.basis_sha256
    if outlived or _newer(run, found).exists():
        _keep(run, found, building, superseded=True)
        if outlived:
            outdated.mark(Building.objects.for_tenant(building.tenant_id).filter(pk=building.pk))
        return
    book = found.ground.book
    moved = _moved_since(building, found.seq)
    now = elements.rows_of(elements.at(building.tenant, building), moved)
    _write_found(found, moved, now)
    building.counts = {key: dict(held) for key, held in found.counts.items()}
    judgements = [one for one in found.findings if one.subject not in moved or _of_file_still(one, now, found)]
    fresh = ground.of(building, book=book)
    for mark in moved:
        old, new = found.rows.get(mark), now.get(mark)
        tally.shift(building.counts, evaluating.outcomes_of(found, old) if old else {}, ground.counted(fresh, new) if new else {})
        judgements += ground.outcomes(fresh, new, book.of_class(new.ifc_class)) if new else []
    building.basis_sha256 = found.ground.basis_sha256
    before = (found.rows[mark] for mark in moved if mark in found.rows)
    touched = [*now.values(), *before]
    frame = any(row.ifc_class in (STOREY, BUILDING, ZONE) for row in touched)
    if frame or (book.ids_rules and _revision(building) != run.revision):
        building.dirty_storeys = [EVERYTHING]
    else:  # what was dirty before the evaluation is no longer; which of them that was nobody knows any more
        before_that = set(building.dirty_storeys) - {EVERYTHING} if building.head_seq > found.seq else set()
        building.dirty_storeys = sorted(before_that | {row.storey for row in touched if row.storey})
    building.checked_seq = found.seq if building.dirty_storeys else building.head_seq
    versions = {rule.key: f"{rule.ruleset}@{rule.version}" for rule in book.by_key.values() if rule.ruleset}
    waivers.lapse_for(building.tenant, building, rule_versions=versions)
    findings.persist(building, _check(judgements, found, now, run, building.head_seq), standing.of(building, book))
    standing.save(building, book)
    _keep(run, found, building)
    if building.dirty_storeys:
        jobs.enqueue("validation.recheck", tenant_id=str(building.tenant_id), building_id=str(building.pk))


def _newer(run: ValidationRun, found: Evaluation) -> QuerySet[ValidationRun]:
    """Runs that began later, have seen at least as much of the model, and are done."""
    rows: QuerySet[ValidationRun] = ValidationRun.objects.for_tenant(run.tenant_id).filter(building=run.building_id, is_what_if=False)
    return rows.filter(state=State.DONE, created_at__gt=run.created_at, at_seq__gte=found.seq)


def _check(judgements: list[Judgement], found: Evaluation, now: Mapping[str, Element], run: ValidationRun, seq: int) -> Check:
    rows = {**found.rows, **now}
    subjects = {one.subject for one in judgements}
    named = {mark: elements.core_element(rows[mark]) for mark in subjects if mark in rows}
    return Check(judgements=judgements, elements=named, rules=found.ground.book.by_key, seq=seq, run=run)


def _moved_since(building: Building, seq: int) -> set[str]:
    if building.head_seq == seq:
        return set()
    rows = Element.objects.for_tenant(building.tenant_id).filter(building=building)
    return set(rows.filter(Q(valid_from_seq__gt=seq) | Q(valid_to_seq__gt=seq)).values_list("global_id", flat=True))


def _of_file_still(one: Judgement, now: Mapping[str, Element], found: Evaluation) -> bool:
    """What was said of an element's file is true as long as the element is there."""
    return one.rule in found.of_file.get(one.subject, {}) and one.subject in now


def _write_found(found: Evaluation, moved: Collection[str], now: Mapping[str, Element]) -> None:
    """The facts of surroundings of the rows that are still the same, where nothing is deferred any more; what the file decides for all."""
    changed = []
    for mark, row in found.rows.items():
        around = found.around.get(mark, {})
        if mark not in moved and (row.around != around or row.deferred):
            row.around, row.deferred = dict(around), {}
            changed.append(row)
    rechecking.write_around(changed)
    _write_of_file(found, [now.get(mark, row) for mark, row in found.rows.items()])


def _write_of_file(found: Evaluation, rows: Iterable[Element]) -> None:
    """Many elements have few different outcomes, so rows with the same are written together."""
    same: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for row in rows:
        of_file = dict(found.of_file.get(row.global_id, {}))
        if row.of_file != of_file:
            row.of_file = of_file
            same.setdefault(tuple(sorted(of_file.items())), []).append(row.pk)
    for outcomes, keys in same.items():
        for at in range(0, len(keys), findings.CHUNK):
            Element.objects.filter(pk__in=keys[at : at + findings.CHUNK]).update(of_file=dict(outcomes))


def _keep(run: ValidationRun, found: Evaluation, building: Building, **more: Any) -> None:
    book = found.ground.book
    scored = score.of(
        found.counts,
        book.by_key,
        waived=standing.waived(building),
        threshold=building.project.coverage_threshold,
        partial=standing.is_partial(building),
    )
    _write(run, found, scored, **more)


def _write(run: ValidationRun, found: Evaluation, scored: score.Score, **more: Any) -> None:
    run.at_seq = found.seq
    run.state, run.finished_at = State.DONE, timezone.now()
    run.counts = {**tally.grouped(found.counts, found.ground.book.by_key), "rules": found.counts}
    run.score, run.coverage, run.status = scored.score, scored.coverage, scored.status.value
    run.score_breakdown = {
        **scored.breakdown,
        **score.groups(found.counts, found.ground.book.by_key),
        "problems": list(found.ground.book.problems),
        "near_misses": [evaluating.shown(one) for one in found.near_misses],
        **more,
    }
    run.missing_facts = [one.json() for one in score.unlocks(found.findings)]
    run.input_sha256, run.result_sha256 = found.input_sha256, found.results.sha256()
    run.passes = evaluating.packed(found.results.passed())
    run.results = evaluating.packed([evaluating.shown(one) for one in found.findings])
    run.save()


def _work_what_if(tenant: Tenant, run: ValidationRun, progress: Progress) -> None:
    """Both rulebooks on the same model, so that only the law makes the difference. Nothing but the run is written."""
    building = _building(tenant, run.building_id)
    basis = {name: value for name, value in run.basis.items() if name != "question"}
    ours, theirs = law.rulebook_of(building), law.compiled(basis)
    file = _file_judged(building, run, ours)
    now = evaluating.evaluate(building, ours, seq=run.at_seq, file=file, tell=_half(progress, 0))
    if theirs.ids_rules != ours.ids_rules:
        file = _file_judged(building, run, theirs)
    other = evaluating.evaluate(building, theirs, seq=run.at_seq, file=file, tell=_half(progress, 1))
    different = comparison.compare(map(evaluating.shown, now.findings), map(evaluating.shown, other.findings))
    threshold, partial = building.project.coverage_threshold, standing.is_partial(building)
    before = score.of(now.counts, now.ground.book.by_key, threshold=threshold, partial=partial)
    after = score.of(other.counts, other.ground.book.by_key, threshold=threshold, partial=partial)
    _write(
        run,
        other,
        after,
        comparison=different,
        sentence=comparison.sentence(different, str(Question.of(run.basis["question"]))),
        before={"score": before.score, "coverage": before.coverage, "status": before.status.value},
    )


def _half(progress: Progress, which: int) -> evaluating.Tell:
    def tell(done: int, total: int, phase: str) -> None:
        progress.report(done + which * total, 2 * total, phase)

    return tell


def compare(tenant: Tenant, *, building_id: UUID, before: UUID, after: UUID) -> dict[str, Any]:
    """Any two runs of a building that have ended. Raises RunNotFound."""
    one, other = (_ended(tenant, building_id, pk) for pk in (before, after))
    found = comparison.compare(evaluating.unpacked(one.results), evaluating.unpacked(other.results))
    numbers = {
        name: {"run": str(run.pk), "at_seq": run.at_seq, "score": run.score, "coverage": run.coverage, "status": run.status}
        for name, run in (("before", one), ("after", other))
    }
    return {**numbers, **found, "sentence": comparison.sentence(found, f"{other.created_at:%Y-%m-%d %H:%M}")}


def _ended(tenant: Tenant, building_id: UUID, run_id: UUID) -> ValidationRun:
    run = _run(tenant, run_id)
    if run.building_id != building_id or run.state != State.DONE:
        raise RunNotFound(id=str(run_id))
    return run


def close_lost() -> int:
    """Runs whose operation was given up or cancelled before it began."""
    open_runs = ValidationRun.objects.filter(state__in=(State.QUEUED, State.RUNNING), operation_id__isnull=False)
    ended = Operation.objects.filter(pk__in=[run.operation_id for run in open_runs[:200]]).exclude(status__in=("queued", "running"))
    closed = 0
    for row in ended:
        state = State.CANCELLED if row.status == Operation.Status.CANCELLED else State.FAILED
        closed += open_runs.filter(operation_id=row.pk).update(state=state, finished_at=timezone.now(), problem=row.error or {})
    return closed


def start_due() -> int:
    """Scheduled checks of buildings whose last one, or its attempt, is older than they want. How many."""
    begun = 0
    for building in islice(_due(), MOST_AT_ONCE):
        try:
            start(building.tenant, building_id=building.pk, by="system:schedule", trigger="scheduled")
            begun += 1
        except errors.PlatformError:  # it says itself what is wrong with it when somebody asks; the others go first the next time
            Building.objects.filter(pk=building.pk).update(updated_at=timezone.now())
    return begun


def _due() -> Iterator[Building]:
    """One of each tenant in turn, so that nobody with many buildings stands in the way of others."""
    scheduled = Building.objects.filter(check_every_hours__gt=0, archived_at=None, head_seq__gt=0)
    by_tenant: dict[UUID, list[tuple[datetime, UUID]]] = {}
    for hours in scheduled.order_by().values_list("check_every_hours", flat=True).distinct():
        begun = Q(created_at__gt=timezone.now() - timedelta(hours=hours or 0)) | Q(state__in=(State.QUEUED, State.RUNNING))
        runs = ValidationRun.objects.filter(begun, building=OuterRef("pk"), is_what_if=False)
        for tenant_id, at, pk in scheduled.filter(~Exists(runs), check_every_hours=hours).values_list("tenant_id", "updated_at", "pk"):
            by_tenant.setdefault(tenant_id, []).append((at, pk))
    for turn in zip_longest(*(sorted(found) for found in by_tenant.values())):
        for one in turn:
            if one is not None:
                yield Building.objects.select_related("tenant").get(pk=one[1])
