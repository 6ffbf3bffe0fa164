"""Full checks: a run is one judgement of a whole model by a frozen rulebook. Also what-if runs, which change no finding.

Computing takes no lock, so people and plugins go on. What has changed meanwhile is judged anew under the lock, when the results are taken over.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mcp_platform import errors, jobs, rest
from mcp_platform.operations import services as operations
from mcp_platform.operations.errors import Cancelled
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of
from validation.core import comparison, score, tally
from validation.core.building import BUILDING, STOREY, ZONE
from validation.core.rules import Judgement
from validation.errors import BuildingNotFound, RunNotFound
from validation.models import Building, Element, ModelRevision, ValidationRun
from validation.queries import elements
from validation.services import evaluating, findings, ground, metered, rechecking, standing, waivers
from validation.services import rulebook as law
from validation.services.evaluating import ENGINE_VERSION, Evaluation
from validation.services.findings import Check
from validation.services.live import EVERYTHING, locked
from validation.services.rulebook import InForce

KIND: Final = "validation.run"
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


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
    found: ModelRevision | None = rows.order_by("-number").first()
    return found


# ── working ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The operation. It may begin anew after a crash: nothing is written before the end, and that in one transaction."""
    run = _run(tenant, UUID(arguments["run"]))
    if run.state == State.DONE:
        return _told(run)
    run.at_seq = _building(tenant, run.building_id).head_seq
    ValidationRun.objects.filter(pk=run.pk).update(state=State.RUNNING, started_at=run.started_at or timezone.now(), at_seq=run.at_seq)
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
    found = evaluating.evaluate(building, book, seq=run.at_seq, tell=progress.report)
    ids = _ids_judgements(building, run, book)
    progress.report(0, 1, "writing")
    with transaction.atomic():
        held = locked(tenant, building.pk)
        _take_over(held, run, found, ids)


def _ids_judgements(building: Building, run: ValidationRun, book: Any) -> list[Judgement]:
    """IDS rules are judged on the file of the revision, in a child process."""
    if not book.ids_rules:
        return []
    from validation.services import ids

    return ids.judgements(building.tenant, building=building, revision=run.revision, rules=book.ids_rules)


# ── taking over ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _take_over(building: Building, run: ValidationRun, found: Evaluation, ids: list[Judgement]) -> None:
    """The results become those of the building; what has changed since the evaluation is judged as it is now."""
    book = found.ground.book
    moved = _moved_since(building, found.seq)
    now = {row.global_id: row for row in elements.at(building.tenant, building).filter(global_id__in=moved)}
    _write_around(building, found, moved)
    building.counts = tally.counted([*ids], found.counts) if ids else {}
    for key, held in found.counts.items():
        building.counts[key] = {name: number + building.counts.get(key, {}).get(name, 0) for name, number in held.items()}
    judgements = [one for one in found.findings if one.subject not in moved] + ids
    fresh = ground.of(building, book=book)
    for mark in moved:
        old, new = found.rows.get(mark), now.get(mark)
        tally.shift(building.counts, evaluating.outcomes_of(found, old) if old else {}, ground.counted(fresh, new) if new else {})
        judgements += ground.outcomes(fresh, new, book.of_class(new.ifc_class)) if new else []
    building.basis_sha256 = book.sha256
    before = (found.rows[mark] for mark in moved if mark in found.rows)
    touched = [*now.values(), *before]
    frame = any(row.ifc_class in (STOREY, BUILDING, ZONE) for row in touched)
    building.dirty_storeys = [EVERYTHING] if frame else sorted({row.storey for row in touched if row.storey})
    building.checked_seq = found.seq if building.dirty_storeys else building.head_seq
    versions = {rule.key: f"{rule.ruleset}@{rule.version}" for rule in book.by_key.values() if rule.ruleset}
    waivers.lapse_for(building.tenant, building, rule_versions=versions)
    findings.persist(building, _check(judgements, found, now, run, building.head_seq), standing.of(building, book))
    standing.save(building, book)
    _keep(run, found, ids, building)
    if building.dirty_storeys:
        jobs.enqueue("validation.recheck", tenant_id=str(building.tenant_id), building_id=str(building.pk))


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


