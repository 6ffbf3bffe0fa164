"""Stored conversations as records that can be played again (core.replay), many at a time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from conversations import errors, sealed
from conversations.core import codec
from conversations.core.replay import Answered, Moment, Record
from conversations.core.types import Event, Input, Outcome, Returned, Started
from conversations.models import Conversation, ConversationEvent, Effect, Replay, ReplayedConversation, Turn
from flows.models import Flow
from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


def records(tenant: Tenant, conversation_ids: Iterable[UUID]) -> dict[UUID, Record]:
    """The records of these conversations. One that does not exist, is another tenant's or cannot be read is left out."""
    wanted = list(conversation_ids)
    turns = {row.pk: row for row in _of(Turn, tenant, wanted).only("id", "conversation_id", "number", "kind", "request", "status")}
    calls: dict[UUID, list[Effect]] = defaultdict(list)
    for row in _of(Effect, tenant, wanted).order_by("created_at", "effect_id"):
        calls[row.conversation_id].append(row)
    logs: dict[UUID, list[ConversationEvent]] = {key: [] for key in wanted}
    for event in _of(ConversationEvent, tenant, wanted).order_by("conversation_id", "seq"):
        logs[event.conversation_id].append(event)
    found: dict[UUID, Record] = {}
    for key, rows in logs.items():
        try:
            moments = tuple(_moments(rows, turns, calls[key]))
        except (*UNREADABLE, PlatformError) as fault:
            log.warning("record_unreadable", conversation_id=str(key), fault=repr(fault))
            continue
        if moments:
            found[key] = Record(conversation_id=str(key), moments=moments, calls=tuple(_answered(row, turns) for row in calls[key]))
    return found


def record(tenant: Tenant, conversation_id: UUID) -> Record:
    """Raises ConversationNotFound."""
    found = records(tenant, [conversation_id]).get(conversation_id)
    if found is None:
        raise errors.ConversationNotFound(conversation_id=str(conversation_id))
    return found


def _of(model: Any, tenant: Tenant, wanted: list[UUID]) -> QuerySet[Any]:
    found: QuerySet[Any] = model.objects.for_tenant(tenant).filter(conversation_id__in=wanted)
    return found


def _answered(row: Effect, turns: Mapping[UUID, Turn]) -> Answered:
    request = sealed.opened(row.request or {})
    turn = turns.get(row.turn_id)
    return Answered(
        effect_id=row.effect_id,
        turn=turn.number if turn is not None else 0,
        integration_id=row.integration_id,
        request=request.get("request") or {},
        outcome=_outcome(row),
    )


def _outcome(row: Effect) -> Outcome | None:
    return codec.outcome_from_json(sealed.opened(row.result)) if row.result is not None else None


def _moments(rows: list[ConversationEvent], turns: Mapping[UUID, Turn], calls: list[Effect]) -> Iterator[Moment]:
    outcomes = {row.effect_id: _outcome(row) for row in calls}
    begun: set[UUID] = set()
    awaited = ""
    for turn_id, group in _steps(rows):
        turn = turns[turn_id]
        first = turn_id not in begun
        begun.add(turn_id)
        step = tuple(Event(seq=row.seq, kind=row.kind, data=sealed.opened(row.data)) for row in group)
        yield Moment(
            turn=turn.number,
            kind=turn.kind,
            input=_input(turn) if first else _returned(awaited, outcomes),
            now=group[0].at,
            events=step,
            reset=first and bool(turn.request.get("reset")),
        )
        awaited = next((event.data["effect_id"] for event in reversed(step) if event.kind == "awaiting"), awaited)


def _steps(rows: list[ConversationEvent]) -> Iterator[tuple[UUID, list[ConversationEvent]]]:
    """The events by the steps that wrote them: the same turn and moment; what came back from outside begins a step."""
    held: list[ConversationEvent] = []
    for row in rows:
        if held and (row.turn_id != held[0].turn_id or row.at != held[0].at or row.kind == "returned"):
            yield held[0].turn_id, held
            held = []
        held.append(row)
    if held:
        yield held[0].turn_id, held


def _input(turn: Turn) -> Input | None:
    """What entered the engine. None for a turn that the platform made itself, such as a migration."""
    request = sealed.opened(turn.request)
    try:
        if "input" in request:
            return codec.input_from_json(request["input"])
        return Started(flow_id=request["flow_id"], inputs=request.get("inputs") or {}) if request.get("type") == "started" else None
    except UNREADABLE:
        return None


def _returned(awaited: str, outcomes: Mapping[str, Outcome | None]) -> Input | None:
    outcome = outcomes.get(awaited)
    return Returned(effect_id=awaited, outcome=outcome) if outcome is not None else None


def newest(tenant: Tenant, flow: Flow, *, environment: str = "", version: int | None = None, since: Any = None) -> QuerySet[Conversation]:
    """The conversations of a flow, most recent first: those that it began, and that are not under way in this very moment."""
    found: QuerySet[Conversation] = Conversation.objects.for_tenant(tenant).filter(flow_key=flow.flow_id, awaiting="", queued=0)
    if environment:
        found = found.filter(environment__name=environment)
    if version is not None:
        found = found.filter(version__flow=flow, version__number=version)
    if since is not None:
        found = found.filter(updated_at__gte=since)
    return found.order_by("-updated_at", "id")


def replays(tenant: Tenant) -> QuerySet[Replay]:
    found: QuerySet[Replay] = Replay.objects.for_tenant(tenant)
    return found.select_related("flow", "environment").defer("definition")


def replay(tenant: Tenant, replay_id: UUID) -> Replay:
    """Raises ReplayNotFound, also for one of another tenant."""
    found = replays(tenant).filter(pk=replay_id).first()
    if found is None:
        raise errors.ReplayNotFound(replay_id=str(replay_id))
    return found


def results(tenant: Tenant, replay_id: UUID) -> QuerySet[ReplayedConversation]:
    found: QuerySet[ReplayedConversation] = ReplayedConversation.objects.for_tenant(tenant).filter(replay=replay(tenant, replay_id))
    return found.select_related("conversation")


def result(tenant: Tenant, replay_id: UUID, conversation_id: UUID) -> ReplayedConversation:
    """Raises ReplayNotFound, ConversationNotFound."""
    found = results(tenant, replay_id).filter(conversation_id=conversation_id).first()
    if found is None:
        raise errors.ConversationNotFound(conversation_id=str(conversation_id))
    return found
