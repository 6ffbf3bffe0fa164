"""Everything that changes models: keep a trained one, judge it, let it serve, take it back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from mcp_platform import jobs, observability
from mcp_platform.errors import Invalid
from mcp_platform.ml import queries, signing
from mcp_platform.ml.core.comparison import Measure
from mcp_platform.ml.core.drift import Counts, Drift, Seen
from mcp_platform.ml.core.gates import APPROVAL, Gate, Gates, approval
from mcp_platform.ml.errors import ArtifactRefused, GatesClosed, IsChallenger, IsChampion, IsRejected, NotChampion, NothingBefore
from mcp_platform.ml.models import Champion, ModelArtifact, ModelVersion
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

log = observability.logger(__name__)

LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of model: its gates, how its page shows what is special about it (a template and what it needs), what of its metrics counts beside
    other versions, and how it is watched: by readings of ours (`watch`) or by its own (`drift`)."""

    name: str
    title: str
    gates: Gates
    template: str = ""
    context: Callable[[ModelVersion], Mapping[str, Any]] | None = None
    measures: tuple[Measure, ...] = ()
    watch: "Watch | None" = None
    drift: Callable[[ModelVersion], Drift] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """`features`: name -> title. `training`: what the model made of examples that it had not seen, from its metrics. `look`: what it makes of the
    newest real inputs; None when there are none. A look may take seconds: it is a job's."""

    features: Mapping[str, str]
    training: Callable[[Mapping[str, Any]], Mapping[str, Counts]]
    look: Callable[[ModelVersion], Seen | None]


KINDS: dict[str, Kind] = {}


# Whether something that runs relies on a model beyond its status, such as an experiment whose control it is. Apps above register it.
InUse = Callable[[Tenant, UUID], bool]
_relied_on: list[InUse] = []


def use_guard(in_use: InUse) -> None:
    if in_use not in _relied_on:
        _relied_on.append(in_use)


def kind(one: Kind) -> None:
    """Register a kind of model, when the app that makes such models is loaded."""
    KINDS[one.name] = one


def keep(
    tenant: Tenant,
    *,
    kind: str,
    subject: str,
    content: bytes,
    metrics: Mapping[str, Any],
    card: Mapping[str, Any],
    data_sha256: str,
    by: By | str,
) -> ModelVersion:
    """A new candidate, judged at once. `by` may be the actor of the operation that trained it."""
    actor = by if isinstance(by, str) else actor_of(by)
    with transaction.atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)  # two trainings may end at once, and numbers have no gaps
        last = queries.models(tenant).filter(kind=kind, subject=subject).aggregate(last=Max("number"))["last"] or 0
        row = ModelVersion(
            tenant=tenant,
            kind=kind,
            subject=subject,
            number=last + 1,
            sha256=signing.digest(content),
            size=len(content),
            metrics=dict(metrics),
            card=dict(card),
            data_sha256=data_sha256,
            created_by=actor,
            created_at=timezone.now(),
        )
        row.signature = signing.sign(content, row)
        row.gates = [asdict(gate) for gate in judge(tenant, row)]
        row.save()
        ModelArtifact.objects.create(tenant=tenant, model=row, content=content)
        changes = {"number": row.number, "sha256": row.sha256, "data_sha256": data_sha256}
        audit(tenant, actor=actor, action="model.train", target=row, changes=changes)
    return row


def judge(tenant: Tenant, row: ModelVersion, *, actor: str = "") -> list[Gate]:
    """The verdicts of its kind's gates, against what serves now; last, where the operator asks for one, whether `actor` may approve it."""
    known = KINDS.get(row.kind)
    champion = queries.champion(tenant, kind=row.kind, subject=row.subject)
    other = champion.metrics if champion is not None and champion.pk != row.pk else None
    found = known.gates(row.metrics, other) if known else []
    return [*found, *approval(settings.MODEL_APPROVAL, actor=actor, trainer=row.created_by)]


def promote(tenant: Tenant, *, model_id: UUID, override: str = "", note: str = "", by: By | str) -> ModelVersion:
    """Let it serve. `override`: the reason for doing so although gates are closed (never the gate `approval`); it is audited, as is the `note`.

    Raises ModelNotFound, IsRejected, GatesClosed, ArtifactRefused.
    """
    if len(override) > LONGEST_REASON:
        raise Invalid(
            "The reason is too long.", errors=[{"path": "$.override", "code": "too_long", "message": f"at most {LONGEST_REASON} characters"}]
        )
    with transaction.atomic():
        row = _not_rejected(_locked(tenant, model_id))
        verdicts = judge(tenant, row, actor=_actor(by))
        closed = [gate for gate in verdicts if not gate.passed]
        if any(gate.name == APPROVAL for gate in closed) or (closed and not override.strip()):
            raise GatesClosed(errors=[{"path": f"$.gates.{gate.name}", "code": "gate_closed", "message": gate.why} for gate in closed])
        queries.content(tenant, row.pk)  # what has been tampered with never serves
        pointer = Champion.objects.for_tenant(tenant).select_for_update().filter(kind=row.kind, subject=row.subject).first()
        if pointer is not None and pointer.model_id == row.pk:
            return row
        before = pointer.model if pointer is not None else None
        row.gates = [asdict(gate) for gate in verdicts]
        row.save(update_fields=("gates",))
        _point(tenant, row, before)
        changes: dict[str, Any] = {"number": [before.number if before else None, row.number], "subject": row.subject}
        if closed:
            changes |= {"override": override.strip(), "closed_gates": [gate.name for gate in closed]}
        if note.strip():
            changes["note"] = note.strip()[:LONGEST_REASON]
        audit(tenant, actor=_actor(by), action="model.promote", target=row, changes=changes)
        _tell_world(tenant, row, before)
    return row


