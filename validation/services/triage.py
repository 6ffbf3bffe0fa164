"""Rank findings by what people will probably make of them: learn, score, watch. A ranking is an order in which to look; it decides nothing.

Where no model serves, the baseline ranks: severity, then how often findings of the rule were confirmed in this tenant. Its scores carry no model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from experiments.services.closing import close_rankings
from mcp_platform import jobs, observability
from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml.models import Champion, ModelVersion
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from validation import errors
from validation.core.risk import FEATURES, LEAST_DISPOSITIONS, MEANINGS, SEVERITY_RANK, Case, baseline
from validation.models import Finding, TriageReading
from validation.triage import arms, cases, champions, learning, monitoring, shadows, shown
from validation.triage.forest import to_bytes

log = observability.logger(__name__)

TRAIN: Final = "validation.train_triage"
RESCORE: Final = "validation.rescore_findings"
GATHERED_SECONDS: Final = 3.0  # a new finding waits that long for others to be ranked with
SCORED_AT_ONCE: Final = 100  # findings in one short transaction: on SQLite every writer of the process waits for it
UNDECIDED: Final = Q(state__in=(Finding.State.OPEN, Finding.State.REOPENED))  # what is still to be looked at

ml.kind(
    ml.Kind(
        name=champions.KIND,
        title="Triage of findings",
        gates=learning.judge,
        template="validation/triage_model.html",
        context=shown.report,
        measures=shown.MEASURES,
        drift=shown.drift,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What ranks the tenant's findings now, and what is missing for more."""

    findings: int
    confirmed: int
    dismissed: int
    champion: ModelVersion | None
    reading: TriageReading | None

    @property
    def dispositions(self) -> int:
        return self.confirmed + self.dismissed

    @property
    def can_learn(self) -> bool:
        return self.dispositions >= LEAST_DISPOSITIONS

    @property
    def ranked_by(self) -> str:
        return "model" if self.champion is not None else "baseline"

    @property
    def message(self) -> str:
        """The truth in a sentence, for people."""
        if self.champion is not None:
            return f"Model {self.champion.number} ranks; it was learnt from {self.champion.metrics.get('train', 0)} judged findings of this tenant."
        base = "Findings are ranked by severity, then by how often people confirmed findings of the rule."
        if not self.can_learn:
            return f"{base} People have judged {self.dispositions} findings; from {LEAST_DISPOSITIONS} on a model can be learnt."
        return f"{base} {self.dispositions} findings are judged: enough to learn a model. None serves yet."


def standing(tenant: Tenant) -> Standing:
    known = cases.dispositions(tenant)
    right = sum(one.confirmed for one in known.values())
    return Standing(
        findings=Finding.objects.for_tenant(tenant).filter(UNDECIDED, resolved_seq=None).count(),
        confirmed=right,
        dismissed=len(known) - right,
        champion=models.champion(tenant, kind=champions.KIND, subject=champions.SUBJECT),
        reading=TriageReading.objects.for_tenant(tenant).first(),
    )


def start_training(tenant: Tenant, *, promote: bool = True, by: Principal | str) -> Operation:
    """Learn from every judged finding. `promote`: let the model serve when every gate is open. Raises Denied, TooFewDispositions."""
    if isinstance(by, Principal):
        by.require("validation:run")
    judged = len(cases.dispositions(tenant))
    if judged < LEAST_DISPOSITIONS:
        raise errors.TooFewDispositions(
            f"People have judged {judged} findings; a model needs at least {LEAST_DISPOSITIONS}. Until then severity, and how often findings of a "
            "rule were confirmed, rank.",
            dispositions=judged,
            needed=LEAST_DISPOSITIONS,
        )
    title = f"Learn to rank findings from {judged} judged ones"
    return operations.start(tenant, kind=TRAIN, title=title, arguments={"promote": promote}, subject=champions.SUBJECT, by=by)