def _write_around(building: Building, found: Evaluation, moved: Iterable[str]) -> None:
    """The facts of surroundings of the rows that are still the same, and nothing is deferred any more there."""
    skipped = set(moved)
    changed = []
    for mark, row in found.rows.items():
        around = found.around.get(mark, {})
        if mark not in skipped and (row.around != around or row.deferred):
            row.around, row.deferred = dict(around), {}
            changed.append(row)
    rechecking.write_around(changed)


def _keep(run: ValidationRun, found: Evaluation, ids: list[Judgement], building: Building) -> None:
    book = found.ground.book
    counts = {**found.counts, **(tally.counted(ids) if ids else {})}
    scored = score.of(
        counts, book.by_key, waived=standing.waived(building), threshold=building.project.coverage_threshold, partial=standing.is_partial(building)
    )
    _write(run, found, ids, scored, counts)


def _write(run: ValidationRun, found: Evaluation, ids: list[Judgement], scored: score.Score, counts: tally.Counts, **more: Any) -> None:
    every = [*found.findings, *(one for one in ids if one.outcome in findings.THERE)]
    run.at_seq = found.seq
    run.state, run.finished_at = State.DONE, timezone.now()
    run.counts = {**tally.grouped(counts, found.ground.book.by_key), "rules": counts}
    run.score, run.coverage, run.status = scored.score, scored.coverage, scored.status.value
    run.score_breakdown = {**scored.breakdown, "near_misses": [evaluating.shown(one) for one in found.near_misses], **more}
    run.missing_facts = [one.json() for one in score.unlocks(every)]
    run.input_sha256, run.result_sha256 = found.input_sha256, found.result_sha256
    run.passes = evaluating.packed({key: list(subjects) for key, subjects in found.passes.items()})
    run.results = evaluating.packed([evaluating.shown(one) for one in every])
    run.save()


# ── what if ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _work_what_if(tenant: Tenant, run: ValidationRun, progress: Progress) -> None:
    """Both rulebooks on the same model, so that only the law makes the difference. Nothing but the run is written."""
    building = _building(tenant, run.building_id)
    seq = building.head_seq
    now = evaluating.evaluate(building, law.rulebook_of(building), seq=seq, tell=_half(progress, 0))
    basis = {name: value for name, value in run.basis.items() if name != "question"}
    other = evaluating.evaluate(building, law.compiled(basis), seq=seq, tell=_half(progress, 1))
    different = comparison.compare(map(evaluating.shown, now.findings), map(evaluating.shown, other.findings))
    threshold, partial = building.project.coverage_threshold, standing.is_partial(building)
    before = score.of(now.counts, now.ground.book.by_key, threshold=threshold, partial=partial)
    after = score.of(other.counts, other.ground.book.by_key, threshold=threshold, partial=partial)
    _write(
        run,
        other,
        [],
        after,
        other.counts,
        comparison=different,
        sentence=comparison.sentence(different, str(Question.of(run.basis["question"]))),
        before={"score": before.score, "coverage": before.coverage, "status": before.status.value},
    )


def _half(progress: Progress, which: int) -> evaluating.Tell:
    def tell(done: int, total: int, phase: str) -> None:
        progress.report(done + which * total, 2 * total, phase)

    return tell


# ── looking back ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
    for building in Building.objects.filter(check_every_hours__gt=0, archived_at=None, head_seq__gt=0).select_related("tenant")[:200]:
        since = timezone.now() - timedelta(hours=building.check_every_hours or 0)
        runs = ValidationRun.objects.for_tenant(building.tenant).filter(building=building, is_what_if=False)
        if not runs.filter(Q(created_at__gt=since) | Q(state__in=(State.QUEUED, State.RUNNING))).exists():
            with suppress(errors.PlatformError):  # it says itself what is wrong with it when somebody asks
                start(building.tenant, building_id=building.pk, by="system:schedule", trigger="scheduled")
                begun += 1
    return begun