def _tell_world(tenant: Tenant, row: ModelVersion, before: ModelVersion | None) -> None:
    data = {"model": f"{row.kind}:{row.subject}", "version": row.number, "previous_version": before.number if before else None}
    outbox.emit(tenant, type="model.promoted", subject=f"models/{row.pk}", data=data, key=f"model:{row.kind}:{row.subject}")


def roll_back(tenant: Tenant, *, model_id: UUID, by: By) -> ModelVersion:
    """The model that served before this one serves again. Raises ModelNotFound, NotChampion, NothingBefore, IsRejected."""
    with transaction.atomic():
        row = _locked(tenant, model_id)
        pointer = Champion.objects.for_tenant(tenant).select_for_update().filter(kind=row.kind, subject=row.subject).first()
        if pointer is None or pointer.model_id != row.pk:
            raise NotChampion(model_id=str(model_id))
        if pointer.previous_id is None:
            raise NothingBefore(model_id=str(model_id))
        before = _not_rejected(_locked(tenant, pointer.previous_id))
        _point(tenant, before, row)
        audit(tenant, actor=actor_of(by), action="model.roll_back", target=before, changes={"number": [row.number, before.number]})
        _tell_world(tenant, before, row)
    return before


def reject(tenant: Tenant, *, model_id: UUID, reason: str = "", by: By) -> ModelVersion:
    """It shall never serve. Raises ModelNotFound, IsChampion, IsChallenger."""
    with transaction.atomic():
        row = _locked(tenant, model_id)
        if row.status == ModelVersion.Status.CHAMPION:
            raise IsChampion(model_id=str(model_id))
        if row.status == ModelVersion.Status.CHALLENGER or any(in_use(tenant, row.pk) for in_use in _relied_on):
            raise IsChallenger(model_id=str(model_id))
        row.status = ModelVersion.Status.REJECTED
        row.save(update_fields=("status",))
        tenant_id, generation = tenant.pk, uuid4().hex
        jobs.after_commit(lambda: queries.forget(tenant_id, generation))  # it may have been in the shadow
        audit(tenant, actor=actor_of(by), action="model.reject", target=row, changes={"reason": reason[:LONGEST_REASON]})
    return row


def _locked(tenant: Tenant, model_id: UUID) -> ModelVersion:
    queries.model(tenant, model_id)
    found: ModelVersion = ModelVersion.objects.for_tenant(tenant).select_for_update().get(pk=model_id)
    return found


def _not_rejected(row: ModelVersion) -> ModelVersion:
    if row.status == ModelVersion.Status.REJECTED:
        raise IsRejected(model_id=str(row.pk))
    return row


def _point(tenant: Tenant, row: ModelVersion, before: ModelVersion | None) -> None:
    now = timezone.now()
    values = {"model": row, "previous": before, "moved_at": now}
    Champion.objects.update_or_create(tenant=tenant, kind=row.kind, subject=row.subject, defaults=values)
    if before is not None:
        ModelVersion.objects.filter(pk=before.pk).update(status=ModelVersion.Status.ARCHIVED)
    row.status, row.promoted_at, row.returns_to = ModelVersion.Status.CHAMPION, now, ""
    row.save(update_fields=("status", "promoted_at", "returns_to"))
    tenant_id, generation = tenant.pk, uuid4().hex
    jobs.after_commit(lambda: queries.forget(tenant_id, generation))


def _actor(by: By | str) -> str:
    return by if isinstance(by, str) else actor_of(by)


def resign_all() -> tuple[int, int]:
    """Sign every model anew with the newest of ENCRYPTION_KEYS, so that older keys can be retired. Platform scope.

    How many were signed, and how many are refused: what no key verifies is not what was trained, and stays as it is.
    """
    signed = refused = 0
    for row in ModelVersion.objects.order_by("pk").iterator(chunk_size=200):
        try:
            fresh = signing.sign(queries.content(row.tenant_id, row.pk), row)
        except ArtifactRefused:
            refused += 1
            continue
        signed += ModelVersion.objects.filter(pk=row.pk, signature=row.signature).update(signature=fresh)
    log.info("models_resigned", count=signed, refused=refused)
    return signed, refused