def train(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The worker's part. Runs again after a crash: the same dispositions never make a second model."""
    found = cases.cases(tenant)
    digest = learning.digest(found)
    row = _model_of(tenant, digest)
    was_there = row is not None
    if row is None:
        row = _kept(tenant, found, digest, progress)
    closed = [gate["name"] for gate in row.gates if not gate["passed"]]
    if arguments.get("promote") and row.status == ModelVersion.Status.CANDIDATE and not closed:
        row = ml.promote(tenant, model_id=row.pk, by="system")
        start_rescoring(tenant, by="system")
    return {
        "model": str(row.pk),
        "number": row.number,
        "was_there": was_there,
        "status": row.status,
        "average_precision": row.metrics["model"]["average_precision"],
        "closed_gates": closed,
    }


def _model_of(tenant: Tenant, digest: str) -> ModelVersion | None:
    rows = models.models(tenant).filter(kind=champions.KIND, subject=champions.SUBJECT, data_sha256=digest)
    return rows.exclude(status=ModelVersion.Status.REJECTED).order_by("-number").first()


def _kept(tenant: Tenant, found: list[Case], digest: str, progress: Progress) -> ModelVersion:
    serving = champions.ranking(tenant.pk).forest
    try:
        learned = learning.learn(found, champion=serving, told=progress.report)
    except learning.TooLittle as fault:
        raise errors.TooFewDispositions(f"{errors.TooFewDispositions.__doc__} {fault}") from fault
    operation = Operation.objects.for_tenant(tenant).filter(kind=TRAIN, status__in=OPEN).order_by("-created_at").first()
    return ml.keep(
        tenant,
        kind=champions.KIND,
        subject=champions.SUBJECT,
        content=to_bytes(learned.forest),
        metrics=learned.metrics,
        card=_card(learned),
        data_sha256=digest,
        by=operation.created_by if operation is not None else "system",
    )


def _card(learned: learning.Learned) -> dict[str, Any]:
    cut = datetime.fromtimestamp(learned.metrics["cut"], tz=timezone.get_default_timezone())
    return {
        "purpose": "Orders findings by how probably a person will confirm them. It never decides whether a rule holds.",
        "target": "confirmed: acknowledged, in progress, fixed, waived for a real condition; dismissed: false positive, waived as not applicable",
        "method": "gradient boosted trees over facts of the finding and the tenant's earlier dispositions",
        "split": f"learnt from what was seen and judged before {cut:%Y-%m-%d %H:%M} UTC, measured on what was seen from then on",
        "features": list(FEATURES),
        "limits": "Learnt from this tenant's own people; it repeats their habits. What nobody judges is never learnt.",
        **learned.choices,
    }


def start_rescoring(tenant: Tenant, *, by: Principal | str) -> Operation:
    """Rank again whatever is still to be looked at, with what is known now."""
    if isinstance(by, Principal):
        by.require("validation:run")
    return operations.start(tenant, kind=RESCORE, title="Rank all open findings again", arguments={}, subject=champions.SUBJECT, by=by)


def rescore(tenant: Tenant, _arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The worker's part: every undecided finding that is there now. What has ended is counted before: whose lists these were is lost with it."""
    close_rankings(tenant)
    known, rank = champions.history(tenant, fresh=True), champions.ranking(tenant.pk)
    todo = list(_undecided(tenant).order_by("building_id").values_list("pk", "building_id"))
    total, done = len(todo), 0
    for some, met in _in_parts(tenant, todo):
        progress.report(done, total, "ranking")
        _score(tenant, some, known, met)
        done += len(some)
    progress.report(total, total, "ranking")
    shadows.follow(tenant, (building for _, building in todo))
    return {"ranked": total, "model": str(rank.model) if rank.model else None}


def follow(tenant: Tenant, *, building_id: UUID) -> None:
    """There are new findings: rank them soon, those of many small changes together."""
    jobs.enqueue_once("validation.score_findings", within=GATHERED_SECONDS, tenant_id=str(tenant.pk), building_id=str(building_id))


def score_new(tenant: Tenant, *, building_id: UUID | None = None) -> int:
    """Rank what has no score yet and nobody has judged: the score of a judged one would know the judgement. How many."""
    rows = _undecided(tenant).filter(ml_score=None)
    rows = rows.filter(building_id=building_id) if building_id is not None else rows
    todo = list(rows.order_by("building_id").values_list("pk", "building_id")[: SCORED_AT_ONCE * 20])
    if not todo:
        return 0
    known = champions.history(tenant)
    for some, met in _in_parts(tenant, _whole_lists(tenant, todo)):
        _score(tenant, some, known, met)
    shadows.follow(tenant, (building for _, building in todo))
    return len(todo)


_Todo = list[tuple[UUID, UUID]]  # finding, building; those of a building together


def _whole_lists(tenant: Tenant, todo: _Todo) -> _Todo:
    """While an experiment runs: with what another model has ranked on the same boards, so that no board has the order of two."""
    if not arms.any_run(tenant.pk):
        return todo
    close_rankings(tenant)
    now = timezone.now()
    ranked = _undecided(tenant).filter(building_id__in={building for _, building in todo}).exclude(ml_score=None)
    for building in {building for _, building in todo}:
        arms.met(tenant, building, now)  # what is stale follows from the arms
    return sorted([*todo, *arms.stale(tenant, ranked, now).values_list("pk", "building_id")], key=lambda one: str(one[1]))


def _in_parts(tenant: Tenant, todo: _Todo) -> Iterator[tuple[list[UUID], arms.Met]]:
    """What fits into one short transaction, with what ranks it. Without an experiment buildings need not be kept apart; with one, each is asked
    for when its turn has come: a stop must reach what is under way."""
    if not arms.any_run(tenant.pk):
        found = [pk for pk, _ in todo]
        yield from ((some, arms.Met(ranking=champions.ranking(tenant.pk))) for some in _parts(found))
        return
    for building, mine in groupby(todo, key=itemgetter(1)):
        met = arms.met(tenant, building, timezone.now())
        yield from ((some, met) for some in _parts([pk for pk, _ in mine]))


def _parts(found: list[UUID]) -> Iterator[list[UUID]]:
    return (found[begin : begin + SCORED_AT_ONCE] for begin in range(0, len(found), SCORED_AT_ONCE))


def _undecided(tenant: Tenant) -> QuerySet[Finding]:
    found: QuerySet[Finding] = Finding.objects.for_tenant(tenant).filter(UNDECIDED, resolved_seq=None)
    return found


def _score(tenant: Tenant, ids: list[UUID], known: Any, met: arms.Met) -> None:
    """Scores are no change of the finding: its `rev` and `updated_at` stay. The building that an experiment's model ranks is exposed with them."""
    now, rank = timezone.now(), met.ranking
    found = cases.cases(tenant, Finding.objects.for_tenant(tenant).filter(pk__in=ids))
    scores = rank.scores(champions.rows_of(found, known, now.timestamp()))
    rows = [Finding(pk=UUID(case.finding), ml_score=score, ml_model_version=rank.model) for case, score in zip(found, scores, strict=True)]
    with transaction.atomic():
        Finding.objects.for_tenant(tenant).bulk_update(rows, ("ml_score", "ml_model_version"), batch_size=SCORED_AT_ONCE)
        for building in {UUID(case.building) for case in found} if met.exposes else ():
            arms.exposed(tenant, building, met, now)


def score_forgotten() -> int:
    """Findings whose job was lost. How many were ranked. For the sweep, in every tenant."""
    waiting = (
        Finding.objects.filter(UNDECIDED, ml_score=None, resolved_seq=None, tenant__is_active=True)
        .order_by()
        .values_list("tenant_id", flat=True)
        .distinct()[:20]
    )
    return sum(score_new(tenant) for tenant in Tenant.objects.filter(pk__in=list(waiting)))


def rescore_stale() -> int:
    """Tenants where other models should rank than have: one was promoted or rolled back, an experiment began or ended. For the sweep."""
    for pointer in Champion.objects.filter(kind=champions.KIND, subject=champions.SUBJECT).select_related("tenant"):
        tenant = pointer.tenant
        if champions.ranking(tenant.pk).model != pointer.model_id or _running(tenant, RESCORE):
            continue
        if arms.stale(tenant, _undecided(tenant).exclude(ml_score=None), timezone.now()).exists():
            start_rescoring(tenant, by="system")
    return 0


def follow_experiment(tenant: Tenant) -> None:
    """An experiment on rankings began or ended: lists follow at once, not when the sweep comes by."""
    if not _running(tenant, RESCORE) and _undecided(tenant).exists():
        start_rescoring(tenant, by="system")


def _running(tenant: Tenant, kind: str) -> bool:
    return bool(Operation.objects.for_tenant(tenant).filter(kind=kind, status__in=OPEN).exists())


def reasons(tenant: Tenant, *, finding_id: UUID) -> dict[str, Any]:
    """What lifts the finding, and what lowers it, in the order of their weight. Raises FindingNotFound."""
    rows = Finding.objects.for_tenant(tenant).filter(pk=finding_id)
    found = cases.cases(tenant, rows)
    if not found:
        raise errors.FindingNotFound(finding=str(finding_id))
    case, known, rank = found[0], champions.history(tenant), _ranking_of(tenant, finding_id)
    (row,) = champions.rows_of(found, known, timezone.now().timestamp())
    tally = known.rules.get(case.rule)
    return {
        "finding": case.finding,
        "ranked_by": "model" if rank.model else "baseline",
        "model": str(rank.model) if rank.model else None,
        "score": rank.scores([row])[0],
        "baseline": round(baseline(SEVERITY_RANK.get(case.severity, 0), known.rate_of(case.rule)), 6),
        "rule_confirmed": tally.confirmed if tally else 0,
        "rule_dismissed": tally.dismissed if tally else 0,
        "reasons": [
            {"feature": name, "meaning": MEANINGS.get(name, name.replace("_", " ")), "value": value, "effect": effect}
            for name, value, effect in monitoring.contributions(rank.forest, row)
        ],
    }


def _ranking_of(tenant: Tenant, finding_id: UUID) -> champions.Ranking:
    """What serves; while an experiment runs, the model that has ranked the finding."""
    if not arms.any_run(tenant.pk):
        return champions.ranking(tenant.pk)
    return champions.ranking(tenant.pk, Finding.objects.for_tenant(tenant).values_list("ml_model_version", flat=True).get(pk=finding_id))


def measure(tenant: Tenant, *, now: datetime | None = None) -> TriageReading:
    """Today's reading; a second one of a day takes the place of the first."""
    now = now or timezone.now()
    rank = champions.ranking(tenant.pk)
    champion = models.champion(tenant, kind=champions.KIND, subject=champions.SUBJECT)
    drift = monitoring.drift(tenant, rank.forest, now)
    quality = monitoring.quality(tenant, now)
    values = {
        "model_version": rank.model,
        "model_number": champion.number if champion is not None and rank.model else None,
        "findings": drift.findings,
        "drift": drift.indices,
        "judged": quality.judged,
        "quality": quality.ours,
        "baseline": quality.baseline,
    }
    reading: TriageReading = TriageReading.objects.update_or_create(tenant=tenant, day=now.date(), defaults=values)[0]
    return reading


def measure_due() -> int:
    """One reading a day of every tenant that has findings, and its open findings ranked with what was learnt since. For the sweep."""
    today = timezone.now().date()
    done = TriageReading.objects.filter(day=today).values("tenant")
    lately = Finding.objects.filter(updated_at__gt=timezone.now() - timedelta(days=monitoring.DRIFT_DAYS)).values("tenant")
    tenant = Tenant.objects.filter(pk__in=lately, is_active=True).exclude(pk__in=done).first()
    if tenant is None:
        return 0
    measure(tenant)
    if not _running(tenant, RESCORE) and _undecided(tenant).exists():
        start_rescoring(tenant, by="system")
    return 1


def readings(tenant: Tenant) -> QuerySet[TriageReading]:
    found: QuerySet[TriageReading] = TriageReading.objects.for_tenant(tenant).order_by(F("day").desc())
    return found
