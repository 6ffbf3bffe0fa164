"""Intent models from the examples of a published version: started by a person, by a program, or by the publish itself; never in a request."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from time import thread_time
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from conversations import errors
from conversations.core.words import folded
from conversations.nlu import champions, minilm, training
from conversations.nlu.gates import judge
from conversations.nlu.model import OUT_OF_SCOPE_NAMES, IntentModel, to_bytes
from conversations.understanding import watching
from conversations.understanding.shown import report
from flows import queries as flows
from flows.core.types import Flow as Definition
from flows.models import FlowVersion, Pointer
from flows.queries import FlowKey
from mcp_platform import observability
from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml.models import ModelVersion
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

KIND: Final = "conversations.train_intents"
TIMED: Final = 20  # examples
FORGOTTEN_WITHIN: Final = timedelta(days=1)  # how far back a publish is looked for whose training was lost
FORGOTTEN_AFTER: Final = timedelta(seconds=60)
_settled: set[UUID] = set()  # versions that this process need not look at again

ml.kind(
    ml.Kind(
        name=champions.KIND,
        title="Intents of a flow",
        gates=judge,
        template="conversations/intent_model.html",
        context=report,
        measures=watching.MEASURES,
        watch=watching.WATCH,
    )
)


def start_training(tenant: Tenant, *, flow_id: FlowKey, number: int | None = None, promote: bool = True, by: Principal | str) -> Operation:
    """Train on a version's examples (None: the one that the default environment runs). `promote`: let the model serve when every gate is open.

    Raises FlowNotFound, VersionNotFound, TooFewExamples.
    """
    version = _version(tenant, flow_id, number)
    if not trainable(flows.program_for(version.pk).flow):
        raise errors.TooFewExamples(flow_id=version.flow.flow_id, version=version.number)
    return _start(tenant, version, promote, by)


def follow_publish(tenant: Tenant, *, version_id: UUID) -> Operation | None:
    """Train on what was published; None when there is nothing (new) to learn."""
    version = FlowVersion.objects.for_tenant(tenant).select_related("flow").filter(pk=version_id).first()
    if version is None:
        return None
    _settled.add(version_id)
    parsed = flows.program_for(version.pk).flow
    if not trainable(parsed) or _model_of(tenant, parsed) or _operations(tenant, version).exists():
        return None
    return _start(tenant, version, True, "system")


def train_forgotten() -> int:
    """Publishes whose job was lost: versions that run, were published lately, and neither have a model nor an operation that makes one."""
    now = timezone.now()
    lately = Pointer.objects.filter(moved_at__gt=now - FORGOTTEN_WITHIN, moved_at__lt=now - FORGOTTEN_AFTER, flow__archived_at=None)
    found = 0
    for pointer in lately.exclude(version_id__in=list(_settled)[-5_000:]).select_related("tenant")[:50]:
        found += follow_publish(pointer.tenant, version_id=pointer.version_id) is not None
    return found


def trainable(parsed: Definition) -> bool:
    """Two intents with two different examples each."""
    enough = [
        name
        for name, intent in parsed.intents.items()
        if name not in OUT_OF_SCOPE_NAMES and len({folded(text) for text in intent.examples} - {""}) >= 2
    ]
    return len(enough) >= 2


def _version(tenant: Tenant, flow_id: FlowKey, number: int | None) -> FlowVersion:
    flow = flows.flow(tenant, flow_id)
    if number is not None:
        return flows.version(tenant, flow.flow_id, number)
    pointer = Pointer.objects.for_tenant(tenant).filter(flow=flow).order_by("-environment__is_default", "-moved_at").select_related("version").first()
    if pointer is None:
        raise errors.TooFewExamples("The flow has no published version to learn from.", flow_id=flow.flow_id)
    version: FlowVersion = pointer.version
    return version


def _start(tenant: Tenant, version: FlowVersion, promote: bool, by: Principal | str) -> Operation:
    return operations.start(
        tenant,
        kind=KIND,
        title=f"Train the intents of {version.flow.name}, version {version.number}",
        arguments={"version": str(version.pk), "promote": promote},
        subject=champions.subject_of(version.flow.flow_id),
        by=by,
    )


def _operations(tenant: Tenant, version: FlowVersion) -> Any:
    rows = Operation.objects.for_tenant(tenant).filter(kind=KIND, subject=champions.subject_of(version.flow.flow_id))
    return rows.filter(arguments__version=str(version.pk)).exclude(status=Operation.Status.CANCELLED)


def train(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The worker's part. Runs again after a crash: the same examples never make a second model."""
    version = FlowVersion.objects.for_tenant(tenant).select_related("flow").get(pk=UUID(arguments["version"]))
    parsed = flows.program_for(version.pk).flow
    row, was_there = _model_of(tenant, parsed), True
    if row is None:
        try:
            learned = training.learn(_examples(parsed), told=progress.report)
        except training.TooLittle as fault:
            raise errors.TooFewExamples(flow_id=parsed.flow_id, version=version.number) from fault
        row, was_there = _kept(tenant, version, parsed, learned, arguments), False
    closed = [gate["name"] for gate in row.gates if not gate["passed"]]
    if arguments.get("promote") and row.status == ModelVersion.Status.CANDIDATE and not closed:
        row = ml.promote(tenant, model_id=row.pk, by="system")
    return {
        "model": str(row.pk),
        "number": row.number,
        "was_there": was_there,
        "status": row.status,
        "accuracy": row.metrics["accuracy"],
        "accepted_accuracy": row.metrics["accepted_accuracy"],
        "closed_gates": closed,
    }


