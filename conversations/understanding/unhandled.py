"""What users said and no flow understood: gathered from the newest conversations, grouped by meaning, and turned into examples and tests.

Words that may be the value of a sensitive slot are never shown here, nor learnt from.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from conversations import errors, events
from conversations.core.words import folded
from conversations.models import Conversation, ConversationEvent
from conversations.nlu import champions, clusters, minilm
from conversations.nlu.model import BAR, OUT_OF_SCOPE
from flows import queries as flows
from flows import services as flow_services
from flows.core.types import Json
from flows.models import Flow, FlowTest
from flows.queries import FlowKey
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By

CONVERSATIONS: Final = 1_000  # the newest that are looked at
TEXTS: Final = 200  # different ones, the newest: grouping them takes a second or so
LONGEST: Final = 500  # characters of an example
SUGGESTED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One thing that was said, `count` times; the newest time in `conversation_id` at event `seq`. `intent` is what was made of it then."""

    text: str
    count: int
    conversation_id: UUID
    seq: int
    intent: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`suggestions` are intents of the flow that may have been meant, best first."""

    utterances: tuple[Utterance, ...]
    suggestions: tuple[str, ...]

    @property
    def count(self) -> int:
        return sum(one.count for one in self.utterances)


def unhandled(tenant: Tenant, *, flow_id: FlowKey) -> list[Group]:
    """The largest group first. What has become an example of the draft since is not there any more. Raises FlowNotFound."""
    flow = flows.flow(tenant, flow_id)
    known = _examples(flow)
    said = [one for one in _said(tenant, flow.flow_id) if folded(one.text) not in known]
    groups = clusters.clustered([one.text for one in said], [one.count for one in said])
    return [_group(tenant, flow.flow_id, [said[place] for place in group]) for group in groups]


def _group(tenant: Tenant, flow_id: str, utterances: list[Utterance]) -> Group:
    likely: dict[str, float] = defaultdict(float)
    model = champions.model_of(tenant.pk, flow_id)
    try:
        told = model.classify(utterances[0].text) if model is not None else ()
    except (minilm.Unavailable, minilm.Busy):
        told = ()
    for name, confidence in told:
        likely[name] += confidence * 2
    for one in utterances:
        if one.intent:
            likely[one.intent] += one.confidence
    names = [name for name in sorted(likely, key=lambda name: -likely[name]) if name != OUT_OF_SCOPE]
    return Group(utterances=tuple(utterances), suggestions=tuple(names[:SUGGESTED]))


def _examples(flow: Flow) -> frozenset[str]:
    """Of the draft, folded."""
    intents = flow.intents if isinstance(flow.intents, Mapping) else {}
    bodies = [body for body in intents.values() if isinstance(body, Mapping)]
    return frozenset(folded(text) for body in bodies for text in body.get("examples") or () if isinstance(text, str))


def _said(tenant: Tenant, flow_id: str) -> list[Utterance]:
    newest = Conversation.objects.for_tenant(tenant).filter(flow_key=flow_id).order_by("-updated_at").values_list("pk", flat=True)
    ids = list(newest[:CONVERSATIONS])
    rows: QuerySet[ConversationEvent] = ConversationEvent.objects.for_tenant(tenant).filter(conversation_id__in=ids)
    missed = set(rows.filter(kind="missed").values_list("turn_id", flat=True))
    heard = rows.filter(kind="message").order_by("-at", "-seq").only("conversation_id", "turn_id", "seq", "data")
    found: dict[str, Utterance] = {}
    for row in heard.iterator(chunk_size=500):
        one = _one(row, row.turn_id in missed)
        if one is None:
            continue
        words = folded(one.text)
        before = found.get(words)
        if before is not None:
            found[words] = _again(before)
        elif len(found) < TEXTS:
            found[words] = one
    return list(found.values())


def _one(row: ConversationEvent, missed: bool) -> Utterance | None:
    """None when it was understood, or has no words that may be shown."""
    data = events.shown(row.data)
    text, confidence = str(data.get("text") or ""), float(data.get("confidence") or 0.0)
    hidden = bool(data.get("sensitive")) or events.MASK in text
    unsure = bool(data.get("intent")) and confidence < BAR
    if hidden or data.get("postback") or not folded(text) or len(text) > LONGEST or not (missed or unsure):
        return None
    return Utterance(
        text=text, count=1, conversation_id=row.conversation_id, seq=row.seq, intent=str(data.get("intent") or ""), confidence=confidence
    )


def _again(one: Utterance) -> Utterance:
    return Utterance(
        text=one.text, count=one.count + 1, conversation_id=one.conversation_id, seq=one.seq, intent=one.intent, confidence=one.confidence
    )


def learn_from(tenant: Tenant, *, flow_id: FlowKey, intent: str, texts: Iterable[str], test: bool = True, by: By) -> tuple[Flow, FlowTest | None]:
    """Make the texts examples of the intent in the draft, and (`test`) a regression test that says them. The draft is not published.

    Raises FlowNotFound, IntentUnknown, NothingToLearn, and what saving a draft raises.
    """
    flow = flows.flow(tenant, flow_id)
    intents: dict[str, Json] = dict(flow.intents) if isinstance(flow.intents, Mapping) else {}
    body = intents.get(intent, {})
    if not isinstance(body, Mapping) or intent not in known_intents(flow):
        raise errors.IntentUnknown(flow_id=flow.flow_id, intent=intent)
    before = [text for text in body.get("examples") or () if isinstance(text, str)]
    words = {folded(text) for text in before}
    new = {folded(text): text.strip()[:LONGEST] for text in texts if folded(text) and folded(text) not in words}
    if not new:
        raise errors.NothingToLearn(flow_id=flow.flow_id, intent=intent)
    intents[intent] = {**body, "examples": [*before, *new.values()]}
    saved = flow_services.update_flow(tenant, flow_id=flow.pk, fields={"intents": intents}, expected_rev=flow.rev, by=by)
    return saved, _test(tenant, saved, intent, list(new.values()), by) if test else None


def known_intents(flow: Flow) -> list[str]:
    """Names of the draft's intents, of the flow's own and of those that states declare in place."""
    names = set(flow.intents if isinstance(flow.intents, Mapping) else {})
    for row in flow.states.filter(type="intent"):
        for pattern in row.config.get("intent_patterns") or () if isinstance(row.config, Mapping) else ():
            name = pattern.get("intent") if isinstance(pattern, Mapping) else str(pattern).partition(":")[0].strip()
            names.add(str(name))
    return sorted(name for name in names if name)


def _test(tenant: Tenant, flow: Flow, intent: str, texts: list[str], by: By) -> FlowTest:
    """Each text in a conversation of its own would be a test each; one test that starts over keeps the list short."""
    steps: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        if number:
            steps += [{"type": "command", "name": "restart"}]
        steps += [{"type": "user", "text": text}, {"type": "expect", "path": "intent", "value": intent}]
    taken = set(FlowTest.objects.for_tenant(tenant).filter(flow=flow).values_list("name", flat=True))
    base = f"understands {intent}: {texts[0]}"[:180]
    name = next(candidate for candidate in (base, *(f"{base} ({n})" for n in range(2, 10_000))) if candidate not in taken)
    locale = str((flow.metadata or {}).get("default_locale") or "en") if isinstance(flow.metadata, Mapping) else "en"
    fields = {"name": name, "description": "From what users said.", "script": {"steps": steps, "locale": locale}}
    return flow_services.save_test(tenant, flow_id=flow.pk, fields=fields, by=by)
