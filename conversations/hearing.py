"""From what a client sent to what the engine hears: the kinds of content, and the understanding of a text.

Words are understood before the conversation is locked: models compute and services answer while nobody waits for the row. What was understood
counts only if the same flows still listen once the lock is held; if others do, what this process has worked out already is enough to
understand the words again there, without a run of a model.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeAlias
from uuid import UUID

from django.utils import timezone

from conversations import arms, queries, sealed, store
from conversations.core.codec import snapshot_from_json
from conversations.core.types import Book, Command, Frame, Input, Postback, Said, Understanding
from conversations.nlu import champions, ear, orchestrator
from flows.core.types import Program
from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.ml import queries as ml
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

Key: TypeAlias = tuple[str, ...]

COMMANDS = ("restart", "stop", "human", "help", "cancel", "cancel_all", "repeat")
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who listens to a conversation's next message: the flows on its stack, the tenant's own handlers, the flows that words can start.

    `tenant_id` says whose trained models understand; None: patterns alone. `instead`: flow -> the model that an experiment asks.
    """

    programs: tuple[Program, ...]
    locale: str
    tenant_id: UUID | None = None
    tenant: Program | None = None
    triggers: tuple[tuple[str, str, Program], ...] = ()  # flow_id, intent, program
    instead: Mapping[str, UUID] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        own = (self.locale, *(program.key for program in self.programs))
        if self.instead:
            own = (*own, "!", *(f"{flow_id}={model}" for flow_id, model in sorted(self.instead.items())))
        if self.tenant is None and not self.triggers:
            return own
        return (*own, "|", self.tenant.key if self.tenant is not None else "", *(program.key for _, _, program in self.triggers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    listening: Key
    understanding: Understanding


_listening: "OrderedDict[UUID, Audience]" = OrderedDict()
_lock = Lock()


def audience(tenant_id: UUID | None, book: Book, frames: Iterable[Frame], locale: str, instead: Mapping[str, UUID] = ear.NOTHING_ELSE) -> Audience:
    programs = tuple(book.programs[frame.program] for frame in frames if frame.program in book.programs)
    triggers = tuple(
        (flow_id, trigger.intent, book.programs[key])
        for flow_id, found in book.triggers.items()
        for trigger in found
        if (key := book.current.get(flow_id, "")) in book.programs
    )
    return Audience(programs=programs, locale=locale, tenant_id=tenant_id, tenant=book.tenant, triggers=triggers, instead=instead)


def remember(conversation_id: UUID, listeners: Audience) -> None:
    """Who will listen to the next message of this conversation."""
    with _lock:
        _listening[conversation_id] = listeners
        if len(_listening) > _REMEMBERED:
            _listening.popitem(last=False)


def listen(tenant: Tenant, conversation_id: UUID, content: Mapping[str, Any], *, afresh: bool = False) -> Heard | None:
    """Understand a text before the lock; None when it is no text, or when nobody knows who listens and patterns will do.

    `afresh`: who listens is read from the conversation, whatever this process remembers.
    """
    if content.get("type", "text") != "text":
        return None
    listeners = None if afresh else _listening.get(conversation_id)
    if listeners is None and costly(tenant):
        listeners = _looked_up(tenant, conversation_id)
    return hear(listeners, content) if listeners is not None else None


def hear(listeners: Audience, content: Mapping[str, Any]) -> Heard | None:
    """As `listen`, for an audience that is known."""
    if content.get("type", "text") != "text":
        return None
    return Heard(listening=listeners.key, understanding=_understood(listeners, content.get("text", ""), thorough=True))


def prepare(tenant: Tenant, conversation_id: UUID, request: Mapping[str, Any]) -> None:
    """Before a stored turn runs: work out what its words mean, so that nothing needs to be computed under the lock."""
    if request.get("type") == "message":
        listen(tenant, conversation_id, sealed.opened(request)["content"], afresh=True)


def understand(
    programs: Sequence[Program], text: str, locale: str, *, tenant: Tenant | None = None, instead: Mapping[str, UUID] = ear.NOTHING_ELSE
) -> Understanding:
    """Outside a conversation: what these flows make of the words, with the tenant's models when it is named; `instead` of its champions others."""
    listeners = Audience(programs=tuple(programs), locale=locale, tenant_id=tenant.pk if tenant is not None else None, instead=instead)
    return _understood(listeners, text, thorough=True)


def costly(tenant: Tenant) -> bool:
    """Whether understanding may take milliseconds, so that it must not be done under the lock."""
    return orchestrator.configured() or any(kind == champions.KIND for kind, _ in ml.serving(tenant.pk))


def _looked_up(tenant: Tenant, conversation_id: UUID) -> Audience | None:
    row = store.read(tenant.pk, conversation_id, "")
    if row is None:
        return None
    try:
        snapshot = snapshot_from_json(sealed.opened_text(row.snapshot))
        frames = snapshot.frames
        book = queries.book(tenant, row.environment_id, [frame.program for frame in frames], frames[0].flow_id if frames else "")
    except (PlatformError, KeyError, TypeError, ValueError, AttributeError) as fault:  # the turn itself will say what is wrong
        log.warning("audience_unknown", fault=repr(fault))
        return None
    met = arms.of_models(row, snapshot, book.current, timezone.now(), fresh=False)
    return audience(tenant.pk, book, frames, snapshot.locale or row.locale, arms.instead(met))


def _understood(listeners: Audience, text: str, *, thorough: bool) -> Understanding:
    """What any flow of the stack makes of the words; for an intent that several know, the best score."""

    def of(program: Program) -> Understanding:
        return ear.understand(program, text, locale=listeners.locale, tenant_id=listeners.tenant_id, thorough=thorough, instead=listeners.instead)

    found = of(listeners.programs[0]) if len(listeners.programs) == 1 else _together(of(program) for program in listeners.programs)
    if listeners.tenant is None and not listeners.triggers:
        return found
    tenant = of(listeners.tenant).intents if listeners.tenant is not None else ()
    near = [(flow_id, intent, of(program)) for flow_id, intent, program in listeners.triggers]
    triggers = ((flow_id, dict(told.intents).get(intent, 0.0)) for flow_id, intent, told in near)
    sure = sorted(((flow_id, score) for flow_id, score in triggers if score > 0), key=lambda pair: -pair[1])
    models = {name: model for told in (*(told for _, _, told in near), found) for name, model in told.models.items()}
    return Understanding(intents=found.intents, entities=found.entities, tenant=tenant, triggers=tuple(sure), models=models)


def _together(found: Iterable[Understanding]) -> Understanding:
    scores: dict[str, float] = {}
    entities: dict[str, str] = {}
    models: dict[str, str] = {}
    for one in found:
        for name, score in one.intents:
            scores[name] = max(score, scores.get(name, 0.0))
        entities.update(one.entities)
        models.update(one.models)
    return Understanding(intents=tuple(sorted(scores.items(), key=lambda pair: -pair[1])), entities=entities, models=models)


def message(content: Mapping[str, Any], listeners: Audience, heard: Heard | None) -> Input:
    """The engine's input for checked content."""
    return _KINDS[content.get("type", "text")](content, listeners, heard)


def _text(content: Mapping[str, Any], listeners: Audience, heard: Heard | None) -> Input:
    text = content.get("text", "")
    if heard is not None and heard.listening == listeners.key:
        understanding = heard.understanding
    else:
        understanding = _understood(listeners, text, thorough=False)
    return Said(text=text, understanding=understanding, attributes=content.get("attributes") or {})


def _attachment(content: Mapping[str, Any], listeners: Audience, heard: Heard | None) -> Input:
    del listeners, heard
    return Said(text=content.get("text", ""), attributes=content.get("attributes") or {}, attachment=True)


def _postback(content: Mapping[str, Any], listeners: Audience, heard: Heard | None) -> Input:
    """`attributes` carry the same for protocols with text attributes only: intent, token, and slots.<name>."""
    del listeners, heard
    attributes = content.get("attributes") or {}
    slots = {name.removeprefix("slots."): value for name, value in attributes.items() if name.startswith("slots.")}
    return Postback(
        intent=content.get("intent") or attributes.get("intent", ""),
        slots={**slots, **(content.get("slots") or {})},
        token=content.get("token") or attributes.get("token", ""),
    )


def _event(content: Mapping[str, Any], listeners: Audience, heard: Heard | None) -> Input:
    """Something that the client's program noticed: an intent with full confidence, without words."""
    del listeners, heard
    name = content.get("text", "")
    return Said(text="", understanding=Understanding(intents=((name, 1.0),)), attributes=content.get("attributes") or {}, event=name)


def _command(content: Mapping[str, Any], listeners: Audience, heard: Heard | None) -> Input:
    del listeners, heard
    return Command(name=content.get("text", ""))


_KINDS: dict[str, Callable[[Mapping[str, Any], Audience, Heard | None], Input]] = {
    "text": _text,
    "attachment": _attachment,
    "postback": _postback,
    "event": _event,
    "command": _command,
}
CONTENT_TYPES = tuple(_KINDS)
