"""Whether what users say still looks like what a flow's intent model was trained on: the model itself, run on the newest messages.

What the engine made of them then is no measure: authors' patterns had a word in it, and another model may have served.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from conversations import events
from conversations.core.words import folded
from conversations.models import Conversation, ConversationEvent
from conversations.nlu import champions, minilm
from conversations.nlu.evaluation import BINS, NONE, tenths
from conversations.nlu.model import BAR, OUT_OF_SCOPE, from_bytes
from mcp_platform.ml import queries as models
from mcp_platform.ml.core.comparison import Measure, Style
from mcp_platform.ml.core.drift import Counts, Seen
from mcp_platform.ml.models import ModelVersion
from mcp_platform.ml.services import Watch

DAYS: Final = 14
CONVERSATIONS: Final = 1_000  # the newest that are looked at
TEXTS: Final = 400  # the newest; each costs some milliseconds of a worker
LONGEST: Final = 500  # characters
CONFIDENCE, TOLD = "confidence", "told"
FEATURES: Final[Mapping[str, str]] = {CONFIDENCE: "Confidence of the best intent", TOLD: "What messages are taken for"}

MEASURES: Final = (
    Measure(path="accepted_accuracy", title="Right and confident enough"),
    Measure(path="accuracy", title="Best intent right"),
    Measure(path="macro_f1", title="Mean F1 of the intents"),
    Measure(path="out_of_scope_recall", title="Out of scope turned away"),
    Measure(path="calibration_error", title="Calibration error", better=-1, style=Style.NUMBER),
    Measure(path="p95_ms", title="Time of an answer, 95th percentile, ms", better=-1, style=Style.NUMBER),
    Measure(path="examples", title="Examples", better=0, style=Style.COUNT),
)


def training(metrics: Mapping[str, Any]) -> Mapping[str, Counts]:
    """What cross-validation made of the author's examples. Models of before have no `confidences`: then out-of-scope examples are among them."""
    counts = metrics.get("confidences") or _of_bins(metrics.get("calibration") or [])
    told: Counter[str] = Counter()
    for _, answer, count in metrics.get("confusion") or []:
        told[answer] += count
    return {CONFIDENCE: _labelled(counts), TOLD: dict(told.most_common())}


def _of_bins(bins: Iterable[Mapping[str, Any]]) -> list[int]:
    held = {round(one["low"] * BINS): int(one["count"]) for one in bins}
    return [held.get(place, 0) for place in range(BINS)]


def _labelled(counts: Sequence[int]) -> dict[str, int]:
    return {f"{place / BINS:.1f}–{(place + 1) / BINS:.1f}": count for place, count in enumerate(counts)}


def look(row: ModelVersion) -> Seen | None:
    """None without messages. Raises what a model that cannot be used raises."""
    texts = _said(row)
    if not texts:
        return None
    model = from_bytes(models.content(row.tenant_id, row.pk))
    try:
        answers = model.classify_all(texts)
    except (minilm.Unavailable, minilm.Busy):
        return None
    best = [_best(answer) for answer in answers]
    told = Counter(name if confidence >= BAR else NONE for name, confidence in best)
    return Seen(count=len(texts), counts={CONFIDENCE: _labelled(tenths([confidence for _, confidence in best])), TOLD: dict(told.most_common())})


def _best(answer: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    return next((pair for pair in answer if pair[0] != OUT_OF_SCOPE), (NONE, 0.0))


def _said(row: ModelVersion) -> list[str]:
    """The newest words of users, without those that may be the value of a sensitive slot, and without buttons and events."""
    flow_id = row.subject.removeprefix(champions.subject_of(""))
    since = timezone.now() - timedelta(days=DAYS)
    newest = Conversation.objects.for_tenant(row.tenant_id).filter(flow_key=flow_id, updated_at__gte=since).order_by("-updated_at")
    ids = list(newest.values_list("pk", flat=True)[:CONVERSATIONS])
    heard = ConversationEvent.objects.for_tenant(row.tenant_id).filter(conversation_id__in=ids, kind="message", at__gte=since).order_by("-at", "-seq")
    texts: list[str] = []
    for data in heard.values_list("data", flat=True).iterator(chunk_size=500):
        text = _words(data)
        if text:
            texts.append(text)
        if len(texts) >= TEXTS:
            break
    return texts


def _words(stored: Mapping[str, Any]) -> str:
    data = events.shown(stored)
    text = str(data.get("text") or "")
    hidden = bool(data.get("sensitive")) or events.MASK in text
    unsaid = bool(data.get("postback")) or bool(data.get("event")) or not folded(text) or len(text) > LONGEST
    return "" if hidden or unsaid else text


WATCH: Final = Watch(features=FEATURES, training=training, look=look)