def _examples(parsed: Definition) -> list[tuple[str, str]]:
    return [(text, intent.name) for intent in parsed.intents.values() for text in intent.examples]


def _model_of(tenant: Tenant, parsed: Definition) -> ModelVersion | None:
    """A model that was trained on exactly these examples."""
    rows = models.models(tenant).filter(kind=champions.KIND, subject=champions.subject_of(parsed.flow_id))
    return rows.filter(data_sha256=training.digest(_examples(parsed))).exclude(status=ModelVersion.Status.REJECTED).order_by("-number").first()


def _kept(tenant: Tenant, version: FlowVersion, parsed: Definition, learned: training.Learned, arguments: Mapping[str, Any]) -> ModelVersion:
    operation = Operation.objects.for_tenant(tenant).filter(kind=KIND, arguments=dict(arguments), status__in=OPEN).order_by("-created_at").first()
    counts = Counter(name for _, name in _examples(parsed))
    card = {
        "purpose": "Recognises the intents of this flow in what users write.",
        "flow_id": parsed.flow_id,
        "flow_version": version.number,
        "intents": dict(sorted(counts.items())),
        "method": "softmax regression over sentence embeddings and hashed n-grams",
        "bar": round(learned.model.bar, 4),
        "slope": round(learned.model.slope, 4),
        "limits": "Trained on the flow's examples alone. The sentence model knows English best; other languages are carried by the n-grams.",
        **learned.choices,
    }
    return ml.keep(
        tenant,
        kind=champions.KIND,
        subject=champions.subject_of(parsed.flow_id),
        content=to_bytes(learned.model),
        metrics={
            **learned.report.as_json(),
            "p95_ms": speed(learned.model, [text for text, _ in _examples(parsed)]),
            "conflicting": learned.choices["conflicts"],
            "strangers": learned.choices["strangers"],
        },
        card=card,
        data_sha256=learned.data_sha256,
        by=operation.created_by if operation is not None else "system",
    )


def speed(model: IntentModel, texts: Sequence[str]) -> float:
    """Milliseconds of processor time that 95 in 100 answers take at most: what others do on this machine is not the model's fault."""
    spent = []
    for number, text in enumerate(texts[:TIMED]):
        began = thread_time()
        with suppress(minilm.Unavailable, minilm.Busy):
            model.classify(f"{text} {number}")  # words that are not known yet, so that the sentence model runs
            spent.append((thread_time() - began) * 1000)
    return round(sorted(spent)[int(0.95 * (len(spent) - 1))], 2) if spent else 0.0
